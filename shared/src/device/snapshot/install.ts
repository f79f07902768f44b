/**
 * Fills a device's database from a snapshot instead of from entries: the read models become what the
 * manifest says, at once as far as its objects were given, and part by part as the others come. What
 * is read of a part that is still to come says so (pending-rows.ts); all counters are right from the
 * start. Entries beyond the manifest are applied on top, before or after any part has come.
 */
import { equalBytes } from "../../bytes/bytes.ts";
import { isMalformed, Malformed } from "../../bytes/malformed.ts";
import { orderKey } from "../../chat/order-key.ts";
import type { Message } from "../../crdt/op/channel.ts";
import type { BlobId, DocumentId, ReplicaId, SpaceTag } from "../../id/id.ts";
import type { Split } from "../../log/store.ts";
import type { VerifyingSuite } from "../../log/suite.ts";
import { comingAnew } from "../delivery.ts";
import { keepProof, readHead } from "../device-log.ts";
import { beginningWith, partOf } from "../key.ts";
import type { Writing } from "../kv.ts";
import { beginLog } from "../log-beginning.ts";
import { type ChannelCounts, channelCounts, placeMessages } from "../message-rows.ts";
import { keepOperation } from "../operation-rows.ts";
import { replayParked } from "../projection.ts";
import { splitLog } from "../log-split.ts";
import { headOf, type HeadRow } from "../segment-rows.ts";
import type { AppliedState, TakenApart } from "../store.ts";
import { stores } from "../stores.ts";
import { forgetNamed, goOnIn, writerRow } from "../writer-rows.ts";
import {
  decodeMessages,
  decodeOperations,
  decodeSessions,
  inherited,
  type Sessions,
  type SnapshotOperation,
} from "./contents.ts";
import {
  appliedStateOf,
  type ChannelPart,
  encodeManifest,
  type Manifest,
  messagesIn,
  partDigest,
  type Stored,
} from "./manifest.ts";
import {
  type PendingName,
  type PendingRow,
  pendingRow,
  type PendingSegment,
  nameOfPending,
  putPending,
} from "./pending-rows.ts";
import { putTaken, type Taken } from "./shelf.ts";
import { beginBehindSnapshot, putSnapshot, restartTails } from "./tail-beginnings.ts";
import { isBranchOf, unplaced } from "./unplaced.ts";

/** Comes with what else few devices ever need. */
export { readSpares } from "../spare-reading.ts";

/** A snapshot as a device begins with it. */
export interface Installation {
  readonly manifest: Manifest;
  /**
   * What was opened of its objects, by where the manifest names them (the same references):
   * all `essentialsOf` it, and as much else as is at hand. Engines' snapshots are taken as they are:
   * the manifest's digests cannot be compared without the engines.
   */
  readonly given: ReadonlyMap<Stored, Uint8Array>;
  /** For display: when all this came to be applied here. */
  readonly appliedAtMs: number;
  /** As it was published, for others that ask for it. */
  readonly root: readonly BlobId[];
  /** Nobody but its author stands for it. */
  readonly unconfirmed: Taken | undefined;
}

/**
 * Without these nobody can begin: nothing sealed beyond the manifest could be opened without the
 * sessions, and nobody's entries delivered without the members' record.
 */
export const essentialsOf = ({ sessions, parts }: Manifest): readonly Stored[] => [
  sessions,
  ...parts.flatMap((part) => (part.kind === "operations" ? [part] : [])),
];

/** An installation whose objects were read and hold what the manifest says. */
export interface Prepared extends Installation {
  readonly sessions: Sessions;
  readonly contents: ReadonlyMap<Stored, Content>;
}

type Content =
  | { readonly kind: "messages"; readonly messages: readonly Message[] }
  | { readonly kind: "operations"; readonly operations: readonly SnapshotOperation[] }
  | { readonly kind: "engine"; readonly bytes: Uint8Array };

