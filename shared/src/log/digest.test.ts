import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../bytes/bytes.ts";
import { LogDigest, RegisterDigest } from "./digest.ts";

const hashes = fc.uniqueArray(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
  maxLength: 12,
  selector: (bytes) => toHex(bytes.subarray(0, 16)),
});

const digestOf = (held: readonly Uint8Array[]): string => {
  const digest = new LogDigest();
  for (const hash of held) digest.add(hash);
  return toHex(digest.value());
};

describe.each([
  ["logs", LogDigest],
  ["registers", RegisterDigest],
])("the digest of %s", (_, Digest) => {
  it("is the XOR of the first 16 bytes of each hash", () => {
    const digest = new Digest();
    expect(toHex(digest.value())).toBe("00".repeat(16));
    digest.add(fromHex("0f".repeat(16) + "aa".repeat(16)));
    digest.add(fromHex("ff00".repeat(8) + "bb".repeat(16)));
    expect(toHex(digest.value())).toBe("f00f".repeat(8));
  });

  it("is a copy that later changes leave alone", () => {
    const digest = new Digest();
    const before = digest.value();
    digest.add(new Uint8Array(32).fill(1));
    expect(toHex(before)).toBe("00".repeat(16));
  });

  it("refuses a hash that is too short to be one", () => {
    expect(() => new Digest().add(new Uint8Array(15))).toThrow(RangeError);
  });
});

describe("a digest", () => {
  it("does not depend on the order, and differs where one hash does", () => {
    fc.assert(
      fc.property(hashes, fc.uint8Array({ minLength: 32, maxLength: 32 }), (held, other) => {
        expect(digestOf(held.toReversed())).toBe(digestOf(held));
        const isNothing = other.subarray(0, 16).every((byte) => byte === 0);
        expect(digestOf([...held, other]) === digestOf(held)).toBe(isNothing);
      }),
    );
  });

  it("is kept by steps as if it were computed anew", () => {
    fc.assert(
      fc.property(hashes, fc.array(fc.nat()), (held, picks) => {
        const digest = new LogDigest();
        const left = [...held];
        for (const hash of left) digest.replace(undefined, hash);
        for (const pick of picks) {
          const at = pick % (left.length + 1);
          const old = left[at];
          if (old === undefined) break;
          if (pick % 2 === 0) {
            digest.remove(old);
            left.splice(at, 1);
          } else {
            const newer = old.map((byte) => byte ^ 0x55);
            digest.replace(old, newer);
            left[at] = newer;
          }
        }
        expect(toHex(digest.value())).toBe(digestOf(left));
      }),
    );
  });
});
