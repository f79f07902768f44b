/**
 * What `store.ts` promises, as tests that every implementation passes: memory, IndexedDB, SQLite.
 * Runs are chained with the real hash of docs/protocol.md; signatures are any 64 bytes, since a
 * store keeps them and never checks them.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { branchContract } from "./branch.contract.ts";
import { zeroHash } from "./chain.ts";
import { runEntriesMax } from "./entry.ts";
import type { LogStore } from "./store.ts";
import {
  ana,
  anyBytes,
  ben,
  bytesOf,
  deliver,
  epochs,
  expectAppended,
  expectBegun,
  expectHeads,
  expectHeld,
  expectRegisters,
  expectRun,
  filled,
  names,
  plain,
  plainEntry,
  register,
  replica,
  sealed,
  spaceA,
  spaceB,
  TestLog,
  walk,
} from "./test-log.contract.ts";

export interface StoreUnderTest {
  readonly store: LogStore;
  /**
   * Opens the same storage anew: after `close`, or as if the process had died without it.
   * Undefined where nothing outlives the store.
   */
  readonly reopen: ((after: "close" | "crash") => Promise<LogStore>) | undefined;
  /** Frees whatever the store and its successors used. The store may be open or closed. */
  readonly dispose: () => Promise<void>;
}

/**
 * @param options `durable`: what is stored outlives the store. `orders`: how many random histories
 * to try, fewer where each opens a file or a database.
 */
