import { expect, test } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

const rate = { perSecond: 10, burst: 20 };

test("a burst is free, and what comes after says how long to wait", () => {
  const bucket = new TokenBucket(rate, 0);
  expect(bucket.take(20, 0)).toBe(0);
  expect(bucket.take(1, 0)).toBe(100);
  expect(bucket.take(9, 0)).toBe(1_000);
});

test("tokens come back at the rate, and no more than the burst", () => {
  const bucket = new TokenBucket(rate, 0);
  bucket.take(20, 0);
  expect(bucket.take(5, 500)).toBe(0);
  expect(bucket.take(1, 500)).toBe(100);
  expect(bucket.take(20, 60_000)).toBe(0);
  expect(bucket.take(1, 60_000)).toBe(100);
});

test("a debt is refilled first", () => {
  const bucket = new TokenBucket(rate, 0);
  bucket.take(40, 0);
  expect(bucket.take(0, 1_000)).toBe(1_000);
  expect(bucket.take(0, 2_000)).toBe(0);
  expect(bucket.take(1, 2_000)).toBe(100);
});

test("who may only have what is there is refused at no cost", () => {
  const bucket = new TokenBucket(rate, 0);
  expect(bucket.tryTake(15, 0)).toBe(true);
  expect(bucket.tryTake(6, 0)).toBe(false);
  expect(bucket.tryTake(5, 0)).toBe(true);
  expect(bucket.tryTake(1, 99)).toBe(false);
  expect(bucket.tryTake(1, 100)).toBe(true);
});

test("a clock that jumps back neither refills nor freezes it", () => {
  const bucket = new TokenBucket(rate, 1_000_000);
  bucket.take(20, 1_000_000);
  expect(bucket.take(1, 0)).toBe(100);
  expect(bucket.take(0, 1_000)).toBe(0);
});
