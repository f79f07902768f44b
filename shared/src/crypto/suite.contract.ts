/**
 * What `suite.ts` and `log/suite.ts` promise, as tests that every implementation passes. Any suite,
 * the simulator's toy included, keeps `suiteContract`; whoever calls itself suite 1 must also give
 * exactly the bytes below and draw the line between good and bad signatures at exactly the same
 * place, since a signature that one device takes and another refuses would split a space.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHex } from "../bytes/bytes.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import type { AgreementPair, Suite } from "./suite.ts";

const ascending = (length: number, from = 0) =>
  Uint8Array.from({ length }, (_, index) => (from + index) & 0xff);
const text = (words: string) => new TextEncoder().encode(words);
const flipped = (bytes: Uint8Array, at: number) =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
const seedOf = (number: number) => ascending(32, number);
const nonceOf = (number: number) => concatBytes(new Uint8Array(11), Uint8Array.of(number));

const context = ascending(32, 64);
const aad = ascending(106);

/** Rules of every suite. */
export function suiteContract(name: string, open: () => Promise<Suite>): void {
  describe(`${name} keeps the rules of every suite:`, () => {
    let suite: Suite;
    beforeAll(async () => {
      suite = await open();
    });

    test("a hash is 32 bytes of the label and the joined parts", () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (bytes, number) => {
          const at = number % bytes.length;
          const whole = suite.hash("skein/test/1", bytes);
          const inParts = suite.hash("skein/test/1", bytes.subarray(0, at), bytes.subarray(at));
          expect(whole.length).toBe(32);
          expect(inParts).toEqual(whole);
          expect(suite.hash("skein/test/2", bytes)).not.toEqual(whole);
          expect(suite.hash("skein/test/1", bytes, Uint8Array.of(0))).not.toEqual(whole);
          expect(suite.hash("skein/test/1", flipped(bytes, at))).not.toEqual(whole);
        }),
      );
      expect(suite.hash("skein/test/1", new Uint8Array(0)).length).toBe(32);
    });

    test("a hash is the caller's own and does not change later", () => {
      const first = suite.hash("skein/test/1", ascending(10));
      const copy = first.slice();
      suite.hash("skein/test/1", ascending(20));
      expect(first).toEqual(copy);
    });

    test("a signature holds for its key, label and message alone", async () => {
      const { publicKey, secret } = await suite.newSigningPair();
      const other = await suite.newSigningPair();
      const message = ascending(72);
      const signature = await suite.sign(secret, "skein/test/1", message);
      expect(publicKey.length).toBe(32);
      expect(signature.length).toBe(64);
      expect(await suite.verify(publicKey, "skein/test/1", message, signature)).toBe(true);
      expect(await suite.verify(other.publicKey, "skein/test/1", message, signature)).toBe(false);
      expect(await suite.verify(publicKey, "skein/test/2", message, signature)).toBe(false);
      for (let at = 0; at < message.length; at++) {
        const changed = flipped(message, at);
        expect(await suite.verify(publicKey, "skein/test/1", changed, signature)).toBe(false);
      }
      for (let at = 0; at < signature.length; at++) {
        const changed = flipped(signature, at);
        expect(await suite.verify(publicKey, "skein/test/1", message, changed)).toBe(false);
      }
      for (let at = 0; at < publicKey.length; at++) {
        const changed = flipped(publicKey, at);
        expect(await suite.verify(changed, "skein/test/1", message, signature)).toBe(false);
      }
    });

    test("keys and signatures of another length are refused, not thrown over", async () => {
      const { publicKey, secret } = await suite.newSigningPair();
      const signature = await suite.sign(secret, "skein/test/1", aad);
      const longer = (bytes: Uint8Array) => concatBytes(bytes, Uint8Array.of(0));
      const verify = (key: Uint8Array, signed: Uint8Array) =>
        suite.verify(key, "skein/test/1", aad, signed);
      expect(await verify(publicKey.subarray(1), signature)).toBe(false);
      expect(await verify(longer(publicKey), signature)).toBe(false);
      expect(await verify(new Uint8Array(0), signature)).toBe(false);
      expect(await verify(publicKey, signature.subarray(1))).toBe(false);
      expect(await verify(publicKey, longer(signature))).toBe(false);
      expect(await verify(publicKey, new Uint8Array(0))).toBe(false);
    });

    test("a seed gives the same pair again, another seed another one", async () => {
      const seed = seedOf(1);
      const first = await suite.signingPairFromSeed(seed);
      seed.fill(0);
      const second = await suite.signingPairFromSeed(seedOf(1));
      const third = await suite.signingPairFromSeed(seedOf(2));
      expect(second.publicKey).toEqual(first.publicKey);
      expect(third.publicKey).not.toEqual(first.publicKey);
      const signature = await suite.sign(first.secret, "skein/test/1", aad);
      expect(await suite.verify(second.publicKey, "skein/test/1", aad, signature)).toBe(true);
    });

    test("fresh pairs differ", async () => {
      const signing = [await suite.newSigningPair(), await suite.newSigningPair()];
      expect(toHex(signing[0]!.publicKey)).not.toBe(toHex(signing[1]!.publicKey));
      const agreement = [await suite.newAgreementPair(), await suite.newAgreementPair()];
      expect(toHex(agreement[0]!.publicKey)).not.toBe(toHex(agreement[1]!.publicKey));
    });

    test("both sides of an agreement come to one secret, which others do not", async () => {
      const ana = await suite.newAgreementPair();
      const ben = await suite.newAgreementPair();
      const eve = await suite.newAgreementPair();
      const shared = await suite.agree(ana.secret, ben.publicKey);
      expect(shared?.length).toBe(32);
      expect(await suite.agree(ben.secret, ana.publicKey)).toEqual(shared);
      expect(await suite.agree(eve.secret, ana.publicKey)).not.toEqual(shared);
    });

    test("an agreement key of another length is refused, not thrown over", async () => {
      const { secret, publicKey } = await suite.newAgreementPair();
      expect(await suite.agree(secret, publicKey.subarray(1))).toBeUndefined();
      expect(await suite.agree(secret, concatBytes(publicKey, Uint8Array.of(0)))).toBeUndefined();
      expect(await suite.agree(secret, new Uint8Array(0))).toBeUndefined();
    });

    test("a derivation depends on secret, label and context", async () => {
      const one = await suite.deriveBytes(seedOf(1), "skein/test/1", context);
      expect(one.length).toBe(32);
      expect(await suite.deriveBytes(seedOf(1), "skein/test/1", context)).toEqual(one);
      expect(await suite.deriveBytes(seedOf(2), "skein/test/1", context)).not.toEqual(one);
      expect(await suite.deriveBytes(seedOf(1), "skein/test/2", context)).not.toEqual(one);
      const otherContext = flipped(context, 0);
      expect(await suite.deriveBytes(seedOf(1), "skein/test/1", otherContext)).not.toEqual(one);
    });

    test("what was sealed opens under an equal key", async () => {
      for (const length of [0, 1, 15, 16, 17, 200, 65_520]) {
        // A key of its own for each: nonces never repeat under one.
        const secret = seedOf(length);
        const key = await suite.deriveKey(secret, "skein/test/1", context);
        const plain = ascending(length, 7);
        const sealed = await suite.seal(key, nonceOf(1), plain, aad);
        expect(sealed.length).toBe(length + 16);
        const again = await suite.deriveKey(secret, "skein/test/1", context);
        expect(await suite.open(again, nonceOf(1), sealed, aad)).toEqual(plain);
      }
    });

    test("a wrong byte of ciphertext, tag, nonce or additional data opens to nothing", async () => {
      const key = await suite.deriveKey(seedOf(3), "skein/test/1", context);
      const sealed = await suite.seal(key, nonceOf(1), text("seen by members alone"), aad);
      for (let at = 0; at < sealed.length; at++) {
        expect(await suite.open(key, nonceOf(1), flipped(sealed, at), aad)).toBeUndefined();
      }
      for (let at = 0; at < aad.length; at++) {
        expect(await suite.open(key, nonceOf(1), sealed, flipped(aad, at))).toBeUndefined();
      }
      for (let at = 0; at < 12; at++) {
        expect(await suite.open(key, flipped(nonceOf(1), at), sealed, aad)).toBeUndefined();
      }
      for (const length of [0, 15, 16, sealed.length - 1]) {
        expect(await suite.open(key, nonceOf(1), sealed.subarray(0, length), aad)).toBeUndefined();
      }
      const other = await suite.deriveKey(seedOf(4), "skein/test/1", context);
      expect(await suite.open(other, nonceOf(1), sealed, aad)).toBeUndefined();
    });

    test("nonce and additional data may be written over while the body is being opened", async () => {
      const key = await suite.deriveKey(seedOf(5), "skein/test/1", context);
      const plains = [text("first"), text("second")];
      const nonce = nonceOf(0);
      const changing = aad.slice();
      const sealed = [];
      for (const [index, plain] of plains.entries()) {
        changing[0] = index;
        sealed.push(await suite.seal(key, nonceOf(index), plain, changing));
      }
      const opening = sealed.map((each, index) => {
        nonce.set(nonceOf(index));
        changing[0] = index;
        return suite.open(key, nonce, each, changing);
      });
      nonce.fill(0xff);
      changing.fill(0xff);
      expect(await Promise.all(opening)).toEqual(plains);
    });

    test("views into a larger buffer are taken for what they show", async () => {
      const buffer = ascending(300);
      const part = (from: number, length: number) => buffer.subarray(from, from + length);
      const key = await suite.deriveKey(part(3, 32), "skein/test/1", part(5, 32));
      const sealed = await suite.seal(key, part(1, 12), part(40, 100), part(141, 107));
      const own = await suite.deriveKey(part(3, 32).slice(), "skein/test/1", part(5, 32).slice());
      const around = concatBytes(Uint8Array.of(9), sealed, Uint8Array.of(9)).subarray(1, -1);
      const opened = await suite.open(own, part(1, 12).slice(), around, part(141, 107).slice());
      expect(opened).toEqual(part(40, 100));
    });
  });
}

