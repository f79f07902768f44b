/**
 * Whatever happens on the way, read models are what one leader would have made of the same entries in
 * one go: however they were split, whoever led, whenever the power went or the disk was full.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orderKey } from "../chat/order-key.ts";
import { covers } from "../clock/version-vector.ts";
import type { DocumentId, ReplicaId } from "../id/id.ts";
import { KvDeviceStore } from "./device-store.ts";
import { type Kv, KvFailure } from "./kv.ts";
import { MemoryDisk } from "./memory-kv.ts";
import type { KeptMessage } from "./message-rows.ts";
import { ReadModels } from "./read-models.ts";
import {
  advanced,
  allMessages,
  ana,
  ben,
  cleo,
  documents,
  nothingApplied,
  readAll,
  space,
  textOfUpdate,
  utf8,
} from "./ready-entries.contract.ts";
import { dice, roller, shuffled, storyOf } from "./stories.contract.ts";
import type { Application, ReadyEntry } from "./store.ts";
import { appliedAtOnce, failing, testSuite } from "./store.contract.ts";
import { deviceStores } from "./stores.ts";

const authors = [ana, ben, cleo] as const;

const story = storyOf(authors);

// Devices

const freshDisk = () => new MemoryDisk(deviceStores, { losesPower: true });

/** A tab that applies `entries` in their order, as far as it leads. */
class Tab {
  readonly kv: Kv;
  readonly #store: KvDeviceStore;
  readonly #entries: readonly ReadyEntry[];
  #epoch = 0;
  #state = nothingApplied;

  constructor(kv: Kv, entries: readonly ReadyEntry[]) {
    this.kv = kv;
    this.#store = new KvDeviceStore(kv, testSuite);
    this.#entries = entries;
  }

