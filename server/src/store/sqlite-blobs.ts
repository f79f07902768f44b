/**
 * Blobs as rows. A blob stays while somebody renews its lease; when that has ended it is swept away
 * by whoever comes by, a few at a time, since one blob is dozens of pages of the file.
 */
import { blob, integer, type Rows } from "./sqlite-rows.ts";
import { count, makeSpace, usageOf } from "./sqlite-spaces.ts";
import { blobCost, mayKeepBlob, type SpaceBounds } from "./store.ts";

/** Those that are not there. */
export function keepBlobs(
  rows: Rows,
  space: Uint8Array,
  ids: readonly Uint8Array[],
  untilMs: number,
): Uint8Array[] {
  return ids.filter((id) => !renewed(rows, space, id, untilMs));
}

/** False, and nothing written, if the space would have grown beyond its bounds. */
export function putBlob(
  rows: Rows,
  bounds: SpaceBounds,
  space: Uint8Array,
  id: Uint8Array,
  bytes: Uint8Array,
  untilMs: number,
): boolean {
  if (renewed(rows, space, id, untilMs)) return true;
  const cost = blobCost(bytes.length);
  if (!mayKeepBlob(bounds, usageOf(rows, space), cost)) return false;
  const spaceId = makeSpace(rows, space);
  rows.insert(
    `INSERT INTO blobs (space, blob, until_ms, bytes) VALUES (?, ?, ?, ?)`,
    spaceId,
    id,
    untilMs,
    bytes,
  );
  count(rows, spaceId, { bytes: cost });
  return true;
}

export function readBlob(
  rows: Rows,
  space: Uint8Array,
  id: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  const row = rows.get(
    `SELECT bytes FROM blobs
     WHERE space = (SELECT id FROM spaces WHERE tag = ?) AND blob = ?`,
    space,
    id,
  );
  return row && blob(row, "bytes");
}

export function sweepBlobs(rows: Rows, nowMs: number, countMax: number): number {
  const ended = rows.all(
    `SELECT id, space, length(bytes) AS size FROM blobs WHERE until_ms <= ?
     ORDER BY until_ms LIMIT ?`,
    nowMs,
    countMax,
  );
  for (const row of ended) {
    rows.run(`DELETE FROM blobs WHERE id = ?`, integer(row, "id"));
    count(rows, integer(row, "space"), { bytes: -blobCost(integer(row, "size")) });
  }
  return ended.length;
}

/** Whether it is there; its lease then ends at `untilMs` at the earliest. */
const renewed = (rows: Rows, space: Uint8Array, id: Uint8Array, untilMs: number): boolean =>
  rows.run(
    `UPDATE blobs SET until_ms = max(until_ms, ?)
     WHERE space = (SELECT id FROM spaces WHERE tag = ?) AND blob = ?`,
    untilMs,
    space,
    id,
  ) > 0;
