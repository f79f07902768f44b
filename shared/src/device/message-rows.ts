/**
 * A channel's messages in the database: segments (chat/segment.ts) of about a hundred under the
 * order key they begin with, and one row that counts, since `count()` over a long channel takes
 * seconds. Reading touches the segments it shows and no others, however long the channel is.
 */
import { firstKey, type OrderKey, orderKey } from "../chat/order-key.ts";
import { countBelow, emptySegment, insertIntoSegment, sortBatch } from "../chat/segment.ts";
import { seqOf, type VersionVector } from "../clock/version-vector.ts";
import type { Message } from "../crdt/op/channel.ts";
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import { type MessageColumns, packMessages, unpackMessages } from "./columns.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Reading, Writing } from "./kv.ts";
import { pendingBelow, pendingFrom, type PendingSegment } from "./snapshot/pending-rows.ts";
import { stores } from "./stores.ts";

/** A message, and when this device learned of it. */
export interface KeptMessage extends Message {
  readonly appliedAtMs: number;
}

/** A row of `channels`. */
export interface ChannelCounts {
  readonly count: number;
  /** The newest message in the order of the channel. */
  readonly newest: OrderKey;
  readonly authors: ReadonlyMap<ReplicaId, AuthorCounts>;
}

export interface AuthorCounts {
  readonly count: number;
  /** Of the author's newest messages here, ascending, at most `newestSeqsMax`. */
  readonly seqs: readonly number[];
}

/** Who has written less than so much since it was read is counted without being looked for. */
export const newestSeqsMax = 8;

export interface MessagePage {
  /** Oldest first. */
  readonly messages: readonly KeptMessage[];
  /** Whether there are more in the direction of reading. */
  readonly hasMore: boolean;
  /**
   * Where those that come next are on their way (`hasMore` is true): the first key of their segment of
   * the snapshot. Read again once it was filled.
   */
  readonly pending: OrderKey | undefined;
}

export interface Unread {
  /**
   * At most the maximum that was asked for; then there may be more. So there may where unread
   * messages lie further back than `lookedThroughMax` segments, or are on their way.
   */
  readonly count: number;
  /** The oldest of those that were found. */
  readonly first: OrderKey | undefined;
}

/** Segments that are looked through for unread messages: some 8,000 messages, a tenth of a second. */
const lookedThroughMax = 64;

type MessageSegment = readonly KeptMessage[];

/** Puts messages in their places. `batch` in any order; what is held already counts once. */
export async function insertMessages(
  tx: Writing,
  space: SpaceTag,
  channel: DocumentId,
  batch: readonly KeptMessage[],
): Promise<void> {
  const counts = await channelCounts(tx, space, channel);
  const added = await placeMessages(tx, space, channel, batch, counts?.newest);
  if (added.length > 0) tx.put(stores.channels, [space, channel], counted(counts, added));
}

/**
 * The same without counting: those that were not held, in order.
 * @param newest key of the channel's newest message; undefined if it has none.
 */
export async function placeMessages(
  tx: Writing,
  space: SpaceTag,
  channel: DocumentId,
  batch: readonly KeptMessage[],
  newest: OrderKey | undefined,
): Promise<readonly Message[]> {
  const sorted = sortBatch(batch);
  const added: Message[] = [];
  let at = 0;
  while (at < sorted.length) {
    const first = sorted[at];
    if (first === undefined) break;
    const key = orderKey(first);
    const segment = (await segmentWith(tx, space, channel, key)) ?? emptySegment;
    // Mostly the newest arrive, which the last segment takes: then nothing lies behind.
    const isLast = newest === undefined || newest < key;
    const next = isLast ? undefined : await keyAfter(tx, space, channel, segment.key);
    const end = countBelow(sorted, at, next);
    const insertion = insertIntoSegment(segment, sorted.slice(at, end));
    for (const { key: begin, messages } of insertion.changed) {
      const row = packMessages(messages as readonly KeptMessage[]);
      tx.put(stores.messages, [space, channel, begin], row);
    }
    added.push(...insertion.added);
    at = end;
  }
  return added;
}

