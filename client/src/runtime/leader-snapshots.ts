/**
 * The snapshots of one space in the leading tab (shared/device/snapshot/keeper.ts) with what only a
 * browser has around them: engines that are loaded when they are needed, a person who may be busy, and an
 * owner's keys.
 */
import { topicName } from "@skein/shared/device/register-board.ts";
import type { RegisterDesk } from "@skein/shared/device/register-desk.ts";
import { type KeptReplica, SnapshotKeeper } from "@skein/shared/device/snapshot/keeper.ts";
import { type MemberOf, offersOf } from "@skein/shared/device/snapshot/notice.ts";
import { snapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import type { SnapshotShelf } from "@skein/shared/device/snapshot/shelf.ts";
import type { RelayRequest, Answer } from "@skein/shared/device/link.ts";
import type { RegisterName, ReplicaId } from "@skein/shared/id/id.ts";
import {
  encodeTruncation,
  truncationLabel,
  type TruncationRow,
  truncationStatement,
} from "@skein/shared/log/truncation.ts";
import { Cell } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";
import type { SnapshotFacts } from "./status.ts";

export interface LeaderSnapshotsOptions {
  readonly core: SpaceCore;
  readonly leaderEpoch: number;
  readonly desk: RegisterDesk;
  readonly shelf: SnapshotShelf;
  readonly noticeName: RegisterName;
  readonly replica: KeptReplica & { tick(): void };
  readonly isPartial: boolean;
  readonly onChanged: () => void;
  /** The log of this device has forked: what it wrote would be lost by taking a snapshot in. */
  readonly onOwnAtStake: () => void;
  /** Asks every relay of the space that is connected. */
  readonly request: (request: RelayRequest) => Promise<Answer>;
}

export class LeaderSnapshots {
  readonly keeper: SnapshotKeeper;
  readonly #options: LeaderSnapshotsOptions;
  readonly #undo: (() => void)[] = [];
  /** Parts that are still to come. */
  readonly #coming = new Cell(0);
  readonly #disputed = new Set<ReplicaId>();
  #arrived: SnapshotFacts["arrived"];
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LeaderSnapshotsOptions) {
    this.#options = options;
    const { core, leaderEpoch, desk, shelf, noticeName, replica, isPartial, onChanged } = options;
    const { device, keyring, gate, board } = core;
    const { env, store, models, onBug } = device;
    const policy = device.platform.snapshots ?? snapshotPolicy;
    this.keeper = new SnapshotKeeper({
      env,
      self: core.replica,
      leaderEpoch,
      keyring,
      gate,
      store,
      models,
      shelf,
      board,
      desk,
      noticeName,
      replica,
      isPartial,
      ownStoredTo: core.sent.get().storedTo,
      policy,
      host: {
        isIdle: () => env.clock.now() >= this.#writtenAtMs + policy.idleAfterMs,
        mayWrite: () => core.record.get().seeds.role !== "reader",
        isOwner: () => core.record.get().seeds.role === "owner",
        memberOf: this.#memberOf,
        onOwnAtStake: options.onOwnAtStake,
        engines: () => this.#engines(),
        order: (number, snapshot, rows) => this.#order(number, snapshot, rows),
        onArrived: (author, witnesses) => {
          this.#arrived = { author, witnesses };
          onChanged();
        },
        onFilled: (document) => {
          device.tabs.post({ kind: "filled", space: core.tag, document });
          core.filled(document);
        },
        onComing: (count) => this.#coming.set(count),
        onTrouble: (trouble) => {
          if (trouble.kind === "disputed") this.#disputed.add(trouble.author);
          onChanged();
        },
        onChanged: () => {
          // A notice of ours may be due.
          replica.tick();
          onChanged();
        },
        onBug,
      },
    });
    this.#undo.push(
      core.onWritten.on(() => {
        this.#writtenAtMs = env.clock.now();
      }),
      this.#coming.subscribe(onChanged),
    );
  }

  get facts(): SnapshotFacts {
    const offers = offersOf(this.#options.core.board.notices, this.#memberOf);
    return {
      phase: this.keeper.phase,
      coming: this.#coming.get(),
      arrived: this.#arrived,
      disputed: [...this.#disputed],
      offers: offers.map(({ author, entries, witnesses, refusedBy }) => ({
        author,
        entries,
        witnesses: witnesses.length,
        refusedBy: refusedBy.length,
      })),
    };
  }

  readonly #memberOf: MemberOf = (replica) =>
    this.#options.core.membership.get().memberByReplica.get(replica);

  close(): void {
    for (const undo of this.#undo) undo();
    this.keeper.close();
  }

  async #engines() {
    const { device, documents } = this.#options.core;
    const [{ snapshotEngines }] = await Promise.all([
      import("@skein/shared/device/snapshot/engines.ts"),
      device.platform.loadAutomerge(),
    ]);
    return snapshotEngines(device.suite, documents.catalog);
  }

  async #order(
    number: number,
    snapshot: Uint8Array,
    rows: readonly TruncationRow[],
  ): Promise<boolean> {
    const { core, request } = this.#options;
    const { suite } = core.device;
    const { seeds } = core.record.get();
    if (seeds.role !== "owner") return false;
    const { secret } = await suite.signingPairFromSeed(seeds.admin);
    const statement = { suite: suite.id, space: core.tag, number, snapshot, rows };
    const signature = await suite.sign(secret, truncationLabel, truncationStatement(statement));
    const order = encodeTruncation({ ...statement, signature });
    return (await request({ type: "truncate", order })).kind === "done";
  }
}

/** What a `snapshot` register is called in the space. */
export const noticeNameOf = (core: SpaceCore): Promise<RegisterName> =>
  core.keyring.registerName(topicName({ kind: "snapshot" }));
