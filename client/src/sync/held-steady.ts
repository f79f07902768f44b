/** The hysteresis of steady.ts as an observable: it keeps the time while somebody watches, and only then. */
import type { Observable } from "../runtime/api.ts";
import { settlesAtMs, steady, type Steady, type SteadyRules } from "./steady.ts";

export interface Timer {
  now(): number;
  /** Returns its own undo. */
  after(ms: number, run: () => void): () => void;
}

const browserTimer: Timer = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export function heldSteady<T>(
  source: Observable<T>,
  rules: SteadyRules<T>,
  timer: Timer = browserTimer,
): Observable<T> {
  const listeners = new Set<() => void>();
  let state: Steady<T> | undefined;
  let unwatch: (() => void) | undefined;
  let cancel = () => {};

  const look = () => {
    const before = state?.shown;
    state = steady(state, source.get(), timer.now(), rules);
    cancel();
    const again = settlesAtMs(state, rules);
    if (again !== undefined) cancel = timer.after(Math.max(0, again - timer.now()), look);
    if (state.shown !== before) for (const listener of [...listeners]) listener();
  };

  return {
    get: () => state?.shown ?? source.get(),
    subscribe(listener) {
      // Each subscription is one of its own, though a listener is given twice.
      const own = () => listener();
      if (listeners.size === 0) {
        unwatch = source.subscribe(look);
        look();
      }
      listeners.add(own);
      return () => {
        listeners.delete(own);
        if (listeners.size > 0) return;
        unwatch?.();
        cancel();
        state = undefined;
      };
    },
  };
}
