/**
 * What one device keeps of its spaces, shared by all its tabs: every log and register it holds
 * (the `LogStore` port), the state of causal delivery, and the read models that views paint from.
 * The log is the truth; everything else in here can be derived from it again.
 *
 * Invariants (tests cite the numbers):
 *  1. An own entry is in the log, strictly committed, before anything of it leaves the device.
 *  2. Read models contain the effects of exactly the entries under `applied.vector`: both change in
 *     one transaction that checks the leader's epoch and the state's version.
 *  3. A leader whose epoch is not the newest changes nothing.
 *  4. Entries are applied in causal order; `applied.vector` never goes back, except to a snapshot's
 *     (`install`), or to the beginning where a log is taken apart (`takeApart`): what the logs hold
 *     beyond that is applied again.
 *  5. What of a snapshot has not come is missing from the read models, is told to be, and is put in its
 *     place by `fill` as if it had been there from the start.
 */
import type { DocumentId, ReplicaId, SpaceTag } from "../id/id.ts";
import type { RepairableStore } from "../log/damage.ts";
import type { Branch } from "../log/branch.ts";
import type { Run } from "../log/entry.ts";
import type {
  LogHead,
  LogStore,
  Split,
  SplitOff,
  StoredRegister,
  VerifiedRun,
} from "../log/store.ts";
import type { Installation } from "./snapshot/install.ts";
import type { PendingPart } from "./snapshot/pending-rows.ts";

export interface Dependency {
  readonly replica: ReplicaId;
  readonly seq: number;
}

/** How far causal delivery has come in a space. */
export interface AppliedState {
  /** Counts applications; a transaction that expects another number has no effect. */
  readonly version: number;
  readonly vector: ReadonlyMap<ReplicaId, number>;
  /**
   * The applied entries that no other applied entry implies: what a new own entry depends on. While all
   * is applied anew, those from before, too.
   */
  readonly frontier: readonly Dependency[];
  /** Greatest Lamport time applied. */
  readonly lamport: number;
}

export interface Operation {
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** An opened entry whose causal past is applied. Void and hollow entries have no operations. */
export interface ReadyEntry {
  readonly replica: ReplicaId;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly lamport: number;
  readonly deps: readonly Dependency[];
  /** What it names, where that is another branch of the log than what it came after. */
  readonly named?: readonly Dependency[];
  readonly document: DocumentId | undefined;
  readonly operations: readonly Operation[];
  /** The writer session it belongs to, for peer ids. */
  readonly nonces: WriterNonces;
  /** Seq of the entry that opened its writer session. */
  readonly openedAt: number;
  /** When this device applied it: for display. */
  readonly appliedAtMs: number;
  /** Of the log, if it is one. */
  readonly branch?: Branch;
}

/** Session nonces of one log by the seq of the entry that opened the session. */
export type WriterNonces = ReadonlyMap<number, Uint8Array>;

/** What an own entry must be built on. Read in one transaction, under the log's lock. */
export interface WriterBase {
  /** Undefined before the first own entry. */
  readonly head: LogHead | undefined;
  /** Lamport time of the newest own entry. */
  readonly lamport: number;
  /** The log has forked: own entries go on there, and this base is nobody's. */
  readonly next?: ReplicaId;
  /** The frontier that own entries have named already, by replica; of this one, itself the newest. */
  readonly named: ReadonlyMap<ReplicaId, number>;
  readonly applied: AppliedState;
}

export type OwnAppend =
  | { readonly kind: "appended"; readonly head: LogHead }
  /** Another tab was first: read the base again and seal anew. */
  | { readonly kind: "moved" }
  /** It has forked, and what this device wrote is that branch of it now: go on there. */
  | { readonly kind: "branched"; readonly into: ReplicaId };

/** `moved`: somebody was there before; read again. `fenced`: another tab leads. No effect, both. */
export type Application = "applied" | "fenced" | "moved";

/** Beside an application's outcomes: what was given is not what the manifest says. No effect. */
export type Filling = Application | "refused";
/** Beside those: the device holds another entry where the manifest's logs end. No effect. */
export type Installing = Filling | "forked";

/** Beside an application's outcomes. `stuck`: not everything is held that would have to be applied anew. */
export type TakenApart = SplitOff | { readonly kind: "fenced" | "stuck" };

export interface DeviceStore extends LogStore, RepairableStore {
  /** Makes the caller the leader: the epoch that all its transactions must carry. Strict. */
  takeLeadership(): Promise<number>;

