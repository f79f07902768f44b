/**
 * How the core waits without `await`: an effect is started, its result comes back later as an
 * event of its own, in whatever order the world likes. After `close` nothing comes back.
 */
export class Effects {
  #closed = false;
  readonly #onBug: (error: unknown) => void;

  /** @param onBug a handler threw, or an effect failed that has no failure handler: a bug. */
  constructor(onBug: (error: unknown) => void) {
    this.#onBug = onBug;
  }

  get closed(): boolean {
    return this.#closed;
  }

  start<T>(
    effect: Promise<T>,
    done: (value: T) => void,
    failed: (error: unknown) => void = this.#onBug,
  ): void {
    effect.then(
      (value) => {
        if (!this.#closed) this.#guard(() => done(value));
      },
      (error: unknown) => {
        if (!this.#closed) this.#guard(() => failed(error));
      },
    );
  }

  close(): void {
    this.#closed = true;
  }

  #guard(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#onBug(error);
    }
  }
}
