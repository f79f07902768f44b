/**
 * Snapshots where somebody lies, where pieces are lost, and where something does not work: honest devices
 * lose nothing by it, get no further than they can, and go on.
 */
import { describe, expect, it } from "vitest";
import { sealObject } from "@skein/shared/crypto/sealed-object.ts";
import type { Gate } from "@skein/shared/device/gate.ts";
import { advance } from "@skein/shared/device/snapshot/checkpoint.ts";
import { type BlobId, memberId } from "@skein/shared/id/id.ts";
import {
  blobsOf,
  canonicalDigest,
  encodeManifest,
  entriesIn,
} from "@skein/shared/device/snapshot/manifest.ts";
import { type MemberOf, noNotice, type Published } from "@skein/shared/device/snapshot/notice.ts";
import type { DeviceWorld, TestDevice } from "../support/device-world.ts";
import { beginWithSnapshots, never, numbered, passive } from "../support/snapshot-world.ts";

const publishedBy = (by: TestDevice, of: TestDevice): Published | undefined =>
  by.tab.board.notices.get(of.tab.replicaId)?.published;

const says = (device: TestDevice, published: Published): void =>
  device.tab.desk?.setNotice({ ...noNotice, published });

const refuses = (device: TestDevice, digest: Uint8Array): void =>
  device.tab.desk?.setNotice({ ...noNotice, verdicts: [{ digest, agrees: false }] });

async function seconds(world: DeviceWorld, count: number): Promise<void> {
  for (let second = 0; second < count; second++) await world.settle(1_000);
}

/** A snapshot of what the device holds, published as it is. */
async function publish(world: DeviceWorld, device: TestDevice): Promise<Published> {
  const ports = await device.tab.keeper?.checkpointPorts();
  if (ports === undefined) throw new Error("no keeper");
  const step = await advance(ports, undefined, device.replica.applied.vector, 10_000);
  if (step.kind !== "advanced") throw new Error(step.kind);
  const { suite } = world;
  const sealed = await sealObject(suite, world.env.random.bytes(32), encodeManifest(step.manifest));
  const pieces = sealed.blobs.map(({ bytes }): Uint8Array => bytes);
  for (const id of blobsOf(step.manifest))
    pieces.push((await ports.blobs.get(id)) ?? new Uint8Array());
  for (const bytes of pieces) await device.session.askForBlob({ type: "blob", bytes });
  const digest = canonicalDigest(suite, step.manifest);
  const published = { digest, root: sealed.ref, entries: entriesIn(step.manifest) };
  says(device, published);
  return published;
}

describe("a snapshot that somebody refuses", () => {
  it("is not published again and again", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const [author, other] = [await device({ witnesses: 0 }), await device(passive)];
    for (const each of [author, other]) await each.connect(relay);
    await author.post(...numbered(1, 40));
    await world.until(() => publishedBy(other, author) !== undefined);
    const { digest, root } = publishedBy(other, author) ?? { digest: new Uint8Array(32) };
    refuses(other, digest);
    await world.until(() => author.tab.board.notices.get(other.tab.replicaId) !== undefined);
    await seconds(world, 20);
    expect(author.tab.desk?.notice.published?.root).toEqual(root);
  });

  it("is looked at by more devices than it would be otherwise", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    const others = [await device(passive), await device(passive)];
    for (const each of [author, ...others]) await each.connect(relay);
    await author.post(...numbered(1, 40));
    await world.until(() => others.every((each) => publishedBy(each, author) !== undefined));
    const digest = author.tab.desk?.notice.published?.digest ?? new Uint8Array(32);
    for (const each of others) refuses(each, digest);
    const refusals = () =>
      [...author.tab.board.notices.values()].filter(({ verdicts }) => verdicts.length > 0).length;
    await world.until(() => refusals() === 2);
    const third = await device({ publishEntries: never });
    await third.connect(relay);
    await world.until(() => third.tab.desk?.notice.verdicts.length === 1);
    expect(third.tab.desk?.notice.verdicts).toEqual([{ digest, agrees: true }]);
  });

  it("never takes the place of entries, whatever a relay says it has let go of", async () => {
    const { world, relay, store, device } = await beginWithSnapshots();
    const liar = await device(passive);
    const honest = await device({ publishEntries: never });
    const away = await device(passive);
    for (const each of [liar, honest, away]) await each.connect(relay);
    await honest.post(...numbered(1, 20));
    await liar.post(...numbered(21, 30));
    await world.until(async () => (await away.texts()).length === 30);
    const texts = await away.texts();
    away.cut();
    await liar.post(...numbered(31, 40));
    await world.until(async () => (await honest.texts()).length === 40);
    const { digest } = await publish(world, liar);
    refuses(honest, digest);
    await seconds(world, 5);
    honest.cut();
    // No order was given: the relay hides what is below.
    await store.begin(world.space.tag, [await liar.base()]);
    const hiding = world.relay(store);
    await away.connect(hiding);
    await seconds(world, 20);
    expect(publishedBy(away, liar)).toBeDefined();
    expect(away.tab.arrivals).toEqual([]);
    expect(await away.texts()).toEqual(texts);
    expect(away.tab.keeper?.phase).toBe("settled");
  });
});