/** Where suite 1 draws the line between signatures: for verifiers that know no secrets too. */
export function verifyingSuite1Contract(name: string, open: () => Promise<VerifyingSuite>): void {
  describe(`${name} verifies as suite 1:`, () => {
    let suite: VerifyingSuite;
    beforeAll(async () => {
      suite = await open();
    });

    test("it is called 1", () => {
      expect(suite.id).toBe(1);
    });

    test("H is SHA-256 over label, zero and parts", () => {
      // By OpenSSL.
      expect(toHex(suite.hash("skein/entry/1", ascending(138)))).toBe(
        "6336cc1ce1b37fff3e999d482e6066c642e24a6937dba8f02b3f70c74c67a98f",
      );
      expect(toHex(suite.hash("skein/body/1", new Uint8Array(65_536).fill(7)))).toBe(
        "db34372beab95daa754ebf7171ae4518e56541e1a40dac11017a6d7cb4e9b9b2",
      );
    });

    test("the signature of RFC 8032, section 7.1, TEST 1024, holds", async () => {
      const { publicKey, signature, label, message } = rfc8032;
      expect(await suite.verify(publicKey, label, message, signature)).toBe(true);
      expect(await suite.verify(publicKey, label, flipped(message, 0), signature)).toBe(false);
    });

    test.each(oddSignatures)("$name", async ({ publicKey, r, s, count, holds }) => {
      const message = Uint8Array.of(count, 0, 0, 0);
      const signature = fromHex(r + s);
      expect(await suite.verify(fromHex(publicKey), "skein/odd", message, signature)).toBe(holds);
    });

    test("no key of small order verifies anything, in whatever encoding", async () => {
      // S = r and R = rB fit A of order 1 always, and of order 2, 4 and 8 for some messages.
      for (const key of smallOrderKeys) {
        for (let count = 0; count < 16; count++) {
          const message = Uint8Array.of(count, 0, 0, 0);
          const signature = fromHex(plainR + smallOrderS);
          expect(await suite.verify(fromHex(key), "skein/odd", message, signature)).toBe(false);
        }
      }
    });

    test("a key seen before gives the same answers", async () => {
      const { publicKey, signature, label, message } = rfc8032;
      for (let round = 0; round < 3; round++) {
        expect(await suite.verify(publicKey, label, message, signature)).toBe(true);
        expect(await suite.verify(publicKey, label, flipped(message, 9), signature)).toBe(false);
      }
    });
  });
}

