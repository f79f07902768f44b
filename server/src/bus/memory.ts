/**
 * A bus within one process: the only relay's, or that of several in tests. It never loses anything,
 * and so never says that it did.
 */
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { Bus } from "./bus.ts";

type Receive = (message: Uint8Array) => void;

export class MemoryBusHub {
  readonly #relays = new Set<MemoryBus>();

  /** One relay's end of the bus. */
  connect(): Bus {
    const bus: MemoryBus = new MemoryBus(
      (space, message) => {
        for (const other of this.#relays) if (other !== bus) other.deliver(space, message);
      },
      () => this.#relays.delete(bus),
    );
    this.#relays.add(bus);
    return bus;
  }
}

class MemoryBus implements Bus {
  readonly #tell: (space: SpaceTag, message: Uint8Array) => void;
  readonly #leave: () => void;
  readonly #receivers = new Map<SpaceTag, Set<Receive>>();
  #closed = false;

  constructor(tell: (space: SpaceTag, message: Uint8Array) => void, leave: () => void) {
    this.#tell = tell;
    this.#leave = leave;
  }

  publish(space: SpaceTag, message: Uint8Array): void {
    if (!this.#closed) this.#tell(space, message);
  }

  subscribe(space: SpaceTag, receive: Receive): () => void {
    // A wrapper of its own, so that one function subscribed twice is two subscriptions.
    const own: Receive = (message) => receive(message);
    const receivers = this.#receivers.get(space) ?? new Set();
    this.#receivers.set(space, receivers.add(own));
    return () => {
      receivers.delete(own);
      if (receivers.size === 0 && this.#receivers.get(space) === receivers) {
        this.#receivers.delete(space);
      }
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#receivers.clear();
    this.#leave();
  }

  /** Later than the call, as over a wire: a publisher is never called back from within. */
  deliver(space: SpaceTag, message: Uint8Array): void {
    if (!this.#receivers.has(space)) return;
    queueMicrotask(() => {
      for (const receive of this.#receivers.get(space) ?? []) receive(message);
    });
  }
}