  get applied(): number {
    return [...this.#state.vector.values()].reduce((sum, seq) => sum + seq, 0);
  }

  async lead(): Promise<void> {
    this.#epoch = await this.#store.takeLeadership();
    this.#state = await this.#store.applied(space);
  }

  async apply(count: number): Promise<Application> {
    const next = this.#entries.slice(this.applied, this.applied + count);
    const after = advanced(this.#state, next);
    const outcome = await this.#store.apply(space, this.#epoch, this.#state, next, after);
    if (outcome === "applied") this.#state = after;
    return outcome;
  }

  /** A snapshot of a part of a document's tail, by an engine that lists what it took in. */
  async compact(document: DocumentId, roll: (below: number) => number): Promise<Application> {
    const state = await new ReadModels(this.kv).document(space, document);
    const before = state.snapshot?.upTo ?? 0;
    const taken = roll(state.updates.length + 1);
    const texts = [...listed(state.snapshot?.bytes), ...state.updates.slice(0, taken).map(update)];
    const bytes = utf8(texts.join("\n"));
    return this.#store.replaceTail(space, this.#epoch, document, bytes, before + taken);
  }
}

const update = ({ payload }: { readonly payload: Uint8Array }): string => textOfUpdate(payload);
const listed = (snapshot: Uint8Array | undefined): string[] =>
  snapshot === undefined ? [] : new TextDecoder().decode(snapshot).split("\n");

/** Everything to be read, with documents as their updates from the first, wherever a snapshot is. */
async function readWhole(kv: Kv): Promise<Record<string, unknown>> {
  const { tails: _, ...all } = await readAll(kv);
  for (const document of [documents.note, documents.catalog]) {
    const { snapshot, updates, upTo } = await new ReadModels(kv).document(space, document);
    const texts = [...listed(snapshot?.bytes), ...updates.map(update)];
    expect(upTo).toBe(texts.length);
    all[`whole ${document}`] = texts;
  }
  delete all["note state"];
  delete all["catalog state"];
  return all;
}

async function wholeAtOnce(entries: readonly ReadyEntry[]): Promise<Record<string, unknown>> {
  const kv = freshDisk().open();
  await appliedAtOnce({ kv }, entries);
  return readWhole(kv);
}

describe("read models", () => {
  test("are the same however the entries were split", async () => {
    await fc.assert(
      fc.asyncProperty(story, dice, async (entries, stream) => {
        const roll = roller(stream);
        const tab = new Tab(freshDisk().open(), entries);
        await tab.lead();
        while (tab.applied < entries.length) await tab.apply(1 + roll(roll(2) === 0 ? 3 : 30));
        const atOnce = await appliedAtOnce({ kv: freshDisk().open() }, entries);
        expect(await readAll(tab.kv)).toEqual(atOnce);
      }),
      { numRuns: 150 },
    );
  });

  test("hold the same in any causal order, and updates after what they depend on", async () => {
    await fc.assert(
      fc.asyncProperty(story, dice, async (entries, stream) => {
        const order = shuffled(entries, roller(stream));
        const [kv, shuffledKv] = [freshDisk().open(), freshDisk().open()];
        const inOrder = await appliedAtOnce({ kv }, entries);
        const inShuffled = await appliedAtOnce({ kv: shuffledKv }, order);
        const ordered = new Set(["note state", "catalog state"]);
        const unordered = (all: Record<string, unknown>) =>
          Object.entries(all).filter(([name]) => !ordered.has(name));
        expect(unordered(inShuffled)).toEqual(unordered(inOrder));
        for (const document of [documents.note, documents.catalog]) {
          const [asTold, asApplied] = await Promise.all(
            [kv, shuffledKv].map(async (each) => new ReadModels(each).document(space, document)),
          );
          const byKey = (state = asTold) =>
            new Map(state?.updates.map((each) => [orderKey(each), each] as const));
          expect(byKey(asApplied)).toEqual(byKey(asTold));
          // As applied is as the entries came.
          const texts = order.flatMap(({ replica, seq }) =>
            (asApplied?.updates ?? []).filter(({ id }) => id.replica === replica && id.seq === seq),
          );
          expect(asApplied?.updates).toEqual(texts);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("are changed by the newest leader alone, whoever else tries in between", async () => {
    const turn = fc.record({
      tab: fc.nat(2),
      does: fc.constantFrom("lead", "apply", "apply", "apply", "compact", "both"),
    });
    const outcomes = { applied: 0, fenced: 0, moved: 0 };
    await fc.assert(
      fc.asyncProperty(
        story,
        fc.array(turn, { minLength: 5, maxLength: 30 }),
        dice,
        async (entries, turns, stream) => {
          const roll = roller(stream);
          const disk = freshDisk();
          const tabs = authors.map(() => new Tab(disk.open(), entries));
          let leader = -1;
          const attempt = async (index: number, work: (tab: Tab) => Promise<Application>) => {
            const tab = tabs[index];
            if (tab === undefined) return;
            const allowed = index === leader;
            const outcome = await work(tab);
            outcomes[outcome]++;
            expect(outcome === "fenced").toBe(!allowed);
          };
          for (const { tab, does } of turns) {
            const count = 1 + roll(8);
            if (does === "lead") {
              await tabs[tab]?.lead();
              leader = tab;
            } else if (does === "apply") {
              await attempt(tab, async (each) => each.apply(count));
            } else if (does === "compact") {
              await attempt(tab, async (each) => each.compact(documents.note, roll));
            } else {
              // All at the same moment, each from what it believes.
              await Promise.all(
                tabs.map(async (_, index) => attempt(index, async (each) => each.apply(count))),
              );
            }
          }
          const last = new Tab(disk.open(), entries);
          await last.lead();
          while (last.applied < entries.length) await last.apply(20);
          expect(await readWhole(last.kv)).toEqual(await wholeAtOnce(entries));
        },
      ),
      { numRuns: 100 },
    );
    // The turns met what they were made for.
    expect(outcomes.fenced).toBeGreaterThan(100);
    expect(outcomes.applied).toBeGreaterThan(100);
  });

  test("survive power cuts between and within transactions", async () => {
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(story, dice, async (entries, stream) => {
        const roll = roller(stream);
        const disk = freshDisk();
        let tab = new Tab(disk.open(), entries);
        await tab.lead();
        // Dice that always fall alike would cut for ever.
        let cutsLeft = 20;
        while (tab.applied < entries.length) {
          const cut = cutsLeft > 0 && roll(4) === 0;
          const pending = [tab.apply(1 + roll(6)), tab.compact(documents.note, roll)];
          const settled = Promise.allSettled(pending);
          // Somewhere in the middle of both, or after.
          if (cut) for (let steps = roll(120); steps > 0; steps--) await Promise.resolve();
          else await settled;
          if (!cut && (cutsLeft === 0 || roll(6) > 0)) continue;
          cutsLeft--;
          const unsynced = disk.unsynced;
          const kept = roll(unsynced + 1);
          lost += unsynced - kept;
          disk.cutPower(kept);
          await settled;
          tab = new Tab(disk.open(), entries);
          await tab.lead();
        }
        expect(await readWhole(tab.kv)).toEqual(await wholeAtOnce(entries));
      }),
      { numRuns: 100 },
    );
    expect(lost).toBeGreaterThan(50);
  });

  test("have nothing of an application for which the disk was full", async () => {
    let failures = 0;
    await fc.assert(
      fc.asyncProperty(story, dice, async (entries, stream) => {
        const roll = roller(stream);
        const limit = { writes: Number.POSITIVE_INFINITY, kind: "quota" as const };
        const disk = freshDisk();
        const tab = new Tab(failing(disk.open(), limit), entries);
        await tab.lead();
        while (tab.applied < entries.length) {
          const count = 1 + roll(8);
          const before = await readAll(disk.open());
          limit.writes = roll(12);
          const failure: unknown = await tab.apply(count).then(
            () => undefined,
            (error: unknown) => error,
          );
          limit.writes = Number.POSITIVE_INFINITY;
          if (failure === undefined) continue;
          failures++;
          expect(failure).toBeInstanceOf(KvFailure);
          expect(await readAll(disk.open())).toEqual(before);
          expect(await tab.apply(count)).toBe("applied");
        }
        expect(await readAll(disk.open())).toEqual(
          await appliedAtOnce({ kv: freshDisk().open() }, entries),
        );
      }),
      { numRuns: 80 },
    );
    expect(failures).toBeGreaterThan(50);
  });

  test("count as unread what counting one by one counts", async () => {
    const marks = fc.dictionary(fc.constantFrom<string>(...authors), fc.nat({ max: 30 }));
    await fc.assert(
      fc.asyncProperty(
        story,
        marks,
        fc.subarray([...authors]),
        fc.nat({ max: 20 }),
        async (entries, read, own, countMax) => {
          const kv = freshDisk().open();
          await appliedAtOnce({ kv }, entries);
          const models = new ReadModels(kv);
          const mark = new Map(Object.entries(read)) as Map<ReplicaId, number>;
          const messages = (await allMessages(models, documents.channel)) as KeptMessage[];
          const newestFirst = messages
            .filter(({ id }) => !own.includes(id.replica) && !covers(mark, id.replica, id.seq))
            .reverse()
            .slice(0, countMax);
          const oldest = newestFirst[newestFirst.length - 1];
          expect(
            await models.unread(space, documents.channel, mark, new Set(own), countMax),
          ).toEqual({
            count: newestFirst.length,
            first: oldest === undefined ? undefined : orderKey(oldest),
          });
        },
      ),
      { numRuns: 150 },
    );
  });
});