export interface Suite1UnderTest {
  readonly suite: Suite;
  /** The pair of a given X25519 secret; the port has fresh ones only. */
  readonly agreementPairFrom: (secret: Uint8Array<ArrayBuffer>) => Promise<AgreementPair>;
}

/** Suite 1 with its secrets: the exact bytes. */
export function suite1Contract(name: string, open: () => Promise<Suite1UnderTest>): void {
  verifyingSuite1Contract(name, async () => (await open()).suite);

  describe(`${name} is suite 1:`, () => {
    let suite: Suite;
    let agreementPairFrom: Suite1UnderTest["agreementPairFrom"];
    beforeAll(async () => {
      ({ suite, agreementPairFrom } = await open());
    });

    test("it signs as RFC 8032, section 7.1, TEST 1024", async () => {
      const { publicKey, secret } = await suite.signingPairFromSeed(rfc8032.seed);
      expect(publicKey).toEqual(rfc8032.publicKey);
      expect(await suite.sign(secret, rfc8032.label, rfc8032.message)).toEqual(rfc8032.signature);
    });

    test("it agrees as RFC 7748, section 6.1", async () => {
      const ana = await agreementPairFrom(fromHex(rfc7748.anaSecret));
      const ben = await agreementPairFrom(fromHex(rfc7748.benSecret));
      expect(toHex(ana.publicKey)).toBe(rfc7748.anaPublic);
      expect(toHex(ben.publicKey)).toBe(rfc7748.benPublic);
      for (const shared of [
        await suite.agree(ana.secret, ben.publicKey),
        await suite.agree(ben.secret, ana.publicKey),
      ]) {
        expect(shared === undefined ? "refused" : toHex(shared)).toBe(rfc7748.shared);
      }
    });

    test.each(smallOrderAgreementKeys)("it agrees on nothing with the key %s", async (key) => {
      const { secret } = await agreementPairFrom(fromHex(rfc7748.anaSecret));
      expect(await suite.agree(secret, fromHex(key))).toBeUndefined();
    });

    test("it ignores the highest bit of an agreement key, as RFC 7748 demands", async () => {
      const { secret } = await agreementPairFrom(fromHex(rfc7748.anaSecret));
      const key = fromHex(rfc7748.benPublic);
      const marked = key.map((byte, index) => (index === 31 ? byte | 0x80 : byte));
      const shared = await suite.agree(secret, marked);
      expect(shared === undefined ? "refused" : toHex(shared)).toBe(rfc7748.shared);
    });

    test("it derives by HKDF-SHA-256 and seals by AES-256-GCM", async () => {
      // By OpenSSL: no salt, info = label ‖ 0 ‖ context, then that key.
      expect(toHex(await suite.deriveBytes(ascending(32), "skein/log/1", context))).toBe(
        "154256373d2d191c67484e5876fdd2e03f8153c40522034d7df924a5d51de498",
      );
      const key = await suite.deriveKey(ascending(32), "skein/log/1", context);
      const words = text("seen by members alone");
      const sealed = "7805a2a555194341977ca747c438cdb914407f8205bb70e4fb930b210ee13cd117df703475";
      expect(toHex(await suite.seal(key, nonceOf(7), words, aad))).toBe(sealed);
      expect(await suite.open(key, nonceOf(7), fromHex(sealed), aad)).toEqual(words);
      const empty = "cd6cf9a3509770b0493495fc5073edd9";
      expect(await suite.open(key, nonceOf(7), fromHex(empty), aad)).toEqual(new Uint8Array(0));
    });
  });
}

