/** The AES-GCM nonce that is a count: `u32 0 ‖ count u64`, 12 bytes. */
export function countedNonce(count: number): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`no count: ${count}`);
  const nonce = new Uint8Array(12);
  for (let at = 11, rest = count; rest > 0; at--) {
    // Storing a byte keeps the low eight bits.
    nonce[at] = rest;
    rest = Math.floor(rest / 0x100);
  }
  return nonce;
}
