/**
 * Sealing to somebody's X25519 key, so that nobody else can open it and its author needs no key of
 * their own (docs/protocol.md section 9; the construction of libsodium's sealed boxes, with HKDF and
 * AES-GCM). The key is derived from a pair that is used once, so the nonce can be zero.
 */
import { concatBytes } from "../bytes/bytes.ts";
import type { AgreementPair, Suite } from "./suite.ts";

const sealedLabel = "skein/sealed/1";

const zeroNonce = new Uint8Array(12);

export interface SealedToKey {
  /** Public key of the pair that was made for this, 32 bytes. */
  readonly ephemeral: Uint8Array<ArrayBuffer>;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

/** Undefined for a recipient's key that agrees with nobody (small order). */
export async function sealToKey(
  suite: Suite,
  recipient: Uint8Array,
  plain: Uint8Array,
  aad: Uint8Array,
): Promise<SealedToKey | undefined> {
  const ephemeral = await suite.newAgreementPair();
  const shared = await suite.agree(ephemeral.secret, recipient);
  if (shared === undefined) return undefined;
  const context = concatBytes(ephemeral.publicKey, recipient);
  const key = await suite.deriveKey(shared, sealedLabel, context);
  return {
    ephemeral: ephemeral.publicKey,
    sealed: await suite.seal(key, zeroNonce, plain, aad),
  };
}

/** Undefined when it was sealed to another key, or is not what was sealed. */
export async function openWithKey(
  suite: Suite,
  recipient: AgreementPair,
  ephemeral: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const shared = await suite.agree(recipient.secret, ephemeral);
  if (shared === undefined) return undefined;
  const context = concatBytes(ephemeral, recipient.publicKey);
  const key = await suite.deriveKey(shared, sealedLabel, context);
  return suite.open(key, zeroNonce, sealed, aad);
}
