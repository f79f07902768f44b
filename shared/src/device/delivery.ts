/**
 * Causal delivery: the entries of all logs of a space come out in an order in which nothing comes
 * before what it depends on, each exactly once (Birman, Schiper and Stephenson, "Lightweight
 * causal and atomic group multicast", 1991; dependencies by frontier as in Hypercore's Autobase).
 * The applied vector is the memory: an entry at or below it has come out before.
 *
 * Invariants:
 *  1. An entry comes out when its log's previous entry and all its dependencies have.
 *  2. The frontier is the set of maximal elements of what has come out; while all of it comes out anew,
 *     of what had before, too (`comingAnew`).
 *  3. A branch (log/branch.ts) comes out from its own first entry on. Who depends on an entry of a log
 *     that has forked may have seen either of two: any branch that has come that far will do.
 *  4. Nothing is skipped: an entry that can do nothing (void, hollow) comes out without operations.
 */
import { prefixOf, type ReplicaId, type ReplicaPrefix } from "../id/id.ts";
import { type Branch, ifBranch } from "../log/branch.ts";
import type { Plain } from "../log/plain.ts";
import type { Split } from "../log/store.ts";
import type { AppliedState, Dependency, ReadyEntry, WriterNonces } from "./store.ts";

/** An opened entry that waits for its causal past. */
export interface OpenedEntry {
  readonly replica: ReplicaId;
  readonly seq: number;
  readonly hash: Uint8Array;
  /** Undefined for void and hollow entries: what they said is not known. */
  readonly plain: Plain | undefined;
  readonly nonces: WriterNonces;
  readonly openedAt: number;
  /** Of the log, if it is one. */
  readonly branch?: Branch;
}

/** An entry that came out, with its dependencies by full id. */
export interface DeliveredEntry {
  readonly entry: OpenedEntry;
  readonly deps: readonly Dependency[];
  /** As the entry names them: where a log has forked, another of its branches may have fulfilled it. */
  readonly named: readonly Dependency[];
  readonly lamport: number;
}

type Resolved = Pick<DeliveredEntry, "deps" | "named">;

export class Delivery {
  #version: number;
  readonly #vector: Map<ReplicaId, number>;
  readonly #frontier: Map<ReplicaId, number>;
  #lamport: number;
  readonly #queues = new Map<ReplicaId, OpenedEntry[]>();
  readonly #bytes = new Map<ReplicaId, number>();
  #bytesInAll = 0;
  /** Known replicas by the prefix that dependencies use. */
  readonly #byPrefix = new Map<ReplicaPrefix, ReplicaId[]>();
  /** Where each branch begins: the seq before its own first entry. */
  readonly #begins = new Map<ReplicaId, number>();
  /** Of each branch. */
  readonly #signers = new Map<ReplicaId, ReplicaId>();
  /** The branches of a signer's log. */
  readonly #branches = new Map<ReplicaId, ReplicaId[]>();
  /** Whose entries may come out: others wait, their log is kept. */
  readonly #isAdmitted: (replica: ReplicaId) => boolean;

