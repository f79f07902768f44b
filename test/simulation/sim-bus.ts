/**
 * The bus of relays that share a store: messages take their time, those of one relay to another stay
 * in their order, and now and then one comes twice. None is lost but with the process it was meant
 * for (docs/simulation.md tells why not). Whoever has published something may die: it is under way.
 */
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { Bus } from "../../server/src/bus/bus.ts";
import type { Actor } from "./actor.ts";
import type { Ground } from "./ground.ts";

type Receive = (message: Uint8Array) => void;

export class SimBusHub {
  readonly #ground: Ground;
  readonly #ends = new Set<SimBus>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** The end of one relay's process. */
  connect(process: Actor): Bus {
    const bus: SimBus = new SimBus(this.#ground, process, this.#ends);
    this.#ends.add(bus);
    return bus;
  }
}

class SimBus implements Bus {
  readonly #ground: Ground;
  readonly #process: Actor;
  readonly #ends: Set<SimBus>;
  readonly #receivers = new Map<SpaceTag, Set<Receive>>();
  /** When the last message to each other end arrives there. */
  readonly #arrivals = new WeakMap<SimBus, number>();

  constructor(ground: Ground, process: Actor, ends: Set<SimBus>) {
    this.#ground = ground;
    this.#process = process;
    this.#ends = ends;
  }

  publish(space: SpaceTag, message: Uint8Array): void {
    const { dice, options, nowMs } = this.#ground;
    for (const end of this.#ends) {
      if (end.#process.dead) this.#ends.delete(end);
      else if (end !== this) {
        const onWayMs = dice.between(1, options.busMsMax);
        const atMs = Math.max(this.#arrivals.get(end) ?? 0, nowMs + onWayMs);
        this.#arrivals.set(end, atMs);
        end.#process.after(atMs - nowMs, () => end.#deliver(space, message));
        if (!this.#ground.strikes("duplicate")) continue;
        const againMs = atMs - nowMs + dice.between(0, 300);
        end.#process.after(againMs, () => end.#deliver(space, message));
      }
    }
  }

  subscribe(space: SpaceTag, receive: Receive): () => void {
    const own: Receive = (message) => receive(message);
    const receivers = this.#receivers.get(space) ?? new Set();
    this.#receivers.set(space, receivers.add(own));
    return () => receivers.delete(own);
  }

  async close(): Promise<void> {
    this.#receivers.clear();
    this.#ends.delete(this);
  }

  #deliver(space: SpaceTag, message: Uint8Array): void {
    for (const receive of this.#receivers.get(space) ?? []) {
      this.#ground.fire("heard over the bus");
      receive(message);
    }
  }
}
