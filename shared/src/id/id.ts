/**
 * The ids of docs/protocol.md section 2, as branded lower-case hexadecimal text: they serve as map
 * keys everywhere and become bytes only in codecs. Parse them at the border, trust them inside.
 */
import { equalBytes, fromHex, toHex } from "../bytes/bytes.ts";
import { Malformed } from "../bytes/malformed.ts";

declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

/** 16 bytes: the address of a space. */
export type SpaceTag = Id<"SpaceTag">;
/** 16 bytes: a device as a writer in one space. */
export type ReplicaId = Id<"ReplicaId">;
/** 8 bytes: the beginning of a replica id, by which an entry names what it depends on. */
export type ReplicaPrefix = Id<"ReplicaPrefix">;
/** 16 bytes: a person in a space. */
export type MemberId = Id<"MemberId">;
/** 16 bytes: an installation of the app. */
export type DeviceId = Id<"DeviceId">;
/** 8 bytes: the content key in force. */
export type EpochId = Id<"EpochId">;
/** 8 bytes: a CRDT object in a space. */
export type DocumentId = Id<"DocumentId">;
/** 16 bytes: the opaque name of a register. */
export type RegisterName = Id<"RegisterName">;
/** 32 bytes: a sealed piece, by the hash of its bytes. */
export type BlobId = Id<"BlobId">;

export const idBytes = {
  space: 16,
  replica: 16,
  prefix: 8,
  member: 16,
  device: 16,
  epoch: 8,
  document: 8,
  register: 16,
  blob: 32,
} as const;

const parse = (bytes: Uint8Array, length: number): string => {
  if (bytes.length !== length) throw new Malformed(`id of ${bytes.length} bytes, not ${length}`);
  const slot = ((bytes[0] ?? 0) + 4 * (bytes[1] ?? 0) + length) % seenMax;
  const seen = seenBySlot[slot];
  if (seen !== undefined && equalBytes(seen.bytes, bytes)) return seen.text;
  const text = toHex(bytes);
  seenBySlot[slot] = { bytes: bytes.slice(), text };
  return text;
};

/** Entry after entry names the same few ids: they share one text each, found sooner than it is made. */
const seenBySlot: { readonly bytes: Uint8Array; readonly text: string }[] = [];
const seenMax = 1_024;

export const spaceTag = (bytes: Uint8Array) => parse(bytes, idBytes.space) as SpaceTag;
export const replicaId = (bytes: Uint8Array) => parse(bytes, idBytes.replica) as ReplicaId;
export const replicaPrefix = (bytes: Uint8Array) => parse(bytes, idBytes.prefix) as ReplicaPrefix;
export const memberId = (bytes: Uint8Array) => parse(bytes, idBytes.member) as MemberId;
export const deviceId = (bytes: Uint8Array) => parse(bytes, idBytes.device) as DeviceId;
export const epochId = (bytes: Uint8Array) => parse(bytes, idBytes.epoch) as EpochId;
export const documentId = (bytes: Uint8Array) => parse(bytes, idBytes.document) as DocumentId;
export const registerName = (bytes: Uint8Array) => parse(bytes, idBytes.register) as RegisterName;
export const blobId = (bytes: Uint8Array) => parse(bytes, idBytes.blob) as BlobId;

/** The name by which dependencies know `replica`. */
export const prefixOf = (replica: ReplicaId) =>
  replica.slice(0, 2 * idBytes.prefix) as ReplicaPrefix;

export type AnyId =
  | SpaceTag
  | ReplicaId
  | ReplicaPrefix
  | MemberId
  | DeviceId
  | EpochId
  | DocumentId
  | RegisterName
  | BlobId;

/** The bytes of an id, as they stand in frames and hashes. */
export const bytesOfId = (id: AnyId): Uint8Array<ArrayBuffer> => fromHex(id);
