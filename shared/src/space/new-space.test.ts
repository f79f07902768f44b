import { describe, expect, it } from "vitest";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { Random } from "../env.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { memberId, replicaId } from "../id/id.ts";
import { parseAccessCertificate, spaceTagOf, verifyCertificateChain } from "../protocol/access.ts";
import { signAdmission, verifyAdmission } from "./admission.ts";
import { newSpace } from "./new-space.ts";

const counting = (next = 1): Random => ({
  bytes: (length) => new Uint8Array(length).fill(next++),
  fraction: () => 0,
});
const suite = nobleSuite(counting());

describe("a new space", () => {
  it("has a certificate that every relay accepts, for the address it names", async () => {
    const { tag, certificate } = await newSpace(suite, counting());
    const verdict = await verifyCertificateChain(suite, [certificate]);
    expect(verdict.kind === "valid" ? verdict.space : verdict.words).toBe(tag);
  });

  it("names in it the keys of the seeds", async () => {
    const { tag, certificate, seeds } = await newSpace(suite, counting());
    const parsed = parseAccessCertificate(certificate);
    if (isMalformed(parsed)) throw parsed;
    const key = async (seed: Uint8Array) => (await suite.signingPairFromSeed(seed)).publicKey;
    expect(parsed.readKey).toEqual(await key(seeds.read));
    expect(parsed.writeKey).toEqual(await key(seeds.write));
    expect(parsed.adminKey).toEqual(await key(seeds.admin));
    expect(spaceTagOf(suite, parsed)).toBe(tag);
  });

  it("shares nothing with another one", async () => {
    const [one, two] = [await newSpace(suite, counting(1)), await newSpace(suite, counting(50))];
    expect(one.tag).not.toBe(two.tag);
    const secrets = [one, two].flatMap(({ seeds, contentKey }) =>
      [seeds.read, seeds.write, seeds.admin, contentKey].map(String),
    );
    expect(new Set(secrets).size).toBe(8);
  });
});

describe("an admission", () => {
  it("holds for its space, member, replica and way in alone", async () => {
    const { tag: space, seeds } = await newSpace(suite, counting());
    const { tag: elsewhere } = await newSpace(suite, counting(50));
    const { publicKey, secret } = await suite.signingPairFromSeed(seeds.admin);
    const member = memberId(new Uint8Array(16).fill(1));
    const replica = replicaId(new Uint8Array(16).fill(2));
    const admission = { space, member, replica };
    const signature = await signAdmission(suite, secret, "skein/genesis", admission);
    const holds = (change: Partial<typeof admission>) =>
      verifyAdmission(suite, publicKey, "skein/genesis", { ...admission, ...change }, signature);
    expect(await holds({})).toBe(true);
    expect(await holds({ space: elsewhere })).toBe(false);
    expect(await holds({ member: memberId(new Uint8Array(16).fill(3)) })).toBe(false);
    expect(await holds({ replica: replicaId(new Uint8Array(16).fill(3)) })).toBe(false);
    expect(await verifyAdmission(suite, publicKey, "skein/join", admission, signature)).toBe(false);
  });
});
