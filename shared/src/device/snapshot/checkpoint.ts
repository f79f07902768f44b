/**
 * A checkpoint: entries replayed from the logs, from the last manifest on, into the next one. Nothing of
 * it comes from what is in memory or in the read models: a fault there would be signed and handed on
 * for ever. Replaying goes the way of `Replica`, from reading over opening and the gate to causal
 * delivery, and says what entries do by the same table (entry-effects.ts).
 *
 * Invariants:
 *  1. The manifest follows from the entries under its vector alone: whatever order delivery took and
 *     in however many steps, its canonical digest is the same.
 *  2. Only what entries touch is opened and sealed anew; all other references are carried over.
 *  3. A step holds at most `entriesMax` delivered entries, a run of each log that waits for another,
 *     and one part at a time.
 *  4. A step that does not end in a manifest has put nothing but blobs nobody names.
 */
import { equalBytes } from "../../bytes/bytes.ts";
import { isMalformed, type Malformed } from "../../bytes/malformed.ts";
import { orderKey } from "../../chat/order-key.ts";
import { sortBatch } from "../../chat/segment.ts";
import { seqOf, type VersionVector } from "../../clock/version-vector.ts";
import { compareStamps } from "../../crdt/crdt.ts";
import type { Message } from "../../crdt/op/channel.ts";
import type { Keyring } from "../../crypto/keyring.ts";
import {
  type Blob,
  objectBytesMax,
  objectKeyBytes,
  type ObjectRef,
  openObject,
  sealObject,
} from "../../crypto/sealed-object.ts";
import type { Random } from "../../env.ts";
import type { BlobId, DocumentId, EpochId, ReplicaId } from "../../id/id.ts";
import { type Branch, ifBranch, signerOf } from "../../log/branch.ts";
import { chainHashes, zeroHash } from "../../log/chain.ts";
import { DamagedEntries } from "../../log/damage.ts";
import { lastSeq, type Run } from "../../log/entry.ts";
import type { LogHead } from "../../log/store.ts";
import { parentOf } from "../branch-parent.ts";
import { type DeliveredEntry, Delivery, readyOf } from "../delivery.ts";
import { effectsOf, placedIn } from "../entry-effects.ts";
import type { Gate } from "../gate.ts";
import { type ChannelCounts, counted } from "../message-rows.ts";
import { openEntries } from "../opening.ts";
import type { Dependency, ReadyEntry } from "../store.ts";
import type { TailUpdate } from "../tail-rows.ts";
import { cutIn, type CutLimits } from "./channel-segments.ts";
import {
  decodeMessages,
  decodeOperations,
  decodeSessions,
  encodeMessages,
  encodeOperations,
  encodeSessions,
  type SnapshotOperation,
} from "./contents.ts";
import {
  appliedStateOf,
  type ChannelPart,
  compareParts,
  type EnginePart,
  type Manifest,
  type ManifestBranch,
  type ManifestLog,
  messagesIn,
  type OperationsPart,
  type Part,
  partDigest,
  type SegmentPart,
  type Stored,
} from "./manifest.ts";

/** A document of an engine, after more updates. */
export interface EngineState {
  /** In the engine's own form. */
  readonly bytes: Uint8Array;
  /** 32 bytes: equal for equal documents, however they came to be. */
  readonly digest: Uint8Array;
}

/** The engines of documents: engines.ts has them, and loads them. */
export interface SnapshotEngines {
  /**
   * The document `snapshot` (undefined: a new one) with `updates`, which are in causal order, in it.
   * What waits for its past or is void stays so as in any other load. Undefined if the document is
   * damaged: then no state of it can be told.
   */
  advance(
    document: DocumentId,
    snapshot: Uint8Array | undefined,
    updates: readonly TailUpdate[],
  ): Promise<EngineState | undefined>;
}

/** The logs of one space. */
export interface ReplayedLogs {
  heads(): Promise<readonly LogHead[]>;
  read(replica: ReplicaId, first: number, bytesMax: number): Promise<Run | undefined>;
  hashes(replica: ReplicaId, first: number, last: number): Promise<readonly Uint8Array[]>;
}

/** Sealed pieces on this device. */
export interface SnapshotBlobs {
  get(id: BlobId): Promise<Uint8Array | undefined>;
  put(blobs: readonly Blob[]): Promise<void>;
}

export interface CheckpointPorts {
  readonly log: ReplayedLogs;
  readonly blobs: SnapshotBlobs;
  readonly keyring: Keyring;
  readonly gate: Pick<Gate, "admitted" | "examine">;
  readonly engines: SnapshotEngines;
  readonly random: Random;
  /** Others only where tests cut small channels. */
  readonly cutLimits?: CutLimits;
}

