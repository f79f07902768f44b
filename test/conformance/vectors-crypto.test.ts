/**
 * Everything that needs a secret, against the golden vectors: our suites, in JavaScript and on
 * WebCrypto, seal, sign and derive to exactly these bytes and open them again; and OpenSSL comes to
 * the same bytes when the notation of docs/protocol.md is composed by hand.
 */
import { describe, expect, it } from "vitest";
import { webSuite } from "@skein/client/runtime/web-suite.ts";
import { concatBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { automergeActor, peerSeed, yjsClientId } from "@skein/shared/crdt/engine/peer.ts";
import type { AccessSeeds, Role } from "@skein/shared/crypto/access-keys.ts";
import { openGrant, sealGrant } from "@skein/shared/crypto/epoch-grant.ts";
import {
  deviceIdOf,
  introductionPayload,
  makeDeviceCertificate,
  makeReplicaCertificate,
  memberIdOf,
  verifyIntroduction,
} from "@skein/shared/crypto/identity.ts";
import { epochIdOf, Keyring } from "@skein/shared/crypto/keyring.ts";
import { agreementPublicKey } from "@skein/shared/crypto/noble-curves.ts";
import { nobleSuite } from "@skein/shared/crypto/noble-suite.ts";
import { type EntrySealer, openRun, sealEntry } from "@skein/shared/crypto/seal.ts";
import { openRegister, sealRegister } from "@skein/shared/crypto/sealed-register.ts";
import type { AgreementPair, Suite } from "@skein/shared/crypto/suite.ts";
import type { Random } from "@skein/shared/env.ts";
import { documentId, memberId, registerName, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import type { Entry, WriterSession } from "@skein/shared/log/entry.ts";
import { type KnownDocument, knownDocument } from "@skein/shared/log/known-document.ts";
import { decodePlain, type Plain } from "@skein/shared/log/plain.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { parseWhisper } from "@skein/shared/protocol/whisper.ts";
import {
  type AdmissionLabel,
  signAdmission,
  verifyAdmission,
} from "@skein/shared/space/admission.ts";
import {
  type InviteKeys,
  type InvitePreview,
  openKeys,
  openPreview,
  sealKeys,
  sealPreview,
} from "@skein/shared/space/invite-bundle.ts";
import {
  formatInviteLink,
  inviteCodeHash,
  parseInviteLink,
} from "@skein/shared/space/invite-link.ts";
import { newSpace } from "@skein/shared/space/new-space.ts";
import { openWhisper, sealWhisper } from "@skein/shared/sync/sealed-whisper.ts";
import {
  AES256GCM,
  ed25519PublicKey,
  H,
  KDF,
  S,
  X25519,
  x25519PublicKey,
} from "../support/open-ssl.ts";
import {
  bytesOf,
  type Field,
  fieldOf,
  hexOf,
  loadVectors,
  type SecretVector,
  type SeedVector,
} from "../support/vectors.ts";

// Our suites

/** Dice that were thrown before. */
function loaded(...throws: readonly string[]): Random {
  const left = [...throws];
  return {
    bytes(length) {
      const bytes = fromHex(left.shift() ?? "");
      if (bytes.length !== length) throw new Error(`${length} bytes were not foreseen`);
      return bytes;
    },
    fraction: () => 0,
  };
}

interface SuiteCase {
  readonly suite: Suite;
  readonly agreementPair: (secret: string) => Promise<AgreementPair>;
}

const suites: [name: string, open: () => Promise<SuiteCase>][] = [
  [
    "JavaScript",
    async () => ({
      suite: nobleSuite(loaded()),
      agreementPair: (secret) => nobleSuite(loaded(secret)).newAgreementPair(),
    }),
  ],
  [
    "WebCrypto",
    async () => {
      const suite = await webSuite();
      return {
        suite,
        agreementPair: async (secret) => ({
          publicKey: agreementPublicKey(fromHex(secret)),
          secret: await suite.restoreAgreementKey(fromHex(secret)),
        }),
      };
    },
  ],
];

// Vectors

interface CertificateVector {
  readonly name: string;
  readonly signer: SeedVector;
  readonly label: string;
  readonly bytes: readonly Field[];
}
interface EntryVector {
  readonly seq: number;
  readonly plain: readonly Field[];
  readonly aeadNonce: string;
  readonly body: string;
  readonly header: readonly Field[];
  readonly hash: string;
}
interface LogVector {
  readonly space: string;
  readonly replicaKey: SeedVector;
  readonly epochKey: string;
  readonly sessionNonce: string;
  readonly contentKey: string;
  readonly entries: readonly EntryVector[];
  readonly head: { readonly message: readonly Field[]; readonly signature: string };
}
interface SealedVector {
  readonly name: string;
  readonly epochKey: string;
  readonly replicaKey: SeedVector;
  readonly contentKey: string;
  readonly plain: string;
  readonly bytes: readonly Field[];
}
interface AdmissionVector {
  readonly name: string;
  readonly label: AdmissionLabel;
  readonly signer: SeedVector;
  readonly message: readonly Field[];
  readonly signature: string;
}
interface GrantVector {
  readonly name: string;
  readonly space: string;
  readonly recipient: SecretVector;
  readonly ephemeral: SecretVector;
  readonly shared: string;
  readonly key: string;
  readonly plain: readonly Field[];
  readonly sealed: string;
}
interface BundleVector {
  readonly key: string;
  readonly nonce: string;
  readonly plain: readonly Field[];
  readonly bytes: string;
}
interface InviteVector {
  readonly name: string;
  readonly link: string;
  readonly code: string;
  readonly secret: string;
  readonly codeHash: string;
  readonly preview: BundleVector;
  readonly keys: BundleVector;
}

const ids = loadVectors<{ name: string; label: string; input: Field[]; id: string }>("ids.json");
const certificates = loadVectors<CertificateVector>("certificates.json");
const logs = loadVectors<LogVector>("entries.json");
const registers = loadVectors<SealedVector>("registers.json");
const registerNames = loadVectors<{ name: string; firstKey: string; tag: string }>(
  "register-names.json",
);
const whispers = loadVectors<SealedVector & { aeadNonce: string }>("whispers.json");
const admissions = loadVectors<AdmissionVector>("admissions.json");
const grants = loadVectors<GrantVector>("grants.json");
const invites = loadVectors<InviteVector>("invites.json");
const foundings = loadVectors<{
  name: string;
  salt: string;
  readSeed: string;
  writeSeed: string;
  adminSeed: string;
  contentKey: string;
  certificate: Field[];
  tag: string;
}>("founding.json");
const peers = loadVectors<{
  name: string;
  input: Field[];
  counter: number;
  seed: string;
  yjsClientId: number;
  automergeActor: string;
}>("peers.json");

const named = <T extends { name: string }>(rows: readonly T[]) =>
  rows.map((row) => [row.name, row] as const);
const certificate = (name: string): CertificateVector => {
  const found = certificates.find((row) => row.name === name);
  if (found === undefined) throw new Error(`no vector of a ${name}`);
  return found;
};
const idOf = (name: string): string => {
  const found = ids.find((row) => row.name === name);
  if (found === undefined) throw new Error(`no vector of a ${name}`);
  return found.id;
};

const roleByNumber: Readonly<Partial<Record<string, Role>>> = {
  "01": "reader",
  "02": "editor",
  "03": "owner",
};

/** Seeds as the fields of a plain have them; those of zeros stand for none. */
function seedsOf(plain: readonly Field[]): AccessSeeds {
  const role = roleByNumber[toHex(fieldOf(plain, "role"))];
  const read = fieldOf(plain, "read seed");
  switch (role) {
    case "reader":
      return { role, read };
    case "editor":
      return { role, read, write: fieldOf(plain, "write seed") };
    case "owner":
      return {
        role,
        read,
        write: fieldOf(plain, "write seed"),
        admin: fieldOf(plain, "admin seed"),
      };
    default:
      throw new Error("a vector of an unknown role");
  }
}

const sealerFrom = async (
  suite: Suite,
  space: string,
  key: string,
  replicaKey: SeedVector,
): Promise<EntrySealer> => {
  const tag = spaceTag(fromHex(space));
  const { publicKey, secret } = await suite.signingPairFromSeed(fromHex(replicaKey.seed));
  const replica = replicaIdOf(suite, publicKey);
  return { keyring: new Keyring(suite, tag, fromHex(key)), space: tag, replica, publicKey, secret };
};

// Ours

describe.each(suites)("our suite in %s", (_, open) => {
  it("names members, devices, epochs and documents as the vectors do", async () => {
    const { suite } = await open();
    const keysOf = (of: string) => ({
      signing: fieldOf(certificate("device certificate").bytes, `${of}Key`),
      agreement: fieldOf(certificate("device certificate").bytes, `${of}AgreementKey`),
    });
    expect(memberIdOf(suite, keysOf("member"))).toBe(idOf("member id"));
    expect(deviceIdOf(suite, keysOf("device"))).toBe(idOf("device id"));
    const [log] = logs;
    expect(epochIdOf(suite, fromHex(log?.epochKey ?? ""))).toBe(idOf("epoch id"));
    const space = spaceTag(fromHex(idOf("space tag")));
    const documents: KnownDocument[] = ["membership", "catalog", "general", "settings"];
    for (const name of documents) {
      expect(knownDocument(suite, space, name)).toBe(idOf(`document id of ${name}`));
    }
  });

  it.each(named(peers))("derives %s", async (_name, vector) => {
    const { suite } = await open();
    const seed = peerSeed(
      suite,
      replicaId(fieldOf(vector.input, "replicaId")),
      documentId(fieldOf(vector.input, "document")),
      fieldOf(vector.input, "session nonce"),
      vector.counter,
    );
    expect(toHex(seed)).toBe(vector.seed);
    expect(yjsClientId(seed)).toBe(vector.yjsClientId);
    expect(automergeActor(seed)).toBe(vector.automergeActor);
  });

  it("makes the certificates of the vectors, and takes them as an introduction", async () => {
    const { suite, agreementPair } = await open();
    const ofDevice = certificate("device certificate");
    const ofReplica = certificate("replica certificate");
    const keysOf = (of: string) => ({
      signing: fieldOf(ofDevice.bytes, `${of}Key`),
      agreement: fieldOf(ofDevice.bytes, `${of}AgreementKey`),
    });
    const member = {
      signing: await suite.signingPairFromSeed(fromHex(ofDevice.signer.seed)),
      agreement: {
        ...(await agreementPair("00".repeat(32))),
        publicKey: keysOf("member").agreement,
      },
    };
    const deviceCertificate = await makeDeviceCertificate(suite, member, keysOf("device"));
    expect(toHex(deviceCertificate)).toBe(hexOf(ofDevice.bytes));
    const space = spaceTag(fieldOf(ofReplica.bytes, "spaceTag"));
    const replicaKey = fieldOf(ofReplica.bytes, "replicaKey");
    const device = await suite.signingPairFromSeed(fromHex(ofReplica.signer.seed));
    const replicaCertificate = await makeReplicaCertificate(suite, device, space, replicaKey);
    expect(toHex(replicaCertificate)).toBe(hexOf(ofReplica.bytes));

    const payload = introductionPayload(deviceCertificate, replicaCertificate);
    const replica = replicaIdOf(suite, replicaKey);
    expect(await verifyIntroduction(suite, space, replica, payload)).toEqual({
      kind: "introduction",
      replica,
      memberId: idOf("member id"),
      member: keysOf("member"),
      deviceId: idOf("device id"),
      device: keysOf("device"),
    });
  });

  it("seals the entries of the vectors, and opens them", async () => {
    const { suite } = await open();
    for (const log of logs) {
      const sealer = await sealerFrom(suite, log.space, log.epochKey, log.replicaKey);
      const nonce = fromHex(log.sessionNonce);
      const entries: Entry[] = [];
      const hashes: Uint8Array[] = [];
      const plains: Plain[] = [];
      let head = "";
      for (const { seq, plain, header, body, hash } of log.entries) {
        const decoded = decodePlain(bytesOf(plain), seq);
        if (isMalformed(decoded)) throw decoded;
        const distance = Number.parseInt(toHex(fieldOf(header, "distance")), 16);
        const writer: WriterSession =
          distance === 0 ? { kind: "opens", nonce } : { kind: "continues", distance };
        const previous = hashes.at(-1) ?? zeroHash;
        const sealed = await sealEntry(sealer, { seq, previous, writer, nonce, plain: decoded });
        expect(sealed.entry.body).toEqual({ kind: "sealed", sealed: fromHex(body) });
        expect(toHex(sealed.hash)).toBe(hash);
        head = toHex(sealed.signature);
        entries.push(sealed.entry);
        hashes.push(sealed.hash);
        plains.push(decoded);
      }
      expect(head).toBe(log.head.signature);
      const run = { replica: sealer.replica, first: 1, entries, previous: zeroHash, hashes };
      expect(await openRun(sealer.keyring, run, () => undefined)).toEqual(plains);
    }
  });

  it.each(named(registerNames))("names the register %s", async (name, { firstKey, tag }) => {
    const { suite } = await open();
    const keyring = new Keyring(suite, spaceTag(new Uint8Array(16)), fromHex(firstKey));
    expect(await keyring.registerName(name)).toBe(tag);
  });

  it.each(named(registers))("seals the register %s, and opens it", async (_name, vector) => {
    const { suite } = await open();
    const space = toHex(fieldOf(vector.bytes, "spaceTag"));
    const sealer = await sealerFrom(suite, space, vector.epochKey, vector.replicaKey);
    const plain = fromHex(vector.plain);
    const register = await sealRegister(sealer, {
      name: registerName(fieldOf(vector.bytes, "name")),
      number: Number.parseInt(toHex(fieldOf(vector.bytes, "number")), 16),
      nonce: fieldOf(vector.bytes, "nonce"),
      plain,
    });
    expect(toHex(register.bytes)).toBe(hexOf(vector.bytes));
    expect(await openRegister(sealer.keyring, bytesOf(vector.bytes))).toEqual(plain);
  });

  it.each(named(whispers))("seals the whisper %s, and opens it", async (_name, vector) => {
    const { suite } = await open();
    const space = toHex(fieldOf(vector.bytes, "spaceTag"));
    const sealer = await sealerFrom(suite, space, vector.epochKey, vector.replicaKey);
    const whisper = parseWhisper(bytesOf(vector.bytes));
    if (isMalformed(whisper)) throw whisper;
    const { to, nonce, counter } = whisper;
    const plain = fromHex(vector.plain);
    const sealed = await sealWhisper(sealer, { to, nonce, counter, plain });
    expect(toHex(sealed)).toBe(hexOf(vector.bytes));
    expect(await openWhisper(sealer.keyring, whisper)).toEqual(plain);
  });

  it.each(named(admissions))("signs the %s", async (_name, vector) => {
    const { suite } = await open();
    const { message, label } = vector;
    const admission = {
      space: spaceTag(fieldOf(message, "spaceTag")),
      member: memberId(fieldOf(message, "memberId")),
      replica: replicaId(fieldOf(message, "replicaId")),
    };
    const { publicKey, secret } = await suite.signingPairFromSeed(fromHex(vector.signer.seed));
    const signature = await signAdmission(suite, secret, label, admission);
    expect(toHex(signature)).toBe(vector.signature);
    expect(await verifyAdmission(suite, publicKey, label, admission, signature)).toBe(true);
  });

  it.each(named(foundings))("founds %s", async (_name, vector) => {
    const { suite } = await open();
    const { salt, readSeed, writeSeed, adminSeed, contentKey } = vector;
    const dice = loaded(salt, readSeed, writeSeed, adminSeed, contentKey);
    const space = await newSpace(suite, dice);
    expect(toHex(space.certificate)).toBe(hexOf(vector.certificate));
    expect(space.tag).toBe(vector.tag);
    expect(toHex(space.contentKey)).toBe(contentKey);
  });

  it.each(named(grants))("opens %s", async (_name, vector) => {
    const { suite, agreementPair } = await open();
    const recipient = await agreementPair(vector.recipient.secret);
    expect(toHex(recipient.publicKey)).toBe(vector.recipient.public);
    const grant = await openGrant(suite, spaceTag(fromHex(vector.space)), recipient, {
      ephemeral: fromHex(vector.ephemeral.public),
      sealed: fromHex(vector.sealed),
    });
    expect(grant).toEqual({
      contentKey: fieldOf(vector.plain, "K_e"),
      seeds: seedsOf(vector.plain),
    });
  });

  it.each(named(invites))("seals %s, and opens it", async (_name, vector) => {
    const { suite } = await open();
    const token = { code: fromHex(vector.code), secret: fromHex(vector.secret) };
    const origin = "https://notes.example";
    expect(formatInviteLink(origin, token)).toBe(vector.link);
    expect(parseInviteLink(vector.link)).toEqual({ kind: "invite link", origin, ...token });
    expect(toHex(inviteCodeHash(suite, token.code))).toBe(vector.codeHash);

    const seeds = seedsOf(vector.keys.plain);
    const preview: InvitePreview = {
      spaceName: "Gärten 🌱",
      inviterName: "Ana",
      role: seeds.role,
      expiresMs: seeds.role === "owner" ? undefined : 1_798_761_600_000,
    };
    const sealedPreview = await sealPreview(suite, loaded(vector.preview.nonce), token, preview);
    expect(toHex(sealedPreview)).toBe(vector.preview.bytes);
    expect(await openPreview(suite, token, sealedPreview)).toEqual(preview);

    const keys: InviteKeys = {
      seeds,
      certificates: ["access certificate 0", "access certificate 1"].map((name) =>
        bytesOf(certificate(name).bytes),
      ),
      contentKeys: [fromHex(logs[0]?.epochKey ?? ""), fieldOf(grants[0]?.plain ?? [], "K_e")],
      inviteSeed: fieldOf(vector.keys.plain, "invite seed"),
      addresses: [origin, "http://localhost:8787"],
    };
    const sealedKeys = await sealKeys(suite, loaded(vector.keys.nonce), token, keys);
    expect(toHex(sealedKeys)).toBe(vector.keys.bytes);
    expect(await openKeys(suite, token, sealedKeys)).toEqual(keys);
  });
});

it.each(named(grants))(
  "our suite in JavaScript, given the dice, seals %s",
  async (_name, vector) => {
    const suite = nobleSuite(loaded(vector.ephemeral.secret));
    const recipient = fromHex(vector.recipient.public);
    const box = await sealGrant(suite, spaceTag(fromHex(vector.space)), recipient, {
      contentKey: fieldOf(vector.plain, "K_e"),
      seeds: seedsOf(vector.plain),
    });
    expect(box).toEqual({
      ephemeral: fromHex(vector.ephemeral.public),
      sealed: fromHex(vector.sealed),
    });
  },
);

// OpenSSL

const hex = (bytes: Uint8Array): string => toHex(bytes);

describe("composed by hand on OpenSSL", () => {
  it.each(named(ids))("the %s is the same", (_name, { label, input, id }) => {
    expect(hex(H(label, bytesOf(input)).subarray(0, id.length / 2))).toBe(id);
  });

  it.each(named(peers))("%s is the same", (_name, vector) => {
    const seed = H("skein/peer/1", bytesOf(vector.input));
    expect(hex(seed)).toBe(vector.seed);
    expect(Number(seed.readBigUInt64BE() >> 11n)).toBe(vector.yjsClientId);
    expect(hex(seed.subarray(0, 16))).toBe(vector.automergeActor);
  });

  it.each(named(certificates))("the signature of %s is the same", (_name, vector) => {
    const statement = bytesOf(vector.bytes.slice(0, -1));
    const seed = fromHex(vector.signer.seed);
    expect(hex(ed25519PublicKey(seed))).toBe(vector.signer.public);
    expect(hex(S(seed, vector.label, statement))).toBe(hex(fieldOf(vector.bytes, "signature")));
  });

  it("entries are the same", () => {
    for (const log of logs) {
      const replica = H("skein/replica", fromHex(log.replicaKey.public)).subarray(0, 16);
      const context = concatBytes(replica, fromHex(log.sessionNonce));
      const key = KDF(fromHex(log.epochKey), "skein/log/1", context);
      expect(hex(key)).toBe(log.contentKey);
      for (const { plain, aeadNonce, body, header, hash } of log.entries) {
        const headerBytes = bytesOf(header);
        const aad = headerBytes.subarray(0, 106);
        expect(hex(AES256GCM(key, fromHex(aeadNonce), bytesOf(plain), aad))).toBe(body);
        const bodyHash = H("skein/body/1", fromHex(body));
        expect(hex(bodyHash)).toBe(hex(fieldOf(header, "bodyHash")));
        expect(hex(H("skein/entry/1", headerBytes))).toBe(hash);
      }
      const head = S(fromHex(log.replicaKey.seed), "skein/head/1", bytesOf(log.head.message));
      expect(hex(head)).toBe(log.head.signature);
    }
  });

  it.each(named(registerNames))("the register name %s is the same", (name, { firstKey, tag }) => {
    const key = KDF(fromHex(firstKey), "skein/register-name/1", new TextEncoder().encode(name));
    expect(hex(key.subarray(0, 16))).toBe(tag);
  });

  it.each(named(registers))("the register %s is the same", (_name, { bytes, ...vector }) => {
    const context = concatBytes(fieldOf(bytes, "replicaId"), fieldOf(bytes, "name"));
    const key = KDF(fromHex(vector.epochKey), "skein/register/1", context);
    expect(hex(key)).toBe(vector.contentKey);
    const whole = bytesOf(bytes);
    const nonce = fieldOf(bytes, "nonce");
    const body = AES256GCM(key, nonce, fromHex(vector.plain), whole.subarray(0, 82));
    expect(hex(body)).toBe(hex(fieldOf(bytes, "body")));
    expect(hex(H("skein/register-body/1", body))).toBe(hex(fieldOf(bytes, "bodyHash")));
    const signature = S(
      fromHex(vector.replicaKey.seed),
      "skein/register/1",
      whole.subarray(0, 114),
    );
    expect(hex(signature)).toBe(hex(fieldOf(bytes, "signature")));
  });

  it.each(named(whispers))("the whisper %s is the same", (_name, { bytes, ...vector }) => {
    const context = concatBytes(fieldOf(bytes, "from"), fieldOf(bytes, "nonce"));
    const key = KDF(fromHex(vector.epochKey), "skein/whisper/1", context);
    expect(hex(key)).toBe(vector.contentKey);
    const whole = bytesOf(bytes);
    const nonce = fromHex(vector.aeadNonce);
    const body = AES256GCM(key, nonce, fromHex(vector.plain), whole.subarray(0, 86));
    expect(hex(body)).toBe(hex(fieldOf(bytes, "body")));
    expect(hex(H("skein/whisper-body/1", body))).toBe(hex(fieldOf(bytes, "bodyHash")));
    const signature = S(fromHex(vector.replicaKey.seed), "skein/whisper/1", whole.subarray(0, 118));
    expect(hex(signature)).toBe(hex(fieldOf(bytes, "signature")));
  });

  it.each(named(admissions))("the signature of a %s is the same", (_name, vector) => {
    const seed = fromHex(vector.signer.seed);
    expect(hex(ed25519PublicKey(seed))).toBe(vector.signer.public);
    expect(hex(S(seed, vector.label, bytesOf(vector.message)))).toBe(vector.signature);
  });

  it.each(named(foundings))("%s is the same", (_name, { certificate: fields, ...vector }) => {
    for (const [name, seed] of [
      ["readKey", vector.readSeed],
      ["writeKey", vector.writeSeed],
      ["adminKey", vector.adminSeed],
    ] as const) {
      expect(hex(fieldOf(fields, name))).toBe(hex(ed25519PublicKey(fromHex(seed))));
    }
    const statement = bytesOf(fields.slice(0, -1));
    const signature = S(fromHex(vector.adminSeed), "skein/access-certificate", statement);
    expect(hex(signature)).toBe(hex(fieldOf(fields, "signature")));
    expect(hex(H("skein/space", statement).subarray(0, 16))).toBe(vector.tag);
  });

  it.each(named(grants))("%s is the same", (_name, vector) => {
    const { recipient, ephemeral } = vector;
    expect(hex(x25519PublicKey(fromHex(recipient.secret)))).toBe(recipient.public);
    expect(hex(x25519PublicKey(fromHex(ephemeral.secret)))).toBe(ephemeral.public);
    const shared = X25519(fromHex(ephemeral.secret), fromHex(recipient.public));
    expect(hex(shared)).toBe(vector.shared);
    expect(hex(X25519(fromHex(recipient.secret), fromHex(ephemeral.public)))).toBe(vector.shared);
    const key = KDF(shared, "skein/sealed/1", fromHex(ephemeral.public + recipient.public));
    expect(hex(key)).toBe(vector.key);
    const plain = bytesOf(vector.plain);
    const sealed = AES256GCM(key, new Uint8Array(12), plain, fromHex(vector.space));
    expect(hex(sealed)).toBe(vector.sealed);
  });

  it.each(named(invites))("%s is the same", (_name, vector) => {
    const code = fromHex(vector.code);
    expect(hex(H("skein/invite-code", code).subarray(0, 16))).toBe(vector.codeHash);
    for (const [label, bundle] of [
      ["skein/invite-preview/1", vector.preview],
      ["skein/invite-keys/1", vector.keys],
    ] as const) {
      const key = KDF(fromHex(vector.secret), label, code);
      expect(hex(key)).toBe(bundle.key);
      const nonce = fromHex(bundle.nonce);
      const sealed = AES256GCM(key, nonce, bytesOf(bundle.plain), new Uint8Array(0));
      expect(bundle.nonce + hex(sealed)).toBe(bundle.bytes);
    }
    const text = `${Buffer.from(code).toString("base64url")}.`;
    expect(vector.link).toContain(text + Buffer.from(vector.secret, "hex").toString("base64url"));
  });
});