describe("a notice of what is not there", () => {
  const nowhere = (entries: number): Published => ({
    digest: new Uint8Array(32).fill(1),
    root: { key: new Uint8Array(32), size: 10, chunks: [] },
    entries,
  });

  it("keeps nobody from publishing and confirming", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const liar = await device(passive);
    const [one, two] = [await device(), await device({ publishEntries: never })];
    for (const each of [liar, one, two]) await each.connect(relay);
    const { suite, env } = world;
    const { ref } = await sealObject(suite, env.random.bytes(32), new Uint8Array(10));
    says(liar, { ...nowhere(1_000_000), root: ref });
    await world.until(() => publishedBy(one, liar) !== undefined);
    await world.until(() => publishedBy(two, liar) !== undefined);
    await one.post(...numbered(1, 40));
    await world.until(() => publishedBy(two, one) !== undefined);
    await world.until(() => (two.tab.desk?.notice.verdicts.length ?? 0) > 0);
    expect(world.bugs).toEqual([]);
  });

  it("nor does one that says more than its snapshot has", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const [liar, honest] = [await device(passive), await device()];
    for (const each of [liar, honest]) await each.connect(relay);
    await honest.post(...numbered(1, 10));
    await world.until(async () => (await liar.texts()).length === 10);
    const published = await publish(world, liar);
    says(liar, { ...published, entries: 1_000_000 });
    await world.until(() => publishedBy(honest, liar)?.entries === 1_000_000);
    await honest.post(...numbered(11, 60));
    await world.until(() => publishedBy(liar, honest) !== undefined);
    expect(publishedBy(liar, honest)?.entries).toBe(60);
  });

  it("does not take others' pieces with it", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const [author, liar] = [await device({ witnesses: 0 }), await device(passive)];
    for (const each of [author, liar]) await each.connect(relay);
    await author.post(...numbered(1, 60));
    await world.until(() => publishedBy(liar, author) !== undefined);
    const honest = publishedBy(liar, author);
    if (honest === undefined) throw new Error("nothing was published");
    says(liar, { ...honest, digest: new Uint8Array(32), entries: 1_000_000 });
    await world.until(() => publishedBy(author, liar) !== undefined);
    await world.settle(2_000);
    const newcomer = await device(passive);
    await newcomer.connect(relay);
    await world.until(async () => (await newcomer.texts()).length === 60);
    expect(newcomer.tab.arrivals).toMatchObject([{ author: author.tab.replicaId }]);
  });
});

describe("who comes in by a snapshot for which nobody but its author stands", () => {
  it("confirms nothing that goes on from it until somebody else does", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    await author.connect(relay);
    await author.post(...numbered(1, 40));
    await world.until(() => author.tab.desk?.notice.published?.entries === 40);
    await world.settle(2_000);
    const taker = await device({ publishEntries: never });
    await taker.connect(relay);
    await world.until(() => taker.tab.keeper?.phase === "settled");
    expect(taker.tab.arrivals).toMatchObject([{ witnesses: 0 }]);
    await author.post(...numbered(41, 80));
    await world.until(() => publishedBy(taker, author)?.entries === 80);
    await seconds(world, 40);
    expect(taker.tab.desk?.notice.verdicts).toEqual([]);
    const witness = await device({ worthEntries: never, publishEntries: never });
    await witness.connect(relay);
    await world.until(() => witness.tab.desk?.notice.verdicts.length === 1);
    await world.until(() => taker.tab.desk?.notice.verdicts.length === 1);
    const digest = publishedBy(taker, author)?.digest;
    expect(taker.tab.desk?.notice.verdicts).toEqual([{ digest, agrees: true }]);
  });
});

