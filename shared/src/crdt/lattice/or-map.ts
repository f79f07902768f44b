/**
 * A map whose values are CRDTs themselves: registers, sets, counters, further maps (Almeida et al.,
 * JPDC 2018; in use as the map of Riak). All of them share one causal context, so that
 * removing a key removes exactly the changes its author saw under it: a change at the same time has
 * a dot of its own, survives, and with it the key. Merge is that of `dot-store.ts`.
 *
 * Two things follow, and both are as the papers have them. A key is there while anything is left
 * under it: a nested set whose last element goes takes its key along. And a removal is no reset for
 * those who did not see it: whoever adds the key again begins with nothing, yet what others changed
 * under the old one at the time of the removal comes back and stands beside the new.
 */
import { type Causal, causal, type CausalType, dotMap, replacing } from "./dot-store.ts";
import { assertKey } from "./state-codec.ts";

export type OrMapStore<Nested> = ReadonlyMap<string, Nested>;
export type OrMapState<Nested> = Causal<OrMapStore<Nested>>;

export const orMap = <Nested, Value>(nested: CausalType<Nested, Value>) => {
  const stores = dotMap(nested.stores);
  const read = (store: OrMapStore<Nested>): ReadonlyMap<string, Value> =>
    new Map(Array.from(store, ([key, inner]) => [key, nested.read(inner)]));
  return {
    ...causal(stores, read),

    /**
     * The delta of a change under `key`; `mutator` is one of the nested type and returns its delta.
     * Throws a `RangeError` for a key beyond `stateLimits`.
     */
    update(
      { store, context }: OrMapState<Nested>,
      key: string,
      mutator: (state: Causal<Nested>) => Causal<Nested>,
    ): OrMapState<Nested> {
      assertKey(key);
      const delta = mutator({ store: store.get(key) ?? nested.stores.empty, context });
      const left = nested.stores.isEmpty(delta.store) ? [] : [[key, delta.store] as const];
      return { store: new Map(left), context: delta.context };
    },

    remove({ store }: OrMapState<Nested>, key: string): OrMapState<Nested> {
      const inner = store.get(key);
      const observed = inner === undefined ? [] : nested.stores.dots(inner);
      return replacing(stores, stores.empty, observed);
    },
  } satisfies CausalType<OrMapStore<Nested>, ReadonlyMap<string, Value>> & Record<string, unknown>;
};
