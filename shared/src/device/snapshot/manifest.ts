/**
 * A manifest: what the entries of a space up to a vector add up to, as references to sealed objects
 * (docs/protocol.md section 12.3). A device that knows its members begins with one instead of with the
 * entries; one that holds the entries makes it again and compares the canonical digest. After the
 * manifests of OCI images and of Perkeep: a small list of names by which the large things are known.
 *
 * Invariants:
 *  1. Equal entries, equal digest: it covers what documents mean, and neither keys, places and sizes of
 *     objects nor the way in which an engine happens to spell its state.
 *  2. Everything a manifest names by a place lies within its own logs: it is closed under causality as
 *     far as bytes can tell.
 */
import { Malformed } from "../../bytes/malformed.ts";
import { decode, type Reader } from "../../bytes/reader.ts";
import { Writer } from "../../bytes/writer.ts";
import { type OrderKey, orderKey, stampOfKey } from "../../chat/order-key.ts";
import type { VersionVector } from "../../clock/version-vector.ts";
import type { Stamp } from "../../crdt/crdt.ts";
import { type ObjectRef, readObjectRef, writeObjectRef } from "../../crypto/sealed-object.ts";
import {
  type BlobId,
  bytesOfId,
  documentId,
  type DocumentId,
  idBytes,
  type ReplicaId,
  type SpaceTag,
  spaceTag,
} from "../../id/id.ts";
import { type Branch, branchIdOf, ownFirst, signerOf } from "../../log/branch.ts";
import { hashBytes } from "../../log/entry.ts";
import { lamportMax, operationsMax } from "../../log/plain.ts";
import { publicKeyBytes, replicaIdOf } from "../../log/replica-key.ts";
import type { VerifyingSuite } from "../../log/suite.ts";
import { limits } from "../../protocol/limits.ts";
import { type AuthorCounts, newestSeqsMax } from "../message-rows.ts";
import type { AppliedState, Dependency } from "../store.ts";

/** What a log comes to at the manifest's vector. */
export interface ManifestLog {
  readonly replica: ReplicaId;
  readonly publicKey: Uint8Array;
  /** From 1. */
  readonly seq: number;
  /** Of entry `seq`. */
  readonly hash: Uint8Array;
  /** The log's last known wall clock. */
  readonly timeMs: number | undefined;
  /** Where the log is a branch of another. */
  readonly branch?: ManifestBranch;
}

export interface ManifestBranch extends Branch {
  /** The log of the entry before its first; undefined if that is the very first of all. */
  readonly parent: ReplicaId | undefined;
}

/** Something that stands elsewhere, with the hash of what it means (invariant 1). */
export interface Stored {
  readonly digest: Uint8Array;
  readonly object: ObjectRef;
}

export interface SegmentPart extends Stored {
  /** Of its first message. */
  readonly first: OrderKey;
  readonly count: number;
}

export interface ChannelPart {
  readonly kind: "channel";
  readonly document: DocumentId;
  readonly newest: OrderKey;
  readonly authors: ReadonlyMap<ReplicaId, AuthorCounts>;
  /** In order, never none; each reaches up to where the next begins. */
  readonly segments: readonly SegmentPart[];
}

/** A note or the catalog. The digest is its canonical state's, as its engine tells. */
export interface EnginePart extends Stored {
  readonly kind: "engine";
  readonly document: DocumentId;
  /** Of each replica the last entry whose update is in it. */
  readonly vector: VersionVector;
}

/** Operations kept whole, or those of kinds that nobody knew. */
export interface OperationsPart extends Stored {
  readonly kind: "operations" | "parked";
  readonly document: DocumentId;
}

export type Part = ChannelPart | EnginePart | OperationsPart;

export interface Manifest {
  readonly space: SpaceTag;
  /** By ascending replica. */
  readonly logs: readonly ManifestLog[];
  /**
   * The entries that no other one here implies, by ascending replica; where a log has forked also the
   * last ones of its branches, for a dependency does not say which of them it means.
   */
  readonly frontier: readonly Dependency[];
  readonly lamport: number;
  /** The nonces of all writer sessions. */
  readonly sessions: Stored;
  /** By ascending document, then kind. */
  readonly parts: readonly Part[];
}

/** The second names branches; without one the first is written, so that there is one form for each. */
const formats = { plain: 1, branched: 2 } as const;
const kindNumbers = { channel: 1, engine: 2, operations: 3, parked: 4 } as const;
const labels = { manifest: "skein/manifest/1", part: "skein/manifest-part/1" } as const;

/** Nobody takes more of others; whoever has some of their own has a few beside. */
const logsOfKeyMax = 2 * limits.branchesMax;
/** Documents with something in them, times their kinds of parts. */
const partsMax = 262_144;
/** A channel of some sixty million messages. */
const segmentsMax = 65_536;

