/**
 * A counter to be held by a map (the map of Riak has it; Baquero, Almeida and Lerche, "The problem
 * with embedded CRDT counters and a solution", PaPoC 2016). `pn-counter.ts` cannot stand there: it
 * only grows, and nothing of it could be removed with its key. Here each replica keeps its total at
 * one dot and counting moves it to a new one, so that a removal takes the totals its author saw.
 *
 * The paper's anomaly holds: who counts at the time of a removal carries all of their own earlier
 * total over to the new dot, so that it survives as well, and not only what was counted meanwhile.
 */
import type { ReplicaId } from "../../id/id.ts";
import { nextDot } from "./causal-context.ts";
import {
  type Causal,
  causal,
  type CausalType,
  dotFun,
  type Dotted,
  replacing,
} from "./dot-store.ts";
import { countedOn, saturated, sumOf } from "./g-counter.ts";
import type { ValueCodec } from "./state-codec.ts";

/** What one replica has counted. */
interface Tally {
  readonly added: number;
  readonly taken: number;
}

export type EmbeddedCounterStore = readonly Dotted<Tally>[];
export type EmbeddedCounterState = Causal<EmbeddedCounterStore>;

const tally: ValueCodec<Tally> = {
  write: (writer, { added, taken }) => writer.varint(added).varint(taken),
  read: (reader) => ({ added: reader.varint(), taken: reader.varint() }),
};

const stores = dotFun(tally);
const totalOf = (store: EmbeddedCounterStore, side: keyof Tally): bigint =>
  sumOf(store.map(({ value }) => value[side]));

export const embeddedCounter = {
  ...causal(stores, (store) => saturated(totalOf(store, "added") - totalOf(store, "taken"))),

  /** `by` is a whole number of either sign. Throws a `RangeError` as `gCounter` does. */
  add(
    { store, context }: EmbeddedCounterState,
    replica: ReplicaId,
    by: number,
  ): EmbeddedCounterState {
    const own = store.filter((dotted) => dotted.replica === replica);
    const value = {
      added: countedOn(saturated(totalOf(own, "added")), Math.max(by, 0)),
      taken: countedOn(saturated(totalOf(own, "taken")), Math.max(-by, 0)),
    };
    return replacing(stores, [{ ...nextDot(context, replica), value }], own);
  },
} satisfies CausalType<EmbeddedCounterStore, number> & Record<string, unknown>;
