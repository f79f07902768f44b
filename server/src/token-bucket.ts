/**
 * Two numbers that say whether somebody is too fast: tokens refill at a steady rate up to a burst,
 * everything that happens takes some. What is taken beyond zero is a debt that refills first.
 */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes `count`, in any case; returns in how many ms the debt is refilled, 0 if there is none. */
  take(count: number, nowMs: number): number {
    this.#refill(nowMs);
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1_000) / this.#rate.perSecond);
  }

  /** Takes `count` if so many are there: who is refused pays nothing. */
  tryTake(count: number, nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  #refill(nowMs: number): void {
    const { perSecond, burst } = this.#rate;
    // A clock that jumps back refills nothing.
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(burst, this.#tokens + (passedMs * perSecond) / 1_000);
  }
}
