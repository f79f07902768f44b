import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import { pasteSlices } from "./paste-slices.ts";

/** The size of the operation that a slice becomes. */
function updateBytes(paragraphs: readonly string[]): number {
  const doc = new Y.Doc();
  let bytes = 0;
  doc.on("update", (update: Uint8Array) => (bytes += update.length));
  doc.getXmlFragment("content").insert(
    0,
    paragraphs.map((words) => {
      const paragraph = new Y.XmlElement("paragraph");
      paragraph.insert(0, words === "" ? [] : [new Y.XmlText(words)]);
      return paragraph;
    }),
  );
  return bytes;
}

describe("a large paste", () => {
  it("keeps its lines as paragraphs", () => {
    expect(pasteSlices("a\r\nb\n\nc")).toEqual([["a", "b", "", "c"]]);
  });

  it("of a megabyte comes in slices that each fit an entry", () => {
    for (const line of ["lorem ipsum dolor sit amet\n", "私は庭に豆を植えました\n"]) {
      const slices = pasteSlices(line.repeat(1_000_000 / line.length));
      expect(slices.length).toBeGreaterThan(20);
      for (const slice of slices) expect(updateBytes(slice)).toBeLessThan(60_000);
    }
  });

  it("breaks a line that never ends at spaces", () => {
    const paragraphs = pasteSlices("lorem ".repeat(5_000)).flat();
    expect(paragraphs.length).toBeGreaterThan(3);
    for (const paragraph of paragraphs) expect(paragraph).toMatch(/^lorem .*lorem $|^$/);
  });

  it("loses not a letter, and cuts no character in two", () => {
    const text = fc.array(
      fc.tuple(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 9_000 })),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(text, (parts) => {
        const whole = parts.map(([piece, times]) => piece.slice(0, 8).repeat(times)).join("\n");
        const slices = pasteSlices(whole);
        const letters = (value: string) => value.replace(/[\r\n]/gu, "");
        expect(letters(slices.flat().join("")) === letters(whole)).toBe(true);
        // A whole that was well-formed stays so in its parts.
        const broken = slices.flat().filter((paragraph) => !paragraph.isWellFormed());
        expect(whole.isWellFormed() ? broken : []).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
