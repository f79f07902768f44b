import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "./bytes.ts";
import { decode } from "./reader.ts";
import { varintLength, Writer } from "./writer.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const count = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(0x4000),
  fc.constantFrom(0, 0x7f, 0x80, 2 ** 53 - 1),
);

const anything = fc.record({
  u8: fc.nat(0xff),
  u16: fc.nat(0xffff),
  u32,
  u64: count,
  varint: count,
  bytes: fc.uint8Array({ maxLength: 40 }),
  text: fc.string({ unit: "binary", maxLength: 20 }).filter((text) => text.isWellFormed()),
  list: fc.array(count, { maxLength: 20 }),
  rest: fc.uint8Array({ maxLength: 40 }),
});

describe("a writer", () => {
  it("writes the notation of the protocol", () => {
    const writer = new Writer()
      .u8(0xfe)
      .u16(0x0102)
      .u32(0xfffefdfc)
      .u64(2 ** 53 - 1)
      .varint(300)
      .bytes(fromHex("aabb"))
      .text("é")
      .list([1, 128], (to, item) => to.varint(item))
      .zeros(3)
      .raw(fromHex("cc"));
    const written =
      "fe" + "0102" + "fffefdfc" + "001fffffffffffff" + "ac02" + "02aabb" + "02c3a9" + "02018001";
    expect(toHex(writer.finish())).toBe(written + "000000" + "cc");
  });

  it("writes what a reader reads, whatever its capacity", () => {
    fc.assert(
      fc.property(anything, fc.nat(100), (value, capacity) => {
        const written = new Writer(capacity)
          .u8(value.u8)
          .u16(value.u16)
          .u32(value.u32)
          .u64(value.u64)
          .varint(value.varint)
          .bytes(value.bytes)
          .text(value.text)
          .list(value.list, (to, item) => to.varint(item))
          .raw(value.rest)
          .finish();
        const read = decode(written, (from) => ({
          u8: from.u8(),
          u16: from.u16(),
          u32: from.u32(),
          u64: from.u64(),
          varint: from.varint(),
          bytes: new Uint8Array(from.bytes(40)),
          text: from.text(80),
          list: from.list(20, (item) => item.varint()),
          rest: new Uint8Array(from.rest()),
        }));
        const bytes = new Uint8Array(value.bytes);
        expect(read).toEqual({ ...value, bytes, rest: new Uint8Array(value.rest) });
      }),
    );
  });

  it("counts what it has written, and knows the length of a varint beforehand", () => {
    fc.assert(
      fc.property(count, (value) => {
        const writer = new Writer(0).varint(value);
        expect(writer.length).toBe(varintLength(value));
        expect(writer.finish().length).toBe(writer.length);
      }),
    );
    expect([0x7f, 0x80, 0x3fff, 0x4000, 2 ** 53 - 1].map(varintLength)).toEqual([1, 2, 2, 3, 8]);
  });

  it("leaves what it has handed over alone", () => {
    // A full buffer is handed over as it is, a partly filled one as a copy.
    for (const capacity of [3, 8]) {
      const writer = new Writer(capacity).raw(fromHex("010203"));
      const first = writer.finish();
      const second = writer.raw(fromHex("04")).finish();
      expect([toHex(first), toHex(second)]).toEqual(["010203", "01020304"]);
      expect(first.buffer.byteLength).toBe(3);
    }
  });

  it("writes zeros where a larger buffer was taken over", () => {
    const writer = new Writer(2).u8(1).zeros(20).u8(2);
    expect(writer.finish()).toEqual(concatBytes(fromHex("01"), new Uint8Array(20), fromHex("02")));
  });

  it.each([
    ["a negative u8", () => new Writer().u8(-1)],
    ["a u8 of 256", () => new Writer().u8(256)],
    ["half a u8", () => new Writer().u8(0.5)],
    ["a u16 of 65,536", () => new Writer().u16(0x1_0000)],
    ["a u32 of 2^32", () => new Writer().u32(0x1_0000_0000)],
    ["a u64 of 2^53", () => new Writer().u64(2 ** 53)],
    ["a negative varint", () => new Writer().varint(-1)],
    ["a varint of 2^53", () => new Writer().varint(2 ** 53)],
    ["a varint that is no number", () => new Writer().varint(Number.NaN)],
    ["bytes of another width than the format's", () => new Writer().fixed(new Uint8Array(3), 4)],
  ])("throws for %s, which is a bug", (_, write) => {
    expect(write).toThrow(RangeError);
  });

  it("writes into the buffer it is given, and hands that over when it is full", () => {
    const buffer = new Uint8Array(3).fill(9);
    expect(new Writer(buffer).u8(1).u16(0x0203).finish()).toBe(buffer);
    expect([...buffer]).toEqual([1, 2, 3]);
    expect([...new Writer(buffer).u8(7).finish()]).toEqual([7]);
  });

  it("shares no byte with another that is written at the same time, nor with what it handed over", () => {
    const outer = new Writer().u8(1);
    const inner = new Writer().u8(2);
    outer.bytes(inner.finish());
    const bytes = outer.u8(3).finish();
    const next = new Writer().u8(9);
    outer.u8(4);
    expect(toHex(bytes)).toBe("01010203");
    expect(toHex(outer.finish())).toBe("0101020304");
    expect(toHex(next.finish())).toBe("09");
  });
});
