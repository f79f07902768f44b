import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { SigningPair } from "../crypto/suite.ts";
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import {
  compareRumours,
  readRumour,
  type Rumour,
  rumourBytesMax,
  type RumourContent,
  rumourCountMax,
  signRumour,
  verifyRumour,
  writeRumour,
} from "./rumour.ts";
import { decodeWhisperContent, encodeWhisperContent, rumoursMax } from "./whisper-content.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(3), fraction: () => 0 });
const space = "a0".repeat(16) as SpaceTag;
const replica = "b0".repeat(16) as ReplicaId;
const document = "c0".repeat(8) as DocumentId;
const content: RumourContent = {
  replica,
  incarnation: 300,
  version: 7,
  status: "away",
  where: document,
  typing: true,
};
const signature = new Uint8Array(64).fill(0xd0);

const bytesOf = (rumour: Rumour) => {
  const writer = new Writer();
  writeRumour(writer, rumour);
  return writer.finish();
};
const read = (bytes: Uint8Array) => decode(bytes, readRumour);

const rumours: fc.Arbitrary<Rumour> = fc.record({
  replica: fc.nat(255).map((byte) => byte.toString(16).padStart(2, "0").repeat(16) as ReplicaId),
  incarnation: fc.nat({ max: rumourCountMax }),
  version: fc.nat({ max: rumourCountMax }),
  status: fc.constantFrom("online" as const, "away" as const, "left" as const),
  where: fc.option(fc.constant(document), { nil: undefined }),
  typing: fc.boolean(),
  signature: fc.nat(255).map((byte) => new Uint8Array(64).fill(byte)),
});

describe("a rumour", () => {
  let pair: SigningPair;
  beforeAll(async () => {
    pair = await suite.signingPairFromSeed(new Uint8Array(32).fill(1));
  });

  it("has the bytes of docs/protocol.md section 6.1", () => {
    const said = "b0".repeat(16) + "ac02" + "07" + "02" + "01" + "c0".repeat(8) + "01";
    expect(toHex(bytesOf({ ...content, signature }))).toBe(said + "d0".repeat(64));
    const nowhere = { ...content, status: "left" as const, where: undefined, typing: false };
    expect(toHex(bytesOf({ ...nowhere, signature }))).toBe(
      "b0".repeat(16) + "ac02" + "07" + "03" + "00" + "00" + "d0".repeat(64),
    );
  });

  it("is signed over the space and all it says", async () => {
    const rumour = await signRumour(suite, pair.secret, space, content);
    const message = fromHex(
      "a0".repeat(16) + "b0".repeat(16) + "ac02" + "07" + "02" + "01" + "c0".repeat(8) + "01",
    );
    const expected = await suite.sign(pair.secret, "skein/presence/1", message);
    expect(toHex(rumour.signature)).toBe(toHex(expected));
    expect(await verifyRumour(suite, pair.publicKey, space, rumour)).toBe(true);
  });

  it("is nobody else's, of no other space, and not to be changed", async () => {
    const rumour = await signRumour(suite, pair.secret, space, content);
    const other = await suite.signingPairFromSeed(new Uint8Array(32).fill(2));
    const elsewhere = "a1".repeat(16) as SpaceTag;
    expect(await verifyRumour(suite, other.publicKey, space, rumour)).toBe(false);
    expect(await verifyRumour(suite, pair.publicKey, elsewhere, rumour)).toBe(false);
    const changes: Partial<RumourContent>[] = [
      { replica: "b1".repeat(16) as ReplicaId },
      { incarnation: 301 },
      { version: 8 },
      { status: "online" },
      { where: undefined },
      { typing: false },
    ];
    for (const change of changes) {
      const changed = { ...rumour, ...change };
      expect(await verifyRumour(suite, pair.publicKey, space, changed)).toBe(false);
    }
  });

  it("survives its bytes, which are never more than stated", () => {
    fc.assert(
      fc.property(rumours, (rumour) => {
        const bytes = bytesOf(rumour);
        expect(read(bytes)).toEqual(rumour);
        expect(bytes.length).toBeLessThanOrEqual(rumourBytesMax);
      }),
    );
    const greatest = { ...content, incarnation: rumourCountMax, version: rumourCountMax };
    expect(bytesOf({ ...greatest, signature }).length).toBe(rumourBytesMax);
  });

  it("is refused when its bytes break the form", () => {
    const bytes = bytesOf({ ...content, signature });
    for (let length = 0; length < bytes.length; length++) {
      expect(isMalformed(read(bytes.subarray(0, length)))).toBe(true);
    }
    const changed = (at: number, byte: number) => {
      const copy = bytes.slice();
      copy[at] = byte;
      return read(copy);
    };
    expect(isMalformed(changed(19, 0))).toBe(true);
    expect(isMalformed(changed(19, 4))).toBe(true);
    expect(isMalformed(changed(20, 2))).toBe(true);
    expect(isMalformed(changed(29, 2))).toBe(true);
    const counted = (incarnation: number, version: number) =>
      read(
        new Writer()
          .raw(new Uint8Array(16))
          .varint(incarnation)
          .varint(version)
          .raw(Uint8Array.of(1, 0, 0))
          .raw(signature)
          .finish(),
      );
    expect(isMalformed(counted(rumourCountMax, rumourCountMax))).toBe(false);
    expect(isMalformed(counted(rumourCountMax + 1, 1))).toBe(true);
    expect(isMalformed(counted(1, rumourCountMax + 1))).toBe(true);
    expect(() => bytesOf({ ...content, signature, version: rumourCountMax + 1 })).toThrow(
      RangeError,
    );
  });

  it("is newer by incarnation, then version, and one of two in any case", () => {
    const base = { ...content, signature };
    expect(compareRumours({ ...base, incarnation: 301, version: 1 }, base)).toBeGreaterThan(0);
    expect(compareRumours({ ...base, version: 6 }, base)).toBeLessThan(0);
    expect(compareRumours(base, { ...base })).toBe(0);
    fc.assert(
      fc.property(rumours, rumours, (a, b) => {
        expect(Math.sign(compareRumours(a, b)) + Math.sign(compareRumours(b, a))).toBe(0);
      }),
    );
  });
});

