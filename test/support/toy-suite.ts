/**
 * Suite 0, the simulator's toy: it keeps every rule that honest code relies on (wrong bytes verify
 * and open to nothing, equal input gives equal output) and none that would stop an attacker, at more
 * than a million operations a second. Whoever knows a public key can sign for it.
 *
 * It also watches what real ciphers cannot: sealing two different things under one key and nonce
 * throws, in whichever simulated device it happens, since real AES-GCM would lose its secrets there.
 */
import { toHex } from "@skein/shared/bytes/bytes.ts";
import type { Random } from "@skein/shared/env.ts";
import type {
  AgreementKey,
  AgreementPair,
  SealingKey,
  SigningKey,
  SigningPair,
  Suite,
} from "@skein/shared/crypto/suite.ts";

/** Thrown by `seal`: an invariant of the simulation is broken. */
export class NonceReused extends Error {
  override readonly name = "NonceReused";
}

/** What was sealed under which key and nonce in one simulated world. Shared by all its suites. */
export class NonceLedger {
  readonly #nonces = new Map<string, Map<NonceName, number>>();

  /** The record of one key, the same for everybody who derived it. */
  of(key: Uint8Array): Map<NonceName, number> {
    const name = asText(key);
    let nonces = this.#nonces.get(name);
    if (nonces === undefined) {
      nonces = new Map();
      this.#nonces.set(name, nonces);
    }
    return nonces;
  }
}

/** A nonce as a map key: a number where it counts, as those of entries and whispers do. */
type NonceName = number | string;

interface ToyKey {
  readonly bytes: Uint8Array;
  /** Where the keystream starts, before the nonce. */
  readonly cover: number;
  readonly nonces: Map<NonceName, number>;
}

const keyBytes = 32;
const tagBytes = 16;
const signatureBytes = 64;

export function toySuite(random: Random, ledger = new NonceLedger()): Suite {
  const pair = (seed: Uint8Array): SigningPair => {
    const publicKey = toyHash("toy/signing", seed);
    return { publicKey, secret: publicKey as unknown as SigningKey };
  };

  return {
    id: 0,
    hash: toyHash,

    verify(publicKey, label, message, signature) {
      if (publicKey.length !== keyBytes || signature.length !== signatureBytes) return no;
      absorb(seedOf(label), [publicKey, message]);
      return squeezesTo(signature, 0) ? yes : no;
    },
    sign(key, label, message) {
      absorb(seedOf(label), [key as unknown as Uint8Array, message]);
      return Promise.resolve(squeeze(signatureBytes));
    },

    newSigningPair: () => Promise.resolve(pair(random.bytes(keyBytes))),
    signingPairFromSeed: (seed) => Promise.resolve(pair(seed)),
    newAgreementPair(): Promise<AgreementPair> {
      const publicKey = toyHash("toy/agreement", random.bytes(keyBytes));
      return Promise.resolve({ publicKey, secret: publicKey as unknown as AgreementKey });
    },
    agree(key, publicKey) {
      const mine = key as unknown as Uint8Array;
      if (publicKey.length !== keyBytes) return nothing;
      const ordered = asText(mine) < asText(publicKey) ? [mine, publicKey] : [publicKey, mine];
      return Promise.resolve(toyHash("toy/agreed", ...ordered));
    },

    deriveKey(secret, label, context) {
      const bytes = derive(secret, label, context);
      absorb(prime2, [bytes]);
      const key: ToyKey = { bytes, cover: lane0, nonces: ledger.of(bytes) };
      return Promise.resolve(key as unknown as SealingKey);
    },
    deriveBytes: (secret, label, context) => Promise.resolve(derive(secret, label, context)),

    seal(handle, nonce, plain, aad) {
      const key = handle as unknown as ToyKey;
      const sealed = new Uint8Array(plain.length + tagBytes);
      absorbSealed(key.bytes, nonce, plain, aad);
      assertFresh(key.nonces, nonce, fingerprint());
      squeezeInto(sealed, plain.length);
      cover(key, nonce, plain, plain.length, sealed);
      return Promise.resolve(sealed);
    },
    open(handle, nonce, sealed, aad) {
      const key = handle as unknown as ToyKey;
      const length = sealed.length - tagBytes;
      if (length < 0) return nothing;
      const plain = new Uint8Array(length);
      cover(key, nonce, sealed, length, plain);
      absorbSealed(key.bytes, nonce, plain, aad);
      return squeezesTo(sealed, length) ? Promise.resolve(plain) : nothing;
    },
  };
}

const yes = Promise.resolve(true);
const no = Promise.resolve(false);
const nothing = Promise.resolve(undefined);

function toyHash(label: string, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  absorb(seedOf(label), parts);
  return squeeze(32);
}

function derive(secret: Uint8Array, label: string, context: Uint8Array): Uint8Array<ArrayBuffer> {
  absorb(seedOf(label) ^ secret.length, [secret, context]);
  return squeeze(keyBytes);
}

