/**
 * A number that only grows: roles granted, marks reached. Numbers under `max` are the simplest
 * lattice there is: max(a, b) = max(b, a), max(a, max(b, c)) is the greatest of three however
 * bracketed, max(a, a) = a. A delta is the number to grow to.
 */
import type { StateType } from "./lattice.ts";
import { countValue, stateCodec } from "./state-codec.ts";

/** Whole numbers from 0 to 2^53 − 1. */
export const maxRegister: StateType<number> = {
  bottom: 0,
  merge: (a, b) => (a >= b ? a : b),
  valueOf: (state) => state,
  ...stateCodec<number>(countValue.write, countValue.read),
};
