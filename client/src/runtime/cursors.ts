/**
 * Cursors in one open note: the editor's awareness (y-protocols), of which own changes go out as updates
 * and others' come in. A state counts only under a client id that derives from the replica it came from,
 * so nobody moves another's cursor; what is in a state stays unchecked input for the views.
 */
import { isMalformed, type Malformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from "y-protocols/awareness";
import type * as Y from "yjs";

/** At most twenty a second. */
const sendEveryMs = 50;
/** A tab has one cursor in a note; a renewed one may carry its predecessor's end. */
const clientsMax = 4;
const stateBytesMax = 8_192;

interface Changes {
  readonly added: readonly number[];
  readonly updated: readonly number[];
  readonly removed: readonly number[];
}

const fromOutside = Symbol("from outside");

export class Cursors {
  readonly awareness: Awareness;
  readonly #send: (update: Uint8Array) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(doc: Y.Doc, send: (update: Uint8Array) => void) {
    this.awareness = new Awareness(doc);
    this.#send = send;
    this.awareness.on("update", ({ added, updated, removed }: Changes, origin: unknown) => {
      if (origin === fromOutside) return;
      const { clientID } = this.awareness;
      if (removed.includes(clientID)) this.#sendNow();
      else if (added.includes(clientID) || updated.includes(clientID)) this.#sendSoon();
    });
  }

  /** The document writes under another id now: cursors go with it. */
  follow(client: number): void {
    const { awareness } = this;
    if (client === awareness.clientID) return;
    const state = awareness.getLocalState();
    awareness.setLocalState(null);
    awareness.clientID = client;
    awareness.setLocalState(state);
  }

  /** @param isTheirs whether a client id derives from whoever sent this. */
  hear(update: Uint8Array, isTheirs: (client: number) => boolean): void {
    const clients = clientsOf(update);
    if (isMalformed(clients) || !clients.every(isTheirs)) return;
    const { awareness } = this;
    if (clients.includes(awareness.clientID)) return;
    const isNew = clients.some((client) => !awareness.states.has(client));
    try {
      applyAwarenessUpdate(awareness, update, fromOutside);
    } catch {
      // Not JSON: nothing that anybody could show.
      return;
    }
    // They came after us and have not seen ours.
    if (isNew) this.#sendSoon();
  }

  tell(): void {
    if (this.awareness.getLocalState() !== null) this.#sendSoon();
  }

  close(): void {
    this.awareness.destroy();
    clearTimeout(this.#timer);
  }

  #sendSoon(): void {
    this.#timer ??= setTimeout(() => this.#sendNow(), sendEveryMs);
  }

  #sendNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { awareness } = this;
    this.#send(encodeAwarenessUpdate(awareness, [awareness.clientID]));
  }
}

/** The clients that an update speaks of: `list(client varint ‖ clock varint ‖ state text)`. */
function clientsOf(update: Uint8Array): number[] | Malformed {
  return decode(update, (reader) =>
    reader.list(clientsMax, (from) => {
      const client = from.varint();
      from.varint();
      from.bytes(stateBytesMax);
      return client;
    }),
  );
}
