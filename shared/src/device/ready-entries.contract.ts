/**
 * For tests of what a device keeps: a space whose replicas write one after another, and all that can
 * be read of what became of it.
 */
import { draftPost } from "../chat/post.ts";
import type { OrderKey } from "../chat/order-key.ts";
import { Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { readPeer, writePeer } from "../crdt/engine/peer.ts";
import { type DocumentId, documentId, replicaId, type ReplicaId, spaceTag } from "../id/id.ts";
import type { Kv } from "./kv.ts";
import { ReadModels } from "./read-models.ts";
import type { AppliedState, Dependency, Operation, ReadyEntry } from "./store.ts";

export const space = spaceTag(filled(16, 0xa0));
export const otherSpace = spaceTag(filled(16, 0xb0));
export const [ana, ben, cleo] = [replica(1), replica(2), replica(3)] as const;
export const documents = {
  channel: documentId(filled(8, 0xc1)),
  otherChannel: documentId(filled(8, 0xc2)),
  note: documentId(filled(8, 0xd1)),
  catalog: documentId(filled(8, 0xd2)),
  membership: documentId(filled(8, 0xe1)),
} as const;

export const nothingApplied: AppliedState = {
  version: 0,
  vector: new Map(),
  frontier: [],
  lamport: 0,
};

// Operations

export function post(text: string, timeMs = 1_000): Operation {
  const draft = draftPost(text, timeMs);
  if (draft.kind !== "ready") throw new Error(`no post: ${draft.reason}`);
  return draft.operation;
}

export const clock = (timeMs: number): Operation => ({
  kind: 0x02,
  payload: new Writer().varint(timeMs).finish(),
});

const update = (kind: number, bytes: Uint8Array, distance: number): Operation => ({
  kind,
  payload: writePeer(new Writer(), { distance, counter: 0 }).raw(bytes).finish(),
});

export const noteUpdate = (text: string, distance = 0): Operation =>
  update(0x40, utf8(text), distance);
export const catalogChange = (text: string, distance = 0): Operation =>
  update(0x20, utf8(text), distance);
export const membership = (kind: number, text: string): Operation => ({
  kind,
  payload: utf8(text),
});

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What `noteUpdate` and `catalogChange` were made of. */
export const textOfUpdate = (payload: Uint8Array): string => {
  const reader = new Reader(payload);
  readPeer(reader);
  return new TextDecoder().decode(reader.rest());
};

// Entries

/** Replicas that write entries whose causal past is what the caller says. */
export class TestSpace {
  readonly entries: ReadyEntry[] = [];
  readonly #heads = new Map<ReplicaId, ReadyEntry>();
  readonly #seen = new Map<ReplicaId, Map<ReplicaId, number>>();

  /** From the author's next entry back to the one that opened the writer session. */
  distance(author: ReplicaId): number {
    return this.#heads.get(author)?.seq ?? 0;
  }

  /**
   * An entry of `author`, who has seen all entries of `seen` there are (and their past). Each log is
   * one writer session, opened by its first entry.
   */
  write(
    author: ReplicaId,
    document: DocumentId | undefined,
    operations: readonly Operation[],
    seen: readonly ReplicaId[] = [],
  ): ReadyEntry {
    const before = this.#heads.get(author);
    const seq = (before?.seq ?? 0) + 1;
    let lamport = before?.lamport ?? 0;
    const deps: Dependency[] = [];
    const past = this.#seen.get(author) ?? new Map<ReplicaId, number>();
    for (const other of seen) {
      const head = this.#heads.get(other);
      if (other === author || head === undefined || (past.get(other) ?? 0) >= head.seq) continue;
      deps.push({ replica: other, seq: head.seq });
      lamport = Math.max(lamport, head.lamport);
      past.set(other, head.seq);
      for (const [third, thirdSeq] of this.#seen.get(other) ?? []) {
        if (third !== author) past.set(third, Math.max(thirdSeq, past.get(third) ?? 0));
      }
    }
    this.#seen.set(author, past);
    const entry: ReadyEntry = {
      replica: author,
      seq,
      hash: filled(32, seq & 0xff),
      lamport: lamport + 1,
      deps,
      document,
      operations,
      nonces: new Map([[1, nonceOf(author)]]),
      openedAt: 1,
      appliedAtMs: 5_000 + this.entries.length,
    };
    this.#heads.set(author, entry);
    this.entries.push(entry);
    return entry;
  }
}

/** The nonce of the one writer session of a `TestSpace`'s log. */
export const nonceOf = (author: ReplicaId): Uint8Array =>
  filled(16, Number.parseInt(author.slice(-2), 16));

/** The state that `entries` lead to. */
export function advanced(before: AppliedState, entries: readonly ReadyEntry[]): AppliedState {
  const vector = new Map(before.vector);
  const frontier = new Map(before.frontier.map(({ replica, seq }) => [replica, seq]));
  let { lamport } = before;
  for (const entry of entries) {
    vector.set(entry.replica, entry.seq);
    for (const dep of entry.deps) {
      if ((frontier.get(dep.replica) ?? 0) <= dep.seq) frontier.delete(dep.replica);
    }
    frontier.set(entry.replica, entry.seq);
    lamport = Math.max(lamport, entry.lamport);
  }
  return {
    version: before.version + 1,
    vector,
    frontier: [...frontier].map(([replica, seq]) => ({ replica, seq })),
    lamport,
  };
}

// What can be read

/** Everything views can read of a space, without what may differ by how applications were split. */
export async function readAll(kv: Kv, tag = space): Promise<Record<string, unknown>> {
  const models = new ReadModels(kv);
  const all: Record<string, unknown> = {
    channels: await models.channels(tag),
    parked: await models.parked(tag),
    clocks: await models.clocks(tag),
    catalog: await models.catalog(tag),
    tails: await models.tails(tag),
  };
  for (const [name, document] of Object.entries(documents)) {
    all[`${name} messages`] = await allMessages(models, document, tag);
    all[`${name} state`] = await models.document(tag, document);
    all[`${name} operations`] = await models.operations(tag, document);
  }
  return all;
}

export async function allMessages(
  models: ReadModels,
  channel: DocumentId,
  tag = space,
): Promise<readonly unknown[]> {
  const { messages, hasMore } = await models.messagesFrom(tag, channel, "" as OrderKey, 1e9);
  if (hasMore) throw new Error("more than a billion messages");
  return messages;
}

export function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

export function replica(index: number): ReplicaId {
  return replicaId(filled(16, index));
}
