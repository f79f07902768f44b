/**
 * The device's database in the browser: `Kv` over IndexedDB. It says with every transaction how
 * durable it must be, tells quota from other failures, and makes way for a newer version of the app
 * at once, so that no tab is ever stuck behind another.
 *
 * The trap of IndexedDB is that a transaction commits itself as soon as nothing is asked of it: a
 * body that awaits anything but the transaction's own reads finds it over.
 */
import { type IDBPDatabase, type IDBPTransaction, openDB } from "idb";
import { tightened } from "@skein/shared/device/copy.ts";
import { compareKeys } from "@skein/shared/device/key.ts";
import {
  type Durability,
  type Key,
  type Kv,
  KvFailure,
  type Range,
  type Reading,
  type Writing,
} from "@skein/shared/device/kv.ts";
import { type Migration, migrations } from "./schema.ts";

/** Why an open database ended although nobody here closed it. */
export type DatabaseEnd =
  /** Another tab runs a newer version of the app and upgrades: this one must be reloaded. */
  | "outdated"
  /** The device's data is being erased, by another tab or on the person's demand. */
  | "erased"
  /** The browser took the connection away: the disk failed, or the site's data was cleared. */
  | "lost";

export type Opening =
  | { readonly kind: "open"; readonly kv: Kv }
  /** A newer version of the app has written it: this one must be reloaded. */
  | { readonly kind: "outdated"; readonly detail: string }
  | { readonly kind: "full"; readonly detail: string }
  /** A browser, or a private window, that lets nothing be stored, or a database that is broken. */
  | { readonly kind: "unavailable"; readonly detail: string };

export interface OpeningOptions {
  readonly name: string;
  /** Called at most once. All transactions fail as `closed` from then on. */
  readonly onEnd: (end: DatabaseEnd) => void;
  /**
   * Another tab holds an older version open and does not let go, since it is frozen or too old to
   * know how. The opening goes on by itself when that tab is closed.
   */
  readonly onBlocked: () => void;
  /** Other than the app's own only in tests. */
  readonly migrations?: readonly Migration[];
}

/** `?replica=b` is a whole device of its own in the same browser. */
export const databaseName = (replica: string | undefined): string =>
  replica === undefined ? "skein" : `skein-${replica}`;

export async function openIdbKv(options: OpeningOptions): Promise<Opening> {
  const steps = options.migrations ?? migrations;
  const version = steps[steps.length - 1]?.version ?? 1;
  let ended = false;
  const end = (database: IDBPDatabase | undefined, reason: DatabaseEnd) => {
    database?.close();
    if (ended) return;
    ended = true;
    options.onEnd(reason);
  };
  let migrationFailure: unknown;
  let database: IDBPDatabase | undefined;
  try {
    database = await openDB(options.name, version, {
      upgrade(upgraded, oldVersion, _newVersion, transaction) {
        migrate(steps, oldVersion, upgraded, transaction).catch((error: unknown) => {
          migrationFailure = error;
          transaction.abort();
        });
        // That it was aborted is told by the opening, too.
        transaction.done.catch(() => undefined);
      },
      blocked: options.onBlocked,
      blocking: (_current, wanted) => end(database, wanted === null ? "erased" : "outdated"),
      terminated: () => end(database, "lost"),
    });
  } catch (error) {
    return refused(migrationFailure ?? error);
  }
  return { kind: "open", kv: new IdbKv(database) };
}

async function migrate(
  steps: readonly Migration[],
  oldVersion: number,
  database: IDBPDatabase,
  transaction: IDBPTransaction<unknown, string[], "versionchange">,
): Promise<void> {
  for (const step of steps) {
    if (step.version > oldVersion) await step.migrate(database, transaction);
  }
}

function refused(error: unknown): Opening {
  const detail = String(error);
  switch (nameOf(error)) {
    case "VersionError":
      return { kind: "outdated", detail };
    case "QuotaExceededError":
      return { kind: "full", detail };
    default:
      return { kind: "unavailable", detail };
  }
}

type Transaction = IDBPTransaction<unknown, string[], "readonly" | "readwrite">;
type Objects = ReturnType<Transaction["objectStore"]>;

class IdbKv implements Kv {
  readonly #database: IDBPDatabase;

  constructor(database: IDBPDatabase) {
    this.#database = database;
  }

