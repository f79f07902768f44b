/**
 * Devices of one space around relays with real stores, joined by wires in memory: for tests that need
 * the shipped device and the shipped relay, and no faults. Time is told by hand.
 */
import { inspect } from "node:util";
import { draftPost } from "@skein/shared/chat/post.ts";
import type { Gate } from "@skein/shared/device/gate.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId } from "@skein/shared/id/id.ts";
import { knownDocument } from "@skein/shared/log/known-document.ts";
import type { LogBase } from "@skein/shared/log/store.ts";
import {
  encodeTruncation,
  type TruncationRow,
  truncationLabel,
  truncationStatement,
} from "@skein/shared/log/truncation.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import type { Bus } from "../../server/src/bus/bus.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import type { RelayStore } from "../../server/src/store/store.ts";
import { type SnapshotOptions, Tab } from "./party.ts";
import { toySuite } from "./toy-suite.ts";

const origin = "http://localhost:8787";
export const retentionMs = 30 * 86_400_000;
/** Posts in one entry: an entry's time and dependencies come beside them. */
const operationsMax = 100;
export const general = documentId(new Uint8Array(8).fill(1));

export class DeviceWorld {
  nowMs = 1_000_000;
  readonly env: Env = {
    clock: { now: () => this.nowMs },
    random: {
      bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      fraction: () => Math.random(),
    },
  };
  readonly suite = toySuite(this.env.random);
  readonly bugs: unknown[] = [];
  readonly space: NewSpace;
  readonly hub = new MemoryBusHub();
  readonly #devices = new Set<TestDevice>();

  private constructor(space: (world: DeviceWorld) => NewSpace) {
    this.space = space(this);
  }

  static async begin(): Promise<DeviceWorld> {
    const dice = {
      bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
      fraction: () => Math.random(),
    };
    const space = await newSpace(toySuite(dice), dice);
    return new DeviceWorld(() => space);
  }

  get catalog() {
    return knownDocument(this.suite, this.space.tag, "catalog");
  }

  /** @param hub of a relay that shares its store with others. */
  relay(store: RelayStore, hub: { connect(): Bus } = this.hub): Relay {
    return new Relay({
      env: this.env,
      suite: this.suite,
      store,
      bus: hub.connect(),
      explain: (error) => ({ code: codes.unavailable, retryAfterMs: 0, detail: String(error) }),
      retentionMs,
      onEnded: () => {},
      onBug: (error) => this.bugs.push(error),
    });
  }

  /** A device that leads; on `disk`, if it was there before. */
  async device(options: DeviceOptions = {}): Promise<TestDevice> {
    const pair = options.pair ?? (await this.suite.newSigningPair());
    const device = new TestDevice(this, options, pair);
    this.#devices.add(device);
    await device.tab.lead([{ kind: "clock" }]);
    return device;
  }

  /** Lets everything happen that does not wait for time, and `ms` of time pass. */
  async settle(ms = 0): Promise<void> {
    for (let turn = 0; turn < 40; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
    this.nowMs += ms;
    for (const device of this.#devices) device.tick();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  /** Seconds, until `done`; fails after a hundred of them. */
  async until(done: () => boolean | Promise<boolean>): Promise<void> {
    for (let second = 0; second < 100; second++) {
      if (await done()) return;
      await this.settle(1_000);
    }
    const told = [...this.#devices].map(({ tab }) => ({
      phase: tab.keeper?.phase,
      troubles: tab.upkeepTroubles,
      applied: tab.replica?.applied.vector,
    }));
    throw new Error(`it did not happen: ${inspect({ bugs: this.bugs, told }, { depth: 4 })}`);
  }

  async order(
    number: number,
    bases: readonly TruncationRow[],
    {
      seed = this.space.seeds.admin as Uint8Array,
      space = this.space.tag,
      snapshot = new Uint8Array(32) as Uint8Array,
    } = {},
  ): Promise<Uint8Array> {
    const rows = bases.map(({ publicKey, seq, hash, branch }) => ({
      ...{ publicKey, seq, hash },
      ...(branch && { branch: { seq: branch.seq, hash: branch.hash } }),
    }));
    const statement = { suite: this.suite.id, space, number, snapshot, rows };
    const { secret } = await this.suite.signingPairFromSeed(seed);
    const message = truncationStatement(statement);
    const signature = await this.suite.sign(secret, truncationLabel, message);
    return encodeTruncation({ ...statement, signature });
  }
}

/** Another disk with the same on it: of a copied profile, or of a backup. */
export async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const [from, copy] = [disk.open(), new MemoryDisk(deviceStores)];
  const to = copy.open();
  for (const store of deviceStores) {
    await to.write([store], "strict", async (tx) => {
      // Names alone, and keys that begin with an id.
      for (const range of [
        { from: "", before: [] },
        { from: [], before: ["~"] },
      ]) {
        const rows = await from.read([store], (reading) => reading.range(store, range));
        for (const { key, value } of rows) tx.put(store, key, value);
      }
    });
  }
  return copy;
}