  /** Nonce of the writer session which that entry opens; undefined if it is not held or opens none. */
  sessionNonce(space: SpaceTag, replica: ReplicaId, seq: number): Promise<Uint8Array | undefined>;

  /** Where this device's own entries go on: its replica's log, or the branch of it that it wrote. */
  ownLog(space: SpaceTag, replica: ReplicaId): Promise<ReplicaId>;
  writerBase(space: SpaceTag, replica: ReplicaId): Promise<WriterBase>;
  /** One own entry, twice, strict, with the Lamport time and frontier it was built with. */
  appendOwn(
    space: SpaceTag,
    base: WriterBase,
    run: VerifiedRun,
    lamport: number,
    named: ReadonlyMap<ReplicaId, number>,
  ): Promise<OwnAppend>;

  /**
   * Of entries `first`..`last` of a log that the disk has spoilt, those from `first` on of which there is
   * a second copy (own ones, until `dropSpares`), as one run; undefined if the first is not among them.
   */
  readSpares(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    last: number,
  ): Promise<Run | undefined>;
  /** Others have what that key signed up to `seq`: no second copy of it is needed here. Relaxed. */
  dropSpares(space: SpaceTag, signer: ReplicaId, seq: number): Promise<void>;

  /**
   * Keeps an own register. Strict. `moved` when the held one is as new: then its number was used.
   * Others' registers come in by `putRegisters`, whoever leads: their authors have numbered them.
   */
  publish(space: SpaceTag, leaderEpoch: number, register: StoredRegister): Promise<Application>;

  applied(space: SpaceTag): Promise<AppliedState>;
  /** Whether parts of an installed snapshot are still to come (`fill`). */
  isPartial(space: SpaceTag): Promise<boolean>;
  /** Projects `entries` (causal order) into the read models and moves `before` to `after`. */
  apply(
    space: SpaceTag,
    leaderEpoch: number,
    before: AppliedState,
    entries: readonly ReadyEntry[],
    after: AppliedState,
  ): Promise<Application>;

  /**
   * Puts the snapshot of a note or the catalog, in its engine's form, in the place of the updates
   * numbered up to `upTo`. `moved` when one that covers as much is there.
   */
  replaceTail(
    space: SpaceTag,
    leaderEpoch: number,
    document: DocumentId,
    snapshot: Uint8Array,
    upTo: number,
  ): Promise<Application>;

  /** The catalog as views paint it (structured clone), with its update number `upTo` in it. */
  putCatalog(
    space: SpaceTag,
    leaderEpoch: number,
    upTo: number,
    model: unknown,
  ): Promise<Application>;

  /**
   * Begins with a snapshot: replaces what is derived from entries by what its manifest says, moves
   * `before` to its vector, and lets its logs begin there; what they hold beyond stays, to be applied
   * on top. Objects that were not given are pending (`ReadModels.pending`, `fill`). Strict. Rejects
   * with `DamagedEntries` where a log cannot be read at its new base.
   */
  install(
    space: SpaceTag,
    leaderEpoch: number,
    before: AppliedState,
    installation: Installation,
  ): Promise<Installing>;

  /**
   * Takes a log apart (`LogStore.split`). Where something of the branch was applied under the log's id,
   * all read models begin anew, empty, in the same transaction: what the logs hold is applied again.
   * Where they do not hold all of it they begin with `foundation`, a snapshot from before the branch, or
   * one that names it; `stuck`, without effect, where there is none that fits. Strict.
   * @param isOwn who appends to it here goes on with the branch (`ownLog`).
   */
  takeApart(
    space: SpaceTag,
    leaderEpoch: number,
    before: AppliedState,
    split: Split,
    isOwn: boolean,
    foundation?: Installation,
  ): Promise<TakenApart>;

  /**
   * Puts a pending part in its place. `moved` when it is not pending (any more): nothing is left to
   * do. An engine's snapshot is taken as it is.
   */
  fill(
    space: SpaceTag,
    leaderEpoch: number,
    part: Pick<PendingPart, "document" | "name">,
    bytes: Uint8Array,
    appliedAtMs: number,
  ): Promise<Filling>;

  /** Brings in parked operations of kinds this version knows: once, when a tab begins to lead. */
  replayParked(space: SpaceTag, leaderEpoch: number): Promise<Application>;
}