/** Why a log's next entry cannot be replayed. */
export interface StuckLog {
  readonly replica: ReplicaId;
  /** Of its next entry. */
  readonly seq: number;
  readonly because:
    /** It waits for an entry of a log that is stuck, for an unknown one, or beyond the target. */
    | { readonly kind: "past" }
    | { readonly kind: "not admitted" }
    | { readonly kind: "unknown epoch"; readonly epoch: EpochId }
    /** The device does not hold it. */
    | { readonly kind: "not held" }
    | { readonly kind: "damaged"; readonly last: number }
    /** What the device holds does not continue the manifest's log. */
    | { readonly kind: "fork" };
}

export type Advance =
  /** Further than `base`; call again if that is not the target yet. */
  | { readonly kind: "advanced"; readonly manifest: Manifest }
  /** Not one more entry can be replayed now. */
  | { readonly kind: "stuck"; readonly logs: readonly StuckLog[] }
  /** Blobs of `base` are not here: get them, or begin without a base. */
  | { readonly kind: "lacking"; readonly ids: readonly BlobId[] }
  /** An object of `base` is not what its manifest says: begin without a base. */
  | { readonly kind: "unusable"; readonly reason: string }
  /** The engine cannot load or make this document. */
  | { readonly kind: "damaged"; readonly document: DocumentId }
  /** What is kept of it no longer fits an object. */
  | { readonly kind: "too large"; readonly document: DocumentId | undefined };

/** Of one run that is read: what may wait for its past is a run of each log. */
const runBytes = 65_536;

/**
 * Replays at most `entriesMax` entries after `base` (undefined: from the first) and up to `target`. Ends
 * at any causally closed cut. With the target reached, or none after it, the manifest is `base`'s equal.
 */
export async function advance(
  ports: CheckpointPorts,
  base: Manifest | undefined,
  target: VersionVector,
  entriesMax: number,
): Promise<Advance> {
  try {
    return await new Step(ports, base).run(target, entriesMax);
  } catch (error) {
    if (error instanceof Halt) return error.outcome;
    throw error;
  }
}

/** Ends a step from within; `advance` makes it a value. */
class Halt extends Error {
  readonly outcome: Advance;

  constructor(outcome: Advance) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

class Step {
  readonly #ports: CheckpointPorts;
  readonly #base: Manifest | undefined;
  readonly #delivery: Delivery;
  /** Session nonces: those under the manifest, and by log also those of what waits or was inherited. */
  readonly #sessions = new Map<ReplicaId, Map<number, Uint8Array>>();
  readonly #nonces = new Map<ReplicaId, Map<number, Uint8Array>>();
  /** Logs that are branches, as far as it is known which log they left. */
  readonly #branches = new Map<ReplicaId, ManifestBranch>();
  /** Hash of the newest entry that was read, by log. */
  readonly #hashes = new Map<ReplicaId, Uint8Array>();
  readonly #stuck = new Map<ReplicaId, StuckLog["because"]>();

  constructor(ports: CheckpointPorts, base: Manifest | undefined) {
    this.#ports = ports;
    this.#base = base;
    const applied = appliedStateOf(base ?? { logs: [], frontier: [], lamport: 0 }, 0);
    this.#delivery = new Delivery(applied, (replica) => ports.gate.admitted(replica));
    for (const { replica, hash, branch } of base?.logs ?? []) {
      this.#hashes.set(replica, hash);
      if (branch !== undefined) this.#branches.set(replica, branch);
      this.#delivery.know(replica, branch);
    }
  }

