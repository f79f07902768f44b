/**
 * An owner's order to let go of entries, at a relay with its store: who may give it, when it is carried
 * out, and who hears of it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { newSpace } from "@skein/shared/space/new-space.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { SqliteStore } from "../../server/src/store/sqlite.ts";
import { noBounds, type RelayStore } from "../../server/src/store/store.ts";
import { DeviceWorld, retentionMs, type TestDevice } from "../support/device-world.ts";

const folders: string[] = [];
const stores: RelayStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function sqlite(): Promise<RelayStore> {
  const folder = mkdtempSync(join(tmpdir(), "skein-"));
  folders.push(folder);
  const died = (error: unknown): never => {
    throw error;
  };
  const store = await SqliteStore.open({ folder, bounds: noBounds, onDied: died });
  if (!(store instanceof SqliteStore)) throw store;
  return store;
}

describe.each([
  ["memory", async () => new MemoryRelayStore()],
  ["SQLite", sqlite],
] as const)("an order to truncate, at a relay with a store in %s", (_, open) => {
  async function begin() {
    const store = await open();
    stores.push(store);
    const world = await DeviceWorld.begin();
    const { tag, seeds } = world.space;
    const relay = world.relay(store);
    const author = await world.device();
    await author.connect(relay);
    await author.post("one", "two", "three");
    const base = await author.base();
    await author.post("four");
    await expect.poll(() => author.tab.sentTo).toBe(4);
    const send = (order: Uint8Array) => author.link?.request(tag, { type: "truncate", order });
    const froms = async () => (await store.heads(tag)).map(({ from }) => from);
    return { store, world, seeds, relay, author, base, send, froms };
  }

  const heldOf = (device: TestDevice, author: TestDevice): number =>
    device.replica.exchange.holdings.to(author.tab.replicaId);

  it("is carried out when the retention is over, and not before", async () => {
    const { world, relay, author, base, send, froms } = await begin();
    expect(await send(await world.order(1, [base]))).toEqual({ kind: "done" });
    world.nowMs += retentionMs - 1;
    expect(await relay.carryOutOrders(10)).toBe(0);
    expect(await froms()).toEqual([1]);
    world.nowMs += 1;
    expect(await relay.carryOutOrders(10)).toBe(1);
    expect(await relay.carryOutOrders(10)).toBe(0);
    expect(await froms()).toEqual([4]);
    // The author goes on, and a newcomer is told where the log begins.
    await author.post("five");
    await expect.poll(() => author.tab.sentTo).toBe(5);
    const newcomer = await world.device();
    await newcomer.connect(relay);
    await expect.poll(() => newcomer.session.missing).toBe(5);
    expect(heldOf(newcomer, author)).toBe(0);
    expect(author.session.equal).toBe(true);
    expect(world.bugs).toEqual([]);
  });

  it("that leaves a log no place to begin is refused, and holds up nobody's", async () => {
    const { world, relay, base, send, froms } = await begin();
    const last = { ...base, seq: Number.MAX_SAFE_INTEGER };
    expect(await send(await world.order(1, [last]))).toMatchObject({ kind: "refused" });
    expect(await send(await world.order(2, [base]))).toEqual({ kind: "done" });
    world.nowMs += retentionMs;
    expect(await relay.carryOutOrders(10)).toBe(1);
    expect(await froms()).toEqual([4]);
    expect(world.bugs).toEqual([]);
  });

  it("counts only if an owner has signed it, for this space", async () => {
    const { world, seeds, relay, author, base, send, froms } = await begin();
    const other = await newSpace(world.suite, world.env.random);
    for (const bytes of [
      await world.order(1, [base], { seed: seeds.write }),
      await world.order(1, [base], { space: other.tag }),
      (await world.order(1, [base])).subarray(1),
      new Uint8Array(0),
    ]) {
      expect((await send(bytes))?.kind).toBe("refused");
    }
    world.nowMs += retentionMs;
    await relay.carryOutOrders(10);
    expect(await froms()).toEqual([1]);
    expect(author.link?.connection.ended).toBe(false);
  });

  it("drops nothing where another entry stands", async () => {
    const { world, relay, base, send, froms } = await begin();
    await send(await world.order(1, [{ ...base, hash: new Uint8Array(32).fill(1) }]));
    world.nowMs += retentionMs;
    expect(await relay.carryOutOrders(10)).toBe(1);
    expect(await froms()).toEqual([1]);
  });

  it("stays until it was carried out: who orders every day would else never be obeyed", async () => {
    const { world, relay, author, base, send, froms } = await begin();
    await send(await world.order(1, [base]));
    world.nowMs += retentionMs / 2;
    const later = await author.base();
    await send(await world.order(2, [later]));
    world.nowMs += retentionMs / 2;
    await relay.carryOutOrders(10);
    expect(await froms()).toEqual([4]);
    // Given again, it counts from then on; the older one never again.
    await send(await world.order(2, [later]));
    await send(await world.order(1, [base]));
    world.nowMs += retentionMs;
    await relay.carryOutOrders(10);
    expect(await froms()).toEqual([5]);
  });

  it("tells a relay that has lost its store where logs begin that nobody brings from 1", async () => {
    const { world, base } = await begin();
    const empty = await open();
    stores.push(empty);
    const owner = await world.device();
    await owner.connect(world.relay(empty));
    await owner.post("here");
    await expect.poll(() => owner.tab.sentTo).toBe(1);
    const own = await owner.base();
    const { tag } = world.space;
    await owner.link?.request(tag, { type: "truncate", order: await world.order(1, [base, own]) });
    const heads = new Map((await empty.heads(tag)).map((head) => [head.replica, head]));
    expect(heads.get(base.replica)).toMatchObject({ from: 4, to: 3 });
    // What is held stays for the time of its retention.
    expect(heads.get(own.replica)).toMatchObject({ from: 1, to: 1 });
  });

  it("is heard by rooms of other relays on the same store", async () => {
    const { store, world, relay, author, base, send } = await begin();
    const elsewhere = world.relay(store);
    const away = await world.device();
    await away.connect(elsewhere);
    await expect.poll(() => heldOf(away, author)).toBe(4);
    await send(await world.order(1, [base]));
    world.nowMs += retentionMs;
    await relay.carryOutOrders(10);
    const newcomer = await world.device();
    await newcomer.connect(elsewhere);
    await expect.poll(() => newcomer.session.missing).toBe(4);
    expect(heldOf(newcomer, author)).toBe(0);
  });
});
