/**
 * A set in which add wins over a removal at the same time: the observed-remove set of Shapiro et al.
 * (SSS 2011), without its tombstones (Bieniusa et al., "An optimized conflict-free replicated set",
 * INRIA RR-8083, 2012; in this form in Almeida et al., JPDC 2018). Under each element
 * stand the dots that added it; a removal takes those its author saw. Merge is that of
 * `dot-store.ts`.
 */
import type { ReplicaId } from "../../id/id.ts";
import { type Dot, nextDot } from "./causal-context.ts";
import { type Causal, causal, type CausalType, dotMap, dotSet, replacing } from "./dot-store.ts";
import { assertKey } from "./state-codec.ts";

export type OrSetStore = ReadonlyMap<string, readonly Dot[]>;
export type OrSetState = Causal<OrSetStore>;

const stores = dotMap(dotSet);

export const orSet = {
  ...causal(stores, (store): ReadonlySet<string> => new Set(store.keys())),

  /** Throws a `RangeError` for an element beyond `stateLimits`. */
  add({ store, context }: OrSetState, replica: ReplicaId, element: string): OrSetState {
    assertKey(element);
    // In place of older dots, so that an element added over and over stays as small as one.
    const added = new Map([[element, [nextDot(context, replica)]]]);
    return replacing(stores, added, store.get(element) ?? []);
  },

  remove: ({ store }: OrSetState, element: string): OrSetState =>
    replacing(stores, stores.empty, store.get(element) ?? []),

  /** Removes all elements that its author sees. */
  clear: ({ store }: OrSetState): OrSetState => replacing(stores, stores.empty, stores.dots(store)),
} satisfies CausalType<OrSetStore, ReadonlySet<string>> & Record<string, unknown>;