/** The tag depends on everything, and on where one part ends and the next begins. */
function absorbSealed(
  key: Uint8Array,
  nonce: Uint8Array,
  plain: Uint8Array,
  aad: Uint8Array,
): void {
  absorb(Math.imul(plain.length + 1, prime3), [key, nonce, plain, aad]);
}

/** The same thing again is a retry; another one is a catastrophe. */
function assertFresh(nonces: Map<NonceName, number>, nonce: Uint8Array, sealed: number): void {
  const name = nameOf(nonce);
  const before = nonces.get(name);
  if (before === undefined) nonces.set(name, sealed);
  else if (before !== sealed) {
    throw new NonceReused(`two different things were sealed under nonce ${toHex(nonce)}`);
  }
}

function nameOf(nonce: Uint8Array): NonceName {
  let value = 0;
  for (let at = 0; at < nonce.length; at++) {
    const byte = nonce[at] as number;
    if (byte !== 0 && at < 6) return asText(nonce);
    value = value * 0x100 + byte;
  }
  return value;
}

/**
 * A sponge of four 32-bit lanes: input is mixed in as by xxHash32, output drawn as by a counter run
 * through MurmurHash3's finaliser. The state is one for the module, since nothing in here waits.
 */
let lane0 = 0;
let lane1 = 0;
let lane2 = 0;
let lane3 = 0;

const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;

let scratch = new Uint8Array(1_024);
let scratchWords = new Uint32Array(scratch.buffer);

function absorb(seed: number, parts: readonly Uint8Array[]): void {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length + 16 > scratch.length) {
    scratch = new Uint8Array((length + 16) * 2);
    scratchWords = new Uint32Array(scratch.buffer, 0, scratch.length >> 2);
  }
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  const blocks = (length + 15) >> 4;
  scratch.fill(0, length, blocks << 4);

  let a = seed + prime1;
  let b = seed ^ prime2;
  let c = seed;
  let d = seed - prime1;
  for (let word = 0; word < blocks << 2; word += 4) {
    a = round(a ^ (d >>> 15), scratchWords[word] as number);
    b = round(b ^ (a >>> 15), scratchWords[word + 1] as number);
    c = round(c ^ (b >>> 15), scratchWords[word + 2] as number);
    d = round(d ^ (c >>> 15), scratchWords[word + 3] as number);
  }
  lane0 = finish(a ^ length) | 0;
  lane1 = finish(b + lane0);
  lane2 = finish(c + lane1);
  lane3 = finish(d + lane2);
  lane0 = finish(lane0 + lane3);
}

function round(lane: number, word: number): number {
  const mixed = (lane + Math.imul(word, prime2)) | 0;
  return Math.imul((mixed << 13) | (mixed >>> 19), prime1);
}

function finish(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** The word of that number, from what was absorbed last. */
function drawn(index: number): number {
  const even = (index & 2) === 0 ? lane0 : lane2;
  const odd = (index & 2) === 0 ? lane1 : lane3;
  const lane = (index & 1) === 0 ? even : odd;
  return finish(lane + Math.imul(index + 1, prime3));
}

function squeeze(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  squeezeInto(bytes, 0);
  return bytes;
}

function squeezeInto(bytes: Uint8Array, from: number): void {
  for (let at = from; at < bytes.length; at += 4) {
    const word = drawn((at - from) >> 2);
    bytes[at] = word;
    bytes[at + 1] = word >>> 8;
    bytes[at + 2] = word >>> 16;
    bytes[at + 3] = word >>> 24;
  }
}

/** Whether `squeezeInto` would write what stands in `bytes` from `from` to the end. */
function squeezesTo(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at++) {
    const word = drawn((at - from) >> 2);
    if (bytes[at] !== ((word >>> (((at - from) & 3) << 3)) & 0xff)) return false;
  }
  return true;
}

/** 53 bits of what was absorbed last. */
const fingerprint = (): number => (drawn(8) >>> 0) * 0x20_0000 + (drawn(9) >>> 11);

/** Writes `from`'s first `length` bytes under a keystream into `to`; twice gives the beginning again. */
function cover(
  key: ToyKey,
  nonce: Uint8Array,
  from: Uint8Array,
  length: number,
  to: Uint8Array,
): void {
  let state = key.cover;
  for (const byte of nonce) state = Math.imul(state ^ byte, prime1);
  let word = 0;
  for (let at = 0; at < length; at++) {
    if ((at & 3) === 0) {
      state = (state + prime3) | 0;
      word = finish(state);
    } else {
      word >>>= 8;
    }
    to[at] = (from[at] as number) ^ word;
  }
}

const seedByLabel = new Map<string, number>();

function seedOf(label: string): number {
  let seed = seedByLabel.get(label);
  if (seed === undefined) {
    seed = 0x811c9dc5;
    for (let index = 0; index < label.length; index++) {
      seed = Math.imul(seed ^ label.charCodeAt(index), 0x01000193);
    }
    seed = finish(seed);
    seedByLabel.set(label, seed);
  }
  return seed;
}

/** Bytes as a map key: one letter a byte. */
const asText = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
