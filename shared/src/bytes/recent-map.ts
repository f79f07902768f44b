/**
 * A map with a limit: it forgets the row that was not asked for the longest. For caches of what can
 * be computed again (imported public keys, derived content keys), so that nobody who invents new
 * keys can grow our memory.
 */
export class RecentMap<K, V> {
  readonly #rows = new Map<K, V>();
  readonly #rowsMax: number;

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The row, which thereby becomes the newest. */
  get(key: K): V | undefined {
    const value = this.#rows.get(key);
    if (value === undefined) return undefined;
    // A Map keeps the order of insertion: the oldest stands first.
    this.#rows.delete(key);
    this.#rows.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#rows.delete(key);
    this.#rows.set(key, value);
    if (this.#rows.size <= this.#rowsMax) return;
    for (const oldest of this.#rows.keys()) {
      this.#rows.delete(oldest);
      break;
    }
  }

  delete(key: K): void {
    this.#rows.delete(key);
  }
}
