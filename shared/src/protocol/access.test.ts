import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compareBytes, concatBytes, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { SigningPair } from "../crypto/suite.ts";
import { type SpaceTag, spaceTag } from "../id/id.ts";
import { zeroHash } from "../log/chain.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import {
  type AccessCertificate,
  accessLabels,
  accessProofMessage,
  type AccessStatement,
  accessStatement,
  certificateHash,
  checkHello,
  encodeAccessCertificate,
  type HelloContext,
  type HelloVerdict,
  isHelloRefusal,
  type KnownCertificate,
  parseAccessCertificate,
  replicaProofMessage,
  spaceTagOf,
  verifyCertificateChain,
} from "./access.ts";
import type { Hello, Mode } from "./messages.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const pairOf = (number: number): Promise<SigningPair> =>
  suite.signingPairFromSeed(new Uint8Array(32).fill(number));

interface Keys {
  readonly read: SigningPair;
  readonly write: SigningPair;
  readonly admin: SigningPair;
}

/** A certificate with the keys it names, as its owner has them. */
interface Generation {
  readonly certificate: AccessCertificate;
  readonly bytes: Uint8Array;
  readonly keys: Keys;
}

async function keysOf(number: number): Promise<Keys> {
  return {
    read: await pairOf(number),
    write: await pairOf(number + 1),
    admin: await pairOf(number + 2),
  };
}

async function generation(
  previous: Generation | undefined,
  number: number,
  change: Partial<AccessStatement> = {},
  signer?: SigningPair,
): Promise<Generation> {
  const keys = await keysOf(number);
  const statement: AccessStatement = {
    suite: 1,
    n: previous === undefined ? 0 : previous.certificate.n + 1,
    previous: previous === undefined ? zeroHash : certificateHash(suite, previous.certificate),
    salt: new Uint8Array(16).fill(number),
    readKey: keys.read.publicKey,
    writeKey: keys.write.publicKey,
    adminKey: keys.admin.publicKey,
    ...change,
  };
  const { secret } = signer ?? previous?.keys.admin ?? keys.admin;
  const message = accessStatement(statement);
  const signature = await suite.sign(secret, accessLabels.certificate, message);
  const certificate = { ...statement, signature };
  return { certificate, bytes: encodeAccessCertificate(certificate), keys };
}

const known = ({ certificate, bytes }: Generation): KnownCertificate => ({
  n: certificate.n,
  bytes,
  hash: certificateHash(suite, certificate),
});

const origin = "https://relay.example";
const nonces = {
  responderNonce: new Uint8Array(16).fill(0x11),
  initiatorNonce: new Uint8Array(16).fill(0x22),
};

let first: Generation;
let second: Generation;
let third: Generation;
let tag: SpaceTag;
let replica: SigningPair;

beforeAll(async () => {
  first = await generation(undefined, 10);
  second = await generation(first, 20);
  third = await generation(second, 30);
  tag = spaceTagOf(suite, first.certificate);
  replica = await pairOf(90);
});

interface Claim {
  readonly mode?: Mode;
  readonly chain?: readonly Generation[];
  /** Whose keys prove it; the newest generation's by default. */
  readonly keys?: Keys;
  readonly key?: "read" | "write" | "admin";
  readonly origin?: string;
  readonly space?: SpaceTag;
  readonly responderNonce?: Uint8Array;
  readonly replicas?: readonly SigningPair[];
}

/** The hello of somebody who does it right, but for what `claim` changes. */
async function helloOf(claim: Claim = {}): Promise<Hello> {
  const { mode = "write", chain = [first], space = tag } = claim;
  const keys = claim.keys ?? chain.at(-1)?.keys ?? first.keys;
  const transcript = { origin: claim.origin ?? origin, ...nonces, space, ...pick(claim) };
  const { secret } = keys[claim.key ?? mode];
  const message = accessProofMessage(transcript, mode);
  const proof = await suite.sign(secret, accessLabels.access, message);
  const proofs = (claim.replicas ?? []).map(async (pair) => ({
    publicKey: pair.publicKey,
    proof: await suite.sign(pair.secret, accessLabels.replica, replicaProofMessage(transcript)),
  }));
  return {
    type: "hello",
    space: 1,
    tag: space,
    mode,
    certificates: chain.map(({ bytes }) => bytes),
    proof,
    replicas: await Promise.all(proofs),
  };
}

