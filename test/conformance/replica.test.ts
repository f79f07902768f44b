import { describe, expect, it } from "vitest";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { deviceStores, stores } from "@skein/shared/device/stores.ts";
import { type Kv, KvFailure } from "@skein/shared/device/kv.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import type { Lock } from "@skein/shared/device/writer.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId } from "@skein/shared/id/id.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Connection } from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { Tab } from "../support/party.ts";
import { toySuite } from "../support/toy-suite.ts";

const general = documentId(new Uint8Array(8).fill(1));
const origin = "http://localhost:8787";

class World {
  nowMs = 1_000_000;
  readonly bugs: unknown[] = [];
  readonly env: Env = {
    clock: { now: () => this.nowMs },
    random: {
      bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      fraction: () => Math.random(),
    },
  };
  readonly suite = toySuite(this.env.random);
  readonly store = new MemoryRelayStore();
  relay = this.newRelay();
  readonly #connections = new Set<() => void>();
  readonly #ticks = new Set<() => void>();

  newRelay(bus = new MemoryBusHub().connect()): Relay {
    return new Relay({
      env: this.env,
      suite: this.suite,
      store: this.store,
      bus,
      explain: (error) => ({ code: codes.unavailable, retryAfterMs: 0, detail: String(error) }),
      onEnded: () => {},
      onBug: (error) => this.bugs.push(error),
    });
  }

  async device(space: NewSpace): Promise<{ disk: MemoryDisk; tab: () => Tab }> {
    const disk = new MemoryDisk(deviceStores);
    const pair = await this.suite.newSigningPair();
    let last: Promise<unknown> = Promise.resolve();
    const lock: Lock = (body) => {
      const mine = last.then(body, body);
      last = mine.catch(() => {});
      return mine;
    };
    const tab = (): Tab =>
      new Tab({
        env: this.env,
        suite: this.suite,
        kv: disk.open(),
        space,
        pair,
        lock,
        onBug: (error) => this.bugs.push(error),
      });
    return { disk, tab };
  }

  /** Connects a leading tab to the relay; returns how to cut the wire. */
  async connect(tab: Tab, space: NewSpace): Promise<() => void> {
    const writeKey = (await this.suite.signingPairFromSeed(space.seeds.write)).secret;
    let cut = false;
    const ends: { theirs?: Connection } = {};
    const queueUp: Uint8Array[] = [];
    const queueDown: Uint8Array[] = [];
    const relay = this.relay;
    const link = new RelayLink({
      env: this.env,
      suite: this.suite,
      origin,
      durable: true,
      effects: new Effects((error) => this.bugs.push(error)),
      host: { onGreeted: () => {}, onEnded: () => {}, onSpaceState: () => {}, onPresent: () => {} },
      wire: {
        send: (frame) => {
          queueUp.push(frame);
          queueMicrotask(() => {
            const next = queueUp.shift();
            if (next !== undefined && !cut) ends.theirs?.receive(next);
          });
        },
        close: () => {},
      },
    });
    ends.theirs = relay.connect(
      {
        send: (frame) => {
          queueDown.push(frame);
          queueMicrotask(() => {
            const next = queueDown.shift();
            if (next !== undefined && !cut) link.connection.receive(next);
          });
        },
        close: () => {},
      },
      origin,
    );
    link.add(tab.access(writeKey));
    this.#ticks.add(() => {
      if (cut) return;
      link.tick();
      ends.theirs?.tick();
      tab.replica?.tick();
    });
    const doCut = (): void => {
      cut = true;
      link.connection.wireClosed(1006, "cut");
      ends.theirs?.wireClosed(1006, "cut");
    };
    this.#connections.add(doCut);
    return doCut;
  }

  async settle(rounds = 6): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      this.nowMs += 600;
      for (const tick of this.#ticks) tick();
    }
  }
}

const say = (text: string) => () => [{ kind: 0x7f, payload: new TextEncoder().encode(text) }];

