/**
 * The relay's real doors of `env.ts`. Its clock only goes forward (docs/decisions: one clock), but it
 * follows the wall clock where that jumps ahead: a small computer without a clock of its own starts
 * in 1970 and learns the time from the network a minute later, and invites expire by the wall clock.
 */
import { randomBytes } from "node:crypto";
import type { Clock, Env } from "@skein/shared/env.ts";

/** Both in ms; `wall` since 1970, `steady` since whenever. */
export function forwardClock(wall: () => number, steady: () => number): Clock {
  let aheadMs = Number.NEGATIVE_INFINITY;
  return {
    now() {
      const steadyMs = steady();
      aheadMs = Math.max(aheadMs, wall() - steadyMs);
      return Math.floor(aheadMs + steadyMs);
    },
  };
}

export const systemEnv: Env = {
  clock: forwardClock(
    () => Date.now(),
    () => performance.now(),
  ),
  random: {
    bytes: (length) => new Uint8Array(randomBytes(length)),
    fraction: () => Math.random(),
  },
};
