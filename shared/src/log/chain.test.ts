import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../bytes/bytes.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { SigningPair } from "../crypto/suite.ts";
import { epochId, spaceTag } from "../id/id.ts";
import { chainHashes, labels, verifyHead, zeroHash } from "./chain.ts";
import { type Entry, headMessage, type Run } from "./entry.ts";
import { replicaIdOf } from "./replica-key.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const space = spaceTag(new Uint8Array(16).fill(0xaa));
const epoch = epochId(new Uint8Array(8).fill(0xee));
const nonce = new Uint8Array(16).fill(0x0c);

const sealed = (text: string, distance?: number): Entry => ({
  epoch,
  writer: distance === undefined ? { kind: "opens", nonce } : { kind: "continues", distance },
  body: { kind: "sealed", sealed: new TextEncoder().encode(text) },
});
const entries = [sealed("one"), sealed("two", 1), sealed("three", 2)];

/** H(label, x) by Node. */
const hash = (label: string, hex: string): string =>
  createHash("sha256").update(label).update("\0").update(hex, "hex").digest("hex");

let pair: SigningPair;
let run: Run;

beforeAll(async () => {
  pair = await suite.signingPairFromSeed(new Uint8Array(32).fill(1));
  run = { replica: replicaIdOf(suite, pair.publicKey), first: 1, entries, signature: nonce };
  const hashes = chainHashes(suite, space, run, zeroHash);
  const message = headMessage(space, run.replica, 3, hashes[2] ?? zeroHash);
  run = { ...run, signature: await suite.sign(pair.secret, labels.head, message) };
});

const holds = (claimed: Run, previous = zeroHash, tag = space): Promise<boolean> => {
  const hashes = chainHashes(suite, tag, claimed, previous);
  return verifyHead(suite, tag, claimed, hashes, pair.publicKey);
};

describe("a replica's id", () => {
  it("is the hash of its key", () => {
    expect(run.replica).toBe(hash("skein/replica", toHex(pair.publicKey)).slice(0, 32));
  });
});

describe("the chain", () => {
  it("hashes headers that name the hash before them, as docs/protocol.md section 4 says", () => {
    const seq = (number: number) => number.toString(16).padStart(16, "0");
    const start = (number: number, previous: string) =>
      "0101" + space + run.replica + seq(number) + previous + epoch;
    const body = (text: string) =>
      text.length.toString(16).padStart(8, "0") +
      hash("skein/body/1", toHex(new TextEncoder().encode(text)));
    const one = hash(
      "skein/entry/1",
      start(1, "00".repeat(32)) + "00000000" + toHex(nonce) + body("one"),
    );
    const two = hash("skein/entry/1", start(2, one) + "00000001" + "00".repeat(16) + body("two"));
    const three = hash(
      "skein/entry/1",
      start(3, two) + "00000002" + "00".repeat(16) + body("three"),
    );
    expect(chainHashes(suite, space, run, zeroHash).map(toHex)).toEqual([one, two, three]);
  });

  it("stays whole when a body is dropped", async () => {
    const hollow: Entry = {
      epoch,
      writer: { kind: "continues", distance: 1 },
      body: {
        kind: "hollow",
        hash: suite.hash(labels.body, new TextEncoder().encode("two")),
        length: 3,
      },
    };
    const hollowed = { ...run, entries: entries.with(1, hollow) };
    expect(chainHashes(suite, space, hollowed, zeroHash)).toEqual(
      chainHashes(suite, space, run, zeroHash),
    );
    expect(await holds(hollowed)).toBe(true);
  });

  it("continues from any entry whose hash is known", async () => {
    const hashes = chainHashes(suite, space, run, zeroHash);
    const rest = { ...run, first: 3, entries: entries.slice(2) };
    expect(await holds(rest, hashes[1])).toBe(true);
    expect(await holds(rest, hashes[0])).toBe(false);
  });
});

describe("one signature", () => {
  const otherEpoch = epochId(new Uint8Array(8).fill(0xef));
  const changed: [string, (whole: Run) => Run][] = [
    ["a body", (whole) => ({ ...whole, entries: entries.with(0, sealed("One")) })],
    ["a distance", (whole) => ({ ...whole, entries: entries.with(2, sealed("three", 1)) })],
    [
      "an epoch",
      (whole) => ({ ...whole, entries: entries.map((e) => ({ ...e, epoch: otherEpoch })) }),
    ],
    ["the order", (whole) => ({ ...whole, entries: entries.toReversed() })],
    ["a missing end", (whole) => ({ ...whole, entries: entries.slice(0, 2) })],
    ["a seq", (whole) => ({ ...whole, first: 2 })],
    ["a replica", (whole) => ({ ...whole, replica: replicaIdOf(suite, nonce) })],
    ["the signature", (whole) => ({ ...whole, signature: whole.signature.with(0, 0) })],
    ["no signature", (whole) => ({ ...whole, signature: new Uint8Array(0) })],
  ];

  it("vouches for a whole run", async () => {
    expect(await holds(run)).toBe(true);
  });

  it.each(changed)("does not bear another value of %s", async (_, change) => {
    expect(await holds(change(run))).toBe(false);
  });

  it("holds in one space only", async () => {
    expect(await holds(run, zeroHash, spaceTag(new Uint8Array(16).fill(0xab)))).toBe(false);
  });

  it("is not that of a body's hash under another label", async () => {
    const message = concatBytes(fromHex(space), new Uint8Array(56));
    const signature = await suite.sign(pair.secret, labels.body, message);
    expect(await suite.verify(pair.publicKey, labels.head, message, signature)).toBe(false);
  });
});
