/**
 * The golden vectors of test/vectors, in both directions and byte for byte. Hashes, signatures and
 * ciphertexts are judged by Node's OpenSSL, which shares no code with ours; the vectors themselves
 * were made by a third party, and a handful of frames is assembled by hand here once more.
 */
import {
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  sign,
  verify,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { concatBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import {
  deviceIdOf,
  memberIdOf,
  parseDeviceCertificate,
  parseReplicaCertificate,
  verifyDeviceCertificate,
  verifyReplicaCertificate,
} from "@skein/shared/crypto/identity.ts";
import { epochId, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { chainHashes, verifyHead, zeroHash } from "@skein/shared/log/chain.ts";
import { type Entry, headerAad, headMessage, type Run } from "@skein/shared/log/entry.ts";
import { decodePlain, encodePlain } from "@skein/shared/log/plain.ts";
import {
  encodeTruncation,
  parseTruncation,
  verifyTruncation,
} from "@skein/shared/log/truncation.ts";
import {
  encodeRegister,
  parseRegister,
  registerAad,
  registerHeader,
  verifyRegister,
} from "@skein/shared/log/register.ts";
import { isRefusal } from "@skein/shared/log/refusal.ts";
import { branchIdOf } from "@skein/shared/log/branch.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";
import {
  accessProofMessage,
  certificateHash,
  checkHello,
  encodeAccessCertificate,
  parseAccessCertificate,
  replicaProofMessage,
  spaceTagOf,
  verifyCertificateChain,
} from "@skein/shared/protocol/access.ts";
import { decodeFrame, encodeFrame, frameOfRun, runOfFrame } from "@skein/shared/protocol/codec.ts";
import type { Frame } from "@skein/shared/protocol/messages.ts";
import {
  encodeWhisper,
  parseWhisper,
  verifyWhisper,
  whisperAad,
  whisperHeader,
} from "@skein/shared/protocol/whisper.ts";
import { describe, expect, it } from "vitest";
import { arbitraryFrames } from "../support/arbitrary-frames.ts";

// Reading vectors

type Field = readonly [what: string, hex: string];
interface Key {
  readonly seed: string;
  readonly public: string;
}

const load = <T>(file: string): readonly T[] =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../vectors", file), "utf8")) as T[];

const hexOf = (fields: readonly Field[]): string => fields.map(([, hex]) => hex).join("");
const bytesOf = (fields: readonly Field[]): Uint8Array => fromHex(hexOf(fields));
const field = (fields: readonly Field[], name: string): string => {
  const found = fields.find(([what]) => what === name);
  if (found === undefined) throw new Error(`a vector without ${name}`);
  return found[1];
};
/** All fields but the last few. */
const without = (fields: readonly Field[], count: number) => fields.slice(0, -count);

/** What must not be refused. */
function taken<T extends object>(value: T): Exclude<T, Error | { kind: "refused" }> {
  if (isMalformed(value)) throw value;
  if (isRefusal(value)) throw new Error(value.words);
  return value as Exclude<T, Error | { kind: "refused" }>;
}

/** JSON to a frame: `{ hex }` is bytes, null is undefined. */
function revive(value: unknown): unknown {
  if (value === null) return undefined;
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(revive);
  if ("hex" in value && typeof value.hex === "string") return fromHex(value.hex);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, revive(part)]));
}

// Node's cryptography

const labelled = (label: string, bytes: Uint8Array) =>
  concatBytes(new TextEncoder().encode(label), Uint8Array.of(0), bytes);

const hash = (label: string, hex: string): string =>
  createHash("sha256")
    .update(labelled(label, fromHex(hex)))
    .digest("hex");

const base64Url = (hex: string) => Buffer.from(hex, "hex").toString("base64url");

