/**
 * A rumour: what a replica says of its own presence, signed by it, so that it can be passed on by
 * anybody and changed by nobody (docs/protocol.md section 6.1). The newest by (incarnation, version)
 * counts, as in SWIM (Das, Gupta and Motivala, DSN 2002): a device that comes back begins a new
 * incarnation, and every change or renewal counts the version up.
 */
import { compareBytes } from "../bytes/bytes.ts";
import { Malformed } from "../bytes/malformed.ts";
import type { Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { SigningKey, Suite } from "../crypto/suite.ts";
import {
  bytesOfId,
  documentId,
  type DocumentId,
  idBytes,
  replicaId,
  type ReplicaId,
  type SpaceTag,
} from "../id/id.ts";
import { signatureBytes } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";

const rumourLabel = "skein/presence/1";

/**
 * The greatest incarnation and version. Who starts counts from a wall clock in ms or from what it
 * heard of itself, so no honest device comes near; above it bytes are malformed.
 */
export const rumourCountMax = 2 ** 48 - 1;

/** The longest rumour: with a document, and every number at its greatest. */
export const rumourBytesMax = idBytes.replica + 7 + 7 + 1 + 1 + idBytes.document + 1 + 64;

export type PresenceStatus = "online" | "away" | "left";

export interface RumourContent {
  readonly replica: ReplicaId;
  readonly incarnation: number;
  readonly version: number;
  readonly status: PresenceStatus;
  /** Undefined: in no document. */
  readonly where: DocumentId | undefined;
  readonly typing: boolean;
}

export interface Rumour extends RumourContent {
  readonly signature: Uint8Array;
}

export async function signRumour(
  suite: Suite,
  key: SigningKey,
  space: SpaceTag,
  content: RumourContent,
): Promise<Rumour> {
  const signature = await suite.sign(key, rumourLabel, rumourMessage(space, content));
  return { ...content, signature };
}

/** @param publicKey of the replica the rumour names: the caller has it from its log or a proof. */
export const verifyRumour = (
  suite: VerifyingSuite,
  publicKey: Uint8Array,
  space: SpaceTag,
  rumour: Rumour,
): Promise<boolean> =>
  suite.verify(publicKey, rumourLabel, rumourMessage(space, rumour), rumour.signature);

/**
 * Greater than zero if `a` is newer. A replica that says two different things under one number is
 * settled by the bytes, so that everybody ends with the same one.
 */
export function compareRumours(a: Rumour, b: Rumour): number {
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation;
  if (a.version !== b.version) return a.version - b.version;
  return compareBytes(rumourBytes(a), rumourBytes(b));
}

export function writeRumour(writer: Writer, rumour: Rumour): void {
  writeContent(writer, rumour);
  writer.fixed(rumour.signature, signatureBytes);
}

/** Throws `Malformed`; the signature is a copy. */
export function readRumour(reader: Reader): Rumour {
  const replica = replicaId(reader.raw(idBytes.replica));
  const incarnation = readCount(reader);
  const version = readCount(reader);
  const status = statusByNumber.get(reader.u8());
  if (status === undefined) throw new Malformed("a presence of no known status");
  const where = readFlag(reader) ? documentId(reader.raw(idBytes.document)) : undefined;
  const typing = readFlag(reader);
  const signature = reader.raw(signatureBytes).slice();
  return { replica, incarnation, version, status, where, typing, signature };
}

const numberOfStatus: Readonly<Record<PresenceStatus, number>> = { online: 1, away: 2, left: 3 };

const statusByNumber = new Map<number, PresenceStatus>([
  [1, "online"],
  [2, "away"],
  [3, "left"],
]);

const rumourMessage = (space: SpaceTag, content: RumourContent): Uint8Array<ArrayBuffer> => {
  const writer = new Writer().raw(bytesOfId(space));
  writeContent(writer, content);
  return writer.finish();
};

function rumourBytes(rumour: Rumour): Uint8Array<ArrayBuffer> {
  const writer = new Writer(rumourBytesMax);
  writeRumour(writer, rumour);
  return writer.finish();
}

function writeContent(writer: Writer, content: RumourContent): void {
  const { replica, incarnation, version, status, where, typing } = content;
  if (Math.max(incarnation, version) > rumourCountMax) {
    throw new RangeError(`incarnation ${incarnation}, version ${version}`);
  }
  writer
    .raw(bytesOfId(replica))
    .varint(incarnation)
    .varint(version)
    .u8(numberOfStatus[status])
    .u8(where === undefined ? 0 : 1);
  if (where !== undefined) writer.raw(bytesOfId(where));
  writer.u8(typing ? 1 : 0);
}

function readCount(reader: Reader): number {
  const count = reader.varint();
  if (count > rumourCountMax) throw new Malformed(`a rumour counted ${count}`);
  return count;
}

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new Malformed(`a flag of ${flag}`);
  return flag === 1;
}
