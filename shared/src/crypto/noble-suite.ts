/**
 * Suite 1 in pure JavaScript (@noble): for tests, for headless devices, and wherever there is no
 * WebCrypto. It gives the same bytes as the native suites, some ten times slower. AES by tables is
 * not constant in time, so a browser prefers its own.
 */
import { gcm } from "@noble/ciphers/aes.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { Random } from "../env.ts";
import { labelled } from "../log/suite.ts";
import { labelledSha256 } from "./labelled-hash.ts";
import * as curves from "./noble-curves.ts";
import type {
  AgreementKey,
  AgreementPair,
  SealingKey,
  SigningKey,
  SigningPair,
  Suite,
} from "./suite.ts";

const secretBytes = 32;
const tagBytes = 16;

/** Handles are the secret's own bytes, which nothing outside this file looks into. */
const bytesOf = (key: SigningKey | AgreementKey | SealingKey): Uint8Array =>
  key as unknown as Uint8Array;

export function nobleSuite(random: Random): Suite {
  return {
    id: 1,
    hash: labelledSha256,

    verify: async (publicKey, label, message, signature) =>
      curves.verifyMessage(publicKey, labelled(label, message), signature),

    newSigningPair: async () => signingPair(random.bytes(secretBytes)),
    newAgreementPair: async () => agreementPair(random.bytes(secretBytes)),
    signingPairFromSeed: async (seed) => signingPair(seed.slice()),

    sign: async (key, label, message) => curves.signMessage(bytesOf(key), labelled(label, message)),

    deriveKey: async (secret, label, context) =>
      derive(secret, label, context) as unknown as SealingKey,
    deriveBytes: async (secret, label, context) => derive(secret, label, context),
    agree: async (key, publicKey) => curves.agree(bytesOf(key), publicKey),

    seal: async (key, nonce, plain, aad) => gcm(bytesOf(key), nonce, aad).encrypt(plain),
    open: async (key, nonce, sealed, aad) => {
      if (sealed.length < tagBytes) return undefined;
      const cipher = gcm(bytesOf(key), nonce, aad);
      try {
        return cipher.decrypt(sealed);
      } catch {
        // The arguments were checked when the cipher was made: what is left is a wrong tag.
        return undefined;
      }
    },
  };
}

function signingPair(seed: Uint8Array): SigningPair {
  return { publicKey: curves.signingPublicKey(seed), secret: seed as unknown as SigningKey };
}

function agreementPair(secret: Uint8Array): AgreementPair {
  return {
    publicKey: curves.agreementPublicKey(secret),
    secret: secret as unknown as AgreementKey,
  };
}

const derive = (secret: Uint8Array, label: string, context: Uint8Array): Uint8Array<ArrayBuffer> =>
  hkdf(sha256, secret, undefined, labelled(label, context), secretBytes);
