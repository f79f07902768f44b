export const nonceBytes = 12;

/**
 * The AES-GCM nonce that is a count: `u32 0 ‖ count u64`.
 * @param nonce where it is written: zeros, or an earlier one.
 */
export function countedNonce(
  count: number,
  nonce = new Uint8Array(nonceBytes),
): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`no count: ${count}`);
  for (let at = nonceBytes - 1, rest = count; at >= 4; at--) {
    // Storing a byte keeps the low eight bits.
    nonce[at] = rest;
    rest = Math.floor(rest / 0x100);
  }
  return nonce;
}
