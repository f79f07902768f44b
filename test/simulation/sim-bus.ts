/**
 * The bus of relays that share a store: messages take their time, those of one relay to another stay
 * in their order, and now and then one comes twice. Whoever has published something may die: it is under
 * way. Where the bus forgets, one message is lost, or an end or the whole bus is out for a while; as the
 * port has it, who lacks something is told so a little later, by whoever published it.
 */
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { Bus } from "../../server/src/bus/bus.ts";
import type { Actor } from "./actor.ts";
import type { Ground } from "./ground.ts";

type Receive = (message: Uint8Array) => void;

interface Receiver {
  readonly receive: Receive;
  readonly lost: () => void;
}

/** A publisher says once a second how much it has published. */
const toldWithinMs = 1_500;

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

  /** For so long nothing comes through, to one end or to all. */
  outage(forMs: number): void {
    const { dice, schedule } = this.#ground;
    const ends = [...this.#ends];
    const down = dice.chance(0.5) || ends.length === 0 ? ends : [dice.pick(ends)];
    for (const end of down) end.isDown = true;
    schedule.after(forMs, () => {
      for (const end of down) end.comeBack();
    });
  }

  heal(): void {
    for (const end of this.#ends) end.comeBack();
  }
}

class SimBus implements Bus {
  isDown = false;
  readonly #ground: Ground;
  readonly #process: Actor;
  readonly #ends: Set<SimBus>;
  readonly #receivers = new Map<SpaceTag, Set<Receiver>>();
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
        if (this.#loses(end)) {
          this.#tellOfLoss(end, space);
          continue;
        }
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

  subscribe(space: SpaceTag, receive: Receive, lost: () => void): () => void {
    const own: Receiver = { receive, lost };
    const receivers = this.#receivers.get(space) ?? new Set();
    this.#receivers.set(space, receivers.add(own));
    return () => receivers.delete(own);
  }

  async close(): Promise<void> {
    this.#receivers.clear();
    this.#ends.delete(this);
  }

  /** Who hears the bus again may have missed anything. */
  comeBack(): void {
    if (!this.isDown) return;
    this.isDown = false;
    for (const space of this.#receivers.keys()) {
      this.#process.after(0, () => this.#lost(space));
    }
  }

  #loses(end: SimBus): boolean {
    return this.isDown || end.isDown || this.#ground.strikes("bus loss");
  }

  /** By the publisher's count, while it lives and the bus works. */
  #tellOfLoss(end: SimBus, space: SpaceTag): void {
    const { dice } = this.#ground;
    this.#process.after(dice.between(1, toldWithinMs), () => {
      if (this.isDown || end.isDown) this.#tellOfLoss(end, space);
      else end.#process.after(dice.between(0, 5), () => end.#lost(space));
    });
  }

  #lost(space: SpaceTag): void {
    for (const { lost } of this.#receivers.get(space) ?? []) {
      this.#ground.fire("told of a loss");
      lost();
    }
  }

  #deliver(space: SpaceTag, message: Uint8Array): void {
    if (this.isDown) return;
    for (const { receive } of this.#receivers.get(space) ?? []) {
      this.#ground.fire("heard over the bus");
      receive(message);
    }
  }
}
