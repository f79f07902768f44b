/**
 * Decides when a message counts as read: in view for one whole second without a break, while the person
 * is looking (window focused, page visible, nothing on top). Time comes in with every event, so that it
 * runs and is tested without a clock.
 */

const readAfterMs = 1_000;

export class ReadTimer {
  /** Since when each message in view has been looked at. */
  readonly #sinceMsByKey = new Map<string, number>();
  readonly #read = new Set<string>();
  #looking: boolean;

  constructor(looking: boolean) {
    this.#looking = looking;
  }

  appear(key: string, nowMs: number): void {
    if (!this.#read.has(key) && !this.#sinceMsByKey.has(key)) this.#sinceMsByKey.set(key, nowMs);
  }

  disappear(key: string): void {
    this.#sinceMsByKey.delete(key);
  }

  /** Whether the person is looking; a look that is interrupted begins anew. */
  look(looking: boolean, nowMs: number): void {
    if (looking && !this.#looking) {
      for (const key of this.#sinceMsByKey.keys()) this.#sinceMsByKey.set(key, nowMs);
    }
    this.#looking = looking;
  }

  /** What has become read by now; each message once. */
  take(nowMs: number): string[] {
    if (!this.#looking) return [];
    const due: string[] = [];
    for (const [key, sinceMs] of this.#sinceMsByKey) {
      if (nowMs - sinceMs < readAfterMs) continue;
      due.push(key);
      this.#read.add(key);
      this.#sinceMsByKey.delete(key);
    }
    return due;
  }

  /** When to ask again though nothing happens. */
  nextAtMs(): number | undefined {
    if (!this.#looking || this.#sinceMsByKey.size === 0) return undefined;
    return Math.min(...this.#sinceMsByKey.values()) + readAfterMs;
  }
}
