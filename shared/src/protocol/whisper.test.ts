import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { SigningPair } from "../crypto/suite.ts";
import { epochId, replicaId, spaceTag } from "../id/id.ts";
import { isRefusal } from "../log/refusal.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import {
  encodeWhisper,
  parseWhisper,
  verifyWhisper,
  type Whisper,
  whisperAad,
  whisperBodyHash,
  type WhisperFields,
  whisperHeadBytes,
  whisperHeader,
  whisperLabels,
  WhisperWindow,
} from "./whisper.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const space = spaceTag(fromHex("a0".repeat(16)));
const to = replicaId(fromHex("b0".repeat(16)));
const nonce = fromHex("d0".repeat(16));
const body = new TextEncoder().encode("sealed presence");

let pair: SigningPair;
let fields: WhisperFields;

/** A whisper as its replica says it, changed before it is signed. */
async function say(change: Partial<WhisperFields> = {}): Promise<Whisper> {
  const changed = { ...fields, ...change };
  const bodyHash = whisperBodyHash(suite, body);
  const header = whisperHeader(changed, body.length, bodyHash);
  const signature = await suite.sign(pair.secret, whisperLabels.signature, header);
  return { ...changed, bodyHash, signature, body };
}

async function faultOf(bytes: Uint8Array, key = pair.publicKey): Promise<string | undefined> {
  const verdict = await verifyWhisper(suite, space, key, bytes);
  return isRefusal(verdict) ? verdict.fault : undefined;
}

beforeAll(async () => {
  pair = await suite.signingPairFromSeed(new Uint8Array(32).fill(1));
  const from = replicaIdOf(suite, pair.publicKey);
  const epoch = epochId(fromHex("c0".repeat(8)));
  fields = { suite: 1, space, from, to, epoch, nonce, counter: 0x0102030405 };
});

describe("a whisper", () => {
  it("has the bytes of docs/protocol.md section 6", async () => {
    const whisper = await say();
    // Assembled by hand.
    const aad =
      "01" + // version
      "01" + // suite
      "a0".repeat(16) + // spaceTag
      fields.from +
      "b0".repeat(16) + // to
      "c0".repeat(8) + // epochId
      "d0".repeat(16) + // nonce
      "0000000102030405" + // counter
      "0000000f"; // bodyLength
    const bodyHash = createHash("sha256")
      .update("skein/whisper-body/1\0")
      .update(body)
      .digest("hex");
    expect(toHex(whisperAad(fields, body.length))).toBe(aad);
    expect(toHex(whisperHeader(fields, body.length, whisper.bodyHash))).toBe(aad + bodyHash);
    expect(toHex(encodeWhisper(whisper))).toBe(
      aad + bodyHash + toHex(whisper.signature) + toHex(body),
    );
  });

  it("names nobody with zeros when it is for everybody", async () => {
    const whisper = await say({ to: undefined });
    const bytes = encodeWhisper(whisper);
    expect(toHex(bytes.subarray(34, 50))).toBe("00".repeat(16));
    expect(parseWhisper(bytes)).toEqual(whisper);
  });

  it("survives its bytes", () => {
    const whispers = fc.record({
      suite: fc.constantFrom(0 as const, 1 as const),
      space: fc.constant(space),
      from: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(replicaId),
      to: fc.option(fc.constant(to), { nil: undefined }),
      epoch: fc.uint8Array({ minLength: 8, maxLength: 8 }).map(epochId),
      nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      counter: fc.maxSafeNat().map((counter) => Math.max(1, counter)),
      bodyHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
      body: fc.uint8Array({ maxLength: 100 }),
    });
    fc.assert(
      fc.property(whispers, (whisper) => {
        expect(parseWhisper(encodeWhisper(whisper))).toEqual(whisper);
      }),
    );
  });

  it("is refused when cut off anywhere, or with bytes to spare", async () => {
    const bytes = encodeWhisper(await say());
    for (let length = 0; length < bytes.length; length++) {
      expect(isMalformed(parseWhisper(bytes.subarray(0, length)))).toBe(true);
    }
    expect(isMalformed(parseWhisper(concatBytes(bytes, new Uint8Array(1))))).toBe(true);
  });

  it("counts from 1", async () => {
    expect(isMalformed(parseWhisper(encodeWhisper(await say({ counter: 0 }))))).toBe(true);
  });
});

