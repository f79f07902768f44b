/**
 * What a store promises about logs that have forked (`LogStore.split`, and branches that begin with a
 * run): the part of `store.contract.ts` that is about branches.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ReplicaId } from "../id/id.ts";
import type { Branch } from "./branch.ts";
import { runEntriesMax } from "./entry.ts";
import {
  ana,
  expectAppended,
  expectHeads,
  expectHeld,
  filled,
  replica,
  spaceA,
  TestLog,
} from "./test-log.contract.ts";
import type { LogHead, LogStore, SplitOff, VerifiedRun } from "./store.ts";

export interface BranchSubject {
  readonly freshStore: () => Promise<LogStore>;
  /** `reopen`: undefined where nothing outlives the store. */
  readonly fresh: () => Promise<{
    readonly store: LogStore;
    readonly reopen: ((after: "crash") => Promise<LogStore>) | undefined;
  }>;
}

export function branchContract({ fresh, freshStore }: BranchSubject): void {
  const branchId = replica(0xb1);
  const otherId = replica(0xb2);

  const branchOf = (log: TestLog, seq: number): Branch => ({
    signer: log.replica,
    seq,
    hash: log.hashAt(seq),
  });
  const splitAt = (log: TestLog, seq: number, into = branchId) => ({
    replica: log.replica,
    branch: branchOf(log, seq),
    into,
  });
  /** A run of `log` as one of the branch that begins at `seq`. */
  const asBranch = (run: VerifiedRun, branch: Branch, into = branchId): VerifiedRun => ({
    ...run,
    replica: into,
    branch,
  });
  const branchHead = (log: TestLog, seq: number, from: number, into = branchId): LogHead => ({
    ...log.head,
    replica: into,
    from,
    branch: { ...branchOf(log, seq), base: log.hashAt(from - 1) },
  });
  /** What of `log` is held under the branch's id, from `from` on. */
  const expectBranch = (store: LogStore, log: TestLog, from: number, into: ReplicaId = branchId) =>
    expectHeld(store, log.under(into), from);

  describe("a log that has forked", () => {
    test("is taken apart at the head before the branch, and goes on with the other one", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      await store.append(spaceA, [mine.run(2), mine.run(3)]);
      const theirs = mine.fork();
      await store.append(spaceA, [mine.run(2), mine.run(4)]);
      const rest = { ...mine.head, to: 5, hash: mine.hashAt(5) };
      const branch = branchHead(mine, 6, 6);
      expectSplit(await store.split(spaceA, splitAt(mine, 6)), { kind: "split", rest, branch });
      expectHeads(await store.heads(spaceA), [rest, branch]);
      await expectBranch(store, mine, 6);
      await store.append(spaceA, [theirs.run(3), theirs.run(1)]);
      await expectHeld(store, theirs, 1);
      await store.append(spaceA, [asBranch(mine.run(2), branchOf(mine, 6))]);
      await expectBranch(store, mine, 6);
    });

    test("leaves what both have in common with the branch where no head lies between", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      await store.append(spaceA, [mine.run(2), mine.run(6)]);
      const branch = branchHead(mine, 5, 3);
      const rest = { ...mine.head, to: 2, hash: mine.hashAt(2) };
      expectSplit(await store.split(spaceA, splitAt(mine, 5)), { kind: "split", rest, branch });
      await expectBranch(store, mine, 3);
    });

    test("is gone where nothing of it stays, and may come again", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      await store.append(spaceA, [mine.run(4)]);
      const branch = branchHead(mine, 3, 1);
      const split = await store.split(spaceA, splitAt(mine, 3));
      expectSplit(split, { kind: "split", rest: undefined, branch });
      expectHeads(await store.heads(spaceA), [branch]);
      expect(await store.read(spaceA, ana, 1, 100)).toBeUndefined();
      const theirs = new TestLog(ana);
      await store.append(spaceA, [theirs.run(2)]);
      await expectHeld(store, theirs, 1);
      await expectBranch(store, mine, 1);
    });

    test.each([
      ["begins where that ends", 6],
      ["begins before that ends", 3],
    ])("keeps with what stays a proof that %s", async (_, first) => {
      const { store, reopen } = await fresh();
      const mine = new TestLog(ana);
      await store.append(spaceA, [mine.run(2), mine.run(3)]);
      const theirs = mine.fork();
      await store.append(spaceA, [mine.run(2), mine.run(4)]);
      theirs.run(3);
      const rest = { ...mine.head, to: 5, hash: mine.hashAt(5) };
      const branch = branchHead(mine, 6, 6);
      const proof = theirs.slice(first, 8);
      const off = await store.split(spaceA, { ...splitAt(mine, 6), proof });
      expectSplit(off, { kind: "split", rest, branch, proven: theirs.head });
      const again = reopen === undefined ? store : await reopen("crash");
      expectHeads(await again.heads(spaceA), [theirs.head, branch]);
      await expectHeld(again, theirs, 1);
      await expectBranch(again, mine, 6);
    });

    test("begins with a proof where nothing else of it stays", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      await store.append(spaceA, [mine.run(4)]);
      const branch = branchHead(mine, 1, 1);
      const theirs = new TestLog(ana);
      theirs.runOf([...mine.slice(2, 4).entries]);
      const split = { ...splitAt(mine, 1), proof: theirs.slice(1, 3) };
      const expected = { kind: "split", rest: undefined, branch, proven: theirs.head } as const;
      expectSplit(await store.split(spaceA, split), expected);
      await expectHeld(store, theirs, 1);
      await expectBranch(store, mine, 1);
    });

    test("keeps no proof that begins behind what stays, or does not continue it", async () => {
      for (const at of [4, 5]) {
        const store = await freshStore();
        const mine = new TestLog(ana);
        await store.append(spaceA, [mine.run(2), mine.run(4)]);
        const odd = new TestLog(ana);
        odd.run(8, { bodyBytes: 5 });
        const rest = { ...mine.head, to: 2, hash: mine.hashAt(2) };
        const split = { ...splitAt(mine, 5), proof: odd.slice(at === 4 ? 4 : 3, 8) };
        const expected = { kind: "split", rest, branch: branchHead(mine, 5, 3) } as const;
        expectSplit(await store.split(spaceA, split), expected);
        await expectHeld(store, mine.until(2), 1);
      }
    });

    test("keeps the base it began after", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      mine.run(5);
      await store.begin(spaceA, [mine.base(5)]);
      const theirs = mine.fork();
      await store.append(spaceA, [mine.run(4)]);
      const rest = { ...mine.head, from: 6, to: 5, hash: mine.hashAt(5) };
      const branch = branchHead(mine, 7, 6);
      expectSplit(await store.split(spaceA, splitAt(mine, 7)), { kind: "split", rest, branch });
      await store.append(spaceA, [theirs.run(2)]);
      await expectHeld(store, theirs, 6);
      await expectBranch(store, mine, 6);
    });

    test("stays as it is where it does not hold that entry, or the branch is held", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      mine.run(3);
      await store.begin(spaceA, [mine.base(2)]);
      await store.append(spaceA, [mine.slice(3, 3), mine.run(3)]);
      const odd = { ...branchOf(mine, 5), hash: filled(32, 9) };
      const moved = { kind: "moved" } as const;
      for (const branch of [odd, branchOf(mine, 2), { ...odd, seq: 7 }]) {
        const split = { replica: ana, branch, into: branchId };
        expectSplit(await store.split(spaceA, split), moved);
      }
      expectSplit(await store.split(spaceA, splitAt(new TestLog(otherId), 1)), moved);
      await store.split(spaceA, splitAt(mine, 6));
      expectSplit(await store.split(spaceA, splitAt(mine, 5)), moved);
      await expectHeld(store, mine.until(3), 3);
    });

    test("makes one log of a branch that is held twice, the one that reaches further", async () => {
      for (const [longer, expected] of [
        [2, 11],
        [0, 9],
        [-2, 9],
      ] as const) {
        const store = await freshStore();
        const mine = new TestLog(ana);
        await store.append(spaceA, [mine.run(3), mine.run(2), mine.run(4)]);
        const whole = mine.fork();
        if (longer > 0) whole.run(longer);
        const branch = branchOf(mine, 5);
        const held = whole.slice(3, mine.length + longer);
        await store.append(spaceA, [asBranch(held, branch)]);
        const off = await store.split(spaceA, splitAt(mine, 5));
        expect(off).toMatchObject({ kind: "split", rest: { to: 3 }, branch: { to: expected } });
        await expectHeld(store, mine.until(3), 1);
        await expectBranch(store, whole.until(expected), longer >= 0 ? 3 : 4);
        const theirs = mine.until(3);
        await store.append(spaceA, [theirs.run(8)]);
        await expectHeld(store, theirs, 1);
      }
    });

    test("leaves a branch alone that differs from what it holds", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      await store.append(spaceA, [mine.run(3), mine.run(2)]);
      const other = mine.fork();
      await store.append(spaceA, [mine.run(2)]);
      other.run(4);
      await store.append(spaceA, [asBranch(other.slice(4, 9), branchOf(mine, 4))]);
      expectSplit(await store.split(spaceA, splitAt(mine, 4)), { kind: "moved" });
      await expectHeld(store, mine, 1);
      await expectBranch(store, other, 4);
    });

    test("may fork again, below and within the branch", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      for (let round = 0; round < 9; round++) await store.append(spaceA, [mine.run(1)]);
      await store.split(spaceA, splitAt(mine, 5));
      const within = { ...splitAt(mine, 8, otherId), replica: branchId };
      const outcome = await store.split(spaceA, within);
      const rest = { ...branchHead(mine.until(7), 5, 5) };
      const branch = branchHead(mine, 8, 8, otherId);
      expectSplit(outcome, { kind: "split", rest, branch });
      const third = replica(0xb3);
      await store.split(spaceA, splitAt(mine, 3, third));
      await expectHeld(store, mine.until(2), 1);
      await expectBranch(store, mine.until(4), 3, third);
      await expectBranch(store, mine.until(7), 5);
      await expectBranch(store, mine, 8, otherId);
    });

    test("is taken apart for good", async () => {
      const { store, reopen } = await fresh();
      if (reopen === undefined) return;
      const mine = new TestLog(ana);
      await store.append(spaceA, [mine.run(3), mine.run(3)]);
      const theirs = mine.until(3);
      await store.split(spaceA, splitAt(mine, 5));
      const again = await reopen("crash");
      expectHeads(await again.heads(spaceA), [theirs.head, branchHead(mine, 5, 4)]);
      await again.append(spaceA, [theirs.run(2), asBranch(mine.run(1), branchOf(mine, 5))]);
      await expectHeld(again, theirs, 1);
      await expectBranch(again, mine, 4);
    });

    test("may have any runs and be of any length", async () => {
      const lengths = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(
          lengths,
          fc.double({ min: 0, max: 1, noNaN: true }),
          async (runs, place) => {
            const store = await freshStore();
            const mine = new TestLog(ana);
            const ends = [0];
            for (const length of runs) {
              await store.append(spaceA, [mine.run(length, { bodyBytes: 300 })]);
              ends.push(mine.length);
            }
            const seq = 1 + Math.floor(place * (mine.length - 1));
            const end = Math.max(...ends.filter((each) => each < seq));
            await store.split(spaceA, splitAt(mine, seq));
            await expectBranch(store, mine, end + 1);
            const rest = mine.until(end);
            if (end > 0) await expectHeld(store, rest, 1);
            await store.append(spaceA, [rest.run(7), asBranch(mine.run(7), branchOf(mine, seq))]);
            await expectHeld(store, rest, 1);
            await expectBranch(store, mine, end + 1);
          },
        ),
        { numRuns: 12 },
      );
    });
  });

  describe("a branch of which nothing is held", () => {
    test("begins with its first run, wherever that begins before its own first entry", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      mine.run(9);
      const branch = branchOf(mine, 6);
      const outcome = await store.append(spaceA, [asBranch(mine.slice(4, 9), branch)]);
      const head = branchHead(mine, 6, 4);
      expectAppended(outcome, [{ kind: "held", news: true, head }]);
      expectHeads(await store.heads(spaceA), [head]);
      await store.append(spaceA, [asBranch(mine.run(2), branch)]);
      await expectBranch(store, mine, 4);
      const repeated = await store.append(spaceA, [asBranch(mine.slice(2, 11), branch)]);
      expectAppended(repeated, [{ kind: "held", news: false, head: branchHead(mine, 6, 4) }]);
    });

    test("leaves a gap where the run begins behind it", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      mine.run(9);
      const run = asBranch(mine.slice(7, 9), branchOf(mine, 6));
      expectAppended(await store.append(spaceA, [run]), [{ kind: "gap", to: 0 }]);
      expectHeads(await store.heads(spaceA), []);
    });

    test("may begin at 1", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      const branch = { signer: ana, seq: 1, hash: mine.run(3).hashes[0] ?? filled(32, 0) };
      await store.append(spaceA, [asBranch(mine.slice(1, 3), branch)]);
      expectHeads(await store.heads(spaceA), [branchHead(mine, 1, 1)]);
      await expectBranch(store, mine, 1);
      const read = await store.read(spaceA, branchId, 1, runEntriesMax);
      expect(read?.branch?.signer).toBe(ana);
    });

    test("may be begun after a base", async () => {
      const store = await freshStore();
      const mine = new TestLog(ana);
      mine.run(9);
      const branch = branchOf(mine, 6);
      await store.begin(spaceA, [{ ...mine.base(8), replica: branchId, branch }]);
      expectHeads(await store.heads(spaceA), [
        { ...branchHead(mine, 6, 9), to: 8, hash: mine.hashAt(8) },
      ]);
      await store.append(spaceA, [asBranch(mine.slice(9, 9), branch)]);
      await store.append(spaceA, [asBranch(mine.run(1), branch)]);
      await expectBranch(store, mine, 9);
    });
  });
}

function expectSplit(found: SplitOff, expected: SplitOff): void {
  expect(found.kind).toBe(expected.kind);
  if (found.kind === "moved" || expected.kind === "moved") return;
  const listed = ({ rest, branch, proven }: typeof found) =>
    [rest, branch, proven].filter((head) => head !== undefined);
  expectHeads(listed(found), listed(expected));
}
