/**
 * One party's side of one space: what it holds, all sessions about it, and the way of entries and
 * registers from a session through verification and commit to the other sessions. A relay's room
 * and a device's replica are both built around one.
 *
 * Invariants:
 *  1. `holdings` names only what the store has committed; `stored` and digests speak from it.
 *  2. A run goes to other sessions after verification (`forwards: "verified"`, a relay) or after
 *     the commit (`"held"`, a device); never before verification.
 *  3. A register is kept and passed on only if its signature holds and it is newer.
 *  4. Another party is asked for a log only while no other session is being asked.
 */
import { zeroHash } from "../log/chain.ts";
import {
  beginsAfter,
  type Branch,
  branchIdOf,
  ifHeldBranch,
  isKeyOf,
  signerOf,
} from "../log/branch.ts";
import type { Env } from "../env.ts";
import type { EpochId, ReplicaId, SpaceTag } from "../id/id.ts";
import { bodyBytes, type Entry, lastSeq, type Run } from "../log/entry.ts";
import { equalBytes } from "../bytes/bytes.ts";
import { DamagedEntries, type Repaired } from "../log/damage.ts";
import { isRefusal } from "../log/refusal.ts";
import { newerRegister, parseRegister, verifyRegister } from "../log/register.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import {
  type Appended,
  isSameHead,
  type LogHead,
  type Split,
  type SplitOff,
  type StoredRegister,
  type VerifiedRun,
} from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { frameOfRun } from "../protocol/codec.ts";
import { codeOfFault, codes } from "../protocol/codes.ts";
import { limits } from "../protocol/limits.ts";
import type { Frame, HeadRow } from "../protocol/messages.ts";
import type { Effects } from "./effects.ts";
import { Branches } from "./branches.ts";
import { Forks, type Suspect } from "./forks.ts";
import { Holdings } from "./holdings.ts";
import { Intake, type IntakeHost, type RunSource } from "./intake.ts";
import { type Hole, Mending } from "./mending.ts";
import type { BlobShelf } from "./blob-line.ts";
import type { Listed } from "./comparison.ts";
import { Session, type SessionOwner } from "./session.ts";

/** The store as one space sees it. */
export interface SpaceStore {
  append(runs: readonly VerifiedRun[]): Promise<readonly Appended[]>;
  read(replica: ReplicaId, first: number, bytesMax: number): Promise<Run | undefined>;
  hashes(replica: ReplicaId, first: number, last: number): Promise<readonly Uint8Array[]>;
  putRegisters(registers: readonly StoredRegister[]): Promise<readonly boolean[]>;
  /** Of a store that others write, too. */
  heads?(): Promise<readonly LogHead[]>;
  /** Takes a log apart that has forked; absent where forks are only told. */
  split?(split: Split): Promise<SplitOff>;
  /** Of a store whose records can be damaged one by one (log/damage.ts). */
  repair?(run: VerifiedRun): Promise<Repaired>;
  /** Of a store that keeps some entries twice: a run of what it has of these, from the first on. */
  readSpares?(replica: ReplicaId, first: number, last: number): Promise<Run | undefined>;
}

export interface ExchangeHost {
  /** A verified run has been passed on or will be; not durable yet. */
  onVerified(run: VerifiedRun): void;
  /** Durable here now. */
  onHeld(run: VerifiedRun): void;
  /** Durable here now, newer than what was held. */
  onRegister(register: StoredRegister): void;
  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void;
  onStored(session: Session, replica: ReplicaId, seq: number): void;
  onCompared(session: Session): void;
  onFork(session: Session, replica: ReplicaId, seq: number, theirHash: Uint8Array): void;
  /** A log was taken apart, here: its rest and its branch are held as two logs now. */
  onSplit(replica: ReplicaId, off: LogsSplit): void;
  /** The store holds other entries of a log than was known: another party of it wrote them. */
  onFound(head: LogHead): void;
  onListed(session: Session, listed: Listed): void;
  onTruncate(session: Session, frame: Extract<Frame, { type: "truncate" }>): void;
  onInvite(session: Session, frame: Extract<Frame, { type: "invite" | "uninvite" }>): void;
  onSessionClosed(session: Session): void;
  onStoreFailed(error: unknown): void;
  /** Entries of a log cannot be read here and are asked for: `holes` tells which. */
  onHole(replica: ReplicaId): void;
  /** Some or all of them can be read again. */
  onMended(replica: ReplicaId): void;
  /** Nothing is on its way into the store any more (`idle`). */
  onIdle(): void;
}

