/**
 * The logs and registers of a device: the `LogStore` port over a `Kv`, and the one way in which own
 * entries get into it. Everything here is strict: what was answered survives a power cut.
 *
 * A log is a head, which names its tail, and its segments. `sessions` repeats the nonces that open
 * writer sessions: whoever wants to open the newest entry need not read the log from the start, and
 * where a log begins after a base those below it are there still.
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { RegisterName, ReplicaId, SpaceTag } from "../id/id.ts";
import { beginsAfter, type Branch, ifBranch } from "../log/branch.ts";
import { zeroHash } from "../log/chain.ts";
import { DamagedEntries, type RepairableStore, type Repaired } from "../log/damage.ts";
import { bodyBytes, type Entry, lastSeq, type Run, runEntriesMax } from "../log/entry.ts";
import { newerRegister } from "../log/register.ts";
import type {
  Appended,
  Begun,
  LogBase,
  LogHead,
  LogStore,
  Split,
  SplitOff,
  StoredRegister,
  VerifiedRun,
} from "../log/store.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { beginningWith, partOf } from "./key.ts";
import type { Kv, Reading, Writing } from "./kv.ts";
import { beginLog } from "./log-beginning.ts";
import { repairLog } from "./log-repair.ts";
import { splitLog } from "./log-split.ts";
import {
  hasRoom,
  isFull,
  isWhole,
  joined,
  newSegment,
  packRun,
  type Segment,
  segmentHashes,
  type StoredRun,
} from "./log-segments.ts";
import {
  baseOf,
  hashAt,
  hashRepeated,
  headOf,
  type HeadRow,
  headRow,
  segmentRow,
  segmentsFrom,
  signerOfRow,
} from "./segment-rows.ts";
import { stores } from "./stores.ts";

/** A row of `registers`. Its key holds replica and name. */
type RegisterRow = Omit<StoredRegister, "replica" | "name">;

/** What a transaction that appends needs. */
export const appendingStores = [stores.heads, stores.segments, stores.sessions] as const;

/**
 * Reading what is damaged rejects with `DamagedEntries`, all else as a `LogStore` does. So does
 * beginning after a base that lies there, without effect on any of the logs.
 */
export class DeviceLog implements LogStore, RepairableStore {
  readonly #kv: Kv;
  readonly #suite: VerifyingSuite;

  constructor(kv: Kv, suite: VerifyingSuite) {
    this.#kv = kv;
    this.#suite = suite;
  }

