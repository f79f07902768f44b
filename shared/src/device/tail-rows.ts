/**
 * A document of an engine (a Yjs note, the Automerge catalog) in the database: a snapshot, and the
 * updates applied since, numbered from 1 in the order they were applied, several to a row. Who has
 * the engine makes the snapshots; a tail should not grow beyond `tailUpdatesMax`.
 */
import type { VersionVector } from "../clock/version-vector.ts";
import type { Stamp } from "../crdt/crdt.ts";
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import { packUpdates, type UpdateColumns, unpackUpdates } from "./columns.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Reading, Writing } from "./kv.ts";
import { isEnginePending } from "./snapshot/pending-rows.ts";
import { stores } from "./stores.ts";

/** From here on a snapshot is due: what the engines merge in one go before it is felt. */
const tailUpdatesMax = 500;

/** An operation `0x20` or `0x40`, with what its peer id derives from. */
export interface TailUpdate extends Stamp {
  readonly kind: number;
  /** The whole payload: peer ‖ change or update. */
  readonly payload: Uint8Array;
  /** Nonce of the writer session that its peer's distance leads to. */
  readonly nonce: Uint8Array;
  /** The author's last known wall clock, for display. */
  readonly timeMs: number | undefined;
  readonly appliedAtMs: number;
}

export interface DocumentState {
  readonly snapshot: Snapshot | undefined;
  /** After the snapshot, in order. */
  readonly updates: readonly TailUpdate[];
  /** Number of the last update; 0 if there is none. */
  readonly upTo: number;
  /**
   * The snapshot is on its way: what is here are updates after it, and no document can be made of them
   * before it has come. Until then `snapshot` is undefined.
   */
  readonly pending: boolean;
}

/** A row of `snapshots`. */
export interface Snapshot {
  /** In the engine's own form. */
  readonly bytes: Uint8Array;
  /** Number of the last update in it. */
  readonly upTo: number;
  /** Of each replica the last entry whose update is in it. */
  readonly vector: VersionVector;
}

/** How long a document's tail is: whether a snapshot is due. */
export interface TailLength {
  readonly document: DocumentId;
  readonly updates: number;
  readonly bytes: number;
  readonly upTo: number;
  /** It is longer than it should be. */
  readonly wantsSnapshot: boolean;
}

/** A row of `documents`. */
export interface DocumentRow {
  /** Number of the last update; of the last one in the snapshot. */
  readonly last: number;
  readonly snapshot: number;
  /** Of all payloads in the tail. */
  readonly bytes: number;
  /** Key number of the newest row of the tail; 0 if there is none. */
  readonly newest: number;
}

/** What a row of `tails` holds. Its key has the number of the first update. */
type TailRow = readonly TailUpdate[];

/** The newest row is written anew for each update that joins it. */
const rowLimits = { updatesMax: 64, bytesMax: 16_384 } as const;

export async function appendUpdates(
  tx: Writing,
  space: SpaceTag,
  document: DocumentId,
  updates: readonly TailUpdate[],
): Promise<void> {
  const before = await documentRow(tx, space, document);
  let newest = before.newest;
  let row = newest === 0 ? [] : [...(await tailRow(tx, space, document, newest))];
  let rowBytes = payloadBytes(row);
  const put = () => tx.put(stores.tails, [space, document, newest], packUpdates(row));
  let last = before.last;
  for (const update of updates) {
    const { length } = update.payload;
    const isFull = row.length >= rowLimits.updatesMax || rowBytes + length > rowLimits.bytesMax;
    if (newest === 0 || (isFull && row.length > 0)) {
      if (row.length > 0 && last > before.last) put();
      newest = last + 1;
      row = [];
      rowBytes = 0;
    }
    row.push(update);
    rowBytes += length;
    last++;
  }
  put();
  const bytes = before.bytes + payloadBytes(updates);
  tx.put(stores.documents, [space, document], { ...before, last, bytes, newest });
}

/**
 * Puts a snapshot in the place of the updates up to `upTo`. False when a snapshot that covers at
 * least as much is there already, or is on its way: then nobody can know what they add up to.
 */
