/**
 * A register that keeps what was written at the same time (DeCandia et al., "Dynamo: Amazon's highly
 * available key-value store", SOSP 2007; in this form in Almeida et al., JPDC 2018): a
 * write replaces all values that its author saw, and those it did not see stand beside it until
 * somebody decides. Merge is that of `dot-store.ts`.
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
import type { ValueCodec } from "./state-codec.ts";

export type MvRegisterStore<Value> = readonly Dotted<Value>[];
export type MvRegisterState<Value> = Causal<MvRegisterStore<Value>>;

/**
 * Its value: what was written last, in the order of the dots; more than one, also equal ones, if
 * written at the same time.
 */
export const mvRegister = <Value>(values: ValueCodec<Value>) => {
  const stores = dotFun(values);
  return {
    ...causal(stores, (store): readonly Value[] => store.map(({ value }) => value)),

    write: (
      { store, context }: MvRegisterState<Value>,
      replica: ReplicaId,
      value: Value,
    ): MvRegisterState<Value> =>
      replacing(stores, [{ ...nextDot(context, replica), value }], store),

    clear: ({ store }: MvRegisterState<Value>): MvRegisterState<Value> =>
      replacing(stores, stores.empty, store),
  } satisfies CausalType<MvRegisterStore<Value>, readonly Value[]> & Record<string, unknown>;
};
