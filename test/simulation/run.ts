/**
 * One seed from beginning to end: faults on; heal and require convergence; activity again, and
 * require it once more; in some seeds a quiet time in which nothing may happen. docs/simulation.md
 * lists what must hold.
 */
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { dominates, seqOf } from "@skein/shared/clock/version-vector.ts";
import { KvFailure } from "@skein/shared/device/kv.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import type { DocumentId, ReplicaId } from "@skein/shared/id/id.ts";
import { DamagedEntries } from "@skein/shared/log/damage.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import type { Replica } from "@skein/shared/replica.ts";
import type { Hole } from "@skein/shared/sync/mending.ts";
import { relayLimits } from "../../server/src/limits.ts";
import { catalog, channel, note } from "./books.ts";
import { heal, strike } from "./faults.ts";
import { updatesIn } from "./sim-snapshots.ts";
import { type Loss, lossesOf, untold } from "./losses.ts";
import type { Mutant } from "./mutants.ts";
import { faultKinds, type Options } from "./options.ts";
import { damageOf, strangeness } from "./rot.ts";
import type { SimDevice } from "./sim-device.ts";
import { loadEngines, readAnew } from "./sim-documents.ts";
import { World } from "./world.ts";

export interface Outcome {
  readonly options: Options;
  readonly violations: readonly string[];
  readonly events: number;
  readonly virtualMs: number;
  readonly writes: number;
  /** How often each fault struck and each rare thing happened. */
  readonly fired: ReadonlyMap<string, number>;
  /** Frames sent, by type number. */
  readonly frames: ReadonlyMap<number, number>;
  /** How honest connections ended, by code. */
  readonly endings: ReadonlyMap<number, number>;
  readonly traceHash: string;
  readonly lines: readonly string[];
}

/**
 * Virtual time that everybody has to agree again once all faults are gone. What a relay has committed and
 * told nobody of before it died is found when the others look at the store again.
 */
const healWithinMs = ({ busForgets }: Options): number =>
  240_000 + (busForgets ? relayLimits.lookEveryMs : 0);

export async function run(options: Options, mutant?: Mutant): Promise<Outcome> {
  // Events do not wait for the loop (schedule.ts); between two runs signals and timers get their turn.
  await new Promise((resolve) => setImmediate(resolve));
  if (options.documents) await loadEngines();
  // Who waits for a file in the middle of something waits for the real world.
  if (options.snapshots) await import("@skein/shared/device/snapshot/install.ts");
  const undo = mutant?.plant?.();
  const world = await World.begin(options, mutant);
  try {
    await play(world);
  } catch (error) {
    world.ground.bug(error);
  } finally {
    undo?.();
  }
  const { ground, books } = world;
  return {
    options,
    violations: ground.violations,
    events: ground.schedule.count,
    virtualMs: ground.nowMs,
    writes: books.writeCount,
    fired: ground.fired,
    frames: ground.frames,
    endings: books.endings,
    traceHash: ground.trace.hash,
    lines: ground.trace.last(200),
  };
}

async function play(world: World): Promise<void> {
  const { options } = world.ground;
  await activity(world, options.faultySeconds * 1_000, true);
  heal(world);
  if (!(await converges(world, "after healing"))) return;
  await update(world);
  await activity(world, options.activeSeconds * 1_000, false);
  if (!(await converges(world, "after renewed activity"))) return;
  await check(world);
  await quiet(world, options.quietSeconds * 1_000);
}

/** Everybody has the newer app in the end; who is frozen, when it wakes. */
async function update({ ground, devices }: World): Promise<void> {
  const older = () => devices.flatMap(({ tabs }) => tabs.filter(({ isOlder }) => isOlder));
  while (older().length > 0) {
    for (const tab of older()) tab.device.update(tab);
    await ground.schedule.runUntil(ground.nowMs + 1_000);
  }
}

