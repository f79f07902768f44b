/**
 * The order of messages as text, because a database compares keys and knows no stamps: comparing two
 * keys as strings (by UTF-16 unit, as JavaScript and IndexedDB both do) is comparing their stamps.
 */
import type { Stamp } from "../crdt/crdt.ts";

declare const brand: unique symbol;
export type OrderKey = string & { readonly [brand]: "OrderKey" };

/** Before every message. */
export const firstKey = "" as OrderKey;

/** 2^53 − 1 in hexadecimal; an entry holds at most 256 operations. */
const timeDigits = 14;
const indexDigits = 2;

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

/** lamport 14 ‖ replica 32 ‖ seq 14 ‖ index 2 hexadecimal digits. */
export const orderKey = ({ id, lamport }: Stamp): OrderKey =>
  (hex(lamport, timeDigits) +
    id.replica +
    hex(id.seq, timeDigits) +
    hex(id.index, indexDigits)) as OrderKey;
