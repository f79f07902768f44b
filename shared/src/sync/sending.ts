/**
 * What goes out in one session: runs as they come while the window is open, the rest from the store,
 * log after log in turn, one read at a time; and entries that the other party holds and cannot read
 * any more.
 */
import type { EpochId, ReplicaId } from "../id/id.ts";
import { lastSeq, type Run } from "../log/entry.ts";
import { frameOfRun } from "../protocol/codec.ts";
import { limits } from "../protocol/limits.ts";
import type { LogNumber } from "./connection.ts";
import type { Cursor, Cursors } from "./cursors.ts";
import type { Effects } from "./effects.ts";
import { flowBytes, runFlowBytesMax, Underway } from "./flow.ts";
import type { Holdings } from "./holdings.ts";

/** Frames a run under the number of its log and the epoch that goes without saying there. */
export type EncodeRun = (log: number, epoch: EpochId) => Uint8Array;

export interface SendingOptions {
  readonly cursors: Cursors;
  readonly holdings: Holdings;
  readonly effects: Effects;
  /** Which logs are pushed unasked. */
  readonly pushes: "all" | ReadonlySet<ReplicaId>;
  /** Whether the other party understands what that log is. */
  readonly isHeard: (replica: ReplicaId) => boolean;
  /** What the other party holds is known. */
  readonly isFollowing: () => boolean;
  readonly nowMs: () => number;
  readonly read: (replica: ReplicaId, first: number, bytesMax: number) => Promise<Run | undefined>;
  readonly publicKeyOf: (replica: ReplicaId) => Uint8Array | undefined;
  readonly announce: (replica: ReplicaId, epoch: EpochId, publicKey: Uint8Array) => LogNumber;
  readonly send: (frame: Uint8Array) => void;
}

/** Entries they hold and ask for again, because they cannot read them any more. */
interface Lent {
  readonly replica: ReplicaId;
  next: number;
  readonly last: number;
  /** Sent so far. */
  bytes: number;
}

/** What the store did not give is asked for again after so long. */
const readAgainMs = 5_000;

export class Sending {
  readonly #options: SendingOptions;
  readonly #underway = new Underway();
  #reading = false;
  #closed = false;
  /** Logs that the store did not give, and when to ask it again. */
  readonly #unread = new Set<ReplicaId>();
  #readAgainAtMs = Number.POSITIVE_INFINITY;
  /** Logs that may have something to send; pumped in turn, so that none starves. */
  readonly #behind = new Set<ReplicaId>();
  /** What is damaged there; served before anything else, for it is short. */
  #lent: Lent[] = [];

  constructor(options: SendingOptions) {
    this.#options = options;
  }

  /** Sent beyond the last `stored`. */
  get underwayBytes(): number {
    return this.#underway.bytes;
  }

  get lentCount(): number {
    return this.#lent.length;
  }

  wakeAtMs(): number {
    return this.#readAgainAtMs;
  }

