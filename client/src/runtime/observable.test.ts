import { describe, expect, it, vi } from "vitest";
import { Cell, derived, sameValue, Soon } from "./observable.ts";

describe("a derived value", () => {
  it("is computed when its sources changed, and keeps its reference where nothing differs", () => {
    const [a, b] = [new Cell(1), new Cell(2)];
    const compute = vi.fn<(x: number, y: number) => { readonly odd: boolean }>((x, y) => ({
      odd: (x + y) % 2 === 1,
    }));
    const sum = derived([a, b], compute, sameValue);
    const first = sum.get();
    expect(sum.get()).toBe(first);
    expect(compute).toHaveBeenCalledTimes(1);
    a.set(3);
    expect(sum.get()).toBe(first);
    expect(compute).toHaveBeenCalledTimes(2);
    b.set(3);
    expect(sum.get()).toEqual({ odd: false });
  });

  it("tells listeners of any source until they leave", () => {
    const [a, b] = [new Cell(1), new Cell(2)];
    const heard = vi.fn<() => void>();
    const undo = derived([a, b], () => 0).subscribe(heard);
    a.set(5);
    b.set(6);
    b.set(6);
    expect(heard).toHaveBeenCalledTimes(2);
    undo();
    a.set(7);
    expect(heard).toHaveBeenCalledTimes(2);
  });
});

it("values are the same by what is in them", () => {
  const value = () => ({ list: [1, new Map([["a", { b: undefined }]])], text: "x" });
  expect(sameValue(value(), value())).toBe(true);
  expect(sameValue(value(), { ...value(), text: "y" })).toBe(false);
  expect(sameValue({ a: undefined }, { b: undefined })).toBe(false);
  expect(sameValue([1], { 0: 1 })).toBe(false);
  expect(sameValue(new Map([["a", 1]]), new Map([["b", 1]]))).toBe(false);
  expect(sameValue(Number.NaN, Number.NaN)).toBe(true);
});

it("what is asked for often is done once, soon", async () => {
  const task = vi.fn<() => void>();
  const soon = new Soon(task);
  soon.ask();
  soon.ask();
  expect(task).not.toHaveBeenCalled();
  await Promise.resolve();
  expect(task).toHaveBeenCalledTimes(1);
  soon.ask();
  await Promise.resolve();
  expect(task).toHaveBeenCalledTimes(2);
});
