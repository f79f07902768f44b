/**
 * A map in which the last writer of a key wins: key by key a register of `lww-register.ts`, so merge
 * is a maximum of each. Unsetting is a write like any other: the register stays and remembers when,
 * so that an older value that arrives later does not bring its key back. A delta is the one register
 * that was written.
 */
import type { Stamp } from "../crdt.ts";
import type { StateType } from "./lattice.ts";
import { later, type Written } from "./lww-register.ts";
import { ReadTable, WrittenTable } from "./replica-table.ts";
import { assertKey, readByKey, stateCodec, type ValueCodec, writeByKey } from "./state-codec.ts";
import { Malformed } from "../../bytes/malformed.ts";
import type { Reader } from "../../bytes/reader.ts";

/** By key; a value of undefined is unset. Plain (structured clone). */
export type LwwMapState<Value> = ReadonlyMap<string, Written<Value | undefined>>;

/** The keys that are set. */
export function setKeys<Value>(state: LwwMapState<Value>): Map<string, Value> {
  const set = new Map<string, Value>();
  for (const [key, { value }] of state) if (value !== undefined) set.set(key, value);
  return set;
}

function mergeLwwMaps<Value>(a: LwwMapState<Value>, b: LwwMapState<Value>): LwwMapState<Value> {
  let merged: Map<string, Written<Value | undefined>> | undefined;
  for (const [key, written] of b) {
    const held = a.get(key);
    if (held !== undefined && later(held, written) === held) continue;
    merged ??= new Map(a);
    merged.set(key, written);
  }
  return merged ?? a;
}

/** In bytes: a table of writers, then `list(key ‖ stamp ‖ is set u8 ‖ value if set)`. */
export const lwwMap = <Value>(values: ValueCodec<Value>) =>
  ({
    bottom: new Map(),
    merge: mergeLwwMaps<Value>,
    valueOf: (state): ReadonlyMap<string, Value> => setKeys(state),
    ...stateCodec<LwwMapState<Value>>(
      (writer, state) => {
        const writers = Array.from(state.values(), ({ id }) => id.replica);
        const table = WrittenTable.write(writer, writers);
        writeByKey(writer, state, (written) => {
          table.stamp(written).u8(written.value === undefined ? 0 : 1);
          if (written.value !== undefined) values.write(writer, written.value);
        });
      },
      (reader) => {
        const table = ReadTable.read(reader);
        const state = readByKey(reader, () => ({
          ...table.stamp(),
          value: readFlag(reader) ? values.read(reader) : undefined,
        }));
        table.assertAllUsed();
        return state;
      },
    ),

    /**
     * The delta of a write; undefined unsets. `stamp` is greater than all that its author has seen.
     * Throws a `RangeError` for a key beyond `stateLimits`.
     */
    set(stamp: Stamp, key: string, value: Value | undefined): LwwMapState<Value> {
      assertKey(key);
      return new Map([[key, { ...stamp, value }]]);
    },
  }) satisfies StateType<LwwMapState<Value>, ReadonlyMap<string, Value>> & Record<string, unknown>;

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new Malformed(`a flag of ${flag}`);
  return flag === 1;
}
