/**
 * What stands inside a whisper once it is open: docs/protocol.md section 6. Everybody in a space may
 * whisper anything, so a decoder answers an error value for whatever it cannot read.
 */
import type { Malformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { bytesOfId, documentId, type DocumentId, idBytes } from "../id/id.ts";
import { whisperPlainBytesMax } from "../sync/sealed-whisper.ts";
import { readRumour, type Rumour, rumourBytesMax, writeRumour } from "./rumour.ts";

/** Rumours that fit one whisper, whatever they say, with the bytes for kind and count. */
export const rumoursMax = Math.floor((whisperPlainBytesMax - 3) / rumourBytesMax);

export type WhisperContent =
  | { readonly kind: "presence"; readonly rumours: readonly Rumour[] }
  /** Cursors in one note, as y-protocols encodes them; not looked into here. */
  | { readonly kind: "awareness"; readonly document: DocumentId; readonly update: Uint8Array }
  /** Of a later version: to be ignored. */
  | { readonly kind: "unknown"; readonly number: number };

const numberOfKind = { presence: 1, awareness: 2 } as const;

/** Throws a `RangeError` for more than a whisper holds. */
export function encodeWhisperContent(
  content: Exclude<WhisperContent, { kind: "unknown" }>,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer().u8(numberOfKind[content.kind]);
  if (content.kind === "presence") writer.list(content.rumours, writeRumour);
  else writer.raw(bytesOfId(content.document)).raw(content.update);
  if (writer.length > whisperPlainBytesMax) {
    throw new RangeError(`${writer.length} bytes to whisper`);
  }
  return writer.finish();
}

/** Updates are views of `bytes`. */
export const decodeWhisperContent = (bytes: Uint8Array): WhisperContent | Malformed =>
  decode(bytes, (reader): WhisperContent => {
    const number = reader.u8();
    switch (number) {
      case numberOfKind.presence:
        // Shorter ones leave room for more than `rumoursMax`; the whisper's length is the limit.
        return { kind: "presence", rumours: reader.list(whisperPlainBytesMax, readRumour) };
      case numberOfKind.awareness: {
        const document = documentId(reader.raw(idBytes.document));
        return { kind: "awareness", document, update: reader.rest() };
      }
      default:
        reader.rest();
        return { kind: "unknown", number };
    }
  });
