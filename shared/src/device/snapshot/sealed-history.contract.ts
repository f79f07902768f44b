/**
 * For tests of snapshots: what replicas of a `TestSpace` wrote, sealed into real logs, and devices that
 * replay them into manifests. Signatures are blank: whoever verifies them did so before.
 */
import { type Blob, openObject } from "../../crypto/sealed-object.ts";
import { labelledSha256 } from "../../crypto/labelled-hash.ts";
import { Keyring } from "../../crypto/keyring.ts";
import { nobleSuite } from "../../crypto/noble-suite.ts";
import { sealEntry } from "../../crypto/seal.ts";
import type { SigningKey, Suite } from "../../crypto/suite.ts";
import type { Random } from "../../env.ts";
import { type BlobId, prefixOf, type ReplicaId } from "../../id/id.ts";
import { chainHashes, labels, zeroHash } from "../../log/chain.ts";
import type { Entry } from "../../log/entry.ts";
import { MemoryLogStore } from "../../log/memory-store.ts";
import type { VerifiedRun } from "../../log/store.ts";
import { replicaIdOf } from "../../log/replica-key.ts";
import { filled, nonceOf, space } from "../ready-entries.contract.ts";
import type { ReadyEntry } from "../store.ts";
import type { TailUpdate } from "../tail-rows.ts";
import { advance, type Advance, type CheckpointPorts, type SnapshotEngines } from "./checkpoint.ts";
import type { Manifest, Stored } from "./manifest.ts";

let thrown = 0;
/** Dice that never fall alike twice. */
const random: Random = {
  bytes(length) {
    const count = new Uint8Array(8);
    new DataView(count.buffer).setUint32(4, thrown++);
    return labelledSha256("dice", count).slice(0, length);
  },
  fraction: () => 0,
};

export const suite: Suite = {
  ...nobleSuite(random),
  sign: async () => new Uint8Array(64),
  verify: async () => true,
};

/** Three replicas with their keys: an id is the hash of its key. */
const keys = [1, 2, 3].map((byte) => filled(32, byte));
export const writers = keys.map((key) => replicaIdOf(suite, key)) as [
  ReplicaId,
  ReplicaId,
  ReplicaId,
];
const publicKeyOf = (replica: ReplicaId): Uint8Array =>
  keys[writers.indexOf(replica)] ?? filled(32, 0);

const keyring = new Keyring(suite, space, filled(32, 0x77));

/** The logs that `entries` (each log one writer session, opened by its first entry) make. */
export class SealedHistory {
  readonly store = new MemoryLogStore();
  /** Of one entry each, in the order they were written. */
  readonly runs: VerifiedRun[] = [];
  readonly #heads = new Map<ReplicaId, { seq: number; hash: Uint8Array }>();

  static async of(entries: readonly ReadyEntry[]): Promise<SealedHistory> {
    const history = new SealedHistory();
    for (const entry of entries) await history.add(entry);
    return history;
  }

  async add(entry: ReadyEntry, under = keyring): Promise<void> {
    const { replica, seq } = entry;
    const publicKey = publicKeyOf(replica);
    const previous = this.#heads.get(replica)?.hash ?? zeroHash;
    const sealed = await this.#seal(entry, previous, under);
    const run = { replica, first: seq, entries: [sealed], signature: new Uint8Array(64) };
    const hashes = chainHashes(suite, space, run, previous);
    const verified: VerifiedRun = { ...run, publicKey, previous, hashes };
    this.runs.push(verified);
    const [appended] = await this.store.append(space, [verified]);
    if (appended?.kind !== "held") throw new Error("an entry that does not continue its log");
    this.#heads.set(replica, { seq, hash: hashes[0] ?? zeroHash });
  }

