import { describe, expect, it } from "vitest";
import { fromHex } from "../bytes/bytes.ts";
import { Malformed } from "../bytes/malformed.ts";
import {
  bytesOfId,
  deviceId,
  documentId,
  epochId,
  idBytes,
  memberId,
  registerName,
  replicaId,
  spaceTag,
} from "./id.ts";

const parsers = [
  ["space", spaceTag],
  ["replica", replicaId],
  ["member", memberId],
  ["device", deviceId],
  ["epoch", epochId],
  ["document", documentId],
  ["register", registerName],
] as const;

describe.each(parsers)("a %s id", (kind, parse) => {
  const bytes = fromHex("00ff0123456789abcdeffedcba987654").subarray(0, idBytes[kind]);

  it("is lower-case hexadecimal of its bytes", () => {
    expect(parse(bytes)).toBe("00ff0123456789abcdeffedcba987654".slice(0, 2 * idBytes[kind]));
    expect(bytesOfId(parse(bytes))).toEqual(new Uint8Array(bytes));
  });

  it("is refused with a byte too many or too few", () => {
    expect(() => parse(bytes.subarray(1))).toThrow(Malformed);
    expect(() => parse(new Uint8Array(idBytes[kind] + 1))).toThrow(Malformed);
    expect(() => parse(new Uint8Array(0))).toThrow(Malformed);
  });
});

describe("ids", () => {
  it("have the widths of the protocol", () => {
    expect(idBytes).toMatchObject({
      space: 16,
      replica: 16,
      member: 16,
      device: 16,
      epoch: 8,
      document: 8,
      register: 16,
    });
  });

  it("sort as text as their bytes do", () => {
    const low = replicaId(fromHex("09" + "ff".repeat(15)));
    const high = replicaId(fromHex("a0" + "00".repeat(15)));
    expect(low < high).toBe(true);
  });
});
