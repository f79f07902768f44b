/**
 * Relays on one store whose bus loses what they tell each other: whoever is at another relay than the
 * one who writes has everything all the same, as soon as the bus says so, and in time if it does not.
 */
import { describe, expect, it, vi } from "vitest";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { Bus } from "../../server/src/bus/bus.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { relayLimits } from "../../server/src/limits.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { copyOf, DeviceWorld, retentionMs, type TestDevice } from "../support/device-world.ts";

/** A bus that can be told what to lose, and to say that it did. */
class LosingHub {
  loses: () => boolean = () => false;
  readonly #hub = new MemoryBusHub();
  readonly #lost = new Set<() => void>();

  connect(): Bus {
    const bus = this.#hub.connect();
    return {
      publish: (space: SpaceTag, message: Uint8Array) => {
        if (!this.loses()) bus.publish(space, message);
      },
      subscribe: (space, receive, lost) => {
        // A wrapper of its own, so that one function subscribed twice is two.
        const tell = (): void => lost();
        this.#lost.add(tell);
        const undo = bus.subscribe(space, receive, lost);
        return () => {
          this.#lost.delete(tell);
          undo();
        };
      },
      close: () => bus.close(),
    };
  }

  tell(): void {
    for (const lost of [...this.#lost]) lost();
  }
}

async function fleet() {
  const world = await DeviceWorld.begin();
  const [hub, store] = [new LosingHub(), new MemoryRelayStore()];
  const [left, right] = [world.relay(store, hub), world.relay(store, hub)];
  const at = async (relay: typeof left) => {
    const device = await world.device();
    await device.connect(relay);
    return device;
  };
  const [ana, ben] = [await at(left), await at(right)];
  await ana.post("before");
  await world.until(() => shows(ben, "before"));
  return { world, hub, store, left, right, at, ana, ben };
}

const shows = async (device: TestDevice, text: string) => (await device.texts()).includes(text);

describe("a relay whose bus has lost something", () => {
  it("hears of it from the store when the bus says so, and reads it once for all", async () => {
    const { world, hub, store, right, at, ana, ben } = await fleet();
    const others = [ben, await at(right), await at(right)];
    hub.loses = () => true;
    await ana.post("lost");
    await world.settle(2_000);
    for (const other of others) expect(await shows(other, "lost")).toBe(false);
    const reads = vi.spyOn(store, "read");
    hub.tell();
    await world.settle();
    for (const other of others) expect(await shows(other, "lost")).toBe(true);
    expect(reads).toHaveBeenCalledTimes(1);
    // The next one comes by the bus again.
    hub.loses = () => false;
    await ana.post("after");
    await world.settle();
    for (const other of others) expect(await shows(other, "after")).toBe(true);
    expect(reads).toHaveBeenCalledTimes(1);
    expect(world.bugs).toEqual([]);
  });

  it("sees it by the next entry of the same log, without being told", async () => {
    const { world, hub, ana, ben } = await fleet();
    hub.loses = () => true;
    await ana.post("lost");
    await world.settle();
    hub.loses = () => false;
    await ana.post("after");
    await world.settle();
    expect(await shows(ben, "lost")).toBe(true);
    expect(await shows(ben, "after")).toBe(true);
    expect(world.bugs).toEqual([]);
  });

  it("hears of devices that it has never heard of", async () => {
    const { world, hub, left, at, ben } = await fleet();
    hub.loses = () => true;
    const carl = await at(left);
    await carl.post("from carl");
    await world.settle(1_000);
    expect(await shows(ben, "from carl")).toBe(false);
    hub.tell();
    await world.settle();
    expect(await shows(ben, "from carl")).toBe(true);
    expect(world.bugs).toEqual([]);
  });

  it("hears of registers", async () => {
    const { world, hub, right, at, ana } = await fleet();
    hub.loses = () => true;
    const carl = await at(right);
    const clocksOf = ({ replica }: TestDevice) =>
      [...replica.exchange.holdings.registers].filter(
        (register) => register.replica === carl.tab.replicaId,
      );
    await world.until(() => clocksOf(carl).length > 0);
    await world.settle();
    expect(clocksOf(ana)).toEqual([]);
    hub.tell();
    await world.settle();
    expect(clocksOf(ana)).toHaveLength(clocksOf(carl).length);
    expect(world.bugs).toEqual([]);
  });

  it("hears that a log begins elsewhere", async () => {
    const { world, hub, left, right, at, ana } = await fleet();
    hub.loses = () => true;
    await ana.post("two", "three");
    await world.settle();
    const order = await world.order(1, [await ana.base()]);
    await ana.link?.request(world.space.tag, { type: "truncate", order });
    world.nowMs += retentionMs;
    await left.carryOutOrders(1);
    await world.settle();
    hub.tell();
    await world.settle();
    const newcomer = await at(right);
    await expect.poll(() => newcomer.session.missing).toBe(3);
    expect(await newcomer.texts()).toEqual([]);
    expect(world.bugs).toEqual([]);
  });

  it("hears that a log was taken apart", async () => {
    const { world, hub, left, right, at, ana } = await fleet();
    await world.settle(1_000);
    const copy = await world.device({ disk: await copyOf(ana.disk), pair: ana.pair });
    hub.loses = () => true;
    ana.cut();
    await ana.post("one 1", "one 2");
    await copy.post("two 1", "two 2", "two 3");
    await ana.connect(left);
    await copy.connect(right);
    const carl = await at(right);
    const texts = ["before", "one 1", "one 2", "two 1", "two 2", "two 3"];
    await world.until(async () => {
      hub.tell();
      for (const device of [ana, copy, carl]) {
        if ([...(await device.texts())].sort().join() !== texts.join()) return false;
      }
      return true;
    });
    expect(world.bugs).toEqual([]);
  });

  it("takes in what is lost while it reads the space from its store", async () => {
    const { world, hub, store, left, at, ana, ben } = await fleet();
    ben.cut();
    await world.settle();
    const third = world.relay(store, hub);
    // It has read the heads, and not got them yet.
    const heads = store.heads.bind(store);
    let goOn = (): void => {};
    vi.spyOn(store, "heads").mockImplementationOnce(async (space) => {
      const read = await heads(space);
      await new Promise<void>((resolve) => (goOn = resolve));
      return read;
    });
    const carl = await at(third);
    hub.loses = () => true;
    await ana.post("lost");
    await world.settle();
    hub.tell();
    goOn();
    await world.settle();
    expect(await shows(carl, "lost")).toBe(true);
    expect(left.roomCount).toBe(1);
    expect(world.bugs).toEqual([]);
  });

  it("looks on its own when it has not for long", async () => {
    const { world, hub, right, ana, ben } = await fleet();
    hub.loses = () => true;
    await ana.post("lost");
    await world.settle();
    expect(right.lookAround(10)).toBe(0);
    // No longer than anybody waits for a sign of life.
    const stepMs = 5_000;
    for (let ms = 0; ms < relayLimits.lookEveryMs; ms += stepMs) await world.settle(stepMs);
    expect(await shows(ben, "lost")).toBe(false);
    expect(right.lookAround(0)).toBe(0);
    expect(right.lookAround(10)).toBe(1);
    expect(right.lookAround(10)).toBe(0);
    await world.settle();
    expect(await shows(ben, "lost")).toBe(true);
    expect(world.bugs).toEqual([]);
  });

  it("looks again soon after a look that failed", async () => {
    const { world, hub, store, left, right, ana, ben } = await fleet();
    hub.loses = () => true;
    await ana.post("lost");
    await world.settle();
    const refuse = () => Promise.reject(new Error("out of reach"));
    const heads = vi.spyOn(store, "heads").mockImplementation(refuse);
    hub.tell();
    await world.settle();
    heads.mockRestore();
    await world.settle(relayLimits.lookRetryMs - 1);
    expect(left.lookAround(10) + right.lookAround(10)).toBe(0);
    await world.settle(1);
    expect(left.lookAround(10) + right.lookAround(10)).toBe(2);
    await world.settle();
    expect(await shows(ben, "lost")).toBe(true);
    expect(world.bugs).toEqual([]);
  });

  it("brings everybody everything, whatever is lost, when the bus says so in the end", async () => {
    const { world, hub, left, right, at, ana, ben } = await fleet();
    const devices = [ana, ben, await at(left), await at(right)];
    let dice = 7;
    hub.loses = () => {
      dice = (dice * 1_103_515_245 + 12_345) % 2 ** 31;
      return dice > 2 ** 30;
    };
    const texts = ["before"];
    for (let round = 0; round < 25; round++) {
      for (const [index, device] of devices.entries()) {
        texts.push(`${index} ${round}`);
        await device.post(`${index} ${round}`);
      }
      if (round % 5 === 0) await world.settle(500);
    }
    await world.settle(1_000);
    hub.tell();
    await world.until(async () => {
      for (const device of devices) if ((await device.texts()).length < texts.length) return false;
      return true;
    });
    for (const device of devices) expect([...(await device.texts())].sort()).toEqual(texts.sort());
    expect(world.bugs).toEqual([]);
  });
});
