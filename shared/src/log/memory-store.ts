/**
 * Logs and registers in memory, by the rules of `store.ts`. A device in a private window may run on
 * it, tests and the simulator do, and it is the plainest statement of what a store must answer.
 * Nothing here outlives the process, so whoever uses it says in `greet` that it is not durable.
 */
import { beginsAfter, type Branch, ifBranch, ifHeldBranch, ownFirst } from "./branch.ts";
import { compareBytes, equalBytes } from "../bytes/bytes.ts";
import type { RegisterName, ReplicaId, SpaceTag } from "../id/id.ts";
import { type Entry, lastSeq, type Run, runEntriesMax } from "./entry.ts";
import { zeroHash } from "./chain.ts";
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
} from "./store.ts";

/** One replica's log. `entries[i]` and `hashes[i]` belong to seq `from + i`. */
interface Log {
  readonly publicKey: Uint8Array;
  readonly from: number;
  /** Hash of the entry before `from`; zeros before seq 1. */
  readonly base: Uint8Array;
  readonly entries: Entry[];
  readonly hashes: Uint8Array[];
  /** Where a run may end: ascending seqs with the head signature of each. */
  readonly heads: { readonly seq: number; readonly signature: Uint8Array }[];
  readonly branch: Branch | undefined;
}

interface Space {
  readonly logs: Map<ReplicaId, Log>;
  /** By replica and name. */
  readonly registers: Map<string, StoredRegister>;
}

export class MemoryLogStore implements LogStore {
  readonly #spaces = new Map<SpaceTag, Space>();
  #closed = false;

  async heads(space: SpaceTag): Promise<readonly LogHead[]> {
    const logs = this.#open(space)?.logs ?? new Map<ReplicaId, Log>();
    return [...logs].map(([replica, log]) => headOf(replica, log));
  }

  async append(space: SpaceTag, runs: readonly VerifiedRun[]): Promise<readonly Appended[]> {
    const { logs } = this.#make(space);
    return runs.map((run) => append(logs, run));
  }

  async begin(space: SpaceTag, bases: readonly LogBase[]): Promise<readonly Begun[]> {
    const { logs } = this.#make(space);
    return bases.map((base) => begin(logs, base));
  }

  async split(space: SpaceTag, split: Split): Promise<SplitOff> {
    const { logs } = this.#make(space);
    const off = takeApart(logs, split);
    if (off.kind === "moved" || split.proof === undefined) return off;
    const kept = append(logs, split.proof);
    return kept.kind === "held" ? { ...off, proven: kept.head } : off;
  }

  async read(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    bytesMax: number,
  ): Promise<Run | undefined> {
    const log = this.#open(space)?.logs.get(replica);
    if (log === undefined || first < log.from || first > toOf(log)) return undefined;
    return cut(replica, log, first, bytesMax);
  }

  async hashes(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    last: number,
  ): Promise<readonly Uint8Array[]> {
    const log = this.#open(space)?.logs.get(replica);
    if (log === undefined || first < Math.max(1, log.from - 1) || last < first) return [];
    const held = log.hashes.slice(Math.max(0, first - log.from), last - log.from + 1);
    return first < log.from ? [log.base, ...held] : held;
  }

