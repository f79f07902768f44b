/**
 * The order of messages as text, because a database compares keys and knows no stamps: comparing two
 * keys as strings (by UTF-16 unit, as JavaScript and IndexedDB both do) is comparing their stamps.
 */
import type { Stamp } from "../crdt/crdt.ts";
import { idBytes, type ReplicaId } from "../id/id.ts";

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

/** What the key was made of. Only for keys of messages: `firstKey` is none. */
export function stampOfKey(key: OrderKey): Stamp {
  const replicaAt = timeDigits;
  const seqAt = replicaAt + 2 * idBytes.replica;
  const indexAt = seqAt + timeDigits;
  if (key.length !== indexAt + indexDigits) throw new Error(`no key of a message: "${key}"`);
  const number = (from: number, to: number) => Number.parseInt(key.slice(from, to), 16);
  const replica = key.slice(replicaAt, seqAt) as ReplicaId;
  const id = { replica, seq: number(seqAt, indexAt), index: number(indexAt, key.length) };
  return { id, lamport: number(0, replicaAt) };
}
