/**
 * A report for somebody who helps: versions, storage, connections and counts. No content, no names, no keys;
 * spaces and devices appear by the first letters of their ids.
 */
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { protocolVersion } from "@skein/shared/protocol/messages.ts";
import type { Network, StorageState, Trouble } from "./api.ts";
import type { Device } from "./device.ts";
import type { SpaceCore } from "./space-core.ts";
import type { HoleFact, LeaderStatus, SnapshotFacts, SpaceStatus } from "./status.ts";
import { tabsVersion } from "./tabs.ts";

export interface Symptoms {
  readonly device: Device;
  readonly cores: readonly SpaceCore[];
  readonly status: LeaderStatus;
  readonly storage: StorageState;
  readonly troubles: readonly Trouble[];
  readonly isLeading: boolean;
}

export async function diagnose(symptoms: Symptoms): Promise<string> {
  const { device, cores, status, storage, troubles, isLeading } = symptoms;
  const lines = [
    `Skein, protocol ${protocolVersion}, tabs ${tabsVersion}`,
    `at ${new Date(device.env.clock.now()).toISOString()}`,
    `browser: ${device.platform.describe()}`,
    `database: ${device.name}; this tab ${isLeading ? "leads" : "follows"}`,
    `keys ${device.suite.keepsSecrets ? "kept by the browser" : "kept as bytes"}`,
    `storage: ${storage.usedBytes ?? "?"} of ${storage.quotaBytes ?? "?"} bytes, ` +
      `${storage.persistent ? "" : "not "}persistent${storage.isPrivate ? ", private window" : ""}`,
    `network: ${networkLine(status.network)}`,
    ...troubles.map((trouble) => `trouble: ${trouble.kind}`),
  ];
  for (const core of cores) lines.push(...(await spaceLines(core, status.spaces.get(core.tag))));
  return `${lines.join("\n")}\n`;
}

async function spaceLines(core: SpaceCore, status: SpaceStatus | undefined): Promise<string[]> {
  const { device, tag, replica } = core;
  const [heads, parked, tails] = await Promise.all([
    device.store.heads(tag),
    device.models.parked(tag),
    device.models.tails(tag),
  ]);
  const entries = heads.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const applied = [...core.vector.get().values()].reduce((sum, seq) => sum + seq, 0);
  const { sentTo, storedTo } = core.sent.get();
  return [
    "",
    `space ${short(tag)} (${core.record.get().kind}), device ${replica.slice(0, 8)}`,
    `  ${heads.length} logs, ${entries} entries, ${applied} applied, ${parked.length} parked operations`,
    `  own log: ${core.head.get()} committed, ${core.pending} pending, ${storedTo} stored elsewhere ` +
      `(${sentTo} once)`,
    `  members: ${core.membership.get().members.size}`,
    `  longest tail: ${Math.max(0, ...tails.map(({ updates }) => updates))} updates`,
    status === undefined
      ? "  no tab leads it"
      : `  ${networkLine(status.network)}; missing ${status.missing}, ` +
        `${status.equal ? "equal" : "not equal"}, unknown devices ${status.unknownDevices}, ` +
        `forks ${status.forks.length}, damaged ${holesLine(status.holes)}`,
    ...(status === undefined ? [] : snapshotLines(status.snapshots)),
  ];
}

/** What was taken in on its author's word alone is said to be so. */
function snapshotLines({ phase, coming, arrived, disputed, offers }: SnapshotFacts): string[] {
  const came =
    arrived === undefined
      ? ""
      : `; came in by one of ${arrived.author.slice(0, 8)}, ` +
        (arrived.witnesses === 0 ? "unverified" : `confirmed by ${arrived.witnesses}`);
  return [
    `  snapshots: ${phase}, ${coming} parts to come${came}`,
    ...offers.map(
      ({ author, entries, witnesses, refusedBy }) =>
        `    by ${author.slice(0, 8)}: ${entries} entries, confirmed by ${witnesses}, ` +
        `refused by ${refusedBy}${disputed.includes(author) ? ", not what is here" : ""}`,
    ),
  ];
}

const holesLine = (holes: readonly HoleFact[]): string =>
  holes.length === 0
    ? "none"
    : holes.map(({ replica, first, last }) => `${replica.slice(0, 8)} ${first}-${last}`).join(", ");

function networkLine(network: Network): string {
  switch (network.kind) {
    case "off":
      return "off";
    case "connecting":
    case "connected":
      return `${network.kind}, ${network.relay}`;
    case "waiting":
      return `waiting, ${network.relay}: ${network.reason}`;
    case "refused":
      return `refused (${network.code}), ${network.relay}: ${network.reason}`;
  }
}

const short = (tag: SpaceTag): string => tag.slice(0, 8);
