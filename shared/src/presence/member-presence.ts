/** Presence as people mean it: of members, not of devices. Each counts by the best of their devices. */
import type { DocumentId, MemberId, ReplicaId } from "../id/id.ts";
import type { DevicePresence } from "./presence.ts";

export interface MemberPresence {
  readonly presence: "online" | "away" | "offline";
  /** Where the device is that spoke last of those that are best. */
  readonly where: DocumentId | undefined;
  readonly typingIn: DocumentId | undefined;
  /** When there was news of any of them; undefined if there never was. */
  readonly heardAtMs: number | undefined;
  /** Through whom that came; undefined if from themselves. */
  readonly via: ReplicaId | undefined;
  readonly devices: readonly DevicePresence[];
}

const rankOfPresence = { offline: 0, away: 1, online: 2 } as const;

/** @param devices of one member, as far as there was ever news of them. */
export function memberPresence(devices: readonly DevicePresence[]): MemberPresence {
  let best: DevicePresence | undefined;
  let latest: DevicePresence | undefined;
  for (const device of devices) {
    const rank = rankOfPresence[device.presence];
    const bestRank = best === undefined ? -1 : rankOfPresence[best.presence];
    const isNewer = best === undefined || device.heardAtMs > best.heardAtMs;
    if (rank > bestRank || (rank === bestRank && isNewer)) best = device;
    if (latest === undefined || device.heardAtMs > latest.heardAtMs) latest = device;
  }
  return {
    presence: best?.presence ?? "offline",
    where: best?.where,
    typingIn: devices.find(({ typing }) => typing)?.where,
    heardAtMs: latest?.heardAtMs,
    via: latest?.via,
    devices,
  };
}

/** Presence by member, for those who have a device that was heard of. Replicas of nobody are left out. */
export function presenceByMember(
  devices: readonly DevicePresence[],
  memberOf: (replica: ReplicaId) => MemberId | undefined,
): ReadonlyMap<MemberId, MemberPresence> {
  const devicesByMember = Map.groupBy(devices, ({ replica }) => memberOf(replica));
  const presences = new Map<MemberId, MemberPresence>();
  for (const [member, theirs] of devicesByMember) {
    if (member !== undefined) presences.set(member, memberPresence(theirs));
  }
  return presences;
}

/** Who types in a document now, on whichever device. */
export const typingIn = (
  presences: ReadonlyMap<MemberId, MemberPresence>,
  document: DocumentId,
): readonly MemberId[] =>
  [...presences]
    .filter(([, { devices }]) => devices.some(({ typing, where }) => typing && where === document))
    .map(([member]) => member);
