import { sha256 as noble } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../bytes/bytes.ts";
import { sha256 } from "./sha256.ts";

const text = (words: string) => new TextEncoder().encode(words);

describe("SHA-256", () => {
  // NIST's examples (FIPS 180-4, "SHA256.pdf").
  it.each([
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ],
  ])("of %j is what the standard says", (words, digest) => {
    expect(toHex(sha256(text(words)))).toBe(digest);
  });

  it("of a million times a is what the standard says", () => {
    const input = new Uint8Array(1_000_000).fill(0x61);
    const digest = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    expect(toHex(sha256(input))).toBe(digest);
  });

  it("is @noble's for every length up to four blocks, where padding differs", () => {
    for (let length = 0; length <= 256; length++) {
      const input = Uint8Array.from({ length }, (_, index) => (index * 31 + length) & 0xff);
      expect(toHex(sha256(input))).toBe(toHex(noble(input)));
    }
  });

  it("is @noble's for any bytes, also where they are a view of others", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.nat(100), (bytes, from) => {
        const input = bytes.subarray(Math.min(from, bytes.length));
        expect(sha256(input)).toEqual(noble(input));
      }),
    );
  });
});
