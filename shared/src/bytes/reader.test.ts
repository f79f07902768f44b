import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex } from "./bytes.ts";
import { isMalformed, Malformed } from "./malformed.ts";
import { decode, Reader } from "./reader.ts";

const reader = (hex: string): Reader => new Reader(fromHex(hex));

/** What the refusal of `hex` says, or the value that was read instead. */
function refusal<T>(hex: string, read: (from: Reader) => T): unknown {
  const result = decode(fromHex(hex), read);
  return isMalformed(result) ? `${result.fault}: ${result.message}` : result;
}

describe("a reader", () => {
  it("reads fixed widths big-endian", () => {
    const from = reader("80" + "fffe" + "80000001" + "001fffffffffffff");
    expect([from.u8(), from.u16(), from.u32(), from.u64()]).toEqual([
      0x80,
      0xfffe,
      0x80000001,
      Number.MAX_SAFE_INTEGER,
    ]);
    expect(from.remaining).toBe(0);
  });

  it("reads within a view of a larger buffer", () => {
    const from = new Reader(fromHex("ff0102030405060708ff").subarray(1, 9));
    expect([from.u16(), from.u32(), from.remaining]).toEqual([0x0102, 0x03040506, 2]);
    expect(from.rest()).toEqual(fromHex("0708"));
  });

  it.each([
    ["00", 0],
    ["01", 1],
    ["7f", 127],
    ["8001", 128],
    ["ff7f", 16_383],
    ["808001", 16_384],
    ["ffffffff0f", 0xffff_ffff],
    ["8080808010", 0x1_0000_0000],
    ["ffffffffffffff0f", Number.MAX_SAFE_INTEGER],
  ])("reads the varint %s as %d", (hex, value) => {
    expect(decode(fromHex(hex), (from) => from.varint())).toBe(value);
  });

  it.each([
    ["a zero of two bytes", "8000", "form: varint not in shortest form"],
    ["a one of two bytes", "8100", "form: varint not in shortest form"],
    ["a zero of eight bytes", "8080808080808000", "form: varint not in shortest form"],
    ["2^53", "8080808080808010", "form: varint above 2^53 − 1"],
    ["2^56 − 1", "ffffffffffffff7f", "form: varint above 2^53 − 1"],
    ["nine bytes", "808080808080808001", "form: varint longer than 8 bytes"],
    ["no end", "80808080", "form: bytes end too early"],
    ["nothing", "", "form: bytes end too early"],
  ])("refuses the varint of %s", (_, hex, why) => {
    expect(refusal(hex, (from) => from.varint())).toBe(why);
  });

  it("refuses a u64 above 2^53 − 1", () => {
    expect(refusal("0020000000000000", (from) => from.u64())).toBe("form: u64 above 2^53 − 1");
    expect(refusal("ffffffffffffffff", (from) => from.u64())).toBe("form: u64 above 2^53 − 1");
  });

  it.each([
    ["u8", 1],
    ["u16", 2],
    ["u32", 4],
    ["u64", 8],
  ] as const)("refuses a %s whose bytes end too early", (width, length) => {
    for (let have = 0; have < length; have++) {
      expect(refusal("00".repeat(have), (from) => from[width]())).toBe("form: bytes end too early");
    }
  });

  it("gives bytes as views of its input", () => {
    const input = fromHex("03aabbcc0102");
    const from = new Reader(input);
    const bytes = from.bytes(3);
    expect(bytes).toEqual(fromHex("aabbcc"));
    expect(bytes.buffer).toBe(input.buffer);
    expect(from.raw(2)).toEqual(fromHex("0102"));
  });

  it("refuses bytes above the limit as too large, and a lie about their length as malformed", () => {
    expect(refusal("04aabbccdd", (from) => from.bytes(3))).toBe(
      "size: 4 bytes where 3 are the most",
    );
    expect(refusal("03aabb", (from) => from.bytes(3))).toBe("form: bytes end too early");
    expect(refusal("ffffffffffffff0f", (from) => from.bytes(Number.MAX_SAFE_INTEGER))).toBe(
      "form: bytes end too early",
    );
  });

  it.each([
    ["ASCII", "0161", "a"],
    ["an emoji", "04f09fa79a", "🧚"],
    ["a byte order mark, which is text like any other", "04efbbbf61", "\ufeffa"],
    ["nothing", "00", ""],
  ])("reads text: %s", (_, hex, text) => {
    expect(decode(fromHex(hex), (from) => from.text(8))).toBe(text);
  });

  it.each([
    ["a lone continuation byte", "0180"],
    ["a character cut off", "03f09fa7"],
    ["an overlong slash", "02c0af"],
    ["a surrogate", "03eda080"],
    ["a point above U+10FFFF", "04f4908080"],
  ])("refuses text that is not UTF-8: %s", (_, hex) => {
    expect(refusal(hex, (from) => from.text(8))).toBe("form: text is not UTF-8");
  });

  it("refuses lists above their limit, and counts beyond the bytes that are left", () => {
    const numbers = (from: Reader) => from.list(3, (item) => item.u8());
    expect(refusal("03010203", numbers)).toEqual([1, 2, 3]);
    expect(refusal("0401020304", numbers)).toBe("size: 4 items where 3 are the most");
    expect(refusal("030102", numbers)).toBe("form: list longer than its bytes");
    let read = 0;
    const greedy = (from: Reader) => from.list(Number.MAX_SAFE_INTEGER, () => read++);
    expect(refusal("ffffffffffffff0f0000", greedy)).toBe("form: list longer than its bytes");
    expect(read).toBe(0);
  });
});

describe("decode", () => {
  it("refuses bytes that are left over", () => {
    expect(refusal("0102", (from) => from.u8())).toBe("form: 1 bytes too many");
  });

  it("lets bugs through", () => {
    const bug = () => {
      throw new TypeError("a bug");
    };
    expect(() => decode(new Uint8Array(0), bug)).toThrow(TypeError);
  });

  it("tells a refusal from a value", () => {
    expect(isMalformed(new Malformed("no"))).toBe(true);
    expect(isMalformed(new Malformed("no", "size"))).toBe(true);
    expect(isMalformed(new Error("no"))).toBe(false);
    expect(isMalformed({ kind: "malformed" })).toBe(false);
  });

  it("never reads beyond a view, whatever the bytes", () => {
    const reads = fc.array(
      fc.constantFrom("u8", "u16", "u32", "u64", "varint", "rest", "bytes", "text", "list"),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), reads, (bytes, steps) => {
        const larger = new Uint8Array(bytes.length + 8).fill(0xff);
        larger.set(bytes, 4);
        const read = (from: Reader) =>
          steps.map((step) => {
            if (step === "bytes" || step === "text") return from[step](20);
            if (step === "list") return from.list(20, (item) => item.u16());
            return from[step]();
          });
        const outcome = (input: Uint8Array) => {
          const result = decode(input, read);
          return isMalformed(result) ? result.message : result;
        };
        expect(outcome(larger.subarray(4, 4 + bytes.length))).toEqual(outcome(bytes));
      }),
    );
  });
});
