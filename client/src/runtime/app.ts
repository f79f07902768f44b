/**
 * The tab's whole app (api.ts): opens what the device holds, so that the first paint needs nothing else,
 * and lets network, members and engines come after. Everything is composed here and nowhere else.
 */
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { KvDeviceStore } from "@skein/shared/device/device-store.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import type { SpaceKind } from "@skein/shared/space/membership-operation.ts";
import { nameFault } from "@skein/shared/space/name.ts";
import { newSpace } from "@skein/shared/space/new-space.ts";
import { relayName, relayOrigin } from "../transport/address.ts";
import { databaseName, type DatabaseEnd } from "../storage/idb-kv.ts";
import type {
  App,
  InvitePreview,
  InviteRefusal,
  Me,
  Network,
  Observable,
  Space,
  SpaceSummary,
  StorageState,
  Trouble,
} from "./api.ts";
import { AttentionDesk } from "./attention-desk.ts";
import { lazyBulk } from "./bulk.ts";
import { CannotOpenDatabase } from "./cannot-open.ts";
import { DeviceSettingsRecord } from "./device-settings.ts";
import type { Device } from "./device.ts";
import { diagnose } from "./diagnostics.ts";
import { IdentityRecord, type OwnIdentity } from "./identity.ts";
import { findInvite, refusal, redeemInvite } from "./invites.ts";
import type { Leader } from "./leader.ts";
import { LeaderLink } from "./leader-link.ts";
import { Leadership } from "./leadership.ts";
import { Cell, derived, sameValue } from "./observable.ts";
import { browserPlatform, type Platform } from "./platform.ts";
import { PersonalSettings } from "./settings.ts";
import { SpaceCore } from "./space-core.ts";
import { newReplica, type SpaceRecord, SpaceRecords } from "./space-records.ts";
import { LiveSpace } from "./space.ts";
import type { HoleFact, LeaderStatus } from "./status.ts";
import { StorageWatch } from "./storage-state.ts";
import { TabChannel } from "./tabs.ts";
import { Troubles } from "./troubles.ts";
import { webSuite } from "./web-suite.ts";

export interface AppOptions {
  /** The browser's, unless a test brings its own. */
  readonly platform?: Platform;
  readonly onBug?: (error: unknown) => void;
}

/** Rejects with `CannotOpenDatabase`, or with `NewerRecord` where a newer version has written. */
export async function openApp(options: AppOptions = {}): Promise<LiveApp> {
  const platform = options.platform ?? browserPlatform();
  const onBug = options.onBug ?? reportError;
  const name = databaseName(platform.replica);
  const relay = relayOrigin(platform.origin);
  if (relay === undefined) throw new Error(`a page at ${platform.origin} has no relay`);
  const troubles = new Troubles(platform.env.clock);
  let ended: (end: DatabaseEnd) => void = () => {};
  const [opening, suite] = await Promise.all([
    platform.openKv({ name, onEnd: (end) => ended(end), onBlocked: () => {} }),
    webSuite(platform.crypto, lazyBulk),
  ]);
  if (opening.kind !== "open") throw new CannotOpenDatabase(opening.kind, opening.detail);
  const { kv } = opening;
  const tabs = new TabChannel({
    channel: platform.newChannel(name),
    id: toHex(platform.env.random.bytes(8)),
    onNewerVersion: () => {
      troubles.raise({ kind: "update needed", atMs: platform.env.clock.now() });
    },
  });
  const device: Device = {
    name,
    platform,
    env: platform.env,
    suite,
    kv,
    store: new KvDeviceStore(kv, suite),
    models: new ReadModels(kv),
    tabs,
    troubles,
    relay,
    onBug,
  };
  const app = new LiveApp(device);
  ended = (end) => app.databaseEnded(end);
  await app.begin();
  return app;
}

