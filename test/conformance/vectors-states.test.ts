/**
 * States of the state-based types, and of the list, against the golden vectors: our code writes the
 * states beside them to exactly these bytes, reads the bytes to those states, and shows what they show.
 */
import { fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import type { OpId } from "@skein/shared/crdt/crdt.ts";
import { embeddedCounter } from "@skein/shared/crdt/lattice/embedded-counter.ts";
import { gCounter } from "@skein/shared/crdt/lattice/g-counter.ts";
import { gSet } from "@skein/shared/crdt/lattice/g-set.ts";
import type { StateCodec, StateType } from "@skein/shared/crdt/lattice/lattice.ts";
import { lwwMap } from "@skein/shared/crdt/lattice/lww-map.ts";
import { lwwRegister } from "@skein/shared/crdt/lattice/lww-register.ts";
import { maxRegister } from "@skein/shared/crdt/lattice/max-register.ts";
import { mvRegister } from "@skein/shared/crdt/lattice/mv-register.ts";
import { orMap } from "@skein/shared/crdt/lattice/or-map.ts";
import { orSet } from "@skein/shared/crdt/lattice/or-set.ts";
import { pnCounter } from "@skein/shared/crdt/lattice/pn-counter.ts";
import { textValue } from "@skein/shared/crdt/lattice/state-codec.ts";
import { versionVector } from "@skein/shared/crdt/lattice/version-vector.ts";
import { listCodec } from "@skein/shared/crdt/op/list-codec.ts";
import { List, type Side } from "@skein/shared/crdt/op/list.ts";
import { replicaId, type ReplicaId } from "@skein/shared/id/id.ts";
import { describe, expect, it } from "vitest";
import { bytesOf, type Field, hexOf, loadVectors } from "../support/vectors.ts";

interface StateVector<State = unknown> {
  readonly name: string;
  readonly type: string;
  readonly state: State;
  readonly shown: unknown;
  readonly bytes: readonly Field[];
}

type Row = readonly [replica: string, number: number];
type Id = readonly [replica: string, seq: number, index: number];
interface WrittenVector {
  readonly lamport: number;
  readonly id: Id;
  readonly value: string | null;
}
interface CausalVector<Store> {
  readonly vector: readonly Row[];
  readonly cloud: readonly (readonly [string, readonly (readonly [number, number])[]])[];
  readonly store: Store;
}
type Keyed<Inner> = readonly (readonly [key: string, inner: Inner])[];
type Dotted<Value> = readonly (readonly [replica: string, counter: number, value: Value])[];
interface ElementVector {
  readonly id: Id;
  readonly parent: Id | null;
  readonly side: Side;
  readonly value: string | null;
}

const idOf = (hex: string): ReplicaId => replicaId(fromHex(hex));
const rowsOf = (rows: readonly Row[]) => new Map(rows.map(([id, number]) => [idOf(id), number]));
const opIdOf = ([replica, seq, index]: Id): OpId => ({ replica: idOf(replica), seq, index });
const writtenOf = ({ lamport, id, value }: WrittenVector) => ({
  lamport,
  id: opIdOf(id),
  value: value ?? undefined,
});
const keyed = <Inner, Store>(rows: Keyed<Inner>, of: (inner: Inner) => Store) =>
  new Map(rows.map(([key, inner]) => [key, of(inner)]));
const dotsOf = (rows: readonly Row[]) =>
  rows.map(([id, counter]) => ({ replica: idOf(id), counter }));
const dottedOf = <Value>(rows: Dotted<Value>) =>
  rows.map(([id, counter, value]) => ({ replica: idOf(id), counter, value }));
const causalOf = <Rows, Store>(
  { vector, cloud, store }: CausalVector<Rows>,
  of: (rows: Rows) => Store,
) => ({
  store: of(store),
  context: { vector: rowsOf(vector), cloud: new Map(cloud.map(([id, runs]) => [idOf(id), runs])) },
});
const setOf = (rows: Keyed<readonly Row[]>) => keyed(rows, dotsOf);

/** What a vector's JSON can say of a value: maps as pairs, sets as lists. */
function plain(value: unknown): unknown {
  if (value instanceof Map) {
    return Array.from(value as Map<unknown, unknown>, ([key, inner]) => [key, plain(inner)]);
  }
  if (value instanceof Set) return [...(value as Set<unknown>)];
  return value ?? null;
}

/** How the vectors of one type are checked. */
function checked<Json, State>(
  { encode, decode }: StateCodec<State>,
  valueOf: (state: State) => unknown,
  stateOf: (json: Json) => State,
) {
  return (vector: StateVector) => {
    const state = stateOf(vector.state as Json);
    expect(toHex(encode(state))).toBe(hexOf(vector.bytes));
    const read = decode(bytesOf(vector.bytes));
    expect(read).toEqual(state);
    expect(plain(valueOf(read as State))).toEqual(vector.shown);
  };
}
const checkedType = <Json, State, Value>(
  type: StateType<State, Value>,
  stateOf: (json: Json) => State,
) => checked(type, type.valueOf, stateOf);

const checks: Readonly<Record<string, (vector: StateVector) => void>> = {
  "version vector": checkedType(versionVector, rowsOf),
  "max register": checkedType(maxRegister, (state: number) => state),
  "last-writer-wins register": checkedType(
    lwwRegister(textValue),
    (state: (WrittenVector & { readonly value: string }) | null) =>
      state === null ? undefined : { ...writtenOf(state), value: state.value },
  ),
  "grow-only counter": checkedType(gCounter, rowsOf),
  counter: checkedType(
    pnCounter,
    ({ added, taken }: { readonly added: readonly Row[]; readonly taken: readonly Row[] }) => ({
      added: rowsOf(added),
      taken: rowsOf(taken),
    }),
  ),
  "grow-only set": checkedType(gSet, (elements: readonly string[]) => new Set(elements)),
  "last-writer-wins map": checkedType(lwwMap(textValue), (rows: Keyed<WrittenVector>) =>
    keyed(rows, writtenOf),
  ),
  "multi-value register": checkedType(
    mvRegister(textValue),
    (state: CausalVector<Dotted<string>>) => causalOf(state, dottedOf),
  ),
  "observed-remove set": checkedType(orSet, (state: CausalVector<Keyed<readonly Row[]>>) =>
    causalOf(state, setOf),
  ),
  "map of counters": checkedType(
    orMap(embeddedCounter),
    (state: CausalVector<Keyed<Dotted<{ readonly added: number; readonly taken: number }>>>) =>
      causalOf(state, (store) => keyed(store, dottedOf)),
  ),
  "map of maps of sets": checkedType(
    orMap(orMap(orSet)),
    (state: CausalVector<Keyed<Keyed<Keyed<readonly Row[]>>>>) =>
      causalOf(state, (store) => keyed(store, (inner) => keyed(inner, setOf))),
  ),
  list: checked(
    listCodec(textValue),
    (state) => {
      const list = new List<string>();
      list.merge(state);
      return list.value;
    },
    (state: {
      readonly elements: readonly ElementVector[];
      readonly deletedEarly: readonly Id[];
    }) => ({
      elements: state.elements.map(({ id, parent, side, value }) => ({
        id: opIdOf(id),
        parent: parent === null ? undefined : opIdOf(parent),
        side,
        value: value ?? undefined,
      })),
      deletedEarly: state.deletedEarly.map(opIdOf),
    }),
  ),
};

function expectVector(vector: StateVector): void {
  const check = checks[vector.type];
  if (check === undefined) throw new Error(`no type ${vector.type}`);
  check(vector);
}

const vectors = loadVectors<StateVector>("states.json");

describe("a state has the bytes of its golden vector", () => {
  it.each(vectors.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    expectVector(vector);
  });

  it("and every type has one", () => {
    const pinned = new Set(vectors.map(({ type }) => type));
    expect(Object.keys(checks).filter((type) => !pinned.has(type))).toEqual([]);
  });
});
