/**
 * Base64url without padding (RFC 4648 section 5), for what stands in links. The decoder takes the
 * one canonical form only, so that two different links never mean the same bytes.
 */
import { Malformed } from "./malformed.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const valueByCode = new Map(Array.from(alphabet, (letter, value) => [letter.charCodeAt(0), value]));

export function toBase64Url(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      text += alphabet[(held >> bits) & 0x3f] ?? "";
    }
    held &= (1 << bits) - 1;
  }
  if (bits > 0) text += alphabet[(held << (6 - bits)) & 0x3f] ?? "";
  return text;
}

/** Letters that `length` bytes take. */
export const base64UrlLength = (length: number): number => Math.ceil((length * 4) / 3);

/** Throws `Malformed` for letters outside the alphabet, an impossible length or unused bits set. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 4 === 1) throw new Malformed("base64url of an impossible length");
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  let held = 0;
  let bits = 0;
  for (let index = 0; index < text.length; index++) {
    const value = valueByCode.get(text.charCodeAt(index));
    if (value === undefined) throw new Malformed("a letter that is not base64url");
    held = (held << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  if (held !== 0) throw new Malformed("base64url with unused bits set");
  return bytes;
}
