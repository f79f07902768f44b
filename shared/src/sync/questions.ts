/**
 * What one session asks of the other party and has not been answered: entries that are missing here
 * (*wants*), and entries that are held and damaged (*borrows*). One question of each kind a log, at
 * most `wantsMax` together, each with a time after which it counts as unanswered.
 */
import type { ReplicaId } from "../id/id.ts";
import { limits } from "../protocol/limits.ts";

/** How long a question may stay open before digests are compared again. */
const againAfterMs = 10_000;

export class Questions {
  readonly #wants = new Map<ReplicaId, { readonly first: number; readonly askedAtMs: number }>();
  readonly #borrows = new Map<ReplicaId, { readonly last: number; readonly askedAtMs: number }>();

  get count(): number {
    return this.#wants.size + this.#borrows.size;
  }

  /** The other party need not remember more of them. */
  get mayAsk(): boolean {
    return this.count < limits.wantsMax;
  }

  isWanted(replica: ReplicaId): boolean {
    return this.#wants.has(replica);
  }

  isBorrowed(replica: ReplicaId): boolean {
    return this.#borrows.has(replica);
  }

  /** False if the same or more is asked for already, or too much at once. */
  want(replica: ReplicaId, first: number, nowMs: number): boolean {
    const asked = this.#wants.get(replica);
    if (asked !== undefined && asked.first >= first && nowMs < asked.askedAtMs + againAfterMs) {
      return false;
    }
    if (asked === undefined && !this.mayAsk) return false;
    this.#wants.set(replica, { first, askedAtMs: nowMs });
    return true;
  }

  borrow(replica: ReplicaId, last: number, nowMs: number): void {
    this.#borrows.set(replica, { last, askedAtMs: nowMs });
  }

  /** Entries up to `seq` have come. */
  came(replica: ReplicaId, seq: number): void {
    const asked = this.#wants.get(replica);
    if (asked !== undefined && seq >= asked.first) this.#wants.delete(replica);
  }

  /** What was damaged can be read again up to `seq`. */
  mended(replica: ReplicaId, seq: number): void {
    const asked = this.#borrows.get(replica);
    if (asked !== undefined && seq >= asked.last) this.#borrows.delete(replica);
  }

  wakeAtMs(): number {
    let wake = Number.POSITIVE_INFINITY;
    for (const questions of [this.#wants, this.#borrows]) {
      for (const { askedAtMs } of questions.values()) {
        wake = Math.min(wake, askedAtMs + againAfterMs);
      }
    }
    return wake;
  }

  /** Drops what was asked too long ago; how many of each kind. */
  expire(nowMs: number): { readonly wants: number; readonly borrows: number } {
    return { wants: expired(this.#wants, nowMs), borrows: expired(this.#borrows, nowMs) };
  }

  clear(): void {
    this.#wants.clear();
    this.#borrows.clear();
  }
}

function expired(questions: Map<ReplicaId, { readonly askedAtMs: number }>, nowMs: number): number {
  let count = 0;
  for (const [replica, { askedAtMs }] of questions) {
    if (nowMs < askedAtMs + againAfterMs) continue;
    questions.delete(replica);
    count++;
  }
  return count;
}
