/**
 * What an entry says once it is open (docs/protocol.md section 4.1): what it depends on, its Lamport
 * time, and operations on one document. Encoding pads; decoding takes what any other writer of the
 * format may have padded, and answers a `Malformed` for what every device must call void.
 */
import { Malformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { RawOperation } from "../crdt/crdt.ts";
import {
  bytesOfId,
  documentId,
  type DocumentId,
  idBytes,
  replicaPrefix,
  type ReplicaPrefix,
} from "../id/id.ts";
import { paddedLength } from "./padding.ts";

/** A sealed body of 65,536 bytes less its tag. Larger content travels as a blob. */
export const plainBytesMax = 65_520;
/** More writers at the frontier than that are implied by one another. */
export const dependenciesMax = 64;
/** In one entry, so that no single entry stalls a frame. */
export const operationsMax = 256;

/**
 * The greatest Lamport time an entry may carry: far above what counting reaches, far below where
 * numbers end. A member who jumps there gains nothing but equal times for all, since every writer
 * stops counting here instead of failing.
 */
export const lamportMax = 2 ** 48;

/** Everything before the operations takes at most so much. */
export const plainHeadBytesMax = 1 + dependenciesMax * (idBytes.prefix + 8) + 7 + idBytes.document;
/** What an operation takes besides its payload: two varints, of kind and of length. */
export const operationHeadBytesMax = 8 + 3;

/** An entry whose effects its author had seen, and whose past with it. */
export interface PlainDependency {
  readonly replica: ReplicaPrefix;
  /** From 1. */
  readonly seq: number;
}

export interface Plain {
  /** Frontier heads, none implied by another; empty means "my previous entry", always implied. */
  readonly deps: readonly PlainDependency[];
  /** At least the entry's seq. */
  readonly lamport: number;
  readonly document: DocumentId;
  /** 1 to `operationsMax`; kinds from 1. Payloads of a decoded plain are views of its bytes. */
  readonly operations: readonly RawOperation[];
}

/** @param seq of the entry that will carry it: Lamport time is written as the difference. */
export function encodePlain(plain: Plain, seq: number): Uint8Array<ArrayBuffer> {
  const { deps, lamport, document, operations } = plain;
  assertCount("dependencies", deps.length, 0, dependenciesMax);
  assertCount("operations", operations.length, 1, operationsMax);
  const writer = new Writer()
    .list(deps, (to, dep) => to.raw(bytesOfId(dep.replica)).varint(dep.seq))
    .varint(lamport - seq)
    .raw(bytesOfId(document));
  for (const { kind, payload } of operations) {
    if (kind < 1) throw new RangeError(`an operation of kind ${kind}`);
    writer.varint(kind).bytes(payload);
  }
  const { length } = writer;
  assertCount("bytes of a plain", length, 1, plainBytesMax);
  return writer.zeros(paddedLength(length, plainBytesMax) - length).finish();
}

/** @param seq of the entry in which the bytes were found. */
export const decodePlain = (bytes: Uint8Array, seq: number): Plain | Malformed =>
  decode(bytes, (reader) => {
    const deps = reader.list(dependenciesMax, readDependency);
    const lamport = seq + reader.varint();
    if (lamport > lamportMax) throw new Malformed("Lamport time above 2^48");
    const document = documentId(reader.raw(idBytes.document));
    return { deps, lamport, document, operations: readOperations(reader) };
  });

function readDependency(reader: Reader): PlainDependency {
  const replica = replicaPrefix(reader.raw(idBytes.prefix));
  const seq = reader.varint();
  if (seq === 0) throw new Malformed("depends on an entry 0");
  return { replica, seq };
}

function readOperations(reader: Reader): RawOperation[] {
  const operations: RawOperation[] = [];
  while (reader.remaining > 0) {
    const kind = reader.varint();
    if (kind === 0) {
      if (reader.rest().some((byte) => byte !== 0)) throw new Malformed("something after the end");
      break;
    }
    if (operations.length === operationsMax) throw new Malformed("too many operations", "size");
    operations.push({ kind, payload: reader.bytes(plainBytesMax) });
  }
  if (operations.length === 0) throw new Malformed("no operation");
  return operations;
}

function assertCount(what: string, count: number, least: number, most: number): void {
  if (count < least || count > most) {
    throw new RangeError(`${count} ${what}, where ${least} to ${most} are allowed`);
  }
}
