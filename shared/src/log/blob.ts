/**
 * A blob: a sealed piece of something larger, kept under the hash of its bytes. Whoever has the hash
 * can check what a stranger hands over; nobody but those who have the key can tell what it is.
 */
import { blobId, type BlobId } from "../id/id.ts";
import type { VerifyingSuite } from "./suite.ts";

/** A piece of 192 KiB and its tag: one frame. */
export const blobBytesMax = 196_608 + 16;

export const blobIdOf = (suite: Pick<VerifyingSuite, "hash">, bytes: Uint8Array): BlobId =>
  blobId(suite.hash("skein/blob/1", bytes));
