/**
 * Brings what entries do (entry-effects.ts) into what views read: channels (message-rows.ts), the tails
 * of notes and the catalog (tail-rows.ts), operations kept whole and parked (operation-rows.ts), wall
 * clocks. All of it happens in the caller's transaction.
 */
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import { readSessionNonce } from "./device-log.ts";
import {
  effectsOf,
  modelOf,
  type ModelOf,
  openedBy,
  placedIn,
  type PlacedOperation,
} from "./entry-effects.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Reading, Writing } from "./kv.ts";
import { insertMessages } from "./message-rows.ts";
import { keepOperation, type KeptOperation, parkedOperations, unpark } from "./operation-rows.ts";
import type { ReadyEntry } from "./store.ts";
import { stores } from "./stores.ts";
import { appendUpdates } from "./tail-rows.ts";

/** The stores that `project` changes. */
export const projectedStores = [
  stores.clocks,
  stores.channels,
  stores.messages,
  stores.documents,
  stores.tails,
  stores.operations,
  stores.parked,
] as const;

/** Entries applied in one transaction at most: views hear of progress, other tabs get a turn. */
export const applyMax = 2_048;

/** Brings the effects of `entries`, which are in causal order, into the read models. */
export async function project(
  tx: Writing,
  space: SpaceTag,
  entries: readonly ReadyEntry[],
  known: ModelOf = modelOf,
): Promise<void> {
  const clocks = await clocksOf(tx, space, timedBy(entries, known));
  const ticked = new Set<ReplicaId>();
  const placed = placedIn(entries, clocks, ticked, known);
  for (const replica of ticked) tx.put(stores.clocks, [space, replica], clocks.get(replica));
  await place(tx, space, placed, known);
}

/**
 * Brings in what was parked and is of a kind this version knows. In a transaction over
 * `projectedStores` and `sessions`. Returns how many there were.
 */
export async function replayParked(
  tx: Writing,
  space: SpaceTag,
  known: ModelOf = modelOf,
): Promise<number> {
  const parked = await parkedOperations(tx, space);
  const operations = parked.filter(({ kind }) => known(kind) !== "parked");
  const placed: PlacedOperation[] = [];
  for (const operation of operations) {
    unpark(tx, space, operation);
    const opened = known(operation.kind) === "tail" ? openedBy(operation) : undefined;
    const { replica } = operation.id;
    const nonce =
      opened === undefined ? undefined : await readSessionNonce(tx, space, replica, opened);
    placed.push({ ...operation, nonceAt: (seq) => (seq === opened ? nonce : undefined) });
  }
  await place(tx, space, placed, known);
  return operations.length;
}

async function place(
  tx: Writing,
  space: SpaceTag,
  placed: readonly PlacedOperation[],
  known: ModelOf,
): Promise<void> {
  const { messages, updates, operations, parked } = effectsOf(placed, known);
  const keep = (
    store: "operations" | "parked",
    document: DocumentId,
    list: readonly KeptOperation[],
  ) => {
    for (const operation of list) keepOperation(tx, store, space, document, operation);
  };
  for (const [document, list] of operations) keep(stores.operations, document, list);
  for (const [document, list] of parked) keep(stores.parked, document, list);
  await Promise.all([
    ...[...messages].map(([channel, batch]) => insertMessages(tx, space, channel, batch)),
    ...[...updates].map(([document, batch]) => appendUpdates(tx, space, document, batch)),
  ]);
}

/** Whose clock is asked for: of operations that bring no time of their own. */
function timedBy(entries: readonly ReadyEntry[], known: ModelOf): ReadonlySet<ReplicaId> {
  const timed = new Set<ReplicaId>();
  for (const { replica, operations } of entries) {
    const isTimed = ({ kind }: { readonly kind: number }) =>
      known(kind) !== "channel" && known(kind) !== "clock";
    if (!timed.has(replica) && operations.some(isTimed)) timed.add(replica);
  }
  return timed;
}

async function clocksOf(
  tx: Reading,
  space: SpaceTag,
  replicas: ReadonlySet<ReplicaId>,
): Promise<Map<ReplicaId, number>> {
  if (replicas.size > fewClocks) return allClocks(tx, space);
  const clocks = new Map<ReplicaId, number>();
  await Promise.all(
    [...replicas].map(async (replica) => {
      const timeMs = (await tx.get(stores.clocks, [space, replica])) as number | undefined;
      if (timeMs !== undefined) clocks.set(replica, timeMs);
    }),
  );
  return clocks;
}

/** From here on one request for all is cheaper than one for each. */
const fewClocks = 4;

export async function allClocks(tx: Reading, space: SpaceTag): Promise<Map<ReplicaId, number>> {
  const rows = await tx.range(stores.clocks, beginningWith(space));
  return new Map(
    rows.map(({ key, value }) => [partOf<ReplicaId>(key, 1), value as number] as const),
  );
}
