/**
 * Frames to bytes and back (docs/protocol.md section 8), and entries between frames, stores' rows
 * and runs. What is decoded shares the buffer it came from: whoever keeps a part of it beyond the
 * step copies that part, or the whole buffer stays in memory.
 */
import { Malformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { varintLength, Writer } from "../bytes/writer.ts";
import type { EpochId, ReplicaId } from "../id/id.ts";
import { type Entry, type Run, signatureBytes } from "../log/entry.ts";
import { type FrameByType, type FrameType, layouts } from "./frames.ts";
import {
  assertBodyLength,
  assertDistance,
  entriesLength,
  entriesOfItems,
  readItems,
  writeEntries,
} from "./items.ts";
import { limits } from "./limits.ts";
import type { Frame } from "./messages.ts";

/** Throws `RangeError` for a frame that every receiver would refuse: a bug of the sender. */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  write(writer, frame.type, frame);
  return finish(writer);
}

/** A frame valid in itself, or why not. Its arrays are views of `bytes`. */
export function decodeFrame(bytes: Uint8Array): Frame | Malformed {
  if (bytes.length > limits.frameBytesMax) {
    return new Malformed(`a frame of ${bytes.length} bytes`, "size");
  }
  return decode(bytes, readFrame);
}

/**
 * The frame that carries `run` under the sender's number of its log: `entry` where that will do,
 * else `entries`. `epochOfAlias` is the epoch that was announced with the number.
 */
export function frameOfRun(log: number, epochOfAlias: EpochId, run: Run): Uint8Array<ArrayBuffer> {
  const only = run.entries.length === 1 ? run.entries[0] : undefined;
  if (
    only?.body.kind === "sealed" &&
    only.writer.kind === "continues" &&
    only.epoch === epochOfAlias
  ) {
    return entryFrame(log, run, only.writer.distance, only.body.sealed);
  }
  const numbers = 1 + varintLength(log) + varintLength(run.first);
  const writer = new Writer(numbers + entriesLength(run.entries, epochOfAlias) + signatureBytes)
    .u8(layouts.entries.number)
    .varint(log)
    .varint(run.first);
  writeEntries(writer, run.first, run.entries, epochOfAlias);
  return finish(writer.fixed(run.signature, signatureBytes));
}

/** The run that a frame carries, given what its log number was announced for. */
export function runOfFrame(
  replica: ReplicaId,
  epochOfAlias: EpochId,
  frame: Extract<Frame, { type: "entry" | "entries" }>,
): Run | Malformed {
  const { signature } = frame;
  if (frame.type === "entry") {
    const { seq, distance, sealed } = frame;
    const entry: Entry = {
      epoch: epochOfAlias,
      writer: { kind: "continues", distance },
      body: { kind: "sealed", sealed },
    };
    return { replica, first: seq, entries: [entry], signature };
  }
  const entries = entriesOfItems(frame.items, epochOfAlias);
  if (entries instanceof Malformed) return entries;
  return { replica, first: frame.first, entries, signature };
}

/** Entries of a run as one row of a store: `list(item)` whose first item names its epoch. */
export function encodeItems(first: number, entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const writer = new Writer(entriesLength(entries, undefined));
  writeEntries(writer, first, entries, undefined);
  return writer.finish();
}

/** What `encodeItems` wrote; arrays are views of `bytes`. */
export function decodeItems(first: number, bytes: Uint8Array): Entry[] | Malformed {
  const items = decode(bytes, (reader) => readItems(reader, first));
  return items instanceof Malformed ? items : entriesOfItems(items, undefined);
}

/** The hot path: exactly as many bytes as the frame takes. */
function entryFrame(
  log: number,
  run: Run,
  distance: number,
  sealed: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const seq = run.first;
  assertDistance(seq, distance);
  assertBodyLength(sealed.length);
  const numbers = varintLength(log) + varintLength(seq) + varintLength(distance);
  return new Writer(1 + numbers + sealed.length + signatureBytes)
    .u8(layouts.entry.number)
    .varint(log)
    .varint(seq)
    .varint(distance)
    .raw(sealed)
    .fixed(run.signature, signatureBytes)
    .finish();
}

function finish(writer: Writer): Uint8Array<ArrayBuffer> {
  if (writer.length > limits.frameBytesMax) {
    throw new RangeError(`a frame of ${writer.length} bytes`);
  }
  return writer.finish();
}

const readers: readonly ((reader: Reader) => Frame)[] = readersByNumber();

function readersByNumber(): ((reader: Reader) => Frame)[] {
  const found: ((reader: Reader) => Frame)[] = [];
  for (const { number, read } of Object.values(layouts)) found[number] = read;
  return found;
}

function readFrame(reader: Reader): Frame {
  const number = reader.u8();
  const read = readers[number];
  if (read === undefined) throw new Malformed(`frame of unknown type ${number}`, "type");
  return read(reader);
}

/** Generic, so that the compiler sees a type and its layout as a pair. */
function write<T extends FrameType>(writer: Writer, type: T, frame: FrameByType[T]): void {
  const layout = layouts[type];
  layout.write(writer.u8(layout.number), frame);
}
