/**
 * The named levels of acknowledgement, derived: nobody ever acknowledges a message. An entry is
 * delivered to a device if that device's delivery clock or read mark covers it, to a member if it is
 * on any of their devices, and to everyone if on all of its audience. What is computed here is
 * computed for one entry when somebody looks at it, at a cost that grows with the audience's
 * devices and not with the channel.
 *
 * Invariants (tests cite the numbers):
 *  1. read ≤ delivered ≤ of: a read mark is proof of delivery.
 *  2. More evidence never lowers anything; evidence is only ever added (`ledger.ts`).
 *  3. This device is no other party, and my other devices are nobody's receipt: they make a message
 *     *sent* and otherwise show in the details alone.
 */
import type { DocumentId, MemberId, ReplicaId } from "../id/id.ts";

/**
 * `saving`: not even committed here yet. `waiting`: committed on this device only. `sent`: on another
 * durable party too. `delivered` and `read`: to, or by, everyone in the audience.
 */
export type Level = "saving" | "waiting" | "sent" | "delivered" | "read";

export const levels: readonly Level[] = ["saving", "waiting", "sent", "delivered", "read"];

export const greaterLevel = (a: Level, b: Level): Level =>
  levels.indexOf(a) >= levels.indexOf(b) ? a : b;

export interface Receipt {
  readonly level: Level;
  /** Members of the audience, me not among them. */
  readonly delivered: number;
  readonly read: number;
  readonly of: number;
  /** Devices besides the author's that are known to hold it, mine included. */
  readonly otherDevices: number;
}

export type Reach = "waiting" | "delivered" | "read";

export interface DeviceInfo {
  readonly replica: ReplicaId;
  readonly reach: Reach;
}

export interface MemberInfo {
  readonly member: MemberId;
  /** Of the best of their devices. */
  readonly reach: Reach;
  /** By when this device knew, ms since 1970; a checkpoint, not the moment. */
  readonly byMs: number | undefined;
  readonly devices: readonly DeviceInfo[];
}

export interface MessageInfo {
  /** The audience, in the order it was given. */
  readonly members: readonly MemberInfo[];
  readonly myOtherDevices: readonly DeviceInfo[];
  readonly sentByMs: number | undefined;
}

/** An entry of mine, and whom it was written for. */
export interface Inquiry {
  readonly document: DocumentId;
  /** A replica of mine; not this device's if another device of mine wrote it. */
  readonly author: ReplicaId;
  readonly seq: number;
  /** Committed on this device, strictly. */
  readonly durable: boolean;
  /** Members when it was written who are members still, in any order, me or not. */
  readonly audience: readonly MemberId[];
}

/** Who is who, as of now. */
export interface Roster {
  readonly me: MemberId;
  /** This device. */
  readonly self: ReplicaId;
  /** Whose log that is, or is a branch of (log/branch.ts). */
  signerOf(log: ReplicaId): ReplicaId;
  replicasOf(member: MemberId): readonly ReplicaId[];
}

/** How far logs of mine have come elsewhere: the greatest seq ever known, 0 for none. */
export interface Evidence {
  /** On any party but the author's device, which said so in whatever way after its commit. */
  storedTo(author: ReplicaId): number;
  storedByMs(author: ReplicaId, seq: number): number | undefined;
  /** By the delivery clock of `replica`. */
  deliveredTo(replica: ReplicaId, author: ReplicaId): number;
  deliveredByMs(replica: ReplicaId, author: ReplicaId, seq: number): number | undefined;
  /** By the read mark of `replica` for the document. */
  readTo(document: DocumentId, replica: ReplicaId, author: ReplicaId): number;
  readByMs(
    document: DocumentId,
    replica: ReplicaId,
    author: ReplicaId,
    seq: number,
  ): number | undefined;
}

export function deriveReceipt(evidence: Evidence, roster: Roster, inquiry: Inquiry): Receipt {
  const [delivered, read] = [new Set<MemberId>(), new Set<MemberId>()];
  const audience = others(roster, inquiry);
  let otherDevices = 0;
  for (const member of [roster.me, ...audience]) {
    for (const replica of roster.replicasOf(member)) {
      if (replica === roster.signerOf(inquiry.author)) continue;
      const reach = reachOf(evidence, roster, inquiry, replica);
      if (reach === "waiting") continue;
      otherDevices++;
      delivered.add(member);
      if (reach === "read") read.add(member);
    }
  }
  delivered.delete(roster.me);
  read.delete(roster.me);

  const counts = { delivered: delivered.size, read: read.size, of: audience.length, otherDevices };
  // What another device of mine wrote and this one holds is on two devices.
  const isHere = inquiry.durable && roster.signerOf(inquiry.author) !== roster.self;
  const isStored = isHere || evidence.storedTo(inquiry.author) >= inquiry.seq;
  return { level: levelOf(inquiry, isStored, counts), ...counts };
}

export function deriveMessageInfo(
  evidence: Evidence,
  roster: Roster,
  inquiry: Inquiry,
): MessageInfo {
  const { document, author, seq } = inquiry;
  const devicesOf = (member: MemberId): DeviceInfo[] =>
    roster
      .replicasOf(member)
      .filter((replica) => replica !== roster.signerOf(author))
      .map((replica) => ({ replica, reach: reachOf(evidence, roster, inquiry, replica) }));
  const readAt = ({ replica }: DeviceInfo) => evidence.readByMs(document, replica, author, seq);
  const deliveredAt = ({ replica }: DeviceInfo) => evidence.deliveredByMs(replica, author, seq);

  const members = others(roster, inquiry).map((member): MemberInfo => {
    const devices = devicesOf(member);
    const reach = best(devices);
    const times = devices.map(readAt);
    if (reach === "delivered") times.push(...devices.map(deliveredAt));
    return { member, reach, byMs: earliest(times), devices };
  });
  return {
    members,
    myOtherDevices: devicesOf(roster.me).filter(({ replica }) => replica !== roster.self),
    sentByMs: evidence.storedByMs(author, seq),
  };
}

/** The audience without me, each once. */
const others = ({ me }: Roster, { audience }: Inquiry): MemberId[] =>
  [...new Set(audience)].filter((member) => member !== me);

function reachOf(
  evidence: Evidence,
  { self }: Roster,
  { document, author, seq, durable }: Inquiry,
  replica: ReplicaId,
): Reach {
  if (evidence.readTo(document, replica, author) >= seq) return "read";
  if (evidence.deliveredTo(replica, author) >= seq) return "delivered";
  return replica === self && durable ? "delivered" : "waiting";
}

function levelOf(
  { durable }: Inquiry,
  isStored: boolean,
  { delivered, read, of }: Pick<Receipt, "delivered" | "read" | "of">,
): Level {
  // Nobody to deliver to is not "delivered to everyone".
  if (of > 0 && read === of) return "read";
  if (of > 0 && delivered === of) return "delivered";
  if (isStored) return "sent";
  return durable ? "waiting" : "saving";
}

function best(devices: readonly DeviceInfo[]): Reach {
  if (devices.some(({ reach }) => reach === "read")) return "read";
  return devices.some(({ reach }) => reach === "delivered") ? "delivered" : "waiting";
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  let first: number | undefined;
  for (const time of times) {
    if (time !== undefined && (first === undefined || time < first)) first = time;
  }
  return first;
}