  async run(target: VersionVector, entriesMax: number): Promise<Advance> {
    const sessions = this.#base && (await this.#open(this.#base.sessions));
    for (const [replica, nonces] of sessions ? this.#read(decodeSessions(sessions)) : []) {
      this.#sessions.set(replica, nonces);
    }
    const heads = new Map((await this.#ports.log.heads()).map((head) => [head.replica, head]));
    const delivered = await this.#replay(heads, target, entriesMax);
    const isThere = [...target].every(([replica, seq]) => this.#delivery.appliedTo(replica) >= seq);
    if (delivered.length === 0 && !isThere) return { kind: "stuck", logs: this.#stuckLogs(target) };
    return { kind: "advanced", manifest: await this.#fold(delivered, heads) };
  }

  // Replaying

  async #replay(
    heads: ReadonlyMap<ReplicaId, LogHead>,
    target: VersionVector,
    entriesMax: number,
  ): Promise<DeliveredEntry[]> {
    const delivery = this.#delivery;
    const delivered: DeliveredEntry[] = [];
    const replicas = [...target.keys()].sort();
    for (const replica of replicas) delivery.know(replica, heads.get(replica)?.branch);
    let progress = true;
    while (progress && delivered.length < entriesMax) {
      progress = false;
      for (const replica of replicas) {
        const last = seqOf(target, replica);
        const isNext = delivery.waiting(replica) === 0 && delivery.appliedTo(replica) < last;
        if (isNext && (await this.#load(replica, heads, last))) progress = true;
        const now = delivery.take(entriesMax - delivered.length);
        if (now.length > 0) progress = true;
        delivered.push(...now);
        if (delivered.length >= entriesMax) break;
      }
    }
    return delivered;
  }

  /** Reads, opens and examines a log's next run; false if there is none. */
  async #load(
    replica: ReplicaId,
    heads: ReadonlyMap<ReplicaId, LogHead>,
    last: number,
  ): Promise<boolean> {
    if (this.#stuck.has(replica)) return false;
    const head = heads.get(replica);
    if (head?.branch !== undefined && !(await this.#isRooted(head, head.branch, heads))) {
      return false;
    }
    const first = this.#delivery.appliedTo(replica) + 1;
    const read = await this.#readRun(replica, head, first);
    if (read === undefined) return false;
    const { run, previous } = read;
    const entries = run.entries.slice(0, last - first + 1);
    const { keyring, gate } = this.#ports;
    const hashes = chainHashes(keyring.suite, keyring.space, run, previous);
    if (head?.to === lastSeq(run) && !equalBytes(head.hash, hashes.at(-1) ?? zeroHash)) {
      return this.#halted(replica, { kind: "fork" });
    }
    const nonces = this.#noncesOf(replica);
    // What the base does not name as a session is none: the manifest covers all entries before.
    const opening = { keyring, sessionNonce: async () => undefined };
    const hashed = { replica, first, entries, previous, hashes, ...ifBranch(run.branch) };
    const { opened, unknownEpoch } = await openEntries(opening, hashed, nonces);
    await gate.examine(opened);
    for (const entry of opened) this.#delivery.add(entry);
    const newest = opened.at(-1);
    if (newest !== undefined) this.#hashes.set(replica, newest.hash);
    if (unknownEpoch !== undefined) {
      this.#stuck.set(replica, { kind: "unknown epoch", epoch: unknownEpoch });
    }
    return opened.length > 0;
  }

  /**
   * A branch comes after what it has in common with the log that it left, and after the first entry of
   * its key's own log, which manifests name it by.
   */
  async #isRooted(
    head: LogHead,
    branch: Branch,
    heads: ReadonlyMap<ReplicaId, LogHead>,
  ): Promise<boolean> {
    const { replica } = head;
    const { signer, seq, hash } = branch;
    if (!this.#branches.has(replica)) {
      const parent = seq === 1 ? undefined : await this.#parentOf(head, seq, heads);
      if (seq > 1 && parent === undefined) return false;
      this.#branches.set(replica, { signer, seq, hash, parent });
    }
    const parent = this.#branches.get(replica)?.parent;
    const isThere = parent === undefined || this.#delivery.appliedTo(parent) >= seq - 1;
    return isThere && this.#delivery.appliedTo(signer) > 0;
  }

  async #parentOf(
    head: LogHead,
    seq: number,
    heads: ReadonlyMap<ReplicaId, LogHead>,
  ): Promise<ReplicaId | undefined> {
    const { log } = this.#ports;
    const kin = [...heads.values()].filter((each) => signerOf(each) === signerOf(head));
    try {
      return await parentOf(head.replica, seq, kin, (...range) => log.hashes(...range));
    } catch (error) {
      if (error instanceof DamagedEntries) return undefined;
      throw error;
    }
  }

  /** Of a branch also those which it has of the logs before it. */
  #noncesOf(replica: ReplicaId): Map<number, Uint8Array> {
    const known = this.#nonces.get(replica);
    if (known !== undefined) return known;
    const nonces = new Map<number, Uint8Array>();
    const branch = this.#branches.get(replica);
    const before = branch?.parent === undefined ? [] : this.#noncesOf(branch.parent);
    for (const [seq, nonce] of before) if (seq < (branch?.seq ?? 0)) nonces.set(seq, nonce);
    for (const [seq, nonce] of this.#sessions.get(replica) ?? []) nonces.set(seq, nonce);
    this.#nonces.set(replica, nonces);
    return nonces;
  }

  async #readRun(
    replica: ReplicaId,
    head: LogHead | undefined,
    first: number,
  ): Promise<{ readonly run: Run; readonly previous: Uint8Array } | undefined> {
    const { log } = this.#ports;
    if (head === undefined || first < head.from || first > head.to) {
      this.#halted(replica, { kind: "not held" });
      return undefined;
    }
    try {
      const known = this.#hashes.get(replica);
      const [held] = first > 1 ? await log.hashes(replica, first - 1, first - 1) : [];
      if (held !== undefined && known !== undefined && !equalBytes(held, known)) {
        this.#halted(replica, { kind: "fork" });
        return undefined;
      }
      const run = await log.read(replica, first, runBytes);
      const previous = known ?? (first === 1 ? zeroHash : held);
      if (run !== undefined && previous !== undefined) return { run, previous };
      this.#halted(replica, { kind: "not held" });
      return undefined;
    } catch (error) {
      if (!(error instanceof DamagedEntries)) throw error;
      this.#halted(replica, { kind: "damaged", last: error.last });
      return undefined;
    }
  }

  #halted(replica: ReplicaId, because: StuckLog["because"]): false {
    this.#stuck.set(replica, because);
    return false;
  }

  #stuckLogs(target: VersionVector): StuckLog[] {
    const logs: StuckLog[] = [];
    for (const [replica, last] of target) {
      const seq = this.#delivery.appliedTo(replica) + 1;
      if (seq > last) continue;
      const reason = this.#stuck.get(replica) ?? {
        kind: this.#ports.gate.admitted(replica) ? ("past" as const) : ("not admitted" as const),
      };
      logs.push({ replica, seq, because: reason });
    }
    return logs;
  }

  // Folding

  async #fold(
    delivered: readonly DeliveredEntry[],
    heads: ReadonlyMap<ReplicaId, LogHead>,
  ): Promise<Manifest> {
    const base = this.#base;
    if (base !== undefined && delivered.length === 0) return base;
    const clocks = new Map<ReplicaId, number>();
    for (const { replica, timeMs } of base?.logs ?? []) {
      if (timeMs !== undefined) clocks.set(replica, timeMs);
    }
    // Nobody is shown what is replayed: when it was applied does not matter.
    const entries = delivered.map((each) => readyOf(each, 0));
    const effects = effectsOf(placedIn(entries, clocks));
    const parts = new Map((base?.parts ?? []).map((part) => [nameOf(part), part]));
    const put = (part: Part) => parts.set(nameOf(part), part);
    const held = <Kind extends Part["kind"]>(kind: Kind, document: DocumentId) =>
      parts.get(nameOf({ kind, document })) as Extract<Part, { kind: Kind }> | undefined;

    for (const [document, messages] of effects.messages) {
      put(await this.#foldChannel(document, held("channel", document), messages));
    }
    for (const [document, updates] of effects.updates) {
      put(await this.#foldEngine(document, held("engine", document), updates));
    }
    for (const kind of ["operations", "parked"] as const) {
      for (const [document, operations] of effects[kind]) {
        put(await this.#foldOperations(kind, document, held(kind, document), operations));
      }
    }
    const { frontier, lamport } = this.#delivery.state;
    const logs = this.#logs(entries, heads, clocks);
    return {
      space: this.#ports.keyring.space,
      logs,
      frontier: frontierOf(logs, frontier),
      lamport,
      sessions: await this.#foldSessions(entries),
      parts: [...parts.values()].sort(compareParts),
    };
  }

  #logs(
    entries: readonly ReadyEntry[],
    heads: ReadonlyMap<ReplicaId, LogHead>,
    clocks: ReadonlyMap<ReplicaId, number>,
  ): ManifestLog[] {
    const logs = new Map((this.#base?.logs ?? []).map((log) => [log.replica, log]));
    for (const { replica, seq, hash } of entries) {
      const publicKey = (logs.get(replica) ?? heads.get(replica))?.publicKey;
      if (publicKey === undefined) throw new Error(`the log of ${replica} has no key`);
      const branch = this.#branches.get(replica);
      const log = { replica, publicKey, seq, hash, timeMs: clocks.get(replica) };
      logs.set(replica, branch === undefined ? log : { ...log, branch });
    }
    return [...logs.values()].sort((a, b) => (a.replica < b.replica ? -1 : 1));
  }

  async #foldSessions(entries: readonly ReadyEntry[]): Promise<Stored> {
    let opened = 0;
    for (const { replica, seq, openedAt, nonces } of entries) {
      const nonce = openedAt === seq ? nonces.get(seq) : undefined;
      if (nonce === undefined) continue;
      const known = this.#sessions.get(replica) ?? new Map<number, Uint8Array>();
      this.#sessions.set(replica, known.set(seq, nonce));
      opened++;
    }
    const held = this.#base?.sessions;
    if (held !== undefined && opened === 0) return held;
    return this.#seal(undefined, encodeSessions(this.#sessions));
  }

  async #foldChannel(
    document: DocumentId,
    held: ChannelPart | undefined,
    batch: readonly Message[],
  ): Promise<ChannelPart> {
    const messages = sortBatch(batch);
    const { suite } = this.#ports.keyring;
    const segments = await cutIn<SegmentPart>(
      {
        suite,
        open: async (segment) => this.#read(decodeMessages(await this.#open(segment))),
        make: async (piece) => {
          const [first] = piece;
          if (first === undefined) throw new Error("a segment without messages");
          const stored = await this.#seal(document, encodeMessages(piece));
          return { first: orderKey(first), count: piece.length, ...stored };
        },
        ...(this.#ports.cutLimits && { limits: this.#ports.cutLimits }),
      },
      held?.segments ?? [],
      messages,
    );
    const before: ChannelCounts | undefined = held && { ...held, count: messagesIn(held) };
    const { newest, authors } = counted(before, messages);
    return { kind: "channel", document, newest, authors, segments };
  }

  async #foldEngine(
    document: DocumentId,
    held: EnginePart | undefined,
    updates: readonly TailUpdate[],
  ): Promise<EnginePart> {
    const snapshot = held && (await this.#open(held));
    const state = await this.#ports.engines.advance(document, snapshot, updates);
    if (state === undefined) throw new Halt({ kind: "damaged", document });
    const vector = new Map(held?.vector);
    // Of branches of one key, whichever came last: the one that reaches furthest counts.
    for (const { id } of updates) {
      vector.set(id.replica, Math.max(id.seq, seqOf(vector, id.replica)));
    }
    // The same document, if nothing of it came through: its object is as good as a new one.
    const isSame = held !== undefined && equalBytes(held.digest, state.digest);
    const object = isSame ? held.object : await this.#sealObject(document, state.bytes);
    return { kind: "engine", document, vector, digest: state.digest, object };
  }

  async #foldOperations(
    kind: OperationsPart["kind"],
    document: DocumentId,
    held: OperationsPart | undefined,
    operations: readonly SnapshotOperation[],
  ): Promise<OperationsPart> {
    const replicas = [...this.#delivery.state.vector.keys()];
    const before = held ? this.#read(decodeOperations(await this.#open(held), replicas)) : [];
    const all = [...before, ...operations].sort(compareStamps);
    return { kind, document, ...(await this.#seal(document, encodeOperations(all))) };
  }

  // Objects

  #read<Content>(content: Content | Malformed): Content {
    if (!isMalformed(content)) return content as Content;
    throw new Halt({ kind: "unusable", reason: content.message });
  }

  async #open({ object }: Stored): Promise<Uint8Array> {
    const { blobs, keyring } = this.#ports;
    const opened = await openObject(keyring.suite, object, (id) => blobs.get(id));
    if (opened === "void") throw new Halt({ kind: "unusable", reason: "an object is void" });
    if ("kind" in opened) throw new Halt(opened);
    return opened;
  }

  async #seal(document: DocumentId | undefined, plain: Uint8Array): Promise<Stored> {
    const digest = partDigest(this.#ports.keyring.suite, plain);
    return { digest, object: await this.#sealObject(document, plain) };
  }

  async #sealObject(document: DocumentId | undefined, plain: Uint8Array): Promise<ObjectRef> {
    if (plain.length > objectBytesMax) throw new Halt({ kind: "too large", document });
    const { keyring, random, blobs } = this.#ports;
    const key = random.bytes(objectKeyBytes);
    const { ref, blobs: pieces } = await sealObject(keyring.suite, key, plain);
    await blobs.put(pieces);
    return ref;
  }
}

/**
 * Where a log has forked, which of its branches fulfilled a dependency goes by the order of delivery;
 * that they are all in it depends on nothing but the vector (invariant 1).
 */
function frontierOf(
  logs: readonly ManifestLog[],
  maximal: readonly Dependency[],
): readonly Dependency[] {
  const forked = new Set(logs.flatMap(({ branch }) => branch?.signer ?? []));
  const frontier = new Map(maximal.map(({ replica, seq }) => [replica, seq]));
  for (const log of logs) if (forked.has(signerOf(log))) frontier.set(log.replica, log.seq);
  return [...frontier]
    .map(([replica, seq]) => ({ replica, seq }))
    .sort((a, b) => (a.replica < b.replica ? -1 : 1));
}

const nameOf = ({ kind, document }: Pick<Part, "kind" | "document">): string =>
  `${document} ${kind}`;