const pick = ({ responderNonce }: Claim) => (responderNonce ? { responderNonce } : {});

function judge(
  hello: Hello,
  knownCertificate?: Generation,
  change: Partial<HelloContext> = {},
): Promise<HelloVerdict> {
  return checkHello(suite, {
    origin,
    ...nonces,
    hello,
    known: knownCertificate && known(knownCertificate),
    ...change,
  });
}

/** "n" of what was accepted, or code and words of the refusal. */
const told = (verdict: HelloVerdict): string =>
  isHelloRefusal(verdict) ? `${verdict.code} ${verdict.words}` : `${verdict.certificate.n}`;

describe("an access certificate", () => {
  it("has the bytes of docs/protocol.md section 3", () => {
    const { certificate, bytes } = second;
    const statement =
      "01" + // version
      "01" + // suite
      "00000001" + // n
      createHash("sha256")
        .update("skein/access-certificate\0")
        .update(first.bytes.subarray(0, 150))
        .digest("hex") +
      "14".repeat(16) + // salt
      toHex(certificate.readKey) +
      toHex(certificate.writeKey) +
      toHex(certificate.adminKey);
    expect(toHex(bytes)).toBe(statement + toHex(certificate.signature));
    expect(bytes.length).toBe(214);
    expect(parseAccessCertificate(bytes)).toEqual(certificate);
  });

  it("founds the space whose tag is its hash", () => {
    const hash = createHash("sha256").update("skein/space\0").update(first.bytes.subarray(0, 150));
    expect(tag).toBe(hash.digest("hex").slice(0, 32));
  });

  it("survives its bytes", () => {
    const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const certificates = fc.record({
      suite: fc.constantFrom(0 as const, 1 as const),
      n: fc.integer({ min: 0, max: 0xffff_ffff }),
      previous: bytes32,
      salt: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      readKey: bytes32,
      writeKey: bytes32,
      adminKey: bytes32,
      signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
    });
    fc.assert(
      fc.property(certificates, (certificate) => {
        expect(parseAccessCertificate(encodeAccessCertificate(certificate))).toEqual(certificate);
      }),
    );
  });

  it("is refused with a byte too few or too many, and in an unknown version or suite", () => {
    const fault = (bytes: Uint8Array) => {
      const parsed = parseAccessCertificate(bytes);
      return isMalformed(parsed) ? parsed.fault : "taken";
    };
    for (let length = 0; length < first.bytes.length; length++) {
      expect(fault(first.bytes.subarray(0, length))).toBe("form");
    }
    expect(fault(concatBytes(first.bytes, new Uint8Array(1)))).toBe("form");
    expect(fault(first.bytes.with(0, 2))).toBe("version");
    expect(fault(first.bytes.with(1, 2))).toBe("version");
  });
});

