/**
 * A counter (Shapiro et al., INRIA RR-7506, 2011, specification 5): every operation adds a number of
 * either sign, and addition commutes. It holds one sum where `lattice/pn-counter.ts` holds two
 * numbers for each replica, and pays for it by depending on exactly-once delivery.
 *
 * The sum is exact whatever is added, and reads as the nearest number from −(2^53 − 1) to 2^53 − 1.
 */
import type { Delivered, OpBased } from "../crdt.ts";
import { saturated } from "../lattice/g-counter.ts";

export interface CounterOperation {
  /** A whole number from −(2^53 − 1) to 2^53 − 1. */
  readonly by: number;
}

export class Counter implements OpBased<CounterOperation, number> {
  // A double that saturated on the way would end in different sums in different orders.
  #sum = 0n;

  get value(): number {
    return saturated(this.#sum);
  }

  apply({ op }: Delivered<CounterOperation>): void {
    this.#sum += BigInt(op.by);
  }
}
