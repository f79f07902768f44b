/**
 * States of the library's CRDTs as bytes. What a decoder takes has one form, can be merged with another
 * state, and can be read; what comes of it can be sent. Merging two states that give one operation two
 * values may depend on the order, for that breaks the contract: the laws (crdt.laws.ts) ask for the
 * others. A new CRDT is one more row.
 */
import { equalBytes } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { embeddedCounter } from "@skein/shared/crdt/lattice/embedded-counter.ts";
import { gCounter } from "@skein/shared/crdt/lattice/g-counter.ts";
import { gSet } from "@skein/shared/crdt/lattice/g-set.ts";
import type { Lattice, StateCodec, StateType } from "@skein/shared/crdt/lattice/lattice.ts";
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
import { List } from "@skein/shared/crdt/op/list.ts";
import { replicaId } from "@skein/shared/id/id.ts";
import { Broken, type Outcome, type TargetEntry } from "./target.ts";

const [ana, ben] = [replicaId(new Uint8Array(16)), replicaId(new Uint8Array(16).fill(0xb0))];

/** @param deltas joined one after the other; each state on the way is an example. */
function target<State, Value>(
  name: string,
  type: StateType<State, Value>,
  ...deltas: readonly ((state: State) => State)[]
): TargetEntry {
  return targetOf(
    `crdt-${name}`,
    `states of a ${name.replaceAll("-", " ")}`,
    type,
    type.valueOf,
    deltas,
  );
}

function targetOf<State>(
  name: string,
  about: string,
  type: StateCodec<State> & Lattice<State>,
  valueOf: (state: State) => unknown,
  deltas: readonly ((state: State) => State)[],
): TargetEntry {
  const states = [type.bottom];
  for (const delta of deltas) {
    const state = states.at(-1) ?? type.bottom;
    states.push(type.merge(state, delta(state)));
  }
  const last = states.at(-1) ?? type.bottom;
  const run = (bytes: Uint8Array): Outcome => {
    const state = type.decode(bytes);
    if (isMalformed(state)) return { kind: "refused", fault: state.fault, reason: state.message };
    if (!equalBytes(type.encode(state), bytes))
      throw new Broken("two forms: a state is written otherwise");
    for (const merged of [type.merge(state, last), type.merge(last, state)]) {
      valueOf(merged);
      const again = type.decode(type.encode(merged));
      if (isMalformed(again)) throw new Broken(`unreadable: a merged state, ${again.message}`);
    }
    return { kind: "accepted", value: state };
  };
  return {
    name,
    about,
    open: () => ({
      name,
      seeds: states.map((state) => [type.encode(state)]),
      run: ([bytes]) => run(bytes ?? new Uint8Array(0)),
    }),
  };
}

const stampOf = (lamport: number, seq: number) => ({
  id: { replica: ana, seq, index: 0 },
  lamport,
});
const texts = mvRegister(textValue);
const map = lwwMap(textValue);
const register = lwwRegister(textValue);
const nested = orMap(orSet);

const listOf = (author: typeof ana, words: string): List<string> => {
  const list = new List<string>();
  Array.from(words, (letter, index) => {
    const op = list.insert(index, letter);
    list.apply({ id: { replica: author, seq: index + 1, index: 0 }, lamport: index + 1, op });
  });
  return list;
};
const lists = {
  ...listCodec(textValue),
  bottom: new List<string>().state,
  merge(a: List<string>["state"], b: List<string>["state"]) {
    const list = new List<string>();
    list.merge(a);
    list.merge(b);
    return list.state;
  },
};

export const lattices: readonly TargetEntry[] = [
  target(
    "g-counter",
    gCounter,
    (state) => gCounter.increment(state, ana, 3),
    (state) => gCounter.increment(state, ben, 2 ** 40),
  ),
  target(
    "pn-counter",
    pnCounter,
    (state) => pnCounter.add(state, ana, 3),
    (state) => pnCounter.add(state, ben, -300),
  ),
  target(
    "embedded-counter",
    embeddedCounter,
    (state) => embeddedCounter.add(state, ana, 3),
    (state) => embeddedCounter.add(state, ben, -5),
  ),
  target(
    "g-set",
    gSet,
    (state) => gSet.add(state, "one"),
    (state) => gSet.add(state, "👍"),
  ),
  target(
    "or-set",
    orSet,
    (state) => orSet.add(state, ana, "one"),
    (state) => orSet.add(state, ben, "two"),
    (state) => orSet.remove(state, "one"),
  ),
  target("max-register", maxRegister, () => 300),
  target(
    "lww-register",
    register,
    () => ({ ...stampOf(3, 1), value: "one" }),
    () => ({ ...stampOf(9, 2), value: "two" }),
  ),
  target(
    "mv-register",
    texts,
    (state) => texts.write(state, ana, "one"),
    (state) => texts.write(state, ben, "two"),
  ),
  target(
    "lww-map",
    map,
    () => map.set(stampOf(3, 1), "a", "one"),
    () => map.set(stampOf(4, 2), "b", undefined),
  ),
  target(
    "or-map",
    nested,
    (state) => nested.update(state, "a", (inner) => orSet.add(inner, ana, "one")),
    (state) => nested.update(state, "b", (inner) => orSet.add(inner, ben, "two")),
    (state) => nested.remove(state, "a"),
  ),
  target(
    "vector",
    versionVector,
    () => versionVector.advance(ana, 9),
    () => versionVector.advance(ben, 2 ** 40),
  ),
  targetOf(
    "crdt-list",
    "states of a list",
    lists,
    (state) => {
      const list = new List<string>();
      list.merge(state);
      return list.value;
    },
    [() => listOf(ana, "hello").state, () => listOf(ben, "there").state],
  ),
];