export interface DeviceOptions {
  readonly disk?: MemoryDisk;
  /** Of a device that was there before. */
  readonly pair?: SigningPair;
  readonly snapshots?: SnapshotOptions;
  /** Who is let in; without it, everybody. */
  readonly gate?: Gate;
}

export class TestDevice {
  readonly tab: Tab;
  readonly models: ReadModels;
  readonly disk: MemoryDisk;
  readonly pair: SigningPair;
  /** Bytes that relays have sent it. */
  received = 0;
  link: RelayLink | undefined;
  readonly #world: DeviceWorld;
  #theirs: { tick(): void } | undefined;
  #cut = (): void => {};

  constructor(world: DeviceWorld, { disk, snapshots, gate }: DeviceOptions, pair: SigningPair) {
    this.#world = world;
    this.pair = pair;
    this.disk = disk ?? new MemoryDisk(deviceStores);
    const kv = this.disk.open();
    this.models = new ReadModels(kv);
    const { env, suite, space } = world;
    this.tab = new Tab({
      env,
      suite,
      kv,
      space,
      pair,
      lock: (body) => body(),
      ...(snapshots && { snapshots }),
      ...(gate && { gate }),
      onBug: (error) => world.bugs.push(error),
    });
    this.tab.onOrder = async (number, snapshot, rows) => {
      const order = await world.order(number, rows, { snapshot });
      const answer = await this.link?.request(space.tag, { type: "truncate", order });
      return answer?.kind === "done";
    };
  }

  get replica() {
    const { replica } = this.tab;
    if (replica === undefined) throw new Error("it does not lead");
    return replica;
  }

  async connect(relay: Relay): Promise<void> {
    this.cut();
    const { env, suite, space } = this.#world;
    const writeKey = (await suite.signingPairFromSeed(space.seeds.write)).secret;
    const ends: { up?: (frame: Uint8Array) => void; down?: (frame: Uint8Array) => void } = {};
    const link = new RelayLink({
      env,
      suite,
      origin,
      durable: true,
      effects: new Effects((error) => this.#world.bugs.push(error)),
      host: { onGreeted: () => {}, onEnded: () => {}, onSpaceState: () => {}, onPresent: () => {} },
      wire: { send: (frame) => queueMicrotask(() => ends.up?.(frame)), close: () => {} },
    });
    const theirs = relay.connect(
      { send: (frame) => queueMicrotask(() => ends.down?.(frame)), close: () => {} },
      origin,
    );
    ends.up = (frame) => theirs.receive(frame);
    ends.down = (frame) => {
      this.received += frame.length;
      link.connection.receive(frame);
    };
    link.add(this.tab.access(writeKey));
    this.link = link;
    this.#theirs = theirs;
    this.#cut = () => {
      ends.up = () => {};
      ends.down = () => {};
      link.connection.wireClosed(1006, "cut");
      theirs.wireClosed(1006, "cut");
    };
    await this.#world.settle();
  }

  cut(): void {
    this.#cut();
    this.#cut = () => {};
    this.link = undefined;
    this.#theirs = undefined;
  }

  get session() {
    const session = this.link?.session(this.#world.space.tag);
    if (session === undefined) throw new Error("no session");
    return session;
  }

  async post(...texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      const draft = draftPost(text, this.#world.nowMs);
      if (draft.kind === "refused") throw new Error(draft.reason);
      await this.tab.writer.append(general, () => [draft.operation]);
    }
  }

  /** The same in as few entries as they fit in. */
  async postAtOnce(...texts: readonly string[]): Promise<void> {
    for (let at = 0; at < texts.length; at += operationsMax) {
      const drafts = texts.slice(at, at + operationsMax).map((text) => {
        const draft = draftPost(text, this.#world.nowMs);
        if (draft.kind === "refused") throw new Error(draft.reason);
        return draft.operation;
      });
      await this.tab.writer.append(general, () => drafts);
    }
  }

  /** The channel as it is shown, from the newest back as far as it is here. */
  async texts(limit = 10_000): Promise<readonly string[]> {
    const { tag } = this.#world.space;
    const { messages } = await this.models.messagesBefore(tag, general, undefined, limit);
    return messages.map(({ text }) => text);
  }

  /** Where its own log stands now. */
  async base(): Promise<LogBase> {
    const { head } = await this.tab.store.writerBase(this.#world.space.tag, this.tab.replicaId);
    if (head === undefined) throw new Error("nothing was written");
    const { replica, publicKey, to: seq, hash } = head;
    return { replica, publicKey, seq, hash };
  }

  tick(): void {
    this.link?.tick();
    this.#theirs?.tick();
    this.tab.replica?.tick();
    this.tab.keeper?.tick();
  }
}