const openSsl: VerifyingSuite = {
  id: 1,
  hash: (label, ...parts) => fromHex(hash(label, toHex(concatBytes(...parts)))),
  verify: (publicKey, label, message, signature) => {
    const jwk = { kty: "OKP", crv: "Ed25519", x: base64Url(toHex(publicKey)) };
    const key = createPublicKey({ key: jwk, format: "jwk" });
    return Promise.resolve(verify(null, labelled(label, message), key, signature));
  },
};

/** Ed25519 is deterministic: a seed and a message have one signature. */
function signatureOf(key: Key, label: string, message: string): string {
  const jwk = { kty: "OKP", crv: "Ed25519", x: base64Url(key.public), d: base64Url(key.seed) };
  const secret = createPrivateKey({ key: jwk, format: "jwk" });
  return sign(null, labelled(label, fromHex(message)), secret).toString("hex");
}

const derive = (secret: string, label: string, context: string): string => {
  const info = labelled(label, fromHex(context));
  return Buffer.from(hkdfSync("sha256", fromHex(secret), new Uint8Array(0), info, 32)).toString(
    "hex",
  );
};

function open(key: string, nonce: string, aad: string, sealed: string): string {
  const body = fromHex(sealed);
  const decipher = createDecipheriv("aes-256-gcm", fromHex(key), fromHex(nonce));
  decipher.setAAD(fromHex(aad)).setAuthTag(body.subarray(-16));
  return Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]).toString("hex");
}

// Frames

interface FrameVector {
  readonly name: string;
  readonly frame: unknown;
  readonly bytes: readonly Field[];
}
const frames = load<FrameVector>("frames.json");

describe("the frame", () => {
  it.each(frames.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    const frame = revive(vector.frame) as Frame;
    expect(toHex(encodeFrame(frame))).toBe(hexOf(vector.bytes));
    expect(decodeFrame(bytesOf(vector.bytes))).toEqual(frame);
  });

  it("is there for every type", () => {
    const types = new Set(frames.map(({ frame }) => (revive(frame) as Frame).type));
    expect([...types].toSorted()).toEqual(Object.keys(arbitraryFrames).toSorted());
  });
});

describe("assembled by hand from docs/protocol.md, the frame", () => {
  const id = "000102030405060708090a0b0c0d0e0f";
  const replica = replicaId(fromHex(id));
  const epoch = epochId(fromHex("e0e1e2e3e4e5e6e7"));
  const [bytes16, bytes32, bytes64] = ["16", "32", "64"].map((byte) => byte.repeat(Number(byte)));
  if (bytes16 === undefined || bytes32 === undefined || bytes64 === undefined) throw new Error();

  const byHand: [string, Frame][] = [
    ["06" + "ac02", { type: "ping", token: 300 }],
    [
      "01" + "01" + "01" + "02" + "01" + bytes16 + "00",
      {
        type: "greet",
        versionMin: 1,
        versionMax: 1,
        party: "device",
        durable: true,
        nonce: fromHex(bytes16),
        capabilities: 0,
      },
    ],
    [
      // 4429 = 0x114d; 60,000 = 0b11_1010100_1100000.
      "05" + "114d" + "e0d403" + "08" + "746f6f2066617374",
      { type: "bye", code: 4429, retryAfterMs: 60_000, detail: "too fast" },
    ],
    [
      "12" + "05" + "01" + id + "e0e1e2e3e4e5e6e7" + bytes32,
      { type: "alias", log: 5, space: 1, replica, epoch, publicKey: fromHex(bytes32) },
    ],
    [
      "13" + "05" + "8001" + "7f" + "b0d1" + bytes64,
      {
        type: "entry",
        log: 5,
        seq: 128,
        distance: 127,
        sealed: fromHex("b0d1"),
        signature: fromHex(bytes64),
      },
    ],
    [
      "14" +
        "05" +
        "09" +
        "02" + // log, first seq, two items
        "07" +
        "e0e1e2e3e4e5e6e7" +
        bytes16 +
        "8002" +
        bytes32 + // hollow, opens, epoch
        "00" +
        "01" +
        "03" +
        "b0d1e5" + // plain
        bytes64,
      {
        type: "entries",
        log: 5,
        first: 9,
        items: [
          {
            epoch,
            writer: { kind: "opens", nonce: fromHex(bytes16) },
            body: { kind: "hollow", length: 256, hash: fromHex(bytes32) },
          },
          {
            epoch: undefined,
            writer: { kind: "continues", distance: 1 },
            body: { kind: "sealed", sealed: fromHex("b0d1e5") },
          },
        ],
        signature: fromHex(bytes64),
      },
    ],
    [
      "11" + "01" + "00".repeat(16) + "01" + id + "01" + "8001" + bytes32,
      {
        type: "heads",
        space: 1,
        since: new Uint8Array(16),
        heads: [{ replica, from: 1, to: 128, hash: fromHex(bytes32) }],
      },
    ],
    [
      "15" + "01" + id + "02" + "03" + "01",
      { type: "want", space: 1, replica, first: 2, last: 3, form: "hashes" },
    ],
    ["16" + "01" + "05" + "8001", { type: "stored", logs: [{ yourLog: 5, seq: 128 }] }],
    ["22" + "07" + "0000" + "00", { type: "done", request: 7, code: 0, detail: "" }],
  ];

  it.each(byHand)("%s", (hex, frame) => {
    expect(toHex(encodeFrame(frame))).toBe(hex);
    expect(decodeFrame(fromHex(hex))).toEqual(frame);
  });
});

