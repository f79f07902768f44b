import { expect, it } from "vitest";
import { KvFailure } from "@skein/shared/device/kv.ts";
import { NewerRecord } from "@skein/shared/device/records.ts";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import { Troubles } from "./troubles.ts";

const space = "aa".repeat(16) as SpaceTag;
const setUp = () => {
  const clock = { ms: 5, now: () => clock.ms++ };
  const troubles = new Troubles(clock);
  return { troubles, kinds: () => troubles.all.get().map(({ kind }) => kind) };
};

it("a disk that fails for several is one trouble, and over when it works for all", () => {
  const { troubles, kinds } = setUp();
  const full = new KvFailure("quota", "full");
  troubles.storage("a", full);
  const [first] = troubles.all.get();
  troubles.storage("b", full);
  expect(troubles.all.get()).toEqual([first]);
  troubles.storage("a", undefined);
  expect(kinds()).toEqual(["storage full"]);
  troubles.storage("b", new KvFailure("failed", "broken"));
  expect(kinds()).toEqual(["storage failed"]);
  troubles.storage("b", undefined);
  expect(kinds()).toEqual([]);
});

it("a record of a newer version asks for an update", () => {
  const { troubles } = setUp();
  expect(troubles.troubleOf(new NewerRecord("x"))?.kind).toBe("update needed");
});

it("what follows from a closed database hides neither why it was closed nor that words are unsaved", () => {
  const { troubles, kinds } = setUp();
  const closed = new KvFailure("closed", "the database is closed");
  troubles.raise({ kind: "update needed", atMs: 1 });
  troubles.storage("unread", closed);
  expect(troubles.unsaved.get()).toBe(false);
  troubles.writing("log", closed);
  expect(kinds()).toEqual(["update needed"]);
  expect(troubles.unsaved.get()).toBe(true);
});

it("words that found no room are unsaved until they found some", () => {
  const { troubles, kinds } = setUp();
  troubles.writing("log", new KvFailure("quota", "full"));
  troubles.writing("drafts", new KvFailure("quota", "full"));
  troubles.writing("log", undefined);
  expect(troubles.unsaved.get()).toBe(true);
  troubles.writing("drafts", undefined);
  expect(troubles.unsaved.get()).toBe(false);
  expect(kinds()).toEqual([]);
});

it("damage is told as it is now, since when it was found", () => {
  const { troubles } = setUp();
  const replica = "cc".repeat(16) as ReplicaId;
  const damaged = {
    kind: "damaged",
    space,
    replica,
    author: "Ben",
    shown: true,
    sent: true,
  } as const;
  troubles.raise({ ...damaged, atMs: 1, changes: 9 });
  troubles.raise({ kind: "update needed", atMs: 2 });
  troubles.raise({ ...damaged, atMs: 3, changes: 4 });
  expect(troubles.all.get()).toMatchObject([{ changes: 4, atMs: 1 }, { kind: "update needed" }]);
});

it("access ends for one space at a time", () => {
  const { troubles, kinds } = setUp();
  const ended = { kind: "access ended", atMs: 1, code: 4401, detail: "no" } as const;
  troubles.raise({ ...ended, space });
  troubles.raise({ ...ended, space, atMs: 2 });
  troubles.raise({ ...ended, space: "bb".repeat(16) as SpaceTag });
  expect(kinds()).toHaveLength(2);
  troubles.over((trouble) => trouble.kind === "access ended" && trouble.space === space);
  expect(kinds()).toHaveLength(1);
});
