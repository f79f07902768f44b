/**
 * The sync conversation about one space with one other party: who holds what, what is under way,
 * what is missing. Symmetric but for one choice: a relay pushes every log, a device its own, and
 * others' when asked. Everything is idempotent, so whatever goes wrong, comparing again is safe.
 *
 *   open ──digests──▶ comparing ──heads known──▶ following ──leave / end──▶ closed
 *
 * Invariants:
 *  1. A log is pushed only from a seq the other party is known to hold (its heads, its `stored`,
 *     or what we sent before on this ordered connection).
 *  2. At most `windowBytes` of entries are under way beyond the last `stored`, in each direction;
 *     who exceeds it by far is cut off.
 *  3. At most one read of the store is under way per session.
 *  4. `stored` never names more than is durable here.
 */
import { equalBytes } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import type { EpochId, ReplicaId, SpaceTag } from "../id/id.ts";
import { type Branch, ifBranch } from "../log/branch.ts";
import { lastSeq, type Run } from "../log/entry.ts";
import type { StoredRegister } from "../log/store.ts";
import { runOfFrame } from "../protocol/codec.ts";
import { type Code, codeOfFault, codes } from "../protocol/codes.ts";
import { limits } from "../protocol/limits.ts";
import type { Frame, HeadRow, Mode } from "../protocol/messages.ts";
import { BlobAnswers } from "./blob-answers.ts";
import { type BlobAnswer, BlobLine, type BlobRequest, type BlobShelf } from "./blob-line.ts";
import { BranchWords } from "./branch-words.ts";
import { Comparison, type Listed } from "./comparison.ts";
import type { Connection, Ending, LogNumbers } from "./connection.ts";
import { Cursors } from "./cursors.ts";
import { Divergence } from "./divergence.ts";
import type { Effects } from "./effects.ts";
import { flowBytes, Received } from "./flow.ts";
import type { Holdings } from "./holdings.ts";
import type { Suspect } from "./forks.ts";
import type { LogStart, RunSource } from "./intake.ts";
import { Questions } from "./questions.ts";
import { RegisterLine } from "./register-line.ts";
import { type EncodeRun, Sending } from "./sending.ts";

type Of<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;
export type EntriesFrame = Of<"entry"> | Of<"entries">;
/** Frames that carry a space number and are no part of the handshake. */
export type SpaceFrame = Exclude<
  Extract<Frame, { space: number }>,
  { type: "hello" } | { type: "alias" }
>;

/** The party this session belongs to: a relay's room or a device's replica. */
export interface SessionOwner {
  readonly holdings: Holdings;
  readonly effects: Effects;
  isReplicaKey(replica: ReplicaId, publicKey: Uint8Array): boolean;
  publicKeyOf(replica: ReplicaId): Uint8Array | undefined;
  /** What this party writes itself. */
  isOwn(replica: ReplicaId): boolean;
  read(replica: ReplicaId, first: number, bytesMax: number): Promise<Run | undefined>;
  hashes(replica: ReplicaId, first: number, last: number): Promise<readonly Uint8Array[]>;
  onRun(session: Session, publicKey: Uint8Array, run: Run): void;
  /** Whether the run was asked for to see where their log leaves ours: then it is no news. */
  looksForFork(session: Session, publicKey: Uint8Array, run: Run): boolean;
  /** Whether the run may stand in for what is damaged here; it is tried then. */
  mendsWith(session: Session, publicKey: Uint8Array, run: Run): boolean;
  /** Whether branches of that key's log are known. */
  hasForked(log: Pick<Run, "replica" | "branch">): boolean;
  /** Which log a `branch` frame speaks of. */
  branchOf(frame: Of<"branch">): { readonly replica: ReplicaId; readonly branch: Branch };
  onRegister(session: Session, publicKey: Uint8Array, register: Uint8Array): void;
  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void;
  /** The other party committed entries of `replica` up to `seq`. */
  onStored(session: Session, replica: ReplicaId, seq: number): void;
  /** What the other party holds is known now, or known anew. */
  onCompared(session: Session): void;
  /** The other party holds logs we lack and does not push: ask for them, if not asked elsewhere. */
  onTheyHoldMore(session: Session, rows: readonly HeadRow[]): void;
  /** What both hold was asked of the other party, to mend or to compare it, and did not come. */
  onNotLent(session: Session): void;
  /** Another entry stands at `seq` there. `theirHash` is theirs. */
  onFork(session: Session, replica: ReplicaId, seq: number, theirHash: Uint8Array): void;
  /** What of theirs is listed, before it comes. `isComplete`: it was all, and all of it is known. */
  onListed(session: Session, listed: Listed): void;
  /**
   * Nobody is told what is held here, so that nobody begins to send what a snapshot may bring:
   * `tellHeads` ends it.
   */
  readonly holdsBack: boolean;
  /** Answers what is asked about blobs. */
  readonly shelf: BlobShelf;
  onTruncate(session: Session, frame: Of<"truncate">): void;
  onInvite(session: Session, frame: Of<"invite"> | Of<"uninvite">): void;
  onClosed(session: Session): void;
}

