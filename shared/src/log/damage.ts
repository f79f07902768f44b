/**
 * What a store says when bytes it keeps are not those it was given: a disk's, a file system's or a
 * browser's fault, found by hashes whenever something is read. The entries are known by their
 * chain, so they can be taken again from anybody: no trust is needed, only the same bytes.
 */
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import type { VerifiedRun } from "./store.ts";

/** Entries `first` to `last` of a log are held by its head, and cannot be read. */
export class DamagedEntries extends Error {
  override readonly name = "DamagedEntries";
  readonly space: SpaceTag;
  readonly replica: ReplicaId;
  readonly first: number;
  readonly last: number;

  constructor(space: SpaceTag, replica: ReplicaId, first: number, last: number, detail: string) {
    super(`entries ${first} to ${last} of ${replica} are damaged on this device: ${detail}`);
    this.space = space;
    this.replica = replica;
    this.first = first;
    this.last = last;
  }
}

export type Repaired =
  /** What was damaged among the run's entries can be read again. Durable. */
  | "repaired"
  /** Nothing was damaged among them. */
  | "whole"
  /** Does not join what is whole before or behind it: of another branch, or too long. No effect. */
  | "unfit";

/** A store in which single records can be damaged, and put right from what others hold. */
export interface RepairableStore {
  /** Puts entries of `run`, whose chain and signature were checked, where damaged ones stand. */
  repair(space: SpaceTag, run: VerifiedRun): Promise<Repaired>;
}
