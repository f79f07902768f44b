/**
 * The part of a cipher suite that needs no secret: what a relay, and every verifier, must compute.
 * Sealing and signing stand above it in `crypto/`, which a relay never imports.
 */
import { Malformed } from "../bytes/malformed.ts";
import type { Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { SpaceTag } from "../id/id.ts";
import type { Run } from "./entry.ts";

export type SuiteId = 0 | 1;

/** Throws `Malformed` for a suite nobody knows. Whether it is the one in use is asked by verifiers. */
export function readSuiteId(reader: Reader): SuiteId {
  const id = reader.u8();
  if (id !== 0 && id !== 1) throw new Malformed(`suite ${id}`, "version");
  return id;
}

export interface VerifyingSuite {
  readonly id: SuiteId;
  /** `H(label, x)` of docs/protocol.md: 32 bytes. Synchronous: a chain is hashed in one go. */
  hash(label: string, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
  /** Checks `S(key, label, x)` by the strict rules. False for any malformed key or signature. */
  verify(
    publicKey: Uint8Array,
    label: string,
    message: Uint8Array,
    signature: Uint8Array,
  ): Promise<boolean>;
  /** Long runs on another thread; absent where a suite has none. */
  readonly bulk?: BulkChecking;
}

/** What the chain of a run and its head signature come to. */
export interface CheckedRun {
  /** Of each entry, in order. */
  readonly hashes: readonly Uint8Array[];
  /** Whether the signature is the replica's over the last of them. */
  readonly isSigned: boolean;
}

/** A run, and the hash of the entry before it (zeros before seq 1). */
export interface PlacedRun {
  readonly space: SpaceTag;
  readonly run: Run;
  readonly previous: Uint8Array;
}

/** The same results as from the suite itself, without holding up the thread that asks. */
export interface BulkChecking {
  /** Undefined where the asker must do it: there is no such thread (yet, or any more). */
  check(placed: PlacedRun, publicKey: Uint8Array): Promise<CheckedRun> | undefined;
}

/** label ‖ 0x00 ‖ parts: the input of every labelled hash, signature and derivation. */
export function labelled(label: string, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = label.length + 1;
  for (const part of parts) length += part.length;
  const writer = new Writer(length);
  for (let index = 0; index < label.length; index++) writer.u8(label.charCodeAt(index));
  writer.u8(0);
  for (const part of parts) writer.raw(part);
  return writer.finish();
}