export interface SessionOptions {
  readonly connection: Connection;
  readonly owner: SessionOwner;
  readonly tag: SpaceTag;
  /** This side's number for the space. */
  readonly mySpace: number;
  /** What the initiator proved; of the other party if we are the responder. */
  readonly mode: Mode;
  /** Replica keys the other party has proven. */
  readonly proven: ReadonlySet<ReplicaId>;
  /** Which logs are pushed unasked. */
  readonly pushes: "all" | ReadonlySet<ReplicaId>;
  /** Whether the other party may bring entries: a relay's readers may not. */
  readonly mayAppend: boolean;
  readonly logNumbers: LogNumbers;
}

/** What a session keeps for the other party, each within its limit. */
export interface Backlog {
  /** Bytes of bodies sent beyond the last `stored`, and received and not confirmed. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Open questions. */
  readonly wants: number;
  /** Logs spoken of. */
  readonly logs: number;
}

export class Session implements RunSource, Suspect {
  readonly connection: Connection;
  readonly tag: SpaceTag;
  readonly mySpace: number;
  readonly mode: Mode;
  readonly proven: ReadonlySet<ReplicaId>;
  readonly logNumbers: LogNumbers;
  #left: Pick<Ending, "code" | "retryAfterMs" | "detail"> | undefined;
  /** Set by the connection when the session is registered. */
  theirSpace = -1;
  /** The other side's newest number of each log. */
  readonly theirLogNumbers = new Map<ReplicaId, number>();

  readonly #owner: SessionOwner;
  readonly #mayAppend: boolean;
  readonly #cursors = new Cursors();
  readonly #sending: Sending;
  readonly #received = new Received();
  readonly #questions = new Questions();
  readonly #branches: BranchWords;
  readonly #comparison: Comparison;
  #state: "open" | "following" | "closed" = "open";

  readonly #registers: RegisterLine;
  readonly #blobs: BlobLine;
  readonly #answers: BlobAnswers;
  readonly #divergence: Divergence;

  #lastEntryAtMs: number;