describe("replicas through a relay", () => {
  it("apply each other's entries in causal order and hear of delivery by clocks", async () => {
    const world = new World();
    const space = await newSpace(world.suite, world.env.random);
    const [a, b] = [(await world.device(space)).tab(), (await world.device(space)).tab()];
    await a.lead();
    await b.lead();
    await world.connect(a, space);
    await world.connect(b, space);
    await a.writer.append(general, say("one"));
    await world.settle();
    await b.writer.append(general, say("two"));
    await a.writer.append(general, say("three"));
    await world.settle();
    expect(world.bugs).toEqual([]);
    for (const tab of [a, b]) {
      expect(tab.applied.length).toBe(3);
      expect(tab.replica?.unapplied).toBe(0);
      expect(tab.troubles).toEqual([]);
    }
    const two = a.applied.find((entry) => entry.replica === b.replicaId);
    expect(two?.deps).toEqual([{ replica: a.replicaId, seq: 1 }]);
    expect(a.sentTo).toBe(2);
    expect(a.board.clock(b.replicaId).get(a.replicaId)).toBe(2);
    expect(b.board.clock(a.replicaId).get(b.replicaId)).toBe(1);
  });

  it("keep what was written offline, over a relay that loses its memory and comes back", async () => {
    const world = new World();
    const space = await newSpace(world.suite, world.env.random);
    const deviceA = await world.device(space);
    const b = (await world.device(space)).tab();
    let a = deviceA.tab();
    await a.lead();
    for (let count = 0; count < 30; count++)
      await a.writer.append(general, say(`offline ${count}`));
    a.close();
    a = deviceA.tab();
    await a.lead();
    await b.lead();
    const cutA = await world.connect(a, space);
    const cutB = await world.connect(b, space);
    await world.settle();
    expect(b.applied.length).toBe(30);
    cutA();
    cutB();
    world.relay = world.newRelay();
    await b.writer.append(general, say("while away"));
    await world.connect(a, space);
    await world.connect(b, space);
    await world.settle();
    expect(world.bugs).toEqual([]);
    expect(a.replica?.applied.vector).toEqual(b.replica?.applied.vector);
    expect(b.sentTo).toBe(1);
  });

  it("hear what another relay of the store commits while theirs opens the room", async () => {
    const world = new World();
    const space = await newSpace(world.suite, world.env.random);
    const [a, b] = [(await world.device(space)).tab(), (await world.device(space)).tab()];
    await a.lead();
    await b.lead();
    const hub = new MemoryBusHub();
    world.relay = world.newRelay(hub.connect());
    await world.connect(a, space);
    await world.settle(1);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const heads = world.store.heads.bind(world.store);
    world.store.heads = async (tag) => {
      const read = await heads(tag);
      await held;
      return read;
    };
    world.relay = world.newRelay(hub.connect());
    await world.connect(b, space);
    await world.settle(1);
    await a.writer.append(general, say("while the store was read"));
    await world.settle(2);
    expect(a.sentTo).toBe(1);
    release();
    await world.settle();
    expect(b.applied.length).toBe(1);
    expect(world.bugs).toEqual([]);
  });

  it("let a second tab take the lead, and a deposed leader change nothing", async () => {
    const world = new World();
    const space = await newSpace(world.suite, world.env.random);
    const device = await world.device(space);
    const b = (await world.device(space)).tab();
    const [first, second] = [device.tab(), device.tab()];
    first.onOwnHead = (head) => second.replica?.ownAppended(head);
    await first.lead();
    await b.lead();
    await world.connect(first, space);
    await world.connect(b, space);
    await first.writer.append(general, say("before"));
    await world.settle();
    await second.lead();
    await world.connect(second, space);
    await b.writer.append(general, say("to the new leader"));
    await world.settle();
    expect(first.deposed).toBe(true);
    expect(second.replica?.applied.vector.get(b.replicaId)).toBe(1);
    expect(second.applied.length + first.applied.length).toBe(2);
    expect(world.bugs).toEqual([]);
  });

  it("keep the lead when the disk works again while an application is under way", async () => {
    const world = new World();
    const space = await newSpace(world.suite, world.env.random);
    const kv = new MemoryDisk(deviceStores).open();
    let failing = true;
    let isHeld = false;
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const slow: Kv = {
      read: (names, body) => kv.read(names, body),
      async write(names, durability, body) {
        if (names.includes(stores.registers) && failing) throw new KvFailure("quota", "no room");
        if (isHeld && names.includes(stores.applied)) await held;
        return kv.write(names, durability, body);
      },
      close: () => kv.close(),
    };
    const tab = new Tab({
      env: world.env,
      suite: world.suite,
      kv: slow,
      space,
      pair: await world.suite.newSigningPair(),
      lock: (body) => body(),
      onBug: (error) => world.bugs.push(error),
    });
    const replica = await tab.lead();
    await tab.writer.append(general, say("one"));
    await world.settle();
    world.nowMs += 1_000;
    replica.tick();
    await world.settle(1);
    expect(tab.troubles).not.toEqual([]);
    failing = false;
    isHeld = true;
    await tab.writer.append(general, say("two"));
    await world.settle(1);
    world.nowMs += 10_000;
    replica.tick();
    await world.settle(1);
    release();
    await world.settle();
    expect(tab.deposed).toBe(false);
    expect(tab.applied).toHaveLength(2);
  });
});
