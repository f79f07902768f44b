/**
 * The browser's suite against the contract of all suites, where the platform has both curves, none,
 * or one of them. Runs in Node, whose WebCrypto stands on OpenSSL, and in Chromium (BoringSSL).
 */
import { describe, expect, test } from "vitest";
import { bulkContract } from "@skein/shared/crypto/bulk.contract.ts";
import { agreementPublicKey } from "@skein/shared/crypto/noble-curves.ts";
import { suite1Contract, suiteContract } from "@skein/shared/crypto/suite.contract.ts";
import { type StorableKey, webSuite } from "./web-suite.ts";

export function webSuiteContract(platformName: string): void {
  for (const missing of [[], ["Ed25519", "X25519"], ["Ed25519"], ["X25519"]]) {
    const lacking = missing.length === 0 ? "" : ` without ${missing.join(" and ")}`;
    const name = `web suite on ${platformName}${lacking}`;
    const open = () => webSuite(without(missing));

    suiteContract(name, open);
    suite1Contract(name, async () => {
      const suite = await open();
      return {
        suite,
        agreementPairFrom: async (secret) => ({
          publicKey: agreementPublicKey(secret),
          secret: await suite.restoreAgreementKey(secret),
        }),
      };
    });

    describe(`${name} besides:`, () => {
      test("keeps signing keys through a structured clone", async () => {
        const suite = await open();
        const { publicKey, secret } = await suite.newSigningPair();
        const stored = structuredClone(suite.storable(secret));
        const key = await suite.restoreSigningKey(stored);
        const signature = await suite.sign(key, "skein/test/1", publicKey);
        expect(await suite.verify(publicKey, "skein/test/1", publicKey, signature)).toBe(true);
      });

      test("keeps agreement keys through a structured clone", async () => {
        const suite = await open();
        const ana = await suite.newAgreementPair();
        const ben = await suite.newAgreementPair();
        const stored = structuredClone(suite.storable(ana.secret));
        const key = await suite.restoreAgreementKey(stored);
        const shared = await suite.agree(ben.secret, ana.publicKey);
        expect(await suite.agree(key, ben.publicKey)).toEqual(shared);
      });

      test("says whether it keeps secrets to itself, and does", async () => {
        const suite = await open();
        expect(suite.keepsSecrets).toBe(missing.length === 0);
        const signing = suite.storable((await suite.newSigningPair()).secret);
        const seeded = suite.storable((await suite.signingPairFromSeed(seed)).secret);
        const agreement = suite.storable((await suite.newAgreementPair()).secret);
        const showsSigning = missing.includes("Ed25519");
        const showsAgreement = missing.includes("X25519");
        expect([signing, seeded, agreement].map(isExtractable)).toEqual([
          showsSigning,
          showsSigning,
          showsAgreement,
        ]);
      });
    });
  }

  bulkContract(`web suite on ${platformName}`, () => webSuite());

  describe(`web suite on ${platformName}`, () => {
    test("takes over seeds that were stored before the browser learnt the curves", async () => {
      const old = await webSuite(without(["Ed25519", "X25519"]));
      const signing = await old.newSigningPair();
      const agreement = await old.newAgreementPair();
      const suite = await webSuite();
      const key = await suite.restoreSigningKey(old.storable(signing.secret));
      expect(isExtractable(suite.storable(key))).toBe(false);
      const signature = await suite.sign(key, "skein/test/1", seed);
      expect(await old.verify(signing.publicKey, "skein/test/1", seed, signature)).toBe(true);
      const ben = await suite.newAgreementPair();
      const mine = await suite.restoreAgreementKey(old.storable(agreement.secret));
      const shared = await suite.agree(ben.secret, agreement.publicKey);
      expect(await suite.agree(mine, ben.publicKey)).toEqual(shared);
    });
  });
}

const seed = Uint8Array.from({ length: 32 }, (_, index) => index);

const isExtractable = (key: StorableKey) => key instanceof Uint8Array || key.extractable;

/** The platform's own `crypto`, as it was before it had these curves. */
function without(curves: readonly string[]): Crypto {
  const lacks = (algorithm: unknown) => typeof algorithm === "string" && curves.includes(algorithm);
  const refuse = () => {
    throw new DOMException("Unrecognized name.", "NotSupportedError");
  };
  const { subtle } = crypto;
  const older = new Proxy(subtle, {
    get(target, property) {
      const method: unknown = Reflect.get(target, property);
      if (typeof method !== "function") return method;
      return async (...args: unknown[]): Promise<unknown> => {
        if (args.some(lacks)) refuse();
        return (await Reflect.apply(method, target, args)) as unknown;
      };
    },
  });
  return {
    subtle: older,
    getRandomValues: (array) => crypto.getRandomValues(array),
    randomUUID: () => crypto.randomUUID(),
  };
}