describe("verifyWhisper", () => {
  it("gives the whisper", async () => {
    const whisper = await say();
    const verdict = await verifyWhisper(suite, space, pair.publicKey, encodeWhisper(whisper));
    expect(verdict).toEqual(whisper);
  });

  it("refuses every single flipped bit", async () => {
    const bytes = encodeWhisper(await say());
    for (let at = 0; at < bytes.length; at++) {
      const fault = await faultOf(bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8))));
      expect(fault, `byte ${at}`).toBeDefined();
    }
  });

  it.each([
    ["an unknown version", 0, 2, "version"],
    ["an unknown suite", 1, 9, "version"],
    ["the simulator's suite", 1, 0, "version"],
    ["another space", 2, 0, "foreign"],
    ["another sender", 18, 0, "foreign"],
    ["another length", 85, 0, "form"],
    ["another body", whisperHeadBytes, 0, "forged"],
    ["another signature", 118, 0, "forged"],
    ["another receiver", 34, 0, "forged"],
  ])("says what is wrong with %s", async (_, at, byte, fault) => {
    const bytes = encodeWhisper(await say());
    expect(await faultOf(bytes.with(at, byte))).toBe(fault);
  });

  it("lets nobody speak for another", async () => {
    const other = await suite.signingPairFromSeed(new Uint8Array(32).fill(2));
    expect(await faultOf(encodeWhisper(await say()), other.publicKey)).toBe("foreign");
    const stolen = await say({ from: replicaIdOf(suite, other.publicKey) });
    expect(await faultOf(encodeWhisper(stolen), other.publicKey)).toBe("forged");
  });
});

describe("the window against repetition", () => {
  const from = replicaId(fromHex("01".repeat(16)));
  const ask = (window: WhisperWindow, counter: number, session = nonce, sender = from) =>
    window.accept({ from: sender, nonce: session, counter });

  it("accepts each number once, in whatever order", () => {
    const window = new WhisperWindow();
    for (const counter of [1, 3, 2, 10, 4]) expect(ask(window, counter)).toBe(true);
    for (const counter of [1, 2, 3, 4, 10]) expect(ask(window, counter)).toBe(false);
    expect(ask(window, 9)).toBe(true);
  });

  it("reaches 63 back and no further", () => {
    const window = new WhisperWindow();
    ask(window, 100);
    expect(ask(window, 100 - 64)).toBe(false);
    expect(ask(window, 100 - 63)).toBe(true);
    expect(ask(window, 100 - 63)).toBe(false);
  });

  it("forgets nothing it must know across jumps", () => {
    const window = new WhisperWindow();
    ask(window, 1);
    expect(ask(window, 64)).toBe(true);
    expect(ask(window, 1)).toBe(false);
    expect(ask(window, 2)).toBe(true);
    expect(ask(window, Number.MAX_SAFE_INTEGER)).toBe(true);
    expect(ask(window, Number.MAX_SAFE_INTEGER)).toBe(false);
    expect(ask(window, 65)).toBe(false);
    expect(ask(window, Number.MAX_SAFE_INTEGER - 63)).toBe(true);
  });

  it("counts writer sessions and replicas apart", () => {
    const window = new WhisperWindow();
    const other = replicaId(fromHex("02".repeat(16)));
    expect(ask(window, 5)).toBe(true);
    expect(ask(window, 5, fromHex("d1".repeat(16)))).toBe(true);
    expect(ask(window, 5, nonce, other)).toBe(true);
    expect(ask(window, 5)).toBe(false);
  });

  it("is not emptied by another replica's many writer sessions", () => {
    const window = new WhisperWindow();
    const noisy = replicaId(fromHex("02".repeat(16)));
    ask(window, 5);
    for (let number = 0; number < 20_000; number++) {
      const session = new Uint8Array(16);
      new DataView(session.buffer).setUint32(0, number);
      ask(window, 1, session, noisy);
    }
    expect(ask(window, 5)).toBe(false);
    // Of the noisy one itself only the newest sessions are remembered.
    expect(ask(window, 1, new Uint8Array(16), noisy)).toBe(true);
  });

  it("agrees with a list of everything that was accepted", () => {
    const counters = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 300 });
    fc.assert(
      fc.property(counters, (asked) => {
        const window = new WhisperWindow();
        const accepted = new Set<number>();
        let greatest = 0;
        for (const counter of asked) {
          const expected = counter > greatest - 64 && !accepted.has(counter);
          expect(ask(window, counter)).toBe(expected);
          if (expected) accepted.add(counter);
          greatest = Math.max(greatest, counter);
        }
      }),
    );
  });
});
