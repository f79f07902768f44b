/**
 * Hysteresis for what is shown of a state that may flap. A new kind of state shows once the shown one
 * has been untrue for a while without a break; fresh figures of the same kind show at once. Measured
 * from when the shown state ceased to be true, not from when the next one began, so that a state which
 * keeps changing can never keep an untrue one on the screen.
 */

export interface Steady<T> {
  readonly shown: T;
  /** Since when `shown` has been untrue without a break; undefined while it is true. */
  readonly untrueSinceMs: number | undefined;
}

export interface SteadyRules<T> {
  /** One kind of state, perhaps with other figures. */
  readonly same: (a: T, b: T) => boolean;
  /** Must show at once: trouble, and what the person did themselves. */
  readonly urgent: (state: T) => boolean;
  readonly holdMs: number;
}

export function steady<T>(
  before: Steady<T> | undefined,
  actual: T,
  nowMs: number,
  rules: SteadyRules<T>,
): Steady<T> {
  const settled = { shown: actual, untrueSinceMs: undefined };
  if (before === undefined || rules.urgent(actual) || rules.same(before.shown, actual)) {
    return settled;
  }
  const untrueSinceMs = before.untrueSinceMs ?? nowMs;
  if (nowMs - untrueSinceMs >= rules.holdMs) return settled;
  return { shown: before.shown, untrueSinceMs };
}

/** When to look again though nothing happens; undefined when all is settled. */
export function settlesAtMs<T>(state: Steady<T>, rules: SteadyRules<T>): number | undefined {
  return state.untrueSinceMs === undefined ? undefined : state.untrueSinceMs + rules.holdMs;
}
