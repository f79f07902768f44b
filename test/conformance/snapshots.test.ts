/**
 * Snapshots from end to end: made by one device, confirmed by another, taken in by a third, kept alive at
 * relays, and what owners let go of because of them.
 */
import { describe, expect, it } from "vitest";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { openObject, sealObject } from "@skein/shared/crypto/sealed-object.ts";
import { advance } from "@skein/shared/device/snapshot/checkpoint.ts";
import { decodeMessages, encodeMessages } from "@skein/shared/device/snapshot/contents.ts";
import {
  canonicalDigest,
  encodeManifest,
  type Part,
  partDigest,
  type SegmentPart,
} from "@skein/shared/device/snapshot/manifest.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import {
  type DeviceWorld,
  general,
  retentionMs,
  type TestDevice,
} from "../support/device-world.ts";
import { beginWithSnapshots, never, numbered, passive } from "../support/snapshot-world.ts";

const publishedBy = (by: TestDevice, of: TestDevice) =>
  by.tab.board.notices.get(of.tab.replicaId)?.published;
const froms = (device: TestDevice): number[] =>
  [...device.replica.exchange.holdings.logs.values()].map(({ from }) => from);

/** Publishes a snapshot of what `liar` holds in which somebody says something else. */
async function publishForged(world: DeviceWorld, liar: TestDevice): Promise<void> {
  const ports = await liar.tab.keeper?.checkpointPorts();
  if (ports === undefined) throw new Error("no keeper");
  const { suite } = world;
  const step = await advance(ports, undefined, liar.replica.applied.vector, 10_000);
  if (step.kind !== "advanced") throw new Error(step.kind);
  const seal = async (plain: Uint8Array) => {
    const { ref, blobs } = await sealObject(suite, world.env.random.bytes(32), plain);
    for (const { bytes } of blobs) await liar.session.askForBlob({ type: "blob", bytes });
    return ref;
  };
  const forge = async (segment: SegmentPart): Promise<SegmentPart> => {
    const plain = await openObject(suite, segment.object, (id) => ports.blobs.get(id));
    const messages = plain instanceof Uint8Array ? decodeMessages(plain) : undefined;
    if (messages === undefined || isMalformed(messages)) throw new Error("no messages");
    const changed = encodeMessages(messages.map((each) => ({ ...each, text: "I agree" })));
    return { ...segment, digest: partDigest(suite, changed), object: await seal(changed) };
  };
  const parts: Part[] = [];
  for (const part of step.manifest.parts) {
    if (part.kind !== "channel") parts.push(part);
    else parts.push({ ...part, segments: await Promise.all(part.segments.map(forge)) });
  }
  const manifest = { ...step.manifest, parts };
  const { object } = manifest.sessions;
  const sessions = await openObject(suite, object, (id) => ports.blobs.get(id));
  if (!(sessions instanceof Uint8Array)) throw new Error("no sessions");
  const whole = { ...manifest, sessions: { ...manifest.sessions, object: await seal(sessions) } };
  const digest = canonicalDigest(suite, whole);
  const root = await seal(encodeManifest(whole));
  liar.tab.desk?.setNotice({
    published: { digest, root, entries: 40 },
    verdicts: [],
    wants: false,
  });
}