/** Reads what was given, outside of any transaction. `Malformed`: some of it is not the manifest's. */
export function prepare(suite: VerifyingSuite, installation: Installation): Prepared | Malformed {
  const { manifest, given } = installation;
  for (const stored of essentialsOf(manifest)) {
    if (!given.has(stored)) throw new Error("an installation without what is essential");
  }
  const replicas = manifest.logs.map(({ replica }) => replica);
  const contents = new Map<Stored, Content>();
  const take = (row: PendingRow | (Stored & { readonly kind: "operations" }), stored: Stored) => {
    const bytes = given.get(stored);
    if (bytes === undefined) return undefined;
    const content = contentOf(suite, row, bytes, replicas);
    if (isMalformed(content)) return content;
    contents.set(stored, content);
    return undefined;
  };
  const bytes = given.get(manifest.sessions) ?? new Uint8Array();
  const sessions = checked(suite, manifest.sessions, bytes) ?? decodeSessions(bytes);
  if (isMalformed(sessions)) return sessions;
  for (const part of manifest.parts) {
    if (part.kind !== "channel") {
      const malformed = take(part, part);
      if (malformed !== undefined) return malformed;
      continue;
    }
    for (const [at, segment] of part.segments.entries()) {
      const malformed = take(segmentRow(part, at), segment);
      if (malformed !== undefined) return malformed;
    }
  }
  return { ...installation, sessions, contents };
}

function segmentRow({ segments }: ChannelPart, at: number): PendingSegment {
  const segment = segments[at];
  if (segment === undefined) throw new Error(`no segment ${at} of ${segments.length}`);
  const { digest, object, first, count } = segment;
  return { kind: "segment", digest, object, first, count, before: segments[at + 1]?.first };
}

function contentOf(
  suite: VerifyingSuite,
  row: PendingRow | (Stored & { readonly kind: "operations" }),
  bytes: Uint8Array,
  replicas: readonly ReplicaId[],
): Content | Malformed {
  if (row.kind === "engine") return { kind: "engine", bytes };
  const other = checked(suite, row, bytes);
  if (other !== undefined) return other;
  if (row.kind === "segment") {
    const messages = decodeMessages(bytes);
    return isMalformed(messages) ? messages : messagesAt(row, messages);
  }
  const operations = decodeOperations(bytes, replicas);
  return isMalformed(operations) ? operations : { kind: "operations", operations };
}

const checked = (
  suite: VerifyingSuite,
  { digest }: Stored,
  bytes: Uint8Array,
): Malformed | undefined =>
  equalBytes(partDigest(suite, bytes), digest)
    ? undefined
    : new Malformed("an object of another digest");

/** They must be those of this place, or they would be found in none. */
function messagesAt(
  { first, count, before }: PendingSegment,
  messages: readonly Message[],
): Content | Malformed {
  const [oldest, newest] = [messages[0], messages.at(-1)];
  const isThere =
    oldest !== undefined &&
    newest !== undefined &&
    messages.length === count &&
    orderKey(oldest) === first &&
    (before === undefined || orderKey(newest) < before);
  return isThere ? { kind: "messages", messages } : new Malformed("a segment of another place");
}

// In the database

/** The stores that `install` and `fill` change, those of `replayParked` among them. */
export const installedStores = [
  stores.sessions,
  stores.clocks,
  stores.channels,
  stores.messages,
  stores.documents,
  stores.tails,
  stores.snapshots,
  stores.operations,
  stores.parked,
  stores.pending,
  stores.checkpoints,
] as const;

/** Ends an installation without effect: another entry is held where one of the manifest's logs ends. */
export class Forked extends Error {}

/**
 * Lets logs begin where the manifest says. What is held of one whose branch only the manifest can tell
 * makes way; an own one that is a branch to its last entry goes on as that. Throws `Forked`.
 */
