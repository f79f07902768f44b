import { expect, it } from "vitest";
import { Cell } from "../runtime/observable.ts";
import { heldSteady, type Timer } from "./held-steady.ts";
import type { SteadyRules } from "./steady.ts";

const rules: SteadyRules<string> = {
  same: (a, b) => a === b,
  urgent: (state) => state === "fire",
  holdMs: 2_000,
};

/** Time that passes when it is told to. */
class Time implements Timer {
  #nowMs = 0;
  #due: { readonly atMs: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    const entry = { atMs: this.#nowMs + ms, run };
    this.#due.push(entry);
    return () => {
      this.#due = this.#due.filter((other) => other !== entry);
    };
  }

  pass(ms: number): void {
    this.#nowMs += ms;
    const due = this.#due.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#due = this.#due.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { run } of due) run();
  }

  get pending(): number {
    return this.#due.length;
  }
}

it("changes by itself when the wait is over, and tells once", () => {
  const time = new Time();
  const source = new Cell("sun");
  const held = heldSteady(source, rules, time);
  let told = 0;
  held.subscribe(() => told++);
  source.set("rain");
  time.pass(1_999);
  expect([held.get(), told]).toEqual(["sun", 0]);
  time.pass(1);
  expect([held.get(), told]).toEqual(["rain", 1]);
  source.set("fire");
  expect([held.get(), told]).toEqual(["fire", 2]);
});

it("keeps no time and no past while nobody watches", () => {
  const time = new Time();
  const source = new Cell("sun");
  const held = heldSteady(source, rules, time);
  const stop = held.subscribe(() => {});
  source.set("rain");
  expect(time.pending).toBe(1);
  stop();
  expect(time.pending).toBe(0);
  expect(held.get()).toBe("rain");
});
