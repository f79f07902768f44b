/**
 * Peer ids (docs/protocol.md section 4.3): the id under which an editing session writes inside a
 * Yjs or Automerge document. It is derived from the replica, the document and the nonce of a writer
 * session, so that no member can write under another's and no restored profile repeats one.
 */
import { Malformed } from "../../bytes/malformed.ts";
import type { Reader } from "../../bytes/reader.ts";
import { toHex } from "../../bytes/bytes.ts";
import { Writer } from "../../bytes/writer.ts";
import { bytesOfId, type DocumentId, type ReplicaId } from "../../id/id.ts";

/** The one verb of a cipher suite that derivation needs: `H(label, x)`. */
export interface LabelledHash {
  hash(label: string, ...parts: readonly Uint8Array[]): Uint8Array;
}

/** What a payload says of its peer; with the log it is found in, that names the peer's seed. */
export interface PeerReference {
  /** From the payload's entry back to the one that opened the writer session; 0 = this one. */
  readonly distance: number;
  /** Which of that session's peers of the document, from 0. */
  readonly counter: number;
}

const label = "skein/peer/1";
const u32Max = 0xffff_ffff;

/** 32 bytes from which both engines' ids are cut. `sessionNonce` is 16 bytes. */
export function peerSeed(
  suite: LabelledHash,
  replica: ReplicaId,
  document: DocumentId,
  sessionNonce: Uint8Array,
  counter: number,
): Uint8Array {
  const counted = new Writer(16).u32(counter).finish();
  return suite.hash(label, bytesOfId(replica), bytesOfId(document), sessionNonce, counted);
}

/** The first 53 bits: the most a number holds exactly, and all that Yjs' varints carry. */
export function yjsClientId(seed: Uint8Array): number {
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength);
  return view.getUint32(0) * 0x20_0000 + (view.getUint32(4) >>> 11);
}

/** 16 bytes in lower-case hexadecimal, as Automerge writes actors. */
export const automergeActor = (seed: Uint8Array): string => toHex(seed.subarray(0, 16));

export const writePeer = (writer: Writer, peer: PeerReference): Writer =>
  writer.varint(peer.distance).varint(peer.counter);

/** Throws `Malformed`, like every read inside a decoder. */
export function readPeer(reader: Reader): PeerReference {
  const distance = reader.varint();
  const counter = reader.varint();
  if (distance > u32Max || counter > u32Max) throw new Malformed("peer beyond 32 bits");
  return { distance, counter };
}