  constructor(applied: AppliedState, isAdmitted: (replica: ReplicaId) => boolean) {
    this.#version = applied.version;
    this.#vector = new Map(applied.vector);
    this.#frontier = new Map(applied.frontier.map(({ replica, seq }) => [replica, seq]));
    this.#lamport = applied.lamport;
    this.#isAdmitted = isAdmitted;
    for (const replica of this.#vector.keys()) this.know(replica);
  }

  /** What has come out so far, as it is to be stored. */
  get state(): AppliedState {
    return {
      version: this.#version,
      vector: new Map(this.#vector),
      frontier: [...this.#frontier].map(([replica, seq]) => ({ replica, seq })),
      lamport: this.#lamport,
    };
  }

  appliedTo(replica: ReplicaId): number {
    return this.#vector.get(replica) ?? this.#begins.get(replica) ?? 0;
  }

  /** The seq after everything of this log that came out or waits here. */
  nextSeq(replica: ReplicaId): number {
    return this.appliedTo(replica) + (this.#queues.get(replica)?.length ?? 0) + 1;
  }

  waiting(replica: ReplicaId): number {
    return this.#queues.get(replica)?.length ?? 0;
  }

  /** Bytes of what waits of one log, or of all. */
  waitingBytes(replica?: ReplicaId): number {
    return replica === undefined ? this.#bytesInAll : (this.#bytes.get(replica) ?? 0);
  }

  /** A log exists: dependencies may name it. @param branch if it is one. */
  know(replica: ReplicaId, branch?: Branch): void {
    if (branch !== undefined && !this.#begins.has(replica)) {
      this.#begins.set(replica, branch.seq - 1);
      this.#signers.set(replica, branch.signer);
      const others = this.#branches.get(branch.signer) ?? [];
      this.#branches.set(branch.signer, [...others, replica].sort());
      this.know(branch.signer);
    }
    const prefix = prefixOf(replica);
    const known = this.#byPrefix.get(prefix);
    if (known === undefined) this.#byPrefix.set(prefix, [replica]);
    else if (!known.includes(replica)) known.push(replica);
  }

  /** The next entry of its log: `nextSeq` of it. */
  add(entry: OpenedEntry): void {
    this.know(entry.replica, entry.branch);
    if (entry.seq !== this.nextSeq(entry.replica)) {
      throw new Error(`entry ${entry.seq} where ${this.nextSeq(entry.replica)} comes next`);
    }
    const queue = this.#queues.get(entry.replica);
    if (queue === undefined) this.#queues.set(entry.replica, [entry]);
    else queue.push(entry);
    this.#count(entry.replica, bytesOf(entry));
  }

  #count(replica: ReplicaId, bytes: number): void {
    this.#bytesInAll += bytes;
    this.#bytes.set(replica, (this.#bytes.get(replica) ?? 0) + bytes);
  }

  /** Everything that can come out now, at most `countMax`, in causal order. */
  take(countMax: number): DeliveredEntry[] {
    const delivered: DeliveredEntry[] = [];
    /** Logs by the signer whose entries their next one waits for. */
    const waiting = new Map<ReplicaId, readonly ReplicaId[]>();
    const toTry = [...this.#queues.keys()];
    // Grows while it is walked: who waited is tried again behind the others.
    for (const replica of toTry) {
      const before = delivered.length;
      const missing = this.#takeFrom(replica, delivered, countMax);
      if (missing !== undefined) waiting.set(missing, [...(waiting.get(missing) ?? []), replica]);
      if (delivered.length === before) continue;
      const signer = this.#signerOf(replica);
      toTry.push(...(waiting.get(signer) ?? []));
      waiting.delete(signer);
    }
    if (delivered.length > 0) this.#version++;
    return delivered;
  }

  /** The same of one log, added to `delivered`. Returns whose entry it waits for, as far as known. */
  #takeFrom(
    replica: ReplicaId,
    delivered: DeliveredEntry[],
    countMax: number,
  ): ReplicaId | undefined {
    const queue = this.#queues.get(replica) ?? [];
    while (delivered.length < countMax && this.#isAdmitted(replica)) {
      const entry = queue[0];
      if (entry === undefined) break;
      const resolved = this.#resolve(entry);
      if (typeof resolved !== "object") return resolved;
      queue.shift();
      this.#count(replica, -bytesOf(entry));
      delivered.push(this.#deliver(entry, resolved));
    }
    if (queue.length === 0) this.#queues.delete(replica);
    return undefined;
  }

  /** Full ids of the entry's dependencies. While one has not come out: whose it is, as far as known. */
  #resolve(entry: OpenedEntry): Resolved | ReplicaId | undefined {
    const deps: Dependency[] = [];
    const names: Dependency[] = [];
    for (const { replica: prefix, seq } of entry.plain?.deps ?? []) {
      const named = this.#byPrefix.get(prefix);
      if (named === undefined) return undefined;
      // Two ids with one prefix take 2^32 replicas or a grinder; waiting for both is right for both.
      for (const replica of named) {
        const one = this.#outAs(replica, seq);
        // Of the log that is named something has come out, too: snapshots keep the names, and name their
        // own logs only.
        if (one === undefined || !this.#vector.has(replica)) return this.#signerOf(replica);
        deps.push({ replica: one, seq });
        names.push({ replica, seq });
      }
    }
    return { deps, named: names };
  }

  /**
   * The log whose entry of that seq has come out: itself first; then those of the same key, for what it
   * held may be a branch of its own now.
   */
  #outAs(replica: ReplicaId, seq: number): ReplicaId | undefined {
    const isOut = (log: ReplicaId): boolean => (this.#vector.get(log) ?? 0) >= seq;
    if (isOut(replica)) return replica;
    const signer = this.#signerOf(replica);
    const branches = this.#branches.get(signer);
    return branches && [signer, ...branches].find(isOut);
  }

  #signerOf(replica: ReplicaId): ReplicaId {
    return this.#signers.get(replica) ?? replica;
  }

  #deliver(entry: OpenedEntry, { deps, named }: Resolved): DeliveredEntry {
    const { replica, seq } = entry;
    this.#vector.set(replica, seq);
    for (const dependency of deps) {
      const head = this.#frontier.get(dependency.replica);
      if (head !== undefined && head <= dependency.seq) this.#frontier.delete(dependency.replica);
    }
    if (entry.branch?.seq === seq) {
      const { signer } = entry.branch;
      // What both have in common comes before it.
      if ((this.#frontier.get(signer) ?? seq) < seq) this.#frontier.delete(signer);
    }
    if ((this.#frontier.get(replica) ?? 0) < seq) this.#frontier.set(replica, seq);
    const lamport = entry.plain?.lamport ?? this.#lamport;
    this.#lamport = Math.max(this.#lamport, lamport);
    return { entry, deps, named, lamport };
  }
}

/**
 * Delivery begins anew at `begun`, and what has come out beyond it comes out again. What is written
 * meanwhile comes after all that had, and names it.
 */
export function comingAnew(before: AppliedState, begun: AppliedState, split?: Split): AppliedState {
  const frontier = new Map(begun.frontier.map(({ replica, seq }) => [replica, seq]));
  for (const { replica, seq } of before.frontier) {
    const isOfBranch = replica === split?.replica && seq >= split.branch.seq;
    const log = isOfBranch ? split.into : replica;
    const known = Math.max(begun.vector.get(log) ?? 0, frontier.get(log) ?? 0);
    if (seq > known) frontier.set(log, seq);
  }
  return {
    ...begun,
    frontier: [...frontier].map(([replica, seq]) => ({ replica, seq })),
    lamport: Math.max(before.lamport, begun.lamport),
  };
}

function bytesOf({ plain }: OpenedEntry): number {
  let bytes = 0;
  for (const { payload } of plain?.operations ?? []) bytes += payload.length;
  return bytes;
}

/** The entry as it is applied. */
export function readyOf(
  { entry, deps, named, lamport }: DeliveredEntry,
  appliedAtMs: number,
): ReadyEntry {
  const { replica, seq, hash, plain, nonces, openedAt } = entry;
  const [document, operations] = [plain?.document, plain?.operations ?? []];
  return {
    ...{ replica, seq, hash, lamport, deps, document, operations, nonces, openedAt, appliedAtMs },
    ...(deps.some(({ replica: one }, at) => one !== named[at]?.replica) && { named }),
    ...ifBranch(entry.branch),
  };
}
