/**
 * Version vectors as a lattice: delivery clocks and read marks merge this way. The arithmetic, its
 * source and its proof stand in `clock/version-vector.ts`.
 */
import { mergeVectors, type VersionVector } from "../../clock/version-vector.ts";
import type { Lattice } from "./lattice.ts";

export const versionVector: Lattice<VersionVector> = {
  bottom: new Map(),
  merge: mergeVectors,
};
