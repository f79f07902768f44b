import { describe, expect, test } from "vitest";
import { type Job, Sweeper } from "./sweeper.ts";

/** A sweeper whose time passes when the test says so. */
function sweeping(...jobs: Job[]) {
  const waiting = new Map<() => void, number>();
  const failures: string[] = [];
  const sweeper = new Sweeper({
    jobs,
    firstMs: 7,
    pauseMs: 1,
    wake: (afterMs, run) => {
      waiting.set(run, afterMs);
      return () => waiting.delete(run);
    },
    onFailed: (job, error) => failures.push(`${job.name}: ${String(error)}`),
  });
  return {
    sweeper,
    failures,
    waits: () => [...waiting.values()],
    /** What waits is due, and what it does is done. */
    pass: async () => {
      for (const run of [...waiting.keys()]) {
        waiting.delete(run);
        run();
      }
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** A job with so much to do. */
function job(left: number, changes: Partial<Job> = {}) {
  const slices: number[] = [];
  const slice = async (countMax: number) => {
    const done = Math.min(left, countMax);
    left -= done;
    slices.push(done);
    return done;
  };
  return { slices, name: "a job", everyMs: 1_000, countMax: 10, slice, ...changes };
}

describe("a sweeper", () => {
  test("does a job in slices with pauses between them, and again when its time comes", async () => {
    const some = job(25);
    const { waits, pass } = sweeping(some);
    expect(waits()).toEqual([7]);
    expect(some.slices).toEqual([]);
    for (const wait of [1, 1, 1_000, 1_000]) {
      await pass();
      expect(waits()).toEqual([wait]);
    }
    expect(some.slices).toEqual([10, 10, 5, 0]);
  });

  test("looks again after a slice that was exactly full", async () => {
    const some = job(10);
    const { waits, pass } = sweeping(some);
    await pass();
    expect(waits()).toEqual([1]);
    await pass();
    expect(some.slices).toEqual([10, 0]);
    expect(waits()).toEqual([1_000]);
  });

  test("tells of a job that fails, tries it again in its time, and does the others", async () => {
    let fails = true;
    const failing = job(0, {
      name: "the failing one",
      everyMs: 500,
      slice: async () => {
        if (fails) throw new Error("no disk");
        return 0;
      },
    });
    const other = job(3);
    const { waits, pass, failures } = sweeping(failing, other);
    await pass();
    expect(failures).toEqual(["the failing one: Error: no disk"]);
    expect(other.slices).toEqual([3]);
    expect(new Set(waits())).toEqual(new Set([1_000, 500]));
    fails = false;
    await pass();
    expect(failures).toHaveLength(1);
  });

  test("begins nothing after it was closed, and is closed when what it did has ended", async () => {
    let end = (): void => {};
    const slow = job(0, { slice: () => new Promise((resolve) => (end = () => resolve(10))) });
    const waitingOnly = job(5);
    const { sweeper, waits, pass } = sweeping(slow);
    const other = sweeping(waitingOnly);
    await pass();
    let isClosed = false;
    const closed = sweeper.close().then(() => (isClosed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    end();
    await closed;
    expect(waits()).toEqual([]);
    await other.sweeper.close();
    await other.sweeper.close();
    await other.pass();
    expect(waitingOnly.slices).toEqual([]);
  });
});
