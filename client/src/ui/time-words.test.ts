import { describe, expect, it } from "vitest";
import { agoWords, byWords, dayWords, expiryWords, sameDay, untilWords } from "./time-words.ts";

/** A Wednesday, at noon where the test runs. */
const now = new Date(2026, 10, 18, 12, 0).getTime();
const at = (...parts: [number, number, number, number?, number?]) => new Date(...parts).getTime();
const second = 1_000;
const hour = 3_600 * second;

describe("a day", () => {
  it.each([
    [at(2026, 10, 18, 0, 0), "Today"],
    [at(2026, 10, 18, 23, 59), "Today"],
    [at(2026, 10, 17, 23, 59), "Yesterday"],
    [at(2026, 10, 16, 9), "Monday"],
    [at(2026, 10, 11, 9), "Wednesday 11 November"],
    [at(2026, 10, 20, 9), "Friday 20 November"],
    [at(2025, 2, 3, 9), "3 March 2025"],
  ])("%i is %s", (atMs, words) => {
    expect(dayWords(atMs, now)).toBe(words);
  });

  it("ends at midnight, not after 24 hours", () => {
    expect(sameDay(at(2026, 10, 17, 23, 59), at(2026, 10, 18, 0, 0))).toBe(false);
    expect(sameDay(at(2026, 10, 18, 0, 0), at(2026, 10, 18, 23, 59))).toBe(true);
  });
});

describe("how long ago", () => {
  it.each([
    [now - 10 * second, "just now"],
    [now + hour, "just now"],
    [now - 125 * second, "2 min ago"],
    [now - 3 * hour, "3 h ago"],
    [at(2026, 10, 17, 9), "yesterday"],
    [at(2026, 10, 16, 13), "2 days ago"],
    [at(2026, 10, 13, 9), "5 days ago"],
    [at(2026, 9, 3, 9), "3 Oct"],
  ])("%i was %s", (atMs, words) => {
    expect(agoWords(atMs, now)).toBe(words);
  });
});

describe("how long until", () => {
  it.each([
    [now - hour, "1 s"],
    [now + 7_200, "8 s"],
    [now + 300 * second, "5 min"],
    [now + 5 * hour, "5 h"],
  ])("%i is in %s", (atMs, words) => {
    expect(untilWords(atMs, now)).toBe(words);
  });
});

describe("a checkpoint", () => {
  it("names the day only when it is another one", () => {
    expect(byWords(at(2026, 10, 18, 9, 5), now)).toMatch(/^by 0?9:05/);
    expect(byWords(at(2026, 10, 17, 9, 5), now)).toMatch(/^by yesterday, 0?9:05/);
  });
});

describe("the end of an invite", () => {
  it.each([
    [undefined, "never expires"],
    [now, "expired"],
    [now + 7 * 24 * hour, "expires in 7 days"],
    [now + 30 * hour, "expires in 30 h"],
  ])("%s: %s", (atMs, words) => {
    expect(expiryWords(atMs, now)).toBe(words);
  });
});