// Ids and certificates

interface IdVector {
  readonly name: string;
  readonly label: string;
  readonly input: readonly Field[];
  readonly id: string;
}

describe("the id", () => {
  const ids = load<IdVector>("ids.json");

  it.each(ids.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    const { label, input, id } = vector;
    expect(hash(label, hexOf(input)).slice(0, id.length)).toBe(id);
  });

  it("is what our code derives", () => {
    const vectorOf = (name: string) => {
      const found = ids.find((vector) => vector.name === name);
      if (found === undefined) throw new Error(`no vector ${name}`);
      return found;
    };
    const replica = vectorOf("replica id");
    expect(replicaIdOf(openSsl, bytesOf(replica.input))).toBe(replica.id);
    const branch = vectorOf("branch id");
    const hash = fromHex(field(branch.input, "hash of the branch's own first entry"));
    expect(
      branchIdOf(openSsl, { signer: replicaIdOf(openSsl, bytesOf(replica.input)), hash }),
    ).toBe(branch.id);
    for (const [name, derived] of [
      ["member", memberIdOf],
      ["device", deviceIdOf],
    ] as const) {
      const { input, id } = vectorOf(`${name} id`);
      const signing = fromHex(field(input, `${name} signing key`));
      const agreement = fromHex(field(input, `${name} agreement key`));
      expect(derived(openSsl, { signing, agreement })).toBe(id);
    }
  });
});

interface CertificateVector {
  readonly name: string;
  readonly kind: "access" | "device" | "replica";
  readonly label: string;
  readonly signer: Key;
  readonly hash?: string;
  readonly space?: string;
  readonly bytes: readonly Field[];
}
const certificates = load<CertificateVector>("certificates.json");
const ofKind = (kind: CertificateVector["kind"]) =>
  certificates.filter((vector) => vector.kind === kind);

