import { describe, expect, it } from "vitest";
import { ReadTimer } from "./read-timer.ts";

describe("a message", () => {
  it("is read after a second in view, once", () => {
    const timer = new ReadTimer(true);
    timer.appear("a", 0);
    timer.appear("b", 500);
    expect(timer.nextAtMs()).toBe(1_000);
    expect(timer.take(999)).toEqual([]);
    expect(timer.take(1_000)).toEqual(["a"]);
    expect(timer.nextAtMs()).toBe(1_500);
    expect(timer.take(1_500)).toEqual(["b"]);
    timer.appear("a", 2_000);
    expect(timer.take(9_000)).toEqual([]);
    expect(timer.nextAtMs()).toBeUndefined();
  });

  it("that scrolls past is not", () => {
    const timer = new ReadTimer(true);
    timer.appear("a", 0);
    timer.disappear("a");
    timer.appear("a", 900);
    expect(timer.take(1_500)).toEqual([]);
    expect(timer.take(1_900)).toEqual(["a"]);
  });

  it("needs the second without a break of looking", () => {
    const timer = new ReadTimer(true);
    timer.appear("a", 0);
    timer.look(false, 900);
    expect(timer.take(5_000)).toEqual([]);
    expect(timer.nextAtMs()).toBeUndefined();
    timer.look(true, 6_000);
    expect(timer.take(6_900)).toEqual([]);
    expect(timer.take(7_000)).toEqual(["a"]);
  });

  it("that appears while nobody looks waits for a look", () => {
    const timer = new ReadTimer(false);
    timer.appear("a", 0);
    expect(timer.take(10_000)).toEqual([]);
    timer.look(true, 10_000);
    expect(timer.take(10_500)).toEqual([]);
    expect(timer.take(11_000)).toEqual(["a"]);
  });

  it("goes on when somebody says twice that they look", () => {
    const timer = new ReadTimer(true);
    timer.appear("a", 0);
    timer.look(true, 800);
    expect(timer.take(1_000)).toEqual(["a"]);
  });
});
