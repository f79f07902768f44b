/**
 * The way of foreign runs into a log: chain recomputed, head signature checked, committed. One
 * verification per log at a time (each needs the hash before it), many logs at once; commits are
 * batched, one batch at a time, and keep each log's order.
 *
 * Invariants:
 *  1. Nothing is persisted that was not verified against the entry before it.
 *  2. A log's runs are persisted in order; `holdings` moves only after the commit.
 *  3. A source is blamed only where its run must be wrong: by its own word it holds the same entry before
 *     the run. That it has sent that entry is no such word: a relay forwards before its commit, which may
 *     fail. Otherwise the two may hold branches of a fork, which ends nobody's session; where one is
 *     known already nobody is blamed at all.
 *  4. What is queued is bounded by the sources' windows (session.ts enforces them).
 *  5. A source hears that a run is held only if what is held is that run.
 */
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { equalBytes } from "../bytes/bytes.ts";
import { chainHashes, checkRun, zeroHash } from "../log/chain.ts";
import { type Branch, holdsItsFirst, signerOf } from "../log/branch.ts";
import { lastSeq, type Run } from "../log/entry.ts";
import { type Appended, isSameHead, type VerifiedRun } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import type { Effects } from "./effects.ts";
import type { Holdings } from "./holdings.ts";

/** A log begins after that entry: seq and hash, 0 and zeros for one that begins at 1. */
export interface LogStart {
  readonly seq: number;
  readonly hash: Uint8Array;
}

/** Where a run came from: a session, or anything else that hands over entries. */
export interface RunSource {
  /**
   * Whether this source has said that it holds the same entry as we at `seq` (0: trivially), and not
   * since the run came: what was sent before may be of another branch.
   * @param listings what `listingsOf` was when the run came.
   */
  agreesAt(replica: ReplicaId, seq: number, listings: number): boolean;
  /** How often it has said what it holds of the log. */
  listingsOf(replica: ReplicaId): number;
  /** The run was wrong beyond doubt. */
  runRefused(replica: ReplicaId, detail: string): void;
  /** The run does not continue what we hold, and neither side is to blame: look for a fork. */
  runDiverges(replica: ReplicaId, heldTo: number): void;
  /** At `seq`, which we hold, the source has another entry; `theirHash` is that one's. */
  runForks(replica: ReplicaId, seq: number, theirHash: Uint8Array): void;
  /** The run begins after `from`: entries `from`… are missing. */
  runMissing(replica: ReplicaId, from: number): void;
  /** It goes on as a branch that is a log of its own here: nobody is to blame, and it is not taken. */
  runOfBranch(replica: ReplicaId, branch: Branch): void;
  /** Where a branch of which nothing is held here begins there. */
  startOf(replica: ReplicaId): LogStart | undefined;
  /** Nothing is wrong with it, and it is not taken. */
  runIgnored(replica: ReplicaId, seq: number): void;
  /** What is held up to `seq` cannot be read (truncated, damaged): it is held against nobody. */
  runNotCompared(replica: ReplicaId, seq: number): void;
  /** Everything up to `seq` is durable here, or was already. */
  runHeld(replica: ReplicaId, seq: number): void;
}

export interface IntakeHost {
  /** Verified, not yet durable: a relay forwards it now. */
  onVerified(run: VerifiedRun, source: RunSource): void;
  /** Durable: `holdings` has it. */
  onHeld(run: VerifiedRun, source: RunSource): void;
  /** A commit is through: who is waiting for `stored` may hear it. */
  onBatchHeld(): void;
  /** The store holds something else of that key's logs than `holdings` does. */
  splitElsewhere(signer: ReplicaId): void;
  /** The store failed; nothing of the batch is promised. The intake has forgotten the batch. */
  onStoreFailed(error: unknown): void;
  /** Nothing is being verified or committed any more. */
  onIdle(): void;
  /** The branch, held as another log, that a verified run of this log goes on as. */
  branchWithin(run: VerifiedRun): Branch | undefined;
  /** Whether branches of that key's log are known. */
  hasForked(log: Pick<Run, "replica" | "branch">): boolean;
  /** A verified run would be the first of its branch here: whether it is taken. */
  admitsBranch(run: VerifiedRun, source: RunSource): Promise<boolean>;
  persist(runs: readonly VerifiedRun[]): Promise<readonly Appended[]>;
  /** Of entries that are held, contiguous from `first`. */
  hashes(replica: ReplicaId, first: number, last: number): Promise<readonly Uint8Array[]>;
}

