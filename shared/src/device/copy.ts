/**
 * What of a value goes into a database: plain objects, arrays, maps, sets, byte strings, primitives,
 * and handles that nobody can look into (a `CryptoKey`). All that a structured clone keeps of our
 * rows, with one difference: of a view only its own bytes, where a clone would drag the whole buffer
 * under it to the disk.
 */

/**
 * A copy that shares nothing with `value` except what is in `owned`: parts of earlier copies, which
 * nobody changes any more. The copy's own parts are added. Throws for functions and symbols, which
 * no database stores.
 */
export function ownCopy(value: unknown, owned: WeakSet<object>): unknown {
  const own = (part: unknown): unknown => {
    assertStorable(part);
    if (typeof part !== "object" || part === null || owned.has(part)) return part;
    const copy = copyOf(part, own);
    owned.add(copy);
    return copy;
  };
  return own(value);
}

/** `value`, or a copy of as much of it as it takes to have no view of more than its own bytes. */
export function tightened(value: unknown): unknown {
  if (typeof value !== "object" || value === null || isTight(value)) return value;
  return copyOf(value, tightened);
}

function isTight(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (value instanceof Uint8Array) return value.length === value.buffer.byteLength;
  if (Array.isArray(value)) return value.every(isTight);
  if (value instanceof Map) return [...value.values()].every(isTight);
  if (value instanceof Set) return true;
  if (!isPlain(value)) return true;
  for (const key in value) if (!isTight((value as Record<string, unknown>)[key])) return false;
  return true;
}

function copyOf(value: object, copyPart: (part: unknown) => unknown): object {
  // Not `slice`: that of Node's Buffer is a view.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(copyPart);
  if (value instanceof Map) {
    return new Map([...value].map(([key, part]) => [copyPart(key), copyPart(part)]));
  }
  if (value instanceof Set) return new Set([...value].map(copyPart));
  return isPlain(value) ? copyOfPlain(value, copyPart) : value;
}

/** Copied whole first, which keeps the shape that engines know, for the many small records of a bulk row. */
function copyOfPlain(value: object, copyPart: (part: unknown) => unknown): object {
  const copy: Record<string, unknown> = { ...value };
  for (const key in copy) {
    const part = copy[key];
    const own = copyPart(part);
    if (own !== part) copy[key] = own;
  }
  return copy;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function assertStorable(value: unknown): void {
  if (typeof value === "function" || typeof value === "symbol") {
    throw new TypeError(`a ${typeof value} cannot be stored`);
  }
}
