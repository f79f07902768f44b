/** What a disk has spoilt comes back from whoever holds it: sync/mending.ts over a device's own log. */
import { describe, expect, it } from "vitest";
import type { ReplicaId } from "../id/id.ts";
import { staysInLog } from "../log/branch.ts";
import { DamagedEntries } from "../log/damage.ts";
import type { Run } from "../log/entry.ts";
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
import { partOf } from "./key.ts";
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

  /** The first seq of each, ascending. */
  async segmentsOf(replica: ReplicaId): Promise<number[]> {
    const range = { from: [tag, replica], before: [tag, replica, Number.POSITIVE_INFINITY] };
    return this.#kv.read([stores.segments], async (tx) =>
      (await tx.range(stores.segments, range)).map(({ key }) => partOf<number>(key, 2)),
    );
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

/** Writes entry by entry, as typing does: every party stores them as runs of one. */
async function type(device: TestParty, author: Author, count: number): Promise<void> {
  for (let each = 0; each < count; each++) {
    await ownAppend(device, await author.write(1));
    await settle();
  }
}

async function wait(env: ReturnType<typeof newEnv>, ms: number, parties: TestParty[]) {
  env.advance(ms);
  for (const { exchange } of parties) {
    for (const session of exchange.sessions) session.connection.tick();
  }
  await settle();
}

const wantType = 0x15;

/** The frames of that type which the party sends from now on. */
function sent(party: TestParty, type: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  party.tap = (frame) => {
    if (frame[0] === type) frames.push(frame);
    return true;
  };
  return frames;
}

