/**
 * Structure-aware mutation: bits and bytes, but also what means something in every format here.
 * Varints become numbers at which something changes, slices move within an example and between two,
 * pieces of a sequence are dropped, repeated and reordered. The operators are those of AFL
 * (lcamtuf.coredump.cx/afl/technical_details.txt) with ours for varints.
 */
import { concatBytes } from "@skein/shared/bytes/bytes.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import type { Prng } from "../simulation/prng.ts";
import type { Input } from "./target.ts";

const piecesMax = 120;
const mutationsMax = 5;

/** Numbers at which lengths, limits and types of numbers change. */
export const boundaries: readonly number[] = [
  0,
  1,
  2,
  2 ** 7 - 1,
  2 ** 7,
  2 ** 14 - 1,
  2 ** 14,
  2 ** 16 - 1,
  2 ** 16,
  2 ** 21,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 48,
  2 ** 53 - 1,
];

/** Varints that no writer writes: 2^53, 2^63, 2^64 − 1, numbers in more bytes than they need. */
const strangeVarints: readonly Uint8Array[] = [
  "8080808080808010",
  "80808080808080808001",
  "ffffffffffffffffff01",
  "8000",
  "8100",
  "ff00",
  "80808000",
  "8080808080808000",
].map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));

const edgeBytes = [0x00, 0x01, 0x02, 0x7f, 0x80, 0xff];

export interface MutateOptions {
  readonly isSequence: boolean;
  readonly pieceBytesMax: number;
}

/** Another input than `input`, mostly; parts may come from `others`, which are never empty. */
export function mutate(
  input: Input,
  others: readonly Input[],
  dice: Prng,
  { isSequence, pieceBytesMax }: MutateOptions,
): Input {
  let pieces = [...input];
  const count = dice.between(1, dice.chance(0.5) ? 1 : mutationsMax);
  for (let done = 0; done < count; done++) {
    if (isSequence && dice.chance(0.4)) pieces = mutateList(pieces, others, dice);
    else mutatePiece(pieces, others, dice, pieceBytesMax);
  }
  return pieces.slice(0, piecesMax);
}

function mutatePiece(
  pieces: Uint8Array[],
  others: readonly Input[],
  dice: Prng,
  bytesMax: number,
): void {
  if (pieces.length === 0) return;
  const at = lateIn(pieces, dice);
  const mutated = mutateBytes(pieces[at] ?? nothing, anyPiece(others, dice), dice);
  pieces[at] = mutated.subarray(0, bytesMax);
}

function mutateList(
  pieces: readonly Uint8Array[],
  others: readonly Input[],
  dice: Prng,
): Input[0][] {
  if (pieces.length === 0) return [...dice.pick(others)];
  const at = lateIn(pieces, dice);
  const from = lateIn(pieces, dice);
  const piece = pieces[at] ?? nothing;
  switch (dice.between(0, 6)) {
    case 0: // drop
      return pieces.toSpliced(at, dice.between(1, 2));
    case 1: // repeat, at once or later
      return pieces.toSpliced(dice.chance(0.5) ? at : from, 0, piece);
    case 2: // swap
      return pieces.with(at, pieces[from] ?? nothing).with(from, piece);
    case 3: // move
      return pieces.toSpliced(at, 1).toSpliced(from, 0, piece);
    case 4: // cut off
      return pieces.slice(0, at + 1);
    case 5: // somebody else's piece
      return pieces.toSpliced(at, 0, anyPiece(others, dice));
    default: {
      // go on as another does
      const other = dice.pick(others);
      return [...pieces.slice(0, at), ...other.slice(dice.between(0, other.length))];
    }
  }
}

/** A place, rather towards the end: what breaks at the beginning of a sequence has seen little. */
const lateIn = (pieces: readonly unknown[], dice: Prng): number =>
  Math.floor(Math.sqrt(dice.fraction()) * pieces.length);

export function mutateBytes(bytes: Uint8Array, other: Uint8Array, dice: Prng): Uint8Array {
  const { length } = bytes;
  const at = dice.between(0, length);
  const count = dice.between(1, dice.chance(0.8) ? 8 : 64);
  switch (dice.between(0, 13)) {
    case 0: // a bit
      return replaced(bytes, at, [(bytes[at] ?? 0) ^ (1 << dice.between(0, 7))]);
    case 1: // an edge
      return replaced(bytes, at, [dice.pick(edgeBytes)]);
    case 2: // any byte
      return replaced(bytes, at, dice.bytes(1));
    case 3: // a little more or less
      return replaced(bytes, at, [(bytes[at] ?? 0) + dice.pick([-2, -1, 1, 2])]);
    case 4: // more of anything
      return spliced(bytes, at, 0, dice.bytes(count));
    case 5: // less
      return spliced(bytes, at, count, nothing);
    case 6: // the same again
      return spliced(bytes, at, 0, bytes.subarray(at, at + count * dice.pick([1, 1, 16])));
    case 7: {
      // two slices change places
      const far = dice.between(0, length);
      const [first, second] = at < far ? [at, far] : [far, at];
      const taken = Math.min(count, second - first);
      const moved = replaced(bytes, first, bytes.subarray(second, second + taken));
      return replaced(moved, second, bytes.subarray(first, first + taken));
    }
    case 8: {
      // a slice of another example over ours, or between
      const from = dice.between(0, other.length);
      return spliced(bytes, at, dice.chance(0.5) ? count : 0, other.subarray(from, from + count));
    }
    case 9: // ours to here, another from there
      return concatBytes(bytes.subarray(0, at), other.subarray(dice.between(0, other.length)));
    case 10: // cut off
      return bytes.subarray(0, at);
    case 11: // longer
      return concatBytes(bytes, dice.chance(0.5) ? new Uint8Array(count) : dice.bytes(count));
    case 12: {
      // a number of fixed width
      const number = new Writer().u64(dice.pick(boundaries)).finish();
      return replaced(bytes, at, number.subarray(8 - dice.pick([1, 2, 4, 8])));
    }
    default: // a varint
      return spliced(bytes, at, dice.chance(0.8) ? varintAt(bytes, at) : 0, someVarint(dice));
  }
}

function someVarint(dice: Prng): Uint8Array {
  if (dice.chance(0.2)) return dice.pick(strangeVarints);
  return new Writer(8)
    .varint(dice.chance(0.3) ? dice.between(0, 300) : dice.pick(boundaries))
    .finish();
}

/** How many bytes a varint that begins at `at` takes, if one does. */
function varintAt(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end < bytes.length && end < at + 8 && (bytes[end] ?? 0) >= 0x80) end++;
  return Math.min(end + 1, bytes.length) - at;
}

const nothing = new Uint8Array(0);

const spliced = (bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array =>
  concatBytes(bytes.subarray(0, at), put, bytes.subarray(at + removed));

/** Of the same length: what reaches beyond the end is dropped. */
function replaced(bytes: Uint8Array, at: number, put: ArrayLike<number>): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let index = 0; index < put.length && at + index < copy.length; index++) {
    copy[at + index] = put[index] ?? 0;
  }
  return copy;
}

function anyPiece(others: readonly Input[], dice: Prng): Uint8Array {
  const other = dice.pick(others);
  return other.length === 0 ? nothing : dice.pick(other);
}
