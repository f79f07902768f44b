import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes } from "../bytes/bytes.ts";
import type { AccessSeeds } from "../crypto/access-keys.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { Random } from "../env.ts";
import { limits } from "../protocol/limits.ts";
import {
  type InviteKeys,
  inviteLabels,
  type InvitePreview,
  openKeys,
  openPreview,
  sealKeys,
  sealPreview,
} from "./invite-bundle.ts";
import { inviteCodeHash, newInviteToken } from "./invite-link.ts";

let next = 1;
const random: Random = {
  bytes: (length) => new Uint8Array(length).fill(next++),
  fraction: () => 0,
};
const suite = nobleSuite(random);
const token = newInviteToken(random);
const other = newInviteToken(random);
const seed = (value: number) => new Uint8Array(32).fill(value);
const owner: AccessSeeds = { role: "owner", read: seed(1), write: seed(2), admin: seed(3) };
const preview: InvitePreview = {
  spaceName: "Garden",
  inviterName: "Ana",
  role: "editor",
  expiresMs: 1_800_000_000_000,
};
const keys: InviteKeys = {
  seeds: owner,
  certificates: [new Uint8Array(214).fill(4), new Uint8Array(214).fill(5)],
  contentKeys: [seed(6), seed(7)],
  inviteSeed: seed(8),
  addresses: ["https://notes.example", "https://192.168.1.7:8443"],
};

let sealedPreview: Uint8Array<ArrayBuffer>;
let sealedKeys: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  sealedPreview = await sealPreview(suite, random, token, preview);
  sealedKeys = await sealKeys(suite, random, token, keys);
});

/** A bundle of any plain, sealed as the protocol says. */
async function sealedAs(label: string, plain: Uint8Array): Promise<Uint8Array> {
  const nonce = random.bytes(12);
  const key = await suite.deriveKey(token.secret, label, token.code);
  return concatBytes(nonce, await suite.seal(key, nonce, plain, new Uint8Array(0)));
}

describe("an invite's bundle", () => {
  it("opens to what was sealed", async () => {
    expect(await openPreview(suite, token, sealedPreview)).toEqual(preview);
    expect(await openKeys(suite, token, sealedKeys)).toEqual(keys);
    const endless = await sealPreview(suite, random, token, { ...preview, expiresMs: undefined });
    expect(await openPreview(suite, token, endless)).toEqual({ ...preview, expiresMs: undefined });
  });

  it("holds the seeds of its role", async () => {
    const { read, write } = owner;
    for (const seeds of [
      { role: "reader", read },
      { role: "editor", read, write },
      owner,
    ] as const) {
      const sealed = await sealKeys(suite, random, token, { ...keys, seeds });
      expect(await openKeys(suite, token, sealed)).toEqual({ ...keys, seeds });
    }
  });

  it("opens with its own link alone, and only as what it is", async () => {
    const halfs = [
      { code: token.code, secret: other.secret },
      { code: other.code, secret: token.secret },
    ];
    for (const wrong of halfs) {
      expect(await openPreview(suite, wrong, sealedPreview)).toBe("damaged");
      expect(await openKeys(suite, wrong, sealedKeys)).toBe("damaged");
    }
    expect(await openPreview(suite, token, sealedKeys)).toBe("damaged");
    expect(await openKeys(suite, token, sealedPreview)).toBe("damaged");
  });

  it("is damaged when any byte of it is wrong, or missing", async () => {
    for (let at = 0; at < sealedPreview.length; at++) {
      const tampered = sealedPreview.map((byte, index) => (index === at ? byte ^ 1 : byte));
      expect(await openPreview(suite, token, tampered), `byte ${at}`).toBe("damaged");
      expect(await openPreview(suite, token, sealedPreview.subarray(0, at))).toBe("damaged");
    }
    for (let at = 0; at < sealedKeys.length; at++) {
      const tampered = sealedKeys.map((byte, index) => (index === at ? byte ^ 1 : byte));
      expect(await openKeys(suite, token, tampered), `byte ${at}`).toBe("damaged");
    }
  });

  it("of another format belongs to a newer version", async () => {
    const later = Uint8Array.of(2, 1, 2, 3);
    const { preview: ofPreview, keys: ofKeys } = inviteLabels;
    expect(await openPreview(suite, token, await sealedAs(ofPreview, later))).toBe("newer version");
    expect(await openKeys(suite, token, await sealedAs(ofKeys, later))).toBe("newer version");
  });

  it("of the wrong form is damaged, though it was sealed rightly", async () => {
    const one = Uint8Array.of(1);
    const header = Uint8Array.of(1, 2, 1);
    const certificate = new Uint8Array(214);
    const wrong: Uint8Array[] = [
      new Uint8Array(0),
      one,
      Uint8Array.of(1, 9),
      // Editor's keys with a seed for admins.
      concatBytes(
        header,
        certificate,
        one,
        seed(1),
        seed(1),
        seed(2),
        seed(3),
        seed(4),
        new Uint8Array(1),
      ),
      // No certificate, no content key.
      concatBytes(Uint8Array.of(1, 2, 0, 0), seed(1), seed(2), seed(0), seed(4), new Uint8Array(1)),
    ];
    for (const plain of wrong) {
      expect(await openPreview(suite, token, await sealedAs(inviteLabels.preview, plain))).toBe(
        "damaged",
      );
      expect(await openKeys(suite, token, await sealedAs(inviteLabels.keys, plain))).toBe(
        "damaged",
      );
    }
  });

  it("is never larger than a relay takes", async () => {
    const many = <T>(length: number, each: T) => Array.from({ length }, () => each);
    const certificate = new Uint8Array(214).fill(4);
    const tooMuch: Partial<InviteKeys>[] = [
      { contentKeys: many(129, seed(1)) },
      { certificates: many(33, certificate) },
      { addresses: many(9, "https://notes.example") },
      { contentKeys: many(128, seed(1)), certificates: many(32, certificate) },
    ];
    for (const change of tooMuch) {
      const sealing = sealKeys(suite, random, token, { ...keys, ...change });
      await expect(sealing).rejects.toThrow(RangeError);
    }
    const spaceName = "x".repeat(limits.nameBytesMax + 1);
    const sealing = sealPreview(suite, random, token, { ...preview, spaceName });
    await expect(sealing).rejects.toThrow(RangeError);
    const full: InviteKeys = {
      ...keys,
      certificates: many(32, certificate),
      contentKeys: many(30, seed(1)),
      addresses: many(8, "https://notes.example"),
    };
    const sealed = await sealKeys(suite, random, token, full);
    expect(sealed.length).toBeLessThanOrEqual(limits.inviteBytesMax);
    expect(await openKeys(suite, token, sealed)).toEqual(full);
  });

  it("lies at the relay under a name that tells nothing of the secret", () => {
    const name = inviteCodeHash(suite, token.code);
    expect(name.length).toBe(16);
    expect(inviteCodeHash(suite, token.code)).toEqual(name);
    expect(inviteCodeHash(suite, other.code)).not.toEqual(name);
  });
});
