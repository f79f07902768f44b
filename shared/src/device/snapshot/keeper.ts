/**
 * The snapshots of one space on one device, as its leading tab keeps them: how it comes in (arrival.ts),
 * what it does when it is idle (upkeep.ts), and between them the database, the network and the members'
 * record. Lives beside a `Replica`, and as long.
 */
import { equalBytes } from "../../bytes/bytes.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import { seqOf, type VersionVector } from "../../clock/version-vector.ts";
import type { Keyring } from "../../crypto/keyring.ts";
import type { Env } from "../../env.ts";
import type { BlobId, DocumentId, RegisterName, ReplicaId } from "../../id/id.ts";
import { ownFirst } from "../../log/branch.ts";
import { DamagedEntries } from "../../log/damage.ts";
import { knownDocument } from "../../log/known-document.ts";
import type { LogHead, Split } from "../../log/store.ts";
import type { TruncationRow } from "../../log/truncation.ts";
import { codes } from "../../protocol/codes.ts";
import type { BlobShelf } from "../../sync/blob-line.ts";
import type { Exchange } from "../../sync/exchange.ts";
import type { Listed } from "../../sync/comparison.ts";
import type { Session } from "../../sync/session.ts";
import type { Gate } from "../gate.ts";
import { KvFailure } from "../kv.ts";
import type { ReadModels } from "../read-models.ts";
import type { RegisterBoard } from "../register-board.ts";
import type { RegisterDesk } from "../register-desk.ts";
import type { Application, AppliedState, DeviceStore } from "../store.ts";
import { Arrival, type ArrivalHost } from "./arrival.ts";
import type { CutLimits } from "./channel-segments.ts";
import type { CheckpointPorts, SnapshotEngines } from "./checkpoint.ts";
import { decodeOperations } from "./contents.ts";
import { Filling } from "./filling.ts";
import { essentialsOf, type Installation } from "./install.ts";
import { blobsOf, decodeManifest, type Manifest, type Stored, vectorOf } from "./manifest.ts";
import { type MemberOf, type Offer, offerKey, offersOf } from "./notice.ts";
import type { PendingPart } from "./pending-rows.ts";
import { type SnapshotPolicy, snapshotPolicy } from "./policy.ts";
import type { SnapshotShelf, Taken } from "./shelf.ts";
import { SnapshotSource } from "./source.ts";
import { unplaced } from "./unplaced.ts";
import { Upkeep, type UpkeepHost, type UpkeepTrouble } from "./upkeep.ts";

/** What the keeper takes of the replica beside it. */
export interface KeptReplica {
  readonly exchange: Exchange;
  readonly applied: AppliedState;
  /** Entries that are held and not applied. */
  readonly unapplied: number;
  install(fill: (before: AppliedState) => Promise<Application>): Promise<Application>;
  replaced(logs: ReadonlySet<ReplicaId>): Promise<void>;
  completed(): void;
}

export interface KeeperHost {
  /** Nobody is at work on this device: it has time to spare. */
  isIdle(): boolean;
  mayWrite(): boolean;
  isOwner(): boolean;
  /** As the members' record says, which `KeeperOptions.gate` keeps. */
  readonly memberOf: MemberOf;
  /** A snapshot would take the place of own entries that nobody else may have: our log has forked. */
  onOwnAtStake(): void;
  /** Loads the engines of documents. */
  engines(): Promise<SnapshotEngines>;
  /** Signs the order as an owner and sends it to every relay that is connected. */
  order(number: number, snapshot: Uint8Array, rows: readonly TruncationRow[]): Promise<boolean>;
  /** A snapshot of `author` was taken in, which so many others had replayed to the same. */
  onArrived(author: ReplicaId, witnesses: number): void;
  /** So many parts of a snapshot are still to come. */
  onComing(count: number): void;
  /** Something of a snapshot has come: who shows it may read it again. */
  onFilled(document: DocumentId): void;
  onTrouble(trouble: UpkeepTrouble): void;
  /** Somebody may want to be called at another time, or has a register to publish. */
  onChanged(): void;
  onBug(error: unknown): void;
}

