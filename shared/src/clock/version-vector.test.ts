import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { replicaId, type ReplicaId } from "../id/id.ts";
import {
  covers,
  dominates,
  mergeVectors,
  readVector,
  seqOf,
  type VersionVector,
  writeVector,
} from "./version-vector.ts";

const replica = (number: number): ReplicaId => replicaId(new Uint8Array(16).fill(number));
const ana = replica(1);
const ben = replica(2);

/** Few replicas and small numbers, so that vectors often meet; zeros too. */
const vectors: fc.Arbitrary<VersionVector> = fc
  .uniqueArray(fc.tuple(fc.nat(5).map(replica), fc.nat(4)), { selector: ([id]) => id })
  .map((rows) => new Map(rows));

/** What a vector says, whether or not it spells out zeros. */
const meaning = (vector: VersionVector) =>
  [...vector].filter(([, seq]) => seq > 0).toSorted(([a], [b]) => (a < b ? -1 : 1));

const encode = (vector: VersionVector) => {
  const writer = new Writer();
  writeVector(writer, vector);
  return writer.finish();
};
const read = (hex: string) => decode(fromHex(hex), (from) => readVector(from, 3));

describe("a version vector", () => {
  it("covers what is at or below its seq, and nothing of strangers", () => {
    const vector: VersionVector = new Map([[ana, 3]]);
    expect([seqOf(vector, ana), seqOf(vector, ben)]).toEqual([3, 0]);
    expect([covers(vector, ana, 3), covers(vector, ana, 4)]).toEqual([true, false]);
    expect([covers(vector, ben, 0), covers(vector, ben, 1)]).toEqual([true, false]);
  });

  it("merges as a join semilattice: commutative, associative, idempotent", () => {
    fc.assert(
      fc.property(vectors, vectors, vectors, (a, b, c) => {
        const ab = mergeVectors(a, b);
        expect(meaning(ab)).toEqual(meaning(mergeVectors(b, a)));
        expect(meaning(mergeVectors(ab, c))).toEqual(meaning(mergeVectors(a, mergeVectors(b, c))));
        expect(meaning(mergeVectors(a, a))).toEqual(meaning(a));
      }),
    );
  });

  it("merges to the least vector that covers both", () => {
    fc.assert(
      fc.property(vectors, vectors, vectors, (a, b, above) => {
        const merged = mergeVectors(a, b);
        expect(dominates(merged, a) && dominates(merged, b)).toBe(true);
        const coversBoth = dominates(above, a) && dominates(above, b);
        expect(dominates(above, merged)).toBe(coversBoth);
      }),
    );
  });

  it("changes neither side in a merge", () => {
    fc.assert(
      fc.property(vectors, vectors, (a, b) => {
        const before = [[...a], [...b]];
        mergeVectors(a, b);
        expect([[...a], [...b]]).toEqual(before);
      }),
    );
  });

  it("is ordered: reflexive, transitive, and equal where each dominates the other", () => {
    fc.assert(
      fc.property(vectors, vectors, vectors, (a, b, c) => {
        expect(dominates(a, a)).toBe(true);
        const between = mergeVectors(a, b);
        expect(dominates(mergeVectors(between, c), a)).toBe(true);
        const same = JSON.stringify(meaning(a)) === JSON.stringify(meaning(b));
        expect(dominates(a, b) && dominates(b, a)).toBe(same);
      }),
    );
    expect(dominates(new Map([[ana, 1]]), new Map([[ben, 1]]))).toBe(false);
  });

  it("has one form in bytes: ascending ids, no zeros", () => {
    const vector: VersionVector = new Map([
      [ben, 128],
      [replica(3), 0],
      [ana, 1],
    ]);
    expect(toHex(encode(vector))).toBe("02" + ana + "01" + ben + "8001");
  });

  it("survives its bytes", () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const result = decode(encode(vector), (from) => readVector(from, 6));
        if (isMalformed(result)) throw result;
        expect([...result]).toEqual(meaning(vector));
      }),
    );
  });

  it.each([
    ["descending ids", "02" + ben + "01" + ana + "01", "replicas not in ascending order"],
    ["an id twice", "02" + ana + "01" + ana + "02", "replicas not in ascending order"],
    ["a zero", "01" + ana + "00", "seq 0 in a version vector"],
    ["too many replicas", "04", "4 items where 3 are the most"],
    ["an id cut off", "01" + ana.slice(2), "bytes end too early"],
  ])("is refused with %s", (_, hex, why) => {
    const result = read(hex);
    expect(isMalformed(result) ? result.message : result).toBe(why);
  });
});
