/**
 * When to try a connection again: the one place that decides it. Exponential backoff with full
 * jitter (Brooker, "Exponential backoff and jitter", AWS 2015), a longer wait or none at all where
 * the other side said so, and a return to the beginning once a connection has lasted.
 *
 *   idle ──connected──▶ up ──ended──▶ waiting ──due──▶ idle
 *                        └──ended for good──▶ refused (until `reset`)
 */
import type { Env } from "../env.ts";
import { type Code, returnAfter } from "../protocol/codes.ts";
import type { Ending } from "./connection.ts";

const firstDelayMsMax = 500;
const delayMsMax = 30_000;
const minuteMs = 60_000;
/** A connection that held so long was a good one: its end begins a new series. */
const lastedMs = 10_000;

export type RetryState =
  | { readonly kind: "ready" }
  | { readonly kind: "up"; readonly sinceMs: number }
  | {
      readonly kind: "waiting";
      readonly untilMs: number;
      readonly code: Code;
      readonly detail: string;
    }
  | { readonly kind: "refused"; readonly code: Code; readonly detail: string };

export class Retry {
  readonly #env: Env;
  #state: RetryState = { kind: "ready" };
  #failures = 0;

  constructor(env: Env) {
    this.#env = env;
  }

  get state(): RetryState {
    return this.#state;
  }

  /** May a connection be opened now? */
  get due(): boolean {
    if (this.#state.kind === "ready") return true;
    return this.#state.kind === "waiting" && this.#env.clock.now() >= this.#state.untilMs;
  }

  connected(): void {
    this.#state = { kind: "up", sinceMs: this.#env.clock.now() };
  }

  ended(end: Pick<Ending, "code" | "retryAfterMs" | "detail">): void {
    const { code, retryAfterMs, detail } = end;
    const now = this.#env.clock.now();
    if (this.#state.kind === "up" && now - this.#state.sinceMs >= lastedMs) this.#failures = 0;
    if (retryAfterMs === 0 && returnAfter[code] === "when something changed") {
      this.#state = { kind: "refused", code, detail };
      return;
    }
    const ceiling = Math.min(delayMsMax, firstDelayMsMax * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    const least =
      retryAfterMs > 0 ? retryAfterMs : returnAfter[code] === "after a minute" ? minuteMs : 0;
    const untilMs = now + least + Math.ceil(this.#env.random.fraction() * ceiling);
    this.#state = { kind: "waiting", untilMs, code, detail };
  }

  /** Something changed (a person asks, the network is back, an update): try now. */
  reset(): void {
    if (this.#state.kind !== "up") this.#state = { kind: "ready" };
  }
}
