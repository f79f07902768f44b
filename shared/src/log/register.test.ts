import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { SigningPair } from "../crypto/suite.ts";
import { epochId, registerName, replicaId, spaceTag } from "../id/id.ts";
import { isRefusal } from "./refusal.ts";
import {
  encodeRegister,
  newerRegister,
  parseRegister,
  registerAad,
  registerBodyHash,
  type RegisterFields,
  registerHeadBytes,
  registerHeader,
  registerLabels,
  type RegisterParts,
  verifyRegister,
} from "./register.ts";
import { replicaIdOf } from "./replica-key.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const space = spaceTag(fromHex("a0".repeat(16)));
const body = new TextEncoder().encode("sealed, as far as a relay can tell");

let pair: SigningPair;
let fields: RegisterFields;

/** A register as its replica publishes it, changed before it is signed. */
async function publish(change: Partial<RegisterFields> = {}): Promise<RegisterParts> {
  const changed = { ...fields, ...change };
  const bodyHash = registerBodyHash(suite, body);
  const header = registerHeader(changed, body.length, bodyHash);
  const signature = await suite.sign(pair.secret, registerLabels.signature, header);
  return { ...changed, bodyHash, signature, body };
}

/** What `verifyRegister` has against `bytes`, or undefined. */
async function faultOf(bytes: Uint8Array, key = pair.publicKey): Promise<string | undefined> {
  const verdict = await verifyRegister(suite, space, key, bytes);
  return isRefusal(verdict) ? verdict.fault : undefined;
}

beforeAll(async () => {
  pair = await suite.signingPairFromSeed(new Uint8Array(32).fill(1));
  fields = {
    suite: 1,
    space,
    replica: replicaIdOf(suite, pair.publicKey),
    name: registerName(fromHex("b0".repeat(16))),
    number: 0x0102030405,
    epoch: epochId(fromHex("c0".repeat(8))),
    nonce: fromHex("d0".repeat(12)),
  };
});

describe("a register", () => {
  it("has the bytes of docs/protocol.md section 5", async () => {
    const parts = await publish();
    // Assembled by hand.
    const aad =
      "01" + // version
      "01" + // suite
      "a0".repeat(16) + // spaceTag
      fields.replica +
      "b0".repeat(16) + // name
      "0000000102030405" + // number
      "c0".repeat(8) + // epochId
      "d0".repeat(12) + // nonce
      "00000022"; // bodyLength
    const bodyHash = createHash("sha256")
      .update("skein/register-body/1\0")
      .update(body)
      .digest("hex");
    expect(toHex(registerAad(fields, body.length))).toBe(aad);
    expect(toHex(registerHeader(fields, body.length, parts.bodyHash))).toBe(aad + bodyHash);
    expect(toHex(encodeRegister(parts))).toBe(
      aad + bodyHash + toHex(parts.signature) + toHex(body),
    );
  });

  it("survives its bytes", () => {
    const parts = fc.record({
      suite: fc.constantFrom(0 as const, 1 as const),
      space: fc.constant(space),
      replica: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(replicaId),
      name: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(registerName),
      number: fc.maxSafeNat(),
      epoch: fc.uint8Array({ minLength: 8, maxLength: 8 }).map(epochId),
      nonce: fc.uint8Array({ minLength: 12, maxLength: 12 }),
      bodyHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
      body: fc.uint8Array({ maxLength: 100 }),
    });
    fc.assert(
      fc.property(parts, (register) => {
        expect(parseRegister(encodeRegister(register))).toEqual(register);
      }),
    );
  });

  it("is refused when cut off anywhere, or with bytes to spare", async () => {
    const bytes = encodeRegister(await publish());
    for (let length = 0; length < bytes.length; length++) {
      expect(isMalformed(parseRegister(bytes.subarray(0, length)))).toBe(true);
    }
    expect(isMalformed(parseRegister(concatBytes(bytes, new Uint8Array(1))))).toBe(true);
  });

  it("may be empty, as far as its form goes", async () => {
    const empty = { ...(await publish()), body: new Uint8Array(0) };
    const bytes = encodeRegister(empty);
    expect(bytes.length).toBe(registerHeadBytes);
    expect(parseRegister(bytes)).toEqual(empty);
  });
});

describe("verifyRegister", () => {
  it("gives what a store keeps", async () => {
    const parts = await publish();
    const bytes = encodeRegister(parts);
    expect(await verifyRegister(suite, space, pair.publicKey, bytes)).toEqual({
      replica: fields.replica,
      publicKey: pair.publicKey,
      name: fields.name,
      number: fields.number,
      bodyHash: parts.bodyHash,
      bytes,
    });
  });

  it("refuses every single flipped bit", async () => {
    const bytes = encodeRegister(await publish());
    for (let at = 0; at < bytes.length; at++) {
      const fault = await faultOf(bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8))));
      expect(fault, `byte ${at}`).toBeDefined();
    }
  });

  it.each([
    ["an unknown version", 0, 2, "version"],
    ["an unknown suite", 1, 2, "version"],
    ["the simulator's suite", 1, 0, "version"],
    ["another space", 2, 0, "foreign"],
    ["another replica", 18, 0, "foreign"],
    ["another length", 81, 0, "form"],
    ["another body", registerHeadBytes, 0, "forged"],
    ["another signature", 114, 0, "forged"],
    ["another name", 34, 0, "forged"],
  ])("says what is wrong with %s", async (_, at, byte, fault) => {
    const bytes = encodeRegister(await publish());
    expect(await faultOf(bytes.with(at, byte))).toBe(fault);
  });

  it("refuses a register under another's key", async () => {
    const other = await suite.signingPairFromSeed(new Uint8Array(32).fill(2));
    expect(await faultOf(encodeRegister(await publish()), other.publicKey)).toBe("foreign");
    const stolen = await publish({ replica: replicaIdOf(suite, other.publicKey) });
    expect(await faultOf(encodeRegister(stolen), other.publicKey)).toBe("forged");
  });

  it("refuses one that was signed for another space", async () => {
    const elsewhere = spaceTag(fromHex("a1".repeat(16)));
    expect(await faultOf(encodeRegister(await publish({ space: elsewhere })))).toBe("foreign");
  });
});

describe("of two registers", () => {
  const register = (number: number, hash: string) => ({ number, bodyHash: fromHex(hash) });

  it("the greater number is newer, of equal numbers the greater hash", () => {
    expect(newerRegister(register(2, "00"), register(1, "ff"))).toBe(true);
    expect(newerRegister(register(1, "ff"), register(2, "00"))).toBe(false);
    expect(newerRegister(register(1, "02"), register(1, "01"))).toBe(true);
    expect(newerRegister(register(1, "01"), register(1, "02"))).toBe(false);
  });

  it("neither is newer when they are the same, and the first is newer than none", () => {
    expect(newerRegister(register(1, "01"), register(1, "01"))).toBe(false);
    expect(newerRegister(register(0, "00"), undefined)).toBe(true);
  });
});
