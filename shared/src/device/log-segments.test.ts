import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DamagedEntries } from "../log/damage.ts";
import { TestLog } from "../log/test-log.contract.ts";
import { DeviceLog } from "./device-log.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Kv } from "./kv.ts";
import { type Segment, segmentLimits } from "./log-segments.ts";
import { MemoryDisk } from "./memory-kv.ts";
import { ana, ben, space } from "./ready-entries.contract.ts";
import { testSuite } from "./store.contract.ts";
import { deviceStores, stores } from "./stores.ts";

function freshLog() {
  const kv = new MemoryDisk(deviceStores).open();
  return { kv, store: new DeviceLog(kv, testSuite), log: new TestLog(ana) };
}

const segmentsOf = async (kv: Kv): Promise<{ first: number; segment: Segment }[]> =>
  kv.read([stores.segments], async (tx) => {
    const rows = await tx.range(stores.segments, beginningWith(space, ana));
    return rows.map(({ key, value }) => ({
      first: partOf<number>(key, 2),
      segment: value as Segment,
    }));
  });

const replaceSegment = async (kv: Kv, first: number, segment: Segment | undefined) =>
  kv.write([stores.segments], "strict", async (tx) => {
    if (segment === undefined) tx.delete(stores.segments, [space, ana, first]);
    else tx.put(stores.segments, [space, ana, first], segment);
  });

describe("the segments of a log", () => {
  test("take a hundred entries each, one by one or in one call", async () => {
    for (const perCall of [1, 7, 250]) {
      const { kv, store, log } = freshLog();
      while (log.length < 250) {
        const count = Math.min(perCall, 250 - log.length);
        await store.append(
          space,
          Array.from({ length: count }, () => log.run(1)),
        );
      }
      const segments = await segmentsOf(kv);
      expect(segments.map(({ first, segment }) => [first, segment.last])).toEqual([
        [1, 100],
        [101, 200],
        [201, 250],
      ]);
    }
  });

  test("never cut a run in two", async () => {
    const { kv, store, log } = freshLog();
    for (const count of [60, 60, 60, 500, 1]) await store.append(space, [log.run(count)]);
    const segments = await segmentsOf(kv);
    expect(segments.map(({ first, segment }) => [first, segment.last])).toEqual([
      [1, 120],
      [121, 680],
      [681, 681],
    ]);
  });

  test("are not read again once they are full, when the log goes on", async () => {
    const { kv, store, log } = freshLog();
    const read: unknown[] = [];
    const watched: Kv = {
      close: () => kv.close(),
      read: (names, body) => kv.read(names, body),
      write: (names, durability, body) =>
        kv.write(names, durability, (tx) =>
          body({
            get: (name, key) => {
              if (name === stores.segments) read.push(key);
              return tx.get(name, key);
            },
            range: (name, range) => tx.range(name, range),
            put: (name, key, value) => tx.put(name, key, value),
            delete: (name, key) => tx.delete(name, key),
            deleteRange: (name, from, before) => tx.deleteRange(name, from, before),
          }),
        ),
    };
    const again = new DeviceLog(watched, testSuite);
    await store.append(space, [log.run(99)]);
    await again.append(space, [log.run(1)]);
    expect(read).toEqual([[space, ana, 1]]);
    await again.append(space, [log.run(500)]);
    await again.append(space, [log.run(1)]);
    expect(read.length).toBe(1);
    expect((await segmentsOf(kv)).map(({ first, segment }) => [first, segment.last])).toEqual([
      [1, 100],
      [101, 600],
      [601, 601],
    ]);
  });

  test("stay below the size at which a browser puts them in files, unless a run is larger", async () => {
    const { kv, store, log } = freshLog();
    for (const bodyBytes of [20_000, 20_000, 20_000, 60_000, 60_000, 100]) {
      await store.append(space, [log.run(1, { bodyBytes })]);
    }
    await store.append(space, [log.run(3, { bodyBytes: 50_000 })]);
    const segments = await segmentsOf(kv);
    expect(segments.map(({ first, segment }) => [first, segment.last])).toEqual([
      [1, 3],
      [4, 4],
      [5, 6],
      [7, 9],
    ]);
    for (const { first, segment } of segments) {
      expect(segment.bytes.length <= segmentLimits.bytesMax || first === 7).toBe(true);
    }
  });

  test("go when the log begins after them, and the one with the base loses its beginning", async () => {
    const { kv, store, log } = freshLog();
    for (const count of [60, 60, 60, 60, 30, 7]) await store.append(space, [log.run(count)]);
    const before = await segmentsOf(kv);
    await store.begin(space, [log.base(150)]);
    const segments = await segmentsOf(kv);
    expect(segments.map(({ first, segment }) => [first, segment.last])).toEqual([
      [151, 240],
      [241, 277],
    ]);
    expect(segments[1]).toEqual(before[2]);
    const cut = segments[0]?.segment.bytes.length ?? 0;
    expect(cut).toBeLessThan((before[1]?.segment.bytes.length ?? 0) * 0.8);
    await store.begin(space, [log.base(240)]);
    expect(await segmentsOf(kv)).toEqual(before.slice(2));
    await store.begin(space, [log.base(260)]);
    await store.append(space, [log.run(2)]);
    expect((await segmentsOf(kv)).map(({ first, segment }) => [first, segment.last])).toEqual([
      [261, 279],
    ]);
    await store.begin(space, [log.base(279)]);
    expect(await segmentsOf(kv)).toEqual([]);
  });

  test("go when the log begins beyond them all, and those of another log stay", async () => {
    const { kv, store, log } = freshLog();
    const bens = new TestLog(ben);
    await store.append(space, [log.run(150), log.run(150), bens.run(2)]);
    const other = new TestLog(ana);
    other.run(301);
    await store.begin(space, [other.base(301)]);
    expect(await segmentsOf(kv)).toEqual([]);
    expect((await store.read(space, ben, 1, 1_000))?.entries).toHaveLength(2);
    await store.append(space, [other.run(1), other.run(1)]);
    expect((await segmentsOf(kv)).map(({ first, segment }) => [first, segment.last])).toEqual([
      [302, 303],
    ]);
  });

  test("leave the nonces of writer sessions behind, which entries above may continue", async () => {
    const { store, log } = freshLog();
    const run = log.run(5);
    await store.append(space, [run]);
    const nonce = await store.sessionNonce(space, ana, 1);
    expect(nonce).toHaveLength(16);
    await store.begin(space, [log.base(3)]);
    expect(await store.sessionNonce(space, ana, 1)).toEqual(nonce);
    log.run(5);
    await store.begin(space, [log.base(10)]);
    expect(await store.sessionNonce(space, ana, 1)).toEqual(nonce);
  });

  test("hold nothing but their own bytes, whatever those were views of", async () => {
    const { kv, store, log } = freshLog();
    await store.append(space, [log.run(2)]);
    await store.append(space, [log.run(2)]);
    for (const { segment } of await segmentsOf(kv)) {
      for (const bytes of [segment.bytes, segment.previous, segment.check]) {
        expect(bytes.buffer.byteLength).toBe(bytes.length);
      }
    }
  });
});

