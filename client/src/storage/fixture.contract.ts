/**
 * A device that has something in every store, written by today's code, and its rows as text: what the
 * files in `fixtures/` were made of, one for each version of the schema that was ever shipped.
 *
 *   node --input-type=module -e 'import("./client/src/storage/fixture.contract.ts").then(async (m) =>
 *     console.log(await m.fixtureText()))' > client/src/storage/fixtures/version-N.json
 */
import { fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { orderKey } from "@skein/shared/chat/order-key.ts";
import { KvDeviceStore } from "@skein/shared/device/device-store.ts";
import type { Key, Kv } from "@skein/shared/device/kv.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import {
  advanced,
  ana,
  ben,
  cleo,
  documents,
  filled,
  nothingApplied,
  otherSpace,
  readAll,
  space,
  utf8,
} from "@skein/shared/device/ready-entries.contract.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import { Records } from "@skein/shared/device/records.ts";
import { dump, story, testSuite } from "@skein/shared/device/store.contract.ts";
import { encodeSessions } from "@skein/shared/device/snapshot/contents.ts";
import { type Manifest, partDigest, type Stored } from "@skein/shared/device/snapshot/manifest.ts";
import { SnapshotShelf } from "@skein/shared/device/snapshot/shelf.ts";
import { deviceStores, stores } from "@skein/shared/device/stores.ts";
import { blobId, epochId, registerName, type SpaceTag, spaceTag } from "@skein/shared/id/id.ts";
import { type Branch, branchIdOf } from "@skein/shared/log/branch.ts";
import type { Entry } from "@skein/shared/log/entry.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { TestLog } from "@skein/shared/log/test-log.contract.ts";
import type { ReceiptRow } from "../runtime/receipt-rows.ts";

const receipts: ReceiptRow = {
  storedTo: 3,
  ledger: { stored: new Map(), clocks: new Map(), marks: new Map(), shown: new Map() },
};

const plainRecord = { form: 1, upgrade: (value: unknown) => value };

/** Fills an empty database, always alike. */
export async function fillDevice(kv: Kv): Promise<void> {
  const store = new KvDeviceStore(kv, testSuite);
  const models = new ReadModels(kv);
  const log = new TestLog(ana);
  const epoch = await store.takeLeadership();
  await store.append(space, [log.runOf([entry(1, "opens"), entry(2, "continues")])]);
  await store.append(space, [log.runOf([entry(3, "hollow")])]);
  const base = await store.writerBase(space, ana);
  const named = new Map([[ana, 3]]);
  await store.appendOwn(space, base, log.runOf([entry(4, "opens")]), 9, named);
  await store.putRegisters(space, [
    {
      replica: ana,
      publicKey: log.publicKey,
      name: registerName(filled(16, 0x51)),
      number: 7,
      bodyHash: filled(32, 0x52),
      bytes: filled(200, 0x53),
    },
  ]);
  const begun = new TestLog(ben);
  begun.runOf([entry(1, "opens"), entry(2, "continues")]);
  await store.begin(otherSpace, [begun.base(2)]);
  await store.append(otherSpace, [begun.runOf([entry(3, "continues")])]);
  await store.append(forkedSpace, [forkedLog().slice(1, 2)]);
  const branch = forkedBranch();
  await store.split(forkedSpace, { replica: cleo, branch, into: branchIdOf(testSuite, branch) });
  await beginWithSnapshot(store, epoch);
  const shelf = new SnapshotShelf(kv, snapshotSpace);
  const [held] = object.chunks;
  if (held === undefined) throw new Error("an object has a piece");
  await shelf.put([{ id: held, bytes: new Uint8Array(60).fill(0x61) }]);
  await shelf.keep(filled(90, 0x62));
  await shelf.hold({ manifest: filled(91, 0x63), root: [held] });
  const { entries } = story();
  const after = advanced(nothingApplied, entries);
  await store.apply(space, epoch, nothingApplied, entries, after);
  await store.replaceTail(space, epoch, documents.note, utf8("one, two"), 2);
  await store.putCatalog(space, epoch, 1, { notes: [{ title: "Welcome" }] });
  await models.putDraft(space, documents.channel, "half a sen");
  await kv.write([stores.receipts], "relaxed", async (tx) =>
    tx.put(stores.receipts, space, receipts),
  );
  await new Records(kv, "meta", plainRecord).update("identity", () => ({ name: "Ana" }));
  await new Records(kv, "spaces", plainRecord).update(space, () => ({ name: "Home" }));
}

