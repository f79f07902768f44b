/**
 * The notation of docs/protocol.md section 1 on Node's OpenSSL, which shares no code with our suites:
 * what they compute is compared with what is composed from these by hand.
 */
import {
  createCipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
} from "node:crypto";

const labelled = (label: string, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(label, "ascii"), Buffer.of(0), bytes]);

/** `H(label, x)`. */
export const H = (label: string, bytes: Uint8Array): Buffer =>
  createHash("sha256").update(labelled(label, bytes)).digest();

/** `S(key, label, x)`, the key given by its seed. */
export const S = (seed: Uint8Array, label: string, bytes: Uint8Array): Buffer =>
  sign(null, labelled(label, bytes), privateKey(ed25519, seed));

/** `KDF(key, label, x)`. */
export const KDF = (secret: Uint8Array, label: string, bytes: Uint8Array): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, new Uint8Array(0), labelled(label, bytes), 32));

/** `AES-256-GCM(key, nonce, plain, aad)`, the tag at the end. */
export function AES256GCM(
  key: Uint8Array,
  nonce: Uint8Array,
  plain: Uint8Array,
  aad: Uint8Array,
): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(aad);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** `X25519(secret, public key)`. */
export const X25519 = (secret: Uint8Array, publicKey: Uint8Array): Buffer =>
  diffieHellman({
    privateKey: privateKey(x25519, secret),
    publicKey: createPublicKey({
      key: Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), publicKey]),
      format: "der",
      type: "spki",
    }),
  });

export const ed25519PublicKey = (seed: Uint8Array): Buffer => publicKeyOf(ed25519, seed);
export const x25519PublicKey = (secret: Uint8Array): Buffer => publicKeyOf(x25519, secret);

/** PKCS #8 up to the 32 bytes (RFC 8410). */
const ed25519 = "302e020100300506032b657004220420";
const x25519 = "302e020100300506032b656e04220420";

function privateKey(prefix: string, secret: Uint8Array): KeyObject {
  const key = Buffer.concat([Buffer.from(prefix, "hex"), secret]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** The last 32 bytes of the SubjectPublicKeyInfo. */
const publicKeyOf = (prefix: string, secret: Uint8Array): Buffer =>
  createPublicKey(privateKey(prefix, secret)).export({ format: "der", type: "spki" }).subarray(-32);
