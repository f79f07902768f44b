/**
 * Which changes a state has seen, whether or not anything of them is left: the causal context of
 * Almeida, Shoker and Baquero (JPDC 2018). A change is named by a *dot*, the replica that made it
 * and its number there. What is seen without a gap is a version vector; the dots beyond a gap, which
 * deltas bring when others before them are still on their way, are a *cloud* beside it. So the
 * memory of everything ever removed costs a number per replica and not a tombstone per element.
 *
 * A context means the set of its dots, and merge is the union of those sets: commutative,
 * associative, idempotent. It is kept compact (no dot of the cloud follows the vector or another run
 * without a gap), so that equal sets are equal contexts.
 */
import { Malformed } from "../../bytes/malformed.ts";
import type { Reader } from "../../bytes/reader.ts";
import type { Writer } from "../../bytes/writer.ts";
import { dominates, mergeVectors, seqOf, type VersionVector } from "../../clock/version-vector.ts";
import { bytesOfId, type ReplicaId } from "../../id/id.ts";
import { AscendingReplicas, ReadTable, WrittenTable } from "./replica-table.ts";
import { stateLimits } from "./state-codec.ts";

/** One change: the nth of a replica within one object, from 1. */
export interface Dot {
  readonly replica: ReplicaId;
  readonly counter: number;
}

/** Dots of one replica, first and last included. */
type Run = readonly [first: number, last: number];

export interface CausalContext {
  readonly vector: VersionVector;
  /** Ascending, with gaps before and between. */
  readonly cloud: ReadonlyMap<ReplicaId, readonly Run[]>;
}

export const noContext: CausalContext = { vector: new Map(), cloud: new Map() };

/** By replica, then by number. */
export function compareDots(a: Dot, b: Dot): number {
  if (a.replica !== b.replica) return a.replica < b.replica ? -1 : 1;
  return a.counter - b.counter;
}

export function hasDot({ vector, cloud }: CausalContext, { replica, counter }: Dot): boolean {
  if (seqOf(vector, replica) >= counter) return true;
  const runs = cloud.get(replica) ?? [];
  // By halves: a stranger may send as many gaps as fit, and a store that asks for each.
  let from = 0;
  for (let to = runs.length; from < to;) {
    const middle = (from + to) >>> 1;
    if ((runs[middle]?.[1] ?? 0) < counter) from = middle + 1;
    else to = middle;
  }
  const run = runs[from];
  return run !== undefined && run[0] <= counter;
}

/** The name of the next change of `replica`. A replica makes its changes one after the other. */
export function nextDot({ vector, cloud }: CausalContext, replica: ReplicaId): Dot {
  // Dots of our own beyond a gap come back to a device that lost its state: never use them again.
  const last = cloud.get(replica)?.at(-1)?.[1] ?? seqOf(vector, replica);
  if (last === Number.MAX_SAFE_INTEGER) throw new RangeError(`${replica} has no dots left`);
  return { replica, counter: last + 1 };
}

/** The context of exactly these dots. */
export function contextOf(dots: Iterable<Dot>): CausalContext {
  const runsByReplica = new Map<ReplicaId, Run[]>();
  for (const { replica, counter } of dots) {
    const runs = runsByReplica.get(replica);
    if (runs === undefined) runsByReplica.set(replica, [[counter, counter]]);
    else runs.push([counter, counter]);
  }
  return compacted(new Map(), runsByReplica);
}

export function mergeContexts(a: CausalContext, b: CausalContext): CausalContext {
  if (b.cloud.size === 0 && dominates(a.vector, b.vector)) return a;
  const runsByReplica = new Map<ReplicaId, Run[]>();
  for (const [replica, runs] of a.cloud) runsByReplica.set(replica, [...runs]);
  for (const [replica, runs] of b.cloud) {
    runsByReplica.set(replica, [...(runsByReplica.get(replica) ?? []), ...runs]);
  }
  return compacted(mergeVectors(a.vector, b.vector), runsByReplica);
}

