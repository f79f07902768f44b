import { chainHashes, zeroHash } from "@skein/shared/log/chain.ts";
import type { Run } from "@skein/shared/log/entry.ts";
import type { PlacedRun } from "@skein/shared/log/suite.ts";
import { epochId, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { afterEach, expect, test, vi } from "vitest";
import { BulkThread } from "./bulk-thread.ts";
import { webSuite } from "./web-suite.ts";

/** A worker that says and does what the test wants. */
class FakeWorker extends EventTarget {
  readonly asked: unknown[] = [];
  terminated = false;
  postMessage(message: unknown): void {
    this.asked.push(message);
  }
  terminate(): void {
    this.terminated = true;
  }
  say(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
}

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

async function threadWith(worker: FakeWorker): Promise<BulkThread> {
  return new BulkThread(await webSuite(), () => worker as unknown as Worker);
}

afterEach(() => vi.useRealTimers());

test("a worker that nobody asks rests, and so does one that has answered all", async () => {
  vi.useFakeTimers();
  const worker = new FakeWorker();
  const bulk = await threadWith(worker);
  worker.say({ kind: "ready" });
  await vi.advanceTimersByTimeAsync(59_000);
  expect(worker.terminated).toBe(false);
  const checking = bulk.check(placed, nobody);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(worker.terminated).toBe(false);
  worker.say({ kind: "failed", id: 1 });
  await checking;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(worker.terminated).toBe(true);

  const unasked = new FakeWorker();
  const another = await threadWith(unasked);
  unasked.say({ kind: "ready" });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(unasked.terminated).toBe(true);
  another.close();
  bulk.close();
});

test("nobody waits for a worker that has not said that it is there", async () => {
  const worker = new FakeWorker();
  const bulk = await threadWith(worker);
  expect(bulk.check(placed, nobody)).toBeUndefined();
  worker.say({ kind: "ready" });
  expect(bulk.check(placed, nobody)).toBeInstanceOf(Promise);
  expect(worker.asked.length).toBe(1);
  bulk.close();
});

test("a worker that may not be made is done without", async () => {
  const bulk = new BulkThread(await webSuite(), () => {
    throw new DOMException("not here", "SecurityError");
  });
  expect(bulk.check(placed, nobody)).toBeUndefined();
});

test.each(["error", "messageerror"])(
  "after its %s what was asked is done here, and nothing more is asked",
  async (failure) => {
    const worker = new FakeWorker();
    const suite = await webSuite();
    const bulk = new BulkThread(suite, () => worker as unknown as Worker);
    worker.say({ kind: "ready" });
    const hashes = chainHashes(suite, placed.space, run, zeroHash);
    const checking = bulk.check(placed, nobody);
    const opening = bulk.open({ ...placed, hashes }, []);
    worker.dispatchEvent(new Event(failure, { cancelable: true }));
    expect(await checking).toEqual({ hashes, isSigned: false });
    expect(await opening).toEqual(run.entries.map(() => undefined));
    expect(worker.terminated).toBe(true);
    expect(bulk.check(placed, nobody)).toBeUndefined();
  },
);

test("what it says it failed at is done here, and it is asked again", async () => {
  const worker = new FakeWorker();
  const suite = await webSuite();
  const bulk = new BulkThread(suite, () => worker as unknown as Worker);
  worker.say({ kind: "ready" });
  const checking = bulk.check(placed, nobody);
  const [{ id }] = worker.asked as [{ id: number }];
  worker.say({ kind: "failed", id });
  expect((await checking)?.isSigned).toBe(false);
  expect(bulk.check(placed, nobody)).toBeInstanceOf(Promise);
  bulk.close();
});
