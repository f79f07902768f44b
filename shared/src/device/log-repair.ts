/**
 * Puts right what a disk has spoilt in a log: segments whose bytes are not those that were written,
 * or that are gone. The chain says which entries belong there, so they are taken from whoever
 * brings them, and nothing behind them is given up: own entries that nobody else has stay.
 *
 * A run seldom ends where the damaged segment did, and it can be cut only at its signature. It is
 * kept as it came, reaching into the whole segment behind (segment-rows.ts reads that).
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { SpaceTag } from "../id/id.ts";
import type { Repaired } from "../log/damage.ts";
import { lastSeq } from "../log/entry.ts";
import type { VerifiedRun } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import type { Writing } from "./kv.ts";
import { newSegment, packRun } from "./log-segments.ts";
import {
  baseOf,
  hashAt,
  hashRepeated,
  headRow,
  holeEnd,
  type LogRows,
  readSegmentWith,
} from "./segment-rows.ts";
import { stores } from "./stores.ts";

/** In a transaction over `heads` and `segments`; by the rules of `RepairableStore.repair`. */
export async function repairLog(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  run: VerifiedRun,
): Promise<Repaired> {
  const { replica } = run;
  const head = await headRow(tx, space, replica);
  const last = lastSeq(run);
  if (head === undefined || run.first < head.from || last > head.to) return "unfit";
  const log: LogRows = { tx, suite, space, replica, head };
  const holes: number[] = [];
  for (let seq = run.first; seq <= last;) {
    const read = await readSegmentWith(log, seq);
    if ("detail" in read) {
      const end = await holeEnd(log, seq);
      if (!(await fits(log, run, seq, Math.min(end, last)))) return "unfit";
      holes.push(seq);
      seq = end + 1;
    } else seq = read.segment.last + 1;
  }
  for (const first of holes) {
    const entries = run.entries.slice(first - run.first);
    const group = packRun({ first, entries, signature: run.signature });
    const segment = newSegment(suite, hashBefore(run, first), group, last);
    tx.put(stores.segments, [space, replica, first], segment);
  }
  return holes.length > 0 ? "repaired" : "whole";
}

/** Whether `run` joins what is whole around the hole in which its entries `from`..`to` lie. */
async function fits(log: LogRows, run: VerifiedRun, from: number, to: number): Promise<boolean> {
  const [before, behind] = [await hashKnownBefore(log, from), await hashRepeated(log, to)];
  return (
    (before === undefined || equalBytes(before, hashBefore(run, from))) &&
    (behind === undefined || equalBytes(behind, hashBefore(run, to + 1)))
  );
}

/** Undefined where the entry before cannot be read either: its repair will look at this one. */
async function hashKnownBefore(log: LogRows, seq: number): Promise<Uint8Array | undefined> {
  if (seq === log.head.from) return baseOf(log.head);
  const before = await readSegmentWith(log, seq - 1);
  return "detail" in before ? undefined : hashAt(log, seq - 1);
}

/** Hash of the entry before `seq`, by the run alone. */
function hashBefore(run: VerifiedRun, seq: number): Uint8Array {
  const hash = seq === run.first ? run.previous : run.hashes[seq - run.first - 1];
  if (hash === undefined) throw new Error(`a run without the hash before seq ${seq}`);
  return hash;
}
