import { describe, expect, it } from "vitest";
import type { OrderKey } from "../../chat/order-key.ts";
import { type DocumentId, documentId } from "../../id/id.ts";
import { Filling } from "./filling.ts";
import { nameOfPending, type PendingPart, type PendingRow } from "./pending-rows.ts";

const document = (byte: number): DocumentId => documentId(new Uint8Array(8).fill(byte));
const [note, other, channel] = [document(1), document(2), document(3)];
const stored = {
  digest: new Uint8Array(32),
  object: { key: new Uint8Array(32), size: 1, chunks: [] },
};

function part(of: DocumentId, first?: string): PendingPart {
  const row: PendingRow =
    first === undefined
      ? { kind: "engine", ...stored, vector: new Map() }
      : { kind: "segment", ...stored, first: first as OrderKey, count: 1, before: undefined };
  return { document: of, name: nameOfPending(row), row };
}

class Subject {
  nowMs = 0;
  readonly parts: PendingPart[];
  readonly lost = new Set<PendingPart>();
  /** What was asked for, in order. */
  readonly asked: PendingPart[] = [];
  readonly coming: number[] = [];
  reads = 0;
  readonly filling: Filling;

  constructor(...parts: PendingPart[]) {
    this.parts = parts;
    this.filling = new Filling({
      clock: { now: () => this.nowMs },
      againAfterMs: 60,
      read: async () => {
        this.reads++;
        return [...this.parts];
      },
      bring: async (each) => {
        this.asked.push(each);
        if (this.lost.has(each)) return false;
        this.parts.splice(this.parts.indexOf(each), 1);
        return true;
      },
      onComing: (count) => this.coming.push(count),
    });
  }

  /** Until nothing comes any more; what was asked for meanwhile. */
  async rest(): Promise<readonly PendingPart[]> {
    this.asked.length = 0;
    while ((await this.filling.next()) === "filled");
    return [...this.asked];
  }
}

describe("what is still to come of a snapshot", () => {
  it("comes notes first, then messages from the newest back, and is read once", async () => {
    const [newest, older, oldest] = [part(channel, "c"), part(channel, "b"), part(channel, "a")];
    const one = part(note);
    const two = part(other);
    const subject = new Subject(oldest, one, newest, two, older);
    expect(await subject.rest()).toEqual([one, two, newest, older, oldest]);
    expect(await subject.filling.next()).toBe("complete");
    expect(subject.coming).toEqual([5, 1, 0, 0, 0]);
    expect(subject.reads).toBe(3);
  });

  it("comes before all else if somebody waits for it", async () => {
    const notes = Array.from({ length: 9 }, (_, index) => part(document(0x10 + index)));
    const segment = part(channel, "a");
    const subject = new Subject(...notes, segment);
    subject.filling.want(channel);
    await subject.filling.next();
    expect(subject.asked[0]).toBe(segment);
  });

  it("holds up nothing else if it is lost, and is asked for again after a while", async () => {
    const notes = Array.from({ length: 6 }, (_, index) => part(document(0x10 + index)));
    const subject = new Subject(...notes);
    for (const lost of notes.slice(0, 5)) subject.lost.add(lost);
    expect(await subject.rest()).toEqual(notes);
    expect(subject.coming.at(-1)).toBe(5);
    expect(await subject.rest()).toEqual([]);
    subject.nowMs = 60;
    expect(await subject.rest()).toEqual(notes.slice(0, 5));
  });

  it("is asked for at once, and alone, when somebody waits for it again", async () => {
    const [wanted, rest] = [part(note), part(other)];
    const subject = new Subject(wanted, rest);
    for (const lost of [wanted, rest]) subject.lost.add(lost);
    await subject.rest();
    subject.filling.want(note);
    expect(await subject.rest()).toEqual([wanted]);
    expect(await subject.rest()).toEqual([]);
  });

  it("is another's when another snapshot was taken in", async () => {
    const subject = new Subject(part(note));
    for (const lost of subject.parts) subject.lost.add(lost);
    await subject.rest();
    const newer = part(channel, "a");
    subject.parts.splice(0, 1, newer);
    subject.filling.begin();
    expect(await subject.rest()).toEqual([newer]);
  });
});
