/**
 * How entries change what views read, by the kind of their operations (docs/protocol.md section 4.2):
 *
 *   0x02 clock                            the log's last known wall clock, folded into later rows
 *   0x20 change, 0x40 update              the tail of the document (tail-rows.ts)
 *   0x30 post                             the messages of the channel (message-rows.ts)
 *   0x01, 0x10–0x17 membership, 0x50 set  kept whole (operation-rows.ts)
 *   all others                            parked, until a version knows them
 *
 * What a document is, only the kinds of its operations tell. An operation of a known kind whose
 * payload breaks its form is void and leaves nothing. All of it happens in the caller's transaction.
 */
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { postKind, understandChannel } from "../chat/post.ts";
import { readPeer } from "../crdt/engine/peer.ts";
import { messageOf } from "../crdt/op/channel.ts";
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import { readSessionNonce } from "./device-log.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Reading, Writing } from "./kv.ts";
import { insertMessages, type KeptMessage } from "./message-rows.ts";
import { keepOperation, type KeptOperation, parkedOperations, unpark } from "./operation-rows.ts";
import type { ReadyEntry } from "./store.ts";
import { stores } from "./stores.ts";
import { appendUpdates, type TailUpdate } from "./tail-rows.ts";

type Model = "clock" | "tail" | "channel" | "whole" | "parked";

function modelOf(kind: number): Model {
  if (kind === 0x02) return "clock";
  if (kind === 0x20 || kind === 0x40) return "tail";
  if (kind === postKind) return "channel";
  if (kind === 0x01 || (kind >= 0x10 && kind <= 0x17) || kind === 0x50) return "whole";
  return "parked";
}

/** The stores that `project` changes. */
export const projectedStores = [
  stores.clocks,
  stores.channels,
  stores.messages,
  stores.documents,
  stores.tails,
  stores.operations,
  stores.parked,
] as const;

/** An operation with all that its entry says of it. */
interface Placed extends KeptOperation {
  readonly document: DocumentId;
  /** The nonce of the session that the log's entry `seq` opens. */
  readonly nonceAt: (seq: number) => Uint8Array | undefined;
}

/** Brings the effects of `entries`, which are in causal order, into the read models. */
export async function project(
  tx: Writing,
  space: SpaceTag,
  entries: readonly ReadyEntry[],
): Promise<void> {
  const clocks = await clocksOf(tx, space, timedBy(entries));
  const placed: Placed[] = [];
  const ticked = new Set<ReplicaId>();
  for (const entry of entries) {
    const { replica, seq, lamport, hash, deps, document, appliedAtMs, nonces } = entry;
    if (document === undefined) continue;
    for (const [index, { kind, payload }] of entry.operations.entries()) {
      if (modelOf(kind) === "clock") {
        const timeMs = decode(payload, (reader) => reader.varint());
        if (isMalformed(timeMs)) continue;
        clocks.set(replica, timeMs);
        ticked.add(replica);
        continue;
      }
      const nonceAt = (opened: number) => nonces.get(opened);
      const timeMs = clocks.get(replica);
      const stamp = { id: { replica, seq, index }, lamport };
      placed.push({ ...stamp, kind, payload, hash, deps, timeMs, appliedAtMs, document, nonceAt });
    }
  }
  for (const replica of ticked) tx.put(stores.clocks, [space, replica], clocks.get(replica));
  await place(tx, space, placed);
}

/**
 * Brings in what was parked and is of a kind this version knows. In a transaction over
 * `projectedStores` and `sessions`. Returns how many there were.
 */
export async function replayParked(tx: Writing, space: SpaceTag): Promise<number> {
  const known = (await parkedOperations(tx, space)).filter(
    ({ kind }) => modelOf(kind) !== "parked",
  );
  const placed: Placed[] = [];
  for (const operation of known) {
    unpark(tx, space, operation);
    const opened = modelOf(operation.kind) === "tail" ? openedBy(operation) : undefined;
    const { replica } = operation.id;
    const nonce =
      opened === undefined ? undefined : await readSessionNonce(tx, space, replica, opened);
    placed.push({ ...operation, nonceAt: (seq) => (seq === opened ? nonce : undefined) });
  }
  await place(tx, space, placed);
  return known.length;
}

