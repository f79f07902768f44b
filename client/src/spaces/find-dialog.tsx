/** Ctrl/⌘+K: notes, channels, members and commands in one list, found by a few letters. */
import { useId, useState, type ReactNode } from "react";
import {
  FileText,
  Hash,
  Plus,
  RefreshCw,
  Settings,
  UserPlus,
  Users,
  WifiOff,
  Keyboard,
} from "lucide-react";
import { useSpace, useWays, type Overlay } from "../ui/app-context.ts";
import { attempt } from "../ui/attempt.ts";
import { Avatar } from "../ui/avatar.tsx";
import { useObservable } from "../ui/observable.ts";
import { Dialog } from "../ui/overlay.tsx";
import { useNewNote } from "./new-note.ts";
import { findIn, type Findable } from "./palette-search.ts";
import "./find-dialog.css";

interface Entry extends Findable {
  readonly id: string;
  readonly kind: string;
  readonly icon: ReactNode;
  readonly run: () => void;
}

/** As many as can be looked over; typing one more letter helps better than scrolling. */
const shownMax = 40;

export function FindDialog({ onClose }: { readonly onClose: () => void }) {
  const entries = useEntries();
  const [typed, setTyped] = useState("");
  const [index, setIndex] = useState(0);
  const listId = useId();
  const found = findIn(entries, typed).slice(0, shownMax);
  const active = Math.min(index, found.length - 1);
  const run = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    onClose();
    entry.run();
  };
  return (
    <Dialog title="Find" size="wide" hidesTitle onClose={onClose}>
      <input
        className="find-input"
        role="combobox"
        aria-label="Find notes, channels, members and commands"
        aria-expanded="true"
        aria-controls={listId}
        aria-autocomplete="list"
        {...(found[active] !== undefined && { "aria-activedescendant": `${listId}-${active}` })}
        placeholder="Find notes, channels, members, commands"
        // oxlint-disable-next-line jsx-a11y/no-autofocus -- the dialog is this field
        autoFocus
        spellCheck={false}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setIndex(0);
        }}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Enter") run(found[active]);
          else if (event.key === "ArrowDown") setIndex(Math.min(active + 1, found.length - 1));
          else if (event.key === "ArrowUp") setIndex(Math.max(active - 1, 0));
          else return;
          event.preventDefault();
        }}
      />
      {/* A select would take the focus from the field. */}
      {/* oxlint-disable-next-line jsx-a11y/prefer-tag-over-role */}
      <div className="find-list" role="listbox" id={listId} aria-label="Found">
        {found.map((entry, position) => (
          // The field keeps the focus; options are reached through aria-activedescendant.
          // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
          <div
            key={entry.id}
            id={`${listId}-${position}`}
            // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- likewise
            role="option"
            aria-selected={position === active}
            className="find-option"
            ref={position === active ? intoView : undefined}
            onPointerMove={() => setIndex(position)}
            onClick={() => run(entry)}
          >
            {entry.icon}
            <bdi className="row-label">{entry.label}</bdi>
            <span className="find-kind">{entry.kind}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && (
        <output className="find-none">
          Nothing here is called that. Only titles and names are searched.
        </output>
      )}
    </Dialog>
  );
}

function intoView(option: HTMLElement | null): void {
  option?.scrollIntoView({ block: "nearest" });
}

function useEntries(): Entry[] {
  const { app, go, show, setSide } = useWays();
  const space = useSpace();
  const notes = useObservable(space.notes);
  const channels = useObservable(space.channels);
  const members = useObservable(space.members);
  const spaces = useObservable(app.spaces);
  const network = useObservable(app.network);
  const { make } = useNewNote();
  const offline = network.kind === "off";
  const command = (label: string, icon: ReactNode, run: () => void, words = ""): Entry => ({
    id: `command ${label}`,
    label,
    words,
    kind: "Command",
    icon,
    run,
  });
  const shows = (overlay: Overlay) => () => show(overlay);
  return [
    ...notes
      .filter(({ trashed }) => !trashed)
      .map(({ id, title }): Entry => ({
        id,
        label: title.trim() || "Untitled",
        kind: "Note",
        icon: <FileText aria-hidden />,
        run: () => go({ kind: "note", space: space.tag, note: id }),
      })),
    ...channels.map(({ id, name }): Entry => ({
      id,
      label: name,
      kind: "Channel",
      icon: <Hash aria-hidden />,
      run: () => go({ kind: "channel", space: space.tag, channel: id }),
    })),
    ...members.map(({ id, name }): Entry => ({
      id,
      label: name,
      kind: "Member",
      icon: <Avatar id={id} name={name} size={20} />,
      run: () => setSide({ kind: "members" }),
    })),
    ...spaces
      .filter(({ tag }) => tag !== space.tag)
      .map(({ tag, name }): Entry => ({
        id: tag,
        label: name,
        kind: "Space",
        icon: <Users aria-hidden />,
        run: () => go({ kind: "space", space: tag, list: undefined }),
      })),
    command("New note", <Plus aria-hidden />, make, "create write"),
    command("New channel", <Plus aria-hidden />, shows({ kind: "new channel" }), "create chat"),
    command("New space", <Plus aria-hidden />, shows({ kind: "new space" }), "create group"),
    command("Join with a link", <UserPlus aria-hidden />, shows({ kind: "join", link: undefined })),
    command("Invite", <UserPlus aria-hidden />, shows({ kind: "invite" }), "link qr share"),
    command(
      "Members",
      <Users aria-hidden />,
      () => setSide({ kind: "members" }),
      "people presence",
    ),
    command(
      "Sync",
      <RefreshCw aria-hidden />,
      () => setSide({ kind: "sync" }),
      "devices outbox storage",
    ),
    command("Sync now", <RefreshCw aria-hidden />, () => {
      app.connectNow();
      space.syncNow();
    }),
    command(
      offline ? "Work online" : "Work offline",
      <WifiOff aria-hidden />,
      () => attempt(app.setOffline(!offline), "The switch could not be saved."),
      "network disconnect",
    ),
    command(
      "Settings",
      <Settings aria-hidden />,
      shows({ kind: "settings" }),
      "name theme dark light",
    ),
    command(
      "Keyboard shortcuts",
      <Keyboard aria-hidden />,
      shows({ kind: "shortcuts" }),
      "keys help",
    ),
  ];
}
