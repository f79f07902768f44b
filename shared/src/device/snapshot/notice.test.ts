import { describe, expect, it } from "vitest";
import { type MemberId, memberId, type ReplicaId, replicaId } from "../../id/id.ts";
import { noNotice, offersOf, type SnapshotNotice } from "./notice.ts";

const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte);
const replica = (byte: number): ReplicaId => replicaId(filled(16, byte));
const member = (byte: number): MemberId => memberId(filled(16, byte));

const digest = filled(32, 1);
const publishing: SnapshotNotice = {
  ...noNotice,
  published: { digest, root: { key: filled(32, 2), size: 1, chunks: [] }, entries: 10 },
};
const saying = (agrees: boolean): SnapshotNotice => ({
  ...noNotice,
  verdicts: [{ digest, agrees }],
});

describe("what was found of a snapshot", () => {
  const [ana, ben, cleo] = [member(0xa0), member(0xb0), member(0xc0)];
  const persons = new Map([
    [replica(0xa1), ana],
    [replica(0xa2), ana],
    [replica(0xb1), ben],
    [replica(0xb2), ben],
    [replica(0xc1), cleo],
  ]);
  const found = (...notices: readonly [number, SnapshotNotice][]) =>
    offersOf(new Map(notices.map(([byte, notice]) => [replica(byte), notice])), (each) =>
      persons.get(each),
    );

  it("counts persons, not devices", () => {
    const both = found([0xa1, publishing], [0xb1, saying(true)], [0xb2, saying(true)]);
    expect(both).toMatchObject([{ witnesses: [ben], refusedBy: [] }]);
    const three = found([0xa1, publishing], [0xb1, saying(true)], [0xc1, saying(true)]);
    expect(three).toMatchObject([{ witnesses: [ben, cleo] }]);
  });

  it("hears nobody who was not let in, neither on it nor as its author", () => {
    const strange = found([0xa1, publishing], [0xe1, saying(true)], [0xe2, saying(false)]);
    expect(strange).toMatchObject([{ witnesses: [], refusedBy: [] }]);
    expect(found([0xe1, publishing], [0xb1, saying(true)])).toEqual([]);
  });

  it("takes the author's other device for no second person, but for a refusal", () => {
    const own = found([0xa1, publishing], [0xa2, saying(true)]);
    expect(own).toMatchObject([{ witnesses: [], isOwnWitness: true, refusedBy: [] }]);
    const denied = found([0xa1, publishing], [0xa2, saying(false)]);
    expect(denied).toMatchObject([{ isOwnWitness: false, refusedBy: [ana] }]);
  });

  it("takes who says both for refusing", () => {
    const both = found([0xa1, publishing], [0xb1, saying(true)], [0xb2, saying(false)]);
    expect(both).toMatchObject([{ witnesses: [], refusedBy: [ben] }]);
  });
});
