import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode } from "../../bytes/reader.ts";
import { Writer } from "../../bytes/writer.ts";
import { readVector, type VersionVector, writeVector } from "../../clock/version-vector.ts";
import type { ReplicaId } from "../../id/id.ts";
import { stateBasedLaws } from "../crdt.laws.ts";
import { Replicated } from "./lattice.ts";
import { lwwRegister, type LwwState, mergeLww } from "./lww-register.ts";
import { maxRegister } from "./max-register.ts";
import { versionVector } from "./version-vector.ts";

const replicas = ["00", "7f", "a0", "ff"].map((byte) => byte.repeat(16) as ReplicaId);
const replica = fc.constantFrom(...replicas);
const three = <T>(one: fc.Arbitrary<T>) => fc.tuple(one, one, one);

const seq = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Number.MAX_SAFE_INTEGER));
const vector: fc.Arbitrary<VersionVector> = fc
  .uniqueArray(fc.tuple(replica, seq), { selector: ([id]) => id })
  .map((rows) => new Map(rows));

stateBasedLaws("version vector", {
  create: () => new Replicated(versionVector),
  states: three(vector),
  codec: {
    encode: (state) => {
      const writer = new Writer();
      writeVector(writer, state);
      return writer.finish();
    },
    decode: (bytes) => decode(bytes, (reader) => readVector(reader, 16)),
  },
});

stateBasedLaws("max register", {
  create: () => new Replicated(maxRegister),
  states: three(fc.nat(5)),
});

/** An operation has one value: here it is spelled out of the operation's stamp. */
const written: fc.Arbitrary<LwwState<string>> = fc.option(
  fc
    .record({ lamport: fc.nat(3), replica, seq: fc.nat(2), index: fc.nat(1) })
    .map(({ lamport, ...id }) => ({ id, lamport, value: JSON.stringify([lamport, id]) })),
  { nil: undefined },
);

stateBasedLaws("last-writer-wins register", {
  create: () => new Replicated(lwwRegister<string>()),
  states: three(written),
});

describe("a last-writer-wins register", () => {
  const at = (lamport: number, who: number, value: string, index = 0) => ({
    id: { replica: replicas[who] ?? replicas[0]!, seq: 1, index },
    lamport,
    value,
  });

  it("keeps what was written later in Lamport time", () => {
    expect(mergeLww(at(7, 0, "new"), at(6, 3, "old"))?.value).toBe("new");
    expect(mergeLww(at(6, 3, "old"), at(7, 0, "new"))?.value).toBe("new");
  });

  it("settles equal times by the replica, and one entry's operations by their place", () => {
    expect(mergeLww(at(7, 2, "greater"), at(7, 1, "smaller"))?.value).toBe("greater");
    expect(mergeLww(at(7, 1, "first", 0), at(7, 1, "second", 1))?.value).toBe("second");
  });
});
