/**
 * rate-limiter-flexible as a number: how long somebody has to wait. Its limits may be shared by a
 * fleet through Redis, so asking takes a promise even where the answer is in memory.
 */
import { type RateLimiterAbstract, RateLimiterRes } from "rate-limiter-flexible";

/** Takes points of `key`; 0 if they were there, else in how many ms some are again. */
export async function waitOf(
  limiter: RateLimiterAbstract,
  key: string,
  points: number,
): Promise<number> {
  try {
    await limiter.consume(key, points);
    return 0;
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return Math.max(1, refusal.msBeforeNext);
    throw refusal;
  }
}
