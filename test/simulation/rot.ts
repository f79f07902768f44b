/**
 * Bits that turn over in the logs on a device's disk, where they strike and what of them is left.
 * Others must have what is struck: it is asked of them. Only where a seed says so it may be something
 * that nobody else has, which nothing can bring back (losses.ts).
 */
import { equalBytes } from "@skein/shared/bytes/bytes.ts";
import { seqOf } from "@skein/shared/clock/version-vector.ts";
import { DeviceLog } from "@skein/shared/device/device-log.ts";
import { beginningWith, partOf } from "@skein/shared/device/key.ts";
import type { Segment } from "@skein/shared/device/log-segments.ts";
import { stores } from "@skein/shared/device/stores.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { verifyHead } from "@skein/shared/log/chain.ts";
import { DamagedEntries } from "@skein/shared/log/damage.ts";
import { lastSeq, type Run } from "@skein/shared/log/entry.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { Hole } from "@skein/shared/sync/mending.ts";
import type { Prng } from "./prng.ts";
import type { SimDevice } from "./sim-device.ts";
import type { World } from "./world.ts";

/** One to three bits of a segment; whether there was one that may be struck. */
export async function flipBits(world: World, device: SimDevice): Promise<boolean> {
  const { dice, options, space } = world.ground;
  const disk = device.disk.inspect();
  const rows = await disk.read([stores.segments], (tx) =>
    tx.range(stores.segments, beginningWith(space.tag)),
  );
  if (rows.length === 0) return false;
  const { key, value } = dice.pick(rows);
  const segment = value as Segment;
  const replica = partOf<ReplicaId>(key, 1);
  const range = { first: partOf<number>(key, 2), last: segment.last };
  // Own entries that nobody else has are left out where they may be lost.
  const isOwn = options.lonelyDamage && replica === device.replica;
  const wanted = isOwn ? Math.min(range.last, mostElsewhere(world, device)) : range.last;
  const kept = { first: range.first, last: wanted };
  if (wanted >= range.first && !(await isKeptElsewhere(world, device, replica, kept))) return false;
  let flipped = segment;
  for (let count = dice.between(1, 3); count > 0; count--) flipped = flipOne(dice, flipped);
  await disk.write([stores.segments], "relaxed", async (tx) => {
    tx.put(stores.segments, key, flipped);
  });
  if (isOwn && dice.chance(0.4)) await flipSpares(world, device, range);
  world.ground.say(
    `bits of ${replica.slice(0, 4)}:${range.first} to ${range.last} on device ${device.index}`,
  );
  return true;
}

/** The second copies of those entries, too: then nothing brings back what nobody else has. */
async function flipSpares(
  { ground }: World,
  device: SimDevice,
  { first, last }: Hole,
): Promise<void> {
  const { tag } = ground.space;
  const range = { from: [tag, device.replica, first], before: [tag, device.replica, last + 1] };
  await device.disk.inspect().write([stores.spares], "relaxed", async (tx) => {
    for (const { key, value } of await tx.range(stores.spares, range)) {
      // Not a bit that a second strike would put right.
      tx.put(stores.spares, key, { ...(value as object), check: new Uint8Array(32) });
    }
  });
}

function flipOne(dice: Prng, segment: Segment): Segment {
  const inBytes = (bytes: Uint8Array): Uint8Array => {
    const flipped = bytes.slice();
    const at = dice.between(0, bytes.length - 1);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << dice.between(0, 7));
    return flipped;
  };
  const inNumber = (number: number): number => number ^ (1 << dice.between(0, 9));
  switch (dice.between(0, 11)) {
    case 0:
      return { ...segment, previous: inBytes(segment.previous) };
    case 1:
      return { ...segment, check: inBytes(segment.check) };
    case 2:
      return { ...segment, last: inNumber(segment.last) };
    case 3: {
      const which = dice.between(0, segment.ends.length - 1);
      return {
        ...segment,
        ends: segment.ends.map((end, at) => (at === which ? inNumber(end) : end)),
      };
    }
    default:
      return { ...segment, bytes: inBytes(segment.bytes) };
  }
}

