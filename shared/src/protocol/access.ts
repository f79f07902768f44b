/**
 * Who may speak of a space at a relay (docs/protocol.md sections 3 and 7). An access certificate
 * names the keys; each is signed by the one before, and the space tag is the hash of the first, so a
 * relay that knows nothing but the tag can follow them. A hello proves, freshly for this connection
 * and this relay, that its sender holds a key of the newest certificate.
 */
import { compareBytes, equalBytes } from "../bytes/bytes.ts";
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { bytesOfId, idBytes, type ReplicaId, spaceTag, type SpaceTag } from "../id/id.ts";
import { zeroHash } from "../log/chain.ts";
import { hashBytes, signatureBytes } from "../log/entry.ts";
import { publicKeyBytes, replicaIdOf } from "../log/replica-key.ts";
import { readSuiteId, type SuiteId, type VerifyingSuite } from "../log/suite.ts";
import { type Code, codes } from "./codes.ts";
import type { Hello, Mode } from "./messages.ts";

const accessCertificateVersion = 1;
export const accessCertificateBytes = 214;
export const accessSaltBytes = 16;
/** What each side's `greet` contributes to a proof. */
export const accessNonceBytes = 16;

export const accessLabels = {
  space: "skein/space",
  /** Of a certificate's hash and of its signature. */
  certificate: "skein/access-certificate",
  access: "skein/access/1",
  replica: "skein/replica-proof/1",
} as const;

/** The byte of a mode in `hello` and in the proof of access. */
export const numberOfMode: Readonly<Record<Mode, number>> = { read: 1, write: 2 };

/** Everything a certificate says; the signature vouches for it. */
export interface AccessStatement {
  readonly suite: SuiteId;
  /** 0, 1, 2, …; below 2^32. */
  readonly n: number;
  /** Hash of certificate n − 1, zeros for n = 0. */
  readonly previous: Uint8Array;
  /** 16 random bytes: two spaces with the same keys would still differ. */
  readonly salt: Uint8Array;
  readonly readKey: Uint8Array;
  readonly writeKey: Uint8Array;
  readonly adminKey: Uint8Array;
}

export interface AccessCertificate extends AccessStatement {
  readonly signature: Uint8Array;
}

// Certificates

/** The 150 bytes that are hashed and signed. */
export const accessStatement = (statement: AccessStatement): Uint8Array<ArrayBuffer> =>
  writeStatement(new Writer(accessCertificateBytes - signatureBytes), statement).finish();

export const encodeAccessCertificate = (certificate: AccessCertificate): Uint8Array<ArrayBuffer> =>
  writeStatement(new Writer(accessCertificateBytes), certificate)
    .fixed(certificate.signature, signatureBytes)
    .finish();

/** Its arrays are views of `bytes`. Nothing but the form is checked. */
export function parseAccessCertificate(bytes: Uint8Array): AccessCertificate | Malformed {
  return decode(bytes, (reader) => {
    const version = reader.u8();
    if (version !== accessCertificateVersion) {
      throw new Malformed(`access certificate version ${version}`, "version");
    }
    return {
      suite: readSuiteId(reader),
      n: reader.u32(),
      previous: reader.raw(hashBytes),
      salt: reader.raw(accessSaltBytes),
      readKey: reader.raw(publicKeyBytes),
      writeKey: reader.raw(publicKeyBytes),
      adminKey: reader.raw(publicKeyBytes),
      signature: reader.raw(signatureBytes),
    };
  });
}

export const certificateHash = (
  suite: VerifyingSuite,
  certificate: AccessStatement,
): Uint8Array<ArrayBuffer> => suite.hash(accessLabels.certificate, accessStatement(certificate));

/** The address of the space that certificate 0 founds. */
export const spaceTagOf = (suite: VerifyingSuite, first: AccessStatement): SpaceTag =>
  spaceTag(suite.hash(accessLabels.space, accessStatement(first)).subarray(0, idBytes.space));

/** Whether `certificate` is signed by the admin key of `previous`, or by its own for n = 0. */
const verifyCertificate = (
  suite: VerifyingSuite,
  certificate: AccessCertificate,
  previous: AccessStatement | undefined,
): Promise<boolean> =>
  suite.verify(
    (previous ?? certificate).adminKey,
    accessLabels.certificate,
    accessStatement(certificate),
    certificate.signature,
  );

export interface Refused {
  readonly kind: "refused";
  readonly code: Code;
  readonly words: string;
}

export type ChainVerdict =
  | { readonly kind: "valid"; readonly space: SpaceTag; readonly newest: AccessCertificate }
  | Refused;

/** Judges all certificates of a space, from the first to the newest. */
export async function verifyCertificateChain(
  suite: VerifyingSuite,
  certificates: readonly Uint8Array[],
): Promise<ChainVerdict> {
  const chain = readChain(suite, certificates);
  if ("kind" in chain) return chain;
  const founding = chain.links[0];
  if (founding === undefined || founding.certificate.n !== 0) return refuse.rootless;
  if (!(await signaturesHold(suite, chain.links, undefined))) return refuse.forged;
  return {
    kind: "valid",
    space: spaceTagOf(suite, founding.certificate),
    newest: chain.newest.certificate,
  };
}

