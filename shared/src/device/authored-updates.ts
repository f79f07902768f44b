/** From updates as a device keeps them to updates as a document takes them: who wrote under which id. */
import { toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { RecentMap } from "../bytes/recent-map.ts";
import type { AuthoredChange } from "../crdt/engine/automerge-document.ts";
import { automergeActor, peerSeed, readPeer, yjsClientId } from "../crdt/engine/peer.ts";
import type { AuthoredUpdate } from "../crdt/engine/yjs-document.ts";
import type { DocumentId, ReplicaId } from "../id/id.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { decodeNoteUpdate } from "../note/note-operation.ts";
import type { TailUpdate } from "./tail-rows.ts";

/** Of the catalog: an Automerge change (docs/protocol.md section 4.2). */
const changeKind = 0x20;
/** Of a note: a Yjs update. */
const updateKind = 0x40;
/** Of one note: an editing session writes many updates under few ids. */
const clientsMax = 1_024;

export class NoteAuthors {
  readonly #suite: VerifyingSuite;
  readonly #document: DocumentId;
  readonly #clients = new RecentMap<string, number>(clientsMax);

  constructor(suite: VerifyingSuite, document: DocumentId) {
    this.#suite = suite;
    this.#document = document;
  }

  /** Those that can be read; the others are void for everybody. */
  authored(updates: readonly TailUpdate[]): AuthoredUpdate[] {
    return updates.flatMap(({ kind, payload, id, nonce }) => {
      if (kind !== updateKind) return [];
      const decoded = decodeNoteUpdate(payload);
      if (isMalformed(decoded)) return [];
      const client = this.client(id.replica, nonce, decoded.peer.counter);
      return [{ client, update: decoded.update }];
    });
  }

  client(replica: ReplicaId, nonce: Uint8Array, counter: number): number {
    const name = `${replica}/${toHex(nonce)}/${counter}`;
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = yjsClientId(peerSeed(this.#suite, replica, this.#document, nonce, counter));
      this.#clients.set(name, client);
    }
    return client;
  }
}

/** Changes of the catalog. Those that can be read; the others are void for everybody. */
export const authoredChanges = (
  suite: VerifyingSuite,
  catalog: DocumentId,
  updates: readonly TailUpdate[],
): AuthoredChange[] =>
  updates.flatMap(({ kind, payload, id, nonce }) => {
    if (kind !== changeKind) return [];
    const read = decode(payload, (reader) => ({ peer: readPeer(reader), change: reader.rest() }));
    if (isMalformed(read)) return [];
    const actor = automergeActor(peerSeed(suite, id.replica, catalog, nonce, read.peer.counter));
    return [{ actor, change: read.change }];
  });