/** `added` is in the order of the channel, and not counted yet. */
export function counted(
  before: ChannelCounts | undefined,
  added: readonly Message[],
): ChannelCounts {
  const seqsByAuthor = new Map<ReplicaId, number[]>();
  for (const { id } of added) {
    const seqs = seqsByAuthor.get(id.replica);
    if (seqs === undefined) seqsByAuthor.set(id.replica, [id.seq]);
    else seqs.push(id.seq);
  }
  const authors = new Map(before?.authors);
  for (const [replica, more] of seqsByAuthor) {
    const { count, seqs } = authors.get(replica) ?? { count: 0, seqs: [] };
    const newestSeqs = [...seqs, ...more].sort((a, b) => a - b).slice(-newestSeqsMax);
    authors.set(replica, { count: count + more.length, seqs: newestSeqs });
  }
  const last = added[added.length - 1];
  const keys = [
    before?.newest ?? firstKey,
    last === undefined ? firstKey : orderKey(last),
  ] as const;
  const newest = keys[0] > keys[1] ? keys[0] : keys[1];
  return { count: (before?.count ?? 0) + added.length, newest, authors };
}

export const channelCounts = async (
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
): Promise<ChannelCounts | undefined> =>
  (await tx.get(stores.channels, [space, channel])) as ChannelCounts | undefined;

export async function allChannelCounts(
  tx: Reading,
  space: SpaceTag,
): Promise<Map<DocumentId, ChannelCounts>> {
  const rows = await tx.range(stores.channels, beginningWith(space));
  return new Map(
    rows.map(({ key, value }) => [partOf<DocumentId>(key, 1), value as ChannelCounts] as const),
  );
}

/** The `limit` messages before `before`, or the newest ones. */
export async function messagesBefore(
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  before: OrderKey | undefined,
  limit: number,
): Promise<MessagePage> {
  const newestFirst: KeptMessage[] = [];
  const page = (hasMore: boolean, pending?: OrderKey): MessagePage => ({
    messages: newestFirst.reverse(),
    hasMore,
    pending,
  });
  const hole = await pendingBelow(tx, space, channel, before);
  if (hole !== undefined && isBelow(hole, before)) return page(true, hole.first);
  for await (const segment of segmentsBefore(tx, space, channel, before)) {
    for (const message of segment.toReversed()) {
      const key = orderKey(message);
      if (before !== undefined && key >= before) continue;
      // Late ones may stand there already; they are shown with those around them.
      if (hole?.before !== undefined && key < hole.before) return page(true, hole.first);
      if (newestFirst.length === limit) return page(true);
      newestFirst.push(message);
    }
  }
  return page(hole !== undefined, hole?.first);
}

/** Whether what is read back from `before` (undefined: from the newest) begins in the hole. */
const isBelow = (hole: PendingSegment, before: OrderKey | undefined): boolean =>
  hole.before === undefined || (before !== undefined && before <= hole.before);

/** The `limit` messages from `from` on, with the one that bears this key. */
export async function messagesFrom(
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  from: OrderKey,
  limit: number,
): Promise<MessagePage> {
  const messages: KeptMessage[] = [];
  const hole = await pendingFrom(tx, space, channel, from);
  const page = (hasMore: boolean, pending?: OrderKey): MessagePage => ({
    messages,
    hasMore,
    pending,
  });
  if (hole !== undefined && hole.first <= from) return page(true, hole.first);
  let segment = await segmentWith(tx, space, channel, from);
  while (segment !== undefined) {
    for (const message of segment.messages) {
      const key = orderKey(message);
      if (key < from) continue;
      if (hole !== undefined && key >= hole.first) return page(true, hole.first);
      if (messages.length === limit) return page(true);
      messages.push(message);
    }
    segment = await segmentAfter(tx, space, channel, segment.key);
  }
  return page(hole !== undefined, hole?.first);
}

/** Undefined also for one that is on its way. */
export async function messageAt(
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  key: OrderKey,
): Promise<KeptMessage | undefined> {
  const segment = await segmentWith(tx, space, channel, key);
  return segment?.messages.find((message) => orderKey(message) === key);
}

