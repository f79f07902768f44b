/**
 * Everything that needs a secret, behind one port: AES-256-GCM, HKDF, Ed25519, X25519. The
 * browser's adapter is WebCrypto (native, off the main thread), with @noble where a browser lacks
 * a curve; the simulator passes a toy (suite 0). Keys are opaque handles, so that a browser can
 * keep them non-extractable.
 */
import type { BulkChecking, PlacedRun, SuiteId, VerifyingSuite } from "../log/suite.ts";

declare const handle: unique symbol;
export interface SigningKey {
  readonly [handle]: "signing";
}
export interface AgreementKey {
  readonly [handle]: "agreement";
}
export interface SealingKey {
  readonly [handle]: "sealing";
}

export interface SigningPair {
  /** 32 bytes, RFC 8032. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly secret: SigningKey;
}
export interface AgreementPair {
  /** 32 bytes, RFC 7748. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly secret: AgreementKey;
}

export interface Suite extends VerifyingSuite {
  readonly id: SuiteId;

  /** A fresh pair whose secret the platform keeps to itself where it can. */
  newSigningPair(): Promise<SigningPair>;
  newAgreementPair(): Promise<AgreementPair>;
  /** A pair from a 32-byte seed: access keys and invite keys, which are handed on. */
  signingPairFromSeed(seed: Uint8Array): Promise<SigningPair>;

  /** `S(key, label, x)`, 64 bytes. */
  sign(key: SigningKey, label: string, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;

  /** `KDF(secret, label, x)` as a key for seal and open. */
  deriveKey(secret: Uint8Array, label: string, context: Uint8Array): Promise<SealingKey>;
  /** `KDF(secret, label, x)` as 32 bytes, for names and nested secrets. */
  deriveBytes(
    secret: Uint8Array,
    label: string,
    context: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** X25519; undefined for a small-order key or an all-zero result. */
  agree(key: AgreementKey, publicKey: Uint8Array): Promise<Uint8Array<ArrayBuffer> | undefined>;

  /** Ciphertext with its 16-byte tag. `nonce` is 12 bytes and never repeats under a key. */
  seal(
    key: SealingKey,
    nonce: Uint8Array,
    plain: Uint8Array,
    aad: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * The plain, or undefined when the tag does not fit. `nonce` and `aad` are taken before it returns:
   * the caller may write the next ones into their place.
   */
  open(
    key: SealingKey,
    nonce: Uint8Array,
    sealed: Uint8Array,
    aad: Uint8Array,
  ): Promise<Uint8Array<ArrayBuffer> | undefined>;
  readonly bulk?: Bulk;
}

/** Consecutive entries whose chain was checked. */
export interface HashedEntries extends Omit<PlacedRun, "run"> {
  readonly run: Omit<PlacedRun["run"], "signature">;
  /** Of each entry, in order. */
  readonly hashes: readonly Uint8Array[];
}

/** What was in a body; undefined where there is no body or no key, or the tag does not fit. */
export type OpenedBody = Uint8Array | undefined;

export interface Bulk extends BulkChecking {
  /** The bodies, each under the key that stands at its place. Undefined as with `check`. */
  open(
    entries: HashedEntries,
    keys: readonly (SealingKey | undefined)[],
  ): Promise<readonly OpenedBody[]> | undefined;
}