interface Waiting {
  readonly source: RunSource;
  readonly run: Run;
  readonly publicKey: Uint8Array;
  readonly listings: number;
}

interface LogIntake {
  /** Verified up to here; at least what is durable. */
  to: number;
  hash: Uint8Array;
  /** A run is compared or verified, and the next one waits. */
  verifying: boolean;
  /** Verified runs whose commit is on its way. */
  committing: number;
  readonly queue: Waiting[];
  /** Happens while nothing of the log is verified or committed. */
  pause: (() => Promise<void>) | undefined;
  /** Runs that repeat what is being committed: looked at again when it is held. */
  repeats: Waiting[];
}

export interface IntakeOptions {
  readonly suite: VerifyingSuite;
  readonly space: SpaceTag;
  readonly holdings: Holdings;
  readonly effects: Effects;
  readonly host: IntakeHost;
}

export class Intake {
  readonly #options: IntakeOptions;
  readonly #logs = new Map<ReplicaId, LogIntake>();
  #batch: { readonly run: VerifiedRun; readonly source: RunSource }[] = [];
  #persisting = false;
  /** Counts resets; results of verifications begun before one are dropped. */
  #generation = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Verified up to here, durable or about to be. */
  verifiedTo(replica: ReplicaId): number {
    return this.#logs.get(replica)?.to ?? this.#options.holdings.to(replica);
  }

  get busy(): boolean {
    return this.#persisting || this.#batch.length > 0 || this.#logs.size > 0;
  }

  /** @param listings what the source's `listingsOf` was when the run came. */
  offer(source: RunSource, publicKey: Uint8Array, run: Run, listings: number): void {
    const log = this.#log(run.replica);
    log.queue.push({ source, run, publicKey, listings });
    this.#next(run.replica, log);
  }

  /**
   * Lets `change` happen to the log in the store while nothing of it is on its way there; later runs
   * continue from what is held then.
   */
  pause(replica: ReplicaId, change: () => Promise<void>): void {
    const log = this.#log(replica);
    if (log.pause !== undefined) return;
    log.pause = change;
    this.#next(replica, log);
  }