  async heads(space: SpaceTag): Promise<readonly LogHead[]> {
    return this.#kv.read([stores.heads], async (tx) => {
      const rows = await tx.range(stores.heads, beginningWith(space));
      return rows.map(({ key, value }) => headOf(partOf<ReplicaId>(key, 1), value as HeadRow));
    });
  }

  async append(space: SpaceTag, runs: readonly VerifiedRun[]): Promise<readonly Appended[]> {
    if (runs.length === 0) return [];
    return this.#kv.write(appendingStores, "strict", (tx) =>
      appendRuns(tx, this.#suite, space, runs),
    );
  }

  async begin(space: SpaceTag, bases: readonly LogBase[]): Promise<readonly Begun[]> {
    if (bases.length === 0) return [];
    return this.#kv.write([stores.heads, stores.segments], "strict", async (tx) => {
      const outcomes: Begun[] = [];
      for (const base of bases) outcomes.push(await beginLog(tx, this.#suite, space, base));
      return outcomes;
    });
  }

  async split(space: SpaceTag, split: Split): Promise<SplitOff> {
    return this.#kv.write(appendingStores, "strict", async (tx) => {
      const off = await splitLog(tx, this.#suite, space, split);
      return off.kind === "moved" ? off : keepProof(tx, this.#suite, space, split, off);
    });
  }

  async read(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    bytesMax: number,
  ): Promise<Run | undefined> {
    return this.#kv.read([stores.heads, stores.segments], async (tx) => {
      const head = await headRow(tx, space, replica);
      if (head === undefined || first < head.from || first > head.to) return undefined;
      const cut = new Cut(first, bytesMax);
      const log = { tx, suite: this.#suite, space, replica, head };
      try {
        for await (const { runs } of segmentsFrom(log, first, head.to)) {
          for (const run of runs) if (!cut.take(run)) return cut.run(replica, head.branch);
        }
      } catch (error) {
        // What comes before the damage is as good as ever.
        if (!(error instanceof DamagedEntries) || cut.isEmpty) throw error;
      }
      return cut.run(replica, head.branch);
    });
  }

  async hashes(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    last: number,
  ): Promise<readonly Uint8Array[]> {
    return this.#kv.read([stores.heads, stores.segments], async (tx) => {
      const head = await headRow(tx, space, replica);
      const hashes: Uint8Array[] = [];
      if (head === undefined || first < Math.max(1, head.from - 1)) return hashes;
      if (first > head.to || last < first) return hashes;
      const end = Math.min(last, head.to);
      const log = { tx, suite: this.#suite, space, replica, head };
      const collect = async (from: number): Promise<void> => {
        for await (const read of segmentsFrom(log, from, end)) {
          const all = segmentHashes(this.#suite, space, signerOfRow(log), read);
          hashes.push(...all.slice(read.seq - read.begin, end - read.begin + 1));
        }
      };
      if (first < head.from) hashes.push(baseOf(head));
      try {
        await collect(Math.max(first, head.from));
      } catch (error) {
        // Who goes on behind damage needs no more of it than its last hash.
        const isFirst = error instanceof DamagedEntries && hashes.length === 0;
        const repeated = isFirst ? await hashRepeated(log, first) : undefined;
        if (repeated === undefined) throw error;
        hashes.push(repeated);
        await collect(first + 1);
      }
      return hashes;
    });
  }

  async repair(space: SpaceTag, run: VerifiedRun): Promise<Repaired> {
    return this.#kv.write([stores.heads, stores.segments], "strict", (tx) =>
      repairLog(tx, this.#suite, space, run),
    );
  }

  /** The nonce of the writer session which that entry opens; undefined if it opens none. */
  async sessionNonce(
    space: SpaceTag,
    replica: ReplicaId,
    seq: number,
  ): Promise<Uint8Array | undefined> {
    return this.#kv.read([stores.sessions], (tx) => readSessionNonce(tx, space, replica, seq));
  }

  async registers(space: SpaceTag): Promise<readonly StoredRegister[]> {
    return this.#kv.read([stores.registers], async (tx) => {
      const rows = await tx.range(stores.registers, beginningWith(space));
      return rows.map(({ key, value }) => ({
        ...(value as RegisterRow),
        replica: partOf<ReplicaId>(key, 1),
        name: partOf<RegisterName>(key, 2),
      }));
    });
  }

  async putRegisters(
    space: SpaceTag,
    registers: readonly StoredRegister[],
  ): Promise<readonly boolean[]> {
    if (registers.length === 0) return [];
    return this.#kv.write([stores.registers], "strict", async (tx) => {
      const kept: boolean[] = [];
      for (const register of registers) kept.push(await putRegister(tx, space, register));
      return kept;
    });
  }

  async close(): Promise<void> {
    this.#kv.close();
  }
}

/** Keeps the register if it is newer than the held one, in a transaction over `registers`. */
export async function putRegister(
  tx: Writing,
  space: SpaceTag,
  { replica, name, ...row }: StoredRegister,
): Promise<boolean> {
  const key = [space, replica, name];
  const held = (await tx.get(stores.registers, key)) as RegisterRow | undefined;
  const isNewer = newerRegister(row, held);
  if (isNewer) tx.put(stores.registers, key, row);
  return isNewer;
}

/** Undefined while nothing is held of the log. */
export async function readHead(
  tx: Reading,
  space: SpaceTag,
  replica: ReplicaId,
): Promise<LogHead | undefined> {
  const row = await headRow(tx, space, replica);
  return row && headOf(replica, row);
}

