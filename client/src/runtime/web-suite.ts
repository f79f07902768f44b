/**
 * Suite 1 on WebCrypto: native, off the main thread, and with secrets the page itself cannot read.
 * Browsers before 2025 lack Ed25519 or X25519; there, and only for those operations, JavaScript
 * steps in, which is loaded for the purpose and keeps its secrets as bytes. Both ways give the same
 * bytes and the same answers on every input.
 */
import { concatBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { fromBase64Url } from "@skein/shared/bytes/base64url.ts";
import { RecentMap } from "@skein/shared/bytes/recent-map.ts";
import { labelledSha256 } from "@skein/shared/crypto/labelled-hash.ts";
import type * as NobleCurves from "@skein/shared/crypto/noble-curves.ts";
import type {
  AgreementKey,
  AgreementPair,
  Bulk,
  SealingKey,
  SigningKey,
  SigningPair,
  Suite,
} from "@skein/shared/crypto/suite.ts";
import { passesStrictRules } from "@skein/shared/log/strict-signature.ts";
import { labelled } from "@skein/shared/log/suite.ts";

/** A secret as IndexedDB keeps it: a handle that never shows its bytes, or a 32-byte seed. */
export type StorableKey = CryptoKey | Uint8Array<ArrayBuffer>;

export interface WebSuite extends Suite {
  /** True where secrets stay inside the browser; else they are bytes in our database. */
  readonly keepsSecrets: boolean;
  /** What `put` may take, by structured clone. */
  storable(key: SigningKey | AgreementKey): StorableKey;
  /** The keys that were stored; a seed moves into the browser's keeping where it can by now. */
  restoreSigningKey(stored: StorableKey): Promise<SigningKey>;
  restoreAgreementKey(stored: StorableKey): Promise<AgreementKey>;
}

type Curves = typeof NobleCurves;
type CurveName = "Ed25519" | "X25519";

/** Imported public keys kept at a time; a device meets a few replicas per member. */
const publicKeysMax = 2_048;
const secretBytes = 32;
const tagBytes = 16;

/** PKCS #8 of a private key (RFC 8410) up to its 32 bytes. */
const privateKeyPrefix: Record<CurveName, Uint8Array<ArrayBuffer>> = {
  Ed25519: fromHex("302e020100300506032b657004220420"),
  X25519: fromHex("302e020100300506032b656e04220420"),
};

/**
 * @param platform the page's `crypto`; its `subtle` exists on HTTPS and localhost only.
 * @param newBulk makes what long runs are handed to, given the suite without it.
 */
export async function webSuite(
  platform: Crypto = crypto,
  newBulk?: (suite: Suite) => Bulk,
): Promise<WebSuite> {
  const subtle = platform.subtle;
  const signsNatively = await isNative(subtle, "Ed25519");
  const agreesNatively = await isNative(subtle, "X25519");
  const javascript =
    signsNatively && agreesNatively
      ? undefined
      : await import("@skein/shared/crypto/noble-curves.ts");
  const randomSecret = () => platform.getRandomValues(new Uint8Array(secretBytes));

  const signing = signsNatively
    ? nativeSigning(subtle)
    : javascriptSigning(required(javascript), randomSecret);
  const agreement = agreesNatively
    ? nativeAgreement(subtle)
    : javascriptAgreement(required(javascript), randomSecret);

  const suite: WebSuite = {
    id: 1,
    keepsSecrets: signsNatively && agreesNatively,
    hash: labelledSha256,
    ...signing,
    ...agreement,
    ...sealing(subtle),
    storable: (key) => key as unknown as StorableKey,
  };
  return newBulk === undefined ? suite : { ...suite, bulk: newBulk(suite) };
}

type Signing = Pick<
  WebSuite,
  "verify" | "newSigningPair" | "signingPairFromSeed" | "sign" | "restoreSigningKey"
>;

function nativeSigning(subtle: SubtleCrypto): Signing {
  const publicKeys = new RecentMap<string, Promise<CryptoKey | undefined>>(publicKeysMax);

  function publicKey(bytes: Uint8Array): Promise<CryptoKey | undefined> {
    const name = toHex(bytes);
    let key = publicKeys.get(name);
    if (key === undefined) {
      key = unless(
        "DataError",
        subtle.importKey("raw", source(bytes), "Ed25519", true, ["verify"]),
      );
      publicKeys.set(name, key);
    }
    return key;
  }

  return {
    async verify(key, label, message, signature) {
      if (!passesStrictRules(key, signature)) return false;
      const imported = await publicKey(key);
      if (imported === undefined) return false;
      return subtle.verify("Ed25519", imported, source(signature), labelled(label, message));
    },
    async newSigningPair() {
      const pair = (await subtle.generateKey("Ed25519", false, [
        "sign",
        "verify",
      ])) as CryptoKeyPair;
      return signingPair(await rawOf(subtle, pair.publicKey), pair.privateKey);
    },
    async signingPairFromSeed(seed) {
      const shown = await importSecret(subtle, "Ed25519", seed, true);
      // WebCrypto computes a public key nowhere but in an exported JWK.
      const { x } = await subtle.exportKey("jwk", shown);
      return signingPair(fromBase64Url(required(x)), await importSecret(subtle, "Ed25519", seed));
    },
    async sign(key, label, message) {
      const handle = key as unknown as CryptoKey;
      return new Uint8Array(await subtle.sign("Ed25519", handle, labelled(label, message)));
    },
    async restoreSigningKey(stored) {
      const key = await restored(subtle, "Ed25519", stored);
      return key as unknown as SigningKey;
    },
  };
}

function javascriptSigning(curves: Curves, randomSecret: () => Uint8Array<ArrayBuffer>): Signing {
  const pairOf = (seed: Uint8Array<ArrayBuffer>) =>
    signingPair(curves.signingPublicKey(seed), seed);
  return {
    verify: async (key, label, message, signature) =>
      curves.verifyMessage(key, labelled(label, message), signature),
    newSigningPair: async () => pairOf(randomSecret()),
    signingPairFromSeed: async (seed) => pairOf(new Uint8Array(seed)),
    sign: async (key, label, message) =>
      curves.signMessage(seedOf(key as unknown as StorableKey), labelled(label, message)),
    restoreSigningKey: async (stored) => seedOf(stored) as unknown as SigningKey,
  };
}

type Agreement = Pick<WebSuite, "newAgreementPair" | "agree" | "restoreAgreementKey">;

function nativeAgreement(subtle: SubtleCrypto): Agreement {
  return {
    async newAgreementPair() {
      const pair = (await subtle.generateKey("X25519", false, ["deriveBits"])) as CryptoKeyPair;
      return agreementPair(await rawOf(subtle, pair.publicKey), pair.privateKey);
    },
    async agree(key, publicKey) {
      if (publicKey.length !== secretBytes) return undefined;
      const importing = subtle.importKey("raw", source(publicKey), "X25519", true, []);
      const theirs = await unless("DataError", importing);
      if (theirs === undefined) return undefined;
      const mine = key as unknown as CryptoKey;
      const agreed = subtle.deriveBits({ name: "X25519", public: theirs }, mine, 256);
      // The browser refuses a secret of zeros, which is what small order leads to.
      const shared = await unless("OperationError", agreed);
      return shared === undefined ? undefined : new Uint8Array(shared);
    },
    async restoreAgreementKey(stored) {
      const key = await restored(subtle, "X25519", stored);
      return key as unknown as AgreementKey;
    },
  };
}

function javascriptAgreement(
  curves: Curves,
  randomSecret: () => Uint8Array<ArrayBuffer>,
): Agreement {
  return {
    async newAgreementPair() {
      const secret = randomSecret();
      return agreementPair(curves.agreementPublicKey(secret), secret);
    },
    agree: async (key, publicKey) => curves.agree(seedOf(key as unknown as StorableKey), publicKey),
    restoreAgreementKey: async (stored) => seedOf(stored) as unknown as AgreementKey,
  };
}

type Sealing = Pick<WebSuite, "deriveKey" | "deriveBytes" | "seal" | "open">;

function sealing(subtle: SubtleCrypto): Sealing {
  const material = (secret: Uint8Array, usage: "deriveKey" | "deriveBits") =>
    subtle.importKey("raw", source(secret), "HKDF", false, [usage]);
  const hkdf = (label: string, context: Uint8Array) => ({
    name: "HKDF",
    hash: "SHA-256",
    salt: new Uint8Array(0),
    info: labelled(label, context),
  });
  const gcm = (nonce: Uint8Array, aad: Uint8Array) => ({
    name: "AES-GCM",
    iv: source(nonce),
    additionalData: source(aad),
  });

  return {
    async deriveKey(secret, label, context) {
      const from = await material(secret, "deriveKey");
      const algorithm = { name: "AES-GCM", length: 256 };
      const usages: KeyUsage[] = ["encrypt", "decrypt"];
      const key = await subtle.deriveKey(hkdf(label, context), from, algorithm, false, usages);
      return key as unknown as SealingKey;
    },
    async deriveBytes(secret, label, context) {
      const from = await material(secret, "deriveBits");
      return new Uint8Array(await subtle.deriveBits(hkdf(label, context), from, 256));
    },
    async seal(key, nonce, plain, aad) {
      const handle = key as unknown as CryptoKey;
      return new Uint8Array(await subtle.encrypt(gcm(nonce, aad), handle, source(plain)));
    },
    open(key, nonce, sealed, aad) {
      if (sealed.length < tagBytes) return Promise.resolve(undefined);
      const handle = key as unknown as CryptoKey;
      // Called for every entry: each `async` on the way is three more promises.
      return subtle.decrypt(gcm(nonce, aad), handle, source(sealed)).then(bytesIn, refusedTag);
    },
  };
}

/** Whether the browser has the curve, and keeps its keys through the clone that storing them is. */
async function isNative(subtle: SubtleCrypto, curve: CurveName): Promise<boolean> {
  try {
    const usages: KeyUsage[] = curve === "Ed25519" ? ["sign", "verify"] : ["deriveBits"];
    const pair = (await subtle.generateKey(curve, false, usages)) as CryptoKeyPair;
    structuredClone(pair.privateKey);
    return true;
  } catch {
    return false;
  }
}

async function restored(
  subtle: SubtleCrypto,
  curve: CurveName,
  stored: StorableKey,
): Promise<CryptoKey> {
  return stored instanceof Uint8Array ? importSecret(subtle, curve, stored) : stored;
}

function importSecret(
  subtle: SubtleCrypto,
  curve: CurveName,
  secret: Uint8Array,
  extractable = false,
): Promise<CryptoKey> {
  const pkcs8 = concatBytes(privateKeyPrefix[curve], secret);
  const usages: KeyUsage[] = curve === "Ed25519" ? ["sign"] : ["deriveBits"];
  return subtle.importKey("pkcs8", pkcs8, curve, extractable, usages);
}

const rawOf = async (subtle: SubtleCrypto, publicKey: CryptoKey) =>
  new Uint8Array(await subtle.exportKey("raw", publicKey));

const signingPair = (publicKey: Uint8Array<ArrayBuffer>, secret: StorableKey): SigningPair => ({
  publicKey,
  secret: secret as unknown as SigningKey,
});

const agreementPair = (publicKey: Uint8Array<ArrayBuffer>, secret: StorableKey): AgreementPair => ({
  publicKey,
  secret: secret as unknown as AgreementKey,
});

function seedOf(key: StorableKey): Uint8Array<ArrayBuffer> {
  if (key instanceof Uint8Array) return key;
  // Only a browser that forgot a curve it had could come here.
  throw new Error(`this browser cannot use its own ${key.algorithm.name} key`);
}

const bytesIn = (buffer: ArrayBuffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);

function refusedTag(error: unknown): undefined {
  if (!(error instanceof DOMException) || error.name !== "OperationError") throw error;
}

/** The value, or undefined when the platform refused with a `DOMException` of this name. */
async function unless<T>(refusal: string, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === refusal) return undefined;
    throw error;
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("WebCrypto answered in part only");
  return value;
}

/** Nothing here lives in shared memory, which is all that the type of the platform excludes. */
const source = (bytes: Uint8Array) => bytes as Uint8Array<ArrayBuffer>;