describe("verifyCertificateChain", () => {
  const verify = async (chain: readonly Uint8Array[], by: VerifyingSuite = suite) => {
    const verdict = await verifyCertificateChain(by, chain);
    return verdict.kind === "valid"
      ? `${verdict.space} ${verdict.newest.n}`
      : `${verdict.code} ${verdict.words}`;
  };

  it("follows certificates from the first to the newest", async () => {
    expect(await verify([first.bytes])).toBe(`${tag} 0`);
    expect(await verify([first.bytes, second.bytes, third.bytes])).toBe(`${tag} 2`);
  });

  it("wants the first one, all of them, and in order", async () => {
    expect(await verify([])).toBe("4401 the certificates do not lead to this space");
    expect(await verify([second.bytes])).toBe("4401 the certificates do not lead to this space");
    const broken = "4401 the certificates do not follow one another";
    expect(await verify([first.bytes, third.bytes])).toBe(broken);
    expect(await verify([second.bytes, first.bytes])).toBe(broken);
    expect(await verify([first.bytes, first.bytes])).toBe(broken);
  });

  it("refuses one that names another before it, or has another number than the next", async () => {
    const broken = "4401 the certificates do not follow one another";
    const ofAnother = await generation(first, 20, { previous: new Uint8Array(32).fill(1) });
    expect(await verify([first.bytes, ofAnother.bytes])).toBe(broken);
    const skipping = await generation(first, 20, { n: 2 });
    expect(await verify([first.bytes, skipping.bytes])).toBe(broken);
  });

  it("refuses a first certificate that names a previous one", async () => {
    const odd = await generation(undefined, 40, { previous: new Uint8Array(32).fill(1) });
    expect(await verify([odd.bytes])).toBe("4401 the certificates do not follow one another");
  });

  it("refuses what the admin key before it has not signed", async () => {
    const forged = "4401 a certificate is not signed rightly";
    for (const signer of [second.keys.admin, first.keys.write, first.keys.read]) {
      const usurped = await generation(first, 20, {}, signer);
      expect(await verify([first.bytes, usurped.bytes])).toBe(forged);
    }
    const selfless = await generation(undefined, 10, {}, first.keys.write);
    expect(await verify([selfless.bytes])).toBe(forged);
    for (const at of [150, 213]) {
      const flipped = second.bytes.with(at, (second.bytes[at] ?? 0) ^ 1);
      expect(await verify([first.bytes, flipped])).toBe(forged);
    }
  });

  it("speaks its own suite only", async () => {
    const toy = await generation(undefined, 10, { suite: 0 });
    expect(await verify([toy.bytes])).toBe("4406 suite 0 is not spoken here");
    expect(await verify([toy.bytes], { ...suite, id: 0 })).toMatch(/ 0$/);
    expect(await verify([first.bytes], { ...suite, id: 0 })).toBe(
      "4406 suite 1 is not spoken here",
    );
    expect(await verify([first.bytes.with(1, 7)])).toBe("4406 suite 7");
    expect(await verify([first.bytes.subarray(1)])).toMatch(/^4406|^4400/);
  });
});

describe("the proofs", () => {
  const transcript = { origin, ...nonces, space: spaceTag(new Uint8Array(16).fill(0x33)) };
  const written =
    "15" + // 21 bytes of origin
    toHex(new TextEncoder().encode(origin)) +
    "11".repeat(16) +
    "22".repeat(16) +
    "33".repeat(16);

  it("sign origin, both nonces and space; that of access the mode as well", () => {
    expect(toHex(replicaProofMessage(transcript))).toBe(written);
    expect(toHex(accessProofMessage(transcript, "read"))).toBe(`${written}01`);
    expect(toHex(accessProofMessage(transcript, "write"))).toBe(`${written}02`);
  });
});

describe("a hello is accepted", () => {
  it("with the write key for writing and the read key for reading", async () => {
    for (const mode of ["read", "write"] as const) {
      const verdict = await judge(await helloOf({ mode }));
      expect(verdict).toEqual({
        kind: "accepted",
        certificate: known(first),
        news: true,
        mode,
        replicas: [],
      });
    }
  });

  it("with the replicas it proves, by id and key", async () => {
    const other = await pairOf(91);
    const verdict = await judge(await helloOf({ replicas: [replica, other] }));
    expect(verdict).toMatchObject({
      replicas: [replica, other].map(({ publicKey }) => ({
        id: replicaIdOf(suite, publicKey),
        publicKey,
      })),
    });
  });

  it("with all certificates at a relay that knows none, the newest or an older one", async () => {
    const hello = await helloOf({ chain: [first, second, third] });
    for (const before of [undefined, first, second, third]) {
      const verdict = await judge(hello, before);
      expect(told(verdict)).toBe("2");
      expect(verdict).toMatchObject({ news: before !== third });
    }
  });

  it("with fewer certificates, where they meet the known one", async () => {
    const newest = await helloOf({ chain: [third] });
    expect(told(await judge(newest, third))).toBe("2");
    expect(told(await judge(newest, second))).toBe("2");
    const lastTwo = await helloOf({ chain: [second, third] });
    expect(told(await judge(lastTwo, first))).toBe("2");
    expect(told(await judge(lastTwo, second))).toBe("2");
  });

  it("keeps nothing of the frame it came in", async () => {
    const hello = structuredClone(await helloOf({ replicas: [replica] }));
    const verdict = await judge(hello);
    for (const { publicKey } of hello.replicas) publicKey.fill(0);
    for (const certificate of hello.certificates) certificate.fill(0);
    expect(verdict).toMatchObject({
      certificate: known(first),
      replicas: [{ publicKey: replica.publicKey }],
    });
  });

  it("without asking for signatures that are known already", async () => {
    let asked: string[] = [];
    const counting: VerifyingSuite = {
      ...suite,
      verify: (key, label, message, signature) => {
        asked.push(label);
        return suite.verify(key, label, message, signature);
      },
    };
    const hello = await helloOf({ chain: [first, second, third], replicas: [replica] });
    const context = { origin, ...nonces, hello };
    await checkHello(counting, { ...context, known: known(third) });
    expect(asked).toEqual([accessLabels.access, accessLabels.replica]);
    asked = [];
    await checkHello(counting, { ...context, known: known(second) });
    expect(asked).toEqual([accessLabels.access, accessLabels.certificate, accessLabels.replica]);
  });
});

