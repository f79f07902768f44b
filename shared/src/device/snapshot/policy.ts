/** When a device loads, makes, checks and renews snapshots. Tests and the simulator have smaller numbers. */
export interface SnapshotPolicy {
  /** A newcomer takes so many entries as they are: a snapshot would take as many trips. */
  readonly worthEntries: number;
  /** How long a newcomer waits for notices once it knows what there is. */
  readonly decideWithinMs: number;
  /** Nobody wrote on this device for so long: what takes the processor for a second disturbs nobody. */
  readonly idleAfterMs: number;
  /** A new snapshot is due when so many entries are in none. */
  readonly publishEntries: number;
  /** Whoever finds one due waits up to so long, that one device makes it and not all. */
  readonly spreadMs: number;
  /** Entries that a checkpoint replays in one step: what it holds in memory. */
  readonly stepEntries: number;
  /** Others that should have confirmed a snapshot. */
  readonly witnesses: number;
  /** A snapshot is replayed from the first entry, to confirm it, only up to so many. */
  readonly replayEntriesMax: number;
  /** How often leases are renewed: relays keep what nobody speaks of for thirty days. */
  readonly renewEveryMs: number;
  /** An owner lets relays go of entries when there are so many of them. */
  readonly truncateEntries: number;
  /** After something did not work out. */
  readonly againAfterMs: number;
}

export const snapshotPolicy: SnapshotPolicy = {
  worthEntries: 2_000,
  decideWithinMs: 5_000,
  idleAfterMs: 10_000,
  publishEntries: 2_000,
  spreadMs: 5 * 60_000,
  stepEntries: 10_000,
  witnesses: 2,
  replayEntriesMax: 200_000,
  renewEveryMs: 24 * 3_600_000,
  truncateEntries: 10_000,
  againAfterMs: 60_000,
};
