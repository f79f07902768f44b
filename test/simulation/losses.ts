/**
 * The loss that the design of today permits, and what must hold all the same: it is told on the device
 * that has it, its log stays as it is everywhere else, and nobody else is disturbed. Own entries that
 * were damaged before anybody else had them cannot come back, and what the device writes behind them
 * stays on it (docs/decisions/2026-11-21-mend-in-place.md).
 */
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
    const isLost = holes.some(({ first, last }) => first <= heldTo + 1 && last > heldTo);
    if (isLost) losses.set(device, { heldTo });
  }
  return losses;
}

/** Why the device's person does not know what was lost. */
export function untold({ leader, replica: own }: SimDevice, { heldTo }: Loss): string | undefined {
  const holes = leader?.tab.replica?.exchange.holes.get(own) ?? [];
  const isTold = holes.some(({ first, last }) => first <= heldTo + 1 && last > heldTo);
  return isTold ? undefined : `is not told that its entry ${heldTo + 1} is lost`;
}
