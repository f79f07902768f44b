/** Reads the second copies of own entries (spares.ts). */
import { equalBytes } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { ifBranch } from "../log/branch.ts";
import { bodyBytes, type Entry, type Run, runEntriesMax } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { limits } from "../protocol/limits.ts";
import { partOf } from "./key.ts";
import type { Reading } from "./kv.ts";
import { type StoredRun, unpackRun } from "./log-segments.ts";
import { headRow, signerOfRow } from "./segment-rows.ts";
import { spareLabel, type SpareRow } from "./spares.ts";
import { stores } from "./stores.ts";

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
  if (!equalBytes(suite.hash(spareLabel, row.bytes), row.check)) return undefined;
  const run = unpackRun(first, row.bytes);
  return isMalformed(run) ? undefined : run;
}
