import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { decodeNoteUpdate, encodeNoteUpdate } from "./note-operation.ts";

describe("the payload of a note's update", () => {
  it("is the peer and then the interned update", () => {
    const bytes = encodeNoteUpdate({
      peer: { distance: 5, counter: 1 },
      update: fromHex("0000ff"),
    });
    expect(toHex(bytes)).toBe("05010000ff");
    expect(decodeNoteUpdate(bytes)).toEqual({
      peer: { distance: 5, counter: 1 },
      update: fromHex("0000ff"),
    });
  });

  it("is void without a whole peer", () => {
    for (const hex of ["", "05", "80", "ffffffffffff0f00"]) {
      expect(isMalformed(decodeNoteUpdate(fromHex(hex)))).toBe(true);
    }
  });
});
