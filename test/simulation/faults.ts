/** Each fault as it strikes, and the end of all of them. */
import { seqOf } from "@skein/shared/clock/version-vector.ts";
import { Equivocator } from "./equivocator.ts";
import { attack } from "./hostile.ts";
import type { FaultKind } from "./options.ts";
import { flipBits, isAllKeptElsewhere } from "./rot.ts";
import type { SimDevice } from "./sim-device.ts";
import type { DiskCopy } from "./sim-disk.ts";
import type { SimRelay } from "./sim-relay.ts";
import type { SimStore } from "./sim-store.ts";
import type { World } from "./world.ts";

/** Strikes where it can, in no time; what cannot be struck now is left alone. */
export async function strike(world: World, kind: FaultKind): Promise<void> {
  const { ground } = world;
  const { dice, schedule } = ground;
  const device = dice.pick(world.devices);
  const relay = dice.pick(world.relays);
  const wires = [...relay.wires];
  const laterMs = dice.between(200, 5_000);
  switch (kind) {
    case "cut":
      if (wires.length === 0) return;
      dice.pick(wires).cut();
      break;
    case "half-open":
      if (wires.length === 0) return;
      dice.pick(wires).halfOpen = true;
      break;
    case "clog":
      if (wires.length === 0) return;
      dice.pick(wires).clog(laterMs);
      break;
    case "slow reader": {
      if (wires.length === 0) return;
      const wire = dice.pick(wires);
      // So much that what a window holds is through before anybody is missed.
      wire.bytesPerMs = ground.options.textBytesMax > 1_000 ? 50 : dice.between(1, 10);
      schedule.after(laterMs, () => {
        wire.bytesPerMs = Number.POSITIVE_INFINITY;
      });
      break;
    }
    case "partition":
      device.isolate(relay, true);
      schedule.after(laterMs, () => device.isolate(relay, false));
      break;
    case "relay crash":
      if (relay.relay === undefined) return;
      if (ground.options.busForgets && dice.chance(0.5)) {
        relay.diesUntold = true;
        return;
      }
      relay.crash();
      schedule.after(laterMs, () => {
        if (relay.relay === undefined) relay.start();
      });
      break;
    case "relay store restored":
      await restoreStore(world, relay.store, ground.nowMs - dice.between(100, 4_000));
      break;
    case "relay disk failure":
      relay.diskFails = true;
      schedule.after(laterMs, () => {
        relay.diskFails = false;
      });
      break;
    case "tab killed":
    case "tab closed":
      if (device.tabs.length === 0) return;
      if (kind === "tab killed") device.kill(dice.pick(device.tabs));
      else if (device.awake.length === 0) return;
      else device.close(dice.pick(device.awake));
      schedule.after(laterMs, () => device.openTab());
      break;
    case "tab frozen": {
      if (device.awake.length === 0) return;
      // Best in the middle of something: while it leads, or holds the lock of the log.
      const busy = device.awake.filter(
        (each) => each === device.leader || each.tab.writer.pending > 0,
      );
      const tab = dice.pick(dice.chance(0.7) && busy.length > 0 ? busy : device.awake);
      device.freeze(tab);
      // Others rob it after three to five seconds.
      const forMs = dice.chance(0.3) ? dice.between(500, 3_000) : dice.between(3_000, 9_000);
      schedule.after(forMs, () => tab.actor.thaw());
      break;
    }
    case "power cut":
      device.powerCut();
      schedule.after(laterMs, () => device.openTab());
      break;
    case "quota":
      device.disk.full = true;
      schedule.after(laterMs, () => {
        device.disk.full = false;
      });
      break;
    case "flipped bits":
      if (!(await flipBits(world, device))) return;
      break;
    case "profile restored": {
      const copy = await device.disk.copy();
      putBackLater(world, device, copy, ground.nowMs + dice.between(100, 2_000));
      // It counts when it is put back.
      return;
    }
    case "profile cloned":
      if (!(await cloneProfile(world, device))) return;
      break;
    case "hostile":
      attack(ground, relay, device).catch((error: unknown) => ground.bug(error));
      break;
    case "bus outage":
      relay.store.bus.outage(laterMs);
      break;
    case "equivocation":
      equivocate(world, relay).catch((error: unknown) => ground.bug(error));
      // It counts when somebody is there to hear it.
      return;
    case "duplicate":
    case "clock jump":
    case "bus loss":
      // These strike where they may: between tabs and relays, and when a tab starts.
      return;
  }
  ground.struck(kind);
}

