/**
 * Which branches (log/branch.ts) a party takes in from others, and that no branch is held under two ids:
 * what keeps a lie about a branch from doing more than no branch at all. Finding forks and taking logs
 * apart is told in forks.ts.
 *
 * Invariants:
 *  1. A branch is taken only where an entry is held that shows it to be one: another of the same key,
 *     after the same entry, which keeps the id.
 *  2. The first entry of a branch that is held stands in no other log; where two runs were under way at
 *     once the two logs become one.
 *  3. Of one signer at most `branchesMax` branches are taken. Admissions go one after the other.
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { type Branch, branchIdOf, holdsItsFirst, signerOf, staysInLog } from "../log/branch.ts";
import { zeroHash } from "../log/chain.ts";
import { DamagedEntries } from "../log/damage.ts";
import type { Run } from "../log/entry.ts";
import type { LogHead, Split, VerifiedRun } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { limits } from "../protocol/limits.ts";
import { Beneath, type Place } from "./beneath.ts";
import type { Effects } from "./effects.ts";
import type { Holdings } from "./holdings.ts";
import type { Session } from "./session.ts";

export interface BranchesOptions {
  readonly suite: VerifyingSuite;
  readonly space: SpaceTag;
  readonly holdings: Holdings;
  readonly effects: Effects;
  readonly hashes: (
    replica: ReplicaId,
    first: number,
    last: number,
  ) => Promise<readonly Uint8Array[]>;
  /** They hold another entry of that log than we. */
  readonly suspect: (session: Session, replica: ReplicaId) => void;
  /** What that log holds of a branch belongs to the branch's own. */
  readonly merge: (split: Split) => void;
  /** Another party of the same store may have written what is not known here. */
  readonly stale: (signer: ReplicaId) => void;
  readonly onFailed: (error: unknown) => void;
}

export class Branches {
  readonly #options: BranchesOptions;
  /** Admitted and not held yet. */
  readonly #taken = new Set<ReplicaId>();
  #admitting: Promise<unknown> = Promise.resolve();
  /** Those that nothing held here shows to be any, and who offered them last. */
  readonly #unshown = new Map<ReplicaId, Session>();
  readonly #beneath: Beneath;

  constructor(options: BranchesOptions) {
    this.#options = options;
    this.#beneath = new Beneath(options.suite, options.space);
  }

  /** The branch that is held as another log, and that this run of a log goes on as. */
  within(run: VerifiedRun): Branch | undefined {
    const { holdings, stale } = this.#options;
    for (const { branch } of holdings.kinOf(run)) {
      if (branch === undefined) continue;
      // A branch that left another may begin with entries of that.
      if ((run.branch?.seq ?? 0) > branch.seq) continue;
      if (!holdsItsFirst(branch, run.first, run.hashes)) continue;
      // What shows the branch to be one was kept with it: another relay may have it in our store.
      if (holdings.to(run.replica) < branch.seq) stale(branch.signer);
      return branch;
    }
    return undefined;
  }

