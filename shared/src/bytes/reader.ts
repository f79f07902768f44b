/**
 * Reads byte strings in the notation of docs/protocol.md section 1. Every read checks its bounds
 * before it allocates; a refusal is a `Malformed`, which `decode` returns as a value.
 */
import { Malformed } from "./malformed.ts";

const varintBytesMax = 8;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#byte(this.#take(1));
  }

  u16(): number {
    const at = this.#take(2);
    return this.#byte(at) * 0x100 + this.#byte(at + 1);
  }

  u32(): number {
    return this.#word(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const high = this.#word(at);
    if (high > 0x1f_ffff) throw new Malformed("u64 above 2^53 − 1");
    return high * 0x1_0000_0000 + this.#word(at + 4);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 1; count <= varintBytesMax; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (byte === 0 && count > 1) throw new Malformed("varint not in shortest form");
        if (value > Number.MAX_SAFE_INTEGER) throw new Malformed("varint above 2^53 − 1");
        return value;
      }
      scale *= 0x80;
    }
    throw new Malformed("varint longer than 8 bytes");
  }

  /** A view of the next `length` bytes; it shares the input's buffer. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Length-prefixed bytes, as a view. */
  bytes(lengthMax: number): Uint8Array {
    const length = this.varint();
    if (length > lengthMax) {
      throw new Malformed(`${length} bytes where ${lengthMax} are the most`, "size");
    }
    return this.raw(length);
  }

  text(bytesMax: number): string {
    const bytes = this.bytes(bytesMax);
    try {
      return utf8.decode(bytes);
    } catch {
      throw new Malformed("text is not UTF-8");
    }
  }

  list<T>(countMax: number, read: (reader: Reader) => T): T[] {
    const count = this.listLength(countMax);
    const items: T[] = [];
    for (let index = 0; index < count; index++) items.push(read(this));
    return items;
  }

  /** How many items follow: what `list` reads first, for a reader that keeps them its own way. */
  listLength(countMax: number): number {
    const count = this.varint();
    if (count > countMax) {
      throw new Malformed(`${count} items where ${countMax} are the most`, "size");
    }
    // No item is empty: a count beyond the bytes left is a lie, found before allocating.
    if (count > this.remaining) throw new Malformed("list longer than its bytes");
    return count;
  }

  /** All bytes that are left, as a view. */
  rest(): Uint8Array {
    return this.raw(this.remaining);
  }

  end(): void {
    if (this.remaining > 0) throw new Malformed(`${this.remaining} bytes too many`);
  }

  // `take` has checked the bounds; the default is for the compiler alone.
  #byte(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  #word(at: number): number {
    const high = this.#byte(at) * 0x100 + this.#byte(at + 1);
    return high * 0x1_0000 + this.#byte(at + 2) * 0x100 + this.#byte(at + 3);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new Malformed("bytes end too early");
    this.#at = at + count;
    return at;
  }
}

/** Runs a decoder over all of `bytes`; returns its value, or why the bytes were refused. */
export function decode<T>(bytes: Uint8Array, read: (reader: Reader) => T): T | Malformed {
  try {
    const reader = new Reader(bytes);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof Malformed) return error;
    throw error;
  }
}
