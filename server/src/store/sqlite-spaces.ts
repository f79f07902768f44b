/** The row of a space: where everything of it hangs, and the counters of its quota. */
import { integer, type Rows } from "./sqlite-rows.ts";
import type { Usage } from "./store.ts";

/** The id of the space's row, which is made where there is none. */
export function makeSpace(rows: Rows, tag: Uint8Array): number {
  const row = rows.get(`SELECT id FROM spaces WHERE tag = ?`, tag);
  return row === undefined
    ? rows.insert(`INSERT INTO spaces (tag) VALUES (?)`, tag)
    : integer(row, "id");
}

export function usageOf(rows: Rows, tag: Uint8Array): Usage {
  const row = rows.get(`SELECT * FROM spaces WHERE tag = ?`, tag);
  if (row === undefined) return { bytes: 0, entries: 0, registerBytes: 0 };
  return {
    bytes: integer(row, "bytes"),
    entries: integer(row, "entries"),
    registerBytes: integer(row, "register_bytes"),
  };
}

/** Adds to the counters of a space; what is negative is freed. */
export function count(
  rows: Rows,
  spaceId: number,
  { bytes, entries = 0, registerBytes = 0 }: Partial<Usage> & Pick<Usage, "bytes">,
): void {
  rows.run(
    `UPDATE spaces SET bytes = bytes + ?, entries = entries + ?,
       register_bytes = register_bytes + ? WHERE id = ?`,
    bytes,
    entries,
    registerBytes,
    spaceId,
  );
}