export async function replaceTail(
  tx: Writing,
  space: SpaceTag,
  document: DocumentId,
  bytes: Uint8Array,
  upTo: number,
): Promise<boolean> {
  const row = await documentRow(tx, space, document);
  if (upTo > row.last) throw new Error(`a snapshot up to ${upTo} of a tail up to ${row.last}`);
  if (upTo <= row.snapshot || (await isEnginePending(tx, space, document))) return false;
  const before = await snapshotOf(tx, space, document);
  const vector = new Map<ReplicaId, number>(before?.vector);
  let newest = row.newest;
  let left = row.bytes;
  for (const { first, updates } of await tailFrom(tx, space, document, row.snapshot + 1)) {
    if (first > upTo) break;
    const covered = updates.slice(0, upTo - first + 1);
    // A log is applied in its order: the last one is the newest.
    for (const { id } of covered) vector.set(id.replica, id.seq);
    left -= payloadBytes(covered);
    tx.delete(stores.tails, [space, document, first]);
    const rest = updates.slice(covered.length);
    if (rest.length > 0) tx.put(stores.tails, [space, document, upTo + 1], packUpdates(rest));
    if (first === newest) newest = rest.length > 0 ? upTo + 1 : 0;
  }
  const snapshot: Snapshot = { bytes, upTo, vector };
  tx.put(stores.snapshots, [space, document], snapshot);
  const after: DocumentRow = { last: row.last, snapshot: upTo, bytes: left, newest };
  tx.put(stores.documents, [space, document], after);
  return true;
}

export async function documentState(
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
): Promise<DocumentState> {
  const [row, snapshot, pending] = await Promise.all([
    documentRow(tx, space, document),
    snapshotOf(tx, space, document),
    isEnginePending(tx, space, document),
  ]);
  const rows = await tailFrom(tx, space, document, row.snapshot + 1);
  const updates = rows.flatMap(({ updates: each }) => each);
  return { snapshot, updates, upTo: row.last, pending };
}

/**
 * The updates numbered after `after`, for who has the document up to there. Undefined when a snapshot
 * has swallowed some of them: then the document is to be read anew, or all of it is known anyway.
 */
export async function updatesAfter(
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
  after: number,
): Promise<{ readonly updates: readonly TailUpdate[]; readonly upTo: number } | undefined> {
  const row = await documentRow(tx, space, document);
  if (after < row.snapshot) return undefined;
  const rows = await tailFrom(tx, space, document, after + 1);
  const updates = rows.flatMap(({ first, updates: all }) =>
    all.slice(Math.max(0, after + 1 - first)),
  );
  return { updates, upTo: row.last };
}

export async function tailLengths(tx: Reading, space: SpaceTag): Promise<TailLength[]> {
  const rows = await tx.range(stores.documents, beginningWith(space));
  return Promise.all(
    rows.map(async ({ key, value }) => {
      const { last, snapshot, bytes } = value as DocumentRow;
      const document = partOf<DocumentId>(key, 1);
      const updates = last - snapshot;
      const isLong = updates >= tailUpdatesMax;
      const wantsSnapshot = isLong && !(await isEnginePending(tx, space, document));
      return { document, updates, bytes, upTo: last, wantsSnapshot };
    }),
  );
}

/** The rows from the one that holds the update `from` on, in order. */
async function tailFrom(
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
  from: number,
): Promise<{ readonly first: number; readonly updates: TailRow }[]> {
  const whole = beginningWith(space, document);
  const [begin] = await tx.range(stores.tails, {
    from: whole.from,
    before: [space, document, from + 1],
    reverse: true,
    limit: 1,
  });
  const rows = await tx.range(stores.tails, {
    from: begin?.key ?? whole.from,
    before: whole.before,
  });
  return rows.map(({ key, value }) => ({
    first: partOf<number>(key, 2),
    updates: unpackUpdates(value as UpdateColumns),
  }));
}

async function tailRow(
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
  first: number,
): Promise<TailRow> {
  const row = await tx.get(stores.tails, [space, document, first]);
  if (row === undefined) throw new Error(`the tail of ${document} has no row ${first}`);
  return unpackUpdates(row as UpdateColumns);
}

export const documentRow = async (
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
): Promise<DocumentRow> =>
  ((await tx.get(stores.documents, [space, document])) as DocumentRow | undefined) ?? noDocument;

const noDocument: DocumentRow = { last: 0, snapshot: 0, bytes: 0, newest: 0 };

const snapshotOf = async (
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
): Promise<Snapshot | undefined> =>
  (await tx.get(stores.snapshots, [space, document])) as Snapshot | undefined;

function payloadBytes(updates: readonly TailUpdate[]): number {
  let bytes = 0;
  for (const { payload } of updates) bytes += payload.length;
  return bytes;
}
