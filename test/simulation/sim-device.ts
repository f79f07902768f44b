/** A device: one disk, one identity, and tabs that come and go; one of them leads. */
import type { SigningKey, SigningPair } from "@skein/shared/crypto/suite.ts";
import { seqOf } from "@skein/shared/clock/version-vector.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import type { Books } from "./books.ts";
import type { Ground } from "./ground.ts";
import { type DiskCopy, SimDisk } from "./sim-disk.ts";
import { SimLock } from "./sim-lock.ts";
import type { SimRelay } from "./sim-relay.ts";
import { SimTab } from "./sim-tab.ts";

export interface DeviceOptions {
  readonly index: number;
  readonly pair: SigningPair;
  readonly writeKey: SigningKey;
  readonly relays: readonly SimRelay[];
  /** All devices of the world. */
  readonly devices: readonly SimDevice[];
}

export class SimDevice {
  readonly index: number;
  readonly disk: SimDisk;
  readonly pair: SigningPair;
  readonly writeKey: SigningKey;
  readonly replica: ReplicaId;
  readonly relays: readonly SimRelay[];
  readonly devices: readonly SimDevice[];
  /** What its person has read of the channel. */
  readonly readTo = new Map<ReplicaId, number>();
  logLock: SimLock;
  tabs: SimTab[] = [];
  leader: SimTab | undefined;
  /** Its profile was put back at some time. */
  isRestored = false;
  readonly #ground: Ground;
  readonly #books: Books;
  /** Some of its own entries are on other disks alone. */
  #lacksOwn = false;
  readonly #unreachable = new Set<SimRelay>();

  constructor(ground: Ground, books: Books, options: DeviceOptions) {
    const { index, pair, writeKey, relays, devices } = options;
    this.#ground = ground;
    this.#books = books;
    this.index = index;
    this.pair = pair;
    this.writeKey = writeKey;
    this.relays = relays;
    this.devices = devices;
    this.replica = replicaIdOf(ground.suite, pair.publicKey);
    this.disk = new SimDisk(ground, (commit) => {
      books.committed(this, commit);
      if (!this.#lacksOwn || !this.hasOwnLog) return;
      this.#lacksOwn = false;
      if (!books.hasForked) ground.struck("own log taken back");
    });
    this.logLock = new SimLock(ground);
    books.know(this);
  }

  get awake(): SimTab[] {
    return this.tabs.filter((tab) => !tab.actor.frozen);
  }

  /** Not after its profile was put back, until its own later entries have come back to it. */
  get hasOwnLog(): boolean {
    const { durable, durableEver } = this.disk;
    return seqOf(durable, this.replica) >= seqOf(durableEver, this.replica);
  }

  /** Who joins says so before they hear of anybody. */
  arrive(): void {
    this.openTab();
    this.tabs[0]?.write();
  }

  openTab(): void {
    const { dice, faulty, options } = this.#ground;
    const isOlder = options.twoVersions && faulty && dice.chance(0.5);
    const tab = new SimTab(this.#ground, this.#books, this, isOlder);
    this.tabs.push(tab);
    if (this.leader === undefined) this.#elect();
    else if (this.leader.actor.frozen) this.#watch(this.leader);
  }

  /** Opened again, with the newer app. */
  update(tab: SimTab): void {
    if (!tab.isOlder || tab.actor.frozen) return;
    this.close(tab);
    this.openTab();
    this.#ground.struck("tab updated");
  }

  kill(tab: SimTab): void {
    tab.kill();
    this.#gone(tab);
  }

  close(tab: SimTab): void {
    tab.close();
    this.#gone(tab);
  }

  freeze(tab: SimTab): void {
    tab.actor.freeze();
    if (this.leader === tab) this.#watch(tab);
  }

  /** A transaction of that tab found that another leads. */
  fenced(tab: SimTab): void {
    this.#ground.struck("fenced");
    tab.follow();
    if (this.leader === tab) this.#elect();
  }

  /** Everything dies at once; what was relaxed may be gone. */
  powerCut(): void {
    this.#killAll();
    this.disk.cutPower();
    this.#books.powerCut(this).catch((error: unknown) => this.#ground.bug(error));
  }

  /** Somebody puts all it has stored back as it was when `copy` was taken. */
  async restore(copy: DiskCopy): Promise<void> {
    this.#killAll();
    await this.disk.restore(copy);
    this.isRestored = true;
    this.#lacksOwn = !this.hasOwnLog;
    await this.#books.restored(this);
  }

  hasRead(mark: ReadonlyMap<ReplicaId, number>): void {
    for (const [author, seq] of mark) {
      if ((this.readTo.get(author) ?? 0) < seq) this.readTo.set(author, seq);
    }
  }

  broadcast(from: SimTab, head: LogHead): void {
    const { dice } = this.#ground;
    for (const tab of this.tabs) {
      if (tab === from) continue;
      tab.actor.after(dice.between(0, 3), () => tab.hear(head));
      if (this.#ground.strikes("duplicate")) {
        tab.actor.after(dice.between(0, 300), () => tab.hear(head));
      }
    }
  }

  /** Its leader has applied something: whoever has a document open looks at it again. */
  applied(leader: SimTab): void {
    if (leader.documents === undefined) return;
    leader.documents.pull();
    for (const tab of this.tabs) {
      if (tab !== leader) {
        tab.actor.after(this.#ground.dice.between(0, 3), () => tab.documents?.pull());
      }
    }
  }

  canReach(relay: SimRelay): boolean {
    return !this.#unreachable.has(relay);
  }

  isolate(relay: SimRelay, isolated: boolean): void {
    if (!isolated) {
      this.#unreachable.delete(relay);
      return;
    }
    this.#unreachable.add(relay);
    for (const wire of [...relay.wires]) if (wire.tab.device === this) wire.cut();
  }

  #killAll(): void {
    for (const tab of this.tabs) tab.kill();
    this.tabs = [];
    this.leader = undefined;
    this.logLock = new SimLock(this.#ground);
  }

  #gone(tab: SimTab): void {
    this.tabs = this.tabs.filter((each) => each !== tab);
    this.logLock.released(tab.actor);
    if (this.leader === tab) this.#elect();
  }

  /** Other tabs find the leader silent and rob it; it learns so some time after it wakes. */
  #watch(leader: SimTab): void {
    const { schedule, dice } = this.#ground;
    schedule.after(dice.between(3_000, 5_000), () => {
      if (this.leader !== leader || !leader.actor.frozen) return;
      const other = this.awake[0];
      if (other === undefined) return;
      this.#ground.struck("lead taken");
      this.leader = other;
      other.lead();
      // Deferred until it wakes; then the news is on its way, among all that has waited.
      leader.actor.after(0, () => {
        leader.actor.after(dice.between(0, 200), () => {
          if (this.leader !== leader) leader.follow();
        });
      });
    });
  }

  #elect(): void {
    const next = this.awake[0] ?? this.tabs[0];
    this.leader = next;
    if (next === undefined) return;
    // A frozen tab is given the lock too, and learns so when it wakes.
    next.actor.after(0, () => {
      if (this.leader === next) next.lead();
    });
    if (next.actor.frozen) this.#watch(next);
  }
}
