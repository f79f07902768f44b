/**
 * The part of Ed25519's strict rules that is arithmetic on bytes. Libraries differ in what they
 * accept beyond honest signatures (Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", 2020);
 * a signature that one device takes and another refuses would split a space. Every suite 1 asks this
 * first; what passes is left to the equation [S]B = R + [k]A without cofactor, on which OpenSSL,
 * BoringSSL, NSS and corecrypto agree. The rules are those of "Secure Curves in the Web Cryptography
 * API": canonical A, R and S, and neither A nor R of small order.
 */
import { fromHex } from "../bytes/bytes.ts";

/** y of the eight points whose order divides 8; each stands for both signs of x. */
const smallOrderY = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
].map(fromHex);

/** p = 2^255 − 19 and the order of the base point, little-endian. */
const fieldPrime = fromHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
const groupOrder = fromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");

const publicKeyBytes = 32;
const signatureBytes = 64;

/** False where no suite may accept, whatever its library says. */
export function passesStrictRules(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === publicKeyBytes &&
    signature.length === signatureBytes &&
    isStrictPoint(publicKey, 0) &&
    isStrictPoint(signature, 0) &&
    isBelow(signature, 32, groupOrder, 0xff)
  );
}

function isStrictPoint(bytes: Uint8Array, at: number): boolean {
  return isBelow(bytes, at, fieldPrime, 0x7f) && !smallOrderY.some((y) => isY(bytes, at, y));
}

function isY(bytes: Uint8Array, at: number, y: Uint8Array): boolean {
  for (let index = 0; index < 31; index++) if (bytes[at + index] !== y[index]) return false;
  return ((bytes[at + 31] ?? 0) & 0x7f) === y[31];
}

/** Whether the 32 little-endian bytes, the last one masked, are a smaller number than `limit`. */
function isBelow(bytes: Uint8Array, at: number, limit: Uint8Array, lastMask: number): boolean {
  for (let index = 31; index >= 0; index--) {
    const byte = (bytes[at + index] ?? 0) & (index === 31 ? lastMask : 0xff);
    const difference = byte - (limit[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
