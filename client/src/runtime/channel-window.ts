/**
 * The part of a channel that is in memory, oldest first: what was read from the database, what was
 * applied since, and own messages that are still on their way to the disk. Plain data in, plain data out.
 *
 * Invariants (tests cite the numbers):
 *  1. Every message stands in it once, whichever ways it came: read, applied, or written here.
 *  2. It has no gaps: what lies before its oldest message is not in it until a page is read.
 *  3. A message keeps its key for as long as the window lives: one that was written here keeps the key
 *     it had before it was committed.
 *  4. Where everything is applied anew (`beginAnew`) messages have other ids and keys than before.
 *  5. Own messages on their way stand at the end, in the order they were written.
 */
import type { OrderKey } from "@skein/shared/chat/order-key.ts";
import { orderKey } from "@skein/shared/chat/order-key.ts";
import { compareStamps, keyOfId } from "@skein/shared/crdt/crdt.ts";
import type { Message as StoredMessage } from "@skein/shared/crdt/op/channel.ts";

export interface WindowRow {
  readonly key: string;
  /** Undefined while it is not committed. */
  readonly stored: StoredMessage | undefined;
  readonly text: string;
  readonly timeMs: number;
}

interface Page {
  /** Oldest first. */
  readonly messages: readonly StoredMessage[];
  readonly hasMore: boolean;
}

/** Of a long channel that is applied anew no more is kept; the rest is read again when asked for. */
const anewRowsMax = 2_000;

export class ChannelWindow {
  #rows: WindowRow[] = [];
  readonly #pending = new Map<string, WindowRow>();
  /** By the id of a message: the key under which it was shown before it had one. */
  readonly #ownKeys = new Map<string, string>();
  readonly #byKey = new Map<string, StoredMessage>();
  #hasOlder = true;
  #loaded = false;
  /** Applied before the first page was read. */
  #early: StoredMessage[] = [];
  /** Everything is applied anew, and comes in the order it was: the newest is last. */
  #isAnew = false;

  get rows(): readonly WindowRow[] {
    return [...this.#rows, ...this.#pending.values()];
  }

  get hasOlder(): boolean {
    return this.#hasOlder;
  }

  /** Where the next older page ends; undefined before the first one. */
  get oldest(): OrderKey | undefined {
    const first = this.#rows[0]?.stored;
    return first && orderKey(first);
  }

  /** The committed message under a key; undefined for what is not here or not committed. */
  message(key: string): StoredMessage | undefined {
    return this.#byKey.get(key);
  }

  isPending(key: string): boolean {
    return this.#pending.has(key);
  }

  /** The messages before the oldest one here. */
  prepend({ messages, hasMore }: Page): void {
    this.#loaded = true;
    this.#hasOlder = hasMore;
    const early = this.#early;
    this.#early = [];
    for (const message of messages) this.#insert(message);
    for (const message of early) this.add(message);
  }

  /** Applied on this device. False if it lies before what is here, or was here. */
  add(message: StoredMessage): boolean {
    if (!this.#loaded) {
      this.#early.push(message);
      return false;
    }
    const first = this.#rows[0]?.stored;
    if (this.#hasOlder && first !== undefined && compareStamps(message, first) < 0) return false;
    const isNew = this.#insert(message);
    if (this.#isAnew && this.#rows.length > anewRowsMax) this.#dropOldest(anewRowsMax / 2);
    return isNew;
  }

  /** What was applied is void, and is applied anew (a log was taken apart): under other ids, perhaps. */
  beginAnew(): void {
    this.#rows = [];
    this.#byKey.clear();
    this.#ownKeys.clear();
    this.#early = [];
    this.#hasOlder = false;
    this.#loaded = true;
    this.#isAnew = true;
  }

  /** Written in this tab; not committed yet. */
  write(key: string, text: string, timeMs: number): void {
    this.#pending.set(key, { key, stored: undefined, text, timeMs });
  }

  /** What was written under `key` is committed as `message`. */
  commit(key: string, message: StoredMessage): void {
    this.#pending.delete(key);
    const id = keyOfId(message.id);
    const at = this.#rows.findIndex((row) => row.key === id);
    // Applied before its commit was reported: it takes the key it had until now.
    if (at >= 0) this.#rows.splice(at, 1);
    this.#byKey.delete(id);
    this.#ownKeys.set(id, key);
    this.#insert(message);
  }

  #dropOldest(count: number): void {
    for (const { key } of this.#rows.splice(0, count)) this.#byKey.delete(key);
    this.#hasOlder = true;
  }

  #insert(message: StoredMessage): boolean {
    const id = keyOfId(message.id);
    const key = this.#ownKeys.get(id) ?? id;
    if (this.#byKey.has(key)) return false;
    this.#byKey.set(key, message);
    const { text, timeMs } = message;
    let at = this.#rows.length;
    for (; at > 0; at--) {
      const before = this.#rows[at - 1]?.stored;
      if (before === undefined || compareStamps(before, message) < 0) break;
    }
    this.#rows.splice(at, 0, { key, stored: message, text, timeMs });
    return true;
  }
}
