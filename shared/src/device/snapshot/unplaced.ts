/** What a device that began above a fork does with its logs when a snapshot names the branch. */
import { equalBytes } from "../../bytes/bytes.ts";
import type { ReplicaId } from "../../id/id.ts";
import { signerOf } from "../../log/branch.ts";
import type { LogHead } from "../../log/store.ts";
import type { Manifest, ManifestLog } from "./manifest.ts";

/**
 * Those of the logs `heads` of which nobody can say here which branch they are: the manifest names one
 * that left below where they begin, and that is not held. What it says takes their place.
 */
export function unplaced(
  { logs }: Pick<Manifest, "logs">,
  heads: readonly Pick<LogHead, "replica" | "from" | "branch">[],
): Set<ReplicaId> {
  const held = new Set(heads.map(({ replica }) => replica));
  const found = new Set<ReplicaId>();
  for (const { replica, branch } of logs) {
    if (branch === undefined || held.has(replica)) continue;
    for (const head of heads) {
      if (signerOf(head) === branch.signer && head.from > branch.seq) found.add(head.replica);
    }
  }
  return found;
}

/** The branch that a log is, to its last entry, whatever it is held as. */
export const isBranchOf = (
  { logs }: Pick<Manifest, "logs">,
  head: Pick<LogHead, "replica" | "to" | "hash" | "branch">,
): ManifestLog | undefined =>
  logs.find(
    ({ branch, seq, hash }) =>
      branch?.signer === signerOf(head) && seq === head.to && equalBytes(hash, head.hash),
  );
