/** From updates as a device keeps them to updates as a document takes them: who wrote under which id. */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { RecentMap } from "@skein/shared/bytes/recent-map.ts";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { peerSeed, yjsClientId } from "@skein/shared/crdt/engine/peer.ts";
import type { AuthoredUpdate } from "@skein/shared/crdt/engine/yjs-document.ts";
import type { TailUpdate } from "@skein/shared/device/tail-rows.ts";
import type { DocumentId, ReplicaId } from "@skein/shared/id/id.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";
import { decodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { updateKind } from "./operation-kinds.ts";

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