export function logStoreContract(
  name: string,
  { durable, orders = 20 }: { readonly durable: boolean; readonly orders?: number },
  open: () => Promise<StoreUnderTest>,
): void {
  const opened: StoreUnderTest[] = [];
  const fresh = async () => {
    const subject = await open();
    opened.push(subject);
    return subject;
  };
  const freshStore = async () => (await fresh()).store;
  const disposeAll = async () => {
    for (const subject of opened.splice(0)) await subject.dispose();
  };

  describe(`${name} as a log store`, () => {
    afterEach(disposeAll);

    describe("an unknown space", () => {
      test("holds nothing", async () => {
        const store = await freshStore();
        expect(await store.heads(spaceA)).toEqual([]);
        expect(await store.registers(spaceA)).toEqual([]);
        expect(await store.read(spaceA, ana, 1, anyBytes)).toBeUndefined();
        expect(await store.hashes(spaceA, ana, 1, 10)).toEqual([]);
      });

      test("takes no runs and no registers as such", async () => {
        const store = await freshStore();
        expect(await store.append(spaceA, [])).toEqual([]);
        expect(await store.putRegisters(spaceA, [])).toEqual([]);
        expect(await store.begin(spaceA, [])).toEqual([]);
      });
    });

    describe("append", () => {
      test("holds the first run of a log and shows its head", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const run = log.run(3);
        const head = { replica: ana, publicKey: log.publicKey, from: 1, to: 3, hash: log.hash };
        expectAppended(await store.append(spaceA, [run]), [{ kind: "held", news: true, head }]);
        expectHeads(await store.heads(spaceA), [head]);
      });

      test("continues a log from where it ends", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3)]);
        await store.append(spaceA, [log.run(1)]);
        await store.append(spaceA, [log.run(2)]);
        expectHeads(await store.heads(spaceA), [log.head]);
      });

      test("takes the same run twice without writing it twice", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const run = log.run(3);
        await store.append(spaceA, [run]);
        const again = await store.append(spaceA, [run]);
        expectAppended(again, [{ kind: "held", news: false, head: log.head }]);
        expectRun(await store.read(spaceA, ana, 1, anyBytes), run);
      });

      test("finds nothing new in a run whose every entry is held in other runs", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3), log.run(3)]);
        const within = await store.append(spaceA, [log.slice(2, 5)]);
        expectAppended(within, [{ kind: "held", news: false, head: log.head }]);
        expectRun(await store.read(spaceA, ana, 1, anyBytes), log.slice(1, 6));
      });

      test("writes only what is new of a run that overlaps", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3)]);
        log.run(4);
        const overlapping = await store.append(spaceA, [log.slice(2, 7)]);
        expectAppended(overlapping, [{ kind: "held", news: true, head: log.head }]);
        expectRun(await store.read(spaceA, ana, 1, anyBytes), log.slice(1, 7));
        expectRun(await store.read(spaceA, ana, 4, anyBytes), log.slice(4, 7));
      });

      test("writes only what is new of a run that begins with all that is held", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(2)]);
        log.run(2);
        const longer = await store.append(spaceA, [log.slice(1, 4)]);
        expectAppended(longer, [{ kind: "held", news: true, head: log.head }]);
        expectRun(await store.read(spaceA, ana, 3, anyBytes), log.slice(3, 4));
      });

      test("writes nothing of a run that begins after a gap", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const first = log.run(2);
        const head = log.head;
        log.run(1);
        const after = log.run(2);
        expectAppended(await store.append(spaceA, [after]), [{ kind: "gap", to: 0 }]);
        expectHeads(await store.heads(spaceA), []);
        await store.append(spaceA, [first]);
        expectAppended(await store.append(spaceA, [after]), [{ kind: "gap", to: 2 }]);
        expectHeads(await store.heads(spaceA), [head]);
        expect(await store.read(spaceA, ana, 3, anyBytes)).toBeUndefined();
      });

      test("keeps what it holds when another entry claims the same seq", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const run = log.run(3);
        const fork = new TestLog(ana).run(3);
        await store.append(spaceA, [run]);
        expectAppended(await store.append(spaceA, [fork]), [{ kind: "fork", head: log.head }]);
        expectRun(await store.read(spaceA, ana, 1, anyBytes), run);
      });

      test("writes nothing of a longer run that forks off within what is held", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(2)]);
        const fork = log.fork();
        await store.append(spaceA, [log.run(2)]);
        fork.run(5);
        const outcome = await store.append(spaceA, [fork.slice(2, 7)]);
        expectAppended(outcome, [{ kind: "fork", head: log.head }]);
        expectHeads(await store.heads(spaceA), [log.head]);
        expect(await store.read(spaceA, ana, 5, anyBytes)).toBeUndefined();
      });

      test("refuses the next run when it follows another entry than the one held", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const fork = new TestLog(ana);
        await store.append(spaceA, [log.run(3)]);
        fork.run(3);
        const outcome = await store.append(spaceA, [fork.run(1)]);
        expectAppended(outcome, [{ kind: "fork", head: log.head }]);
        expectHeads(await store.heads(spaceA), [log.head]);
      });

      test("judges each run of one call for itself, in order", async () => {
        const store = await freshStore();
        const anas = new TestLog(ana);
        const bens = new TestLog(ben);
        const anasFork = new TestLog(ana).run(1);
        const runs = [anas.run(2), anasFork, bens.run(1), anas.run(2)];
        const anasFirst = { ...anas.head, to: 2, hash: anas.hashAt(2) };
        bens.run(1);
        const late = bens.run(1);
        expectAppended(await store.append(spaceA, [...runs, late]), [
          { kind: "held", news: true, head: anasFirst },
          { kind: "fork", head: anasFirst },
          { kind: "held", news: true, head: { ...bens.head, to: 1, hash: bens.hashAt(1) } },
          { kind: "held", news: true, head: anas.head },
          { kind: "gap", to: 1 },
        ]);
      });

      test("keeps no view of the caller's bytes", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const run = log.run(2);
        const before = structuredClone(run);
        await store.append(spaceA, [run]);
        for (const bytes of bytesOf(run)) bytes.fill(0xee);
        expectRun(await store.read(spaceA, ana, 1, anyBytes), before);
        expect(await store.hashes(spaceA, ana, 1, 2)).toEqual(before.hashes.map(plain));
      });
    });

    describe("read", () => {
      test("gives back every kind of entry as it was", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const run = log.runOf([
          { epoch: epochs[0], writer: { kind: "opens", nonce: filled(16, 7) }, body: sealed(40) },
          { epoch: epochs[0], writer: { kind: "continues", distance: 1 }, body: sealed(17) },
          { epoch: epochs[1], writer: { kind: "continues", distance: 2 }, body: sealed(65_536) },
          {
            epoch: epochs[1],
            writer: { kind: "continues", distance: 3 },
            body: { kind: "hollow", hash: filled(32, 9), length: 1_234 },
          },
          { epoch: epochs[0], writer: { kind: "opens", nonce: filled(16, 8) }, body: sealed(16) },
        ]);
        await store.append(spaceA, [run]);
        expectRun(await store.read(spaceA, ana, 1, anyBytes), run);
      });

      test("begins in the middle of a run and ends at its signed head", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(5)]);
        for (const first of [2, 3, 4, 5]) {
          expectRun(await store.read(spaceA, ana, first, anyBytes), log.slice(first, 5));
        }
      });

      test("joins runs as far as the bytes allow", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        for (let count = 0; count < 4; count++) {
          await store.append(spaceA, [log.run(2, { bodyBytes: 100 })]);
        }
        expectRun(await store.read(spaceA, ana, 1, 400), log.slice(1, 4));
        expectRun(await store.read(spaceA, ana, 1, 599), log.slice(1, 4));
        expectRun(await store.read(spaceA, ana, 1, 600), log.slice(1, 6));
        expectRun(await store.read(spaceA, ana, 2, 300), log.slice(2, 4));
        expectRun(await store.read(spaceA, ana, 1, anyBytes), log.slice(1, 8));
      });

      test("gives at least the rest of one run, however large", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3, { bodyBytes: 5_000 }), log.run(1)]);
        expectRun(await store.read(spaceA, ana, 1, 1), log.slice(1, 3));
        expectRun(await store.read(spaceA, ana, 3, 1), log.slice(3, 3));
      });

      test("never joins more entries than a run may have", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(runEntriesMax - 1), log.run(1), log.run(1)]);
        const run = await store.read(spaceA, ana, 1, anyBytes);
        expect(run?.entries.length).toBe(runEntriesMax);
        const beginsLater = await store.read(spaceA, ana, 2, anyBytes);
        expect(beginsLater?.entries.length).toBe(runEntriesMax);
      });

      test("has nothing where no entry is", async () => {
        const store = await freshStore();
        await store.append(spaceA, [new TestLog(ana).run(3)]);
        expect(await store.read(spaceA, ana, 0, anyBytes)).toBeUndefined();
        expect(await store.read(spaceA, ana, 4, anyBytes)).toBeUndefined();
        expect(await store.read(spaceA, ben, 1, anyBytes)).toBeUndefined();
      });

      test("is the same log, whatever runs it came in and in whatever order", async () => {
        const counts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 });
        const order = fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true }));
        await fc.assert(
          fc.asyncProperty(counts, order, fc.integer({ min: 1, max: 400 }), async (...args) => {
            const [runCounts, dice, bytesMax] = args;
            const store = await freshStore();
            const log = new TestLog(ana);
            for (const count of runCounts) log.run(count, { bodyBytes: 40 });
            await deliver(store, log, dice);
            const walked = await walk(store, ana, bytesMax);
            expect(walked.length).toBe(log.length);
            const whole = log.slice(1, log.length);
            expect(walked.map(plainEntry)).toEqual(whole.entries.map(plainEntry));
            expect(await store.hashes(spaceA, ana, 1, log.length)).toEqual(whole.hashes.map(plain));
            await disposeAll();
          }),
          { numRuns: orders },
        );
      });
    });

    describe("hashes", () => {
      test("gives those that are held, from the first on", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(2), log.run(3)]);
        const all = log.slice(1, 5).hashes.map(plain);
        expect(await store.hashes(spaceA, ana, 1, 5)).toEqual(all);
        expect(await store.hashes(spaceA, ana, 2, 4)).toEqual(all.slice(1, 4));
        expect(await store.hashes(spaceA, ana, 4, 4)).toEqual(all.slice(3, 4));
        expect(await store.hashes(spaceA, ana, 4, 99)).toEqual(all.slice(3));
        expect(await store.hashes(spaceA, ana, 6, 9)).toEqual([]);
        expect(await store.hashes(spaceA, ana, 0, 3)).toEqual([]);
        expect(await store.hashes(spaceA, ana, 3, 2)).toEqual([]);
        expect(await store.hashes(spaceA, ben, 1, 5)).toEqual([]);
      });
    });

    describe("a log that begins after a base", () => {
      test("of which nothing was held is empty, and goes on from there", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        log.run(5);
        const empty = { ...log.head, from: 6 };
        const begun = [{ kind: "begun", head: empty, news: true }] as const;
        expectBegun(await store.begin(spaceA, [log.base(5)]), begun);
        expectHeads(await store.heads(spaceA), [empty]);
        expect(await store.read(spaceA, ana, 5, anyBytes)).toBeUndefined();
        expect(await store.read(spaceA, ana, 6, anyBytes)).toBeUndefined();
        const next = log.run(3);
        const head = { ...log.head, from: 6 };
        expectAppended(await store.append(spaceA, [next]), [{ kind: "held", news: true, head }]);
        expectHeads(await store.heads(spaceA), [head]);
        expectRun(await store.read(spaceA, ana, 6, anyBytes), next);
        expectRun(await store.read(spaceA, ana, 7, anyBytes), log.slice(7, 8));
        expect(await store.read(spaceA, ana, 5, anyBytes)).toBeUndefined();
      });

      test("drops what it held up to there, wherever its runs end", async () => {
        for (let seq = 1; seq <= 9; seq++) {
          const store = await freshStore();
          const log = new TestLog(ana);
          await store.append(spaceA, [log.run(2), log.run(4)]);
          await store.append(spaceA, [log.run(3)]);
          const head = { ...log.head, from: seq + 1 };
          const begun = [{ kind: "begun", head, news: true }] as const;
          expectBegun(await store.begin(spaceA, [log.base(seq)]), begun);
          expectHeads(await store.heads(spaceA), [head]);
          expect(await store.read(spaceA, ana, seq, anyBytes)).toBeUndefined();
          await expectHeld(store, log, seq + 1);
          await store.append(spaceA, [log.run(2)]);
          expectHeads(await store.heads(spaceA), [{ ...log.head, from: seq + 1 }]);
          await expectHeld(store, log, seq + 1);
          await disposeAll();
        }
      });

      test("drops everything where it ends below, and is not asked what that was", async () => {
        const store = await freshStore();
        const other = new TestLog(ana).run(3);
        const log = new TestLog(ana);
        log.run(6);
        await store.append(spaceA, [other]);
        const empty = { ...log.head, from: 7 };
        const begun = [{ kind: "begun", head: empty, news: true }] as const;
        expectBegun(await store.begin(spaceA, [log.base(6)]), begun);
        expectHeads(await store.heads(spaceA), [empty]);
        expect(await store.read(spaceA, ana, 1, anyBytes)).toBeUndefined();
        await store.append(spaceA, [log.run(1)]);
        await expectHeld(store, log, 7);
      });

      test("begins there or above already: nothing happens", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3), log.run(3)]);
        await store.begin(spaceA, [log.base(4)]);
        const same = { kind: "begun", head: { ...log.head, from: 5 }, news: false } as const;
        expectBegun(await store.begin(spaceA, [log.base(4)]), [same]);
        expectBegun(await store.begin(spaceA, [log.base(2)]), [same]);
        const unknowable = { ...log.base(3), hash: filled(32, 9) };
        expectBegun(await store.begin(spaceA, [unknowable]), [same]);
        await expectHeld(store, log, 5);
      });

      test("may be moved up again and again", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        for (let round = 0; round < 4; round++) {
          await store.append(spaceA, [log.run(5)]);
          for (const seq of [log.length - 3, log.length - 1]) {
            await store.begin(spaceA, [log.base(seq)]);
            await expectHeld(store, log, seq + 1);
          }
        }
        await store.begin(spaceA, [log.base(log.length)]);
        log.run(30);
        await store.begin(spaceA, [log.base(log.length)]);
        expectHeads(await store.heads(spaceA), [{ ...log.head, from: log.length + 1 }]);
        await store.append(spaceA, [log.run(2)]);
        await expectHeld(store, log, log.length - 1);
      });

      test("keeps what it holds when it holds another entry there", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3), log.run(3)]);
        const fork = [{ kind: "fork", head: log.head }] as const;
        for (const seq of [1, 3, 4, 6]) {
          const other = { ...log.base(seq), hash: filled(32, 9) };
          expectBegun(await store.begin(spaceA, [other]), fork);
        }
        await expectHeld(store, log, 1);
        await store.begin(spaceA, [log.base(4)]);
        const above = [{ kind: "fork", head: { ...log.head, from: 5 } }] as const;
        for (const seq of [4, 5, 6]) {
          const other = { ...log.base(seq), hash: filled(32, 9) };
          expectBegun(await store.begin(spaceA, [other]), above);
        }
        await expectHeld(store, log, 5);
      });

      test("begins where all do after no entry at all", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const nothing = { kind: "begun", head: log.head, news: false } as const;
        expectBegun(await store.begin(spaceA, [log.base(0)]), [nothing]);
        expectHeads(await store.heads(spaceA), []);
        const odd = { ...log.base(0), hash: filled(32, 9) };
        expectBegun(await store.begin(spaceA, [odd]), [{ kind: "fork", head: log.head }]);
        expectHeads(await store.heads(spaceA), []);
        await store.append(spaceA, [log.run(2)]);
        const held = { kind: "begun", head: log.head, news: false } as const;
        expectBegun(await store.begin(spaceA, [log.base(0)]), [held]);
        expectBegun(await store.begin(spaceA, [odd]), [{ kind: "fork", head: log.head }]);
        await expectHeld(store, log, 1);
      });

      test("takes of a run that begins below what is new, without looking below its base", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        log.run(4);
        await store.begin(spaceA, [log.base(4)]);
        log.run(4);
        const run = log.slice(2, 6);
        for (const bytes of [run.hashes[0], run.hashes[1], run.previous]) bytes?.fill(9);
        const six = { ...log.head, from: 5, to: 6, hash: log.hashAt(6) };
        expectAppended(await store.append(spaceA, [run]), [
          { kind: "held", news: true, head: six },
        ]);
        const eight = { ...log.head, from: 5 };
        for (const [runs, news] of [
          [log.slice(3, 8), true],
          [log.slice(1, 8), false],
          [log.slice(1, 4), false],
          [log.slice(1, 2), false],
        ] as const) {
          const expected = { kind: "held", news, head: eight } as const;
          expectAppended(await store.append(spaceA, [runs]), [expected]);
        }
        await expectHeld(store, log, 5);
      });

      test("takes no run that follows another entry than the base, or leaves a gap", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        log.run(4);
        const other = log.fork();
        await store.begin(spaceA, [log.base(4)]);
        const empty = { ...log.head, from: 5 };
        const odd = { ...log.fork().run(1), previous: filled(32, 9) };
        const oddBelow = new TestLog(ana);
        oddBelow.run(5);
        const fork = { kind: "fork", head: empty } as const;
        const runs = [odd, oddBelow.slice(3, 5), oddBelow.slice(4, 4)];
        expectAppended(await store.append(spaceA, runs), [fork, fork, fork]);
        other.run(2);
        const late = other.slice(6, 6);
        expectAppended(await store.append(spaceA, [late]), [{ kind: "gap", to: 4 }]);
        expectHeads(await store.heads(spaceA), [empty]);
        await store.append(spaceA, [log.run(2)]);
        const outcome = await store.append(spaceA, [other.slice(5, 6)]);
        expectAppended(outcome, [{ kind: "fork", head: { ...log.head, from: 5 } }]);
        await expectHeld(store, log, 5);
      });

      test("tells the hash of its base beside those of its entries", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        log.run(4);
        await store.begin(spaceA, [log.base(4)]);
        const base = [plain(log.hashAt(4))];
        expect(await store.hashes(spaceA, ana, 4, 4)).toEqual(base);
        expect(await store.hashes(spaceA, ana, 4, 9)).toEqual(base);
        expect(await store.hashes(spaceA, ana, 3, 9)).toEqual([]);
        expect(await store.hashes(spaceA, ana, 5, 9)).toEqual([]);
        await store.append(spaceA, [log.run(2), log.run(2)]);
        const all = [...base, ...log.slice(5, 8).hashes.map(plain)];
        expect(await store.hashes(spaceA, ana, 4, 4)).toEqual(base);
        expect(await store.hashes(spaceA, ana, 4, 7)).toEqual(all.slice(0, 4));
        expect(await store.hashes(spaceA, ana, 4, 99)).toEqual(all);
        expect(await store.hashes(spaceA, ana, 5, 6)).toEqual(all.slice(1, 3));
        expect(await store.hashes(spaceA, ana, 3, 8)).toEqual([]);
      });

      test("is judged for itself among others of one call, in order", async () => {
        const store = await freshStore();
        const [anas, bens] = [new TestLog(ana), new TestLog(ben)];
        await store.append(spaceA, [anas.run(3), bens.run(3)]);
        await store.append(spaceB, [anas.slice(1, 3)]);
        const other = { ...bens.base(2), hash: filled(32, 9) };
        const bases = [anas.base(1), other, anas.base(2), anas.base(1), bens.base(3)];
        const anasHead = { ...anas.head, from: 3 };
        expectBegun(await store.begin(spaceA, bases), [
          { kind: "begun", head: { ...anas.head, from: 2 }, news: true },
          { kind: "fork", head: bens.head },
          { kind: "begun", head: anasHead, news: true },
          { kind: "begun", head: anasHead, news: false },
          { kind: "begun", head: { ...bens.head, from: 4 }, news: true },
        ]);
        expectHeads(await store.heads(spaceA), [anasHead, { ...bens.head, from: 4 }]);
        expectHeads(await store.heads(spaceB), [anas.head]);
      });

      test("keeps no view of the caller's bytes", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        log.run(2);
        const base = structuredClone(log.base(2));
        await store.begin(spaceA, [base]);
        for (const bytes of [base.hash, base.publicKey]) bytes.fill(0xee);
        expectHeads(await store.heads(spaceA), [{ ...log.head, from: 3 }]);
        await store.append(spaceA, [log.run(1)]);
        expectHeads(await store.heads(spaceA), [{ ...log.head, from: 3 }]);
        expect(await store.hashes(spaceA, ana, 2, 2)).toEqual([plain(log.hashAt(2))]);
      });

      test("is the same log from there on, whatever came in whatever order", async () => {
        const counts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 });
        const order = fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true }));
        const bases = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 3 });
        await fc.assert(
          fc.asyncProperty(counts, order, bases, async (runCounts, dice, seqs) => {
            const store = await freshStore();
            const log = new TestLog(ana);
            let from = 1;
            for (const [index, count] of runCounts.entries()) {
              const run = log.run(count, { bodyBytes: 40 });
              const [head] = await store.heads(spaceA);
              if (run.first === (head?.to ?? 0) + 1) await store.append(spaceA, [run]);
              const seq = seqs[index];
              if (seq === undefined) continue;
              const base = log.base(Math.min(seq, log.length));
              const [outcome] = await store.begin(spaceA, [base]);
              from = Math.max(from, base.seq + 1);
              expect(outcome).toMatchObject({ kind: "begun", head: { from } });
            }
            await deliver(store, log, dice);
            expectHeads(await store.heads(spaceA), [{ ...log.head, from }]);
            await expectHeld(store, log, from);
            await disposeAll();
          }),
          { numRuns: orders },
        );
      });
    });

    branchContract({ fresh, freshStore });

    describe("registers", () => {
      test("keep the greatest number", async () => {
        const store = await freshStore();
        const second = register(ana, names[0], 2);
        expect(await store.putRegisters(spaceA, [second])).toEqual([true]);
        expect(await store.putRegisters(spaceA, [register(ana, names[0], 1)])).toEqual([false]);
        expectRegisters(await store.registers(spaceA), [second]);
        const third = register(ana, names[0], 3);
        expect(await store.putRegisters(spaceA, [third])).toEqual([true]);
        expectRegisters(await store.registers(spaceA), [third]);
      });

      test("of equal numbers keep the greater body hash", async () => {
        const store = await freshStore();
        const smaller = register(ana, names[0], 5, 0x10);
        const greater = register(ana, names[0], 5, 0x90);
        expect(await store.putRegisters(spaceA, [smaller])).toEqual([true]);
        expect(await store.putRegisters(spaceA, [greater])).toEqual([true]);
        expect(await store.putRegisters(spaceA, [smaller])).toEqual([false]);
        expect(await store.putRegisters(spaceA, [greater])).toEqual([false]);
        expectRegisters(await store.registers(spaceA), [greater]);
      });

      test("are one for each replica and name", async () => {
        const store = await freshStore();
        const all = [
          register(ana, names[0], 1),
          register(ana, names[1], 1),
          register(ben, names[0], 1),
        ];
        expect(await store.putRegisters(spaceA, all)).toEqual([true, true, true]);
        expectRegisters(await store.registers(spaceA), all);
      });

      test("of one call are judged in order", async () => {
        const store = await freshStore();
        const [first, third] = [register(ana, names[0], 1), register(ana, names[0], 3)];
        const second = register(ana, names[0], 2);
        expect(await store.putRegisters(spaceA, [first, third, second])).toEqual([
          true,
          true,
          false,
        ]);
        expectRegisters(await store.registers(spaceA), [third]);
      });

      test("keep numbers up to 2^53 − 1", async () => {
        const store = await freshStore();
        const last = register(ana, names[0], Number.MAX_SAFE_INTEGER);
        await store.putRegisters(spaceA, [last]);
        expectRegisters(await store.registers(spaceA), [last]);
      });

      test("keep no view of the caller's bytes", async () => {
        const store = await freshStore();
        const kept = register(ana, names[0], 1);
        const before = structuredClone(kept);
        await store.putRegisters(spaceA, [kept]);
        for (const bytes of [kept.bytes, kept.bodyHash, kept.publicKey]) bytes.fill(0xee);
        expectRegisters(await store.registers(spaceA), [before]);
      });
    });

    test("two spaces know nothing of each other", async () => {
      const store = await freshStore();
      const inA = new TestLog(ana);
      const inB = new TestLog(ana);
      await store.append(spaceA, [inA.run(2)]);
      await store.append(spaceB, [inB.run(3)]);
      await store.putRegisters(spaceA, [register(ana, names[0], 9)]);
      expectHeads(await store.heads(spaceA), [inA.head]);
      expectHeads(await store.heads(spaceB), [inB.head]);
      expectRun(await store.read(spaceA, ana, 1, anyBytes), inA.slice(1, 2));
      expect(await store.registers(spaceB)).toEqual([]);
      const older = register(ana, names[0], 1);
      expect(await store.putRegisters(spaceB, [older])).toEqual([true]);
    });

    describe("calls at the same time", () => {
      test("take effect in the order they were made", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        const appends = Array.from({ length: 20 }, () => store.append(spaceA, [log.run(2)]));
        const outcomes = (await Promise.all(appends)).flat();
        expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 20 }, () => "held"));
        expectRun(await store.read(spaceA, ana, 1, anyBytes), log.slice(1, 40));
      });

      test("let one of many equal runs be the news", async () => {
        const store = await freshStore();
        const run = new TestLog(ana).run(3);
        const appends = Array.from({ length: 10 }, () => store.append(spaceA, [run]));
        const outcomes = (await Promise.all(appends)).flat();
        expect(outcomes.filter((outcome) => outcome.kind === "held" && outcome.news)).toHaveLength(
          1,
        );
        expect(outcomes.every(({ kind }) => kind === "held")).toBe(true);
      });

      test("let one branch of a fork win", async () => {
        const store = await freshStore();
        const branches = Array.from({ length: 10 }, () => new TestLog(ana));
        const appends = branches.map((branch) => store.append(spaceA, [branch.run(2)]));
        const outcomes = (await Promise.all(appends)).flat();
        expect(outcomes.filter(({ kind }) => kind === "held")).toHaveLength(1);
        expect(outcomes.filter(({ kind }) => kind === "fork")).toHaveLength(9);
        const winner = outcomes.findIndex(({ kind }) => kind === "held");
        const [head] = await store.heads(spaceA);
        expect(plain(head?.hash)).toEqual(plain(branches[winner]?.hash));
      });

      test("of many replicas are all kept", async () => {
        const store = await freshStore();
        const logs = Array.from({ length: 30 }, (_, index) => new TestLog(replica(index + 1)));
        await Promise.all(
          logs.map(async (log) => {
            for (let count = 0; count < 5; count++) await store.append(spaceA, [log.run(2)]);
          }),
        );
        expectHeads(
          await store.heads(spaceA),
          logs.map((log) => log.head),
        );
      });
    });

    describe("close", () => {
      test("may be called again, and ends everything else", async () => {
        const store = await freshStore();
        const run = new TestLog(ana).run(1);
        await store.close();
        await store.close();
        await expect(store.append(spaceA, [run])).rejects.toThrow(/closed/);
        const base = { ...run, seq: 1, hash: zeroHash };
        await expect(store.begin(spaceA, [base])).rejects.toThrow(/closed/);
        await expect(store.heads(spaceA)).rejects.toThrow(/closed/);
        await expect(store.read(spaceA, ana, 1, anyBytes)).rejects.toThrow(/closed/);
        await expect(store.registers(spaceA)).rejects.toThrow(/closed/);
      });
    });

    for (const after of durable ? (["close", "crash"] as const) : []) {
      test(`what was answered is still there after a ${after}`, async () => {
        const { store, reopen } = await fresh();
        if (reopen === undefined) throw new Error(`${name} is durable but cannot be opened again`);
        const log = new TestLog(ana);
        const kept = register(ben, names[0], 4);
        const [begun, empty] = [new TestLog(ben), new TestLog(replica(3))];
        await store.append(spaceA, [log.run(3), log.run(2), begun.run(4)]);
        empty.run(7);
        await store.begin(spaceA, [begun.base(2), empty.base(7)]);
        await store.putRegisters(spaceA, [kept]);
        if (after === "close") await store.close();
        const again = await reopen(after);
        const heads = [{ ...begun.head, from: 3 }, { ...empty.head, from: 8 }, log.head];
        expectHeads(await again.heads(spaceA), heads);
        await expectHeld(again, begun, 3);
        await expectHeld(again, empty, 8);
        expectRun(await again.read(spaceA, ana, 1, anyBytes), log.slice(1, 5));
        expectRun(await again.read(spaceA, ana, 2, 1), log.slice(2, 3));
        expectRegisters(await again.registers(spaceA), [kept]);
        const more = await again.append(spaceA, [log.run(1)]);
        expectAppended(more, [{ kind: "held", news: true, head: log.head }]);
      });
    }
  });
}

// Logs to store
