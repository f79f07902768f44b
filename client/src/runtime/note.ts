/**
 * A note that is open in this tab: the editing session (shared/note/note-session.ts) between the editor's
 * Y.Doc and the device's database. Changes of others, and of other tabs, are pulled from the database when
 * something was applied, so nothing is missed, whoever leads; own changes go into the log. Loaded only
 * when a note is opened: Yjs comes with it.
 */
import type * as Y from "yjs";
import type { Awareness } from "y-protocols/awareness";
import type { WriterPosition } from "@skein/shared/device/writer.ts";
import type { RawOperation } from "@skein/shared/crdt/crdt.ts";
import { plainBytesMax } from "@skein/shared/log/plain.ts";
import { NoteAuthors } from "@skein/shared/device/authored-updates.ts";
import type { DocumentState, TailUpdate } from "@skein/shared/device/tail-rows.ts";
import type { DocumentId, MemberId, ReplicaId } from "@skein/shared/id/id.ts";
import { encodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { noteSchemaVersion, schemaOf } from "@skein/shared/note/note-schema.ts";
import {
  type NoteEffect,
  type NoteOperation,
  NoteSession,
} from "@skein/shared/note/note-session.ts";
import type { NoteLevel, Observable, OpenNote, Trouble } from "./api.ts";
import { Cursors } from "./cursors.ts";
import { Cell, derived, sameValue } from "./observable.ts";
import type { NotePeer, NotePeers } from "./note-peers.ts";
import { updateKind } from "./operation-kinds.ts";
import type { SpaceCore } from "./space-core.ts";

/** Left in an entry for dependencies, clock and the heads of operations. */
const entryBytesMax = plainBytesMax - 2_048;
const entryOperationsMax = 64;
/** Entries of this very device are applied within moments while any tab leads. */
const ownWithinMs = 1_500;
/** In view for so long, with somebody there, counts as seen. */
const seenAfterMs = 1_000;

export interface LiveNoteOptions {
  readonly core: SpaceCore;
  readonly document: DocumentId;
  readonly peers: NotePeers;
  /** Somebody has looked at the note with these entries in it. */
  readonly onSeen: (vector: ReadonlyMap<ReplicaId, number>) => void;
  /** What the note begins with is still to come: it is asked for before other things. */
  readonly onWanted: () => void;
  /** The cursor in this tab has moved; an update as y-protocols encodes it. */
  readonly onCursor: (update: Uint8Array) => void;
}

export class LiveNote implements OpenNote {
  readonly id: DocumentId;
  readonly fragment = "content";
  readonly doc: Y.Doc;
  readonly awareness: Awareness;
  readonly level: Observable<NoteLevel>;
  readonly readOnly = new Cell(false);
  readonly trouble = new Cell<Trouble | undefined>(undefined);

  readonly #options: LiveNoteOptions;
  readonly #authors: NoteAuthors;
  readonly #session: NoteSession<NotePeer>;
  readonly #cursors: Cursors;
  readonly #undo: (() => void)[] = [];
  /** Entries of this note that are in the document, by replica. */
  readonly #vector: Map<ReplicaId, number>;
  readonly #ownSeq: Cell<number>;
  readonly #saving = new Cell(false);
  #upTo: number;
  #pulling = false;
  #pullAgain = false;
  #wake: ReturnType<typeof setTimeout> | undefined;
  #seen: ReturnType<typeof setTimeout> | undefined;
  #persisting: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #ended = false;

  static async open(options: LiveNoteOptions): Promise<LiveNote> {
    const { core, document, peers } = options;
    await core.ready;
    await core.know([{ kind: "read", document }]);
    // What this tab wrote in it a moment ago belongs to it, and to the peer that is continued.
    await core.untilApplied(peers.writtenTo(document), ownWithinMs);
    return new LiveNote(options, await LiveNote.#whole(options));
  }

  /** The note as the database has it, once all of it has come: of a new device's, parts may be on their way. */
  static async #whole({ core, document, onWanted }: LiveNoteOptions): Promise<DocumentState> {
    for (;;) {
      // Listens before it reads: what comes in between is not missed.
      const filled = core.untilFilled(document);
      const state = await core.device.models.document(core.tag, document);
      if (!state.pending) {
        filled.stop();
        return state;
      }
      onWanted();
      await filled.once;
    }
  }

  private constructor(options: LiveNoteOptions, state: DocumentState) {
    const { core, document, peers } = options;
    const { suite, env, platform } = core.device;
    this.#options = options;
    this.id = document;
    this.#authors = new NoteAuthors(suite, document);
    this.#vector = new Map(state.snapshot?.vector);
    this.#cover(state.updates);
    this.#ownSeq = new Cell(this.#vector.get(core.replica) ?? 0);
    this.#upTo = state.upTo;
    this.#session = new NoteSession<NotePeer>({
      clock: env.clock,
      emit: (effect) => this.#do(effect),
      nextPeer: () => peers.next(document),
      snapshot: state.snapshot?.bytes,
      tail: this.#authors.authored(state.updates),
    });
    const { doc, peer } = this.#session;
    const isNewer = schemaOf(doc) > noteSchemaVersion;
    this.readOnly.set(isNewer);
    this.doc = isNewer ? this.#session.readingView() : doc;
    // Cursors go by an id of ours also where nothing is written.
    if (isNewer && peer !== undefined) this.doc.clientID = peer.client;
    this.#cursors = new Cursors(this.doc, options.onCursor);
    this.awareness = this.#cursors.awareness;
    this.level = this.#levels();
    this.#undo.push(
      core.onApplied.on((entries) => {
        if (entries.some((entry) => entry.document === document)) this.#pull();
      }),
      core.onMissed.on(() => this.#pull()),
      // Of a space that began anew while the note was open, parts are on their way.
      core.onFilled.on((filled) => {
        if (filled === document) this.#pull();
      }),
      core.onTrouble.on((error) => {
        const troubled = error !== undefined && !this.#session.saved;
        this.trouble.set(troubled ? core.device.troubles.troubleOf(error) : undefined);
      }),
      platform.page.onHide(() => this.#session.flush()),
      platform.page.active.subscribe(() => this.#look()),
    );
    const onUpdate = () => {
      this.#saving.set(!this.#session.saved);
      const { peer: now } = this.#session;
      if (now !== undefined) this.#cursors.follow(now.client);
    };
    doc.on("afterAllTransactions", onUpdate);
    this.#undo.push(() => doc.off("afterAllTransactions", onUpdate));
    // What was applied between reading and listening.
    this.#pull();
    this.#look();
  }

  /** A cursor in another tab or on another device; `nonce` is of the writer session that says so. */
  hearCursor(update: Uint8Array, replica: ReplicaId, nonce: Uint8Array): void {
    this.#cursors.hear(update, (client) => {
      for (let counter = 0; counter < countersMax; counter++) {
        if (this.#authors.client(replica, nonce, counter) === client) return true;
      }
      return false;
    });
  }

  /** Beyond use: whoever opens the note next gets it anew from the log. */
  get isEnded(): boolean {
    return this.#ended;
  }

  /** Says again where the cursor in this tab is. */
  tellCursor(): void {
    if (this.#closing === undefined) this.#cursors.tell();
  }

  /** Resolves once everything typed so far is committed, or cannot be for now. */
  flush(): Promise<void> {
    this.#session.flush();
    return this.trouble.get() === undefined ? this.#persisting : Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { peers } = this.#options;
    clearTimeout(this.#seen);
    for (const undo of this.#undo) undo();
    this.#cursors.close();
    if (this.doc !== this.#session.doc) this.doc.destroy();
    this.#session.close();
    clearTimeout(this.#wake);
    // While the database refuses, the operations wait in this tab, and the person was told.
    if (this.trouble.get() === undefined) await this.#persisting;
    else return;
    const resumable = this.#session.resumable();
    if (resumable === undefined) return;
    peers.giveBack(this.id, resumable.peer, resumable.clock, this.#ownSeq.get());
  }

  #do(effect: NoteEffect<NotePeer>): void {
    const { onBug, env } = this.#options.core.device;
    switch (effect.kind) {
      case "persist":
        this.#persisting = this.#persist(effect.operations);
        this.#persisting.catch(onBug);
        return;
      case "wake":
        clearTimeout(this.#wake);
        this.#wake = setTimeout(() => this.#session.woke(), effect.at - env.clock.now());
        return;
      case "omitted":
        this.trouble.set({
          kind: "left out",
          atMs: env.clock.now(),
          detail: effect.reasons.join("; "),
        });
        return;
      case "observer failed":
        return onBug(effect.error);
      case "ended":
        this.#ended = true;
        this.readOnly.set(true);
        this.trouble.set({ kind: "note damaged", atMs: env.clock.now(), detail: effect.reason });
        return;
    }
  }

  /** As few entries as they fit in; each is committed before the next is sealed. */
  async #persist(operations: readonly NoteOperation<NotePeer>[]): Promise<void> {
    const { core, document } = this.#options;
    this.#saving.set(true);
    for (const batch of batches(operations)) {
      const written = await core.append(document, (position) => batch.map(encodeAt(position)));
      const { to } = written.head;
      this.#vector.set(core.replica, Math.max(to, this.#vector.get(core.replica) ?? 0));
      this.#ownSeq.set(Math.max(to, this.#ownSeq.get()));
    }
    this.#session.persisted();
    this.#saving.set(!this.#session.saved);
  }

  /** Takes what was applied to the note since the last time, one read at a time. */
  #pull(): void {
    if (this.#pulling) {
      this.#pullAgain = true;
      return;
    }
    this.#pulling = true;
    this.#pullAgain = false;
    this.#read()
      .catch((error: unknown) => {
        const { device } = this.#options.core;
        if (this.#closing === undefined) this.trouble.set(device.troubles.troubleOf(error));
      })
      .finally(() => {
        this.#pulling = false;
        if (this.#pullAgain) this.#pull();
      });
  }

  async #read(): Promise<void> {
    const { core, document } = this.#options;
    const { models } = core.device;
    const after = await models.updatesAfter(core.tag, document, this.#upTo);
    if (this.#closing !== undefined) return;
    if (after !== undefined) return this.#take(after.updates, after.upTo);
    // A snapshot has swallowed some of what we lack: it holds all before it. Or the space began with
    // one anew, which knows nothing of this note: then all that there is comes again.
    const { snapshot, updates, upTo, pending } = await models.document(core.tag, document);
    if (this.#closing !== undefined) return;
    if (pending) return this.#options.onWanted();
    // If not, what it covers has not arrived, and the session has ended with the reason.
    if (snapshot !== undefined && !this.#session.merge(snapshot.bytes)) return;
    for (const [replica, seq] of snapshot?.vector ?? []) {
      this.#vector.set(replica, Math.max(seq, this.#vector.get(replica) ?? 0));
    }
    this.#take(updates, upTo);
  }

  #take(updates: readonly TailUpdate[], upTo: number): void {
    this.#upTo = Math.max(this.#upTo, upTo);
    if (updates.length === 0) return;
    this.#session.receive(this.#authors.authored(updates));
    this.#cover(updates);
    this.#ownSeq.set(this.#vector.get(this.#options.core.replica) ?? 0);
    if (schemaOf(this.#session.doc) > noteSchemaVersion) this.readOnly.set(true);
    this.#look();
  }

  #cover(updates: readonly TailUpdate[]): void {
    for (const { id } of updates) {
      this.#vector.set(id.replica, Math.max(id.seq, this.#vector.get(id.replica) ?? 0));
    }
  }

  /** Somebody is there: what stands in the note counts as seen after a moment. */
  #look(): void {
    clearTimeout(this.#seen);
    const { core, onSeen } = this.#options;
    if (this.#closing !== undefined || !core.device.platform.page.active.get()) return;
    this.#seen = setTimeout(() => onSeen(new Map(this.#vector)), seenAfterMs);
  }

  #levels(): Observable<NoteLevel> {
    const { core } = this.#options;
    const { id } = this;
    return derived(
      [this.#saving, this.#ownSeq, core.sent, core.membership, core.registersVersion],
      (saving, seq, { sentTo }, { members }): NoteLevel => {
        const own = core.log;
        let otherDevices = 0;
        const seenBy: MemberId[] = [];
        if (seq > 0) {
          for (const member of members.values()) {
            let seen = false;
            for (const { replica } of member.replicas) {
              if (replica === core.replica) continue;
              const read = core.ledger.readTo(id, replica, own) >= seq;
              if (read || core.ledger.deliveredTo(replica, own) >= seq) otherDevices++;
              seen ||= read;
            }
            if (seen && member.id !== core.me) seenBy.push(member.id);
          }
        }
        return { level: levelOf(), otherDevices, seenBy };

        function levelOf(): NoteLevel["level"] {
          if (saving) return "saving";
          if (seq === 0) return "none";
          if (seenBy.length > 0) return "read";
          if (otherDevices > 0) return "delivered";
          return seq <= sentTo ? "sent" : "waiting";
        }
      },
      sameValue,
    );
  }
}

/** Peers one tab uses in one note: one, and another when it turns out to be taken. */
const countersMax = 8;

const encodeAt =
  ({ seq, openedAt }: WriterPosition) =>
  ({ peer, update }: NoteOperation<NotePeer>): RawOperation => ({
    kind: updateKind,
    payload: encodeNoteUpdate({
      peer: { distance: seq - openedAt, counter: peer.counter },
      update,
    }),
  });

function batches(operations: readonly NoteOperation<NotePeer>[]): NoteOperation<NotePeer>[][] {
  const all: NoteOperation<NotePeer>[][] = [];
  let batch: NoteOperation<NotePeer>[] = [];
  let bytes = 0;
  for (const operation of operations) {
    const size = operation.update.length + operationHeadBytes;
    if (batch.length > 0 && (bytes + size > entryBytesMax || batch.length === entryOperationsMax)) {
      all.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(operation);
    bytes += size;
  }
  if (batch.length > 0) all.push(batch);
  return all;
}

/** Kind, length and peer. */
const operationHeadBytes = 32;
