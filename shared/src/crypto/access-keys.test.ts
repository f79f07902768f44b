import { describe, expect, it } from "vitest";
import { decode } from "../bytes/reader.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { type AccessSeeds, numberOfRole, readRole, seedsForRole } from "./access-keys.ts";

const seed = (value: number) => new Uint8Array(32).fill(value);
const owner: AccessSeeds = { role: "owner", read: seed(1), write: seed(2), admin: seed(3) };
const editor: AccessSeeds = { role: "editor", read: seed(1), write: seed(2) };
const reader: AccessSeeds = { role: "reader", read: seed(1) };

describe("access seeds", () => {
  it("are handed on as the role asks, and never more", () => {
    expect(seedsForRole(owner, "owner")).toEqual(owner);
    expect(seedsForRole(owner, "editor")).toEqual(editor);
    expect(seedsForRole(owner, "reader")).toEqual(reader);
    expect(seedsForRole(editor, "editor")).toEqual(editor);
    expect(seedsForRole(editor, "reader")).toEqual(reader);
  });

  it("cannot be made of less", () => {
    expect(() => seedsForRole(editor, "owner")).toThrow("no keys");
    expect(() => seedsForRole(reader, "editor")).toThrow("no keys");
    expect(() => seedsForRole(reader, "owner")).toThrow("no keys");
  });
});

describe("a role", () => {
  it("comes back from its byte; other bytes are no role", () => {
    for (const role of ["reader", "editor", "owner"] as const) {
      expect(decode(Uint8Array.of(numberOfRole[role]), readRole)).toBe(role);
    }
    for (const byte of [0, 4, 255]) {
      expect(isMalformed(decode(Uint8Array.of(byte), readRole))).toBe(true);
    }
  });
});
