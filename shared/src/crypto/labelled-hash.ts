/**
 * `H(label, x)` of suite 1 in JavaScript. WebCrypto hashes asynchronously only, and a chain of small
 * headers is done sooner here than the promises would take.
 */
import { sha256 } from "./sha256.ts";

const prefixByLabel = new Map<string, Uint8Array>();
const scratch = new Uint8Array(1_024);

/** SHA-256(label ‖ 0x00 ‖ parts). `label` is one of the protocol's, in ASCII. */
export function labelledSha256(
  label: string,
  ...parts: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const prefix = prefixOf(label);
  let length = prefix.length;
  for (const part of parts) length += part.length;
  // Small inputs, which are nearly all, are joined where no memory is taken for them.
  const input = length <= scratch.length ? scratch : new Uint8Array(length);
  input.set(prefix);
  let at = prefix.length;
  for (const part of parts) {
    input.set(part, at);
    at += part.length;
  }
  return sha256(input, length);
}

function prefixOf(label: string): Uint8Array {
  let prefix = prefixByLabel.get(label);
  if (prefix === undefined) {
    prefix = new Uint8Array(label.length + 1);
    for (let index = 0; index < label.length; index++) prefix[index] = label.charCodeAt(index);
    prefixByLabel.set(label, prefix);
  }
  return prefix;
}
