/**
 * Relays and devices made of the shipped core, without browser or sockets: what conformance tests
 * and the simulator put together. A device has one disk and any number of tabs; one of them leads.
 */
import type { VersionVector } from "@skein/shared/clock/version-vector.ts";
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import type { EntrySealer } from "@skein/shared/crypto/seal.ts";
import type { SigningKey, SigningPair, Suite } from "@skein/shared/crypto/suite.ts";
import type { ModelOf } from "@skein/shared/device/entry-effects.ts";
import { KvDeviceStore } from "@skein/shared/device/device-store.ts";
import type { Gate } from "@skein/shared/device/gate.ts";
import { type Kv, KvFailure } from "@skein/shared/device/kv.ts";
import type { SpaceAccess } from "@skein/shared/device/link.ts";
import {
  RegisterBoard,
  type RegisterTopic,
  topicName,
} from "@skein/shared/device/register-board.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import { RegisterDesk } from "@skein/shared/device/register-desk.ts";
import type { CutLimits } from "@skein/shared/device/snapshot/channel-segments.ts";
import type { SnapshotEngines } from "@skein/shared/device/snapshot/checkpoint.ts";
import type { Installation } from "@skein/shared/device/snapshot/install.ts";
import { lendingShelf, SnapshotKeeper } from "@skein/shared/device/snapshot/keeper.ts";
import type { MemberOf } from "@skein/shared/device/snapshot/notice.ts";
import type { SnapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import { SnapshotShelf } from "@skein/shared/device/snapshot/shelf.ts";
import type { UpkeepHost, UpkeepTrouble } from "@skein/shared/device/snapshot/upkeep.ts";
import type { AppliedState, ReadyEntry } from "@skein/shared/device/store.ts";
import { type Lock, Writer } from "@skein/shared/device/writer.ts";
import type { Env } from "@skein/shared/env.ts";
import type { MemberId, RegisterName, ReplicaId } from "@skein/shared/id/id.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { LogHead, Split, StoredRegister } from "@skein/shared/log/store.ts";
import { readReplicaBase, Replica, type ReplicaHost } from "@skein/shared/replica.ts";
import type { NewSpace } from "@skein/shared/space/new-space.ts";
import { type BlobShelf, noShelf } from "@skein/shared/sync/blob-line.ts";
import type { Listed } from "@skein/shared/sync/comparison.ts";
import type { Session } from "@skein/shared/sync/session.ts";

/** Lets everybody in: for tests that are not about members. */
const openGate: Gate = {
  know: () => {},
  admitted: () => true,
  examine: async () => {},
  restore: async () => {},
};

export interface TabOptions {
  readonly env: Env;
  readonly suite: Suite;
  readonly kv: Kv;
  readonly space: NewSpace;
  readonly pair: SigningPair;
  readonly lock: Lock;
  readonly gate?: Gate;
  /** With them it takes, makes and confirms snapshots while it leads. */
  readonly snapshots?: SnapshotOptions;
  /** What the app's version in this tab knows; without it, what this one does. */
  readonly known?: ModelOf;
  readonly onBug: (error: unknown) => void;
}

export interface SnapshotOptions {
  readonly policy: SnapshotPolicy;
  readonly engines: () => Promise<SnapshotEngines>;
  readonly cutLimits?: CutLimits;
  /** Whether its person owns the space, and signs orders to truncate. */
  readonly isOwner?: boolean;
  /** Whose device each is; without it, every device has a person of its own. */
  readonly memberOf?: MemberOf;
  /** Of its own log; without it, all of it. */
  readonly ownStoredTo?: number;
}

/** A tab of a device: it may write, and it may lead. */
export class Tab implements ReplicaHost {
  readonly store: KvDeviceStore;
  readonly replicaId: ReplicaId;
  readonly writer: Writer;
  readonly keyring: Keyring;
  readonly board: RegisterBoard;
  readonly sealer: EntrySealer;
  replica: Replica | undefined;
  /** Own registers on their way out, while it leads. */
  desk: RegisterDesk | undefined;
  /** Own seq that each party has committed, newest word. */
  readonly storedBy = new Map<Session, number>();
  readonly applied: ReadyEntry[] = [];
  readonly forks: ReplicaId[] = [];
  /** Logs that were taken apart, with their branches. */
  readonly splits: [ReplicaId, ReplicaId][] = [];
  /** Of the snapshots, while it leads with them. */
  keeper: SnapshotKeeper | undefined;
  readonly upkeepTroubles: UpkeepTrouble[] = [];
  readonly arrivals: { readonly author: ReplicaId; readonly witnesses: number }[] = [];
  readonly troubles: unknown[] = [];
  deposed = false;
  /** Of the last time it began to lead. */
  leaderEpoch = 0;
  /** An own entry was committed by this tab: the other tabs want to know. */
  onOwnHead: (head: LogHead) => void = () => {};
  /** Entries were applied on top of `before`. */
  onApply: (entries: readonly ReadyEntry[], before: VersionVector) => void = () => {};
  onStoredBy: (session: Session, seq: number) => void = () => {};
  /** Something happened after which somebody may want to be called at another time. */
  onChange: () => void = () => {};
  /** What is shown of that replica's registers may have changed. */
  onBoard: (replica: ReplicaId) => void = () => {};
  onWhispered: (publicKey: Uint8Array, whisper: Uint8Array) => Promise<void> = async () => {};
  /** Signs and sends an order to truncate. */
  onOrder: UpkeepHost["order"] = async () => false;
  onListing: (session: Session, listed: Listed) => void = () => {};
  /** What it gives to others that ask for blobs. */
  shelf: BlobShelf = noShelf;
  /** Another tab leads. */
  onFenced: () => void = () => {};
  #topics = new Map<RegisterName, RegisterTopic>();
  #vector: VersionVector = new Map();
  /** Counts times of leading, begun and ended. */
  #turn = 0;
  readonly #options: TabOptions;

  constructor(options: TabOptions) {
    this.#options = options;
    const { env, suite, kv, space, pair, lock, known } = options;
    this.store = new KvDeviceStore(kv, suite, known);
    this.replicaId = replicaIdOf(suite, pair.publicKey);
    this.keyring = new Keyring(suite, space.tag, space.contentKey);
    this.board = new RegisterBoard(this.keyring);
    this.sealer = {
      keyring: this.keyring,
      space: space.tag,
      replica: this.replicaId,
      publicKey: pair.publicKey,
      secret: pair.secret,
    };
    this.writer = new Writer({
      env,
      sealer: this.sealer,
      store: this.store,
      lock,
      onAppended: ({ head }) => {
        this.replica?.ownAppended(head);
        this.onOwnHead(head);
      },
      onTrouble: (error) => this.onStoreTrouble(error),
    });
  }

  /**
   * Takes the lead: from here on this tab alone applies and speaks to others. The replica is closed
   * from the start if the tab has let go, or begun anew, in the meantime.
   */
  async lead(others: readonly RegisterTopic[] = [{ kind: "clock" }]): Promise<Replica> {
    const { env, suite, kv, space, gate, snapshots, onBug } = this.#options;
    const topics = snapshots === undefined ? others : [...others, { kind: "snapshot" } as const];
    const turn = ++this.#turn;
    const leaderEpoch = await this.store.takeLeadership();
    this.leaderEpoch = leaderEpoch;
    await this.store.replayParked(space.tag, leaderEpoch);
    const base = await readReplicaBase(this.store, space.tag, this.replicaId);
    const desk = new RegisterDesk(env, this.sealer);
    await this.board.know(topics);
    for (const topic of topics) {
      const name = await this.keyring.registerName(topicName(topic));
      this.#topics.set(name, topic);
      const own = base.registers.find(
        (register) => register.replica === this.replicaId && register.name === name,
      );
      if (own !== undefined) await desk.readBack(topic, own);
    }
    for (const register of base.registers) await this.board.take(register);
    if (snapshots !== undefined) this.shelf = lendingShelf(new SnapshotShelf(kv, space.tag));
    const replica = new Replica(
      {
        env,
        suite,
        tag: space.tag,
        self: this.replicaId,
        store: this.store,
        leaderEpoch,
        keyring: this.keyring,
        gate: gate ?? openGate,
        registers: desk,
        shelf: this.shelf,
        host: this,
        onBug,
      },
      base,
    );
    if (turn !== this.#turn) {
      replica.close();
      return replica;
    }
    this.deposed = false;
    this.#vector = base.applied.vector;
    this.desk = desk;
    this.replica = replica;
    if (snapshots !== undefined)
      await this.#keepSnapshots(snapshots, replica, desk, base.isPartial);
    return replica;
  }

  async #keepSnapshots(
    { policy, engines, isOwner, memberOf, ownStoredTo, cutLimits }: SnapshotOptions,
    replica: Replica,
    desk: RegisterDesk,
    isPartial: boolean,
  ): Promise<void> {
    const { env, kv, space, gate, onBug } = this.#options;
    this.keeper = new SnapshotKeeper({
      env,
      self: this.replicaId,
      leaderEpoch: this.leaderEpoch,
      keyring: this.keyring,
      gate: gate ?? openGate,
      store: this.store,
      models: new ReadModels(kv),
      shelf: new SnapshotShelf(kv, space.tag),
      board: this.board,
      desk,
      noticeName: await this.keyring.registerName(topicName({ kind: "snapshot" })),
      replica,
      isPartial,
      ownStoredTo: ownStoredTo ?? Number.MAX_SAFE_INTEGER,
      policy,
      ...(cutLimits && { cutLimits }),
      host: {
        isIdle: () => true,
        mayWrite: () => true,
        isOwner: () => isOwner ?? false,
        memberOf: memberOf ?? ((replica) => replica as string as MemberId),
        onOwnAtStake: () => this.forks.push(this.replicaId),
        engines,
        order: (number, snapshot, rows) => this.onOrder(number, snapshot, rows),
        onArrived: (author, witnesses) => this.arrivals.push({ author, witnesses }),
        onComing: () => this.onChange(),
        onFilled: () => {},
        onTrouble: (trouble) => this.upkeepTroubles.push(trouble),
        onChanged: () => {
          replica.tick();
          this.onChange();
        },
        onBug,
      },
    });
  }

  access(writeKey: SigningKey): SpaceAccess {
    const { space, pair } = this.#options;
    if (this.replica === undefined) throw new Error("only a leading tab speaks to a relay");
    return {
      tag: space.tag,
      mode: "write",
      certificates: [space.certificate],
      accessKey: writeKey,
      replica: this.replicaId,
      replicaPublicKey: pair.publicKey,
      replicaKey: pair.secret,
      exchange: this.replica.exchange,
    };
  }

  /** The greatest own seq that any other party has committed. */
  get sentTo(): number {
    return Math.max(0, ...this.storedBy.values());
  }

  close(): void {
    this.#turn++;
    this.keeper?.close();
    this.keeper = undefined;
    this.replica?.close();
    this.replica = undefined;
    this.desk = undefined;
  }

  // ReplicaHost

  onApplied(entries: readonly ReadyEntry[], state: AppliedState): void {
    this.applied.push(...entries);
    this.onApply(entries, this.#vector);
    this.#vector = state.vector;
  }
  onChanged(): void {
    this.onChange();
  }
  onRegister(register: StoredRegister): void {
    const { desk } = this;
    const topic = register.replica === this.replicaId ? this.#topics.get(register.name) : undefined;
    this.board
      .take(register)
      .then(async () => {
        this.onBoard(register.replica);
        this.keeper?.onNotice();
        // Ours, from a time this device forgot: what it says counts, and its number is used.
        if (topic !== undefined) await desk?.readBack(topic, register);
      })
      .catch(this.#options.onBug);
  }
  onWhisper(_session: Session, publicKey: Uint8Array, whisper: Uint8Array): void {
    this.onWhispered(publicKey, whisper).catch(this.#options.onBug);
  }
  onOwnStored(session: Session, seq: number): void {
    this.storedBy.set(session, seq);
    this.onStoredBy(session, seq);
  }
  onFork(replica: ReplicaId): void {
    this.forks.push(replica);
  }
  onSplit(replica: ReplicaId, branch: ReplicaId): void {
    this.splits.push([replica, branch]);
    this.keeper?.onSplit();
  }
  foundation(split: Split): Installation | undefined {
    return this.keeper?.foundation(split);
  }
  onHoles(): void {}
  onListed(session: Session, listed: Listed): void {
    this.keeper?.onListed(session, listed);
    this.onListing(session, listed);
  }
  onStoreTrouble(error: unknown): void {
    // A disk may refuse; whatever else comes out of it is a bug.
    if (error instanceof KvFailure) this.troubles.push(error);
    else if (error !== undefined) this.#options.onBug(error);
  }
  onDeposed(): void {
    this.deposed = true;
    this.keeper?.close();
    this.keeper = undefined;
    this.replica = undefined;
    this.desk = undefined;
    this.onFenced();
  }
}