describe("a snapshot", () => {
  it("brings a newcomer in, with all that was said, and what was said since", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    await author.connect(relay);
    await author.post(...numbered(1, 60));
    await world.until(() => author.tab.desk?.notice.published !== undefined);
    await world.settle(1_000);
    await author.post("after it");
    await world.settle(1_000);

    const newcomer = await device(passive);
    await newcomer.connect(relay);
    await world.until(() => newcomer.tab.keeper?.phase === "settled");
    await world.until(() => newcomer.replica.unapplied === 0);
    expect(newcomer.tab.arrivals).toEqual([{ author: author.tab.replicaId, witnesses: 0 }]);
    expect(froms(newcomer)).toEqual([61]);
    expect(await newcomer.texts()).toEqual([...numbered(1, 60), "after it"]);
    expect(newcomer.replica.applied.vector).toEqual(author.replica.applied.vector);

    // It goes on like everybody.
    await newcomer.post("hello");
    await author.post("welcome");
    await world.until(async () => (await newcomer.texts()).includes("welcome"));
    await world.until(async () => (await author.texts()).includes("hello"));
    await world.settle(2_000);
    expect(author.tab.board.clock(newcomer.tab.replicaId)).toEqual(author.replica.applied.vector);
    expect(world.bugs).toEqual([]);
  });

  it("is not worth it for a few entries", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const author = await device();
    await author.connect(relay);
    await author.post(...numbered(1, 30));
    await world.until(() => author.tab.desk?.notice.published !== undefined);
    const newcomer = await device({ ...passive, worthEntries: 100 });
    await newcomer.connect(relay);
    await world.until(() => newcomer.replica.applied.vector.size > 0);
    await world.until(() => newcomer.replica.unapplied === 0);
    expect(newcomer.tab.arrivals).toEqual([]);
    expect(await newcomer.texts()).toEqual(numbered(1, 30));
  });

  it("is made by one device and confirmed by the others", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    const [one, two] = [
      await device({ publishEntries: never }),
      await device({ publishEntries: never }),
    ];
    for (const each of [author, one, two]) await each.connect(relay);
    await one.post(...numbered(1, 10));
    await author.post(...numbered(11, 40));
    await world.until(() => publishedBy(one, author) !== undefined);
    const verdicts = (device: TestDevice) => device.tab.desk?.notice.verdicts ?? [];
    await world.until(() => verdicts(one).length > 0 && verdicts(two).length > 0);
    const digest = publishedBy(one, author)?.digest;
    for (const each of [one, two]) expect(verdicts(each)).toEqual([{ digest, agrees: true }]);
    expect([...one.tab.upkeepTroubles, ...two.tab.upkeepTroubles]).toEqual([]);

    const newcomer = await device(passive);
    await newcomer.connect(relay);
    await world.until(() => newcomer.tab.arrivals.length > 0);
    expect(newcomer.tab.arrivals).toEqual([{ author: author.tab.replicaId, witnesses: 2 }]);
    // Who has taken it in says nothing of it.
    expect(verdicts(newcomer)).toEqual([]);
    expect(world.bugs).toEqual([]);
  });

  it("that says what nobody wrote is refused by who holds the entries, and passed over", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const [liar, honest] = [await device(passive), await device({ publishEntries: never })];
    for (const each of [liar, honest]) await each.connect(relay);
    await honest.post(...numbered(1, 40));
    await world.until(async () => (await liar.texts()).length === 40);
    await publishForged(world, liar);
    await world.until(() => honest.tab.desk?.notice.verdicts.length === 1);
    const digest = publishedBy(honest, liar)?.digest;
    expect(honest.tab.desk?.notice.verdicts).toEqual([{ digest, agrees: false }]);
    expect(honest.tab.upkeepTroubles).toEqual([
      { kind: "disputed", author: liar.tab.replicaId, digest },
    ]);

    const another = await device({ witnesses: 0 });
    await another.connect(relay);
    await world.until(async () => (await another.texts()).length === 40);
    // It counts for nothing: another one is due.
    await world.until(() => publishedBy(honest, another) !== undefined);
    const newcomer = await device(passive);
    await newcomer.connect(relay);
    await world.until(() => newcomer.tab.keeper?.phase === "settled");
    expect(newcomer.tab.arrivals).toMatchObject([{ author: another.tab.replicaId }]);
    expect(await newcomer.texts()).toEqual(numbered(1, 40));
    expect(world.bugs).toEqual([]);
  });

  it("grows with what is said, and who begins later gets the newer one", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    await author.connect(relay);
    await author.post(...numbered(1, 30));
    await world.until(() => author.tab.desk?.notice.published?.entries === 30);
    await author.post(...numbered(31, 60));
    await world.until(() => author.tab.desk?.notice.published?.entries === 60);
    await world.settle(2_000);
    const newcomer = await device(passive);
    await newcomer.connect(relay);
    await world.until(() => newcomer.replica.applied.vector.size > 0);
    expect(froms(newcomer)).toEqual([61]);
    await world.until(() => newcomer.tab.keeper?.phase === "settled");
    expect(await newcomer.texts()).toEqual(numbered(1, 60));
  });

  it("comes back to a relay that has lost everything", async () => {
    const { world, relay, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    await author.connect(relay);
    await author.post(...numbered(1, 40));
    await world.until(() => author.tab.desk?.notice.published !== undefined);
    await world.settle(1_000);
    const empty = new MemoryRelayStore();
    const other = world.relay(empty);
    await author.connect(other);
    await world.until(() => author.session.equal);
    await world.settle(1_000);
    await world.settle(1_000);
    const newcomer = await device(passive);
    await newcomer.connect(other);
    await world.until(() => newcomer.tab.arrivals.length > 0);
    await world.until(() => newcomer.tab.keeper?.phase === "settled");
    expect(await newcomer.texts()).toEqual(numbered(1, 40));
  });

  it("that is nowhere to be had leaves the newcomer with the entries", async () => {
    const { world, relay, store, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    await author.connect(relay);
    await author.post(...numbered(1, 40));
    await world.until(() => author.tab.desk?.notice.published !== undefined);
    await world.settle(1_000);
    author.cut();
    await store.sweepBlobs(Number.MAX_SAFE_INTEGER, 1_000);
    const newcomer = await device(passive);
    await newcomer.connect(relay);
    await world.until(async () => (await newcomer.texts()).length === 40);
    expect(newcomer.tab.arrivals).toEqual([]);
    expect(froms(newcomer)).toEqual([1]);
  });
});

