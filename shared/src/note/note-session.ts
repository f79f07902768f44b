/**
 * One open note in one tab: what is typed becomes operations, a few a second, and waits here until
 * the device has it on disk. Time comes in through the clock and `woke`, results of the disk through
 * `persisted` and `failed`; everything the session wants is an effect.
 *
 *             edited and due                 persisted, queue empty
 *   resting ──────────────────▶ persisting ──────────────────────────▶ resting
 *                                 │    ▲
 *                          failed │    │ woke
 *                                 ▼    │
 *                                stalled
 *
 *   any state ── close, or a document beyond repair ──▶ ended
 *
 * 1. Operations reach the disk in the order in which they were taken; one that failed stays before
 *    all later ones, unchanged.
 * 2. At most one `persist` is open.
 * 3. `snapshot` and `resumable` answer only while nothing is unpersisted: the document in memory is
 *    then what the log says.
 */
import type * as Y from "yjs";
import type { Applied } from "../crdt/engine/applied.ts";
import { type AuthoredUpdate, type WritingPeer, YjsDocument } from "../crdt/engine/yjs-document.ts";
import type { Clock } from "../env.ts";
import { limits } from "../protocol/limits.ts";
import { defineNote } from "./note-schema.ts";

/** An operation to come: the host adds the distance to the writer session when it appends it. */
export interface NoteOperation<Peer extends WritingPeer> {
  readonly peer: Peer;
  /** Interned Yjs update, at most `noteUpdateBytesMax`. */
  readonly update: Uint8Array<ArrayBuffer>;
}

export type NoteEffect<Peer extends WritingPeer> =
  /** Append these, in order, in one strict commit; answer `persisted` or `failed`. */
  | { readonly kind: "persist"; readonly operations: readonly NoteOperation<Peer>[] }
  /** Call `woke` then; replaces an earlier wish. */
  | { readonly kind: "wake"; readonly at: number }
  /** Something no operation can carry was taken out of the note again; tell the person. */
  | { readonly kind: "omitted"; readonly reasons: readonly string[] }
  /** An editor's observer threw; the note is whole. */
  | { readonly kind: "observer failed"; readonly error: unknown }
  /** The document is beyond use: discard this session and open the note anew from its log. */
  | { readonly kind: "ended"; readonly reason: string };

export interface NoteSessionOptions<Peer extends WritingPeer> {
  readonly clock: Clock;
  readonly emit: (effect: NoteEffect<Peer>) => void;
  /**
   * The peer to write under, and the next whenever one turns out to be taken: a fresh one
   * (`clock` 0), or first one to continue. Left out, the note can only be read.
   */
  readonly nextPeer?: () => Peer;
  /** `YjsDocument.snapshot` of an earlier time, and the updates it does not cover, in order. */
  readonly snapshot?: Uint8Array | undefined;
  readonly tail?: readonly AuthoredUpdate[];
}

/** While somebody types, an entry each 400 ms: three keys at least share a signature. */
export const flushIntervalMs = 400;
/** After a failed commit; the person may make room meanwhile. */
export const retryIntervalMs = 2_000;

/**
 * Room for dependencies, peer and padding in a body. Yjs' form of an update is held to 48 KiB:
 * where each struct names another author, interning makes it up to a fifth longer.
 */
export const noteUpdateBytesMax = limits.bodyBytesMax - 4_096;
const takenBytesMax = 49_152;
/** Operations of one commit, so that a paste of many megabytes is not one transaction. */
const commitOperationsMax = 64;

export class NoteSession<Peer extends WritingPeer> {
  readonly #clock: Clock;
  readonly #emit: (effect: NoteEffect<Peer>) => void;
  readonly #document: YjsDocument<Peer>;
  #state: "resting" | "persisting" | "stalled" | "ended" = "resting";
  #queue: NoteOperation<Peer>[] = [];
  /** How many from the front of the queue are being persisted. */
  #open = 0;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #waking = false;
  /** The document is beyond use, or was never read. */
  #broken = false;

