/**
 * How relays on one store tell each other what is new, space by space. A hint only: a bus may lose
 * messages, and nothing depends on it, because whoever listens is told that something may be lost and
 * compares with the store. Within one process there is one relay and nobody to tell (`memory.ts`).
 */
import type { SpaceTag } from "@skein/shared/id/id.ts";

export interface Bus {
  /**
   * Hands the message to whoever subscribed to the space on every other relay, never to this one:
   * it knows already. In order per relay and space, later than the call. Takes ownership of the
   * bytes. Does not fail; while the bus is down, messages are dropped.
   */
  publish(space: SpaceTag, message: Uint8Array): void;

  /**
   * Returns its own undo. The bytes are the receiver's to read, not to change. `lost`: something that
   * another relay published after this call may never come, so the store knows more than was
   * received. Once for each time that happens, also when the bus was down and is back; a publisher that
   * dies before anybody has heard of its last message takes that one along.
   */
  subscribe(space: SpaceTag, receive: (message: Uint8Array) => void, lost: () => void): () => void;

  /** Final and idempotent; nothing is received afterwards. */
  close(): Promise<void>;
}
