/** What the next own entry of a log must be built on, beside its head. */
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import type { LogHead } from "../log/store.ts";
import { beginningWith } from "./key.ts";
import type { Reading, Writing } from "./kv.ts";
import { stores } from "./stores.ts";

/** A row of `writers`. */
export interface WriterRow {
  readonly lamport: number;
  readonly named: ReadonlyMap<ReplicaId, number>;
  /** The log has forked: own entries go on in that branch. */
  readonly next?: ReplicaId;
}

export const writerRow = async (
  tx: Reading,
  space: SpaceTag,
  replica: ReplicaId,
): Promise<WriterRow | undefined> =>
  (await tx.get(stores.writers, [space, replica])) as WriterRow | undefined;

/** What own entries named of the log was its branch: of what stands there now they have named nothing. */
export async function forgetNamed(tx: Writing, space: SpaceTag, replica: ReplicaId): Promise<void> {
  for (const { key, value } of await tx.range(stores.writers, beginningWith(space))) {
    const row = value as WriterRow;
    const named = new Map(row.named);
    if (named.delete(replica)) tx.put(stores.writers, key, { ...row, named });
  }
}

/** What this device appended to the log is the branch now, and so is what it appends next. */
export async function goOnIn(
  tx: Writing,
  space: SpaceTag,
  replica: ReplicaId,
  branch: Pick<LogHead, "replica" | "to">,
): Promise<void> {
  const held = await writerRow(tx, space, replica);
  const { lamport, named } = held ?? { lamport: 0, named: new Map<ReplicaId, number>() };
  const left: WriterRow = { lamport, named, next: branch.replica };
  const grown: WriterRow = { lamport, named: new Map([...named, [branch.replica, branch.to]]) };
  tx.put(stores.writers, [space, replica], left);
  tx.put(stores.writers, [space, branch.replica], grown);
}
