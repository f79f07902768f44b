import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../bytes/bytes.ts";
import { limits } from "../protocol/limits.ts";
import {
  encodeMembershipOperation,
  inviteId,
  membershipKinds,
  type MembershipOperation,
  understandMembership,
} from "./membership-operation.ts";

const key = new Uint8Array(32).fill(0xa1);
const signature = new Uint8Array(64).fill(0xb2);
const codeHash = new Uint8Array(16).fill(0xc3);

const hex = (byte: string, count: number) => byte.repeat(count);
const encoded = (operation: MembershipOperation) => {
  const { kind, payload } = encodeMembershipOperation(operation);
  return [kind, toHex(payload)];
};
const understood = (kind: number, payload: Uint8Array) => understandMembership({ kind, payload });

describe("an operation of the membership record", () => {
  it("has the bytes of docs/protocol.md section 4.2", () => {
    const introduction = new Uint8Array(340).fill(7);
    expect(encoded({ kind: "introduce", payload: introduction })).toEqual([0x01, hex("07", 340)]);
    expect(
      encoded({ kind: "genesis", spaceKind: "shared", spaceName: "Skein", name: "Ána", signature }),
    ).toEqual([0x10, "01" + "05536b65696e" + "04c3816e61" + hex("b2", 64)]);
    expect(
      encoded({ kind: "genesis", spaceKind: "personal", spaceName: "Me", name: "A", signature }),
    ).toEqual([0x10, "02" + "024d65" + "0141" + hex("b2", 64)]);
    expect(
      encoded({
        kind: "invite",
        publicKey: key,
        role: "editor",
        expiresMs: 300,
        uses: 5,
        codeHash,
      }),
    ).toEqual([0x11, hex("a1", 32) + "02" + "ac02" + "05" + hex("c3", 16)]);
    expect(
      encoded({
        kind: "invite",
        publicKey: key,
        role: "owner",
        expiresMs: undefined,
        uses: undefined,
        codeHash,
      }),
    ).toEqual([0x11, hex("a1", 32) + "03" + "00" + "00" + hex("c3", 16)]);
    expect(encoded({ kind: "revoke", publicKey: key })).toEqual([0x12, hex("a1", 32)]);
    expect(encoded({ kind: "join", publicKey: key, name: "Ben", signature })).toEqual([
      0x13,
      hex("a1", 32) + "0342656e" + hex("b2", 64),
    ]);
    expect(encoded({ kind: "name", spaceName: "Garn" })).toEqual([0x17, "04" + "4761726e"]);
  });

  it("reads as it was written", () => {
    const bytes = (length: number) =>
      fc.nat(255).map((byte) => new Uint8Array(length).fill(byte, 1));
    const unit = fc.constantFrom("a", " ", "é", "漢", "😀", "\u0000", "\u202e");
    const name = fc
      .string({ unit, minLength: 1, maxLength: 40 })
      .filter((text) => text.trim() !== "");
    const limit = fc.option(
      fc.maxSafeNat().map((count) => count || 1),
      { nil: undefined },
    );
    const operation: fc.Arbitrary<MembershipOperation> = fc.oneof(
      fc.record({ kind: fc.constant("introduce" as const), payload: bytes(340) }),
      fc.record({
        kind: fc.constant("genesis" as const),
        spaceKind: fc.constantFrom("shared" as const, "personal" as const),
        spaceName: name,
        name,
        signature: bytes(64),
      }),
      fc.record({
        kind: fc.constant("invite" as const),
        publicKey: bytes(32),
        role: fc.constantFrom("owner" as const, "editor" as const, "reader" as const),
        expiresMs: limit,
        uses: limit,
        codeHash: bytes(16),
      }),
      fc.record({ kind: fc.constant("revoke" as const), publicKey: bytes(32) }),
      fc.record({
        kind: fc.constant("join" as const),
        publicKey: bytes(32),
        name,
        signature: bytes(64),
      }),
      fc.record({ kind: fc.constant("name" as const), spaceName: name }),
    );
    fc.assert(
      fc.property(operation, (op) => {
        const raw = encodeMembershipOperation(op);
        expect(raw.kind).toBe(membershipKinds[op.kind]);
        expect(understandMembership(raw)).toEqual({ kind: "known", op });
      }),
    );
  });

  it("is void when its bytes break the form, whatever they are", () => {
    const join = encodeMembershipOperation({ kind: "join", publicKey: key, name: "B", signature });
    expect(understood(join.kind, join.payload.subarray(1)).kind).toBe("void");
    expect(understood(join.kind, concatBytes(join.payload, Uint8Array.of(0))).kind).toBe("void");
    const nameless = concatBytes(key, Uint8Array.of(0), signature);
    expect(understood(0x13, nameless).kind).toBe("void");
    const endless = new Uint8Array(limits.nameBytesMax + 1).fill(0x61);
    expect(understood(0x17, concatBytes(Uint8Array.of(0x81, 0x02), endless)).kind).toBe("void");
    const ofNoRole = concatBytes(key, Uint8Array.of(4, 0, 0), codeHash);
    expect(understood(0x11, ofNoRole).kind).toBe("void");
    const ofNoKind = concatBytes(Uint8Array.of(3, 1, 0x61, 1, 0x61), signature);
    expect(understood(0x10, ofNoKind).kind).toBe("void");

    const kind = fc.integer({ min: 0x01, max: 0x18 });
    fc.assert(
      fc.property(kind, fc.uint8Array({ maxLength: 400 }), (number, payload) => {
        expect(["known", "parked", "void"]).toContain(understood(number, payload).kind);
      }),
      { numRuns: 500 },
    );
  });

  it("is parked when its meaning is for a later version, and void when even its form is wrong", () => {
    const certificate = new Uint8Array(214);
    const grant = concatBytes(new Uint8Array(16), key, Uint8Array.of(2, 9, 9));
    const later: [number, Uint8Array][] = [
      [0x14, concatBytes(certificate, Uint8Array.of(2), grant, grant)],
      [
        0x15,
        concatBytes(new Uint8Array(16), Uint8Array.of(1), new Uint8Array(16), fromHex("ac02")),
      ],
      [0x16, concatBytes(new Uint8Array(16), Uint8Array.of(1))],
    ];
    for (const [kind, payload] of later) {
      expect(understood(kind, payload)).toEqual({ kind: "parked", raw: { kind, payload } });
      expect(understood(kind, payload.subarray(1)).kind).toBe("void");
    }
    expect(understood(0x18, Uint8Array.of(1)).kind).toBe("parked");
  });

  it("is not made of names that nobody would read", () => {
    const named = (spaceName: string) => () =>
      encodeMembershipOperation({ kind: "name", spaceName });
    expect(named(" ")).toThrow(RangeError);
    expect(named("half \ud83d")).toThrow(RangeError);
    expect(named("é".repeat(129))).toThrow(RangeError);
    expect(named("é".repeat(128))).not.toThrow();
  });

  it("knows an invite by its public key", () => {
    expect(inviteId(key)).toBe(hex("a1", 32));
    expect(() => inviteId(key.subarray(1))).toThrow(RangeError);
  });
});
