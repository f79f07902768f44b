/**
 * The loss that the design permits, and what must hold all the same: it is told on the device that has
 * it, its log stays as it is everywhere else, and nobody else is disturbed. Own entries whose second
 * copy was damaged, too, before anybody else had them cannot come back, and what the device writes behind
 * them stays on it (docs/decisions/2026-11-21-own-entries-twice.md).
 */
import { KvDeviceStore } from "@skein/shared/device/device-store.ts";
import { damageOf, mostElsewhere } from "./rot.ts";
import type { SimDevice } from "./sim-device.ts";
import type { World } from "./world.ts";

export interface Loss {
  /** Own entries up to there are everybody's; those behind nobody else will have. */
  readonly heldTo: number;
}

export async function lossesOf(world: World): Promise<ReadonlyMap<SimDevice, Loss>> {
  const losses = new Map<SimDevice, Loss>();
  if (!world.ground.options.lonelyDamage) return losses;
  for (const device of world.devices) {
    const heldTo = mostElsewhere(world, device);
    const holes = await damageOf(world, device, device.replica);
    const isHole = holes.some(({ first, last }) => first <= heldTo + 1 && last > heldTo);
    if (isHole && !(await hasSpare(world, device, heldTo + 1))) losses.set(device, { heldTo });
  }
  return losses;
}

async function hasSpare({ ground }: World, device: SimDevice, seq: number): Promise<boolean> {
  const store = new KvDeviceStore(device.disk.inspect(), ground.suite);
  const spare = await store.readSpares(ground.space.tag, device.replica, seq, seq);
  return spare !== undefined;
}

/** Why the device's person does not know what was lost. */
export function untold({ leader, replica: own }: SimDevice, { heldTo }: Loss): string | undefined {
  const holes = leader?.tab.replica?.exchange.holes.get(own) ?? [];
  const isTold = holes.some(({ first, last }) => first <= heldTo + 1 && last > heldTo);
  return isTold ? undefined : `is not told that its entry ${heldTo + 1} is lost`;
}
