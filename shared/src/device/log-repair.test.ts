import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalBytes } from "../bytes/bytes.ts";
import { DamagedEntries } from "../log/damage.ts";
import { lastSeq, type Run } from "../log/entry.ts";
import { TestLog } from "../log/test-log.contract.ts";
import { DeviceLog } from "./device-log.ts";
import type { Kv } from "./kv.ts";
import type { Segment } from "./log-segments.ts";
import { MemoryDisk } from "./memory-kv.ts";
import { ana, space } from "./ready-entries.contract.ts";
import { dump, testSuite } from "./store.contract.ts";
import { deviceStores, stores } from "./stores.ts";

const everything = 1_000_000;

async function damagedLog(runs: readonly number[], spoilt: readonly number[]) {
  const kv = new MemoryDisk(deviceStores).open();
  const store = new DeviceLog(kv, testSuite);
  const log = new TestLog(ana);
  for (const count of runs) await store.append(space, [log.run(count)]);
  for (const seq of spoilt) await spoil(kv, seq);
  return { kv, store, log };
}

/** Flips a bit of the segment that holds `seq`, or takes the segment away. */
async function spoil(kv: Kv, seq: number, gone = false): Promise<void> {
  await kv.write([stores.segments], "strict", async (tx) => {
    const [row] = await tx.range(stores.segments, {
      from: [space, ana],
      before: [space, ana, seq + 1],
      reverse: true,
      limit: 1,
    });
    if (row === undefined) throw new Error(`no segment at ${seq}`);
    const segment = row.value as Segment;
    const bytes = Uint8Array.from(segment.bytes);
    bytes[5] = (bytes[5] ?? 0) ^ 0x10;
    if (gone) tx.delete(stores.segments, row.key);
    else tx.put(stores.segments, row.key, { ...segment, bytes });
  });
}

/** The damage that reading the log from `first` on comes upon. */
async function damageFrom(store: DeviceLog, first: number, to: number, from = 1) {
  try {
    for (let seq = first; seq <= to;) {
      const run = await store.read(space, ana, seq, everything);
      if (run === undefined) throw new Error(`nothing at ${seq}`);
      seq = lastSeq(run) + 1;
    }
    await store.hashes(space, ana, Math.max(1, from - 1), to);
    return undefined;
  } catch (error) {
    if (error instanceof DamagedEntries) return error;
    throw error;
  }
}

async function wholeLog(store: DeviceLog, to: number, from = 1): Promise<Run["entries"]> {
  const entries = [];
  while (entries.length < to - from + 1) {
    const run = await store.read(space, ana, from + entries.length, 2_000);
    if (run === undefined) throw new Error(`nothing at ${from + entries.length}`);
    entries.push(...run.entries);
  }
  return entries;
}

