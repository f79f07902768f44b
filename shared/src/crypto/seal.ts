/**
 * From what an entry says to its bytes and back (docs/protocol.md section 4). Sealing chains, seals
 * and signs; opening undoes the seal alone, since the chain and its one signature were verified for
 * the whole run before. What cannot be opened is a value that every device comes to alike.
 */
import { isMalformed } from "../bytes/malformed.ts";
import type { EpochId, ReplicaId, SpaceTag } from "../id/id.ts";
import { labels } from "../log/chain.ts";
import {
  type Entry,
  headerAad,
  type HeaderFields,
  headMessage,
  type WriterSession,
} from "../log/entry.ts";
import { decodePlain, encodePlain, type Plain } from "../log/plain.ts";
import type { VerifiedRun } from "../log/store.ts";
import { countedNonce } from "./counted-nonce.ts";
import type { Keyring } from "./keyring.ts";
import type { SealingKey, SigningKey } from "./suite.ts";

export const tagBytes = 16;

/** Who writes: one replica with the keys of its space. */
export interface EntrySealer {
  readonly keyring: Keyring;
  readonly space: SpaceTag;
  readonly replica: ReplicaId;
  /** 32 bytes; hashes to `replica`. */
  readonly publicKey: Uint8Array;
  readonly secret: SigningKey;
}

export interface EntryDraft {
  readonly seq: number;
  /** Hash of entry seq − 1; zeros for seq 1. */
  readonly previous: Uint8Array;
  readonly writer: WriterSession;
  /** The writer session's nonce, whether this entry opens it or not. */
  readonly nonce: Uint8Array;
  readonly plain: Plain;
}

export interface SealedEntry {
  readonly entry: Entry;
  readonly hash: Uint8Array<ArrayBuffer>;
  /** The head signature, as if the log ended here. */
  readonly signature: Uint8Array<ArrayBuffer>;
}

/**
 * Seals under the current epoch. The same seq and session nonce must never meet two plains: what
 * was sealed once is committed as it is or not at all.
 */
export async function sealEntry(sealer: EntrySealer, draft: EntryDraft): Promise<SealedEntry> {
  const { keyring, space, replica, secret } = sealer;
  const { suite, current: epoch } = keyring;
  const { seq, previous, writer, nonce } = draft;
  const key = await keyring.logKey(epoch, replica, nonce);
  if (key === undefined) throw new Error("the current epoch has no key");

  const plain = encodePlain(draft.plain, seq);
  const fields: HeaderFields = {
    suite: suite.id,
    space,
    replica,
    seq,
    previous,
    epoch,
    writer,
    bodyLength: plain.length + tagBytes,
  };
  const aad = headerAad(fields);
  const sealed = await suite.seal(key, countedNonce(seq), plain, aad);
  const hash = suite.hash(labels.entry, aad, suite.hash(labels.body, sealed));
  const message = headMessage(space, replica, seq, hash);
  const signature = await suite.sign(secret, labels.head, message);
  return { entry: { epoch, writer, body: { kind: "sealed", sealed } }, hash, signature };
}

/** What opening takes of a keyring. */
export type EntryOpener = Pick<Keyring, "suite" | "space" | "logKey">;

export type Opened =
  | Plain
  /** To be tried again when a key arrives. */
  | "unknown epoch"
  /** It does nothing, the same for everybody: wrong tag or form, no such session, body dropped. */
  | "void";

/** Where a verified entry stands, which its seal covers too. */
export interface EntryPlace {
  readonly replica: ReplicaId;
  readonly seq: number;
  /** Hash of entry seq − 1; zeros for seq 1. */
  readonly previous: Uint8Array;
}

/**
 * What the entry says. Payloads are views of memory that is the caller's.
 * @param nonce of the writer session the entry belongs to; undefined if the entry it names opens none.
 */
export async function openEntry(
  opener: EntryOpener,
  place: EntryPlace,
  entry: Entry,
  nonce: Uint8Array | undefined,
): Promise<Opened> {
  if (nonce === undefined) return "void";
  return openWith(opener, opener.logKey(entry.epoch, place.replica, nonce), place, entry);
}

/**
 * Opens all entries of a verified run at once: the ciphers' trips to other threads overlap.
 * @param nonceAt the session nonce by the seq of the entry that opened the session; asked only about
 *   entries before this run.
 */
export function openRun(
  opener: EntryOpener,
  run: Pick<VerifiedRun, "replica" | "first" | "entries" | "previous" | "hashes">,
  nonceAt: (seq: number) => Uint8Array | undefined,
): Promise<Opened[]> {
  const { replica, first, entries, hashes } = run;
  // Neighbours share their session: a key is looked up once for each stretch.
  let epoch: EpochId | undefined;
  let nonce: Uint8Array | undefined;
  let key: Promise<SealingKey> | undefined;
  return Promise.all(
    entries.map((entry, index): Promise<Opened> => {
      const its = sessionNonceOf(run, index, entry.writer, nonceAt);
      if (its === undefined) return Promise.resolve("void");
      if (its !== nonce || entry.epoch !== epoch) {
        [epoch, nonce] = [entry.epoch, its];
        key = opener.logKey(epoch, replica, nonce);
      }
      const previous = hashes[index - 1] ?? run.previous;
      return openWith(opener, key, { replica, seq: first + index, previous }, entry);
    }),
  );
}

async function openWith(
  { suite, space }: EntryOpener,
  pending: Promise<SealingKey> | undefined,
  { replica, seq, previous }: EntryPlace,
  { epoch, writer, body }: Entry,
): Promise<Opened> {
  if (body.kind === "hollow") return "void";
  if (pending === undefined) return "unknown epoch";
  const key = await pending;
  const bodyLength = body.sealed.length;
  const fields = { suite: suite.id, space, replica, seq, previous, epoch, writer, bodyLength };
  const bytes = await suite.open(key, countedNonce(seq), body.sealed, headerAad(fields));
  if (bytes === undefined) return "void";
  const plain = decodePlain(bytes, seq);
  return isMalformed(plain) ? "void" : plain;
}

function sessionNonceOf(
  { first, entries }: Pick<VerifiedRun, "first" | "entries">,
  index: number,
  writer: WriterSession,
  nonceAt: (seq: number) => Uint8Array | undefined,
): Uint8Array | undefined {
  if (writer.kind === "opens") return writer.nonce;
  const opener = entries[index - writer.distance]?.writer;
  if (opener === undefined) return nonceAt(first + index - writer.distance);
  return opener.kind === "opens" ? opener.nonce : undefined;
}
