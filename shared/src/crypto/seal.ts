/**
 * From what an entry says to its bytes and back (docs/protocol.md section 4). Sealing chains, seals
 * and signs; opening undoes the seal alone, since the chain and its one signature were verified for
 * the whole run before. What cannot be opened is a value that every device comes to alike.
 */
import { isMalformed } from "../bytes/malformed.ts";
import type { EpochId, ReplicaId, SpaceTag } from "../id/id.ts";
import { signerOf } from "../log/branch.ts";
import { bulkEntriesMin, labels } from "../log/chain.ts";
import {
  type Entry,
  headerAad,
  headerAadBytes,
  type HeaderFields,
  headMessage,
  type WriterSession,
} from "../log/entry.ts";
import { decodePlain, encodePlain, type Plain } from "../log/plain.ts";
import type { VerifiedRun } from "../log/store.ts";
import { countedNonce, nonceBytes } from "./counted-nonce.ts";
import type { Keyring } from "./keyring.ts";
import type { HashedEntries, OpenedBody, SealingKey, SigningKey, Suite } from "./suite.ts";

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
  if (nonce === undefined || entry.body.kind === "hollow") return "void";
  const key = opener.logKey(entry.epoch, place.replica, nonce);
  if (key === undefined) return "unknown epoch";
  const bytes = await openWith(opener.suite, opener.space, await key, place, entry, newScratch());
  return readBody(bytes, place.seq);
}

/**
 * Opens all entries of a verified run at once: the ciphers' trips to other threads overlap.
 * @param nonceAt the session nonce by the seq of the entry that opened the session; asked only about
 *   entries before this run.
 */
export async function openRun(
  opener: EntryOpener,
  checked: Pick<VerifiedRun, "replica" | "branch" | "first" | "entries" | "previous" | "hashes">,
  nonceAt: (seq: number) => Uint8Array | undefined,
): Promise<Opened[]> {
  const { first, entries, previous, hashes } = checked;
  const replica = signerOf(checked);
  // Neighbours share their session: a key is looked up once for each stretch.
  let epoch: EpochId | undefined;
  let nonce: Uint8Array | undefined;
  let key: Promise<SealingKey> | undefined;
  const pending = entries.map((entry, index): Promise<SealingKey> | "void" | "unknown epoch" => {
    const its = sessionNonceOf(checked, index, entry.writer, nonceAt);
    if (its === undefined || entry.body.kind === "hollow") return "void";
    if (its !== nonce || entry.epoch !== epoch) {
      [epoch, nonce] = [entry.epoch, its];
      key = opener.logKey(epoch, replica, nonce);
    }
    return key ?? "unknown epoch";
  });
  const derived = new Map(
    await Promise.all([...new Set(pending)].map(async (each) => [each, await each] as const)),
  );
  const keys = pending.map((each) => derived.get(each) ?? "void");
  const bodies = await openLong(
    opener.suite,
    { space: opener.space, run: { replica, first, entries }, previous, hashes },
    keys.map((each) => (typeof each === "string" ? undefined : each)),
  );
  return keys.map((each, index) =>
    typeof each === "string" ? each : readBody(bodies[index], first + index),
  );
}

function openLong(
  suite: Suite,
  entries: HashedEntries,
  keys: readonly (SealingKey | undefined)[],
): Promise<readonly OpenedBody[]> {
  const bulk = keys.length < bulkEntriesMin ? undefined : suite.bulk;
  return bulk?.open(entries, keys) ?? openBodies(suite, entries, keys);
}

/** So many are under way at a time: enough to overlap, few enough to be garbage while they are young. */
const openedAtOnce = 128;

/** Each body under the key that stands at its place. */
export async function openBodies(
  suite: Suite,
  { space, run, previous, hashes }: HashedEntries,
  keys: readonly (SealingKey | undefined)[],
): Promise<OpenedBody[]> {
  const { replica, first, entries } = run;
  const scratch = newScratch();
  const bodies: OpenedBody[] = [];
  while (bodies.length < entries.length) {
    const from = bodies.length;
    const some = entries.slice(from, from + openedAtOnce).map((entry, offset) => {
      const index = from + offset;
      const key = keys[index];
      const before = hashes[index - 1] ?? previous;
      const place = { replica, seq: first + index, previous: before };
      return key === undefined ? nothing : openWith(suite, space, key, place, entry, scratch);
    });
    bodies.push(...(await Promise.all(some)));
  }
  return bodies;
}

const nothing: Promise<undefined> = Promise.resolve(undefined);

/** Where nonce and header of one entry after the other are written, since `open` takes them at once. */
interface Scratch {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly aad: Uint8Array<ArrayBuffer>;
}

const newScratch = (): Scratch => ({
  nonce: new Uint8Array(nonceBytes),
  aad: new Uint8Array(headerAadBytes),
});

function openWith(
  suite: Suite,
  space: SpaceTag,
  key: SealingKey,
  { replica, seq, previous }: EntryPlace,
  { epoch, writer, body }: Entry,
  { nonce, aad }: Scratch,
): Promise<OpenedBody> {
  if (body.kind === "hollow") return nothing;
  const bodyLength = body.sealed.length;
  const fields = { suite: suite.id, space, replica, seq, previous, epoch, writer, bodyLength };
  return suite.open(key, countedNonce(seq, nonce), body.sealed, headerAad(fields, aad));
}

function readBody(bytes: OpenedBody, seq: number): Opened {
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
