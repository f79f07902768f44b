/**
 * Entries that this party holds by their heads and cannot read any more: which they are, whom to
 * ask for them, and putting right what comes. The store finds the damage (log/damage.ts); nothing
 * of the log behind it is given up. First it is looked whether the store has a second copy itself.
 *
 *   whole ──a read finds damage──▶ looking, then asking ──entries fit──▶ whole (or what is left)
 *
 * Invariants:
 *  1. What is put in the place of damaged entries has its log's chain and signature.
 *  2. Of each log the holes are known that reading has come upon; reading on finds the next.
 *  3. One session is asked for one hole of a log at a time, each once before any is asked again,
 *     and none again before it had time to answer.
 *  4. Runs of one log are put in their place in the order in which they came: each needs the hash
 *     before it.
 */
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { chainHashes, verifyHead, zeroHash } from "../log/chain.ts";
import { DamagedEntries, type Repaired } from "../log/damage.ts";
import { lastSeq, type Run } from "../log/entry.ts";
import type { VerifiedRun } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";

/** Whom entries can be asked of. */
export interface Holder {
  /** Whether it is known to hold the log up to there, and may be asked now. */
  mayLend(replica: ReplicaId, seq: number): boolean;
  lend(replica: ReplicaId, first: number, last: number): void;
  isLending(replica: ReplicaId): boolean;
}

export interface MendingOptions {
  readonly suite: VerifyingSuite;
  readonly space: SpaceTag;
  readonly holders: () => Iterable<Holder>;
  readonly hashes: (
    replica: ReplicaId,
    first: number,
    last: number,
  ) => Promise<readonly Uint8Array[]>;
  readonly repair: (run: VerifiedRun) => Promise<Repaired>;
  /** Whole copies of the store's own from `first` on, if there are any. */
  readonly readSpares: (
    replica: ReplicaId,
    first: number,
    last: number,
  ) => Promise<Run | undefined>;
  /** A hole is new, or smaller: to be answered by `look`, then by `ask` unless that failed. */
  readonly onUnlooked: (replica: ReplicaId, hole: Hole) => void;
  /** A hole was found that was not known. */
  readonly onHole: (replica: ReplicaId) => void;
  /** A hole is smaller now, or gone: more of the log can be read. */
  readonly onMended: (replica: ReplicaId) => void;
}

/** Entries `first` to `last` cannot be read. */
export interface Hole {
  readonly first: number;
  readonly last: number;
}

interface Known extends Hole {
  readonly asked: WeakSet<Holder>;
  /** Done: the store has no other copy, or none that fits what can be read before it. */
  readonly look: "due" | "underway" | "done";
}

export class Mending {
  readonly #options: MendingOptions;
  /** Of each log, those first that were asked for longest ago. */
  readonly #holes = new Map<ReplicaId, readonly Known[]>();
  /** The last run of each log that is being put in its place. */
  readonly #turns = new Map<ReplicaId, Promise<unknown>>();

  constructor(options: MendingOptions) {
    this.#options = options;
  }

  /** Never an empty list. */
  get holes(): ReadonlyMap<ReplicaId, readonly Hole[]> {
    return this.#holes;
  }

