import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import { replicaId, spaceTag } from "@skein/shared/id/id.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import { expect, test } from "vitest";
import { decodePublication, encodePublication } from "./publication.ts";

const space = spaceTag(new Uint8Array(16).fill(1));

const head = (byte: number, from: number, to: number): LogHead => ({
  replica: replicaId(new Uint8Array(16).fill(byte)),
  publicKey: new Uint8Array(32).fill(byte + 1),
  from,
  to,
  hash: new Uint8Array(32).fill(byte + 2),
});

test("logs that begin elsewhere are one publication, read back as they were", () => {
  const heads = [head(0x10, 5, 4), head(0x20, 300, 1_000)];
  const bytes = encodePublication({ kind: "began", heads });
  expect(decodePublication(space, bytes)).toEqual({ kind: "began", heads });
  expect([...bytes.subarray(0, 3)]).toEqual([1, 5, 2]);
  expect(bytes.length).toBe(3 + 2 * (16 + 32 + 32) + (1 + 1) + (2 + 2));
});

test("more logs than a space may have, or rows cut short, are not read", () => {
  const bytes = encodePublication({ kind: "began", heads: [head(0x10, 5, 4)] });
  expect(isMalformed(decodePublication(space, bytes.subarray(0, -1)))).toBe(true);
  const tooMany = new Writer()
    .u8(1)
    .u8(5)
    .varint(3_001)
    .raw(new Uint8Array(3_001 * 82))
    .finish();
  expect(isMalformed(decodePublication(space, tooMany))).toBe(true);
});

test("the form that one log had is of no kind any more", () => {
  const { replica, publicKey, from, to, hash } = head(0x10, 5, 4);
  const old = new Writer().u8(1).u8(4).raw(Buffer.from(replica, "hex")).raw(publicKey);
  const bytes = old.varint(from).varint(to).raw(hash).finish();
  expect(isMalformed(decodePublication(space, bytes))).toBe(true);
});
