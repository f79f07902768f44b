/**
 * One value, the last writer wins (Johnson and Thomas, RFC 677, 1975; as a CRDT in Shapiro et al.,
 * "A comprehensive study of Convergent and Commutative Replicated Data Types", INRIA RR-7506,
 * 2011). *Last* is causal: Lamport time with the operation's id as tie-break. A wall clock ten
 * years off wins nothing.
 *
 * Merge takes the greater stamp. Stamps are totally ordered and an operation has one value, so it
 * is a maximum: commutative, associative, idempotent.
 */
import { compareStamps, type Stamp } from "../crdt.ts";
import type { Lattice } from "./lattice.ts";

/** A value and the operation that wrote it. Undefined: never written. */
export type LwwState<Value> = (Stamp & { readonly value: Value }) | undefined;

export function mergeLww<Value>(a: LwwState<Value>, b: LwwState<Value>): LwwState<Value> {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return compareStamps(a, b) >= 0 ? a : b;
}

export const lwwRegister = <Value>(): Lattice<LwwState<Value>> => ({
  bottom: undefined,
  merge: mergeLww,
});