  async read<T>(stores: readonly string[], body: (tx: Reading) => Promise<T>): Promise<T> {
    return run(() => this.#database.transaction([...stores], "readonly"), body);
  }

  async write<T>(
    stores: readonly string[],
    durability: Durability,
    body: (tx: Writing) => Promise<T>,
  ): Promise<T> {
    return run(() => this.#database.transaction([...stores], "readwrite", { durability }), body);
  }

  /** Transactions that were begun are still done. */
  close(): void {
    this.#database.close();
  }
}

/** `begin` is called before anything is awaited: the order of calls is the order of effects. */
async function run<T>(begin: () => Transaction, body: (tx: Writing) => Promise<T>): Promise<T> {
  let transaction: Transaction;
  try {
    transaction = begin();
  } catch (error) {
    if (nameOf(error) !== "InvalidStateError") throw error;
    throw new KvFailure("closed", `the database is closed: ${String(error)}`);
  }
  const access = new Access(transaction);
  const settled = transaction.done.then(
    () => undefined,
    // idb rejects with an `AbortError` before the transaction knows which request it failed of.
    (error: unknown) => failureOf(access.failure ?? error),
  );
  let value: T;
  try {
    value = await body(access);
    access.commit();
  } catch (error) {
    // A body that failed because its transaction had is not at fault. Aborting fails the rest.
    const cause: unknown = access.failure ?? transaction.error;
    abort(transaction);
    await settled;
    throw cause === null ? error : failureOf(cause);
  }
  const failure = await settled;
  if (failure !== undefined) throw failure;
  return value;
}

class Access implements Writing {
  /** Why the first request that failed did. */
  failure: unknown;
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  async get(store: string, key: Key): Promise<unknown> {
    return this.#noting(this.#transaction.objectStore(store).get(key as IDBValidKey));
  }

  async range(
    store: string,
    range: Range,
  ): Promise<readonly { readonly key: Key; readonly value: unknown }[]> {
    const bounds = boundsOf(range.from, range.before);
    // As a count, 0 would mean all of them.
    if (bounds === undefined || range.limit === 0) return [];
    const objects = this.#transaction.objectStore(store);
    if (range.reverse === true && range.limit !== undefined) {
      const rows: { key: Key; value: unknown }[] = [];
      let cursor = await this.#noting(objects.openCursor(bounds, "prev"));
      while (cursor !== null) {
        rows.push({ key: cursor.key as Key, value: cursor.value });
        if (rows.length === range.limit) break;
        cursor = await this.#noting(cursor.continue());
      }
      return rows;
    }
    const [keys, values] = await Promise.all([
      this.#noting(objects.getAllKeys(bounds, range.limit)),
      this.#noting(objects.getAll(bounds, range.limit)),
    ]);
    const rows = values.map((value: unknown, index) => ({ key: keys[index] as Key, value }));
    return range.reverse === true ? rows.reverse() : rows;
  }

  put(store: string, key: Key, value: unknown): void {
    this.#request(store, (objects) => objects.put?.(tightened(value), key as IDBValidKey));
  }

  delete(store: string, key: Key): void {
    this.#request(store, (objects) => objects.delete?.(key as IDBValidKey));
  }

  deleteRange(store: string, from: Key, before: Key): void {
    const bounds = boundsOf(from, before);
    if (bounds !== undefined) this.#request(store, (objects) => objects.delete?.(bounds));
  }

  /** Saves the round trip after which the transaction would find that nothing more is asked. */
  commit(): void {
    try {
      this.#transaction.commit();
    } catch (error) {
      // Without a request it has committed itself already.
      if (nameOf(error) !== "InvalidStateError") throw error;
    }
  }

  /** What cannot even be asked (a wrong store, key or value) throws here: that is a bug. */
  #request(store: string, ask: (objects: Objects) => Promise<unknown> | undefined): void {
    const request = ask(this.#transaction.objectStore(store));
    if (request !== undefined) void this.#noting(request).catch(() => undefined);
  }

  async #noting<T>(request: Promise<T>): Promise<T> {
    try {
      return await request;
    } catch (error) {
      this.failure ??= error;
      throw error;
    }
  }
}

/** Undefined where no key can be, which IndexedDB would refuse. */
function boundsOf(from: Key, before: Key): IDBKeyRange | undefined {
  if (compareKeys(from, before) >= 0) return undefined;
  return IDBKeyRange.bound(from, before, false, true);
}

function abort(transaction: Transaction): void {
  try {
    transaction.abort();
  } catch {
    // It is over already, by an error of its own.
  }
}

const failureOf = (error: unknown): KvFailure =>
  new KvFailure(nameOf(error) === "QuotaExceededError" ? "quota" : "failed", String(error));

const nameOf = (error: unknown): string =>
  error instanceof DOMException || error instanceof Error ? error.name : "";