describe("the certificate", () => {
  it.each(certificates.map((vector) => [vector.name, vector] as const))(
    "%s is signed over all before the signature",
    (_, { label, signer, bytes }) => {
      const statement = hexOf(without(bytes, 1));
      expect(signatureOf(signer, label, statement)).toBe(field(bytes, "signature"));
    },
  );

  it.each(ofKind("access").map((vector) => [vector.name, vector] as const))(
    "%s",
    (_, { bytes, ...vector }) => {
      const certificate = taken(parseAccessCertificate(bytesOf(bytes)));
      expect(toHex(encodeAccessCertificate(certificate))).toBe(hexOf(bytes));
      const { suite, n, ...parts } = certificate;
      expect([suite, n]).toEqual([1, Number.parseInt(field(bytes, "n"), 16)]);
      for (const [name, part] of Object.entries(parts)) {
        expect(`${name} ${toHex(part)}`).toBe(`${name} ${field(bytes, name)}`);
      }
      const statement = hexOf(without(bytes, 1));
      expect(hash("skein/access-certificate", statement)).toBe(vector.hash);
      expect(toHex(certificateHash(openSsl, certificate))).toBe(vector.hash);
    },
  );

  it("of access leads from the first to the newest", async () => {
    const chain = ofKind("access").map(({ bytes }) => bytesOf(bytes));
    const verdict = await verifyCertificateChain(openSsl, chain);
    const tag = ofKind("access")[0]?.space;
    expect(verdict).toMatchObject({ kind: "valid", space: tag, newest: { n: 1 } });
    const first = taken(parseAccessCertificate(chain[0] ?? zeroHash));
    expect(spaceTagOf(openSsl, first)).toBe(tag);
  });

  it("of a device and of a replica has its parts in place and holds", async () => {
    const [device] = ofKind("device");
    const [replica] = ofKind("replica");
    if (device === undefined || replica === undefined) throw new Error("vectors are missing");
    const ofDevice = taken(parseDeviceCertificate(bytesOf(device.bytes)));
    expect(toHex(ofDevice.member.signing)).toBe(field(device.bytes, "memberKey"));
    expect(toHex(ofDevice.member.agreement)).toBe(field(device.bytes, "memberAgreementKey"));
    expect(toHex(ofDevice.device.signing)).toBe(field(device.bytes, "deviceKey"));
    expect(toHex(ofDevice.device.agreement)).toBe(field(device.bytes, "deviceAgreementKey"));
    expect(await verifyDeviceCertificate(openSsl, ofDevice)).toBe(true);
    const ofReplica = taken(parseReplicaCertificate(bytesOf(replica.bytes)));
    expect(ofReplica.space).toBe(field(replica.bytes, "spaceTag"));
    expect(toHex(ofReplica.deviceKey)).toBe(field(replica.bytes, "deviceKey"));
    expect(toHex(ofReplica.replicaKey)).toBe(field(replica.bytes, "replicaKey"));
    expect(await verifyReplicaCertificate(openSsl, ofReplica)).toBe(true);
  });
});

// Entries

interface EntriesVector {
  readonly name: string;
  readonly space: string;
  readonly replicaKey: Key;
  readonly replica: string;
  readonly epochKey: string;
  readonly epoch: string;
  readonly sessionNonce: string;
  readonly contentKey: string;
  readonly entries: readonly {
    readonly seq: number;
    readonly plain: readonly Field[];
    readonly aeadNonce: string;
    readonly body: string;
    readonly header: readonly Field[];
    readonly hash: string;
  }[];
  readonly head: { readonly message: readonly Field[]; readonly signature: string };
  readonly frame: readonly Field[];
  readonly frameWithTheSecondHollow: readonly Field[];
}

