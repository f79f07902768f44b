import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../bytes/bytes.ts";
import { Writer } from "../bytes/writer.ts";
import { limits } from "../protocol/limits.ts";
import { draftPost, postKind, understandChannel } from "./post.ts";

const read = (payload: Uint8Array) => understandChannel({ kind: postKind, payload });

describe("a post", () => {
  it("has the bytes of the protocol", () => {
    const draft = draftPost("Hé", 300);
    expect(draft).toMatchObject({ kind: "ready", operation: { kind: 0x30 } });
    // varint 300, then the text: 3 bytes of UTF-8.
    expect(draft.kind === "ready" && toHex(draft.operation.payload)).toBe("ac02" + "03" + "48c3a9");
  });

  it("reads as it was written, whatever the text", () => {
    const unit = fc.constantFrom("a", " ", "é", "漢", "😀", "\u0000", "\u202e", "\n");
    const text = fc
      .string({ unit, minLength: 1, maxLength: 200 })
      .filter((candidate) => candidate.trim() !== "");
    fc.assert(
      fc.property(text, fc.maxSafeNat(), (said, timeMs) => {
        const draft = draftPost(said, timeMs);
        expect(draft.kind).toBe("ready");
        if (draft.kind !== "ready") return;
        expect(understandChannel(draft.operation)).toEqual({
          kind: "known",
          op: { kind: "post", timeMs, text: said },
        });
      }),
    );
  });

  it("is refused, with the reason and the count, when it cannot be said", () => {
    const bytesMax = limits.postBytesMax;
    expect(draftPost("", 0)).toEqual({ kind: "refused", reason: "empty", bytes: 0, bytesMax });
    expect(draftPost(" \n\t", 0)).toMatchObject({ reason: "empty" });
    expect(draftPost("half \ud83d", 0)).toMatchObject({ reason: "not text" });
    expect(draftPost("a".repeat(bytesMax), 0).kind).toBe("ready");
    expect(draftPost("é".repeat(bytesMax / 2) + "a", 0)).toEqual({
      kind: "refused",
      reason: "too long",
      bytes: bytesMax + 1,
      bytesMax,
    });
  });

  it("is void, and never throws, when its bytes break the form", () => {
    const payload = (length: number, text: Uint8Array) =>
      new Writer().varint(0).varint(length).raw(text).finish();
    const broken = [
      new Uint8Array(),
      payload(0, new Uint8Array()),
      payload(3, Uint8Array.of(0x61)),
      payload(1, Uint8Array.of(0x61, 0x61)),
      payload(1, Uint8Array.of(0xff)),
      // A surrogate in UTF-8 clothes is no UTF-8.
      payload(3, Uint8Array.of(0xed, 0xa0, 0x80)),
      payload(limits.postBytesMax + 1, new Uint8Array(limits.postBytesMax + 1).fill(0x61)),
    ];
    for (const bytes of broken) expect(read(bytes).kind).toBe("void");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(["known", "void"]).toContain(read(bytes).kind);
      }),
    );
  });

  it("leaves operations of other kinds to later versions", () => {
    const raw = { kind: 0x31, payload: Uint8Array.of(1) };
    expect(understandChannel(raw)).toEqual({ kind: "parked", raw });
  });
});