async function equivocate(world: World, relay: SimRelay): Promise<void> {
  world.equivocator ??= Equivocator.make(world.ground);
  const equivocator = await world.equivocator;
  world.books.mistrust(equivocator.replica);
  await equivocator.strike(relay);
}

/** All relays that stand on it stop, and start again with the store as it was then. */
async function restoreStore(world: World, store: SimStore, atMs: number): Promise<void> {
  const relays = world.relays.filter((relay) => relay.store === store);
  for (const relay of relays) relay.crash();
  await store.restore(atMs);
  for (const relay of relays) relay.start();
}

/** Best when the device has sent something since: at the latest then, if it may be at all. */
function putBackLater(world: World, device: SimDevice, copy: DiskCopy, untilMs: number): void {
  const { ground } = world;
  const { disk, replica } = device;
  const head = seqOf(disk.durable, replica);
  const tryIt = async (): Promise<void> => {
    // What is kept elsewhere is told by seqs, which say nothing where a log has forked.
    if (!ground.faulty || world.books.hasForked || !device.hasOwnLog) return;
    const isLate = ground.nowMs >= untilMs;
    const isGrown = seqOf(disk.durable, replica) > head;
    if ((isGrown || isLate) && (await isAllKeptElsewhere(world, device))) await putBack();
    else if (!isLate) later();
  };
  const putBack = async (): Promise<void> => {
    const to = seqOf(disk.durable, replica);
    await device.restore(copy);
    ground.struck("profile restored");
    ground.say(
      `device ${device.index} has its own log to ${seqOf(disk.durable, replica)} of ${to}`,
    );
    ground.schedule.after(ground.dice.between(10, 1_000), () => {
      if (device.tabs.length === 0) device.openTab();
      // Before anything can be heard.
      if (ground.options.forks && device.awake.length > 0) ground.dice.pick(device.awake).write();
    });
  };
  const later = (): void =>
    ground.schedule.after(50, () => void tryIt().catch((error: unknown) => ground.bug(error)));
  later();
}

/** A second device with all that this one has kept, which goes on as if it were the same; one in a world. */
async function cloneProfile(world: World, device: SimDevice): Promise<boolean> {
  const { ground, devices } = world;
  if (devices.length > ground.options.devices || !device.hasOwnLog) return false;
  const copy = await device.disk.copy();
  const clone = world.clone(device);
  await clone.disk.restore(copy);
  ground.schedule.after(ground.dice.between(10, 500), () => {
    if (clone.tabs.length === 0) clone.openTab();
    for (const each of [clone, device])
      if (each.awake.length > 0) ground.dice.pick(each.awake).write();
  });
  return true;
}

/** All faults end; what they broke stays broken until the code mends it, and who is frozen wakes later. */
export function heal(world: World): void {
  const { ground } = world;
  ground.faulty = false;
  ground.say("healed");
  for (const wire of world.wires) wire.bytesPerMs = Number.POSITIVE_INFINITY;
  for (const relay of world.relays) {
    relay.diskFails = false;
    relay.diesUntold = false;
    relay.store.bus.heal();
    if (relay.relay === undefined) relay.start();
    for (const device of world.devices) device.isolate(relay, false);
  }
  for (const device of world.devices) {
    device.disk.full = false;
    for (const tab of device.tabs) if (tab.isOlder && ground.dice.chance(0.7)) device.update(tab);
    if (device.tabs.length > 0) continue;
    if (ground.options.snapshots) device.arrive();
    else device.openTab();
  }
}