describe("an owner whose snapshot was confirmed", () => {
  it("lets relays go of the entries, and everybody still comes in", async () => {
    const { world, relay, store, device } = await beginWithSnapshots();
    const owner = await device({ witnesses: 0 }, true);
    const witness = await device({ publishEntries: never });
    const away = await device(passive);
    for (const each of [owner, witness, away]) await each.connect(relay);
    await owner.post(...numbered(1, 10));
    await away.post("I was here");
    await world.until(async () => (await away.texts()).length === 11);
    away.cut();
    await away.post("written offline");
    await owner.post(...numbered(11, 50));
    await world.until(() => owner.tab.desk?.notice.published !== undefined);
    const { tag } = world.space;
    await world.until(async () => (await store.order(tag)) !== undefined);
    world.nowMs += retentionMs;
    expect(await relay.carryOutOrders(10)).toBe(1);
    const head = (await store.heads(tag)).find(({ replica }) => replica === owner.tab.replicaId);
    expect(head?.from).toBeGreaterThan(30);
    await owner.post("later");

    // A newcomer, who could have no entry below.
    const newcomer = await device(passive);
    await newcomer.connect(relay);
    await world.until(async () => (await newcomer.texts()).at(-1) === "later");
    await world.until(() => newcomer.tab.keeper?.phase === "settled");
    expect(await newcomer.texts()).toEqual(await owner.texts());

    // Who was away longer than the relay keeps: its own words are still there, and come out.
    await away.connect(relay);
    await world.until(() => away.tab.arrivals.length > 0);
    await world.until(async () => (await owner.texts()).includes("written offline"));
    await world.until(() => away.tab.keeper?.phase === "settled");
    await world.until(async () => (await away.texts()).length === 53);
    expect(await away.texts()).toEqual(await owner.texts());
    expect(new Set(await newcomer.texts()).size).toBe(53);
    expect(world.bugs).toEqual([]);
  });

  it("orders nothing that nobody has confirmed", async () => {
    const { world, relay, store, device } = await beginWithSnapshots();
    const owner = await device({ witnesses: 0 }, true);
    const other = await device(passive);
    for (const each of [owner, other]) await each.connect(relay);
    await owner.post(...numbered(1, 60));
    await world.until(() => owner.tab.desk?.notice.published !== undefined);
    for (let second = 0; second < 10; second++) await world.settle(1_000);
    expect(await store.order(world.space.tag)).toBeUndefined();
  });
});

describe("while parts are still to come", () => {
  it("the delivery clock stays, what is wanted comes first, and what is missing is told", async () => {
    const { world, relay, store, device } = await beginWithSnapshots();
    const author = await device({ witnesses: 0 });
    await author.connect(relay);
    await author.postAtOnce(...numbered(1, 3_000));
    await world.until(() => author.tab.desk?.notice.published?.entries === 30);
    await world.settle(2_000);
    author.cut();
    const newcomer = await device(passive);
    // All but what is needed at once is kept from it.
    let given = 0;
    const blob = store.blob.bind(store);
    let isShort = true;
    store.blob = async (space, id) => (isShort && given++ >= 3 ? undefined : blob(space, id));
    await newcomer.connect(relay);
    await world.until(() => newcomer.tab.arrivals.length > 0);
    await world.settle(2_000);
    expect(newcomer.tab.keeper?.phase).toBe("filling");
    const { tag } = world.space;
    const page = await newcomer.models.messagesBefore(tag, general, undefined, 10_000);
    expect(page.messages.at(-1)?.text).toBe("message 3000");
    expect(page.pending).toBeDefined();
    expect((await newcomer.models.channel(tag, general))?.count).toBe(3_000);
    expect(newcomer.tab.desk?.wakeAtMs()).toBe(Number.POSITIVE_INFINITY);
    expect(newcomer.tab.board.clock(newcomer.tab.replicaId).size).toBe(0);
    // Begun anew, it goes on where it was.
    isShort = false;
    newcomer.cut();
    newcomer.tab.close();
    await newcomer.tab.lead([{ kind: "clock" }]);
    await newcomer.connect(relay);
    await world.until(() => newcomer.tab.keeper?.phase === "settled");
    await world.settle(2_000);
    expect(await newcomer.texts()).toEqual(numbered(1, 3_000));
    expect(newcomer.tab.board.clock(newcomer.tab.replicaId).get(author.tab.replicaId)).toBe(30);
    expect(world.bugs).toEqual([]);
  });
});