// What others ask of it

export const vectorOf = ({ logs }: Pick<Manifest, "logs">): VersionVector =>
  new Map(logs.map(({ replica, seq }) => [replica, seq]));

/** The state of delivery once everything under the manifest is applied. */
export const appliedStateOf = (
  { logs, frontier, lamport }: Pick<Manifest, "logs" | "frontier" | "lamport">,
  version: number,
): AppliedState => ({ version, vector: vectorOf({ logs }), frontier, lamport });

/** Encoded: whoever is told of one loads it whole before anything of it can be checked. */
export const manifestBytesMax = 16 * 1024 * 1024;

/** How far its logs come, together. What a branch has in common with others is counted in each. */
export const entriesIn = ({ logs }: Pick<Manifest, "logs">): number =>
  logs.reduce((sum, { seq }) => sum + seq, 0);

export const messagesIn = ({ segments }: ChannelPart): number =>
  segments.reduce((sum, { count }) => sum + count, 0);

/** Every blob by which the manifest's objects stand, each as often as it is named. */
export function* blobsOf(manifest: Manifest): Generator<BlobId> {
  yield* manifest.sessions.object.chunks;
  for (const part of manifest.parts) {
    if (part.kind !== "channel") yield* part.object.chunks;
    else for (const { object } of part.segments) yield* object.chunks;
  }
}

/** The digest of a part whose object is canonical as it is: all but those of engines. */
export const partDigest = (suite: VerifyingSuite, plain: Uint8Array): Uint8Array<ArrayBuffer> =>
  suite.hash(labels.part, plain);

/** 32 bytes: equal for whoever has replayed the same entries (invariant 1). */
export const canonicalDigest = (
  suite: VerifyingSuite,
  manifest: Manifest,
): Uint8Array<ArrayBuffer> => {
  const writer = new Writer(4_096);
  write(writer, manifest, (to, { digest }) => to.fixed(digest, hashBytes));
  return suite.hash(labels.manifest, writer.finish());
};

/** By document, then kind: the order of parts. */
export const compareParts = (a: Part, b: Part): number =>
  a.document === b.document
    ? kindNumbers[a.kind] - kindNumbers[b.kind]
    : a.document < b.document
      ? -1
      : 1;

// Its bytes

export function encodeManifest(manifest: Manifest): Uint8Array<ArrayBuffer> {
  const writer = new Writer(4_096);
  write(writer, manifest, (to, { digest, object }) =>
    writeObjectRef(to.fixed(digest, hashBytes), object),
  );
  return writer.finish();
}

type WriteStored = (to: Writer, stored: Stored) => unknown;

function write(writer: Writer, manifest: Manifest, stored: WriteStored): void {
  const { space, logs, frontier, lamport, sessions, parts } = manifest;
  const places = new Map(logs.map(({ replica }, place) => [replica, place]));
  const placeOf = (replica: ReplicaId): number => {
    const place = places.get(replica);
    if (place === undefined) throw new Error(`a manifest without the log of ${replica}`);
    return place;
  };
  const isBranched = logs.some(({ branch }) => branch !== undefined);
  writer.u8(isBranched ? formats.branched : formats.plain).raw(bytesOfId(space));
  writer.list(logs, (to, { publicKey, seq, hash, timeMs, branch }) => {
    to.fixed(publicKey, publicKeyBytes).varint(seq).fixed(hash, hashBytes);
    writeTime(to, timeMs);
    if (!isBranched) return;
    to.u8(branch === undefined ? 0 : 1);
    if (branch === undefined) return;
    to.varint(branch.seq).fixed(branch.hash, hashBytes);
    if (branch.parent !== undefined) to.varint(placeOf(branch.parent));
  });
  writer.list(frontier, (to, { replica, seq }) => to.varint(placeOf(replica)).varint(seq));
  writer.varint(lamport);
  stored(writer, sessions);
  const writeKey = (to: Writer, key: OrderKey) => {
    const { id, lamport: time } = stampOfKey(key);
    to.varint(time).varint(placeOf(id.replica)).varint(id.seq).u8(id.index);
  };
  writer.list(parts, (to, part) => {
    to.raw(bytesOfId(part.document)).u8(kindNumbers[part.kind]);
    switch (part.kind) {
      case "channel":
        writeKey(to, part.newest);
        to.list(byReplica(part.authors), (at, [replica, { count, seqs }]) =>
          at
            .varint(placeOf(replica))
            .varint(count)
            .list(seqs, (each, seq) => each.varint(seq)),
        );
        to.list(part.segments, (at, segment) => {
          writeKey(at, segment.first);
          at.varint(segment.count);
          stored(at, segment);
        });
        break;
      case "engine":
        to.list(byReplica(part.vector), (at, [replica, seq]) =>
          at.varint(placeOf(replica)).varint(seq),
        );
        stored(to, part);
        break;
      case "operations":
      case "parked":
        stored(to, part);
        break;
    }
  });
}