// Proofs

export interface Transcript {
  /** What the initiator connected to, as an origin (scheme http or https). */
  readonly origin: string;
  readonly responderNonce: Uint8Array;
  readonly initiatorNonce: Uint8Array;
  readonly space: SpaceTag;
}

/** What the holder of the read or write key signs under `accessLabels.access`. */
export const accessProofMessage = (transcript: Transcript, mode: Mode): Uint8Array<ArrayBuffer> =>
  writeTranscript(transcript).u8(numberOfMode[mode]).finish();

/** What the holder of a replica key signs under `accessLabels.replica`. */
export const replicaProofMessage = (transcript: Transcript): Uint8Array<ArrayBuffer> =>
  writeTranscript(transcript).finish();

/** A certificate that was accepted once, as a responder keeps it. */
export interface KnownCertificate {
  readonly n: number;
  /** 214 bytes. */
  readonly bytes: Uint8Array;
  /** Of two with the same n the smaller wins. */
  readonly hash: Uint8Array;
}

export interface HelloContext {
  /** Where the responder was reached: one of its own origins, never what the initiator says. */
  readonly origin: string;
  readonly responderNonce: Uint8Array;
  readonly initiatorNonce: Uint8Array;
  /** Its bytes stay as they are until the verdict. */
  readonly hello: Hello;
  /** The newest certificate of the space that the responder has accepted. */
  readonly known?: KnownCertificate | undefined;
}

export interface AcceptedHello {
  readonly kind: "accepted";
  /** The newest shown, at least as new as the known one. */
  readonly certificate: KnownCertificate;
  /** It is newer than the known one: keep it. */
  readonly news: boolean;
  readonly mode: Mode;
  /** Those whose keys the initiator has proven. */
  readonly replicas: readonly { readonly id: ReplicaId; readonly publicKey: Uint8Array }[];
}

export type HelloVerdict = AcceptedHello | Refused;

export const isHelloRefusal = (verdict: HelloVerdict): verdict is Refused =>
  verdict.kind === "refused";

/**
 * Judges a hello. Cheap checks come first, signatures last and only those that are needed: one for
 * the access proof, one per replica, and one per certificate that the responder cannot know yet.
 * What is accepted is copied out of the frame. Costs at most 1 + certificatesMax + proofsMax
 * verifications.
 *
 * A greater n wins, of equal n the smaller hash; a loser is refused. A certificate is believed if
 * signatures lead to it from certificate 0 of this very tag, from the known one or from its parent.
 */
export async function checkHello(
  suite: VerifyingSuite,
  context: HelloContext,
): Promise<HelloVerdict> {
  const { hello } = context;
  const chain = readChain(suite, hello.certificates);
  if ("kind" in chain) return chain;
  const { newest } = chain;
  const known = context.known && readKnown(suite, context.known.bytes);
  if (known && outranks(known, newest)) return refuse.outdated;
  const trusted = trustedPart(suite, hello.tag, chain, known);
  if (trusted === undefined) return refuse.rootless;

  const { origin, responderNonce, initiatorNonce } = context;
  const transcript = { origin, responderNonce, initiatorNonce, space: hello.tag };
  const { readKey, writeKey } = newest.certificate;
  const proven = await suite.verify(
    hello.mode === "write" ? writeKey : readKey,
    accessLabels.access,
    accessProofMessage(transcript, hello.mode),
    hello.proof,
  );
  if (!proven) return refuse.unproven;
  if (!(await signaturesHold(suite, trusted.unproven, trusted.parent))) return refuse.forged;

  const replicas: { id: ReplicaId; publicKey: Uint8Array }[] = [];
  const message = replicaProofMessage(transcript);
  for (const { publicKey, proof } of hello.replicas) {
    if (!(await suite.verify(publicKey, accessLabels.replica, message, proof))) {
      return refuse.unprovenReplica;
    }
    replicas.push({ id: replicaIdOf(suite, publicKey), publicKey: publicKey.slice() });
  }
  const { certificate, bytes, hash } = newest;
  // Of the known one only the kept bytes were ever verified, signature included.
  const isKnown = known !== undefined && equalBytes(known.hash, hash);
  return {
    kind: "accepted",
    certificate:
      isKnown && context.known ? context.known : { n: certificate.n, bytes: bytes.slice(), hash },
    news: !isKnown,
    mode: hello.mode,
    replicas,
  };
}

