/**
 * Operations kept whole, under their place in the total order: those of small documents that are
 * evaluated from all their operations (membership, settings), and those of kinds that this version
 * does not know, which wait here for one that does.
 */
import { type OrderKey, orderKey } from "../chat/order-key.ts";
import type { Stamp } from "../crdt/crdt.ts";
import type { DocumentId, SpaceTag } from "../id/id.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Reading, Writing } from "./kv.ts";
import type { Dependency } from "./store.ts";
import { stores } from "./stores.ts";

export interface KeptOperation extends Stamp {
  readonly kind: number;
  readonly payload: Uint8Array;
  /** Of its entry. */
  readonly hash: Uint8Array;
  /** What its entry names; the log's previous entry is implied. */
  readonly deps: readonly Dependency[];
  /** The author's last known wall clock, for display. */
  readonly timeMs: number | undefined;
  readonly appliedAtMs: number;
}

/** An operation of unknown kind, and the document it is for. */
export interface ParkedOperation extends KeptOperation {
  readonly document: DocumentId;
}

export function keepOperation(
  tx: Writing,
  store: "operations" | "parked",
  space: SpaceTag,
  document: DocumentId,
  operation: KeptOperation,
): void {
  tx.put(store, [space, document, orderKey(operation)], operation);
}

/** In the total order. */
export async function operationsOf(
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
): Promise<KeptOperation[]> {
  const rows = await tx.range(stores.operations, beginningWith(space, document));
  return rows.map(({ value }) => value as KeptOperation);
}

/** Document by document, each in the total order. */
export async function parkedOperations(tx: Reading, space: SpaceTag): Promise<ParkedOperation[]> {
  const rows = await tx.range(stores.parked, beginningWith(space));
  return rows.map(({ key, value }) => ({
    ...(value as KeptOperation),
    document: partOf<DocumentId>(key, 1),
  }));
}

export function unpark(
  tx: Writing,
  space: SpaceTag,
  { document, ...operation }: ParkedOperation,
): void {
  const key: OrderKey = orderKey(operation);
  tx.delete(stores.parked, [space, document, key]);
}
