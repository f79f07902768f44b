/**
 * What one or several relays stand on: a store in memory. What it was really given is written down
 * beside it, to know what it holds and to give it again to one that is restored from a backup.
 */
import type { BlobId, ReplicaId } from "@skein/shared/id/id.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import type { RelayStore } from "../../server/src/store/store.ts";
import type { Ground } from "./ground.ts";
import { SimBusHub } from "./sim-bus.ts";

export class SimStore {
  disk = new MemoryRelayStore();
  readonly bus: SimBusHub;
  /** Several relays use it. */
  readonly isShared: boolean;
  /** What would survive a power cut now: greatest seq by log. */
  durable: Map<ReplicaId, number> = new Map();
  /** How often it was put back, and what it held the last time until then. */
  restored: { readonly times: number; readonly before: ReadonlyMap<ReplicaId, number> } = {
    times: 0,
    before: new Map(),
  };
  /** Blobs that were ever on its disk. */
  readonly blobsEver = new Set<BlobId>();
  readonly #ground: Ground;
  #given: { readonly atMs: number; readonly give: (store: RelayStore) => Promise<unknown> }[] = [];

  constructor(ground: Ground, isShared: boolean) {
    this.#ground = ground;
    this.bus = new SimBusHub(ground);
    this.isShared = isShared;
  }

  gave(give: (store: RelayStore) => Promise<unknown>): void {
    this.#given.push({ atMs: this.#ground.nowMs, give });
  }

  /** As it was then. Nobody uses it meanwhile. */
  async restore(atMs: number): Promise<void> {
    this.disk = new MemoryRelayStore();
    this.#given = this.#given.filter((each) => each.atMs <= atMs);
    for (const { give } of this.#given) await give(this.disk);
    this.restored = { times: this.restored.times + 1, before: this.durable };
    this.durable = new Map();
    for (const [replica, { to }] of await this.heads()) this.durable.set(replica, to);
  }

  /** Every seq that is held here. */
  async heads(): Promise<ReadonlyMap<ReplicaId, LogHead>> {
    const heads = await this.disk.heads(this.#ground.space.tag);
    return new Map(heads.map((head) => [head.replica, head]));
  }
}