const rfc8032Message = fromHex(
  [
    "08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f54e9f77b1",
    "e355f6c50544e23fb1433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37c93a1b270b20329d",
    "658675fc6ea534e0810a4432826bf58c941efb65d57a338bbd2e26640f89ffbc1a858efcb8550ee3a5e1998bd177e93a",
    "7363c344fe6b199ee5d02e82d522c4feba15452f80288a821a579116ec6dad2b3b310da903401aa62100ab5d1a36553e",
    "06203b33890cc9b832f79ef80560ccb9a39ce767967ed628c6ad573cb116dbefefd75499da96bd68a8a97b928a8bbc10",
    "3b6621fcde2beca1231d206be6cd9ec7aff6f6c94fcd7204ed3455c68c83f4a41da4af2b74ef5c53f1d8ac70bdcb7ed1",
    "85ce81bd84359d44254d95629e9855a94a7c1958d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297acbbb39d",
    "502f1a8c6eb6f1ce22b3de1a1f40cc24554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f270",
    "88d78b7e883c8759d2c4f5c65adb7553878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089b",
    "eccf80cfe2df16a2cf65bd92dd597b0707e0917af48bbb75fed413d238f5555a7a569d80c3414a8d0859dc65a46128ba",
    "b27af87a71314f318c782b23ebfe808b82b0ce26401d2e22f04d83d1255dc51addd3b75a2b1ae0784504df543af8969b",
    "e3ea7082ff7fc9888c144da2af58429ec96031dbcad3dad9af0dcbaaaf268cb8fcffead94f3c7ca495e056a9b47acdb7",
    "51fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301651339e22904cc8c42f58c30c04aafdb038dda0847dd988d",
    "cda6f3bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f92b0fe2fd1a85f6724517b65e614ad6808d6f6ee34df",
    "f7310fdc82aebfd904b01e1dc54b2927094b2db68d6f903b68401adebf5a7e08d78ff4ef5d63653a65040cf9bfd4aca7",
    "984a74d37145986780fc0b16ac451649de6188a7dbdf191f64b5fc5e2ab47b57f7f7276cd419c17a3ca8e1b939ae49e4",
    "88acba6b965610b5480109c8b17b80e1b7b750dfc7598d5d5011fd2dcc5600a32ef5b52a1ecc820e308aa342721aac09",
    "43bf6686b64b2579376504ccc493d97e6aed3fb0f9cd71a43dd497f01f17c0e2cb3797aa2a2f256656168e6c496afc5f",
    "b93246f6b1116398a346f1a641f3b041e989f7914f90cc2c7fff357876e506b50d334ba77c225bc307ba537152f3f161",
    "0e4eafe595f6d9d90d11faa933a15ef1369546868a7f3a45a96768d40fd9d03412c091c6315cf4fde7cb68606937380d",
    "b2eaaa707b4c4185c32eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5ef68d3a101e8a3b8ca",
    "c60c905c15fc910840b94c00a0b9d0",
  ].join(""),
);

