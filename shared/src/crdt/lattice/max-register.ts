/**
 * A number that only grows: roles granted, marks reached. Numbers under `max` are the simplest
 * lattice there is: max(a, b) = max(b, a), max(a, max(b, c)) is the greatest of three however
 * bracketed, max(a, a) = a.
 */
import type { Lattice } from "./lattice.ts";

/** Numbers from 0 up; never NaN. */
export const maxRegister: Lattice<number> = {
  bottom: 0,
  merge: (a, b) => (a >= b ? a : b),
};
