import { expect, test } from "vitest";
import { forwardClock, systemEnv } from "./system-env.ts";

function world() {
  const time = { wall: 1_000_000, steady: 50 };
  const clock = forwardClock(
    () => time.wall,
    () => time.steady,
  );
  const pass = (ms: number): number => {
    time.wall += ms;
    time.steady += ms;
    return clock.now();
  };
  return { time, pass };
}

test("it shows the wall clock's time", () => {
  const { pass } = world();
  expect([pass(0), pass(1_500)]).toEqual([1_000_000, 1_001_500]);
});

test("it follows a wall clock that jumps ahead", () => {
  const { time, pass } = world();
  pass(0);
  time.wall += 9_000_000;
  expect([pass(0), pass(10)]).toEqual([10_000_000, 10_000_010]);
});

test("it goes on steadily when the wall clock jumps back", () => {
  const { time, pass } = world();
  pass(0);
  time.wall -= 500_000;
  expect([pass(0), pass(10), pass(10)]).toEqual([1_000_000, 1_000_010, 1_000_020]);
});

test("dice are bytes of their own and fractions", () => {
  const { random } = systemEnv;
  const [a, b] = [random.bytes(16), random.bytes(16)];
  expect([a.length, a.buffer.byteLength]).toEqual([16, 16]);
  expect(a).not.toEqual(b);
  expect(random.fraction()).toBeGreaterThanOrEqual(0);
  expect(random.fraction()).toBeLessThan(1);
});
