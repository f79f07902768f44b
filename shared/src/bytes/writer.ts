/**
 * Builds byte strings in the notation of docs/protocol.md section 1: big-endian fixed widths,
 * shortest-form LEB128 varints, length-prefixed bytes and text. A writer of exactly the right
 * capacity copies nothing twice, which is what the frames of a hot path want.
 */
export class Writer {
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;

  /**
   * Without a capacity it begins in a buffer that serves one such writer after the other.
   * @param beginIn the capacity, or the caller's own buffer.
   */
  constructor(beginIn?: number | Uint8Array<ArrayBuffer>) {
    if (beginIn instanceof Uint8Array) this.#buffer = beginIn;
    else if (beginIn === undefined && spare !== undefined) {
      this.#buffer = spare;
      spare = undefined;
    } else this.#buffer = new Uint8Array(beginIn ?? spareBytes);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    assertWidth(value, 0x100);
    const at = this.#grow(1);
    this.#buffer[at] = value;
    return this;
  }

  u16(value: number): this {
    assertWidth(value, 0x1_0000);
    const at = this.#grow(2);
    this.#buffer[at] = value >>> 8;
    this.#buffer[at + 1] = value;
    return this;
  }

  u32(value: number): this {
    assertWidth(value, 0x1_0000_0000);
    this.#word(this.#grow(4), value);
    return this;
  }

  /** A number up to 2^53 − 1 in eight bytes. */
  u64(value: number): this {
    assertCount(value);
    const at = this.#grow(8);
    this.#word(at, Math.floor(value / 0x1_0000_0000));
    this.#word(at + 4, value);
    return this;
  }

  varint(value: number): this {
    assertCount(value);
    let at = this.#grow(varintLength(value));
    const buffer = this.#buffer;
    let rest = value;
    while (rest >= 0x80) {
      // Division instead of shifts: bit operators stop at 32 bits.
      buffer[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    buffer[at] = rest;
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Raw bytes of a width the format fixes; any other is a bug. */
  fixed(bytes: Uint8Array, width: number): this {
    if (bytes.length !== width) throw new RangeError(`${bytes.length} bytes, not ${width}`);
    return this.raw(bytes);
  }

  bytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }

  text(text: string): this {
    return this.bytes(utf8.encode(text));
  }

  list<T>(items: readonly T[], write: (writer: Writer, item: T) => void): this {
    this.varint(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  zeros(count: number): this {
    const at = this.#grow(count);
    this.#buffer.fill(0, at, at + count);
    return this;
  }

  /**
   * The bytes written so far; they are the caller's. A full buffer is handed over without a copy:
   * whatever is written later goes to a larger one.
   */
  finish(): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffer;
    if (this.#length === buffer.length) return buffer;
    const bytes = buffer.slice(0, this.#length);
    if (buffer.length === spareBytes) {
      spare = buffer;
      // Full, and copied by whatever is written later: so nobody writes into bytes handed over.
      this.#buffer = bytes;
    }
    return bytes;
  }

  #word(at: number, value: number): void {
    const buffer = this.#buffer;
    // Storing a byte keeps the low eight bits, and `>>>` the low 32.
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2, 16));
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.#length = needed;
    return at;
  }
}

const utf8 = new TextEncoder();

/**
 * Most byte strings are shorter than this, and a fresh buffer of this size costs as much as all that
 * is written into it. Who takes it leaves none, so writers that overlap have one each.
 */
const spareBytes = 256;
let spare: Uint8Array<ArrayBuffer> | undefined;

/** Bytes that `value` takes as a varint. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

function assertWidth(value: number, end: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= end) {
    throw new RangeError(`not a number below ${end}: ${value}`);
  }
}

function assertCount(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`not a count that fits the wire: ${value}`);
  }
}
