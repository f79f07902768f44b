import { describe, expect, it } from "vitest";
import { TestLog } from "../log/test-log.contract.ts";
import { ana, ben } from "./ready-entries.contract.ts";
import { Unopened } from "./unopened.ts";

describe("runs that wait to be opened", () => {
  it("are given in the order of their log, each once", () => {
    const waiting = new Unopened(100_000);
    const log = new TestLog(ana);
    const [first, second] = [log.run(3), log.run(2)];
    waiting.add(first);
    waiting.add(second);
    expect(waiting.take(ana, 1)).toBe(first);
    expect(waiting.take(ana, 1)).toBeUndefined();
    expect(waiting.take(ana, 4)).toBe(second);
    expect(waiting.bytes).toBe(0);
  });

  it("stay where something comes before them, and are forgotten once they were read elsewhere", () => {
    const waiting = new Unopened(100_000);
    const log = new TestLog(ana);
    log.run(5);
    const [later, latest] = [log.run(2), log.run(4)];
    waiting.add(later);
    waiting.add(latest);
    expect(waiting.take(ana, 1)).toBeUndefined();
    expect(waiting.take(ben, 6)).toBeUndefined();
    expect(waiting.take(ana, 9)).toBeUndefined();
    expect(waiting.bytes).toBe(0);
  });

  it("take no more room than they are given", () => {
    const waiting = new Unopened(1_000);
    const log = new TestLog(ana);
    const [first, second] = [log.run(3), log.run(3)];
    waiting.add(first);
    waiting.add(second);
    expect(waiting.bytes).toBeLessThanOrEqual(1_000);
    expect(waiting.take(ana, 1)).toBe(first);
    expect(waiting.take(ana, 4)).toBeUndefined();
    waiting.add(second);
    expect(waiting.take(ana, 4)).toBe(second);
  });
});
