/**
 * A join semilattice as two plain facts, the least state and the least upper bound of two, over
 * immutable states that can be stored and compared as they are; and a state-based data type, which
 * is a lattice that can be read and written down. `Replicated` turns one into the state-based
 * contract.
 *
 * Every type here is a *delta state* type (Almeida, Shoker and Baquero, "Delta state replicated
 * data types", JPDC 2018): a mutator is a pure function that leaves its state alone and returns the
 * difference, itself a small state. `merge(state, delta)` is the changed state, and since deltas
 * are states, they may be joined with each other, lost, repeated and reordered like all others.
 */
import type { Malformed } from "../../bytes/malformed.ts";
import type { StateBased } from "../crdt.ts";

export interface Lattice<State> {
  /** Merging it changes nothing. */
  readonly bottom: State;
  /** Commutative, associative, idempotent. May return either argument; changes neither. */
  readonly merge: (a: State, b: State) => State;
}

/** States as bytes: a leading byte with the format's version, then one form only. */
export interface StateCodec<State> {
  /** Equal states give equal bytes. */
  readonly encode: (state: State) => Uint8Array<ArrayBuffer>;
  /** Takes nothing but what `encode` writes, so that equal bytes are equal states. */
  readonly decode: (bytes: Uint8Array) => State | Malformed;
}

export interface StateType<State, Value = State> extends Lattice<State>, StateCodec<State> {
  /** What a person or the code above means by a state. */
  readonly valueOf: (state: State) => Value;
}

/**
 * The join of many states. By halves: the deltas of a busy minute meet each other while they are
 * small, and the large state they go into is rewritten once and not for each of them.
 */
export function joinOf<State>({ bottom, merge }: Lattice<State>, states: readonly State[]): State {
  let row = states;
  while (row.length > 1) {
    const halved: State[] = [];
    for (let at = 0; at < row.length; at += 2) {
      halved.push(merge(row[at] ?? bottom, row[at + 1] ?? bottom));
    }
    row = halved;
  }
  return row[0] ?? bottom;
}

/** One replica of a state-based type. */
export class Replicated<State, Value> implements StateBased<State, Value> {
  readonly #type: StateType<State, Value>;
  #state: State;

  constructor(type: StateType<State, Value>, state: State = type.bottom) {
    this.#type = type;
    this.#state = state;
  }

  get value(): Value {
    return this.#type.valueOf(this.#state);
  }

  get state(): State {
    return this.#state;
  }

  merge(state: State): void {
    this.#state = this.#type.merge(this.#state, state);
  }

  /** Makes a change; returns its delta, which is all that the others need. */
  change(mutator: (state: State) => State): State {
    const delta = mutator(this.#state);
    this.merge(delta);
    return delta;
  }
}
