/** Documents that every space has from the start, under ids that nobody needs to be told. */
import { bytesOfId, documentId, type DocumentId, idBytes, type SpaceTag } from "../id/id.ts";
import type { VerifyingSuite } from "./suite.ts";

/** `general` is the first channel; `settings` is in personal spaces only. */
export type KnownDocument = "membership" | "catalog" | "general" | "settings";

const documentLabel = "skein/document";

/** `H("skein/document", space tag ‖ name)[:8]` of docs/protocol.md section 2. */
export function knownDocument(
  suite: VerifyingSuite,
  space: SpaceTag,
  name: KnownDocument,
): DocumentId {
  const hash = suite.hash(documentLabel, bytesOfId(space), new TextEncoder().encode(name));
  return documentId(hash.subarray(0, idBytes.document));
}
