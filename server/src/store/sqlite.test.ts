import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";
import { bytesOfId, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { TestLog } from "@skein/shared/log/test-log.contract.ts";
import { packRun, type RunRow } from "./packing.ts";
import { type Answer, Batches, type Call } from "./sqlite-batches.ts";
import { openFile, StoreRefused } from "./sqlite-file.ts";
import { type SqliteOptions, SqliteStore } from "./sqlite.ts";
import { relayStoreContract } from "./store.contract.ts";
import { noBounds } from "./store.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

relayStoreContract("SQLite", { durable: true, orders: 5 }, async (bounds) => {
  const folder = mkdtempSync(join(tmpdir(), "skein-store-"));
  const folders = [folder];
  const first = await openStore({ folder, bounds });
  const stores = [first];
  return {
    store: first,
    reopen: async (after) => {
      // What a crash leaves is what the file system holds while the store is open.
      const at = after === "crash" ? copyOf(folder) : folder;
      folders.push(at);
      const again = await openStore({ folder: at });
      stores.push(again);
      return again;
    },
    dispose: async () => {
      for (const store of stores) await store.close();
      for (const each of folders) rmSync(each, { recursive: true, force: true });
    },
  };
});

describe("the SQLite store", () => {
  test("commits what waits together and answers each for itself", async () => {
    const store = await freshStore();
    const logs = Array.from({ length: 40 }, (_, index) => new TestLog(replica(index + 1)));
    const forks = logs.map((log) => new TestLog(log.replica));
    const outcomes = await Promise.all([
      ...logs.map((log) => store.append(space, [log.run(2)])),
      ...forks.map((fork) => store.append(space, [fork.run(2)])),
    ]);
    const kinds = outcomes.flat().map(({ kind }) => kind);
    expect(kinds).toEqual([...logs.map(() => "held"), ...forks.map(() => "fork")]);
    expect(await store.usage(space)).toMatchObject({ entries: 80 });
  });

  test("answers a write only when it is committed", () => {
    const folder = newFolder();
    const { database, close } = openFile(folder);
    cleanups.push(close);
    const beside = new DatabaseSync(join(folder, "skein.db"), { readOnly: true });
    cleanups.push(() => beside.close());
    const row = packRun(new TestLog(replica(1)).run(1));
    const seen: unknown[] = [];
    new Batches(database, noBounds).run(
      [{ id: 1, verb: "append", args: [bytesOfId(space), [row]] }],
      () => seen.push(beside.prepare("SELECT last FROM logs").get()),
    );
    expect(seen).toEqual([{ last: 1 }]);
  });

  test("lets one call that cannot be done spoil no other of its transaction", async () => {
    const store = await freshStore();
    const wrong = { ...new TestLog(replica(1)).run(1), previous: new Uint8Array(32).fill(9) };
    const [good, bad, alsoGood] = await Promise.allSettled([
      store.append(space, [new TestLog(replica(2)).run(1)]),
      store.append(space, [wrong]),
      store.append(space, [new TestLog(replica(3)).run(1)]),
    ]);
    expect([good.status, bad.status, alsoGood.status]).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    const heads = await store.heads(space);
    expect(heads.map((head) => head.replica).sort()).toEqual([replica(2), replica(3)]);
  });

  test("turns calls away as busy when too many wait", async () => {
    const store = await freshStore({ waitingCallsMax: 4 });
    const log = new TestLog(replica(1));
    const settled = await Promise.allSettled(
      Array.from({ length: 10 }, () => store.append(space, [log.run(1)])),
    );
    expect(settled.slice(0, 4).every(({ status }) => status === "fulfilled")).toBe(true);
    for (const each of settled.slice(4)) {
      expect(each).toMatchObject({ reason: { name: "StoreUnavailable", reason: "busy" } });
    }
    await expect(store.ping()).resolves.toBeUndefined();
  });

  test("turns calls away as busy when too many bytes wait, and recovers", async () => {
    const store = await freshStore({ waitingBytesMax: 10_000 });
    const log = new TestLog(replica(1));
    const large = [log.run(1, { bodyBytes: 6_000 }), log.run(1, { bodyBytes: 6_000 })] as const;
    const first = store.append(space, [large[0]]);
    await expect(store.append(space, [large[1]])).rejects.toMatchObject({ reason: "busy" });
    await first;
    expect(await store.append(space, [large[1]])).toMatchObject([{ kind: "held", news: true }]);
  });

  test("answers what was asked before it was closed", async () => {
    const store = await freshStore();
    const append = store.append(space, [new TestLog(replica(1)).run(1)]);
    const closed = store.close();
    expect(await append).toMatchObject([{ kind: "held", news: true }]);
    await closed;
    await expect(store.ping()).rejects.toMatchObject({ reason: "closed" });
  });

  describe("when the disk fails", () => {
    test("says so to whoever needed room, and goes on with the others", () => {
      const { database, run } = openBatches();
      const [ana, ben] = [new TestLog(replica(1)), new TestLog(replica(2))];
      const large = packRun(ana.run(1, { bodyBytes: 60_000 }));
      // A limit of pages answers exactly as a full disk does.
      const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
      database.exec(`PRAGMA max_page_count = ${pages + 3}`);
      expect(run(append(1, large), append(2, packRun(ben.run(1))))).toEqual([
        { id: 1, error: expect.stringMatching(/full/) as string },
        { id: 2, value: [expect.objectContaining({ kind: "held", news: true })] },
      ]);
      database.exec(`PRAGMA max_page_count = ${pages + 1_000}`);
      expect(run(append(3, large))).toEqual([
        { id: 3, value: [expect.objectContaining({ kind: "held", news: true })] },
      ]);
    });

    test("answers a ping only once it can write again", () => {
      const { database, run } = openBatches();
      const ping: Call = { id: 2, verb: "ping", args: [] };
      const row = packRun(new TestLog(replica(1)).run(1));
      expect(run(ping)).toEqual([{ id: 2, value: undefined }]);
      // Whatever would write a page is refused; BEGIN and reading are not, as on a failing disk.
      const { SQLITE_DENY, SQLITE_INSERT, SQLITE_OK, SQLITE_PRAGMA } = constants;
      database.setAuthorizer((action, _name, value) => {
        const writes = action === SQLITE_INSERT || (action === SQLITE_PRAGMA && value !== null);
        return writes ? SQLITE_DENY : SQLITE_OK;
      });
      expect(run(append(1, row))).toEqual([{ id: 1, error: expect.any(String) as string }]);
      expect(run(ping)).toEqual([{ id: 2, error: expect.any(String) as string }]);
      database.setAuthorizer(null);
      expect(run(ping)).toEqual([{ id: 2, value: undefined }]);
    });

    function openBatches() {
      const { database, close } = openFile(newFolder());
      cleanups.push(close);
      const batches = new Batches(database, noBounds);
      const run = (...calls: Call[]): Answer[] => {
        const answers: Answer[] = [];
        batches.run(calls, (some) => answers.push(...some));
        return answers;
      };
      return { database, run };
    }

    const append = (id: number, row: RunRow): Call => ({
      id,
      verb: "append",
      args: [bytesOfId(space), [row]],
    });
  });

  describe("opening", () => {
    test("makes the folder and keeps it to its owner", async () => {
      const folder = join(newFolder(), "deep", "inside");
      const store = await openStore({ folder });
      await store.close();
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    });

    test("writes so that a commit is on the disk before it is answered", () => {
      const { database, close } = openFile(newFolder());
      cleanups.push(close);
      expect(database.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
      const full = 2;
      expect(database.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: full });
    });

    test("refuses a second relay on the same folder until the first has closed", async () => {
      const folder = newFolder();
      const first = await openStore({ folder });
      expect(await refusal(folder)).toMatch(/Another relay is using .* SKEIN_DATA/);
      await first.close();
      const second = await openStore({ folder });
      await second.close();
    });

    test("refuses a file that is no database", async () => {
      const folder = newFolder();
      writeFileSync(join(folder, "skein.db"), "Dear diary, ".repeat(1_000));
      expect(await refusal(folder)).toMatch(/skein\.db is damaged or not a database/);
      expect(readFileSync(join(folder, "skein.db"), "utf8").startsWith("Dear diary")).toBe(true);
    });

    test("refuses another program's database", async () => {
      const folder = newFolder();
      const foreign = new DatabaseSync(join(folder, "skein.db"));
      foreign.exec("CREATE TABLE recipes (name TEXT)");
      foreign.close();
      expect(await refusal(folder)).toMatch(/database of another program/);
    });

    test("refuses a database of a newer version and leaves it alone", async () => {
      const folder = newFolder();
      await (await openStore({ folder })).close();
      const newer = new DatabaseSync(join(folder, "skein.db"));
      newer.exec("PRAGMA user_version = 99");
      newer.close();
      expect(await refusal(folder)).toMatch(/written by a newer Skein \(its format is 99/);
    });

    test("brings a file of version 1 to today's form, with all that is in it", async () => {
      const folder = newFolder();
      const old = new DatabaseSync(join(folder, "skein.db"));
      old.exec(readFileSync(new URL("fixtures/version-1.sql", import.meta.url), "utf8"));
      const version = "PRAGMA user_version";
      expect(old.prepare(version).get()).toEqual({ user_version: 1 });
      old.close();
      const store = await freshStore({ folder });
      const [head] = await store.heads(space);
      if (head === undefined) throw new Error("the file has a log");
      expect(head).toMatchObject({ replica: replica(1), from: 1, to: 5 });
      const run = await store.read(space, replica(1), 1, 10_000);
      expect(run?.entries).toHaveLength(5);
      expect(await store.usage(space)).toMatchObject({ entries: 5 });
      expect(await store.certificate(space)).toMatchObject({ n: 4 });
      expect(await store.registers(space)).toHaveLength(1);
      const codeHash = new Uint8Array(16).fill(0xc0);
      expect(await store.peekInvite(codeHash, 0)).toMatchObject({ kind: "open" });
      // What only today's form can keep.
      const [hash] = await store.hashes(space, replica(1), 4, 4);
      if (hash === undefined) throw new Error("the log has 5 entries");
      const begun = await store.begin(space, [{ ...head, seq: 4, hash }]);
      expect(begun).toMatchObject([{ kind: "begun", head: { from: 5, to: 5 }, news: true }]);
      await store.close();
      const again = await freshStore({ folder });
      expect(await again.hashes(space, replica(1), 4, 9)).toEqual([hash, head.hash]);
      const branch = { signer: replica(1), seq: 5, hash: head.hash };
      const split = await again.split(space, { replica: replica(1), branch, into: replica(2) });
      expect(split).toMatchObject({ kind: "split", branch: { from: 5, to: 5, branch } });
    });

    test("refuses a database that was cut short", async () => {
      const folder = newFolder();
      const store = await openStore({ folder });
      const log = new TestLog(replica(1));
      for (let count = 0; count < 20; count++) {
        await store.append(space, [log.run(1, { bodyBytes: 20_000 })]);
      }
      await store.close();
      const path = join(folder, "skein.db");
      writeFileSync(path, readFileSync(path).subarray(0, 60_000));
      expect(await refusal(folder)).toMatch(/skein\.db is damaged/);
    });

    test("refuses a path that is a file", async () => {
      const folder = newFolder();
      writeFileSync(join(folder, "data"), "");
      expect(await refusal(join(folder, "data"))).toMatch(/is not a folder|cannot write/);
    });

    test.skipIf(process.getuid?.() === 0)("refuses a folder it may not write to", async () => {
      const folder = newFolder();
      chmodSync(folder, 0o500);
      cleanups.push(() => chmodSync(folder, 0o700));
      expect(await refusal(folder)).toMatch(/cannot write to .* SKEIN_DATA/);
    });
  });
});

const space = spaceTag(new Uint8Array(16).fill(0xa0));

const replica = (index: number) => replicaId(new Uint8Array(16).fill(index));

async function openStore(options: Partial<SqliteOptions> & { folder: string }) {
  const store = await SqliteStore.open({
    onDied: (error) => {
      throw error;
    },
    ...options,
  });
  if (store instanceof StoreRefused) throw store;
  return store;
}

async function freshStore(options: Partial<SqliteOptions> = {}): Promise<SqliteStore> {
  const store = await openStore({ folder: newFolder(), ...options });
  cleanups.push(() => store.close());
  return store;
}

async function refusal(folder: string): Promise<string> {
  const opened = await SqliteStore.open({ folder, onDied: () => {} });
  if (!(opened instanceof StoreRefused)) {
    await opened.close();
    throw new Error("the store was opened");
  }
  return opened.message;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "skein-store-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function copyOf(folder: string): string {
  const copy = mkdtempSync(join(tmpdir(), "skein-store-"));
  for (const name of ["skein.db", "skein.db-wal"])
    copyFileSync(join(folder, name), join(copy, name));
  return copy;
}