/** What stands before the message's first zero byte is taken as the label. */
const labelEnd = rfc8032Message.indexOf(0);
const rfc8032 = {
  seed: fromHex("f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5"),
  publicKey: fromHex("278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e"),
  label: String.fromCharCode(...rfc8032Message.subarray(0, labelEnd)),
  message: rfc8032Message.subarray(labelEnd + 1),
  signature: fromHex(
    "0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350" +
      "aa5371b1508f9f4528ecea23c436d94b5e8fcd4f681e30a6ac00a9704a188a03",
  ),
};

const rfc7748 = {
  anaSecret: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
  anaPublic: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
  benSecret: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
  benPublic: "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
  shared: "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
};

/** u of the points whose order divides 8, on the curve and its twist, and their other spellings. */
const smallOrderAgreementKeys = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

const keyOfOrderL = "88aa55e6afeed8960a3191de78600347db8acd0a3795412f275f049b86260488";
const keyOfMixedOrder = "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5";
const plainR = "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a";
const mixedR = "5b61c2e3b93e6c06450f327ea72cdfeb8cde6aa020d2dd827ab3f86e708c8393";

/**
 * Signatures over "skein/odd" ‖ 0 ‖ count ‖ 000000 at the edges where libraries differ. A = aB, or
 * A = aB + T with T of order 8, likewise R, and S = r + ka: every one of them fits the equation with
 * cofactor. Built from the curve's equations; OpenSSL 3.5 agrees on each.
 */
