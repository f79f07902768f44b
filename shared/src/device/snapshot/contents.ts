/**
 * What the objects of a manifest hold, as bytes (docs/protocol.md section 12.4): messages, operations kept
 * whole, the nonces of writer sessions. There is one form for each content, so that the hash of the
 * bytes is the hash of the content; engines' snapshots alone have forms of their own. When a device
 * applied something is in none of them.
 */
import { Malformed } from "../../bytes/malformed.ts";
import { decode, type Reader } from "../../bytes/reader.ts";
import { Writer } from "../../bytes/writer.ts";
import { compareStamps, type OpId, type Stamp } from "../../crdt/crdt.ts";
import type { Message } from "../../crdt/op/channel.ts";
import {
  bytesOfId,
  idBytes,
  prefixOf,
  replicaId,
  type ReplicaId,
  replicaPrefix,
  type ReplicaPrefix,
} from "../../id/id.ts";
import { hashBytes, sessionNonceBytes } from "../../log/entry.ts";
import { dependenciesMax, lamportMax, plainBytesMax } from "../../log/plain.ts";
import { limits } from "../../protocol/limits.ts";
import type { KeptOperation } from "../operation-rows.ts";
import type { Dependency } from "../store.ts";
import { cutLimits } from "./channel-segments.ts";
import { type ManifestLog, readTime, writeTime } from "./manifest.ts";

/** An operation kept whole, as everybody has it. */
export type SnapshotOperation = Omit<KeptOperation, "appliedAtMs">;

/** Session nonces by log, then by the seq of the entry that opened the session. */
export type Sessions = ReadonlyMap<ReplicaId, ReadonlyMap<number, Uint8Array>>;

const operationsMax = 4_194_304;
const sessionsMax = 4_194_304;

// Messages

/** `list(author 16) ‖ list(place of the author, … ‖ wall clock varint ‖ text)`, both ascending. */
export function encodeMessages(messages: readonly Message[]): Uint8Array<ArrayBuffer> {
  const writer = new Writer(4_096);
  const stamps = new StampWriter(writer, messages);
  writer.list(messages, (to, message) => {
    stamps.write(message);
    to.varint(message.timeMs).text(message.text);
  });
  return writer.finish();
}

export const decodeMessages = (bytes: Uint8Array): Message[] | Malformed =>
  decode(bytes, (reader) => {
    const stamps = new StampReader(reader);
    const messages = reader.list(cutLimits.messagesMax, (from) => ({
      ...stamps.read(),
      timeMs: from.varint(),
      text: from.text(limits.postBytesMax),
    }));
    stamps.end();
    return messages;
  });

// Operations

export function encodeOperations(
  operations: readonly SnapshotOperation[],
): Uint8Array<ArrayBuffer> {
  const writer = new Writer(4_096);
  const stamps = new StampWriter(writer, operations);
  writer.list(operations, (to, operation) => {
    stamps.write(operation);
    to.varint(operation.kind).bytes(operation.payload).fixed(operation.hash, hashBytes);
    to.list(namedBy(operation.deps), (at, { prefix, seq }) =>
      at.raw(bytesOfId(prefix)).varint(seq),
    );
    writeTime(to, operation.timeMs);
  });
  return writer.finish();
}

interface NamedDependency {
  readonly prefix: ReplicaPrefix;
  readonly seq: number;
}

/**
 * Dependencies as entries name them. By which replicas a device knows, a prefix may stand for more
 * than one of them: here it is written once.
 */
function namedBy(deps: readonly Dependency[]): NamedDependency[] {
  const named = new Map<string, NamedDependency>();
  for (const { replica, seq } of deps) {
    const prefix = prefixOf(replica);
    named.set(`${prefix}:${seq}`, { prefix, seq });
  }
  return [...named.values()];
}

/** @param replicas those of the manifest, whose prefixes dependencies name. Keeps views of `bytes`. */
export const decodeOperations = (
  bytes: Uint8Array,
  replicas: readonly ReplicaId[],
): SnapshotOperation[] | Malformed =>
  decode(bytes, (reader) => {
    const byPrefix = Map.groupBy(replicas, prefixOf);
    const stamps = new StampReader(reader);
    const operations = reader.list(operationsMax, (from) => {
      const stamp = stamps.read();
      const kind = from.varint();
      if (kind === 0) throw new Malformed("an operation of kind 0");
      const payload = from.bytes(plainBytesMax);
      const hash = from.raw(hashBytes);
      const named = from.list(dependenciesMax, readNamed);
      if (new Set(named.map(({ prefix, seq }) => `${prefix}:${seq}`)).size < named.length) {
        throw new Malformed("names a dependency twice");
      }
      const deps = named.flatMap((each) => namedIn(byPrefix, each));
      return { ...stamp, kind, payload, hash, deps, timeMs: readTime(from) };
    });
    stamps.end();
    return operations;
  });

function readNamed(reader: Reader): NamedDependency {
  const prefix = replicaPrefix(reader.raw(idBytes.prefix));
  const seq = reader.varint();
  if (seq === 0) throw new Malformed("depends on an entry 0");
  return { prefix, seq };
}

function namedIn(
  byPrefix: ReadonlyMap<ReplicaPrefix, readonly ReplicaId[]>,
  { prefix, seq }: NamedDependency,
): Dependency[] {
  const named = byPrefix.get(prefix);
  if (named === undefined) throw new Malformed("depends on a log that is not there");
  return named.map((replica) => ({ replica, seq }));
}