  async registers(space: SpaceTag): Promise<readonly StoredRegister[]> {
    return [...(this.#open(space)?.registers.values() ?? [])];
  }

  async putRegisters(
    space: SpaceTag,
    registers: readonly StoredRegister[],
  ): Promise<readonly boolean[]> {
    const kept = this.#make(space).registers;
    return registers.map((register) => {
      const key = registerKey(register.replica, register.name);
      if (!isNewer(register, kept.get(key))) return false;
      kept.set(key, ownRegister(register));
      return true;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#spaces.clear();
  }

  #open(space: SpaceTag): Space | undefined {
    if (this.#closed) throw new Error("the log store is closed");
    return this.#spaces.get(space);
  }

  #make(space: SpaceTag): Space {
    const found = this.#open(space);
    if (found !== undefined) return found;
    const made: Space = { logs: new Map(), registers: new Map() };
    this.#spaces.set(space, made);
    return made;
  }
}

function append(logs: Map<ReplicaId, Log>, run: VerifiedRun): Appended {
  const log = logs.get(run.replica);
  const to = log === undefined ? beginsAfter(run) : toOf(log);
  if (run.first > to + 1) return { kind: "gap", to };
  if (log !== undefined && !continues(log, run)) {
    return { kind: "fork", head: headOf(run.replica, log) };
  }
  if (log === undefined && to === 0 && !equalBytes(run.previous, zeroHash)) {
    throw new Error(`a run from seq ${run.first} with a hash before it, where nothing can be`);
  }
  const held = log ?? emptyLog(run.publicKey, to + 1, run.previous, run.branch);
  logs.set(run.replica, held);
  const last = lastSeq(run);
  const news = last > to;
  if (news) {
    const skip = to + 1 - run.first;
    for (const entry of run.entries.slice(skip)) held.entries.push(ownEntry(entry));
    for (const hash of run.hashes.slice(skip)) held.hashes.push(hash.slice());
    held.heads.push({ seq: last, signature: run.signature.slice() });
  }
  return { kind: "held", head: headOf(run.replica, held), news };
}

/**
 * Whether the run agrees with what is held. Each hash covers the one before it, so comparing the
 * last one in common compares all.
 */
function continues(log: Log, run: VerifiedRun): boolean {
  const to = toOf(log);
  if (run.first === to + 1) return equalBytes(run.previous, hashAt(log, to));
  const common = Math.min(to, lastSeq(run));
  if (common < log.from - 1) return true;
  const theirs = run.hashes[common - run.first];
  return theirs !== undefined && equalBytes(theirs, hashAt(log, common));
}

function begin(logs: Map<ReplicaId, Log>, base: LogBase): Begun {
  const { replica, publicKey, seq, hash } = base;
  const log = logs.get(replica) ?? emptyLog(publicKey, 1, zeroHash, base.branch);
  const to = toOf(log);
  if (seq < log.from - 1) return { kind: "begun", head: headOf(replica, log), news: false };
  if (seq <= to && !equalBytes(hash, hashAt(log, seq))) {
    return { kind: "fork", head: headOf(replica, log) };
  }
  if (seq === log.from - 1) return { kind: "begun", head: headOf(replica, log), news: false };
  const dropped = seq + 1 - log.from;
  const begun: Log = {
    ...emptyLog(log.publicKey, seq + 1, hash, log.branch),
    entries: log.entries.slice(dropped),
    hashes: log.hashes.slice(dropped),
    heads: log.heads.filter((head) => head.seq > seq),
  };
  logs.set(replica, begun);
  return { kind: "begun", head: headOf(replica, begun), news: true };
}

function takeApart(logs: Map<ReplicaId, Log>, { replica, branch, into }: Split): SplitOff {
  const log = logs.get(replica);
  if (log === undefined) return { kind: "moved" };
  const { seq, hash } = branch;
  if (seq < log.from || seq > toOf(log) || !equalBytes(hash, hashAt(log, seq))) {
    return { kind: "moved" };
  }
  const held = logs.get(into);
  if (held !== undefined && !isSameWhereBoth(log, held)) return { kind: "moved" };
  const end = log.heads[firstHeadFrom(log, seq) - 1]?.seq ?? log.from - 1;
  const kept = end + 1 - log.from;
  const isHeld = held !== undefined && toOf(held) >= toOf(log);
  const split: Log = isHeld
    ? held
    : {
        ...emptyLog(log.publicKey, end + 1, hashAt(log, end), branch),
        entries: log.entries.slice(kept),
        hashes: log.hashes.slice(kept),
        heads: log.heads.filter((head) => head.seq > end),
      };
  const rest: Log = {
    ...emptyLog(log.publicKey, log.from, log.base, log.branch),
    entries: log.entries.slice(0, kept),
    hashes: log.hashes.slice(0, kept),
    heads: log.heads.filter((head) => head.seq <= end),
  };
  const isGone = end < ownFirst(log.branch);
  if (isGone) logs.delete(replica);
  else logs.set(replica, rest);
  logs.set(into, split);
  return {
    kind: "split",
    rest: isGone ? undefined : headOf(replica, rest),
    branch: headOf(into, split),
  };
}

/** Each hash covers the one before it, so comparing the last one in common compares all. */
function isSameWhereBoth(one: Log, other: Log): boolean {
  const common = Math.min(toOf(one), toOf(other));
  const from = Math.max(one.from, other.from) - 1;
  return common >= from && equalBytes(hashAt(one, common), hashAt(other, common));
}

/** The longest run from `first` that ends at a head and stays within the limits; never empty. */
function cut(replica: ReplicaId, log: Log, first: number, bytesMax: number): Run {
  const entries: Entry[] = [];
  let bytes = 0;
  let signature: Uint8Array | undefined;
  let from = first;
  for (let index = firstHeadFrom(log, first); index < log.heads.length; index++) {
    const head = log.heads[index];
    if (head === undefined) break;
    const part = log.entries.slice(from - log.from, head.seq + 1 - log.from);
    bytes += sealedBytes(part);
    const tooMuch = bytes > bytesMax || entries.length + part.length > runEntriesMax;
    if (tooMuch && signature !== undefined) break;
    for (const entry of part) entries.push(entry);
    signature = head.signature;
    from = head.seq + 1;
  }
  if (signature === undefined) throw new Error(`no head at or after seq ${first}`);
  return { replica, first, entries, signature, ...ifBranch(log.branch) };
}

/** Index of the first head at or after `seq`, by bisection. */
function firstHeadFrom(log: Log, seq: number): number {
  let low = 0;
  let high = log.heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((log.heads[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sealedBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const { body } of entries) if (body.kind === "sealed") bytes += body.sealed.length;
  return bytes;
}

const headOf = (replica: ReplicaId, log: Log): LogHead => ({
  replica,
  publicKey: log.publicKey,
  from: log.from,
  to: toOf(log),
  hash: hashAt(log, toOf(log)),
  ...ifHeldBranch(log.branch, log.base),
});

const toOf = (log: Log): number => log.from - 1 + log.entries.length;

/** Of a seq from `from` − 1 to `to`. */
const hashAt = (log: Log, seq: number): Uint8Array => log.hashes[seq - log.from] ?? log.base;

const emptyLog = (
  publicKey: Uint8Array,
  from: number,
  base: Uint8Array,
  branch: Branch | undefined,
): Log => ({
  publicKey: publicKey.slice(),
  from,
  base: base.slice(),
  entries: [],
  hashes: [],
  heads: [],
  branch: branch && { ...branch, hash: branch.hash.slice() },
});

const registerKey = (replica: ReplicaId, name: RegisterName): string => `${replica}/${name}`;

/** Newer: greater number; of equal numbers the greater body hash. */
function isNewer(register: StoredRegister, than: StoredRegister | undefined): boolean {
  if (than === undefined) return true;
  if (register.number !== than.number) return register.number > than.number;
  return compareBytes(register.bodyHash, than.bodyHash) > 0;
}

// What is kept are copies: what is given are often views of a socket's far larger buffer.

const ownEntry = ({ epoch, writer, body }: Entry): Entry => ({
  epoch,
  writer: writer.kind === "opens" ? { kind: "opens", nonce: writer.nonce.slice() } : writer,
  body:
    body.kind === "sealed"
      ? { kind: "sealed", sealed: body.sealed.slice() }
      : { kind: "hollow", hash: body.hash.slice(), length: body.length },
});

const ownRegister = (register: StoredRegister): StoredRegister => ({
  ...register,
  publicKey: register.publicKey.slice(),
  bodyHash: register.bodyHash.slice(),
  bytes: register.bytes.slice(),
});
