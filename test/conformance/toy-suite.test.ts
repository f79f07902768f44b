import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { bulkContract } from "@skein/shared/crypto/bulk.contract.ts";
import { suiteContract } from "@skein/shared/crypto/suite.contract.ts";
import type { Random } from "@skein/shared/env.ts";
import { NonceLedger, NonceReused, toySuite } from "../support/toy-suite.ts";

function countingRandom(start = 1): Random {
  let next = start;
  return {
    bytes: (length) => new Uint8Array(length).fill(0).map(() => (next = (next * 77 + 13) % 65_521)),
    fraction: () => 0.5,
  };
}

suiteContract("toy", async () => toySuite(countingRandom()));
bulkContract("toy", async () => toySuite(countingRandom()));

const key = (suite = toySuite(countingRandom()), secret = 1) =>
  suite.deriveKey(new Uint8Array(32).fill(secret), "skein/test/1", new Uint8Array(4));
const nonce = (last: number) => new Uint8Array(12).fill(last, 11);
const bytes = (text: string) => new TextEncoder().encode(text);

describe("the toy suite", () => {
  it("gives the same bytes for the same dice", async () => {
    const [one, two] = [toySuite(countingRandom()), toySuite(countingRandom())];
    const first = await one.newSigningPair();
    const second = await two.newSigningPair();
    expect(second.publicKey).toEqual(first.publicKey);
    const message = bytes("hello");
    expect(await two.sign(second.secret, "skein/test/1", message)).toEqual(
      await one.sign(first.secret, "skein/test/1", message),
    );
  });

  it("has no two hashes alike among many inputs that hardly differ", () => {
    const suite = toySuite(countingRandom());
    const seen = new Set<string>();
    const input = new Uint8Array(37);
    for (let byte = 0; byte < input.length; byte++) {
      for (let value = 1; value < 256; value++) {
        input[byte] = value;
        seen.add(toHex(suite.hash("skein/test/1", input)).slice(0, 32));
      }
      input[byte] = 0;
    }
    for (let length = 0; length < 300; length++) {
      seen.add(toHex(suite.hash("skein/test/1", new Uint8Array(length))).slice(0, 32));
    }
    // The zeros of length 37 are the only input met in neither loop or in both: in the second.
    expect(seen.size).toBe(37 * 255 + 300);
  });

  it("changes about half of a hash's bits with any bit of its input", () => {
    const suite = toySuite(countingRandom());
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.nat(), (input, number) => {
        const bit = number % (input.length * 8);
        const other = input.slice();
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const before = suite.hash("skein/test/1", input);
        const after = suite.hash("skein/test/1", other);
        let changed = 0;
        before.forEach((byte, index) => {
          for (let rest = byte ^ (after[index] ?? 0); rest !== 0; rest &= rest - 1) changed++;
        });
        // Mean 128, deviation 8.
        expect(Math.abs(changed - 128)).toBeLessThan(64);
      }),
      { numRuns: 2_000 },
    );
  });

  it("lets the same thing be sealed again under one nonce", async () => {
    const suite = toySuite(countingRandom());
    const first = await suite.seal(await key(suite), nonce(1), bytes("hello"), bytes("aad"));
    const again = await suite.seal(await key(suite), nonce(1), bytes("hello"), bytes("aad"));
    expect(again).toEqual(first);
  });

  it.each([
    ["another plain", "hallo", "aad"],
    ["a longer plain", "hello you", "aad"],
    ["other additional data", "hello", "add"],
  ])("throws when %s is sealed under one nonce", async (_, plain, aad) => {
    const suite = toySuite(countingRandom());
    await suite.seal(await key(suite), nonce(1), bytes("hello"), bytes("aad"));
    const again = await key(suite);
    expect(() => suite.seal(again, nonce(1), bytes(plain), bytes(aad))).toThrow(NonceReused);
  });

  it("finds a nonce that two devices of one world share", async () => {
    const ledger = new NonceLedger();
    const ana = toySuite(countingRandom(1), ledger);
    const ben = toySuite(countingRandom(2), ledger);
    await ana.seal(await key(ana), nonce(1), bytes("hello"), bytes("aad"));
    const same = await key(ben);
    expect(() => ben.seal(same, nonce(1), bytes("hallo"), bytes("aad"))).toThrow(NonceReused);
  });

  it("minds nothing about other keys, other nonces or other worlds", async () => {
    const suite = toySuite(countingRandom());
    await suite.seal(await key(suite), nonce(1), bytes("hello"), bytes("aad"));
    await suite.seal(await key(suite), nonce(2), bytes("hallo"), bytes("aad"));
    await suite.seal(await key(suite, 2), nonce(1), bytes("hallo"), bytes("aad"));
    const other = toySuite(countingRandom());
    const sealed = await other.seal(await key(other), nonce(1), bytes("hallo"), bytes("aad"));
    expect(await other.open(await key(other), nonce(1), sealed, bytes("aad"))).toEqual(
      bytes("hallo"),
    );
  });

  it("tells nonces apart that differ in any byte", async () => {
    const suite = toySuite(countingRandom());
    for (let at = 0; at < 12; at++) {
      const marked = new Uint8Array(12);
      marked[at] = 1;
      await suite.seal(await key(suite), marked, bytes(`hello ${at}`), bytes("aad"));
      const again = await key(suite);
      expect(() => suite.seal(again, marked, bytes("hallo"), bytes("aad"))).toThrow(NonceReused);
    }
  });
});
