/**
 * What earlier versions of the app left on a device is still read by this one. Each schema version
 * that was shipped has its rows in `fixtures/`; the newest must be what today's code writes, so that
 * no row changes its form without a new version.
 */
import { deleteDB, openDB } from "idb";
import type { Kv } from "@skein/shared/device/kv.ts";
import { dump } from "@skein/shared/device/store.contract.ts";
import { afterEach, describe, expect, test } from "vitest";
import {
  asJson,
  fillDevice,
  fixtureText,
  fromJson,
  readDevice,
  type Rows,
} from "./fixture.contract.ts";
import version1 from "./fixtures/version-1.json";
import version2 from "./fixtures/version-2.json";
import version3 from "./fixtures/version-3.json";
import version4 from "./fixtures/version-4.json";
import { openIdbKv } from "./idb-kv.ts";
import { type Migration, migrations } from "./schema.ts";

/** By schema version, ascending. */
const fixtures: readonly unknown[] = [version1, version2, version3, version4];

const name = "schema-test";
const connections: Kv[] = [];

async function opened(steps: readonly Migration[] = migrations): Promise<Kv> {
  const nothing = () => undefined;
  const options = { name, onEnd: nothing, onBlocked: nothing, migrations: steps };
  const opening = await openIdbKv(options);
  if (opening.kind !== "open") throw new Error(`${opening.kind}: ${opening.detail}`);
  connections.push(opening.kv);
  return opening.kv;
}

/** A database as a version of the app left it, without a word of today's code above the schema. */
async function leave(version: number): Promise<void> {
  (await opened(migrations.slice(0, version))).close();
  const database = await openDB(name);
  const rows = fromJson(fixtures[version - 1]) as Rows;
  for (const [store, kept] of Object.entries(rows)) {
    for (const { key, value } of kept) await database.put(store, value, key as IDBValidKey);
  }
  database.close();
}

/** A version nobody has shipped: drafts get a time, and there is one more store. */
const next: Migration = {
  version: migrations.length + 1,
  async migrate(database, transaction) {
    database.createObjectStore("added");
    const drafts = transaction.objectStore("drafts");
    let cursor = await drafts.openCursor();
    while (cursor !== null) {
      await cursor.update({ text: cursor.value as string, atMs: 0 });
      cursor = await cursor.continue();
    }
  },
};

describe("the schema", () => {
  afterEach(async () => {
    for (const kv of connections.splice(0)) kv.close();
    await deleteDB(name);
  });

  test("has a fixture of each version", () => {
    expect(fixtures).toHaveLength(migrations.length);
  });

  test("has the newest fixture from today's code: a row in another form is a new version", async () => {
    const kv = await opened();
    await fillDevice(kv);
    const rows = (await dump(kv)) as Rows;
    expect(asJson(rows)).toEqual(fixtures.at(-1));
    expect(JSON.parse(await fixtureText())).toEqual(fixtures.at(-1));
    // A store that the fixture leaves empty would not be pinned.
    const empty = Object.keys(rows).filter((store) => rows[store]?.length === 0);
    expect(empty).toEqual([]);
  });

  test("of any version is read by today's code", async () => {
    const renew = async () => {
      for (const kv of connections.splice(0)) kv.close();
      await deleteDB(name);
    };
    for (let version = 1; version <= migrations.length; version++) {
      const fresh = await opened();
      await fillDevice(fresh);
      const expected = await readDevice(fresh, version);
      await renew();
      await leave(version);
      expect(await readDevice(await opened(), version)).toEqual(expected);
      await renew();
    }
  });

  test("of the next version keeps every row, in the form that it wants", async () => {
    await leave(migrations.length);
    const before = (await dump(await opened())) as Rows;
    connections.splice(0).forEach((kv) => kv.close());
    const kv = await opened([...migrations, next]);
    const after = (await dump(kv)) as Rows;
    const drafts = before["drafts"]?.map(({ key, value }) => ({
      key,
      value: { text: value, atMs: 0 },
    }));
    expect(drafts).toHaveLength(1);
    expect(after).toEqual({ ...before, drafts });
    expect(await kv.read(["added"], (tx) => tx.get("added", "x"))).toBeUndefined();
  });
});