describe.each(load<EntriesVector>("entries.json"))("the log: $name", (vector) => {
  const space = spaceTag(fromHex(vector.space));
  const replica = replicaId(fromHex(vector.replica));
  const epoch = epochId(fromHex(vector.epoch));
  const signature = fromHex(vector.head.signature);
  const writerOf = (header: readonly Field[]): Entry["writer"] => {
    const distance = Number.parseInt(field(header, "distance"), 16);
    return distance === 0
      ? { kind: "opens", nonce: fromHex(field(header, "nonce")) }
      : { kind: "continues", distance };
  };
  const run: Run = {
    replica,
    first: 1,
    signature,
    entries: vector.entries.map(({ header, body }) => ({
      epoch,
      writer: writerOf(header),
      body: { kind: "sealed", sealed: fromHex(body) },
    })),
  };
  const hollowed: Run = {
    ...run,
    entries: run.entries.map((entry, index) => {
      const header = vector.entries[index]?.header ?? [];
      if (index !== 1) return entry;
      const length = Number.parseInt(field(header, "bodyLength"), 16);
      return {
        ...entry,
        body: { kind: "hollow", hash: fromHex(field(header, "bodyHash")), length },
      };
    }),
  };
  const hashes = vector.entries.map((entry) => entry.hash);

  it("has these headers and hashes", () => {
    vector.entries.forEach(({ seq, header, body, hash: expected }, index) => {
      const entry = run.entries[index];
      if (entry === undefined) throw new Error("no entry");
      const aad = headerAad({
        suite: 1,
        space,
        replica,
        seq,
        previous: fromHex(field(header, "prevHash")),
        epoch,
        writer: entry.writer,
        bodyLength: body.length / 2,
      });
      expect(toHex(aad)).toBe(hexOf(without(header, 1)));
      expect(hash("skein/body/1", body)).toBe(field(header, "bodyHash"));
      expect(hash("skein/entry/1", hexOf(header))).toBe(expected);
    });
    expect(chainHashes(openSsl, space, run, zeroHash).map(toHex)).toEqual(hashes);
    expect(chainHashes(openSsl, space, hollowed, zeroHash).map(toHex)).toEqual(hashes);
  });

  it("is signed at its head", async () => {
    const message = hexOf(vector.head.message);
    const last = fromHex(hashes.at(-1) ?? "");
    expect(toHex(headMessage(space, replica, hashes.length, last))).toBe(message);
    expect(signatureOf(vector.replicaKey, "skein/head/1", message)).toBe(vector.head.signature);
    const publicKey = fromHex(vector.replicaKey.public);
    const chain = chainHashes(openSsl, space, run, zeroHash);
    expect(await verifyHead(openSsl, space, run, chain, publicKey)).toBe(true);
  });

  it("travels in these frames, whole and with a hollow entry", () => {
    for (const [sent, fields] of [
      [run, vector.frame],
      [hollowed, vector.frameWithTheSecondHollow],
    ] as const) {
      expect(toHex(frameOfRun(5, epoch, sent))).toBe(hexOf(fields));
      const frame = decodeFrame(bytesOf(fields)) as Extract<Frame, { type: "entries" }>;
      expect(runOfFrame(replica, epoch, frame)).toEqual(sent);
    }
  });

  it("is sealed under keys of its replica and writer session, and says this", () => {
    const context = vector.replica + vector.sessionNonce;
    expect(derive(vector.epochKey, "skein/log/1", context)).toBe(vector.contentKey);
    for (const { seq, plain, aeadNonce, body, header } of vector.entries) {
      const aad = hexOf(without(header, 1));
      expect(open(vector.contentKey, aeadNonce, aad, body)).toBe(hexOf(plain));
      expect(toHex(encodePlain(taken(decodePlain(bytesOf(plain), seq)), seq))).toBe(hexOf(plain));
    }
  });
});

// Registers and whispers

interface SealedVector {
  readonly name: string;
  readonly epochKey: string;
  readonly replicaKey: Key;
  readonly contentKey: string;
  readonly plain: string;
  readonly bytes: readonly Field[];
}

