/**
 * From a log's sealed entries to what they say: finds the nonce of each entry's writer session,
 * opens all bodies at once, and keeps the nonces that peer references in them will ask for.
 */
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import type { Keyring } from "../crypto/keyring.ts";
import { openRun } from "../crypto/seal.ts";
import type { EpochId, ReplicaId } from "../id/id.ts";
import { ifBranch } from "../log/branch.ts";
import type { Entry, Run } from "../log/entry.ts";
import type { Plain } from "../log/plain.ts";
import type { OpenedEntry } from "./delivery.ts";
import type { WriterNonces } from "./store.ts";

/** Operations whose payload begins with a peer reference (docs/protocol.md section 4.3). */
const peerKinds: ReadonlySet<number> = new Set([0x20, 0x40]);

/** Consecutive verified entries with the hash before them and their own. */
export interface HashedRun extends Pick<Run, "replica" | "branch" | "first"> {
  readonly entries: readonly Entry[];
  readonly previous: Uint8Array;
  readonly hashes: readonly Uint8Array[];
}

export interface Opening {
  readonly keyring: Keyring;
  /** The nonce of a writer session of long ago, from the store. */
  readonly sessionNonce: (replica: ReplicaId, seq: number) => Promise<Uint8Array | undefined>;
}

export interface OpenedRun {
  /** In order; ends before the first entry whose epoch's key is not known. */
  readonly opened: readonly OpenedEntry[];
  readonly unknownEpoch: EpochId | undefined;
}

/**
 * @param nonces the log's session nonces by the seq that opened them, as far as known; added to.
 */
export async function openEntries(
  opening: Opening,
  run: HashedRun,
  nonces: Map<number, Uint8Array>,
): Promise<OpenedRun> {
  const { replica, first, entries } = run;
  const openedAts = entries.map(({ writer }, index) =>
    writer.kind === "opens" ? first + index : first + index - writer.distance,
  );
  entries.forEach(({ writer }, index) => {
    if (writer.kind === "opens") nonces.set(first + index, writer.nonce.slice());
  });
  for (const seq of new Set(openedAts)) await nonceAt(opening, replica, seq, nonces);

  const results = await openRun(opening.keyring, run, (seq) => nonces.get(seq));
  const opened: OpenedEntry[] = [];
  /** Neighbours mostly refer to their own session alone, and share what they are told of it. */
  const alone = new Map<number, WriterNonces>();
  for (const [index, result] of results.entries()) {
    const seq = first + index;
    const [entry, hash, openedAt] = [entries[index], run.hashes[index], openedAts[index]];
    if (entry === undefined || hash === undefined || openedAt === undefined) {
      throw new Error("a hash for every entry");
    }
    if (result === "unknown epoch") return { opened, unknownEpoch: entry.epoch };
    const plain = typeof result === "string" ? undefined : result;
    const others = peerOrigins(plain, seq).filter((at) => at !== openedAt);
    let own = others.length === 0 ? alone.get(openedAt) : undefined;
    if (own === undefined) {
      own = await noncesAt(opening, replica, [openedAt, ...others], nonces);
      if (others.length === 0) alone.set(openedAt, own);
    }
    opened.push({ replica, seq, hash, plain, nonces: own, openedAt, ...ifBranch(run.branch) });
  }
  return { opened, unknownEpoch: undefined };
}

/** Seqs of the entries that opened the writer sessions which `plain` refers to. */
function peerOrigins(plain: Plain | undefined, seq: number): number[] {
  const origins: number[] = [];
  for (const { kind, payload } of plain?.operations ?? []) {
    if (!peerKinds.has(kind)) continue;
    const distance = decode(payload, (reader) => {
      const value = reader.varint();
      reader.rest();
      return value;
    });
    if (!isMalformed(distance) && distance < seq) origins.push(seq - distance);
  }
  return origins;
}

async function noncesAt(
  opening: Opening,
  replica: ReplicaId,
  seqs: readonly number[],
  nonces: Map<number, Uint8Array>,
): Promise<WriterNonces> {
  const found = new Map<number, Uint8Array>();
  for (const seq of seqs) {
    const nonce = await nonceAt(opening, replica, seq, nonces);
    if (nonce !== undefined) found.set(seq, nonce);
  }
  return found;
}

async function nonceAt(
  opening: Opening,
  replica: ReplicaId,
  seq: number,
  nonces: Map<number, Uint8Array>,
): Promise<Uint8Array | undefined> {
  const known = nonces.get(seq);
  if (known !== undefined || seq < 1) return known;
  const nonce = await opening.sessionNonce(replica, seq);
  if (nonce !== undefined) nonces.set(seq, nonce);
  return nonce;
}
