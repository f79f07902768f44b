/**
 * What a relay does unasked, now and then: letting go of what nobody wants any longer. A job comes in
 * slices with pauses between them, so that whoever writes or reads meanwhile waits for one slice at
 * most. Pure: the timer is handed in.
 */
export interface Job {
  /** What is swept, for the log. */
  readonly name: string;
  readonly everyMs: number;
  /** How much one slice does at most. */
  readonly countMax: number;
  /** Does one slice; how much it did. Less than `countMax`: nothing is left for now. */
  readonly slice: (countMax: number) => Promise<number>;
}

/** Calls `run` once, after that time; what is returned takes that back. */
export type Wake = (afterMs: number, run: () => void) => () => void;

export interface SweeperOptions {
  readonly jobs: readonly Job[];
  readonly wake: Wake;
  /** Before each job's first slice: not at the next full hour, since relays restart oftener. */
  readonly firstMs: number;
  /** Between two slices of a job. */
  readonly pauseMs: number;
  /** The job is tried again when its time comes. */
  readonly onFailed: (job: Job, error: unknown) => void;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  /** What takes each job's next slice back. */
  readonly #next = new Map<Job, () => void>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    for (const job of options.jobs) this.#arm(job, options.firstMs);
  }

  /** Begins no slice any more; resolves when those under way have ended. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const takeBack of this.#next.values()) takeBack();
    this.#next.clear();
    await Promise.all(this.#running);
  }

  #arm(job: Job, afterMs: number): void {
    if (this.#closed) return;
    const takeBack = this.#options.wake(afterMs, () => {
      this.#next.delete(job);
      const running = this.#run(job).finally(() => this.#running.delete(running));
      this.#running.add(running);
    });
    this.#next.set(job, takeBack);
  }

  async #run(job: Job): Promise<void> {
    let waitMs = job.everyMs;
    try {
      const done = await job.slice(job.countMax);
      if (done >= job.countMax) waitMs = this.#options.pauseMs;
    } catch (error) {
      this.#options.onFailed(job, error);
    }
    this.#arm(job, waitMs);
  }
}
