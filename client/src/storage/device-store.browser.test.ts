/** What a device keeps, in a real browser: the same contracts as in memory, and what only a browser has. */
import { deleteDB } from "idb";
import { DeviceLog } from "@skein/shared/device/device-log.ts";
import { KvDeviceStore } from "@skein/shared/device/device-store.ts";
import type { KvUnderTest } from "@skein/shared/device/kv.contract.ts";
import { type Kv, KvFailure } from "@skein/shared/device/kv.ts";
import {
  advanced,
  ana,
  documents,
  filled,
  noteUpdate,
  nothingApplied,
  post,
  space,
  TestSpace,
} from "@skein/shared/device/ready-entries.contract.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import { readModelsContract } from "@skein/shared/device/read-models.contract.ts";
import { installContract } from "@skein/shared/device/snapshot/install.contract.ts";
import { deviceStoreContract, dump, testSuite } from "@skein/shared/device/store.contract.ts";
import { logStoreContract } from "@skein/shared/log/store.contract.ts";
import { TestLog } from "@skein/shared/log/test-log.contract.ts";
import { afterEach, describe, expect, test, vi } from "vitest";
import { openIdbKv } from "./idb-kv.ts";

let counter = 0;
const freshName = () => `device-${Date.now()}-${counter++}`;

async function opened(name: string): Promise<Kv> {
  const nothing = () => undefined;
  const opening = await openIdbKv({ name, onEnd: nothing, onBlocked: nothing });
  if (opening.kind !== "open") throw new Error(`${opening.kind}: ${opening.detail}`);
  return opening.kv;
}

/** A database of its own, with as many connections as are asked for. */
async function inIndexedDb(): Promise<KvUnderTest> {
  const name = freshName();
  const connections: Kv[] = [];
  const connect = async () => {
    const kv = await opened(name);
    connections.push(kv);
    return kv;
  };
  const dispose = async () => {
    for (const kv of connections) kv.close();
    await deleteDB(name);
  };
  return { kv: await connect(), connect, dispose };
}

logStoreContract("IndexedDB", { durable: true, orders: 5 }, async () => {
  const { kv, connect, dispose } = await inIndexedDb();
  return {
    store: new DeviceLog(kv, testSuite),
    // A process cannot die here; test/browser kills one.
    reopen: async (after) => {
      if (after === "close") kv.close();
      return new DeviceLog(await connect(), testSuite);
    },
    dispose,
  };
});

deviceStoreContract("IndexedDB", inIndexedDb);
readModelsContract("IndexedDB", inIndexedDb);
installContract("IndexedDB", inIndexedDb);

describe("the transactions of a device", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test("are as durable, in the browser's own books, as what they carry", async () => {
    const { kv, dispose } = await inIndexedDb();
    const asked: string[] = [];
    const begin = Reflect.get(IDBDatabase.prototype, "transaction") as (
      ...args: Parameters<IDBDatabase["transaction"]>
    ) => IDBTransaction;
    vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (
      this: IDBDatabase,
      ...args
    ) {
      const transaction = Reflect.apply(begin, this, args);
      if (transaction.mode === "readwrite") asked.push(transaction.durability);
      return transaction;
    });
    const during = async (work: () => Promise<unknown>) => {
      asked.length = 0;
      await work();
      return asked.join();
    };
    const store = new KvDeviceStore(kv, testSuite);
    const log = new TestLog(ana);
    const entry = new TestSpace().write(ana, documents.note, [noteUpdate("words")]);
    const after = advanced(nothingApplied, [entry]);
    const base = await store.writerBase(space, ana);
    const own = log.run(1);
    const register = {
      replica: ana,
      publicKey: filled(32, 1),
      name: "51".repeat(16) as never,
      number: 1,
      bodyHash: filled(32, 2),
      bytes: filled(200, 3),
    };
    expect({
      own: await during(async () => store.appendOwn(space, base, own, 1, new Map())),
      foreign: await during(async () => store.append(space, [log.run(3)])),
      registers: await during(async () => store.putRegisters(space, [register])),
      leadership: await during(async () => store.takeLeadership()),
      application: await during(async () => store.apply(space, 1, nothingApplied, [entry], after)),
      snapshot: await during(async () =>
        store.replaceTail(space, 1, documents.note, filled(9, 1), 1),
      ),
      draft: await during(async () =>
        new ReadModels(kv).putDraft(space, documents.channel, "half a"),
      ),
      reading: await during(async () => store.read(space, ana, 1, 1_000)),
    }).toEqual({
      own: "strict",
      foreign: "strict",
      registers: "strict",
      leadership: "strict",
      application: "relaxed",
      snapshot: "relaxed",
      draft: "relaxed",
      reading: "",
    });
    await dispose();
  });

  test("fail as quota when the browser gives no more room, and leave nothing", async () => {
    const buckets = (navigator as unknown as { storageBuckets: StorageBuckets }).storageBuckets;
    const bucketName = freshName();
    const bucket = await buckets.open(bucketName, { quota: 1_000_000 });
    vi.stubGlobal("indexedDB", bucket.indexedDB);
    const kv = await opened("full");
    try {
      const store = new KvDeviceStore(kv, testSuite);
      const log = new TestLog(ana);
      const epoch = await store.takeLeadership();
      await store.append(space, [log.run(1)]);
      const before = await dump(kv);

      const tip = log.fork();
      const many = Array.from({ length: 40 }, () => tip.run(1, { bodyBytes: 60_000 }));
      const told = new TestSpace();
      for (let count = 0; count < 100; count++) {
        told.write(ana, documents.channel, [post("x".repeat(16_000))]);
      }
      const after = advanced(nothingApplied, told.entries);
      const attempts = [
        async () => store.append(space, many),
        async () => store.apply(space, epoch, nothingApplied, told.entries, after),
      ];
      for (const attempt of attempts) {
        const failure: unknown = await attempt().catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(KvFailure);
        expect(failure).toMatchObject({ kind: "quota" });
        expect(await dump(kv)).toEqual(before);
      }

      const [outcome] = await store.append(space, [log.run(1)]);
      expect(outcome).toEqual({ kind: "held", head: log.head, news: true });
    } finally {
      kv.close();
      vi.unstubAllGlobals();
      await buckets.delete(bucketName);
    }
  });
});

/** https://developer.chrome.com/docs/web-platform/storage-buckets: a small disk within the disk. */
interface StorageBuckets {
  open(name: string, options: { quota: number }): Promise<{ readonly indexedDB: IDBFactory }>;
  delete(name: string): Promise<void>;
}
