/**
 * A database that began with a snapshot reads like one that applied every entry, whatever came when:
 * parts before and after further entries, in any order, over what the device had before.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstKey, orderKey, stampOfKey } from "../../chat/order-key.ts";
import { covers } from "../../clock/version-vector.ts";
import type { DocumentId, ReplicaId } from "../../id/id.ts";
import { KvDeviceStore } from "../device-store.ts";
import type { Kv } from "../kv.ts";
import { MemoryDisk } from "../memory-kv.ts";
import type { KeptMessage } from "../message-rows.ts";
import { ReadModels } from "../read-models.ts";
import { advanced, allMessages, documents, space } from "../ready-entries.contract.ts";
import { fairRoller, shuffled, storyOf } from "../stories.contract.ts";
import { testSuite } from "../store.contract.ts";
import { deviceStores } from "../stores.ts";
import type { AppliedState, ReadyEntry } from "../store.ts";
import { essentialsOf } from "./install.ts";
import { type Manifest, type Stored, vectorOf } from "./manifest.ts";
import type { PendingRow } from "./pending-rows.ts";
import {
  Checkpointer,
  lineOf,
  openAll,
  SealedHistory,
  storedIn,
  writers,
} from "./sealed-history.contract.ts";

class Device {
  readonly kv: Kv = new MemoryDisk(deviceStores).open();
  readonly store = new KvDeviceStore(this.kv, testSuite);
  readonly models = new ReadModels(this.kv);
  epoch = 0;

  static async leading(): Promise<Device> {
    const device = new Device();
    device.epoch = await device.store.takeLeadership();
    return device;
  }

  get applied(): Promise<AppliedState> {
    return this.store.applied(space);
  }

  async apply(entries: readonly ReadyEntry[]): Promise<void> {
    const before = await this.applied;
    const outcome = await this.store.apply(
      space,
      this.epoch,
      before,
      entries,
      advanced(before, entries),
    );
    if (outcome !== "applied") throw new Error(outcome);
  }

  async install(manifest: Manifest, given: ReadonlyMap<Stored, Uint8Array>): Promise<void> {
    const installation = { manifest, given, appliedAtMs: 9, root: [], unconfirmed: undefined };
    const outcome = await this.store.install(space, this.epoch, await this.applied, installation);
    if (outcome !== "applied") throw new Error(outcome);
  }
}

/** Everything that can be read, but for when it was applied and which updates are in a snapshot. */
async function readWhole(device: Device): Promise<Record<string, unknown>> {
  const { models } = device;
  const all: Record<string, unknown> = {
    channels: await models.channels(space),
    parked: (await models.parked(space)).map(withoutTime),
    clocks: await models.clocks(space),
    pending: await models.pending(space),
  };
  for (const [name, document] of Object.entries(documents)) {
    const messages = (await allMessages(models, document, space)) as KeptMessage[];
    all[`${name} messages`] = messages.map(withoutTime);
    const backwards = await models.messagesBefore(space, document, undefined, 1e9);
    expect(backwards.messages.map(orderKey)).toEqual(messages.map(orderKey));
    all[`${name} operations`] = (await models.operations(space, document)).map(withoutTime);
    const { snapshot, updates, pending } = await models.document(space, document);
    const lines =
      snapshot === undefined ? [] : new TextDecoder().decode(snapshot.bytes).split("\n");
    all[`${name} updates`] = [...lines, ...updates.map(lineOf)].sort();
    const vector = new Map(snapshot?.vector);
    for (const { id } of updates) vector.set(id.replica, id.seq);
    all[`${name} vector`] = vector;
    all[`${name} pending`] = pending;
    const mark = new Map(writers.map((author) => [author, 2] as const));
    all[`${name} unread`] = await models.unread(space, document, mark, new Set(), 50);
  }
  return all;
}

const withoutTime = <Value extends object>(value: Value) => ({ ...value, appliedAtMs: 0 });

/** The `entries` that `vector` does not cover, in an order in which nothing comes before its past. */
function beyond(
  entries: readonly ReadyEntry[],
  vector: ReadonlyMap<ReplicaId, number>,
): ReadyEntry[] {
  return entries.filter(({ replica, seq }) => !covers(vector, replica, seq));
}

const storedOf = (manifest: Manifest, row: PendingRow): Stored => {
  const found = storedIn(manifest).find(
    ({ object }) => object.key.join() === row.object.key.join(),
  );
  if (found === undefined) throw new Error("a pending row of another manifest");
  return found;
};

