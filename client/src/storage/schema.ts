/**
 * The schema of a device's IndexedDB database: which object stores there are, and how one version of
 * the app changes what an earlier one left. Every step ever shipped stays in the list, so that a
 * device that was away for years goes through them one by one.
 */
import type { IDBPDatabase, IDBPTransaction } from "idb";

export interface Migration {
  /** The version this step leads to; the one before it in the list is where it starts. */
  readonly version: number;
  /**
   * Runs inside the upgrade's transaction and awaits nothing but that. What it throws leaves the
   * database as it was.
   */
  readonly migrate: (
    database: IDBPDatabase,
    transaction: IDBPTransaction<unknown, string[], "versionchange">,
  ) => void | Promise<void>;
}

/** Ascending. All stores have out-of-line keys; what is in them is told in device/stores.ts. */
export const migrations: readonly Migration[] = [
  {
    version: 1,
    migrate(database) {
      for (const store of version1) database.createObjectStore(store);
    },
  },
  {
    // Snapshots. Heads get a `base`, which those of logs that begin at 1 do without.
    version: 2,
    migrate(database) {
      for (const store of ["blobs", "checkpoints", "pending"]) database.createObjectStore(store);
    },
  },
  {
    // Forks. Heads get a `branch`, which those of logs that are none do without.
    version: 3,
    migrate() {},
  },
  {
    // Second copies of own entries.
    version: 4,
    migrate(database) {
      database.createObjectStore("spares");
    },
  },
];

const version1 = [
  "meta",
  "spaces",
  "leadership",
  "heads",
  "segments",
  "sessions",
  "writers",
  "registers",
  "applied",
  "clocks",
  "channels",
  "messages",
  "documents",
  "tails",
  "snapshots",
  "operations",
  "parked",
  "catalogs",
  "receipts",
  "drafts",
];
