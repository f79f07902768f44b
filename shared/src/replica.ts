/**
 * A device's side of one space, as its leading tab runs it: everything that arrives is verified,
 * committed, opened, delivered in causal order and applied; everything that is ours goes out; and
 * registers tell everybody what has come through. The public face of the core: a transport hands
 * it connections, a device store its disk, and the views hear of what changed.
 *
 *   leading ──another tab took over (fenced)──▶ deposed
 *
 * A snapshot may take the place of what was applied (`install`); delivery goes on from there.
 *
 * Invariants:
 *  1. Nothing is applied that is not in the log, strictly committed, of an admitted replica, with
 *     its causal past applied; each entry once (device/store.ts 2 to 4).
 *  2. The delivery clock that is published never names more than is applied.
 *  3. A deposed leader changes nothing and sends nothing.
 *  4. What is opened ahead of delivery is at most `aheadMax` entries and `aheadBytesMax` of each log,
 *     `waitingBytesMax` of all, and of each log the run that goes beyond; what waits in memory to be opened is at most `unopenedBytesMax`.
 *  5. While parts of a snapshot are still to come the delivery clock stays where it was.
 */
import { parentOf } from "./device/branch-parent.ts";
import { Delivery, readyOf } from "./device/delivery.ts";
import { type HashedRun, openEntries, type OpenedRun } from "./device/opening.ts";
import type { Gate } from "./device/gate.ts";
import { Unopened } from "./device/unopened.ts";
import type { RegisterDesk } from "./device/register-desk.ts";
import type { Installation } from "./device/snapshot/install.ts";
import { applyMax } from "./device/projection.ts";
import { unplaced } from "./device/snapshot/unplaced.ts";
import type {
  Application as Outcome,
  AppliedState,
  DeviceStore,
  ReadyEntry,
} from "./device/store.ts";
import type { Keyring } from "./crypto/keyring.ts";
import type { Env } from "./env.ts";
import type { EpochId, RegisterName, ReplicaId, SpaceTag } from "./id/id.ts";
import { type Branch, ifBranch, signerOf } from "./log/branch.ts";
import { zeroHash } from "./log/chain.ts";
import { DamagedEntries } from "./log/damage.ts";
import { lastSeq, runEntriesMax } from "./log/entry.ts";
import type { LogHead, Split, SplitOff, StoredRegister, VerifiedRun } from "./log/store.ts";
import type { VerifyingSuite } from "./log/suite.ts";
import { codes } from "./protocol/codes.ts";
import { limits } from "./protocol/limits.ts";
import type { BlobShelf } from "./sync/blob-line.ts";
import { Effects } from "./sync/effects.ts";
import { Exchange, type ExchangeHost, type LogsSplit } from "./sync/exchange.ts";
import type { Listed } from "./sync/comparison.ts";
import type { Session } from "./sync/session.ts";

/**
 * Entries of one log that may wait for their past in memory: a full run, so that the next one is opened
 * while it is applied.
 */
const aheadMax = runEntriesMax;
/** The same in bytes, of one log and of all, before the run that goes beyond. */
const aheadBytesMax = 2 * 1024 * 1024;
const waitingBytesMax = 32 * 1024 * 1024;
/** What came and waits in memory to be opened: some seconds of a fast line. */
const unopenedBytesMax = 32 * 1024 * 1024;
/** A tab that dies right after its commit tells nobody of it: so often the own log is asked itself. */
const ownHeadEveryMs = 30_000;
/** Everything is applied anew at most so often: whoever signs branch after branch costs no more. */
const anewEveryMs = 60_000;
/** Second copies of own entries that others have are dropped when there may be so many. */
const sparesMany = 32;
/** After a failed commit, how long until the next try. */
const retryAfterMs = 5_000;

