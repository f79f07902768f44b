/** A note: how far my newest change has come, who else is in it, its title and its text. */
import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { ChevronLeft, MoreHorizontal, Trash2, Users } from "lucide-react";
import { Button as AriaButton } from "react-aria-components";
import type { DocumentId } from "@skein/shared/id/id.ts";
import type { NoteRow, OpenNote } from "../runtime/api.ts";
import { takeFresh } from "../spaces/new-note.ts";
import { troubleWords } from "../spaces/trouble-words.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { attempt } from "../ui/attempt.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Button, IconButton } from "../ui/button.tsx";
import { usePhone } from "../ui/media.ts";
import { namesInWords } from "../ui/list-words.ts";
import { tell } from "../ui/notices.tsx";
import { useLate, useObservable } from "../ui/observable.ts";
import { Menu } from "../ui/overlay.tsx";
import { Shape } from "../ui/shape.tsx";
import { useOpen } from "../ui/use-open.ts";
import { levelWords } from "./level-words.ts";
import "./note-view.css";

const EditorView = lazy(async () => {
  const { EditorView: view } = await import("./editor/editor-view.tsx");
  return { default: view };
});

export function NoteView({ id }: { readonly id: DocumentId }) {
  const space = useSpace();
  const { app } = useWays();
  const me = useObservable(app.me);
  const row = useObservable(space.notes).find((note) => note.id === id);
  const open = useCallback(() => space.openNote(id), [space, id]);
  const opening = useOpen(open, close);
  const note = opening.kind === "open" ? opening.value : undefined;
  const { coming } = useObservable(space.sync);
  const late = useLate(1_500);
  if (opening.kind === "failed") throw opening.error;
  return (
    <>
      <NoteBar id={id} row={row} note={note} />
      <div className="note-scroll">
        <div className="note">
          {note !== undefined && me !== undefined ? (
            <Opened note={note} row={row} me={me} />
          ) : (
            <>
              {late && coming > 0 && (
                <p className="note-news">
                  This note is on its way to this device. It opens as soon as it is here; that takes
                  a connection.
                </p>
              )}
              <Skeleton />
            </>
          )}
        </div>
      </div>
    </>
  );
}

const trashFailed = "The note could not be moved. Please try again.";

function close(note: OpenNote): void {
  attempt(note.close(), "The last change of a note could not be saved yet; it is tried again.");
}

interface NoteBarProps {
  readonly id: DocumentId;
  readonly row: NoteRow | undefined;
  readonly note: OpenNote | undefined;
}

function NoteBar({ id, row, note }: NoteBarProps) {
  const space = useSpace();
  const { go, side, setSide } = useWays();
  const phone = usePhone();
  const members = useObservable(space.members);
  const here = members.filter(
    ({ where, isMe, presence }) => where === id && !isMe && presence !== "offline",
  );
  const name = row === undefined || row.title.trim() === "" ? "Untitled" : row.title;
  return (
    <header className="bar">
      {phone && (
        <AriaButton
          className="icon-button bar-back"
          aria-label="Back to notes"
          onPress={() => go({ kind: "space", space: space.tag, list: "notes" })}
        >
          <ChevronLeft aria-hidden />
        </AriaButton>
      )}
      <h1 className="visually-hidden">{name}</h1>
      {note !== undefined && <LevelLine note={note} />}
      <span className="bar-space" />
      {here.length > 0 && (
        <span className="note-here">
          <span className="visually-hidden">
            {namesInWords(here.map((member) => member.name))} in this note
          </span>
          {here.slice(0, 4).map((member) => (
            <Avatar key={member.id} id={member.id} name={member.name} size={24} />
          ))}
        </span>
      )}
      <IconButton
        label={`Members (${members.length})`}
        isPressed={side?.kind === "members"}
        onPress={() => setSide(side?.kind === "members" ? undefined : { kind: "members" })}
      >
        <Users aria-hidden />
      </IconButton>
      <Menu
        label="This note"
        placement="bottom end"
        groups={[
          [
            {
              id: "trash",
              label: "Move to trash",
              icon: <Trash2 aria-hidden />,
              isDangerous: true,
              onAction: () => {
                attempt(space.trashNote(id, true), trashFailed);
                go({ kind: "space", space: space.tag, list: "notes" });
                tell(`“${name}” is in the trash.`, {
                  label: "Undo",
                  run: () => attempt(space.trashNote(id, false), trashFailed),
                });
              },
            },
          ],
        ]}
      >
        <AriaButton className="icon-button" aria-label="More about this note">
          <MoreHorizontal aria-hidden />
        </AriaButton>
      </Menu>
    </header>
  );
}

