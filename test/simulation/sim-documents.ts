/**
 * A note and the catalog as one tab has them open, with their real engines: Yjs and Automerge behind the
 * shipped sessions, put together as client/src/runtime/note.ts and catalog-engine.ts do it. What was
 * applied is pulled from the database, what is edited goes into the log.
 */
import { readFileSync } from "node:fs";
import { initializeWasm } from "@automerge/automerge/slim";
import * as Y from "yjs";
import { NotePeers, type NotePeer } from "@skein/client/runtime/note-peers.ts";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import type { Applied } from "@skein/shared/crdt/engine/applied.ts";
import type { AuthoredChange, WritingActor } from "@skein/shared/crdt/engine/automerge-document.ts";
import { automergeActor, peerSeed, readPeer, writePeer } from "@skein/shared/crdt/engine/peer.ts";
import { canonicalState } from "@skein/shared/crdt/engine/yjs-canonical.ts";
import { NoteAuthors } from "@skein/shared/device/authored-updates.ts";
import { type Kv, KvFailure } from "@skein/shared/device/kv.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import type { TailUpdate } from "@skein/shared/device/tail-rows.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId, type MemberId, memberId, type ReplicaId } from "@skein/shared/id/id.ts";
import { encodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { noteContent } from "@skein/shared/note/note-schema.ts";
import {
  type NoteEffect,
  type NoteOperation,
  NoteSession,
} from "@skein/shared/note/note-session.ts";
import { Catalog, type CatalogEdit } from "@skein/shared/space/catalog.ts";
import type { Tab } from "../support/party.ts";
import type { Actor } from "./actor.ts";
import { type Books, catalog, channel, nameOfPart, note } from "./books.ts";
import type { Ground } from "./ground.ts";
import type { SimDevice } from "./sim-device.ts";

const changeKind = 0x20;
const updateKind = 0x40;
/** After the disk refused to be read. */
const openAgainMs = 1_000;
/** As long as a person waits for what they wrote a moment ago before the note opens without it. */
const ownWithinMs = 1_500;

let loading: Promise<void> | undefined;

/** Once for a process, before the first world with documents. */
export function loadEngines(): Promise<void> {
  const path = new URL(import.meta.resolve("@automerge/automerge/automerge.wasm"));
  loading ??= initializeWasm(new Uint8Array(readFileSync(path)));
  return loading;
}

interface CatalogActor extends WritingActor {
  readonly counter: number;
}

interface OpenDocuments {
  readonly session: NoteSession<NotePeer>;
  catalog: Catalog<CatalogActor>;
  noteTo: number;
  catalogTo: number;
}

export interface DocumentsOptions {
  readonly actor: Actor;
  readonly env: Env;
  readonly tab: Tab;
  readonly kv: Kv;
  readonly append: Tab["writer"]["append"];
}

export class SimDocuments {
  readonly peers: NotePeers;
  readonly #ground: Ground;
  readonly #books: Books;
  readonly #device: SimDevice;
  readonly #actor: Actor;
  readonly #env: Env;
  readonly #tab: Tab;
  readonly #models: ReadModels;
  readonly #authors: NoteAuthors;
  readonly #member: MemberId;
  readonly #appendTo: Tab["writer"]["append"];
  #open: OpenDocuments | undefined;
  #opening = false;
  #pulling = false;
  #pullAgain = false;
  #counter = 0;
  #wake = 0;
  #persisting: Promise<void> = Promise.resolve();
  #ownSeq = 0;
  #closed = false;

  constructor(
    ground: Ground,
    books: Books,
    device: SimDevice,
    { actor, env, tab, kv, append }: DocumentsOptions,
  ) {
    this.#appendTo = append;
    this.#ground = ground;
    this.#books = books;
    this.#device = device;
    this.#actor = actor;
    this.#env = env;
    this.#tab = tab;
    this.#models = new ReadModels(kv);
    this.peers = new NotePeers(ground.suite, tab.replicaId, tab.writer.nonce);
    this.#authors = new NoteAuthors(ground.suite, note);
    this.#member = memberId(ground.dice.bytes(16));
    this.#begin();
  }

  // What a person does

  /** Types, deletes or makes something bold somewhere in the note. */
  edit(): void {
    const { dice } = this.#ground;
    const session = this.#open?.session;
    if (session?.peer === undefined) return;
    const { doc } = session;
    doc.transact(() => {
      const content = noteContent(doc);
      if (content.length === 0 || dice.chance(0.15)) {
        const paragraph = new Y.XmlElement("paragraph");
        content.insert(dice.between(0, content.length), [paragraph]);
        paragraph.insert(0, [new Y.XmlText(`p${dice.between(0, 999)}`)]);
        return;
      }
      if (content.length > 1 && dice.chance(0.1)) {
        content.delete(dice.between(0, content.length - 1), 1);
        return;
      }
      const paragraph = content.get(dice.between(0, content.length - 1));
      const text = paragraph instanceof Y.XmlElement ? paragraph.get(0) : undefined;
      if (!(text instanceof Y.XmlText)) return;
      const at = dice.between(0, text.length);
      const rest = text.length - at;
      const kind = dice.between(0, 3);
      if (kind === 0 && rest > 0) text.delete(at, dice.between(1, rest));
      else if (kind === 1 && rest > 0) {
        text.format(at, dice.between(1, rest), { bold: dice.chance(0.5) ? {} : null });
      } else text.insert(at, `${dice.between(0, 9_999)} `);
    });
  }

  /** Makes, renames, moves or trashes something in the catalog. */
  gesture(): void {
    const open = this.#open;
    if (open === undefined) return;
    const edit = this.#gestureOn(open.catalog);
    if (edit === undefined) return;
    const { actor, change } = edit;
    const write = this.#books.writeParts(this.#device, catalog, [
      nameOfPart(this.#tab.writer.nonce, actor.counter, change),
    ]);
    this.#append(write, ({ seq, openedAt }) => {
      const peer = { distance: seq - openedAt, counter: actor.counter };
      const payload = writePeer(new Writer(change.length + 16), peer)
        .raw(change)
        .finish();
      return [{ kind: changeKind, payload }];
    }).catch((error: unknown) => this.#ground.bug(error));
  }

  /** Types a last word, closes the note and opens it again: under the same peer, where that may be. */
  reopen(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.edit();
    this.#reopen(open).catch((error: unknown) => this.#failed(error));
  }

  // What happens to it

  /** Something was applied on this device. */
  pull(): void {
    if (this.#closed || this.#open === undefined) return;
    if (this.#pulling) {
      this.#pullAgain = true;
      return;
    }
    this.#pulling = true;
    this.#pullAgain = false;
    this.#pull(this.#open).then(
      () => this.#pulled(),
      (error: unknown) => {
        this.#pullAgain = true;
        this.#actor.after(openAgainMs, () => this.#pulled());
        this.#expect(error);
      },
    );
  }

  close(): void {
    this.#closed = true;
    this.#open?.session.close();
    this.#open?.catalog.close();
  }

  /** Why this tab does not show all of the first `updates` and `changes` of its device yet. */
  behind(updates: number, changes: number): string | undefined {
    const open = this.#open;
    if (open === undefined) return "has a note that does not open";
    if (!open.session.saved) return "has typed what is not saved";
    if (open.noteTo < updates) return `has taken ${open.noteTo} of ${updates} updates of the note`;
    if (open.catalogTo < changes) return `has taken ${open.catalogTo} of ${changes} changes`;
    return undefined;
  }

  /** Equal exactly where two tabs hold and show the same. */
  state(): { readonly note: string; readonly catalog: string } | undefined {
    const open = this.#open;
    if (open === undefined) return undefined;
    const { session } = open;
    if (session.waiting > 0 || session.doc.store.pendingStructs !== null) {
      this.#ground.violated(`device ${this.#device.index} holds updates of a note that wait`);
    }
    if (open.catalog.waiting > 0) {
      this.#ground.violated(`device ${this.#device.index} holds changes of the catalog that wait`);
    }
    return {
      note: toHex(canonicalState(session.doc)),
      catalog: JSON.stringify(open.catalog.view),
    };
  }

  // Opening

  #begin(): void {
    this.#opening = true;
    this.#load().then(
      () => {
        this.#opening = false;
        this.pull();
      },
      (error: unknown) => {
        this.#opening = false;
        this.#failed(error);
      },
    );
  }

  async #load(): Promise<void> {
    const open: OpenDocuments = await openFrom(
      this.#models,
      this.#ground,
      this.#authors,
      (state) => ({
        clock: this.#env.clock,
        emit: (effect) => this.#do(open.session, effect),
        nextPeer: () => this.peers.next(note),
        ...state,
      }),
    );
    if (this.#closed) return;
    this.#writeTo(open.catalog);
    this.#open = open;
  }

  #writeTo(to: Catalog<CatalogActor>): void {
    to.write(() => {
      const counter = this.#counter++;
      const { nonce } = this.#tab.writer;
      return { actor: this.#actorOf(this.#tab.replicaId, nonce, counter), seq: 0, counter };
    });
  }

  async #reopen(open: OpenDocuments): Promise<void> {
    this.#open = undefined;
    open.session.close();
    open.catalog.close();
    await this.#persisting;
    const resumable = open.session.resumable();
    if (resumable !== undefined) {
      this.peers.giveBack(note, resumable.peer, resumable.clock, this.#ownSeq);
      this.#ground.fire("peer continued");
    }
    const untilMs = this.#ground.nowMs + ownWithinMs;
    const written = this.peers.writtenTo(note);
    while (this.#ground.nowMs < untilMs) {
      const { vector } = await this.#tab.store.applied(this.#ground.space.tag);
      if ((vector.get(this.#tab.replicaId) ?? 0) >= written) break;
      await this.#actor.delay(100);
    }
    if (!this.#closed) this.#begin();
  }

  #failed(error: unknown): void {
    this.#expect(error);
    this.#actor.after(openAgainMs, () => {
      if (this.#open === undefined && !this.#opening && !this.#closed) this.#begin();
    });
  }

  /** A disk may refuse, and a world may die in the middle. */
  #expect(error: unknown): void {
    if (!(error instanceof KvFailure)) this.#ground.bug(error);
  }

  // Pulling

  async #pull(open: OpenDocuments): Promise<void> {
    const { tag } = this.#ground.space;
    const [updates, changes] = await Promise.all([
      this.#models.updatesAfter(tag, note, open.noteTo),
      this.#models.updatesAfter(tag, catalog, open.catalogTo),
    ]);
    if (this.#closed || this.#open !== open) return;
    if (updates === undefined || changes === undefined) return this.#pullSnapshots(open);
    open.noteTo = Math.max(open.noteTo, updates.upTo);
    open.catalogTo = Math.max(open.catalogTo, changes.upTo);
    this.#judge(open.session.receive(this.#authors.authored(updates.updates)));
    this.#judge(open.catalog.apply(changesOf(this.#ground, changes.updates)).outcomes);
    if (open.catalog.damage !== undefined) this.#ground.violated(open.catalog.damage);
    const leads = this.#device.leader?.documents === this;
    if (leads && updates.updates.length > 0 && this.#ground.dice.chance(0.1)) await this.#compact();
  }

  /** A snapshot has swallowed some of what we lack: it holds all before it. */
  async #pullSnapshots(open: OpenDocuments): Promise<void> {
    const { tag } = this.#ground.space;
    const [state, anew] = await Promise.all([
      this.#models.document(tag, note),
      openCatalog(this.#models, this.#ground),
    ]);
    if (this.#closed || this.#open !== open) return anew.catalog.close();
    this.#ground.fire("snapshot met");
    if (state.snapshot !== undefined && !open.session.merge(state.snapshot.bytes)) {
      this.#ground.violated(`device ${this.#device.index} cannot take a snapshot in`);
    }
    open.noteTo = Math.max(open.noteTo, state.upTo);
    this.#judge(open.session.receive(this.#authors.authored(state.updates)));
    open.catalog.close();
    open.catalog = anew.catalog;
    open.catalogTo = anew.upTo;
    this.#writeTo(open.catalog);
  }

  /** Puts snapshots in the place of both tails, as a leader does where they have grown long. */
  async #compact(): Promise<void> {
    const { store, leaderEpoch } = this.#tab;
    const { tag } = this.#ground.space;
    const anew = await openFrom(this.#models, this.#ground, this.#authors, (state) => ({
      clock: this.#env.clock,
      emit: () => {},
      ...state,
    }));
    const [ofNote, ofCatalog] = [anew.session.snapshot(), anew.catalog.snapshot()];
    anew.session.close();
    anew.catalog.close();
    if (ofNote === undefined || ofCatalog === undefined) {
      return this.#ground.violated("what a database holds has no snapshot");
    }
    if (anew.noteTo > 0) await store.replaceTail(tag, leaderEpoch, note, ofNote, anew.noteTo);
    if (anew.catalogTo > 0) {
      await store.replaceTail(tag, leaderEpoch, catalog, ofCatalog, anew.catalogTo);
    }
    this.#ground.fire("documents compacted");
  }

  #pulled(): void {
    this.#pulling = false;
    if (this.#pullAgain) this.pull();
  }

  /** Everybody here is honest: nothing is void, nothing comes before its past. */
  #judge(outcomes: readonly Applied[]): void {
    // Who depends on an entry of a log that has forked may have seen the other branch's.
    if (this.#books.hasForked) return;
    for (const outcome of outcomes) {
      if (outcome.kind === "applied" || outcome.kind === "known") continue;
      const why = "reason" in outcome ? outcome.reason : "it comes before its past";
      this.#ground.violated(
        `device ${this.#device.index} takes an update as ${outcome.kind}: ${why}`,
      );
    }
  }

  // Writing

  #do(session: NoteSession<NotePeer>, effect: NoteEffect<NotePeer>): void {
    switch (effect.kind) {
      case "persist":
        this.#persisting = this.#persist(session, effect.operations);
        this.#persisting.catch((error: unknown) => this.#ground.bug(error));
        return;
      case "wake": {
        const wish = ++this.#wake;
        this.#actor.after(effect.at - this.#env.clock.now(), () => {
          if (wish === this.#wake && session === this.#open?.session) session.woke();
        });
        return;
      }
      case "omitted":
        return this.#ground.violated(`something was left out: ${effect.reasons.join("; ")}`);
      case "observer failed":
        return this.#ground.bug(effect.error);
      case "ended":
        return this.#ground.violated(`a note ended: ${effect.reason}`);
    }
  }

  async #persist(
    session: NoteSession<NotePeer>,
    operations: readonly NoteOperation<NotePeer>[],
  ): Promise<void> {
    const parts = operations.map(({ peer, update }) =>
      nameOfPart(this.#tab.writer.nonce, peer.counter, update),
    );
    const write = this.#books.writeParts(this.#device, note, parts);
    await this.#append(write, ({ seq, openedAt }) =>
      operations.map(({ peer, update }) => ({
        kind: updateKind,
        payload: encodeNoteUpdate({
          peer: { distance: seq - openedAt, counter: peer.counter },
          update,
        }),
      })),
    );
    session.persisted();
  }

  async #append(
    write: ReturnType<Books["writeParts"]>,
    build: Parameters<Tab["writer"]["append"]>[1],
  ): Promise<void> {
    const { head } = await this.#appendTo(write.document, build);
    this.#ownSeq = Math.max(this.#ownSeq, head.to);
    this.#books.wrote(write, head.to);
  }

  #gestureOn(open: Catalog<CatalogActor>): CatalogEdit<CatalogActor> | undefined {
    const { dice } = this.#ground;
    const { notes } = open.view;
    const timeMs = this.#env.clock.now();
    if (notes.length === 0 || dice.chance(0.3)) {
      const parent = notes.length > 0 && dice.chance(0.5) ? dice.pick(notes).id : undefined;
      const id = documentId(dice.bytes(8));
      const title = `n${dice.between(0, 999)}`;
      return open.createNote({ id, title, parent, createdBy: this.#member }, timeMs);
    }
    const { id } = dice.pick(notes);
    switch (dice.between(0, 3)) {
      case 0:
        return open.moveNote(id, undefined, dice.pick(["first", "last"]), timeMs);
      case 1:
        return open.trashNote(id, dice.chance(0.5), timeMs);
      case 2:
        return open.moveNote(id, dice.pick(notes).id, "last", timeMs);
      default:
        return open.renameNote(id, `t${dice.between(0, 9)}`, timeMs);
    }
  }

  #actorOf(replica: ReplicaId, nonce: Uint8Array, counter: number): string {
    return actorOf(this.#ground, replica, nonce, counter);
  }
}

