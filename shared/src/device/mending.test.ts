/** What a disk has spoilt comes back from whoever holds it: sync/mending.ts over a device's own log. */
import { describe, expect, it } from "vitest";
import type { ReplicaId } from "../id/id.ts";
import { DamagedEntries } from "../log/damage.ts";
import { codes } from "../protocol/codes.ts";
import {
  Author,
  newEnv,
  ownAppend,
  settle,
  suite,
  tag,
  TestParty,
} from "../sync/parties.contract.ts";
import { DeviceLog } from "./device-log.ts";
import type { Segment } from "./log-segments.ts";
import { MemoryDisk } from "./memory-kv.ts";
import { deviceStores, stores } from "./stores.ts";

/** A device whose disk can be spoilt. */
class Device extends TestParty {
  readonly #kv;

  constructor(env: ReturnType<typeof newEnv>, own: ReplicaId[] = []) {
    const kv = new MemoryDisk(deviceStores).open();
    super("device", env, own, new DeviceLog(kv, suite));
    this.#kv = kv;
  }

  /** Flips a bit in the segment that begins at `first`. */
  async spoil(replica: ReplicaId, first: number): Promise<void> {
    await this.#kv.write([stores.segments], "strict", async (tx) => {
      const key = [tag, replica, first];
      const segment = (await tx.get(stores.segments, key)) as Segment;
      const bytes = Uint8Array.from(segment.bytes);
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      tx.put(stores.segments, key, { ...segment, bytes });
    });
  }

  /** Reads the whole log as the way to the screen does; the entries, or what cannot be read. */
  async readAll(replica: ReplicaId): Promise<number | DamagedEntries> {
    const to = this.exchange.holdings.to(replica);
    try {
      let count = 0;
      while (count < to) {
        const run = await this.exchange.read(replica, count + 1, 10_000);
        count += run?.entries.length ?? to;
      }
      await this.exchange.hashes(replica, 1, to);
      return count;
    } catch (error) {
      if (error instanceof DamagedEntries) return error;
      throw error;
    }
  }
}

async function write(device: TestParty, author: Author, count: number): Promise<void> {
  for (let each = 0; each < count; each++) await ownAppend(device, await author.write(1));
}

describe("damaged entries", () => {
  it("of another come back from the relay as soon as somebody reads them", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const a = new Device(env, [ana.replica]);
    const b = new Device(env);
    await write(a, ana, 250);
    a.connect(relay);
    b.connect(relay);
    await settle();
    expect(b.exchange.holdings.to(ana.replica)).toBe(250);
    await b.spoil(ana.replica, 1);
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    await settle();
    expect(await b.readAll(ana.replica)).toBe(250);
    expect(b.holes.at(-1)).toBeUndefined();
    expect([...a.endings, ...b.endings, ...relay.endings]).toEqual([]);
  });

  it("of the own log come back too, and what was written behind them is not lost", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const a = new Device(env, [ana.replica]);
    await write(a, ana, 150);
    const { cut } = a.connect(relay);
    await settle();
    cut();
    await write(a, ana, 30);
    await a.spoil(ana.replica, 1);
    a.connect(relay);
    await settle();
    expect(await a.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    await settle();
    expect(await a.readAll(ana.replica)).toBe(180);
    expect(relay.exchange.holdings.to(ana.replica)).toBe(180);
    expect(a.session?.equal).toBe(true);
  });

  it("that were never sent stay a hole, and what was whole before them still arrives", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const a = new Device(env, [ana.replica]);
    await write(a, ana, 150);
    await a.spoil(ana.replica, 101);
    a.connect(relay);
    await settle();
    expect(relay.exchange.holdings.to(ana.replica)).toBe(100);
    expect(a.exchange.holes.get(ana.replica)).toMatchObject({ first: 101, last: 150 });
    for (let turn = 0; turn < 30; turn++) {
      env.advance(20_000);
      a.session?.connection.tick();
      relay.session?.connection.tick();
      await settle();
    }
    expect([...a.endings, ...relay.endings]).toEqual([]);
  });

  it("are asked of another party when the first one does not answer", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const second = new TestParty("relay", env);
    const a = new Device(env, [ana.replica]);
    const b = new Device(env);
    await write(a, ana, 120);
    a.connect(relay);
    a.connect(second);
    b.connect(relay);
    await settle();
    b.connect(second);
    await settle();
    relay.exchange.read = () => Promise.resolve(undefined);
    await b.spoil(ana.replica, 1);
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    for (let turn = 0; turn < 4; turn++) {
      env.advance(11_000);
      for (const session of b.exchange.sessions) session.connection.tick();
      await settle();
    }
    expect(await b.readAll(ana.replica)).toBe(120);
  });

  it("are taken from nobody who brings other bytes", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const a = new Device(env, [ana.replica]);
    const b = new Device(env);
    await write(a, ana, 120);
    a.connect(relay);
    b.connect(relay);
    await settle();
    const read = relay.exchange.read.bind(relay.exchange);
    relay.exchange.read = async (...range) => {
      const run = await read(...range);
      const [first, ...rest] = run?.entries ?? [];
      if (run === undefined || first?.body.kind !== "sealed") return run;
      const sealed = Uint8Array.from(first.body.sealed, (byte) => byte ^ 1);
      return { ...run, entries: [{ ...first, body: { kind: "sealed", sealed } }, ...rest] };
    };
    await b.spoil(ana.replica, 1);
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    await settle();
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    expect(b.endings.every(({ code }) => code !== codes.malformed)).toBe(true);
  });
});