describe("a database that began with a snapshot", () => {
  it("reads like one that applied all entries, however the parts came", async () => {
    const met = { pending: 0, late: 0, before: 0 };
    await fc.assert(
      fc.asyncProperty(storyOf(writers, { size: "max" }), fc.integer(), async (told, seed) => {
        const roll = fairRoller(seed);
        const history = await SealedHistory.of(told);
        const entries = told.map((entry) => history.sealed(entry));
        const checkpointer = new Checkpointer(history);
        const target = new Map(
          [...history.vector].map(([replica, seq]) => [replica, roll(seq + 1)] as const),
        );
        await checkpointer.step(target);
        const manifest = checkpointer.manifest ?? (await checkpointer.reach(new Map()));
        const objects = await openAll(checkpointer, manifest);

        const device = await Device.leading();
        if (roll(2) === 0) {
          // It was away: what it has applied and holds is another part of the same.
          const known = shuffled(entries, roll).slice(0, roll(entries.length + 1));
          await device.store.append(
            space,
            history.runs.filter((run) =>
              known.some(({ replica, seq }) => run.replica === replica && run.first === seq),
            ),
          );
          if (known.length > 0) await device.apply(known);
          met.before += known.length;
        }
        const given = new Map(essentialsOf(manifest).map((each) => [each, bytesOf(objects, each)]));
        for (const each of storedIn(manifest)) {
          if (roll(3) === 0) given.set(each, bytesOf(objects, each));
        }
        await device.install(manifest, given);
        expect((await device.applied).vector).toEqual(vectorOf(manifest));

        const rest = shuffled(beyond(entries, vectorOf(manifest)), roll, vectorOf(manifest));
        for (;;) {
          const pending = await device.models.pending(space);
          expect(await device.store.isPartial(space)).toBe(pending.length > 0);
          if (pending.length === 0 && rest.length === 0) break;
          if (rest.length > 0 && (pending.length === 0 || roll(2) === 0)) {
            await device.apply(rest.splice(0, 1 + roll(6)));
            if (pending.length > 0) met.late++;
            continue;
          }
          const part = pending[roll(pending.length)];
          if (part === undefined) throw new Error("one of several");
          const bytes = bytesOf(objects, storedOf(manifest, part.row));
          const { epoch, store } = device;
          expect(await store.fill(space, epoch, part, bytes, 7)).toBe("applied");
          const after = await readPending(device);
          expect(await store.fill(space, epoch, part, bytes, 8)).toBe("moved");
          expect(await readPending(device)).toEqual(after);
          met.pending++;
        }

        const reference = await Device.leading();
        if (entries.length > 0) await reference.apply(entries);
        expect(await readWhole(device)).toEqual(await readWhole(reference));
      }),
      { numRuns: 120 },
    );
    expect(met.pending).toBeGreaterThan(200);
    expect(met.late).toBeGreaterThan(50);
    expect(met.before).toBeGreaterThan(100);
  });

  it("shows no message from behind one that is on its way", async () => {
    let holes = 0;
    await fc.assert(
      fc.asyncProperty(storyOf(writers, { size: "max" }), fc.integer(), async (told, seed) => {
        const roll = fairRoller(seed);
        const history = await SealedHistory.of(told);
        const checkpointer = new Checkpointer(history);
        const manifest = await checkpointer.reach(history.vector);
        const objects = await openAll(checkpointer, manifest);
        const device = await Device.leading();
        const given = new Map(
          storedIn(manifest)
            .filter((each) => essentialsOf(manifest).includes(each) || roll(2) === 0)
            .map((each) => [each, bytesOf(objects, each)] as const),
        );
        await device.install(manifest, given);
        const reference = await Device.leading();
        if (told.length > 0) await reference.apply(told);
        for (const part of manifest.parts) {
          if (part.kind !== "channel") continue;
          const all = (await allMessages(reference.models, part.document)) as KeptMessage[];
          const keys = all.map(orderKey);
          const missing = part.segments.filter((each) => !given.has(each));
          holes += missing.length;
          await readsBack(device, part.document, keys, missing, 1 + roll(5));
          await readsOn(device, part.document, keys, missing, 1 + roll(5));
        }
      }),
      { numRuns: 60 },
    );
    expect(holes).toBeGreaterThan(30);
  });
});

type Missing = readonly { readonly first: string; readonly count: number }[];

/** Pages from the newest back end exactly where the newest missing segment ends. */
async function readsBack(
  { models }: Device,
  channel: DocumentId,
  keys: readonly ReturnType<typeof orderKey>[],
  missing: Missing,
  limit: number,
): Promise<void> {
  const hole = missing.at(-1);
  const read: ReturnType<typeof orderKey>[] = [];
  for (;;) {
    const page = await models.messagesBefore(space, channel, read[0], limit);
    read.unshift(...page.messages.map(orderKey));
    expect(page.hasMore).toBe(read.length < keys.length);
    if (page.messages.length > 0 && page.pending === undefined && page.hasMore) continue;
    expect(page.pending).toBe(hole?.first);
    break;
  }
  const from = hole === undefined ? 0 : keys.findIndex((key) => key === hole.first) + hole.count;
  expect(read).toEqual(keys.slice(from));
}

async function readsOn(
  { models }: Device,
  channel: DocumentId,
  keys: readonly ReturnType<typeof orderKey>[],
  missing: Missing,
  limit: number,
): Promise<void> {
  const hole = missing[0];
  const read: ReturnType<typeof orderKey>[] = [];
  for (;;) {
    const last = read.at(-1);
    const next = last === undefined ? firstKey : orderKey(behind(last));
    const page = await models.messagesFrom(space, channel, next, limit);
    read.push(...page.messages.map(orderKey));
    expect(page.hasMore).toBe(read.length < keys.length);
    if (page.messages.length > 0 && page.pending === undefined && page.hasMore) continue;
    expect(page.pending).toBe(hole?.first);
    break;
  }
  expect(read).toEqual(keys.slice(0, keys.findIndex((key) => key === hole?.first) >>> 0));
}

const behind = (key: ReturnType<typeof orderKey>) => {
  const { id, lamport } = stampOfKey(key);
  return { id: { ...id, index: id.index + 1 }, lamport };
};

/** What is not whole reads alike after the same. */
const readPending = async ({ models }: Device): Promise<unknown> => ({
  pending: await models.pending(space),
  channels: await models.channels(space),
});

function bytesOf(objects: ReadonlyMap<Stored, Uint8Array>, stored: Stored): Uint8Array {
  const bytes = objects.get(stored);
  if (bytes === undefined) throw new Error("an object that was not opened");
  return bytes;
}
