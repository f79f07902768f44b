/**
 * Documents by three authors, any of whom may be hostile: a piece is the author's place in a list, in
 * one byte, and what stands in their log.
 */
import { concatBytes } from "@skein/shared/bytes/bytes.ts";
import type { Applied } from "@skein/shared/crdt/engine/applied.ts";
import { classOf } from "./features.ts";
import { stepClockUs } from "./step-clock.ts";
import { Broken, type Outcome } from "./target.ts";

export const piece = (author: number, bytes: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(author), bytes);

/** What became of each piece, counted; the slowest of them. */
export class Steps {
  slowestUs = 0;
  /** By kind, and by reason: how often. */
  readonly #outcomes = new Map<string, number>();
  #last = "";

  take(step: () => readonly Applied[]): void {
    const startUs = stepClockUs();
    const outcomes = step();
    this.slowestUs = Math.max(this.slowestUs, stepClockUs() - startUs);
    for (const outcome of outcomes) {
      const reason = "reason" in outcome ? outcome.reason : "";
      if (outcome.kind === "damaged") throw new Broken(`damaged: ${reason}`);
      if (reason !== "") this.#last = reason;
      for (const name of [outcome.kind, classOf(reason)]) {
        this.#outcomes.set(name, (this.#outcomes.get(name) ?? 0) + 1);
      }
    }
  }

  /** Accepted if anything was. */
  outcome(): Outcome {
    const { slowestUs } = this;
    const isTaken = this.#outcomes.has("applied") || this.#outcomes.has("waiting");
    if (isTaken) {
      return { kind: "accepted", value: Object.fromEntries(this.#outcomes), slowestUs };
    }
    return { kind: "refused", fault: "void", reason: this.#last, slowestUs };
  }
}
