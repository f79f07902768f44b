/**
 * Where the tails of documents (tail-rows.ts) begin in a space that begins with a snapshot: behind the
 * engine's snapshot of each, which may come later than the updates after it.
 */
import type { VersionVector } from "../../clock/version-vector.ts";
import type { DocumentId, SpaceTag } from "../../id/id.ts";
import { beginningWith } from "../key.ts";
import type { Writing } from "../kv.ts";
import { stores } from "../stores.ts";
import { type DocumentRow, documentRow, type Snapshot } from "../tail-rows.ts";

/**
 * Empties all tails and takes all snapshots away. What comes next is numbered above everything that
 * was ever there, and behind a snapshot: who has a document open and asks for what came after its
 * last update (`updatesAfter`) is told to read it anew.
 */
export async function restartTails(tx: Writing, space: SpaceTag): Promise<void> {
  const { from, before } = beginningWith(space);
  const rows = await tx.range(stores.documents, { from, before });
  tx.deleteRange(stores.tails, from, before);
  tx.deleteRange(stores.snapshots, from, before);
  for (const { key, value } of rows) {
    const { last } = value as DocumentRow;
    tx.put(stores.documents, key, restartedRow(last));
  }
}

const restartedRow = (last: number): DocumentRow => ({
  last: last + 1,
  snapshot: last + 1,
  bytes: 0,
  newest: 0,
});

/** After `restartTails`: the document begins behind a snapshot, which may come later. */
export async function beginBehindSnapshot(
  tx: Writing,
  space: SpaceTag,
  document: DocumentId,
): Promise<void> {
  const row = await documentRow(tx, space, document);
  if (row.snapshot === 0) tx.put(stores.documents, [space, document], restartedRow(row.last));
}

/** The snapshot behind which the document began, whatever was appended since. */
export async function putSnapshot(
  tx: Writing,
  space: SpaceTag,
  document: DocumentId,
  bytes: Uint8Array,
  vector: VersionVector,
): Promise<void> {
  const { snapshot: upTo } = await documentRow(tx, space, document);
  const snapshot: Snapshot = { bytes, upTo, vector };
  tx.put(stores.snapshots, [space, document], snapshot);
}
