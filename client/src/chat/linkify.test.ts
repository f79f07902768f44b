import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { safeAddress, segmentsOf } from "./linkify.ts";

const links = (text: string) =>
  segmentsOf(text).flatMap(({ text: words, href }) => (href === undefined ? [] : [[words, href]]));

describe("addresses in a text", () => {
  it.each([
    ["see https://example.org/a?b=c#d now", "https://example.org/a?b=c#d"],
    ["(https://example.org/a)", "https://example.org/a"],
    ["https://example.org/wiki/A_(b)", "https://example.org/wiki/A_(b)"],
    ["Look: https://example.org/a.", "https://example.org/a"],
    ["https://example.org/a, and", "https://example.org/a"],
    ["https://example.org…", "https://example.org"],
    ["“https://example.org”", "https://example.org"],
    ["write to mailto:ana@example.org!", "mailto:ana@example.org"],
  ])("of %j", (text, address) => {
    expect(links(text).map(([words]) => words)).toEqual([address]);
  });

  it("may lack the protocol if they begin with www", () => {
    expect(links("www.example.org")).toEqual([["www.example.org", "https://www.example.org/"]]);
  });

  it.each([
    "javascript:alert(1)",
    "data:text/html,hi",
    "https://",
    "www.",
    "mailto:",
    "awww.cute",
    "xhttps://example.org",
    "a.b",
    "",
  ])("are not found in %j", (text) => {
    expect(links(text)).toEqual([]);
  });

  it("may be several", () => {
    expect(links("https://a.example https://b.example")).toHaveLength(2);
  });

  it("leave the text as it was, and lead nowhere but to the web and to mail", () => {
    const piece = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom(
        "https://a.example/",
        "www.b.example",
        "javascript:",
        "(",
        ")",
        " ",
        ".",
        "\n",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join("");
        const segments = segmentsOf(text);
        expect(segments.map((segment) => segment.text).join("")).toBe(text);
        const addresses = segments.flatMap(({ href }) => (href === undefined ? [] : [href]));
        expect(addresses.filter((href) => !/^(?:https?:|mailto:)/u.test(href))).toEqual([]);
      }),
    );
  });
});

describe("a safe address", () => {
  it.each([
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    " data:,x",
    "vbscript:x",
    "file:///etc",
    "x",
  ])("is not %j", (address) => {
    expect(safeAddress(address)).toBeUndefined();
  });
});
