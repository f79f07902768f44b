/**
 * Under which ids this tab edits notes. Each derives from the tab's writer session, the note and a
 * counter; one that was used up to a point that is in the log is continued when the note is opened again,
 * because every id that ever wrote in a note costs its readers something for ever.
 */
import { peerSeed, yjsClientId } from "@skein/shared/crdt/engine/peer.ts";
import type { DocumentId, ReplicaId } from "@skein/shared/id/id.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";

export interface NotePeer {
  readonly client: number;
  /** The clock its next struct must get. */
  readonly clock: number;
  readonly counter: number;
}

interface Book {
  /** The next counter that was never handed out. */
  next: number;
  resumable: NotePeer | undefined;
  /** Own seq of the last entry that was written under a peer of the book. */
  writtenTo: number;
}

export class NotePeers {
  readonly #suite: VerifyingSuite;
  readonly #replica: ReplicaId;
  readonly #nonce: Uint8Array;
  readonly #books = new Map<DocumentId, Book>();

  /** @param nonce of the tab's writer session. */
  constructor(suite: VerifyingSuite, replica: ReplicaId, nonce: Uint8Array) {
    this.#suite = suite;
    this.#replica = replica;
    this.#nonce = nonce;
  }

  /** Never the same twice, except that one that was given back is handed out once more. */
  next(document: DocumentId): NotePeer {
    const book = this.#book(document);
    const { resumable } = book;
    if (resumable !== undefined) {
      book.resumable = undefined;
      return resumable;
    }
    const counter = book.next++;
    const seed = peerSeed(this.#suite, this.#replica, document, this.#nonce, counter);
    return { client: yjsClientId(seed), clock: 0, counter };
  }

  /** All that was written under `peer` is in the log: up to `clock`, in the entries up to `seq`. */
  giveBack(document: DocumentId, peer: NotePeer, clock: number, seq: number): void {
    const book = this.#book(document);
    book.resumable = { ...peer, clock };
    book.writtenTo = Math.max(book.writtenTo, seq);
  }

  /** Which own entries must be in the note before a peer can be continued. */
  writtenTo(document: DocumentId): number {
    return this.#book(document).writtenTo;
  }

  #book(document: DocumentId): Book {
    let book = this.#books.get(document);
    if (book === undefined) {
      book = { next: 0, resumable: undefined, writtenTo: 0 };
      this.#books.set(document, book);
    }
    return book;
  }
}
