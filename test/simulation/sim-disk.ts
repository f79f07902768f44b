/**
 * A device's database: slow, sometimes full, and forgetful when the power goes; it can be put back as
 * it was. It keeps a ledger of what would survive a power cut, made from the transactions themselves
 * and not from what anybody says about them, and shows every commit to the books.
 */
import { seqOf } from "@skein/shared/clock/version-vector.ts";
import {
  type Durability,
  type Key,
  type Kv,
  KvFailure,
  type Reading,
  type Writing,
} from "@skein/shared/device/kv.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { deviceStores, stores } from "@skein/shared/device/stores.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import type { Actor } from "./actor.ts";
import type { Ground } from "./ground.ts";

/** What a transaction put, of the stores that are watched. */
export type Commit = readonly {
  readonly store: string;
  readonly key: Key;
  readonly value: unknown;
}[];

/** All rows of all stores at some moment. What is stored is never changed, so they need no copying. */
export type DiskCopy = readonly Commit[number][];

const watched: ReadonlySet<string> = new Set([
  stores.heads,
  stores.applied,
  stores.channels,
  stores.documents,
  stores.pending,
  stores.parked,
]);

export class SimDisk {
  full = false;
  /** Entries that a power cut now would leave: greatest seq by log. */
  readonly durable = new Map<ReplicaId, number>();
  /** The same without what was lost when the profile was put back. */
  readonly durableEver = new Map<ReplicaId, number>();
  readonly #ground: Ground;
  readonly #onCommit: (commit: Commit) => void;
  #disk = newDisk();
  /** Heads that were written relaxed, after which nothing strict was. */
  readonly #unsynced = new Map<ReplicaId, number>();

  constructor(ground: Ground, onCommit: (commit: Commit) => void) {
    this.#ground = ground;
    this.#onCommit = onCommit;
  }

  /** A tab's connection: it stops with the tab. */
  open(actor: Actor): Kv {
    const ground = this.#ground;
    const inner = this.#disk.open();
    const pause = (): Promise<void> => ground.pause(actor, ground.options.diskMsMax);
    return {
      read: async <T>(names: readonly string[], body: (tx: Reading) => Promise<T>): Promise<T> => {
        await pause();
        const value = await inner.read(names, body);
        await pause();
        return value;
      },
      write: async <T>(
        names: readonly string[],
        durability: Durability,
        body: (tx: Writing) => Promise<T>,
      ): Promise<T> => {
        await pause();
        const commit: Commit[number][] = [];
        const value = await inner.write(names, durability, async (tx) => {
          this.#mayBeFull();
          const result = await body(watching(tx, commit));
          this.#mayBeFull();
          return result;
        });
        this.#committed(durability, commit);
        await pause();
        return value;
      },
      close: () => inner.close(),
    };
  }

  /** To look at it from outside the simulation: at once, and nobody notices. */
  inspect(): Kv {
    return this.#disk.open();
  }

  async copy(): Promise<DiskCopy> {
    return this.inspect().read(deviceStores, async (tx) => {
      const copy: Commit[number][] = [];
      for (const store of deviceStores) {
        for (const row of await tx.range(store, everyKey)) copy.push({ store, ...row });
      }
      return copy;
    });
  }

  /** Whoever had it open is dead. */
  async restore(copy: DiskCopy): Promise<void> {
    this.#disk = newDisk();
    this.#unsynced.clear();
    this.durable.clear();
    await this.inspect().write(deviceStores, "strict", async (tx) => {
      for (const { store, key, value } of copy) tx.put(store, key, value);
    });
    for (const [replica, to] of headsIn(copy)) this.durable.set(replica, to);
  }

  cutPower(): void {
    this.#unsynced.clear();
    this.#disk.cutPower(this.#ground.dice.between(0, this.#disk.unsynced));
  }

  /** When the disk is full some writes still fit. A refused one leaves nothing behind. */
  #mayBeFull(): void {
    if (!this.full || this.#ground.dice.chance(0.7)) return;
    this.#ground.fire("refused write");
    throw new KvFailure("quota", "no room");
  }

  #committed(durability: Durability, commit: Commit): void {
    for (const [replica, to] of headsIn(commit)) this.#unsynced.set(replica, to);
    if (durability === "strict") {
      for (const [replica, to] of this.#unsynced) {
        this.durable.set(replica, to);
        if (seqOf(this.durableEver, replica) < to) this.durableEver.set(replica, to);
      }
      this.#unsynced.clear();
    }
    if (commit.length > 0) this.#onCommit(commit);
  }
}

const newDisk = (): MemoryDisk => new MemoryDisk(deviceStores, { losesPower: true });

/** Numbers come first, arrays last. */
const everyKey = { from: Number.NEGATIVE_INFINITY, before: ["\uffff"] } as const;

function* headsIn(commit: Commit): Generator<readonly [ReplicaId, number]> {
  for (const { store, key, value } of commit) {
    if (store !== stores.heads) continue;
    yield [(key as readonly string[])[1] as ReplicaId, (value as { to: number }).to];
  }
}

/** In the place of a row: all rows of the store are gone, as a snapshot that is taken in begins. */
export const cleared = "cleared";

function watching(tx: Writing, commit: Commit[number][]): Writing {
  return {
    get: (store, key) => tx.get(store, key),
    range: (store, range) => tx.range(store, range),
    put: (store, key, value) => {
      if (watched.has(store)) commit.push({ store, key, value });
      tx.put(store, key, value);
    },
    delete: (store, key) => {
      if (store === stores.pending || store === stores.parked) {
        commit.push({ store, key, value: undefined });
      }
      tx.delete(store, key);
    },
    deleteRange: (store, from, before) => {
      if (store === stores.pending) commit.push({ store, key: from, value: cleared });
      tx.deleteRange(store, from, before);
    },
  };
}
