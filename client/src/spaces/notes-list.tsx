/** The notes of a space: open, make, rename, bin. */
import { useState } from "react";
import { FileText, MoreHorizontal, Pencil, Plus, Trash2 } from "lucide-react";
import { Button as AriaButton, Link } from "react-aria-components";
import type { NoteRow } from "../runtime/api.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { attempt } from "../ui/attempt.ts";
import { IconButton } from "../ui/button.tsx";
import { tell } from "../ui/notices.tsx";
import { useObservable } from "../ui/observable.ts";
import { Menu } from "../ui/overlay.tsx";
import { useNewNote } from "./new-note.ts";
import { pathOf, type Place } from "./place.ts";

export interface ListProps {
  readonly place: Place;
  /** On phones the list is a page and its title the page's heading. */
  readonly heading?: boolean;
}

export function NotesList({ place, heading = false }: ListProps) {
  const space = useSpace();
  const notes = useObservable(space.notes);
  const { make, busy } = useNewNote();
  const there = notes.filter((note) => !note.trashed);
  const inTrash = notes.length - there.length;
  const Title = heading ? "h1" : "h2";
  return (
    <section aria-label="Notes">
      <div className="list-head">
        <Title className="list-title">Notes</Title>
        <IconButton label="New note" onPress={make} isDisabled={busy}>
          <Plus aria-hidden />
        </IconButton>
      </div>
      {there.length === 0 && <p className="list-empty">No notes yet. Make one with +.</p>}
      <ul>
        {there.map((note) => (
          <NoteItem
            key={note.id}
            note={note}
            isCurrent={place.kind === "note" && place.note === note.id}
          />
        ))}
        {inTrash > 0 && (
          <li className="row">
            <Link
              className="row-link"
              href={`#${pathOf({ kind: "space", space: space.tag, list: "trash" })}`}
              {...(place.kind === "space" &&
                place.list === "trash" && { "aria-current": "page" as const })}
            >
              <Trash2 aria-hidden />
              <span className="row-label">Trash</span>
            </Link>
          </li>
        )}
      </ul>
    </section>
  );
}

const trashFailed = "The note could not be moved. Please try again.";

function NoteItem({ note, isCurrent }: { readonly note: NoteRow; readonly isCurrent: boolean }) {
  const space = useSpace();
  const { go } = useWays();
  const [renames, setRenames] = useState(false);
  const name = note.title.trim() === "" ? "Untitled" : note.title;

  if (renames) {
    return (
      <li className="row">
        <RenameInput
          value={note.title}
          onDone={(title) => {
            setRenames(false);
            if (title !== undefined && title !== note.title) {
              attempt(space.renameNote(note.id, title), "The note could not be renamed.");
            }
          }}
        />
      </li>
    );
  }
  const trash = () => {
    attempt(space.trashNote(note.id, true), trashFailed);
    if (isCurrent) go({ kind: "space", space: space.tag, list: "notes" });
    tell(`“${name}” is in the trash.`, {
      label: "Undo",
      run: () => attempt(space.trashNote(note.id, false), trashFailed),
    });
  };
  return (
    <li className="row">
      <Link
        className="row-link"
        href={`#${pathOf({ kind: "note", space: space.tag, note: note.id })}`}
        {...(isCurrent && { "aria-current": "page" as const })}
        onKeyDown={(event) => {
          if (event.key === "F2") setRenames(true);
          else if (event.key === "Delete") trash();
          else event.continuePropagation();
        }}
      >
        <FileText aria-hidden />
        <bdi className={`row-label${note.title.trim() === "" ? " row-untitled" : ""}`}>{name}</bdi>
      </Link>
      <Menu
        label={`${name}: what to do`}
        placement="bottom end"
        groups={[
          [
            {
              id: "rename",
              label: "Rename",
              icon: <Pencil aria-hidden />,
              onAction: () => setRenames(true),
            },
          ],
          [
            {
              id: "trash",
              label: "Move to trash",
              icon: <Trash2 aria-hidden />,
              isDangerous: true,
              onAction: trash,
            },
          ],
        ]}
      >
        <AriaButton className="icon-button row-menu" aria-label={`More about ${name}`}>
          <MoreHorizontal aria-hidden />
        </AriaButton>
      </Menu>
    </li>
  );
}

interface RenameInputProps {
  readonly value: string;
  /** Undefined: left as it was. */
  readonly onDone: (value: string | undefined) => void;
}

function RenameInput({ value, onDone }: RenameInputProps) {
  const [text, setText] = useState(value);
  return (
    <input
      className="row-input"
      aria-label="Name of the note"
      // oxlint-disable-next-line jsx-a11y/no-autofocus -- the person just asked to rename
      autoFocus
      dir="auto"
      value={text}
      maxLength={200}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setText(event.target.value)}
      onBlur={() => onDone(text.trim())}
      onKeyDown={(event) => {
        if (event.nativeEvent.isComposing) return;
        if (event.key === "Enter") onDone(text.trim());
        else if (event.key === "Escape") onDone(undefined);
      }}
    />
  );
}
