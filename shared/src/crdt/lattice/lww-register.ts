/**
 * One value, the last writer wins (Johnson and Thomas, RFC 677, 1975; as a CRDT in Shapiro et al.,
 * "A comprehensive study of Convergent and Commutative Replicated Data Types", INRIA RR-7506,
 * 2011). *Last* is causal: Lamport time with the operation's id as tie-break. A wall clock ten
 * years off wins nothing.
 *
 * Merge takes the greater stamp. Stamps are totally ordered and an operation has one value, so it
 * is a maximum: commutative, associative, idempotent. A delta is the write itself.
 */
import { compareStamps, type Stamp } from "../crdt.ts";
import type { StateType } from "./lattice.ts";
import { ReadTable, WrittenTable } from "./replica-table.ts";
import { stateCodec, type ValueCodec } from "./state-codec.ts";

/** A value and the operation that wrote it. */
export type Written<Value> = Stamp & { readonly value: Value };
/** Undefined: never written. */
export type LwwState<Value> = Written<Value> | undefined;

/** Which of two writes stands. */
export const later = <Value>(a: Written<Value>, b: Written<Value>): Written<Value> =>
  compareStamps(a, b) >= 0 ? a : b;

export function mergeLww<Value>(a: LwwState<Value>, b: LwwState<Value>): LwwState<Value> {
  if (a === undefined) return b;
  return b === undefined ? a : later(a, b);
}

/** In bytes: the table of its one writer, empty if there was none; the stamp; the value. */
export const lwwRegister = <Value>(values: ValueCodec<Value>) =>
  ({
    bottom: undefined,
    merge: mergeLww<Value>,
    valueOf: (state) => state?.value,
    ...stateCodec<LwwState<Value>>(
      (writer, state) => {
        const table = WrittenTable.write(writer, state === undefined ? [] : [state.id.replica]);
        if (state === undefined) return;
        table.stamp(state);
        values.write(writer, state.value);
      },
      (reader) => {
        const table = ReadTable.read(reader);
        const state =
          table.size === 0 ? undefined : { ...table.stamp(), value: values.read(reader) };
        table.assertAllUsed();
        return state;
      },
    ),

    /** The delta of a write. `stamp` is greater than all that its author has seen. */
    write: (stamp: Stamp, value: Value): LwwState<Value> => ({ ...stamp, value }),
  }) satisfies StateType<LwwState<Value>, Value | undefined> & Record<string, unknown>;