describe.each(load<SealedVector>("registers.json"))("the register $name", (vector) => {
  const { bytes } = vector;
  const aad = hexOf(without(bytes, 3));
  const header = hexOf(without(bytes, 2));
  const body = field(bytes, "body");

  it("has these parts in these places", () => {
    const parts = taken(parseRegister(bytesOf(bytes)));
    expect(toHex(encodeRegister(parts))).toBe(hexOf(bytes));
    expect(toHex(registerAad(parts, parts.body.length))).toBe(aad);
    expect(toHex(registerHeader(parts, parts.body.length, parts.bodyHash))).toBe(header);
    const { space, replica, name, number, epoch, nonce } = parts;
    expect([space, replica, name, epoch]).toEqual(
      ["spaceTag", "replicaId", "name", "epochId"].map((each) => field(bytes, each)),
    );
    expect(number).toBe(Number.parseInt(field(bytes, "number"), 16));
    expect(toHex(nonce)).toBe(field(bytes, "nonce"));
  });

  it("is hashed, signed, sealed and named by these labels", async () => {
    expect(hash("skein/register-body/1", body)).toBe(field(bytes, "bodyHash"));
    expect(signatureOf(vector.replicaKey, "skein/register/1", header)).toBe(
      field(bytes, "signature"),
    );
    const name = field(bytes, "name");
    const inUtf8 = toHex(new TextEncoder().encode(vector.name));
    expect(derive(vector.epochKey, "skein/register-name/1", inUtf8).slice(0, 32)).toBe(name);
    const context = field(bytes, "replicaId") + name;
    expect(derive(vector.epochKey, "skein/register/1", context)).toBe(vector.contentKey);
    expect(open(vector.contentKey, field(bytes, "nonce"), aad, body)).toBe(vector.plain);

    const space = spaceTag(fromHex(field(bytes, "spaceTag")));
    const publicKey = fromHex(vector.replicaKey.public);
    const stored = taken(await verifyRegister(openSsl, space, publicKey, bytesOf(bytes)));
    expect(toHex(stored.bodyHash)).toBe(field(bytes, "bodyHash"));
  });
});

describe.each(load<SealedVector & { readonly aeadNonce: string }>("whispers.json"))(
  "the whisper: $name",
  (vector) => {
    const { bytes } = vector;
    const aad = hexOf(without(bytes, 3));
    const header = hexOf(without(bytes, 2));
    const body = field(bytes, "body");

    it("has these parts in these places", () => {
      const parts = taken(parseWhisper(bytesOf(bytes)));
      expect(toHex(encodeWhisper(parts))).toBe(hexOf(bytes));
      expect(toHex(whisperAad(parts, parts.body.length))).toBe(aad);
      expect(toHex(whisperHeader(parts, parts.body.length, parts.bodyHash))).toBe(header);
      const { space, from, to, epoch, nonce, counter } = parts;
      expect([space, from, to ?? "00".repeat(16), epoch]).toEqual(
        ["spaceTag", "from", "to", "epochId"].map((each) => field(bytes, each)),
      );
      expect(counter).toBe(Number.parseInt(field(bytes, "counter"), 16));
      expect(toHex(nonce)).toBe(field(bytes, "nonce"));
    });

    it("is hashed, signed and sealed by these labels", async () => {
      expect(hash("skein/whisper-body/1", body)).toBe(field(bytes, "bodyHash"));
      expect(signatureOf(vector.replicaKey, "skein/whisper/1", header)).toBe(
        field(bytes, "signature"),
      );
      const context = field(bytes, "from") + field(bytes, "nonce");
      expect(derive(vector.epochKey, "skein/whisper/1", context)).toBe(vector.contentKey);
      expect(`00000000${field(bytes, "counter")}`).toBe(vector.aeadNonce);
      expect(open(vector.contentKey, vector.aeadNonce, aad, body)).toBe(vector.plain);

      const space = spaceTag(fromHex(field(bytes, "spaceTag")));
      const publicKey = fromHex(vector.replicaKey.public);
      const heard = taken(await verifyWhisper(openSsl, space, publicKey, bytesOf(bytes)));
      expect(toHex(heard.body)).toBe(body);
    });
  },
);

// Access

interface AccessVector {
  readonly name: string;
  readonly origin: string;
  readonly responderNonce: string;
  readonly initiatorNonce: string;
  readonly space: string;
  readonly certificates: readonly string[];
  readonly transcript: readonly Field[];
  readonly proofs: readonly {
    readonly name: string;
    readonly label: string;
    readonly key: Key;
    readonly message: string;
    readonly signature: string;
  }[];
}

