/**
 * What of an installed snapshot is still to come: a row for each object, with all that is needed to get
 * it, check it and put it in its place. While a document or a stretch of a channel is here, what is
 * read of it is not whole, and says so.
 */
import type { OrderKey } from "../../chat/order-key.ts";
import type { VersionVector } from "../../clock/version-vector.ts";
import type { DocumentId, SpaceTag } from "../../id/id.ts";
import { beginningWith, partOf } from "../key.ts";
import type { Reading, Writing } from "../kv.ts";
import { stores } from "../stores.ts";
import type { Stored } from "./manifest.ts";

/** A row of `pending`. */
export type PendingRow =
  | (Stored & {
      readonly kind: "segment";
      readonly first: OrderKey;
      readonly count: number;
      /** Where the next segment begins; undefined if it is the newest. */
      readonly before: OrderKey | undefined;
    })
  | (Stored & { readonly kind: "engine"; readonly vector: VersionVector })
  | (Stored & { readonly kind: "parked" });

export type PendingSegment = Extract<PendingRow, { kind: "segment" }>;

declare const brand: unique symbol;
/** Which of a document's objects: what its row is kept under. */
export type PendingName = string & { readonly [brand]: "PendingName" };

export interface PendingPart {
  readonly document: DocumentId;
  readonly name: PendingName;
  readonly row: PendingRow;
}

/** Between "engine" and "parked": the segments of a channel stand side by side. */
const segmentPrefix = "m";
const behindSegments = "n";

export const nameOfPending = (row: Pick<PendingRow, "kind"> | PendingSegment): PendingName =>
  ("first" in row ? segmentName(row.first) : row.kind) as PendingName;

const segmentName = (first: OrderKey): string => segmentPrefix + first;

export function putPending(
  tx: Writing,
  space: SpaceTag,
  document: DocumentId,
  row: PendingRow,
): void {
  tx.put(stores.pending, [space, document, nameOfPending(row)], row);
}

export const pendingRow = async (
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
  name: PendingName,
): Promise<PendingRow | undefined> =>
  (await tx.get(stores.pending, [space, document, name])) as PendingRow | undefined;

/** Whether what the document's snapshot holds has not come yet. */
export const isEnginePending = async (
  tx: Reading,
  space: SpaceTag,
  document: DocumentId,
): Promise<boolean> =>
  (await pendingRow(tx, space, document, nameOfPending({ kind: "engine" }))) !== undefined;

/** Of the whole space, document by document. */
export async function allPending(tx: Reading, space: SpaceTag): Promise<PendingPart[]> {
  const rows = await tx.range(stores.pending, beginningWith(space));
  return rows.map(({ key, value }) => ({
    document: partOf<DocumentId>(key, 1),
    name: partOf<PendingName>(key, 2),
    row: value as PendingRow,
  }));
}

/** The newest pending segment that begins below `key` (undefined: the newest of all). */
export const pendingBelow = async (
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  key: OrderKey | undefined,
): Promise<PendingSegment | undefined> => {
  const [row] = await tx.range(stores.pending, {
    from: [space, channel, segmentPrefix],
    before: [space, channel, key === undefined ? behindSegments : segmentName(key)],
    reverse: true,
    limit: 1,
  });
  return row?.value as PendingSegment | undefined;
};

/** The pending segment that holds `key`, or the oldest that begins above it. */
export const pendingFrom = async (
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  key: OrderKey,
): Promise<PendingSegment | undefined> => {
  const around = await pendingBelow(tx, space, channel, `${key}\0` as OrderKey);
  if (around !== undefined && (around.before === undefined || key < around.before)) return around;
  const [row] = await tx.range(stores.pending, {
    from: [space, channel, segmentName(key)],
    before: [space, channel, behindSegments],
    limit: 1,
  });
  return row?.value as PendingSegment | undefined;
};
