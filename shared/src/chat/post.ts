/**
 * The bytes of a channel's operations: docs/protocol.md section 4.2, kind `0x30`. What `post`
 * writes every device reads alike; what it refuses the composer keeps, with the reason.
 */
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { RawOperation, Understood } from "../crdt/crdt.ts";
import type { ChannelOperation } from "../crdt/op/channel.ts";
import { limits } from "../protocol/limits.ts";

export const postKind = 0x30;

export type PostDraft =
  | { readonly kind: "ready"; readonly operation: RawOperation }
  | {
      readonly kind: "refused";
      /** `empty`: nothing but white space. `not text`: half a surrogate pair, no such character. */
      readonly reason: "empty" | "too long" | "not text";
      /** In UTF-8, as counted against `bytesMax`. */
      readonly bytes: number;
      readonly bytesMax: number;
    };

/** The operation that says `text`. `timeMs` is the author's wall clock, for display only. */
export function draftPost(text: string, timeMs: number): PostDraft {
  const utf8 = new TextEncoder().encode(text);
  const refused = (reason: "empty" | "too long" | "not text"): PostDraft => ({
    kind: "refused",
    reason,
    bytes: utf8.length,
    bytesMax: limits.postBytesMax,
  });
  if (text.trim() === "") return refused("empty");
  // Encoded, it would come back as another character: others would read what nobody wrote.
  if (!text.isWellFormed()) return refused("not text");
  if (utf8.length > limits.postBytesMax) return refused("too long");
  const payload = new Writer(utf8.length + 16).varint(timeMs).bytes(utf8).finish();
  return { kind: "ready", operation: { kind: postKind, payload } };
}

/** What an operation of a channel document means to this version. */
export function understandChannel(raw: RawOperation): Understood<ChannelOperation> {
  if (raw.kind !== postKind) return { kind: "parked", raw };
  const post = decode(raw.payload, (reader) => ({
    kind: "post" as const,
    timeMs: reader.varint(),
    text: reader.text(limits.postBytesMax),
  }));
  if (isMalformed(post)) return { kind: "void", reason: post.message };
  if (post.text === "") return { kind: "void", reason: "a post without text" };
  return { kind: "known", op: post };
}