export class LiveApp implements App {
  readonly me: Observable<Me | undefined>;
  readonly spaces: Observable<readonly SpaceSummary[]>;
  readonly network: Observable<Network>;
  readonly storage: Observable<StorageState>;
  readonly troubles: Observable<readonly Trouble[]>;
  readonly unsaved: Observable<boolean>;
  readonly #device: Device;
  readonly #identityRecord: IdentityRecord;
  readonly #records: SpaceRecords;
  readonly #settingsRecord: DeviceSettingsRecord;
  readonly #storage: StorageWatch;
  readonly #link: LeaderLink;
  readonly #attention: AttentionDesk;
  readonly #identity = new Cell<OwnIdentity | undefined>(undefined);
  readonly #cores = new Cell<readonly SpaceCore[]>([]);
  readonly #spaces = new Cell<readonly LiveSpace[]>([]);
  readonly #summaries = new Cell<readonly SpaceSummary[]>([]);
  readonly #personal = new Cell<PersonalSettings | undefined>(undefined);
  readonly #offline = new Cell(false);
  readonly #opening = new Map<SpaceTag, Promise<SpaceCore>>();
  readonly #undo: (() => void)[] = [];
  #leadership: Leadership | undefined;
  #leader: Leader | undefined;
  #epoch: number | undefined;
  #closed = false;

