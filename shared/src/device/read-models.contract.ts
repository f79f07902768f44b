/** What entries become in the read models, as tests over every `Kv` a device may run on. */
import { afterEach, describe, expect, test } from "vitest";
import { type OrderKey, orderKey } from "../chat/order-key.ts";
import { segmentLimits } from "../chat/segment.ts";
import { DeviceLog } from "./device-log.ts";
import { KvDeviceStore } from "./device-store.ts";
import type { Kv } from "./kv.ts";
import type { KvUnderTest } from "./kv.contract.ts";
import type { KeptMessage } from "./message-rows.ts";
import type { KeptOperation } from "./operation-rows.ts";
import { ReadModels } from "./read-models.ts";
import {
  advanced,
  allMessages,
  ana,
  ben,
  cleo,
  clock,
  documents,
  filled,
  membership,
  nonceOf,
  noteUpdate,
  nothingApplied,
  otherSpace,
  post,
  replica,
  space,
  TestSpace,
  textOfUpdate,
  utf8,
} from "./ready-entries.contract.ts";
import type { AppliedState, Operation, ReadyEntry } from "./store.ts";
import { testSuite } from "./store.contract.ts";
import { stores } from "./stores.ts";
import { TestLog } from "../log/test-log.contract.ts";

/** A leader that applies what it is given, as it comes. */
class Applying {
  readonly models: ReadModels;
  readonly store: KvDeviceStore;
  readonly kv: Kv;
  readonly epoch: number;
  #state: AppliedState = nothingApplied;

  private constructor(kv: Kv, store: KvDeviceStore, epoch: number) {
    this.kv = kv;
    this.store = store;
    this.epoch = epoch;
    this.models = new ReadModels(kv);
  }

  static async over({ kv }: KvUnderTest): Promise<Applying> {
    const store = new KvDeviceStore(kv, testSuite);
    return new Applying(kv, store, await store.takeLeadership());
  }