/** Whether these entries stay whole somewhere, whatever becomes of those of the device. */
async function isKeptElsewhere(
  world: World,
  device: SimDevice,
  replica: ReplicaId,
  { first, last }: Hole,
): Promise<boolean> {
  const { relays, devices, ground } = world;
  const relaysForget = ground.options.faults["relay store restored"] > 0;
  for (const relay of relaysForget ? [] : relays) {
    const head = (await relay.store.heads()).get(replica);
    if (head !== undefined && head.from <= first && head.to >= last) return true;
  }
  for (const other of devices) {
    if (other === device || seqOf(other.disk.durable, replica) < last) continue;
    if ((await beginningOf(world, other, replica)) > first) continue;
    const holes = await damageOf(world, other, replica);
    if (!holes.some((hole) => hole.first <= last && hole.last >= first)) return true;
  }
  return false;
}

/** The greatest own entry of the device that anybody else holds. */
export function mostElsewhere({ relays, devices }: World, device: SimDevice): number {
  const others = devices.filter((each) => each !== device).map(({ disk }) => disk.durable);
  const held = [...relays.map(({ durable }) => durable), ...others];
  return Math.max(0, ...held.map((vector) => seqOf(vector, device.replica)));
}

/** Whether all that the device holds does. */
export async function isAllKeptElsewhere(world: World, device: SimDevice): Promise<boolean> {
  for (const [replica, last] of device.disk.durable) {
    if (!(await isKeptElsewhere(world, device, replica, { first: 1, last }))) return false;
  }
  return true;
}

/** The first entry of a log that a device keeps, or would. */
async function beginningOf(
  { ground }: Pick<World, "ground">,
  device: SimDevice,
  replica: ReplicaId,
): Promise<number> {
  const log = new DeviceLog(device.disk.inspect(), ground.suite);
  const heads = await log.heads(ground.space.tag);
  return heads.find((head) => head.replica === replica)?.from ?? 1;
}

/** What cannot be read of a log on a device's disk. */
export async function damageOf(
  { ground }: Pick<World, "ground">,
  device: SimDevice,
  replica: ReplicaId,
): Promise<readonly Hole[]> {
  const log = new DeviceLog(device.disk.inspect(), ground.suite);
  const last = seqOf(device.disk.durable, replica);
  const holes: Hole[] = [];
  for (let seq = await beginningOf({ ground }, device, replica); seq <= last;) {
    try {
      const run = await log.read(ground.space.tag, replica, seq, limits.runBytesMax);
      seq = run === undefined ? last + 1 : lastSeq(run) + 1;
    } catch (error) {
      if (!(error instanceof DamagedEntries)) throw error;
      holes.push({ first: Math.max(seq, error.first), last: error.last });
      seq = Math.max(seq, error.last) + 1;
    }
  }
  return holes;
}

/** Why a log on a device's disk, in which nothing is damaged, is not the one that everybody applied. */
export async function strangeness(
  { ground, books }: World,
  device: SimDevice,
  replica: ReplicaId,
): Promise<string | undefined> {
  const { suite, space } = ground;
  const log = new DeviceLog(device.disk.inspect(), suite);
  const last = seqOf(device.disk.durable, replica);
  const [head] = (await log.heads(space.tag)).filter((each) => each.replica === replica);
  const from = head?.from ?? 1;
  const hashes = await log.hashes(space.tag, replica, from, last);
  for (let seq = from; seq <= last; seq++) {
    const [ours, theirs] = [hashes[seq - from], books.hashOf(replica, seq)];
    if (ours === undefined || theirs === undefined || !equalBytes(ours, theirs)) {
      return `has another entry ${seq}`;
    }
  }
  for (let seq = from; seq <= last && head !== undefined;) {
    const run: Run | undefined = await log.read(space.tag, replica, seq, limits.runBytesMax);
    if (run === undefined) return `gives no entry ${seq}`;
    const ownHashes = hashes.slice(seq - from, lastSeq(run) + 1 - from);
    if (!(await verifyHead(suite, space.tag, run, ownHashes, head.publicKey))) {
      return `has a wrong signature at ${lastSeq(run)}`;
    }
    seq = lastSeq(run) + 1;
  }
  return undefined;
}
