/**
 * Settings: a map in which the last writer of a key wins, key by key a register of
 * `lattice/lww-register.ts`. It travels as operations in the log and, since registers merge, just as
 * well as a state; both end in the same map. An empty value unsets its key: the register stays and
 * remembers when, so that an older value that arrives later does not bring the key back.
 */
import type { Delivered, OpBased, StateBased } from "../crdt.ts";
import { type LwwState, mergeLww } from "../lattice/lww-register.ts";

export interface SetOperation {
  readonly key: string;
  /** Empty: unset. */
  readonly value: Uint8Array;
}

/** By key. Plain (structured clone). */
export type SettingsState = ReadonlyMap<string, NonNullable<LwwState<Uint8Array>>>;
export type SettingsValue = ReadonlyMap<string, Uint8Array>;

export class Settings
  implements OpBased<SetOperation, SettingsValue>, StateBased<SettingsState, SettingsValue>
{
  readonly #registersByKey: Map<string, NonNullable<LwwState<Uint8Array>>>;

  constructor(state: SettingsState = new Map()) {
    this.#registersByKey = new Map(state);
  }

  /** The keys that are set. */
  get value(): SettingsValue {
    const set = new Map<string, Uint8Array>();
    for (const [key, { value }] of this.#registersByKey) if (value.length > 0) set.set(key, value);
    return set;
  }

  get state(): SettingsState {
    return new Map(this.#registersByKey);
  }

  apply({ id, lamport, op }: Delivered<SetOperation>): void {
    this.#write(op.key, { id, lamport, value: op.value.slice() });
  }

  merge(state: SettingsState): void {
    for (const [key, register] of state) this.#write(key, register);
  }

  #write(key: string, register: NonNullable<LwwState<Uint8Array>>): void {
    const newest = mergeLww(this.#registersByKey.get(key), register);
    if (newest !== undefined) this.#registersByKey.set(key, newest);
  }
}