  /** Whether a verified run may be the first of its branch here. @param session that brought it. */
  admit(run: VerifiedRun, session: Session | undefined): Promise<boolean> {
    // One after the other: each counts those before it.
    const admitting = this.#admitting.then(() => this.#admits(run, session));
    this.#admitting = admitting.then(
      (admitted) => admitted && this.#taken.add(run.replica),
      () => {},
    );
    return admitting;
  }

  /** What it may have brought together, and who waited for it. */
  onHeld(run: VerifiedRun): void {
    const { suite, merge, effects, onFailed } = this.#options;
    this.#taken.delete(run.replica);
    const within = this.within(run);
    if (within !== undefined) {
      merge({ replica: run.replica, branch: within, into: branchIdOf(suite, within) });
    }
    if (run.branch !== undefined && run.first <= run.branch.seq) {
      const looked = (split: Split | undefined): void => {
        if (split !== undefined) merge(split);
      };
      effects.start(this.#heldTwice(run, run.branch), looked, (error) => {
        if (!(error instanceof DamagedEntries)) onFailed(error);
      });
    }
    this.#askAgain(signerOf(run));
  }

  onStoreFailed(): void {
    this.#taken.clear();
  }

  /** Branches of that key may be shown to be any now. */
  #askAgain(signer: ReplicaId): void {
    for (const [branch, session] of this.#unshown) {
      if (!session.isClosed && session.signerOf(branch) !== signer) continue;
      this.#unshown.delete(branch);
      const start = session.startOf(branch);
      const isHeld = this.#options.holdings.head(branch) !== undefined;
      if (start === undefined || isHeld || session.isClosed) continue;
      session.want(branch, start.seq + 1, Number.MAX_SAFE_INTEGER);
    }
  }

  async #admits(run: VerifiedRun, session: Session | undefined): Promise<boolean> {
    const { branch, replica } = run;
    if (branch === undefined) return true;
    const kin = this.#options.holdings.kinOf(run);
    if (kin.length + this.#taken.size > limits.branchesMax) return false;
    const before = run.hashes[branch.seq - run.first - 1] ?? run.previous;
    let isShown = false;
    for (const head of kin) {
      const place = await this.#placeIn(head, branch);
      if (place === undefined || !equalBytes(place.before, before)) continue;
      if (staysInLog(place.hash, branch.hash)) isShown = true;
      if (!equalBytes(place.hash, branch.hash)) continue;
      // Ours under another name. Whoever lists it holds the entry that shows the fork.
      if (session !== undefined) this.#options.suspect(session, head.replica);
      return false;
    }
    if (!isShown && session !== undefined) {
      this.#unshown.set(replica, session);
      for (const head of kin) await this.#askBeneath(session, head, branch, before);
    }
    return isShown;
  }

  /** The log may begin here behind where the branch left it. */
  async #askBeneath(session: Session, head: LogHead, { seq }: Branch, before: Uint8Array) {
    const { replica: log, from } = head;
    if (from <= seq || (head.branch?.seq ?? 0) > seq) return;
    const base = await this.#baseOf(head);
    if (base !== undefined) this.#beneath.ask(session, { log, seq, from, before, base });
  }

  /** The hash before the first entry that is held, of a log that begins above 1. */
  async #baseOf({ replica, from }: LogHead): Promise<Uint8Array | undefined> {
    const [base] = await this.#options.hashes(replica, from - 1, from - 1);
    return base;
  }

  /** Whether the run was asked for to see what lies beneath where the log begins here. */
  looksBeneath(session: Session, run: Run): boolean {
    if (!this.#beneath.awaits(session, run)) return false;
    if (this.#beneath.look(session, run)) this.#askAgain(signerOf(run));
    return true;
  }

  /** What to move to the branch that has just begun, and came into another log at the same time. */
  async #heldTwice(run: VerifiedRun, branch: Branch): Promise<Split | undefined> {
    for (const head of this.#options.holdings.kinOf(run)) {
      const place = await this.#placeIn(head, branch);
      if (place === undefined || !equalBytes(place.hash, branch.hash)) continue;
      return { replica: head.replica, branch, into: run.replica };
    }
    return undefined;
  }

  /** The entry of that log at the seq where a branch begins, and the hash before it. */
  async #placeIn(head: LogHead, { seq }: Branch): Promise<Place | undefined> {
    const { replica, from, branch } = head;
    // What a branch begins with before its own first entry is another log's.
    if ((branch?.seq ?? 0) > seq) return undefined;
    if (from > seq) {
      const base = await this.#baseOf(head);
      return base && this.#beneath.place({ log: replica, seq, base });
    }
    const hashes = await this.#options.hashes(replica, Math.max(1, seq - 1), seq);
    const [before, hash] = seq === 1 ? [zeroHash, hashes[0]] : hashes;
    return before === undefined || hash === undefined ? undefined : { before, hash };
  }
}
