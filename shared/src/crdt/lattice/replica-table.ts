/**
 * Replica ids within the bytes of a state. An id of 16 bytes would be most of what a small element
 * costs, so a state lists its replicas once, ascending, and names them by their place after that.
 * Every replica in the table is used: an idle one would be a second form of the same state.
 */
import { Malformed } from "../../bytes/malformed.ts";
import type { Reader } from "../../bytes/reader.ts";
import type { Writer } from "../../bytes/writer.ts";
import { bytesOfId, idBytes, replicaId, type ReplicaId } from "../../id/id.ts";
import type { OpId, Stamp } from "../crdt.ts";
import { stateLimits } from "./state-codec.ts";

/** Replicas as they stand in a state's bytes: strictly ascending. */
export class AscendingReplicas {
  #before = "";

  next(reader: Reader): ReplicaId {
    const replica = replicaId(reader.raw(idBytes.replica));
    if (replica <= this.#before) throw new Malformed("replicas not in ascending order");
    this.#before = replica;
    return replica;
  }
}

export class WrittenTable {
  readonly #writer: Writer;
  readonly #places: ReadonlyMap<ReplicaId, number>;

  /** Writes the table: `list(replica id 16)`. */
  static write(writer: Writer, replicas: Iterable<ReplicaId>): WrittenTable {
    const sorted = [...new Set(replicas)].sort();
    writer.list(sorted, (to, replica) => to.raw(bytesOfId(replica)));
    return new WrittenTable(writer, sorted);
  }

  /** For a table whose rows hold more than ids and were written elsewhere. */
  constructor(writer: Writer, sorted: readonly ReplicaId[]) {
    this.#writer = writer;
    this.#places = new Map(sorted.map((replica, place) => [replica, place]));
  }

  /** `place varint` */
  replica(replica: ReplicaId): Writer {
    const place = this.#places.get(replica);
    if (place === undefined) throw new Error(`${replica} is not in the table`);
    return this.#writer.varint(place);
  }

  /** `replica ‖ seq varint ‖ index varint` */
  id({ replica, seq, index }: OpId): Writer {
    return this.replica(replica).varint(seq).varint(index);
  }

  /** `lamport varint ‖ id` */
  stamp({ id, lamport }: Stamp): Writer {
    this.#writer.varint(lamport);
    return this.id(id);
  }
}

export class ReadTable {
  readonly #reader: Reader;
  readonly #replicas: readonly ReplicaId[];
  readonly #used = new Set<ReplicaId>();

  static read(reader: Reader): ReadTable {
    const ids = new AscendingReplicas();
    return new ReadTable(
      reader,
      reader.list(stateLimits.replicasMax, () => ids.next(reader)),
    );
  }

  constructor(reader: Reader, replicas: readonly ReplicaId[]) {
    this.#reader = reader;
    this.#replicas = replicas;
  }

  get size(): number {
    return this.#replicas.length;
  }

  replica(): ReplicaId {
    const replica = this.#replicas[this.#reader.varint()];
    if (replica === undefined) throw new Malformed("a replica that is not in the table");
    this.#used.add(replica);
    return replica;
  }

  id(): OpId {
    return { replica: this.replica(), seq: this.#reader.varint(), index: this.#reader.varint() };
  }

  stamp(): Stamp {
    const lamport = this.#reader.varint();
    return { id: this.id(), lamport };
  }

  /** To be asked once everything was read. */
  assertAllUsed(): void {
    if (this.#used.size < this.#replicas.length) throw new Malformed("a replica without a use");
  }
}
