import { beforeAll, describe, expect, it } from "vitest";
import { fromHex } from "../bytes/bytes.ts";
import { Keyring } from "../crypto/keyring.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { EntrySealer } from "../crypto/seal.ts";
import { replicaId, spaceTag } from "../id/id.ts";
import { isRefusal } from "../log/refusal.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import { verifyWhisper, type Whisper } from "../protocol/whisper.ts";
import {
  openWhisper,
  sealWhisper,
  type WhisperDraft,
  whisperPlainBytesMax,
} from "./sealed-whisper.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const space = spaceTag(fromHex("11".repeat(16)));
const plain = Uint8Array.of(1, 2, 3);
const draft: WhisperDraft = { to: undefined, nonce: fromHex("44".repeat(16)), counter: 1, plain };

let keyring: Keyring;
let sealer: EntrySealer;

beforeAll(async () => {
  const { publicKey, secret } = await suite.newSigningPair();
  keyring = new Keyring(suite, space, fromHex("55".repeat(32)));
  sealer = { keyring, space, replica: replicaIdOf(suite, publicKey), publicKey, secret };
});

const verify = (bytes: Uint8Array) => verifyWhisper(suite, space, sealer.publicKey, bytes);

async function verified(bytes: Uint8Array): Promise<Whisper> {
  const whisper = await verify(bytes);
  if (isRefusal(whisper)) throw new Error(whisper.words);
  return whisper;
}

describe("a whisper", () => {
  it("holds before everybody, and opens to what it said", async () => {
    const to = replicaId(fromHex("99".repeat(16)));
    for (const change of [{}, { to, counter: 2 }, { plain: new Uint8Array(0), counter: 3 }]) {
      const whisper = await verified(await sealWhisper(sealer, { ...draft, ...change }));
      expect(whisper).toMatchObject({
        to: undefined,
        counter: 1,
        ...("to" in change ? change : {}),
        ...("counter" in change ? { counter: change.counter } : {}),
      });
      const expected = "plain" in change ? change.plain : plain;
      expect(await openWhisper(keyring, whisper)).toEqual(expected);
    }
  });

  it("holds as much as a frame's limit and no more", async () => {
    const most = new Uint8Array(whisperPlainBytesMax).fill(1);
    const whisper = await verified(await sealWhisper(sealer, { ...draft, plain: most }));
    expect(whisper.body.length).toBe(16_384);
    expect(await openWhisper(keyring, whisper)).toEqual(most);
    const more = new Uint8Array(whisperPlainBytesMax + 1);
    await expect(sealWhisper(sealer, { ...draft, plain: more })).rejects.toThrow(RangeError);
  });

  it("of an unknown epoch or another space says nothing", async () => {
    const later = new Keyring(suite, space, fromHex("55".repeat(32)));
    later.use(later.add(fromHex("66".repeat(32))));
    const whisper = await verified(await sealWhisper({ ...sealer, keyring: later }, draft));
    expect(await openWhisper(keyring, whisper)).toBe("unknown epoch");
    const elsewhere = new Keyring(
      suite,
      spaceTag(fromHex("12".repeat(16))),
      fromHex("55".repeat(32)),
    );
    const ours = await verified(await sealWhisper(sealer, draft));
    expect(await openWhisper(elsewhere, ours)).toBe("void");
  });

  it("is refused when any byte of it is wrong", async () => {
    const bytes = await sealWhisper(sealer, draft);
    for (let at = 0; at < bytes.length; at++) {
      const tampered = bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
      expect(isRefusal(await verify(tampered)), `byte ${at}`).toBe(true);
    }
  });

  it("opens to nothing under another header", async () => {
    const whisper = await verified(await sealWhisper(sealer, draft));
    const someone = replicaId(fromHex("99".repeat(16)));
    for (const change of [
      { to: someone },
      { from: someone },
      { counter: 2 },
      { nonce: fromHex("45".repeat(16)) },
      { suite: 0 as const },
    ]) {
      expect(await openWhisper(keyring, { ...whisper, ...change })).toBe("void");
    }
  });
});
