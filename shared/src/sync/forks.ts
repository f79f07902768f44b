/**
 * Healing a fork (log/branch.ts): finds where the other party's log leaves ours, by runs of theirs
 * that are checked against what is held here, and takes ours apart where theirs is the one that keeps
 * the log's id. Where ours keeps it nothing is done: the other party finds out the same way, and lists
 * its branch as a log then, which comes to us like any other.
 *
 *   suspected ──ask──▶ asked ──wrong before──▶ asked (further back)
 *                        ├──all in common──▶ asked (further on)
 *                        └──they differ──▶ ours stays | ours is taken apart
 *
 * Invariants:
 *  1. A log is taken apart only where a run of the other branch was verified: chain and signature,
 *     from an entry that both have. No other party's word suffices.
 *  2. One session is asked at a time about a log, and one run at a time.
 *  3. Of one signer at most `branchesMax` branches are made: whoever signs two entries for one seq may
 *     do so for ever. Beyond that a fork is told, and its log stays as it is.
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { branchIdOf, signerOf, staysInLog } from "../log/branch.ts";
import { checkRun, zeroHash } from "../log/chain.ts";
import { lastSeq, type Run } from "../log/entry.ts";
import type { LogHead, Split, VerifiedRun } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { limits } from "../protocol/limits.ts";
import type { Holdings } from "./holdings.ts";
import type { Holder } from "./mending.ts";

export interface ForksOptions {
  readonly suite: VerifyingSuite;
  readonly space: SpaceTag;
  readonly holdings: Holdings;
  readonly hashes: (
    replica: ReplicaId,
    first: number,
    last: number,
  ) => Promise<readonly Uint8Array[]>;
  /** The store holds other entries of that key than is believed here: another party of it wrote them. */
  readonly stale: (signer: ReplicaId) => void;
  /** A run of theirs is in common, or more than is held here: it is news like any other. */
  readonly common: (suspect: Suspect, publicKey: Uint8Array, run: Run) => void;
  /** Takes the log apart, while nothing else of it is on its way into the store, and keeps the proof. */
  readonly split: (split: Split, proof: VerifiedRun) => void;
}

/** A party whose log may have left ours. */
export interface Suspect extends Holder {
  /** Seqs of the log that it is known to hold: none below, and none above. */
  holdsFrom(replica: ReplicaId): number;
  holdsTo(replica: ReplicaId): number;
}

interface Search {
  readonly suspect: Suspect;
  /** First entry of the run that was asked for. */
  seq: number;
  /** A run of theirs that began there did not continue what is held here; undefined before the first. */
  wrongAt: number | undefined;
  /** Both hold the same up to there; undefined before a run of theirs continued ours. */
  commonTo: number | undefined;
  /** How far to go back next. */
  step: number;
  /** What they have sent is being looked at. */
  isLooking: boolean;
}

/** Forks are found soon after they happen: what is asked for first lies so far back. */
const firstStep = 16;

type Verdict =
  | { readonly kind: "wrong" }
  | { readonly kind: "common"; readonly to: number }
  | { readonly kind: "fork"; readonly split: Split | undefined; readonly proof: VerifiedRun };

export class Forks {
  readonly #options: ForksOptions;
  readonly #searches = new Map<ReplicaId, Search>();

  constructor(options: ForksOptions) {
    this.#options = options;
  }

  /** Another entry stands there in theirs than in ours. */
  suspect(suspect: Suspect, replica: ReplicaId): void {
    const known = this.#searches.get(replica);
    if (known?.isLooking === true || known?.suspect.isLending(replica) === true) return;
    // What is damaged here comes first: it may be what has to be compared.
    if (suspect.isLending(replica)) return;
    const head = this.#options.holdings.head(replica);
    const common = Math.min(head?.to ?? 0, suspect.holdsTo(replica));
    const from = Math.max(head?.from ?? 1, suspect.holdsFrom(replica));
    if (head === undefined || common < from || this.#isFull(head.branch?.signer ?? replica)) {
      return;
    }
    const nothing = { wrongAt: undefined, commonTo: undefined, isLooking: false };
    this.#ask(replica, { suspect, seq: common, step: firstStep, ...nothing });
  }

