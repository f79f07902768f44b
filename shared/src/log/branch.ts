/**
 * Where a log has forked: two entries stand at one seq, both signed by the replica's key, because a
 * copy of a device went on writing or an old backup of it did. Both branches are kept. The one whose
 * first entry has the smaller hash stays the log of the replica; the other goes on as a log under an
 * id of its own, which follows from that entry, so that everybody comes to the same id alone.
 *
 * A branch may begin with entries that both have in common: a run can be cut only at its signature.
 * They do nothing there.
 */
import { bytesOfId, idBytes, replicaId, type ReplicaId } from "../id/id.ts";
import { publicKeyBytes, replicaIdOf } from "./replica-key.ts";
import { compareBytes, equalBytes } from "../bytes/bytes.ts";
import type { VerifyingSuite } from "./suite.ts";

/** How a log that is a branch is told from the one that it left. */
export interface Branch {
  /** Whose key signs it; its headers name this id, and not the branch's. */
  readonly signer: ReplicaId;
  /** Where the two differ first, at least 1. */
  readonly seq: number;
  /** The branch's own entry there. */
  readonly hash: Uint8Array;
}

/** A branch as it is held. */
export interface HeldBranch extends Branch {
  /** Hash of the entry before the first that is held; zeros before seq 1. */
  readonly base: Uint8Array;
}

const branchLabel = "skein/fork";

/** Under which id a branch goes on: `H("skein/fork", signer ‖ hash)[:16]`. */
export const branchIdOf = (
  suite: VerifyingSuite,
  { signer, hash }: Pick<Branch, "signer" | "hash">,
): ReplicaId =>
  replicaId(suite.hash(branchLabel, bytesOfId(signer), hash).subarray(0, idBytes.replica));

/** Of two entries at one seq, whether this one stays in the log of its replica. */
export const staysInLog = (hash: Uint8Array, other: Uint8Array): boolean =>
  compareBytes(hash, other) < 0;

/** Whose key signs a log, and whom its headers name. */
export const signerOf = ({
  replica,
  branch,
}: {
  readonly replica: ReplicaId;
  readonly branch?: Branch;
}): ReplicaId => branch?.signer ?? replica;

/** Whether a log of that id is signed by that key. */
export function isKeyOf(
  suite: VerifyingSuite,
  replica: ReplicaId,
  branch: Branch | undefined,
  publicKey: Uint8Array,
): boolean {
  if (publicKey.length !== publicKeyBytes) return false;
  const signer = replicaIdOf(suite, publicKey);
  if (branch === undefined) return signer === replica;
  return signer === branch.signer && branchIdOf(suite, branch) === replica;
}

/** Whether the entry that names the branch is among those of the run, at its seq. */
export function holdsItsFirst(
  branch: Branch,
  first: number,
  hashes: readonly Uint8Array[],
): boolean {
  const hash = hashes[branch.seq - first];
  return hash !== undefined && equalBytes(hash, branch.hash);
}

/** For rows and runs: the branch, if it is one. */
export const ifBranch = (branch: Branch | undefined): { readonly branch?: Branch } => {
  if (branch === undefined) return {};
  const { signer, seq, hash } = branch;
  return { branch: { signer, seq, hash } };
};

/** The first entry that is a log's own: without it a branch says nothing of itself. */
export const ownFirst = (branch: { readonly seq: number } | undefined): number => branch?.seq ?? 1;

/** For heads. */
export const ifHeldBranch = (
  branch: Branch | undefined,
  base: Uint8Array,
): { readonly branch?: HeldBranch } => {
  if (branch === undefined) return {};
  const { signer, seq, hash } = branch;
  return { branch: { signer, seq, hash, base } };
};

/**
 * The seq after which a log of which nothing is held begins with that run: 0, but a branch may begin
 * anywhere up to its own first entry.
 */
export const beginsAfter = ({
  first,
  branch,
}: {
  readonly first: number;
  readonly branch?: { readonly seq: number } | undefined;
}): number => (branch !== undefined && first <= branch.seq ? first - 1 : 0);