describe("what a whisper says", () => {
  it("has the bytes of docs/protocol.md section 6", () => {
    const rumour = { ...content, signature };
    const presence = encodeWhisperContent({ kind: "presence", rumours: [rumour, rumour] });
    expect(toHex(presence)).toBe("01" + "02" + toHex(bytesOf(rumour)).repeat(2));
    const awareness = { kind: "awareness" as const, document, update: Uint8Array.of(9, 8) };
    expect(toHex(encodeWhisperContent(awareness))).toBe("02" + "c0".repeat(8) + "0908");
  });

  it("reads as it was written", () => {
    fc.assert(
      fc.property(fc.array(rumours, { maxLength: 8 }), fc.uint8Array(), (all, update) => {
        const presence = { kind: "presence" as const, rumours: all };
        expect(decodeWhisperContent(encodeWhisperContent(presence))).toEqual(presence);
        const awareness = { kind: "awareness" as const, document, update };
        expect(decodeWhisperContent(encodeWhisperContent(awareness))).toEqual(awareness);
      }),
    );
  });

  it("is ignored where a later version said it, and refused where it makes no sense", () => {
    expect(decodeWhisperContent(Uint8Array.of(3, 1, 2))).toEqual({ kind: "unknown", number: 3 });
    expect(isMalformed(decodeWhisperContent(new Uint8Array()))).toBe(true);
    expect(isMalformed(decodeWhisperContent(Uint8Array.of(1, 5)))).toBe(true);
    expect(isMalformed(decodeWhisperContent(Uint8Array.of(2, 1)))).toBe(true);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeWhisperContent(bytes)).toBeDefined();
      }),
    );
  });

  it("holds as many rumours as stated, however long they are", () => {
    const longest = { ...content, incarnation: rumourCountMax, version: rumourCountMax, signature };
    const many = Array.from({ length: rumoursMax }, () => longest);
    expect(() => encodeWhisperContent({ kind: "presence", rumours: many })).not.toThrow();
    const tooMany = [...many, longest, longest];
    expect(() => encodeWhisperContent({ kind: "presence", rumours: tooMany })).toThrow(RangeError);
  });
});
