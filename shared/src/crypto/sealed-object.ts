/**
 * A sealed object: bytes of any length as blobs that strangers keep and cannot read. Each object has a
 * random key of its own, which travels with the reference: whoever is given the reference can open the
 * object and no other. Pieces are sealed as in STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online
 * authenticated-encryption and its nonce-reuse misuse-resistance", CRYPTO 2015): the nonce counts them
 * and marks the last, so none can be moved, left out or cut off.
 */
import { Malformed } from "../bytes/malformed.ts";
import type { Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { blobId, type BlobId, bytesOfId, idBytes } from "../id/id.ts";
import { blobBytesMax, blobIdOf } from "../log/blob.ts";
import type { SealingKey, Suite } from "./suite.ts";

/** Where an object is and what opens it: as secret as what it holds. */
export interface ObjectRef {
  /** 32 bytes, for this object alone. */
  readonly key: Uint8Array;
  /** Of the plain, in bytes. */
  readonly size: number;
  /** The sealed pieces in order, never none: an empty object has an empty one. */
  readonly chunks: readonly BlobId[];
}

export interface Blob {
  readonly id: BlobId;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What keeps an object from being read now: these blobs are not here, or not as they were. */
export interface Lacking {
  readonly kind: "lacking";
  readonly ids: readonly BlobId[];
}

export const objectKeyBytes = 32;
/** What a piece holds; its seal adds a tag (`blobBytesMax`). */
export const pieceBytes = 196_608;
/** Whoever opens an object holds it whole. */
export const objectBytesMax = 64 * 1024 * 1024;

const keyLabel = "skein/object/1";
const tagBytes = 16;
const nothing = new Uint8Array();

const piecesOf = (size: number): number => Math.max(1, Math.ceil(size / pieceBytes));

/** @param key32 32 fresh random bytes: under one key nothing else may ever be sealed. */
export async function sealObject(
  suite: Suite,
  key32: Uint8Array,
  plain: Uint8Array,
): Promise<{ readonly ref: ObjectRef; readonly blobs: readonly Blob[] }> {
  if (key32.length !== objectKeyBytes) throw new RangeError(`a key of ${key32.length} bytes`);
  if (plain.length > objectBytesMax) throw new RangeError(`an object of ${plain.length} bytes`);
  const key = await suite.deriveKey(key32, keyLabel, nothing);
  const count = piecesOf(plain.length);
  const blobs: Blob[] = [];
  for (let index = 0; index < count; index++) {
    const piece = plain.subarray(index * pieceBytes, (index + 1) * pieceBytes);
    const bytes = await suite.seal(key, nonceOf(index, count), piece, nothing);
    blobs.push({ id: blobIdOf(suite, bytes), bytes });
  }
  const chunks = blobs.map(({ id }) => id);
  return { ref: { key: key32.slice(), size: plain.length, chunks }, blobs };
}

/**
 * What the object holds; the caller's. `void`: no honest party has sealed this, and no other blobs can
 * help. Holds one sealed piece at a time beside the plain.
 * @param blobs a piece from wherever it is kept, believed only if it has this id's hash.
 */
export async function openObject(
  suite: Suite,
  { key: key32, size, chunks }: ObjectRef,
  blobs: (id: BlobId) => Promise<Uint8Array | undefined>,
): Promise<Uint8Array<ArrayBuffer> | Lacking | "void"> {
  if (key32.length !== objectKeyBytes || !isSize(size) || chunks.length !== piecesOf(size)) {
    return "void";
  }
  const key = await suite.deriveKey(key32, keyLabel, nothing);
  const ids: BlobId[] = [];
  let plain: Uint8Array<ArrayBuffer> | undefined;
  for (const [index, id] of chunks.entries()) {
    const sealed = await blobs(id);
    if (sealed === undefined || !isBlob(suite, id, sealed)) {
      ids.push(id);
      continue;
    }
    // All that is asked from here on is which others are lacking.
    if (ids.length > 0) continue;
    const piece = await openPiece(suite, key, sealed, index, size);
    if (piece === undefined) return "void";
    plain ??= new Uint8Array(size);
    plain.set(piece, index * pieceBytes);
  }
  if (ids.length > 0) return { kind: "lacking", ids };
  return plain ?? "void";
}

const isBlob = (suite: Suite, id: BlobId, bytes: Uint8Array): boolean =>
  bytes.length <= blobBytesMax && blobIdOf(suite, bytes) === id;

async function openPiece(
  suite: Suite,
  key: SealingKey,
  sealed: Uint8Array,
  index: number,
  size: number,
): Promise<Uint8Array | undefined> {
  const length = Math.min(pieceBytes, size - index * pieceBytes);
  if (sealed.length !== length + tagBytes) return undefined;
  return suite.open(key, nonceOf(index, piecesOf(size)), sealed, nothing);
}

/** `u32 0 ‖ u32 last? 1 : 0 ‖ u32 index`. */
const nonceOf = (index: number, count: number): Uint8Array<ArrayBuffer> =>
  new Writer(12)
    .u32(0)
    .u32(index === count - 1 ? 1 : 0)
    .u32(index)
    .finish();

const isSize = (size: number): boolean =>
  Number.isSafeInteger(size) && size >= 0 && size <= objectBytesMax;

/** `key 32 ‖ size varint ‖ list(blob id 32)`. */
export const writeObjectRef = (writer: Writer, { key, size, chunks }: ObjectRef): Writer =>
  writer
    .fixed(key, objectKeyBytes)
    .varint(size)
    .list(chunks, (to, id) => to.raw(bytesOfId(id)));

/** Throws `Malformed`, like every read inside a decoder. Keeps nothing of the reader's buffer. */
export function readObjectRef(reader: Reader): ObjectRef {
  const key = reader.raw(objectKeyBytes).slice();
  const size = reader.varint();
  if (size > objectBytesMax) throw new Malformed(`an object of ${size} bytes`, "size");
  const chunks = reader.list(piecesOf(size), (from) => blobId(from.raw(idBytes.blob)));
  if (chunks.length !== piecesOf(size)) throw new Malformed("an object of other pieces");
  return { key, size, chunks };
}
