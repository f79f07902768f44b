/**
 * The order of keys and the ranges under a prefix, as IndexedDB has them (Indexed Database API 3.0,
 * section 2.4), so that every `Kv` walks its rows alike.
 */
import type { Key } from "./kv.ts";

/** Numbers before strings before arrays; strings by UTF-16 code units; a prefix before the longer. */
export function compareKeys(a: Key, b: Key): number {
  if (typeof a === "object") return typeof b === "object" ? compareArrays(a, b) : 1;
  return typeof b === "object" ? -1 : compareParts(a, b);
}

function compareArrays(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  const common = Math.min(a.length, b.length);
  for (let index = 0; index < common; index++) {
    const order = compareParts(a[index] ?? 0, b[index] ?? 0);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: number | string, b: number | string): number {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Throws for what IndexedDB refuses as a key. */
export function assertKey(key: Key): void {
  for (const part of typeof key === "object" ? key : [key]) {
    if (Number.isNaN(part)) throw new TypeError("NaN is no key");
  }
}

/**
 * All array keys that begin with `prefix`. No string stands between `last` and `last` ‖ U+0000, so
 * the bound is exact.
 */
export function beginningWith(...prefix: [...(number | string)[], string]): {
  readonly from: Key;
  readonly before: Key;
} {
  const last = prefix[prefix.length - 1] as string;
  return { from: prefix, before: [...prefix.slice(0, -1), `${last}\0`] };
}

/** Part of an array key that was put under this kind of id or number. */
export const partOf = <Part extends number | string>(key: Key, index: number): Part =>
  (typeof key === "object" ? key[index] : key) as Part;
