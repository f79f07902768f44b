/**
 * An owner's order to let go of entries, at a relay with its store: who may give it, when it is carried
 * out, and who hears of it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { Exchange } from "@skein/shared/sync/exchange.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { newSpace } from "@skein/shared/space/new-space.ts";
import { decodePublication } from "../../server/src/bus/publication.ts";
import { Relay } from "../../server/src/relay.ts";
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

  /** Logs of which nobody holds anything: as many as an order names. */
  const unheld = (world: DeviceWorld, count: number, seed = 0) =>
    Array.from({ length: count }, (_, index) => {
      const publicKey = new Uint8Array(32).fill(0xab);
      new DataView(publicKey.buffer).setUint32(0, seed + index);
      const replica = replicaIdOf(world.suite, publicKey);
      return { replica, publicKey, seq: 3, hash: new Uint8Array(32).fill(7) };
    });

  it("that fails holds up no other space's, and is tried again", async () => {
    const { store, world, base, send, froms } = await begin();
    const explained: string[] = [];
    const relay = new Relay({
      env: world.env,
      suite: world.suite,
      store,
      bus: world.hub.connect(),
      explain: (error) => {
        explained.push(String(error));
        return { code: codes.unavailable, retryAfterMs: 0, detail: "" };
      },
      onEnded: () => {},
      onBug: (error) => world.bugs.push(error),
    });
    const other = await newSpace(world.suite, world.env.random);
    const dueMs = world.nowMs + retentionMs - 1;
    const bytes = await world.order(1, [base], { space: other.tag });
    await store.putOrder(other.tag, { number: 1, bytes, dueMs });
    await send(await world.order(1, [base]));
    world.nowMs += retentionMs;
    const really = store.begin.bind(store);
    const damaged = vi.spyOn(store, "begin").mockImplementation(async (space, bases) => {
      if (space === other.tag) throw new Error("the file is damaged");
      return really(space, bases);
    });
    // One at a time, as the sweeper asks for them.
    expect(await relay.carryOutOrders(1)).toBe(1);
    expect(await froms()).toEqual([1]);
    expect(await relay.carryOutOrders(1)).toBe(1);
    expect(await froms()).toEqual([4]);
    expect(await relay.carryOutOrders(1)).toBe(0);
    expect(explained).toEqual(["Error: the file is damaged"]);
    damaged.mockRestore();
    expect(await relay.carryOutOrders(1)).toBe(1);
    expect(await relay.carryOutOrders(1)).toBe(0);
    expect((await store.heads(other.tag)).map(({ from }) => from)).toEqual([4]);
    expect(world.bugs).toEqual([]);
  });

  it("is one publication, after which a room compares once", async () => {
    const { store, world, relay, author, base, send } = await begin();
    const second = await world.device();
    await second.connect(relay);
    await second.post("a", "b");
    await expect.poll(() => second.tab.sentTo).toBe(2);
    const elsewhere = world.relay(store);
    const away = await world.device();
    await away.connect(elsewhere);
    await expect.poll(() => heldOf(away, author)).toBe(4);
    // Registers are published, too, when their time has come.
    const heard: number[] = [];
    const listen = (message: Uint8Array): void => {
      const publication = decodePublication(world.space.tag, message);
      if (isMalformed(publication)) throw publication;
      if (publication.kind === "began") heard.push(publication.heads.length);
    };
    world.hub.connect().subscribe(world.space.tag, listen, () => {});
    // Two relays, one room each; devices compare with nobody anew.
    const compared = vi.spyOn(Exchange.prototype, "compare");
    const bases = [base, await second.base()];
    await send(await world.order(1, [...bases, ...unheld(world, 3)]));
    await world.settle();
    expect(heard).toEqual([3]);
    expect(compared).toHaveBeenCalledTimes(2);
    world.nowMs += retentionMs;
    await relay.carryOutOrders(1);
    await world.settle();
    expect(heard).toEqual([3, 2]);
    expect(compared).toHaveBeenCalledTimes(4);
    compared.mockRestore();
  });

  it("of a number that another had changes nothing; the same one again is as good as once", async () => {
    const { store, world, relay, base, send, froms } = await begin();
    const [one, two] = [unheld(world, 1), unheld(world, 1, 1)];
    const order = await world.order(2, [base, ...one]);
    const { tag } = world.space;
    const logs = async () => (await store.heads(tag)).map(({ replica }) => replica).toSorted();
    const replicas = [base.replica, ...one.map(({ replica }) => replica)].toSorted();
    expect(await send(order)).toEqual({ kind: "done" });
    expect(await logs()).toEqual(replicas);
    const others = [await world.order(2, [base, ...two]), await world.order(1, two)];
    for (const other of others) expect(await send(other)).toEqual({ kind: "done" });
    expect(await send(order)).toEqual({ kind: "done" });
    expect(await logs()).toEqual(replicas);
    world.nowMs += retentionMs;
    expect(await relay.carryOutOrders(1)).toBe(1);
    for (const other of [...others, order]) await send(other);
    world.nowMs += retentionMs;
    expect(await relay.carryOutOrders(1)).toBe(0);
    expect(await logs()).toEqual(replicas);
    expect(await froms()).toEqual([4, 4]);
  });

  it("begins no more logs that nobody holds than the space may have", async () => {
    const { store, world, relay, author, base, send, froms } = await begin();
    const { tag } = world.space;
    // All but two of what the space may have beside the author's.
    await store.begin(tag, unheld(world, limits.logsMax - 3));
    const more = unheld(world, 5, limits.logsMax);
    expect(await send(await world.order(1, [...more, base]))).toEqual({ kind: "done" });
    expect(await froms()).toHaveLength(limits.logsMax);
    world.nowMs += retentionMs;
    expect(await relay.carryOutOrders(1)).toBe(1);
    // What is held begins where it was ordered to; of the others no more than before.
    const heads = await store.heads(tag);
    expect(heads).toHaveLength(limits.logsMax);
    expect(heads.find(({ replica }) => replica === base.replica)?.from).toBe(4);
    await author.post("five");
    await expect.poll(() => author.tab.sentTo).toBe(5);
    expect(world.bugs).toEqual([]);
  });
});
