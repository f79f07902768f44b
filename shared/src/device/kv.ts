/**
 * The database under a device: ordered key-value stores with transactions. IndexedDB implements it
 * in the browser (client/src/storage), memory in tests, and a model that can lose an unsynced
 * suffix in the simulator, so that all storage logic above it is one and the same code.
 * Cut after Replicache's `kv/store.ts`.
 */

/** Keys order as in IndexedDB: numbers before strings before arrays; arrays element by element. */
export type Key = number | string | readonly (number | string)[];

export type Durability =
  /** Survives a power cut once the transaction resolved (IndexedDB `durability: "strict"`). */
  | "strict"
  /** May be lost with the power, never torn: for what can be derived again. */
  | "relaxed";

export interface Range {
  /** Inclusive. */
  readonly from: Key;
  /** Exclusive. */
  readonly before: Key;
  readonly limit?: number;
  /** Greatest key first. */
  readonly reverse?: boolean;
}

/** What was read is the caller's to read and to put again, not to change. */
export interface Reading {
  get(store: string, key: Key): Promise<unknown>;
  /** Rows in key order (or reversed), at most `limit`. */
  range(
    store: string,
    range: Range,
  ): Promise<readonly { readonly key: Key; readonly value: unknown }[]>;
}

export interface Writing extends Reading {
  /** The value is kept as it is now; of views of larger buffers only their own bytes. */
  put(store: string, key: Key, value: unknown): void;
  delete(store: string, key: Key): void;
  /** Deletes every key of the range. */
  deleteRange(store: string, from: Key, before: Key): void;
}

export interface Kv {
  /**
   * Runs `body` in one transaction over `stores`. The body awaits nothing but the transaction's
   * own reads (an IndexedDB transaction commits itself otherwise). Write transactions over a
   * common store run one after the other, across all tabs. Resolves with the body's value once
   * committed (`strict`: on disk); rejects with `KvFailure` and without effect otherwise.
   */
  read<T>(stores: readonly string[], body: (tx: Reading) => Promise<T>): Promise<T>;
  write<T>(
    stores: readonly string[],
    durability: Durability,
    body: (tx: Writing) => Promise<T>,
  ): Promise<T>;
  close(): void;
}

/** Why a transaction had no effect. */
export class KvFailure extends Error {
  override readonly name = "KvFailure";
  readonly kind: "quota" | "closed" | "failed";
  constructor(kind: KvFailure["kind"], detail: string) {
    super(detail);
    this.kind = kind;
  }
}
