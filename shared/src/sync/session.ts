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
import type { EpochId, RegisterName, ReplicaId, SpaceTag } from "../id/id.ts";
import { bodyBytes, lastSeq, type Run } from "../log/entry.ts";
import type { StoredRegister } from "../log/store.ts";
import { frameOfRun, runOfFrame } from "../protocol/codec.ts";
import { type Code, codeOfFault, codes } from "../protocol/codes.ts";
import { limits } from "../protocol/limits.ts";
import type { Frame, HeadRow, Mode, VersionRow } from "../protocol/messages.ts";
import type { Connection, Ending, LogNumbers } from "./connection.ts";
import type { Effects } from "./effects.ts";
import type { Holdings } from "./holdings.ts";
import type { RunSource } from "./intake.ts";
import type { Holder } from "./mending.ts";
import { RegisterLine } from "./register-line.ts";

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
  read(replica: ReplicaId, first: number, bytesMax: number): Promise<Run | undefined>;
  hashes(replica: ReplicaId, first: number, last: number): Promise<readonly Uint8Array[]>;
  onRun(session: Session, publicKey: Uint8Array, run: Run): void;
  onRegister(session: Session, publicKey: Uint8Array, register: Uint8Array): void;
  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void;
  /** The other party committed entries of `replica` up to `seq`. */
  onStored(session: Session, replica: ReplicaId, seq: number): void;
  /** What the other party holds is known now, or known anew. */
  onCompared(session: Session): void;
  /** The other party holds logs we lack and does not push: ask for them, if not asked elsewhere. */
  onTheyHoldMore(session: Session, rows: readonly HeadRow[]): void;
  /** What is damaged here was asked of the other party, and did not come. */
  onNotLent(): void;
  /** Another entry stands at `seq` there. `theirHash` is theirs. */
  onFork(session: Session, replica: ReplicaId, seq: number, theirHash: Uint8Array): void;
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

/** How far one log has come towards the other party. */
interface Cursor {
  /** They hold it, or it is under way: the next run begins after. */
  sent: number;
  /** The most that was ever sent here: `sent` goes back when one side turns out to hold less. */
  sentMost: number;
  /** They hold entries up to here, as far as is known. */
  theirs: number;
  /** They have said that they committed entries up to here; what they forwarded may be on its way. */
  stored: number;
  /** Where both are known to hold the same entry. */
  agreed: number;
  /** Asked for by `want`, beyond what is pushed anyway. */
  wantedTo: number;
  forked: boolean;
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

interface InFlight {
  readonly replica: ReplicaId;
  readonly seq: number;
  readonly bytes: number;
}

/** Entries they hold and ask for again, because they cannot read them any more. */
interface Lent {
  readonly replica: ReplicaId;
  next: number;
  readonly last: number;
}

export class Session implements RunSource, Holder {
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
  readonly #pushes: "all" | ReadonlySet<ReplicaId>;
  readonly #mayAppend: boolean;
  readonly #cursors = new Map<ReplicaId, Cursor>();
  #state: "open" | "following" | "closed" = "open";
  #sentHeads = false;
  #sentVersions = false;
  /** Their whole list of registers was answered in this round. */
  #heardVersions = false;
  /** Since when this round of comparing goes on: they may begin the next one a while later. */
  #roundAtMs = Number.NEGATIVE_INFINITY;
  /** They asked too soon: we begin a round then. */
  #compareAtMs = Number.POSITIVE_INFINITY;
  readonly #headsPages = new Pages();
  readonly #versionsPages = new Pages();

  #inFlight: InFlight[] = [];
  #inFlightBytes = 0;
  #reading = false;
  /** Logs that the store did not give, and when to ask it again. */
  readonly #unread = new Set<ReplicaId>();
  #readAgainAtMs = Number.POSITIVE_INFINITY;
  /** Logs that may have something to send; pumped in turn, so that none starves. */
  readonly #behind = new Set<ReplicaId>();

  /** Received and not yet confirmed by `stored`. */
  #unconfirmed: InFlight[] = [];
  #unconfirmedBytes = 0;
  /** Confirmed to ourselves since the last `stored` we sent. */
  #freedBytes = 0;
  readonly #toConfirm = new Map<ReplicaId, number>();
  #confirmAtMs = Number.POSITIVE_INFINITY;

