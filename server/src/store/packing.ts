/**
 * Runs as rows: entries as the `list(item)` of docs/protocol.md section 8 with every epoch named,
 * hashes end to end. The same bytes cross to the store's worker, which takes most of them to the
 * disk without looking inside.
 */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import { bytesOfId } from "@skein/shared/id/id.ts";
import type { Branch } from "@skein/shared/log/branch.ts";
import { bodyBytes, type Entry, hashBytes, lastSeq } from "@skein/shared/log/entry.ts";
import type { VerifiedRun } from "@skein/shared/log/store.ts";
import { entriesOfItems, readItems, writeEntries } from "@skein/shared/protocol/items.ts";

/** A verified run, packed. */
export interface RunRow {
  readonly replica: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly first: number;
  readonly last: number;
  readonly previous: Uint8Array;
  readonly hashes: Uint8Array;
  readonly items: Uint8Array;
  readonly bodyBytes: number;
  readonly signature: Uint8Array;
  readonly branch: BranchRow | undefined;
}

/** What tells a branch, with its signer as bytes. */
export interface BranchRow {
  readonly signer: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array;
}

export const branchRowOf = (branch: Branch): BranchRow => ({
  signer: bytesOfId(branch.signer),
  seq: branch.seq,
  hash: branch.hash.slice(),
});

/**
 * Every part is cut out of whatever it was a view of: what crosses to the worker is copied together
 * with the whole buffer below it.
 */
export const packRun = (run: VerifiedRun): RunRow => ({
  replica: bytesOfId(run.replica),
  publicKey: run.publicKey.slice(),
  first: run.first,
  last: lastSeq(run),
  previous: run.previous.slice(),
  hashes: packHashes(run.hashes),
  ...packEntries(run.first, run.entries),
  signature: run.signature.slice(),
  branch: run.branch && branchRowOf(run.branch),
});

export interface PackedEntries {
  readonly items: Uint8Array<ArrayBuffer>;
  readonly bodyBytes: number;
}

/** `first` is the seq of the first entry. */
export function packEntries(first: number, entries: readonly Entry[]): PackedEntries {
  const bytes = bodyBytes({ entries });
  const writer = new Writer(bytes + 32 * entries.length);
  writeEntries(writer, first, entries, undefined);
  return { items: writer.finish(), bodyBytes: bytes };
}

/** Throws when the bytes are none of `packEntries`: the file is damaged. */
export function unpackEntries(first: number, items: Uint8Array): Entry[] {
  const decoded = decode(items, (reader) => readItems(reader, first));
  const entries = isMalformed(decoded) ? decoded : entriesOfItems(decoded, undefined);
  if (isMalformed(entries)) throw new Error(`a stored run is damaged: ${entries.message}`);
  return entries;
}

function packHashes(hashes: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(hashes.length * hashBytes);
  for (const [index, hash] of hashes.entries()) packed.set(hash, index * hashBytes);
  return packed;
}

export function unpackHashes(packed: Uint8Array): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < packed.length; at += hashBytes) {
    hashes.push(packed.subarray(at, at + hashBytes));
  }
  return hashes;
}