  /** Of which logs it was asked, and did not answer in time. */
  unanswered(suspect: Suspect): ReplicaId[] {
    return [...this.#searches]
      .filter(
        ([log, search]) =>
          search.suspect === suspect && !search.isLooking && !suspect.isLending(log),
      )
      .map(([log]) => log);
  }

  /** Whether that run of theirs was asked for here. */
  awaits(suspect: Suspect, run: Run): boolean {
    const search = this.#searches.get(run.replica);
    return search?.suspect === suspect && !search.isLooking && search.seq === run.first;
  }

  /** Looks at a run that `awaits`. Rejects only when the store failed. */
  async look(suspect: Suspect, publicKey: Uint8Array, run: Run): Promise<void> {
    const { replica } = run;
    const search = this.#searches.get(replica);
    if (search?.suspect !== suspect) return;
    search.isLooking = true;
    const verdict = await this.#judge(publicKey, run).catch((error: unknown) => {
      // Damage: what they send of it next is to mend it, and the next comparison looks again.
      if (this.#searches.get(replica) === search) this.#searches.delete(replica);
      throw error;
    });
    search.isLooking = false;
    if (this.#searches.get(replica) !== search) return;
    this.#searches.delete(replica);
    const head = this.#options.holdings.head(replica);
    if (head === undefined) return;
    const from = Math.max(head.from, suspect.holdsFrom(replica));
    const end = Math.min(head.to, suspect.holdsTo(replica));
    switch (verdict.kind) {
      case "wrong":
        // Nothing of theirs continues anything of ours: told, and left alone.
        if (search.seq <= Math.max(from, (search.commonTo ?? 0) + 1)) return;
        search.wrongAt = search.seq;
        return this.#ask(replica, next(search, from, end));
      case "common":
        search.commonTo = verdict.to;
        // Ours was another log when that was found wrong.
        if (search.wrongAt !== undefined && search.wrongAt <= verdict.to)
          search.wrongAt = undefined;
        // Where all is in common the next comparison tells: one of the two has to learn more first.
        if (verdict.to < end) this.#ask(replica, next(search, from, end));
        else await this.#allInCommon(search, publicKey, run, head);
        return;
      case "fork":
        if (verdict.split !== undefined) this.#options.split(verdict.split, verdict.proof);
    }
  }

  /** Then it is news like any other, unless the store holds something else than is believed here. */
  async #allInCommon(
    { suspect }: Search,
    publicKey: Uint8Array,
    run: Run,
    head: LogHead,
  ): Promise<void> {
    const { hashes, stale, common } = this.#options;
    const [stored] = await hashes(head.replica, head.to, head.to);
    if (stored === undefined || equalBytes(stored, head.hash)) common(suspect, publicKey, run);
    else stale(signerOf(head));
  }

  /** Of a signer's branches there are as many as may be. */
  #isFull(signer: ReplicaId): boolean {
    return this.#options.holdings.kinOf({ replica: signer }).length >= limits.branchesMax;
  }

  #ask(replica: ReplicaId, search: Search): void {
    this.#searches.delete(replica);
    if (!search.suspect.mayLend(replica, search.seq)) return;
    this.#searches.set(replica, search);
    search.suspect.lend(replica, search.seq, search.seq);
  }

  async #judge(publicKey: Uint8Array, run: Run): Promise<Verdict> {
    const { suite, space, hashes, holdings } = this.#options;
    const { replica, first } = run;
    const before = first === 1 ? [zeroHash] : await hashes(replica, first - 1, first - 1);
    const [previous] = before;
    if (previous === undefined) return { kind: "wrong" };
    const checked = await checkRun(suite, { space, run, previous }, publicKey);
    if (!checked.isSigned) return { kind: "wrong" };
    const held = await hashes(replica, first, lastSeq(run));
    const at = held.findIndex((hash, index) => {
      const theirs = checked.hashes[index];
      return theirs === undefined || !equalBytes(hash, theirs);
    });
    const [ours, theirs] = [held[at], checked.hashes[at]];
    if (ours === undefined || theirs === undefined) {
      return { kind: "common", to: first + held.length - 1 };
    }
    // Up to its own first entry a branch is what its id says.
    const { branch: own } = holdings.head(replica) ?? {};
    if (own !== undefined && first + at <= own.seq) return { kind: "wrong" };
    const proof: VerifiedRun = { ...run, publicKey, previous, hashes: checked.hashes };
    if (staysInLog(ours, theirs)) return { kind: "fork", split: undefined, proof };
    const signer = signerOf(run);
    const branch = { signer, seq: first + at, hash: ours };
    return { kind: "fork", split: { replica, branch, into: branchIdOf(suite, branch) }, proof };
  }
}

/**
 * Back in growing steps until a run continues ours, then by halves: at the latest right behind that. Where
 * nothing was wrong and both logs have grown meanwhile, their new end.
 */
function next(search: Search, from: number, end: number): Search {
  const { wrongAt, commonTo } = search;
  if (commonTo === undefined) {
    search.seq = Math.max(from, search.seq - search.step);
    search.step *= 4;
  } else if (wrongAt === undefined) search.seq = end;
  else search.seq = Math.ceil((commonTo + 1 + wrongAt) / 2);
  if (search.seq === wrongAt) search.seq = (commonTo ?? search.seq) + 1;
  return search;
}