async function place(tx: Writing, space: SpaceTag, operations: readonly Placed[]): Promise<void> {
  const messages = new Map<DocumentId, KeptMessage[]>();
  const updates = new Map<DocumentId, TailUpdate[]>();
  for (const { document, nonceAt, ...operation } of operations) {
    switch (modelOf(operation.kind)) {
      case "channel": {
        const message = messageFrom(operation);
        if (message !== undefined) listIn(messages, document).push(message);
        break;
      }
      case "tail": {
        const update = updateFrom(operation, nonceAt);
        if (update !== undefined) listIn(updates, document).push(update);
        break;
      }
      case "whole":
        keepOperation(tx, stores.operations, space, document, operation);
        break;
      case "parked":
        keepOperation(tx, stores.parked, space, document, operation);
        break;
      case "clock":
        break;
    }
  }
  await Promise.all([
    ...[...messages].map(([channel, batch]) => insertMessages(tx, space, channel, batch)),
    ...[...updates].map(([document, batch]) => appendUpdates(tx, space, document, batch)),
  ]);
}

function messageFrom(operation: KeptOperation): KeptMessage | undefined {
  const { id, lamport, appliedAtMs } = operation;
  const understood = understandChannel(operation);
  if (understood.kind !== "known") return undefined;
  return { ...messageOf({ id, lamport, op: understood.op }), appliedAtMs };
}

/** Undefined where the payload names no writer session: then nobody can derive its peer's id. */
function updateFrom(
  operation: KeptOperation,
  nonceAt: (seq: number) => Uint8Array | undefined,
): TailUpdate | undefined {
  const opened = openedBy(operation);
  const nonce = opened === undefined ? undefined : nonceAt(opened);
  if (nonce === undefined) return undefined;
  const { id, lamport, kind, payload, timeMs, appliedAtMs } = operation;
  return { id, lamport, kind, payload, nonce, timeMs, appliedAtMs };
}

/** Seq of the entry that opened the writer session which an update's peer belongs to. */
function openedBy({ id, payload }: KeptOperation): number | undefined {
  const peer = decode(payload, (reader) => {
    const read = readPeer(reader);
    reader.rest();
    return read;
  });
  return isMalformed(peer) ? undefined : id.seq - peer.distance;
}

/** Whose clock is asked for: of operations that bring no time of their own. */
function timedBy(entries: readonly ReadyEntry[]): ReadonlySet<ReplicaId> {
  const timed = new Set<ReplicaId>();
  for (const { replica, operations } of entries) {
    const isTimed = ({ kind }: { readonly kind: number }) =>
      modelOf(kind) !== "channel" && modelOf(kind) !== "clock";
    if (!timed.has(replica) && operations.some(isTimed)) timed.add(replica);
  }
  return timed;
}

async function clocksOf(
  tx: Reading,
  space: SpaceTag,
  replicas: ReadonlySet<ReplicaId>,
): Promise<Map<ReplicaId, number>> {
  if (replicas.size > fewClocks) return allClocks(tx, space);
  const clocks = new Map<ReplicaId, number>();
  await Promise.all(
    [...replicas].map(async (replica) => {
      const timeMs = (await tx.get(stores.clocks, [space, replica])) as number | undefined;
      if (timeMs !== undefined) clocks.set(replica, timeMs);
    }),
  );
  return clocks;
}

/** From here on one request for all is cheaper than one for each. */
const fewClocks = 4;

export async function allClocks(tx: Reading, space: SpaceTag): Promise<Map<ReplicaId, number>> {
  const rows = await tx.range(stores.clocks, beginningWith(space));
  return new Map(
    rows.map(({ key, value }) => [partOf<ReplicaId>(key, 1), value as number] as const),
  );
}

function listIn<Value>(lists: Map<DocumentId, Value[]>, document: DocumentId): Value[] {
  const found = lists.get(document);
  if (found !== undefined) return found;
  const list: Value[] = [];
  lists.set(document, list);
  return list;
}
