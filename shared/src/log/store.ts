/**
 * Where logs and registers are kept. Four real implementations: memory (here), IndexedDB
 * (client), SQLite and later PostgreSQL (server). `store.contract.ts` beside this file holds
 * every implementation to the same rules.
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { RegisterName, ReplicaId, SpaceTag } from "../id/id.ts";
import type { Branch, HeldBranch } from "./branch.ts";
import type { Run } from "./entry.ts";

/**
 * Entries `from`..`to` are held; `hash` is that of `to`. `from` is 1 until the log begins after a
 * base (`begin`). It may then hold nothing: `to` is `from` − 1, and `hash` the base's.
 */
export interface LogHead {
  readonly replica: ReplicaId;
  /** 32 bytes; hashes to `replica`, or to the signer of the branch. */
  readonly publicKey: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly hash: Uint8Array;
  /** Where the log is a branch of another. */
  readonly branch?: HeldBranch;
}

/** A run whose chain and head signature were checked against the entry before it. */
export interface VerifiedRun extends Run {
  readonly publicKey: Uint8Array;
  /** Hash of the entry before `first`; zeros before seq 1. */
  readonly previous: Uint8Array;
  /** Hash of each entry, in order. */
  readonly hashes: readonly Uint8Array[];
}

export type Appended =
  /** Durable now, or it was already (`news` false). Entries that were held are not written again. */
  | { readonly kind: "held"; readonly head: LogHead; readonly news: boolean }
  /** The run begins after `to` + 1: nothing was written. */
  | { readonly kind: "gap"; readonly to: number }
  /** Another entry stands at the same seq, or `previous` is not its hash: nothing was written. */
  | { readonly kind: "fork"; readonly head: LogHead };

/** The log begins after entry `seq`, whose hash is `hash`. Nothing below is held or wanted. */
export interface LogBase {
  readonly replica: ReplicaId;
  /** 32 bytes; hashes to `replica`, or to the signer of the branch. */
  readonly publicKey: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly branch?: Branch;
}

export type Begun =
  /** The log begins after the base now, or began there or above already (`news` false). */
  | { readonly kind: "begun"; readonly head: LogHead; readonly news: boolean }
  /** Another entry is held at `seq`: nothing was changed. */
  | { readonly kind: "fork"; readonly head: LogHead };

/** Each hash covers the one before it: then all up to there is the same. */
export const isSameHead = (one: LogHead | undefined, other: LogHead | undefined): boolean =>
  one === undefined || other === undefined
    ? one === other
    : one.to === other.to && equalBytes(one.hash, other.hash);

/** A log is taken apart where it has forked: what it holds of a branch becomes the log of that id. */
export interface Split {
  readonly replica: ReplicaId;
  readonly branch: Branch;
  readonly into: ReplicaId;
  /**
   * A run of the other branch, which shows this one to be one: kept with what stays, which it continues,
   * or begins before the end of.
   */
  readonly proof?: VerifiedRun;
}

export type SplitOff =
  /**
   * Durable now. `rest`: what stays of the log, up to the last signed head before the branch; `proven`:
   * the log with the proof, unless that does not continue it, or there is no room for it.
   */
  | {
      readonly kind: "split";
      readonly rest: LogHead | undefined;
      readonly branch: LogHead;
      readonly proven?: LogHead;
    }
  /** It does not hold that entry (any more), or holds it and another branch from there on: no change. */
  | { readonly kind: "moved" };

/** A register as kept: newest of (replica, name) by (number, bodyHash). */
export interface StoredRegister {
  readonly replica: ReplicaId;
  readonly publicKey: Uint8Array;
  readonly name: RegisterName;
  readonly number: number;
  readonly bodyHash: Uint8Array;
  /** The whole register, docs/protocol.md section 5. */
  readonly bytes: Uint8Array;
}

/**
 * Writes take effect in the order they are made, awaited or not; a read sees every write that was
 * answered before the read was made. What is given is copied before the promise resolves; what is
 * returned is the caller's to read, not to change. After `close` every call but `close` rejects,
 * with the word "closed" in its message.
 */
export interface LogStore {
  heads(space: SpaceTag): Promise<readonly LogHead[]>;

  /**
   * Appends runs, each atomically, idempotent. Resolves when all that is `held` would survive a
   * power cut. Rejects only when the store itself failed; then nothing is promised about any run.
   * Of a run that begins below `from`, what lies there is neither compared nor written. A branch of
   * which nothing is held begins with the run, if that begins at `branch.seq` or before.
   */
  append(space: SpaceTag, runs: readonly VerifiedRun[]): Promise<readonly Appended[]>;

  /**
   * Lets logs begin after their bases, each atomically, idempotent, durable on return. Entries up to
   * a base are dropped; of a log that ends below it everything is, whatever it held. Where an entry
   * stands at the base's seq, its hash decides. A base at seq 0 changes nothing.
   */
  begin(space: SpaceTag, bases: readonly LogBase[]): Promise<readonly Begun[]>;

  /**
   * Takes a log apart, atomically, durable on return. What stays ends at a signed head, so the branch
   * may begin with entries that are not its own. Nothing stays of a log that began at 1, or of a branch,
   * that has no head of its own before. What is held of the branch already is kept if it reaches further, and else
   * gives way; where the two differ nothing happens.
   */
  split(space: SpaceTag, split: Split): Promise<SplitOff>;

  /**
   * The run that begins at `first`, ends at a signed head and holds at most `bytesMax` of bodies and
   * `runEntriesMax` entries (but at least one stored run's rest, however large). Undefined if
   * `first` is not held.
   */
  read(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    bytesMax: number,
  ): Promise<Run | undefined>;

  /**
   * Hashes of the held entries among `first`..`last`, contiguous from `first`; for fork search. That
   * of a base counts as held: a log that begins above 1 answers from `from` − 1 on.
   */
  hashes(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    last: number,
  ): Promise<readonly Uint8Array[]>;

  registers(space: SpaceTag): Promise<readonly StoredRegister[]>;

  /** Keeps those that are newer than what is held; true for each that was kept. Durable on return. */
  putRegisters(space: SpaceTag, registers: readonly StoredRegister[]): Promise<readonly boolean[]>;

  close(): Promise<void>;
}