  readonly #registers: RegisterLine;

  readonly #wants = new Map<ReplicaId, { first: number; askedAtMs: number }>();
  /** What is damaged here and was asked of them. */
  readonly #borrows = new Map<ReplicaId, { last: number; askedAtMs: number }>();
  /** What is damaged there; served before anything else, for it is short. */
  #lent: Lent[] = [];
  #lastEntryAtMs: number;
  readonly #divergent = new Map<ReplicaId, number>();
  /** Their questions for hashes that the store is answering. */
  #telling = 0;

  constructor(options: SessionOptions) {
    this.connection = options.connection;
    this.#owner = options.owner;
    this.tag = options.tag;
    this.mySpace = options.mySpace;
    this.mode = options.mode;
    this.proven = options.proven;
    this.logNumbers = options.logNumbers;
    this.#pushes = options.pushes;
    this.#mayAppend = options.mayAppend;
    this.#lastEntryAtMs = options.connection.env.clock.now();
    const { connection, owner } = options;
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

  get withRelay(): boolean {
    return this.connection.theirs?.party === "relay";
  }

  /** The other party's store survives its restart. */
  get durable(): boolean {
    return this.connection.theirs?.durable ?? false;
  }

  /** Greatest seq of a log that the other party has said to have committed. */
  storedTo(replica: ReplicaId): number {
    return this.#cursors.get(replica)?.stored ?? 0;
  }

  /** Greatest seq of a log the other party is known to hold. */
  #theirTo(replica: ReplicaId): number {
    return this.#cursors.get(replica)?.theirs ?? 0;
  }

  /** Entries from there are on their way into the store here. */
  get receiving(): boolean {
    return this.#unconfirmed.length > 0;
  }