/** A device with 180 entries, of which a relay has 150. */
async function ahead() {
  const env = newEnv();
  const ana = await Author.make();
  const relay = new TestParty("relay", env);
  const a = new Device(env, [ana.replica]);
  await write(a, ana, 150);
  const { cut } = a.connect(relay);
  await settle();
  cut();
  await write(a, ana, 30);
  return { ana, relay, a };
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
    expect(b.exchange.holes.size).toBe(0);
    expect([...a.endings, ...b.endings, ...relay.endings]).toEqual([]);
  });

  it("of the own log come back too, and what was written behind them is not lost", async () => {
    const { ana, relay, a } = await ahead();
    await a.spoil(ana.replica, 1);
    a.connect(relay);
    await settle();
    expect(await a.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    await settle();
    expect(await a.readAll(ana.replica)).toBe(180);
    expect(relay.exchange.holdings.to(ana.replica)).toBe(180);
    expect(a.session?.equal).toBe(true);
  });

  it("all over a log come back at once when somebody comes upon the last, each asked for once", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const a = new Device(env, [ana.replica]);
    const b = new Device(env);
    a.connect(relay);
    b.connect(relay);
    await settle();
    await type(a, ana, 450);
    const segments = await b.segmentsOf(ana.replica);
    expect(segments.length).toBeGreaterThan(3);
    for (const first of segments) await b.spoil(ana.replica, first);
    const wants = sent(b, wantType);
    await expect(b.exchange.hashes(ana.replica, 430, 430)).rejects.toThrow(DamagedEntries);
    await settle();
    expect(await b.readAll(ana.replica)).toBe(450);
    expect(wants.length).toBe(segments.length);
  });

  it("do not hide from the session how far the own log has come", async () => {
    const { ana, relay, a } = await ahead();
    for (const first of [1, 101]) await a.spoil(ana.replica, first);
    a.connect(relay);
    await settle();
    expect(a.session?.storedTo(ana.replica)).toBe(150);
    expect(a.exchange.holes.get(ana.replica)).toMatchObject([{ first: 151, last: 180 }]);
  });

  it("are compared as they were listed last, when they can be read again", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, second] = [new TestParty("relay", env), new TestParty("relay", env)];
    const a = new Device(env, [ana.replica]);
    const runs = [await ana.write(150), await ana.write(80)];
    for (const run of runs) await ownAppend(a, run);
    for (const run of runs) await ownAppend(second, run);
    for (const run of runs.slice(0, 1)) await ownAppend(relay, run);
    for (const first of await a.segmentsOf(ana.replica)) await a.spoil(ana.replica, first);
    // It lends nothing, and is brought the rest by somebody else.
    relay.tap = (frame) => frame[0] !== 0x13 && frame[0] !== 0x14;
    a.connect(relay);
    const { session } = a;
    await settle();
    for (const run of runs.slice(1)) await ownAppend(relay, run);
    env.advance(6_000);
    relay.session?.compare();
    await settle();
    const first = session ?? a.session;
    expect(first?.storedTo(ana.replica)).toBe(230);
    env.advance(11_000);
    a.connect(second);
    for (let turn = 0; turn < 4; turn++) await wait(env, 11_000, [a]);
    expect(await a.readAll(ana.replica)).toBe(230);
    expect(first?.storedTo(ana.replica)).toBe(230);
  });

  it.each(["this", "the other"])(
    "do not hide where %s copy of a device goes on as a branch",
    async (who) => {
      const env = newEnv();
      const pair = await suite.newSigningPair();
      const [one, two] = [new Author(pair), new Author(pair)];
      const relay = new TestParty("relay", env);
      const a = new Device(env, [one.replica]);
      for (let each = 0; each < 230; each++) {
        const run = await one.write(1);
        await ownAppend(a, run);
        await ownAppend(relay, run);
      }
      [two.seq, two.hash] = [one.seq, one.hash];
      const parted = [[await one.write(1)], [await two.write(1)]];
      const oneStays = staysInLog(one.hash, two.hash);
      for (let each = 1; each < 170; each++) {
        parted[0]?.push(await one.write(1));
        parted[1]?.push(await two.write(1));
      }
      const [ours, theirs] = oneStays === (who === "this") ? parted.toReversed() : parted;
      for (const run of ours ?? []) await ownAppend(a, run);
      for (const run of theirs ?? []) await ownAppend(relay, run);
      await a.spoil(one.replica, 101);
      a.connect(relay);
      // Less than after which a silence makes them compare.
      for (let turn = 0; turn < 9; turn++) await wait(env, 6_000, [a, relay]);
      expect(a.exchange.holes.size).toBe(0);
      const held = (party: TestParty) => [...party.exchange.holdings.logs.keys()].sort();
      expect(held(a).length).toBe(2);
      expect(held(relay)).toEqual(held(a));
      expect([...a.endings, ...relay.endings]).toEqual([]);
    },
  );

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
    expect(a.exchange.holes.get(ana.replica)).toMatchObject([{ first: 101, last: 150 }]);
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

  it("come back at once also where they were written one by one", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, a, b] = [
      new TestParty("relay", env),
      new Device(env, [ana.replica]),
      new Device(env),
    ];
    a.connect(relay);
    b.connect(relay);
    await settle();
    await type(a, ana, 120);
    await wait(env, 1_000, [a, b, relay]);
    const { store } = b;
    const repair = store.repair?.bind(store);
    // As a disk does, and not in the order in which it was asked.
    store.repair = async (...run) => {
      await new Promise((done) => setTimeout(done, run[1].first % 3));
      return (await repair?.(...run)) ?? "unfit";
    };
    await b.spoil(ana.replica, 1);
    const wants = sent(b, wantType);
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    await expect.poll(() => b.readAll(ana.replica), { timeout: 5_000 }).toBe(120);
    expect(wants).toHaveLength(1);
  });

  it("come back one hole after the other, without waiting in between", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, a, b] = [
      new TestParty("relay", env),
      new Device(env, [ana.replica]),
      new Device(env),
    ];
    for (let each = 0; each < 400; each++) {
      const run = await ana.write(1);
      for (const party of [a, b, relay]) await ownAppend(party, run);
    }
    a.connect(relay);
    b.connect(relay);
    await settle();
    for (const first of [1, 101, 301]) await b.spoil(ana.replica, first);
    await Promise.allSettled([301, 101, 1].map((first) => b.exchange.read(ana.replica, first, 1)));
    await expect.poll(() => b.exchange.holes.size, { timeout: 5_000 }).toBe(0);
    expect(await b.readAll(ana.replica)).toBe(400);
  });

  it("are asked of another party as soon as the session with the first one ends", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, second] = [new TestParty("relay", env), new TestParty("relay", env)];
    const [a, b] = [new Device(env, [ana.replica]), new Device(env)];
    await write(a, ana, 120);
    a.connect(relay);
    a.connect(second);
    const { cut } = b.connect(relay);
    await settle();
    b.connect(second);
    await settle();
    relay.tap = () => false;
    await b.spoil(ana.replica, 1);
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    await settle();
    cut();
    await settle();
    expect(await b.readAll(ana.replica)).toBe(120);
  });

  it("are not asked for again because newer entries come", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, a, b] = [
      new TestParty("relay", env),
      new Device(env, [ana.replica]),
      new Device(env),
    ];
    await write(a, ana, 120);
    a.connect(relay);
    b.connect(relay);
    await settle();
    await b.spoil(ana.replica, 1);
    await wait(env, 1_000, [a, b, relay]);
    relay.exchange.read = () => new Promise<Run>(() => {});
    const wants = sent(b, wantType);
    for (let turn = 0; turn < 5; turn++) {
      expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
      await type(a, ana, 1);
    }
    expect(b.exchange.holdings.to(ana.replica)).toBe(125);
    expect(wants).toHaveLength(1);
  });

  it("at two places of a log keep nobody busy, and what others have of them comes back", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [fresh, older] = [new TestParty("relay", env), new TestParty("relay", env)];
    const a = new Device(env, [ana.replica]);
    await write(a, ana, 200);
    const { cut } = a.connect(older);
    await settle();
    cut();
    await write(a, ana, 150);
    for (const first of [1, 201]) await a.spoil(ana.replica, first);
    let reads = 0;
    const { store } = a;
    const read = store.read.bind(store);
    store.read = (...range) => {
      reads++;
      return reads > 500 ? new Promise(() => {}) : read(...range);
    };
    const readThere = older.exchange.read.bind(older.exchange);
    older.exchange.read = () => Promise.resolve(undefined);
    a.connect(older);
    a.connect(fresh);
    for (let turn = 0; turn < 10; turn++) await settle();
    expect(reads).toBeLessThan(20);
    const holes = [
      { first: 1, last: 100 },
      { first: 201, last: 300 },
    ];
    const known = [...(a.exchange.holes.get(ana.replica) ?? [])];
    expect(known.sort((one, other) => one.first - other.first)).toMatchObject(holes);
    older.exchange.read = readThere;
    for (let turn = 0; turn < 3; turn++) await wait(env, 5_000, [a, fresh, older]);
    expect(fresh.exchange.holdings.to(ana.replica)).toBe(200);
    expect(a.exchange.holes.get(ana.replica)).toMatchObject(holes.slice(1));
    const wants = sent(a, wantType);
    reads = 0;
    for (let turn = 0; turn < 10; turn++) await wait(env, 5_000, [a, fresh, older]);
    expect(wants).toHaveLength(0);
    expect(reads).toBeLessThan(30);
  });

  it("that never fit close nobody's window, and nobody asks more than every ten seconds", async () => {
    const env = newEnv();
    const [ana, ben] = [await Author.make(), await Author.make()];
    const relay = new TestParty("relay", env);
    const [a, b] = [new Device(env, [ana.replica]), new Device(env, [ben.replica])];
    await ownAppend(a, await ana.write(3, 60_000));
    a.connect(relay);
    b.connect(relay);
    await settle();
    // First with the head of the log in the damage, then with one behind it.
    for (let round = 0; round < 2; round++) {
      await wait(env, 1_000, [a, b, relay]);
      b.store.repair = async () => "unfit";
      await b.spoil(ana.replica, 1);
      const wants = sent(b, wantType);
      expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
      for (let turn = 0; turn < 20; turn++) {
        await wait(env, 11_000, [a, b, relay]);
        await write(b, ben, 1);
        await settle();
      }
      await wait(env, 1_000, [a, b, relay]);
      const backlogs = [...relay.exchange.sessions].map(({ backlog }) => backlog.sentBytes);
      expect(Math.max(...backlogs)).toBeLessThan(200_000);
      expect(wants.length).toBeLessThan(24);
      await b.spoil(ana.replica, 1);
      await type(a, ana, 1);
    }
    expect([...b.endings, ...relay.endings]).toEqual([]);
  });

  it("may be asked for again and again of somebody whose disk is slow", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, a, b] = [
      new TestParty("relay", env),
      new Device(env, [ana.replica]),
      new Device(env),
    ];
    await write(a, ana, 120);
    a.connect(relay);
    b.connect(relay);
    await settle();
    relay.exchange.read = () => new Promise<Run>(() => {});
    await b.spoil(ana.replica, 1);
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    for (let turn = 0; turn < 80; turn++) await wait(env, 11_000, [a, b, relay]);
    expect(relay.session?.backlog.wants).toBeLessThanOrEqual(2);
    expect([...b.endings, ...relay.endings]).toEqual([]);
  });

  it("of a log that only the store knows yet are not looked for without end", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, b] = [new TestParty("relay", env), new Device(env)];
    b.connect(relay);
    await settle();
    const run = await ana.write(1);
    await relay.store.append(tag, [run]);
    let reads = 0;
    const read = relay.exchange.read.bind(relay.exchange);
    relay.exchange.read = (...range) => {
      reads++;
      return reads > 100 ? Promise.resolve(undefined) : read(...range);
    };
    const { replica, hashes } = run;
    const hash = hashes[0] ?? new Uint8Array(32);
    const since = new Uint8Array(16);
    const heads = [{ replica, from: 1, to: 1, hash }];
    b.session?.connection.send({ type: "heads", space: 3, since, heads });
    const range = { replica, first: 1, last: 1, form: "entries" } as const;
    b.session?.connection.send({ type: "want", space: 3, ...range });
    await settle();
    expect(reads).toBe(1);
  });

  it("are asked for by nobody who has given up leading", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, second] = [new TestParty("relay", env), new TestParty("relay", env)];
    const [a, b] = [new Device(env, [ana.replica]), new Device(env)];
    await write(a, ana, 120);
    a.connect(relay);
    a.connect(second);
    b.connect(relay);
    b.connect(second);
    await settle();
    for (const party of [relay, second]) party.exchange.read = () => new Promise<Run>(() => {});
    await b.spoil(ana.replica, 1);
    expect(await b.readAll(ana.replica)).toBeInstanceOf(DamagedEntries);
    await settle();
    const wants = sent(b, wantType);
    b.effects.close();
    for (const session of [...b.exchange.sessions]) session.closed();
    expect(wants).toEqual([]);
  });
});
