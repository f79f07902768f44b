/**
 * One Yjs document as an op-based CRDT over the logs: updates of known authors go in, what was
 * edited here comes out as updates that everybody accepts. It guards what Yjs takes on trust.
 *
 * 1. A document never holds structs whose origins it lacks, so Yjs never keeps anything pending.
 * 2. Structs of one client are applied without gap and overlap, in the order of its log; every
 *    replica therefore skips the same updates.
 * 3. Formatting marks are deleted by their authors alone (see `newDocument`).
 * 4. What is edited here is written under the client id that was handed out, or not sent at all.
 */
import * as Y from "yjs";
import { concatBytes } from "../../bytes/bytes.ts";
import { Malformed } from "../../bytes/malformed.ts";
import type { Applied } from "./applied.ts";
import { keptBytes, readKept } from "./kept-bytes.ts";
import {
  type Deletion,
  internUpdate,
  joinUpdates,
  type ResolvedUpdate,
  resolveUpdate,
} from "./yjs-update.ts";

/** The origin of transactions that bring in what others wrote: never this tab's undo history. */
export const remoteOrigin = "skein/remote";
/** The origin of the transaction that takes out again what no operation can carry. */
const omissionOrigin = "skein/omission";

/**
 * A Y.Doc that converges. Yjs deletes "redundant" formatting marks after remote transactions, each
 * replica by what it happens to see, and three updates in two valid causal orders then end up
 * visibly different. `afterTransaction` is emitted after the observers that ask for that clean-up
 * and before the clean-up itself, so it is called off there. Every Y.Doc is made here.
 */
export function newDocument(options: { readonly gc?: boolean } = {}): Y.Doc {
  const doc = new Y.Doc({ guid: "", gc: options.gc ?? true });
  doc.on("afterTransaction", (transaction) => {
    transaction._needFormattingCleanup = false;
  });
  return doc;
}

/**
 * Where Yjs cuts a string between the halves of a surrogate pair, it puts U+FFFD in place of both,
 * at once. It cuts before it knows whether anything will stand between them: formatting from the
 * middle of a character that changes nothing then spoils the character on this replica alone.
 * Left as they are, halves join again at the end of the transaction, or as soon as nothing that is
 * seen stands between them; alone, each shows as U+FFFD.
 */
Y.ContentString.prototype.splice = function cut(offset) {
  const right = new Y.ContentString(this.str.slice(offset));
  this.str = this.str.slice(0, offset);
  return right;
};

// oxlint-disable-next-line typescript/unbound-method -- called on the item below.
const { integrate } = Y.Item.prototype;

/** Items of several units that a transaction brought under keys: see `#keepLastUnderKeys`. */
const runsUnderKeys = new WeakMap<
  Y.Transaction,
  { readonly client: number; readonly clock: number; readonly end: number }[]
>();

Y.Item.prototype.integrate = function integrateAndNote(transaction, offset) {
  integrate.call(this, transaction, offset);
  if (this.parentSub === null || this.length === 1 || !this.parent) return;
  const { client, clock } = this.id;
  runsUnderKeys.get(transaction)?.push({ client, clock, end: clock + this.length });
};

/** An update as it stands in a log: interned, with the client id derived from its peer. */
export interface AuthoredUpdate {
  readonly client: number;
  readonly update: Uint8Array;
}

/** Under which client id this document is edited, and the clock its next struct must get. */
export interface WritingPeer {
  readonly client: number;
  readonly clock: number;
}

export interface Taken<Peer extends WritingPeer> {
  /** In causal order; each is one operation. */
  readonly updates: readonly { readonly peer: Peer; readonly update: Uint8Array<ArrayBuffer> }[];
  /** Why a piece of content was taken out of the document instead of being sent. */
  readonly omitted: readonly string[];
}

type DeleteSet = ReturnType<typeof Y.createDeleteSet>;
type Struct = Y.Item | Y.GC;

interface Batch {
  readonly client: number;
  readonly updates: ResolvedUpdate[];
  /** The client's state once they are integrated. */
  end: number;
}

interface Waiting {
  readonly authored: AuthoredUpdate;
  readonly resolved: ResolvedUpdate;
}

export interface YjsDocumentOptions {
  /** False keeps deleted content, for views of the past. */
  readonly gc?: boolean;
  /** Called after each local change, once the document is at rest. */
  readonly edited?: () => void;
  /** Called when an observer of the document (an editor) threw; the document itself is whole. */
  readonly observerFailed?: (error: unknown) => void;
}

