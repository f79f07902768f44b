/** Who is typing, in words that fit one line. */
import { namesInWords } from "../ui/list-words.ts";

export function typingWords(names: readonly string[]): string {
  if (names.length === 0) return "";
  if (names.length > 3) return "Several people are typing";
  return `${namesInWords(names)} ${names.length === 1 ? "is" : "are"} typing`;
}
