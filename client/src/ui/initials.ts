/** The two letters of an avatar. */

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** First letters of the first and last word, or the first two of a single one; "?" without any. */
export function initials(name: string): string {
  const words = name
    .trim()
    .split(/\s+/u)
    .map((word) => word.replace(/^[^\p{L}\p{N}\p{Extended_Pictographic}]+/u, ""))
    .filter((word) => word !== "");
  const first = words[0];
  const last = words.at(-1);
  if (first === undefined || last === undefined) return "?";
  const letters = words.length === 1 ? leading(first, 2) : leading(first, 1) + leading(last, 1);
  return letters.toLocaleUpperCase();
}

function leading(word: string, count: number): string {
  return Array.from(graphemes.segment(word), ({ segment }) => segment)
    .slice(0, count)
    .join("");
}