  #log(replica: ReplicaId): LogIntake {
    const known = this.#logs.get(replica);
    if (known !== undefined) return known;
    const head = this.#options.holdings.head(replica);
    const log: LogIntake = {
      to: head?.to ?? 0,
      hash: head?.hash ?? zeroHash,
      verifying: false,
      committing: 0,
      queue: [],
      pause: undefined,
      repeats: [],
    };
    this.#logs.set(replica, log);
    return log;
  }

  /** The holdings of a log moved without us (own entries, a base): later runs continue from there. */
  reset(replica: ReplicaId): void {
    const log = this.#logs.get(replica);
    if (log !== undefined && log.to < this.#options.holdings.to(replica)) {
      this.#goOnFromHoldings(replica, log);
    }
  }

  /** The same, also where less is held than before: what is being verified continues nothing. */
  rewound(replica: ReplicaId): void {
    const log = this.#logs.get(replica);
    if (log !== undefined && log.committing === 0) this.#goOnFromHoldings(replica, log);
  }

  #next(replica: ReplicaId, log: LogIntake): void {
    while (!log.verifying) {
      if (log.pause !== undefined) {
        // Who settles the last commit comes by again.
        if (log.committing === 0) this.#change(replica, log, log.pause);
        return;
      }
      const waiting = log.queue.shift();
      if (waiting === undefined) {
        // Holdings know it all: forget.
        if (log.committing > 0) return;
        this.#logs.delete(replica);
        if (!this.busy) this.#options.host.onIdle();
        return;
      }
      const last = lastSeq(waiting.run);
      this.#beginAsBranch(replica, log, waiting);
      if (waiting.run.first > log.to + 1) this.#missing(log, waiting);
      else if (last > log.to) this.#verify(replica, log, waiting);
      else if (last > this.#options.holdings.to(replica)) log.repeats.push(waiting);
      else this.#compare(replica, log, waiting);
    }
  }

  #missing(log: LogIntake, { run, source }: Waiting): void {
    const { replica, branch } = run;
    // Its first run was not taken, and would not be now.
    const isRefused = branch !== undefined && this.#isBeginning(log, run);
    if (isRefused) source.runIgnored(replica, lastSeq(run));
    else source.runMissing(replica, log.to + 1);
  }

  #change(replica: ReplicaId, log: LogIntake, change: () => Promise<void>): void {
    log.pause = undefined;
    const changed = (): void => this.#goOnFromHoldings(replica, log);
    this.#whileVerifying(replica, log, change(), changed, changed);
  }

  /** A branch of which nothing is held or on its way begins where its source says. */
  #beginAsBranch(replica: ReplicaId, log: LogIntake, { source, run }: Waiting): void {
    if (run.branch === undefined || log.committing > 0) return;
    if (this.#options.holdings.head(replica) !== undefined) return;
    const start = source.startOf(replica);
    log.to = start?.seq ?? 0;
    log.hash = start?.hash ?? zeroHash;
  }

  /** The run repeats what is held, if it is the same: "held" said of another branch were a lie. */
  #compare(replica: ReplicaId, log: LogIntake, { source, run }: Waiting): void {
    const { suite, space, host } = this.#options;
    const last = lastSeq(run);
    const from = Math.max(1, run.first - 1);
    const compared = (held: readonly Uint8Array[]): void => {
      const previous = run.first === 1 ? zeroHash : held[0];
      const ours = held[last - from];
      if (previous === undefined || ours === undefined) return source.runNotCompared(replica, last);
      const theirs = chainHashes(suite, space, run, previous).at(-1) ?? zeroHash;
      if (equalBytes(theirs, ours)) source.runHeld(replica, last);
      else source.runForks(replica, last, theirs);
    };
    this.#whileVerifying(replica, log, host.hashes(replica, from, last), compared, () =>
      compared([]),
    );
  }

  #verify(replica: ReplicaId, log: LogIntake, waiting: Waiting): void {
    const { suite, space } = this.#options;
    const { source, publicKey } = waiting;
    // An overlap is cut off: the chain and the signature decide whether the rest continues ours.
    const known = log.to - waiting.run.first + 1;
    const run: Run =
      known > 0
        ? { ...waiting.run, first: log.to + 1, entries: waiting.run.entries.slice(known) }
        : waiting.run;
    const previous = log.hash;
    const before = log.to;
    const checking = checkRun(suite, { space, run, previous }, publicKey);
    this.#whileVerifying(replica, log, checking, ({ hashes, isSigned }) => {
      const verified = { ...run, publicKey, previous, hashes };
      // The log moved meanwhile: what was verified continues nothing.
      if (log.to !== before || log.hash !== previous) {
        log.queue.unshift(waiting);
        return;
      }
      const other = isSigned ? this.#options.host.branchWithin(verified) : undefined;
      if (other !== undefined) source.runOfBranch(replica, other);
      else if (isSigned && run.branch !== undefined && this.#isBeginning(log, run)) {
        this.#admit(replica, log, verified, source);
      } else if (isSigned) this.#accept(log, verified, source);
      else if (this.#options.host.hasForked(run)) {
        // What each side meant by the log may have changed while the run was on its way.
        if (this.#isBeginning(log, run)) source.runIgnored(replica, lastSeq(run));
        else source.runDiverges(replica, before);
      } else if (source.agreesAt(replica, before, waiting.listings)) {
        source.runRefused(replica, "chain or signature is wrong");
      } else source.runDiverges(replica, before);
    });
  }

  /** Nothing of the log is held, or about to be: where it begins is its source's word. */
  #isBeginning(log: LogIntake, { replica }: Run): boolean {
    return log.committing === 0 && this.#options.holdings.head(replica) === undefined;
  }

  #admit(replica: ReplicaId, log: LogIntake, run: VerifiedRun, source: RunSource): void {
    const { branch, first, hashes } = run;
    if (branch === undefined || !holdsItsFirst(branch, first, hashes)) {
      return source.runRefused(replica, "a branch without its own first entry");
    }
    const before = log.hash;
    const judged = (admitted: boolean): void => {
      if (admitted && log.hash === before) this.#accept(log, run, source);
      else source.runIgnored(replica, lastSeq(run));
    };
    const admitting = this.#options.host.admitsBranch(run, source);
    // What cannot be looked up is left for the next comparison.
    this.#whileVerifying(replica, log, admitting, judged, () => judged(false));
  }

  #whileVerifying<T>(
    replica: ReplicaId,
    log: LogIntake,
    effect: Promise<T>,
    done: (value: T) => void,
    failed?: () => void,
  ): void {
    const generation = this.#generation;
    const then = (step: () => void): void => {
      if (generation !== this.#generation) return;
      log.verifying = false;
      step();
      this.#next(replica, log);
    };
    log.verifying = true;
    this.#options.effects.start(
      effect,
      (value) => then(() => done(value)),
      failed && (() => then(failed)),
    );
  }

  #accept(log: LogIntake, run: VerifiedRun, source: RunSource): void {
    log.to = lastSeq(run);
    log.hash = run.hashes[run.hashes.length - 1] ?? log.hash;
    log.committing++;
    this.#options.host.onVerified(run, source);
    this.#batch.push({ run, source });
    this.#flush();
  }

  #flush(): void {
    if (this.#persisting || this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#persisting = true;
    const { effects, host } = this.#options;
    effects.start(
      host.persist(batch.map(({ run }) => run)),
      (outcomes) => {
        this.#persisting = false;
        batch.forEach(({ run, source }, index) => this.#settle(run, source, outcomes[index]));
        host.onBatchHeld();
        this.#flush();
      },
      (error) => {
        this.#persisting = false;
        this.#forgetUndurable();
        host.onStoreFailed(error);
        if (!this.busy) host.onIdle();
      },
    );
  }

  #settle(run: VerifiedRun, source: RunSource, outcome: Appended | undefined): void {
    const { holdings, host } = this.#options;
    const { replica } = run;
    if (outcome === undefined) throw new Error("the store answered fewer outcomes than runs");
    switch (outcome.kind) {
      case "held":
        if (outcome.head.to > holdings.to(replica)) holdings.setHead(outcome.head);
        // First who brought it: then nobody sends it back to them.
        source.runHeld(replica, lastSeq(run));
        host.onHeld(run, source);
        break;
      case "fork":
        // Another relay on the same store has taken the log apart, or an own entry came meanwhile.
        if (!isSameHead(outcome.head, holdings.head(replica))) host.splitElsewhere(signerOf(run));
        source.runDiverges(replica, outcome.head.to);
        break;
      case "gap":
        // Another writer of the same store rolled back under us: ask again from what it has.
        source.runMissing(replica, outcome.to + 1);
        break;
    }
    const log = this.#logs.get(replica);
    if (log === undefined) return;
    log.committing--;
    if (outcome.kind !== "held") this.#goOnFromHoldings(replica, log);
    log.queue.unshift(...log.repeats.splice(0));
    this.#next(replica, log);
  }

  #goOnFromHoldings(replica: ReplicaId, log: LogIntake): void {
    const head = this.#options.holdings.head(replica);
    log.to = head?.to ?? 0;
    log.hash = head?.hash ?? zeroHash;
  }

  /** After a failed commit only what is durable counts; sources are compared with again. */
  #forgetUndurable(): void {
    this.#generation++;
    this.#batch = [];
    this.#logs.clear();
  }
}