/** What people do, and faults if there are to be any, for so long. */
async function activity(world: World, forMs: number, faulty: boolean): Promise<void> {
  const { ground } = world;
  const { options, dice, schedule } = ground;
  const stepMs = 100;
  const perStep = (perSecond: number): boolean =>
    perSecond > 0 && dice.chance((perSecond * stepMs) / 1_000);
  const endMs = ground.nowMs + forMs;
  while (ground.nowMs < endMs && ground.violations.length === 0) {
    for (const device of world.devices) {
      const { awake } = device;
      if (awake.length > 0 && perStep(options.writesPerSecond)) {
        for (let count = 0; count < options.burst; count++) dice.pick(awake).write();
      }
      if (perStep(options.readsPerSecond)) device.leader?.read();
      if (perStep(options.whispersPerSecond)) device.leader?.whisper();
    }
    for (const kind of faulty ? faultKinds : []) {
      if (!perStep(options.faults[kind])) continue;
      // Nobody dies in the middle of a step: what has no delay is done.
      await schedule.runUntil(ground.nowMs);
      await strike(world, kind);
    }
    await schedule.runUntil(ground.nowMs + stepMs);
  }
}

async function converges(world: World, when: string): Promise<boolean> {
  const { ground } = world;
  const withinMs = healWithinMs(ground.options);
  const untilMs = ground.nowMs + withinMs;
  let why = "nothing was compared";
  while (ground.nowMs < untilMs && ground.violations.length === 0) {
    await ground.schedule.runUntil(ground.nowMs + 1_000);
    const reason = await disagreement(world);
    if (reason === undefined) return true;
    why = reason;
  }
  if (ground.violations.length === 0) {
    ground.violated(`no convergence within ${withinMs / 1_000} s ${when}: ${why}`);
  }
  return false;
}

/** The first reason why not everything is everywhere, applied, known to be stored and delivered. */
async function disagreement(world: World): Promise<string | undefined> {
  if (world.books.hasForked) return forkedDisagreement(world);
  const losses = await lossesOf(world);
  const all = new Map<ReplicaId, number>();
  for (const device of world.devices) {
    const { replica, disk } = device;
    all.set(replica, losses.get(device)?.heldTo ?? seqOf(disk.durableEver, replica));
  }
  for (const device of world.devices) {
    const reason = behind(world, device, all, losses) ?? (await damage(world, device, all));
    if (reason !== undefined) return `device ${device.index} ${reason}`;
  }
  for (const relay of world.relays) {
    for (const [author, seq] of all) {
      const held = seqOf(relay.durable, author);
      if (held < seq) return `${relay.name} holds ${held} of ${author.slice(0, 4)}, not ${seq}`;
    }
  }
  return world.equivocator && mistrustedDisagreement(world);
}

/** Of who equivocates everybody comes to hold the same logs, and has applied all of them. */
async function mistrustedDisagreement(world: World): Promise<string | undefined> {
  for (const { index, leader } of world.devices) {
    const unapplied = leader?.tab.replica?.unapplied ?? 0;
    if (unapplied > 0) return `device ${index} has not applied ${unapplied}`;
  }
  return differentLogs(world, ({ replica }) => !world.books.isHonest(replica));
}

/** Who holds other logs than the first device, of those that count. */
async function differentLogs(
  { devices, relays }: World,
  counts: (head: LogHead) => boolean,
): Promise<string | undefined> {
  const named = (heads: Iterable<LogHead>): string =>
    [...heads].filter(counts).map(nameOfLog).sort().join(" ");
  let first: string | undefined;
  const compare = (who: string, heads: Iterable<LogHead>): string | undefined => {
    const logs = named(heads);
    first ??= logs;
    return logs === first ? undefined : `${who} holds ${logs}, not ${first}`;
  };
  for (const { index, leader } of devices) {
    const held = leader?.tab.replica?.exchange.holdings.logs;
    if (held === undefined) return `device ${index} has no leader`;
    const reason = compare(`device ${index}`, held.values());
    if (reason !== undefined) return reason;
  }
  for (const { name, store } of relays) {
    const reason = compare(name, (await store.heads()).values());
    if (reason !== undefined) return reason;
  }
  return undefined;
}

