/**
 * What a device keeps, over any `Kv`: the logs (device-log.ts), the state of delivery, and read models
 * that change with it (projection.ts). store.ts has the invariants; the numbers below are theirs.
 *
 * Only the leader's transactions change what is derived from the logs, and the device's own
 * registers. Each of them reads the epoch
 * of the newest leader in the same breath, so that a tab that was frozen while another took over
 * finds itself fenced and leaves nothing behind (invariant 3).
 */
import { isMalformed } from "../bytes/malformed.ts";
import { covers } from "../clock/version-vector.ts";
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import { isSameHead, type Split, type StoredRegister, type VerifiedRun } from "../log/store.ts";
import { signerOf } from "../log/branch.ts";
import type { Run } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { appendingStores, appendRuns, DeviceLog, putRegister, readHead } from "./device-log.ts";
import { comingAnew } from "./delivery.ts";
import { modelOf, type ModelOf } from "./entry-effects.ts";
import { beginningWith } from "./key.ts";
import type { Durability, Kv, Reading, Writing } from "./kv.ts";
import { project, projectedStores, replayParked } from "./projection.ts";
import type {
  Application,
  AppliedState,
  DeviceStore,
  Filling,
  Installing,
  OwnAppend,
  ReadyEntry,
  TakenApart,
  WriterBase,
} from "./store.ts";
import type { Installation } from "./snapshot/install.ts";
import type { PendingPart } from "./snapshot/pending-rows.ts";
import { dropSpares, putSpare } from "./spares.ts";
import { stores } from "./stores.ts";
import { replaceTail } from "./tail-rows.ts";
import { writerRow, type WriterRow } from "./writer-rows.ts";

const leaderEpochKey = "epoch";

export class KvDeviceStore extends DeviceLog implements DeviceStore {
  readonly #kv: Kv;
  readonly #suite: VerifyingSuite;
  readonly #known: ModelOf;

  /** @param known what this version of the app knows; tabs of two versions may share a database. */
  constructor(kv: Kv, suite: VerifyingSuite, known: ModelOf = modelOf) {
    super(kv, suite);
    this.#kv = kv;
    this.#suite = suite;
    this.#known = known;
  }

