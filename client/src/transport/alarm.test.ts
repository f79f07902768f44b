import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Alarm } from "./alarm.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

class Sleeper {
  wakes: number;
  rang: number[] = [];
  constructor(wakes: number) {
    this.wakes = wakes;
  }
  wakeAtMs = () => this.wakes;
  tick() {
    this.rang.push(Date.now());
    this.wakes = Number.POSITIVE_INFINITY;
  }
}

it("calls each when its time has come, with one timer", async () => {
  const alarm = new Alarm({ now: () => Date.now() });
  const start = Date.now();
  const [a, b] = [new Sleeper(start + 300), new Sleeper(start + 100)];
  alarm.add(a);
  const remove = alarm.add(b);
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(250);
  expect([a.rang, b.rang]).toEqual([[], [start + 100]]);
  await vi.advanceTimersByTimeAsync(100);
  expect(a.rang).toEqual([start + 300]);
  expect(vi.getTimerCount()).toBe(0);
  // Somebody changed their mind.
  b.wakes = start + 400;
  alarm.look();
  await vi.advanceTimersByTimeAsync(100);
  expect(b.rang).toHaveLength(2);
  remove();
  b.wakes = 0;
  alarm.look();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(b.rang).toHaveLength(2);
  alarm.close();
});

it("looks again when a clock jumps, and is silent once closed", async () => {
  const clock = { ms: 1e12, now: () => clock.ms };
  const alarm = new Alarm(clock);
  const sleeper = new Sleeper(clock.ms + 86_400_000);
  alarm.add(sleeper);
  clock.ms += 86_400_000;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(sleeper.rang).toHaveLength(1);
  sleeper.wakes = clock.ms + 10;
  alarm.look();
  await vi.advanceTimersByTimeAsync(0);
  alarm.close();
  clock.ms += 20;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sleeper.rang).toHaveLength(1);
});

it("does what is due when somebody looks, though the browser holds timers back", async () => {
  const clock = { ms: 1e12, now: () => clock.ms };
  const alarm = new Alarm(clock);
  const sleeper = new Sleeper(clock.ms + 100);
  alarm.add(sleeper);
  await Promise.resolve();
  clock.ms += 100;
  alarm.look();
  await Promise.resolve();
  expect(sleeper.rang).toHaveLength(1);
  // Whoever is always due has to wait for the timer.
  for (let look = 0; look < 10; look++) {
    sleeper.wakes = 0;
    clock.ms += 10;
    alarm.look();
    await Promise.resolve();
  }
  expect(sleeper.rang).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(sleeper.rang).toHaveLength(2);
  alarm.close();
});
