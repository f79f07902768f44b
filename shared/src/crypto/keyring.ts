/**
 * The keys of one space: the content key of every epoch this device was given, and the keys derived
 * from them for logs, registers and whispers. Deriving costs two trips into the cipher, opening an
 * entry one, so what was derived is kept a while; the caches are bounded because others choose the
 * nonces that fill them.
 */
import { concatBytes, toHex } from "../bytes/bytes.ts";
import { RecentMap } from "../bytes/recent-map.ts";
import {
  bytesOfId,
  epochId,
  type EpochId,
  idBytes,
  registerName,
  type RegisterName,
  type ReplicaId,
  type SpaceTag,
} from "../id/id.ts";
import { sessionNonceBytes } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import type { SealingKey, Suite } from "./suite.ts";

export const contentKeyBytes = 32;

const keyLabels = {
  epoch: "skein/epoch",
  log: "skein/log/1",
  register: "skein/register/1",
  registerName: "skein/register-name/1",
  whisper: "skein/whisper/1",
} as const;

/** A writer session lasts as long as a tab; a catch-up meets them log by log. */
const logKeysMax = 4_096;
/** Two or three registers of every replica. */
const registerKeysMax = 8_192;
const whisperKeysMax = 2_048;
/** `clock`, `profile`, and a read mark for each document that was read. */
const registerNamesMax = 8_192;

/** `H("skein/epoch", K_e)[:8]` of docs/protocol.md section 2. */
export const epochIdOf = (suite: VerifyingSuite, key: Uint8Array): EpochId =>
  epochId(suite.hash(keyLabels.epoch, key).subarray(0, idBytes.epoch));

type Derived = RecentMap<string, Promise<SealingKey>>;

export class Keyring {
  readonly suite: Suite;
  readonly space: SpaceTag;
  readonly #keys = new Map<EpochId, Uint8Array>();
  readonly #firstKey: Uint8Array;
  #current: EpochId;
  readonly #logKeys: Derived = new RecentMap(logKeysMax);
  readonly #registerKeys: Derived = new RecentMap(registerKeysMax);
  readonly #whisperKeys: Derived = new RecentMap(whisperKeysMax);
  readonly #registerNames = new RecentMap<string, Promise<RegisterName>>(registerNamesMax);

  /** @param firstKey `K_0`, the content key of the space's first epoch. It is current until `use`. */
  constructor(suite: Suite, space: SpaceTag, firstKey: Uint8Array) {
    this.suite = suite;
    this.space = space;
    this.#firstKey = firstKey.slice();
    this.#current = this.add(firstKey);
  }

  /** The epoch under which this device seals. */
  get current(): EpochId {
    return this.#current;
  }

  /** Content keys in the order they were given, `K_0` first: what an invite hands on. */
  get keys(): readonly Uint8Array[] {
    return [...this.#keys.values()];
  }

  has(epoch: EpochId): boolean {
    return this.#keys.has(epoch);
  }

  /** Entries of this epoch can be opened from now on. Adding a key again changes nothing. */
  add(key: Uint8Array): EpochId {
    if (key.length !== contentKeyBytes) throw new RangeError(`a key of ${key.length} bytes`);
    const epoch = epochIdOf(this.suite, key);
    if (!this.#keys.has(epoch)) this.#keys.set(epoch, key.slice());
    return epoch;
  }

  /** Seals under this epoch from now on. */
  use(epoch: EpochId): void {
    if (!this.#keys.has(epoch)) throw new Error(`the key of epoch ${epoch} is not known`);
    this.#current = epoch;
  }

  /** The content key of a writer session; undefined while the epoch's key is not known. */
  logKey(
    epoch: EpochId,
    replica: ReplicaId,
    sessionNonce: Uint8Array,
  ): Promise<SealingKey> | undefined {
    if (sessionNonce.length !== sessionNonceBytes) {
      throw new RangeError(`a session nonce of ${sessionNonce.length} bytes`);
    }
    return this.#derived(this.#logKeys, keyLabels.log, epoch, replica, sessionNonce);
  }

  registerKey(
    epoch: EpochId,
    replica: ReplicaId,
    name: RegisterName,
  ): Promise<SealingKey> | undefined {
    return this.#derived(this.#registerKeys, keyLabels.register, epoch, replica, bytesOfId(name));
  }

  whisperKey(
    epoch: EpochId,
    from: ReplicaId,
    sessionNonce: Uint8Array,
  ): Promise<SealingKey> | undefined {
    return this.#derived(this.#whisperKeys, keyLabels.whisper, epoch, from, sessionNonce);
  }

  /** What a relay sees in place of `name`; the same in every epoch. */
  registerName(name: string): Promise<RegisterName> {
    let tag = this.#registerNames.get(name);
    if (tag === undefined) {
      tag = this.#registerName(name);
      this.#registerNames.set(name, tag);
    }
    return tag;
  }

  async #registerName(name: string): Promise<RegisterName> {
    const text = new TextEncoder().encode(name);
    const bytes = await this.suite.deriveBytes(this.#firstKey, keyLabels.registerName, text);
    return registerName(bytes.subarray(0, idBytes.register));
  }

  #derived(
    cache: Derived,
    label: string,
    epoch: EpochId,
    replica: ReplicaId,
    of: Uint8Array,
  ): Promise<SealingKey> | undefined {
    const secret = this.#keys.get(epoch);
    if (secret === undefined) return undefined;
    const name = epoch + replica + toHex(of);
    let key = cache.get(name);
    if (key === undefined) {
      key = this.suite.deriveKey(secret, label, concatBytes(bytesOfId(replica), of));
      cache.set(name, key);
    }
    return key;
  }
}
