/**
 * What is fuzzed: something that takes bytes from outside, with valid examples to begin from. An
 * input is a list of pieces: one for a decoder, many for what has a memory (a conversation, the
 * updates of a document), so that mutation, shrinking and printing are the same for both.
 */
import type { Prng } from "../simulation/prng.ts";

export type Input = readonly Uint8Array[];

/** What both have that takes several steps. */
interface Course {
  /** How long the slowest step took; without it the run counts as one. */
  readonly slowestUs?: number;
  /** How many pieces were handed over, where not all were. */
  readonly steps?: number;
}

export type Outcome = Course &
  (
    | {
        readonly kind: "accepted";
        /** Looked at for shapes not seen before. */
        readonly value: unknown;
      }
    | {
        readonly kind: "refused";
        /** What kind of wrong, in a word: a column of the table. */
        readonly fault: string;
        readonly reason: string;
        /** What came before the refusal, looked at too. */
        readonly value?: unknown;
      }
  );

export interface Target {
  readonly name: string;
  /** Valid examples, and nasty ones that somebody thought of. Made from fixed dice. */
  readonly seeds: readonly Input[];
  /** Whether pieces may be dropped, repeated, reordered and taken from other inputs. */
  readonly isSequence?: boolean;
  /** How long a piece may get, where many bytes are what is to be tried. */
  readonly pieceBytesMax?: number;
  /**
   * Whatever it throws, or rejects with, is a finding. The same input gives the same outcome.
   */
  readonly run: (input: Input) => Outcome | Promise<Outcome>;
  /** A change that lucky bytes would hardly hit upon: sealed, signed or summed up again. */
  readonly mutate?: (input: Input, others: readonly Input[], dice: Prng) => Input;
}

/** Made when it is its turn: engines are loaded, worlds are recorded. */
export interface TargetEntry {
  readonly name: string;
  readonly about: string;
  readonly open: () => Target | Promise<Target>;
}

/** A property that does not hold. The words up to the first colon name it. */
export class Broken extends Error {
  override readonly name = "Broken";
}