export interface ReplicaHost {
  /** In the read models now, in this order: paint, pass on to the other tabs. */
  onApplied(entries: readonly ReadyEntry[], state: AppliedState): void;
  /** Outbox, sync state or members' knowledge may have changed; coalesce and look. */
  onChanged(): void;
  /** A register was kept, ours or another's. */
  onRegister(register: StoredRegister): void;
  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void;
  /** `party` has committed our log up to `seq`; less than before if it lost some. */
  onOwnStored(session: Session, seq: number): void;
  onFork(replica: ReplicaId, seq: number): void;
  /** The log was taken apart: what was held of it here is a log of its own now, `branch`. */
  onSplit(replica: ReplicaId, branch: ReplicaId): void;
  /**
   * Not everything is held that was applied: a snapshot to begin with instead, where the log is taken
   * apart. Undefined while there is none at hand; the next comparison asks again.
   */
  foundation(split: Split): Installation | undefined;
  /** What another party holds, as it lists it. */
  onListed(session: Session, listed: Listed): void;
  /** Which entries of a log cannot be read on this device has changed: `exchange.holes`. */
  onHoles(replica: ReplicaId): void;
  /** The disk refused; everything waits and is tried again. Undefined when it works again. */
  onStoreTrouble(error: unknown): void;
  /** Another tab leads now. Final. */
  onDeposed(): void;
}

export interface ReplicaOptions {
  readonly env: Env;
  readonly suite: VerifyingSuite;
  readonly tag: SpaceTag;
  readonly self: ReplicaId;
  readonly store: DeviceStore;
  readonly leaderEpoch: number;
  readonly keyring: Keyring;
  readonly gate: Gate;
  readonly registers: RegisterDesk;
  /** Blobs of snapshots that this device holds, for whoever asks. */
  readonly shelf: BlobShelf;
  readonly host: ReplicaHost;
  readonly onBug: (error: unknown) => void;
}

/** What the store holds of the space, read before the replica is made. */
export interface ReplicaBase {
  readonly heads: readonly LogHead[];
  readonly registers: readonly StoredRegister[];
  readonly applied: AppliedState;
  /** Parts of a snapshot are still to come. */
  readonly isPartial: boolean;
  /** Where this device's own entries go on. */
  readonly ownLog: ReplicaId;
}

export async function readReplicaBase(
  store: DeviceStore,
  tag: SpaceTag,
  self: ReplicaId,
): Promise<ReplicaBase> {
  const [heads, registers, applied, isPartial, ownLog] = await Promise.all([
    store.heads(tag),
    store.registers(tag),
    store.applied(tag),
    store.isPartial(tag),
    store.ownLog(tag, self),
  ]);
  return { heads, registers, applied, isPartial, ownLog };
}

/** One transaction that puts a snapshot in the place of what `before` says. */
export type Fill = (before: AppliedState) => Promise<Outcome>;

interface Application {
  readonly before: AppliedState;
  readonly entries: readonly ReadyEntry[];
  readonly after: AppliedState;
}

export class Replica implements ExchangeHost {
  readonly exchange: Exchange;
  readonly #options: ReplicaOptions;
  readonly #effects: Effects;
  #delivery: Delivery;
  readonly #nonces = new Map<ReplicaId, Map<number, Uint8Array>>();
  /** Of each signer. */
  readonly #branches = new Map<ReplicaId, Set<ReplicaId>>();
  /** Of each branch the log that it left. */
  readonly #parents = new Map<ReplicaId, ReplicaId>();
  /** Branches of which no parent is held, and none is needed. */
  readonly #rooted = new Set<ReplicaId>();
  #ownLog: ReplicaId;
  #sparesDroppedTo = 0;
  /** When everything was applied anew last. */
  #anewAtMs = Number.NEGATIVE_INFINITY;
  #unopened = new Unopened(unopenedBytesMax);
  /** Logs whose next entries are being read and opened. */
  readonly #loading = new Set<ReplicaId>();
  /** Logs whose next entry is sealed under a key we were not given yet. */
  readonly #unknownEpochs = new Map<ReplicaId, EpochId>();
  /** Counts installations; what was read or opened before one is dropped. */
  #generation = 0;
  #installing: { readonly fill: Fill; readonly done: (outcome: Outcome) => void } | undefined;
  #isPartial: boolean;
  #applied: AppliedState;
  #applying: Application | undefined;
  /** The disk has refused it: it is not on its way, and tried again with everything else. */
  #applyFailed = false;
  #retryAtMs = Number.POSITIVE_INFINITY;
  #lookedAtMs: number;
  #troubled = false;
  /** Own registers that the disk has refused. */
  readonly #unpublished = new Map<RegisterName, StoredRegister>();
  #deposed = false;

