/**
 * The two contracts every replicated value in Skein keeps, our own types and the engines (Yjs,
 * Automerge) alike. Both come from Shapiro, Preguiça, Baquero and Zawirski, "Conflict-free
 * Replicated Data Types" (SSS 2011), which proves that either is enough for strong eventual
 * convergence: replicas that have seen the same things are equal, whatever the order.
 *
 * `crdt.laws.ts` beside this file holds every implementation to them.
 */
import type { ReplicaId } from "../id/id.ts";

/** Which operation: the entry that carries it and its place in that entry, from 0. */
export interface OpId {
  readonly replica: ReplicaId;
  readonly seq: number;
  readonly index: number;
}

/**
 * Which operation and when in Lamport time (Lamport, "Time, clocks, and the ordering of events in
 * a distributed system", CACM 1978). All operations of one entry share seq and `lamport`. If one
 * operation happened before another, its stamp compares smaller; the reverse does not follow.
 */
export interface Stamp {
  readonly id: OpId;
  readonly lamport: number;
}

/** An operation as causal delivery hands it over. */
export interface Delivered<Op> extends Stamp {
  readonly op: Op;
}

/** By author, then in the order they wrote. */
export function compareIds(a: OpId, b: OpId): number {
  if (a.replica !== b.replica) return a.replica < b.replica ? -1 : 1;
  return a.seq - b.seq || a.index - b.index;
}

/** The id as a key of a map. */
export const keyOfId = ({ replica, seq, index }: OpId): string => `${replica}:${seq}:${index}`;

/**
 * The total order of docs/protocol.md section 4.1: (lamport, replica, seq, index). It extends
 * causal order, is the same everywhere and asks no wall clock. Zero only for the same operation.
 */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.lamport - b.lamport || compareIds(a.id, b.id);
}

/**
 * A value that travels as whole states. `merge` is commutative, associative and idempotent, so
 * states may be lost, repeated and reordered: the newest that arrives makes up for all others.
 * `merge` never fails: a state from outside was checked by its decoder.
 */
export interface StateBased<State, Value> {
  /** What a person or the code above means by it. */
  readonly value: Value;
  /** What to send. The caller does not change it, and it does not change under the caller. */
  readonly state: State;
  merge(state: State): void;
}

/**
 * A value that travels as operations. The caller promises causal, exactly-once delivery: every
 * operation once, after all that its author had applied when writing it, the author's own ones
 * included. In return concurrent operations commute, so every order the promise allows ends in the
 * same value. Nothing in here looks for duplicates or holds anything back until its past arrives;
 * the log above does both, for all documents of a space at once.
 *
 * `apply` never fails: payloads were decoded before, those that cannot be are void.
 */
export interface OpBased<Op, Value> {
  readonly value: Value;
  apply(delivered: Delivered<Op>): void;
}

/** An operation as a log carries it: docs/protocol.md section 4.2. */
export interface RawOperation {
  readonly kind: number;
  /** A view into the opened entry. Copy what outlives it. */
  readonly payload: Uint8Array;
}

/**
 * What a decoder of one kind of document makes of a raw operation, the same on every device:
 *
 *  - `known`: apply it.
 *  - `parked`: a kind this version does not know. Kept as it is and decoded again after an update;
 *    kinds added later therefore commute with all older ones, also with those that follow them.
 *  - `void`: a known kind whose payload breaks its form. Does nothing, for ever.
 */
export type Understood<Op> =
  | { readonly kind: "known"; readonly op: Op }
  | { readonly kind: "parked"; readonly raw: RawOperation }
  | { readonly kind: "void"; readonly reason: string };