const refuse = {
  outdated: { kind: "refused", code: codes.unproven, words: "keys have changed" },
  unproven: { kind: "refused", code: codes.unproven, words: "the proof of access is wrong" },
  unprovenReplica: { kind: "refused", code: codes.unproven, words: "a replica proof is wrong" },
  rootless: {
    kind: "refused",
    code: codes.unproven,
    words: "the certificates do not lead to this space",
  },
  forged: { kind: "refused", code: codes.unproven, words: "a certificate is not signed rightly" },
  broken: {
    kind: "refused",
    code: codes.unproven,
    words: "the certificates do not follow one another",
  },
} as const satisfies Record<string, Refused>;

// Chains

interface Link {
  readonly certificate: AccessCertificate;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

interface Chain {
  /** Never empty; each names the hash of the one before. */
  readonly links: readonly Link[];
  readonly newest: Link;
}

/** Reads certificates that follow one another, in the suite's own format. No signature is checked. */
function readChain(suite: VerifyingSuite, certificates: readonly Uint8Array[]): Chain | Refused {
  const links: Link[] = [];
  let newest: Link | undefined;
  for (const bytes of certificates) {
    const certificate = parseAccessCertificate(bytes);
    if (isMalformed(certificate)) {
      const code = certificate.fault === "version" ? codes.noCommonVersion : codes.malformed;
      return { kind: "refused", code, words: certificate.message };
    }
    if (certificate.suite !== suite.id) {
      const words = `suite ${certificate.suite} is not spoken here`;
      return { kind: "refused", code: codes.noCommonVersion, words };
    }
    if (!follows(certificate, newest)) return refuse.broken;
    newest = { certificate, bytes, hash: certificateHash(suite, certificate) };
    links.push(newest);
  }
  return newest === undefined ? refuse.rootless : { links, newest };
}

/** Whether `certificate` names `before` as the one it follows; of the first shown any name will do. */
function follows({ n, previous }: AccessCertificate, before: Link | undefined): boolean {
  if (n === 0) return before === undefined && equalBytes(previous, zeroHash);
  if (before === undefined) return true;
  return n === before.certificate.n + 1 && equalBytes(previous, before.hash);
}

function readKnown(suite: VerifyingSuite, bytes: Uint8Array): Link {
  const chain = readChain(suite, [bytes]);
  // It was accepted once: if it cannot be read now, the store gave back something else.
  if ("kind" in chain) throw new Error(`the known access certificate: ${chain.words}`);
  return chain.newest;
}

function outranks(a: Link, b: Link): boolean {
  if (a.certificate.n !== b.certificate.n) return a.certificate.n > b.certificate.n;
  return compareBytes(a.hash, b.hash) < 0;
}

interface Trust {
  /** Links whose signatures must still be checked, oldest first. */
  readonly unproven: readonly Link[];
  /** The one before them; undefined if they begin with certificate 0. */
  readonly parent: AccessStatement | undefined;
}

/**
 * Where the chain meets something that needs no signature: the known certificate, its parent (whose
 * hash the known one vouches for), or certificate 0, of which the space tag is the hash. Undefined
 * if it meets none, and is about another space or leaves a gap.
 */
function trustedPart(
  suite: VerifyingSuite,
  tag: SpaceTag,
  { links }: Chain,
  known: Link | undefined,
): Trust | undefined {
  const oldest = links[0];
  if (oldest === undefined) return undefined;
  const founding = oldest.certificate.n === 0;
  // The tag is asked for even where the known certificate would do: no chain may mix two spaces.
  if (founding && spaceTagOf(suite, oldest.certificate) !== tag) return undefined;
  if (known !== undefined) {
    for (const trustedHash of [known.hash, known.certificate.previous]) {
      const at = links.findLastIndex(({ hash }) => equalBytes(hash, trustedHash));
      if (at >= 0) return { unproven: links.slice(at + 1), parent: links[at]?.certificate };
    }
    if (equalBytes(oldest.certificate.previous, known.hash)) {
      return oldest.certificate.n === known.certificate.n + 1
        ? { unproven: links, parent: known.certificate }
        : undefined;
    }
  }
  return founding ? { unproven: links, parent: undefined } : undefined;
}

async function signaturesHold(
  suite: VerifyingSuite,
  links: readonly Link[],
  parent: AccessStatement | undefined,
): Promise<boolean> {
  let before = parent;
  for (const { certificate } of links) {
    if (!(await verifyCertificate(suite, certificate, before))) return false;
    before = certificate;
  }
  return true;
}

function writeStatement(writer: Writer, statement: AccessStatement): Writer {
  return writer
    .u8(accessCertificateVersion)
    .u8(statement.suite)
    .u32(statement.n)
    .fixed(statement.previous, hashBytes)
    .fixed(statement.salt, accessSaltBytes)
    .fixed(statement.readKey, publicKeyBytes)
    .fixed(statement.writeKey, publicKeyBytes)
    .fixed(statement.adminKey, publicKeyBytes);
}

function writeTranscript(transcript: Transcript): Writer {
  return new Writer()
    .text(transcript.origin)
    .fixed(transcript.responderNonce, accessNonceBytes)
    .fixed(transcript.initiatorNonce, accessNonceBytes)
    .raw(bytesOfId(transcript.space));
}
