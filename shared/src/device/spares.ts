/**
 * A second copy of own entries, each in a row of its own beside the segment it lies in, until somebody
 * else has them: what the disk spoils of a log others bring again, but these nobody could.
 */
import { equalBytes } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { ifBranch } from "../log/branch.ts";
import { bodyBytes, type Entry, type Run, runEntriesMax } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { limits } from "../protocol/limits.ts";
import { partOf } from "./key.ts";
import type { Reading, Writing } from "./kv.ts";
import { packRun, type StoredRun, unpackRun } from "./log-segments.ts";
import { headRow, signerOfRow } from "./segment-rows.ts";
import { stores } from "./stores.ts";

/** A row of `spares`. Its key holds the seq of the first entry. */
interface SpareRow {
  /** A group as segments have them. */
  readonly bytes: Uint8Array;
  /** H(label, bytes). */
  readonly check: Uint8Array;
}

const checkLabel = "skein/spare/1";

/** @param signer whose key signs the log: a fork changes its id, and not where its spares lie. */
export function putSpare(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  signer: ReplicaId,
  run: StoredRun,
): void {
  const bytes = packRun(run);
  const row: SpareRow = { bytes, check: suite.hash(checkLabel, bytes) };
  tx.put(stores.spares, [space, signer, run.first], row);
}

/**
 * As much of entries `first`..`last` as there are whole spares from `first` on and one run may hold;
 * undefined if the first is not among them. In a transaction over `heads` and `spares`.
 */
export async function readSpares(
  tx: Reading,
  suite: VerifyingSuite,
  space: SpaceTag,
  replica: ReplicaId,
  first: number,
  last: number,
): Promise<Run | undefined> {
  const head = await headRow(tx, space, replica);
  if (head === undefined) return undefined;
  const signer = signerOfRow({ replica, head });
  const entries: Entry[] = [];
  let signature: Uint8Array | undefined;
  let bytes = 0;
  for (const { key, value } of await tx.range(stores.spares, {
    from: [space, signer, first],
    before: [space, signer, last + 1],
    limit: runEntriesMax,
  })) {
    const seq = first + entries.length;
    if (partOf<number>(key, 2) !== seq) break;
    const run = spareOf(suite, seq, value as SpareRow);
    if (run === undefined) break;
    bytes += bodyBytes(run);
    if (entries.length + run.entries.length > runEntriesMax || bytes > limits.runBytesMax) break;
    entries.push(...run.entries);
    ({ signature } = run);
  }
  return signature && { replica, first, entries, signature, ...ifBranch(head.branch) };
}

function spareOf(suite: VerifyingSuite, first: number, row: SpareRow): StoredRun | undefined {
  if (!equalBytes(suite.hash(checkLabel, row.bytes), row.check)) return undefined;
  const run = unpackRun(first, row.bytes);
  return isMalformed(run) ? undefined : run;
}

/** Somebody else has the entries up to `seq`. */
export async function dropSpares(
  tx: Writing,
  space: SpaceTag,
  replica: ReplicaId,
  seq: number,
): Promise<void> {
  const head = await headRow(tx, space, replica);
  if (head === undefined) return;
  const signer = signerOfRow({ replica, head });
  tx.deleteRange(stores.spares, [space, signer], [space, signer, seq + 1]);
}
