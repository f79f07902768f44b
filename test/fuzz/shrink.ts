/**
 * Makes an input that breaks something as small as it gets: pieces go, then slices, then bytes
 * become zero (delta debugging: Zeller and Hildebrandt, TSE 2002), as long as it breaks the same way.
 */
import type { Input } from "./target.ts";

/** @param breaks whether an input still does it; asked at most `triesMax` times. */
export async function shrink(
  input: Input,
  breaks: (input: Input) => Promise<boolean>,
  triesMax: number,
): Promise<Input> {
  let best = input;
  let tries = 0;
  const keepIf = async (smaller: Input): Promise<boolean> => {
    if (tries >= triesMax) return false;
    tries++;
    if (!(await breaks(smaller))) return false;
    best = smaller;
    return true;
  };
  for (let size = -1; size !== sizeOf(best) && tries < triesMax;) {
    size = sizeOf(best);
    await removePieces();
    for (let piece = 0; piece < best.length; piece++) await removeSlices(piece);
  }
  for (let piece = 0; piece < best.length; piece++) await makeZero(piece);
  return best;

  async function removePieces(): Promise<void> {
    for (let count = best.length >> 1; count >= 1; count >>= 1) {
      for (let at = best.length - count; at >= 0; at -= count) {
        await keepIf(best.toSpliced(at, count));
      }
    }
  }

  async function removeSlices(piece: number): Promise<void> {
    const bytes = (): Uint8Array => best[piece] ?? new Uint8Array(0);
    for (let count = (bytes().length + 1) >> 1; count >= 1; count >>= 1) {
      for (let at = bytes().length - count; at >= 0; at -= count) {
        const rest = [...bytes()].toSpliced(at, count);
        await keepIf(best.with(piece, Uint8Array.from(rest)));
      }
    }
  }

  async function makeZero(piece: number): Promise<void> {
    for (let at = 0; at < (best[piece]?.length ?? 0); at++) {
      const bytes = Uint8Array.from(best[piece] ?? []);
      if (bytes[at] === 0) continue;
      bytes[at] = 0;
      await keepIf(best.with(piece, bytes));
    }
  }
}

const sizeOf = (input: Input): number => input.reduce((size, piece) => size + 1 + piece.length, 0);
