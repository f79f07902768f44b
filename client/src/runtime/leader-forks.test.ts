import type { ReplicaId } from "@skein/shared/id/id.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import { expect, test } from "vitest";
import { ForkWatch } from "./leader-forks.ts";

const [ana, branch] = ["a1", "b1"] as ReplicaId[];
if (ana === undefined || branch === undefined) throw new Error("two ids");
const bytes = new Uint8Array(32);
const log: LogHead = { replica: ana, publicKey: bytes, from: 1, to: 4, hash: bytes };
const left = { signer: ana, seq: 3, hash: bytes, base: bytes };

const branches = [log, { ...log, replica: branch, branch: left }];
const forked = () => true;
const healed = () => false;

test("a fork that heals is told at once, one that does not after a while", () => {
  const watch = new ForkWatch();
  watch.saw(ana, 1_000);
  expect(watch.facts([log], forked, 1_000)).toEqual([]);
  expect(watch.wakeAtMs(1_000)).toBe(121_000);
  expect(watch.facts([log], forked, 121_000)).toEqual([{ replica: ana, healed: false }]);
  expect(watch.wakeAtMs(121_000)).toBe(Number.POSITIVE_INFINITY);
  watch.saw(ana, 500_000);
  expect(watch.facts([log], forked, 500_000)).toHaveLength(1);
  expect(watch.facts(branches, healed, 501_000)).toEqual([{ replica: ana, healed: true }]);
});

test("who loses the connection before a fork has healed does not wait for longer", () => {
  const watch = new ForkWatch();
  watch.saw(ana, 1_000);
  expect(watch.facts([log], healed, 60_000)).toEqual([]);
  expect(watch.facts([log], forked, 121_000)).toEqual([{ replica: ana, healed: false }]);
});

test("a fork after one that has healed has as long to heal as the first", () => {
  const watch = new ForkWatch();
  watch.saw(ana, 1_000);
  expect(watch.facts(branches, healed, 2_000)).toEqual([{ replica: ana, healed: true }]);
  expect(watch.wakeAtMs(2_000)).toBe(Number.POSITIVE_INFINITY);
  watch.saw(ana, 500_000);
  expect(watch.facts(branches, forked, 500_000)).toEqual([]);
  expect(watch.wakeAtMs(500_000)).toBe(620_000);
  expect(watch.facts(branches, forked, 620_000)).toEqual([{ replica: ana, healed: false }]);
});

test("a second fork of a log is none that has healed", () => {
  const watch = new ForkWatch();
  watch.saw(ana, 1_000);
  expect(watch.facts(branches, forked, 2_000)).toEqual([]);
  expect(watch.facts(branches, forked, 200_000)).toEqual([{ replica: ana, healed: false }]);
});

test("a suspicion that nobody bears out is nothing to tell, nor is a branch of long ago", () => {
  const watch = new ForkWatch();
  watch.saw(ana, 1_000);
  expect(watch.facts([log], healed, 9_000_000)).toEqual([]);
  expect(new ForkWatch().facts(branches, healed, 9_000_000)).toEqual([]);
});
