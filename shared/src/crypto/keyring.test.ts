import { beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../bytes/bytes.ts";
import { epochId, registerName, replicaId, spaceTag } from "../id/id.ts";
import { epochIdOf, Keyring } from "./keyring.ts";
import { nobleSuite } from "./noble-suite.ts";
import type { SealingKey, Suite } from "./suite.ts";

const space = spaceTag(fromHex("11".repeat(16)));
const replica = replicaId(fromHex("22".repeat(16)));
const other = replicaId(fromHex("23".repeat(16)));
const name = registerName(fromHex("33".repeat(16)));
const nonce = fromHex("44".repeat(16));
const firstKey = fromHex("55".repeat(32));
const secondKey = fromHex("66".repeat(32));

/** Which key a handle is, by what it makes of zeros. */
let print: (key: Promise<SealingKey> | undefined) => Promise<string>;
let suite: Suite;
let derivations = 0;

beforeAll(() => {
  const noble = nobleSuite({ bytes: (length) => new Uint8Array(length), fraction: () => 0 });
  suite = {
    ...noble,
    deriveKey: (...args) => {
      derivations++;
      return noble.deriveKey(...args);
    },
  };
  print = async (key) => {
    if (key === undefined) return "none";
    const zeros = new Uint8Array(16);
    return toHex(await noble.seal(await key, zeros.subarray(0, 12), zeros, zeros));
  };
});

describe("a keyring", () => {
  it("names an epoch by its key and seals under the first one until told otherwise", () => {
    const keyring = new Keyring(suite, space, firstKey);
    expect(keyring.current).toBe(epochIdOf(suite, firstKey));
    const second = keyring.add(secondKey);
    expect(second).toBe(epochIdOf(suite, secondKey));
    expect(keyring.current).toBe(epochIdOf(suite, firstKey));
    keyring.use(second);
    expect(keyring.current).toBe(second);
    expect(keyring.keys).toEqual([firstKey, secondKey]);
    keyring.add(firstKey);
    expect(keyring.keys).toEqual([firstKey, secondKey]);
  });

  it("has no keys of an epoch it was not given", () => {
    const keyring = new Keyring(suite, space, firstKey);
    const unknown = epochIdOf(suite, secondKey);
    expect(keyring.has(unknown)).toBe(false);
    expect(keyring.logKey(unknown, replica, nonce)).toBeUndefined();
    expect(keyring.registerKey(unknown, replica, name)).toBeUndefined();
    expect(keyring.whisperKey(unknown, replica, nonce)).toBeUndefined();
    expect(() => keyring.use(unknown)).toThrow("is not known");
    keyring.add(secondKey);
    expect(keyring.has(unknown)).toBe(true);
    expect(keyring.logKey(unknown, replica, nonce)).toBeDefined();
  });

  it("gives another key for every epoch, replica, nonce, register and purpose", async () => {
    const keyring = new Keyring(suite, space, firstKey);
    const [first, second] = [keyring.current, keyring.add(secondKey)];
    const prints = await Promise.all([
      print(keyring.logKey(first, replica, nonce)),
      print(keyring.logKey(second, replica, nonce)),
      print(keyring.logKey(first, other, nonce)),
      print(keyring.logKey(first, replica, fromHex("45".repeat(16)))),
      print(keyring.whisperKey(first, replica, nonce)),
      print(keyring.registerKey(first, replica, name)),
      print(keyring.registerKey(first, replica, registerName(fromHex("34".repeat(16))))),
    ]);
    expect(new Set(prints).size).toBe(prints.length);
  });

  it("derives a key once while it is in use, and forgets those that are not", async () => {
    const keyring = new Keyring(suite, space, firstKey);
    derivations = 0;
    for (let round = 0; round < 5; round++) {
      await keyring.logKey(keyring.current, replica, nonce.slice());
    }
    expect(derivations).toBe(1);
    for (let number = 0; number < 4_096; number++) {
      const others = new Uint8Array(16);
      others.set([number & 0xff, number >> 8]);
      void keyring.logKey(keyring.current, replica, others);
    }
    derivations = 0;
    await keyring.logKey(keyring.current, replica, nonce);
    expect(derivations).toBe(1);
  });

  it("keeps register names when the epoch changes", async () => {
    const keyring = new Keyring(suite, space, firstKey);
    const clock = await keyring.registerName("clock");
    keyring.use(keyring.add(secondKey));
    expect(await keyring.registerName("clock")).toBe(clock);
    expect(await keyring.registerName("profile")).not.toBe(clock);
    const elsewhere = new Keyring(suite, space, secondKey);
    expect(await elsewhere.registerName("clock")).not.toBe(clock);
  });

  it("takes no key of another length", () => {
    const keyring = new Keyring(suite, space, firstKey);
    expect(() => keyring.add(firstKey.subarray(1))).toThrow(RangeError);
    expect(() => keyring.logKey(keyring.current, replica, nonce.subarray(1))).toThrow(RangeError);
    expect(keyring.has(epochId(new Uint8Array(8)))).toBe(false);
  });
});
