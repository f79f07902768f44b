/**
 * A map in which the last writer of a key wins: `lattice/lww-map.ts` for a log. Since its registers
 * merge, it takes operations in any order and any number of times, and whole states just as well.
 * It changes in place, so that a write costs one register and not a copy of the map.
 */
import type { Delivered, OpBased, StateBased } from "../crdt.ts";
import { type LwwMapState, setKeys } from "../lattice/lww-map.ts";
import { later, type Written } from "../lattice/lww-register.ts";

export interface SetOperation<Value> {
  readonly key: string;
  /** Undefined: unset. */
  readonly value: Value | undefined;
}

export class LwwMap<Value>
  implements
    OpBased<SetOperation<Value>, ReadonlyMap<string, Value>>,
    StateBased<LwwMapState<Value>, ReadonlyMap<string, Value>>
{
  readonly #registersByKey: Map<string, Written<Value | undefined>>;

  constructor(state: LwwMapState<Value> = new Map()) {
    this.#registersByKey = new Map(state);
  }

  /** The keys that are set. */
  get value(): ReadonlyMap<string, Value> {
    return setKeys(this.#registersByKey);
  }

  get state(): LwwMapState<Value> {
    return new Map(this.#registersByKey);
  }

  apply({ id, lamport, op }: Delivered<SetOperation<Value>>): void {
    this.#write(op.key, { id, lamport, value: op.value });
  }

  merge(state: LwwMapState<Value>): void {
    for (const [key, register] of state) this.#write(key, register);
  }

  #write(key: string, register: Written<Value | undefined>): void {
    const held = this.#registersByKey.get(key);
    this.#registersByKey.set(key, held === undefined ? register : later(held, register));
  }
}
