/**
 * Opening the database file: locked against a second relay, of the right kind and version, migrated
 * and set up so that a commit is on the disk before it is reported (WAL with `synchronous=FULL`).
 * What can go wrong here goes wrong for the person who starts a relay, so every refusal is a
 * sentence that says what to do.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface OpenedFile {
  readonly database: DatabaseSync;
  readonly close: () => void;
}

/** Why the file cannot be used, in words for whoever starts the relay. */
export class StoreRefused extends Error {
  override readonly name = "StoreRefused";
}

/** "Skei", in the header of every database of ours: tells a foreign file. */
const applicationId = 0x53_6b_65_69;

/** Script n leads from version n to n + 1. Never changed after a release, only continued. */
const migrations: readonly string[] = [
  `CREATE TABLE spaces (
     id INTEGER PRIMARY KEY,
     tag BLOB NOT NULL UNIQUE,
     certificate_n INTEGER,
     certificate BLOB,
     certificate_hash BLOB,
     bytes INTEGER NOT NULL DEFAULT 0,
     entries INTEGER NOT NULL DEFAULT 0,
     register_bytes INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE TABLE logs (
     id INTEGER PRIMARY KEY,
     space INTEGER NOT NULL REFERENCES spaces,
     replica BLOB NOT NULL,
     public_key BLOB NOT NULL,
     first INTEGER NOT NULL,
     last INTEGER NOT NULL,
     hash BLOB NOT NULL,
     UNIQUE (space, replica)
   ) STRICT;
   CREATE TABLE runs (
     id INTEGER PRIMARY KEY,
     log INTEGER NOT NULL REFERENCES logs,
     first INTEGER NOT NULL,
     last INTEGER NOT NULL,
     body_bytes INTEGER NOT NULL,
     items BLOB NOT NULL,
     hashes BLOB NOT NULL,
     signature BLOB NOT NULL,
     UNIQUE (log, last)
   ) STRICT;
   CREATE TABLE registers (
     id INTEGER PRIMARY KEY,
     space INTEGER NOT NULL REFERENCES spaces,
     replica BLOB NOT NULL,
     name BLOB NOT NULL,
     public_key BLOB NOT NULL,
     number INTEGER NOT NULL,
     body_hash BLOB NOT NULL,
     bytes BLOB NOT NULL,
     UNIQUE (space, replica, name)
   ) STRICT;
   CREATE TABLE invites (
     id INTEGER PRIMARY KEY,
     code_hash BLOB NOT NULL UNIQUE,
     space INTEGER NOT NULL REFERENCES spaces,
     expires_ms INTEGER NOT NULL,
     uses INTEGER NOT NULL,
     used INTEGER NOT NULL DEFAULT 0,
     revoked INTEGER NOT NULL DEFAULT 0,
     preview BLOB NOT NULL,
     keys BLOB NOT NULL
   ) STRICT;
   CREATE INDEX invites_by_space ON invites (space);`,
  // Logs that begin after a base: the hash of the entry before `first`.
  `ALTER TABLE logs ADD COLUMN base BLOB NOT NULL DEFAULT x'${"00".repeat(32)}';`,
  `CREATE TABLE blobs (
     id INTEGER PRIMARY KEY,
     space INTEGER NOT NULL REFERENCES spaces,
     blob BLOB NOT NULL,
     until_ms INTEGER NOT NULL,
     bytes BLOB NOT NULL,
     UNIQUE (space, blob)
   ) STRICT;
   CREATE INDEX blobs_by_lease ON blobs (until_ms);
   CREATE TABLE orders (
     space INTEGER PRIMARY KEY REFERENCES spaces,
     number INTEGER NOT NULL,
     due_ms INTEGER NOT NULL,
     done INTEGER NOT NULL,
     bytes BLOB NOT NULL
   ) STRICT;
   CREATE INDEX orders_by_due ON orders (due_ms) WHERE done = 0;`,
  // Branches of logs that have forked: all three or none.
  `ALTER TABLE logs ADD COLUMN branch_signer BLOB;
   ALTER TABLE logs ADD COLUMN branch_seq INTEGER;
   ALTER TABLE logs ADD COLUMN branch_hash BLOB;`,
];

/** A program that backs the file up may hold a lock for a moment. */
const busyTimeoutMs = 5_000;

