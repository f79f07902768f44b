/** Why something signed was not taken, as a value: the facts a session needs to answer. */
import type { Fault } from "../bytes/malformed.ts";

/**
 * `foreign`: of another space or replica than it was shown for. `forged`: hash or signature wrong.
 */
export type RefusalFault = Fault | "foreign" | "forged";

export interface Refusal {
  readonly kind: "refused";
  readonly fault: RefusalFault;
  /** For people and logs; never part of what was sealed. */
  readonly words: string;
}

export const refused = (fault: RefusalFault, words: string): Refusal => ({
  kind: "refused",
  fault,
  words,
});

/** Tells a refusal from what would have been taken. */
export const isRefusal = <T extends object>(value: T | Refusal): value is Refusal =>
  "kind" in value && value.kind === "refused";