  async takeLeadership(): Promise<number> {
    return this.#kv.write([stores.leadership], "strict", async (tx) => {
      const epoch = (await leaderEpochOf(tx)) + 1;
      tx.put(stores.leadership, leaderEpochKey, epoch);
      return epoch;
    });
  }

  async ownLog(space: SpaceTag, replica: ReplicaId): Promise<ReplicaId> {
    return this.#kv.read([stores.writers], async (tx) => {
      let log = replica;
      for (let row = await writerRow(tx, space, log); row?.next !== undefined;) {
        log = row.next;
        row = await writerRow(tx, space, log);
      }
      return log;
    });
  }

  async writerBase(space: SpaceTag, replica: ReplicaId): Promise<WriterBase> {
    return this.#kv.read([stores.heads, stores.writers, stores.applied], async (tx) => {
      const [head, writer, applied] = await Promise.all([
        readHead(tx, space, replica),
        writerRow(tx, space, replica),
        appliedOf(tx, space),
      ]);
      const { lamport = 0, named = new Map<ReplicaId, number>(), next } = writer ?? {};
      return { head, lamport, named, applied, ...(next !== undefined && { next }) };
    });
  }

  async appendOwn(
    space: SpaceTag,
    base: WriterBase,
    run: VerifiedRun,
    lamport: number,
    named: ReadonlyMap<ReplicaId, number>,
  ): Promise<OwnAppend> {
    const scope = [...appendingStores, stores.spares, stores.writers];
    return this.#kv.write(scope, "strict", async (tx) => {
      const writer = await writerRow(tx, space, run.replica);
      if (writer?.next !== undefined) return { kind: "branched", into: writer.next };
      const head = await readHead(tx, space, run.replica);
      if (!isSameHead(head, base.head)) return { kind: "moved" };
      const [outcome] = await appendRuns(tx, this.#suite, space, [run]);
      if (outcome?.kind !== "held" || !outcome.news) {
        throw new Error(
          `an own run from seq ${run.first} after ${base.head?.to ?? 0} does not fit`,
        );
      }
      const row: WriterRow = { lamport, named };
      tx.put(stores.writers, [space, run.replica], row);
      putSpare(tx, this.#suite, space, signerOf(run), run);
      return { kind: "appended", head: outcome.head };
    });
  }

  async readSpares(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    last: number,
  ): Promise<Run | undefined> {
    const { readSpares } = await loadInstall();
    return this.#kv.read([stores.heads, stores.spares], (tx) =>
      readSpares(tx, this.#suite, space, replica, first, last),
    );
  }

  async dropSpares(space: SpaceTag, signer: ReplicaId, seq: number): Promise<void> {
    await this.#kv.write([stores.spares], "relaxed", async (tx) =>
      dropSpares(tx, space, signer, seq),
    );
  }

  async publish(
    space: SpaceTag,
    leaderEpoch: number,
    register: StoredRegister,
  ): Promise<Application> {
    return this.#asLeader(leaderEpoch, "strict", [stores.registers], async (tx) =>
      (await putRegister(tx, space, register)) ? "applied" : "moved",
    );
  }

  async applied(space: SpaceTag): Promise<AppliedState> {
    return this.#kv.read([stores.applied], (tx) => appliedOf(tx, space));
  }

  async isPartial(space: SpaceTag): Promise<boolean> {
    return this.#kv.read([stores.pending], async (tx) => {
      const rows = await tx.range(stores.pending, { ...beginningWith(space), limit: 1 });
      return rows.length > 0;
    });
  }

  async apply(
    space: SpaceTag,
    leaderEpoch: number,
    before: AppliedState,
    entries: readonly ReadyEntry[],
    after: AppliedState,
  ): Promise<Application> {
    assertStep(before, entries, after);
    const scope = [stores.applied, ...projectedStores];
    return this.#asLeader(leaderEpoch, "relaxed", scope, async (tx) => {
      const { version } = await appliedOf(tx, space);
      if (version !== before.version) return "moved";
      await project(tx, space, entries, this.#known);
      tx.put(stores.applied, space, after);
      return "applied";
    });
  }

  async replaceTail(
    space: SpaceTag,
    leaderEpoch: number,
    document: DocumentId,
    snapshot: Uint8Array,
    upTo: number,
  ): Promise<Application> {
    const scope = [stores.documents, stores.tails, stores.snapshots, stores.pending];
    return this.#asLeader(leaderEpoch, "relaxed", scope, async (tx) =>
      (await replaceTail(tx, space, document, snapshot, upTo)) ? "applied" : "moved",
    );
  }

  async putCatalog(
    space: SpaceTag,
    leaderEpoch: number,
    upTo: number,
    model: unknown,
  ): Promise<Application> {
    return this.#asLeader(leaderEpoch, "relaxed", [stores.catalogs], async (tx) => {
      const held = (await tx.get(stores.catalogs, space)) as { upTo: number } | undefined;
      if (held !== undefined && held.upTo > upTo) return "moved";
      tx.put(stores.catalogs, space, { upTo, model });
      return "applied";
    });
  }

  async install(
    space: SpaceTag,
    leaderEpoch: number,
    before: AppliedState,
    installation: Installation,
  ): Promise<Installing> {
    const { prepare, beginLogs, install, Forked, installedStores } = await loadInstall();
    const prepared = prepare(this.#suite, installation);
    if (isMalformed(prepared)) return "refused";
    const { manifest } = installation;
    if (manifest.space !== space) throw new Error(`a manifest of ${manifest.space} for ${space}`);
    const scope = [
      ...[stores.applied, stores.heads, stores.segments, stores.writers],
      ...installedStores,
    ];
    const body = async (tx: Writing): Promise<Application> => {
      const applied = await appliedOf(tx, space);
      if (applied.version !== before.version) return "moved";
      await beginLogs(tx, this.#suite, space, prepared);
      const installed = await install(tx, space, prepared, applied.version + 1);
      tx.put(stores.applied, space, comingAnew(applied, installed));
      return "applied";
    };
    try {
      return await this.#asLeader(leaderEpoch, "strict", scope, body);
    } catch (error) {
      if (error instanceof Forked) return "forked";
      throw error;
    }
  }

  async takeApart(
    space: SpaceTag,
    leaderEpoch: number,
    before: AppliedState,
    split: Split,
    isOwn: boolean,
    foundation?: Installation,
  ): Promise<TakenApart> {
    const { takeApart, prepare, Forked, installedStores } = await loadInstall();
    const prepared = foundation && prepare(this.#suite, foundation);
    if (prepared !== undefined && isMalformed(prepared)) return { kind: "stuck" };
    const scope = [stores.applied, stores.writers, ...appendingStores, ...installedStores];
    const body = async (tx: Writing): Promise<TakenApart> => {
      const applied = await appliedOf(tx, space);
      if (applied.version !== before.version) return { kind: "moved" };
      return takeApart(tx, this.#suite, space, applied, split, isOwn, prepared);
    };
    try {
      const outcome = await this.#asLeader(leaderEpoch, "strict", scope, body);
      return outcome === "fenced" ? { kind: "fenced" } : outcome;
    } catch (error) {
      if (error instanceof Forked) return { kind: "stuck" };
      throw error;
    }
  }

  async fill(
    space: SpaceTag,
    leaderEpoch: number,
    part: Pick<PendingPart, "document" | "name">,
    bytes: Uint8Array,
    appliedAtMs: number,
  ): Promise<Filling> {
    const { fill, installedStores } = await loadInstall();
    const scope = [stores.applied, ...installedStores];
    return this.#asLeader(leaderEpoch, "relaxed", scope, async (tx) => {
      const replicas = [...(await appliedOf(tx, space)).vector.keys()];
      return fill(tx, this.#suite, space, part, bytes, replicas, appliedAtMs);
    });
  }

  async replayParked(space: SpaceTag, leaderEpoch: number): Promise<Application> {
    const scope = [stores.sessions, ...projectedStores];
    return this.#asLeader<Application>(leaderEpoch, "relaxed", scope, async (tx) => {
      await replayParked(tx, space, this.#known);
      return "applied";
    });
  }

  /** @param durability relaxed for what is derived: it can be derived again. */
  async #asLeader<Outcome>(
    epoch: number,
    durability: Durability,
    scope: readonly string[],
    body: (tx: Writing) => Promise<Outcome>,
  ): Promise<Outcome | "fenced"> {
    return this.#kv.write([stores.leadership, ...scope], durability, async (tx) =>
      epoch > 0 && (await leaderEpochOf(tx)) === epoch ? body(tx) : "fenced",
    );
  }
}