describe("a hello is refused", () => {
  const unproven = "4401 the proof of access is wrong";

  it.each([
    ["the read key used for writing", { mode: "write", key: "read" }],
    ["the write key used for reading", { mode: "read", key: "write" }],
    ["the admin key", { key: "admin" }],
    ["a proof for another relay", { origin: "https://other.example" }],
    ["a proof from another connection", { responderNonce: new Uint8Array(16).fill(0x99) }],
  ] satisfies [string, Claim][])("with %s", async (_, claim) => {
    expect(told(await judge(await helloOf(claim)))).toBe(unproven);
  });

  it("with a read proof shown as one for writing", async () => {
    const hello = await helloOf({ mode: "read" });
    expect(told(await judge({ ...hello, mode: "write" }))).toBe(unproven);
  });

  it("with the initiator's own nonce reflected", async () => {
    const swapped = {
      responderNonce: nonces.initiatorNonce,
      initiatorNonce: nonces.responderNonce,
    };
    expect(told(await judge(await helloOf(), undefined, swapped))).toBe(unproven);
  });

  it("with the keys of an older certificate than it shows", async () => {
    const hello = await helloOf({ chain: [first, second], keys: first.keys });
    expect(told(await judge(hello))).toBe(unproven);
  });

  it("with an older certificate than the relay knows", async () => {
    expect(told(await judge(await helloOf({ chain: [first] }), second))).toBe(
      "4401 keys have changed",
    );
    expect(told(await judge(await helloOf({ chain: [first, second] }), third))).toBe(
      "4401 keys have changed",
    );
  });

  it("with a foreign space's certificates", async () => {
    const foreign = await generation(undefined, 50);
    const rootless = "4401 the certificates do not lead to this space";
    expect(told(await judge(await helloOf({ chain: [foreign] })))).toBe(rootless);
    expect(told(await judge(await helloOf({ chain: [foreign] }), first))).toMatch(/^4401/);
    const successor = await generation(foreign, 60);
    expect(told(await judge(await helloOf({ chain: [foreign, successor] }), first))).toBe(rootless);
  });

  it("with certificates that leave a gap to what the relay knows", async () => {
    const rootless = "4401 the certificates do not lead to this space";
    expect(told(await judge(await helloOf({ chain: [third] }), first))).toBe(rootless);
    expect(told(await judge(await helloOf({ chain: [second] })))).toBe(rootless);
    // It claims the right parent, but not the number after it.
    const ahead = await generation(first, 20, { n: 5 });
    expect(told(await judge(await helloOf({ chain: [ahead] }), first))).toBe(rootless);
  });

  it("with a successor that the admin key did not sign", async () => {
    const usurped = await generation(first, 70, {}, second.keys.admin);
    const forged = "4401 a certificate is not signed rightly";
    expect(told(await judge(await helloOf({ chain: [first, usurped] }), first))).toBe(forged);
    expect(told(await judge(await helloOf({ chain: [usurped] }), first))).toBe(forged);
  });

  it("with a replica proof that is wrong", async () => {
    const hello = await helloOf({ replicas: [replica] });
    const wrong = "4401 a replica proof is wrong";
    const replicas = hello.replicas.map(({ publicKey }) => ({ publicKey, proof: hello.proof }));
    expect(told(await judge({ ...hello, replicas }))).toBe(wrong);
    const { publicKey } = await pairOf(91);
    const renamed = hello.replicas.map(({ proof }) => ({ publicKey, proof }));
    expect(told(await judge({ ...hello, replicas: renamed }))).toBe(wrong);
  });

  it("with a certificate that is broken or of an unknown version", async () => {
    const hello = await helloOf();
    const shown = (bytes: Uint8Array) => judge({ ...hello, certificates: [bytes] });
    expect(told(await shown(first.bytes.with(0, 2)))).toBe("4406 access certificate version 2");
    expect(told(await shown(first.bytes.subarray(0, 213)))).toMatch(/^4400/);
    expect(told(await judge({ ...hello, certificates: [] }))).toMatch(/^4401/);
  });

  it("with a tag that is not that of the certificates", async () => {
    const other = spaceTag(new Uint8Array(16).fill(1));
    expect(told(await judge(await helloOf({ space: other })))).toBe(
      "4401 the certificates do not lead to this space",
    );
  });
});

