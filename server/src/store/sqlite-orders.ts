/** Owners' orders to truncate, as rows: one of each space, and whether it is carried out. */
import { blob, integer, type Row, type Rows } from "./sqlite-rows.ts";
import { makeSpace } from "./sqlite-spaces.ts";
import type { StoredOrder } from "./store.ts";

export interface DueRow {
  readonly space: Uint8Array;
  readonly order: StoredOrder;
}

export interface OrderPlaceRow {
  readonly space: Uint8Array;
  readonly dueMs: number;
}

export function putOrder(
  rows: Rows,
  space: Uint8Array,
  { number, bytes, dueMs }: StoredOrder,
): StoredOrder {
  rows.run(
    `INSERT INTO orders (space, number, due_ms, done, bytes) VALUES (?, ?, ?, 0, ?)
     ON CONFLICT (space) DO UPDATE SET number = excluded.number, due_ms = excluded.due_ms,
       done = 0, bytes = excluded.bytes
     WHERE orders.number < excluded.number AND orders.done = 1`,
    makeSpace(rows, space),
    number,
    dueMs,
    bytes,
  );
  const held = readOrder(rows, space);
  if (held === undefined) throw new Error("an order that was put is not there");
  return held;
}

export function readOrder(rows: Rows, space: Uint8Array): StoredOrder | undefined {
  const row = rows.get(
    `SELECT * FROM orders WHERE space = (SELECT id FROM spaces WHERE tag = ?)`,
    space,
  );
  return row && orderOf(row);
}

export function dueOrders(
  rows: Rows,
  nowMs: number,
  countMax: number,
  after: OrderPlaceRow = beforeAll,
): DueRow[] {
  const due = rows.all(
    `SELECT orders.*, spaces.tag FROM orders JOIN spaces ON spaces.id = orders.space
     WHERE done = 0 AND due_ms <= ?
       AND (due_ms, orders.space) > (?, (SELECT id FROM spaces WHERE tag = ?))
     ORDER BY due_ms, orders.space LIMIT ?`,
    nowMs,
    after.dueMs,
    after.space,
    countMax,
  );
  return due.map((row) => ({ space: blob(row, "tag"), order: orderOf(row) }));
}

export function orderDone(rows: Rows, space: Uint8Array, number: number): void {
  rows.run(
    `UPDATE orders SET done = 1
     WHERE space = (SELECT id FROM spaces WHERE tag = ?) AND number = ?`,
    space,
    number,
  );
}

/** Nothing was due before 1970. */
const beforeAll: OrderPlaceRow = { space: new Uint8Array(), dueMs: -1 };

const orderOf = (row: Row): StoredOrder => ({
  number: integer(row, "number"),
  bytes: blob(row, "bytes"),
  dueMs: integer(row, "due_ms"),
});