/** Opens or makes the store in `folder`. Throws `StoreRefused`. */
export function openFile(folder: string): OpenedFile {
  makeFolder(folder);
  const lock = lockFolder(folder);
  const path = join(folder, "skein.db");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    check(database, path);
    prepare(database);
    migrate(database);
  } catch (error) {
    database?.close();
    lock.close();
    throw error instanceof StoreRefused ? error : new StoreRefused(explain(error, path));
  }
  const opened = database;
  return {
    database: opened,
    close: () => {
      opened.close();
      lock.close();
    },
  };
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StoreRefused(explain(error, folder));
  }
}

/**
 * Two relays on one file would each believe in their own counters and heads. The lock is an open
 * transaction on a file of its own: the system lets go of it when the process dies, however it
 * dies, and the database itself stays readable for backups.
 */
function lockFolder(folder: string): DatabaseSync {
  const path = join(folder, "skein.lock");
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(path, { timeout: 0 });
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    if (sqliteCode(error) === sqliteCodes.busy) {
      throw new StoreRefused(
        `Another relay is using ${folder}. Stop it first, or give this one a folder of its own ` +
          `with SKEIN_DATA.`,
      );
    }
    throw new StoreRefused(explain(error, path));
  }
}

function check(database: DatabaseSync, path: string): void {
  const id = pragma(database, "application_id");
  const version = pragma(database, "user_version");
  const tables = database.prepare("SELECT count(*) AS count FROM sqlite_schema").get();
  const isEmpty = tables?.["count"] === 0;
  if (isEmpty && id === 0 && version === 0) return;
  if (id !== applicationId) {
    throw new StoreRefused(
      `${path} is a database of another program. Give Skein a folder of its own with SKEIN_DATA.`,
    );
  }
  if (version > migrations.length) {
    throw new StoreRefused(
      `${path} was written by a newer Skein (its format is ${version}, this version reads up to ` +
        `${migrations.length}). Update Skein, or use another folder with SKEIN_DATA.`,
    );
  }
}

function prepare(database: DatabaseSync): void {
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  // After a burst the log shrinks to this again.
  database.exec("PRAGMA journal_size_limit = 67108864");
  database.exec("PRAGMA cache_size = -32768");
}

function migrate(database: DatabaseSync): void {
  for (let version = pragma(database, "user_version"); version < migrations.length; version++) {
    database.exec("BEGIN IMMEDIATE");
    database.exec(migrations[version] ?? "");
    database.exec(`PRAGMA application_id = ${applicationId}`);
    database.exec(`PRAGMA user_version = ${version + 1}`);
    database.exec("COMMIT");
  }
}

function pragma(database: DatabaseSync, name: "application_id" | "user_version"): number {
  const value = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (typeof value !== "number") throw new Error(`PRAGMA ${name} answered ${String(value)}`);
  return value;
}

const sqliteCodes = {
  busy: 5,
  readOnly: 8,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
};

/** SQLite's primary result code of an error, if it is one of SQLite's. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

function explain(error: unknown, path: string): string {
  const what = error instanceof Error ? error.message : String(error);
  const systemCode = error instanceof Error && "code" in error ? error.code : undefined;
  const code = sqliteCode(error);
  if (code === sqliteCodes.notADatabase || code === sqliteCodes.corrupt) {
    return (
      `${path} is damaged or not a database (${what}). Move it away and restore a backup; without ` +
      `one, a new file is made and devices upload again what they hold.`
    );
  }
  if (code === sqliteCodes.full || systemCode === "ENOSPC") {
    return `The disk with ${path} is full. Make room and start again.`;
  }
  if (code === sqliteCodes.busy) {
    return `${path} is locked by another program. Close it and start again.`;
  }
  const mayNotWrite =
    code === sqliteCodes.readOnly ||
    code === sqliteCodes.cannotOpen ||
    systemCode === "EACCES" ||
    systemCode === "EROFS" ||
    systemCode === "EPERM";
  if (mayNotWrite) {
    return (
      `Skein cannot write to ${path} (${what}). Let the user who runs it write there, or choose ` +
      `another folder with SKEIN_DATA.`
    );
  }
  if (systemCode === "ENOTDIR" || systemCode === "EEXIST") {
    return `${path} is not a folder (${what}). Choose another with SKEIN_DATA.`;
  }
  return `${path} cannot be opened: ${what}.`;
}