describe("a damaged segment", () => {
  test("is found by any byte that differs, and tells which entries are affected", async () => {
    const { kv, store, log } = freshLog();
    await store.append(space, [log.run(3), log.run(2), log.run(1)]);
    const [whole] = await segmentsOf(kv);
    if (whole === undefined) throw new Error("a log with entries has a segment");
    const { segment } = whole;
    const parts = ["bytes", "previous", "check"] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...parts),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (part, at, flip) => {
          const bytes = Uint8Array.from(segment[part]);
          const place = at % bytes.length;
          bytes[place] = (bytes[place] ?? 0) ^ flip;
          await replaceSegment(kv, 1, { ...segment, [part]: bytes });
          const attempts = [
            store.read(space, ana, 2, 1_000),
            store.hashes(space, ana, 1, 6),
            store.append(space, [log.slice(1, 3)]),
          ];
          for (const outcome of await Promise.allSettled(attempts.slice(0, 2))) {
            const reason: unknown = outcome.status === "rejected" ? outcome.reason : undefined;
            expect(reason).toBeInstanceOf(DamagedEntries);
            expect(reason).toMatchObject({ space, replica: ana, first: 1, last: 6 });
          }
          await expect(attempts[2]).rejects.toBeInstanceOf(DamagedEntries);
        },
      ),
      { numRuns: 200 },
    );
    await replaceSegment(kv, 1, segment);
    expect((await store.read(space, ana, 1, 1_000))?.entries).toHaveLength(6);
  });

  test("is found when it is cut off, too long, or gone", async () => {
    const { kv, store, log } = freshLog();
    await store.append(space, [log.run(3), log.run(2)]);
    const [whole] = await segmentsOf(kv);
    if (whole === undefined) throw new Error("a log with entries has a segment");
    const { segment } = whole;
    const [firstEnd = 0] = segment.ends;
    const wrong: (Segment | undefined)[] = [
      { ...segment, bytes: segment.bytes.slice(0, -1) },
      { ...segment, bytes: Uint8Array.of(...segment.bytes, 0) },
      { ...segment, bytes: segment.bytes.slice(0, firstEnd), ends: [firstEnd] },
      { ...segment, last: 4 },
      { ...segment, last: 6 },
      { ...segment, ends: [] },
      undefined,
    ];
    for (const each of wrong) {
      await replaceSegment(kv, 1, each);
      await expect(store.read(space, ana, 5, 1_000)).rejects.toBeInstanceOf(DamagedEntries);
    }
  });

  test("leaves other segments and other logs readable, and the log goes on in a new one", async () => {
    const { kv, store, log } = freshLog();
    const bens = new TestLog(ben);
    const runs = Array.from({ length: 150 }, () => log.run(1));
    await store.append(space, [...runs, bens.run(1)]);
    const [, tail] = await segmentsOf(kv);
    if (tail === undefined) throw new Error("150 entries need two segments");
    for (const broken of [{ ...tail.segment, bytes: new Uint8Array(9) }, undefined]) {
      await replaceSegment(kv, 101, broken);
      const [outcome] = await store.append(space, [log.run(1)]);
      expect(outcome).toEqual({ kind: "held", head: log.head, news: true });
      await expect(store.read(space, ana, 150, 10_000)).rejects.toBeInstanceOf(DamagedEntries);
      expect((await store.read(space, ana, 151, 10_000))?.entries).toHaveLength(log.length - 150);
      // As far as it is whole.
      expect((await store.read(space, ana, 1, 10_000))?.entries).toHaveLength(100);
      expect((await store.read(space, ben, 1, 100))?.entries).toHaveLength(1);
    }
  });
});
