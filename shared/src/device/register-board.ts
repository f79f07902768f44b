/**
 * What everybody's registers say: delivery clocks, read marks, profiles and notices of snapshots by
 * replica, opened once as they come in. Values only grow (vectors merge, newer profiles replace), so what receipts read
 * here never goes back, whatever a restored device or relay publishes.
 */
import { isMalformed } from "../bytes/malformed.ts";
import { mergeVectors, type VersionVector } from "../clock/version-vector.ts";
import type { Keyring } from "../crypto/keyring.ts";
import { openRegister } from "../crypto/sealed-register.ts";
import type { DocumentId, RegisterName, ReplicaId } from "../id/id.ts";
import type { StoredRegister } from "../log/store.ts";
import type { Profile } from "../space/member.ts";
import { decodeProfile, decodeVectorRegister } from "./register-values.ts";
import { decodeNotice, type SnapshotNotice } from "./snapshot/notice.ts";

/** What a register is about; its name on the wire tells only those who hold the space's keys. */
export type RegisterTopic =
  | { readonly kind: "clock" }
  | { readonly kind: "read"; readonly document: DocumentId }
  | { readonly kind: "profile" }
  | { readonly kind: "snapshot" };

export const topicName = (topic: RegisterTopic): string =>
  topic.kind === "read" ? `read/${topic.document}` : topic.kind;

const none: VersionVector = new Map();

export class RegisterBoard {
  readonly #keyring: Keyring;
  readonly #topics = new Map<RegisterName, RegisterTopic>();
  readonly #clocks = new Map<ReplicaId, VersionVector>();
  readonly #marks = new Map<DocumentId, Map<ReplicaId, VersionVector>>();
  readonly #profiles = new Map<ReplicaId, Profile>();
  readonly #notices = new Map<ReplicaId, { number: number; notice: SnapshotNotice }>();
  /** Read marks of documents we have not heard of yet, by their opaque name. */
  readonly #unnamed = new Map<RegisterName, Map<ReplicaId, StoredRegister>>();

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  /** Names are opaque: a document's marks can be read once the document is known. */
  async know(topics: readonly RegisterTopic[]): Promise<void> {
    for (const topic of topics) {
      const name = await this.#keyring.registerName(topicName(topic));
      if (this.#topics.has(name)) continue;
      this.#topics.set(name, topic);
      const waiting = this.#unnamed.get(name);
      this.#unnamed.delete(name);
      for (const register of waiting?.values() ?? []) await this.take(register);
    }
  }

  /** Takes in a verified register. False if it says nothing new, or nothing we can read (yet). */
  async take(register: StoredRegister): Promise<boolean> {
    const topic = this.#topics.get(register.name);
    if (topic === undefined) {
      const waiting = this.#unnamed.get(register.name) ?? new Map<ReplicaId, StoredRegister>();
      waiting.set(register.replica, register);
      this.#unnamed.set(register.name, waiting);
      return false;
    }
    const plain = await openRegister(this.#keyring, register.bytes);
    if (!(plain instanceof Uint8Array)) return false;
    return this.#read(register, topic, plain);
  }

  clock(replica: ReplicaId): VersionVector {
    return this.#clocks.get(replica) ?? none;
  }

  readMark(document: DocumentId, replica: ReplicaId): VersionVector {
    return this.#marks.get(document)?.get(replica) ?? none;
  }

  /** Replicas that have published a mark for the document. */
  readers(document: DocumentId): ReadonlyMap<ReplicaId, VersionVector> {
    return this.#marks.get(document) ?? new Map();
  }

  profile(replica: ReplicaId): Profile | undefined {
    return this.#profiles.get(replica);
  }

  /** What each replica says of snapshots. */
  get notices(): ReadonlyMap<ReplicaId, SnapshotNotice> {
    return new Map([...this.#notices].map(([replica, { notice }]) => [replica, notice]));
  }

  /** Whether this, or something newer, of what that replica says of snapshots has come. */
  hasNotice(replica: ReplicaId, number: number): boolean {
    return (this.#notices.get(replica)?.number ?? Number.NEGATIVE_INFINITY) >= number;
  }

  #read(register: StoredRegister, topic: RegisterTopic, plain: Uint8Array): boolean {
    const { replica, number } = register;
    if (topic.kind === "profile") {
      const name = decodeProfile(plain);
      if (isMalformed(name)) return false;
      const before = this.#profiles.get(replica);
      if (before !== undefined && before.number >= number) return false;
      this.#profiles.set(replica, { number, name });
      return before?.name !== name;
    }
    if (topic.kind === "snapshot") {
      const notice = decodeNotice(plain);
      const before = this.#notices.get(replica);
      if (isMalformed(notice) || (before !== undefined && before.number >= number)) return false;
      this.#notices.set(replica, { number, notice });
      return true;
    }
    const vector = decodeVectorRegister(plain);
    if (isMalformed(vector)) return false;
    let vectors = this.#clocks;
    if (topic.kind === "read") {
      vectors = this.#marks.get(topic.document) ?? new Map<ReplicaId, VersionVector>();
      this.#marks.set(topic.document, vectors);
    }
    const before = vectors.get(replica) ?? none;
    const after = mergeVectors(before, vector);
    vectors.set(replica, after);
    return after !== before;
  }
}
