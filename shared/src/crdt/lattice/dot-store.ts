/**
 * The kernel of all types that remove things (Almeida, Shoker and Baquero, "Delta state replicated
 * data types", JPDC 2018). A *dot store* says what is left of the changes that were made,
 * each under its dot; a *causal context* says which changes were seen. A dot that was seen and is
 * not in the store was removed.
 *
 * Merge keeps a dot if both stores have it, or if one has it and the other has not seen it yet; the
 * contexts unite. Proof that it is a least upper bound: of a dot a state knows one of three things,
 * never seen < there < removed, a chain; merge takes the greater one dot by dot, and a maximum
 * commutes, associates and is idempotent. What stands at a dot was written once and never differs.
 *
 * A delta that adds has the new dot in store and context. A delta that removes has an empty store
 * and in its context the dots that its author saw there: what others add at the same time bears dots
 * that it does not name, and stays.
 */
import { Malformed } from "../../bytes/malformed.ts";
import {
  type CausalContext,
  compareDots,
  contextOf,
  type Dot,
  type DotReader,
  type DotWriter,
  hasDot,
  mergeContexts,
  noContext,
  readContext,
  writeContext,
} from "./causal-context.ts";
import type { StateType } from "./lattice.ts";
import { readByKey, stateCodec, type ValueCodec, writeByKey } from "./state-codec.ts";

export interface DotStore<Store> {
  readonly empty: Store;
  readonly isEmpty: (store: Store) => boolean;
  readonly dots: (store: Store) => Iterable<Dot>;
  /** What is left when two states meet. May return either store; changes neither. */
  readonly join: (a: Store, aContext: CausalContext, b: Store, bContext: CausalContext) => Store;
  readonly write: (to: DotWriter, store: Store) => void;
  readonly read: (from: DotReader) => Store;
}

/** A state with removal. Every dot of the store is in the context. */
export interface Causal<Store> {
  readonly store: Store;
  readonly context: CausalContext;
}

/** A state-based type over a dot store; what a map can hold under its keys. */
export interface CausalType<Store, Value> extends StateType<Causal<Store>, Value> {
  readonly stores: DotStore<Store>;
  readonly read: (store: Store) => Value;
}

export const causal = <Store, Value>(
  stores: DotStore<Store>,
  read: (store: Store) => Value,
): CausalType<Store, Value> => ({
  stores,
  read,
  bottom: { store: stores.empty, context: noContext },
  merge: (a, b) => ({
    store: stores.join(a.store, a.context, b.store, b.context),
    context: mergeContexts(a.context, b.context),
  }),
  valueOf: ({ store }) => read(store),
  ...stateCodec<Causal<Store>>(
    (writer, { store, context }) => stores.write(writeContext(writer, context), store),
    (reader) => {
      const [context, from] = readContext(reader);
      return { store: stores.read(from), context };
    },
  ),
});

/** The delta that leaves `store` in place of what has the dots `replaced`. */
export function replacing<Store>(
  stores: DotStore<Store>,
  store: Store,
  replaced: Iterable<Dot>,
): Causal<Store> {
  return { store, context: contextOf([...stores.dots(store), ...replaced]) };
}

/** Dots, each with something written there. Ascending. */
export type Dotted<Value> = Dot & { readonly value: Value };

/** The paper's DotSet: bare dots. */
export const dotSet: DotStore<readonly Dot[]> = {
  empty: [],
  isEmpty: (store) => store.length === 0,
  dots: (store) => store,
  join: joinDots,
  write: (to, store) => to.dots(store, () => {}),
  read: (from) => from.dots((dot) => dot),
};

/** The paper's DotFun: a value at each dot. */
export const dotFun = <Value>(values: ValueCodec<Value>): DotStore<readonly Dotted<Value>[]> => ({
  empty: [],
  isEmpty: (store) => store.length === 0,
  dots: (store) => store,
  join: joinDots,
  write: (to, store) => to.dots(store, ({ value }) => values.write(to.writer, value)),
  read: (from) => from.dots((dot) => ({ ...dot, value: values.read(from.reader) })),
});

function joinDots<D extends Dot>(
  a: readonly D[],
  aContext: CausalContext,
  b: readonly D[],
  bContext: CausalContext,
): readonly D[] {
  // Nearly all keys of a large map when a delta comes in: nothing to build.
  if (b.length === 0 && !a.some((dot) => hasDot(bContext, dot))) return a;
  const joined: D[] = [];
  let keptOfA = 0;
  for (let atA = 0, atB = 0; atA < a.length || atB < b.length;) {
    const ofA = a[atA];
    const ofB = b[atB];
    const order = ofA === undefined ? 1 : ofB === undefined ? -1 : compareDots(ofA, ofB);
    if (order <= 0) atA++;
    if (order >= 0) atB++;
    if (ofA !== undefined && (order === 0 || (order < 0 && !hasDot(bContext, ofA)))) {
      joined.push(ofA);
      keptOfA++;
    } else if (ofB !== undefined && order > 0 && !hasDot(aContext, ofB)) joined.push(ofB);
  }
  return keptOfA === a.length && joined.length === a.length ? a : joined;
}

/** The paper's DotMap: a store under each key, none of them empty. */
export const dotMap = <Store>(stores: DotStore<Store>): DotStore<ReadonlyMap<string, Store>> => ({
  empty: new Map(),
  isEmpty: (map) => map.size === 0,
  *dots(map) {
    for (const store of map.values()) yield* stores.dots(store);
  },
  join(a, aContext, b, bContext) {
    let joined: Map<string, Store> | undefined;
    const put = (key: string, held: Store | undefined, store: Store) => {
      if (store === held) return;
      joined ??= new Map(a);
      if (!stores.isEmpty(store)) joined.set(key, store);
      else joined.delete(key);
    };
    for (const [key, held] of a) {
      const other = b.get(key) ?? stores.empty;
      put(key, held, stores.join(held, aContext, other, bContext));
    }
    for (const [key, other] of b) {
      if (a.has(key)) continue;
      put(key, undefined, stores.join(stores.empty, aContext, other, bContext));
    }
    return joined ?? a;
  },
  write(to, map) {
    writeByKey(to.writer, map, (store) => stores.write(to, store));
  },
  read: (from) =>
    readByKey(from.reader, () => {
      const store = stores.read(from);
      if (stores.isEmpty(store)) throw new Malformed("a key with nothing under it");
      return store;
    }),
});