export type LogsSplit = Extract<SplitOff, { kind: "split" }>;

export interface ExchangeOptions {
  readonly env: Env;
  readonly suite: VerifyingSuite;
  readonly tag: SpaceTag;
  readonly store: SpaceStore;
  readonly heads: readonly LogHead[];
  readonly registers: readonly StoredRegister[];
  readonly effects: Effects;
  readonly host: ExchangeHost;
  readonly forwards: "verified" | "held";
  readonly shelf: BlobShelf;
}

export class Exchange implements SessionOwner, IntakeHost {
  readonly holdings: Holdings;
  readonly effects: Effects;
  readonly shelf: BlobShelf;
  readonly sessions = new Set<Session>();
  /** Logs that are pushed unasked where not all are: own ones, and branches of them that were written here. */
  readonly ownLogs = new Set<ReplicaId>();
  #holdsBack = false;
  /** Whom missing entries of a log were asked of. */
  readonly #asked = new Map<ReplicaId, WeakSet<Session>>();
  readonly #options: ExchangeOptions;
  readonly #intake: Intake;
  readonly #mending: Mending;
  readonly #forks: Forks | undefined;
  readonly #branches: Branches;
  /** Signers whose heads are read from the store anew, and whether something was told meanwhile. */
  readonly #rereading = new Map<ReplicaId, "once" | "again">();
  /** Keys of logs that are not held yet but were announced: needed to pass a first run on. */
  readonly #publicKeys = new Map<ReplicaId, Uint8Array>();
  #registerBatch: { register: StoredRegister; source: Session }[] = [];
  #puttingRegisters = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.effects = options.effects;
    this.shelf = options.shelf;
    this.holdings = new Holdings(options.heads, options.registers);
    this.#intake = new Intake({
      suite: options.suite,
      space: options.tag,
      holdings: this.holdings,
      effects: options.effects,
      host: this,
    });
    const { store } = options;
    this.#mending = new Mending({
      suite: options.suite,
      space: options.tag,
      holders: () => this.sessions,
      hashes: (replica, first, last) => store.hashes(replica, first, last),
      repair: (run) => store.repair?.(run) ?? Promise.resolve("unfit"),
      readSpares: (replica, first, last) =>
        store.readSpares?.(replica, first, last) ?? Promise.resolve(undefined),
      onUnlooked: (replica, hole) => this.#lookAtHole(replica, hole),
      onHole: (replica) => options.host.onHole(replica),
      onMended: (replica) => this.#onMended(replica),
    });
    const { suite, tag: space, effects } = options;
    const { holdings } = this;
    const hashes = (replica: ReplicaId, first: number, last: number) =>
      this.hashes(replica, first, last);
    this.#branches = new Branches({
      suite,
      space,
      holdings,
      effects,
      hashes,
      suspect: (session, replica) => this.#forks?.suspect(session, replica),
      merge: (split) => this.#takeApart(split, undefined),
      stale: (signer) => {
        if (store.heads !== undefined) this.splitElsewhere(signer);
      },
      onFailed: (error) => options.host.onStoreFailed(error),
    });
    if (store.split === undefined) return;
    const split = (apart: Split, proof: VerifiedRun) => this.#takeApart(apart, proof);
    const common = (suspect: Suspect, publicKey: Uint8Array, run: Run) => {
      if (suspect instanceof Session && !suspect.isClosed) {
        // They may have listed another log while it was looked at.
        this.#intake.offer(suspect, publicKey, run, outdated);
      }
    };
    const stale = (signer: ReplicaId) => this.splitElsewhere(signer);
    this.#forks = new Forks({ suite, space, holdings, hashes, split, common, stale });
  }

  /** No run is being verified or committed. */
  get idle(): boolean {
    return !this.#intake.busy && !this.#puttingRegisters;
  }

  join(session: Session): void {
    this.sessions.add(session);
  }

  /** The store holds own entries that did not come through a session. */
  ownHeld(head: LogHead): void {
    if (head.to <= this.holdings.to(head.replica)) return;
    this.holdings.setHead(head);
    this.#intake.reset(head.replica);
    for (const session of this.sessions) session.offerFromStore(head.replica);
  }

  /** What is held may come from a snapshot: until then nobody is told what is. */
  get holdsBack(): boolean {
    return this.#holdsBack;
  }

  holdBack(): void {
    this.#holdsBack = true;
  }

  tellHeads(): void {
    this.#holdsBack = false;
    for (const session of this.sessions) session.tellHeads();
  }

  /** Something of the log is held, or on its way into the store. */
  isKnown(replica: ReplicaId): boolean {
    return this.holdings.head(replica) !== undefined || this.#publicKeys.has(replica);
  }

  /**
   * The log begins after a base now. What is above it only grows: news of it may come late, and what
   * was committed since counts.
   */
  began(head: LogHead): void {
    const held = this.holdings.head(head.replica);
    const isMore = held === undefined || held.to < head.to;
    if (isMore) this.holdings.setHead(head);
    else if (held.from < head.from) {
      const { from, branch } = head;
      this.holdings.setHead({ ...held, from, ...(branch && { branch }) });
    }
    this.#intake.reset(head.replica);
    for (const session of this.sessions) session.offerFromStore(head.replica);
  }

  /** The store holds these logs otherwise now, less of them perhaps: all parties compare anew. */
  replaced(heads: readonly LogHead[]): void {
    for (const head of heads) {
      this.holdings.setHead(head);
      this.#intake.rewound(head.replica);
      for (const session of this.sessions) session.takenApart(head.replica);
    }
    this.compare();
  }

  /** A run that another party of the same store has committed (a relay beside us, another tab). */
  heldElsewhere(run: VerifiedRun): void {
    const to = this.holdings.to(run.replica);
    const end = Math.max(to, to === 0 ? beginsAfter(run) : 0);
    if (lastSeq(run) <= to || run.first > end + 1) return;
    const { replica, publicKey } = run;
    const signer = signerOf(run);
    if (this.#rereading.has(signer)) this.#rereading.set(signer, "again");
    const hash = run.hashes[run.hashes.length - 1];
    if (hash === undefined) throw new Error("a run is never empty");
    const held = this.holdings.head(replica);
    // Another relay holds another branch by now: what we hold is read anew when it matters.
    if (run.first === to + 1 && held !== undefined && !equalBytes(run.previous, held.hash)) return;
    const from = held?.from ?? beginsAfter(run) + 1;
    const branch = held?.branch ?? ifHeldBranch(run.branch, run.previous).branch;
    const grown = { replica, publicKey, from, to: lastSeq(run), hash };
    this.holdings.setHead(branch === undefined ? grown : { ...grown, branch });
    this.#intake.reset(replica);
    this.#forward(run, undefined);
  }

  /** The store holds a register that did not come through a session. */
  ownRegister(register: StoredRegister): void {
    if (!newerRegister(register, this.holdings.register(register.replica, register.name))) return;
    this.holdings.setRegister(register);
    for (const session of this.sessions) {
      if (session.hearsRegisters) session.sendRegister(register);
    }
  }

  /** Somebody here holds another branch of that log, and it has not healed. */
  isForked(replica: ReplicaId): boolean {
    for (const session of this.sessions) if (session.isForked(replica)) return true;
    return false;
  }

  /** Entries that are held and cannot be read, by log. */
  get holes(): ReadonlyMap<ReplicaId, readonly Hole[]> {
    return this.#mending.holes;
  }

  /** Every party is compared with again. */
  compare(): void {
    for (const session of this.sessions) session.compare();
  }

  // SessionOwner

  isReplicaKey(replica: ReplicaId, publicKey: Uint8Array): boolean {
    const known = this.publicKeyOf(replica);
    if (known !== undefined) return known.every((byte, index) => byte === publicKey[index]);
    return isKeyOf(this.#options.suite, replica, undefined, publicKey);
  }

  isOwn(replica: ReplicaId): boolean {
    return this.ownLogs.has(replica);
  }

  publicKeyOf(replica: ReplicaId): Uint8Array | undefined {
    return this.holdings.head(replica)?.publicKey ?? this.#publicKeys.get(replica);
  }

  read(replica: ReplicaId, first: number, bytesMax: number): Promise<Run | undefined> {
    return this.#mending.watch(this.#options.store.read(replica, first, bytesMax));
  }

  hashes(replica: ReplicaId, first: number, last: number): Promise<readonly Uint8Array[]> {
    return this.#mending.watch(this.#options.store.hashes(replica, first, last));
  }

  onRun(session: Session, publicKey: Uint8Array, run: Run): void {
    if (!this.holdings.head(run.replica)) {
      if (this.holdings.logs.size + this.#publicKeys.size >= limits.logsMax) {
        return session.leave(codes.tooLarge, 0, `${limits.logsMax} logs are the most in a space`);
      }
      this.#publicKeys.set(run.replica, publicKey);
    }
    const listings = session.listingsOf(run.replica);
    const offer = () => this.#intake.offer(session, publicKey, run, listings);
    if (!this.mendsWith(session, publicKey, run, offer)) offer();
  }

  mendsWith(session: Session, publicKey: Uint8Array, run: Run, over?: () => void): boolean {
    const { replica } = run;
    if (!this.#mending.wants(run, this.holdings.to(replica))) return false;
    const mended = (isWhole: boolean): void => {
      if (isWhole) session.runMended(replica, lastSeq(run));
      this.#afterMending(replica);
      over?.();
    };
    this.effects.start(this.#mending.mend(publicKey, run), mended, (error) => {
      over?.();
      this.#options.host.onStoreFailed(error);
    });
    return true;
  }

  /** Asks for what is damaged still. Where nothing is, a fork may be what stood behind the damage. */
  #afterMending(replica: ReplicaId): void {
    this.#mending.ask();
    for (const session of this.sessions) {
      if (session.isForked(replica)) this.#forks?.suspect(session, replica);
    }
  }

  #lookAtHole(replica: ReplicaId, hole: Hole): void {
    this.effects.start(
      this.#mending.look(this.publicKeyOf(replica), replica, hole),
      () => this.#afterMending(replica),
      (error) => this.#options.host.onStoreFailed(error),
    );
  }

  #onMended(replica: ReplicaId): void {
    if (this.effects.closed) return;
    this.#options.host.onMended(replica);
    for (const session of this.sessions) session.mended(replica);
  }

  onRegister(session: Session, publicKey: Uint8Array, bytes: Uint8Array): void {
    const { suite, tag, effects } = this.#options;
    const parts = parseRegister(bytes);
    if (isMalformed(parts)) return session.connection.end(codeOfFault(parts.fault), parts.message);
    const held = this.holdings.register(parts.replica, parts.name);
    if (held !== undefined && !newerRegister(parts, held)) return;
    if (!this.isReplicaKey(parts.replica, publicKey)) {
      return session.connection.end(codes.entryRefused, "register is not of its replica's key");
    }
    effects.start(verifyRegister(suite, tag, publicKey, bytes), (verdict) => {
      if (isRefusal(verdict)) {
        return session.connection.end(codeOfFault(verdict.fault), verdict.words);
      }
      const before = this.holdings.register(verdict.replica, verdict.name);
      if (before !== undefined && !newerRegister(verdict, before)) return;
      if (
        before === undefined &&
        this.holdings.registersOf(verdict.replica) >= limits.registersMax
      ) {
        return session.leave(codes.tooLarge, 0, "too many registers of one replica");
      }
      this.#registerBatch.push({ register: verdict, source: session });
      this.#flushRegisters();
    });
  }

  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void {
    this.#options.host.onWhisper(session, publicKey, whisper);
  }

  onStored(session: Session, replica: ReplicaId, seq: number): void {
    this.#options.host.onStored(session, replica, seq);
  }

  onCompared(session: Session): void {
    this.#mending.ask();
    // What their lists showed before the last of them had come.
    for (const replica of session.forkedLogs) this.#forks?.suspect(session, replica);
    this.#options.host.onCompared(session);
  }

  onNotLent(session: Session): void {
    this.#mending.ask();
    // What was asked for may be damaged there, until somebody has mended it: the next one is asked, or it again.
    const all = [...this.sessions];
    const after = all.indexOf(session) + 1;
    const inTurn = [...all.slice(after), ...all.slice(0, after)];
    for (const replica of this.#forks?.unanswered(session) ?? []) {
      for (const other of inTurn) {
        if (other.isForked(replica)) this.#forks?.suspect(other, replica);
      }
    }
  }

  onTheyHoldMore(session: Session, rows: readonly HeadRow[]): void {
    // A relay pushes unasked; only what others merely hold is asked for, of one at a time.
    if (session.withRelay) return;
    for (const { replica, from, to } of rows) {
      if (!session.mayWant) return;
      if (session.proven.has(replica)) continue;
      const isHeld = this.holdings.head(replica) !== undefined;
      const start = isHeld ? undefined : session.startOf(replica)?.seq;
      const first = Math.max(this.#intake.verifiedTo(replica), start ?? 0) + 1;
      // What lies below where it begins there, nobody can ask for.
      if (from > first || first > to || this.#isAsked(replica)) continue;
      this.#nextToAsk(session, replica, first).want(replica, first, to);
    }
  }

  /** Who holds it may be unable to read it: each is asked once before any is asked again. */
  #nextToAsk(session: Session, replica: ReplicaId, first: number): Session {
    const asked = this.#asked.get(replica) ?? new WeakSet();
    this.#asked.set(replica, asked);
    const able = [...this.sessions].filter(
      (other) => other === session || (!other.withRelay && other.mayLend(replica, first)),
    );
    const next = able.find((other) => !asked.has(other)) ?? session;
    if (asked.has(next)) for (const other of able) asked.delete(other);
    asked.add(next);
    return next;
  }

  #isAsked(replica: ReplicaId): boolean {
    for (const session of this.sessions) if (session.isWanting(replica)) return true;
    return false;
  }

  onFork(session: Session, replica: ReplicaId, seq: number, theirHash: Uint8Array): void {
    this.#options.host.onFork(session, replica, seq, theirHash);
    this.#forks?.suspect(session, replica);
  }

  looksForFork(session: Session, publicKey: Uint8Array, run: Run): boolean {
    if (this.#branches.looksBeneath(session, run)) {
      // What reaches beyond what is held here is news, and is confirmed when it is held.
      if (lastSeq(run) > this.holdings.to(run.replica)) return false;
      session.runLookedAt(run.replica, lastSeq(run));
      return true;
    }
    if (this.#forks?.awaits(session, run) !== true) return false;
    this.effects.start(
      this.#forks.look(session, publicKey, run),
      () => {},
      // Damage is known and asked for; another comparison looks again.
      (error) => {
        if (!(error instanceof DamagedEntries)) this.#options.host.onStoreFailed(error);
      },
    );
    return true;
  }

  branchOf({ publicKey, seq, hash }: Extract<Frame, { type: "branch" }>): {
    readonly replica: ReplicaId;
    readonly branch: Branch;
  } {
    const { suite } = this.#options;
    const branch = { signer: replicaIdOf(suite, publicKey), seq, hash: hash.slice() };
    return { replica: branchIdOf(suite, branch), branch };
  }

  /** @param proof the run of the other branch that shows the fork; undefined where one is held twice. */
  #takeApart(split: Split, proof: VerifiedRun | undefined): void {
    const { store } = this.#options;
    this.#intake.pause(split.replica, async () => {
      try {
        const reaching = proof && (await this.#reachingBack(proof));
        const taking = store.split?.({ ...split, ...(reaching && { proof: reaching }) });
        const off = await this.#mending.watch(taking ?? Promise.resolve(moved));
        if (this.effects.closed) return;
        if (off.kind === "moved") return this.splitElsewhere(split.branch.signer);
        this.tookApart(split.replica, off);
        if (reaching !== undefined && off.proven !== undefined) this.#holdsProof(off, reaching);
      } catch (error) {
        // Damage is known and asked for; another comparison looks again.
        if (!(error instanceof DamagedEntries)) this.#options.host.onStoreFailed(error);
      }
    });
  }

  /** Another party of the same store has taken logs of that key apart, and says so, perhaps again. */
  splitElsewhere(signer: ReplicaId): void {
    if (this.#rereading.has(signer)) {
      this.#rereading.set(signer, "again");
      return;
    }
    this.#rereading.set(signer, "once");
    const over = (): void => {
      const again = this.#rereading.get(signer) === "again";
      this.#rereading.delete(signer);
      if (again) this.splitElsewhere(signer);
    };
    this.effects.start(this.#reread(signer), over, (error) => {
      over();
      this.#options.host.onStoreFailed(error);
    });
  }

  async #reread(signer: ReplicaId): Promise<void> {
    const before = new Map(this.holdings.logs);
    const heads = await this.#options.store.heads?.();
    if (heads === undefined || this.effects.closed) return;
    const stored = new Map(heads.map((head) => [head.replica, head]));
    const logs = [...before.values(), ...this.holdings.logs.values(), ...heads]
      .filter((head) => signerOf(head) === signer)
      .map(({ replica }) => replica);
    const changed = new Set<ReplicaId>();
    for (const replica of new Set(logs)) {
      const [held, head] = [this.holdings.head(replica), stored.get(replica)];
      if (held !== before.get(replica)) {
        // What has come while the store was read may not be in it: it is read again.
        this.#rereading.set(signer, "again");
        continue;
      }
      if (isSameHead(held, head)) continue;
      changed.add(replica);
      if (head === undefined) this.holdings.removeLog(replica);
      else {
        this.holdings.setHead(head);
        this.#intake.rewound(replica);
        this.#options.host.onFound(head);
      }
    }
    if (changed.size === 0) return;
    for (const session of this.sessions) {
      for (const log of changed.add(signer)) session.takenApart(log);
    }
    this.compare();
  }

  /**
   * Whoever holds a branch holds what shows that it is one: others take it for nothing less. What stays of
   * a log may end at an earlier head than the proof begins at: then it needs what both have in common in
   * between, at most a run. What cannot be read, or is more, comes from the other party with the rest.
   */
  async #reachingBack(proof: VerifiedRun): Promise<VerifiedRun> {
    const { replica, first } = proof;
    const { from = first } = this.holdings.head(replica) ?? {};
    const earliest = Math.max(from, lastSeq(proof) + 1 - limits.runEntriesMax);
    if (earliest >= first) return proof;
    try {
      const piece = await this.#behindHead(replica, earliest, first);
      if (piece === undefined) return proof;
      const entries = [...piece.entries, ...proof.entries];
      if (bodyBytes({ entries }) > limits.runBytesMax) return proof;
      const start = piece.first;
      const hashes = await this.hashes(replica, Math.max(1, start - 1), first - 1);
      const previous = start === 1 ? zeroHash : hashes[0];
      const common = start === 1 ? hashes : hashes.slice(1);
      if (previous === undefined || common.length !== piece.entries.length) return proof;
      return { ...proof, first: start, entries, previous, hashes: [...common, ...proof.hashes] };
    } catch (error) {
      if (error instanceof DamagedEntries) return proof;
      throw error;
    }
  }

  /** What stands between the last signed head before `end` and there; or from `earliest` on. */
  async #behindHead(
    replica: ReplicaId,
    earliest: number,
    end: number,
  ): Promise<{ readonly first: number; readonly entries: readonly Entry[] } | undefined> {
    // Mostly near: further back only if there is no head.
    for (let back = 16; ; back *= 4) {
      const start = Math.max(earliest, end - back);
      for (let next = start; next < end;) {
        // One stored run each, so that each ends at a head; where the first begins is known at `earliest` only.
        const run = await this.read(replica, next, 1);
        if (run === undefined) return undefined;
        const last = lastSeq(run);
        const isBehindHead = next > start || start === earliest;
        if (last >= end && isBehindHead) {
          return { first: next, entries: run.entries.slice(0, end - next) };
        }
        if (last === end - 1) return undefined;
        next = last + 1;
      }
      if (start === earliest) return undefined;
    }
  }

  #holdsProof({ rest, proven }: LogsSplit, proof: VerifiedRun): void {
    if (proven === undefined || proven.to <= this.holdings.to(proof.replica)) return;
    this.holdings.setHead(proven);
    const skip = Math.max(0, (rest?.to ?? 0) + 1 - proof.first);
    const previous = proof.hashes[skip - 1] ?? proof.previous;
    const [entries, hashes] = [proof.entries.slice(skip), proof.hashes.slice(skip)];
    this.onHeld({ ...proof, first: proof.first + skip, entries, previous, hashes }, undefined);
  }

  /** The store holds the log's branch as a log of its own now. */
  tookApart(replica: ReplicaId, off: LogsSplit): void {
    const { rest, branch } = off;
    if (rest === undefined) this.holdings.removeLog(replica);
    else this.holdings.setHead(rest);
    if (this.holdings.to(branch.replica) < branch.to) this.holdings.setHead(branch);
    for (const session of this.sessions) session.takenApart(replica);
    this.#options.host.onSplit(replica, off);
    this.compare();
  }

  hasForked(log: Pick<Run, "replica" | "branch">): boolean {
    return log.branch !== undefined || this.holdings.kinOf(log).length > 0;
  }

  branchWithin(run: VerifiedRun): Branch | undefined {
    return this.#branches.within(run);
  }

  async admitsBranch(run: VerifiedRun, source: RunSource): Promise<boolean> {
    const admitted = await this.#branches.admit(
      run,
      source instanceof Session ? source : undefined,
    );
    const isKnown = admitted || this.holdings.head(run.replica) !== undefined;
    if (!isKnown) this.#publicKeys.delete(run.replica);
    return admitted;
  }

  onListed(session: Session, listed: Listed): void {
    this.#options.host.onListed(session, listed);
  }

  onTruncate(session: Session, frame: Extract<Frame, { type: "truncate" }>): void {
    this.#options.host.onTruncate(session, frame);
  }

  onInvite(session: Session, frame: Extract<Frame, { type: "invite" | "uninvite" }>): void {
    this.#options.host.onInvite(session, frame);
  }

  onClosed(session: Session): void {
    this.sessions.delete(session);
    this.#options.host.onSessionClosed(session);
    // Who has given up leading closes all sessions, one after the other.
    if (this.effects.closed) return;
    this.#mending.ask();
    // What was asked of it may be held by another: compare, who has it will say so.
    for (const other of this.sessions) {
      if (!other.withRelay && other.missing > 0) other.compare();
    }
  }

  // IntakeHost

  onVerified(run: VerifiedRun, source: RunSource): void {
    this.#options.host.onVerified(run);
    if (this.#options.forwards === "verified") this.#forward(run, source);
  }

  onHeld(run: VerifiedRun, source: RunSource | undefined): void {
    this.#publicKeys.delete(run.replica);
    this.#asked.delete(run.replica);
    this.#options.host.onHeld(run);
    for (const session of this.sessions) session.reconsider(run.replica);
    if (this.#forks !== undefined) this.#branches.onHeld(run);
    if (this.#options.forwards === "held") this.#forward(run, source);
    // Sessions that were too far behind to be forwarded to read it from the store.
    else for (const session of this.sessions) session.offerFromStore(run.replica);
  }

  onBatchHeld(): void {
    const now = this.#options.env.clock.now();
    for (const session of this.sessions) session.confirmIfDue(now);
  }

  onStoreFailed(error: unknown): void {
    this.#publicKeys.clear();
    this.#branches.onStoreFailed();
    // The host first: it may want to tell those whose entries were lost from the others.
    this.#options.host.onStoreFailed(error);
    for (const session of this.sessions) session.forgetReceived();
  }

  onIdle(): void {
    if (this.idle) this.#options.host.onIdle();
  }

  persist(runs: readonly VerifiedRun[]): Promise<readonly Appended[]> {
    return this.#options.store.append(runs);
  }

  #forward(run: VerifiedRun, source: RunSource | undefined): void {
    // Parties that share log numbers get the same bytes: framed once (a relay's sockets).
    const encoded = new Map<number, Uint8Array>();
    const encode = (log: number, epoch: EpochId): Uint8Array => {
      const known = encoded.get(log);
      if (known !== undefined) return known;
      const frame = frameOfRun(log, epoch, run);
      encoded.set(log, frame);
      return frame;
    };
    for (const session of this.sessions) {
      if (session === source) continue;
      session.offer(run, run.publicKey, encode);
    }
  }

  #registerHeld(register: StoredRegister, source: Session): void {
    const before = this.holdings.register(register.replica, register.name);
    if (before !== undefined && !newerRegister(register, before)) return;
    this.holdings.setRegister(register);
    this.#options.host.onRegister(register);
    if (this.#options.forwards === "held") return;
    for (const session of this.sessions) {
      if (session === source || !session.hearsRegisters) continue;
      session.sendRegister(register);
    }
  }

  #flushRegisters(): void {
    if (this.#puttingRegisters || this.#registerBatch.length === 0) return;
    const batch = this.#registerBatch;
    this.#registerBatch = [];
    this.#puttingRegisters = true;
    this.effects.start(
      this.#options.store.putRegisters(batch.map(({ register }) => register)),
      () => {
        this.#puttingRegisters = false;
        // One that was not news to the store is there already, or a newer one is: another tab or
        // relay has put it. Either way it is held, and may be news here.
        for (const { register, source } of batch) this.#registerHeld(register, source);
        this.#flushRegisters();
        this.onIdle();
      },
      (error) => {
        // Registers are sent again by the next comparison; losing one is harmless.
        this.#puttingRegisters = false;
        this.#registerBatch = [];
        this.#options.host.onStoreFailed(error);
        this.onIdle();
      },
    );
  }
}

const moved: SplitOff = { kind: "moved" };
/** No session has ever listed a log so often. */
const outdated = -1;
