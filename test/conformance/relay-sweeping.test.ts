/** A running relay lets go of blobs whose lease has ended, of none before, and of nothing once it leaves. */
import { expect, test, vi } from "vitest";
import { MemoryRelayStore } from "@skein/server/store/memory.ts";
import { blobCost } from "@skein/server/store/store.ts";
import { blobId, spaceTag } from "@skein/shared/id/id.ts";
import { MovableClock, startRelay } from "../support/relay.ts";

const space = spaceTag(new Uint8Array(16).fill(0xa0));
const limits = { sweepFirstMs: 1, sweepEveryMs: 1, sweepPauseMs: 1, sweepBlobsMax: 2 };

test("a relay sweeps blobs when their lease has ended, slice by slice", async () => {
  const clock = new MovableClock();
  const store = new MemoryRelayStore();
  const asked = vi.spyOn(store, "sweepBlobs");
  const now = clock.env.clock.now();
  for (let index = 0; index < 7; index++) {
    const untilMs = index < 5 ? now : now + 3_600_000;
    const id = blobId(new Uint8Array(32).fill(index));
    await store.putBlob(space, id, new Uint8Array(10), untilMs);
  }
  const relay = await startRelay({ store, env: clock.env, limits });
  const left = async () => (await store.usage(space)).bytes / blobCost(10);
  await vi.waitFor(async () => expect(await left()).toBe(2), 10_000);
  const sweeps = asked.mock.calls.length;
  await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(sweeps + 2), 10_000);
  expect(await left()).toBe(2);
  expect(asked.mock.calls.every(([, countMax]) => countMax === 2)).toBe(true);
  clock.advance(3_600_000);
  await vi.waitFor(async () => expect(await left()).toBe(0), 10_000);
  await relay.close();
});

test("a relay whose store fails a sweep says so and sweeps again", async () => {
  const store = new MemoryRelayStore();
  const asked = vi.spyOn(store, "sweepBlobs").mockRejectedValueOnce(new Error("no disk"));
  const relay = await startRelay({ store, limits });
  await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(2), 10_000);
  await relay.close();
  const sweeps = asked.mock.calls.length;
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(asked.mock.calls.length).toBe(sweeps);
});