const nameOfLog = ({ replica, to, hash }: LogHead): string =>
  `${replica.slice(0, 4)}:${to}/${toHex(hash).slice(0, 4)}`;

/**
 * The same where a log has forked: what stands under which id is not known until it has healed. Then
 * everybody holds the same logs, has applied all of them, and is told so.
 */
async function forkedDisagreement(world: World): Promise<string | undefined> {
  for (const device of world.devices) {
    const who = `device ${device.index}`;
    const tab = device.leader?.tab;
    const replica = tab?.replica;
    if (tab === undefined || replica === undefined) return `${who} has no leader`;
    if (device.tabs.some((each) => each.tab.writer.pending > 0)) return `${who} writes`;
    if (replica.unapplied > 0) return `${who} has not applied ${replica.unapplied}`;
    const { phase = "settled" } = tab.keeper ?? {};
    if (phase !== "settled") return `${who} is still ${phase}`;
    const head = replica.exchange.holdings.to(replica.ownLog);
    if (tab.sentTo < head) return `${who} is told that ${tab.sentTo} is stored, not ${head}`;
    for (const other of world.devices) {
      const clock = seqOf(tab.board.clock(other.replica), replica.ownLog);
      if (clock < head) return `${who} sees ${other.index}'s clock at ${clock}, not ${head}`;
    }
  }
  return differentLogs(world, () => true);
}

function behind(
  world: World,
  device: SimDevice,
  all: ReadonlyMap<ReplicaId, number>,
  losses: ReadonlyMap<SimDevice, Loss>,
): string | undefined {
  const tab = device.leader?.tab;
  const replica = tab?.replica;
  if (tab === undefined || replica === undefined) return "has no leader";
  if (device.tabs.some((each) => each.tab.writer.pending > 0)) return "has not committed all";
  const loss = losses.get(device);
  for (const [author, seq] of all) {
    // A tab that dies with its commit tells nobody: the leader looks for itself after a while.
    const held = replica.exchange.holdings.to(author);
    if (held < seq) return `knows of ${held} of ${author.slice(0, 4)}, not ${seq}`;
  }
  const reason = loss && untold(device, loss);
  if (reason !== undefined) return reason;
  for (const [author, seq] of all) {
    const applied = seqOf(replica.applied.vector, author);
    if (applied < seq) return `applied ${applied} of ${author.slice(0, 4)}, not ${seq}`;
  }
  if (tab.keeper !== undefined && tab.keeper.phase !== "settled") {
    return `is still ${tab.keeper.phase}`;
  }
  const { updates, changes } = world.books.rowsOf(device);
  for (const { documents } of device.tabs) {
    const reason = documents?.behind(updates, changes);
    if (reason !== undefined) return reason;
  }
  const head = seqOf(all, device.replica);
  if (head > 0 && tab.sentTo < head) return `is told that ${tab.sentTo} is stored, not ${head}`;
  for (const other of world.devices) {
    if (other === device) continue;
    const clock = seqOf(tab.board.clock(other.replica), device.replica);
    if (clock < head) return `sees ${other.index}'s clock at ${clock}, not ${head}`;
    const published = other.leader?.tab.board.readMark(channel, other.replica);
    if (
      published !== undefined &&
      !dominates(tab.board.readMark(channel, other.replica), published)
    ) {
      return `has not seen what ${other.index} read`;
    }
    for (const said of other.leader?.tab.replica?.exchange.holdings.registers ?? []) {
      if (said.replica !== other.replica) continue;
      const held = replica.exchange.holdings.register(said.replica, said.name);
      if (held === undefined || held.number < said.number) {
        return `has ${held?.number ?? "none"} of a register of ${other.index}, not ${said.number}`;
      }
    }
  }
  return undefined;
}