  constructor(options: NoteSessionOptions<Peer>) {
    this.#clock = options.clock;
    this.#emit = options.emit;
    this.#document = new YjsDocument<Peer>({
      edited: () => this.#edited(),
      observerFailed: (error) => this.#emit({ kind: "observer failed", error }),
    });
    defineNote(this.#document.doc);
    if (options.snapshot && !this.#document.load(options.snapshot)) {
      this.#end("the note's snapshot is not readable");
      return;
    }
    this.receive(options.tail ?? []);
    // Only now is it known which peers are taken.
    if (options.nextPeer && this.#state !== "ended") this.#document.write(options.nextPeer);
  }

  /** What the editor binds to. Without peers bind to a `readingView`: an edit here is an error. */
  get doc(): Y.Doc {
    return this.#document.doc;
  }

  /** A document for an editor that only shows the note; destroy it when done. */
  readingView(): Y.Doc {
    const view = this.#document.readingView();
    defineNote(view);
    return view;
  }

  /** The peer that is written under: its client id is also that of cursors. */
  get peer(): Peer | undefined {
    return this.#document.peer;
  }

  /** Whether all that was typed is on this device's disk. */
  get saved(): boolean {
    return this.#queue.length === 0 && !this.#document.hasEdits;
  }

  /** How many updates wait for structs outside their causal past: 0 among honest members. */
  get waiting(): number {
    return this.#document.waiting;
  }

  /** Updates from the log, own ones among them, in an order that respects causality. */
  receive(updates: readonly AuthoredUpdate[]): readonly Applied[] {
    const outcomes = this.#document.apply(updates);
    if (this.#document.damage !== undefined) this.#end(this.#document.damage);
    return outcomes;
  }

  /**
   * A snapshot by another tab, which may hold more than this one has received. False if it could not
   * be taken in: then what it covers has not arrived.
   */
  merge(snapshot: Uint8Array): boolean {
    const merged = this.#document.load(snapshot);
    if (this.#document.damage !== undefined) this.#end(this.#document.damage);
    return merged;
  }

  /** The time of the last `wake` has come. */
  woke(): void {
    this.#waking = false;
    this.flush();
  }

  /** The open `persist` is committed. */
  persisted(): void {
    if (this.#open === 0) throw new Error(`persisted while ${this.#state}`);
    this.#queue.splice(0, this.#open);
    this.#open = 0;
    if (this.#state !== "ended") this.#state = "resting";
    if (this.#queue.length > 0) this.#persist();
    else if (this.#document.hasEdits) this.#edited();
  }

  /** Nothing of the open `persist` is committed. It is asked for again, with what came since. */
  failed(): void {
    if (this.#open === 0) throw new Error(`failed while ${this.#state}`);
    this.#open = 0;
    if (this.#state === "ended") return;
    this.#state = "stalled";
    this.#wakeAt(this.#clock.now() + retryIntervalMs);
  }

  /** Takes what was typed since the last flush at once: before a page is hidden, say. */
  flush(): void {
    if (this.#state === "resting" || this.#state === "stalled") this.#flush();
  }

  /**
   * The note as bytes for this device's storage, to be kept with the vector of the entries received
   * so far; undefined while something here is in no log yet.
   */
  snapshot(): Uint8Array<ArrayBuffer> | undefined {
    return this.saved && !this.#broken ? this.#document.snapshot() : undefined;
  }

  /**
   * Where a later session of this replica may continue this peer; undefined if it never may,
   * because something was written under it that no log holds.
   */
  resumable(): { readonly peer: Peer; readonly clock: number } | undefined {
    const { peer } = this.#document;
    if (!peer || !this.saved || this.#broken) return undefined;
    return { peer, clock: this.#document.clock };
  }

  /**
   * Takes the last edits and lets go of the document. The last `persist` may still be answered, and
   * `resumable` be asked after that.
   */
  close(): void {
    if (this.#state === "ended") return;
    if (this.#state === "persisting") this.#take();
    else this.#flush();
    this.#state = "ended";
    this.#document.close();
  }

  #edited(): void {
    if (this.#state !== "resting") return;
    const now = this.#clock.now();
    const elapsed = now - this.#flushedAt;
    // A clock that jumped back must not hold the next flush for years.
    if (elapsed >= flushIntervalMs || elapsed < 0) this.#flush();
    else if (!this.#waking) this.#wakeAt(this.#flushedAt + flushIntervalMs);
  }

  #flush(): void {
    if (this.saved) return;
    this.#flushedAt = this.#clock.now();
    if (!this.#take()) return;
    this.#state = "resting";
    if (this.#queue.length > 0) this.#persist();
  }

  /** Moves edits from the document to the queue; false if the document is beyond use. */
  #take(): boolean {
    if (this.#document.damage !== undefined) {
      this.#end(this.#document.damage);
      return false;
    }
    const { updates, omitted } = this.#document.take(takenBytesMax);
    this.#queue.push(...updates);
    if (omitted.length > 0) this.#emit({ kind: "omitted", reasons: omitted });
    return true;
  }

  #persist(): void {
    this.#open = Math.min(this.#queue.length, commitOperationsMax);
    if (this.#state !== "ended") this.#state = "persisting";
    this.#emit({ kind: "persist", operations: this.#queue.slice(0, this.#open) });
  }

  #wakeAt(at: number): void {
    this.#waking = true;
    this.#emit({ kind: "wake", at });
  }

  #end(reason: string): void {
    this.#broken = true;
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#emit({ kind: "ended", reason });
  }
}
