import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../bytes/bytes.ts";
import { epochId, replicaId, spaceTag } from "../id/id.ts";
import {
  bodyBytes,
  type Entry,
  headerAad,
  headerAadBytes,
  headerBytes,
  type HeaderFields,
  headMessage,
  lastSeq,
} from "./entry.ts";

const space = spaceTag(fromHex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"));
const replica = replicaId(fromHex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"));
const epoch = epochId(fromHex("c0c1c2c3c4c5c6c7"));
const previous = fromHex("d0".repeat(32));
const nonce = fromHex("e0e1e2e3e4e5e6e7e8e9eaebecedeeef");

const fields: HeaderFields = {
  suite: 1,
  space,
  replica,
  seq: 0x01_0203_0405,
  previous,
  epoch,
  writer: { kind: "continues", distance: 0x0a0b0c0d },
  bodyLength: 0x00010000,
};

// Assembled by hand from docs/protocol.md section 4.
const beforeWriter =
  "01" + // version
  "01" + // suite
  "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" + // spaceTag
  "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf" + // replicaId
  "0000000102030405" + // seq
  "d0".repeat(32) + // prevHash
  "c0c1c2c3c4c5c6c7"; // epochId

describe("the header of an entry", () => {
  it("names the distance to the entry that opened its writer session", () => {
    const aad = headerAad(fields);
    expect(toHex(aad)).toBe(
      beforeWriter +
        "0a0b0c0d" + // distance
        "00".repeat(16) + // nonce
        "00010000", // bodyLength
    );
    expect(aad.length).toBe(headerAadBytes);
    expect(headerBytes).toBe(headerAadBytes + 32);
  });

  it("carries the nonce where it opens the writer session itself", () => {
    const opening = headerAad({ ...fields, suite: 0, writer: { kind: "opens", nonce } });
    expect(toHex(opening)).toBe(
      "0100" + beforeWriter.slice(4) + "00000000" + toHex(nonce) + "00010000",
    );
  });

  it("stands at the offsets of the protocol", () => {
    const aad = toHex(headerAad({ ...fields, writer: { kind: "opens", nonce } }));
    const at = (offset: number, length: number) => aad.slice(2 * offset, 2 * (offset + length));
    expect(at(2, 16)).toBe(space);
    expect(at(18, 16)).toBe(replica);
    expect(at(34, 8)).toBe("0000000102030405");
    expect(at(42, 32)).toBe(toHex(previous));
    expect(at(74, 8)).toBe(epoch);
    expect(at(82, 4)).toBe("00000000");
    expect(at(86, 16)).toBe(toHex(nonce));
    expect(at(102, 4)).toBe("00010000");
  });
});

describe("the head that is signed", () => {
  it("is space, replica, seq and hash", () => {
    const message = headMessage(space, replica, 7, fromHex("f0".repeat(32)));
    expect(toHex(message)).toBe(space + replica + "0000000000000007" + "f0".repeat(32));
  });
});

describe("a run", () => {
  const sealed: Entry = {
    epoch,
    writer: { kind: "continues", distance: 1 },
    body: { kind: "sealed", sealed: new Uint8Array(100) },
  };
  const hollow: Entry = {
    ...sealed,
    body: { kind: "hollow", hash: new Uint8Array(32), length: 5_000 },
  };

  it("knows its last seq, and the bytes of the bodies it carries", () => {
    const run = { replica, first: 5, entries: [sealed, hollow, sealed], signature: nonce };
    expect(lastSeq(run)).toBe(7);
    // A hollow body is not carried.
    expect(bodyBytes(run)).toBe(200);
  });
});
