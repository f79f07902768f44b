/**
 * Long lists of rows (`heads`, `versions`) in as many frames as they take, and which part of the
 * order each frame speaks for.
 */
import { limits } from "../protocol/limits.ts";

/** A list in ascending order, in frames of `rowsMax` rows; one with fewer rows, even none, ends it. */
export function pages<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Row[][] {
  const sorted = [...rows].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const split: Row[][] = [];
  for (let at = 0; at <= sorted.length; at += limits.rowsMax) {
    split.push(sorted.slice(at, at + limits.rowsMax));
  }
  return split;
}

/** Which part of the order each frame of such a list speaks for. */
export class Pages {
  #after = "";
  complete = true;

  next<Row>(rows: readonly Row[], keyOf: (row: Row) => string): (key: string) => boolean {
    const after = this.#after;
    const last = rows[rows.length - 1];
    this.complete = rows.length < limits.rowsMax;
    this.#after = this.complete || last === undefined ? "" : keyOf(last);
    const upTo = this.#after;
    return (key) => key > after && (upTo === "" || key <= upTo);
  }
}
