/**
 * Lets a log begin after a base: what a snapshot covers is not kept as entries. Whole segments below
 * go as they are. The one that the base lies in is written anew with what stands above: its first
 * run loses its beginning and keeps its signature, which is over its end.
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { SpaceTag } from "../id/id.ts";
import { ifBranch } from "../log/branch.ts";
import { zeroHash } from "../log/chain.ts";
import { DamagedEntries } from "../log/damage.ts";
import type { Begun, LogBase, LogHead } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { beginningWith } from "./key.ts";
import type { Writing } from "./kv.ts";
import { segmentAfter } from "./log-segments.ts";
import {
  hashAt,
  hashRepeated,
  headOf,
  type HeadRow,
  headRow,
  type LogRows,
  readSegmentWith,
} from "./segment-rows.ts";
import { stores } from "./stores.ts";

/**
 * In a transaction over `heads` and `segments`; by the rules of `LogStore.begin`. Throws
 * `DamagedEntries` where the base lies among what cannot be read, so that nothing above is lost.
 */
export async function beginLog(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  base: LogBase,
): Promise<Begun> {
  const { replica, seq } = base;
  const head = await headRow(tx, space, replica);
  if (seq === 0) return beginAtFirst(base, head);
  if (head === undefined || head.to < seq) {
    const { from, before } = beginningWith(space, replica);
    tx.deleteRange(stores.segments, from, before);
    return { kind: "begun", head: putHead(tx, space, base, undefined), news: true };
  }
  if (seq < head.from - 1) return { kind: "begun", head: headOf(replica, head), news: false };
  const log: LogRows = { tx, suite, space, replica, head };
  if (!equalBytes(base.hash, await hashAtBase(log, seq))) {
    return { kind: "fork", head: headOf(replica, head) };
  }
  if (seq === head.from - 1) return { kind: "begun", head: headOf(replica, head), news: false };
  if (seq < head.to) await cutAfter(log, tx, base);
  tx.deleteRange(stores.segments, [space, replica], [space, replica, seq + 1]);
  return { kind: "begun", head: putHead(tx, space, base, head), news: true };
}

function beginAtFirst({ replica, publicKey, hash }: LogBase, held: HeadRow | undefined): Begun {
  const nothing = { publicKey, from: 1, to: 0, hash: zeroHash, tail: 1 };
  const head = headOf(replica, held ?? nothing);
  const isBeginning = equalBytes(hash, zeroHash);
  return isBeginning ? { kind: "begun", head, news: false } : { kind: "fork", head };
}

/** Where the segment behind begins right after `seq`, it repeats its hash. */
async function hashAtBase(log: LogRows, seq: number): Promise<Uint8Array> {
  try {
    return await hashAt(log, seq);
  } catch (error) {
    const repeated = error instanceof DamagedEntries ? await hashRepeated(log, seq) : undefined;
    if (repeated === undefined) throw error;
    return repeated;
  }
}

/** Puts what the segment with the base holds above it into a segment of its own. */
async function cutAfter(log: LogRows, tx: Writing, { seq, hash }: LogBase): Promise<void> {
  const { suite, space, replica } = log;
  const read = await readSegmentWith(log, seq + 1);
  // A segment begins there, or nothing can be read there and somebody will repair it.
  if ("detail" in read || read.begin > seq) return;
  const above = read.runs.flatMap((run) => {
    const entries = run.entries.slice(Math.max(0, seq + 1 - run.first));
    return entries.length === 0 ? [] : [{ ...run, first: Math.max(run.first, seq + 1), entries }];
  });
  const segment = segmentAfter(suite, hash, above);
  tx.put(stores.segments, [space, replica, seq + 1], segment);
}

/** @param held what the log held from `seq` on at least; undefined if nothing of it stays. */
function putHead(
  tx: Writing,
  space: SpaceTag,
  { replica, publicKey, seq, hash, branch }: LogBase,
  held: HeadRow | undefined,
): LogHead {
  const row: HeadRow = {
    publicKey: held?.publicKey ?? publicKey,
    from: seq + 1,
    to: held?.to ?? seq,
    hash: held?.hash ?? hash,
    tail: Math.max(held?.tail ?? 0, seq + 1),
    base: hash,
    ...ifBranch(held === undefined ? branch : held.branch),
  };
  tx.put(stores.heads, [space, replica], row);
  return headOf(replica, row);
}