const oddSignatures = [
  {
    name: "an ordinary signature holds",
    publicKey: keyOfOrderL,
    r: plainR,
    s: "905966d3caa7d176e51cb05ed088af710e183656536f441e6ac26c103e46430b",
    count: 0,
    holds: true,
  },
  {
    name: "a key of mixed order holds where the equation does without cofactor",
    publicKey: keyOfMixedOrder,
    r: plainR,
    s: "0c36f72d9b4a743a790de1c8aa34441a2bd199c69b7170d07258c6456e294d06",
    count: 9,
    holds: true,
  },
  {
    name: "a key of mixed order fails where only the cofactor would save it",
    publicKey: keyOfMixedOrder,
    r: plainR,
    s: "88d62894c82aa9eb6662598aba90b5a1c4b191cd216513a79934890e4197e708",
    count: 0,
    holds: false,
  },
  {
    name: "key and R of mixed order hold where their torsions cancel",
    publicKey: keyOfMixedOrder,
    r: mixedR,
    s: "051de0f2fa7ef913c3f8f4cb72ee97b61b6fe2599a53fc160b08930cc20a890f",
    count: 5,
    holds: true,
  },
  {
    name: "key and R of mixed order fail where they do not",
    publicKey: keyOfMixedOrder,
    r: mixedR,
    s: "f17fbf290971c45d9f198377186cd8d1288d31529392c1323c4efd2d1e39dd08",
    count: 0,
    holds: false,
  },
  {
    name: "R of mixed order fails",
    publicKey: keyOfOrderL,
    r: mixedR,
    s: "183bf5120ba0538ff4c956baff86d27d14fb2e4ffa6aa01bd59c9991ad95490a",
    count: 0,
    holds: false,
  },
  {
    name: "S that is too large by the group order fails",
    publicKey: keyOfOrderL,
    r: plainR,
    s: "7d2d5c30e50ae4cebbb9a701af828e860e183656536f441e6ac26c103e46431b",
    count: 0,
    holds: false,
  },
  {
    name: "R of order 1 fails though the equation holds",
    publicKey: keyOfMixedOrder,
    r: "0100000000000000000000000000000000000000000000000000000000000000",
    s: "64f3d1d2bbbb1759fbefd2cd646b132ca31bcffee8318e4f61933bb87dedf10d",
    count: 3,
    holds: false,
  },
  {
    name: "R of order 8 fails though the equation holds",
    publicKey: keyOfMixedOrder,
    r: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    s: "47ea3f78abbb11b06c6ed28c3f7ae11213ae1e36f01b4c277fdddf8e70dd760c",
    count: 2,
    holds: false,
  },
  {
    name: "R spelled with y = p + 1 fails",
    publicKey: keyOfOrderL,
    r: "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    s: "b1dfd3504ccf4ff29e333b2d796cdec10116e0c7f936a4e0effe0f0897dbb007",
    count: 0,
    holds: false,
  },
  {
    name: "a key that is no point fails",
    publicKey: "0200000000000000000000000000000000000000000000000000000000000000",
    r: plainR,
    s: "905966d3caa7d176e51cb05ed088af710e183656536f441e6ac26c103e46430b",
    count: 0,
    holds: false,
  },
];

/** All encodings of the points whose order divides 8: canonical, with y + p, and with a sign of zero. */
const smallOrderKeys = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];
const smallOrderS = "2e77a7db3b2f65a47efd3cf9bbe5f05486e88756c8cc06c7691f6d5679727502";
