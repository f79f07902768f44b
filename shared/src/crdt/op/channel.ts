/**
 * A channel: messages that only accumulate, in one order for everybody. Operation-based, after the
 * grow-only set of Shapiro et al. (INRIA RR-7506, 2011): every post adds the one message that
 * bears its id, additions commute, and the order is read off the stamps and never negotiated. It
 * extends causal order, so that an answer stands below its question however late that arrived.
 *
 * This form holds a channel in memory. A device keeps the same messages packed in segments
 * (`chat/segment.ts`), because a million of them must open like fifty; a test holds the two equal.
 */
import {
  compareStamps,
  type Delivered,
  type OpBased,
  type RawOperation,
  type Stamp,
  type Understood,
} from "../crdt.ts";

/** Editing, deleting and reacting will be further members of this union. */
export type ChannelOperation = Post;

export interface Post {
  readonly kind: "post";
  /** The author's wall clock, ms since 1970: for display, never for order. */
  readonly timeMs: number;
  readonly text: string;
}

/** A plain record (structured clone). Its author is the replica of its id. */
export interface Message extends Stamp {
  readonly timeMs: number;
  readonly text: string;
}

export const messageOf = ({ id, lamport, op }: Delivered<Post>): Message => ({
  id,
  lamport,
  timeMs: op.timeMs,
  text: op.text,
});

export class Channel implements OpBased<Understood<ChannelOperation>, readonly Message[]> {
  readonly #messages: Message[] = [];
  readonly #parked: Delivered<RawOperation>[] = [];

  /** In the order of stamps. */
  get value(): readonly Message[] {
    return this.#messages;
  }

  /**
   * What somebody's newer app said, in the order it came: to be decoded again after an update, and
   * applied then.
   */
  get parked(): readonly Delivered<RawOperation>[] {
    return this.#parked;
  }

  apply({ id, lamport, op }: Delivered<Understood<ChannelOperation>>): void {
    switch (op.kind) {
      case "known":
        insertByStamp(this.#messages, messageOf({ id, lamport, op: op.op }));
        return;
      case "parked":
        // A copy: the entry that the payload is a view into goes away.
        this.#parked.push({ id, lamport, op: { ...op.raw, payload: op.raw.payload.slice() } });
        return;
      case "void":
        return;
    }
  }
}

/** From the end, because what arrives is mostly the newest. */
function insertByStamp(messages: Message[], message: Message): void {
  let at = messages.length;
  for (; at > 0; at--) {
    const before = messages[at - 1];
    if (before === undefined || compareStamps(before, message) < 0) break;
  }
  messages.splice(at, 0, message);
}
