/**
 * Cuts a large pasted text into slices that are inserted one per transaction, with the page free to
 * paint between them. Each becomes an operation of its own, far below the size limit of an entry, and
 * no slice makes a paragraph that a browser would take seconds to lay out.
 */

/** Pasted in one go below this. */
export const pasteCharsDirect = 20_000;
/** More than this is explained and not inserted. */
export const pasteCharsMax = 3_000_000;
/** Rich text beyond this is pasted as plain text: parsing it would stop the page. */
export const pasteHtmlCharsMax = 300_000;

/** As Yjs writes it; below the 64 KiB of an entry's body with room for what stands around it. */
const sliceBytesMax = 40_000;
/** What a paragraph costs beside its words: two structs with their ids. */
const paragraphBytes = 24;
const paragraphCharsMax = 8_000;

const encoder = new TextEncoder();

/** Slices of paragraphs; joined they are the text, with over-long lines broken at a space where there is one. */
export function pasteSlices(text: string): string[][] {
  const slices: string[][] = [];
  let slice: string[] = [];
  let bytes = 0;
  for (const line of text.split(/\r\n|\r|\n/u)) {
    for (const paragraph of broken(line)) {
      const cost = encoder.encode(paragraph).length + paragraphBytes;
      if (bytes > 0 && bytes + cost > sliceBytesMax) {
        slices.push(slice);
        slice = [];
        bytes = 0;
      }
      slice.push(paragraph);
      bytes += cost;
    }
  }
  if (slice.length > 0) slices.push(slice);
  return slices;
}

function broken(line: string): string[] {
  const parts: string[] = [];
  let rest = line;
  while (rest.length > paragraphCharsMax) {
    const space = rest.lastIndexOf(" ", paragraphCharsMax);
    let at = space > paragraphCharsMax / 2 ? space + 1 : paragraphCharsMax;
    // Never between the two halves of a character outside the basic plane.
    if (/[\uD800-\uDBFF]/u.test(rest.charAt(at - 1))) at--;
    parts.push(rest.slice(0, at));
    rest = rest.slice(at);
  }
  parts.push(rest);
  return parts;
}
