/** Anything whose events stop when it dies and wait while it is frozen: a tab, a relay's process. */
import type { Schedule } from "./schedule.ts";

export class Actor {
  dead = false;
  #frozen = false;
  readonly #deferred: (() => void)[] = [];
  readonly #schedule: Schedule;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  after(delayMs: number, run: () => void): void {
    this.#schedule.after(delayMs, () => this.#run(run));
  }

  /** Never settles once the actor is dead: nobody is there to notice. */
  delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** What has waited runs first, in its order, each as an event of its own. */
  thaw(): void {
    this.#frozen = false;
    this.#drain();
  }

  #run(run: () => void): void {
    if (this.dead) return;
    if (this.#frozen || this.#deferred.length > 0) this.#deferred.push(run);
    else run();
  }

  #drain(): void {
    this.#schedule.after(0, () => {
      if (this.dead || this.#frozen) return;
      this.#deferred.shift()?.();
      if (this.#deferred.length > 0) this.#drain();
    });
  }
}