  /** Everything we hold is known to be held there, and the reverse. */
  get equal(): boolean {
    if (this.#state !== "following") return false;
    for (const [replica, head] of this.#owner.holdings.logs) {
      if (this.#theirTo(replica) !== head.to) return false;
    }
    for (const [replica, cursor] of this.#cursors) {
      if (cursor.theirs > this.#owner.holdings.to(replica) || cursor.forked) return false;
    }
    return true;
  }

  /** Entries the other party is known to hold that we do not. */
  get missing(): number {
    let count = 0;
    for (const [replica, cursor] of this.#cursors) {
      count += Math.max(0, cursor.theirs - this.#owner.holdings.to(replica));
    }
    return count;
  }

  get backlog(): Backlog {
    return {
      sentBytes: this.#inFlightBytes,
      receivedBytes: this.#unconfirmedBytes,
      wants: this.#wants.size + this.#borrows.size + this.#lent.length,
      logs: this.#cursors.size,
    };
  }

  start(): void {
    this.compare();
  }

  /** Says our digest: whoever sees a difference answers with lists. */
  compare(): void {
    if (this.isClosed) return;
    const now = this.connection.env.clock.now();
    this.#beginRound(Number.NEGATIVE_INFINITY);
    this.#lastEntryAtMs = now;
    const { holdings } = this.#owner;
    this.connection.send({
      type: "digest",
      space: this.mySpace,
      logs: holdings.logDigest(),
      registers: holdings.registerDigest(),
    });
  }

  // What the owner tells

  /**
   * A run is held here now, or about to be. Sent at once where it continues what the other party
   * has and the window is open. `encode` frames it once for all sessions of a party whose log
   * numbers are shared.
   */
  offer(
    run: Run,
    publicKey: Uint8Array,
    encode: (log: number, epoch: EpochId) => Uint8Array,
  ): void {
    if (this.#state !== "following" || !this.#pushesLog(run.replica)) return;
    const cursor = this.#cursor(run.replica);
    if (cursor.forked || lastSeq(run) <= cursor.sent) return;
    if (cursor.sent !== run.first - 1 || !this.#windowOpen()) {
      this.#behind.add(run.replica);
      this.#pump();
      return;
    }
    this.#sendRun(cursor, run, publicKey, encode);
  }

  /** The holdings of a log grew in a way that is not at hand as a run. */
  offerFromStore(replica: ReplicaId): void {
    this.#behind.add(replica);
    this.#pump();
  }

  /** Asks for entries that are missing here. One question per log at a time. */
  want(replica: ReplicaId, first: number, last: number): void {
    if (this.isClosed) return;
    const asked = this.#wants.get(replica);
    const now = this.connection.env.clock.now();
    if (asked !== undefined && asked.first >= first && now < asked.askedAtMs + wantAgainMs) return;
    if (asked === undefined && !this.mayWant) return;
    this.#wants.set(replica, { first, askedAtMs: now });
    this.#ask(replica, first, last, "entries");
  }

  #ask(replica: ReplicaId, first: number, last: number, form: Of<"want">["form"]): void {
    this.connection.send({ type: "want", space: this.mySpace, replica, first, last, form });
  }

  /** Another question may be put: the other party need not remember more of them. */
  get mayWant(): boolean {
    return this.#wants.size + this.#borrows.size < limits.wantsMax;
  }

  // Holder: what is damaged here is asked of them

  mayLend(replica: ReplicaId, seq: number): boolean {
    return this.#state === "following" && this.mayWant && this.#theirTo(replica) >= seq;
  }

  lend(replica: ReplicaId, first: number, lastLacked: number): void {
    // Of what both hold, and are known to: that tells it from entries that are new to us.
    this.confirm();
    const last = Math.min(lastLacked, this.#theirTo(replica));
    this.#borrows.set(replica, { last, askedAtMs: this.connection.env.clock.now() });
    this.#ask(replica, first, last, "entries");
  }

  isLending(replica: ReplicaId): boolean {
    return this.#borrows.has(replica);
  }

  /** A run of theirs, which ends with `seq`, stands in for what is damaged. */
  runMended(replica: ReplicaId, seq: number): void {
    const asked = this.#borrows.get(replica);
    if (asked !== undefined && seq >= asked.last) this.#borrows.delete(replica);
  }

  isWanting(replica: ReplicaId): boolean {
    return this.#wants.has(replica);
  }

  sendRegister(register: StoredRegister): void {
    if (!this.isClosed) this.#registers.offer(register);
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
    this.#behind.clear();
    this.#unread.clear();
    this.#wants.clear();
    this.#borrows.clear();
    this.#registers.close();
    this.#lent = [];
    this.#divergent.clear();
    this.#toConfirm.clear();
    this.theirLogNumbers.clear();
    this.#inFlight = [];
    this.#unconfirmed = [];
    this.#owner.onClosed(this);
  }

  confirmIfDue(now: number): void {
    if (now >= this.#confirmAtMs) this.confirm();
  }

  /** Sends what has been committed here since the last `stored`. */
  confirm(): void {
    this.#confirmAtMs = Number.POSITIVE_INFINITY;
    if (this.#toConfirm.size === 0 || this.isClosed) return;
    const logs: { yourLog: number; seq: number }[] = [];
    for (const [replica, seq] of this.#toConfirm) {
      const yourLog = this.theirLogNumbers.get(replica);
      if (yourLog !== undefined) logs.push({ yourLog, seq });
    }
    this.#toConfirm.clear();
    this.#freedBytes = 0;
    for (let at = 0; at < logs.length; at += limits.rowsMax) {
      this.connection.send({ type: "stored", logs: logs.slice(at, at + limits.rowsMax) });
    }
  }

  // Time

  wakeAtMs(): number {
    if (this.isClosed) return Number.POSITIVE_INFINITY;
    let wake = Math.min(
      this.#confirmAtMs,
      this.#compareAtMs,
      this.#readAgainAtMs,
      this.#lastEntryAtMs + limits.antiEntropyMs,
    );
    for (const questions of [this.#wants, this.#borrows]) {
      for (const { askedAtMs } of questions.values())
        wake = Math.min(wake, askedAtMs + wantAgainMs);
    }
    return wake;
  }

  tick(now: number): void {
    if (this.isClosed) return;
    this.confirmIfDue(now);
    let stale = false;
    for (const [replica, { askedAtMs }] of this.#wants) {
      if (now < askedAtMs + wantAgainMs) continue;
      this.#wants.delete(replica);
      stale = true;
    }
    for (const [replica, { askedAtMs }] of this.#borrows) {
      if (now < askedAtMs + wantAgainMs) continue;
      this.#borrows.delete(replica);
      this.#owner.onNotLent();
    }
    // An unanswered question, or long silence: compare anew rather than guess.
    const silent = now >= this.#lastEntryAtMs + limits.antiEntropyMs;
    if (stale || silent || now >= this.#compareAtMs) this.compare();
    if (now >= this.#readAgainAtMs) this.#readAgain();
  }

  // RunSource: what the intake tells

  agreesAt(replica: ReplicaId, seq: number): boolean {
    return seq === 0 || (this.#cursors.get(replica)?.agreed ?? 0) >= seq;
  }

  runRefused(_replica: ReplicaId, detail: string): void {
    this.connection.end(codes.entryRefused, detail);
  }

  runDiverges(replica: ReplicaId, heldTo: number): void {
    if (this.isClosed) return;
    this.#releaseWindow(replica, Number.POSITIVE_INFINITY);
    if (this.#divergent.has(replica) || this.#divergent.size >= limits.wantsMax) return;
    // Who is right is told by the hash at the last seq both hold.
    this.#divergent.set(replica, heldTo);
    this.#ask(replica, heldTo, heldTo, "hashes");
  }

  runForks(replica: ReplicaId, seq: number, theirHash: Uint8Array): void {
    if (this.isClosed) return;
    this.#releaseWindow(replica, Number.POSITIVE_INFINITY);
    this.#forked(replica, seq, theirHash);
  }

  runMissing(replica: ReplicaId, from: number): void {
    this.#releaseWindow(replica, Number.POSITIVE_INFINITY);
    this.want(replica, from, Number.MAX_SAFE_INTEGER);
  }

  runNotCompared(replica: ReplicaId, seq: number): void {
    if (this.isClosed) return;
    this.#releaseWindow(replica, seq);
    // Where both are known to agree it was confirmed before, and is again: else it would count as
    // under way there for ever.
    if (this.agreesAt(replica, seq)) this.#confirmSoon(replica, seq);
  }

  runHeld(replica: ReplicaId, seq: number): void {
    if (this.isClosed) return;
    this.#agree(replica, seq);
    const asked = this.#wants.get(replica);
    if (asked !== undefined && seq >= asked.first) this.#wants.delete(replica);
    this.#releaseWindow(replica, seq);
    this.#confirmSoon(replica, seq);
  }

  #confirmSoon(replica: ReplicaId, seq: number): void {
    this.#toConfirm.set(replica, Math.max(this.#toConfirm.get(replica) ?? 0, seq));
    const now = this.connection.env.clock.now();
    // A relay needs a device's word only to open the window; an author waits for theirs.
    const lazily = this.withRelay && this.#freedBytes < limits.windowBytes / 4;
    this.#confirmAtMs = Math.min(this.#confirmAtMs, now + (lazily ? confirmRelayAfterMs : 0));
  }

  /** The store failed: what was received since the last commit is forgotten, and asked for anew. */
  forgetReceived(): void {
    for (const { replica } of this.#unconfirmed)
      this.#cursor(replica).sent = this.#owner.holdings.to(replica);
    this.#unconfirmed = [];
    this.#unconfirmedBytes = 0;
  }

  #releaseWindow(replica: ReplicaId, seq: number): void {
    this.#unconfirmed = this.#unconfirmed.filter((each) => {
      if (each.replica !== replica || each.seq > seq) return true;
      this.#unconfirmedBytes -= each.bytes;
      this.#freedBytes += each.bytes;
      return false;
    });
  }

  // Frames

  isReplicaKey(replica: ReplicaId, publicKey: Uint8Array): boolean {
    return this.#owner.isReplicaKey(replica, publicKey);
  }

  onEntries(replica: ReplicaId, epoch: EpochId, publicKey: Uint8Array, frame: EntriesFrame): void {
    if (this.isClosed) return;
    if (!this.#mayAppend) return this.leave(codes.forbidden, 0, "readers append nothing");
    const run = runOfFrame(replica, epoch, frame);
    if (isMalformed(run)) return this.connection.end(codeOfFault(run.fault), run.message);
    const bytes = flowBytes(run);
    if (this.#unconfirmedBytes + bytes > receivedBytesMax) {
      return this.connection.end(codes.tooFast, "more under way than the window allows", 1_000);
    }
    this.#lastEntryAtMs = this.connection.env.clock.now();
    const seq = lastSeq(run);
    this.#unconfirmed.push({ replica, seq, bytes });
    this.#unconfirmedBytes += bytes;
    const cursor = this.#cursor(replica);
    cursor.theirs = Math.max(cursor.theirs, seq);
    if (cursor.forked) return this.#releaseWindow(replica, seq);
    this.#owner.onRun(this, publicKey, run);
  }

  onStored(replica: ReplicaId, seq: number): void {
    if (this.isClosed) return;
    const cursor = this.#cursor(replica);
    // They may confirm what we have forgotten meanwhile: a relay whose store failed after forwarding.
    if (seq > Math.max(cursor.sentMost, this.#owner.holdings.to(replica))) {
      return this.connection.end(codes.outOfTurn, "stored names an entry that was never sent");
    }
    cursor.theirs = Math.max(cursor.theirs, seq);
    cursor.stored = Math.max(cursor.stored, seq);
    cursor.agreed = Math.max(cursor.agreed, seq);
    this.#landed(replica, seq);
    this.#owner.onStored(this, replica, seq);
    this.#pump();
  }

  onFrame(frame: SpaceFrame): void {
    if (this.isClosed) return;
    const named = frame.type === "heads" ? frame.heads.length : 1;
    if (this.#cursors.size + named > cursorsMax) {
      return this.connection.end(codes.tooLarge, "speaks of more logs than a space may have");
    }
    switch (frame.type) {
      case "digest":
        return this.#onDigest(frame);
      case "heads":
        return this.#onHeads(frame.heads);
      case "versions":
        return this.#onVersions(frame.rows);
      case "want":
        return this.#onWant(frame);
      case "hashes":
        return this.#onHashes(frame);
      case "fork":
        this.#setForked(this.#cursor(frame.replica), frame.replica);
        return this.#owner.onFork(this, frame.replica, frame.seq, frame.hash.slice());
      case "register":
        return this.#owner.onRegister(this, frame.publicKey, frame.register);
      case "whisper":
        return this.#owner.onWhisper(this, frame.publicKey, frame.whisper);
      case "invite":
      case "uninvite":
        return this.#owner.onInvite(this, frame);
    }
  }

  /** Lists are sent, and answered, once in a round. */
  #beginRound(nowMs: number): void {
    this.#roundAtMs = nowMs;
    this.#compareAtMs = Number.POSITIVE_INFINITY;
    this.#sentHeads = false;
    this.#sentVersions = false;
    this.#heardVersions = false;
  }

  #onDigest(frame: Of<"digest">): void {
    const now = this.connection.env.clock.now();
    // They may ask at any time: they know what they have lost. Lists are long, so not all the time.
    if (now >= this.#roundAtMs + roundMs) this.#beginRound(now);
    else this.#compareAtMs = this.#roundAtMs + roundMs;
    const { holdings } = this.#owner;
    if (equalBytes(frame.logs, holdings.logDigest())) {
      for (const { replica, to } of holdings.logs.values()) {
        this.#agree(replica, to);
        this.#cursor(replica).stored = to;
        this.#landed(replica, to);
      }
      this.#follow();
    } else this.#sendHeads();
    if (!equalBytes(frame.registers, holdings.registerDigest())) this.#sendVersions();
  }

  #sendHeads(): void {
    if (this.#sentHeads) return;
    this.#sentHeads = true;
    for (const heads of pages([...this.#owner.holdings.logs.values()], byReplica)) {
      // `since` all zeros: a complete list, in as many frames as it takes.
      const since = new Uint8Array(16);
      this.connection.send({ type: "heads", space: this.mySpace, since, heads });
    }
  }

  #onHeads(rows: readonly HeadRow[]): void {
    // Whoever lists expects our list too; a difference may be known to one side only by then.
    this.#sendHeads();
    const listed = new Map(rows.map((row) => [row.replica, row]));
    const inPage = this.#headsPages.next(rows, byReplica);
    const more: HeadRow[] = [];
    for (const row of rows) {
      const ours = this.#owner.holdings.head(row.replica);
      this.#theyHold(row.replica, row.to, Math.min(row.to, ours?.to ?? 0));
      if (ours !== undefined && ours.to === row.to) {
        if (equalBytes(ours.hash, row.hash)) this.#agree(row.replica, row.to);
        else this.#forked(row.replica, row.to, row.hash.slice());
      }
      if (row.to > (ours?.to ?? 0)) more.push(row);
    }
    // What a complete list leaves out is not held there, whatever was sent before.
    for (const replica of this.#cursors.keys()) {
      if (!listed.has(replica) && inPage(replica)) this.#theyHold(replica, 0, 0);
    }
    if (this.#headsPages.complete) this.#follow();
    if (more.length > 0) this.#owner.onTheyHoldMore(this, more);
  }

  #follow(): void {
    this.#state = "following";
    for (const replica of this.#owner.holdings.logs.keys()) {
      if (this.#pushesLog(replica)) this.#behind.add(replica);
    }
    this.#owner.onCompared(this);
    this.#pump();
  }

  #sendVersions(): void {
    if (this.#sentVersions) return;
    this.#sentVersions = true;
    const rows: VersionRow[] = [];
    for (const register of this.#owner.holdings.registers) {
      const { replica, name, number } = register;
      rows.push({ replica, name, number, hash8: register.bodyHash.subarray(0, 8) });
    }
    for (const page of pages(rows, byRegister)) {
      this.connection.send({ type: "versions", space: this.mySpace, rows: page });
    }
  }

  #onVersions(rows: readonly VersionRow[]): void {
    this.#sendVersions();
    if (this.#heardVersions) return;
    const theirs = new Map(rows.map((row) => [byRegister(row), row]));
    const inPage = this.#versionsPages.next(rows, byRegister);
    this.#heardVersions = this.#versionsPages.complete;
    for (const register of this.#owner.holdings.registers) {
      const key = byRegister(register);
      if (!inPage(key)) continue;
      const row = theirs.get(key);
      const known =
        row !== undefined &&
        (row.number > register.number ||
          (row.number === register.number &&
            equalBytes(row.hash8, register.bodyHash.subarray(0, 8))));
      if (!known) this.sendRegister(register);
    }
  }

  #onWant(frame: Of<"want">): void {
    const { replica, first, last, form } = frame;
    if (form === "hashes") return this.#tellHashes(frame);
    const cursor = this.#cursor(replica);
    // A fork is healed elsewhere.
    if (cursor.forked) return;
    if (last <= cursor.theirs) return this.#lendTo(replica, first, last);
    // They say they lack it, whatever we believed.
    const held = Math.max(0, first - 1);
    this.#theyHold(replica, Math.min(cursor.theirs, held), held);
    cursor.wantedTo = Math.max(cursor.wantedTo, last);
    this.#behind.add(replica);
    this.#pump();
  }

  /** They hold it and cannot read it: what else is under way of the log stays as it is. */
  #lendTo(replica: ReplicaId, next: number, last: number): void {
    // Who asks again waits for that answer alone.
    this.#lent = this.#lent.filter((lent) => lent.replica !== replica);
    if (this.#lent.length >= limits.wantsMax) {
      return this.connection.end(codes.tooLarge, `${limits.wantsMax} questions at a time`);
    }
    this.#lent.push({ replica, next, last });
    this.#pump();
  }

  #tellHashes({ replica, first, last }: Of<"want">): void {
    if (this.#telling >= limits.wantsMax) {
      return this.connection.end(codes.tooLarge, `${limits.wantsMax} questions at a time`);
    }
    this.#telling++;
    const tell = (hashes: readonly Uint8Array[]): void => {
      this.#telling--;
      if (this.isClosed) return;
      this.connection.send({ type: "hashes", space: this.mySpace, replica, first, hashes });
    };
    const end = Math.min(last, first + hashesTold - 1);
    // What the store does not give is as good as not held: they compare again.
    this.#owner.effects.start(this.#owner.hashes(replica, first, end), tell, () => tell([]));
  }

  #onHashes(frame: Of<"hashes">): void {
    const { replica, first, hashes } = frame;
    const asked = this.#divergent.get(replica);
    if (asked === undefined || asked !== first) return;
    this.#divergent.delete(replica);
    const ours = this.#owner.holdings.head(replica);
    const theirs = hashes[0];
    if (theirs === undefined || ours === undefined || ours.to !== first) {
      // Either side has moved on: compare again.
      this.compare();
    } else if (equalBytes(theirs, ours.hash)) {
      this.runRefused(replica, "chain or signature is wrong");
    } else this.#forked(replica, first, theirs.slice());
  }

  #forked(replica: ReplicaId, seq: number, theirHash: Uint8Array): void {
    const cursor = this.#cursor(replica);
    if (cursor.forked) return;
    this.#setForked(cursor, replica);
    const ours = this.#owner.holdings.head(replica);
    if (ours !== undefined) {
      this.connection.send({
        type: "fork",
        space: this.mySpace,
        replica,
        seq: ours.to,
        hash: ours.hash,
      });
    }
    this.#owner.onFork(this, replica, seq, theirHash);
  }

  #setForked(cursor: Cursor, replica: ReplicaId): void {
    cursor.forked = true;
    // Nobody will confirm what was sent of our branch.
    this.#landed(replica, Number.POSITIVE_INFINITY);
  }

  // Sending

  #pushesLog(replica: ReplicaId): boolean {
    if (this.#pushes === "all" || this.#pushes.has(replica)) return true;
    return (this.#cursors.get(replica)?.wantedTo ?? 0) > 0;
  }

  #windowOpen(): boolean {
    return this.#inFlightBytes < limits.windowBytes;
  }

  /** Sends from the store what is behind, one log after the other, one read at a time. */
  #pump(): void {
    if (this.#state !== "following" || this.#reading || !this.#windowOpen()) return;
    const lent = this.#lent[0];
    if (lent !== undefined) return this.#sendLent(lent);
    const { holdings, effects } = this.#owner;
    for (const replica of this.#behind) {
      this.#behind.delete(replica);
      const cursor = this.#cursor(replica);
      if (cursor.forked || !this.#pushesLog(replica) || cursor.sent >= holdings.to(replica))
        continue;
      const first = cursor.sent + 1;
      this.#reading = true;
      effects.start(
        this.#owner.read(replica, first, limits.runBytesMax),
        (run) => this.#onRead(replica, first, run),
        () => {
          this.#reading = false;
          if (this.isClosed) return;
          this.#unread.add(replica);
          this.#readAgainAtMs = Math.min(
            this.#readAgainAtMs,
            this.connection.env.clock.now() + readAgainMs,
          );
          this.#pump();
        },
      );
      return;
    }
  }

  /** One stored run at a time: it should end where the damage does. */
  #sendLent(lent: Lent): void {
    const { replica, next, last } = lent;
    const sent = (run: Run | undefined): void => {
      this.#reading = false;
      if (this.isClosed) return;
      const cursor = this.#cursor(replica);
      const publicKey = this.#owner.publicKeyOf(replica);
      const isSent = run !== undefined && publicKey !== undefined && !cursor.forked;
      if (isSent) {
        this.#sendRun(cursor, run, publicKey, (log, epoch) => frameOfRun(log, epoch, run));
        lent.next = lastSeq(run) + 1;
      }
      // What cannot be read here either, they ask of another.
      if (!isSent || lent.next > last) this.#lent = this.#lent.filter((each) => each !== lent);
      this.#pump();
    };
    this.#reading = true;
    this.#owner.effects.start(this.#owner.read(replica, next, 1), sent, () => sent(undefined));
  }

  #readAgain(): void {
    this.#readAgainAtMs = Number.POSITIVE_INFINITY;
    for (const replica of this.#unread) this.#behind.add(replica);
    this.#unread.clear();
    this.#pump();
  }

  #onRead(replica: ReplicaId, first: number, run: Run | undefined): void {
    this.#reading = false;
    if (this.isClosed) return;
    const cursor = this.#cursor(replica);
    const publicKey = this.#owner.publicKeyOf(replica);
    if (
      run !== undefined &&
      publicKey !== undefined &&
      cursor.sent === first - 1 &&
      !cursor.forked
    ) {
      this.#sendRun(cursor, run, publicKey, (log, epoch) => frameOfRun(log, epoch, run));
    }
    if (cursor.sent < this.#owner.holdings.to(replica) && run !== undefined)
      this.#behind.add(replica);
    this.#pump();
  }

  #sendRun(
    cursor: Cursor,
    run: Run,
    publicKey: Uint8Array,
    encode: (log: number, epoch: EpochId) => Uint8Array,
  ): void {
    const epochOfRun = run.entries[0]?.epoch;
    if (epochOfRun === undefined) throw new Error("a run is never empty");
    const { log, epoch } = this.connection.announce(this, run.replica, epochOfRun, publicKey);
    const bytes = flowBytes(run);
    const seq = lastSeq(run);
    cursor.sent = Math.max(cursor.sent, seq);
    cursor.sentMost = Math.max(cursor.sentMost, seq);
    this.#inFlight.push({ replica: run.replica, seq, bytes });
    this.#inFlightBytes += bytes;
    this.#lastEntryAtMs = this.connection.env.clock.now();
    this.connection.sendEncoded(encode(log, epoch));
  }

  /** Their own word on what they hold replaces what we believed, also where it is less. */
  #theyHold(replica: ReplicaId, to: number, sent: number): void {
    const cursor = this.#cursor(replica);
    cursor.theirs = to;
    cursor.stored = to;
    cursor.sent = sent;
    // What came is in their word; what was lost would never be confirmed, and is sent again.
    this.#landed(replica, Number.POSITIVE_INFINITY);
  }

  /** Up to `seq` nothing of the log is under way any more. */
  #landed(replica: ReplicaId, seq: number): void {
    this.#inFlight = this.#inFlight.filter((each) => {
      if (each.replica !== replica || each.seq > seq) return true;
      this.#inFlightBytes -= each.bytes;
      return false;
    });
  }

