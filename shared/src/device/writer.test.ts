import { describe, expect, it } from "vitest";
import { Keyring } from "../crypto/keyring.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import { documentId, spaceTag } from "../id/id.ts";
import { zeroHash } from "../log/chain.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import { KvDeviceStore } from "./device-store.ts";
import type { Segment } from "./log-segments.ts";
import { MemoryDisk } from "./memory-kv.ts";
import type { AppliedState } from "./store.ts";
import { deviceStores, stores } from "./stores.ts";
import { Writer, type WrittenEntry } from "./writer.ts";

const space = spaceTag(new Uint8Array(16).fill(1));
const document = documentId(new Uint8Array(8).fill(2));
const random = {
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  fraction: () => 0.5,
};

async function newWriter(
  onTrouble: (error: unknown) => void,
  clock = { now: () => 1_000 },
): Promise<Writer> {
  const suite = nobleSuite(random);
  const pair = await suite.newSigningPair();
  return new Writer({
    env: { clock, random },
    sealer: {
      keyring: new Keyring(suite, space, random.bytes(32)),
      space,
      replica: replicaIdOf(suite, pair.publicKey),
      ...pair,
    },
    store: new KvDeviceStore(new MemoryDisk(deviceStores).open(), suite),
    lock: (body) => body(),
    onAppended: () => {},
    onTrouble,
  });
}

describe("a writer", () => {
  it("appends in order, and tells where each operation stands", async () => {
    const writer = await newWriter(() => {});
    const operation = { kind: 0x30, payload: new Uint8Array(3) };
    const written = await Promise.all(
      [1, 2, 3].map(() => writer.append(document, () => [operation])),
    );
    expect(written.map(({ head }) => head.to)).toEqual([1, 2, 3]);
    // The first one opens the session and says the time.
    expect(written.map(({ index }) => index)).toEqual([1, 0, 0]);
    expect(writer.pending).toBe(0);
  });

  it("gives a mistake in making operations back to who made it, and goes on with the others", async () => {
    const troubles: unknown[] = [];
    const writer = await newWriter((error) => troubles.push(error));
    const mistake = new Error("no such peer");
    const broken = writer.append(document, () => {
      throw mistake;
    });
    const next = writer.append(document, () => [{ kind: 0x30, payload: new Uint8Array(3) }]);
    await expect(broken).rejects.toBe(mistake);
    expect((await next).head.to).toBe(1);
    expect((await next).index).toBe(1);
    expect(troubles.filter((error) => error !== undefined)).toEqual([]);
  });

  it("gives back operations that fit no entry", async () => {
    const troubles: unknown[] = [];
    const writer = await newWriter((error) => troubles.push(error));
    const append = (...sizes: number[]) =>
      writer.append(document, () =>
        sizes.map((size) => ({ kind: 0x30, payload: new Uint8Array(size) })),
      );
    const first = append(3);
    const unfit = [append(), append(70_000), append(...Array<number>(300).fill(1))];
    const last = append(3);
    for (const each of unfit) await expect(each).rejects.toBeInstanceOf(RangeError);
    expect([(await first).head.to, (await last).head.to]).toEqual([1, 2]);
    expect(troubles).toEqual([]);
  });

  it("says the time in the next entry if it was to be said in one that was never made", async () => {
    let now = 1_000;
    const writer = await newWriter(() => {}, { now: () => now });
    const operation = { kind: 0x30, payload: new Uint8Array(3) };
    expect((await writer.append(document, () => [operation])).index).toBe(1);
    now += 3_600_000;
    const broken = writer.append(document, () => {
      throw new Error("no such peer");
    });
    await expect(broken).rejects.toThrow("no such peer");
    expect((await writer.append(document, () => [operation])).index).toBe(1);
    expect((await writer.append(document, () => [operation])).index).toBe(0);
  });

  it("counts on from an own entry that came back from others and is not applied yet", async () => {
    const suite = nobleSuite(random);
    const pair = await suite.newSigningPair();
    const replica = replicaIdOf(suite, pair.publicKey);
    const keyring = new Keyring(suite, space, random.bytes(32));
    const operation = { kind: 0x30, payload: new Uint8Array(3) };
    const append = (store: KvDeviceStore): Promise<WrittenEntry> =>
      new Writer({
        env: { clock: { now: () => 1_000 }, random },
        sealer: { keyring, space, replica, ...pair },
        store,
        lock: (body) => body(),
        onAppended: () => {},
        onTrouble: () => {},
      }).append(document, () => [operation]);

    const before = new MemoryDisk(deviceStores).open();
    const applied: AppliedState = { version: 1, vector: new Map(), frontier: [], lamport: 40 };
    await before.write([stores.applied], "relaxed", async (tx) => {
      tx.put(stores.applied, space, applied);
    });
    const store = new KvDeviceStore(before, suite);
    const first = await append(store);
    expect(first.lamport).toBe(41);

    const run = await store.read(space, replica, 1, 1);
    if (run === undefined) throw new Error("nothing was appended");
    const { publicKey } = pair;
    const hashes = [first.head.hash];
    const verified = { ...run, publicKey, previous: zeroHash, hashes };
    const restored = new KvDeviceStore(new MemoryDisk(deviceStores).open(), suite);
    await restored.append(space, [verified]);
    const second = await append(restored);
    expect(second.head.to).toBe(2);
    expect(second.lamport).toBe(42);

    // Where that entry is damaged nothing waits for its mending.
    const damaged = new MemoryDisk(deviceStores).open();
    await new KvDeviceStore(damaged, suite).append(space, [verified]);
    await damaged.write([stores.segments], "strict", async (tx) => {
      const key = [space, replica, 1];
      const segment = (await tx.get(stores.segments, key)) as Segment;
      tx.put(stores.segments, key, { ...segment, check: new Uint8Array(32) });
    });
    expect((await append(new KvDeviceStore(damaged, suite))).head.to).toBe(2);
  });
});
