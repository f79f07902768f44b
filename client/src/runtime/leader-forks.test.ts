import type { ReplicaId } from "@skein/shared/id/id.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import { expect, test } from "vitest";
import { ForkWatch } from "./leader-forks.ts";

const [ana, branch] = ["a1", "b1"] as ReplicaId[];
if (ana === undefined || branch === undefined) throw new Error("two ids");
const bytes = new Uint8Array(32);
const log: LogHead = { replica: ana, publicKey: bytes, from: 1, to: 4, hash: bytes };
const left = { signer: ana, seq: 3, hash: bytes, base: bytes };

test("a fork that heals is told at once, one that does not after a while", () => {
  const watch = new ForkWatch();
  watch.saw(ana, 1_000);
  expect(watch.facts([log], 1_000)).toEqual([]);
  expect(watch.wakeAtMs(1_000)).toBe(121_000);
  const branches = [log, { ...log, replica: branch, branch: left }];
  expect(watch.facts(branches, 2_000)).toEqual([{ replica: ana, healed: true }]);
  expect(watch.facts([log], 121_000)).toEqual([{ replica: ana, healed: false }]);
  expect(watch.wakeAtMs(121_000)).toBe(Number.POSITIVE_INFINITY);
  watch.saw(ana, 500_000);
  expect(watch.facts([log], 500_000)).toHaveLength(1);
});

test("a branch of long ago is nothing to tell", () => {
  const branches = [log, { ...log, replica: branch, branch: left }];
  expect(new ForkWatch().facts(branches, 9_000_000)).toEqual([]);
});
