import { describe, expect, it } from "vitest";
import { type ReplicaId, replicaId } from "../id/id.ts";
import { comingAnew } from "./delivery.ts";
import type { AppliedState } from "./store.ts";

const [log, branch, other] = [1, 2, 3].map((byte) => replicaId(new Uint8Array(16).fill(byte))) as [
  ReplicaId,
  ReplicaId,
  ReplicaId,
];
const split = {
  replica: log,
  into: branch,
  branch: { signer: log, seq: 40, hash: new Uint8Array(32) },
};
const nothing: AppliedState = { version: 2, vector: new Map(), frontier: [], lamport: 0 };

describe("what is applied anew", () => {
  it("comes before what is written meanwhile: all that had been applied", () => {
    const frontier = [
      { replica: other, seq: 7 },
      { replica: log, seq: 30 },
    ];
    const before: AppliedState = { ...nothing, frontier, lamport: 9 };
    expect(comingAnew(before, nothing)).toEqual({ ...nothing, frontier, lamport: 9 });
    const begun: AppliedState = {
      version: 3,
      vector: new Map([[other, 8]]),
      frontier: [{ replica: other, seq: 8 }],
      lamport: 12,
    };
    expect(comingAnew(before, begun)).toEqual({
      ...begun,
      frontier: [
        { replica: other, seq: 8 },
        { replica: log, seq: 30 },
      ],
    });
  });

  it("is named as it stands now, where a log was taken apart", () => {
    const frontier = [{ replica: log, seq: 45 }];
    const { frontier: named } = comingAnew({ ...nothing, frontier }, nothing, split);
    expect(named).toEqual([{ replica: branch, seq: 45 }]);
  });

  it("is named by the greatest entry, where it was applied under both ids", () => {
    const both = [
      { replica: branch, seq: 50 },
      { replica: log, seq: 45 },
    ];
    for (const frontier of [both, both.toReversed()]) {
      const { frontier: named } = comingAnew({ ...nothing, frontier }, nothing, split);
      expect(named).toEqual([{ replica: branch, seq: 50 }]);
    }
  });
});
