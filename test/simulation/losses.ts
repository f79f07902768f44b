/**
 * The two losses that the design of today permits, and what must hold all the same: they are told on
 * the device that has them, its log stays as it is everywhere else, and nobody else is disturbed.
 * Own entries that were damaged before anybody else had them cannot come back, and what the device
 * writes behind them stays on it (docs/decisions/2026-11-21-mend-in-place.md). A device that writes
 * before it has heard of its own later entries forks its log, and its new entries do not go out: when
 * forks are healed, this is the place to ask for more.
 */
import { damageOf, mostElsewhere } from "./rot.ts";
import type { SimDevice } from "./sim-device.ts";
import type { World } from "./world.ts";

export interface Loss {
  readonly kind: "forked" | "damaged";
  /** Own entries up to there are everybody's; those behind nobody else will have. */
  readonly heldTo: number;
}

export async function lossesOf(world: World): Promise<ReadonlyMap<SimDevice, Loss>> {
  const losses = new Map<SimDevice, Loss>();
  for (const device of world.devices) {
    const { forkedAt, replica } = device;
    if (forkedAt !== undefined) losses.set(device, { kind: "forked", heldTo: forkedAt });
    else if (world.ground.options.lonelyDamage) {
      const heldTo = mostElsewhere(world, device);
      const holes = await damageOf(world, device, replica);
      const isLost = holes.some(({ first, last }) => first <= heldTo + 1 && last > heldTo);
      if (isLost) losses.set(device, { kind: "damaged", heldTo });
    }
  }
  return losses;
}

/** Why the device's person does not know what was lost. */
export function untold(
  { leader, replica: own }: SimDevice,
  { kind, heldTo }: Loss,
): string | undefined {
  if (kind === "forked") {
    return leader?.tab.forks.includes(own) === true ? undefined : "is not told of its fork";
  }
  const holes = leader?.tab.replica?.exchange.holes.get(own) ?? [];
  const isTold = holes.some(({ first, last }) => first <= heldTo + 1 && last > heldTo);
  return isTold ? undefined : `is not told that its entry ${heldTo + 1} is lost`;
}
