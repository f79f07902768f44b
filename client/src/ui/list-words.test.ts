import { describe, expect, it } from "vitest";
import { bytesInWords, counted, namesInWords } from "./list-words.ts";

describe("names in words", () => {
  it.each([
    [[], ""],
    [["Ana"], "Ana"],
    [["Ana", "Ben"], "Ana and Ben"],
    [["Ana", "Ben", "Cleo"], "Ana, Ben and Cleo"],
    [["Ana", "Ben", "Cleo", "Dai", "Eva"], "Ana, Ben and 3 others"],
  ])("%j are %s", (names, words) => {
    expect(namesInWords(names)).toBe(words);
  });
});

it("one is not many", () => {
  expect(counted(1, "device")).toBe("1 device");
  expect(counted(0, "device")).toBe("0 devices");
  expect(counted(1_200, "entry", "entries")).toBe("1,200 entries");
});

it("bytes come in the unit that fits", () => {
  expect([1, 999, 1_000, 16_384, 1_500_000, 25_300_000, 2_400_000_000].map(bytesInWords)).toEqual([
    "1 byte",
    "999 bytes",
    "1 KB",
    "16 KB",
    "1.5 MB",
    "25 MB",
    "2.4 GB",
  ]);
});
