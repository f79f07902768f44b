import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../../bytes/bytes.ts";
import { decode } from "../../bytes/reader.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import { Writer } from "../../bytes/writer.ts";
import { labelledSha256 } from "../../crypto/labelled-hash.ts";
import { documentId, replicaId } from "../../id/id.ts";
import { automergeActor, peerSeed, readPeer, writePeer, yjsClientId } from "./peer.ts";

const suite = { hash: labelledSha256 };

const replica = replicaId(new Uint8Array(16).fill(1));
const document = documentId(new Uint8Array(8).fill(2));
const nonce = new Uint8Array(16).fill(3);

describe("peer ids", () => {
  it("hash exactly the bytes that the protocol names", () => {
    const input = `${"01".repeat(16)}${"02".repeat(8)}${"03".repeat(16)}00000004`;
    const label = new TextEncoder().encode("skein/peer/1\0");
    const expected = sha256(concatBytes(label, fromHex(input)));
    expect(toHex(peerSeed(suite, replica, document, nonce, 4))).toBe(toHex(expected));
  });

  it("differ by replica, document, session and counter", () => {
    const seeds = [
      peerSeed(suite, replica, document, nonce, 0),
      peerSeed(suite, replica, document, nonce, 1),
      peerSeed(suite, replica, document, new Uint8Array(16), 0),
      peerSeed(suite, replica, documentId(new Uint8Array(8)), nonce, 0),
      peerSeed(suite, replicaId(new Uint8Array(16)), document, nonce, 0),
    ];
    expect(new Set(seeds.map(toHex)).size).toBe(5);
  });

  it("take the first 53 bits of the seed as a Yjs client id", () => {
    const bits = (hex: string): number => yjsClientId(fromHex(hex.padEnd(64, "f")));
    expect(bits("0000000000000000")).toBe(0);
    expect(bits("ffffffffffffffff")).toBe(Number.MAX_SAFE_INTEGER);
    expect(bits("00000000000007ff")).toBe(0);
    expect(bits("0000000000000800")).toBe(1);
    expect(bits("8000000000000000")).toBe(2 ** 52);
    expect(bits("0123456789abcdef")).toBe(Number(0x0123_4567_89ab_cdefn >> 11n));
  });

  it("reads a seed that is a view into a larger buffer", () => {
    const seed = new Uint8Array(40).subarray(8);
    seed[6] = 0x08;
    expect(yjsClientId(seed)).toBe(1);
  });

  it("take the first 16 bytes of the seed as an Automerge actor", () => {
    expect(automergeActor(fromHex("ab".repeat(32)))).toBe("ab".repeat(16));
  });

  it("are named in payloads by distance and counter", () => {
    const bytes = writePeer(new Writer(), { distance: 300, counter: 2 }).finish();
    expect(toHex(bytes)).toBe("ac0202");
    expect(decode(bytes, readPeer)).toEqual({ distance: 300, counter: 2 });
  });

  it("refuse a distance or counter beyond the header's 32 bits", () => {
    for (const [distance, counter] of [
      [2 ** 32, 0],
      [0, 2 ** 32],
    ] as const) {
      const bytes = writePeer(new Writer(), { distance, counter }).finish();
      expect(isMalformed(decode(bytes, readPeer))).toBe(true);
    }
  });
});
