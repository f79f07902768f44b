/** Snapshots of a space in which a log has forked: made, confirmed, taken in, and let go of entries by. */
import { describe, expect, it } from "vitest";
import type { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { copyOf, retentionMs, type TestDevice } from "../support/device-world.ts";
import { beginWithSnapshots, never, numbered, passive } from "../support/snapshot-world.ts";

type Snapshots = Awaited<ReturnType<typeof beginWithSnapshots>>;

/** A device and a copy of it that have both written since, and an owner and a witness who show it all. */
async function forked({ world, relay, device }: Snapshots) {
  const quiet = { publishEntries: never, witnesses: 0 };
  const one = await device(quiet);
  await one.post("a", "b");
  await world.settle(1_000);
  const two = await device(quiet, false, { disk: await copyOf(one.disk), pair: one.pair });
  // The first goes on in the writer session that it opened before.
  await one.post(...numbered(1, 3));
  await two.post(...numbered(4, 8));
  const owner = await device({ witnesses: 0 }, true);
  const witness = await device({ publishEntries: never });
  for (const each of [one, two, owner, witness]) await each.connect(relay);
  await world.until(() => show([one, two, owner, witness], ["a", "b", ...numbered(1, 8)]));
  return { one, two, owner, witness };
}

const show = async (devices: readonly TestDevice[], texts: readonly string[]) => {
  for (const device of devices) {
    const shown = [...(await device.texts())].sort();
    if (device.replica.unapplied > 0 || shown.join() !== [...texts].sort().join()) return false;
  }
  return true;
};

/** By somebody who comes later and replays it from the first entry. */
async function expectConfirmed({ world, relay, device }: Snapshots): Promise<void> {
  const late = await device({ publishEntries: never, worthEntries: never });
  await late.connect(relay);
  await world.until(() => late.tab.desk?.notice.verdicts.length === 1);
  expect(late.tab.desk?.notice.verdicts).toMatchObject([{ agrees: true }]);
  expect(world.bugs).toEqual([]);
}

const published = (device: TestDevice) => device.tab.desk?.notice.published;

describe("a snapshot of a log that has forked", () => {
  it("is confirmed by others, brings a newcomer in, and all go on", async () => {
    for (let round = 0; round < 3; round++) {
      const snapshots = await beginWithSnapshots();
      const { world, relay, device } = snapshots;
      const { one, two, owner, witness } = await forked(snapshots);
      const texts = ["a", "b", ...numbered(1, 40)];
      await owner.post(...numbered(9, 40));
      await world.until(() => published(owner) !== undefined);
      await world.until(() => witness.tab.desk?.notice.verdicts.length === 1);
      expect(witness.tab.desk?.notice.verdicts).toMatchObject([{ agrees: true }]);

      const newcomer = await device(passive);
      await newcomer.connect(relay);
      await world.until(() => newcomer.tab.keeper?.phase === "settled");
      await world.until(() => show([newcomer], texts));
      expect(newcomer.tab.arrivals).toEqual([{ author: owner.tab.replicaId, witnesses: 1 }]);

      // Both copies write on, one of them in a session that was opened before the fork.
      await one.post("one more");
      await two.post("two more");
      await newcomer.post("hello");
      const all = [one, two, owner, witness, newcomer];
      await world.until(() => show(all, [...texts, "one more", "two more", "hello"]));
      const vectors = all.map(({ replica }) =>
        [...replica.applied.vector].map(([log, seq]) => `${log}:${seq}`).sort(),
      );
      for (const vector of vectors) expect(vector).toEqual(vectors[0]);
      // After a start, too.
      newcomer.tab.close();
      const again = await device(passive, false, { disk: newcomer.disk, pair: newcomer.pair });
      await again.connect(relay);
      await one.post("and more");
      await world.until(() =>
        show([again], [...texts, "one more", "two more", "hello", "and more"]),
      );
      expect(world.bugs).toEqual([]);
    }
  });

  it("grows by both branches, and is the same for whoever replays it from the first entry", async () => {
    const snapshots = await beginWithSnapshots();
    const { world } = snapshots;
    const { one, two, owner } = await forked(snapshots);
    await owner.post(...numbered(9, 40));
    await world.until(() => published(owner) !== undefined);
    const before = published(owner)?.entries ?? 0;
    await one.post(...numbered(41, 55));
    await two.post(...numbered(56, 75));
    await world.until(() => (published(owner)?.entries ?? 0) > before);
    await expectConfirmed(snapshots);
  });

  it("that came after one from before the fork goes on from that, with the same digest", async () => {
    const snapshots = await beginWithSnapshots();
    const { world, relay, device } = snapshots;
    const owner = await device({ witnesses: 0 });
    const one = await device(passive);
    await one.post(...numbered(1, 5));
    await world.settle(1_000);
    const two = await device(passive, false, { disk: await copyOf(one.disk), pair: one.pair });
    await owner.connect(relay);
    await one.connect(relay);
    await owner.post(...numbered(6, 30));
    await world.until(() => published(owner) !== undefined);
    const before = published(owner)?.entries ?? 0;
    await two.post("of the copy");
    await one.post("of the first");
    await world.settle(1_000);
    await two.connect(relay);
    const texts = [...numbered(1, 30), "of the copy", "of the first"];
    await world.until(() => show([owner, one, two], texts));
    await owner.post(...numbered(31, 60));
    await world.until(() => (published(owner)?.entries ?? 0) > before);
    await expectConfirmed(snapshots);
  });

  it("lets relays go of all branches, and tells one that lost its store where they begin", async () => {
    const snapshots = await beginWithSnapshots();
    const { world, relay, store, device } = snapshots;
    const { one, two, owner } = await forked(snapshots);
    await owner.post(...numbered(9, 40));
    const { tag } = world.space;
    await world.until(async () => (await store.order(tag)) !== undefined);
    world.nowMs += retentionMs;
    expect(await relay.carryOutOrders(10)).toBe(1);
    const heads = await store.heads(tag);
    const branch = heads.find((head) => head.branch !== undefined);
    expect(branch?.from).toBe((branch?.to ?? 0) + 1);

    const newcomer = await device(passive);
    // A month is long for a connection.
    for (const each of [newcomer, one, two, owner]) await each.connect(relay);
    const texts = ["a", "b", ...numbered(1, 40)];
    await world.until(() => show([newcomer], texts));
    await one.post("one more");
    await two.post("two more");
    await world.until(() => show([newcomer, owner], [...texts, "one more", "two more"]));

    // Another relay that has nothing yet: both copies write there.
    const empty: Relay = world.relay(new MemoryRelayStore());
    for (const each of [one, two, owner, newcomer]) each.cut();
    await newcomer.connect(empty);
    await owner.connect(empty);
    await one.connect(empty);
    await two.connect(empty);
    await one.post("elsewhere 1");
    await two.post("elsewhere 2");
    const more = [...texts, "one more", "two more", "elsewhere 1", "elsewhere 2"];
    await world.until(() => show([one, two, owner, newcomer], more));
    expect(world.bugs).toEqual([]);
  });
});

describe("a device that came in by a snapshot", () => {
  /** Who wrote before, an owner who has published it, and a copy of the first that is still to write. */
  async function beginPublished() {
    const snapshots = await beginWithSnapshots();
    const { world, relay, device } = snapshots;
    const owner = await device({ witnesses: 0 });
    const one = await device(passive);
    for (const each of [owner, one]) await each.connect(relay);
    await one.post(...numbered(1, 5));
    await world.until(() => show([owner], numbered(1, 5)));
    const copy = await copyOf(one.disk);
    // It knows that the relay had its log up to there, and what it writes since is its own.
    const two = () => device(passive, false, { disk: copy, pair: one.pair, ownStoredTo: 5 });
    return { ...snapshots, owner, one, two };
  }

  it("begins with it anew where a log is taken apart that went on since", async () => {
    // Which branch leaves goes by their hashes.
    for (let taken = 0, round = 0; taken === 0; round++) {
      if (round === 20) throw new Error("nobody takes anything apart");
      const { world, relay, device, owner, one, two: copy } = await beginPublished();
      await owner.post(...numbered(6, 30));
      await world.until(() => published(owner) !== undefined);
      const newcomer = await device(passive);
      await newcomer.connect(relay);
      await world.until(() => newcomer.tab.arrivals.length === 1);
      await one.post("one 1", "one 2");
      await world.until(() => show([newcomer], [...numbered(1, 30), "one 1", "one 2"]));
      const two = await copy();
      await two.post("two 1");
      await two.connect(relay);
      const all = [owner, one, two, newcomer];
      const texts = [...numbered(1, 30), "one 1", "one 2", "two 1"];
      await world.until(() => show(all, texts));
      await two.post("two 2");
      await one.post("one 3");
      await newcomer.post("hello");
      await world.until(() => show(all, [...texts, "two 2", "one 3", "hello"]));
      await world.until(() => newcomer.tab.keeper?.phase === "settled");
      taken += newcomer.tab.splits.length;
      expect(world.bugs).toEqual([]);
    }
  });

  it("that has the branch under the log's id is put right by the next one", async () => {
    for (let round = 0; round < 3; round++) {
      const { world, relay, device, owner, one, two: copy } = await beginPublished();
      await one.post("one 1", "one 2");
      await owner.post(...numbered(6, 30));
      const texts = [...numbered(1, 30), "one 1", "one 2"];
      await world.until(() => show([owner], texts));
      await world.until(() => published(owner) !== undefined);
      const newcomer = await device(passive);
      await newcomer.connect(relay);
      await world.until(() => newcomer.tab.arrivals.length === 1);
      const two = await copy();
      await two.post("two 1");
      await two.connect(relay);
      await world.until(() => show([owner, one, two], [...texts, "two 1"]));
      await world.until(() => show([newcomer], [...texts, "two 1"]));
      await newcomer.post("hello");
      await one.post("one 3");
      await two.post("two 2");
      const more = [...texts, "two 1", "hello", "one 3", "two 2"];
      await world.until(() => show([owner, one, two, newcomer], more));
      expect(world.bugs).toEqual([]);
    }
  });
});
