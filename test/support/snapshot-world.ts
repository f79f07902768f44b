/** A world whose devices make, confirm and take in snapshots of a few messages, and all at once. */
import { snapshotEngines } from "@skein/shared/device/snapshot/engines.ts";
import type { SnapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { type DeviceOptions, DeviceWorld } from "./device-world.ts";
import type { SnapshotOptions } from "./party.ts";

const eager: SnapshotPolicy = {
  worthEntries: 20,
  decideWithinMs: 5_000,
  idleAfterMs: 0,
  publishEntries: 20,
  spreadMs: 0,
  stepEntries: 7,
  witnesses: 2,
  replayEntriesMax: 10_000,
  renewEveryMs: 3_600_000,
  truncateEntries: 20,
  againAfterMs: 3_000,
};

export const never = Number.MAX_SAFE_INTEGER;
/** Takes no part in snapshots but by taking one in. */
export const passive = { publishEntries: never, witnesses: 0 };

export async function beginWithSnapshots() {
  const world = await DeviceWorld.begin();
  const store = new MemoryRelayStore();
  const relay = world.relay(store);
  const engines = async () => snapshotEngines(world.suite, world.catalog);
  const device = (
    policy: Partial<SnapshotPolicy> = {},
    isOwner = false,
    others: Omit<DeviceOptions, "snapshots"> & Partial<SnapshotOptions> = {},
  ) =>
    world.device({
      ...others,
      snapshots: { engines, ...others, policy: { ...eager, ...policy }, isOwner },
    });
  return { world, store, relay, device, engines };
}

export const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `message ${from + index}`);
