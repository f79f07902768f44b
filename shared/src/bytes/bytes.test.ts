import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes, concatBytes, equalBytes, fromHex, toHex } from "./bytes.ts";
import { Malformed } from "./malformed.ts";

const someBytes = fc.uint8Array({ maxLength: 40 });

describe("hexadecimal", () => {
  it("agrees with Node in both directions", () => {
    fc.assert(
      fc.property(someBytes, (bytes) => {
        const text = toHex(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("hex"));
        expect(fromHex(text)).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  it.each([
    ["an odd length", "abc"],
    ["capitals", "AB"],
    ["a letter after f", "0g"],
    ["a sign before the digits", "/0"],
    ["letters beyond ASCII", "0é"],
    ["a letter whose low byte is a digit", "0\u0130"],
    ["a space", " 0"],
  ])("refuses %s", (_, text) => {
    expect(() => fromHex(text)).toThrow(Malformed);
  });
});

describe("byte strings", () => {
  it("compare as Node compares them", () => {
    fc.assert(
      fc.property(someBytes, someBytes, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(equalBytes(a, new Uint8Array(a))).toBe(true);
      }),
    );
  });

  it("join in order", () => {
    fc.assert(
      fc.property(fc.array(someBytes, { maxLength: 5 }), (parts) => {
        expect(concatBytes(...parts)).toEqual(new Uint8Array(Buffer.concat(parts)));
      }),
    );
  });
});
