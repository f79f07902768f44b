/**
 * A register: a value a replica publishes in a newer and newer version, of which only the newest
 * counts (docs/protocol.md section 5). A relay checks whose it is and which is newer; the value
 * itself is sealed.
 *
 *   head 114 (signed) ‖ signature 64 ‖ body
 */
import { compareBytes, equalBytes } from "../bytes/bytes.ts";
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import {
  bytesOfId,
  epochId,
  type EpochId,
  idBytes,
  registerName,
  type RegisterName,
  replicaId,
  type ReplicaId,
  spaceTag,
  type SpaceTag,
} from "../id/id.ts";
import { hashBytes, signatureBytes } from "./entry.ts";
import { type Refusal, refused } from "./refusal.ts";
import { replicaIdOf } from "./replica-key.ts";
import type { StoredRegister } from "./store.ts";
import { readSuiteId, type SuiteId, type VerifyingSuite } from "./suite.ts";

const registerVersion = 1;
const registerNonceBytes = 12;
/** What the body is sealed under: the header without bodyHash. */
const registerAadBytes = 82;
/** What the signature signs. */
const registerHeaderBytes = registerAadBytes + hashBytes;
/** Everything before the body. */
export const registerHeadBytes = registerHeaderBytes + signatureBytes;

export const registerLabels = {
  body: "skein/register-body/1",
  signature: "skein/register/1",
} as const;

export interface RegisterFields {
  readonly suite: SuiteId;
  readonly space: SpaceTag;
  readonly replica: ReplicaId;
  readonly name: RegisterName;
  /** Of two versions the greater is newer. */
  readonly number: number;
  readonly epoch: EpochId;
  /** 12 random bytes. */
  readonly nonce: Uint8Array;
}

export interface RegisterParts extends RegisterFields {
  readonly bodyHash: Uint8Array;
  readonly signature: Uint8Array;
  /** Ciphertext with its tag. */
  readonly body: Uint8Array;
}

/** The 82 bytes that a body of `bodyLength` bytes (tag included) is sealed under. */
export const registerAad = (fields: RegisterFields, bodyLength: number): Uint8Array<ArrayBuffer> =>
  writeAad(new Writer(registerAadBytes), fields, bodyLength).finish();

/** The 114 bytes that the replica key signs. */
export const registerHeader = (
  fields: RegisterFields,
  bodyLength: number,
  bodyHash: Uint8Array,
): Uint8Array<ArrayBuffer> =>
  writeAad(new Writer(registerHeaderBytes), fields, bodyLength).fixed(bodyHash, hashBytes).finish();

export const registerBodyHash = (
  suite: VerifyingSuite,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> => suite.hash(registerLabels.body, body);

export const encodeRegister = (parts: RegisterParts): Uint8Array<ArrayBuffer> =>
  writeAad(new Writer(registerHeadBytes + parts.body.length), parts, parts.body.length)
    .fixed(parts.bodyHash, hashBytes)
    .fixed(parts.signature, signatureBytes)
    .raw(parts.body)
    .finish();

/** Parts are views of `bytes`. Nothing but the form is checked. */
export function parseRegister(bytes: Uint8Array): RegisterParts | Malformed {
  return decode(bytes, (reader) => {
    const version = reader.u8();
    if (version !== registerVersion) throw new Malformed(`register version ${version}`, "version");
    const fields = {
      suite: readSuiteId(reader),
      space: spaceTag(reader.raw(idBytes.space)),
      replica: replicaId(reader.raw(idBytes.replica)),
      name: registerName(reader.raw(idBytes.register)),
      number: reader.u64(),
      epoch: epochId(reader.raw(idBytes.epoch)),
      nonce: reader.raw(registerNonceBytes),
    };
    const bodyLength = reader.u32();
    const bodyHash = reader.raw(hashBytes);
    const signature = reader.raw(signatureBytes);
    if (bodyLength !== reader.remaining) throw new Malformed("register body of another length");
    return { ...fields, bodyHash, signature, body: reader.rest() };
  });
}

/**
 * A register as a store keeps it, once it is certain that the holder of `publicKey` published it
 * in `space`. Its arrays are views of the arguments.
 */
export async function verifyRegister(
  suite: VerifyingSuite,
  space: SpaceTag,
  publicKey: Uint8Array,
  bytes: Uint8Array,
): Promise<StoredRegister | Refusal> {
  const parts = parseRegister(bytes);
  if (isMalformed(parts)) return refused(parts.fault, parts.message);
  const { replica, name, number, bodyHash, signature, body } = parts;
  if (parts.suite !== suite.id) return refused("version", `register of suite ${parts.suite}`);
  if (parts.space !== space) return refused("foreign", "register of another space");
  if (replicaIdOf(suite, publicKey) !== replica) {
    return refused("foreign", "register of another replica than its key's");
  }
  if (!equalBytes(registerBodyHash(suite, body), bodyHash)) {
    return refused("forged", "register body does not fit its hash");
  }
  const header = bytes.subarray(0, registerHeaderBytes);
  if (!(await suite.verify(publicKey, registerLabels.signature, header, signature))) {
    return refused("forged", "register signature is wrong");
  }
  return { replica, publicKey, name, number, bodyHash, bytes };
}

/** Whether `a` replaces `b`, or is the first: greater number, of equal ones the greater bodyHash. */
export function newerRegister(
  a: Pick<StoredRegister, "number" | "bodyHash">,
  b: Pick<StoredRegister, "number" | "bodyHash"> | undefined,
): boolean {
  if (b === undefined) return true;
  if (a.number !== b.number) return a.number > b.number;
  return compareBytes(a.bodyHash, b.bodyHash) > 0;
}

function writeAad(writer: Writer, fields: RegisterFields, bodyLength: number): Writer {
  return writer
    .u8(registerVersion)
    .u8(fields.suite)
    .raw(bytesOfId(fields.space))
    .raw(bytesOfId(fields.replica))
    .raw(bytesOfId(fields.name))
    .u64(fields.number)
    .raw(bytesOfId(fields.epoch))
    .fixed(fields.nonce, registerNonceBytes)
    .u32(bodyLength);
}
