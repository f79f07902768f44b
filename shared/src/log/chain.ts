/**
 * Recomputes a log's hash chain. One signature over the last hash vouches for every entry of a
 * run, because each hash covers the one before it (Merkle chain; Schneier and Kelsey, "Secure
 * audit logs", 1999).
 */
import type { SpaceTag } from "../id/id.ts";
import { signerOf } from "./branch.ts";
import {
  type Entry,
  hashBytes,
  headerAad,
  headerAadBytes,
  type HeaderFields,
  headMessage,
  lastSeq,
  type Run,
} from "./entry.ts";
import type { CheckedRun, PlacedRun, VerifyingSuite } from "./suite.ts";

export const zeroHash: Uint8Array<ArrayBuffer> = new Uint8Array(hashBytes);

export const labels = {
  entry: "skein/entry/1",
  body: "skein/body/1",
  head: "skein/head/1",
} as const;

function headerFields(
  suite: VerifyingSuite,
  space: SpaceTag,
  run: Pick<Run, "replica" | "branch">,
  seq: number,
  previous: Uint8Array,
  entry: Entry,
): HeaderFields {
  return {
    suite: suite.id,
    space,
    replica: signerOf(run),
    seq,
    previous,
    epoch: entry.epoch,
    writer: entry.writer,
    bodyLength: entry.body.kind === "sealed" ? entry.body.sealed.length : entry.body.length,
  };
}

function entryHash(
  suite: VerifyingSuite,
  fields: HeaderFields,
  entry: Entry,
  scratch: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const bodyHash =
    entry.body.kind === "sealed" ? suite.hash(labels.body, entry.body.sealed) : entry.body.hash;
  return suite.hash(labels.entry, headerAad(fields, scratch), bodyHash);
}

/** The hash of every entry of `run`, given the hash of the entry before it (zeros before seq 1). */
export function chainHashes(
  suite: VerifyingSuite,
  space: SpaceTag,
  run: Run,
  previous: Uint8Array,
): Uint8Array<ArrayBuffer>[] {
  const hashes: Uint8Array<ArrayBuffer>[] = [];
  const scratch = new Uint8Array(headerAadBytes);
  let last = previous;
  let seq = run.first;
  for (const entry of run.entries) {
    const fields = headerFields(suite, space, run, seq, last, entry);
    const hash = entryHash(suite, fields, entry, scratch);
    hashes.push(hash);
    last = hash;
    seq++;
  }
  return hashes;
}

/** Whether the run's signature is its replica's over the last of `hashes`. */
export function verifyHead(
  suite: VerifyingSuite,
  space: SpaceTag,
  run: Run,
  hashes: readonly Uint8Array[],
  publicKey: Uint8Array,
): Promise<boolean> {
  const last = hashes[hashes.length - 1] ?? zeroHash;
  const message = headMessage(space, signerOf(run), lastSeq(run), last);
  return suite.verify(publicKey, labels.head, message, run.signature);
}

/** Shorter runs are done sooner than another thread answers. */
export const bulkEntriesMin = 32;

/** The run's chain and signature at once; a long run beside this thread where the suite can. */
export async function checkRun(
  suite: VerifyingSuite,
  placed: PlacedRun,
  publicKey: Uint8Array,
): Promise<CheckedRun> {
  const { space, run, previous } = placed;
  if (suite.bulk !== undefined && run.entries.length >= bulkEntriesMin) {
    const checking = suite.bulk.check(placed, publicKey);
    if (checking !== undefined) return checking;
  }
  const hashes = chainHashes(suite, space, run, previous);
  return { hashes, isSigned: await verifyHead(suite, space, run, hashes, publicKey) };
}