export async function beginLogs(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  { manifest }: Installation,
): Promise<void> {
  const rows = await tx.range(stores.heads, beginningWith(space));
  const heads = rows.map(({ key, value }) => headOf(partOf<ReplicaId>(key, 1), value as HeadRow));
  const moved = unplaced(manifest, heads);
  for (const head of heads.filter(({ replica }) => moved.has(replica))) {
    const { replica } = head;
    const writer = await writerRow(tx, space, replica);
    if (writer !== undefined && writer.next === undefined) {
      const into = isBranchOf(manifest, head);
      if (into === undefined) throw new Forked();
      await goOnIn(tx, space, replica, { replica: into.replica, to: into.seq });
    }
    const { from, before } = beginningWith(space, replica);
    tx.deleteRange(stores.segments, from, before);
    tx.deleteRange(stores.sessions, from, before);
    tx.delete(stores.heads, [space, replica]);
    await forgetNamed(tx, space, replica);
  }
  for (const log of manifest.logs) {
    const begun = await beginLog(tx, suite, space, log);
    if (begun.kind === "fork") throw new Forked();
  }
}

/**
 * Replaces all that is derived from the space's entries by what the manifest says of those under its
 * vector. Drafts, receipts, and the catalog as it was painted last, stay. The state of delivery that
 * this comes to, as its number `version`.
 */
export async function install(
  tx: Writing,
  space: SpaceTag,
  { manifest, sessions, contents, appliedAtMs, root, unconfirmed }: Prepared,
  version: number,
): Promise<AppliedState> {
  const { from, before } = beginningWith(space);
  for (const store of replacedStores) tx.deleteRange(store, from, before);
  await restartTails(tx, space);
  for (const { replica, timeMs } of manifest.logs) {
    if (timeMs !== undefined) tx.put(stores.clocks, [space, replica], timeMs);
  }
  for (const opened of [sessions, inherited(manifest.logs, sessions)]) {
    for (const [replica, nonces] of opened) {
      for (const [seq, nonce] of nonces) tx.put(stores.sessions, [space, replica, seq], nonce);
    }
  }
  for (const part of manifest.parts) {
    const { document } = part;
    const put = async (row: PendingRow, stored: Stored) => {
      const content = contents.get(stored);
      if (content === undefined) putPending(tx, space, document, row);
      else await place(tx, space, document, row, content, appliedAtMs);
    };
    switch (part.kind) {
      case "channel": {
        const { newest, authors } = part;
        const counts: ChannelCounts = { count: messagesIn(part), newest, authors };
        tx.put(stores.channels, [space, document], counts);
        for (const [at, segment] of part.segments.entries()) {
          await put(segmentRow(part, at), segment);
        }
        break;
      }
      case "engine": {
        const { digest, object, vector } = part;
        await beginBehindSnapshot(tx, space, document);
        await put({ kind: "engine", digest, object, vector }, part);
        break;
      }
      case "parked": {
        const { digest, object } = part;
        await put({ kind: "parked", digest, object }, part);
        break;
      }
      case "operations":
        keepAll(tx, stores.operations, space, document, contents.get(part), appliedAtMs);
        break;
    }
  }
  await replayParked(tx, space);
  putTaken(tx, space, { manifest: encodeManifest(manifest), root }, unconfirmed);
  return appliedStateOf(manifest, version);
}

/** Empties all that is derived from the space's entries: it is applied anew from the first one on. */
export async function begin(tx: Writing, space: SpaceTag): Promise<void> {
  const { from, before } = beginningWith(space);
  for (const store of replacedStores) tx.deleteRange(store, from, before);
  await restartTails(tx, space);
  tx.delete(stores.checkpoints, space);
}

/** Those of which nothing stays; tails and snapshots have more to them (`restartTails`). */
const replacedStores = [
  stores.clocks,
  stores.channels,
  stores.messages,
  stores.operations,
  stores.parked,
  stores.pending,
] as const;

/**
 * Takes a log apart (`DeviceStore.takeApart`), in a transaction over what appends to logs, `writers`,
 * `applied` and `installedStores`. Throws `Forked` where `foundation` does not fit.
 */
export async function takeApart(
  ...[tx, suite, space, applied, split, ...rest]: Parameters<typeof takeApartAlone>
): Promise<TakenApart> {
  const off = await takeApartAlone(tx, suite, space, applied, split, ...rest);
  return off.kind === "split" ? keepProof(tx, suite, space, split, off) : off;
}