/** Leaders that were made to read what is damaged on their disk, so that they may know of it. */
const nudged = new WeakMap<Replica, Set<string>>();

/** What of the logs cannot be read on a device. Somebody looks at it, once. */
async function damage(
  world: World,
  device: SimDevice,
  all: ReadonlyMap<ReplicaId, number>,
): Promise<string | undefined> {
  const { ground } = world;
  const replica = device.leader?.tab.replica;
  if (!ground.fired.has("flipped bits") || replica === undefined) return undefined;
  let reason: string | undefined;
  for (const [author, seq] of all) {
    let letGo = -1;
    for (const { first, last } of await damageOf(world, device, author)) {
      if (first > seq) continue;
      // What stands right behind what cannot be brought back cannot be joined to anything.
      if (await isLetGo(device, author, { first, last }, letGo === first - 1)) {
        letGo = last;
        continue;
      }
      reason = `cannot read ${author.slice(0, 4)}:${first} to ${last}`;
      const known = nudged.get(replica) ?? new Set();
      nudged.set(replica, known);
      const name = `${author}:${first}`;
      if (known.has(name)) continue;
      known.add(name);
      replica.exchange.read(author, first, 1).catch((error: unknown) => {
        if (error instanceof KvFailure) known.delete(name);
        else if (!(error instanceof DamagedEntries)) ground.bug(error);
      });
    }
  }
  return reason;
}

/**
 * Relays have let go of what a snapshot covers, and other devices are not spoken to: the device shows all
 * that was in it, and its person is told that those entries cannot be read any more.
 */
async function isLetGo(
  device: SimDevice,
  author: ReplicaId,
  hole: Hole,
  isBehindOne: boolean,
): Promise<boolean> {
  const replica = device.leader?.tab.replica;
  if (replica === undefined || seqOf(replica.applied.vector, author) < hole.last) return false;
  for (const { store } of device.relays) {
    const { from = 1 } = (await store.heads()).get(author) ?? {};
    if (from <= hole.first && !isBehindOne) return false;
  }
  const known = replica.exchange.holes.get(author) ?? [];
  return known.some(({ first, last }) => first <= hole.last && last >= hole.first);
}

/** What must hold once all agree. */
async function check(world: World): Promise<void> {
  const { ground, books } = world;
  const losses = await lossesOf(world);
  const isLost = (name: string): boolean => {
    const write = books.writeNamed(name);
    const loss = write && losses.get(write.device);
    return loss !== undefined && (write?.entry ?? Infinity) > loss.heldTo;
  };
  const contents: string[] = [];
  for (const device of world.devices) {
    const { messages, updates, changes } = await contentOf(world, device);
    const seen = new Set([...messages, ...updates, ...changes]);
    // Engines make several updates of what is typed at once.
    if (!ground.options.documents && seen.size !== messages.length + updates.length) {
      ground.violated(`device ${device.index} shows something twice`);
    }
    for (const { name, document } of books.waiting) {
      // A snapshot of an engine says by seqs alone what is in it: all have the same, or not.
      if (books.hasForked && ground.options.documents && document !== channel) continue;
      if (!seen.has(name) && !isLost(name)) ground.violated(`device ${device.index} lost ${name}`);
    }
    contents.push(messages.filter((name) => !isLost(name)).join(" "));
  }
  if (new Set(contents).size > 1) ground.violated("devices show different channels");
  await sameLogs(world, losses);
  if (ground.options.documents) await sameDocuments(world);
}

/** In every tab, and read anew from every disk, the note and the catalog are the same. */
async function sameDocuments(world: World): Promise<void> {
  const { ground } = world;
  let first: { readonly note: string; readonly catalog: string } | undefined;
  for (const device of world.devices) {
    const states = device.tabs.map((tab) => tab.documents?.state());
    for (const state of [...states, await readAnew(ground, device)]) {
      if (state === undefined) continue;
      first ??= state;
      if (state.note !== first.note) {
        ground.violated(`device ${device.index} shows another note`);
      }
      if (state.catalog !== first.catalog) {
        ground.violated(`device ${device.index} shows another catalog`);
      }
    }
  }
  ground.fire("documents compared");
}

