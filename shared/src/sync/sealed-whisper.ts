/**
 * What a whisper says to its sealed, signed bytes and back (docs/protocol.md section 6). The nonce
 * counts under a key that belongs to one replica and one writer session.
 */
import { countedNonce } from "../crypto/counted-nonce.ts";
import type { Keyring } from "../crypto/keyring.ts";
import { type EntrySealer, tagBytes } from "../crypto/seal.ts";
import type { ReplicaId } from "../id/id.ts";
import { limits } from "../protocol/limits.ts";
import {
  encodeWhisper,
  type Whisper,
  whisperAad,
  whisperBodyHash,
  type WhisperFields,
  whisperHeader,
  whisperLabels,
} from "../protocol/whisper.ts";

export const whisperPlainBytesMax = limits.whisperBytesMax - tagBytes;

export interface WhisperDraft {
  /** Undefined: everybody who is present. */
  readonly to: ReplicaId | undefined;
  /** The writer session's nonce, 16 bytes. */
  readonly nonce: Uint8Array;
  /** 1, 2, 3, …: never the same twice under a nonce. */
  readonly counter: number;
  /** `kind u8 ‖ rest`. */
  readonly plain: Uint8Array;
}

/** Seals under the current epoch. */
export async function sealWhisper(
  sealer: EntrySealer,
  { to, nonce, counter, plain }: WhisperDraft,
): Promise<Uint8Array<ArrayBuffer>> {
  if (plain.length > whisperPlainBytesMax) throw new RangeError(`${plain.length} bytes to whisper`);
  const { keyring, space, replica: from, secret } = sealer;
  const { suite, current: epoch } = keyring;
  const key = await keyring.whisperKey(epoch, from, nonce);
  if (key === undefined) throw new Error("the current epoch has no key");

  const fields: WhisperFields = { suite: suite.id, space, from, to, epoch, nonce, counter };
  const aad = whisperAad(fields, plain.length + tagBytes);
  const body = await suite.seal(key, countedNonce(counter), plain, aad);
  const bodyHash = whisperBodyHash(suite, body);
  const header = whisperHeader(fields, body.length, bodyHash);
  const signature = await suite.sign(secret, whisperLabels.signature, header);
  return encodeWhisper({ ...fields, bodyHash, signature, body });
}

/**
 * What a verified whisper says. `unknown epoch`: nothing to be done, for it is not kept. `void`: its
 * tag is wrong.
 */
export async function openWhisper(
  keyring: Keyring,
  whisper: Whisper,
): Promise<Uint8Array<ArrayBuffer> | "unknown epoch" | "void"> {
  const { epoch, from, nonce, counter, body } = whisper;
  if (whisper.space !== keyring.space) return "void";
  const key = await keyring.whisperKey(epoch, from, nonce);
  if (key === undefined) return "unknown epoch";
  const aad = whisperAad(whisper, body.length);
  return (await keyring.suite.open(key, countedNonce(counter), body, aad)) ?? "void";
}