describe.each(load<AccessVector>("access.json"))("access: $name", (vector) => {
  const transcript = {
    origin: vector.origin,
    responderNonce: fromHex(vector.responderNonce),
    initiatorNonce: fromHex(vector.initiatorNonce),
    space: spaceTag(fromHex(vector.space)),
  };
  const [read, write, replica] = vector.proofs;
  if (read === undefined || write === undefined || replica === undefined) throw new Error();

  it("signs these messages", () => {
    const plain = hexOf(vector.transcript);
    expect(toHex(accessProofMessage(transcript, "read"))).toBe(`${plain}01`);
    expect(toHex(accessProofMessage(transcript, "write"))).toBe(`${plain}02`);
    expect(toHex(replicaProofMessage(transcript))).toBe(plain);
    expect(vector.proofs.map(({ message }) => message)).toEqual([
      `${plain}01`,
      `${plain}02`,
      plain,
    ]);
    for (const { label, key, message, signature } of vector.proofs) {
      expect(signatureOf(key, label, message)).toBe(signature);
    }
  });

  it("is granted for them", async () => {
    const { origin, responderNonce, initiatorNonce, space } = transcript;
    for (const [mode, proof] of [
      ["read", read],
      ["write", write],
    ] as const) {
      const verdict = await checkHello(openSsl, {
        origin,
        responderNonce,
        initiatorNonce,
        hello: {
          type: "hello",
          space: 1,
          tag: space,
          mode,
          certificates: vector.certificates.map((hex) => fromHex(hex)),
          proof: fromHex(proof.signature),
          replicas: [{ publicKey: fromHex(replica.key.public), proof: fromHex(replica.signature) }],
        },
      });
      const publicKey = fromHex(replica.key.public);
      expect(verdict).toMatchObject({
        kind: "accepted",
        certificate: { n: 1 },
        mode,
        replicas: [{ id: replicaIdOf(openSsl, publicKey), publicKey }],
      });
    }
  });
});

// Truncations

interface TruncationVector {
  readonly name: string;
  readonly signer: Key;
  readonly space: string;
  readonly number: number;
  readonly snapshot: string;
  readonly logs: readonly {
    readonly replica: string;
    readonly publicKey: string;
    readonly seq: number;
    readonly hash: string;
    readonly branch?: { readonly signer: string; readonly seq: number; readonly hash: string };
  }[];
  readonly bytes: readonly Field[];
}

describe("the order to let go of", () => {
  const vectors = load<TruncationVector>("truncations.json");

  it.each(vectors.map((vector) => [vector.name, vector] as const))("%s", async (_, vector) => {
    const bytes = bytesOf(vector.bytes);
    const read = taken(parseTruncation(bytes));
    expect(toHex(encodeTruncation(read))).toBe(toHex(bytes));
    expect(toHex(read.snapshot)).toBe(vector.snapshot);
    const space = spaceTag(fromHex(vector.space));
    const admin = fromHex(vector.signer.public);
    const order = taken(await verifyTruncation(openSsl, space, admin, bytes));
    expect(order.number).toBe(vector.number);
    const bases = order.bases.map(({ replica, publicKey, seq, hash, branch }) => ({
      replica,
      publicKey: toHex(publicKey),
      seq,
      hash: toHex(hash),
      ...(branch && { branch: { ...branch, hash: toHex(branch.hash) } }),
    }));
    expect(bases).toEqual(vector.logs);

    const forged = bytes.slice();
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
    expect(await verifyTruncation(openSsl, space, admin, forged)).toMatchObject({
      fault: "forged",
    });
    const elsewhere = spaceTag(new Uint8Array(16));
    expect(await verifyTruncation(openSsl, elsewhere, admin, bytes)).toMatchObject({
      fault: "foreign",
    });
  });
});
