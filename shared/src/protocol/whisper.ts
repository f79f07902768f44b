/**
 * A whisper: sealed, signed by its sender's replica key, forwarded to one replica or to all that
 * are present, never stored (docs/protocol.md section 6).
 *
 *   head 118 (signed) ‖ signature 64 ‖ body
 */
import { equalBytes, toHex } from "../bytes/bytes.ts";
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { RecentMap } from "../bytes/recent-map.ts";
import { Writer } from "../bytes/writer.ts";
import {
  bytesOfId,
  epochId,
  type EpochId,
  idBytes,
  replicaId,
  type ReplicaId,
  spaceTag,
  type SpaceTag,
} from "../id/id.ts";
import { hashBytes, sessionNonceBytes, signatureBytes } from "../log/entry.ts";
import { type Refusal, refused } from "../log/refusal.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import { readSuiteId, type SuiteId, type VerifyingSuite } from "../log/suite.ts";

const whisperVersion = 1;
/** What the body is sealed under: the header without bodyHash. */
const whisperAadBytes = 86;
/** What the signature signs. */
const whisperHeaderBytes = whisperAadBytes + hashBytes;
/** Everything before the body. */
export const whisperHeadBytes = whisperHeaderBytes + signatureBytes;

export const whisperLabels = {
  body: "skein/whisper-body/1",
  signature: "skein/whisper/1",
} as const;

export interface WhisperFields {
  readonly suite: SuiteId;
  readonly space: SpaceTag;
  readonly from: ReplicaId;
  /** Undefined: everybody who is present. */
  readonly to: ReplicaId | undefined;
  readonly epoch: EpochId;
  /** 16 random bytes, one per writer session. */
  readonly nonce: Uint8Array;
  /** 1, 2, 3, … under each nonce. */
  readonly counter: number;
}

export interface Whisper extends WhisperFields {
  readonly bodyHash: Uint8Array;
  readonly signature: Uint8Array;
  /** Ciphertext with its tag. */
  readonly body: Uint8Array;
}

/** The 86 bytes that a body of `bodyLength` bytes (tag included) is sealed under. */
export const whisperAad = (fields: WhisperFields, bodyLength: number): Uint8Array<ArrayBuffer> =>
  writeAad(new Writer(whisperAadBytes), fields, bodyLength).finish();

/** The 118 bytes that the replica key signs. */
export const whisperHeader = (
  fields: WhisperFields,
  bodyLength: number,
  bodyHash: Uint8Array,
): Uint8Array<ArrayBuffer> =>
  writeAad(new Writer(whisperHeaderBytes), fields, bodyLength).fixed(bodyHash, hashBytes).finish();

export const whisperBodyHash = (suite: VerifyingSuite, body: Uint8Array): Uint8Array<ArrayBuffer> =>
  suite.hash(whisperLabels.body, body);

export const encodeWhisper = (whisper: Whisper): Uint8Array<ArrayBuffer> =>
  writeAad(new Writer(whisperHeadBytes + whisper.body.length), whisper, whisper.body.length)
    .fixed(whisper.bodyHash, hashBytes)
    .fixed(whisper.signature, signatureBytes)
    .raw(whisper.body)
    .finish();

/** Parts are views of `bytes`. Nothing but the form is checked. */
export function parseWhisper(bytes: Uint8Array): Whisper | Malformed {
  return decode(bytes, (reader) => {
    const version = reader.u8();
    if (version !== whisperVersion) throw new Malformed(`whisper version ${version}`, "version");
    const suite = readSuiteId(reader);
    const space = spaceTag(reader.raw(idBytes.space));
    const from = replicaId(reader.raw(idBytes.replica));
    const to = replicaId(reader.raw(idBytes.replica));
    const epoch = epochId(reader.raw(idBytes.epoch));
    const nonce = reader.raw(sessionNonceBytes);
    const counter = reader.u64();
    if (counter === 0) throw new Malformed("whisper number 0");
    const bodyLength = reader.u32();
    const bodyHash = reader.raw(hashBytes);
    const signature = reader.raw(signatureBytes);
    if (bodyLength !== reader.remaining) throw new Malformed("whisper body of another length");
    return {
      suite,
      space,
      from,
      to: to === everybody ? undefined : to,
      epoch,
      nonce,
      counter,
      bodyHash,
      signature,
      body: reader.rest(),
    };
  });
}

