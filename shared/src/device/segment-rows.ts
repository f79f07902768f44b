/**
 * The rows of logs in the database: heads and segments, found by seq and read whole. A segment may
 * reach into the next one where it was put in the place of a damaged one (log-repair.ts): of two
 * that hold a seq the later counts, and who walks a log takes from each what comes next.
 */
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { type Branch, ifHeldBranch } from "../log/branch.ts";
import { zeroHash } from "../log/chain.ts";
import { DamagedEntries } from "../log/damage.ts";
import type { LogHead } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { partOf } from "./key.ts";
import type { Reading } from "./kv.ts";
import { type Segment, segmentHashes, type StoredRun, unpackSegment } from "./log-segments.ts";
import { stores } from "./stores.ts";

/** A row of `heads`. Its key holds the replica. */
export interface HeadRow {
  readonly publicKey: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly hash: Uint8Array;
  /** First seq of the newest segment; `to` + 1 while there is none. */
  readonly tail: number;
  /** Hash of the entry before `from`. Absent while `from` is 1. */
  readonly base?: Uint8Array;
  /** Absent where the log is no branch. */
  readonly branch?: Branch;
}

export const headRow = async (
  tx: Reading,
  space: SpaceTag,
  replica: ReplicaId,
): Promise<HeadRow | undefined> =>
  (await tx.get(stores.heads, [space, replica])) as HeadRow | undefined;

export const headOf = (
  replica: ReplicaId,
  { publicKey, from, to, hash, base, branch }: HeadRow,
): LogHead => ({
  ...{ replica, publicKey, from, to, hash },
  ...ifHeldBranch(branch, base ?? zeroHash),
});

/** Hash of the entry before `from`; zeros before seq 1. */
export const baseOf = ({ base }: HeadRow): Uint8Array => base ?? zeroHash;

/** Where a log's segments are read: a transaction over `segments`, and its head. */
export interface LogRows {
  readonly tx: Reading;
  readonly suite: VerifyingSuite;
  readonly space: SpaceTag;
  readonly replica: ReplicaId;
  readonly head: HeadRow;
}

/** Whom the headers of its entries name. */
export const signerOfRow = ({ replica, head }: Pick<LogRows, "replica" | "head">): ReplicaId =>
  head.branch?.signer ?? replica;

/** A segment with the seq of its first entry. */
export interface PlacedSegment {
  readonly begin: number;
  readonly segment: Segment;
}

/** A segment that was read whole; what its runs hold below `seq` came before. */
export interface ReadSegment extends PlacedSegment {
  readonly runs: readonly StoredRun[];
  /** The first entry that is meant. */
  readonly seq: number;
}

/** From `first` on nothing can be read, up to `holeEnd`. */
export interface Hole {
  readonly first: number;
  readonly detail: string;
}

/**
 * The segments that hold the seqs `first`..`last`, one at a time, so that who has enough reads no
 * further. Throws `DamagedEntries` when it comes to what cannot be read.
 */
export async function* segmentsFrom(
  log: LogRows,
  first: number,
  last: number,
): AsyncGenerator<ReadSegment> {
  let next = first;
  while (next <= last) {
    const read = await readSegmentWith(log, next);
    if ("detail" in read) throw await damagedFrom(log, read);
    yield read;
    next = read.segment.last + 1;
  }
}

export async function damagedFrom(log: LogRows, hole: Hole): Promise<DamagedEntries> {
  const last = await holeEnd(log, hole.first);
  return new DamagedEntries(log.space, log.replica, hole.first, last, hole.detail);
}

/** The segment that holds `seq`, or the hole it is in. */
export async function readSegmentWith(
  { tx, suite, space, replica, head }: LogRows,
  seq: number,
): Promise<ReadSegment | Hole> {
  const found = await segmentWith(tx, space, replica, seq);
  if (found === undefined) return { first: head.from, detail: "they are missing" };
  const { begin, segment } = found;
  const runs = unpackSegment(suite, begin, segment);
  if (isMalformed(runs)) return { first: begin, detail: runs.message };
  if (segment.last < seq) return { first: segment.last + 1, detail: "they are missing" };
  return { begin, segment, runs, seq };
}

/**
 * The hash of entry `seq`, which is held or the base. Throws `DamagedEntries` if it cannot be read.
 */
export async function hashAt(log: LogRows, seq: number): Promise<Uint8Array> {
  if (seq === log.head.to) return log.head.hash;
  if (seq === log.head.from - 1) return baseOf(log.head);
  const read = await readSegmentWith(log, seq);
  if ("detail" in read) throw await damagedFrom(log, read);
  const hash = segmentHashes(log.suite, log.space, signerOfRow(log), read)[seq - read.begin];
  if (hash === undefined) throw new Error(`segment ${read.begin} does not reach seq ${seq}`);
  return hash;
}

/** The hash of `seq`, if something that is whole repeats it: the segment behind, or the head. */
export async function hashRepeated(log: LogRows, seq: number): Promise<Uint8Array | undefined> {
  if (seq === log.head.to) return log.head.hash;
  const behind = await readSegmentWith(log, seq + 1);
  if ("detail" in behind || behind.begin !== seq + 1) return undefined;
  return behind.segment.previous;
}

/** Seq before the next segment that begins behind `seq`; the head's if there is none. */
export async function holeEnd({ tx, space, replica, head }: LogRows, seq: number): Promise<number> {
  const [row] = await tx.range(stores.segments, {
    from: [space, replica, seq + 1],
    before: [space, replica, Number.POSITIVE_INFINITY],
    limit: 1,
  });
  return row === undefined ? head.to : Math.min(head.to, partOf<number>(row.key, 2) - 1);
}

/** The newest segment that begins at or before `seq`. */
async function segmentWith(
  tx: Reading,
  space: SpaceTag,
  replica: ReplicaId,
  seq: number,
): Promise<PlacedSegment | undefined> {
  const exact = await segmentRow(tx, space, replica, seq);
  if (exact !== undefined) return { begin: seq, segment: exact };
  const [row] = await tx.range(stores.segments, {
    from: [space, replica],
    before: [space, replica, seq],
    reverse: true,
    limit: 1,
  });
  return row && { begin: partOf<number>(row.key, 2), segment: row.value as Segment };
}

export const segmentRow = async (
  tx: Reading,
  space: SpaceTag,
  replica: ReplicaId,
  first: number,
): Promise<Segment | undefined> =>
  (await tx.get(stores.segments, [space, replica, first])) as Segment | undefined;
