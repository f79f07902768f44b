/**
 * The payload of operation `0x40` *update* (docs/protocol.md section 4.2): under which peer a note
 * was edited, and what changed.
 */
import { decode } from "../bytes/reader.ts";
import type { Malformed } from "../bytes/malformed.ts";
import { Writer } from "../bytes/writer.ts";
import { type PeerReference, readPeer, writePeer } from "../crdt/engine/peer.ts";

export interface NoteUpdate {
  readonly peer: PeerReference;
  /** Interned Yjs update, section 4.4. */
  readonly update: Uint8Array;
}

export const encodeNoteUpdate = ({ peer, update }: NoteUpdate): Uint8Array<ArrayBuffer> =>
  writePeer(new Writer(update.length + 16), peer)
    .raw(update)
    .finish();

/** The update shares the payload's buffer; it is checked when the document takes it. */
export const decodeNoteUpdate = (payload: Uint8Array): NoteUpdate | Malformed =>
  decode(payload, (reader) => ({ peer: readPeer(reader), update: reader.rest() }));
