/**
 * The notes of a space that are open in this tab: one editing session each, however often a note is opened,
 * and the cursors in them, to and from other tabs and devices.
 */
import { encodeWhisperContent } from "@skein/shared/gossip/whisper-content.ts";
import type { DocumentId, ReplicaId } from "@skein/shared/id/id.ts";
import type { OpenNote } from "./api.ts";
import type { LeaderLink } from "./leader-link.ts";
import type { LiveNote } from "./note.ts";
import type { NotePeers } from "./note-peers.ts";
import type { SpaceCore } from "./space-core.ts";

export interface OpenNotesOptions {
  readonly core: SpaceCore;
  readonly link: LeaderLink;
  readonly peers: NotePeers;
  readonly onSeen: (document: DocumentId, vector: ReadonlyMap<ReplicaId, number>) => void;
  /** A note that is opened is still to come. */
  readonly onWanted: (document: DocumentId) => void;
}

/** A name and two positions are a few hundred bytes. */
const cursorBytesMax = 8_192;

interface Shared {
  readonly opening: Promise<LiveNote>;
  live?: LiveNote;
  users: number;
}

export class OpenNotes {
  readonly #options: OpenNotesOptions;
  readonly #open = new Map<DocumentId, Shared>();
  /** The last session of a note hands on its peer when its edits are in the log. */
  readonly #closing = new Map<DocumentId, Promise<void>>();

  readonly #undo: readonly (() => void)[];
  #online: ReadonlySet<ReplicaId> = new Set();

  constructor(options: OpenNotesOptions) {
    this.#options = options;
    const { core, link } = options;
    this.#undo = [
      link.onAwareness.on(({ space, document, from, nonce, update }) => {
        if (space !== core.tag) return;
        const shared = this.#open.get(document);
        if (shared !== undefined) whenOpen(shared, (live) => live.hearCursor(update, from, nonce));
      }),
      link.status.subscribe(() => this.#meet()),
    ];
  }

  async open(note: DocumentId): Promise<OpenNote> {
    let shared = this.#open.get(note);
    if (shared?.live?.isEnded === true) shared = undefined;
    if (shared === undefined) {
      shared = { opening: this.#begin(note), users: 0 };
      this.#open.set(note, shared);
    }
    shared.users++;
    const mine = shared;
    try {
      const live = await mine.opening;
      mine.live = live;
      return handleOf(live, () => this.#leave(note, mine, live));
    } catch (error) {
      if (this.#open.get(note) === mine) this.#open.delete(note);
      throw error;
    }
  }

  close(): void {
    for (const undo of this.#undo) undo();
    for (const { opening } of this.#open.values()) {
      void opening.then((live) => live.close());
    }
    this.#open.clear();
  }

  async #begin(document: DocumentId): Promise<LiveNote> {
    const { core, peers, onSeen, onWanted } = this.#options;
    await this.#closing.get(document);
    // Yjs comes with the first note that is opened.
    const { LiveNote: Note } = await import("./note.ts");
    return Note.open({
      core,
      document,
      peers,
      onSeen: (vector) => onSeen(document, vector),
      onWanted: () => onWanted(document),
      onCursor: (update) => this.#tellCursor(document, update),
    });
  }

  /** Somebody came who was not here: they have seen no cursor yet. */
  #meet(): void {
    const online = this.#others();
    const isNew = [...online].some((replica) => !this.#online.has(replica));
    this.#online = online;
    if (!isNew) return;
    for (const shared of this.#open.values()) whenOpen(shared, (live) => live.tellCursor());
  }

  #others(): ReadonlySet<ReplicaId> {
    const { core, link } = this.#options;
    const presence = link.status.get().spaces.get(core.tag)?.presence ?? [];
    const here = presence.filter((each) => each.presence !== "offline");
    return new Set(here.map(({ replica }) => replica));
  }

  #tellCursor(document: DocumentId, update: Uint8Array): void {
    const { core, link } = this.#options;
    const { device, tag: space, replica: from, nonce } = core;
    device.tabs.post({ kind: "awareness", space, document, from, nonce, update });
    if (this.#others().size === 0 || update.length > cursorBytesMax) return;
    const plain = encodeWhisperContent({ kind: "awareness", document, update });
    core
      .sealWhisper(plain, undefined)
      .then((sealed) => link.wish({ kind: "whisper", space, sealed }), device.onBug);
  }

  async #leave(note: DocumentId, shared: Shared, live: LiveNote): Promise<void> {
    shared.users--;
    if (shared.users > 0) return live.flush();
    if (this.#open.get(note) === shared) this.#open.delete(note);
    const closing = live.close();
    this.#closing.set(note, closing);
    await closing;
    if (this.#closing.get(note) === closing) this.#closing.delete(note);
  }
}

function whenOpen({ opening }: Shared, task: (live: LiveNote) => void): void {
  opening.then(task, () => {
    // Whoever opens the note is told why it does not open.
  });
}

/** Each who opened it closes it for themselves. */
function handleOf(live: LiveNote, leave: () => Promise<void>): OpenNote {
  let left: Promise<void> | undefined;
  const { id, fragment, doc, awareness, level, readOnly, trouble } = live;
  return {
    id,
    fragment,
    doc,
    awareness,
    level,
    readOnly,
    trouble,
    close() {
      left ??= leave();
      return left;
    },
  };
}
