import { bulkContract } from "@skein/shared/crypto/bulk.contract.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import type { Run } from "@skein/shared/log/entry.ts";
import type { PlacedRun } from "@skein/shared/log/suite.ts";
import { epochId, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { expect, test, vi } from "vitest";
import { BulkThread } from "./bulk-thread.ts";
import { webSuite } from "./web-suite.ts";

const newWorker = () =>
  new Worker(new URL("../worker/bulk-worker.ts", import.meta.url), { type: "module" });

const run: Run = {
  replica: replicaId(new Uint8Array(16)),
  first: 1,
  entries: Array.from({ length: 40 }, (_, index) => ({
    epoch: epochId(new Uint8Array(8)),
    writer:
      index === 0
        ? { kind: "opens", nonce: new Uint8Array(16) }
        : { kind: "continues", distance: index },
    body: { kind: "sealed", sealed: new Uint8Array(20) },
  })),
  signature: new Uint8Array(64),
};
const placed: PlacedRun = { space: spaceTag(new Uint8Array(16)), run, previous: zeroHash };
const nobody = new Uint8Array(32);

bulkContract("a worker in Chromium", async () => {
  const suite = await webSuite();
  const bulk = new BulkThread(suite, newWorker);
  await vi.waitUntil(() => bulk.check(placed, nobody) !== undefined);
  // Whatever is asked of it has to come from the worker.
  const failing = () => {
    throw new Error("it was not done in bulk");
  };
  return {
    ...suite,
    bulk: {
      check: (...of) => bulk.check(...of) ?? failing(),
      open: (...of) => bulk.open(...of) ?? failing(),
    },
  };
});

test("a script that is not there leaves the work with who asks", async () => {
  const missing = () => new Worker("/no/such/script.js", { type: "module" });
  let failed = false;
  const bulk = new BulkThread(await webSuite(), () => {
    const worker = missing();
    worker.addEventListener("error", () => {
      failed = true;
    });
    return worker;
  });
  await vi.waitUntil(() => failed);
  expect(bulk.check(placed, nobody)).toBeUndefined();
});