describe("of two certificates with the same number", () => {
  let smaller: Generation;
  let greater: Generation;
  beforeAll(async () => {
    const rivals = [second, await generation(first, 80)];
    const hash = ({ certificate }: Generation) => certificateHash(suite, certificate);
    const [low, high] = rivals.toSorted((a, b) => compareBytes(hash(a), hash(b)));
    if (low === undefined || high === undefined) throw new Error("two rivals");
    [smaller, greater] = [low, high];
  });

  it("the one with the smaller hash wins, whichever came first", async () => {
    const ofSmaller = await helloOf({ chain: [first, smaller] });
    const ofGreater = await helloOf({ chain: [first, greater] });
    expect(await judge(ofSmaller, greater)).toMatchObject({ certificate: known(smaller) });
    expect(told(await judge(ofGreater, smaller))).toBe("4401 keys have changed");
  });

  it("the winner must be shown with its parent, which must have signed it", async () => {
    const forged = { ...smaller, bytes: smaller.bytes.with(213, (smaller.bytes[213] ?? 0) ^ 1) };
    expect(told(await judge(await helloOf({ chain: [first, forged] }), greater))).toBe(
      "4401 a certificate is not signed rightly",
    );
    const alone = await helloOf({ chain: [smaller] });
    expect(told(await judge(alone, greater))).toBe(
      "4401 the certificates do not lead to this space",
    );
  });

  it("the parent vouches for the winner where nothing older is shown", async () => {
    const rivals = [await generation(smaller, 110), await generation(smaller, 120)];
    const hash = ({ certificate }: Generation) => certificateHash(suite, certificate);
    const [winner, loser] = rivals.toSorted((a, b) => compareBytes(hash(a), hash(b)));
    if (winner === undefined) throw new Error("two rivals");
    expect(told(await judge(await helloOf({ chain: [smaller, winner] }), loser))).toBe("2");
  });

  it("a longer chain outranks both, so that the loser's owner can rotate again", async () => {
    const next = await generation(greater, 100);
    expect(told(await judge(await helloOf({ chain: [first, greater, next] }), smaller))).toBe("2");
  });
});

describe("what the store gives back", () => {
  it("is a bug if it cannot be read", async () => {
    const broken = { ...known(first), bytes: first.bytes.subarray(1) };
    await expect(judge(await helloOf(), undefined, { known: broken })).rejects.toThrow(
      /known access certificate/,
    );
  });

  it("is what is handed on when the same certificate is shown under another signature", async () => {
    const forged = { ...first, bytes: first.bytes.with(213, (first.bytes[213] ?? 0) ^ 1) };
    const verdict = await judge(await helloOf({ chain: [forged] }), first);
    expect(verdict).toMatchObject({ certificate: known(first), news: false });
  });
});
