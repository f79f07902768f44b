import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { base64UrlLength, fromBase64Url, toBase64Url } from "./base64url.ts";
import { Malformed } from "./malformed.ts";

describe("base64url", () => {
  it("agrees with Node in both directions", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = toBase64Url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64url"));
        expect(text.length).toBe(base64UrlLength(bytes.length));
        expect(fromBase64Url(text)).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  it.each([
    ["padding", "AA=="],
    ["the other alphabet", "+/AA"],
    ["an impossible length", "AAAAA"],
    ["unused bits that are set", "AB"],
    ["a space", "AA A"],
    ["letters beyond ASCII", "AAAÄ"],
  ])("refuses %s", (_, text) => {
    expect(() => fromBase64Url(text)).toThrow(Malformed);
  });
});
