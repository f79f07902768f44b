/**
 * How a log lies in the database: not entry by entry but in segments of about a hundred, since
 * IndexedDB takes ten thousand rows a second and ten times as many entries when they share one. The
 * newest segment of a log, its tail, is written anew for each run that joins it until it is full.
 *
 * A segment is (list(item) ‖ signature 64)*, one group for each run as it was appended, each first
 * item with its epoch: a run joins by being put behind the others, and what is read again ends at
 * a signed head. A check value chained over the groups shows any damaged byte whenever a segment is
 * read, also before a run joins it; the chain of entries would miss the signatures.
 */
import { concatBytes, equalBytes } from "../bytes/bytes.ts";
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { chainHashes } from "../log/chain.ts";
import { type Entry, type Run, signatureBytes } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { entriesLength, entriesOfItems, readItems, writeEntries } from "../protocol/items.ts";

/** A row of `segments`. Its key holds the seq of its first entry. */
export interface Segment {
  /** Seq of the last entry. */
  readonly last: number;
  /** Hash of the entry before the first; zeros before seq 1. */
  readonly previous: Uint8Array;
  readonly bytes: Uint8Array;
  /** Where each group ends in `bytes`, ascending. */
  readonly ends: readonly number[];
  /** Over each group in turn: H(label, check before it ‖ group); `previous` before the first. */
  readonly check: Uint8Array;
}

const checkLabel = "skein/segment/1";

export const segmentLimits = {
  /** Rewriting the tail is the price of each entry that joins it. */
  entriesMax: 100,
  /** A run alone may be larger. From 64 KiB on Chromium moves a value to a file of its own. */
  bytesMax: 60 * 1024,
} as const;

/** A run as it was appended, read again. */
export interface StoredRun {
  readonly first: number;
  readonly entries: readonly Entry[];
  readonly signature: Uint8Array;
}

/** One group of a segment. */
export function packRun({ first, entries, signature }: Omit<Run, "replica">): Uint8Array {
  const writer = new Writer(entriesLength(entries, undefined) + signatureBytes);
  writeEntries(writer, first, entries, undefined);
  return writer.fixed(signature, signatureBytes).finish();
}

/** Whether a tail of those entries takes no other, however small. */
export const isFull = (first: number, last: number): boolean =>
  last - first + 1 >= segmentLimits.entriesMax;

/** Whether the tail that begins at `first` takes another group of so many bytes. */
export const hasRoom = (first: number, tail: Segment, bytes: number): boolean =>
  !isFull(first, tail.last) && tail.bytes.length + bytes <= segmentLimits.bytesMax;

/** The segment that begins with `group`, after an entry with the hash `previous`. */
export const newSegment = (
  suite: Hashing,
  previous: Uint8Array,
  group: Uint8Array,
  last: number,
): Segment => ({
  last,
  previous,
  bytes: group,
  ends: [group.length],
  check: suite.hash(checkLabel, previous, group),
});

export const joined = (
  suite: Hashing,
  tail: Segment,
  group: Uint8Array,
  last: number,
): Segment => ({
  last,
  previous: tail.previous,
  bytes: concatBytes(tail.bytes, group),
  ends: [...tail.ends, tail.bytes.length + group.length],
  check: suite.hash(checkLabel, tail.check, group),
});

/** The segment of `runs`, consecutive and at least one, after an entry with the hash `previous`. */
export function segmentAfter(
  suite: Hashing,
  previous: Uint8Array,
  runs: readonly StoredRun[],
): Segment {
  let segment: Segment | undefined;
  for (const run of runs) {
    const group = packRun(run);
    const last = run.first + run.entries.length - 1;
    segment = segment
      ? joined(suite, segment, group, last)
      : newSegment(suite, previous, group, last);
  }
  if (segment === undefined) throw new Error("a segment without runs");
  return segment;
}

/** Whether the bytes are those that were written. 4 µs a kilobyte. */
export function isWhole(suite: Hashing, segment: Segment): boolean {
  let check = segment.previous;
  let begin = 0;
  for (const end of segment.ends) {
    check = suite.hash(checkLabel, check, segment.bytes.subarray(begin, end));
    begin = end;
  }
  return begin === segment.bytes.length && equalBytes(check, segment.check);
}

/** The runs of a segment, in order; bodies are views of its bytes. Or what shows it damaged. */
export function unpackSegment(
  suite: Hashing,
  first: number,
  segment: Segment,
): StoredRun[] | Malformed {
  if (!isWhole(suite, segment)) return new Malformed("the check value differs");
  return decode(segment.bytes, (reader) => {
    const read: StoredRun[] = [];
    let seq = first;
    while (reader.remaining > 0) {
      const run = readRun(reader, seq);
      read.push(run);
      seq += run.entries.length;
    }
    if (seq !== segment.last + 1) throw new Malformed(`it ends with seq ${seq - 1}`);
    return read;
  });
}

/** The run of one group. */
export const unpackRun = (first: number, group: Uint8Array): StoredRun | Malformed =>
  decode(group, (reader) => readRun(reader, first));

function readRun(reader: Reader, first: number): StoredRun {
  const entries = entriesOfItems(readItems(reader, first), undefined);
  if (isMalformed(entries)) throw entries;
  return { first, entries, signature: reader.raw(signatureBytes) };
}

/** The hash of every entry of a segment whose runs those are. @param replica whose key signs the log. */
export function segmentHashes(
  suite: VerifyingSuite,
  space: SpaceTag,
  replica: ReplicaId,
  { begin, segment, runs }: { begin: number; segment: Segment; runs: readonly StoredRun[] },
): Uint8Array[] {
  const entries = runs.flatMap((run) => run.entries);
  const run = { replica, first: begin, entries, signature: noSignature };
  return chainHashes(suite, space, run, segment.previous);
}

type Hashing = Pick<VerifyingSuite, "hash">;

/** The chain does not cover it. */
const noSignature = new Uint8Array(0);
