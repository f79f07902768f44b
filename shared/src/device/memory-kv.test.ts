import { describe, expect, test } from "vitest";
import { contractStores, kvContract } from "./kv.contract.ts";
import { KvFailure } from "./kv.ts";
import { MemoryDisk } from "./memory-kv.ts";

kvContract("memory", async () => {
  const disk = new MemoryDisk(contractStores);
  const kv = disk.open();
  return { kv, connect: async () => disk.open(), dispose: async () => kv.close() };
});

describe("a memory disk that loses its power", () => {
  const write = (disk: MemoryDisk, durability: "strict" | "relaxed", key: string, value: number) =>
    disk.open().write(["a", "b"], durability, async (tx) => {
      tx.put("a", key, value);
      tx.put("b", key, value);
    });
  const everything = { from: "", before: [] };
  const held = (disk: MemoryDisk, store: string) =>
    disk
      .open()
      .read([store], async (tx) =>
        (await tx.range(store, everything)).map(({ key, value }) => [key, value]),
      );

  test("keeps what was strict and everything before it", async () => {
    const disk = new MemoryDisk(contractStores, { losesPower: true });
    await write(disk, "relaxed", "x", 1);
    await write(disk, "strict", "y", 2);
    expect(disk.unsynced).toBe(0);
    disk.cutPower(0);
    expect(await held(disk, "a")).toEqual([
      ["x", 1],
      ["y", 2],
    ]);
  });

  test("loses relaxed transactions newest first, each in whole", async () => {
    for (const kept of [0, 1, 2, 3, 9]) {
      const disk = new MemoryDisk(contractStores, { losesPower: true });
      await write(disk, "strict", "x", 1);
      await write(disk, "relaxed", "x", 2);
      await write(disk, "relaxed", "y", 3);
      await disk.open().write(["a"], "relaxed", async (tx) => tx.deleteRange("a", "", "zz"));
      expect(disk.unsynced).toBe(3);
      disk.cutPower(kept);
      const both = [["x", 1]];
      if (kept >= 1) both[0] = ["x", 2];
      if (kept >= 2) both.push(["y", 3]);
      expect(await held(disk, "a")).toEqual(kept >= 3 ? [] : both);
      expect(await held(disk, "b")).toEqual(both);
    }
  });

  test("leaves nothing of transactions that were running or waiting", async () => {
    const disk = new MemoryDisk(contractStores, { losesPower: true });
    await write(disk, "strict", "x", 1);
    const running = disk.open().write(["a"], "strict", async (tx) => {
      tx.put("a", "x", 2);
      for (let reads = 0; reads < 100; reads++) await tx.get("a", "x");
      tx.put("a", "x", 3);
    });
    const waiting = write(disk, "strict", "x", 4);
    const failures = Promise.allSettled([running, waiting]);
    for (let steps = 0; steps < 20; steps++) await Promise.resolve();
    disk.cutPower(0);
    for (const outcome of await failures) {
      expect(outcome.status).toBe("rejected");
      expect(outcome.status === "rejected" && outcome.reason).toBeInstanceOf(KvFailure);
    }
    expect(await held(disk, "a")).toEqual([["x", 1]]);
    await write(disk, "strict", "x", 5);
    expect(await held(disk, "a")).toEqual([["x", 5]]);
  });
});
