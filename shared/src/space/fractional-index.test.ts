import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isOrderKey, keyBetween } from "./fractional-index.ts";

/** Keys made by inserting at random places, as a list of any age holds them. */
const lists = fc
  .array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 120 })
  .map((places) => {
    const keys: string[] = [];
    for (const place of places) {
      const at = Math.floor(place * (keys.length + 1));
      keys.splice(at, 0, keyBetween(keys[at - 1], keys[at]));
    }
    return keys;
  });

const isAscending = (keys: readonly string[]): boolean =>
  keys.every((key, at) => at === 0 || (keys[at - 1] ?? "") < key);

describe("an order key", () => {
  it("stands where it was put, however often something is put between", () => {
    fc.assert(
      fc.property(lists, (keys) => {
        expect(isAscending(keys)).toBe(true);
        expect(keys.every(isOrderKey)).toBe(true);
      }),
    );
  });

  it("stays short when things are appended or put first", () => {
    let [first, end] = ["a0", "a0"];
    const keys = ["a0"];
    for (let count = 0; count < 10_000; count++) {
      end = keyBetween(end, undefined);
      first = keyBetween(undefined, first);
      keys.push(end);
      keys.unshift(first);
    }
    expect(isAscending(keys)).toBe(true);
    expect(Math.max(...keys.map((key) => key.length))).toBe(4);
  });

  it("grows by one letter in five or six when put in the same gap again and again", () => {
    const low = "a0";
    let high = "a1";
    for (let count = 0; count < 300; count++) {
      const key = keyBetween(low, high);
      expect(low < key && key < high).toBe(true);
      high = key;
    }
    expect(high.length).toBeLessThan(70);
  });

  it("finds a place at either end of what can be written", () => {
    const smallest = `A${"0".repeat(26)}1`;
    const before = keyBetween(undefined, smallest);
    expect(before < smallest && isOrderKey(before)).toBe(true);
    const greatest = "z".repeat(27);
    const after = keyBetween(greatest, undefined);
    expect(after > greatest && isOrderKey(after)).toBe(true);
  });

  it("follows its lower neighbour where two have the same key", () => {
    expect(keyBetween("a5", "a5")).toBe("a6");
    expect(keyBetween("a5", "a3")).toBe("a6");
  });

  it.each(["", "a", "0", "a0\u00e9", "b0", "a10", `A${"0".repeat(26)}`, "Z", "a 1"])(
    "is not %j",
    (key) => {
      expect(isOrderKey(key)).toBe(false);
    },
  );
});
