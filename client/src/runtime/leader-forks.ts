/**
 * Which logs of a space have forked, for the people in front of it. Most forks heal within seconds
 * (docs/protocol.md 4.6): then both branches are held, and there is nothing to do. One that does not
 * is told after a while, because what is written on one of its branches reaches nobody.
 */
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { signerOf } from "@skein/shared/log/branch.ts";
import type { LogHead } from "@skein/shared/log/store.ts";

export interface ForkFact {
  /** Whose log it is. */
  readonly replica: ReplicaId;
  /** Both branches are held here, and reach everybody. */
  readonly healed: boolean;
}

/** Healing takes comparisons, which are seconds apart, and where nobody writes a minute. */
const unhealedToldAfterMs = 120_000;

export class ForkWatch {
  /** Since when it has not healed; undefined while it has: a later fork of that log has its own time. */
  readonly #sinceMs = new Map<ReplicaId, number | undefined>();

  /** @param replica whose log it is, or is a branch of. */
  saw(replica: ReplicaId, nowMs: number): void {
    this.#sinceMs.set(replica, this.#sinceMs.get(replica) ?? nowMs);
  }

  /** @param isForked whether somebody who is connected holds another branch of that log. */
  facts(
    logs: Iterable<LogHead>,
    isForked: (log: ReplicaId) => boolean,
    nowMs: number,
  ): readonly ForkFact[] {
    const branches = Map.groupBy(
      [...logs].filter(({ branch }) => branch !== undefined),
      signerOf,
    );
    const facts: ForkFact[] = [];
    for (const [replica, before] of this.#sinceMs) {
      const held = branches.get(replica) ?? [];
      const isOpen = [replica, ...held.map((head) => head.replica)].some(isForked);
      const isHealed = !isOpen && held.length > 0;
      const sinceMs = before ?? nowMs;
      this.#sinceMs.set(replica, isHealed ? undefined : sinceMs);
      const isLasting = isOpen && nowMs >= sinceMs + unhealedToldAfterMs;
      if (isLasting || isHealed) facts.push({ replica, healed: isHealed });
    }
    return facts;
  }

  /** When there is more to tell by itself, after `nowMs`. */
  wakeAtMs(nowMs: number): number {
    let wakeAtMs = Number.POSITIVE_INFINITY;
    for (const sinceMs of this.#sinceMs.values()) {
      const dueAtMs = (sinceMs ?? Number.POSITIVE_INFINITY) + unhealedToldAfterMs;
      if (dueAtMs > nowMs) wakeAtMs = Math.min(wakeAtMs, dueAtMs);
    }
    return wakeAtMs;
  }
}