describe("a device that asks for a snapshot", () => {
  const wants = (each: TestDevice) => each.tab.desk?.setNotice({ ...noNotice, wants: true });
  const heard = (by: TestDevice, of: TestDevice) => () =>
    by.tab.board.notices.get(of.tab.replicaId) !== undefined;

  it("gets one now and then, however often it asks", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const [author, other] = [await device(), await device(passive)];
    for (const each of [author, other]) await each.connect(relay);
    await author.post(...numbered(1, 5));
    // Whoever settles says whether it still wants one.
    await seconds(world, 5);
    wants(other);
    await world.until(heard(author, other));
    await world.until(() => author.tab.desk?.notice.published?.entries === 5);
    await author.post("message 6");
    await seconds(world, 10);
    expect(author.tab.desk?.notice.published?.entries).toBe(5);
    await seconds(world, 40);
    expect(author.tab.desk?.notice.published?.entries).toBe(6);
  });

  it("gets none if it is nobody's", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const stranger = await device(passive);
    const strangers = stranger.tab.replicaId;
    const memberOf: MemberOf = (replica) =>
      replica === strangers ? undefined : memberId(new Uint8Array(16));
    const author = await device({}, false, { memberOf });
    for (const each of [author, stranger]) await each.connect(relay);
    await author.post(...numbered(1, 5));
    await seconds(world, 5);
    wants(stranger);
    await world.until(heard(author, stranger));
    await seconds(world, 40);
    expect(author.tab.desk?.notice.published).toBeUndefined();
  });
});

describe("a device", () => {
  it("gives no own entries away that nobody else has, and says that its log has forked", async () => {
    const { world, relay, store, device } = await beginWithSnapshots();
    const first = await device({ witnesses: 0 });
    await first.connect(relay);
    await first.post(...numbered(1, 40));
    await world.until(() => first.tab.desk?.notice.published?.entries === 40);
    await world.settle(2_000);
    first.cut();
    await store.begin(world.space.tag, [await first.base()]);
    // As from a copy of an earlier time, on which somebody has written.
    const again = await device(passive, false, { pair: first.pair, ownStoredTo: 1 });
    await again.post("from before", "and since");
    await again.connect(world.relay(store));
    await seconds(world, 20);
    expect(again.tab.arrivals).toEqual([]);
    expect(await again.texts()).toEqual(["from before", "and since"]);
    expect(again.tab.forks).toContain(again.tab.replicaId);
  });

  it("whose snapshot has lost pieces takes a newer one where entries have gone meanwhile", async () => {
    const { world, relay, store, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    await author.connect(relay);
    await author.postAtOnce(...numbered(1, 3_000));
    await world.until(() => author.tab.desk?.notice.published?.entries === 30);
    await world.settle(2_000);
    const newcomer = await device(passive);
    const lost = new Set<BlobId>();
    const blob = store.blob.bind(store);
    let given = 0;
    let isLosing = true;
    store.blob = async (space, id) => {
      if (isLosing && given++ >= 3) lost.add(id);
      return lost.has(id) ? undefined : blob(space, id);
    };
    await newcomer.connect(relay);
    await world.until(() => newcomer.tab.arrivals.length > 0);
    await world.settle(2_000);
    isLosing = false;
    expect(newcomer.tab.keeper?.phase).toBe("filling");
    newcomer.cut();
    await author.post(...numbered(3_001, 3_040));
    await world.until(() => author.tab.desk?.notice.published?.entries === 70);
    await world.settle(2_000);
    await store.begin(world.space.tag, [await author.base()]);
    await newcomer.connect(world.relay(store));
    await world.until(() => newcomer.tab.arrivals.length === 2);
    await seconds(world, 10);
    expect((await newcomer.texts()).at(-1)).toBe("message 3040");
    expect(newcomer.tab.keeper?.phase).toBe("filling");
    lost.clear();
    await world.until(() => newcomer.tab.keeper?.phase === "settled");
    expect(await newcomer.texts()).toEqual(numbered(1, 3_040));
    expect(newcomer.tab.arrivals).toHaveLength(2);
    expect(world.bugs).toEqual([]);
  });

  it("goes on with snapshots beside a log of somebody who was never let in", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const stranger = await device(passive);
    const gate: Gate = {
      know: () => {},
      admitted: (replica) => replica !== stranger.tab.replicaId,
      examine: async () => {},
      restore: async () => {},
    };
    const author = await device({}, false, { gate });
    for (const each of [stranger, author]) await each.connect(relay);
    await stranger.post("let me in");
    await author.post(...numbered(1, 40));
    await world.until(() => author.tab.desk?.notice.published !== undefined);
    expect(author.replica.unapplied).toBe(1);
  });

  it("asks again for engines that could not be had", async () => {
    const { world, relay, device, engines } = await beginWithSnapshots();
    let asked = 0;
    const author = await device({}, false, {
      engines: async () => {
        if (asked++ === 0) throw new Error("no file");
        return engines();
      },
    });
    await author.connect(relay);
    await author.post(...numbered(1, 40));
    await world.until(() => author.tab.desk?.notice.published !== undefined);
    expect(world.bugs).toHaveLength(1);
  });
});