  constructor(device: Device) {
    this.#device = device;
    this.#identityRecord = new IdentityRecord(device.kv, device.suite);
    this.#records = new SpaceRecords(device.kv);
    this.#settingsRecord = new DeviceSettingsRecord(device.kv);
    this.#storage = new StorageWatch(device.platform, device.name);
    this.#link = new LeaderLink(device, { kind: "connecting", relay: relayName(device.relay) });
    this.#attention = new AttentionDesk(this.#link, device.platform.page, () =>
      this.#spaces.get().map(({ tag }) => tag),
    );
    this.me = derived(
      [this.#identity],
      (identity) =>
        identity && {
          name: identity.name,
          member: identity.memberId,
          device: identity.deviceId,
        },
    );
    this.spaces = this.#summaries;
    this.network = derived([this.#link.status, this.#offline], ({ network }, offline) =>
      offline ? offlineNetwork : network,
    );
    this.storage = this.#storage.state;
    this.troubles = device.troubles.all;
    this.unsaved = device.troubles.unsaved;
  }

  /** Reads what the first paint needs, then takes part. */
  async begin(): Promise<void> {
    const device = this.#device;
    const [identity, records, settings] = await Promise.all([
      this.#identityRecord.read(),
      this.#records.all(),
      this.#settingsRecord.read(),
    ]);
    this.#identity.set(identity);
    this.#offline.set(settings.offline);
    if (identity === undefined) this.#lookForEviction();
    else this.#storage.rememberKept();
    await Promise.all(records.map(({ key, value }) => this.#openSpace(key, value)));
    await Promise.all(this.#spaces.get().map((space) => space.catalog.painted));
    this.#listen();
    // The rest comes after the first paint.
    this.#takePart(identity).catch((error: unknown) => device.troubles.storage("start", error));
  }

  async #takePart(identity: OwnIdentity | undefined): Promise<void> {
    const { name, platform, store, tabs, troubles } = this.#device;
    const { isPrivate } = await this.#storage.look();
    if (this.#closed) return;
    // Who leads later needs it when the tab that led hangs, and a service worker may hang with it. What
    // cannot be had now is asked for, and missed in words, when this tab leads (`#lead`).
    loadLeader().catch(() => {});
    this.#leadership = new Leadership({
      locks: platform.locks,
      lockName: `${name}/leader`,
      store,
      tabs,
      visible: platform.page.visible,
      onLead: (epoch) => this.#lead(epoch, !isPrivate),
      onFollow: () => this.#follow(),
      onTrouble: (error) => troubles.storage("leadership", error),
    });
    tabs.post({ kind: "here" });
    const looking = setInterval(() => {
      if (platform.page.visible.get()) void this.#storage.look();
    }, lookAtStorageEveryMs);
    this.#undo.push(() => clearInterval(looking));
    // The tab that was giving itself a name was closed half-way.
    if (identity !== undefined && this.#personal.get() === undefined) {
      await this.#foundPersonal(identity);
    }
  }

  async introduce(name: string): Promise<void> {
    assertName(name);
    const identity = await this.#identityRecord.create(name);
    this.#identity.set(identity);
    this.#storage.rememberKept();
    this.#device.troubles.over(({ kind }) => kind === "storage evicted");
    await this.#foundPersonal(identity);
    this.#device.tabs.post({ kind: "records" });
    void this.#storage.look();
  }

  async rename(name: string): Promise<void> {
    assertName(name);
    const identity = await this.#identityRecord.rename(name);
    if (identity === undefined) throw new Error("renamed before the first name");
    this.#identity.set(identity);
    this.#device.tabs.post({ kind: "records" });
    this.#link.wish({ kind: "name", name });
  }

  async createSpace(name: string): Promise<SpaceTag> {
    assertName(name);
    const core = await this.#found("shared", name, this.#me);
    return core.tag;
  }

  async readInvite(link: string): Promise<InvitePreview | InviteRefusal> {
    const found = await findInvite(this.#device, this.#sharedCores(), link);
    return "preview" in found ? found.preview : found;
  }

  async join(link: string): Promise<SpaceTag | InviteRefusal> {
    const identity = this.#me;
    const found = await findInvite(this.#device, this.#sharedCores(), link);
    if (!("preview" in found)) return found;
    if (found.preview.mine !== undefined) return found.preview.mine;
    const entrance = await redeemInvite(this.#device, found);
    if ("kind" in entrance) return entrance;
    const { tag } = entrance;
    if (this.space(tag) !== undefined) return tag;
    const replica = await newReplica(this.#device.suite, identity, tag);
    const record = await this.#records.add(tag, { ...entrance.record, replica });
    if (record.kind === "personal") return refusal("damaged", "it leads to a personal space");
    await this.#enter(tag, record);
    return tag;
  }

  space(tag: SpaceTag): Space | undefined {
    return this.#spaces.get().find((space) => space.tag === tag);
  }

  async setOffline(offline: boolean): Promise<void> {
    await this.#settingsRecord.change({ offline });
    this.#offline.set(offline);
    this.#link.wish({ kind: "offline", offline });
  }

  connectNow(): void {
    this.#link.wish({ kind: "connect now" });
  }

  askToPersist(): Promise<boolean> {
    return this.#storage.askToPersist();
  }

  setting(key: string): Observable<string | undefined> {
    return nested(this.#personal, (personal) => personal?.get(key));
  }

  async setSetting(key: string, value: string): Promise<void> {
    const personal = this.#personal.get();
    if (personal === undefined) throw new Error("settings before the first name");
    await personal.set(key, value);
  }

  async diagnostics(): Promise<string> {
    await this.#storage.look();
    return diagnose({
      device: this.#device,
      cores: this.#cores.get(),
      status: this.#link.status.get(),
      storage: this.#storage.state.get(),
      troubles: this.troubles.get(),
      isLeading: this.#leader !== undefined,
    });
  }

  /** Lets go of everything, as when the tab closes. */
  close(): void {
    this.#closed = true;
    for (const undo of this.#undo) undo();
    this.#attention.close();
    for (const space of this.#spaces.get()) space.close();
    for (const core of this.#cores.get()) core.close();
    this.#leadership?.close();
    this.#device.tabs.close();
    this.#device.kv.close();
  }

  /** The database is gone from under us: nothing can be kept any more in this tab. */
  databaseEnded(end: DatabaseEnd): void {
    const { troubles, env } = this.#device;
    const atMs = env.clock.now();
    this.#closed = true;
    this.#leadership?.close();
    switch (end) {
      case "outdated":
        return troubles.raise({ kind: "update needed", atMs });
      case "erased":
        return troubles.raise({ kind: "storage evicted", atMs });
      case "lost": {
        const detail = "the browser closed the database; reload to open it again";
        return troubles.raise({ kind: "storage failed", atMs, detail });
      }
    }
  }

  get #me(): OwnIdentity {
    const identity = this.#identity.get();
    if (identity === undefined) throw new Error("nobody has given a name yet");
    return identity;
  }

  #sharedCores(): SpaceCore[] {
    return this.#spaces.get().map(({ core }) => core);
  }

  // Spaces

  async #foundPersonal(identity: OwnIdentity): Promise<void> {
    await this.#device.platform.locks.request(`${this.#device.name}/personal`, async () => {
      const records = await this.#records.all();
      const held = records.find(({ value }) => value.kind === "personal");
      if (held !== undefined) await this.#openSpace(held.key, held.value);
      else await this.#found("personal", identity.name, identity);
    });
  }

  async #found(kind: SpaceKind, name: string, identity: OwnIdentity): Promise<SpaceCore> {
    const { suite, env, relay } = this.#device;
    const { tag, certificate, seeds, contentKey } = await newSpace(suite, env.random);
    const record = await this.#records.add(tag, {
      kind,
      name,
      certificates: [certificate],
      contentKeys: [contentKey],
      seeds,
      relays: [relay],
      replica: await newReplica(suite, identity, tag),
      admission: { kind: "founder" },
      sinceMs: env.clock.now(),
      links: [],
    });
    return this.#enter(tag, record);
  }

  /** A space that is new to this device: open in all tabs once we have introduced ourselves. */
  async #enter(tag: SpaceTag, record: SpaceRecord): Promise<SpaceCore> {
    const core = await this.#openSpace(tag, record);
    await core.ready;
    this.#device.tabs.post({ kind: "records" });
    if (record.kind === "shared") this.#listInPersonal(tag, record);
    return core;
  }

  /** For this person's other devices: which spaces there are, and where. Never their keys. */
  #listInPersonal(tag: SpaceTag, { name, relays, sinceMs }: SpaceRecord): void {
    const value = JSON.stringify({ name, relays, sinceMs });
    this.#personal
      .get()
      ?.set(`space/${tag}`, value)
      .catch((error: unknown) => this.#device.onBug(error));
  }

  #openSpace(tag: SpaceTag, record: SpaceRecord): Promise<SpaceCore> {
    let opening = this.#opening.get(tag);
    if (opening === undefined) {
      opening = SpaceCore.open(this.#device, tag, record, () => this.#me).then((core) => {
        this.#opened(core, record.kind);
        return core;
      });
      this.#opening.set(tag, opening);
    }
    return opening;
  }

  #opened(core: SpaceCore, kind: SpaceKind): void {
    this.#cores.set([...this.#cores.get(), core]);
    if (kind === "personal") {
      this.#personal.set(new PersonalSettings(core));
      return;
    }
    const space = new LiveSpace(core, this.#link, this.#attention);
    const bySince = (a: LiveSpace, b: LiveSpace) =>
      a.core.record.get().sinceMs - b.core.record.get().sinceMs;
    this.#spaces.set([...this.#spaces.get(), space].sort(bySince));
    this.#leadSpace(space);
    this.#undo.push(space.summary.subscribe(() => this.#summarise()));
    this.#summarise();
    this.#attention.say();
  }

  #summarise(): void {
    const summaries = this.#spaces.get().map(({ summary }) => summary.get());
    if (!sameValue(summaries, this.#summaries.get())) this.#summaries.set(summaries);
  }

  // Tabs

  #listen(): void {
    const { tabs } = this.#device;
    const core = (tag: SpaceTag) => this.#cores.get().find((each) => each.tag === tag);
    const bug = (error: unknown) => this.#device.onBug(error);
    this.#undo.push(
      tabs.on("appended", ({ space, head }) => core(space)?.appendedElsewhere(head)),
      tabs.on("applied", ({ space, entries, state }) => {
        core(space)?.applied(entries, state).catch(bug);
      }),
      tabs.on("filled", ({ space, document }) => core(space)?.filled(document)),
      tabs.on("register", ({ space, register }) => {
        core(space)?.registered(register).catch(bug);
      }),
      tabs.on("wish", ({ wish }) => {
        if (wish.kind === "offline") this.#offline.set(wish.offline);
      }),
      tabs.on("records", () => {
        this.#readRecords().catch((error: unknown) => {
          this.#device.troubles.storage("records", error);
        });
      }),
      this.#link.status.subscribe(() => this.#heard(this.#link.status.get())),
    );
  }

  /** Another tab has written the identity or a space. */
  async #readRecords(): Promise<void> {
    const [identity, records] = await Promise.all([
      this.#identityRecord.read(),
      this.#records.all(),
    ]);
    const before = this.#identity.get();
    if (identity !== undefined && identity.name !== before?.name) this.#identity.set(identity);
    for (const { key, value } of records) {
      const core = await this.#openSpace(key, value);
      core.record.set(value);
    }
    this.#device.troubles.storage("records", undefined);
  }

  #heard({ spaces }: LeaderStatus): void {
    const { troubles, env } = this.#device;
    for (const core of this.#cores.get()) {
      const status = spaces.get(core.tag);
      if (status === undefined) continue;
      if (this.#leader === undefined) {
        core.goesOnIn(status.ownLog);
        core.sentUpTo(status.sent);
      }
      const { tag: space } = core;
      for (const { replica, healed } of status.forks) {
        const author = othersName(core, replica);
        troubles.raise({ kind: "fork", atMs: env.clock.now(), space, replica, author, healed });
      }
      for (const replica of status.snapshots.disputed) {
        const author = othersName(core, replica);
        const atMs = env.clock.now();
        if (author === undefined) continue;
        troubles.raise({ kind: "snapshot disputed", atMs, space, replica, author });
      }
      this.#tellDamage(core, status.holes);
      const { network } = status;
      if (network.kind === "refused") {
        const { code, reason: detail } = network;
        troubles.raise({ kind: "access ended", atMs: env.clock.now(), space, code, detail });
      } else {
        troubles.over((trouble) => trouble.kind === "access ended" && trouble.space === space);
      }
    }
  }

  #tellDamage(core: SpaceCore, holes: readonly HoleFact[]): void {
    const { troubles, env } = this.#device;
    const { tag: space } = core;
    troubles.over(
      (trouble) =>
        trouble.kind === "damaged" &&
        trouble.space === space &&
        !holes.some(({ replica }) => replica === trouble.replica),
    );
    for (const replica of new Set(holes.map((hole) => hole.replica))) {
      const own = holes.filter((hole) => hole.replica === replica);
      const author = othersName(core, replica);
      const { sentTo } = core.sent.get();
      troubles.raise({
        kind: "damaged",
        atMs: env.clock.now(),
        space,
        replica,
        changes: own.reduce((sum, { first, last }) => sum + last - first + 1, 0),
        author,
        shown: own.every(({ applied }) => applied),
        sent: author !== undefined || own.every(({ last }) => last <= sentTo),
      });
    }
  }

  #lead(epoch: number, durable: boolean): void {
    this.#epoch = epoch;
    for (const space of this.#spaces.get()) this.#leadSpace(space);
    this.#beginToLead(epoch, durable).catch((error: unknown) => {
      // The file of the network's part could not be had: it comes with the next try.
      this.#device.troubles.storage("leading", error);
      setTimeout(() => {
        if (this.#epoch === epoch && !this.#closed) this.#lead(epoch, durable);
      }, leadAgainMs);
    });
  }

  async #beginToLead(epoch: number, durable: boolean): Promise<void> {
    const { Leader: LeadingTab } = await loadLeader();
    if (this.#epoch !== epoch || this.#closed) return;
    this.#device.troubles.storage("leading", undefined);
    this.#leader = new LeadingTab({
      device: this.#device,
      epoch,
      cores: this.#cores,
      offline: this.#offline.get(),
      durable,
      onDeposed: () => this.#fenced(),
    });
    this.#link.setLeader(this.#leader);
    this.#attention.sayAll();
  }

  #follow(): void {
    this.#epoch = undefined;
    for (const space of this.#spaces.get()) this.#leadSpace(space);
    this.#leader?.close();
    this.#leader = undefined;
    this.#link.setLeader(undefined);
  }

  #leadSpace(space: LiveSpace): void {
    const epoch = this.#epoch;
    space.lead(epoch === undefined ? undefined : { epoch, onFenced: () => this.#fenced() });
  }

  #fenced(): void {
    this.#leadership?.fenced();
  }

  #lookForEviction(): void {
    if (!this.#storage.wasKept) return;
    const { troubles, env } = this.#device;
    troubles.raise({ kind: "storage evicted", atMs: env.clock.now() });
  }
}