  /** `reading`, of which damage is not lost. */
  async watch<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      if (error instanceof DamagedEntries) this.#found(error.replica, error);
      throw error;
    }
  }

  #found(replica: ReplicaId, { first, last }: Hole): void {
    const known = this.#holes.get(replica) ?? [];
    if (!known.some((hole) => hole.first === first && hole.last === last)) {
      const others = known.filter((hole) => hole.last < first || hole.first > last);
      this.#holes.set(replica, [...others, { first, last, asked: new WeakSet(), look: "due" }]);
      this.#options.onHole(replica);
    }
    this.ask();
  }

  /** Somebody may hold more than before, or did not answer. */
  ask(): void {
    for (const [replica, holes] of this.#holes) this.#askFor(replica, holes);
  }

  #askFor(replica: ReplicaId, holes: readonly Known[]): void {
    const holders = [...this.#options.holders()];
    if (holders.some((holder) => holder.isLending(replica))) return;
    if (holes.some(({ look }) => look === "underway")) return;
    for (const hole of holes) {
      const { first, last, asked } = hole;
      // The hash before it is needed: that hole comes first.
      if (holes.some((before) => before.last === first - 1)) continue;
      if (hole.look === "due") {
        const others = holes.filter((other) => other !== hole);
        this.#holes.set(replica, [...others, { ...hole, look: "underway" }]);
        return this.#options.onUnlooked(replica, hole);
      }
      const able = holders.filter((holder) => holder.mayLend(replica, first));
      const next = able.find((holder) => !asked.has(holder)) ?? able[0];
      if (next === undefined) continue;
      if (asked.has(next)) for (const holder of able) asked.delete(holder);
      asked.add(next);
      this.#holes.set(replica, [...holes.filter((other) => other !== hole), hole]);
      return next.lend(replica, first, last);
    }
  }

  /**
   * Looks whether the entry before a hole can be read, without which no answer is of use: what is found
   * there is mended first. Then whether the store has another copy itself. Rejects only when the store
   * failed: who comes upon the damage next looks once more.
   * @param publicKey undefined for a log that only the store knows yet.
   */
  async look(
    publicKey: Uint8Array | undefined,
    replica: ReplicaId,
    { first, last }: Hole,
  ): Promise<void> {
    try {
      const previous = await this.#hashBefore(replica, first);
      if (previous !== undefined && publicKey !== undefined) {
        const run = await this.#options.readSpares(replica, first, last);
        if (run !== undefined) await this.mend(publicKey, run);
      }
      this.#looked(replica, "done");
    } catch (error) {
      this.#looked(replica, "due");
      throw error;
    }
  }

  #looked(replica: ReplicaId, look: Known["look"]): void {
    const holes = this.#holes.get(replica)?.map((hole) => ({
      ...hole,
      look: hole.look === "underway" ? look : hole.look,
    }));
    if (holes !== undefined) this.#holes.set(replica, holes);
  }

  /** Whether `run` may stand in for what is damaged. @param heldTo where the log ends here. */
  wants(run: Run, heldTo: number): boolean {
    const last = lastSeq(run);
    const holes = this.#holes.get(run.replica) ?? [];
    return last <= heldTo && holes.some((hole) => run.first <= hole.last && last >= hole.first);
  }

  /**
   * Checks `run` and puts it where it belongs; whether all its entries can be read now. Rejects only
   * when the store failed.
   */
  mend(publicKey: Uint8Array, run: Run): Promise<boolean> {
    const { replica } = run;
    const mending = (this.#turns.get(replica) ?? Promise.resolve()).then(() =>
      this.#mend(publicKey, run),
    );
    const turn: Promise<void> = mending.then(
      () => this.#endTurn(replica, turn),
      () => this.#endTurn(replica, turn),
    );
    this.#turns.set(replica, turn);
    return mending;
  }

  #endTurn(replica: ReplicaId, turn: Promise<void>): void {
    if (this.#turns.get(replica) === turn) this.#turns.delete(replica);
  }

  async #mend(publicKey: Uint8Array, run: Run): Promise<boolean> {
    const { suite, space, repair } = this.#options;
    const previous = await this.#hashBefore(run.replica, run.first);
    if (previous === undefined) return false;
    const hashes = chainHashes(suite, space, run, previous);
    if (!(await verifyHead(suite, space, run, hashes, publicKey))) return false;
    const outcome = await repair({ ...run, publicKey, previous, hashes });
    if (outcome === "unfit") return false;
    this.#mended(run);
    return true;
  }

  /** Undefined where it cannot be read either: then that is mended first. */
  async #hashBefore(replica: ReplicaId, first: number): Promise<Uint8Array | undefined> {
    if (first === 1) return zeroHash;
    try {
      const [hash] = await this.watch(this.#options.hashes(replica, first - 1, first - 1));
      return hash;
    } catch (error) {
      if (error instanceof DamagedEntries) return undefined;
      throw error;
    }
  }

  #mended(run: Run): void {
    const { replica } = run;
    const last = lastSeq(run);
    const holes = (this.#holes.get(replica) ?? []).flatMap((hole): Known[] => {
      if (hole.last < run.first || hole.first > last + 1) return [hole];
      // A copy that did not fit, for want of the hash before it, may fit now.
      const look = "due";
      const before = { ...hole, last: Math.min(hole.last, run.first - 1), look } as const;
      const behind = { ...hole, first: Math.max(hole.first, last + 1), look } as const;
      return [before, behind].filter((each) => each.first <= each.last);
    });
    if (holes.length === 0) this.#holes.delete(replica);
    else this.#holes.set(replica, holes);
    this.#options.onMended(replica);
  }
}