async function contentOf(
  world: World,
  device: SimDevice,
): Promise<Readonly<Record<"messages" | "updates" | "changes", readonly string[]>>> {
  const { tag } = world.ground.space;
  const models = new ReadModels(device.disk.inspect());
  const page = await models.messagesBefore(tag, channel, undefined, 100_000);
  const named = async (document: DocumentId): Promise<string[]> => {
    const { snapshot, updates } = await models.document(tag, document);
    const shown = updates.map((update) => world.books.nameOf(update) ?? "?");
    if (snapshot === undefined) return shown;
    if (!world.ground.options.documents) {
      return [
        ...updatesIn(snapshot.bytes).map((each) => world.books.nameOf(each) ?? "?"),
        ...shown,
      ];
    }
    const covered = world.books.waiting.filter(
      ({ document: of, entry, device: { replica } }) =>
        of === document && entry !== undefined && entry <= (snapshot.vector.get(replica) ?? 0),
    );
    return [...covered.map(({ name }) => name), ...shown];
  };
  return {
    messages: page.messages.map(({ text }) => text.split(" ", 1)[0] ?? "?"),
    updates: await named(note),
    changes: world.ground.options.documents ? await named(catalog) : [],
  };
}

/** Logs are equal to the byte on all devices and on every relay somebody speaks to. */
async function sameLogs(world: World, losses: ReadonlyMap<SimDevice, Loss>): Promise<void> {
  const heads = new Map<ReplicaId, string>();
  const compare = (who: string, replica: ReplicaId, to: number, hash: Uint8Array): void => {
    const name = `${to}/${toHex(hash)}`;
    const known = heads.get(replica);
    if (known === undefined) heads.set(replica, name);
    else if (known !== name) world.ground.violated(`${who} has another log of ${replica}`);
  };
  for (const device of world.devices) {
    for (const head of device.leader?.tab.replica?.exchange.holdings.logs.values() ?? []) {
      if (head.replica === device.replica && losses.has(device)) continue;
      compare(`device ${device.index}`, head.replica, head.to, head.hash);
    }
  }
  for (const relay of world.relays) {
    for (const [replica, { to, hash }] of await relay.store.heads()) {
      compare(relay.name, replica, to, hash);
    }
  }
  if (losses.size > 0) world.ground.fire("damaged log told");
  if (!world.ground.fired.has("mended in place") || world.books.hasForked) return;
  for (const device of world.devices) {
    for (const replica of heads.keys()) {
      if (replica === device.replica && losses.has(device)) continue;
      if ((await damageOf(world, device, replica)).length > 0) {
        world.ground.fire("damage below a snapshot told");
        continue;
      }
      const reason = await strangeness(world, device, replica);
      if (reason !== undefined) world.ground.violated(`device ${device.index} ${reason}`);
    }
  }
}

/** Of one connection in a minute: pings and pongs both ways, a comparison, slack. */
const framesPerMinuteMax = 28;

/** While nobody does anything, hardly anything is said. */
async function quiet(world: World, forMs: number): Promise<void> {
  const { ground } = world;
  if (forMs === 0 || ground.violations.length > 0) return;
  const before = new Map(world.wires.map((wire) => [wire, wire.frames]));
  await ground.schedule.runUntil(ground.nowMs + forMs);
  for (const wire of world.wires) {
    const frames = wire.frames - (before.get(wire) ?? 0);
    if (frames <= (framesPerMinuteMax * forMs) / 60_000) continue;
    ground.violated(`${frames} frames went over an idle wire in ${forMs / 1_000} s`);
  }
  if ((await disagreement(world)) !== undefined) ground.violated("an idle world fell apart");
}