/**
 * The messages that `mark` does not cover and that are not by `own`, at most `countMax`. Costs one
 * row when all is read; otherwise it goes back from the newest as far as unread ones can be.
 */
export async function unreadMessages(
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  mark: VersionVector,
  own: ReadonlySet<ReplicaId>,
  countMax: number,
): Promise<Unread> {
  /** How many unread messages of each author are still to be found. */
  const left = new Map<ReplicaId, number>();
  for (const [author, counts] of (await channelCounts(tx, space, channel))?.authors ?? []) {
    const unread = own.has(author) ? 0 : unreadOf(counts, seqOf(mark, author));
    if (unread > 0) left.set(author, unread);
  }
  let count = 0;
  let first: OrderKey | undefined;
  let segments = 0;
  if (left.size === 0 || countMax === 0) return { count, first };
  const hole = await pendingBelow(tx, space, channel, undefined);
  const floor = hole === undefined ? firstKey : hole.before;
  reading: for await (const segment of segmentsBefore(tx, space, channel, undefined)) {
    for (const message of segment.toReversed()) {
      // Further back nobody can look before it has come.
      if (floor === undefined || orderKey(message) < floor) break reading;
      const { replica, seq } = message.id;
      const rest = left.get(replica);
      if (rest === undefined) continue;
      // An author's messages stand in the order of their seqs: below a read one all are read.
      const isRead = seq <= seqOf(mark, replica);
      if (isRead || rest === 1) left.delete(replica);
      else left.set(replica, rest - 1);
      if (!isRead) {
        count++;
        first = orderKey(message);
      }
      if (left.size === 0 || count === countMax) return { count, first };
    }
    if (++segments === lookedThroughMax) break;
  }
  // Too far back to be found, but known to be there.
  for (const rest of left.values()) if (Number.isFinite(rest)) count += rest;
  return { count: Math.min(count, countMax), first };
}

/** How many messages of an author are newer than `seq`; infinite where only looking can tell. */
function unreadOf({ count, seqs }: AuthorCounts, seq: number): number {
  const newer = seqs.filter((each) => each > seq).length;
  return newer < seqs.length || newer === count ? newer : Number.POSITIVE_INFINITY;
}

interface PlacedSegment {
  readonly key: OrderKey;
  readonly messages: MessageSegment;
}

const placed = (
  row: { readonly key: Parameters<typeof partOf>[0]; readonly value: unknown } | undefined,
): PlacedSegment | undefined =>
  row && {
    key: partOf<OrderKey>(row.key, 2),
    messages: unpackMessages(row.value as MessageColumns),
  };

/** The segment that holds the message with this key, if there is one. */
async function segmentWith(
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  key: OrderKey,
): Promise<PlacedSegment | undefined> {
  const [row] = await tx.range(stores.messages, {
    from: [space, channel],
    before: [space, channel, `${key}\0`],
    reverse: true,
    limit: 1,
  });
  return placed(row);
}

async function segmentAfter(
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  key: OrderKey,
): Promise<PlacedSegment | undefined> {
  const [row] = await tx.range(stores.messages, {
    from: [space, channel, `${key}\0`],
    before: beginningWith(space, channel).before,
    limit: 1,
  });
  return placed(row);
}

const keyAfter = async (
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  key: OrderKey,
): Promise<OrderKey | undefined> => (await segmentAfter(tx, space, channel, key))?.key;

/** From the one that holds what comes before `before` (or from the newest) back to the oldest. */
async function* segmentsBefore(
  tx: Reading,
  space: SpaceTag,
  channel: DocumentId,
  before: OrderKey | undefined,
): AsyncGenerator<MessageSegment> {
  const whole = beginningWith(space, channel);
  let end = before === undefined ? whole.before : [space, channel, before];
  for (;;) {
    const [row] = await tx.range(stores.messages, {
      from: whole.from,
      before: end,
      reverse: true,
      limit: 1,
    });
    if (row === undefined) return;
    yield unpackMessages(row.value as MessageColumns);
    end = row.key;
  }
}
