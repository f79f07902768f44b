import { deleteDB, type IDBPDatabase, openDB } from "idb";
import { contractStores, kvContract } from "@skein/shared/device/kv.contract.ts";
import { type Kv, KvFailure, type Writing } from "@skein/shared/device/kv.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import { afterEach, describe, expect, test, vi } from "vitest";
import { databaseName, type DatabaseEnd, openIdbKv, type OpeningOptions } from "./idb-kv.ts";
import { type Migration, migrations } from "./schema.ts";

let counter = 0;
const freshName = () => `test-${Date.now()}-${counter++}`;
const ofContract: Migration[] = [
  {
    version: 1,
    migrate(database) {
      for (const store of contractStores) database.createObjectStore(store);
    },
  },
];

const quiet = { onEnd: () => undefined, onBlocked: () => undefined };

async function opened(options: Partial<OpeningOptions> & { name: string }): Promise<Kv> {
  const opening = await openIdbKv({ ...quiet, ...options });
  if (opening.kind !== "open") throw new Error(`${opening.kind}: ${opening.detail}`);
  return opening.kv;
}

kvContract("IndexedDB", async () => {
  const name = freshName();
  const connections: Kv[] = [];
  const connect = async () => {
    const kv = await opened({ name, migrations: ofContract });
    connections.push(kv);
    return kv;
  };
  return {
    kv: await connect(),
    connect,
    dispose: async () => {
      for (const kv of connections) kv.close();
      await deleteDB(name);
    },
  };
});

/** A database as an older or newer version of the app, or another program, left it. */
async function plainDatabase(name: string, version: number): Promise<IDBPDatabase> {
  return openDB(name, version, { upgrade: (database) => void database.createObjectStore("a") });
}

/** A version that nobody has shipped: one more store, and every row of another rewritten. */
const nextVersion: Migration = {
  version: migrations.length + 1,
  async migrate(database, transaction) {
    database.createObjectStore("added");
    const rows = transaction.objectStore("drafts");
    for (const key of await rows.getAllKeys()) {
      const text = (await rows.get(key)) as string;
      await rows.put({ text }, key);
    }
  },
};

