/**
 * One space in the leading tab: the replica that receives, applies and answers, the registers that go
 * out, and what is known of relays and others here. Lives as long as this tab leads; everything it
 * learns goes to the `SpaceCore` beside it and to the other tabs.
 */
import type { Answer, RelayRequest, SpaceAccess } from "@skein/shared/device/link.ts";
import { type RegisterTopic, topicName } from "@skein/shared/device/register-board.ts";
import { RegisterDesk } from "@skein/shared/device/register-desk.ts";
import type { Installation } from "@skein/shared/device/snapshot/install.ts";
import { lendingShelf } from "@skein/shared/device/snapshot/keeper.ts";
import { SnapshotShelf } from "@skein/shared/device/snapshot/shelf.ts";
import type { AppliedState, ReadyEntry } from "@skein/shared/device/store.ts";
import type { VersionVector } from "@skein/shared/clock/version-vector.ts";
import type { DocumentId, RegisterName, ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import type { LogHead, Split, StoredRegister } from "@skein/shared/log/store.ts";
import type { Mode } from "@skein/shared/protocol/messages.ts";
import { readReplicaBase, Replica, type ReplicaHost } from "@skein/shared/replica.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import type { Listed } from "@skein/shared/sync/comparison.ts";
import type { Session } from "@skein/shared/sync/session.ts";
import type { Sleeper } from "../transport/alarm.ts";
import type { Network } from "./api.ts";
import { type AwarenessNews, LeaderPresence } from "./leader-presence.ts";
import { ForkWatch } from "./leader-forks.ts";
import { LeaderSnapshots, noticeNameOf } from "./leader-snapshots.ts";
import { Soon } from "./observable.ts";
import { changeKind, updateKind } from "./operation-kinds.ts";
import { putReceiptRow } from "./receipt-rows.ts";
import type { SpaceCore } from "./space-core.ts";
import type { HoleFact, SpaceStatus } from "./status.ts";

/** What is known of receipts is written at most so often. */
const keepReceiptsEveryMs = 250;

export interface LeaderSpaceHost {
  /** The status may be another. */
  onChanged(): void;
  /** Another tab leads: this one must let go of everything. */
  onDeposed(): void;
  onAwareness(space: SpaceTag, news: AwarenessNews): void;
  /** Asks the space's relay. */
  request(request: RelayRequest): Promise<Answer>;
}

/**
 * Other tabs read updates of notes and of the catalog from the database, not from here. Operations keep
 * their places, which are part of their ids.
 */
const withoutUpdates = (entry: ReadyEntry): ReadyEntry => ({
  ...entry,
  operations: entry.operations.map((operation) =>
    operation.kind === updateKind || operation.kind === changeKind
      ? { kind: operation.kind, payload: nothing }
      : operation,
  ),
  nonces: new Map(),
});

const nothing = new Uint8Array(0);

/** What a newer version of the app understands is brought in; a full disk must not stop the rest. */
async function replayParked(
  { device, tag }: SpaceCore,
  leaderEpoch: number,
  host: LeaderSpaceHost,
): Promise<void> {
  try {
    const outcome = await device.store.replayParked(tag, leaderEpoch);
    if (outcome === "fenced") host.onDeposed();
    device.troubles.storage(`parked ${tag}`, undefined);
  } catch (error) {
    device.troubles.storage(`parked ${tag}`, error);
  }
}

/** Of a space that takes longer to come, a newcomer does not know everything when they come in. */
const comesInAfterMs = 10_000;

/** How long others have to bring damaged entries again before a person hears of it. */
const holeToldAfterMs = 3_000;

export class LeaderSpace implements ReplicaHost, Sleeper {
  readonly core: SpaceCore;
  readonly replica: Replica;
  readonly presence: LeaderPresence;
  readonly #snapshots: LeaderSnapshots;
  readonly #host: LeaderSpaceHost;
  readonly #noticeName: RegisterName;
  readonly #leaderEpoch: number;
  readonly #effects: Effects;
  readonly #desk: RegisterDesk;
  /** Own registers by their opaque name, as far as they were written or read back. */
  readonly #topics: Map<RegisterName, RegisterTopic>;
  readonly #forks = new ForkWatch();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  readonly #holes = new Map<ReplicaId, { readonly sinceMs: number; told: boolean }>();
  readonly #undo: (() => void)[] = [];
  readonly #keepReceipts: Soon;
  /** Since when somebody is there to hear of what there is in the space. */
  #metAtMs = Number.POSITIVE_INFINITY;
  #comesIn = false;
  #closed = false;

  /** Reads what the database holds of the space. */
  static async begin(
    core: SpaceCore,
    leaderEpoch: number,
    host: LeaderSpaceHost,
  ): Promise<LeaderSpace> {
    const { device, tag, sealer } = core;
    await core.ready;
    await replayParked(core, leaderEpoch, host);
    const base = await readReplicaBase(device.store, tag, core.replica);
    core.goesOnIn(base.ownLog);
    const desk = new RegisterDesk(device.env, sealer);
    const topics = new Map<RegisterName, RegisterTopic>();
    for (const topic of [{ kind: "clock" }, { kind: "profile" }, { kind: "snapshot" }] as const) {
      const name = await core.keyring.registerName(topicName(topic));
      topics.set(name, topic);
      const held = base.registers.find(
        (each) => each.replica === core.replica && each.name === name,
      );
      if (held !== undefined) await desk.readBack(topic, held);
    }
    desk.setProfile(core.identity().name);
    const noticeName = await noticeNameOf(core);
    return new LeaderSpace(core, leaderEpoch, host, desk, topics, noticeName, base);
  }

  private constructor(
    core: SpaceCore,
    leaderEpoch: number,
    host: LeaderSpaceHost,
    desk: RegisterDesk,
    topics: Map<RegisterName, RegisterTopic>,
    noticeName: RegisterName,
    base: Awaited<ReturnType<typeof readReplicaBase>>,
  ) {
    const { device, tag, gate, keyring } = core;
    const { env, suite, store, onBug } = device;
    this.core = core;
    this.#host = host;
    this.#leaderEpoch = leaderEpoch;
    this.#noticeName = noticeName;
    this.#desk = desk;
    this.#topics = topics;
    this.#effects = new Effects(onBug);
    this.#keepReceipts = new Soon(
      () => this.#putReceipts(),
      (run) => setTimeout(run, keepReceiptsEveryMs),
    );
    const shelf = new SnapshotShelf(device.kv, tag);
    this.replica = new Replica(
      {
        env,
        suite,
        tag,
        self: core.replica,
        store,
        leaderEpoch,
        keyring,
        gate,
        registers: desk,
        shelf: lendingShelf(shelf),
        host: this,
        onBug,
      },
      base,
    );
    this.#snapshots = new LeaderSnapshots({
      core,
      leaderEpoch,
      desk,
      shelf,
      noticeName,
      replica: this.replica,
      isPartial: base.isPartial,
      onChanged: () => host.onChanged(),
      onOwnAtStake: () => this.onFork(core.replica),
      request: (request) => host.request(request),
    });
    this.presence = new LeaderPresence({
      core,
      replica: () => this.replica,
      onChanged: () => host.onChanged(),
      onAwareness: (news) => host.onAwareness(tag, news),
    });
    const keep = () => this.#keepReceipts.ask();
    this.#undo.push(
      core.onWritten.on(({ head }) => this.replica.ownAppended(head)),
      core.device.platform.page.onHide(() => this.#putReceipts()),
      core.sent.subscribe(keep),
      core.registersVersion.subscribe(keep),
    );
  }

  /** What opens the space at a relay. */
  async access(): Promise<SpaceAccess> {
    const { device, tag, sealer, replica } = this.core;
    const { seeds, certificates } = this.core.record.get();
    const mode: Mode = seeds.role === "reader" ? "read" : "write";
    const seed = seeds.role === "reader" ? seeds.read : seeds.write;
    const { secret } = await device.suite.signingPairFromSeed(seed);
    return {
      tag,
      mode,
      certificates,
      accessKey: secret,
      replica,
      replicaPublicKey: sealer.publicKey,
      replicaKey: sealer.secret,
      exchange: this.replica.exchange,
    };
  }

  status(network: Network): SpaceStatus {
    const sessions = [...this.replica.exchange.sessions];
    const { missing, unknownDevices } = this.#backlog();
    return {
      network,
      sent: this.core.sent.get(),
      missing: Math.max(0, ...sessions.map((session) => session.missing)) + missing,
      equal: missing === 0 && sessions.some((session) => session.equal),
      unknownDevices,
      forks: this.#forks.facts(this.#logs, (log) => this.#isForked(log), this.#nowMs()),
      ownLog: this.replica.ownLog,
      holes: this.#lastingHoles(),
      snapshots: this.#snapshots.facts,
      presence: this.presence.facts(),
    };
  }

  // What people in any tab of this device do

  markRead(document: DocumentId, vector: VersionVector): void {
    const topic = { kind: "read", document } as const;
    this.#effects.start(this.#readBack(topic), () => {
      this.#desk.markRead(topic, vector);
      this.replica.tick();
      this.#host.onChanged();
    });
  }

  setName(name: string): void {
    this.#desk.setProfile(name);
    this.replica.tick();
    this.#host.onChanged();
  }

  /** Somebody waits for a document of which a part is still to come. */
  want(document: DocumentId): void {
    this.#snapshots.keeper.want(document);
  }

  compare(): void {
    this.replica.exchange.compare();
  }

  wakeAtMs(): number {
    let wake = Math.min(
      this.replica.wakeAtMs(),
      this.presence.wakeAtMs(),
      this.#snapshots.keeper.wakeAtMs(),
    );
    for (const { sinceMs, told } of this.#holes.values()) {
      if (!told) wake = Math.min(wake, sinceMs + holeToldAfterMs);
    }
    const waits = !this.core.isIntroduced && !this.#comesIn && this.#isMet;
    if (waits) wake = Math.min(wake, this.#metAtMs + comesInAfterMs);
    return Math.min(wake, this.#forks.wakeAtMs(this.#lookedAtMs));
  }

  tick(): void {
    this.replica.tick();
    this.presence.tick();
    this.#snapshots.keeper.tick();
    this.#comeIn();
    const now = this.#nowMs();
    for (const hole of this.#holes.values()) {
      if (hole.told || now < hole.sinceMs + holeToldAfterMs) continue;
      hole.told = true;
      this.#host.onChanged();
    }
    const isForkDue = this.#forks.wakeAtMs(this.#lookedAtMs) <= now;
    this.#lookedAtMs = now;
    if (isForkDue) this.#host.onChanged();
  }

  close(): void {
    if (this.#closed) return;
    this.#putReceipts();
    this.#closed = true;
    for (const undo of this.#undo) undo();
    this.#effects.close();
    this.presence.close();
    this.#snapshots.close();
    this.replica.close();
  }

  // ReplicaHost

  onApplied(entries: readonly ReadyEntry[], state: AppliedState): void {
    const { core } = this;
    core.device.tabs.post({
      kind: "applied",
      space: core.tag,
      entries: entries.map(withoutUpdates),
      state,
    });
    this.#effects.start(core.applied(entries, state), () => this.onChanged());
  }

  onChanged(): void {
    this.#comeIn();
    this.#host.onChanged();
  }

  onRegister(register: StoredRegister): void {
    const { core } = this;
    core.device.tabs.post({ kind: "register", space: core.tag, register });
    this.#effects.start(core.registered(register), () => {
      if (register.name === this.#noticeName) this.#snapshots.keeper.onNotice();
    });
    const topic = register.replica === core.replica ? this.#topics.get(register.name) : undefined;
    // Ours, from a time this device forgot: what it says counts, and its number is used.
    if (topic !== undefined) this.#effects.start(this.#desk.readBack(topic, register), () => {});
  }

  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void {
    this.presence.hear(session, publicKey, whisper);
  }

  onOwnStored(): void {
    const { core } = this;
    const durable = [...this.replica.exchange.sessions].filter(
      (session) => session.durable && session.isFollowing,
    );
    if (durable.length === 0) return;
    const storedTo = Math.max(...durable.map((session) => session.storedTo(core.log)));
    core.sentUpTo({ sentTo: storedTo, storedTo });
    this.#host.onChanged();
  }

  onFork(replica: ReplicaId): void {
    this.#forks.saw(this.core.signerOf(replica), this.#nowMs());
    this.#host.onChanged();
  }

  onSplit(replica: ReplicaId): void {
    this.core.goesOnIn(this.replica.ownLog);
    this.#snapshots.keeper.onSplit();
    this.onFork(replica);
  }

  foundation(split: Split): Installation | undefined {
    return this.#snapshots.keeper.foundation(split);
  }

  /** Somebody is there to fetch from. */
  get #isMet(): boolean {
    return [...this.replica.exchange.sessions].some((session) => session.isFollowing);
  }

  /** A newcomer says who they are once everything is here. See `SpaceCore.introduce`. */
  #comeIn(): void {
    const { core, replica } = this;
    if (core.isIntroduced || this.#comesIn) return;
    if (!this.#isMet) return;
    const now = this.#nowMs();
    this.#metAtMs = Math.min(this.#metAtMs, now);
    const { missing, unknownDevices } = this.#backlog();
    const isLevel = [...replica.exchange.sessions].some((session) => session.equal);
    const hasAll = missing + unknownDevices === 0 && isLevel;
    if (!hasAll && now < this.#metAtMs + comesInAfterMs) return;
    this.#comesIn = true;
    this.#effects.start(core.introduce(), () => {});
  }

  #isForked(log: ReplicaId): boolean {
    return this.replica.exchange.isForked(log);
  }

  get #logs(): Iterable<LogHead> {
    return this.replica.exchange.holdings.logs.values();
  }

  #nowMs(): number {
    return this.core.device.env.clock.now();
  }

  onListed(session: Session, listed: Listed): void {
    this.#snapshots.keeper.onListed(session, listed);
  }

  onHoles(replica: ReplicaId): void {
    if (!this.replica.exchange.holes.has(replica)) this.#holes.delete(replica);
    else if (!this.#holes.has(replica)) {
      this.#holes.set(replica, { sinceMs: this.core.device.env.clock.now(), told: false });
    }
    this.#host.onChanged();
  }

  /** What a relay gives back at once is not worth a word. */
  #lastingHoles(): readonly HoleFact[] {
    const facts: HoleFact[] = [];
    for (const [replica, holes] of this.replica.exchange.holes) {
      if (this.#holes.get(replica)?.told !== true) continue;
      const appliedTo = this.replica.applied.vector.get(replica) ?? 0;
      for (const { first, last } of holes) {
        facts.push({ replica, first, last, applied: appliedTo >= last });
      }
    }
    return facts;
  }

  onStoreTrouble(error: unknown): void {
    this.core.device.troubles.storage(`replica ${this.core.tag}`, error);
  }

  onDeposed(): void {
    this.#host.onDeposed();
  }

  /** Entries that are held and not applied: on their way, or of an author nobody knows. */
  #backlog(): { readonly missing: number; readonly unknownDevices: number } {
    const { core } = this;
    const { vector } = this.replica.applied;
    let missing = 0;
    let unknownDevices = 0;
    for (const { replica, to } of this.replica.exchange.holdings.logs.values()) {
      const behind = to - (vector.get(replica) ?? 0);
      if (behind === 0) continue;
      if (replica === core.replica || core.gate.admitted(replica)) missing += behind;
      else unknownDevices++;
    }
    return { missing, unknownDevices };
  }

  /** The newest of our own register that anybody here holds: what is written next goes above it. */
  async #readBack(topic: RegisterTopic): Promise<void> {
    const { keyring, replica } = this.core;
    const name = await keyring.registerName(topicName(topic));
    if (this.#topics.has(name)) return;
    this.#topics.set(name, topic);
    const held = this.replica.exchange.holdings.register(replica, name);
    if (held !== undefined) await this.#desk.readBack(topic, held);
  }

  #putReceipts(): void {
    if (this.#closed) return;
    const { device, tag, sent, ledger } = this.core;
    const row = { storedTo: sent.get().storedTo, ledger: ledger.state };
    putReceiptRow(device.kv, this.#leaderEpoch, tag, row).catch(() => {
      // Derived: it is learned again, and the next change writes it.
    });
  }
}
