/**
 * What somebody holds of a space: for each replica the greatest seq of an unbroken run from 1.
 * As a state it is a join semilattice under pointwise maximum (Parker et al., "Detection of mutual
 * inconsistency in distributed systems", 1983); the maximum of maxima makes merge commutative,
 * associative and idempotent.
 */
import { Malformed } from "../bytes/malformed.ts";
import type { Reader } from "../bytes/reader.ts";
import type { Writer } from "../bytes/writer.ts";
import { bytesOfId, idBytes, replicaId, type ReplicaId } from "../id/id.ts";

export type VersionVector = ReadonlyMap<ReplicaId, number>;

export const seqOf = (vector: VersionVector, replica: ReplicaId): number =>
  vector.get(replica) ?? 0;

export const covers = (vector: VersionVector, replica: ReplicaId, seq: number): boolean =>
  seqOf(vector, replica) >= seq;

/** True when `a` holds everything `b` holds. */
export function dominates(a: VersionVector, b: VersionVector): boolean {
  for (const [replica, seq] of b) if (seqOf(a, replica) < seq) return false;
  return true;
}

export function mergeVectors(a: VersionVector, b: VersionVector): VersionVector {
  if (dominates(a, b)) return a;
  const merged = new Map(a);
  for (const [replica, seq] of b) if (seqOf(merged, replica) < seq) merged.set(replica, seq);
  return merged;
}

/** Canonical bytes: `list(replica id 16 ‖ seq varint)`, ascending ids, no zero. */
export function writeVector(writer: Writer, vector: VersionVector): void {
  const rows = [...vector].filter(([, seq]) => seq > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  writer.list(rows, (to, [replica, seq]) => to.raw(bytesOfId(replica)).varint(seq));
}

/** Takes the canonical form only, so that equal vectors are equal bytes. */
export function readVector(reader: Reader, replicasMax: number): VersionVector {
  const vector = new Map<ReplicaId, number>();
  let before = "";
  const count = reader.listLength(replicasMax);
  for (let index = 0; index < count; index++) {
    const replica = replicaId(reader.raw(idBytes.replica));
    if (replica <= before) throw new Malformed("replicas not in ascending order");
    const seq = reader.varint();
    if (seq === 0) throw new Malformed("seq 0 in a version vector");
    vector.set(replica, seq);
    before = replica;
  }
  return vector;
}