/** A space of which a part of everything that may be pending is still to come. */
async function beginWithSnapshot(store: KvDeviceStore, epoch: number): Promise<void> {
  const publicKey = filled(32, 7);
  const replica = replicaIdOf(testSuite, publicKey);
  const stored = (plain: Uint8Array): Stored => ({ digest: partDigest(testSuite, plain), object });
  const sessionsPlain = encodeSessions(new Map([[replica, new Map([[1, filled(16, 1)]])]]));
  const [sessions, others] = [stored(sessionsPlain), stored(filled(9, 1))];
  const keys = [2, 3].map((seq) => orderKey({ id: { replica, seq, index: 0 }, lamport: seq }));
  const [first, second] = keys;
  if (first === undefined || second === undefined) throw new Error("two keys were made");
  const manifest: Manifest = {
    space: snapshotSpace,
    logs: [{ replica, publicKey, seq: 4, hash: filled(32, 8), timeMs: 1_000 }],
    frontier: [{ replica, seq: 4 }],
    lamport: 4,
    sessions,
    parts: [
      {
        kind: "channel",
        document: documents.channel,
        newest: second,
        authors: new Map([[replica, { count: 2, seqs: [2, 3] }]]),
        segments: [
          { first, count: 1, ...others },
          { first: second, count: 1, ...others },
        ],
      },
      { kind: "engine", document: documents.note, vector: new Map([[replica, 4]]), ...others },
      { kind: "parked", document: documents.note, ...others },
    ],
  };
  const given = new Map([[sessions, sessionsPlain]]);
  const installation = {
    manifest,
    given,
    appliedAtMs: 5_000,
    root: object.chunks,
    unconfirmed: { digest: filled(32, 0x73), author: replica },
  };
  const outcome = await store.install(snapshotSpace, epoch, nothingApplied, installation);
  if (outcome !== "applied") throw new Error(`a snapshot was ${outcome}`);
}

const snapshotSpace = spaceTag(filled(16, 0xc0));
const forkedSpace = spaceTag(filled(16, 0xf0));
const object = { key: filled(32, 0x71), size: 9, chunks: [blobId(filled(32, 0x72))] };

/** All that can be learned of it, whatever form it is kept in, if `version` of the schema kept it. */
export async function readDevice(kv: Kv, version: number): Promise<unknown> {
  const store = new KvDeviceStore(kv, testSuite);
  const models = new ReadModels(kv);
  return {
    heads: await store.heads(space),
    run: await store.read(space, ana, 1, 1_000_000),
    hashes: await store.hashes(space, ana, 1, 9),
    nonces: await Promise.all([1, 2, 3, 4].map((seq) => store.sessionNonce(space, ana, seq))),
    registers: await store.registers(space),
    base: await store.writerBase(space, ana),
    models: await readAll(kv),
    draft: await models.draft(space, documents.channel),
    receipts: await kv.read([stores.receipts], (tx) => tx.get(stores.receipts, space)),
    identity: await new Records(kv, "meta", plainRecord).get("identity"),
    spaces: await new Records<SpaceTag, unknown>(kv, "spaces", plainRecord).all(),
    leader: await store.takeLeadership(),
    snapshot: version >= 2 && {
      applied: await store.applied(snapshotSpace),
      pending: await models.pending(snapshotSpace),
      page: await models.messagesBefore(snapshotSpace, documents.channel, undefined, 9),
      note: await models.document(snapshotSpace, documents.note),
      piece: await new SnapshotShelf(kv, snapshotSpace).get(blobId(filled(32, 0x72))),
      checkpoint: await new SnapshotShelf(kv, snapshotSpace).checkpoint(),
      held: await new SnapshotShelf(kv, snapshotSpace).held(),
    },
    begun: version >= 2 && {
      heads: await store.heads(otherSpace),
      run: await store.read(otherSpace, ben, 3, 1_000_000),
      hashes: await store.hashes(otherSpace, ben, 2, 3),
    },
    spares: version >= 4 && (await store.readSpares(space, ana, 4, 9)),
    forked: version >= 3 && {
      heads: await store.heads(forkedSpace),
      run: await store.read(forkedSpace, branchIdOf(testSuite, forkedBranch()), 1, 1_000_000),
    },
  };
}

function forkedLog(): TestLog {
  const log = new TestLog(cleo);
  log.runOf([entry(1, "opens"), entry(2, "continues")]);
  return log;
}

const forkedBranch = (): Branch => ({ signer: cleo, seq: 2, hash: forkedLog().hashAt(2) });

function entry(seq: number, kind: "opens" | "continues" | "hollow"): Entry {
  return {
    epoch: epochId(filled(8, 0xe1)),
    writer:
      kind === "opens"
        ? { kind: "opens", nonce: filled(16, seq) }
        : { kind: "continues", distance: seq - 1 },
    body:
      kind === "hollow"
        ? { kind: "hollow", hash: filled(32, seq), length: 100 }
        : { kind: "sealed", sealed: filled(20 + seq, seq) },
  };
}

// Rows as text

/** Rows by store. */
export type Rows = Record<string, readonly { readonly key: Key; readonly value: unknown }[]>;

export async function fixtureText(): Promise<string> {
  const kv = new MemoryDisk(deviceStores).open();
  await fillDevice(kv);
  return JSON.stringify(asJson(await dump(kv)), undefined, 1);
}

/** JSON has no bytes, no maps and no undefined: they stand under a key that nothing else has. */
export function asJson(value: unknown): unknown {
  if (value === undefined) return { $: "undefined" };
  if (value instanceof Uint8Array) return { $: "bytes", hex: toHex(value) };
  if (value instanceof Map) return { $: "map", rows: asJson([...value]) };
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asJson(item)]));
}

export function fromJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== "object" || json === null) return json;
  const { $: kind, hex, rows } = json as { $?: string; hex?: string; rows?: unknown };
  if (kind === "undefined") return undefined;
  if (kind === "bytes") return fromHex(hex ?? "");
  if (kind === "map") return new Map(fromJson(rows) as [unknown, unknown][]);
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromJson(item)]));
}
