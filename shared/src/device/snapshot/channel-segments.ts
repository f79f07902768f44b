/**
 * Where a channel is cut into the segments of a manifest. The cuts follow from the messages and not from
 * the way they came, so that two devices with the same messages have the same segments; and each is
 * found from what stands near it, so that new messages change the last segments alone and a late one
 * its neighbourhood: content-defined chunking (Muthitacharoen, Chen and Mazières, "A low-bandwidth
 * network file system", SOSP 2001), with messages in the place of bytes.
 *
 * A segment ends before a message that
 *   - finds `messagesMax` messages in it, or `textUnitsMax` of text (UTF-16 units); or
 *   - finds `messagesMin` in it and is a *boundary*: the last nine bits of
 *     `H("skein/cut/1", replica 16 ‖ seq u64 ‖ index u8)[:2]` are zero.
 *
 * So a segment holds some thousand messages. Where a segment begins, what follows no longer depends on
 * what came before it; that is why a change goes no further than to the next cut both have. Nobody
 * chooses a boundary: of what is hashed an author has no choice.
 */
import { Writer } from "../../bytes/writer.ts";
import { type OrderKey, orderKey, stampOfKey } from "../../chat/order-key.ts";
import { countBelow } from "../../chat/segment.ts";
import { compareStamps, type OpId } from "../../crdt/crdt.ts";
import type { Message } from "../../crdt/op/channel.ts";
import { bytesOfId } from "../../id/id.ts";
import type { VerifyingSuite } from "../../log/suite.ts";

export const cutLimits = {
  messagesMin: 512,
  messagesMax: 2_048,
  textUnitsMax: 262_144,
  /** Of two bytes of a hash: those that are zero in a boundary. */
  boundaryMask: 0x1ff,
} as const;
export type CutLimits = { readonly [Name in keyof typeof cutLimits]: number };

interface Cutting<Segment> {
  readonly suite: VerifyingSuite;
  readonly open: (segment: Segment) => Promise<readonly Message[]>;
  /** Of messages in order, never none. */
  readonly make: (messages: readonly Message[]) => Promise<Segment>;
  readonly limits?: CutLimits;
}

/**
 * The segments of a channel with `batch` (in order, none of them held) in it. Opens and makes those that
 * change, one at a time, and hands over the others as they are.
 */
export async function cutIn<Segment extends { readonly first: OrderKey }>(
  { suite, open, make, limits = cutLimits }: Cutting<Segment>,
  segments: readonly Segment[],
  batch: readonly Message[],
): Promise<Segment[]> {
  const result: Segment[] = [];
  let at = 0;
  let next = 0;
  while (next < batch.length) {
    const following = segments[at + 1];
    if (following !== undefined && keyAt(batch, next) >= following.first) {
      const untouched = segments[at];
      if (untouched !== undefined) result.push(untouched);
      at++;
      continue;
    }
    const piece = new Piece(suite, limits);
    // Over one segment after the other, until both ways of cutting meet again.
    for (;;) {
      const held = segments[at];
      const bound = segments[at + 1]?.first;
      const end = countBelow(batch, next, bound);
      for (const message of merged(held ? await open(held) : [], batch.slice(next, end))) {
        if (piece.endsBefore(message.id)) result.push(await make(piece.take()));
        piece.add(message);
      }
      next = end;
      at++;
      if (bound === undefined || piece.endsBefore(stampOfKey(bound).id)) break;
    }
    result.push(await make(piece.take()));
  }
  result.push(...segments.slice(at));
  return result;
}

/** The segment that is being filled. */
class Piece {
  readonly #suite: VerifyingSuite;
  readonly #limits: CutLimits;
  #messages: Message[] = [];
  #textUnits = 0;

  constructor(suite: VerifyingSuite, limits: CutLimits) {
    this.#suite = suite;
    this.#limits = limits;
  }

  endsBefore(id: OpId): boolean {
    const { length } = this.#messages;
    if (length === 0) return false;
    if (length >= this.#limits.messagesMax || this.#textUnits >= this.#limits.textUnitsMax) {
      return true;
    }
    return length >= this.#limits.messagesMin && this.#isBoundary(id);
  }

  #isBoundary({ replica, seq, index }: OpId): boolean {
    const id = new Writer(25).raw(bytesOfId(replica)).u64(seq).u8(index).finish();
    const [high = 0, low = 0] = this.#suite.hash("skein/cut/1", id);
    return ((high * 0x100 + low) & this.#limits.boundaryMask) === 0;
  }

  add(message: Message): void {
    this.#messages.push(message);
    this.#textUnits += message.text.length;
  }

  take(): readonly Message[] {
    const messages = this.#messages;
    this.#messages = [];
    this.#textUnits = 0;
    return messages;
  }
}

function* merged(a: readonly Message[], b: readonly Message[]): Generator<Message> {
  let next = 0;
  for (const message of a) {
    for (;;) {
      const other = b[next];
      if (other === undefined || compareStamps(other, message) > 0) break;
      yield other;
      next++;
    }
    yield message;
  }
  yield* b.slice(next);
}

function keyAt(batch: readonly Message[], at: number): OrderKey {
  const message = batch[at];
  if (message === undefined) throw new Error(`no message at ${at} of ${batch.length}`);
  return orderKey(message);
}
