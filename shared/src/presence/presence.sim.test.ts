/**
 * Presence among many devices on a network that loses, delays and repeats, with clocks that are years
 * apart. One seed, one course; a failure names its seed.
 */
import { describe, expect, it } from "vitest";
import type { Rumour, RumourContent } from "../gossip/rumour.ts";
import type { ReplicaId } from "../id/id.ts";
import { Presence, presenceTimes } from "./presence.ts";

const tickMs = 500;
const seeds = Array.from({ length: 6 }, (_, seed) => seed + 1);

function diceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

const yearMs = 3.15e10;
const wallMs = (nowMs: number, offsetMs: number) => 1e12 + nowMs + offsetMs;
const presenceFrom = (self: ReplicaId, startMs: number) =>
  new Presence({ self, incarnation: Math.max(0, startMs), replicasMax: 1_000 });

const sign = (content: RumourContent): Rumour => ({
  ...content,
  signature: new Uint8Array(64).fill(content.version % 256),
});

interface Device {
  readonly replica: ReplicaId;
  readonly neighbours: number[];
  /** Of its newest start. */
  presence: Presence;
  alive: boolean;
  readonly clockOffsetMs: number;
}

interface Whisper {
  readonly from: number;
  readonly to: number;
  readonly atMs: number;
  readonly rumours: readonly Rumour[];
}

interface Network {
  readonly count: number;
  /** Neighbours of each device; all others when it is as many. */
  readonly degree: number;
  readonly loss: number;
  readonly clocksDiffer: boolean;
}

class World {
  readonly devices: Device[] = [];
  readonly #dice: () => number;
  readonly #network: Network;
  #whispers: Whisper[] = [];
  nowMs = 0;

  constructor(seed: number, network: Network) {
    this.#dice = diceOf(seed);
    this.#network = network;
    for (let index = 0; index < network.count; index++) {
      const replica = index.toString(16).padStart(32, "0") as ReplicaId;
      // Up to ten years either way.
      const clockOffsetMs = network.clocksDiffer ? (this.#dice() - 0.5) * 20 * yearMs : 0;
      const presence = presenceFrom(replica, wallMs(0, clockOffsetMs));
      this.devices.push({ replica, neighbours: [], presence, alive: true, clockOffsetMs });
    }
    this.devices.forEach((device, index) => this.#connect(device, index));
  }

  /** A ring, so that nobody is cut off, and random others both ways. */
  #connect(device: Device, index: number): void {
    const { count, degree } = this.#network;
    const link = (other: number) => {
      if (other === index || device.neighbours.includes(other)) return;
      device.neighbours.push(other);
      this.devices[other]?.neighbours.push(index);
    };
    link((index + 1) % count);
    while (device.neighbours.length < Math.min(degree, count - 1)) {
      link(Math.floor(this.#dice() * count));
    }
  }

  start(device: Device): void {
    device.presence = presenceFrom(device.replica, this.wallMs(device));
    device.alive = true;
  }

  wallMs(device: Device): number {
    return wallMs(this.nowMs, device.clockOffsetMs);
  }

  run(durationMs: number, check: () => void = () => {}): void {
    for (const end = this.nowMs + durationMs; this.nowMs < end; this.nowMs += tickMs) {
      this.#step();
      check();
    }
  }

  whoIsHere(device: Device): ReplicaId[] {
    return device.presence
      .devices(this.wallMs(device))
      .filter(({ presence }) => presence !== "offline")
      .map(({ replica }) => replica)
      .sort();
  }

  leave(device: Device): void {
    const said = sign(device.presence.leave(this.wallMs(device)));
    this.#whisper(device, [said]);
    device.alive = false;
  }

  #step(): void {
    const due = this.#whispers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#whispers = this.#whispers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { from, to, rumours } of due) {
      const [device, sender] = [this.devices[to], this.devices[from]];
      if (device?.alive !== true || sender === undefined) continue;
      const heard = device.presence.hear(rumours, sender.replica, this.wallMs(device));
      if (heard.fresh.length > 0) this.#whisper(device, heard.fresh, from);
      if (heard.correction !== undefined) this.#send(to, from, [heard.correction]);
      if (heard.appeared.includes(sender.replica)) {
        this.#send(to, from, device.presence.vouch(this.wallMs(device), 100));
      }
    }
    for (const device of this.devices) {
      if (!device.alive) continue;
      const content = device.presence.due(this.wallMs(device));
      if (content !== undefined) {
        const said = sign(content);
        device.presence.said(said);
        this.#whisper(device, [said]);
      }
      device.presence.expire(this.wallMs(device));
    }
  }

  #whisper(device: Device, rumours: readonly Rumour[], except?: number): void {
    const from = this.devices.indexOf(device);
    for (const to of device.neighbours) if (to !== except) this.#send(from, to, rumours);
  }

