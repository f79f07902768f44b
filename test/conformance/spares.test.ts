/** What the disk spoils of own entries that nobody else has comes back from their second copy. */
import { describe, expect, it } from "vitest";
import { partOf } from "@skein/shared/device/key.ts";
import { stores } from "@skein/shared/device/stores.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { DeviceWorld, type TestDevice } from "../support/device-world.ts";

/** Flips a bit in each row of the device's own log in that store, from the row that begins at `from` on. */
async function spoil(device: TestDevice, store: "segments" | "spares", from = 1): Promise<void> {
  await device.disk.open().write([store], "strict", async (tx) => {
    for (const { key, value } of await tx.range(store, { from: [], before: ["~"] })) {
      if (partOf<number>(key, 2) < from) continue;
      const row = value as { readonly bytes: Uint8Array };
      const bytes = Uint8Array.from(row.bytes, (byte, at) => (at === 20 ? byte ^ 1 : byte));
      tx.put(store, key, { ...row, bytes });
    }
  });
}

const numbered = (count: number, begin = 1) =>
  Array.from({ length: count }, (_, at) => `words ${at + begin}`);

const shows = async (device: TestDevice, texts: readonly string[]) =>
  (await device.texts()).join() === texts.join();

describe("own entries that nobody else has", () => {
  it("come back from their second copy, and go to the others as if nothing had been", async () => {
    const world = await DeviceWorld.begin();
    const relay = world.relay(new MemoryRelayStore());
    const ana = await world.device();
    const texts = numbered(130);
    await ana.post(...texts);
    await world.settle();
    await spoil(ana, stores.segments);
    const ben = await world.device();
    await ana.connect(relay);
    await ben.connect(relay);
    await world.until(() => shows(ben, texts));
    expect(ana.replica.exchange.holes.size).toBe(0);
    expect(
      await ana.tab.store.read(world.space.tag, ana.tab.replicaId, 1, 1_000_000),
    ).toBeDefined();
    expect(world.bugs).toEqual([]);
  });

  it("come back behind others that the relay has", async () => {
    const world = await DeviceWorld.begin();
    const relay = world.relay(new MemoryRelayStore());
    const [ana, ben] = [await world.device(), await world.device()];
    await ana.connect(relay);
    await ana.post(...numbered(40));
    await world.until(() => ana.session.storedTo(ana.tab.replicaId) === 40);
    await ana.tab.store.dropSpares(world.space.tag, ana.tab.replicaId, 40);
    ana.cut();
    await ana.post(...numbered(30, 41));
    await spoil(ana, stores.segments);
    await ana.connect(relay);
    await ben.connect(relay);
    await world.until(() => shows(ben, numbered(70)));
    expect(ana.replica.exchange.holes.size).toBe(0);
  });

  it("whose second copy is spoilt as well are told to be lost; those before them arrive", async () => {
    const world = await DeviceWorld.begin();
    const relay = world.relay(new MemoryRelayStore());
    const [ana, ben] = [await world.device(), await world.device()];
    await ana.post(...numbered(130));
    await world.settle();
    await spoil(ana, stores.segments);
    await spoil(ana, stores.spares, 50);
    await ana.connect(relay);
    await ben.connect(relay);
    await world.until(() => shows(ben, numbered(49)));
    const holes = ana.replica.exchange.holes.get(ana.tab.replicaId);
    expect(holes?.some(({ first }) => first === 50)).toBe(true);
  });

  it("have no second copy for long once others have them", async () => {
    const world = await DeviceWorld.begin();
    const relay = world.relay(new MemoryRelayStore());
    const ana = await world.device();
    await ana.connect(relay);
    await ana.post(...numbered(100));
    await world.until(() => ana.session.storedTo(ana.tab.replicaId) === 100);
    const rows = await ana.disk
      .open()
      .read([stores.spares], (tx) => tx.range(stores.spares, { from: [], before: ["~"] }));
    expect(rows.length).toBeLessThan(40);
  });
});
