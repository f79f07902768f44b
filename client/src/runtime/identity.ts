/**
 * Who this device is: the person's name, their member key and this device's key with its certificate.
 * Secrets are handles that the browser keeps to itself (web-suite.ts); what lies in the database
 * cannot be read out by the page. Written once, when the person gives a name.
 */
import type { AgreementPair, SigningPair } from "@skein/shared/crypto/suite.ts";
import {
  deviceIdOf,
  type Identity,
  makeDeviceCertificate,
  memberIdOf,
  newIdentity,
  publicKeysOf,
} from "@skein/shared/crypto/identity.ts";
import type { Kv } from "@skein/shared/device/kv.ts";
import { Records } from "@skein/shared/device/records.ts";
import type { DeviceId, MemberId } from "@skein/shared/id/id.ts";
import type { StorableKey, WebSuite } from "./web-suite.ts";

export interface OwnIdentity {
  readonly name: string;
  readonly member: Identity;
  readonly device: Identity;
  readonly deviceCertificate: Uint8Array;
  readonly memberId: MemberId;
  readonly deviceId: DeviceId;
}

export interface StoredPair {
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly secret: StorableKey;
}

interface StoredKeys {
  readonly signing: StoredPair;
  readonly agreement: StoredPair;
}

interface StoredIdentity {
  readonly name: string;
  readonly member: StoredKeys;
  readonly device: StoredKeys;
  readonly deviceCertificate: Uint8Array;
}

const key = "identity";

export class IdentityRecord {
  readonly #suite: WebSuite;
  readonly #records: Records<typeof key, StoredIdentity>;

  constructor(kv: Kv, suite: WebSuite) {
    this.#suite = suite;
    this.#records = new Records(kv, "meta", {
      form: 1,
      upgrade: () => {
        throw new Error("an identity of a form before the first");
      },
    });
  }

  /** Undefined until the person gave a name. */
  async read(): Promise<OwnIdentity | undefined> {
    const stored = await this.#records.get(key);
    return stored && this.#restore(stored);
  }

  /** Makes the identity, or finds the one that another tab made in the same moment. */
  async create(name: string): Promise<OwnIdentity> {
    const suite = this.#suite;
    const [member, device] = await Promise.all([newIdentity(suite), newIdentity(suite)]);
    const made: StoredIdentity = {
      name,
      member: this.#store(member),
      device: this.#store(device),
      deviceCertificate: await makeDeviceCertificate(suite, member, publicKeysOf(device)),
    };
    const kept = await this.#records.update(key, (held) => held ?? made);
    if (kept === undefined) throw new Error("an identity that was just kept");
    return this.#restore(kept);
  }

  async rename(name: string): Promise<OwnIdentity | undefined> {
    const kept = await this.#records.update(key, (held) => held && { ...held, name });
    return kept && this.#restore(kept);
  }

  #store({ signing, agreement }: Identity): StoredKeys {
    return {
      signing: storePair(this.#suite, signing),
      agreement: storePair(this.#suite, agreement),
    };
  }

  async #restore(stored: StoredIdentity): Promise<OwnIdentity> {
    const [member, device] = await Promise.all([
      this.#restoreKeys(stored.member),
      this.#restoreKeys(stored.device),
    ]);
    const { name, deviceCertificate } = stored;
    return {
      name,
      member,
      device,
      deviceCertificate,
      memberId: memberIdOf(this.#suite, publicKeysOf(member)),
      deviceId: deviceIdOf(this.#suite, publicKeysOf(device)),
    };
  }

  async #restoreKeys({ signing, agreement }: StoredKeys): Promise<Identity> {
    const suite = this.#suite;
    return {
      signing: {
        publicKey: signing.publicKey,
        secret: await suite.restoreSigningKey(signing.secret),
      },
      agreement: {
        publicKey: agreement.publicKey,
        secret: await suite.restoreAgreementKey(agreement.secret),
      },
    };
  }
}

export const storePair = (
  suite: WebSuite,
  { publicKey, secret }: SigningPair | AgreementPair,
): StoredPair => ({ publicKey, secret: suite.storable(secret) });
