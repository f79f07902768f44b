/** What everything in a simulated world stands on: time, dice, delays, and what is written down. */
import type { Suite } from "@skein/shared/crypto/suite.ts";
import type { Env } from "@skein/shared/env.ts";
import type { NewSpace } from "@skein/shared/space/new-space.ts";
import { toySuite } from "../support/toy-suite.ts";
import type { Actor } from "./actor.ts";
import type { Mutant } from "./mutants.ts";
import type { FaultKind, Options } from "./options.ts";
import { Prng } from "./prng.ts";
import { Schedule } from "./schedule.ts";
import { Trace } from "./trace.ts";

const epochMs = 1_700_000_000_000;
const none = Promise.resolve();

export class Ground {
  readonly options: Options;
  readonly mutant: Mutant | undefined;
  readonly dice: Prng;
  readonly schedule = new Schedule((error) => this.bug(error));
  readonly suite: Suite;
  readonly violations: string[] = [];
  readonly fired = new Map<string, number>();
  /** Frames sent, by their type number. */
  readonly frames = new Map<number, number>();
  readonly trace = new Trace();
  space!: NewSpace;
  /** Faults strike only while it holds. */
  faulty = true;

  constructor(options: Options, mutant: Mutant | undefined) {
    this.options = options;
    this.mutant = mutant;
    this.dice = new Prng(options.seed);
    this.suite = toySuite(this.dice);
  }

  get nowMs(): number {
    return this.schedule.nowMs;
  }

  env(skewMs: number): Env {
    return { clock: { now: () => epochMs + skewMs + this.schedule.nowMs }, random: this.dice };
  }

  clockSkewMs(): number {
    if (!this.strikes("clock jump")) return 0;
    return this.dice.between(-10, 10) * 365 * 86_400_000;
  }

  latency(): number {
    return this.dice.between(1, this.options.latencyMsMax);
  }

  /** Some time up to `mostMs`; where everything is instant, not even an event. */
  pause(actor: Actor, mostMs: number): Promise<void> {
    return mostMs > 0 ? actor.delay(this.dice.between(0, mostMs)) : none;
  }

  /** The toy suite whose answers come late and out of order, as a browser's do. */
  suiteFor(actor: Actor): Suite {
    const mostMs = this.options.cipherMsMax;
    if (mostMs === 0) return this.suite;
    const late = async <T>(value: Promise<T>): Promise<T> => {
      await this.pause(actor, mostMs);
      return value;
    };
    const { suite } = this;
    return {
      ...suite,
      verify: (...args) => late(suite.verify(...args)),
      sign: (...args) => late(suite.sign(...args)),
      seal: (...args) => late(suite.seal(...args)),
      open: (...args) => late(suite.open(...args)),
    };
  }

  /** Whether a fault of this kind happens where it may; counts it. */
  strikes(kind: FaultKind): boolean {
    const rate = this.options.faults[kind];
    if (!this.faulty || rate === 0 || !this.dice.chance(Math.min(0.5, rate))) return false;
    this.struck(kind);
    return true;
  }

  struck(what: string): void {
    this.fire(what);
    this.say(what);
  }

  /** Counts something that every long run should have seen. */
  fire(what: string): void {
    this.fired.set(what, (this.fired.get(what) ?? 0) + 1);
  }

  say(what: string): void {
    this.trace.add(this.nowMs, what);
  }

  violated(what: string): void {
    this.say(`VIOLATED: ${what}`);
    this.violations.push(what);
  }

  bug(error: unknown): void {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.violated(`a bug: ${words}`);
  }
}