/** What a device's disk says of both documents, read by engines that have seen nothing else. */
export async function readAnew(
  ground: Ground,
  device: SimDevice,
): Promise<{ readonly note: string; readonly catalog: string }> {
  const models = new ReadModels(device.disk.inspect());
  const authors = new NoteAuthors(ground.suite, note);
  const open = await openFrom(models, ground, authors, (state) => ({
    clock: { now: () => 0 },
    emit: () => {},
    ...state,
  }));
  const state = {
    note: toHex(canonicalState(open.session.doc)),
    catalog: JSON.stringify(open.catalog.view),
  };
  open.session.close();
  open.catalog.close();
  return state;
}

type SessionOptions = ConstructorParameters<typeof NoteSession<NotePeer>>[0];

async function openFrom(
  models: ReadModels,
  ground: Ground,
  authors: NoteAuthors,
  session: (state: Pick<SessionOptions, "tail" | "snapshot">) => SessionOptions,
): Promise<OpenDocuments> {
  const [noteState, { catalog: opened, upTo }] = await Promise.all([
    models.document(ground.space.tag, note),
    openCatalog(models, ground),
  ]);
  const tail = authors.authored(noteState.updates);
  return {
    session: new NoteSession<NotePeer>(session({ snapshot: noteState.snapshot?.bytes, tail })),
    catalog: opened,
    noteTo: noteState.upTo,
    catalogTo: upTo,
  };
}

