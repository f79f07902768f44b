/**
 * A device's database in memory, with the manners of IndexedDB: the same order of keys, transactions
 * that wait for one another where their stores overlap, all or nothing, and values that are not the
 * caller's. Several connections to one `MemoryDisk` are the tabs of one device. It can lose its power:
 * then relaxed transactions since the last strict one may be gone, newest first, never in part.
 */
import { ownCopy } from "./copy.ts";
import { assertKey, compareKeys } from "./key.ts";
import { type Durability, type Key, type Kv, KvFailure, type Range, type Writing } from "./kv.ts";

interface Row {
  readonly key: Key;
  value: unknown;
}

/** What a committed or running transaction changed, to take it back: oldest first. */
type Undo = (() => void)[];

type Mode = "read" | "write";

export class MemoryDisk {
  readonly #rowsByStore: ReadonlyMap<string, SortedRows>;
  /** Running and waiting transactions, in the order they were asked for. */
  readonly #live: Transaction[] = [];
  /** Every part of every stored value: put back, it need not be copied again. */
  readonly #owned = new WeakSet<object>();
  /** Relaxed commits that no strict one has followed, oldest first. Kept only if power may go. */
  readonly #unsynced: Undo[] = [];
  readonly #losesPower: boolean;

  /** `stores` exist from the start, as after an upgrade; a transaction over another is a bug. */
  constructor(stores: readonly string[], options: { readonly losesPower?: boolean } = {}) {
    this.#rowsByStore = new Map(stores.map((store) => [store, new SortedRows()]));
    this.#losesPower = options.losesPower ?? false;
  }

  open(): Kv {
    return new Connection(this);
  }

  /** Relaxed transactions that a power cut could still take. */
  get unsynced(): number {
    return this.#unsynced.length;
  }

  /**
   * Ends all transactions without effect, running or waiting, and takes back the unsynced ones
   * except the first `kept`. Connections stay usable: whoever dies with the power closes theirs.
   */
  cutPower(kept: number): void {
    if (!this.#losesPower)
      throw new Error("made without losesPower: nothing was kept to take back");
    for (const transaction of this.#live.splice(0)) transaction.kill();
    for (const undo of this.#unsynced.splice(kept).reverse()) takeBack(undo);
  }

  async transact<T>(
    mode: Mode,
    stores: readonly string[],
    durability: Durability,
    body: (tx: Writing) => Promise<T>,
  ): Promise<T> {
    const transaction = new Transaction(mode, this.#scope(stores), this.#owned);
    this.#live.push(transaction);
    this.#startWhoCan();
    try {
      await transaction.started;
      const value = await body(transaction);
      transaction.end();
      this.#keepUndo(transaction.undo, durability);
      return value;
    } catch (error) {
      transaction.kill();
      throw error;
    } finally {
      const index = this.#live.indexOf(transaction);
      if (index >= 0) this.#live.splice(index, 1);
      this.#startWhoCan();
    }
  }

  #scope(stores: readonly string[]): ReadonlyMap<string, SortedRows> {
    const scope = new Map<string, SortedRows>();
    for (const store of stores) {
      const rows = this.#rowsByStore.get(store);
      if (rows === undefined) throw new Error(`no store "${store}"`);
      scope.set(store, rows);
    }
    return scope;
  }

  /** A transaction runs once nobody before it, running or waiting, stands in its way. */
  #startWhoCan(): void {
    for (const transaction of this.#live) {
      if (transaction.waits && !this.#isBlocked(transaction)) transaction.start();
    }
  }

  #isBlocked(transaction: Transaction): boolean {
    for (const other of this.#live) {
      if (other === transaction) return false;
      if (other.conflictsWith(transaction)) return true;
    }
    return false;
  }

  #keepUndo(undo: Undo, durability: Durability): void {
    if (!this.#losesPower) return;
    if (durability === "strict") this.#unsynced.length = 0;
    else if (undo.length > 0) this.#unsynced.push(undo);
  }
}

class Connection implements Kv {
  readonly #disk: MemoryDisk;
  #closed = false;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  async read<T>(stores: readonly string[], body: (tx: Writing) => Promise<T>): Promise<T> {
    this.#assertOpen();
    return this.#disk.transact("read", stores, "relaxed", body);
  }

  async write<T>(
    stores: readonly string[],
    durability: Durability,
    body: (tx: Writing) => Promise<T>,
  ): Promise<T> {
    this.#assertOpen();
    return this.#disk.transact("write", stores, durability, body);
  }

  /** What runs or waits is still done, as in IndexedDB. */
  close(): void {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new KvFailure("closed", "the database is closed");
  }
}

type Phase = "waiting" | "running" | "over" | "killed";

class Transaction implements Writing {
  readonly started: Promise<void>;
  readonly undo: Undo = [];
  readonly #mode: Mode;
  readonly #scope: ReadonlyMap<string, SortedRows>;
  readonly #owned: WeakSet<object>;
  readonly #start: PromiseWithResolvers<void>;
  #phase: Phase = "waiting";

