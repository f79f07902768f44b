/**
 * What becomes of a device whose profile was copied, or put back from a backup, and written on: of its
 * log, of what both wrote, and of everybody else who saw either.
 */
import { describe, expect, it } from "vitest";
import { equalBytes } from "@skein/shared/bytes/bytes.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { copyOf, DeviceWorld, type TestDevice } from "../support/device-world.ts";

/** A device and a copy of it, which have written so much before. */
async function twins(world: DeviceWorld, before: readonly string[]) {
  const one = await world.device();
  await one.post(...before);
  await world.settle(1_000);
  const two = await world.device({ disk: await copyOf(one.disk), pair: one.pair });
  return { one, two, replica: one.tab.replicaId };
}

const sorted = (texts: readonly string[]) => [...texts].sort();

/** Everybody shows all texts, each once, and waits for nothing. */
const allShow = async (devices: readonly TestDevice[], texts: readonly string[]) => {
  for (const device of devices) {
    const shown = sorted(await device.texts());
    if (device.replica.unapplied > 0 || shown.join() !== sorted(texts).join()) return false;
  }
  return true;
};

/** Of each log that is held, up to where, the same for all. */
const vectors = (devices: readonly TestDevice[]) =>
  devices.map(({ replica }) =>
    [...replica.applied.vector].map(([log, seq]) => `${log}:${seq}`).sort(),
  );

function expectSame(devices: readonly TestDevice[]): void {
  const [first, ...others] = vectors(devices);
  for (const other of others) expect(other).toEqual(first);
}

describe("a log that has forked", () => {
  it("goes on as two, and everybody shows what both wrote", async () => {
    for (let round = 0; round < 2; round++) {
      const world = await DeviceWorld.begin();
      const relay = world.relay(new MemoryRelayStore());
      const { one, two, replica } = await twins(world, ["a", "b"]);
      const ben = await world.device();
      await one.post("one 1", "one 2");
      await two.post("two 1", "two 2", "two 3");
      for (const device of [one, two, ben]) await device.connect(relay);
      const texts = ["a", "b", "one 1", "one 2", "two 1", "two 2", "two 3"];
      const devices = [one, two, ben];
      await world.until(() => allShow(devices, texts));
      expectSame(devices);
      expect([...ben.replica.applied.vector.keys()]).toHaveLength(2);
      // Both go on, each in its own log, and so does who reads them.
      await one.post("one 3");
      await two.post("two 4");
      await ben.post("ben 1");
      const more = [...texts, "one 3", "two 4", "ben 1"];
      const before = world.nowMs;
      await world.until(() => allShow(devices, more));
      // It is pushed like any own entry: nobody has to compare first.
      expect(world.nowMs - before).toBeLessThan(5_000);
      expectSame(devices);
      expect(new Set([one.replica.ownLog, two.replica.ownLog]).size).toBe(2);
      expect([one, two].filter((device) => device.replica.ownLog === replica)).toHaveLength(1);
      expect(world.bugs).toEqual([]);
    }
  });

  it("is the same to whoever had applied the branch that left it", async () => {
    for (let round = 0; round < 2; round++) {
      const world = await DeviceWorld.begin();
      const [left, right] = [new MemoryRelayStore(), new MemoryRelayStore()].map((store) =>
        world.relay(store, new MemoryBusHub()),
      );
      if (left === undefined || right === undefined) throw new Error("two relays");
      const { one, two } = await twins(world, ["a"]);
      const [ben, cleo] = [await world.device(), await world.device()];
      await one.connect(left);
      await ben.connect(left);
      await two.connect(right);
      await cleo.connect(right);
      await one.post("one 1", "one 2");
      await two.post("two 1");
      await world.until(() => allShow([one, ben], ["a", "one 1", "one 2"]));
      await world.until(() => allShow([two, cleo], ["a", "two 1"]));
      await ben.post("ben saw one 2");
      await cleo.post("cleo saw two 1");
      await world.settle(1_000);
      await ben.connect(right);
      const texts = ["a", "one 1", "one 2", "two 1", "ben saw one 2", "cleo saw two 1"];
      await world.until(() => allShow([two, ben, cleo], texts));
      await one.connect(right);
      await world.until(() => allShow([one, two, ben, cleo], texts));
      expectSame([one, two, ben, cleo]);
      // Nobody's message stands twice, and the relay that nobody speaks to any more is healed later.
      await cleo.connect(left);
      await world.until(() => allShow([one, two, ben, cleo], texts));
      const late = await world.device();
      await late.connect(left);
      await world.until(() => allShow([late], texts));
      expectSame([late, one]);
      expect(world.bugs).toEqual([]);
    }
  });

  it("counts as sent only what the relay has of the very branch", async () => {
    for (let round = 0; round < 4; round++) {
      const world = await DeviceWorld.begin();
      const store = new MemoryRelayStore();
      const relay = world.relay(store);
      const { one, two } = await twins(world, ["a", "b"]);
      await one.connect(relay);
      await one.post("one 1", "one 2", "one 3", "one 4");
      await two.post("two 1", "two 2");
      await world.until(() => one.session.storedTo(one.replica.ownLog) === 6);
      const untrue: number[] = [];
      const looks: Promise<void>[] = [];
      two.tab.onStoredBy = (_session, seq) => {
        const own = two.replica.exchange.holdings.head(two.replica.ownLog);
        const look = store.heads(world.space.tag).then((heads) => {
          const held = heads.find(({ replica }) => replica === own?.replica);
          const isTold = own !== undefined && seq >= own.to;
          if (isTold && (held === undefined || held.to < own.to)) untrue.push(seq);
          if (isTold && held?.to === own.to && !equalBytes(held.hash, own.hash)) untrue.push(seq);
          if (isTold && held !== undefined && held.to > own.to) untrue.push(seq);
        });
        looks.push(look);
      };
      await two.connect(relay);
      await world.until(() =>
        allShow(
          [one, two],
          [...["a", "b", "one 1", "one 2", "one 3", "one 4"], ...["two 1", "two 2"]],
        ),
      );
      await Promise.all(looks);
      expect(untrue).toEqual([]);
      await world.until(() => two.session.storedTo(two.replica.ownLog) === 4);
    }
  });

  it("is written on where it was left, also after a start", async () => {
    const world = await DeviceWorld.begin();
    const relay = world.relay(new MemoryRelayStore());
    const { one, two, replica } = await twins(world, ["a"]);
    await one.post("one 1");
    await two.post("two 1");
    for (const device of [one, two]) await device.connect(relay);
    await world.until(() => allShow([one, two], ["a", "one 1", "two 1"]));
    const [moved] = [one, two].filter((device) => device.replica.ownLog !== replica);
    if (moved === undefined) throw new Error("neither of them has moved");
    const log: ReplicaId = moved.replica.ownLog;
    moved.cut();
    moved.tab.close();
    const again = await world.device({ disk: moved.disk, pair: moved.pair });
    expect(again.replica.ownLog).toBe(log);
    await again.post("again");
    await again.connect(relay);
    const other = moved === one ? two : one;
    await world.until(() => allShow([again, other], ["a", "again", "one 1", "two 1"]));
    expect(again.tab.sentTo).toBe(again.replica.applied.vector.get(log));
    expect(world.bugs).toEqual([]);
  });
});