export const readSessionNonce = async (
  tx: Reading,
  space: SpaceTag,
  replica: ReplicaId,
  seq: number,
): Promise<Uint8Array | undefined> =>
  (await tx.get(stores.sessions, [space, replica, seq])) as Uint8Array | undefined;

/** Appends inside a transaction over `appendingStores`, by the rules of `LogStore.append`. */
export async function appendRuns(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  runs: readonly VerifiedRun[],
): Promise<Appended[]> {
  const replicas = [...new Set(runs.map(({ replica }) => replica))];
  const growing = await Promise.all(
    replicas.map(async (replica) => {
      const log = await GrowingLog.load(tx, suite, space, replica);
      return [replica, log] as const;
    }),
  );
  const logs = new Map(growing);
  const outcomes: Appended[] = [];
  for (const run of runs) {
    const log = logs.get(run.replica);
    if (log === undefined) throw new Error(`log ${run.replica} was not loaded`);
    outcomes.push(await log.append(run));
  }
  for (const log of logs.values()) log.flush();
  return outcomes;
}

/** Keeps what shows that a branch is one with what stays of the log that was taken apart. */
export async function keepProof<Off extends SplitOff>(
  tx: Writing,
  suite: VerifyingSuite,
  space: SpaceTag,
  { proof }: Split,
  off: Off,
): Promise<Off> {
  if (proof === undefined) return off;
  const [kept] = await appendRuns(tx, suite, space, [proof]);
  return kept?.kind === "held" ? { ...off, proven: kept.head } : off;
}

/** What of its head row a log has for good. */
function baseAndBranch(
  head: HeadRow | undefined,
  { first, previous, branch }: VerifiedRun,
): Pick<HeadRow, "base" | "branch"> {
  if (head !== undefined)
    return { ...(head.base && { base: head.base }), ...ifBranch(head.branch) };
  return { ...(first > 1 && { base: previous.slice() }), ...ifBranch(branch) };
}

/** One log within one transaction. Its tail and head are written when they are full or at the end. */
class GrowingLog {
  readonly #tx: Writing;
  readonly #suite: VerifyingSuite;
  readonly #space: SpaceTag;
  readonly #replica: ReplicaId;
  #head: HeadRow | undefined;
  #tail: Segment | undefined;
  #changed = false;

  private constructor(
    tx: Writing,
    suite: VerifyingSuite,
    space: SpaceTag,
    replica: ReplicaId,
    head: HeadRow | undefined,
    tail: Segment | undefined,
  ) {
    this.#tx = tx;
    this.#suite = suite;
    this.#space = space;
    this.#replica = replica;
    this.#head = head;
    this.#tail = tail;
  }

  static async load(
    tx: Writing,
    suite: VerifyingSuite,
    space: SpaceTag,
    replica: ReplicaId,
  ): Promise<GrowingLog> {
    const head = await headRow(tx, space, replica);
    // A full one takes nothing more: reading and checking it again would cost as much as writing it did.
    const isOpen = head && !isFull(head.tail, head.to);
    const tail = isOpen ? await segmentRow(tx, space, replica, head.tail) : undefined;
    // What joined a damaged tail, or one that was repaired in part, could not be read either.
    const whole = tail && tail.last === head?.to && isWhole(suite, tail) ? tail : undefined;
    return new GrowingLog(tx, suite, space, replica, head, whole);
  }

