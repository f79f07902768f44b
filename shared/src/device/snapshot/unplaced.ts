/** What a device that began above a fork does with its logs when a snapshot names the branch. */
import type { ReplicaId } from "../../id/id.ts";
import { signerOf } from "../../log/branch.ts";
import type { LogHead } from "../../log/store.ts";
import type { Manifest } from "./manifest.ts";

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
