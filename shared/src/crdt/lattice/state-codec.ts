/**
 * What the bytes of all states have in common, in the notation of docs/protocol.md section 1: a
 * leading byte with the version of the format, maps and sets by ascending text, and limits on what
 * a stranger can make us hold. There is one form for a state and the decoder takes no other.
 */
import { Malformed } from "../../bytes/malformed.ts";
import { decode, type Reader } from "../../bytes/reader.ts";
import { Writer } from "../../bytes/writer.ts";
import type { StateCodec } from "./lattice.ts";

const format = 1;

export const stateLimits = {
  /** Replicas in one state: as many as a space has logs. */
  replicasMax: 3_000,
  /** Keys, elements or dots of one list: what a state of some megabytes holds. */
  itemsMax: 1_000_000,
  /** A key or an element. */
  keyBytesMax: 1_024,
  /** A value of a register or a list. */
  valueBytesMax: 65_536,
} as const;

export function stateCodec<State>(
  write: (writer: Writer, state: State) => void,
  read: (reader: Reader) => State,
): StateCodec<State> {
  return {
    encode: (state) => {
      const writer = new Writer().u8(format);
      write(writer, state);
      return writer.finish();
    },
    decode: (bytes) =>
      decode(bytes, (reader) => {
        const version = reader.u8();
        if (version !== format) throw new Malformed(`state of format ${version}`, "version");
        return read(reader);
      }),
  };
}

/** How the values inside a state become bytes. Equal values, and no others, have equal bytes. */
export interface ValueCodec<Value> {
  /** At least one byte. */
  readonly write: (writer: Writer, value: Value) => void;
  /** Throws `Malformed`, like every read inside a decoder. */
  readonly read: (reader: Reader) => Value;
}

export const textValue: ValueCodec<string> = {
  write: (writer, value) => {
    assertText(value, stateLimits.valueBytesMax);
    writer.text(value);
  },
  read: (reader) => reader.text(stateLimits.valueBytesMax),
};

/** From 0 to 2^53 − 1. */
export const countValue: ValueCodec<number> = {
  write: (writer, value) => writer.varint(value),
  read: (reader) => reader.varint(),
};

/** Throws a `RangeError` for what could be written and never read again. */
export function assertKey(key: string): void {
  assertText(key, stateLimits.keyBytesMax);
}

function assertText(text: string, bytesMax: number): void {
  if (!text.isWellFormed()) throw new RangeError("half a character is no text");
  // A unit takes 3 bytes at most, so that only long texts are counted.
  const bytes = text.length * 3 <= bytesMax ? 0 : new TextEncoder().encode(text).length;
  if (bytes > bytesMax)
    throw new RangeError(`${bytes} bytes of text where ${bytesMax} are the most`);
}

/**
 * The order of texts by their UTF-8 bytes, which is that of their code points; `<` compares UTF-16
 * units and puts an emoji before U+FF01.
 */
export function compareText(a: string, b: string): number {
  const common = Math.min(a.length, b.length);
  for (let at = 0; at < common; at++) {
    const difference = rank(a.charCodeAt(at)) - rank(b.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Surrogates come after all other units. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** `list(key text ‖ row)`, keys strictly ascending. */
export function writeByKey<Row>(
  writer: Writer,
  rows: Iterable<readonly [string, Row]>,
  write: (row: Row) => void,
): void {
  const sorted = [...rows].sort(([a], [b]) => compareText(a, b));
  writer.list(sorted, (to, [key, row]) => {
    to.text(key);
    write(row);
  });
}

export function readByKey<Row>(reader: Reader, read: () => Row): Map<string, Row> {
  const rows = new Map<string, Row>();
  let before: string | undefined;
  const count = reader.listLength(stateLimits.itemsMax);
  for (let index = 0; index < count; index++) {
    const key = reader.text(stateLimits.keyBytesMax);
    if (before !== undefined && compareText(before, key) >= 0) {
      throw new Malformed("keys not in ascending order");
    }
    rows.set(key, read());
    before = key;
  }
  return rows;
}