  #send(from: number, to: number, rumours: readonly Rumour[]): void {
    if (this.#dice() < this.#network.loss) return;
    const times = this.#dice() < 0.1 ? 2 : 1;
    for (let time = 0; time < times; time++) {
      this.#whispers.push({ from, to, rumours, atMs: this.nowMs + this.#dice() * 1_000 });
    }
  }
}

const deviceOf = (world: World, index: number): Device => {
  const device = world.devices[index];
  if (device === undefined) throw new Error(`no device ${index}`);
  return device;
};
const allReplicas = (world: World) => world.devices.map(({ replica }) => replica).sort();

describe.each(seeds)("presence with seed %i", (seed) => {
  const mesh: Network = { count: 24, degree: 4, loss: 0.2, clocksDiffer: true };

  it("lets everybody know everybody, and nobody flicker, on a mesh that loses a fifth", () => {
    const world = new World(seed, mesh);
    world.run(20_000);
    const everyone = allReplicas(world);
    let missing = 0;
    let looks = 0;
    world.run(180_000, () => {
      for (const device of world.devices) {
        missing += everyone.length - world.whoIsHere(device).length;
        looks += everyone.length;
      }
    });
    expect(missing / looks).toBeLessThan(0.001);
  });

  it("shows nobody who fell silent beyond the time-out, and all again after they are back", () => {
    const world = new World(seed, mesh);
    world.run(30_000);
    const [dead, newcomer] = [deviceOf(world, 3), deviceOf(world, 7)];
    newcomer.alive = false;
    dead.alive = false;
    world.run(10_000);
    world.start(newcomer);
    // What is on its way when it dies takes some hops; a newcomer may hear it vouched for.
    world.run(presenceTimes.expiryMs + presenceTimes.vouchMs);
    for (const device of world.devices.filter(({ alive }) => alive)) {
      expect(world.whoIsHere(device)).not.toContain(dead.replica);
    }
    world.start(dead);
    world.run(2 * presenceTimes.renewMs);
    for (const device of world.devices) expect(world.whoIsHere(device)).toEqual(allReplicas(world));
  });

  it("shows who left as gone at once, where nothing is lost", () => {
    const world = new World(seed, { ...mesh, loss: 0 });
    world.run(30_000);
    const gone = deviceOf(world, 5);
    world.leave(gone);
    world.run(10_000);
    const others = world.devices.filter((device) => device !== gone);
    expect(others.filter((each) => world.whoIsHere(each).includes(gone.replica))).toEqual([]);
  });

  it("stays silent but for renewals while nothing happens, in a room where all hear all", () => {
    const world = new World(seed, { count: 10, degree: 9, loss: 0, clocksDiffer: false });
    world.run(10_000);
    const versions = () =>
      world.devices.map(
        (device) => device.presence.vouch(world.wallMs(device), 1)[0]?.version ?? 0,
      );
    const before = versions();
    world.run(60_000);
    const renewals = versions().map((version, index) => version - (before[index] ?? 0));
    expect(renewals).toEqual(renewals.map(() => 60_000 / presenceTimes.renewMs));
  });
});
