/**
 * Logs that grow run by run, and what a store was found to hold beside what it should: for the
 * contracts of every store.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import type fc from "fast-check";
import { expect } from "vitest";
import { equalBytes } from "../bytes/bytes.ts";
import {
  epochId,
  type RegisterName,
  registerName,
  replicaId,
  type ReplicaId,
  spaceTag,
} from "../id/id.ts";
import { chainHashes, zeroHash } from "./chain.ts";
import { type Entry, lastSeq, type Run, signatureBytes } from "./entry.ts";
import type {
  Appended,
  Begun,
  LogBase,
  LogHead,
  LogStore,
  StoredRegister,
  VerifiedRun,
} from "./store.ts";
import { labelled, type VerifyingSuite } from "./suite.ts";

export const anyBytes = 10_000_000;
export const spaceA = spaceTag(filled(16, 0xa0));
export const spaceB = spaceTag(filled(16, 0xb0));
export const ana = replica(1);
export const ben = replica(2);
export const names = [registerName(filled(16, 0x51)), registerName(filled(16, 0x52))] as const;
export const epochs = [epochId(filled(8, 0xe1)), epochId(filled(8, 0xe2))] as const;

const suite: Pick<VerifyingSuite, "id" | "hash"> = {
  id: 1,
  hash: (label, ...parts) => new Uint8Array(sha256(labelled(label, ...parts))),
};
const chainSuite: VerifyingSuite = { ...suite, verify: async () => true };

/** Bytes that no other call returns, so that two logs never share an entry by accident. */
let salt = 0;
export const sealed = (length: number): Entry["body"] => ({
  kind: "sealed",
  sealed: Uint8Array.from({ length }, (_, index) => (index < 4 ? salt++ >> (8 * index) : index)),
});

/** A log that grows run by run, with the chain and the heads a verifier would have computed. */
export class TestLog {
  readonly replica: ReplicaId;
  readonly publicKey: Uint8Array;
  readonly #entries: Entry[] = [];
  readonly #hashes: Uint8Array[] = [];

  constructor(replica: ReplicaId) {
    this.replica = replica;
    this.publicKey = filled(32, Number.parseInt(replica.slice(-2), 16));
  }

  get length(): number {
    return this.#entries.length;
  }

  get hash(): Uint8Array {
    return this.hashAt(this.length);
  }

  get head(): LogHead {
    const { replica, publicKey, length: to, hash } = this;
    return { replica, publicKey, from: 1, to, hash };
  }

  hashAt(seq: number): Uint8Array {
    return this.#hashes[seq - 1] ?? zeroHash;
  }

  base(seq: number): LogBase {
    const { replica, publicKey } = this;
    return { replica, publicKey, seq, hash: this.hashAt(seq) };
  }

  /** Appends `count` entries and gives them as a run. */
  run(count: number, { bodyBytes = 24 } = {}): VerifiedRun {
    return this.runOf(
      Array.from({ length: count }, () => ({
        epoch: epochs[0],
        writer:
          this.length === 0
            ? { kind: "opens" as const, nonce: filled(16, 3) }
            : { kind: "continues" as const, distance: this.length },
        body: sealed(bodyBytes),
      })),
    );
  }

  runOf(entries: readonly Entry[]): VerifiedRun {
    const first = this.length + 1;
    const run = { replica: this.replica, first, entries, signature: zeroHash };
    this.#hashes.push(...chainHashes(chainSuite, spaceA, run, this.hash));
    this.#entries.push(...entries);
    return this.slice(first, this.length);
  }

  /** Entries `first`..`last` as a run, whatever runs they were made in. */
  slice(first: number, last: number): VerifiedRun {
    return {
      replica: this.replica,
      publicKey: this.publicKey.slice(),
      first,
      entries: this.#entries.slice(first - 1, last).map((entry) => structuredClone(entry)),
      signature: signatureOf(this.hashAt(last)),
      previous: this.hashAt(first - 1).slice(),
      hashes: this.#hashes.slice(first - 1, last).map((hash) => hash.slice()),
    };
  }

  /** Another log with the same entries so far. */
  fork(): TestLog {
    return this.until(this.length);
  }

  /** Another log with the same entries up to `seq`. */
  until(seq: number): TestLog {
    const until = new TestLog(this.replica);
    until.#entries.push(...this.#entries.slice(0, seq));
    until.#hashes.push(...this.#hashes.slice(0, seq));
    return until;
  }

  /** The same entries, asked for by another id: a branch. */
  under(replica: ReplicaId): TestLog {
    const under = new TestLog(replica);
    under.#entries.push(...this.#entries);
    under.#hashes.push(...this.#hashes);
    return under;
  }
}

/** Not a signature, but one for each head: enough to see that the right one was kept. */
const signatureOf = (hash: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: signatureBytes }, (_, index) => hash[index % hash.length] ?? 0);

export function register(
  owner: ReplicaId,
  name: RegisterName,
  number: number,
  hashByte = 0x40,
): StoredRegister {
  return {
    replica: owner,
    publicKey: filled(32, Number.parseInt(owner.slice(-2), 16)),
    name,
    number,
    bodyHash: filled(32, hashByte),
    bytes: filled(200, number & 0xff),
  };
}