describe("a damaged log", () => {
  test("is whole again after the entries came, wherever their runs end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 4, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(), fc.boolean()), { minLength: 1, maxLength: 3 }),
        fc.array(fc.integer({ min: 9, max: 150 }), { minLength: 1 }),
        async (runs, spoilt, lengths) => {
          const { kv, store, log } = await damagedLog(runs, []);
          const to = log.length;
          for (const [at, gone] of spoilt) {
            // The same segment may be meant twice.
            await spoil(kv, (at % to) + 1, gone).catch(() => {});
          }
          for (let turn = 0; turn < 200; turn++) {
            const damage = await damageFrom(store, 1, to);
            if (damage === undefined) break;
            const length = lengths[turn % lengths.length] ?? 1;
            const last = Math.min(to, damage.first + length - 1);
            const repaired = await store.repair(space, log.slice(damage.first, last));
            expect(repaired).toBe("repaired");
          }
          expect(await damageFrom(store, 1, to)).toBeUndefined();
          expect(await wholeLog(store, to)).toEqual(log.slice(1, to).entries);
          const hashes = await store.hashes(space, ana, 1, to);
          expect(hashes).toEqual(log.slice(1, to).hashes);
          // And it goes on.
          const [outcome] = await store.append(space, [log.run(3)]);
          expect(outcome).toEqual({ kind: "held", head: log.head, news: true });
          expect(await wholeLog(store, to + 3)).toEqual(log.slice(1, to + 3).entries);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("keeps what stands behind the damage, which nobody else may have", async () => {
    const { store, log } = await damagedLog([100, 100, 40], [150]);
    expect(await damageFrom(store, 1, 240)).toMatchObject({ first: 101, last: 200 });
    expect((await store.read(space, ana, 201, everything))?.entries).toHaveLength(40);
    expect(await store.repair(space, log.slice(101, 130))).toBe("repaired");
    expect(await damageFrom(store, 1, 240)).toMatchObject({ first: 131, last: 200 });
    expect(await store.repair(space, log.slice(131, 220))).toBe("repaired");
    expect(await wholeLog(store, 240)).toEqual(log.slice(1, 240).entries);
  });

  test("reads runs that end at a signed head, also where a repair reaches into what is whole", async () => {
    const { store, log } = await damagedLog([100, 20, 20], [50]);
    await store.repair(space, log.slice(1, 110));
    for (const [first, last] of [
      [1, 110],
      [105, 120],
      [111, 120],
    ] as const) {
      const run = await store.read(space, ana, first, 1);
      expect(run && lastSeq(run)).toBe(last);
      const { signature } = log.slice(first, last);
      expect(run && equalBytes(run.signature, signature)).toBe(true);
    }
  });

  test("takes nothing that does not join what is whole", async () => {
    const { store, log } = await damagedLog([100, 100, 100], [150]);
    const other = new TestLog(ana);
    other.runOf(log.slice(1, 120).entries);
    other.run(180);
    const branch = other.slice(101, 200);
    expect(await store.repair(space, branch)).toBe("unfit");
    expect(await store.repair(space, other.slice(101, 150))).toBe("repaired");
    expect(await store.repair(space, log.slice(151, 200))).toBe("unfit");
    const strange = { ...log.slice(101, 200), previous: new Uint8Array(32).fill(9) };
    expect(await store.repair(space, strange)).toBe("unfit");
    expect(await store.repair(space, log.run(1))).toBe("unfit");
  });

  test("tells the hash of its last damaged entry, which what stands behind repeats", async () => {
    const { store, log } = await damagedLog([100, 50], [150]);
    await store.append(space, [log.run(3)]);
    expect((await store.read(space, ana, 151, everything))?.entries).toHaveLength(3);
    expect(await store.hashes(space, ana, 150, 153)).toEqual(log.slice(150, 153).hashes);
    expect(await store.hashes(space, ana, 150, 150)).toEqual(log.slice(150, 150).hashes);
    await expect(store.hashes(space, ana, 149, 153)).rejects.toMatchObject({
      first: 101,
      last: 150,
    });
  });

  test("is missed from its beginning, wherever reading begins", async () => {
    const { kv, store } = await damagedLog([100, 100], []);
    await spoil(kv, 1, true);
    expect(await damageFrom(store, 50, 200)).toMatchObject({ first: 1, last: 100 });
  });

  test("begins after no base that lies among what cannot be read, until that is repaired", async () => {
    const { kv, store, log } = await damagedLog([100, 100, 40], [150]);
    const before = await dump(kv);
    for (const seq of [101, 150, 199]) {
      const bases = [log.base(50), log.base(seq)];
      await expect(store.begin(space, bases)).rejects.toMatchObject({ first: 101, last: 200 });
    }
    expect(await dump(kv)).toEqual(before);
    expect(await store.repair(space, log.slice(101, 200))).toBe("repaired");
    await store.begin(space, [log.base(150)]);
    expect(await wholeLog(store, 240, 151)).toEqual(log.slice(151, 240).entries);
  });

  test("begins after its damage, or before it, and loses nothing that stands above", async () => {
    for (const [seq, damage] of [
      [100, { first: 101, last: 200 }],
      [200, undefined],
      [239, undefined],
      [240, undefined],
      [300, undefined],
    ] as const) {
      for (const gone of [false, true]) {
        const { kv, store, log } = await damagedLog([100, 100, 40], []);
        await spoil(kv, 150, gone);
        if (seq > 240) log.run(seq - 240);
        const base = log.base(seq);
        const [outcome] = await store.begin(space, [base]);
        const to = Math.max(240, seq);
        const head = { ...log.head, from: seq + 1 };
        expect(outcome).toEqual({ kind: "begun", head, news: true });
        const found = await damageFrom(store, seq + 1, to, seq + 1);
        expect(found && { first: found.first, last: found.last }).toEqual(damage);
        if (damage) await store.repair(space, log.slice(101, 200));
        await store.append(space, [log.run(3)]);
        const all = log.slice(seq + 1, log.length);
        expect(await wholeLog(store, log.length, seq + 1)).toEqual(all.entries);
      }
    }
  });

  test("forks from a base that another entry claims, also where what stands behind tells", async () => {
    const { store, log } = await damagedLog([100, 100], [50]);
    const other = { ...log.base(100), hash: new Uint8Array(32).fill(9) };
    expect(await store.begin(space, [other])).toEqual([{ kind: "fork", head: log.head }]);
  });

  test("is repaired above its base as ever, by runs that join the base", async () => {
    const { kv, store, log } = await damagedLog([100, 100], []);
    await store.begin(space, [log.base(150)]);
    await spoil(kv, 151);
    expect(await damageFrom(store, 151, 200, 151)).toMatchObject({ first: 151, last: 200 });
    expect(await store.hashes(space, ana, 150, 150)).toEqual([log.hashAt(150)]);
    const strange = { ...log.slice(151, 200), previous: new Uint8Array(32).fill(9) };
    expect(await store.repair(space, strange)).toBe("unfit");
    expect(await store.repair(space, log.slice(150, 200))).toBe("unfit");
    expect(await store.repair(space, log.slice(151, 170))).toBe("repaired");
    expect(await store.repair(space, log.slice(171, 200))).toBe("repaired");
    expect(await damageFrom(store, 151, 200, 151)).toBeUndefined();
    expect(await wholeLog(store, 200, 151)).toEqual(log.slice(151, 200).entries);
  });

  test("begins anywhere after a repair that reaches into what was whole", async () => {
    for (const seq of [110, 130, 150, 160, 199, 200, 230]) {
      const { store, log } = await damagedLog([100, 100, 40], [110]);
      for (const [first, last] of [
        [101, 130],
        [131, 220],
      ] as const) {
        expect(await store.repair(space, log.slice(first, last))).toBe("repaired");
      }
      await store.begin(space, [log.base(seq)]);
      await store.append(space, [log.run(2)]);
      expect(await damageFrom(store, seq + 1, 242, seq + 1)).toBeUndefined();
      expect(await wholeLog(store, 242, seq + 1)).toEqual(log.slice(seq + 1, 242).entries);
      const hashes = await store.hashes(space, ana, seq, 242);
      expect(hashes).toEqual(log.slice(seq, 242).hashes);
    }
  });

  test("is left alone where it is whole", async () => {
    const { store, log } = await damagedLog([100, 100], [150]);
    expect(await store.repair(space, log.slice(1, 100))).toBe("whole");
    expect(await damageFrom(store, 1, 200)).toMatchObject({ first: 101, last: 200 });
  });

  test("may be damaged in its tail, and joins new entries only to a whole one", async () => {
    const { store, log } = await damagedLog([100, 30], [110]);
    expect(await store.repair(space, log.slice(101, 120))).toBe("repaired");
    const [outcome] = await store.append(space, [log.run(2)]);
    expect(outcome).toMatchObject({ kind: "held", news: true });
    expect(await damageFrom(store, 1, 132)).toMatchObject({ first: 121, last: 130 });
    expect(await store.repair(space, log.slice(121, 131))).toBe("repaired");
    expect(await wholeLog(store, 132)).toEqual(log.slice(1, 132).entries);
  });
});
