/**
 * Version vectors as a state-based type: delivery clocks and read marks merge this way. The
 * arithmetic, its source and its proof stand in `clock/version-vector.ts`.
 */
import {
  mergeVectors,
  readVector,
  type VersionVector,
  writeVector,
} from "../../clock/version-vector.ts";
import type { ReplicaId } from "../../id/id.ts";
import type { StateType } from "./lattice.ts";
import { stateCodec, stateLimits } from "./state-codec.ts";

export const versionVector = {
  bottom: new Map(),
  merge: mergeVectors,
  valueOf: (state) => state,
  ...stateCodec<VersionVector>(writeVector, (reader) =>
    readVector(reader, stateLimits.replicasMax),
  ),

  /** The delta by which a vector covers `replica` up to `seq`, from 1. */
  advance: (replica: ReplicaId, seq: number): VersionVector => new Map([[replica, seq]]),
} satisfies StateType<VersionVector> & Record<string, unknown>;