  constructor(options: SessionOptions) {
    this.connection = options.connection;
    this.#owner = options.owner;
    this.tag = options.tag;
    this.mySpace = options.mySpace;
    this.mode = options.mode;
    this.proven = options.proven;
    this.logNumbers = options.logNumbers;
    this.#mayAppend = options.mayAppend;
    this.#lastEntryAtMs = options.connection.env.clock.now();
    const { connection, owner } = options;
    this.#branches = new BranchWords({
      mySpace: this.mySpace,
      theirCapabilities: () => connection.theirs?.capabilities,
      branchOf: (frame) => owner.branchOf(frame),
      send: (frame) => connection.send(frame),
    });
    this.#sending = new Sending({
      cursors: this.#cursors,
      holdings: owner.holdings,
      effects: owner.effects,
      pushes: options.pushes,
      isHeard: (replica) => this.#branches.isHeard(owner.holdings.head(replica)),
      isFollowing: () => this.isFollowing,
      nowMs: () => connection.env.clock.now(),
      read: (replica, first, bytesMax) => owner.read(replica, first, bytesMax),
      publicKeyOf: (replica) => owner.publicKeyOf(replica),
      announce: (replica, epoch, key) => {
        this.#branches.tell(owner.holdings.head(replica));
        return connection.announce(this, replica, epoch, key);
      },
      send: (frame) => connection.sendEncoded(frame),
    });
    this.#comparison = new Comparison({
      mySpace: this.mySpace,
      holdings: owner.holdings,
      cursors: this.#cursors,
      sending: this.#sending,
      branches: this.#branches,
      effects: owner.effects,
      host: {
        onKnown: () => this.#follow(),
        onListed: (listed) => owner.onListed(this, listed),
        onTheyHoldMore: (rows) => owner.onTheyHoldMore(this, rows),
        onForked: (replica, seq, theirHash) => this.#divergence.forked(replica, seq, theirHash),
        onStored: (replica, seq) => owner.onStored(this, replica, seq),
      },
      nowMs: () => connection.env.clock.now(),
      isOwn: (replica) => owner.isOwn(replica),
      hashes: (replica, first, last) => owner.hashes(replica, first, last),
      holdsBack: () => owner.holdsBack,
      send: (frame) => connection.send(frame),
      sendRegister: (register) => this.sendRegister(register),
    });
    this.#blobs = new BlobLine({
      nowMs: () => connection.env.clock.now(),
      send: (request, number) => this.#askForBlob(request, number),
    });
    this.#answers = new BlobAnswers({
      mySpace: this.mySpace,
      shelf: owner.shelf,
      effects: owner.effects,
      mayKeep: options.mayAppend,
      isClosed: () => this.isClosed,
      send: (frame) => connection.send(frame),
      onTooMany: () => connection.end(codes.tooFast, "too many requests for blobs", 1_000),
      onFailed: (code) => this.leave(code, 0, "the store does not answer"),
    });
    this.#divergence = new Divergence({
      mySpace: this.mySpace,
      holdings: owner.holdings,
      cursors: this.#cursors,
      sending: this.#sending,
      effects: owner.effects,
      hashes: (replica, first, last) => owner.hashes(replica, first, last),
      hasForked: (log) => owner.hasForked(log),
      isClosed: () => this.isClosed,
      send: (frame) => connection.send(frame),
      compare: () => this.compare(),
      onFork: (replica, seq, theirHash) => owner.onFork(this, replica, seq, theirHash),
      onWrong: (replica) => this.runRefused(replica, "chain or signature is wrong"),
      onTooMany: () => this.#tooManyQuestions(),
    });
    this.#registers = new RegisterLine({
      send: ({ publicKey, bytes: register }) =>
        connection.send({ type: "register", space: this.mySpace, publicKey, register }),
      newest: (replica, name) => owner.holdings.register(replica, name),
      whenRead: (done) => connection.whenRead(done),
    });
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Why this side left, if it did. */
  get left(): Pick<Ending, "code" | "retryAfterMs" | "detail"> | undefined {
    return this.#left;
  }

  /** What the other party holds is known. */
  get isFollowing(): boolean {
    return this.#state === "following";
  }

  /**
   * Their registers were compared with ours, or are about to be: what is newer from now on is news to
   * them. Long before it follows where the other party holds its heads back.
   */
  get hearsRegisters(): boolean {
    return this.#comparison.hearsRegisters;
  }

  get withRelay(): boolean {
    return this.connection.theirs?.party === "relay";
  }

  /** The other party's store survives its restart. */
  get durable(): boolean {
    return this.connection.theirs?.durable ?? false;
  }

  /** Greatest seq of a log that the other party has committed, the very entries that are held here. */
  storedTo(replica: ReplicaId): number {
    return this.#cursors.known(replica)?.stored ?? 0;
  }

  /** Greatest seq of a log the other party is known to hold. */
  holdsFrom(replica: ReplicaId): number {
    return this.#cursors.known(replica)?.theirFrom ?? 1;
  }

  /** How far both are known to hold the same entries of a log. */
  agreesTo(replica: ReplicaId): number {
    const { agreed = 0, came = 0 } = this.#cursors.known(replica) ?? {};
    return Math.max(agreed, came);
  }

  holdsTo(replica: ReplicaId): number {
    return this.#theirTo(replica);
  }

  #theirTo(replica: ReplicaId): number {
    return this.#cursors.known(replica)?.theirs ?? 0;
  }

  /** Entries from there are on their way into the store here. */
  get receiving(): boolean {
    return !this.#received.isEmpty;
  }

  /** Everything we hold is known to be held there, and the reverse. */
  get equal(): boolean {
    if (this.#state !== "following") return false;
    for (const [replica, head] of this.#owner.holdings.logs) {
      if (this.#theirTo(replica) !== head.to) return false;
    }
    for (const [replica, cursor] of this.#cursors.entries) {
      if (cursor.theirs > this.#owner.holdings.to(replica) || cursor.forked) return false;
    }
    return true;
  }

  /** Entries the other party is known to hold that we do not. */
  get missing(): number {
    let count = 0;
    for (const [replica, cursor] of this.#cursors.entries) {
      count += Math.max(0, cursor.theirs - this.#owner.holdings.to(replica));
    }
    return count;
  }

  get backlog(): Backlog {
    return {
      sentBytes: this.#sending.underwayBytes,
      receivedBytes: this.#received.bytes,
      wants: this.#questions.count + this.#sending.lentCount,
      logs: this.#cursors.size,
    };
  }

  start(): void {
    this.compare();
  }

  /** Says our digest: whoever sees a difference answers with lists. */
  compare(): void {
    if (this.isClosed) return;
    this.#lastEntryAtMs = this.connection.env.clock.now();
    this.#comparison.begin();
  }

  /** What is held here may be said now. */
  tellHeads(): void {
    if (!this.isClosed) this.#comparison.tellHeads();
  }

  // What the owner tells

  /**
   * A run is held here now, or about to be. Sent at once where it continues what the other party
   * has and the window is open. `encode` frames it once for all sessions of a party whose log
   * numbers are shared.
   */
  offer(run: Run, publicKey: Uint8Array, encode: EncodeRun): void {
    this.#sending.offer(run, publicKey, encode);
  }

  /** The holdings of a log grew in a way that is not at hand as a run. */
  offerFromStore(replica: ReplicaId): void {
    this.#sending.offerFromStore(replica);
  }

  /** More of a log can be read here. */
  mended(replica: ReplicaId): void {
    if (this.isClosed) return;
    this.#comparison.mended(replica);
    this.#sending.offerFromStore(replica);
  }

  /** Asks for entries that are missing here. One question per log at a time. */
  want(replica: ReplicaId, first: number, last: number): void {
    if (this.isClosed) return;
    if (!this.#questions.want(replica, first, this.connection.env.clock.now())) return;
    this.#ask(replica, first, last, "entries");
  }

  #ask(replica: ReplicaId, first: number, last: number, form: Of<"want">["form"]): void {
    this.connection.send({ type: "want", space: this.mySpace, replica, first, last, form });
  }

  /** Another question may be put: the other party need not remember more of them. */
  get mayWant(): boolean {
    return this.#questions.mayAsk;
  }

  // Holder: what is damaged here is asked of them

  mayLend(replica: ReplicaId, seq: number): boolean {
    return this.#state === "following" && this.mayWant && this.#theirTo(replica) >= seq;
  }

  lend(replica: ReplicaId, first: number, lastLacked: number): void {
    // Of what both hold, and are known to: that tells it from entries that are new to us.
    this.confirm();
    const last = Math.min(lastLacked, this.#theirTo(replica));
    this.#questions.borrow(replica, last, this.connection.env.clock.now());
    this.#ask(replica, first, last, "entries");
  }

  isLending(replica: ReplicaId): boolean {
    return this.#questions.isBorrowed(replica);
  }

  /** A run of theirs, which ends with `seq`, stands in for what is damaged. */
  runMended(replica: ReplicaId, seq: number): void {
    this.#questions.mended(replica, seq);
  }

  isWanting(replica: ReplicaId): boolean {
    return this.#questions.isWanted(replica);
  }

  sendRegister(register: StoredRegister): void {
    if (!this.isClosed) this.#registers.offer(register);
  }

  /** A few at a time are on their way; the others wait. */
  askForBlob(request: BlobRequest): Promise<BlobAnswer> {
    return this.#blobs.ask(request);
  }

  #askForBlob(request: BlobRequest, number: number): void {
    const asked = { space: this.mySpace, request: number };
    if (request.type === "blob") {
      this.connection.send({ ...request, ...asked, isAnswer: false });
    } else this.connection.send({ ...request, ...asked });
  }

  sendWhisper(publicKey: Uint8Array, whisper: Uint8Array): void {
    if (this.isClosed) return;
    this.connection.send({ type: "whisper", space: this.mySpace, publicKey, whisper });
  }

  leave(code: Code, retryAfterMs: number, detail: string): void {
    this.#left ??= { code, retryAfterMs, detail };
    this.connection.leave(this, code, retryAfterMs, detail);
  }

  closed(): void {
    if (this.isClosed) return;
    this.#state = "closed";
    // Whoever still refers to it (numbers announced for it, receipts) keeps no more than its name.
    this.#cursors.clear();
    this.#sending.close();
    this.#received.clear();
    this.#questions.clear();
    this.#comparison.close();
    this.#registers.close();
    this.#blobs.close();
    this.#divergence.clear();
    this.#branches.clear();
    this.theirLogNumbers.clear();
    this.#owner.onClosed(this);
  }

  confirmIfDue(now: number): void {
    if (now >= this.#received.dueAtMs) this.confirm();
  }

  /** Sends what has been committed here since the last `stored`. */
  confirm(): void {
    if (this.isClosed) return;
    const logs: { yourLog: number; seq: number }[] = [];
    for (const [replica, seq] of this.#received.take()) {
      const yourLog = this.theirLogNumbers.get(replica);
      if (yourLog !== undefined) logs.push({ yourLog, seq });
    }
    for (let at = 0; at < logs.length; at += limits.rowsMax) {
      this.connection.send({ type: "stored", logs: logs.slice(at, at + limits.rowsMax) });
    }
  }

  // Time

  wakeAtMs(): number {
    if (this.isClosed) return Number.POSITIVE_INFINITY;
    return Math.min(
      this.#received.dueAtMs,
      this.#comparison.dueAtMs,
      this.#sending.wakeAtMs(),
      this.#questions.wakeAtMs(),
      this.#blobs.wakeAtMs(),
      this.#lastEntryAtMs + limits.antiEntropyMs,
    );
  }

  tick(now: number): void {
    if (this.isClosed) return;
    this.confirmIfDue(now);
    if (this.#blobs.expired(now)) {
      return this.connection.end(codes.deadline, "a request for a blob was not answered");
    }
    const unanswered = this.#questions.expire(now);
    if (unanswered.borrows > 0) this.#owner.onNotLent(this);
    // An unanswered question, or long silence: compare anew rather than guess.
    const silent = now >= this.#lastEntryAtMs + limits.antiEntropyMs;
    if (unanswered.wants > 0 || silent || now >= this.#comparison.dueAtMs) this.compare();
    this.#sending.tick(now);
  }

  // RunSource: what the intake tells

  agreesAt(replica: ReplicaId, seq: number, listings: number): boolean {
    const { agreed = 0 } = this.#cursors.known(replica) ?? {};
    return seq === 0 || (agreed >= seq && this.listingsOf(replica) === listings);
  }

  listingsOf(replica: ReplicaId): number {
    return this.#cursors.known(replica)?.listings ?? 0;
  }

  runRefused(_replica: ReplicaId, detail: string): void {
    this.connection.end(codes.entryRefused, detail);
  }

  runDiverges(replica: ReplicaId, heldTo: number): void {
    if (this.isClosed) return;
    this.#received.release(replica, Number.POSITIVE_INFINITY);
    this.#divergence.diverges(replica, heldTo);
  }

  runForks(replica: ReplicaId, seq: number, theirHash: Uint8Array): void {
    if (this.isClosed) return;
    this.#received.release(replica, Number.POSITIVE_INFINITY);
    this.#divergence.forked(replica, seq, theirHash);
  }

  runMissing(replica: ReplicaId, from: number): void {
    this.#received.release(replica, Number.POSITIVE_INFINITY);
    this.want(replica, from, Number.MAX_SAFE_INTEGER);
  }

  runNotCompared(replica: ReplicaId, seq: number): void {
    if (this.isClosed) return;
    this.#received.release(replica, seq);
    // Where both are known to agree it was confirmed before, and is again: else it would count as
    // under way there for ever.
    if (this.agreesTo(replica) >= seq) this.#confirmSoon(replica, seq);
  }

  /** It was asked for to be looked at, of what both hold: they wait for no more of it. */
  runLookedAt(replica: ReplicaId, seq: number): void {
    if (this.isClosed) return;
    this.#received.release(replica, seq);
    this.#confirmSoon(replica, seq);
  }

  runHeld(replica: ReplicaId, seq: number): void {
    if (this.isClosed) return;
    this.#cursors.came(replica, seq);
    this.#questions.came(replica, seq);
    this.#received.release(replica, seq);
    this.#confirmSoon(replica, seq);
  }

  #confirmSoon(replica: ReplicaId, seq: number): void {
    const now = this.connection.env.clock.now();
    // A relay needs a device's word only to open the window; an author waits for theirs.
    this.#received.confirmSoon(replica, seq, now, this.withRelay);
  }

  /** The store failed: what was received since the last commit is forgotten, and asked for anew. */
  forgetReceived(): void {
    for (const replica of this.#received.logs) {
      this.#cursors.of(replica).sent = this.#owner.holdings.to(replica);
    }
    this.#received.forget();
  }

  /** Whose branch that is, by their word; undefined if they did not speak of it. */
  signerOf(replica: ReplicaId): ReplicaId | undefined {
    return this.#branches.theirs.get(replica)?.branch.signer;
  }

  /** Of which logs they have said that they are branches. */
  *branches(): Generator<readonly [ReplicaId, Branch]> {
    for (const [replica, { branch }] of this.#branches.theirs) yield [replica, branch];
  }

  /** Where a log of which nothing is held here begins there, with what stands before it. */
  startOf(replica: ReplicaId): LogStart | undefined {
    return this.#branches.theirs.get(replica)?.start;
  }

  runOfBranch(replica: ReplicaId, branch: Branch): void {
    if (this.isClosed) return;
    this.#received.release(replica, Number.POSITIVE_INFINITY);
    this.#divergence.isOfBranch(replica, branch);
  }

  /** Both hold branches of it, as far as is known. */
  isForked(replica: ReplicaId): boolean {
    return this.#cursors.known(replica)?.forked === true;
  }

  get forkedLogs(): ReplicaId[] {
    return [...this.#cursors.entries].filter(([, { forked }]) => forked).map(([log]) => log);
  }

  /** More is held of the log now: if theirs has left ours before, they may be able to see it now. */
  reconsider(replica: ReplicaId): void {
    if (this.isForked(replica)) this.#comparison.beginSoon();
  }

  runIgnored(replica: ReplicaId, seq: number): void {
    this.#received.release(replica, seq);
    this.#questions.came(replica, seq);
  }

  /** The log is taken apart here: what both hold of it has to be listed anew. */
  takenApart(replica: ReplicaId): void {
    if (this.isClosed) return;
    this.#divergence.takenApart(replica);
    this.#comparison.forget(replica);
    this.#received.release(replica, Number.POSITIVE_INFINITY);
  }

  // Frames

  isReplicaKey(replica: ReplicaId, publicKey: Uint8Array): boolean {
    const theirs = this.#branches.theirs.get(replica);
    if (theirs !== undefined) return equalBytes(theirs.publicKey, publicKey);
    return this.#owner.isReplicaKey(replica, publicKey);
  }

  onEntries(replica: ReplicaId, epoch: EpochId, publicKey: Uint8Array, frame: EntriesFrame): void {
    if (this.isClosed) return;
    if (!this.#mayAppend) return this.leave(codes.forbidden, 0, "readers append nothing");
    const read = runOfFrame(replica, epoch, frame);
    if (isMalformed(read)) return this.connection.end(codeOfFault(read.fault), read.message);
    const run = { ...read, ...ifBranch(this.#branches.theirs.get(replica)?.branch) };
    const seq = lastSeq(run);
    if (!this.#received.begin(replica, seq, flowBytes(run))) {
      return this.connection.end(codes.tooFast, "more under way than the window allows", 1_000);
    }
    this.#lastEntryAtMs = this.connection.env.clock.now();
    const cursor = this.#cursors.of(replica);
    cursor.theirs = Math.max(cursor.theirs, seq);
    const isLookedAt = this.#owner.looksForFork(this, publicKey, run);
    if (isLookedAt) this.#questions.mended(replica, seq);
    if (cursor.forked || isLookedAt) {
      // What both have in common may be damaged here, and be what shows where they part.
      if (!isLookedAt && this.isLending(replica)) this.#owner.mendsWith(this, publicKey, run);
      return this.#received.release(replica, seq);
    }
    this.#owner.onRun(this, publicKey, run);
  }

  onStored(replica: ReplicaId, seq: number): void {
    if (this.isClosed) return;
    const cursor = this.#cursors.of(replica);
    // They may confirm what we have forgotten meanwhile: a relay whose store failed after forwarding.
    if (seq > Math.max(cursor.sentMost, this.#owner.holdings.to(replica))) {
      return this.connection.end(codes.outOfTurn, "stored names an entry that was never sent");
    }
    // Said of what was sent before either side knew.
    if (cursor.forked) return this.#sending.landed(replica, seq);
    cursor.theirs = Math.max(cursor.theirs, seq);
    cursor.stored = Math.max(cursor.stored, seq);
    this.#sending.landed(replica, seq);
    this.#owner.onStored(this, replica, seq);
    this.#sending.pump();
  }

  onFrame(frame: SpaceFrame): void {
    if (this.isClosed) return;
    const named = frame.type === "heads" ? frame.heads.length : 1;
    if (this.#cursors.size + named > cursorsMax) {
      return this.connection.end(codes.tooLarge, "speaks of more logs than a space may have");
    }
    switch (frame.type) {
      case "digest":
        return this.#comparison.onDigest(frame);
      case "heads":
        return this.#comparison.onHeads(frame.heads);
      case "branch":
        if (this.#branches.heard(frame)) return;
        return this.connection.end(codes.tooLarge, "speaks of more branches than a space may have");
      case "versions":
        return this.#comparison.onVersions(frame.rows);
      case "want":
        return this.#onWant(frame);
      case "hashes":
        return this.#divergence.onHashes(frame);
      case "fork":
        return this.#divergence.onFork(frame);
      case "register":
        return this.#owner.onRegister(this, frame.publicKey, frame.register);
      case "whisper":
        return this.#owner.onWhisper(this, frame.publicKey, frame.whisper);
      case "keep":
      case "get":
        return this.#answers.answer(frame);
      case "blob":
        return frame.isAnswer ? this.#onBlobAnswer(frame) : this.#answers.answer(frame);
      case "lacking":
      case "kept":
        return this.#onBlobAnswer(frame);
      case "truncate":
        return this.#owner.onTruncate(this, frame);
      case "invite":
      case "uninvite":
        return this.#owner.onInvite(this, frame);
    }
  }

  // Blobs

  #onBlobAnswer(frame: Of<"lacking"> | Of<"kept"> | Of<"blob">): void {
    // What is kept beyond the step must not be a view of the transport's buffer.
    const own = frame.type === "blob" ? { ...frame, bytes: frame.bytes.slice() } : frame;
    if (this.#blobs.answered(own)) return;
    this.connection.end(codes.outOfTurn, "an answer to no question");
  }

  #follow(): void {
    this.#state = "following";
    this.#owner.onCompared(this);
    this.#sending.offerAll();
  }

  #onWant(frame: Of<"want">): void {
    const { replica, first, last, form } = frame;
    if (form === "hashes") return this.#divergence.tell(frame);
    const cursor = this.#cursors.of(replica);
    // Who looks for a fork may have written on since their list came.
    const isSearch = cursor.forked && first === last && last <= this.#owner.holdings.to(replica);
    if (last <= cursor.theirs || isSearch) {
      if (this.#sending.lend(replica, first, last) === "lending") return;
      return this.#tooManyQuestions();
    }
    // Of another branch than theirs they are told only what they hold as well.
    if (cursor.forked) return;
    // They say they lack it, whatever we believed.
    const held = Math.max(0, first - 1);
    this.#sending.theyHold(replica, Math.min(cursor.theirs, held), held);
    cursor.wantedTo = Math.max(cursor.wantedTo, last);
    this.#sending.offerFromStore(replica);
  }

  #tooManyQuestions(): void {
    this.connection.end(codes.tooLarge, `${limits.wantsMax} questions at a time`);
  }
}

/** Logs one session may speak of: those of a full space, those it never had, and a page of rows. */
const cursorsMax = 3 * limits.logsMax;
