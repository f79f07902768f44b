/**
 * This device's own registers on their way out: the delivery clock, a read mark per document, the
 * profile, what it says of snapshots. Values are merged until they are due, so that a burst of
 * messages costs one register; numbers go on above whatever anybody holds of ours, so that a
 * restored device is heard again.
 *
 * Invariants:
 *  1. A number is used once per register.
 *  2. A published vector contains every vector published before it, ours read back included.
 */
import { equalBytes } from "../bytes/bytes.ts";
import { isMalformed, type Malformed } from "../bytes/malformed.ts";
import { dominates, mergeVectors, type VersionVector } from "../clock/version-vector.ts";
import type { EntrySealer } from "../crypto/seal.ts";
import { openRegister, sealRegister } from "../crypto/sealed-register.ts";
import type { Env } from "../env.ts";
import type { StoredRegister } from "../log/store.ts";
import { type RegisterTopic, topicName } from "./register-board.ts";
import {
  decodeProfile,
  decodeVectorRegister,
  encodeProfile,
  encodeVectorRegister,
} from "./register-values.ts";
import { decodeNotice, encodeNotice, noNotice, type SnapshotNotice } from "./snapshot/notice.ts";

/** Of each register at most one version in so many ms. */
const everyMs = 1_000;

/** A vector is merged, anything else replaced. */
type Value = VersionVector | string | SnapshotNotice;

const isVector = (value: Value): value is VersionVector => value instanceof Map;

interface Desk {
  readonly topic: RegisterTopic;
  value: Value;
  number: number;
  dirty: boolean;
  publishedAtMs: number;
}

export class RegisterDesk {
  readonly #env: Env;
  readonly #sealer: EntrySealer;
  readonly #desks = new Map<string, Desk>();
  #sealing = false;

  constructor(env: Env, sealer: EntrySealer) {
    this.#env = env;
    this.#sealer = sealer;
  }

  /** A register of ours, as the store or another party holds it: merged and numbered above. */
  async readBack(topic: RegisterTopic, register: StoredRegister): Promise<void> {
    const plain = await openRegister(this.#sealer.keyring, register.bytes);
    const desk = this.#desk(topic);
    const newer = register.number > desk.number;
    desk.number = Math.max(desk.number, register.number);
    if (!(plain instanceof Uint8Array)) return;
    const value = decodeValue(topic, plain);
    if (isMalformed(value)) return;
    if (!isVector(value) || !isVector(desk.value)) {
      if (newer && !desk.dirty) desk.value = value;
      // Our number was used for another value, at a time this device forgot: ours goes above it.
      else desk.dirty ||= register.number === desk.number && !isSame(value, desk.value);
      return;
    }
    const vector = value;
    // What was read back says more or less than ours; the union is due if it is more than that.
    const merged = mergeVectors(desk.value, vector);
    desk.dirty ||= !dominates(vector, merged);
    desk.value = merged;
  }

  /** The same for one that is known by its opaque name. */
  async takeBack(register: StoredRegister): Promise<void> {
    for (const { topic } of [...this.#desks.values()]) {
      const name = await this.#sealer.keyring.registerName(topicName(topic));
      if (name === register.name) return this.readBack(topic, register);
    }
  }

  clockMoved(vector: VersionVector): void {
    this.#merge({ kind: "clock" }, vector);
  }

  markRead(topic: Extract<RegisterTopic, { kind: "read" }>, vector: VersionVector): void {
    this.#merge(topic, vector);
  }

  setProfile(name: string): void {
    const desk = this.#desk({ kind: "profile" });
    if (desk.value === name) return;
    desk.value = name;
    desk.dirty = true;
  }

  setNotice(notice: SnapshotNotice): void {
    const desk = this.#desk({ kind: "snapshot" });
    if (isSame(desk.value, notice)) return;
    desk.value = notice;
    desk.dirty = true;
  }

  /** What this device says of snapshots; as it was read back, if nothing newer is said. */
  get notice(): SnapshotNotice {
    const { value } = this.#desk({ kind: "snapshot" });
    return typeof value === "string" || isVector(value) ? noNotice : value;
  }

  wakeAtMs(): number {
    let wake = Number.POSITIVE_INFINITY;
    for (const { dirty, publishedAtMs } of this.#desks.values()) {
      if (dirty) wake = Math.min(wake, publishedAtMs + everyMs);
    }
    return wake;
  }

  /** Seals what is due. One call at a time does something; the others get nothing. */
  async takeDue(): Promise<readonly StoredRegister[]> {
    const now = this.#env.clock.now();
    if (this.#sealing) return [];
    const due = [...this.#desks.values()].filter(
      ({ dirty, publishedAtMs }) => dirty && now >= publishedAtMs + everyMs,
    );
    if (due.length === 0) return [];
    this.#sealing = true;
    try {
      return await Promise.all(due.map((desk) => this.#seal(desk, now)));
    } finally {
      this.#sealing = false;
    }
  }

  async #seal(desk: Desk, now: number): Promise<StoredRegister> {
    desk.dirty = false;
    desk.publishedAtMs = now;
    desk.number++;
    const plain = encodeValue(desk.value);
    const name = await this.#sealer.keyring.registerName(topicName(desk.topic));
    const nonce = this.#env.random.bytes(12);
    return sealRegister(this.#sealer, { name, number: desk.number, nonce, plain });
  }

  #merge(topic: RegisterTopic, vector: VersionVector): void {
    const desk = this.#desk(topic);
    if (!isVector(desk.value)) throw new Error(`a vector for the register ${topic.kind}`);
    const merged = mergeVectors(desk.value, vector);
    if (merged === desk.value) return;
    desk.value = merged;
    desk.dirty = true;
  }

  #desk(topic: RegisterTopic): Desk {
    const key = topicName(topic);
    let desk = this.#desks.get(key);
    if (desk === undefined) {
      desk = {
        topic,
        value: firstValue(topic),
        number: 0,
        dirty: false,
        publishedAtMs: Number.NEGATIVE_INFINITY,
      };
      this.#desks.set(key, desk);
    }
    return desk;
  }
}

function firstValue({ kind }: RegisterTopic): Value {
  switch (kind) {
    case "profile":
      return "";
    case "snapshot":
      return noNotice;
    case "clock":
    case "read":
      return new Map();
  }
}

function encodeValue(value: Value): Uint8Array<ArrayBuffer> {
  if (typeof value === "string") return encodeProfile(value);
  return isVector(value) ? encodeVectorRegister(value) : encodeNotice(value);
}

function decodeValue({ kind }: RegisterTopic, plain: Uint8Array): Value | Malformed {
  switch (kind) {
    case "profile":
      return decodeProfile(plain);
    case "snapshot":
      return decodeNotice(plain);
    case "clock":
    case "read":
      return decodeVectorRegister(plain);
  }
}

const isSame = (a: Value, b: Value): boolean => equalBytes(encodeValue(a), encodeValue(b));