async function openCatalog(
  models: ReadModels,
  ground: Ground,
): Promise<{ readonly catalog: Catalog<CatalogActor>; readonly upTo: number }> {
  const { snapshot, updates, upTo } = await models.document(ground.space.tag, catalog);
  const tail = changesOf(ground, updates);
  const opened = new Catalog<CatalogActor>({ general: channel, snapshot: snapshot?.bytes, tail });
  return { catalog: opened, upTo };
}

function changesOf(ground: Ground, updates: readonly TailUpdate[]): AuthoredChange[] {
  return updates.flatMap(({ kind, payload, id, nonce }) => {
    const read = kind === changeKind ? readChange(payload) : undefined;
    if (read === undefined) return [];
    return [{ actor: actorOf(ground, id.replica, nonce, read.counter), change: read.change }];
  });
}

function readChange(
  payload: Uint8Array,
): { readonly counter: number; readonly change: Uint8Array } | undefined {
  const read = decode(payload, (reader) => ({
    counter: readPeer(reader).counter,
    change: reader.rest(),
  }));
  return isMalformed(read) ? undefined : read;
}

const actorOf = (
  { suite }: Ground,
  replica: ReplicaId,
  nonce: Uint8Array,
  counter: number,
): string => automergeActor(peerSeed(suite, replica, catalog, nonce, counter));
