/**
 * A counter that only goes up: for each replica how much it has counted, and their sum (Shapiro et
 * al., INRIA RR-7506, 2011, specification 6). Only a replica itself raises its own count, so counts
 * are ordered and merge takes the greater one of each: a maximum, replica by replica, like a
 * version vector's, whose arithmetic and bytes it shares. A delta is the changed count alone.
 *
 * A count stays below 2^53: counting beyond is refused. The sum of many may pass it and then reads
 * as 2^53 − 1, while the state goes on exactly.
 */
import { mergeVectors, readVector, writeVector } from "../../clock/version-vector.ts";
import type { ReplicaId } from "../../id/id.ts";
import type { StateType } from "./lattice.ts";
import { stateCodec, stateLimits } from "./state-codec.ts";

/** Zeros are not spelled out. */
export type GCounterState = ReadonlyMap<ReplicaId, number>;

/** Exact: a sum of doubles would depend on its order. */
export function sumOf(counts: Iterable<number>): bigint {
  let sum = 0n;
  for (const count of counts) sum += BigInt(count);
  return sum;
}

const greatest = BigInt(Number.MAX_SAFE_INTEGER);

/** The nearest number from −(2^53 − 1) to 2^53 − 1. */
export function saturated(sum: bigint): number {
  if (sum > greatest) return Number.MAX_SAFE_INTEGER;
  return sum < -greatest ? -Number.MAX_SAFE_INTEGER : Number(sum);
}

/** `count` and `by` more. Throws a `RangeError` beyond 2^53 − 1, and for what is no whole number. */
export function countedOn(count: number, by: number): number {
  if (!Number.isSafeInteger(by) || by < 0) throw new RangeError(`counting ${by}`);
  if (by > Number.MAX_SAFE_INTEGER - count) throw new RangeError(`counting ${by} beyond 2^53 − 1`);
  return count + by;
}

export const gCounter = {
  bottom: new Map(),
  merge: mergeVectors,
  valueOf: (state) => saturated(sumOf(state.values())),
  ...stateCodec<GCounterState>(writeVector, (reader) =>
    readVector(reader, stateLimits.replicasMax),
  ),

  /** The delta of counting `by`, a whole number from 0. Throws a `RangeError` beyond 2^53 − 1. */
  increment(state: GCounterState, replica: ReplicaId, by = 1): GCounterState {
    const count = countedOn(state.get(replica) ?? 0, by);
    return count === 0 ? new Map() : new Map([[replica, count]]);
  },
} satisfies StateType<GCounterState, number> & Record<string, unknown>;