export interface KeeperOptions {
  readonly env: Env;
  readonly self: ReplicaId;
  readonly leaderEpoch: number;
  readonly keyring: Keyring;
  readonly gate: Gate;
  readonly store: DeviceStore;
  readonly models: ReadModels;
  readonly shelf: SnapshotShelf;
  readonly board: RegisterBoard;
  readonly desk: RegisterDesk;
  /** What a `snapshot` register is called in this space. */
  readonly noticeName: RegisterName;
  readonly replica: KeptReplica;
  /** Parts of a snapshot are still to come. */
  readonly isPartial: boolean;
  /** How far the own log was known to be held by somebody else when this began. */
  readonly ownStoredTo: number;
  readonly policy?: SnapshotPolicy;
  /** Others only where small channels are to be cut: all devices must cut alike. */
  readonly cutLimits?: CutLimits;
  readonly host: KeeperHost;
}

/** Objects that are fetched at a time: the line of each session has places for as many. */
const fetchedAtOnce = 4;

export class SnapshotKeeper implements ArrivalHost, UpkeepHost {
  readonly #options: KeeperOptions;
  readonly #policy: SnapshotPolicy;
  readonly #source: SnapshotSource;
  readonly #filling: Filling;
  readonly #arrival: Arrival;
  readonly #upkeep: Upkeep;
  #engines: Promise<SnapshotEngines> | undefined;
  /** Ready to begin with, by the branch that is to be taken off. */
  readonly #foundations = new Map<ReplicaId, Installation>();
  #preparing = false;
  #hasFoundation = false;
  /** Nobody has one: others are asked to make a snapshot. */
  #needsFoundation = false;
  /** What was applied when somebody last asked, and since when it is that. */
  #seen = { version: -1, sinceMs: Number.NEGATIVE_INFINITY };

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { env, self, keyring, shelf, board, desk, replica, noticeName, isPartial } = options;
    const policy = options.policy ?? snapshotPolicy;
    this.#policy = policy;
    const { suite, space } = keyring;
    const sessions = () => replica.exchange.sessions;
    this.#source = new SnapshotSource({ suite, space, shelf, sessions });
    const source = this.#source;
    this.#filling = new Filling({
      clock: env.clock,
      againAfterMs: policy.againAfterMs,
      read: () => options.models.pending(space),
      bring: (part) => this.#fill(part),
      onComing: (count) => options.host.onComing(count),
    });
    const common = { env, self, board, source, policy, host: this };
    this.#arrival = new Arrival({ ...common, noticeName, isPartial });
    this.#upkeep = new Upkeep({ ...common, suite, space, desk, shelf });
  }

  /** How far the device has come in: `settled` when nothing is missing that a snapshot would bring. */
  get phase(): Arrival["phase"] {
    return this.#arrival.phase;
  }

  /** Somebody has opened a document of which a part is still to come. */
  want(document: DocumentId): void {
    this.#filling.want(document);
    this.#arrival.fillNow();
  }

  onListed(session: Session, listed: Listed): void {
    this.#arrival.onListed(session, listed);
  }

  /** What somebody says of snapshots is on the board. */
  onNotice(): void {
    this.#arrival.onNotice();
    this.#upkeep.look();
    this.#options.host.onChanged();
  }

  wakeAtMs(): number {
    return this.phase === "settled" ? this.#upkeep.wakeAtMs() : this.#arrival.wakeAtMs();
  }

  tick(): void {
    this.#arrival.tick();
    if (this.#arrival.phase !== "settled") return;
    void this.#upkeep.tick();
  }

  close(): void {
    this.#arrival.close();
    this.#upkeep.close();
  }

  // ArrivalHost and UpkeepHost

  get applied(): VersionVector {
    return this.#options.replica.applied.vector;
  }

  get heads(): Iterable<LogHead> {
    return this.#options.replica.exchange.holdings.logs.values();
  }

  get sessions(): Iterable<Session> {
    return this.#options.replica.exchange.sessions;
  }

  get mayWrite(): boolean {
    return this.#options.host.mayWrite();
  }

  get isOwner(): boolean {
    return this.#options.host.isOwner();
  }

  get memberOf(): MemberOf {
    return this.#options.host.memberOf;
  }

  get ownStoredTo(): number {
    return this.#options.ownStoredTo;
  }

  onOwnAtStake(): void {
    this.#options.host.onOwnAtStake();
  }

  /**
   * Nobody is at work, and nothing is coming in. What waits for somebody who was never let in, for a
   * key or for its past, may wait for ever: that alone keeps nobody from their work.
   */
  get isIdle(): boolean {
    const { env, host, replica } = this.#options;
    const now = env.clock.now();
    const { version } = replica.applied;
    if (version !== this.#seen.version) this.#seen = { version, sinceMs: now };
    const isQuiet = replica.unapplied === 0 || now >= this.#seen.sinceMs + this.#policy.idleAfterMs;
    return host.isIdle() && isQuiet;
  }

  wantSnapshot(wants: boolean): void {
    const { desk } = this.#options;
    const wantsOne = wants || this.#needsFoundation;
    if (desk.notice.wants === wantsOne) return;
    desk.setNotice({ ...desk.notice, wants: wantsOne });
    this.#options.host.onChanged();
  }

  holdBack(): void {
    this.#options.replica.exchange.holdBack();
  }

  tellHeads(): void {
    this.#options.replica.exchange.tellHeads();
  }

  onChanged(): void {
    this.#options.host.onChanged();
  }

  /** A disk refuses now and then, and damage is mended elsewhere; anything else is a bug. */
  onFailed(error: unknown): void {
    const isExpected = error instanceof KvFailure || error instanceof DamagedEntries;
    if (!isExpected) this.#options.host.onBug(error);
  }

  onTrouble(trouble: UpkeepTrouble): void {
    this.#options.host.onTrouble(trouble);
  }

  order(number: number, snapshot: Uint8Array, rows: readonly TruncationRow[]): Promise<boolean> {
    return this.#options.host.order(number, snapshot, rows);
  }

  async checkpointPorts(): Promise<CheckpointPorts> {
    const { env, keyring, gate, host, store, shelf, cutLimits } = this.#options;
    const { space } = keyring;
    // A file of theirs that could not be had is asked for again.
    this.#engines ??= host.engines().catch((error: unknown) => {
      this.#engines = undefined;
      throw error;
    });
    return {
      log: {
        heads: () => store.heads(space),
        read: (replica, first, bytesMax) => store.read(space, replica, first, bytesMax),
        hashes: (replica, first, last) => store.hashes(space, replica, first, last),
      },
      blobs: { get: (id) => this.#source.blob(id), put: (blobs) => shelf.put(blobs) },
      keyring,
      gate,
      engines: await this.#engines,
      random: env.random,
      ...(cutLimits && { cutLimits }),
    };
  }

  // Coming in

  async install(
    offer: Offer,
    manifest: Manifest,
    best: () => Offer | undefined,
  ): Promise<Application | "unusable"> {
    const { keyring, gate, replica, store, leaderEpoch, env, host } = this.#options;
    const { space } = keyring;
    const given = await this.#gather(manifest);
    if (given === undefined) return "unusable";
    for (const { replica: log, branch } of manifest.logs) {
      if (branch !== undefined) gate.know(log, branch.signer);
    }
    const members = this.#known("membership");
    const replicas = manifest.logs.map((log) => log.replica);
    for (const part of manifest.parts) {
      if (part.kind !== "operations" || part.document !== members) continue;
      const operations = decodeOperations(given.get(part) ?? new Uint8Array(), replicas);
      if (isMalformed(operations)) return "unusable";
      await gate.restore(operations);
    }
    // By its own record: who published it must be one of those it lets in, and only they have a voice.
    const found = best();
    if (found === undefined || offerKey(found) !== offerKey(offer)) return "unusable";
    const { author, digest, root, witnesses } = found;
    const unconfirmed = witnesses.length === 0 ? { digest, author } : undefined;
    const before = [...this.heads];
    const outcome = await replica.install(async (applied) => {
      const appliedAtMs = env.clock.now();
      const installation = { manifest, given, appliedAtMs, root: root.chunks, unconfirmed };
      const installing = await store.install(space, leaderEpoch, applied, installation);
      return installing === "refused" || installing === "forked" ? "moved" : installing;
    });
    if (outcome !== "applied") return "unusable";
    await replica.replaced(unplaced(manifest, before));
    this.#filling.begin();
    host.onArrived(author, witnesses.length);
    return "applied";
  }

  /** What a device needs of a snapshot to begin with it; undefined if it is not to be had. */
  async #gather(manifest: Manifest): Promise<Map<Stored, Uint8Array> | undefined> {
    const catalog = catalogIn(manifest, this.#known("catalog"));
    const needed = [...essentialsOf(manifest), ...catalog];
    const given = await this.#fetch([...needed, ...newestIn(manifest)]);
    if (given === undefined || !needed.every((stored) => given.has(stored))) return undefined;
    for (const part of manifest.parts) {
      const plain = part.kind === "engine" ? given.get(part) : undefined;
      if (part.kind !== "engine" || plain === undefined) continue;
      if (!(await this.#isState(part.document, plain, part))) return undefined;
    }
    return given;
  }

  // After a fork

  /** A log was taken apart, perhaps with a snapshot to begin with (`foundation`). */
  onSplit(): void {
    this.#upkeep.onSplit();
    this.#needsFoundation = false;
    if (!this.#hasFoundation) return;
    this.#hasFoundation = false;
    // What it begins with has taken the place of what was published, on the shelf.
    this.#upkeep.withdraw();
    this.#filling.begin();
    this.#arrival.refill();
  }

  /**
   * What a device begins with that came in by a snapshot and has to apply everything anew: its own newest
   * checkpoint, if that is from before the branch, or a snapshot of others that names it. Undefined until
   * its parts were read; then logs are compared once more.
   */
  foundation(split: Split): Installation | undefined {
    const ready = this.#foundations.get(split.into);
    this.#foundations.clear();
    if (ready !== undefined) {
      this.#hasFoundation = true;
      return { ...ready, appliedAtMs: this.#options.env.clock.now() };
    }
    if (this.#preparing) return undefined;
    this.#preparing = true;
    this.#prepare(split)
      .then((found) => {
        this.#preparing = false;
        this.#needsFoundation = found === undefined;
        if (found === undefined) return this.wantSnapshot(true);
        this.#foundations.set(split.into, found);
        this.#options.replica.exchange.compare();
      })
      .catch((error: unknown) => {
        this.#preparing = false;
        this.onFailed(error);
      });
    return undefined;
  }

  async #prepare(split: Split): Promise<Installation | undefined> {
    const { shelf, keyring, board, gate } = this.#options;
    const row = await shelf.checkpoint();
    const own = row && decodeManifest(keyring.suite, keyring.space, row);
    const taken = await shelf.unconfirmed();
    if (own !== undefined && !isMalformed(own) && (await this.#isAtHand(own))) {
      const found = await this.#foundedOn(own, split, (await shelf.held())?.root ?? [], taken);
      if (found !== undefined) return found;
    }
    for (const offer of offersOf(board.notices, this.memberOf)) {
      if (offer.refusedBy.length > 0) continue;
      const manifest = await this.#source.manifest(offer);
      if (manifest === undefined || manifest === "void") continue;
      const { author, digest, root, witnesses } = offer;
      const unconfirmed = witnesses.length === 0 ? { digest, author } : undefined;
      const found = await this.#foundedOn(manifest, split, root.chunks, unconfirmed);
      if (found === undefined) continue;
      for (const { replica, branch } of manifest.logs) {
        if (branch !== undefined) gate.know(replica, branch.signer);
      }
      return found;
    }
    return undefined;
  }

  async #foundedOn(
    manifest: Manifest,
    split: Split,
    root: readonly BlobId[],
    unconfirmed: Taken | undefined,
  ): Promise<Installation | undefined> {
    if (!isFoundation(manifest, split, [...this.heads])) return undefined;
    if (!(await this.#isWithout(split, manifest))) return undefined;
    const given = await this.#gather(manifest);
    return given && { manifest, given, appliedAtMs: 0, root, unconfirmed };
  }

  /** Every piece of it is here: nobody else may have what is of an own checkpoint. */
  async #isAtHand(manifest: Manifest): Promise<boolean> {
    const { shelf } = this.#options;
    for (const id of blobsOf(manifest)) if ((await shelf.get(id)) === undefined) return false;
    return true;
  }

  /** Whether it has nothing of the branch under the id of the log that this is to be taken off. */
  async #isWithout({ replica, branch, into }: Split, { logs }: Manifest): Promise<boolean> {
    const { store, keyring } = this.#options;
    const log = logs.find((each) => each.replica === replica);
    if (log === undefined || log.seq < branch.seq) return true;
    if (logs.some((each) => each.replica === into)) return true;
    const [ours] = await store.hashes(keyring.space, replica, log.seq, log.seq);
    return ours === undefined ? this.#arrival.isOfOther(log) : !equalBytes(ours, log.hash);
  }

  async fillNext(): Promise<"filled" | "not to be had" | "complete"> {
    const outcome = await this.#filling.next();
    if (outcome === "complete") this.#options.replica.completed();
    return outcome;
  }

  async #fill(part: PendingPart): Promise<boolean> {
    const { keyring, store, leaderEpoch, env, host } = this.#options;
    const { document, row } = part;
    const plain = await this.#source.object(row.object);
    if (!(plain instanceof Uint8Array)) return false;
    if (row.kind === "engine" && !(await this.#isState(document, plain, row))) return false;
    const now = env.clock.now();
    const outcome = await store.fill(keyring.space, leaderEpoch, part, plain, now);
    if (outcome !== "applied") return outcome === "moved";
    host.onFilled(document);
    return true;
  }

  /**
   * Whether an engine's snapshot is the state whose digest others have confirmed: they have made it
   * themselves, and never seen these bytes.
   */
  async #isState(document: DocumentId, plain: Uint8Array, { digest }: Stored): Promise<boolean> {
    const { engines } = await this.checkpointPorts();
    const state = await engines.advance(document, plain, []);
    return state !== undefined && equalBytes(state.digest, digest);
  }

  /** What could be had of these; undefined if one of them is void. */
  async #fetch(all: readonly Stored[]): Promise<Map<Stored, Uint8Array> | undefined> {
    const given = new Map<Stored, Uint8Array>();
    let isVoid = false;
    for (let at = 0; at < all.length; at += fetchedAtOnce) {
      const some = all.slice(at, at + fetchedAtOnce);
      await Promise.all(
        some.map(async (stored) => {
          const plain = await this.#source.object(stored.object);
          if (plain instanceof Uint8Array) given.set(stored, plain);
          else isVoid ||= plain === "void";
        }),
      );
    }
    return isVoid ? undefined : given;
  }

  #known(name: "membership" | "catalog"): DocumentId {
    const { suite, space } = this.#options.keyring;
    return knownDocument(suite, space, name);
  }
}

/** Channels whose newest messages are there from the first moment; the others follow. */
const channelsAtOnce = 32;

/** The list of notes: whoever painted an empty one would write into it. */
const catalogIn = ({ parts }: Manifest, catalog: DocumentId): Stored[] =>
  parts.flatMap((part) => (part.kind === "engine" && part.document === catalog ? [part] : []));

/** What a person sees first, beside members, settings and the list of notes. */
const newestIn = ({ parts }: Manifest): Stored[] =>
  parts
    .flatMap((part) => (part.kind === "channel" ? part.segments.slice(-1) : []))
    .slice(0, channelsAtOnce);

/** Whether nothing is missing between it and what is held of other logs. */
function isFoundation(manifest: Manifest, { replica }: Split, heads: readonly LogHead[]): boolean {
  const vector = vectorOf(manifest);
  return heads.every((head) => {
    const begins = head.from <= ownFirst(head.branch) ? 0 : head.from - 1;
    const covered = seqOf(vector, head.replica);
    return covered >= begins && (covered <= head.to || head.replica === replica);
  });
}

/** Blobs of this device, for others: it lends what it holds and keeps nothing for anybody. */
export const lendingShelf = (shelf: SnapshotShelf): BlobShelf => ({
  keep: (blobs) => Promise.resolve(blobs),
  get: (blob) => shelf.get(blob),
  put: () => Promise.resolve(codes.forbidden),
});
