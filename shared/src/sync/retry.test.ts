import { describe, expect, it } from "vitest";
import { codes } from "../protocol/codes.ts";
import { Retry } from "./retry.ts";

function setup(fraction: number) {
  let now = 0;
  const retry = new Retry({
    clock: { now: () => now },
    random: { bytes: (length) => new Uint8Array(length), fraction: () => fraction },
  });
  return { retry, advance: (ms: number) => (now += ms) };
}
const lost = { code: codes.goingAway, retryAfterMs: 0, detail: "" };
const untilMs = (retry: Retry): number =>
  retry.state.kind === "waiting" ? retry.state.untilMs : Number.NaN;

describe("retrying a connection", () => {
  it("doubles the ceiling of the wait up to half a minute", () => {
    const { retry } = setup(0.999);
    const waits = Array.from({ length: 9 }, () => {
      retry.ended(lost);
      return untilMs(retry);
    });
    expect(waits.slice(0, 4)).toEqual([500, 999, 1_998, 3_996]);
    expect(waits.at(-1)).toBe(29_970);
  });

  it("begins anew after a connection that lasted, not after one that broke at once", () => {
    const { retry, advance } = setup(0.5);
    retry.ended(lost);
    retry.ended(lost);
    retry.connected();
    advance(20_000);
    retry.ended(lost);
    expect(untilMs(retry) - 20_000).toBe(250);
    retry.connected();
    retry.ended(lost);
    expect(untilMs(retry) - 20_000).toBe(500);
  });

  it("waits at least as long as it was told", () => {
    const { retry } = setup(0);
    retry.ended({ code: codes.tooFast, retryAfterMs: 7_000, detail: "" });
    expect(untilMs(retry)).toBe(7_000);
    retry.ended({ code: codes.malformed, retryAfterMs: 0, detail: "" });
    expect(untilMs(retry)).toBe(60_000);
  });

  it("stops after a permanent refusal until something changed", () => {
    const { retry, advance } = setup(0);
    retry.ended({ code: codes.unproven, retryAfterMs: 0, detail: "keys have changed" });
    advance(1e9);
    expect(retry.due).toBe(false);
    retry.reset();
    expect(retry.due).toBe(true);
  });
});
