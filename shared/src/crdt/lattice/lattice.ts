/**
 * A join semilattice as two plain facts, the least state and the least upper bound of two, over
 * immutable states that can be stored and compared as they are. `Replicated` turns one into the
 * state-based contract.
 */
import type { StateBased } from "../crdt.ts";

export interface Lattice<State> {
  /** Merging it changes nothing. */
  readonly bottom: State;
  /** Commutative, associative, idempotent. May return either argument; changes neither. */
  merge(a: State, b: State): State;
}

/** The state-based CRDT that a lattice is, where the state is the value. */
export class Replicated<State> implements StateBased<State, State> {
  readonly #lattice: Lattice<State>;
  #state: State;

  constructor(lattice: Lattice<State>, state: State = lattice.bottom) {
    this.#lattice = lattice;
    this.#state = state;
  }

  get value(): State {
    return this.#state;
  }

  get state(): State {
    return this.#state;
  }

  merge(state: State): void {
    this.#state = this.#lattice.merge(this.#state, state);
  }
}