async function takeApartAlone(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  applied: AppliedState,
  split: Split,
  isOwn: boolean,
  foundation: Prepared | undefined,
): Promise<TakenApart> {
  const { replica, branch, into } = split;
  const isApplied = (applied.vector.get(replica) ?? 0) >= branch.seq;
  const isWhole = !isApplied || (await holdsAll(tx, space));
  if (!isWhole && foundation === undefined) return { kind: "stuck" };
  const off = await splitLog(tx, suite, space, split);
  if (off.kind === "moved") return off;
  await forgetNamed(tx, space, replica);
  if (isOwn) await goOnIn(tx, space, replica, off.branch);
  if (!isApplied) return off;
  const version = applied.version + 1;
  if (isWhole) {
    await begin(tx, space);
    const nothing: AppliedState = { version, vector: new Map(), frontier: [], lamport: 0 };
    tx.put(stores.applied, space, comingAnew(applied, nothing, split));
    return off;
  }
  if (foundation === undefined) throw new Error("nothing to begin with");
  await beginLogs(tx, suite, space, foundation);
  const installed = await install(tx, space, foundation, version);
  tx.put(stores.applied, space, comingAnew(applied, installed, split));
  // Its logs may begin elsewhere than where they were taken apart.
  const [rest, held] = [await readHead(tx, space, replica), await readHead(tx, space, into)];
  return { kind: "split", rest, branch: held ?? off.branch };
}

/** Whether all logs are held from their beginning: a branch from its own first entry. */
async function holdsAll(tx: Writing, space: SpaceTag): Promise<boolean> {
  const rows = await tx.range(stores.heads, beginningWith(space));
  return rows.every(({ value }) => {
    const { from, branch } = value as HeadRow;
    return from <= (branch?.seq ?? 1);
  });
}

/**
 * Puts a part that has come in its place, whatever was applied meanwhile. `moved`: it is not awaited,
 * or no longer. `refused`: the bytes are not what the manifest says.
 */
export async function fill(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  { document, name }: { readonly document: DocumentId; readonly name: PendingName },
  bytes: Uint8Array,
  replicas: readonly ReplicaId[],
  appliedAtMs: number,
): Promise<"applied" | "moved" | "refused"> {
  const row = await pendingRow(tx, space, document, name);
  if (row === undefined) return "moved";
  const content = contentOf(suite, row, bytes, replicas);
  if (isMalformed(content)) return "refused";
  tx.delete(stores.pending, [space, document, nameOfPending(row)]);
  await place(tx, space, document, row, content, appliedAtMs);
  if (row.kind === "parked") await replayParked(tx, space);
  return "applied";
}

async function place(
  tx: Writing,
  space: SpaceTag,
  document: DocumentId,
  row: PendingRow,
  content: Content,
  appliedAtMs: number,
): Promise<void> {
  switch (content.kind) {
    case "messages": {
      const kept = content.messages.map((message) => ({ ...message, appliedAtMs }));
      const newest = (await channelCounts(tx, space, document))?.newest;
      // They were counted when the manifest was installed.
      await placeMessages(tx, space, document, kept, newest);
      break;
    }
    case "engine":
      if (row.kind !== "engine") throw new Error(`an engine's snapshot for a ${row.kind}`);
      await putSnapshot(tx, space, document, content.bytes, row.vector);
      break;
    case "operations":
      keepAll(tx, stores.parked, space, document, content, appliedAtMs);
      break;
  }
}

function keepAll(
  tx: Writing,
  store: "operations" | "parked",
  space: SpaceTag,
  document: DocumentId,
  content: Content | undefined,
  appliedAtMs: number,
): void {
  if (content?.kind !== "operations") throw new Error(`no ${store} where they were promised`);
  for (const operation of content.operations) {
    keepOperation(tx, store, space, document, { ...operation, appliedAtMs });
  }
}
