/**
 * What a device keeps of snapshots: its newest checkpoint and the sealed pieces it stands on, so that
 * the next one need not begin at the first entry, and a relay that lost a piece is given it again.
 * Relaxed throughout: whatever is lost here is made or asked for anew.
 */
import type { BlobId, ReplicaId, SpaceTag } from "../../id/id.ts";
import type { Blob } from "../../crypto/sealed-object.ts";
import { beginningWith, partOf } from "../key.ts";
import type { Kv, Writing } from "../kv.ts";
import { stores } from "../stores.ts";
import type { SnapshotBlobs } from "./checkpoint.ts";

/** A snapshot that others can load, with all its pieces here: ours, or one that was taken in. */
export interface HeldSnapshot {
  /** The manifest, encoded (manifest.ts). */
  readonly manifest: Uint8Array;
  /** The pieces of the manifest itself, as it was published. */
  readonly root: readonly BlobId[];
}

/** A row of `checkpoints`. */
interface Row {
  /** The newest manifest that was replayed or taken in here, encoded. */
  readonly checkpoint: Uint8Array | undefined;
  readonly held: HeldSnapshot | undefined;
  /** The snapshot that was taken in on its author's word alone: all that was replayed stands on it. */
  readonly unconfirmed?: Taken | undefined;
}

/** A snapshot that this device has taken in and never replayed. */
export interface Taken {
  /** Canonical (manifest.ts). */
  readonly digest: Uint8Array;
  readonly author: ReplicaId;
}

/** In the transaction that takes a snapshot in: whoever has its state has what the next one goes on from. */
export function putTaken(
  tx: Writing,
  space: SpaceTag,
  held: HeldSnapshot,
  unconfirmed: Taken | undefined,
): void {
  const row: Row = { checkpoint: held.manifest, held, unconfirmed };
  tx.put(stores.checkpoints, space, row);
}

export class SnapshotShelf implements SnapshotBlobs {
  readonly #kv: Kv;
  readonly #space: SpaceTag;

  constructor(kv: Kv, space: SpaceTag) {
    this.#kv = kv;
    this.#space = space;
  }

  async get(id: BlobId): Promise<Uint8Array | undefined> {
    return this.#kv.read([stores.blobs], async (tx) => {
      const bytes = await tx.get(stores.blobs, [this.#space, id]);
      return bytes as Uint8Array | undefined;
    });
  }

  async put(blobs: readonly Blob[]): Promise<void> {
    await this.#kv.write([stores.blobs], "relaxed", async (tx) => {
      for (const { id, bytes } of blobs) tx.put(stores.blobs, [this.#space, id], bytes);
    });
  }

  /** The newest checkpoint's manifest, encoded. */
  async checkpoint(): Promise<Uint8Array | undefined> {
    return (await this.#row())?.checkpoint;
  }

  async held(): Promise<HeldSnapshot | undefined> {
    return (await this.#row())?.held;
  }

  async keep(checkpoint: Uint8Array): Promise<void> {
    await this.#change((row) => ({ held: undefined, ...row, checkpoint }));
  }

  async hold(held: HeldSnapshot): Promise<void> {
    await this.#change((row) => ({ checkpoint: undefined, ...row, held }));
  }

  async unconfirmed(): Promise<Taken | undefined> {
    return (await this.#row())?.unconfirmed;
  }

  /** Somebody else has replayed what was taken in. */
  async confirm(): Promise<void> {
    await this.#change((row) => ({
      checkpoint: undefined,
      held: undefined,
      ...row,
      unconfirmed: undefined,
    }));
  }

  #row(): Promise<Row | undefined> {
    return this.#kv.read(
      [stores.checkpoints],
      async (tx) => (await tx.get(stores.checkpoints, this.#space)) as Row | undefined,
    );
  }

  async #change(change: (row: Row | undefined) => Row): Promise<void> {
    await this.#kv.write([stores.checkpoints], "relaxed", async (tx) => {
      const row = (await tx.get(stores.checkpoints, this.#space)) as Row | undefined;
      tx.put(stores.checkpoints, this.#space, change(row));
    });
  }

  /** Drops every piece that is not one of `needed`; how many there were. */
  async sweep(needed: ReadonlySet<BlobId>): Promise<number> {
    return this.#kv.write([stores.blobs], "relaxed", async (tx) => {
      let dropped = 0;
      // Keys alone would do, but a database gives rows: a few at a time.
      let from: readonly (string | number)[] = [this.#space];
      const { before } = beginningWith(this.#space);
      for (;;) {
        const rows = await tx.range(stores.blobs, { from, before, limit: sweptAtOnce });
        for (const { key } of rows) {
          const id = partOf<BlobId>(key, 1);
          if (needed.has(id)) continue;
          tx.delete(stores.blobs, key);
          dropped++;
        }
        const last = rows.at(-1);
        if (last === undefined || rows.length < sweptAtOnce) return dropped;
        from = [this.#space, `${partOf<BlobId>(last.key, 1)}\0`];
      }
    });
  }
}

const sweptAtOnce = 16;
