/**
 * The only doors through which time and chance enter the core. Everything in `shared/` receives
 * an `Env`; nothing in it reads a clock, rolls dice or sets a timer. The browser and the relay pass
 * the real ones, the simulator passes virtual time and one seeded generator.
 */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
}

export interface Clock {
  /**
   * Milliseconds since 1970, as the wall clock stood when the process began, plus what has passed
   * since by a clock that only goes forward. So waits and deadlines hold while a person sets their
   * clock; between processes and devices it may be off by years, and order never depends on it.
   */
  now(): number;
}

export interface Random {
  /** `length` fresh random bytes, of cryptographic quality outside the simulator. */
  bytes(length: number): Uint8Array<ArrayBuffer>;
  /** A number in [0, 1), for jitter and choices; never for keys. */
  fraction(): number;
}