  constructor(mode: Mode, scope: ReadonlyMap<string, SortedRows>, owned: WeakSet<object>) {
    this.#mode = mode;
    this.#scope = scope;
    this.#owned = owned;
    this.#start = Promise.withResolvers();
    this.started = this.#start.promise;
  }

  get waits(): boolean {
    return this.#phase === "waiting";
  }

  conflictsWith(other: Transaction): boolean {
    if (this.#mode === "read" && other.#mode === "read") return false;
    for (const store of this.#scope.keys()) if (other.#scope.has(store)) return true;
    return false;
  }

  start(): void {
    if (this.#phase !== "waiting") return;
    this.#phase = "running";
    this.#start.resolve();
  }

  end(): void {
    this.#assertRunning();
    this.#phase = "over";
  }

  /** Takes back what it did, if it is not over; whatever it does from now on fails. */
  kill(): void {
    if (this.#phase === "over" || this.#phase === "killed") return;
    if (this.#phase === "waiting") this.#start.reject(cut());
    this.#phase = "killed";
    takeBack(this.undo);
  }

  async get(store: string, key: Key): Promise<unknown> {
    assertKey(key);
    return this.#rows(store).get(key);
  }

  async range(store: string, range: Range): Promise<readonly { key: Key; value: unknown }[]> {
    return this.#rows(store)
      .page(range)
      .map(({ key, value }) => ({ key, value }));
  }

  put(store: string, key: Key, value: unknown): void {
    assertKey(key);
    const rows = this.#writable(store);
    const kept = copyKey(key);
    const before = rows.put(kept, ownCopy(value, this.#owned));
    this.undo.push(() => (before === undefined ? rows.delete(kept) : rows.put(kept, before.value)));
  }

  delete(store: string, key: Key): void {
    assertKey(key);
    const rows = this.#writable(store);
    const before = rows.delete(key);
    if (before !== undefined) this.undo.push(() => rows.put(before.key, before.value));
  }

  deleteRange(store: string, from: Key, before: Key): void {
    for (const { key } of this.#writable(store).between(from, before)) this.delete(store, key);
  }

  #writable(store: string): SortedRows {
    if (this.#mode === "read") throw new Error("this transaction only reads");
    return this.#rows(store);
  }

  #rows(store: string): SortedRows {
    this.#assertRunning();
    const rows = this.#scope.get(store);
    if (rows === undefined) throw new Error(`store "${store}" is not part of this transaction`);
    return rows;
  }

  #assertRunning(): void {
    if (this.#phase === "killed") throw cut();
    if (this.#phase !== "running") throw new Error("this transaction is over");
  }
}

/** Rows of one store in the order of their keys. */
class SortedRows {
  readonly #rows: Row[] = [];

  get(key: Key): unknown {
    const row = this.#rows[this.#firstFrom(key)];
    return row !== undefined && compareKeys(row.key, key) === 0 ? row.value : undefined;
  }

  /** The row as it was before. */
  put(key: Key, value: unknown): { readonly value: unknown } | undefined {
    const index = this.#firstFrom(key);
    const row = this.#rows[index];
    if (row === undefined || compareKeys(row.key, key) !== 0) {
      this.#rows.splice(index, 0, { key, value });
      return undefined;
    }
    const before = { value: row.value };
    row.value = value;
    return before;
  }

  delete(key: Key): Row | undefined {
    const index = this.#firstFrom(key);
    const row = this.#rows[index];
    if (row === undefined || compareKeys(row.key, key) !== 0) return undefined;
    this.#rows.splice(index, 1);
    return row;
  }

  page({ from, before, reverse, limit }: Range): Row[] {
    const first = this.#firstFrom(from);
    const end = this.#firstFrom(before);
    if (!reverse) return this.#rows.slice(first, Math.min(end, first + (limit ?? end)));
    return this.#rows.slice(Math.max(first, end - (limit ?? end)), end).reverse();
  }

  between(from: Key, before: Key): Row[] {
    return this.#rows.slice(this.#firstFrom(from), this.#firstFrom(before));
  }

  /** Index of the first row whose key is not before `key`. */
  #firstFrom(key: Key): number {
    assertKey(key);
    const last = this.#rows[this.#rows.length - 1];
    if (last === undefined || compareKeys(last.key, key) < 0) return this.#rows.length;
    let low = 0;
    let high = this.#rows.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#rows[middle] ?? last;
      if (compareKeys(row.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const cut = () => new KvFailure("closed", "the power was cut");

function takeBack(undo: Undo): void {
  for (const step of undo.reverse()) step();
}

const copyKey = (key: Key): Key => (typeof key === "object" ? [...key] : key);