  async #seal(
    { replica, seq, deps, lamport, document, operations }: ReadyEntry,
    previous: Uint8Array,
    under: Keyring,
  ): Promise<Entry> {
    const nonce = nonceOf(replica);
    const writer =
      seq === 1
        ? { kind: "opens" as const, nonce }
        : { kind: "continues" as const, distance: seq - 1 };
    if (document === undefined) {
      const hash = suite.hash(labels.body, filled(3, 3));
      return { epoch: under.current, writer, body: { kind: "hollow", hash, length: 99 } };
    }
    const named = deps.map((dep) => ({ replica: prefixOf(dep.replica), seq: dep.seq }));
    const plain = { deps: named, lamport, document, operations };
    const publicKey = publicKeyOf(replica);
    const secret = {} as SigningKey;
    const sealer = { keyring: under, space, replica, publicKey, secret };
    const { entry } = await sealEntry(sealer, { seq, previous, writer, nonce, plain });
    return entry;
  }

  get vector(): ReadonlyMap<ReplicaId, number> {
    return new Map([...this.#heads].map(([replica, { seq }]) => [replica, seq]));
  }

  hashOf(replica: ReplicaId): Uint8Array | undefined {
    return this.#heads.get(replica)?.hash;
  }

  /** `entry` as it stands in its log. */
  sealed(entry: ReadyEntry): ReadyEntry {
    const run = this.runs.find(
      (each) => each.replica === entry.replica && each.first === entry.seq,
    );
    return { ...entry, hash: run?.hashes[0] ?? zeroHash };
  }
}

/** Everything that a manifest names, opened. */
export async function openAll(
  { blobs }: Pick<Checkpointer, "blobs">,
  manifest: Manifest,
): Promise<Map<Stored, Uint8Array>> {
  const all = new Map<Stored, Uint8Array>();
  for (const stored of storedIn(manifest)) {
    const opened = await openObject(suite, stored.object, async (id) => blobs.get(id));
    if (opened === "void" || "kind" in opened) throw new Error("an object that is not there");
    all.set(stored, opened);
  }
  return all;
}

export const storedIn = ({ sessions, parts }: Manifest): readonly Stored[] => [
  sessions,
  ...parts.flatMap((part): readonly Stored[] => (part.kind === "channel" ? part.segments : [part])),
];

/** An engine that lists what it took in, in an order of its own. */
const listingEngines: SnapshotEngines = {
  advance: async (_document, snapshot, updates) => {
    const held = snapshot === undefined ? [] : new TextDecoder().decode(snapshot).split("\n");
    const lines = [...held, ...updates.map(lineOf)];
    return { bytes: utf8(lines.join("\n")), digest: suite.hash("test", utf8(lines.sort().join())) };
  },
};

/** What `listingEngines` notes of an update. */
export const lineOf = ({
  id,
  payload,
  nonce,
}: Pick<TailUpdate, "id" | "payload" | "nonce">): string =>
  [id.replica, id.seq, id.index, nonce.join("."), payload.join(".")].join(" ");
const utf8 = (text: string) => new TextEncoder().encode(text);

/** A device that makes manifests of a history. */
export class Checkpointer {
  readonly blobs = new Map<BlobId, Uint8Array>();
  readonly ports: CheckpointPorts;
  readonly admitted = new Set<ReplicaId>(writers);
  manifest: Manifest | undefined;
  reads = 0;

  constructor({ store }: SealedHistory, options: Partial<CheckpointPorts> = {}) {
    this.ports = {
      log: {
        heads: () => store.heads(space),
        read: (replica, first, bytesMax) => store.read(space, replica, first, bytesMax),
        hashes: (replica, first, last) => store.hashes(space, replica, first, last),
      },
      blobs: {
        get: async (id) => {
          this.reads++;
          return this.blobs.get(id);
        },
        put: async (blobs: readonly Blob[]) => {
          for (const { id, bytes } of blobs) this.blobs.set(id, bytes);
        },
      },
      keyring,
      gate: { admitted: (replica) => this.admitted.has(replica), examine: async () => undefined },
      engines: listingEngines,
      random,
      cutLimits: { messagesMin: 3, messagesMax: 9, textUnitsMax: 200, boundaryMask: 1 },
      ...options,
    };
  }

  async step(target: ReadonlyMap<ReplicaId, number>, entriesMax = 1_000): Promise<Advance> {
    const outcome = await advance(this.ports, this.manifest, target, entriesMax);
    if (outcome.kind === "advanced") this.manifest = outcome.manifest;
    return outcome;
  }

  /** Steps until the target is reached. */
  async reach(target: ReadonlyMap<ReplicaId, number>, entriesMax = 1_000): Promise<Manifest> {
    for (;;) {
      const outcome = await this.step(target, entriesMax);
      if (outcome.kind !== "advanced") throw new Error(JSON.stringify(outcome));
      const { manifest } = outcome;
      const reached = new Map(manifest.logs.map(({ replica, seq }) => [replica, seq]));
      if ([...target].every(([replica, seq]) => (reached.get(replica) ?? 0) >= seq)) {
        return manifest;
      }
    }
  }
}
