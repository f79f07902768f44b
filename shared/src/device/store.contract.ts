/**
 * The invariants of `store.ts`, as tests over every `Kv` a device may run on. The numbers are those
 * of the invariants.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { afterEach, describe, expect, test } from "vitest";
import { registerName } from "../id/id.ts";
import { TestLog } from "../log/test-log.contract.ts";
import type { StoredRegister } from "../log/store.ts";
import { labelled, type VerifyingSuite } from "../log/suite.ts";
import { KvDeviceStore } from "./device-store.ts";
import { type Durability, type Key, type Kv, KvFailure, type Reading, type Writing } from "./kv.ts";
import type { KvUnderTest } from "./kv.contract.ts";
import { ReadModels } from "./read-models.ts";
import {
  advanced,
  ana,
  ben,
  catalogChange,
  cleo,
  clock,
  documents,
  filled,
  membership,
  noteUpdate,
  nothingApplied,
  otherSpace,
  post,
  readAll,
  replica,
  space,
  TestSpace,
  utf8,
} from "./ready-entries.contract.ts";
import { stores } from "./stores.ts";
import type { AppliedState, ReadyEntry, WriterBase } from "./store.ts";

export const testSuite: VerifyingSuite = {
  id: 1,
  hash: (label, ...parts) => new Uint8Array(sha256(labelled(label, ...parts))),
  verify: async () => true,
};

/** @param open a database with the stores of a device. */
export function deviceStoreContract(name: string, open: () => Promise<KvUnderTest>): void {
  const opened: KvUnderTest[] = [];
  const fresh = async () => {
    const subject = await open();
    opened.push(subject);
    return subject;
  };
  const freshStore = async () => {
    const { kv } = await fresh();
    return { kv, store: new KvDeviceStore(kv, testSuite) };
  };

  describe(`${name} as what a device keeps`, () => {
    afterEach(async () => {
      for (const subject of opened.splice(0)) await subject.dispose();
    });

    describe("own entries (1)", () => {
      test("are based on nothing at first", async () => {
        const { store } = await freshStore();
        expect(await store.writerBase(space, ana)).toEqual({
          head: undefined,
          lamport: 0,
          named: new Map(),
          applied: nothingApplied,
        } satisfies WriterBase);
      });

      test("are based on the newest own entry and on what is applied", async () => {
        const { store } = await freshStore();
        const log = new TestLog(ana);
        const first = await store.writerBase(space, ana);
        const named = new Map([[ben, 1]]);
        const appended = await store.appendOwn(space, first, log.run(1), 7, named);
        expect(appended).toEqual({ kind: "appended", head: log.head });
        const entry = new TestSpace().write(ben, documents.channel, [post("hi")]);
        const after = advanced(nothingApplied, [entry]);
        await store.apply(space, await store.takeLeadership(), nothingApplied, [entry], after);
        expect(await store.writerBase(space, ana)).toEqual({
          head: log.head,
          lamport: 7,
          named,
          applied: after,
        } satisfies WriterBase);
        expect(await store.writerBase(otherSpace, ana)).toMatchObject({ head: undefined });
        expect(await store.heads(space)).toEqual([log.head]);
      });

      test("are committed strictly, in one transaction, as are others' entries", async () => {
        const { kv } = await fresh();
        const durabilities: Durability[] = [];
        const store = new KvDeviceStore(recording(kv, durabilities), testSuite);
        const base = await store.writerBase(space, ana);
        expect(durabilities).toEqual([]);
        await store.appendOwn(space, base, new TestLog(ana).run(1), 1, new Map());
        expect(durabilities.splice(0)).toEqual(["strict"]);
        const runs = [new TestLog(ben).run(3), new TestLog(cleo).run(2)];
        await store.append(space, runs);
        expect(durabilities.splice(0)).toEqual(["strict"]);
        await store.begin(space, [new TestLog(ben).base(9)]);
        expect(durabilities.splice(0)).toEqual(["strict"]);
        const epoch = await store.takeLeadership();
        expect(durabilities.splice(0)).toEqual(["strict"]);
        const entry = new TestSpace().write(ben, documents.channel, [post("hi")]);
        const after = advanced(nothingApplied, [entry]);
        await store.apply(space, epoch, nothingApplied, [entry], after);
        expect(durabilities.splice(0)).toEqual(["relaxed"]);
        await store.publish(space, epoch, ownRegister(1));
        expect(durabilities.splice(0)).toEqual(["strict"]);
      });

      test("leave nothing when another tab was first", async () => {
        const { kv, store } = await freshStore();
        const log = new TestLog(ana);
        const base = await store.writerBase(space, ana);
        await store.appendOwn(space, base, log.run(1), 1, new Map());
        const late = new TestLog(ana).run(1);
        const before = await dump(kv);
        const outcome = await store.appendOwn(space, base, late, 99, new Map([[ben, 99]]));
        expect(outcome).toEqual({ kind: "moved" });
        expect(await dump(kv)).toEqual(before);
        const again = await store.writerBase(space, ana);
        await store.appendOwn(space, again, log.run(1), 2, new Map());
        // The same, with a base that is older but no longer empty.
        expect(await store.appendOwn(space, again, log.fork().run(1), 3, new Map())).toEqual({
          kind: "moved",
        });
        expect(await store.writerBase(space, ana)).toMatchObject({ lamport: 2, head: log.head });
        // As long as the log, but of another history: that of a profile restored from a copy.
        const foreign = { ...again, head: { ...log.head, hash: filled(32, 1) } };
        expect(await store.appendOwn(space, foreign, log.fork().run(1), 3, new Map())).toEqual({
          kind: "moved",
        });
      });

      test("of three tabs come to stand one after the other, none lost, none twice", async () => {
        const { kv, connect } = await fresh();
        const tabs = [kv, await connect(), await connect()].map(
          (tab) => new KvDeviceStore(tab, testSuite),
        );
        const log = new TestLog(ana);
        const appended: number[] = [];
        await Promise.all(
          tabs.map(async (store) => {
            for (let count = 0; count < 10; count++) {
              for (;;) {
                const base = await store.writerBase(space, ana);
                // What a tab seals on that base.
                const tip = log.fork();
                const held = base.head?.to ?? 0;
                const run = held === log.length ? tip.run(1) : log.slice(held + 1, held + 1);
                const outcome = await store.appendOwn(space, base, run, run.first, new Map());
                if (outcome.kind !== "appended") continue;
                if (held === log.length) log.runOf(run.entries);
                appended.push(outcome.head.to);
                break;
              }
            }
          }),
        );
        expect(appended.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
        expect(await tabs[0]?.heads(space)).toEqual([log.head]);
        expect(await tabs[0]?.hashes(space, ana, 1, 99)).toEqual(log.slice(1, 30).hashes);
      });

      test("that do not fit on their base are a bug, and leave nothing", async () => {
        const { kv, store } = await freshStore();
        const base = await store.writerBase(space, ana);
        const log = new TestLog(ana);
        log.run(1);
        const before = await dump(kv);
        await expect(store.appendOwn(space, base, log.run(1), 1, new Map())).rejects.toThrow(
          /does not fit/,
        );
        expect(await dump(kv)).toEqual(before);
      });

      test("may be several of one commit, and open writer sessions that are known", async () => {
        const { store } = await freshStore();
        const log = new TestLog(ana);
        const sealed = { kind: "sealed" as const, sealed: filled(40, 1) };
        const [epoch] = log.fork().run(1).entries;
        if (epoch === undefined) throw new Error("a run of one entry has one");
        const run = log.runOf([
          { epoch: epoch.epoch, writer: { kind: "opens", nonce: filled(16, 7) }, body: sealed },
          { epoch: epoch.epoch, writer: { kind: "continues", distance: 1 }, body: sealed },
          { epoch: epoch.epoch, writer: { kind: "opens", nonce: filled(16, 8) }, body: sealed },
        ]);
        const base = await store.writerBase(space, ana);
        await store.appendOwn(space, base, run, 3, new Map());
        expect(await store.sessionNonce(space, ana, 1)).toEqual(filled(16, 7));
        expect(await store.sessionNonce(space, ana, 2)).toBeUndefined();
        expect(await store.sessionNonce(space, ana, 3)).toEqual(filled(16, 8));
        expect(await store.sessionNonce(space, ana, 4)).toBeUndefined();
        expect(await store.sessionNonce(space, ben, 1)).toBeUndefined();
      });
    });

    describe("second copies", () => {
      const typed = async (store: KvDeviceStore, count: number) => {
        const log = new TestLog(ana);
        for (let seq = 1; seq <= count; seq++) {
          const base = await store.writerBase(space, ana);
          await store.appendOwn(space, base, log.run(1), seq, new Map());
        }
        return log;
      };

      test("of own entries are read as one run, and are no others'", async () => {
        const { store } = await freshStore();
        await typed(store, 5);
        await store.append(space, [new TestLog(ben).run(3)]);
        const whole = await store.read(space, ana, 1, 1_000_000);
        expect(await store.readSpares(space, ana, 1, 5)).toEqual(whole);
        expect(await store.readSpares(space, ana, 2, 4)).toMatchObject({
          first: 2,
          entries: whole?.entries.slice(1, 4),
        });
        expect(await store.readSpares(space, ana, 5, 9)).toMatchObject({ first: 5 });
        expect(await store.readSpares(space, ana, 6, 9)).toBeUndefined();
        expect(await store.readSpares(space, ben, 1, 3)).toBeUndefined();
        expect(await store.readSpares(otherSpace, ana, 1, 3)).toBeUndefined();
      });

      test("are dropped up to where others have the log", async () => {
        const { store } = await freshStore();
        await typed(store, 5);
        await store.dropSpares(space, ana, 3);
        expect(await store.readSpares(space, ana, 3, 5)).toBeUndefined();
        expect(await store.readSpares(space, ana, 4, 5)).toMatchObject({ first: 4 });
        await store.dropSpares(space, ben, 9);
      });

      test("that are damaged themselves count as missing", async () => {
        const { kv, store } = await freshStore();
        await typed(store, 5);
        await kv.write([stores.spares], "strict", async (tx) => {
          const row = (await tx.get(stores.spares, [space, ana, 3])) as { bytes: Uint8Array };
          const bytes = Uint8Array.from(row.bytes, (byte, at) => (at === 9 ? byte ^ 1 : byte));
          tx.put(stores.spares, [space, ana, 3], { ...row, bytes });
        });
        expect((await store.readSpares(space, ana, 1, 5))?.entries).toHaveLength(2);
        expect(await store.readSpares(space, ana, 3, 5)).toBeUndefined();
        expect((await store.readSpares(space, ana, 4, 5))?.entries).toHaveLength(2);
      });
    });

    describe("an application (2)", () => {
      test("moves the state and the read models together", async () => {
        const { kv, store } = await freshStore();
        const epoch = await store.takeLeadership();
        const { entries } = story();
        const after = advanced(nothingApplied, entries);
        expect(await store.applied(space)).toEqual(nothingApplied);
        expect(await store.apply(space, epoch, nothingApplied, entries, after)).toBe("applied");
        expect(await store.applied(space)).toEqual(after);
        expect((await new ReadModels(kv).channel(space, documents.channel))?.count).toBe(2);
        expect(await store.applied(otherSpace)).toEqual(nothingApplied);
        expect(await new ReadModels(kv).channels(otherSpace)).toEqual(new Map());
      });

      test("has no effect when the state is no longer the one it starts from", async () => {
        const { kv, store } = await freshStore();
        const epoch = await store.takeLeadership();
        const { entries } = story();
        const after = advanced(nothingApplied, entries);
        await store.apply(space, epoch, nothingApplied, entries, after);
        const before = await dump(kv);
        expect(await store.apply(space, epoch, nothingApplied, entries, after)).toBe("moved");
        expect(await dump(kv)).toEqual(before);
      });

      test("that fails at any of its writes leaves nothing, and can be repeated", async () => {
        const { kv } = await fresh();
        const limit = { writes: Number.POSITIVE_INFINITY, kind: "quota" as const };
        const store = new KvDeviceStore(failing(kv, limit), testSuite);
        const epoch = await store.takeLeadership();
        const { entries } = story();
        const [early, late] = [entries.slice(0, 5), entries.slice(5)];
        const between = advanced(nothingApplied, early);
        await store.apply(space, epoch, nothingApplied, early, between);
        const before = await dump(kv);
        const after = advanced(between, late);
        let failures = 0;
        for (;;) {
          limit.writes = failures;
          const outcome = await store
            .apply(space, epoch, between, late, after)
            .catch((error: unknown) => error);
          if (outcome === "applied") break;
          expect(outcome).toBeInstanceOf(KvFailure);
          expect(outcome).toMatchObject({ kind: "quota" });
          expect(await dump(kv)).toEqual(before);
          failures++;
        }
        expect(failures).toBeGreaterThan(5);
        limit.writes = Number.POSITIVE_INFINITY;
        expect(await readAll(kv)).toEqual(await appliedAtOnce(await fresh(), entries));
      });

      test("of nothing but entries without effect moves the state alone", async () => {
        const { kv, store } = await freshStore();
        const epoch = await store.takeLeadership();
        const hollow = new TestSpace().write(ana, undefined, []);
        const after = advanced(nothingApplied, [hollow]);
        const before = await readAll(kv);
        await store.apply(space, epoch, nothingApplied, [hollow], after);
        expect((await store.applied(space)).vector).toEqual(new Map([[ana, 1]]));
        expect(await readAll(kv)).toEqual(before);
      });
    });

    describe("a leader (3)", () => {
      test("has a greater epoch than any before", async () => {
        const { kv, connect } = await fresh();
        const [one, two] = [kv, await connect()].map((tab) => new KvDeviceStore(tab, testSuite));
        expect(await one?.takeLeadership()).toBe(1);
        expect(await two?.takeLeadership()).toBe(2);
        expect(await one?.takeLeadership()).toBe(3);
      });

      test("that was frozen while another took over changes nothing", async () => {
        const { kv, connect } = await fresh();
        const frozen = new KvDeviceStore(kv, testSuite);
        const other = new KvDeviceStore(await connect(), testSuite);
        const stale = await frozen.takeLeadership();
        const { entries } = story();
        const [early, late] = [entries.slice(0, 4), entries.slice(4)];
        const between = advanced(nothingApplied, early);
        await frozen.apply(space, stale, nothingApplied, early, between);
        const epoch = await other.takeLeadership();
        const before = await dump(kv);
        const after = advanced(between, late);
        const attempts = await Promise.all([
          frozen.apply(space, stale, between, late, after),
          frozen.replaceTail(space, stale, documents.note, utf8("snapshot"), 1),
          frozen.putCatalog(space, stale, 1, {}),
          frozen.replayParked(space, stale),
          frozen.publish(space, stale, ownRegister(1)),
        ]);
        expect(attempts).toEqual(["fenced", "fenced", "fenced", "fenced", "fenced"]);
        expect(await dump(kv)).toEqual(before);
        expect(await other.apply(space, epoch, between, late, after)).toBe("applied");
        expect(await frozen.apply(space, stale, between, late, after)).toBe("fenced");
        expect(await readAll(kv)).toEqual(await appliedAtOnce(await fresh(), entries));
      });

      test("that was never made changes nothing", async () => {
        const { store } = await freshStore();
        const { entries } = story();
        const after = advanced(nothingApplied, entries);
        for (const epoch of [0, 1]) {
          expect(await store.apply(space, epoch, nothingApplied, entries, after)).toBe("fenced");
          expect(await store.publish(space, epoch, ownRegister(1))).toBe("fenced");
        }
        expect(await store.applied(space)).toEqual(nothingApplied);
        expect(await store.registers(space)).toEqual([]);
      });

      test("publishes own registers, each newer than the one before", async () => {
        const { store } = await freshStore();
        const epoch = await store.takeLeadership();
        expect(await store.publish(space, epoch, ownRegister(2))).toBe("applied");
        for (const number of [1, 2]) {
          expect(await store.publish(space, epoch, ownRegister(number))).toBe("moved");
        }
        expect(await store.registers(space)).toEqual([ownRegister(2)]);
        expect(await store.publish(space, epoch, ownRegister(3))).toBe("applied");
        expect(await store.registers(space)).toEqual([ownRegister(3)]);
      });
    });

    describe("causal order (4)", () => {
      /** Why an application is refused, and that it left nothing. */
      const refusal = async (entries: readonly ReadyEntry[], after: AppliedState) => {
        const { store } = await freshStore();
        const epoch = await store.takeLeadership();
        const attempt = store.apply(space, epoch, nothingApplied, entries, after);
        const error: unknown = await attempt.catch((reason: unknown) => reason);
        expect(await store.applied(space)).toEqual(nothingApplied);
        return String(error);
      };

      test("is not left: an entry before its log's previous one is a bug", async () => {
        const { entries } = story();
        const wrong = entries.filter(({ replica, seq }) => replica !== ben || seq > 1);
        expect(await refusal(wrong, advanced(nothingApplied, wrong))).toMatch(/:2 after .*:0/);
      });

      test("is not left: an entry before one it depends on is a bug", async () => {
        const told = new TestSpace();
        const question = told.write(ana, documents.channel, [post("?")]);
        const answer = told.write(ben, documents.channel, [post("!")], [ana]);
        const wrong = [answer, question];
        expect(await refusal(wrong, advanced(nothingApplied, wrong))).toMatch(/it depends on/);
      });

      test("has a vector that is exactly its entries'", async () => {
        const { entries } = story();
        const after = advanced(nothingApplied, entries);
        const more = [...entries, new TestSpace().write(replica(9), undefined, [])];
        expect(await refusal(entries, advanced(nothingApplied, more))).toMatch(/not its entries'/);
        const fewer = advanced(nothingApplied, entries.slice(0, -1));
        expect(await refusal(entries, fewer)).toMatch(/not its entries'/);
        expect(await refusal(entries, { ...after, version: 0 })).toMatch(/version 0 after 0/);
      });
    });
  });
}

const ownRegister = (number: number): StoredRegister => ({
  replica: ana,
  publicKey: filled(32, 1),
  name: registerName(filled(16, 0x51)),
  number,
  bodyHash: filled(32, 2),
  bytes: filled(200, number),
});

/** Something of every kind, by three replicas. */
export function story(): TestSpace {
  const told = new TestSpace();
  told.write(ana, documents.membership, [
    membership(0x01, "introduce"),
    membership(0x10, "genesis"),
  ]);
  told.write(ana, documents.channel, [clock(77_000), post("first")]);
  told.write(ben, documents.membership, [membership(0x01, "introduce"), membership(0x13, "join")]);
  told.write(ben, documents.note, [noteUpdate("one", 1)], [ana]);
  told.write(ana, documents.note, [noteUpdate("two", 2), noteUpdate("three", 2)], [ben]);
  told.write(ben, documents.channel, [post("second")], [ana]);
  told.write(cleo, documents.catalog, [catalogChange("titles")], [ana, ben]);
  told.write(cleo, documents.channel, [{ kind: 0x3f, payload: utf8("from the future") }]);
  told.write(ben, undefined, []);
  return told;
}

/** What can be read when one leader applies `entries` in one go. */
export async function appliedAtOnce(
  subject: Pick<KvUnderTest, "kv">,
  entries: readonly ReadyEntry[],
): Promise<Record<string, unknown>> {
  const store = new KvDeviceStore(subject.kv, testSuite);
  const epoch = await store.takeLeadership();
  const after = advanced(nothingApplied, entries);
  await store.apply(space, epoch, nothingApplied, entries, after);
  return readAll(subject.kv);
}

/** Every row of every store. */
export async function dump(kv: Kv): Promise<Record<string, unknown>> {
  const names = Object.values(stores);
  return kv.read(names, async (tx) => {
    const everything = { from: Number.NEGATIVE_INFINITY, before: ["\uffff\uffff"] };
    const rows = await Promise.all(names.map((store) => tx.range(store, everything)));
    return Object.fromEntries(names.map((store, index) => [store, rows[index]]));
  });
}

/** `kv`, noting how durable each write transaction was asked to be. */
function recording(kv: Kv, durabilities: Durability[]): Kv {
  return {
    read: async (names, body) => kv.read(names, body),
    write: async (names, durability, body) => {
      durabilities.push(durability);
      return kv.write(names, durability, body);
    },
    close: () => kv.close(),
  };
}

/** `kv`, whose transactions fail at their write number `limit.writes`, counted from 0. */
export function failing(kv: Kv, limit: { writes: number; readonly kind: KvFailure["kind"] }): Kv {
  return {
    read: async (names, body) => kv.read(names, body),
    write: async (names, durability, body) =>
      kv.write(names, durability, async (tx) => body(new FailingWrites(tx, limit))),
    close: () => kv.close(),
  };
}

class FailingWrites implements Writing {
  readonly #tx: Writing;
  readonly #limit: { readonly writes: number; readonly kind: KvFailure["kind"] };
  #writes = 0;

  constructor(tx: Writing, limit: { readonly writes: number; readonly kind: KvFailure["kind"] }) {
    this.#tx = tx;
    this.#limit = limit;
  }

  async get(store: string, key: Key): Promise<unknown> {
    return this.#tx.get(store, key);
  }

  async range(...args: Parameters<Reading["range"]>): ReturnType<Reading["range"]> {
    return this.#tx.range(...args);
  }

  put(store: string, key: Key, value: unknown): void {
    this.#count();
    this.#tx.put(store, key, value);
  }

  delete(store: string, key: Key): void {
    this.#count();
    this.#tx.delete(store, key);
  }

  deleteRange(store: string, from: Key, before: Key): void {
    this.#count();
    this.#tx.deleteRange(store, from, before);
  }

  #count(): void {
    if (this.#writes++ === this.#limit.writes) throw new KvFailure(this.#limit.kind, "on purpose");
  }
}
