/**
 * A set that only grows (Shapiro et al., INRIA RR-7506, 2011, specification 11). Merge is the union,
 * which commutes, associates and is idempotent. Elements are texts: what is not, gets a name. A
 * delta is the set of the new element alone.
 */
import type { StateType } from "./lattice.ts";
import { assertKey, readByKey, stateCodec, writeByKey } from "./state-codec.ts";

export type GSetState = ReadonlySet<string>;

export const gSet = {
  bottom: new Set(),
  merge: (a, b) => {
    const [more, fewer] = a.size >= b.size ? [a, b] : [b, a];
    const added = Array.from(fewer).filter((element) => !more.has(element));
    return added.length === 0 ? more : new Set([...more, ...added]);
  },
  valueOf: (state) => state,
  ...stateCodec<GSetState>(
    (writer, state) => writeByKey(writer, state.entries(), () => {}),
    (reader) => new Set(readByKey(reader, () => true).keys()),
  ),

  /** Throws a `RangeError` for an element beyond `stateLimits`. */
  add(state: GSetState, element: string): GSetState {
    assertKey(element);
    return state.has(element) ? new Set() : new Set([element]);
  },
} satisfies StateType<GSetState> & Record<string, unknown>;
