import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settlesAtMs, steady, type Steady, type SteadyRules } from "./steady.ts";

interface Weather {
  readonly kind: "sun" | "rain" | "fire";
  readonly figure: number;
}

const rules: SteadyRules<Weather> = {
  same: (a, b) => a.kind === b.kind,
  urgent: (state) => state.kind === "fire",
  holdMs: 2_000,
};

const sun = (figure = 0): Weather => ({ kind: "sun", figure });
const rain = (figure = 0): Weather => ({ kind: "rain", figure });
const fire: Weather = { kind: "fire", figure: 0 };

function play(...steps: [nowMs: number, actual: Weather][]): Steady<Weather> {
  let state: Steady<Weather> | undefined;
  for (const [nowMs, actual] of steps) state = steady(state, actual, nowMs, rules);
  return state!;
}

describe("what is shown of a state", () => {
  it("is the first state at once", () => {
    expect(play([0, rain()]).shown).toEqual(rain());
  });

  it("keeps to the old kind for two seconds and says when to look again", () => {
    const state = play([0, sun()], [60_000, rain()], [61_999, rain()]);
    expect(state.shown).toEqual(sun());
    expect(settlesAtMs(state, rules)).toBe(62_000);
    expect(play([0, sun()], [60_000, rain()], [62_000, rain()]).shown).toEqual(rain());
  });

  it("does not flap when the old kind comes back in time", () => {
    const state = play(
      [0, sun()],
      [1_000, rain()],
      [2_500, sun()],
      [2_600, rain()],
      [4_500, rain()],
    );
    expect(state.shown).toEqual(sun());
  });

  it("takes fresh figures of the same kind at once", () => {
    expect(play([0, sun(1)], [10, sun(2)]).shown).toEqual(sun(2));
  });

  it("shows trouble at once, and its end after the usual wait", () => {
    expect(play([0, sun()], [10, fire]).shown).toEqual(fire);
    expect(play([0, sun()], [10, fire], [20, sun()]).shown).toEqual(fire);
    expect(play([0, sun()], [10, fire], [20, sun()], [2_020, sun()]).shown).toEqual(sun());
  });

  it("is never untrue for longer than the hold, however the truth jumps", () => {
    const step = fc.tuple(
      fc.integer({ min: 1, max: 2_500 }),
      fc.constantFrom<Weather["kind"]>("sun", "rain", "fire"),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state: Steady<Weather> | undefined;
        let nowMs = 0;
        let untrueSinceMs: number | undefined;
        for (const [waitMs, kind] of steps) {
          nowMs += waitMs;
          state = steady(state, { kind, figure: nowMs }, nowMs, rules);
          untrueSinceMs = state.shown.kind === kind ? undefined : (untrueSinceMs ?? nowMs);
          expect(nowMs - (untrueSinceMs ?? nowMs)).toBeLessThan(rules.holdMs);
        }
      }),
    );
  });
});
