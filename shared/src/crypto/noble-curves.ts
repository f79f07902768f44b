/**
 * Ed25519 and X25519 in JavaScript, on raw bytes: for suites that run where the platform has no such
 * curve. Verification takes the strict rules and the equation without cofactor, as native libraries
 * do; @noble/curves' own `verify` multiplies by the cofactor and would accept more.
 */
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes } from "../bytes/bytes.ts";
import { passesStrictRules } from "../log/strict-signature.ts";

const { Point } = ed25519;
const scalarField = Point.Fn;

/** The public key of a 32-byte seed (RFC 8032). */
export const signingPublicKey = (seed: Uint8Array): Uint8Array<ArrayBuffer> =>
  ed25519.getPublicKey(seed);

export const signMessage = (seed: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> =>
  ed25519.sign(message, seed);

export function verifyMessage(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!passesStrictRules(publicKey, signature)) return false;
  const encodedR = signature.subarray(0, 32);
  const a = decodePoint(publicKey);
  if (a === undefined) return false;
  const s = littleEndian(signature.subarray(32));
  const k = scalarField.create(littleEndian(sha512(concatBytes(encodedR, publicKey, message))));
  const r = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k));
  return equalBytes(r.toBytes(), encodedR);
}

/** The public key of a 32-byte secret (RFC 7748). */
export const agreementPublicKey = (secret: Uint8Array): Uint8Array<ArrayBuffer> =>
  x25519.getPublicKey(secret);

/** The shared secret; undefined for a public key of small order or of another length. */
export function agree(
  secret: Uint8Array,
  publicKey: Uint8Array,
): Uint8Array<ArrayBuffer> | undefined {
  if (publicKey.length !== 32) return undefined;
  try {
    return x25519.getSharedSecret(secret, publicKey);
  } catch {
    // With the lengths right, small order is all that is left to refuse.
    return undefined;
  }
}

function decodePoint(bytes: Uint8Array): InstanceType<typeof Point> | undefined {
  try {
    return Point.fromBytes(bytes, false);
  } catch {
    return undefined;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) {
    value = (value << 8n) | BigInt(bytes[index] ?? 0);
  }
  return value;
}