  constructor(options: ReplicaOptions, base: ReplicaBase) {
    this.#options = options;
    this.#effects = new Effects(options.onBug);
    this.#applied = base.applied;
    this.#isPartial = base.isPartial;
    this.#ownLog = base.ownLog;
    this.#lookedAtMs = options.env.clock.now();
    this.#delivery = this.#newDelivery();
    const { env, suite, tag, store } = options;
    this.exchange = new Exchange({
      env,
      suite,
      tag,
      heads: base.heads,
      registers: base.registers,
      effects: this.#effects,
      host: this,
      forwards: "held",
      shelf: options.shelf,
      store: {
        append: (runs) => store.append(tag, runs),
        read: (replica, first, bytesMax) => store.read(tag, replica, first, bytesMax),
        hashes: (replica, first, last) => store.hashes(tag, replica, first, last),
        repair: (run) => store.repair(tag, run),
        readSpares: (replica, first, last) => store.readSpares(tag, replica, first, last),
        heads: () => store.heads(tag),
        split: (split) => this.#takeApart(split),
        putRegisters: (registers) => store.putRegisters(tag, registers),
      },
    });
    this.exchange.ownLogs.add(options.self).add(base.ownLog);
    for (const head of base.heads) this.#know(head);
    for (const head of base.heads) this.#load(head.replica);
    // The last leader may have died between applying and telling.
    this.#tellClock();
  }

  #newDelivery(): Delivery {
    const { self, gate } = this.#options;
    return new Delivery(this.#applied, (replica) => replica === self || gate.admitted(replica));
  }

