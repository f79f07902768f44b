/**
 * Takes a log apart where it has forked (log/branch.ts): what it holds of the branch becomes a log of
 * its own. Segments behind the cut go over as they are. The one with the cut in it is written anew in
 * two parts, between two of its runs, since a run can be cut only at its signature.
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { ifBranch, ownFirst } from "../log/branch.ts";
import type { Split, SplitOff } from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Writing } from "./kv.ts";
import { segmentAfter, type Segment, type StoredRun } from "./log-segments.ts";
import {
  damagedFrom,
  hashAt,
  headOf,
  type HeadRow,
  headRow,
  type LogRows,
  readSegmentWith,
} from "./segment-rows.ts";
import { stores } from "./stores.ts";

/**
 * In a transaction over `heads`, `segments` and `sessions`; by the rules of `LogStore.split`. Throws
 * `DamagedEntries` where what decides cannot be read.
 */
export async function splitLog(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  { replica, branch, into }: Split,
): Promise<SplitOff> {
  const head = await headRow(tx, space, replica);
  if (head === undefined) return { kind: "moved" };
  if (branch.seq < head.from || branch.seq > head.to) return { kind: "moved" };
  const log: LogRows = { tx, suite, space, replica, head };
  if (!equalBytes(await hashAt(log, branch.seq), branch.hash)) return { kind: "moved" };

  const held = await headRow(tx, space, into);
  if (held !== undefined && !(await isSameWhereBoth(log, { ...log, replica: into, head: held }))) {
    return { kind: "moved" };
  }
  const isHeld = held !== undefined && held.to >= head.to;
  const end = await lastHeadBefore(log, branch.seq);
  const hash = await hashAt(log, end);
  const cut = end < head.from ? undefined : await cutAt(log, end);
  // Where a segment begins right behind, that holds what this one reaches into.
  const isOwn = (await readRuns(log, end + 1)).begin === end + 1;
  const moving = await tx.range(stores.segments, {
    from: [space, replica, end + 1],
    before: [space, replica, Number.POSITIVE_INFINITY],
  });
  tx.deleteRange(
    stores.segments,
    [space, replica, end + 1],
    [space, replica, Number.POSITIVE_INFINITY],
  );
  if (!isHeld) {
    const { from, before } = beginningWith(space, into);
    tx.deleteRange(stores.segments, from, before);
    for (const { key, value } of moving) {
      tx.put(stores.segments, [space, into, partOf<number>(key, 2)], value as Segment);
    }
  }
  if (cut !== undefined && cut.behind.length > 0) {
    tx.put(stores.segments, [space, replica, cut.begin], cut.stays);
    if (!isOwn && !isHeld) {
      tx.put(stores.segments, [space, into, end + 1], segmentAfter(suite, hash, cut.behind));
    }
  }
  await moveSessions(tx, space, replica, into, end);

  const split: HeadRow = isHeld
    ? held
    : {
        publicKey: head.publicKey,
        from: end + 1,
        to: head.to,
        hash: head.hash,
        tail: Math.max(head.tail, end + 1),
        base: hash,
        ...ifBranch(branch),
      };
  tx.put(stores.heads, [space, into], split);
  const isGone = end < ownFirst(head.branch);
  const rest: HeadRow = { ...head, to: end, hash, tail: cut?.begin ?? end + 1 };
  if (isGone) {
    const { from, before } = beginningWith(space, replica);
    tx.deleteRange(stores.segments, from, before);
    tx.delete(stores.heads, [space, replica]);
  } else tx.put(stores.heads, [space, replica], rest);
  return {
    kind: "split",
    rest: isGone ? undefined : headOf(replica, rest),
    branch: headOf(into, split),
  };
}

/** Each hash covers the one before it, so comparing the last one in common compares all. */
async function isSameWhereBoth(one: LogRows, other: LogRows): Promise<boolean> {
  const common = Math.min(one.head.to, other.head.to);
  if (common < Math.max(one.head.from, other.head.from) - 1) return false;
  return equalBytes(await hashAt(one, common), await hashAt(other, common));
}

/** The greatest seq before `seq` that a kept signature is over; the base's if there is none. */
async function lastHeadBefore(log: LogRows, seq: number): Promise<number> {
  let end = (await runWith(log, seq)).first - 1;
  while (end >= log.head.from) {
    const run = await runWith(log, end);
    if (run.first + run.entries.length - 1 === end) return end;
    // A run that was put in the place of a damaged one reaches beyond.
    end = run.first - 1;
  }
  return log.head.from - 1;
}

async function runWith(log: LogRows, seq: number): Promise<StoredRun> {
  const { runs } = await readRuns(log, seq);
  const run = runs.findLast(({ first }) => first <= seq);
  if (run === undefined) throw new Error(`no run holds seq ${seq}`);
  return run;
}

/** The segment that holds `end`: what of it stays, and its runs behind. */
async function cutAt(
  log: LogRows,
  end: number,
): Promise<{ begin: number; stays: Segment; behind: readonly StoredRun[] }> {
  const { begin, segment, runs } = await readRuns(log, end);
  const staying = runs.filter(({ first }) => first <= end);
  const stays = segmentAfter(log.suite, segment.previous, staying);
  return { begin, stays, behind: runs.filter(({ first }) => first > end) };
}

async function readRuns(log: LogRows, seq: number) {
  const read = await readSegmentWith(log, seq);
  if ("detail" in read) throw await damagedFrom(log, read);
  return read;
}

/** A branch goes on with writer sessions that were opened before it; the log has lost those behind. */
async function moveSessions(
  tx: Writing,
  space: SpaceTag,
  replica: ReplicaId,
  into: ReplicaId,
  end: number,
): Promise<void> {
  for (const { key, value } of await tx.range(stores.sessions, beginningWith(space, replica))) {
    const seq = partOf<number>(key, 2);
    tx.put(stores.sessions, [space, into, seq], value);
    if (seq > end) tx.delete(stores.sessions, key);
  }
}
