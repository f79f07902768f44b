import { expect, it } from "vitest";
import { typingWords } from "./typing-words.ts";

it.each([
  [[], ""],
  [["Ana"], "Ana is typing"],
  [["Ana", "Ben"], "Ana and Ben are typing"],
  [["Ana", "Ben", "Cleo"], "Ana, Ben and Cleo are typing"],
  [["Ana", "Ben", "Cleo", "Dai"], "Several people are typing"],
])("of %j says %j", (names, words) => {
  expect(typingWords(names)).toBe(words);
});
