/**
 * Padmé (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, "Reducing Metadata Leakage from Encrypted
 * Files and Communication with PURBs", PETS 2019): a length keeps so few of its leading bits that of
 * n possible lengths only O(log log n) bits of information remain, at a cost of at most 12 %. Shorter
 * plains stay as they are: a keystroke must not cost twice its bytes.
 */

/** Lengths below are not padded. */
export const paddedFrom = 64;

/** The length to which `length` bytes are padded: its Padmé length, but at most `lengthMax`. */
export function paddedLength(length: number, lengthMax: number): number {
  if (length < paddedFrom) return length;
  const exponent = floorLog2(length);
  const keptBits = floorLog2(exponent) + 1;
  const droppedMask = (1 << (exponent - keptBits)) - 1;
  return Math.min((length + droppedMask) & ~droppedMask, lengthMax);
}

/** `bytes` with the zeros that make it so long: for a form that says its own length. */
export function padded(bytes: Uint8Array, lengthMax: number): Uint8Array<ArrayBuffer> {
  if (bytes.length > lengthMax) throw new RangeError(`${bytes.length} bytes, above ${lengthMax}`);
  const result = new Uint8Array(paddedLength(bytes.length, lengthMax));
  result.set(bytes);
  return result;
}

/** Of an integer from 1 to 2^31 − 1. */
const floorLog2 = (value: number): number => 31 - Math.clz32(value);
