/**
 * An entry and a run of entries (docs/protocol.md section 4). The header is never sent: receiver
 * and sender compute it alike from the run and the hash before it, so a wrong byte anywhere
 * breaks the one signature at the run's end.
 */
import { Writer } from "../bytes/writer.ts";
import { bytesOfId, type EpochId, type ReplicaId, type SpaceTag } from "../id/id.ts";
import type { Branch } from "./branch.ts";
import type { SuiteId } from "./suite.ts";

const entryVersion = 1;
export const hashBytes = 32;
export const signatureBytes = 64;
export const sessionNonceBytes = 16;
/** Entries in one run: one signature check, one frame, one row of a store. */
export const runEntriesMax = 1_024;
export const headerBytes = 138;
/** The header without bodyHash: what the body is sealed under. */
export const headerAadBytes = 106;

/** What opens a writer session: its nonce; what continues one: the distance to that entry. */
export type WriterSession =
  | { readonly kind: "opens"; readonly nonce: Uint8Array }
  | { readonly kind: "continues"; readonly distance: number };

export type EntryBody =
  | { readonly kind: "sealed"; readonly sealed: Uint8Array }
  /** Hollow: the body was dropped; its hash and length keep the chain. */
  | { readonly kind: "hollow"; readonly hash: Uint8Array; readonly length: number };

export interface Entry {
  readonly epoch: EpochId;
  readonly writer: WriterSession;
  readonly body: EntryBody;
}

/** Consecutive entries of one log that end at a signed head. Never empty. */
export interface Run {
  readonly replica: ReplicaId;
  /** Seq of the first entry; entry i has seq `first + i`. */
  readonly first: number;
  readonly entries: readonly Entry[];
  /** The head signature of the last entry, 64 bytes. */
  readonly signature: Uint8Array;
  /** Where the log is a branch of another (branch.ts); then headers name its signer. */
  readonly branch?: Branch;
}

export const lastSeq = (run: Run): number => run.first + run.entries.length - 1;

/** Bytes of all bodies of a run: what flow control and quotas count. */
export function bodyBytes(run: Pick<Run, "entries">): number {
  let bytes = 0;
  for (const entry of run.entries)
    if (entry.body.kind === "sealed") bytes += entry.body.sealed.length;
  return bytes;
}

export interface HeaderFields {
  readonly suite: SuiteId;
  readonly space: SpaceTag;
  /** Whose key signs the log. */
  readonly replica: ReplicaId;
  readonly seq: number;
  readonly previous: Uint8Array;
  readonly epoch: EpochId;
  readonly writer: WriterSession;
  readonly bodyLength: number;
}

/**
 * The 106 bytes before bodyHash: additional data of the seal.
 * @param into where they are written, for who makes one header after the other.
 */
export function headerAad(
  fields: HeaderFields,
  into?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer(into ?? headerAadBytes)
    .u8(entryVersion)
    .u8(fields.suite)
    .raw(rememberedBytes(fields.space))
    .raw(rememberedBytes(fields.replica))
    .u64(fields.seq)
    .raw(fields.previous)
    .raw(rememberedBytes(fields.epoch));
  if (fields.writer.kind === "opens") writer.u32(0).raw(fields.writer.nonce);
  else writer.u32(fields.writer.distance).zeros(sessionNonceBytes);
  return writer.u32(fields.bodyLength).finish();
}

/** Header after header names the same space, replica and epoch. */
function rememberedBytes(id: SpaceTag | ReplicaId | EpochId): Uint8Array {
  const known = bytesById.get(id);
  if (known !== undefined) return known;
  const bytes = bytesOfId(id);
  if (bytesById.size >= rememberedMax) bytesById.clear();
  bytesById.set(id, bytes);
  return bytes;
}
const bytesById = new Map<string, Uint8Array>();
const rememberedMax = 4_096;

/** What a head signature signs. */
export const headMessage = (
  space: SpaceTag,
  replica: ReplicaId,
  seq: number,
  hash: Uint8Array,
): Uint8Array<ArrayBuffer> =>
  new Writer(72).raw(bytesOfId(space)).raw(bytesOfId(replica)).u64(seq).raw(hash).finish();