/** After the file of the network's part could not be had. */
const leadAgainMs = 3_000;

/** What speaks to the network: loaded after the first paint, by every tab. */
const loadLeader = () => import("./leader.ts");

/** What the browser says of room changes slowly. */
const lookAtStorageEveryMs = 60_000;

const offlineNetwork: Network = { kind: "off" };

function assertName(name: string): void {
  const fault = nameFault(name);
  if (fault !== undefined) throw new RangeError(`a name that is ${fault}`);
}

/** The observable inside an observable, whichever that is at the moment. */
function nested<Outer, T>(
  outer: Observable<Outer>,
  pick: (value: Outer) => Observable<T | undefined> | undefined,
): Observable<T | undefined> {
  return {
    get: () => pick(outer.get())?.get(),
    subscribe(listener) {
      let inner = pick(outer.get())?.subscribe(listener);
      const undo = outer.subscribe(() => {
        inner?.();
        inner = pick(outer.get())?.subscribe(listener);
        listener();
      });
      return () => {
        undo();
        inner?.();
      };
    },
  };
}

/** Undefined for this device itself. */
function othersName(core: SpaceCore, replica: ReplicaId): string | undefined {
  if (replica === core.replica) return undefined;
  const member = core.membership.get().memberByReplica.get(replica);
  return member === undefined ? "somebody unknown" : core.nameOf(member);
}
