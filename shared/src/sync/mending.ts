/**
 * Entries that this party holds by their heads and cannot read any more: which they are, whom to
 * ask for them, and putting right what comes. The store finds the damage (log/damage.ts); nothing
 * of the log behind it is given up.
 *
 *   whole ──a read finds damage──▶ asking ──entries fit──▶ whole (or what is left of the hole)
 *
 * Invariants:
 *  1. What is put in the place of damaged entries has its log's chain and signature.
 *  2. Of each log one hole is known, the one that was read last; reading on finds the next.
 *  3. One session is asked at a time, each once before any is asked again.
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
  /** A hole was found, or is smaller now; undefined when the log can be read again. */
  readonly onHole: (replica: ReplicaId, hole: Hole | undefined) => void;
}

/** Entries `first` to `last` cannot be read. */
export interface Hole {
  readonly first: number;
  readonly last: number;
}

interface Known extends Hole {
  readonly asked: WeakSet<Holder>;
}

export class Mending {
  readonly #options: MendingOptions;
  readonly #holes = new Map<ReplicaId, Known>();

  constructor(options: MendingOptions) {
    this.#options = options;
  }

  get holes(): ReadonlyMap<ReplicaId, Hole> {
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
    const known = this.#holes.get(replica);
    if (known?.first !== first || known.last !== last) {
      this.#holes.set(replica, { first, last, asked: new WeakSet() });
      this.#options.onHole(replica, { first, last });
    }
    this.ask();
  }

  /** Somebody may hold more than before, or did not answer. */
  ask(): void {
    for (const [replica, hole] of this.#holes) this.#askFor(replica, hole);
  }

  #askFor(replica: ReplicaId, { first, last, asked }: Known): void {
    const holders = [...this.#options.holders()];
    if (holders.some((holder) => holder.isLending(replica))) return;
    const able = holders.filter((holder) => holder.mayLend(replica, first));
    const next = able.find((holder) => !asked.has(holder)) ?? able[0];
    if (next === undefined) return;
    if (asked.has(next)) for (const holder of able) asked.delete(holder);
    asked.add(next);
    next.lend(replica, first, last);
  }

  /** Whether `run` may stand in for what is damaged. @param heldTo where the log ends here. */
  wants(run: Run, heldTo: number): boolean {
    const hole = this.#holes.get(run.replica);
    return (
      hole !== undefined &&
      run.first <= hole.last &&
      lastSeq(run) >= hole.first &&
      lastSeq(run) <= heldTo
    );
  }

  /** Checks `run` and puts it where it belongs. Rejects only when the store failed. */
  async mend(publicKey: Uint8Array, run: Run): Promise<void> {
    const { suite, space, repair } = this.#options;
    const previous = await this.#hashBefore(run);
    if (previous === undefined) return;
    const hashes = chainHashes(suite, space, run, previous);
    if (!(await verifyHead(suite, space, run, hashes, publicKey))) return;
    const outcome = await repair({ ...run, publicKey, previous, hashes });
    if (outcome !== "unfit") this.#mended(run);
  }

  /** Undefined where it cannot be read either: then that is mended first. */
  async #hashBefore({ replica, first }: Run): Promise<Uint8Array | undefined> {
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
    const hole = this.#holes.get(run.replica);
    if (hole === undefined) return;
    const first = run.first <= hole.first ? Math.max(hole.first, lastSeq(run) + 1) : hole.first;
    const left = first <= hole.last ? { ...hole, first } : undefined;
    if (left === undefined) this.#holes.delete(run.replica);
    else this.#holes.set(run.replica, left);
    this.#options.onHole(run.replica, left);
  }
}