/** A wall clock that may not be known: `u8 0`, or `u8 1 ‖ ms varint`. */
export function writeTime(to: Writer, timeMs: number | undefined): void {
  if (timeMs === undefined) to.u8(0);
  else to.u8(1).varint(timeMs);
}

export function readTime(reader: Reader): number | undefined {
  const known = reader.u8();
  if (known > 1) throw new Malformed(`a time of kind ${known}`);
  return known === 0 ? undefined : reader.varint();
}

const byReplica = <Value>(map: ReadonlyMap<ReplicaId, Value>): [ReplicaId, Value][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

/** What a stranger handed over; keeps nothing of `bytes`. */
export const decodeManifest = (
  suite: VerifyingSuite,
  space: SpaceTag,
  bytes: Uint8Array,
): Manifest | Malformed =>
  decode(bytes, (reader) => {
    const format = reader.u8();
    if (format !== formats.plain && format !== formats.branched) {
      throw new Malformed(`a manifest of format ${format}`, "version");
    }
    if (spaceTag(reader.raw(idBytes.space)) !== space) {
      throw new Malformed("a manifest of another space");
    }
    const logs = readLogs(suite, reader, format);
    assertAscending(logs, ({ replica: a }, { replica: b }) => compareText(a, b), "logs");
    const places = new Places(logs);
    const frontier = reader.list(limits.logsMax, (from) => places.entry(from));
    assertAscending(frontier, (a, b) => compareText(a.replica, b.replica), "frontier");
    const lamport = reader.varint();
    if (lamport > lamportMax) throw new Malformed("Lamport time above 2^48");
    const sessions = readStored(reader);
    const parts = reader.list(partsMax, (from) => readPart(from, places, lamport));
    assertAscending(parts, compareParts, "parts");
    return { space, logs, frontier, lamport, sessions, parts };
  });

function readLogs(suite: VerifyingSuite, reader: Reader, format: number): ManifestLog[] {
  const read = reader.list(limits.logsMax, (from) => readLog(suite, from, format));
  const logs = read.map(({ log }) => log);
  if (format === formats.plain) return logs;
  if (logs.every(({ branch }) => branch === undefined)) throw new Malformed("it names no branch");
  const counts = new Map<ReplicaId, number>();
  for (const log of logs) {
    const count = (counts.get(signerOf(log)) ?? 0) + 1;
    if (count > logsOfKeyMax) throw new Malformed("more branches of one key than anybody takes");
    counts.set(signerOf(log), count);
  }
  return read.map(({ log, parentAt }) => {
    if (log.branch === undefined || parentAt === undefined) return log;
    const parent = logs[parentAt];
    if (parent === undefined || !isParent(parent, log.branch)) {
      throw new Malformed("a branch of something else");
    }
    return { ...log, branch: { ...log.branch, parent: parent.replica } };
  });
}

/** Whether that is a log of the same key which has the entry before the branch as its own. */
const isParent = (parent: ManifestLog, { signer, seq }: Branch): boolean =>
  signerOf(parent) === signer && ownFirst(parent.branch) < seq && parent.seq >= seq - 1;

interface ReadLog {
  readonly log: ManifestLog;
  readonly parentAt: number | undefined;
}

function readLog(suite: VerifyingSuite, reader: Reader, format: number): ReadLog {
  const publicKey = reader.raw(publicKeyBytes).slice();
  const seq = reader.varint();
  if (seq === 0) throw new Malformed("a log without an entry");
  if (seq === Number.MAX_SAFE_INTEGER) throw new Malformed("a log that cannot go on");
  const hash = reader.raw(hashBytes).slice();
  const signer = replicaIdOf(suite, publicKey);
  const log = { replica: signer, publicKey, seq, hash, timeMs: readTime(reader) };
  const isBranch = format === formats.plain ? 0 : reader.u8();
  if (isBranch > 1) throw new Malformed(`a branch of kind ${isBranch}`);
  if (isBranch === 0) return { log, parentAt: undefined };
  const first = reader.varint();
  if (first === 0 || first > seq) throw new Malformed(`a branch from ${first} on, of ${seq}`);
  const branch = { signer, seq: first, hash: reader.raw(hashBytes).slice() };
  return {
    log: { ...log, replica: branchIdOf(suite, branch), branch: { ...branch, parent: undefined } },
    parentAt: first === 1 ? undefined : reader.varint(),
  };
}

const readStored = (reader: Reader): Stored => ({
  digest: reader.raw(hashBytes).slice(),
  object: readObjectRef(reader),
});

/** The logs by their places, and what may be said of them (invariant 2). */
class Places {
  readonly #logs: readonly ManifestLog[];
  /** How far the logs of each key come. */
  readonly #farthest = new Map<ReplicaId, number>();

  constructor(logs: readonly ManifestLog[]) {
    this.#logs = logs;
    for (const log of logs) {
      const signer = signerOf(log);
      this.#farthest.set(signer, Math.max(log.seq, this.#farthest.get(signer) ?? 0));
    }
  }

  /** An engine knows its peers by the key: an update may be of any branch. */
  update(reader: Reader): Dependency {
    const log = this.log(reader);
    return this.#upTo(reader, log.replica, this.#farthest.get(signerOf(log)) ?? 0);
  }

  entry(reader: Reader): Dependency {
    const { replica, seq } = this.log(reader);
    return this.#upTo(reader, replica, seq);
  }

  #upTo(reader: Reader, replica: ReplicaId, last: number): Dependency {
    const seq = reader.varint();
    if (seq === 0 || seq > last) throw new Malformed(`entry ${seq} of a log of ${last}`);
    return { replica, seq };
  }

  log(reader: Reader): ManifestLog {
    const place = reader.varint();
    const log = this.#logs[place];
    if (log === undefined) throw new Malformed(`log ${place} of ${this.#logs.length}`);
    return log;
  }

  key(reader: Reader, lamportMost: number): OrderKey {
    const lamport = reader.varint();
    if (lamport > lamportMost) throw new Malformed("a time beyond the manifest's");
    const { replica, seq } = this.entry(reader);
    const stamp: Stamp = { id: { replica, seq, index: reader.u8() }, lamport };
    return orderKey(stamp);
  }
}

