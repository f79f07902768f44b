/**
 * What the page and its bulk worker say to each other: one message and one answer for a whole run,
 * its bytes in one buffer that changes hands. Cloning a thousand small objects instead would cost the
 * page as much as it saves.
 */
import { Reader } from "@skein/shared/bytes/reader.ts";
import { varintLength, Writer } from "@skein/shared/bytes/writer.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import type { HashedEntries, OpenedBody, SealingKey } from "@skein/shared/crypto/suite.ts";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import { signerOf } from "@skein/shared/log/branch.ts";
import { type Entry, hashBytes } from "@skein/shared/log/entry.ts";
import type { CheckedRun, PlacedRun } from "@skein/shared/log/suite.ts";
import {
  entriesLength,
  entriesOfItems,
  readItems,
  writeEntries,
} from "@skein/shared/protocol/items.ts";

interface Place {
  readonly id: number;
  readonly space: SpaceTag;
  /** Whose key signs the log: all that headers and keys need to know of it. */
  readonly replica: ReplicaId;
  readonly first: number;
}

export type ToBulk =
  /** previous 32 ‖ bytes(publicKey) ‖ bytes(signature) ‖ list(item) */
  | (Place & { readonly kind: "check"; readonly bytes: Uint8Array<ArrayBuffer> })
  /** previous 32 ‖ hash 32 of each entry ‖ list(item) */
  | (Place & {
      readonly kind: "open";
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly keys: readonly SealingKey[];
      /** For each entry the place of its key; −1 for none. */
      readonly keyOf: Int16Array<ArrayBuffer>;
    });

export type FromBulk =
  | { readonly kind: "ready" }
  | {
      readonly kind: "checked";
      readonly id: number;
      /** 32 bytes for each entry. */
      readonly hashes: Uint8Array<ArrayBuffer>;
      readonly isSigned: boolean;
    }
  | {
      readonly kind: "opened";
      readonly id: number;
      /** One after the other. */
      readonly bodies: Uint8Array<ArrayBuffer>;
      /** Of each body; −1 where nothing was opened. */
      readonly lengths: Int32Array<ArrayBuffer>;
    }
  /** To be done on the page. */
  | { readonly kind: "failed"; readonly id: number };

export function packCheck(id: number, placed: PlacedRun, publicKey: Uint8Array): ToBulk {
  const { space, run, previous } = placed;
  const { first, entries, signature } = run;
  const replica = signerOf(run);
  const numbers = varintLength(publicKey.length) + varintLength(signature.length);
  const besideBytes = hashBytes + numbers + publicKey.length + signature.length;
  const writer = writerFor(entries, besideBytes);
  writer.fixed(previous, hashBytes).bytes(publicKey).bytes(signature);
  writeEntries(writer, first, entries, undefined);
  return { kind: "check", id, space, replica, first, bytes: writer.finish() };
}

export function unpackCheck(message: ToBulk & { readonly kind: "check" }): {
  readonly placed: PlacedRun;
  readonly publicKey: Uint8Array;
} {
  const { space, replica, first, bytes } = message;
  const reader = new Reader(bytes);
  const previous = reader.raw(hashBytes);
  const publicKey = reader.bytes(bytes.length);
  const signature = reader.bytes(bytes.length);
  const run = { replica, first, entries: entriesFrom(reader, first), signature };
  return { placed: { space, run, previous }, publicKey };
}

export function packChecked(id: number, { hashes, isSigned }: CheckedRun): FromBulk {
  const writer = new Writer(hashes.length * hashBytes);
  for (const hash of hashes) writer.raw(hash);
  return { kind: "checked", id, hashes: writer.finish(), isSigned };
}

export function unpackChecked(answer: FromBulk & { readonly kind: "checked" }): CheckedRun {
  const { hashes: bytes, isSigned } = answer;
  const hashes = hashesIn(bytes);
  const last = hashes.pop();
  // A head is kept for long, and should not keep all the others.
  if (last !== undefined) hashes.push(last.slice());
  return { hashes, isSigned };
}

export function packOpen(
  id: number,
  { space, run, previous, hashes }: HashedEntries,
  keys: readonly (SealingKey | undefined)[],
): ToBulk {
  const { replica, first, entries } = run;
  const writer = writerFor(entries, (hashes.length + 1) * hashBytes);
  writer.fixed(previous, hashBytes);
  for (const hash of hashes) writer.fixed(hash, hashBytes);
  writeEntries(writer, first, entries, undefined);
  const places = new Map<SealingKey, number>();
  const keyOf = Int16Array.from(keys, (key) => {
    if (key === undefined) return -1;
    const place = places.get(key) ?? places.size;
    places.set(key, place);
    return place;
  });
  const bytes = writer.finish();
  return { kind: "open", id, space, replica, first, bytes, keys: [...places.keys()], keyOf };
}

export function unpackOpen(message: ToBulk & { readonly kind: "open" }): {
  readonly entries: HashedEntries;
  readonly keys: readonly (SealingKey | undefined)[];
} {
  const { space, replica, first, bytes, keys, keyOf } = message;
  const reader = new Reader(bytes);
  const previous = reader.raw(hashBytes);
  const hashes = hashesIn(reader.raw(keyOf.length * hashBytes));
  const run = { replica, first, entries: entriesFrom(reader, first) };
  return {
    entries: { space, run, previous, hashes },
    keys: Array.from(keyOf, (place) => keys[place]),
  };
}

export function packOpened(id: number, opened: readonly OpenedBody[]): FromBulk {
  const lengths = Int32Array.from(opened, (body) => body?.length ?? -1);
  const writer = new Writer(lengths.reduce((sum, length) => sum + Math.max(0, length), 0));
  for (const body of opened) if (body !== undefined) writer.raw(body);
  return { kind: "opened", id, bodies: writer.finish(), lengths };
}

export function unpackOpened(answer: FromBulk & { readonly kind: "opened" }): OpenedBody[] {
  const reader = new Reader(answer.bodies);
  return Array.from(answer.lengths, (length) => (length < 0 ? undefined : reader.raw(length)));
}

function writerFor(entries: readonly Entry[], besideBytes: number): Writer {
  return new Writer(entriesLength(entries, undefined) + besideBytes);
}

function entriesFrom(reader: Reader, first: number): readonly Entry[] {
  const entries = entriesOfItems(readItems(reader, first), undefined);
  if (isMalformed(entries)) throw entries;
  return entries;
}

function hashesIn(bytes: Uint8Array): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += hashBytes)
    hashes.push(bytes.subarray(at, at + hashBytes));
  return hashes;
}