/** The one form of a set of dots given as a vector and runs in any order; sorts the runs. */
function compacted(vector: VersionVector, runsByReplica: Map<ReplicaId, Run[]>): CausalContext {
  const seqs = new Map(vector);
  const cloud = new Map<ReplicaId, readonly Run[]>();
  for (const [replica, runs] of runsByReplica) {
    runs.sort(([a], [b]) => a - b);
    let seq = seqOf(vector, replica);
    const apart: Run[] = [];
    for (const run of runs) {
      const [first, last] = run;
      const before = apart.at(-1);
      if (before === undefined && first <= seq + 1) seq = Math.max(seq, last);
      else if (before !== undefined && first <= before[1] + 1) {
        apart[apart.length - 1] = [before[0], Math.max(before[1], last)];
      } else apart.push(run);
    }
    if (seq > 0) seqs.set(replica, seq);
    if (apart.length > 0) cloud.set(replica, apart);
  }
  return { vector: seqs, cloud };
}

/**
 * `list(replica id 16 ‖ seq varint ‖ list(gap varint ‖ more varint))`, ascending ids. A run begins
 * `gap + 2` after the end of what stands before it and has `more + 1` dots, so that no bytes mean a
 * context that could be more compact. The rows are the table by which the store names its replicas.
 */
export function writeContext(writer: Writer, { vector, cloud }: CausalContext): DotWriter {
  const replicas = [...new Set([...vector.keys(), ...cloud.keys()])].sort();
  writer.list(replicas, (to, replica) => {
    let end = seqOf(vector, replica);
    to.raw(bytesOfId(replica)).varint(end);
    to.list(cloud.get(replica) ?? [], (row, [first, last]) => {
      row.varint(first - end - 2).varint(last - first);
      end = last;
    });
  });
  return new DotWriter(writer, replicas);
}

/** Gives the context and what reads the dots of a store under it. */
export function readContext(reader: Reader): readonly [CausalContext, DotReader] {
  const vector = new Map<ReplicaId, number>();
  const cloud = new Map<ReplicaId, readonly Run[]>();
  const ids = new AscendingReplicas();
  const replicas = reader.list(stateLimits.replicasMax, () => {
    const replica = ids.next(reader);
    let end = reader.varint();
    if (end > 0) vector.set(replica, end);
    const runs = reader.list(stateLimits.itemsMax, (): Run => {
      const first = end + 2 + reader.varint();
      end = first + reader.varint();
      if (end > Number.MAX_SAFE_INTEGER) throw new Malformed("a dot above 2^53 − 1");
      return [first, end];
    });
    if (runs.length > 0) cloud.set(replica, runs);
    else if (end === 0) throw new Malformed("a replica without a dot");
    return replica;
  });
  const context = { vector, cloud };
  return [context, new DotReader(reader, replicas, context)];
}

/** Writes a store whose context stands before it. */
export class DotWriter {
  readonly writer: Writer;
  readonly #table: WrittenTable;

  constructor(writer: Writer, replicas: readonly ReplicaId[]) {
    this.writer = writer;
    this.#table = new WrittenTable(writer, replicas);
  }

  /** `list(replica's place varint ‖ number varint ‖ what else stands at the dot)`, ascending. */
  dots<D extends Dot>(dots: readonly D[], write: (dot: D) => void): void {
    this.writer.list(dots, (_, dot) => {
      this.#table.replica(dot.replica).varint(dot.counter);
      write(dot);
    });
  }
}

export class DotReader {
  readonly reader: Reader;
  readonly #table: ReadTable;
  readonly #context: CausalContext;

  constructor(reader: Reader, replicas: readonly ReplicaId[], context: CausalContext) {
    this.reader = reader;
    this.#table = new ReadTable(reader, replicas);
    this.#context = context;
  }

  /** Ascending and all of them in the context: the invariant that `join` rests on. */
  dots<D extends Dot>(read: (dot: Dot) => D): D[] {
    let before: Dot | undefined;
    return this.reader.list(stateLimits.itemsMax, () => {
      const dot = { replica: this.#table.replica(), counter: this.reader.varint() };
      if (before !== undefined && compareDots(before, dot) >= 0) {
        throw new Malformed("dots not in ascending order");
      }
      if (dot.counter === 0 || !hasDot(this.#context, dot)) {
        throw new Malformed("a dot that its own context has not seen");
      }
      before = dot;
      return read(dot);
    });
  }
}
