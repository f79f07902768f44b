/**
 * What an outcome shows that no earlier one did: the cheap stand-in for the coverage that fuzzers
 * take from instrumented code. A refusal shows its reason, an accepted value the kinds of its parts
 * and the magnitudes of its numbers and lengths.
 */
import type { Outcome } from "./target.ts";

const depthMax = 7;

/** Reasons without the numbers and names in them, so that there are few. */
export const classOf = (reason: string): string =>
  reason.replaceAll(/\b[0-9a-f]{16,}\b|\d+/g, "#").slice(0, 120);

export class Features {
  readonly #seen = new Set<string>();

  get size(): number {
    return this.#seen.size;
  }

  /** Whether the outcome shows anything new. */
  add(outcome: Outcome): boolean {
    const before = this.#seen.size;
    if (outcome.kind === "refused") this.#seen.add(`${outcome.fault}: ${classOf(outcome.reason)}`);
    this.#visit(outcome.kind, outcome.value, 0);
    return this.#seen.size > before;
  }

  #visit(path: string, value: unknown, depth: number): void {
    switch (typeof value) {
      case "number":
        this.#seen.add(`${path} ${magnitude(value)}`);
        return;
      case "string":
        this.#seen.add(isChoice.test(path) ? `${path} ${value}` : `${path} text${lengthOf(value)}`);
        return;
      case "object":
        break;
      default:
        this.#seen.add(`${path} ${String(value)}`);
        return;
    }
    if (value === null || depth > depthMax) return;
    if (value instanceof Uint8Array) {
      this.#seen.add(`${path} bytes${lengthOf(value)}`);
    } else if (Array.isArray(value) || value instanceof Map) {
      const items = [...(value as Iterable<unknown>)];
      this.#seen.add(`${path} list${lengthOf(items)}`);
      // The ends of a list stand for it: what is longest is seldom what is newest.
      this.#visit(`${path}[]`, items[0], depth + 1);
      this.#visit(`${path}[]`, items.at(-1), depth + 1);
    } else {
      const { type, kind } = value as { type?: unknown; kind?: unknown };
      const name = typeof type === "string" ? type : typeof kind === "string" ? kind : "";
      for (const [key, part] of Object.entries(value)) {
        this.#visit(`${path}/${name}.${key}`, part, depth + 1);
      }
    }
  }
}

/** Fields that hold one of a few words. */
const isChoice = /\.(kind|type|status|role|mode|party|form|spaceKind|action)$/;

function lengthOf({ length }: { readonly length: number }): string {
  return length < 3 ? String(length) : magnitude(length);
}

function magnitude(value: number): string {
  if (value === 0 || value === 1) return String(value);
  if (!Number.isSafeInteger(value)) return "odd";
  if (value < 0) return "negative";
  if (value < 2 ** 7) return "7 bits";
  if (value < 2 ** 14) return "14 bits";
  if (value < 2 ** 21) return "21 bits";
  if (value < 2 ** 32) return "32 bits";
  return value === Number.MAX_SAFE_INTEGER ? "most" : "53 bits";
}
