/**
 * Suite 1 as far as a relay needs it: hashes, and signatures checked on OpenSSL's threads, so that
 * the event loop goes on meanwhile. A relay holds no secret and imports nothing that opens an entry.
 */
import { createPublicKey, hash as digest, type KeyObject, verify } from "node:crypto";
import { concatBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { RecentMap } from "@skein/shared/bytes/recent-map.ts";
import { passesStrictRules } from "@skein/shared/log/strict-signature.ts";
import { labelled, type VerifyingSuite } from "@skein/shared/log/suite.ts";

/** Imported keys kept at a time: a kilobyte each, sixty microseconds to make anew. */
const keysMax = 8_192;

/** SubjectPublicKeyInfo of an Ed25519 key (RFC 8410) up to its 32 bytes. */
const publicKeyPrefix = fromHex("302a300506032b6570032100");

export function relaySuite(): VerifyingSuite {
  const keys = new RecentMap<string, KeyObject>(keysMax);

  function imported(publicKey: Uint8Array): KeyObject {
    const name = toHex(publicKey);
    const known = keys.get(name);
    if (known !== undefined) return known;
    const key = createPublicKey({
      key: Buffer.from(concatBytes(publicKeyPrefix, publicKey)),
      format: "der",
      type: "spki",
    });
    keys.set(name, key);
    return key;
  }

  return {
    id: 1,

    hash: (label, ...parts) =>
      new Uint8Array(digest("sha256", labelled(label, ...parts), "buffer")),

    verify(publicKey, label, message, signature) {
      if (!passesStrictRules(publicKey, signature)) return Promise.resolve(false);
      // A key that is no point on the curve imports well and verifies nothing.
      const key = imported(publicKey);
      return new Promise((resolve, reject) => {
        verify(null, labelled(label, message), key, signature, (error, holds) => {
          if (error === null) resolve(holds);
          else reject(error);
        });
      });
    },
  };
}
