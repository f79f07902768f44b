/** Small arithmetic on byte strings that every folder above needs: compare, join, hexadecimal. */
import { Malformed } from "./malformed.ts";

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** Order by bytes, shorter first where one is a prefix of the other. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let index = 0; index < common; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexOfByte[byte] ?? "";
  return text;
}

/** The value of a hexadecimal digit by its character code; 0xff for every other code below 128. */
const valueOfDigit = new Uint8Array(128).fill(0xff);
for (let value = 0; value < 16; value++) valueOfDigit[value.toString(16).charCodeAt(0)] = value;

/** The bytes of a lower-case hexadecimal text. Throws `Malformed` for anything else. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0) throw new Malformed("not hexadecimal");
  const bytes = new Uint8Array(text.length / 2);
  // By table: every header of every entry spells three ids, and parsing slices costs ten times this.
  for (let index = 0; index < bytes.length; index++) {
    const high = valueOfDigit[text.charCodeAt(2 * index)] ?? 0xff;
    const low = valueOfDigit[text.charCodeAt(2 * index + 1)] ?? 0xff;
    if ((high | low) > 0xf) throw new Malformed("not hexadecimal");
    bytes[index] = (high << 4) | low;
  }
  return bytes;
}
