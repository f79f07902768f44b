import { describe, expect, test } from "vitest";
import type { SpaceTag } from "../id/id.ts";
import type { Durability, Kv } from "./kv.ts";
import { MemoryDisk } from "./memory-kv.ts";
import { otherSpace, space } from "./ready-entries.contract.ts";
import { NewerRecord, Records } from "./records.ts";
import { deviceStores } from "./stores.ts";

interface Settings {
  readonly theme: string;
  readonly size: number;
}

const first = {
  form: 1,
  upgrade: (): { theme: string } => {
    throw new Error("there is none before");
  },
};
const second = {
  form: 2,
  upgrade: (value: unknown, form: number): Settings => ({
    theme: `${(value as { theme: string }).theme} of form ${form}`,
    size: 15,
  }),
};

const fresh = () => new MemoryDisk(deviceStores).open();

describe("records", () => {
  test("are kept, changed and deleted", async () => {
    const settings = new Records(fresh(), "meta", second);
    expect(await settings.get("settings")).toBeUndefined();
    const kept = { theme: "dark", size: 15 };
    expect(await settings.update("settings", () => kept)).toEqual(kept);
    await settings.update("settings", (value) => value && { ...value, size: value.size + 1 });
    expect(await settings.get("settings")).toEqual({ theme: "dark", size: 16 });
    await settings.update("settings", () => undefined);
    expect(await settings.get("settings")).toBeUndefined();
  });

  test("change one tab after the other", async () => {
    const disk = new MemoryDisk(deviceStores);
    const tabs = [disk.open(), disk.open()].map((kv) => new Records(kv, "meta", second));
    await tabs[0]?.update("settings", () => ({ theme: "dark", size: 0 }));
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        tabs[index % 2]?.update("settings", (value) => value && { ...value, size: value.size + 1 }),
      ),
    );
    expect(await tabs[0]?.get("settings")).toEqual({ theme: "dark", size: 20 });
  });

  test("are listed by key", async () => {
    const spaces = new Records<SpaceTag, { theme: string }>(fresh(), "spaces", first);
    await spaces.update(otherSpace, () => ({ theme: "b" }));
    await spaces.update(space, () => ({ theme: "a" }));
    expect(await spaces.all()).toEqual([
      { key: space, value: { theme: "a" } },
      { key: otherSpace, value: { theme: "b" } },
    ]);
  });

  test("of an earlier form come as one of this, and stay as they are until they are changed", async () => {
    const kv = fresh();
    await new Records(kv, "meta", first).update("settings", () => ({ theme: "dark" }));
    const settings = new Records(kv, "meta", second);
    expect(await settings.get("settings")).toEqual({ theme: "dark of form 1", size: 15 });
    expect(await new Records(kv, "meta", first).get("settings")).toEqual({ theme: "dark" });
    await settings.update("settings", (value) => value);
    expect(await settings.get("settings")).toEqual({ theme: "dark of form 1", size: 15 });
  });

  test("of a later form are neither read nor overwritten", async () => {
    const kv = fresh();
    const kept = { theme: "dark", size: 15 };
    await new Records(kv, "meta", second).update("settings", () => kept);
    const old = new Records(kv, "meta", first);
    await expect(old.get("settings")).rejects.toBeInstanceOf(NewerRecord);
    await expect(old.update("settings", () => ({ theme: "light" }))).rejects.toBeInstanceOf(
      NewerRecord,
    );
    expect(await new Records(kv, "meta", second).get("settings")).toEqual(kept);
  });

  test("are written strictly: nothing else could tell them again", async () => {
    const durabilities: Durability[] = [];
    const kv = fresh();
    const recording: Kv = {
      read: async (stores, body) => kv.read(stores, body),
      write: async (stores, durability, body) => {
        durabilities.push(durability);
        return kv.write(stores, durability, body);
      },
      close: () => kv.close(),
    };
    await new Records(recording, "meta", first).update("settings", () => ({ theme: "dark" }));
    expect(durabilities).toEqual(["strict"]);
  });
});
