/** Which log a branch left: its past, and the writer sessions that it goes on with. */
import { equalBytes } from "../bytes/bytes.ts";
import type { ReplicaId } from "../id/id.ts";
import { ownFirst } from "../log/branch.ts";
import type { LogHead } from "../log/store.ts";

type Hashes = (replica: ReplicaId, first: number, last: number) => Promise<readonly Uint8Array[]>;

/**
 * The log of the same key that has the entry before `seq`, a branch's own first, as its own. Where a
 * snapshot has that entry and no hash of it is here, the only log that can have it; undefined where it is
 * not held yet. Rejects with `DamagedEntries` where that cannot be read.
 * @param kin the logs of its key.
 */
export async function parentOf(
  branch: ReplicaId,
  seq: number,
  kin: Iterable<LogHead>,
  hashes: Hashes,
): Promise<ReplicaId | undefined> {
  const [own] = await hashes(branch, seq - 1, seq - 1);
  if (own === undefined) return undefined;
  const untold: ReplicaId[] = [];
  for (const head of kin) {
    if (head.replica === branch || ownFirst(head.branch) >= seq) continue;
    const [hash] = await hashes(head.replica, seq - 1, seq - 1);
    if (hash !== undefined && equalBytes(hash, own)) return head.replica;
    if (hash === undefined && head.from > seq - 1) untold.push(head.replica);
  }
  return untold.length === 1 ? untold[0] : undefined;
}
