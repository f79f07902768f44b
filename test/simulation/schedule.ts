/**
 * Virtual time: a heap of events ordered by (time, sequence). Between two events all promises that
 * can settle do, so code written with promises runs to its next wait and the order is the seed's.
 */
interface Scheduled {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export class Schedule {
  nowMs = 0;
  /** Events that were run. */
  count = 0;
  readonly #heap: Scheduled[] = [];
  readonly #onThrown: (error: unknown) => void;
  #sequence = 0;

  /** @param onThrown an event threw: a bug of whoever asked for it. */
  constructor(onThrown: (error: unknown) => void) {
    this.#onThrown = onThrown;
  }

  after(delayMs: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run });
  }

  /** Runs everything up to `untilMs`. */
  async runUntil(untilMs: number): Promise<void> {
    await allPromises();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.count++;
      try {
        next.run();
      } catch (error) {
        this.#onThrown(error);
      }
      await allPromises();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || before(above, event)) break;
      heap[at] = above;
      heap[parent] = event;
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let least = left;
      if (right !== undefined && before(right, left)) {
        least = right;
        child++;
      }
      if (before(last, least)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
  }
}

const before = (a: Scheduled, b: Scheduled): boolean =>
  a.atMs !== b.atMs ? a.atMs < b.atMs : a.sequence < b.sequence;

/**
 * Every promise that can settle has settled: Node runs a tick asked for from within a promise's
 * reaction only when no reaction is left (lib/internal/process/task_queues.js), a tenth of the cost of
 * a turn of its event loop. Which therefore stands still: whoever runs many seeds lets it turn.
 */
const allPromises = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
