/**
 * What views read, as any tab may at any time: each call is one read transaction, a consistent moment.
 * Only drafts are written here; all else changes by the leader's applications (device-store.ts).
 */
import type { OrderKey } from "../chat/order-key.ts";
import type { VersionVector } from "../clock/version-vector.ts";
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import type { Kv, Reading } from "./kv.ts";
import {
  allChannelCounts,
  channelCounts,
  type ChannelCounts,
  type KeptMessage,
  messageAt,
  type MessagePage,
  messagesBefore,
  messagesFrom,
  type Unread,
  unreadMessages,
} from "./message-rows.ts";
import {
  type KeptOperation,
  operationsOf,
  type ParkedOperation,
  parkedOperations,
} from "./operation-rows.ts";
import { allClocks } from "./projection.ts";
import { allPending, type PendingPart } from "./snapshot/pending-rows.ts";
import { stores } from "./stores.ts";
import {
  documentState,
  type DocumentState,
  type TailLength,
  tailLengths,
  type TailUpdate,
  updatesAfter,
} from "./tail-rows.ts";

/** A row of `catalogs`: what the list of notes and channels paints from before the engine is there. */
export interface CatalogModel {
  /** Number of the last update of the catalog's tail that is in it. */
  readonly upTo: number;
  /** Its form is the writer's own. */
  readonly model: unknown;
}

const channelStores = [stores.messages, stores.pending] as const;

export class ReadModels {
  readonly #kv: Kv;

  constructor(kv: Kv) {
    this.#kv = kv;
  }

  /** Undefined before the first message. */
  async channel(space: SpaceTag, channel: DocumentId): Promise<ChannelCounts | undefined> {
    return this.#read([stores.channels], (tx) => channelCounts(tx, space, channel));
  }

  /** Of every channel that has messages. */
  async channels(space: SpaceTag): Promise<ReadonlyMap<DocumentId, ChannelCounts>> {
    return this.#read([stores.channels], (tx) => allChannelCounts(tx, space));
  }

  /** The `limit` messages before `before`, or the newest ones. */
  async messagesBefore(
    space: SpaceTag,
    channel: DocumentId,
    before: OrderKey | undefined,
    limit: number,
  ): Promise<MessagePage> {
    return this.#read(channelStores, (tx) => messagesBefore(tx, space, channel, before, limit));
  }

  /** The `limit` messages from `from` on, with the one that bears this key. */
  async messagesFrom(
    space: SpaceTag,
    channel: DocumentId,
    from: OrderKey,
    limit: number,
  ): Promise<MessagePage> {
    return this.#read(channelStores, (tx) => messagesFrom(tx, space, channel, from, limit));
  }

  async message(
    space: SpaceTag,
    channel: DocumentId,
    key: OrderKey,
  ): Promise<KeptMessage | undefined> {
    return this.#read([stores.messages], (tx) => messageAt(tx, space, channel, key));
  }

  /** The messages that `mark` does not cover and that are not by `own`, at most `countMax`. */
  async unread(
    space: SpaceTag,
    channel: DocumentId,
    mark: VersionVector,
    own: ReadonlySet<ReplicaId>,
    countMax: number,
  ): Promise<Unread> {
    return this.#read([stores.channels, ...channelStores], (tx) =>
      unreadMessages(tx, space, channel, mark, own, countMax),
    );
  }

  /** A note or the catalog, to be loaded into its engine unless it is `pending`. */
  async document(space: SpaceTag, document: DocumentId): Promise<DocumentState> {
    const scope = [stores.documents, stores.tails, stores.snapshots, stores.pending];
    return this.#read(scope, (tx) => documentState(tx, space, document));
  }

  /**
   * What was applied to a document after its update number `after`. Undefined when a snapshot has
   * swallowed some of that: read the document anew.
   */
  async updatesAfter(
    space: SpaceTag,
    document: DocumentId,
    after: number,
  ): Promise<{ readonly updates: readonly TailUpdate[]; readonly upTo: number } | undefined> {
    return this.#read([stores.documents, stores.tails], (tx) =>
      updatesAfter(tx, space, document, after),
    );
  }

  /** Of every document of an engine: whose tail wants a snapshot. */
  async tails(space: SpaceTag): Promise<readonly TailLength[]> {
    return this.#read([stores.documents, stores.pending], (tx) => tailLengths(tx, space));
  }

  /** What of an installed snapshot is still to come. */
  async pending(space: SpaceTag): Promise<readonly PendingPart[]> {
    return this.#read([stores.pending], (tx) => allPending(tx, space));
  }

  /** Of a document that is evaluated whole (membership, settings), in the total order. */
  async operations(space: SpaceTag, document: DocumentId): Promise<readonly KeptOperation[]> {
    return this.#read([stores.operations], (tx) => operationsOf(tx, space, document));
  }

  /** Of kinds this version does not know. */
  async parked(space: SpaceTag): Promise<readonly ParkedOperation[]> {
    return this.#read([stores.parked], (tx) => parkedOperations(tx, space));
  }

  /** The log's last known wall clock in ms, of each replica that told one. */
  async clocks(space: SpaceTag): Promise<ReadonlyMap<ReplicaId, number>> {
    return this.#read([stores.clocks], (tx) => allClocks(tx, space));
  }

  async catalog(space: SpaceTag): Promise<CatalogModel | undefined> {
    return this.#read([stores.catalogs], async (tx) => {
      return (await tx.get(stores.catalogs, space)) as CatalogModel | undefined;
    });
  }

  /** What stands in the composer; empty if nothing does. */
  async draft(space: SpaceTag, channel: DocumentId): Promise<string> {
    return this.#read([stores.drafts], async (tx) => {
      return ((await tx.get(stores.drafts, [space, channel])) as string | undefined) ?? "";
    });
  }

  /** Relaxed: it is written while somebody types, and survives all but a power cut. */
  async putDraft(space: SpaceTag, channel: DocumentId, text: string): Promise<void> {
    return this.#kv.write([stores.drafts], "relaxed", async (tx) => {
      if (text === "") tx.delete(stores.drafts, [space, channel]);
      else tx.put(stores.drafts, [space, channel], text);
    });
  }

  async #read<T>(scope: readonly string[], body: (tx: Reading) => Promise<T>): Promise<T> {
    return this.#kv.read(scope, body);
  }
}
