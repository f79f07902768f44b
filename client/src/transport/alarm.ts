/**
 * The one timer of what lives by `wakeAtMs` and `tick`: connections, retries, replicas. Each says when
 * it wants to be called next; the alarm asks all of them after every call and every `look`.
 *
 * Browsers hold timers of hidden pages back by up to a minute, but not messages. So whoever hears
 * something (a frame, another tab) looks, and what is due by then is done without a timer.
 */
import type { Clock } from "@skein/shared/env.ts";

export interface Sleeper {
  /** In ms of the clock; `Infinity` for never. May lie in the past: then it is called soon. */
  wakeAtMs(): number;
  tick(): void;
}

/** Between two rounds without a timer: whoever is always due must not keep the page from all else. */
const looksEveryMs = 200;
/** A clock that jumps must not put a timer to sleep for years. */
const sleepMsMax = 30_000;

export class Alarm {
  readonly #clock: Clock;
  readonly #sleepers = new Set<Sleeper>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking = false;
  #rangAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(sleeper: Sleeper): () => void {
    this.#sleepers.add(sleeper);
    this.look();
    return () => this.#sleepers.delete(sleeper);
  }

  /** Something happened after which somebody may want to be called at another time. */
  look(): void {
    if (this.#looking || this.#closed) return;
    this.#looking = true;
    // After the step that is running: what it still does may set the time.
    queueMicrotask(() => {
      this.#looking = false;
      const isPause = Math.abs(this.#clock.now() - this.#rangAtMs) < looksEveryMs;
      if (isPause || this.#wakeAtMs() > this.#clock.now()) this.#arm();
      else this.#ring();
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#sleepers.clear();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const wakeAtMs = this.#wakeAtMs();
    if (wakeAtMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(0, wakeAtMs - this.#clock.now()), sleepMsMax);
    this.#timer = setTimeout(() => this.#ring(), Math.ceil(delayMs));
  }

  #wakeAtMs(): number {
    let wakeAtMs = Number.POSITIVE_INFINITY;
    for (const sleeper of this.#sleepers) wakeAtMs = Math.min(wakeAtMs, sleeper.wakeAtMs());
    return wakeAtMs;
  }

  #ring(): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    this.#rangAtMs = now;
    for (const sleeper of [...this.#sleepers]) if (sleeper.wakeAtMs() <= now) sleeper.tick();
    this.#arm();
  }
}