// Sessions

/** `list(replica 16 ‖ list(seq since the one before varint ‖ nonce 16))`, both ascending. */
export function encodeSessions(sessions: Sessions): Uint8Array<ArrayBuffer> {
  const logs = [...sessions].filter(([, nonces]) => nonces.size > 0);
  return new Writer(4_096)
    .list(logs.sort(byText), (to, [replica, nonces]) => {
      let before = 0;
      to.raw(bytesOfId(replica));
      to.list(
        [...nonces].sort(([a], [b]) => a - b),
        (at, [seq, nonce]) => {
          at.varint(seq - before).fixed(nonce, sessionNonceBytes);
          before = seq;
        },
      );
    })
    .finish();
}

export const decodeSessions = (
  bytes: Uint8Array,
): Map<ReplicaId, Map<number, Uint8Array>> | Malformed =>
  decode(bytes, (reader) => {
    const sessions = new Map<ReplicaId, Map<number, Uint8Array>>();
    let last = "";
    const logs = reader.listLength(limits.logsMax);
    for (let log = 0; log < logs; log++) {
      const replica = replicaId(reader.raw(idBytes.replica));
      if (replica <= last) throw new Malformed("logs not in ascending order");
      last = replica;
      const nonces = new Map<number, Uint8Array>();
      const count = reader.listLength(sessionsMax);
      if (count === 0) throw new Malformed("a log without sessions");
      for (let at = 0, seq = 0; at < count; at++) {
        const distance = reader.varint();
        seq += distance;
        if (distance === 0 || seq > Number.MAX_SAFE_INTEGER) throw new Malformed("no next seq");
        nonces.set(seq, reader.raw(sessionNonceBytes).slice());
      }
      sessions.set(replica, nonces);
    }
    return sessions;
  });

/** The nonces of sessions that each branch goes on with, though they were opened before it. */
export function inherited(
  logs: readonly Pick<ManifestLog, "replica" | "branch">[],
  sessions: Sessions,
): Map<ReplicaId, Map<number, Uint8Array>> {
  const branches = new Map(logs.map(({ replica, branch }) => [replica, branch]));
  const found = new Map<ReplicaId, Map<number, Uint8Array>>();
  for (const { replica, branch } of logs) {
    const nonces = new Map<number, Uint8Array>();
    let below = branch;
    // A parent has begun before its branch.
    for (let seq = branch?.seq ?? 0; below?.parent !== undefined;) {
      for (const [opened, nonce] of sessions.get(below.parent) ?? []) {
        if (opened < seq) nonces.set(opened, nonce);
      }
      below = branches.get(below.parent);
      seq = below?.seq ?? 0;
    }
    if (nonces.size > 0) found.set(replica, nonces);
  }
  return found;
}

const byText = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : 1;

// Stamps

/** Writes the authors ahead, and stamps by their places: `place ‖ seq ‖ index u8 ‖ Lamport time since the one before`. */
class StampWriter {
  readonly #writer: Writer;
  readonly #places: ReadonlyMap<ReplicaId, number>;
  #lamport = 0;

  constructor(writer: Writer, stamped: readonly Stamp[]) {
    const authors = [...new Set(stamped.map(({ id }) => id.replica))].sort();
    writer.list(authors, (to, author) => to.raw(bytesOfId(author)));
    this.#writer = writer;
    this.#places = new Map(authors.map((author, place) => [author, place]));
  }

  write({ id, lamport }: Stamp): void {
    const place = this.#places.get(id.replica);
    if (place === undefined) throw new Error(`no place for ${id.replica}`);
    this.#writer.varint(place).varint(id.seq).u8(id.index);
    this.#writer.varint(lamport - this.#lamport);
    this.#lamport = lamport;
  }
}

class StampReader {
  readonly #reader: Reader;
  readonly #authors: readonly ReplicaId[];
  readonly #used = new Set<number>();
  #before: Stamp | undefined;

  constructor(reader: Reader) {
    this.#reader = reader;
    this.#authors = reader.list(limits.logsMax, (from) => replicaId(from.raw(idBytes.replica)));
    this.#authors.forEach((author, at) => {
      if (at > 0 && author <= (this.#authors[at - 1] ?? "")) {
        throw new Malformed("authors not in ascending order");
      }
    });
  }

  /** Throws `Malformed` for what does not come after the one before. */
  read(): Stamp {
    const place = this.#reader.varint();
    const replica = this.#authors[place];
    if (replica === undefined) throw new Malformed(`author ${place} of ${this.#authors.length}`);
    this.#used.add(place);
    const seq = this.#reader.varint();
    const index = this.#reader.u8();
    const lamport = (this.#before?.lamport ?? 0) + this.#reader.varint();
    const id: OpId = { replica, seq, index };
    if (seq === 0 || lamport > lamportMax) throw new Malformed("no stamp of an operation");
    const stamp: Stamp = { id, lamport };
    if (this.#before !== undefined && compareStamps(this.#before, stamp) >= 0) {
      throw new Malformed("not in the total order");
    }
    this.#before = stamp;
    return stamp;
  }

  end(): void {
    if (this.#used.size < this.#authors.length) throw new Malformed("an author of nothing");
  }
}
