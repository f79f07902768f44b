/**
 * How far something has come, and by when this device knew: a staircase of checkpoints. Vectors
 * arrive now and then and tell nothing of the moments between, so a time is always a "by then".
 */
export interface Checkpoint {
  /** Everything up to this entry. */
  readonly seq: number;
  /** This device's wall clock, ms since 1970. */
  readonly atMs: number;
}

/** Strictly ascending seqs; plain (structured clone). The last one says how far it has come. */
export type Trail = readonly Checkpoint[];

/** Checkpoints kept of one trail. Receipts of long ago get coarser times, never wrong ones. */
export const checkpointsMax = 16;

export const reachedBy = (trail: Trail | undefined): number => trail?.at(-1)?.seq ?? 0;

/** The trail with news of `seq`; the same trail when it is none. */
export function extendTrail(trail: Trail, seq: number, atMs: number): Trail {
  if (seq <= reachedBy(trail)) return trail;
  const extended = [...trail, { seq, atMs }];
  if (extended.length <= checkpointsMax) return extended;
  // Every other one of the older half goes: for what lay under it, the next one is still true.
  const half = checkpointsMax / 2;
  return extended.filter((_, at) => at >= half || at % 2 === 1);
}

/** By when entry `seq` was known to be covered; undefined if it is not. */
export const knownByMs = (trail: Trail | undefined, seq: number): number | undefined =>
  trail?.find((checkpoint) => checkpoint.seq >= seq)?.atMs;