/** Appends overlapping and repeated slices in an order the dice choose, until the log is whole. */
export async function deliver(
  store: LogStore,
  log: TestLog,
  dice: fc.Stream<number>,
): Promise<void> {
  const roll = (below: number) => Math.min(below - 1, Math.floor((dice.next().value ?? 0) * below));
  for (let tries = 0; tries < 400; tries++) {
    const [head] = await store.heads(spaceA);
    if (head?.to === log.length) return;
    const first = 1 + roll(Math.min(log.length, (head?.to ?? 0) + 3));
    await store.append(spaceA, [log.slice(first, first + roll(log.length - first + 1))]);
  }
  await store.append(spaceA, [log.slice(1, log.length)]);
}

/** All entries from `first` on, read run by run as a session does. */
export async function walk(
  store: LogStore,
  owner: ReplicaId,
  bytesMax: number,
  first = 1,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (;;) {
    const run = await store.read(spaceA, owner, first + entries.length, bytesMax);
    if (run === undefined) return entries;
    expect(run.entries.length).toBeGreaterThan(0);
    entries.push(...run.entries);
    const [hash] = await store.hashes(spaceA, owner, lastSeq(run), lastSeq(run));
    expect(equalBytes(run.signature, signatureOf(hash ?? zeroHash))).toBe(true);
  }
}

/** Entries and hashes of `log` from `from` on are held, and the hash of the entry before. */
export async function expectHeld(store: LogStore, log: TestLog, from: number): Promise<void> {
  const walked = await walk(store, log.replica, 300, from);
  expect(walked.map(plainEntry)).toEqual(log.slice(from, log.length).entries.map(plainEntry));
  const first = Math.max(1, from - 1);
  const hashes = log.slice(first, log.length).hashes.map(plain);
  expect(await store.hashes(spaceA, log.replica, first, log.length)).toEqual(hashes);
}

// Comparing. Stores return plain arrays or Node's Buffer; only the bytes count.

export function expectRun(found: Run | undefined, expected: Run): void {
  expect(found).toBeDefined();
  if (found === undefined) return;
  const { replica: owner, first, entries, signature } = found;
  expect({ owner, first, last: lastSeq(found) }).toEqual({
    owner: expected.replica,
    first: expected.first,
    last: lastSeq(expected),
  });
  expect(entries.map(plainEntry)).toEqual(expected.entries.map(plainEntry));
  expect(plain(signature)).toEqual(plain(expected.signature));
}

export function expectAppended(found: readonly Appended[], expected: readonly Appended[]): void {
  const flat = (outcome: Appended) =>
    outcome.kind === "gap" ? outcome : { ...outcome, head: plainHead(outcome.head) };
  expect(found.map(flat)).toEqual(expected.map(flat));
}

export function expectBegun(found: readonly Begun[], expected: readonly Begun[]): void {
  const flat = (outcome: Begun) => ({ ...outcome, head: plainHead(outcome.head) });
  expect(found.map(flat)).toEqual(expected.map(flat));
}

export function expectHeads(found: readonly LogHead[], expected: readonly LogHead[]): void {
  const sorted = (heads: readonly LogHead[]) =>
    heads.map(plainHead).sort((a, b) => (a.replica < b.replica ? -1 : 1));
  expect(sorted(found)).toEqual(sorted(expected));
}

export function expectRegisters(
  found: readonly StoredRegister[],
  expected: readonly StoredRegister[],
): void {
  const sorted = (registers: readonly StoredRegister[]) =>
    registers
      .map(({ bytes, bodyHash, publicKey, ...rest }) => ({
        ...rest,
        bytes: plain(bytes),
        bodyHash: plain(bodyHash),
        publicKey: plain(publicKey),
      }))
      .sort((a, b) => (a.replica + a.name < b.replica + b.name ? -1 : 1));
  expect(sorted(found)).toEqual(sorted(expected));
}

const plainHead = ({ publicKey, hash, branch, ...rest }: LogHead) => ({
  ...rest,
  publicKey: plain(publicKey),
  hash: plain(hash),
  branch: branch && { ...branch, hash: plain(branch.hash), base: plain(branch.base) },
});

export const plainEntry = ({ epoch, writer, body }: Entry) => ({
  epoch,
  writer: writer.kind === "opens" ? { ...writer, nonce: plain(writer.nonce) } : writer,
  body:
    body.kind === "sealed"
      ? { ...body, sealed: plain(body.sealed) }
      : { ...body, hash: plain(body.hash) },
});

export const plain = (bytes: Uint8Array | undefined): Uint8Array => Uint8Array.from(bytes ?? []);

export function bytesOf(run: VerifiedRun): Uint8Array[] {
  const found = [run.signature, run.publicKey, run.previous, ...run.hashes];
  for (const { writer, body } of run.entries) {
    if (writer.kind === "opens") found.push(writer.nonce);
    found.push(body.kind === "sealed" ? body.sealed : body.hash);
  }
  return found;
}

export function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

export function replica(index: number): ReplicaId {
  return replicaId(filled(16, index));
}
