/**
 * A counter that goes both ways: one counter of what was added, one of what was taken off, and
 * their difference (Shapiro et al., INRIA RR-7506, 2011, specification 7). A pair of lattices
 * merged side by side is a lattice. It reads exactly between −(2^53 − 1) and 2^53 − 1 and as the
 * nearest of the two beyond.
 */
import { readVector, writeVector } from "../../clock/version-vector.ts";
import type { ReplicaId } from "../../id/id.ts";
import { gCounter, type GCounterState, saturated, sumOf } from "./g-counter.ts";
import type { StateType } from "./lattice.ts";
import { stateCodec, stateLimits } from "./state-codec.ts";

export interface PnCounterState {
  readonly added: GCounterState;
  readonly taken: GCounterState;
}

export const pnCounter = {
  bottom: { added: gCounter.bottom, taken: gCounter.bottom },
  merge: (a, b) => ({
    added: gCounter.merge(a.added, b.added),
    taken: gCounter.merge(a.taken, b.taken),
  }),
  valueOf: ({ added, taken }) => saturated(sumOf(added.values()) - sumOf(taken.values())),
  ...stateCodec<PnCounterState>(
    (writer, { added, taken }) => {
      writeVector(writer, added);
      writeVector(writer, taken);
    },
    (reader) => ({
      added: readVector(reader, stateLimits.replicasMax),
      taken: readVector(reader, stateLimits.replicasMax),
    }),
  ),

  /** The delta of adding `by`, a whole number of either sign. Throws a `RangeError` as `gCounter`. */
  add(state: PnCounterState, replica: ReplicaId, by: number): PnCounterState {
    return by >= 0
      ? { added: gCounter.increment(state.added, replica, by), taken: gCounter.bottom }
      : { added: gCounter.bottom, taken: gCounter.increment(state.taken, replica, -by) };
  },
} satisfies StateType<PnCounterState, number> & Record<string, unknown>;
