/** The observables behind api.ts: cells that are set, and values computed from other observables. */
import type { Observable } from "./api.ts";

/** A value that its owner sets. Setting the same value again tells nobody. */
export class Cell<T> implements Observable<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe(listener: () => void): () => void {
    // A listener given twice is told twice: each subscription is one of its own.
    const own = () => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }
}

type Values<Sources extends readonly Observable<unknown>[]> = {
  readonly [Index in keyof Sources]: Sources[Index] extends Observable<infer T> ? T : never;
};

/**
 * Computed when asked for and only while its sources have changed since; `isSame` keeps the old
 * reference where nothing that counts is different.
 */
export function derived<const Sources extends readonly Observable<unknown>[], T>(
  sources: Sources,
  compute: (...values: Values<Sources>) => T,
  isSame: (before: T, after: T) => boolean = Object.is,
): Observable<T> {
  let inputs: readonly unknown[] | undefined;
  let value: { readonly of: T } | undefined;
  return {
    get() {
      const now = sources.map((source) => source.get());
      const known = value;
      if (known !== undefined && inputs?.every((input, at) => Object.is(input, now[at])) === true) {
        return known.of;
      }
      inputs = now;
      const computed = compute(...(now as unknown as Values<Sources>));
      if (known !== undefined && isSame(known.of, computed)) return known.of;
      value = { of: computed };
      return computed;
    },
    subscribe(listener) {
      const undo = sources.map((source) => source.subscribe(listener));
      return () => {
        for (const each of undo) each();
      };
    },
  };
}

/** Equality of plain values: objects, arrays, maps and primitives, by what is in them. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, at) => sameValue(item, b[at]));
  }
  if (a instanceof Map || b instanceof Map) {
    if (!(a instanceof Map) || !(b instanceof Map) || a.size !== b.size) return false;
    for (const [key, item] of a) if (!b.has(key) || !sameValue(item, b.get(key))) return false;
    return true;
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && sameValue(field(a, key), field(b, key)));
}

const field = (of: object, key: string): unknown => (of as Record<string, unknown>)[key];

/** Something that happens, for whoever listens; nothing is kept for those who come later. */
export class Events<T> {
  readonly #listeners = new Set<(event: T) => void>();

  on(listener: (event: T) => void): () => void {
    const own = (event: T) => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  emit(event: T): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}

/** Runs `task` once soon, however often it is asked for until then; in order, without recursion. */
export class Soon {
  readonly #task: () => void;
  readonly #schedule: (run: () => void) => void;
  #scheduled = false;

  constructor(task: () => void, schedule: (run: () => void) => void = queueMicrotask) {
    this.#task = task;
    this.#schedule = schedule;
  }

  ask(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      this.#task();
    });
  }
}
