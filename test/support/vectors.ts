/** Reads the golden vectors of test/vectors; their form is told in the README there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromHex } from "@skein/shared/bytes/bytes.ts";

/** A piece of a byte string: what it is, and its hexadecimal. */
export type Field = readonly [what: string, hex: string];

/** A key pair made from a seed (Ed25519) or a secret (X25519), 32 bytes each in hexadecimal. */
export interface SeedVector {
  readonly seed: string;
  readonly public: string;
}
export interface SecretVector {
  readonly secret: string;
  readonly public: string;
}

/** The rows of a file. */
export const loadVectors = <T>(file: string): readonly T[] =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../vectors", file), "utf8")) as T[];

export const hexOf = (fields: readonly Field[]): string => fields.map(([, hex]) => hex).join("");

export const bytesOf = (fields: readonly Field[]): Uint8Array<ArrayBuffer> =>
  fromHex(hexOf(fields));

/** The bytes of one field. */
export function fieldOf(fields: readonly Field[], what: string): Uint8Array<ArrayBuffer> {
  const found = fields.find(([name]) => name === what);
  if (found === undefined) throw new Error(`a vector without ${what}`);
  return fromHex(found[1]);
}