/**
 * The whisper, once it is certain that the holder of `publicKey` said it in `space`. Whether it was
 * heard before is for a `WhisperWindow` to say. Its arrays are views of `bytes`.
 */
export async function verifyWhisper(
  suite: VerifyingSuite,
  space: SpaceTag,
  publicKey: Uint8Array,
  bytes: Uint8Array,
): Promise<Whisper | Refusal> {
  const whisper = parseWhisper(bytes);
  if (isMalformed(whisper)) return refused(whisper.fault, whisper.message);
  if (whisper.suite !== suite.id) return refused("version", `whisper of suite ${whisper.suite}`);
  if (whisper.space !== space) return refused("foreign", "whisper of another space");
  if (replicaIdOf(suite, publicKey) !== whisper.from) {
    return refused("foreign", "whisper of another replica than its key's");
  }
  if (!equalBytes(whisperBodyHash(suite, whisper.body), whisper.bodyHash)) {
    return refused("forged", "whisper body does not fit its hash");
  }
  const header = bytes.subarray(0, whisperHeaderBytes);
  if (!(await suite.verify(publicKey, whisperLabels.signature, header, whisper.signature))) {
    return refused("forged", "whisper signature is wrong");
  }
  return whisper;
}

/** How far a whisper may have been overtaken by later ones of its writer session. */
const windowBits = 64;
/** Writer sessions remembered per replica, and replicas: an open tab each; the oldest goes first. */
const sessionsMax = 16;
const replicasMax = 8_192;

interface Heard {
  greatest: number;
  /** Bit b: `greatest − b` was accepted. */
  accepted: bigint;
}

/**
 * Tells new whispers from repeated ones (the sliding window of IPsec, RFC 4303 section 3.4.3).
 * Memory is bounded per replica, so nobody who invents writer sessions makes us forget others'.
 */
export class WhisperWindow {
  readonly #heard = new RecentMap<ReplicaId, RecentMap<string, Heard>>(replicasMax);

  /** True once for each whisper that is new and not too late. Ask only about verified ones. */
  accept(whisper: Pick<WhisperFields, "from" | "nonce" | "counter">): boolean {
    let sessions = this.#heard.get(whisper.from);
    if (sessions === undefined) {
      sessions = new RecentMap(sessionsMax);
      this.#heard.set(whisper.from, sessions);
    }
    const nonce = toHex(whisper.nonce);
    const heard = sessions.get(nonce);
    if (heard === undefined) {
      sessions.set(nonce, { greatest: whisper.counter, accepted: 1n });
      return true;
    }
    const ahead = whisper.counter - heard.greatest;
    if (ahead > 0) {
      // A jump beyond the window leaves nothing of it; shifting by 2^53 would exhaust memory.
      const kept = ahead < windowBits ? heard.accepted << BigInt(ahead) : 0n;
      heard.accepted = BigInt.asUintN(windowBits, kept) | 1n;
      heard.greatest = whisper.counter;
      return true;
    }
    if (-ahead >= windowBits) return false;
    const bit = 1n << BigInt(-ahead);
    if ((heard.accepted & bit) !== 0n) return false;
    heard.accepted |= bit;
    return true;
  }
}

const everybodyBytes = new Uint8Array(idBytes.replica);
const everybody = replicaId(everybodyBytes);

function writeAad(writer: Writer, fields: WhisperFields, bodyLength: number): Writer {
  return writer
    .u8(whisperVersion)
    .u8(fields.suite)
    .raw(bytesOfId(fields.space))
    .raw(bytesOfId(fields.from))
    .raw(fields.to === undefined ? everybodyBytes : bytesOfId(fields.to))
    .raw(bytesOfId(fields.epoch))
    .fixed(fields.nonce, sessionNonceBytes)
    .u64(fields.counter)
    .u32(bodyLength);
}