describe("opening a database", () => {
  const names: string[] = [];
  const connections: { close(): void }[] = [];
  const named = () => {
    const name = freshName();
    names.push(name);
    return name;
  };
  const keep = <T extends { close(): void }>(connection: T): T => {
    connections.push(connection);
    return connection;
  };
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const connection of connections.splice(0)) connection.close();
    for (const name of names.splice(0)) await deleteDB(name);
  });

  test("names one for each device in this browser", () => {
    expect(databaseName(undefined)).toBe("skein");
    expect(databaseName("b")).toBe("skein-b");
  });

  test("creates the stores of a device, no more and no less", async () => {
    const name = named();
    keep(await opened({ name }));
    const database = keep(await openDB(name));
    expect([...database.objectStoreNames]).toEqual([...deviceStores].sort());
    expect(database.version).toBe(migrations.at(-1)?.version);
    for (const store of database.objectStoreNames) {
      const { keyPath, autoIncrement } = database.transaction(store).store;
      expect([keyPath, autoIncrement]).toEqual([null, false]);
    }
  });

  test("lists migrations in ascending versions from 1", () => {
    expect(migrations.map(({ version }) => version)).toEqual(migrations.map((_, at) => at + 1));
  });

  test("runs the steps between the version found and the newest, and keeps the rows", async () => {
    const name = named();
    const before = await opened({ name });
    await before.write(["drafts"], "strict", async (tx) => tx.put("drafts", ["s", "d"], "words"));
    before.close();
    const after = keep(await opened({ name, migrations: [...migrations, nextVersion] }));
    const read = await after.read(["drafts", "added"], async (tx) =>
      Promise.all([tx.get("drafts", ["s", "d"]), tx.get("added", "x")]),
    );
    expect(read).toEqual([{ text: "words" }, undefined]);
  });

  test("leaves everything as it was when a step fails half-way, and says so", async () => {
    const name = named();
    const before = await opened({ name });
    await before.write(["drafts"], "strict", async (tx) => tx.put("drafts", ["s", "d"], "words"));
    before.close();
    const broken: Migration = {
      version: migrations.length + 1,
      async migrate(database, transaction) {
        await nextVersion.migrate(database, transaction);
        throw new Error("a bug in the migration");
      },
    };
    const opening = await openIdbKv({ ...quiet, name, migrations: [...migrations, broken] });
    expect(opening).toMatchObject({ kind: "unavailable" });
    expect(opening.kind !== "open" && opening.detail).toContain("a bug in the migration");
    const again = keep(await opened({ name }));
    const text = await again.read(["drafts"], (tx) => tx.get("drafts", ["s", "d"]));
    expect(text).toBe("words");
  });

  test("says so when a newer version of the app has written it", async () => {
    const name = named();
    keep(await plainDatabase(name, 1_000));
    expect(await openIdbKv({ ...quiet, name })).toMatchObject({ kind: "outdated" });
  });

  test("makes way for a newer version at once, and says so once", async () => {
    const name = named();
    const ends: DatabaseEnd[] = [];
    const old = await opened({ name, onEnd: (end) => ends.push(end) });
    const running = old.write(["drafts"], "strict", async (tx) => {
      for (let reads = 0; reads < 20; reads++) await tx.get("drafts", "x");
      tx.put("drafts", "x", "kept");
    });
    const onBlocked = vi.fn<() => void>();
    const next = [...migrations, { version: migrations.length + 1, migrate: () => undefined }];
    const newer = keep(await opened({ name, onBlocked, migrations: next }));
    await running;
    expect(ends).toEqual(["outdated"]);
    const refused: unknown = await old
      .read(["drafts"], async () => 1)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(KvFailure);
    expect(refused).toMatchObject({ kind: "closed" });
    expect(await newer.read(["drafts"], (tx) => tx.get("drafts", "x"))).toBe("kept");
  });

  test("waits for a tab that does not let go, says so, and goes on when it does", async () => {
    const name = named();
    const stubborn = await plainDatabase(name, 1);
    const next = [...ofContract, { version: 2, migrate: () => undefined }];
    const blocks: string[] = [];
    const onBlocked = () => {
      blocks.push("blocked");
      stubborn.close();
    };
    keep(await opened({ name, onBlocked, migrations: next }));
    expect(blocks).toEqual(["blocked"]);
  });

  test("ends when the device's data is erased", async () => {
    const name = named();
    const ends: DatabaseEnd[] = [];
    await opened({ name, onEnd: (end) => ends.push(end) });
    await deleteDB(name);
    expect(ends).toEqual(["erased"]);
  });

  test("ends when the browser takes the connection away", async () => {
    const name = named();
    const ends: DatabaseEnd[] = [];
    const open = vi.spyOn(indexedDB, "open");
    keep(await opened({ name, onEnd: (end) => ends.push(end) }));
    const request = open.mock.results[0]?.value as IDBOpenDBRequest;
    // Chromium sends this when a disk fails; nothing in a page can make it.
    request.result.dispatchEvent(new Event("close"));
    request.result.dispatchEvent(new Event("close"));
    expect(ends).toEqual(["lost"]);
  });

  test("does not end by its own closing", async () => {
    const name = named();
    const ends: DatabaseEnd[] = [];
    const kv = await opened({ name, onEnd: (end) => ends.push(end) });
    kv.close();
    await deleteDB(name);
    expect(ends).toEqual([]);
  });

  test.each([
    ["a window that forbids storage", new DOMException("denied", "SecurityError"), "unavailable"],
    [
      "a private window that has none",
      new DOMException("none", "InvalidStateError"),
      "unavailable",
    ],
    ["a broken database", new DOMException("Internal error", "UnknownError"), "unavailable"],
    ["a full disk", new DOMException("full", "QuotaExceededError"), "full"],
  ])("answers in words for %s", async (_, error, kind) => {
    vi.spyOn(indexedDB, "open").mockImplementation(() => {
      throw error;
    });
    const opening = await openIdbKv({ ...quiet, name: "never" });
    expect(opening).toEqual({ kind, detail: String(error) });
  });

  test("answers in words where there is no IndexedDB at all", async () => {
    vi.stubGlobal("indexedDB", undefined);
    try {
      expect(await openIdbKv({ ...quiet, name: "never" })).toMatchObject({ kind: "unavailable" });
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe("a database in this browser", () => {
  /** A database whose puts fail, as on a broken disk: only that a row is there makes one fail here. */
  async function failingPuts(name: string): Promise<Kv> {
    const kv = await opened({ name });
    await kv.write(["drafts"], "strict", async (tx) => tx.put("drafts", "there", 1));
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (
      this: IDBObjectStore,
      value: unknown,
      key?: IDBValidKey,
    ) {
      return this.add(value, key);
    });
    return kv;
  }

  test("names the request that made a transaction fail, and leaves nothing", async () => {
    const name = freshName();
    const kv = await failingPuts(name);
    const bodies: ((tx: Writing) => Promise<unknown>)[] = [
      async (tx) => tx.put("drafts", "there", 2),
      async (tx) => {
        tx.put("drafts", "there", 2);
        await tx.get("drafts", "there");
      },
      async (tx) => {
        tx.put("drafts", "there", 2);
        await tx.get("drafts", "there").catch(() => undefined);
        await Promise.resolve();
        tx.put("drafts", "another", 3);
      },
    ];
    for (const body of bodies) {
      const attempt = kv.write(["drafts"], "strict", async (tx) => {
        tx.put("drafts", "new", 2);
        await body(tx);
      });
      const failure: unknown = await attempt.catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(KvFailure);
      expect(failure).toMatchObject({ kind: "failed" });
      expect(String(failure)).toContain("ConstraintError");
      expect(await kv.read(["drafts"], (tx) => tx.get("drafts", "new"))).toBeUndefined();
    }
    vi.restoreAllMocks();
    kv.close();
    await deleteDB(name);
  });

  test("keeps keys that nobody can read out", async () => {
    const name = freshName();
    const kv = await opened({ name });
    const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    const record = { secret: pair.privateKey, inner: { open: pair.publicKey } };
    await kv.write(["meta"], "strict", async (tx) => tx.put("meta", "identity", record));
    kv.close();
    const again = await opened({ name });
    const found = (await again.read(["meta"], (tx) => tx.get("meta", "identity"))) as typeof record;
    const message = Uint8Array.of(1, 2, 3);
    const signature = await crypto.subtle.sign("Ed25519", found.secret, message);
    expect(await crypto.subtle.verify("Ed25519", pair.publicKey, signature, message)).toBe(true);
    expect(found.secret.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("pkcs8", found.secret)).rejects.toBeInstanceOf(
      DOMException,
    );
    again.close();
    await deleteDB(name);
  });
});
