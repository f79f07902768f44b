/**
 * What entries do, by the kind of their operations (docs/protocol.md section 4.2): the one place that
 * says it, for the read models that views paint from (projection.ts) and for snapshots that other
 * devices begin with (snapshot/checkpoint.ts).
 *
 *   0x02 clock                            the log's last known wall clock, kept with later operations
 *   0x20 change, 0x40 update              updates of a document of an engine
 *   0x30 post                             messages of a channel
 *   0x01, 0x10–0x17 membership, 0x50 set  kept whole
 *   all others                            parked, until a version knows them
 *
 * What a document is, only the kinds of its operations tell. An operation of a known kind whose
 * payload breaks its form is void and leaves nothing.
 *
 * A kind that moves to another line here makes other snapshots of the same entries: that is a new
 * format of the manifest (snapshot/manifest.ts).
 */
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { postKind, understandChannel } from "../chat/post.ts";
import { readPeer } from "../crdt/engine/peer.ts";
import { messageOf } from "../crdt/op/channel.ts";
import type { DocumentId, ReplicaId } from "../id/id.ts";
import { signerOf } from "../log/branch.ts";
import type { KeptMessage } from "./message-rows.ts";
import type { KeptOperation } from "./operation-rows.ts";
import type { ReadyEntry } from "./store.ts";
import type { TailUpdate } from "./tail-rows.ts";

type Model = "clock" | "tail" | "channel" | "whole" | "parked";
/** Where operations of each kind go: what a version of the app knows. */
export type ModelOf = (kind: number) => Model;

/** What this version knows. */
export function modelOf(kind: number): Model {
  if (kind === 0x02) return "clock";
  if (kind === 0x20 || kind === 0x40) return "tail";
  if (kind === postKind) return "channel";
  if (kind === 0x01 || (kind >= 0x10 && kind <= 0x17) || kind === 0x50) return "whole";
  return "parked";
}

/** An operation with all that its entry says of it. */
export interface PlacedOperation extends KeptOperation {
  readonly document: DocumentId;
  /** The nonce of the session that the log's entry `seq` opens. */
  readonly nonceAt: (seq: number) => Uint8Array | undefined;
}

/** What operations add up to, by document, each list in the order they were given. */
export interface Effects {
  readonly messages: ReadonlyMap<DocumentId, readonly KeptMessage[]>;
  readonly updates: ReadonlyMap<DocumentId, readonly TailUpdate[]>;
  readonly operations: ReadonlyMap<DocumentId, readonly KeptOperation[]>;
  readonly parked: ReadonlyMap<DocumentId, readonly KeptOperation[]>;
}

/**
 * The operations of `entries`, which are in causal order. Wall clocks go into `clocks`, which holds
 * those of the logs before, and their replicas into `ticked`.
 */
export function placedIn(
  entries: readonly ReadyEntry[],
  clocks: Map<ReplicaId, number>,
  ticked: Set<ReplicaId> = new Set(),
  known: ModelOf = modelOf,
): PlacedOperation[] {
  const placed: PlacedOperation[] = [];
  for (const entry of entries) {
    const { seq, lamport, hash, document, appliedAtMs, nonces } = entry;
    const deps = entry.named ?? entry.deps;
    if (document === undefined) continue;
    for (const [index, { kind, payload }] of entry.operations.entries()) {
      if (known(kind) === "clock") {
        const timeMs = decode(payload, (reader) => reader.varint());
        if (isMalformed(timeMs)) continue;
        clocks.set(entry.replica, timeMs);
        ticked.add(entry.replica);
        continue;
      }
      const nonceAt = (opened: number) => nonces.get(opened);
      const timeMs = clocks.get(entry.replica);
      // An engine's peers are derived from whose key signs the log, also on a branch of it.
      const replica = known(kind) === "tail" ? signerOf(entry) : entry.replica;
      const stamp = { id: { replica, seq, index }, lamport };
      placed.push({ ...stamp, kind, payload, hash, deps, timeMs, appliedAtMs, document, nonceAt });
    }
  }
  return placed;
}

export function effectsOf(
  operations: readonly PlacedOperation[],
  known: ModelOf = modelOf,
): Effects {
  const messages = new Map<DocumentId, KeptMessage[]>();
  const updates = new Map<DocumentId, TailUpdate[]>();
  const whole = new Map<DocumentId, KeptOperation[]>();
  const parked = new Map<DocumentId, KeptOperation[]>();
  for (const placed of operations) {
    const { document } = placed;
    switch (known(placed.kind)) {
      case "channel": {
        const message = messageFrom(placed);
        if (message !== undefined) listIn(messages, document).push(message);
        break;
      }
      case "tail": {
        const update = updateFrom(placed, placed.nonceAt);
        if (update !== undefined) listIn(updates, document).push(update);
        break;
      }
      case "whole":
        listIn(whole, document).push(kept(placed));
        break;
      case "parked":
        listIn(parked, document).push(kept(placed));
        break;
      case "clock":
        break;
    }
  }
  return { messages, updates, operations: whole, parked };
}

const kept = (placed: PlacedOperation): KeptOperation => {
  const { id, lamport, kind, payload, hash, deps, timeMs, appliedAtMs } = placed;
  return { id, lamport, kind, payload, hash, deps, timeMs, appliedAtMs };
};

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
export function openedBy({ id, payload }: KeptOperation): number | undefined {
  const peer = decode(payload, (reader) => {
    const read = readPeer(reader);
    reader.rest();
    return read;
  });
  return isMalformed(peer) ? undefined : id.seq - peer.distance;
}

function listIn<Value>(lists: Map<DocumentId, Value[]>, document: DocumentId): Value[] {
  const found = lists.get(document);
  if (found !== undefined) return found;
  const list: Value[] = [];
  lists.set(document, list);
  return list;
}