  #agree(replica: ReplicaId, seq: number): void {
    const cursor = this.#cursor(replica);
    cursor.agreed = Math.max(cursor.agreed, seq);
    cursor.theirs = Math.max(cursor.theirs, seq);
    cursor.sent = Math.max(cursor.sent, seq);
  }

  #cursor(replica: ReplicaId): Cursor {
    let cursor = this.#cursors.get(replica);
    if (cursor === undefined) {
      cursor = {
        sent: 0,
        sentMost: 0,
        theirs: 0,
        stored: 0,
        agreed: 0,
        wantedTo: 0,
        forked: false,
      };
      this.#cursors.set(replica, cursor);
    }
    return cursor;
  }
}

/** Logs one session may speak of: those of a full space, those it never had, and a page of rows. */
const cursorsMax = 3 * limits.logsMax;
/** What a run counts for in the window: entries without bodies are not free. */
const flowBytes = (run: Run): number => bodyBytes(run) + 64 * run.entries.length;
/** A window, and another where a comparison crossed it and all of it was sent again; and a run. */
const receivedBytesMax = 3 * limits.windowBytes;

/** Hashes in one answer: those of a run. */
const hashesTold = 1_024;
/** How long a question may stay open before digests are compared again. */
const wantAgainMs = 10_000;
/** A comparison that the other party begins is answered with lists at most so often. */
const roundMs = 5_000;
/** What the store did not give is asked for again after so long. */
const readAgainMs = 5_000;
/** How long a device may keep a relay waiting for `stored` while the window is wide open. */
const confirmRelayAfterMs = 1_000;

const byReplica = (row: { readonly replica: ReplicaId }): string => row.replica;
const byRegister = (row: { readonly replica: ReplicaId; readonly name: RegisterName }): string =>
  `${row.replica}/${row.name}`;

/** A list in ascending order, in frames of `rowsMax` rows; one with fewer rows, even none, ends it. */
function pages<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Row[][] {
  const sorted = [...rows].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const split: Row[][] = [];
  for (let at = 0; at <= sorted.length; at += limits.rowsMax) {
    split.push(sorted.slice(at, at + limits.rowsMax));
  }
  return split;
}

/** Which part of the order each frame of such a list speaks for. */
class Pages {
  #after = "";
  complete = true;

  next<Row>(rows: readonly Row[], keyOf: (row: Row) => string): (key: string) => boolean {
    const after = this.#after;
    const last = rows[rows.length - 1];
    this.complete = rows.length < limits.rowsMax;
    this.#after = this.complete || last === undefined ? "" : keyOf(last);
    const upTo = this.#after;
    return (key) => key > after && (upTo === "" || key <= upTo);
  }
}