/**
 * What fills a database from a snapshot or mends it: few devices ever do, so that it is not with them before the
 * first paint. Where it is loaded already (in the simulator, by whoever makes snapshots) nothing is
 * waited for but promises.
 */
const loadInstall = () => import("./snapshot/install.ts");

/** 0 while nobody has ever led. */
const leaderEpochOf = async (tx: Reading): Promise<number> =>
  ((await tx.get(stores.leadership, leaderEpochKey)) as number | undefined) ?? 0;

const nothingApplied: AppliedState = { version: 0, vector: new Map(), frontier: [], lamport: 0 };

const appliedOf = async (tx: Reading, space: SpaceTag): Promise<AppliedState> =>
  ((await tx.get(stores.applied, space)) as AppliedState | undefined) ?? nothingApplied;

/** Invariants 2 and 4: the step is exactly these entries, and none comes before its past. */
function assertStep(
  before: AppliedState,
  entries: readonly ReadyEntry[],
  after: AppliedState,
): void {
  if (after.version <= before.version) {
    throw new Error(`applied version ${after.version} after ${before.version}`);
  }
  const vector = new Map(before.vector);
  for (const { replica, seq, deps, branch } of entries) {
    const applied = vector.get(replica) ?? (branch === undefined ? 0 : branch.seq - 1);
    if (seq !== applied + 1) throw new Error(`${replica}:${seq} after ${replica}:${applied}`);
    for (const dep of deps) {
      if (covers(vector, dep.replica, dep.seq)) continue;
      throw new Error(`${replica}:${seq} before ${dep.replica}:${dep.seq}, which it depends on`);
    }
    vector.set(replica, seq);
  }
  const isExact =
    after.vector.size === vector.size &&
    [...vector].every(([replica, seq]) => after.vector.get(replica) === seq);
  if (!isExact) throw new Error("the vector after an application is not its entries'");
}
