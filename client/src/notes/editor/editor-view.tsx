/** The editor on the screen. A part of the app of its own, loaded with the first note that is opened. */
import { useEffect, useRef, useState } from "react";
import type { Editor } from "@tiptap/core";
import { firstEdit } from "../../first-edit.ts";
import type { Me, OpenNote } from "../../runtime/api.ts";
import { useApp } from "../../ui/app-context.ts";
import { bytesInWords } from "../../ui/list-words.ts";
import { plainTextOf } from "./bindable.ts";
import { nameCaret } from "./carets.ts";
import { noteEditor } from "./note-editor.ts";
import type { PasteNews } from "./paste.ts";
import { Tools } from "./tools.tsx";
import "./editor.css";

export interface EditorViewProps {
  readonly note: OpenNote;
  readonly me: Me;
  readonly readOnly: boolean;
  /** The note turned out to be written by a newer version. */
  readonly onStranger: () => void;
  /** Hands out the way to put the caret into the text. */
  readonly onReady: (focus: () => void) => void;
}

export function EditorView({ note, me, readOnly, onStranger, onReady }: EditorViewProps) {
  const app = useApp();
  const host = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<Editor>();
  const [plain, setPlain] = useState<string>();
  const [paste, setPaste] = useState<PasteNews>();
  const [linking, setLinking] = useState(false);
  // The editor lives as long as the note is open; what changes meanwhile reaches it through this.
  const latest = useRef({ readOnly, onStranger, onReady, name: me.name, member: me.member });
  useEffect(() => {
    latest.current = { readOnly, onStranger, onReady, name: me.name, member: me.member };
  });

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const showPlain = () => {
      setEditor(undefined);
      setPlain(plainTextOf(note.doc.getXmlFragment(note.fragment)));
    };
    const { readOnly: isReadOnly, member, name } = latest.current;
    const made = noteEditor({
      element,
      note,
      user: { member, name },
      editable: !isReadOnly,
      onStranger: () => latest.current.onStranger(),
      onUnbindable: showPlain,
      onPaste: setPaste,
      onEdit: () => firstEdit(app),
      onLink: () => setLinking(true),
    });
    if (made === undefined) {
      showPlain();
      return;
    }
    setEditor(made.editor);
    latest.current.onReady(() => made.editor.commands.focus());
    return () => made.destroy();
  }, [note, app]);

  useEffect(() => {
    if (editor !== undefined) nameCaret(note.awareness, { member: me.member, name: me.name });
  }, [editor, note, me.member, me.name]);

  const pasting = paste?.kind === "pasting";
  useEffect(() => {
    editor?.setEditable(!readOnly && !pasting, false);
  }, [editor, readOnly, pasting]);

  return (
    <div className="editor">
      {editor !== undefined && !readOnly && (
        <Tools editor={editor} linking={linking} onLinking={setLinking} />
      )}
      {paste !== undefined && <PasteLine news={paste} onClose={() => setPaste(undefined)} />}
      {plain === undefined ? (
        <div ref={host} className="editor-host" />
      ) : (
        <>
          <p className="editor-news">
            A member’s app put something into this note that this version cannot show. Here is its
            text; nothing is lost.
          </p>
          <pre className="editor-plain">{plain}</pre>
        </>
      )}
    </div>
  );
}

function PasteLine({ news, onClose }: { readonly news: PasteNews; readonly onClose: () => void }) {
  const words = pasteWords(news);
  useEffect(() => {
    if (news.kind === "pasting") return;
    const timer = setTimeout(onClose, words === undefined ? 0 : 10_000);
    return () => clearTimeout(timer);
  }, [news, words, onClose]);
  if (words === undefined) return null;
  return <output className="editor-news">{words}</output>;
}

function pasteWords(news: PasteNews): string | undefined {
  switch (news.kind) {
    case "pasting":
      return `Pasting a large text, ${Math.floor(news.share * 100)} %`;
    case "done":
      return news.plain
        ? "That was a lot of formatted text: it was pasted as plain text."
        : undefined;
    case "refused":
      return news.reason === "files"
        ? "Files cannot be put into notes in this version."
        : `That is ${bytesInWords(news.chars)} of text, more than a note takes at once. Paste it in parts of at most 3 MB.`;
  }
}
