/** Ranks what the switcher offers against a few typed letters: whole beginnings, then words, then letters. */

export interface Findable {
  readonly label: string;
  /** Other words it answers to. */
  readonly words?: string;
}

/** Best first, those that do not match left out; in the given order where they match alike or nothing is typed. */
export function findIn<T extends Findable>(entries: readonly T[], typed: string): T[] {
  const query = folded(typed);
  if (query === "") return [...entries];
  return entries
    .map((entry, index) => ({ entry, index, score: scoreOf(entry, query) }))
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score || a.index - b.index)
    .map(({ entry }) => entry);
}

function scoreOf(entry: Findable, query: string): number {
  const own = score(folded(entry.label), query);
  return own > 0 ? own : score(folded(entry.words ?? ""), query) / 2;
}

function score(text: string, query: string): number {
  if (text === query) return 5;
  if (text.startsWith(query)) return 4;
  if (text.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(query))) return 3;
  if (text.includes(query)) return 2;
  return hasInOrder(text, query) ? 1 : 0;
}

function hasInOrder(text: string, query: string): boolean {
  let at = -1;
  for (const letter of query.replaceAll(" ", "")) {
    at = text.indexOf(letter, at + 1);
    if (at < 0) return false;
  }
  return true;
}

/** Lower case without accents. */
function folded(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().trim();
}