function readPart(reader: Reader, places: Places, lamport: number): Part {
  const document = documentId(reader.raw(idBytes.document));
  const kind = reader.u8();
  switch (kind) {
    case kindNumbers.channel:
      return readChannel(reader, document, places, lamport);
    case kindNumbers.engine: {
      const rows = reader.list(limits.logsMax, (from) => places.update(from));
      assertAscending(rows, (a, b) => compareText(a.replica, b.replica), "authors");
      const vector = new Map(rows.map(({ replica, seq }) => [replica, seq]));
      return { kind: "engine", document, vector, ...readStored(reader) };
    }
    case kindNumbers.operations:
      return { kind: "operations", document, ...readStored(reader) };
    case kindNumbers.parked:
      return { kind: "parked", document, ...readStored(reader) };
    default:
      throw new Malformed(`a part of kind ${kind}`);
  }
}

function readChannel(
  reader: Reader,
  document: DocumentId,
  places: Places,
  lamport: number,
): ChannelPart {
  const newest = places.key(reader, lamport);
  const rows = reader.list(limits.logsMax, (from) => readAuthor(from, places));
  assertAscending(rows, ([a], [b]) => compareText(a, b), "authors");
  const segments = reader.list(segmentsMax, (from) => {
    const first = places.key(from, lamport);
    const count = from.varint();
    if (count === 0) throw new Malformed("a segment without messages");
    return { first, count, ...readStored(from) };
  });
  assertAscending(segments, (a, b) => compareText(a.first, b.first), "segments");
  const last = segments.at(-1);
  if (last === undefined || last.first > newest)
    throw new Malformed("a channel without its newest");
  const part: ChannelPart = { kind: "channel", document, newest, authors: new Map(rows), segments };
  const written = rows.reduce((sum, [, { count }]) => sum + count, 0);
  if (written !== messagesIn(part)) throw new Malformed("as many messages as nobody wrote");
  return part;
}

function readAuthor(reader: Reader, places: Places): readonly [ReplicaId, AuthorCounts] {
  const { replica, seq: last } = places.log(reader);
  const count = reader.varint();
  const seqs = reader.list(newestSeqsMax, (from) => from.varint());
  // Each entry holds a few messages: the same seq may stand here more than once.
  const isInOrder = seqs.every((seq, at) => seq > 0 && seq <= last && seq >= (seqs[at - 1] ?? 0));
  const isWhole = seqs.length === Math.min(count, newestSeqsMax);
  if (!isInOrder || !isWhole || count === 0 || count > last * operationsMax) {
    throw new Malformed("an author who wrote otherwise");
  }
  return [replica, { count, seqs }];
}

const compareText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

function assertAscending<Item>(
  items: readonly Item[],
  compare: (a: Item, b: Item) => number,
  what: string,
): void {
  items.forEach((item, at) => {
    const before = items[at - 1];
    if (before !== undefined && compare(before, item) >= 0) {
      throw new Malformed(`${what} not in ascending order`);
    }
  });
}