  async append(run: VerifiedRun): Promise<Appended> {
    const to = this.#head?.to ?? beginsAfter(run);
    if (run.first > to + 1) return { kind: "gap", to };
    if (this.#head === undefined) {
      if (to === 0 && !equalBytes(run.previous, zeroHash)) {
        throw new Error(`a run from seq ${run.first} with a hash before it, where nothing can be`);
      }
    } else if (!(await this.#continuedBy(run, this.#head))) {
      return { kind: "fork", head: headOf(this.#replica, this.#head) };
    }
    const news = lastSeq(run) > to;
    if (news) this.#add(run, to);
    if (this.#head === undefined) throw new Error("a run without entries");
    return { kind: "held", head: headOf(this.#replica, this.#head), news };
  }

  flush(): void {
    if (!this.#changed || this.#head === undefined || this.#tail === undefined) return;
    this.#putTail(this.#head.tail, this.#tail);
    this.#tx.put(stores.heads, [this.#space, this.#replica], this.#head);
  }

  /** Whether the newest entry that both hold is the same one: then all before it are. */
  async #continuedBy(run: VerifiedRun, head: HeadRow): Promise<boolean> {
    const common = Math.min(head.to, lastSeq(run));
    const theirs = common < run.first ? run.previous : run.hashes[common - run.first];
    if (theirs === undefined) throw new Error(`a run without the hash of seq ${common}`);
    // What lies below the base cannot be compared, and is not wanted.
    if (common < head.from - 1) return true;
    return equalBytes(theirs, await this.#hashAt(common, head));
  }

  async #hashAt(seq: number, head: HeadRow): Promise<Uint8Array> {
    if (seq === head.to) return head.hash;
    // The tail in hand may be newer than its row.
    if (this.#changed && this.#tail !== undefined) this.#putTail(head.tail, this.#tail);
    const log = { tx: this.#tx, suite: this.#suite, space: this.#space, replica: this.#replica };
    return hashAt({ ...log, head }, seq);
  }

  /** The entries of `run` after `to`. */
  #add(run: VerifiedRun, to: number): void {
    const first = to + 1;
    const entries = run.entries.slice(first - run.first);
    const last = lastSeq(run);
    const hash = run.hashes[run.hashes.length - 1];
    if (hash === undefined) throw new Error("a run without hashes");
    const group = packRun({ first, entries, signature: run.signature });
    const head = this.#head;
    const tail = this.#tail;
    const joins = head !== undefined && tail && hasRoom(head.tail, tail, group.length);
    if (head && tail && !joins && this.#changed) this.#putTail(head.tail, tail);
    this.#tail = joins
      ? joined(this.#suite, tail, group, last)
      : newSegment(this.#suite, head?.hash ?? run.previous, group, last);
    this.#head = {
      publicKey: head?.publicKey ?? run.publicKey,
      from: head?.from ?? first,
      to: last,
      hash,
      tail: joins ? head.tail : first,
      ...baseAndBranch(head, run),
    };
    this.#changed = true;
    this.#putSessions(first, entries);
  }

  #putSessions(first: number, entries: readonly Entry[]): void {
    for (const [index, { writer }] of entries.entries()) {
      if (writer.kind !== "opens") continue;
      this.#tx.put(stores.sessions, [this.#space, this.#replica, first + index], writer.nonce);
    }
  }

  #putTail(first: number, tail: Segment): void {
    this.#tx.put(stores.segments, [this.#space, this.#replica, first], tail);
  }
}

/** Collects stored runs into one that ends at a signed head and stays within the limits. */
class Cut {
  readonly #first: number;
  readonly #bytesMax: number;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #signature: Uint8Array | undefined;

  constructor(first: number, bytesMax: number) {
    this.#first = first;
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#signature === undefined;
  }

  /** False when there is no room for `run`. The first one always has. */
  take(run: StoredRun): boolean {
    const next = this.#first + this.#entries.length;
    const entries = run.entries.slice(Math.max(0, next - run.first));
    if (entries.length === 0) return true;
    const bytes = bodyBytes({ entries });
    const tooMuch =
      this.#bytes + bytes > this.#bytesMax || this.#entries.length + entries.length > runEntriesMax;
    if (tooMuch && this.#signature !== undefined) return false;
    this.#entries.push(...entries);
    this.#bytes += bytes;
    this.#signature = run.signature;
    return true;
  }

  run(replica: ReplicaId, branch: Branch | undefined): Run {
    if (this.#signature === undefined) throw new Error(`no head at or after seq ${this.#first}`);
    const [first, entries, signature] = [this.#first, this.#entries, this.#signature];
    return { replica, first, entries, signature, ...ifBranch(branch) };
  }
}
