/** Names of members and spaces: 1 to 256 bytes of UTF-8. What is wrong with others, in one place. */
import { limits } from "../protocol/limits.ts";

/** `empty`: nothing but white space. `not text`: half a surrogate pair, no such character. */
export type NameFault = "empty" | "too long" | "not text";

/** What speaks against a name somebody typed; undefined if nothing. */
export function nameFault(name: string): NameFault | undefined {
  if (name.trim() === "") return "empty";
  if (!name.isWellFormed()) return "not text";
  return new TextEncoder().encode(name).length > limits.nameBytesMax ? "too long" : undefined;
}
