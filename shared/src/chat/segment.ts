/**
 * A channel's messages packed in segments of about a hundred, the unit in which a device stores and
 * loads them: a million rows fill twenty times faster this way and open three times faster. These
 * functions say which segments change when messages arrive; reading and writing them is the
 * store's part. Segments are plain objects (structured clone).
 *
 * Invariants (tests cite the numbers):
 *  1. A segment holds the messages from its key up to the key of the next one, sorted.
 *  2. The first segment's key is `firstKey`, and no segment's key ever changes: a message older than
 *     all others finds its place without one being renamed.
 *  3. Inserting what is held already changes nothing: a replayed batch counts nothing twice.
 *  4. No segment grows beyond `messagesMax` messages, nor beyond `textUnitsMax` of text unless it
 *     is a single message.
 */
import { compareStamps } from "../crdt/crdt.ts";
import type { Message } from "../crdt/op/channel.ts";
import { firstKey, type OrderKey, orderKey } from "./order-key.ts";

export interface Segment {
  readonly key: OrderKey;
  readonly messages: readonly Message[];
}

/** A segment is rewritten for every message that joins it, so its size is the price of a message. */
export const segmentLimits = {
  messagesMax: 200,
  /** What is split off is this large: the room above it is for what comes later. */
  messagesCut: 128,
  /** UTF-16 units of text, at two bytes each when stored. */
  textUnitsMax: 65_536,
  textUnitsCut: 32_768,
} as const;

export interface Insertion {
  /** To put under their keys: those that changed and those that are new. In order, never empty. */
  readonly changed: readonly Segment[];
  /** The messages that were not held before, in order: what to count and announce. */
  readonly added: readonly Message[];
}

/** What a channel begins with. */
export const emptySegment: Segment = { key: firstKey, messages: [] };

/** The messages of `batch` in order, each once. */
export function sortBatch(batch: readonly Message[]): Message[] {
  const sorted = [...batch].sort(compareStamps);
  return sorted.filter((message, at) => {
    const before = sorted[at - 1];
    return before === undefined || compareStamps(before, message) !== 0;
  });
}

/**
 * Puts messages into the one segment that has room for them by invariant 1. `batch` is sorted,
 * each message once (`sortBatch`). An empty list of `changed` means that all were held already.
 */
export function insertIntoSegment(segment: Segment, batch: readonly Message[]): Insertion {
  const first = batch[0];
  const last = segment.messages[segment.messages.length - 1];
  const isLarge = segment.messages.length >= segmentLimits.messagesCut;
  if (first && last && isLarge && compareStamps(last, first) < 0) {
    // Cut now rather than when there is no more room: what is held already is not written again.
    return { changed: split(orderKey(first), batch), added: batch };
  }
  const added: Message[] = [];
  const messages: Message[] = [];
  let next = 0;
  for (const message of batch) {
    for (;;) {
      const held = segment.messages[next];
      if (held === undefined || compareStamps(held, message) >= 0) break;
      messages.push(held);
      next++;
    }
    const held = segment.messages[next];
    if (held !== undefined && compareStamps(held, message) === 0) continue;
    messages.push(message);
    added.push(message);
  }
  if (added.length === 0) return { changed: [], added };
  messages.push(...segment.messages.slice(next));
  return { changed: split(segment.key, messages), added };
}

/**
 * Puts messages into a whole list of segments, sorted by key and beginning with `firstKey` (or
 * empty), in any order. A store that holds its segments on disk does the same piece by piece: it
 * sorts the batch, loads the segment with the greatest key not above the first message's and the key
 * after it, hands over the messages below that, and goes on with the rest.
 */
export function insertMessages(segments: readonly Segment[], batch: readonly Message[]): Insertion {
  const held = segments.length === 0 ? [emptySegment] : segments;
  const sorted = sortBatch(batch);
  const changed: Segment[] = [];
  const added: Message[] = [];
  let at = 0;
  while (at < sorted.length) {
    const place = segmentAt(held, orderKeyAt(sorted, at));
    const segment = held[place];
    if (segment === undefined) throw new Error(`no segment at ${place} of ${held.length}`);
    const end = countBelow(sorted, at, held[place + 1]?.key);
    if (end === at) throw new Error(`segments not in order at ${place}`);
    const insertion = insertIntoSegment(segment, sorted.slice(at, end));
    changed.push(...insertion.changed);
    added.push(...insertion.added);
    at = end;
  }
  return { changed, added };
}

/** Index of the segment that holds, or would hold, the message with this key. */
function segmentAt(segments: readonly Pick<Segment, "key">[], key: OrderKey): number {
  let low = 0;
  let high = segments.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    const candidate = segments[middle];
    if (candidate !== undefined && candidate.key <= key) low = middle;
    else high = middle;
  }
  return low;
}

/** Where in a sorted batch, from `at` on, the messages reach `before` (undefined: never). */
export function countBelow(
  sorted: readonly Message[],
  at: number,
  before: OrderKey | undefined,
): number {
  if (before === undefined) return sorted.length;
  let end = at;
  while (end < sorted.length && orderKeyAt(sorted, end) < before) end++;
  return end;
}

function orderKeyAt(messages: readonly Message[], at: number): OrderKey {
  const message = messages[at];
  if (message === undefined) throw new Error(`no message at ${at} of ${messages.length}`);
  return orderKey(message);
}

/** Cuts full segments off the front; what stays at the end has room for what comes next. */
function split(key: OrderKey, messages: readonly Message[]): Segment[] {
  const { messagesMax, messagesCut, textUnitsMax, textUnitsCut } = segmentLimits;
  let units = 0;
  for (const { text } of messages) units += text.length;
  if (messages.length <= messagesMax && (units <= textUnitsMax || messages.length === 1)) {
    return [{ key, messages }];
  }

  const segments: Segment[] = [];
  let piece: Message[] = [];
  let pieceUnits = 0;
  let pieceKey = key;
  for (const message of messages) {
    const full = piece.length >= messagesCut || pieceUnits + message.text.length > textUnitsCut;
    if (full && piece.length > 0) {
      segments.push({ key: pieceKey, messages: piece });
      piece = [];
      pieceUnits = 0;
      pieceKey = orderKey(message);
    }
    piece.push(message);
    pieceUnits += message.text.length;
  }
  segments.push({ key: pieceKey, messages: piece });
  return segments;
}
