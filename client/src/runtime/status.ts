/**
 * What the leading tab knows of the world and tells the others: sockets, what relays have stored,
 * who is here. It is derived, never kept, and small: it is sent whole whenever it changed.
 */
import type { DocumentId, ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import type { ForkFact } from "./leader-forks.ts";
import type { Network } from "./api.ts";

export interface LeaderStatus {
  readonly network: Network;
  readonly spaces: ReadonlyMap<SpaceTag, SpaceStatus>;
}

export interface SpaceStatus {
  readonly network: Network;
  readonly sent: SentMarks;
  /** Entries known to exist that are not here or not applied yet. */
  readonly missing: number;
  /** Somebody is there to compare with, and holds what we hold. */
  readonly equal: boolean;
  /** Logs whose author's device is not known. */
  readonly unknownDevices: number;
  /** Logs of which two versions exist. */
  readonly forks: readonly ForkFact[];
  /** Where this device's own entries go on. */
  readonly ownLog: ReplicaId;
  /** Entries that this device's disk has spoilt and nobody has brought again yet. */
  readonly holes: readonly HoleFact[];
  readonly snapshots: SnapshotFacts;
  readonly presence: readonly PresenceFact[];
}

export interface SnapshotFacts {
  /** How far this device has come in: `settled` when nothing is missing that a snapshot would bring. */
  readonly phase: "deciding" | "loading" | "filling" | "settled";
  /** Parts of a snapshot that are still to come. */
  readonly coming: number;
  /** Whose snapshot was taken in since this tab leads, and how many others had confirmed it. */
  readonly arrived: { readonly author: ReplicaId; readonly witnesses: number } | undefined;
  /** Whose snapshots do not say what the entries say that are held here. */
  readonly disputed: readonly ReplicaId[];
  readonly offers: readonly {
    readonly author: ReplicaId;
    readonly entries: number;
    readonly witnesses: number;
    readonly refusedBy: number;
  }[];
}

export interface HoleFact {
  readonly replica: ReplicaId;
  readonly first: number;
  readonly last: number;
  /** Their effects are in what this device shows; only the entries themselves are gone. */
  readonly applied: boolean;
}

/** How far the own log has come. */
export interface SentMarks {
  /** Another durable party was known to hold entries up to here: a tick never goes back. */
  readonly sentTo: number;
  /** The same, as far as it is known now: a relay that lost its store takes it back. */
  readonly storedTo: number;
}

export interface PresenceFact {
  readonly replica: ReplicaId;
  readonly presence: "online" | "away" | "offline";
  readonly where: DocumentId | undefined;
  readonly typing: boolean;
  /** When it was last heard of, in ms of this device's clock. */
  readonly heardAtMs: number;
}