const peersTriedMax = 16;

export class YjsDocument<Peer extends WritingPeer = WritingPeer> {
  readonly doc: Y.Doc;
  readonly #edited: () => void;
  readonly #observerFailed: (error: unknown) => void;
  #damage: string | undefined;

  /** Admitted updates of one client that Yjs gets together, which costs a fifth of one by one. */
  #batch: Batch | undefined;

  /** Held updates by client, each queue in the order of its log. */
  readonly #waiting = new Map<number, Waiting[]>();

  #nextPeer: (() => Peer) | undefined;
  #peer: Peer | undefined;
  /** Own structs below this clock have been taken. */
  #takenTo = 0;
  /** Clients this document has written under before. */
  readonly #formerClients = new Set<number>();
  /** Deletions of local transactions that have not been taken. */
  #deletions: DeleteSet[] = [];

  constructor(options: YjsDocumentOptions = {}) {
    this.#edited = options.edited ?? (() => {});
    this.#observerFailed = options.observerFailed ?? raise;
    this.doc = newDocument(options);
    this.doc.on("beforeTransaction", (transaction) => this.#begin(transaction));
    this.doc.on("afterTransaction", (transaction) => this.#collect(transaction));
    this.doc.on("afterTransactionCleanup", () => this.#keepPeer());
    this.doc.on("afterAllTransactions", (_, transactions) => {
      const edited = transactions.some(({ local, origin }) => local && origin !== omissionOrigin);
      if (edited && this.hasEdits) this.#edited();
    });
  }

  /** Why the document can no longer be used; the caller loads a new one from the log. */
  get damage(): string | undefined {
    return this.#damage;
  }

  /** How many updates wait for structs outside their causal past: 0 among honest members. */
  get waiting(): number {
    let count = 0;
    for (const queue of this.#waiting.values()) count += queue.length;
    return count;
  }

  /** The updates that wait, by client, those of each in the order of its log. */
  get held(): readonly AuthoredUpdate[] {
    const queues = [...this.#waiting].sort(([a], [b]) => a - b);
    return queues.flatMap(([, queue]) => queue.map(({ authored }) => authored));
  }

  /** Whether something was edited here that `take` has not handed out yet. */
  get hasEdits(): boolean {
    return this.#deletions.length > 0 || this.#ownState() > this.#takenTo;
  }

  /** Under which peer edits are written now; undefined as long as nobody writes. */
  get peer(): Peer | undefined {
    return this.#peer;
  }

  /** The clock behind the last struct that `take` handed out under the present peer. */
  get clock(): number {
    return this.#takenTo;
  }

  // ── what others wrote ──────────────────────────────────────────────────────────────────────

  /**
   * Applies updates in the order given, which must respect causality, in one transaction. Answers
   * one outcome each. Must not be called from within a transaction.
   */
  apply(updates: readonly AuthoredUpdate[], origin: unknown = remoteOrigin): readonly Applied[] {
    if (this.doc._transaction !== null) throw new Error("apply within a transaction");
    const outcomes: Applied[] = [];
    const admitted = (): void => {
      for (const authored of updates) outcomes.push(this.#admit(authored));
      this.#integrate();
    };
    this.#guarded(admitted, origin);
    return this.#damage === undefined ? outcomes : updates.map(() => this.#damaged());
  }

  /** Runs `change` as one remote transaction, and tells Yjs' failures from those of observers. */
  #guarded(change: () => void, origin: unknown): void {
    let done = false;
    const body = (): void => {
      change();
      done = true;
    };
    try {
      Y.transact(this.doc, body, origin, false);
      const { pendingStructs, pendingDs } = this.doc.store;
      if (pendingStructs || pendingDs) this.#damage ??= "Yjs keeps an update pending";
    } catch (error) {
      // Observers run behind the change; an exhausted stack is Yjs' own, in a tree too deep.
      if (done && !(error instanceof RangeError)) this.#observerFailed(error);
      else this.#damage ??= reasonOf(error);
    }
  }

  #admit(authored: AuthoredUpdate): Applied {
    if (this.#damage !== undefined) return this.#damaged();
    const { client } = authored;
    const resolved = resolveUpdate(authored.update, client);
    if (resolved instanceof Malformed) return { kind: "void", reason: resolved.message };

    const { span } = resolved;
    const queue = this.#waiting.get(client);
    if (span) {
      const next = this.#nextClock(client, queue);
      if (span.end <= next) return { kind: "known" };
      if (client === this.#peer?.client) {
        if (span.start !== next || this.#ownState() > next) return this.#collide();
        this.#changePeer();
      }
      if (span.start !== next) {
        return { kind: "void", reason: `begins at clock ${span.start}, not ${next}` };
      }
    }
    if (queue || !this.#reached(client, resolved)) {
      if (queue) queue.push({ authored, resolved });
      else this.#waiting.set(client, [{ authored, resolved }]);
      return { kind: "waiting" };
    }
    this.#enqueue(client, resolved);
    if (this.#waiting.size > 0) this.#release();
    return { kind: "applied" };
  }

  /** The clock at which the next struct of `client` must begin. */
  #nextClock(client: number, queue: readonly Waiting[] | undefined): number {
    for (let at = (queue?.length ?? 0) - 1; at >= 0; at--) {
      const span = queue?.[at]?.resolved.span;
      if (span) return span.end;
    }
    // Own structs that were not taken are in nobody's log.
    if (client === this.#peer?.client) return this.#takenTo;
    return this.#stateOf(client);
  }

  /** The clock behind the last struct of `client`, admitted ones included. */
  #stateOf(client: number): number {
    const { store } = this.doc;
    return this.#batch?.client === client ? this.#batch.end : Y.getState(store, client);
  }

  #reached(client: number, { needs, span }: ResolvedUpdate): boolean {
    for (const [needed, clock] of needs) {
      const state = this.#stateOf(needed);
      const known = needed === client ? Math.max(state, span?.end ?? 0) : state;
      if (known < clock) return false;
    }
    return true;
  }

  #enqueue(client: number, resolved: ResolvedUpdate): void {
    if (this.#batch && this.#batch.client !== client) this.#integrate();
    this.#batch ??= { client, updates: [], end: this.#stateOf(client) };
    this.#batch.updates.push(resolved);
    if (resolved.span) this.#batch.end = Math.max(this.#batch.end, resolved.span.end);
  }

  #integrate(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    const transaction = this.doc._transaction;
    if (!batch || !transaction) return;
    try {
      runsUnderKeys.set(transaction, []);
      Y.applyUpdate(this.doc, joinUpdates(batch.client, batch.updates));
      this.#keepLastUnderKeys(transaction);
    } catch (error) {
      this.#damage = reasonOf(error);
    }
  }

  /**
   * Editors put one unit under a key (of a map, of an element's attributes), but an update may put a
   * run of them there. Yjs lets the earlier ones live until something cuts the run: then a document
   * that is loaded again is another, and Yjs throws when their parent goes. Only the last unit can
   * ever be read, so those before it are deleted at once, by everybody.
   */
  #keepLastUnderKeys(transaction: Y.Transaction): void {
    for (const { client, clock, end } of runsUnderKeys.get(transaction) ?? []) {
      const structs = this.doc.store.clients.get(client) ?? [];
      for (let at = Y.findIndexSS(structs, clock); at < structs.length; at++) {
        const item = structs[at];
        if (!(item instanceof Y.Item) || item.id.clock >= end) break;
        if (item.deleted) continue;
        // Cut off from the last unit, the others have something to their right.
        if (item.length > 1) Y.getItemCleanStart(transaction, item.lastId);
        if (item.right !== null) item.delete(transaction);
      }
    }
  }

  /** Applies what waited and has all it needs now, until nothing more follows from it. */
  #release(): void {
    let progress = true;
    while (progress) {
      progress = false;
      for (const [client, queue] of this.#waiting) {
        let ready = 0;
        for (const { resolved } of queue) {
          if (this.#damage !== undefined || !this.#reached(client, resolved)) break;
          this.#enqueue(client, resolved);
          ready++;
        }
        if (ready === 0) continue;
        progress = true;
        if (ready === queue.length) this.#waiting.delete(client);
        else this.#waiting.set(client, queue.slice(ready));
      }
    }
  }

  #damaged(): Applied {
    return { kind: "damaged", reason: this.#damage ?? "unknown" };
  }

  // ── what is edited here ────────────────────────────────────────────────────────────────────

  /**
   * Lets the document be edited under the peer that `nextPeer` answers; it is asked again whenever
   * that peer turns out to be in use elsewhere. Without peers every edit is an error.
   */
  write(nextPeer: () => Peer): void {
    this.#nextPeer = nextPeer;
    this.#changePeer();
  }

  #changePeer(): void {
    if (!this.#nextPeer) throw new Error("document without peers");
    if (this.#peer) this.#formerClients.add(this.#peer.client);
    for (let tried = 0; tried < peersTriedMax; tried++) {
      const peer = this.#nextPeer();
      if (Y.getState(this.doc.store, peer.client) !== peer.clock) continue;
      if (this.#waiting.has(peer.client) || this.#formerClients.has(peer.client)) continue;
      this.#peer = peer;
      this.#takenTo = peer.clock;
      this.doc.clientID = peer.client;
      return;
    }
    throw new Error(`no usable peer among ${peersTriedMax}`);
  }

  /** Somebody else wrote where this document holds structs of its own that were never sent. */
  #collide(): Applied {
    this.#damage = "another session writes under the same peer";
    return this.#damaged();
  }

  #ownState(): number {
    return this.#peer ? Y.getState(this.doc.store, this.#peer.client) : 0;
  }

  #begin(transaction: Y.Transaction): void {
    if (transaction.local && this.#peer) this.doc.clientID = this.#peer.client;
  }

  #collect(transaction: Y.Transaction): void {
    if (!transaction.local) return;
    const { clientID } = this.doc;
    const wrote = transaction.afterState.get(clientID) !== transaction.beforeState.get(clientID);
    if (wrote && clientID !== this.#peer?.client) {
      this.#damage ??= `edited under client id ${clientID}, which nobody handed out`;
    }
    if (transaction.deleteSet.clients.size > 0) this.#deletions.push(transaction.deleteSet);
  }

  /**
   * Yjs takes a random client id, and says so on the console alone, when a remote transaction
   * brings structs of its own id. `apply` changes the peer beforehand; this finds updates that were
   * applied past it.
   */
  #keepPeer(): void {
    if (!this.#peer || this.doc.clientID === this.#peer.client) return;
    this.#damage ??= "an update under this document's own peer was applied past its log";
  }

  /**
   * Hands out everything edited since the last call as updates of at most about `bytesMax`, in
   * causal order. Long text is cut between characters; a single value that no update can carry
   * (too large, nested too deeply) is deleted from the document and reported.
   */
  take(bytesMax: number): Taken<Peer> {
    if (this.doc._transaction !== null) throw new Error("take within a transaction");
    if (this.#damage !== undefined)
      throw new Error(`take from a damaged document: ${this.#damage}`);
    if (!this.hasEdits) return { updates: [], omitted: [] };
    const peer = this.#peer;
    if (!peer) throw new Error("document was edited without a peer");
    if (this.doc.clientID !== peer.client) throw new Error("client id is not the peer's");

    const omitted = this.#omit(peer, bytesMax);
    const parts = new Parts(peer.client, this.#takenTo, bytesMax);
    for (const [struct, offset] of this.#untaken(peer)) {
      for (const piece of cut(struct, offset, bytesMax)) parts.struct(piece);
    }
    parts.deletions(Y.mergeDeleteSets(this.#deletions));
    const updates = parts.finish().map((part) => {
      const update = internUpdate(part, peer.client);
      if (update instanceof Malformed) throw new Error(`own update refused: ${update.message}`);
      return { peer, update };
    });
    this.#takenTo = this.#ownState();
    this.#deletions = [];
    return { updates, omitted };
  }

  /** Own structs that were not taken, the first with the offset at which they begin. */
  *#untaken(peer: Peer): Generator<readonly [Struct, number]> {
    const structs = this.doc.store.clients.get(peer.client) ?? [];
    if (this.#ownState() <= this.#takenTo) return;
    for (let at = Y.findIndexSS(structs, this.#takenTo); at < structs.length; at++) {
      const struct = structs[at];
      if (struct) yield [struct, Math.max(0, this.#takenTo - struct.id.clock)];
    }
  }

  /** Deletes untaken content that cannot be sent, and says why. */
  #omit(peer: Peer, bytesMax: number): string[] {
    const reasons: string[] = [];
    const unsendable: Y.Item[] = [];
    for (const [struct, offset] of this.#untaken(peer)) {
      if (!(struct instanceof Y.Item) || struct.deleted) continue;
      // Text can always be cut to fit.
      if (struct.content instanceof Y.ContentString) continue;
      for (const piece of cut(struct, offset, bytesMax)) {
        const reason = refusalOf(struct, piece, bytesMax);
        if (reason === undefined) continue;
        reasons.push(reason);
        unsendable.push(struct);
        break;
      }
    }
    if (unsendable.length > 0) {
      Y.transact(
        this.doc,
        (transaction) => {
          for (const item of unsendable) item.delete(transaction);
        },
        omissionOrigin,
      );
    }
    return reasons;
  }

  // ── keeping it ─────────────────────────────────────────────────────────────────────────────

  /**
   * The document as devices keep it and give it to one another, wrapped (`kept-bytes.ts`):
   * `list(waiting client u64 ‖ update bytes) ‖ Yjs update of version 2`. Throws while edits have not
   * been taken: a snapshot may hold nothing that is not in a log.
   */
  snapshot(): Uint8Array<ArrayBuffer> {
    if (this.hasEdits) throw new Error("snapshot with edits that are in no log");
    if (this.#damage !== undefined) throw new Error(`snapshot of a damaged document`);
    const waiting = [...this.#waiting.values()].flat();
    return keptBytes((writer) =>
      writer
        .list(waiting, (to, { authored }) => to.u64(authored.client).bytes(authored.update))
        .raw(Y.encodeStateAsUpdateV2(this.doc)),
    );
  }

  /**
   * Takes in a snapshot, of this document at another time or by another tab of this device; edits
   * of its own stay. False if the bytes are not a snapshot: then nothing has happened, unless the
   * document is damaged.
   */
  load(snapshot: Uint8Array): boolean {
    const read = readKept(snapshot, (reader) => {
      const waiting = reader.list(reader.remaining, (from) => ({
        client: from.u64(),
        update: Uint8Array.from(from.bytes(from.remaining)),
      }));
      return { waiting, state: reader.rest() };
    });
    if (read instanceof Malformed || read.state.length === 0) return false;
    const joined = (): void => {
      Y.applyUpdateV2(this.doc, read.state);
      for (const authored of read.waiting) this.#admit(authored);
      // What waited here may have come with the snapshot, or have been waiting for it.
      this.#release();
      this.#integrate();
    };
    this.#guarded(joined, remoteOrigin);
    return this.#damage === undefined;
  }

  /**
   * A second document that follows this one, for an editor that only shows it. An editor deletes
   * nodes its schema does not know; there they are merely hidden, here they stay.
   */
  readingView(): Y.Doc {
    const view = newDocument();
    Y.applyUpdate(view, Y.encodeStateAsUpdate(this.doc), remoteOrigin);
    const follow = (update: Uint8Array): void => Y.applyUpdate(view, update, remoteOrigin);
    this.doc.on("update", follow);
    view.on("destroy", () => this.doc.off("update", follow));
    return view;
  }

  /** Detaches all observers; the document must not be used afterwards. */
  close(): void {
    this.doc.destroy();
  }
}

function raise(error: unknown): never {
  throw error;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

// ── encoding what is edited here ───────────────────────────────────────────────────────────────

/** A struct, or a part of one, in the encoding of version 1. */
interface Piece {
  readonly clock: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

function encode(struct: Struct, offset: number): Piece {
  const encoder = new Y.UpdateEncoderV1();
  struct.write(encoder, offset);
  return {
    clock: struct.id.clock + offset,
    length: struct.length - offset,
    bytes: encoder.toUint8Array(),
  };
}

/** `struct` from `offset` on, cut in halves until each piece fits, if it can be cut. */
function* cut(struct: Struct, offset: number, bytesMax: number): Generator<Piece> {
  if (struct instanceof Y.Item && struct.content instanceof Y.ContentString) {
    makeWellFormed(struct.content, offset);
  }
  if (struct instanceof Y.Item && struct.deleted) {
    // Kept for undo here; nobody else has a use for it.
    yield encode(withContent(struct, 0, new Y.ContentDeleted(struct.length)), offset);
    return;
  }
  const whole = encode(struct, offset);
  if (whole.bytes.length <= bytesMax || !(struct instanceof Y.Item)) yield whole;
  else yield* halves(struct, offset, struct.length, bytesMax);
}

function* halves(item: Y.Item, from: number, to: number, bytesMax: number): Generator<Piece> {
  const content = part(item.content, from, to);
  const piece = encode(content ? withContent(item, from, content) : item, 0);
  if (piece.bytes.length <= bytesMax || !content || to - from === 1) {
    yield piece;
    return;
  }
  let middle = (from + to) >>> 1;
  if (item.content instanceof Y.ContentString) {
    const unit = item.content.str.charCodeAt(middle);
    // Half a surrogate pair cannot be sent.
    if (unit >= 0xdc00 && unit <= 0xdfff) middle += middle + 1 < to ? 1 : -1;
  }
  yield* halves(item, from, middle, bytesMax);
  yield* halves(item, middle, to, bytesMax);
}

function part(
  content: Y.Item["content"],
  from: number,
  to: number,
): Y.ContentString | Y.ContentAny | undefined {
  if (content instanceof Y.ContentString) return new Y.ContentString(content.str.slice(from, to));
  if (content instanceof Y.ContentAny) return new Y.ContentAny(content.arr.slice(from, to));
  return undefined;
}

/** The item as if its content from `offset` on were `content`; it is written, never integrated. */
function withContent(item: Y.Item, offset: number, content: Y.Item["content"]): Y.Item {
  const { client, clock } = item.id;
  const origin = offset > 0 ? Y.createID(client, clock + offset - 1) : item.origin;
  return new Y.Item(
    Y.createID(client, clock + offset),
    null,
    origin,
    null,
    item.rightOrigin,
    item.parent,
    item.parentSub,
    content,
  );
}

/**
 * UTF-8 cannot carry half a surrogate pair: others read U+FFFD. The text here becomes what others
 * will see, or two halves that were sent apart would be one character on this device alone.
 */
function makeWellFormed(content: Y.ContentString, offset: number): void {
  const sent = content.str.slice(0, offset);
  const rest = content.str.slice(offset);
  if (sent.isWellFormed() && rest.isWellFormed()) return;
  content.str = sent.toWellFormed() + rest.toWellFormed();
}

/** Why nobody would accept this piece of `item`; undefined if everybody does. */
function refusalOf(item: Y.Item, piece: Piece, bytesMax: number): string | undefined {
  if (piece.bytes.length > bytesMax) return `${piece.bytes.length} bytes in one piece`;
  const parts = new Parts(item.id.client, piece.clock, Number.MAX_SAFE_INTEGER);
  parts.struct(piece);
  const refused = parts.finish().map((update) => internUpdate(update, item.id.client))[0];
  return refused instanceof Malformed ? refused.message : undefined;
}

/** Gathers pieces and deletions into updates of version 1, each at most about `bytesMax`. */
class Parts {
  readonly #client: number;
  readonly #bytesMax: number;
  readonly #finished: Uint8Array[] = [];
  #clock: number;
  #pieces: Piece[] = [];
  #deletions: Deletion[] = [];
  #bytes = 0;

  constructor(client: number, clock: number, bytesMax: number) {
    this.#client = client;
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  struct(piece: Piece): void {
    this.#room(piece.bytes.length);
    this.#pieces.push(piece);
  }

  /** Deletions come last: they may name the structs of the parts before them. */
  deletions(set: DeleteSet): void {
    const clients = [...set.clients].sort(([a], [b]) => b - a);
    for (const [client, items] of clients) {
      for (const { clock, len } of items) {
        this.#room(deletionBytes);
        this.#deletions.push({ client, clock, length: len });
      }
    }
  }

  finish(): Uint8Array[] {
    this.#cut();
    return this.#finished;
  }

  #room(bytes: number): void {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) this.#cut();
    this.#bytes += bytes;
  }

  #cut(): void {
    if (this.#bytes === 0) return;
    const start = this.#clock;
    for (const { length } of this.#pieces) this.#clock += length;
    const update = joinUpdates(this.#client, [
      {
        span: this.#pieces.length > 0 ? { start, end: this.#clock } : undefined,
        structCount: this.#pieces.length,
        structs: concatBytes(...this.#pieces.map(({ bytes }) => bytes)),
        deletions: this.#deletions,
      },
    ]);
    this.#finished.push(update);
    this.#pieces = [];
    this.#deletions = [];
    this.#bytes = 0;
  }
}

/** The most a range takes: a client id and two clocks. */
const deletionBytes = 24;