  async apply(...entries: ReadyEntry[]): Promise<void> {
    const after = advanced(this.#state, entries);
    const outcome = await this.store.apply(space, this.epoch, this.#state, entries, after);
    if (outcome !== "applied") throw new Error(`an application was ${outcome}`);
    this.#state = after;
  }
}

/** @param open a database with the stores of a device. */
export function readModelsContract(name: string, open: () => Promise<KvUnderTest>): void {
  const opened: KvUnderTest[] = [];
  const leader = async () => {
    const subject = await open();
    opened.push(subject);
    return Applying.over(subject);
  };

  describe(`${name} as the read models of a device`, () => {
    afterEach(async () => {
      for (const subject of opened.splice(0)) await subject.dispose();
    });

    describe("a channel", () => {
      test("keeps each post with its author, times and place", async () => {
        const device = await leader();
        const told = new TestSpace();
        const entry = told.write(ana, documents.channel, [post("hi", 123), post("there", 124)]);
        await device.apply(entry);
        const { messages, hasMore } = await device.models.messagesBefore(
          space,
          documents.channel,
          undefined,
          10,
        );
        const { lamport, appliedAtMs } = entry;
        const id = { replica: ana, seq: 1 };
        expect(messages).toEqual([
          { id: { ...id, index: 0 }, lamport, timeMs: 123, text: "hi", appliedAtMs },
          { id: { ...id, index: 1 }, lamport, timeMs: 124, text: "there", appliedAtMs },
        ] satisfies KeptMessage[]);
        expect(hasMore).toBe(false);
        expect(await device.models.channel(space, documents.channel)).toEqual({
          count: 2,
          newest: orderKey({ id: { ...id, index: 1 }, lamport }),
          authors: new Map([[ana, { count: 2, seqs: [1, 1] }]]),
        });
      });

      test("stands in the order of Lamport time, whatever came first", async () => {
        const device = await leader();
        const told = new TestSpace();
        const early = told.write(cleo, documents.channel, [post("early")]);
        const first = told.write(ana, documents.channel, [post("question")]);
        const answer = told.write(ben, documents.channel, [post("answer")], [ana]);
        await device.apply(first);
        await device.apply(answer);
        await device.apply(early);
        const messages = (await allMessages(device.models, documents.channel)) as KeptMessage[];
        expect(messages.map(({ text }) => text)).toEqual(["question", "early", "answer"]);
        expect(await device.models.channel(space, documents.channel)).toMatchObject({
          count: 3,
          newest: orderKey({ id: { replica: ben, seq: 1, index: 0 }, lamport: answer.lamport }),
        });
      });

      test("is empty until its first message, and knows nothing of other channels", async () => {
        const device = await leader();
        await device.apply(new TestSpace().write(ana, documents.channel, [post("hi")]));
        const { otherChannel } = documents;
        expect(await device.models.channel(space, otherChannel)).toBeUndefined();
        const none = { messages: [], hasMore: false };
        const { models } = device;
        expect(await models.messagesBefore(space, otherChannel, undefined, 9)).toEqual(none);
        expect(await models.messagesBefore(otherSpace, documents.channel, undefined, 9)).toEqual(
          none,
        );
        expect([...(await models.channels(space)).keys()]).toEqual([documents.channel]);
      });

      test("forgets posts whose bytes break their form", async () => {
        const device = await leader();
        const broken: Operation = { kind: 0x30, payload: filled(3, 0xff) };
        await device.apply(new TestSpace().write(ana, documents.channel, [broken]));
        expect(await device.models.channel(space, documents.channel)).toBeUndefined();
        expect(await device.models.parked(space)).toEqual([]);
      });

      test("is read page by page in both directions, and message by message", async () => {
        const device = await leader();
        const told = new TestSpace();
        const count = 2 * segmentLimits.messagesMax + 30;
        for (let number = 0; number < count; number++) {
          const author = number % 3 === 0 ? ben : ana;
          told.write(author, documents.channel, [post(String(number))], [ana, ben]);
        }
        for (let at = 0; at < count; at += 90)
          await device.apply(...told.entries.slice(at, at + 90));
        const { models } = device;

        const backwards: KeptMessage[] = [];
        let hasMore = true;
        while (hasMore) {
          const [oldest] = backwards;
          const before = oldest && orderKey(oldest);
          const page = await models.messagesBefore(space, documents.channel, before, 50);
          hasMore = page.hasMore;
          backwards.unshift(...page.messages);
        }
        const texts = Array.from({ length: count }, (_, number) => String(number));
        expect(backwards.map(({ text }) => text)).toEqual(texts);

        const middle = backwards[count - 100];
        if (middle === undefined) throw new Error("as many as were posted");
        const from = orderKey(middle);
        const forwards = await models.messagesFrom(space, documents.channel, from, 60);
        expect(forwards.hasMore).toBe(true);
        expect(forwards.messages.map(({ text }) => text)).toEqual(
          texts.slice(count - 100, count - 40),
        );
        const rest = await models.messagesFrom(space, documents.channel, from, 100);
        expect([rest.messages.length, rest.hasMore]).toEqual([100, false]);
        expect(await models.message(space, documents.channel, from)).toEqual(middle);
        const nobody = `${from.slice(0, -2)}ff` as OrderKey;
        expect(await models.message(space, documents.channel, nobody)).toBeUndefined();
      });

      test("takes messages into the middle of a long past", async () => {
        const device = await leader();
        const told = new TestSpace();
        // Nobody has seen anybody: three pasts of the same Lamport times.
        for (const author of [ana, ben, cleo]) {
          for (let number = 0; number < 250; number++) {
            told.write(author, documents.channel, [post(`${number}`)]);
          }
        }
        for (let at = 0; at < 750; at += 125)
          await device.apply(...told.entries.slice(at, at + 125));
        const messages = (await allMessages(device.models, documents.channel)) as KeptMessage[];
        expect(messages.map(orderKey)).toEqual(
          told.entries
            .map(({ replica, seq, lamport }) =>
              orderKey({ id: { replica, seq, index: 0 }, lamport }),
            )
            .sort(),
        );
        const rows = await device.kv.read([stores.messages], (tx) =>
          tx.range(stores.messages, all),
        );
        expect(rows.length).toBeGreaterThan(3);
        expect(rows.length).toBeLessThan(12);
        expect(await device.models.channel(space, documents.channel)).toMatchObject({ count: 750 });
      });

      test("counts by seq also an author whose Lamport time goes back", async () => {
        const device = await leader();
        const told = new TestSpace();
        const [first, second] = [post("first"), post("second")].map((said) =>
          told.write(ana, documents.channel, [said]),
        );
        if (first === undefined || second === undefined) throw new Error("two were written");
        await device.apply({ ...first, lamport: 9 });
        await device.apply({ ...second, lamport: 5 });
        const counts = await device.models.channel(space, documents.channel);
        expect(counts?.authors).toEqual(new Map([[ana, { count: 2, seqs: [1, 2] }]]));
        const together = await leader();
        await together.apply({ ...first, lamport: 9 }, { ...second, lamport: 5 });
        expect(await together.models.channel(space, documents.channel)).toEqual(counts);
      });

      test("looks for unread messages no further back than they can be", async () => {
        const device = await leader();
        const told = new TestSpace();
        told.write(ben, documents.channel, [post("the only one of ben")]);
        for (let number = 0; number < 600; number++) {
          told.write(ana, documents.channel, [post("words")], [ben]);
        }
        told.write(ben, documents.channel, [post("another")], [ana]);
        await device.apply(...told.entries);
        const ranges: string[] = [];
        const models = new ReadModels(countingRanges(device.kv, ranges));
        const unread = async (mark: [typeof ana, number][]) => {
          ranges.length = 0;
          const found = await models.unread(
            space,
            documents.channel,
            new Map(mark),
            new Set(),
            999,
          );
          return [found.count, ranges.length];
        };
        expect(
          await unread([
            [ana, 600],
            [ben, 2],
          ]),
        ).toEqual([0, 0]);
        expect(
          await unread([
            [ana, 599],
            [ben, 2],
          ]),
        ).toEqual([1, 1]);
        expect(
          await unread([
            [ana, 600],
            [ben, 1],
          ]),
        ).toEqual([1, 1]);
        expect(
          await unread([
            [ana, 580],
            [ben, 2],
          ]),
        ).toEqual([20, 1]);
        // All of them, once.
        const [count, read = 0] = await unread([]);
        expect(count).toBe(602);
        const rows = await device.kv.read([stores.messages], (tx) =>
          tx.range(stores.messages, all),
        );
        expect(read).toBeLessThanOrEqual(rows.length + 1);
      });

      test("knows of unread messages that lie too far back to be looked for", async () => {
        const device = await leader();
        const told = new TestSpace();
        const long = "x".repeat(16_000);
        for (const author of [ben, ben, cleo]) {
          told.write(author, documents.channel, [post("early")]);
        }
        // Two long ones fill a segment.
        for (let number = 0; number < 140; number++) {
          told.write(ana, documents.channel, [post(long)], [ben, cleo]);
        }
        told.write(ben, documents.channel, [post("late")], [ana]);
        for (let at = 0; at < told.entries.length; at += 30) {
          await device.apply(...told.entries.slice(at, at + 30));
        }
        const unread = async (mark: [typeof ana, number][], countMax = 99) => {
          const { models } = device;
          const own = new Set([ana]);
          const { count, first } = await models.unread(
            space,
            documents.channel,
            new Map(mark),
            own,
            countMax,
          );
          const found = first && (await models.message(space, documents.channel, first));
          return [count, found?.text];
        };
        expect(await unread([])).toEqual([4, "late"]);
        expect(await unread([[ben, 1]])).toEqual([3, "late"]);
        expect(await unread([], 2)).toEqual([2, "late"]);
        expect(await unread([[ben, 3]])).toEqual([1, undefined]);
      });

      test("counts what others wrote beyond a read mark, and finds the first of it", async () => {
        const device = await leader();
        const told = new TestSpace();
        const all = [ana, ben, cleo];
        for (const author of [ana, ben, ana, cleo, ben, ana]) {
          told.write(author, documents.channel, [post("words")], all);
        }
        told.write(ben, documents.note, [noteUpdate("no message", 2)], all);
        told.write(ben, documents.channel, [post("last")], all);
        await device.apply(...told.entries);
        const unread = async (mark: [typeof ana, number][], countMax = 100) => {
          const found = await device.models.unread(
            space,
            documents.channel,
            new Map(mark),
            new Set([ana]),
            countMax,
          );
          const messages = await allMessages(device.models, documents.channel);
          const keys = (messages as KeptMessage[]).map(orderKey);
          return [found.count, found.first === undefined ? undefined : keys.indexOf(found.first)];
        };
        expect(await unread([])).toEqual([4, 1]);
        expect(await unread([[ben, 1]])).toEqual([3, 3]);
        expect(await unread([[ben, 3]])).toEqual([2, 3]);
        expect(await unread([[cleo, 1]])).toEqual([3, 1]);
        expect(
          await unread([
            [ben, 3],
            [cleo, 1],
          ]),
        ).toEqual([1, 6]);
        expect(
          await unread([
            [ben, 4],
            [cleo, 1],
          ]),
        ).toEqual([0, undefined]);
        expect(
          await unread([
            [ben, 9],
            [cleo, 9],
          ]),
        ).toEqual([0, undefined]);
        expect(await unread([], 2)).toEqual([2, 4]);
      });
    });

    describe("a note or the catalog", () => {
      test("keeps each update with what its peer id derives from", async () => {
        const device = await leader();
        const told = new TestSpace();
        told.write(ana, documents.membership, [clock(99_000)]);
        const entry = told.write(ana, documents.note, [noteUpdate("one", 1), noteUpdate("two", 1)]);
        await device.apply(...told.entries);
        const { lamport, appliedAtMs } = entry;
        const shared = { lamport, kind: 0x40, nonce: nonceOf(ana), timeMs: 99_000, appliedAtMs };
        const id = { replica: ana, seq: 2 };
        expect(await device.models.document(space, documents.note)).toEqual({
          snapshot: undefined,
          pending: false,
          updates: [
            { ...shared, id: { ...id, index: 0 }, payload: noteUpdate("one", 1).payload },
            { ...shared, id: { ...id, index: 1 }, payload: noteUpdate("two", 1).payload },
          ],
          upTo: 2,
        });
        expect(await device.models.document(space, documents.catalog)).toEqual({
          snapshot: undefined,
          pending: false,
          updates: [],
          upTo: 0,
        });
      });

      test("keeps apart the writer sessions of one author", async () => {
        const device = await leader();
        const told = new TestSpace();
        const nonces = [filled(16, 0x71), filled(16, 0x72)];
        for (const nonce of nonces) {
          const entry = told.write(ana, documents.note, [noteUpdate("words")]);
          await device.apply({ ...entry, nonces: new Map([[entry.seq, nonce]]) });
        }
        const { updates } = await device.models.document(space, documents.note);
        expect(updates.map(({ nonce }) => nonce)).toEqual(nonces);
        // Neither told a time.
        expect(updates.map(({ timeMs }) => timeMs)).toEqual([undefined, undefined]);
      });

      test("keeps updates in the order in which they were applied, over many rows", async () => {
        const device = await leader();
        const texts = await writeNote(device, 300, 7);
        const { updates, upTo } = await device.models.document(space, documents.note);
        expect(updates.map(({ payload }) => textOfUpdate(payload))).toEqual(texts);
        expect(upTo).toBe(300);
        expect(await device.models.tails(space)).toEqual([
          {
            document: documents.note,
            updates: 300,
            bytes: updates.reduce((sum, { payload }) => sum + payload.length, 0),
            upTo: 300,
            wantsSnapshot: false,
          },
        ]);
        const rows = await device.kv.read([stores.tails], (tx) => tx.range(stores.tails, all));
        expect(rows.length).toBeLessThan(10);
      });

      test("says when its tail wants a snapshot", async () => {
        const device = await leader();
        const { store, epoch, models } = device;
        await writeNote(device, 500, 100);
        const wants = async () => (await models.tails(space)).map((tail) => tail.wantsSnapshot);
        expect(await wants()).toEqual([true]);
        await store.replaceTail(space, epoch, documents.note, utf8("the first"), 1);
        expect(await wants()).toEqual([false]);
      });

      test("gives what came after a number", async () => {
        const device = await leader();
        const texts = await writeNote(device, 150, 40);
        for (const after of [0, 1, 63, 64, 65, 149, 150]) {
          const found = await device.models.updatesAfter(space, documents.note, after);
          expect(found?.updates.map(({ payload }) => textOfUpdate(payload))).toEqual(
            texts.slice(after),
          );
          expect(found?.upTo).toBe(150);
        }
      });

      test("is a snapshot and the updates after it, wherever that cuts", async () => {
        for (const upTo of [1, 40, 64, 65, 128, 149, 150]) {
          const device = await leader();
          const texts = await writeNote(device, 150, 40);
          const bytes = utf8(texts.slice(0, upTo).join());
          const { store, epoch } = device;
          expect(await store.replaceTail(space, epoch, documents.note, bytes, upTo)).toBe(
            "applied",
          );
          const state = await device.models.document(space, documents.note);
          expect(state.snapshot).toEqual({ bytes, upTo, vector: new Map([[ana, upTo]]) });
          expect(state.upTo).toBe(150);
          const left = state.updates.map(({ payload }) => textOfUpdate(payload));
          expect(left).toEqual(texts.slice(upTo));
          const [length] = await device.models.tails(space);
          expect(length?.updates).toBe(150 - upTo);
          expect(length?.bytes).toBe(
            state.updates.reduce((sum, { payload }) => sum + payload.length, 0),
          );
          expect(await device.models.updatesAfter(space, documents.note, upTo - 1)).toBeUndefined();
          const rest = await device.models.updatesAfter(space, documents.note, upTo);
          expect(rest?.updates).toEqual(state.updates);
        }
      });

      test("goes on after a snapshot, and takes the next", async () => {
        const device = await leader();
        const { store, epoch, models } = device;
        const told = new TestSpace();
        const write = async (author: typeof ana, text: string) =>
          device.apply(
            told.write(author, documents.note, [noteUpdate(text, told.distance(author))]),
          );
        await write(ana, "one");
        await write(ben, "two");
        await store.replaceTail(space, epoch, documents.note, utf8("one two"), 2);
        await write(ana, "three");
        await write(ana, "four");
        expect(await store.replaceTail(space, epoch, documents.note, utf8("old"), 2)).toBe("moved");
        expect(await store.replaceTail(space, epoch, documents.note, utf8("old"), 1)).toBe("moved");
        await store.replaceTail(space, epoch, documents.note, utf8("one to three"), 3);
        const state = await models.document(space, documents.note);
        expect(state.snapshot).toEqual({
          bytes: utf8("one to three"),
          upTo: 3,
          vector: new Map([
            [ana, 2],
            [ben, 1],
          ]),
        });
        expect(state.updates.map(({ payload }) => textOfUpdate(payload))).toEqual(["four"]);
        await expect(
          store.replaceTail(space, epoch, documents.note, utf8("ahead"), 5),
        ).rejects.toThrow(/up to 5 of a tail up to 4/);
      });

      test("forgets updates that name no writer session, or break their form", async () => {
        const device = await leader();
        const told = new TestSpace();
        told.write(ana, documents.note, [noteUpdate("fine", 0)]);
        told.write(ana, documents.note, [
          noteUpdate("to an entry that opened none", 0),
          noteUpdate("before the log", 2),
          { kind: 0x40, payload: filled(9, 0xff) },
          { kind: 0x40, payload: new Uint8Array() },
          noteUpdate("fine too", 1),
        ]);
        await device.apply(...told.entries);
        const { updates } = await device.models.document(space, documents.note);
        expect(updates.map(({ payload }) => textOfUpdate(payload))).toEqual(["fine", "fine too"]);
        expect(updates.map(({ id }) => id.index)).toEqual([0, 4]);
      });

      test("paints from a model that only newer ones replace", async () => {
        const device = await leader();
        const { store, epoch, models } = device;
        const model = { notes: [{ title: "Welcome" }], __proto__: null };
        expect(await models.catalog(space)).toBeUndefined();
        expect(await store.putCatalog(space, epoch, 3, model)).toBe("applied");
        expect(await store.putCatalog(space, epoch, 2, {})).toBe("moved");
        const kept = { upTo: 3, model: { notes: [{ title: "Welcome" }] } };
        expect(await models.catalog(space)).toEqual(kept);
        expect(await store.putCatalog(space, epoch, 3, { notes: [] })).toBe("applied");
        expect(await models.catalog(space)).toEqual({ upTo: 3, model: { notes: [] } });
        expect(await models.catalog(otherSpace)).toBeUndefined();
      });
    });

    describe("operations of small documents", () => {
      test("are kept whole, in the total order", async () => {
        const device = await leader();
        const told = new TestSpace();
        const introduce = told.write(ana, documents.membership, [
          clock(50_000),
          membership(0x01, "introduce"),
          membership(0x10, "genesis"),
        ]);
        const invite = told.write(ana, documents.membership, [membership(0x11, "invite")]);
        const join = told.write(ben, documents.membership, [membership(0x13, "join")], [ana]);
        const setting = told.write(cleo, documents.membership, [membership(0x50, "setting")]);
        await device.apply(introduce, invite, join, setting);
        const kept = await device.models.operations(space, documents.membership);
        const keptAs = (entry: ReadyEntry, index: number, timeMs?: number): KeptOperation => {
          const { replica, seq, lamport, hash, deps, appliedAtMs } = entry;
          const operation = entry.operations[index];
          if (operation === undefined) throw new Error(`no operation ${index}`);
          const { kind, payload } = operation;
          const id = { replica, seq, index };
          return { id, lamport, kind, payload, hash, deps, timeMs, appliedAtMs };
        };
        expect(kept).toEqual([
          keptAs(introduce, 1, 50_000),
          keptAs(introduce, 2, 50_000),
          keptAs(setting, 0),
          keptAs(invite, 0, 50_000),
          keptAs(join, 0),
        ]);
        expect(join.deps).toEqual([{ replica: ana, seq: 2 }]);
        expect(await device.models.operations(space, documents.note)).toEqual([]);
      });

      test("know the time their author last told", async () => {
        const device = await leader();
        const told = new TestSpace();
        await device.apply(told.write(ana, documents.membership, [membership(0x11, "a")]));
        await device.apply(told.write(ben, documents.membership, [clock(7)]));
        await device.apply(told.write(ana, documents.membership, [clock(10)]));
        await device.apply(told.write(ana, documents.membership, [membership(0x11, "b")]));
        await device.apply(
          told.write(ana, documents.membership, [
            membership(0x11, "c"),
            clock(20),
            { kind: 0x02, payload: filled(12, 0xff) },
            membership(0x11, "d"),
          ]),
        );
        const kept = await device.models.operations(space, documents.membership);
        expect(kept.map(({ timeMs }) => timeMs)).toEqual([undefined, 10, 10, 20]);
        expect(await device.models.clocks(space)).toEqual(
          new Map([
            [ana, 20],
            [ben, 7],
          ]),
        );
      });
    });

    test("know the times of many authors at once", async () => {
      const device = await leader();
      const told = new TestSpace();
      const many = Array.from({ length: 9 }, (_, index) => replica(index + 1));
      many.forEach((author, at) => told.write(author, documents.note, [clock(1_000 + at)]));
      await device.apply(...told.entries);
      await device.apply(
        ...many.map((author) => told.write(author, documents.membership, [membership(0x11, "a")])),
      );
      const kept = await device.models.operations(space, documents.membership);
      expect(kept.map(({ timeMs }) => timeMs)).toEqual(many.map((_, at) => 1_000 + at));
    });

    describe("operations of unknown kinds", () => {
      test("are parked, listed, and nothing else", async () => {
        const device = await leader();
        const told = new TestSpace();
        for (const kind of [0x31, 0x4f, 0x18, 0x99, 70_000]) {
          told.write(ana, documents.channel, [{ kind, payload: utf8(`kind ${kind}`) }]);
        }
        await device.apply(...told.entries);
        const parked = await device.models.parked(space);
        expect(parked.map(({ kind, document }) => [kind, document])).toEqual(
          [0x31, 0x4f, 0x18, 0x99, 70_000].map((kind) => [kind, documents.channel]),
        );
        expect(parked[0]?.payload).toEqual(utf8("kind 49"));
        expect(await device.models.channel(space, documents.channel)).toBeUndefined();
        const [, ...others] = parked;
        expect(others).toHaveLength(4);
        expect(await device.store.replayParked(space, device.epoch)).toBe("applied");
        expect(await device.models.parked(space)).toEqual(parked);
      });

      test("come to life in a version that knows them, as if they had never been parked", async () => {
        const device = await leader();
        const told = new TestSpace();
        const entries = [
          told.write(ana, documents.channel, [clock(5), post("was unknown"), post("twice")]),
          told.write(ana, documents.note, [noteUpdate("was unknown", 1)]),
          told.write(ana, documents.membership, [membership(0x17, "was unknown")]),
        ];
        const unknown = { kind: 0x99, payload: utf8("still unknown") };
        entries.push(told.write(ana, documents.note, [unknown]));
        // The log they stand in: it tells the nonces of writer sessions.
        const log = new TestLog(ana);
        const [first] = log.run(1).entries;
        if (first === undefined) throw new Error("a run of one entry has one");
        const opens = { ...first, writer: { kind: "opens" as const, nonce: nonceOf(ana) } };
        await new DeviceLog(device.kv, testSuite).append(space, [new TestLog(ana).runOf([opens])]);
        // As a version that knew none of the kinds had left them.
        await device.apply(
          ...entries.map((entry) => ({
            ...entry,
            operations: entry.operations.map((operation) =>
              operation.kind === 0x02
                ? operation
                : { ...operation, kind: operation.kind + 0x1_0000 },
            ),
          })),
        );
        await device.kv.write([stores.parked], "strict", async (tx) => {
          for (const { key, value } of await tx.range(stores.parked, all)) {
            const row = value as KeptOperation;
            tx.put(stores.parked, key, { ...row, kind: row.kind - 0x1_0000 });
          }
        });
        expect(await device.models.parked(space)).toHaveLength(5);

        expect(await device.store.replayParked(space, device.epoch)).toBe("applied");
        const parked = await device.models.parked(space);
        expect(parked.map(({ kind }) => kind)).toEqual([0x99]);
        const knowing = await leader();
        await knowing.apply(...entries);
        for (const document of Object.values(documents)) {
          const [now, asIf] = await Promise.all(
            [device, knowing].map(async ({ models }) =>
              Promise.all([
                allMessages(models, document),
                models.channel(space, document),
                models.document(space, document),
                models.operations(space, document),
              ]),
            ),
          );
          expect(now).toEqual(asIf);
        }
        expect(await device.store.replayParked(space, device.epoch)).toBe("applied");
        expect(await allMessages(device.models, documents.channel)).toHaveLength(2);
      });
    });

    test("drafts stay until they are sent or emptied", async () => {
      const { models } = await leader();
      expect(await models.draft(space, documents.channel)).toBe("");
      await models.putDraft(space, documents.channel, "half a sen");
      expect(await models.draft(space, documents.channel)).toBe("half a sen");
      expect(await models.draft(space, documents.otherChannel)).toBe("");
      await models.putDraft(space, documents.channel, "");
      expect(await models.draft(space, documents.channel)).toBe("");
    });
  });
}

const all = { from: Number.NEGATIVE_INFINITY, before: ["\uffff\uffff"] };

/** `kv`, noting each range of messages that is read. */
const countingRanges = (kv: Kv, ranges: string[]): Kv => ({
  read: async (names, body) =>
    kv.read(names, async (tx) =>
      body({
        get: async (store, key) => tx.get(store, key),
        range: async (store, range) => {
          if (store === stores.messages) ranges.push(store);
          return tx.range(store, range);
        },
      }),
    ),
  write: async (names, durability, body) => kv.write(names, durability, body),
  close: () => kv.close(),
});

/** Applies `count` updates of a note, `batch` in one go; returns their texts. */
async function writeNote(device: Applying, count: number, batch: number): Promise<string[]> {
  const told = new TestSpace();
  const texts = Array.from(
    { length: count },
    (_, number) => `text ${number} ${"x".repeat(number % 90)}`,
  );
  for (const text of texts) {
    told.write(ana, documents.note, [noteUpdate(text, told.distance(ana))]);
  }
  for (let at = 0; at < count; at += batch) {
    await device.apply(...told.entries.slice(at, at + batch));
  }
  return texts;
}
