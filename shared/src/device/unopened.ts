/**
 * Runs that are in the log and wait to be opened, while they are still at hand: entries come faster
 * than they are applied, and reading them from the disk again costs more than the disk did. What
 * finds no room is read from the store when its turn comes.
 */
import type { ReplicaId } from "../id/id.ts";
import { bodyBytes, type Entry } from "../log/entry.ts";
import type { HashedRun } from "./opening.ts";

/** What an entry without its body takes, roughly: objects and a hash. */
const entryBytes = 256;

export class Unopened {
  readonly #bytesMax: number;
  readonly #runs = new Map<ReplicaId, HashedRun[]>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Of bodies and what belongs to them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Runs of a log come in its order; there may be gaps between them. */
  add(run: HashedRun): void {
    const bytes = bytesOf(run.entries);
    if (this.#bytes + bytes > this.#bytesMax) return;
    this.#bytes += bytes;
    const queue = this.#runs.get(run.replica);
    if (queue === undefined) this.#runs.set(run.replica, [run]);
    else queue.push(run);
  }

  /** The run that begins at `seq`, if it is at hand. What lies before is forgotten. */
  take(replica: ReplicaId, seq: number): HashedRun | undefined {
    const queue = this.#runs.get(replica);
    for (let run = queue?.[0]; queue !== undefined && run !== undefined; run = queue[0]) {
      if (run.first > seq) return undefined;
      queue.shift();
      if (queue.length === 0) this.#runs.delete(replica);
      this.#bytes -= bytesOf(run.entries);
      if (run.first === seq) return run;
    }
    return undefined;
  }
}

const bytesOf = (entries: readonly Entry[]): number =>
  bodyBytes({ entries }) + entryBytes * entries.length;