  tick(nowMs: number): void {
    if (nowMs < this.#readAgainAtMs) return;
    this.#readAgainAtMs = Number.POSITIVE_INFINITY;
    for (const replica of this.#unread) this.#behind.add(replica);
    this.#unread.clear();
    this.pump();
  }

  close(): void {
    this.#closed = true;
    this.#behind.clear();
    this.#unread.clear();
    this.#underway.clear();
    this.#lent = [];
  }

  offer(run: Run, publicKey: Uint8Array, encode: EncodeRun): void {
    if (!this.#options.isFollowing() || !this.#pushesLog(run.replica)) return;
    // Where a branch begins is told before it, and known once its first run is held.
    const isHeld = this.#options.holdings.head(run.replica) !== undefined;
    if (run.branch !== undefined && !isHeld) return;
    const cursor = this.#options.cursors.of(run.replica);
    if (cursor.forked || lastSeq(run) <= cursor.sent) return;
    if (cursor.sent === run.first - 1 && this.#windowOpen()) {
      this.#sendRun(cursor, run, publicKey, encode);
    } else this.offerFromStore(run.replica);
  }

  offerFromStore(replica: ReplicaId): void {
    this.#behind.add(replica);
    this.pump();
  }

  /** What they hold is known now, or known anew. */
  offerAll(): void {
    for (const replica of this.#options.holdings.logs.keys()) {
      if (this.#pushesLog(replica)) this.#behind.add(replica);
    }
    this.pump();
  }

  /** They hold it and cannot read it: what else is under way of the log stays as it is. */
  lend(replica: ReplicaId, first: number, last: number): "lending" | "too many" {
    // Who asks again waits for that answer alone.
    this.#lent = this.#lent.filter((lent) => lent.replica !== replica);
    if (this.#lent.length >= limits.wantsMax) return "too many";
    this.#lent.push({ replica, next: first, last, bytes: 0 });
    this.pump();
    return "lending";
  }

  /** Their own word on what they hold replaces what we believed, also where it is less. */
  theyHold(replica: ReplicaId, to: number, sent: number): void {
    const cursor = this.#options.cursors.of(replica);
    cursor.theirs = to;
    cursor.stored = Math.min(cursor.stored, to);
    cursor.sent = sent;
    // What came is in their word; what was lost would never be confirmed, and is sent again.
    this.landed(replica, Number.POSITIVE_INFINITY);
  }

  /** Up to `seq` nothing of the log is under way any more. */
  landed(replica: ReplicaId, seq: number): void {
    this.#underway.end(replica, seq);
  }

  /** Sends from the store what is behind, one log after the other, one read at a time. */
  pump(): void {
    const { cursors, effects, holdings, isFollowing, read } = this.#options;
    if (this.#closed || !isFollowing() || this.#reading || !this.#windowOpen()) return;
    const lent = this.#lent[0];
    if (lent !== undefined) return this.#sendLent(lent);
    for (const replica of this.#behind) {
      this.#behind.delete(replica);
      const cursor = cursors.of(replica);
      const { from, to, branch } = holdings.head(replica) ?? nothing;
      // A branch begins anywhere before its own first entry.
      if (branch !== undefined && from <= branch.seq) cursor.sent = Math.max(cursor.sent, from - 1);
      // What lies below where the log begins here they get from a snapshot.
      const isBehind = cursor.sent < to && cursor.sent + 1 >= from;
      if (cursor.forked || !this.#pushesLog(replica) || !isBehind) continue;
      const first = cursor.sent + 1;
      this.#reading = true;
      effects.start(
        read(replica, first, limits.runBytesMax),
        (run) => this.#onRead(replica, first, run),
        () => this.#notRead(replica),
      );
      return;
    }
  }

  #onRead(replica: ReplicaId, first: number, run: Run | undefined): void {
    this.#reading = false;
    if (this.#closed) return;
    const cursor = this.#options.cursors.of(replica);
    const publicKey = this.#options.publicKeyOf(replica);
    const continues = cursor.sent === first - 1 && !cursor.forked;
    if (run !== undefined && publicKey !== undefined && continues) {
      this.#sendRun(cursor, run, publicKey, (log, epoch) => frameOfRun(log, epoch, run));
    }
    if (cursor.sent < this.#options.holdings.to(replica) && run !== undefined) {
      this.#behind.add(replica);
    }
    this.pump();
  }

  #notRead(replica: ReplicaId): void {
    this.#reading = false;
    if (this.#closed) return;
    this.#unread.add(replica);
    this.#readAgainAtMs = Math.min(this.#readAgainAtMs, this.#options.nowMs() + readAgainMs);
    this.pump();
  }

  /** One stored run at a time: it should end where the damage does. */
  #sendLent(lent: Lent): void {
    const { replica, next, last } = lent;
    const { cursors, effects, publicKeyOf, read } = this.#options;
    const sent = (run: Run | undefined): void => {
      this.#reading = false;
      if (this.#closed) return;
      const cursor = cursors.of(replica);
      const publicKey = publicKeyOf(replica);
      const isSent = run !== undefined && publicKey !== undefined;
      if (isSent) {
        this.#sendRun(cursor, run, publicKey, (log, epoch) => frameOfRun(log, epoch, run));
        lent.next = lastSeq(run) + 1;
        lent.bytes += flowBytes(run);
      }
      // Nobody confirms entries of another branch than theirs, so nothing paces them: as much as a run may
      // hold for each question.
      const isEnough = cursor.forked && lent.bytes >= limits.runBytesMax;
      // What cannot be read here either, they ask of another.
      if (!isSent || isEnough || lent.next > last) {
        this.#lent = this.#lent.filter((each) => each !== lent);
      }
      this.pump();
    };
    this.#reading = true;
    effects.start(read(replica, next, 1), sent, () => sent(undefined));
  }

  #sendRun(cursor: Cursor, run: Run, publicKey: Uint8Array, encode: EncodeRun): void {
    const epochOfRun = run.entries[0]?.epoch;
    if (epochOfRun === undefined) throw new Error("a run is never empty");
    const { log, epoch } = this.#options.announce(run.replica, epochOfRun, publicKey);
    const seq = lastSeq(run);
    cursor.sent = Math.max(cursor.sent, seq);
    cursor.sentMost = Math.max(cursor.sentMost, seq);
    // Of another branch than theirs nothing is ever confirmed: they look at it and let it go.
    if (!cursor.forked) this.#underway.begin(run.replica, seq, flowBytes(run));
    this.#options.send(encode(log, epoch));
  }

  #pushesLog(replica: ReplicaId): boolean {
    const { cursors, isHeard, pushes } = this.#options;
    if (!isHeard(replica)) return false;
    if (pushes === "all" || pushes.has(replica)) return true;
    return (cursors.known(replica)?.wantedTo ?? 0) > 0;
  }

  /** A run that is being read now will be sent, whatever else is by then. */
  #windowOpen(): boolean {
    const reservedBytes = this.#reading ? runFlowBytesMax : 0;
    return this.#underway.bytes + reservedBytes < limits.windowBytes;
  }
}

const nothing = { from: 1, to: 0, branch: undefined } as const;
