/**
 * Makes the editor of one open note and takes it down again. Nothing enters it as HTML: the content
 * comes from the shared document, so that no Trusted Types sink is touched outside a paste.
 */
import { Editor } from "@tiptap/core";
import type * as Y from "yjs";
import type { OpenNote } from "../../runtime/api.ts";
import type { CaretsOptions } from "./carets.ts";
import { noteExtensions } from "./extensions.ts";
import type { PasteNews } from "./paste.ts";
import { makePatient } from "./patient-schema.ts";
import { isBindable, staysBindable } from "./bindable.ts";

export interface NoteEditorOptions {
  readonly element: HTMLElement;
  readonly note: OpenNote;
  readonly user: CaretsOptions["user"];
  readonly editable: boolean;
  /** Something in the note comes from a newer version. */
  readonly onStranger: () => void;
  /** Somebody put something in that no editor of this version can hold. */
  readonly onUnbindable: () => void;
  readonly onPaste: (news: PasteNews) => void;
  /** The shortcut for links was pressed. */
  readonly onLink: () => void;
  /** This person changed something. */
  readonly onEdit: () => void;
}

export interface NoteEditor {
  readonly editor: Editor;
  destroy(): void;
}

/** Undefined if the note's content cannot be bound; then it can only be shown as plain text. */
export function noteEditor(options: NoteEditorOptions): NoteEditor | undefined {
  const { element, note, user, editable } = options;
  const fragment = note.doc.getXmlFragment(note.fragment);
  if (!isBindable(fragment)) return undefined;

  const later = (what: () => void) => queueMicrotask(() => !editor.isDestroyed && what());
  // Before the binding's own observer: what it could not bear must not reach it.
  const guard = (events: Y.YEvent<Y.AbstractType<unknown>>[]) => {
    if (staysBindable(events)) return;
    destroy();
    options.onUnbindable();
  };
  fragment.observeDeep(guard);

  const editor: Editor = new Editor({
    element,
    editable,
    injectCSS: false,
    content: { type: "doc", content: [{ type: "paragraph" }] },
    extensions: noteExtensions({
      fragment,
      awareness: note.awareness,
      user,
      onPaste: options.onPaste,
      onLink: options.onLink,
    }),
    editorProps: {
      attributes: {
        class: "prose",
        role: "textbox",
        "aria-multiline": "true",
        "aria-label": "Content of the note",
      },
      scrollThreshold: 64,
      scrollMargin: 64,
    },
    onBeforeCreate: ({ editor: made }) => {
      makePatient(made.schema, () => queueMicrotask(options.onStranger));
    },
  });
  const onEdit = (_update: Uint8Array, _origin: unknown, _doc: Y.Doc, { local }: Y.Transaction) => {
    if (local) later(options.onEdit);
  };
  note.doc.on("update", onEdit);

  let destroyed = false;
  function destroy(): void {
    if (destroyed) return;
    destroyed = true;
    fragment.unobserveDeep(guard);
    note.doc.off("update", onEdit);
    editor.destroy();
  }
  return { editor, destroy };
}
