/**
 * Finds web addresses in plain text. The text itself is never changed and never becomes HTML: the view
 * draws each segment as a text node, links inside an anchor whose address passed `safeAddress`.
 */

export interface Segment {
  readonly text: string;
  /** Where it leads; undefined for plain text. */
  readonly href: string | undefined;
}

const candidate = /(?:https?:\/\/|mailto:|www\.)[^\s<>"“”«»]+/giu;
const protocols: ReadonlySet<string> = new Set(["http:", "https:", "mailto:"]);
const brackets: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/** The address if it is a web or mail address and nothing else; undefined for scripts, data and the like. */
export function safeAddress(address: string): string | undefined {
  const url = URL.parse(/^www\./iu.test(address) ? `https://${address}` : address);
  if (url === null || !protocols.has(url.protocol)) return undefined;
  return url.protocol !== "mailto:" && url.hostname === "" ? undefined : url.href;
}

/** Covers the whole text, in order. */
export function segmentsOf(text: string): Segment[] {
  const segments: Segment[] = [];
  let done = 0;
  for (const match of text.matchAll(candidate)) {
    // A word that merely contains the letters, like "awww.".
    if (/[\p{L}\p{N}]/u.test(text.slice(0, match.index).at(-1) ?? "")) continue;
    const address = withoutTail(match[0]);
    const href = safeAddress(address);
    if (href === undefined || /^(?:www\.|mailto:|https?:\/\/)$/iu.test(address)) continue;
    if (match.index > done) segments.push(plain(text.slice(done, match.index)));
    segments.push({ text: address, href });
    done = match.index + address.length;
  }
  if (done < text.length) segments.push(plain(text.slice(done)));
  return segments;
}

function plain(text: string): Segment {
  return { text, href: undefined };
}

/** Without the punctuation of the sentence around it; a bracket stays if it was opened inside. */
function withoutTail(address: string): string {
  let end = address.length;
  for (; end > 0; end--) {
    const last = address.charAt(end - 1);
    if (/[.,;:!?'’…*_~]/u.test(last)) continue;
    const opening = brackets[last];
    if (opening === undefined) break;
    const inside = address.slice(0, end);
    if (inside.split(opening).length >= inside.split(last).length) break;
  }
  return address.slice(0, end);
}