function LevelLine({ note }: { readonly note: OpenNote }) {
  const members = useObservable(useSpace().members);
  const level = useObservable(note.level);
  const shown = levelWords(level, (member) => members.find(({ id }) => id === member)?.name);
  return (
    <output className="note-level" data-testid="note-level">
      {shown !== undefined && (
        <>
          <Shape of={shown.glyph} />
          <span className="note-level-words">{shown.words}</span>
        </>
      )}
    </output>
  );
}

interface OpenedProps {
  readonly note: OpenNote;
  readonly row: NoteRow | undefined;
  readonly me: React.ComponentProps<typeof EditorView>["me"];
}

function Opened({ note, row, me }: OpenedProps) {
  const space = useSpace();
  const newer = useObservable(note.readOnly);
  const trouble = useObservable(note.trouble);
  const role = useObservable(space.myRole);
  const [strange, setStrange] = useState(false);
  const focusText = useRef<() => void>(undefined);
  /** Enter was pressed in the title before the editor was there. */
  const wantsText = useRef(false);
  const trashed = row?.trashed === true;
  const readOnly = newer || strange || trashed || role === "reader";
  const onStranger = useCallback(() => setStrange(true), []);
  const onReady = useCallback((focus: () => void) => {
    focusText.current = focus;
    if (wantsText.current) focus();
    wantsText.current = false;
  }, []);
  return (
    <>
      {trashed && (
        <div className="note-news">
          <span>This note is in the trash.</span>
          <Button
            size="small"
            onPress={() => attempt(space.trashNote(note.id, false), trashFailed)}
          >
            Restore
          </Button>
        </div>
      )}
      {(newer || strange) && (
        <p className="note-news">
          A newer version of Skein wrote parts of this note. It is shown read-only here, and nothing
          of it is lost.
        </p>
      )}
      {trouble !== undefined && (
        <p className="note-news note-news-serious" role="alert">
          <span>
            <b>{troubleWords(trouble, undefined).title}.</b>{" "}
            {troubleWords(trouble, undefined).advice}
          </span>
        </p>
      )}
      <Title
        note={note.id}
        title={row?.title ?? ""}
        readOnly={readOnly}
        onEnter={() => {
          if (focusText.current === undefined) wantsText.current = true;
          else focusText.current();
        }}
        onLeave={() => {
          wantsText.current = false;
        }}
      />
      <Suspense fallback={<Skeleton />}>
        <EditorView
          key={note.id}
          note={note}
          me={me}
          readOnly={readOnly}
          onStranger={onStranger}
          onReady={onReady}
        />
      </Suspense>
    </>
  );
}

interface TitleProps {
  readonly note: DocumentId;
  readonly title: string;
  readonly readOnly: boolean;
  readonly onEnter: () => void;
  /** The title is typed in again, or left for something else. */
  readonly onLeave: () => void;
}

/** A pause in typing after which the new title is saved; leaving the field saves at once. */
const saveAfterMs = 700;

function Title({ note, title, readOnly, onEnter, onLeave }: TitleProps) {
  const space = useSpace();
  const field = useRef<HTMLTextAreaElement>(null);
  /** What is being typed; undefined while the title is as everybody has it. */
  const [typed, setTyped] = useState<string>();
  const pending = useRef<string>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const shown = typed ?? title;

  const save = useCallback(() => {
    clearTimeout(timer.current);
    const name = pending.current;
    pending.current = undefined;
    if (name === undefined) return;
    attempt(space.renameNote(note, name.trim()), "The title could not be saved. Please try again.");
  }, [space, note]);
  useEffect(() => save, [save]);
  // A title that arrives replaces what was typed, unless somebody is still typing.
  useEffect(() => {
    if (document.activeElement !== field.current) setTyped(undefined);
  }, [title]);

  useEffect(() => {
    if (takeFresh(note)) field.current?.focus();
  }, [note]);
  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [shown]);

  return (
    <textarea
      ref={field}
      className="note-title"
      rows={1}
      dir="auto"
      aria-label="Title of the note"
      placeholder="Untitled"
      maxLength={200}
      readOnly={readOnly}
      value={shown}
      onChange={(event) => {
        const next = event.target.value.replace(/[\r\n]+/gu, " ");
        setTyped(next);
        onLeave();
        pending.current = next;
        clearTimeout(timer.current);
        timer.current = setTimeout(save, saveAfterMs);
      }}
      onBlur={() => {
        save();
        onLeave();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
        event.preventDefault();
        save();
        onEnter();
      }}
    />
  );
}

function Skeleton() {
  const late = useLate();
  return (
    <div className="note-skeleton" aria-busy="true" aria-label="Opening the note">
      {late &&
        ["45%", "92%", "86%", "60%"].map((width) => (
          <span key={width} style={{ width }} aria-hidden="true" />
        ))}
    </div>
  );
}
