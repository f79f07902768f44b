/**
 * A second copy of own entries, each in a row of its own beside the segment it lies in, until somebody
 * else has them: what the disk spoils of a log others bring again, but these nobody could.
 * spare-reading.ts reads them: few devices ever do.
 */
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import type { Writing } from "./kv.ts";
import { packRun, type StoredRun } from "./log-segments.ts";
import { stores } from "./stores.ts";

/** A row of `spares`. Its key holds the seq of the first entry. */
export interface SpareRow {
  /** A group as segments have them. */
  readonly bytes: Uint8Array;
  /** H(label, bytes). */
  readonly check: Uint8Array;
}

export const spareLabel = "skein/spare/1";

/** @param signer whose key signs the log: a fork changes its id, and not where its spares lie. */
export function putSpare(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  signer: ReplicaId,
  run: StoredRun,
): void {
  const bytes = packRun(run);
  const row: SpareRow = { bytes, check: suite.hash(spareLabel, bytes) };
  tx.put(stores.spares, [space, signer, run.first], row);
}

/** Somebody else has the entries up to `seq`. */
export function dropSpares(tx: Writing, space: SpaceTag, signer: ReplicaId, seq: number): void {
  tx.deleteRange(stores.spares, [space, signer], [space, signer, seq + 1]);
}
