/**
 * Snapshots in a small world: made after a few entries, by devices that come and go, of notes of an
 * engine that nobody has; and what watches them. One device opens its first tab late, when there is
 * something to come in by, and an owner orders relays to let go.
 */
import { fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { snapshotEngines } from "@skein/shared/device/snapshot/engines.ts";
import type { SnapshotEngines } from "@skein/shared/device/snapshot/checkpoint.ts";
import type { SnapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import type { Operation } from "@skein/shared/device/store.ts";
import type { UpkeepHost } from "@skein/shared/device/snapshot/upkeep.ts";
import {
  encodeTruncation,
  truncationLabel,
  truncationStatement,
} from "@skein/shared/log/truncation.ts";
import type { SnapshotOptions } from "../support/party.ts";
import { catalog } from "./books.ts";
import type { Ground } from "./ground.ts";
import type { Options } from "./options.ts";

/**
 * What an owner lets go of stays that long at a relay of this world. Where logs may fork it stays for good:
 * a fork is found within the month that relays wait, and below where logs begin nobody can look for one.
 */
export const retentionMs = ({ forks }: Options): number => (forks ? month : 1_500);
const month = 30 * 86_400_000;
/** Blobs of which nobody speaks. */
export const leaseMs = 60_000;

const policy: SnapshotPolicy = {
  worthEntries: 5,
  decideWithinMs: 1_000,
  idleAfterMs: 0,
  publishEntries: 6,
  spreadMs: 300,
  stepEntries: 4,
  witnesses: 2,
  replayEntriesMax: 10_000,
  renewEveryMs: 60_000,
  truncateEntries: 6,
  againAfterMs: 1_000,
};

/** How a tab of this device takes part. The first device is the owner's. */
export const snapshotsOf = (ground: Ground, device: number): SnapshotOptions => ({
  policy,
  engines: async () => engines(ground),
  cutLimits: { messagesMin: 2, messagesMax: 6, textUnitsMax: 200, boundaryMask: 1 },
  isOwner: device === 0,
  // No tab here remembers how far others had its log: in the place of own entries nothing is taken in.
  ...(ground.options.forks && { ownStoredTo: 0 }),
});

const engines = (ground: Ground): SnapshotEngines =>
  ground.options.documents ? snapshotEngines(ground.suite, catalog) : opaqueEngine(ground);

/** The state of a document is which updates it has had; of branches of a log two may have one id. */
const opaqueEngine = ({ suite }: Ground): SnapshotEngines => ({
  async advance(_document, snapshot, updates) {
    const known =
      snapshot === undefined ? [] : (JSON.parse(new TextDecoder().decode(snapshot)) as string[]);
    const named = updates.map(({ id: { replica, seq, index }, kind, payload }) =>
      [replica, seq, index, kind, toHex(payload)].join(":"),
    );
    const all = [...known, ...named].sort();
    if (new Set(all).size < all.length) throw new Error("an update was replayed twice");
    const bytes = new TextEncoder().encode(JSON.stringify(all));
    return { bytes, digest: suite.hash("sim/engine", bytes) };
  },
});

/** The updates in a snapshot of the opaque engine. */
export function updatesIn(snapshot: Uint8Array): Operation[] {
  const named = JSON.parse(new TextDecoder().decode(snapshot)) as string[];
  return named.map((name) => {
    const [kind, payload] = name.split(":").slice(3);
    return { kind: Number(kind), payload: fromHex(payload ?? "") };
  });
}

/** Signs an owner's order. */
export async function signedOrder(
  { suite, space }: Ground,
  ...[number, snapshot, rows]: Parameters<UpkeepHost["order"]>
): Promise<Uint8Array> {
  const { secret } = await suite.signingPairFromSeed(space.seeds.admin);
  const statement = { suite: suite.id, space: space.tag, number, snapshot, rows };
  const signature = await suite.sign(secret, truncationLabel, truncationStatement(statement));
  return encodeTruncation({ ...statement, signature });
}