  /** The log exists: dependencies may name it, and its author is the signer. */
  #know({ replica, branch }: Pick<LogHead | VerifiedRun, "replica" | "branch">): void {
    this.#delivery.know(replica, branch);
    if (branch === undefined) return;
    const known = this.#branches.get(branch.signer) ?? new Set();
    this.#branches.set(branch.signer, known.add(replica));
    this.#options.gate.know(replica, branch.signer);
  }

  /** Where this device's own entries go: its replica's log, or the branch of it that it wrote. */
  get ownLog(): ReplicaId {
    return this.#ownLog;
  }

  get applied(): AppliedState {
    return this.#applied;
  }

  /** Entries that are held and not applied: on their way, waiting for their past, or parked. */
  get unapplied(): number {
    let count = 0;
    for (const head of this.exchange.holdings.logs.values()) {
      const begin = head.branch === undefined ? 0 : head.branch.seq - 1;
      count += Math.max(0, head.to - (this.#applied.vector.get(head.replica) ?? begin));
    }
    return count;
  }

  /** Most entries of one log that are read and wait for their past. */
  get ahead(): number {
    let most = 0;
    for (const replica of this.exchange.holdings.logs.keys()) {
      most = Math.max(most, this.#delivery.waiting(replica));
    }
    return most;
  }

  /** Logs that are held and whose author is not known: kept, not applied. */
  unknownReplicas(): ReplicaId[] {
    return [...this.exchange.holdings.logs.keys()].filter(
      (replica) => replica !== this.#options.self && !this.#options.gate.admitted(replica),
    );
  }

  // What the tab tells

  /** A tab of this device has appended: the log's new head. */
  ownAppended(head: LogHead): void {
    if (this.#deposed) return;
    // Told late, of what has been taken apart since.
    if (head.replica !== this.#ownLog) return;
    this.exchange.ownHeld(head);
    this.#know(head);
    this.#load(head.replica);
    this.#options.host.onChanged();
  }

  /** Keys or members are known now that were not: try again what waited for them. */
  reconsider(): void {
    this.#unknownEpochs.clear();
    for (const replica of this.exchange.holdings.logs.keys()) this.#load(replica);
    this.#deliver();
  }

  /** Publishes a new value of an own register, once it is committed. */
  publish(register: StoredRegister): void {
    if (this.#deposed) return;
    const { store, tag, leaderEpoch, host } = this.#options;
    this.#effects.start(
      store.publish(tag, leaderEpoch, register),
      (outcome) => {
        if (outcome === "fenced") return this.#depose();
        this.#worked();
        if (outcome === "moved") return this.#overtaken(register);
        this.exchange.ownRegister(register);
        host.onRegister(register);
      },
      (error) => {
        // A newer value of the same register takes its place.
        this.#unpublished.set(register.name, register);
        this.#failed(error);
      },
    );
  }

  /** One of ours from a time this device forgot has come in under this number: we go above it. */
  #overtaken({ replica, name }: StoredRegister): void {
    const { store, tag, registers, host } = this.#options;
    const readBack = store.registers(tag).then(async (held) => {
      const newest = held.find((each) => each.replica === replica && each.name === name);
      if (newest !== undefined) await registers.takeBack(newest);
      return newest;
    });
    this.#effects.start(
      readBack,
      (newest) => {
        if (newest === undefined) return;
        this.exchange.ownRegister(newest);
        host.onRegister(newest);
        host.onChanged();
      },
      (error) => this.#failed(error),
    );
  }

  wakeAtMs(): number {
    const look = this.#lookedAtMs + ownHeadEveryMs;
    return Math.min(this.#retryAtMs, look, this.#options.registers.wakeAtMs());
  }

  tick(): void {
    if (this.#deposed) return;
    const now = this.#options.env.clock.now();
    if (now >= this.#retryAtMs) {
      this.#retry();
    }
    // Either way: the clock may have jumped back.
    if (Math.abs(now - this.#lookedAtMs) >= ownHeadEveryMs) this.#look(now);
    this.#publishDue();
  }

  close(): void {
    this.#deposed = true;
    this.#effects.close();
    this.#installing?.done("fenced");
    for (const session of [...this.exchange.sessions]) session.closed();
  }

  // ExchangeHost

  onVerified(): void {}

  onHeld(run: VerifiedRun): void {
    const { replica, first, branch } = run;
    // Others have taken our log apart: the copy that stayed in it hears of the other one like this.
    const isNewBranch = branch !== undefined && first <= branch.seq;
    if (isNewBranch && branch.signer === this.#options.self) {
      this.#options.host.onFork(branch.signer, branch.seq);
    }
    this.#know(run);
    if (first >= this.#delivery.nextSeq(replica)) this.#unopened.add(run);
    this.#loadKin(replica);
    this.#options.host.onChanged();
  }

  onRegister(register: StoredRegister): void {
    this.#options.host.onRegister(register);
    this.#options.host.onChanged();
  }

  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void {
    this.#options.host.onWhisper(session, publicKey, whisper);
  }

  onStored(session: Session, replica: ReplicaId): void {
    if (replica === this.#ownLog) this.#ownStored(session);
    this.#options.host.onChanged();
  }

  #ownStored(session: Session): void {
    const seq = session.storedTo(this.#ownLog);
    this.#options.host.onOwnStored(session, seq);
    if (!session.durable || seq < this.#sparesDroppedTo + sparesMany) return;
    this.#sparesDroppedTo = seq;
    const { store, tag } = this.#options;
    this.#effects.start(
      store.dropSpares(tag, this.#options.self, seq),
      () => {},
      // They lie there for longer.
      () => {},
    );
  }

  onCompared(session: Session): void {
    this.#ownStored(session);
    this.#options.host.onChanged();
  }

  onFork(_session: Session, replica: ReplicaId, seq: number): void {
    this.#options.host.onFork(replica, seq);
  }

  /** What this device writes is a branch now. */
  #goOnIn(log: ReplicaId): void {
    if (log === this.#ownLog) return;
    const left = this.#ownLog;
    this.#ownLog = log;
    this.exchange.ownLogs.add(log);
    this.#options.host.onSplit(left, log);
  }

  onFound(head: LogHead): void {
    this.#know(head);
    this.#loadKin(head.replica);
    this.#options.host.onChanged();
  }

  onSplit(replica: ReplicaId, { branch }: LogsSplit): void {
    this.#know(branch);
    if (replica === this.#ownLog) {
      this.#ownLog = branch.replica;
      this.exchange.ownLogs.add(branch.replica);
    }
    this.#options.host.onSplit(replica, branch.replica);
    this.#loadKin(branch.replica);
    this.#options.host.onChanged();
  }

  onListed(session: Session, listed: Listed): void {
    this.#options.host.onListed(session, listed);
  }

  onTruncate(session: Session): void {
    session.leave(codes.forbidden, 0, "a device decides itself what it keeps");
  }

  onInvite(session: Session): void {
    session.leave(codes.forbidden, 0, "devices keep no invites");
  }

  onSessionClosed(): void {
    this.#options.host.onChanged();
  }

  onStoreFailed(error: unknown): void {
    this.#failed(error);
  }

  onHole(replica: ReplicaId): void {
    this.#options.host.onHoles(replica);
  }

  onMended(replica: ReplicaId): void {
    this.#options.host.onHoles(replica);
    this.#loadKin(replica);
  }

  onIdle(): void {}

  // Opening

  #load(replica: ReplicaId): void {
    if (this.#deposed || this.#loading.has(replica) || this.#unknownEpochs.has(replica)) return;
    const first = this.#delivery.nextSeq(replica);
    const head = this.exchange.holdings.head(replica);
    if (head === undefined || head.to < first || this.#isFullOf(replica)) return;
    if (head.branch !== undefined && !this.#isRooted(head, head.branch)) return;
    const atHand = this.#unopened.take(replica, first);
    if (atHand !== undefined) return this.#open(atHand);
    this.#loading.add(replica);
    const generation = this.#generation;
    this.#effects.start(
      this.#read(replica, first),
      (run) => {
        if (generation !== this.#generation) return;
        this.#loading.delete(replica);
        if (run !== undefined && run.first === this.#delivery.nextSeq(replica)) this.#open(run);
        // It was taken apart while it was read, and has come again. If not, another tab's append was not
        // told yet.
        else if (run === undefined && this.exchange.holdings.head(replica) !== head) {
          this.#load(replica);
        }
      },
      (error) => {
        if (generation === this.#generation) this.#loading.delete(replica);
        // The exchange has heard of it, asks others, and tells when it is mended.
        if (!(error instanceof DamagedEntries)) this.#failed(error);
      },
    );
  }

  /** What waits for its past may wait for ever, and there may be many logs of it (invariant 4). */
  #isFullOf(replica: ReplicaId): boolean {
    const count = this.#delivery.waiting(replica);
    if (count === 0) return false;
    return (
      count >= aheadMax ||
      this.#delivery.waitingBytes(replica) >= aheadBytesMax ||
      this.#delivery.waitingBytes() >= waitingBytesMax
    );
  }

  async #read(replica: ReplicaId, first: number): Promise<HashedRun | undefined> {
    const run = await this.exchange.read(replica, first, limits.runBytesMax);
    if (run === undefined) return undefined;
    const before = Math.max(1, first - 1);
    const hashes = await this.exchange.hashes(replica, before, lastSeq(run));
    const previous = first === 1 ? zeroHash : hashes[0];
    const own = first === 1 ? hashes : hashes.slice(1);
    if (previous === undefined || own.length < run.entries.length) return undefined;
    const { branch, entries } = run;
    return { replica, first, entries, previous, hashes: own, ...ifBranch(branch) };
  }

  /** A branch comes out after what it has in common with the log that it left. */
  #isRooted(head: LogHead, { seq }: Branch): boolean {
    const { replica } = head;
    if (seq === 1 || this.#rooted.has(replica)) return true;
    const parent = this.#parents.get(replica);
    if (parent !== undefined) return this.#delivery.appliedTo(parent) >= seq - 1;
    this.#loading.add(replica);
    const generation = this.#generation;
    const held = () =>
      this.#kinOf(head)
        .map(({ to }) => to)
        .join();
    const before = held();
    const over = (found: ReplicaId | undefined): void => {
      if (generation !== this.#generation) return;
      this.#loading.delete(replica);
      if (found !== undefined) this.#parents.set(replica, found);
      // What a snapshot had of it came out with the snapshot, which says what it goes on with.
      else if (this.#delivery.appliedTo(replica) >= seq) this.#rooted.add(replica);
      // Where it is not held yet, what comes of that log looks again; or has come meanwhile.
      else if (held() === before) return;
      this.#load(replica);
    };
    const hashes = (log: ReplicaId, first: number, last: number) =>
      this.exchange.hashes(log, first, last);
    this.#effects.start(parentOf(replica, seq, this.#kinOf(head), hashes), over, (error) => {
      over(undefined);
      if (!(error instanceof DamagedEntries)) this.#failed(error);
    });
    return false;
  }

  #kinOf(head: LogHead): LogHead[] {
    const signer = signerOf(head);
    const logs = [signer, ...(this.#branches.get(signer) ?? [])];
    return logs.flatMap((each) => this.exchange.holdings.head(each) ?? []);
  }

  /** Branches of the same key may have waited for this log. */
  #loadKin(replica: ReplicaId): void {
    const head = this.exchange.holdings.head(replica);
    for (const kin of head === undefined ? [] : this.#kinOf(head)) this.#load(kin.replica);
  }

  /** A branch may go on with writer sessions that were opened before it. */
  async #sessionNonce(replica: ReplicaId, seq: number): Promise<Uint8Array | undefined> {
    const { store, tag } = this.#options;
    const nonce = await store.sessionNonce(tag, replica, seq);
    const parent = this.#parents.get(replica);
    const branch = this.exchange.holdings.head(replica)?.branch;
    const isBefore = branch !== undefined && seq < branch.seq;
    if (nonce !== undefined || parent === undefined || !isBefore) return nonce;
    return this.#sessionNonce(parent, seq);
  }

  #open(run: HashedRun): void {
    const { replica } = run;
    const { keyring } = this.#options;
    const nonces = this.#nonces.get(replica) ?? new Map<number, Uint8Array>();
    this.#nonces.set(replica, nonces);
    this.#loading.add(replica);
    const opening = {
      keyring,
      sessionNonce: (of: ReplicaId, seq: number) => this.#sessionNonce(of, seq),
    };
    const examined = openEntries(opening, run, nonces).then(async (result) => {
      await this.#options.gate.examine(result.opened);
      return result;
    });
    const generation = this.#generation;
    this.#effects.start(
      examined,
      (result) => {
        if (generation !== this.#generation) return;
        this.#loading.delete(replica);
        this.#opened(replica, result);
      },
      (error) => {
        if (generation === this.#generation) this.#loading.delete(replica);
        this.#failed(error);
      },
    );
  }

  #opened(replica: ReplicaId, { opened, unknownEpoch }: OpenedRun): void {
    for (const entry of opened) {
      if (entry.seq === this.#delivery.nextSeq(replica)) this.#delivery.add(entry);
    }
    if (unknownEpoch !== undefined) this.#unknownEpochs.set(replica, unknownEpoch);
    this.#deliver();
    this.#load(replica);
  }

  // Applying

  #deliver(): void {
    if (this.#deposed || this.#applying !== undefined || this.#installing !== undefined) return;
    const delivered = this.#delivery.take(applyMax);
    if (delivered.length === 0) return;
    const now = this.#options.env.clock.now();
    const application: Application = {
      before: this.#applied,
      entries: delivered.map((each) => readyOf(each, now)),
      after: this.#delivery.state,
    };
    this.#applying = application;
    this.#apply(application);
  }

  #apply(application: Application): void {
    const { store, tag, leaderEpoch, host } = this.#options;
    const { before, entries, after } = application;
    this.#effects.start(
      store.apply(tag, leaderEpoch, before, entries, after),
      (outcome) => {
        if (outcome !== "applied") return this.#depose();
        this.#applying = undefined;
        this.#applied = after;
        this.#worked();
        host.onApplied(entries, after);
        // Members may have been admitted by these very entries.
        for (const replica of new Set(entries.map((entry) => entry.replica))) {
          this.#loadKin(replica);
        }
        this.#tellClock();
        this.#publishDue();
        host.onChanged();
        this.#installIfFree();
        this.#deliver();
      },
      (error) => {
        this.#applyFailed = true;
        this.#failed(error);
      },
    );
  }

  #tellClock(): void {
    if (!this.#isPartial) this.#options.registers.clockMoved(this.#applied.vector);
  }

  // Snapshots

  /**
   * Lets `fill` put a snapshot in the place of what was applied, between two applications, and goes on
   * from there. Resolves with its outcome; `moved` also where another installation is under way.
   * Rejects when the store failed.
   */
  install(fill: Fill): Promise<Outcome> {
    if (this.#deposed) return Promise.resolve("fenced");
    if (this.#installing !== undefined) return Promise.resolve("moved");
    return new Promise((done, failed) => {
      const guarded: Fill = (before) =>
        fill(before).catch((error: unknown) => {
          failed(error instanceof Error ? error : new Error(String(error)));
          return "moved";
        });
      this.#installing = { fill: guarded, done };
      this.#installIfFree();
    });
  }

  /** Where the branch was applied under the log's id, everything is applied anew. */
  async #takeApart(split: Split): Promise<SplitOff> {
    const { store, tag, leaderEpoch, host } = this.#options;
    let off = { kind: "moved" } as SplitOff;
    let replaced: ReadonlySet<ReplicaId> = new Set();
    const now = this.#options.env.clock.now();
    await this.install(async (before) => {
      const isAnew = (before.vector.get(split.replica) ?? 0) >= split.branch.seq;
      // The next comparison comes by again.
      if (isAnew && now < this.#anewAtMs + anewEveryMs && now >= this.#anewAtMs) return "moved";
      const isOwn = split.replica === this.#ownLog;
      const takeApart = (foundation?: Installation) =>
        store.takeApart(tag, leaderEpoch, before, split, isOwn, foundation);
      let taken = await takeApart();
      const foundation = taken.kind === "stuck" ? host.foundation(split) : undefined;
      if (foundation !== undefined) {
        replaced = unplaced(foundation.manifest, [...this.exchange.holdings.logs.values()]);
        taken = await takeApart(foundation);
      }
      if (isAnew && taken.kind === "split") this.#anewAtMs = now;
      if (taken.kind === "fenced") return "fenced";
      if (taken.kind !== "split") return "moved";
      off = taken;
      return "applied";
    });
    if (off.kind === "split") await this.replaced(replaced);
    return off;
  }

  /** A snapshot has taken the place of these logs: the store may hold less of them now. */
  async replaced(logs: ReadonlySet<ReplicaId>): Promise<void> {
    if (logs.size === 0) return;
    const { store, tag } = this.#options;
    const heads = await store.heads(tag);
    if (!this.#deposed) this.exchange.replaced(heads.filter(({ replica }) => logs.has(replica)));
  }

  /** No part of a snapshot is missing any more. */
  completed(): void {
    if (this.#deposed) return;
    this.#isPartial = false;
    this.#tellClock();
    this.#publishDue();
  }

  #installIfFree(): void {
    const installing = this.#installing;
    if (installing === undefined || this.#applying !== undefined || this.#deposed) return;
    const { store, tag, self } = this.#options;
    const filled = installing.fill(this.#applied).then(async (outcome) => ({
      outcome,
      base: outcome === "applied" ? await readReplicaBase(store, tag, self) : undefined,
    }));
    const end = (outcome: Outcome): void => {
      this.#installing = undefined;
      installing.done(outcome);
      this.#deliver();
    };
    this.#effects.start(
      filled,
      ({ outcome, base }) => {
        if (outcome === "fenced") this.#depose();
        if (base !== undefined) this.#goOnFrom(base);
        end(outcome);
      },
      (error) => {
        this.#failed(error);
        end("moved");
      },
    );
  }

  #goOnFrom(base: ReplicaBase): void {
    this.#generation++;
    this.#applied = base.applied;
    this.#isPartial = base.isPartial;
    this.#delivery = this.#newDelivery();
    this.#unopened = new Unopened(unopenedBytesMax);
    this.#nonces.clear();
    this.#parents.clear();
    this.#rooted.clear();
    this.#loading.clear();
    this.#unknownEpochs.clear();
    for (const head of base.heads) this.exchange.began(head);
    this.#goOnIn(base.ownLog);
    // Those among them that came in since the base was read.
    const { logs } = this.exchange.holdings;
    for (const head of logs.values()) this.#know(head);
    // Told without entries: whoever keeps something of the read models reads it anew.
    this.#options.host.onApplied([], base.applied);
    for (const replica of [...logs.keys()]) this.#load(replica);
    this.#tellClock();
    this.#options.host.onChanged();
  }

  #look(now: number): void {
    this.#lookedAtMs = now;
    const { store, tag } = this.#options;
    this.#effects.start(
      store.writerBase(tag, this.#ownLog),
      ({ head }) => {
        if (head !== undefined && head.to > this.exchange.holdings.to(head.replica)) {
          this.ownAppended(head);
        }
      },
      (error) => this.#failed(error),
    );
  }

  #publishDue(): void {
    const { registers } = this.#options;
    this.#effects.start(registers.takeDue(), (due) => {
      for (const register of due) this.publish(register);
    });
  }

  /** Everything that the disk refused is tried again, and what it lost is asked for. */
  #retry(): void {
    this.#retryAtMs = Number.POSITIVE_INFINITY;
    const unpublished = [...this.#unpublished.values()];
    this.#unpublished.clear();
    if (this.#applying === undefined) {
      if (unpublished.length === 0) this.#worked();
    } else if (this.#applyFailed) {
      this.#applyFailed = false;
      this.#apply(this.#applying);
    }
    for (const register of unpublished) this.publish(register);
    for (const replica of [...this.exchange.holdings.logs.keys()]) this.#load(replica);
    this.exchange.compare();
  }

  #worked(): void {
    if (!this.#troubled || this.#retryAtMs !== Number.POSITIVE_INFINITY) return;
    this.#troubled = false;
    this.#options.host.onStoreTrouble(undefined);
  }

  #failed(error: unknown): void {
    this.#troubled = true;
    this.#retryAtMs = this.#options.env.clock.now() + retryAfterMs;
    this.#options.host.onStoreTrouble(error);
    // It wants to be called at another time now.
    this.#options.host.onChanged();
  }

  #depose(): void {
    if (this.#deposed) return;
    this.close();
    this.#options.host.onDeposed();
  }
}
