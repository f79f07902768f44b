import { beforeAll, describe, expect, it } from "vitest";
import { fromHex } from "../bytes/bytes.ts";
import { bytesOfId, spaceTag } from "../id/id.ts";
import { type EpochGrant, openGrant, sealGrant } from "./epoch-grant.ts";
import { nobleSuite } from "./noble-suite.ts";
import { openWithKey, type SealedToKey, sealToKey } from "./sealing-to-key.ts";
import type { AgreementPair } from "./suite.ts";

let next = 1;
const suite = nobleSuite({
  bytes: (length) => new Uint8Array(length).fill(next++),
  fraction: () => 0,
});
const space = spaceTag(fromHex("11".repeat(16)));
const seed = (value: number) => new Uint8Array(32).fill(value);
const grants: EpochGrant[] = [
  { contentKey: seed(9), seeds: { role: "reader", read: seed(1) } },
  { contentKey: seed(9), seeds: { role: "editor", read: seed(1), write: seed(2) } },
  { contentKey: seed(9), seeds: { role: "owner", read: seed(1), write: seed(2), admin: seed(3) } },
];

let ana: AgreementPair;
let eve: AgreementPair;

beforeAll(async () => {
  ana = await suite.newAgreementPair();
  eve = await suite.newAgreementPair();
});

async function sealed(grant: EpochGrant): Promise<SealedToKey> {
  const result = await sealGrant(suite, space, ana.publicKey, grant);
  if (result === undefined) throw new Error("refused");
  return result;
}

describe("a grant", () => {
  it("opens for its recipient, with what the role holds", async () => {
    for (const grant of grants) {
      const { ephemeral, sealed: bytes } = await sealed(grant);
      expect(await openGrant(suite, space, ana, { ephemeral, sealed: bytes })).toEqual(grant);
    }
  });

  it("is sealed anew each time, under a pair of its own", async () => {
    const [grant] = grants;
    if (grant === undefined) throw new Error("no grant");
    const [one, two] = [await sealed(grant), await sealed(grant)];
    expect(one.ephemeral).not.toEqual(two.ephemeral);
    expect(one.sealed).not.toEqual(two.sealed);
  });

  it("opens for nobody else and for no other space", async () => {
    for (const grant of grants) {
      const box = await sealed(grant);
      const elsewhere = spaceTag(fromHex("12".repeat(16)));
      expect(await openGrant(suite, space, eve, box)).toBeUndefined();
      expect(await openGrant(suite, elsewhere, ana, box)).toBeUndefined();
    }
  });

  it("opens to nothing when any byte of it is wrong", async () => {
    const [grant] = grants;
    if (grant === undefined) throw new Error("no grant");
    const { ephemeral, sealed: bytes } = await sealed(grant);
    const flipped = (of: Uint8Array<ArrayBuffer>, at: number) =>
      of.map((byte, index) => (index === at ? byte ^ 1 : byte));
    for (let at = 0; at < bytes.length; at++) {
      const box = { ephemeral, sealed: flipped(bytes, at) };
      expect(await openGrant(suite, space, ana, box), `byte ${at}`).toBeUndefined();
    }
    for (let at = 0; at < ephemeral.length; at++) {
      const box = { ephemeral: flipped(ephemeral, at), sealed: bytes };
      expect(await openGrant(suite, space, ana, box), `key byte ${at}`).toBeUndefined();
    }
  });

  it("of the wrong form opens to nothing", async () => {
    const plains = [
      new Uint8Array(0),
      new Uint8Array(65).fill(0),
      new Uint8Array(65).fill(2),
      new Uint8Array(66).fill(1),
      new Uint8Array(97).fill(3),
    ];
    for (const plain of plains) {
      const box = await sealToKey(suite, ana.publicKey, plain, bytesOfId(space));
      if (box === undefined) throw new Error("refused");
      expect(await openGrant(suite, space, ana, box)).toBeUndefined();
    }
  });
});

describe("sealing to a key", () => {
  it("that agrees with nobody is refused on both sides", async () => {
    const none = new Uint8Array(32);
    expect(await sealToKey(suite, none, seed(1), seed(2))).toBeUndefined();
    expect(await openWithKey(suite, ana, none, new Uint8Array(48), seed(2))).toBeUndefined();
  });
});
