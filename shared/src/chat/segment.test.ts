import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareStamps, type Stamp } from "../crdt/crdt.ts";
import { Channel, type Message } from "../crdt/op/channel.ts";
import type { ReplicaId } from "../id/id.ts";
import { firstKey, orderKey } from "./order-key.ts";
import { insertMessages, type Segment, segmentLimits, sortBatch } from "./segment.ts";

const replicas = ["00", "9a", "f0"].map((byte) => byte.repeat(16) as ReplicaId);

const stamp: fc.Arbitrary<Stamp> = fc
  .record({
    lamport: fc.oneof(fc.nat(40), fc.maxSafeNat()),
    replica: fc.constantFrom(...replicas),
    seq: fc.oneof(fc.nat(40), fc.maxSafeNat()),
    index: fc.nat(255),
  })
  .map(({ lamport, ...id }) => ({ id, lamport }));

/** What is said follows from the stamp: one operation has one text. */
const messageAt = ({ id, lamport }: Stamp, textUnits = 0): Message => {
  const text = `${lamport} ${id.seq}`.padEnd(textUnits, ".");
  return { id, lamport, timeMs: id.seq, text };
};
const line = (lamport: number, textUnits?: number): Message =>
  messageAt({ id: { replica: replicas[0]!, seq: lamport, index: 0 }, lamport }, textUnits);

describe("an order key", () => {
  it("compares like the stamp it stands for", () => {
    fc.assert(
      fc.property(stamp, stamp, (a, b) => {
        const [keyA, keyB] = [orderKey(a), orderKey(b)];
        const order = keyA < keyB ? -1 : keyA > keyB ? 1 : 0;
        expect(order).toBe(Math.sign(compareStamps(a, b)));
        expect(firstKey < keyA).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Segments as a store keeps them, by key. */
class Shelf {
  readonly #segmentsByKey = new Map<string, Segment>();
  readonly added: Message[] = [];

  get segments(): Segment[] {
    return [...this.#segmentsByKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  get messages(): Message[] {
    return this.segments.flatMap(({ messages }) => messages);
  }

  insert(batch: readonly Message[]) {
    const insertion = insertMessages(this.segments, batch);
    for (const segment of insertion.changed) this.#segmentsByKey.set(segment.key, segment);
    this.added.push(...insertion.added);
    return insertion;
  }
}

function expectInvariants({ segments }: Shelf): void {
  const broken: string[] = [];
  segments.forEach(({ key, messages }, at) => {
    const keys = messages.map(orderKey);
    const before = segments[at + 1]?.key;
    const isSorted = keys.every((each, place) => place === 0 || (keys[place - 1] ?? "") < each);
    const first = keys[0];
    const last = keys[keys.length - 1];
    if (first === undefined || last === undefined || first < key || !isSorted) broken.push("1");
    if (before !== undefined && last !== undefined && last >= before) broken.push("1");
    const units = messages.reduce((sum, { text }) => sum + text.length, 0);
    if (messages.length > segmentLimits.messagesMax) broken.push("4");
    if (units > segmentLimits.textUnitsMax && messages.length > 1) broken.push("4");
  });
  if (segments[0]?.key !== firstKey) broken.push("2");
  expect(broken).toEqual([]);
}

describe("segments", () => {
  // Long or short as its stamp says, so that one operation keeps one text.
  const message = stamp.map((at) => messageAt(at, at.id.index % 7 === 0 ? 16_384 : 0));
  const history = fc.array(
    fc.oneof(
      fc.array(message, { maxLength: 30 }),
      // A run of newest messages, as when a device catches up.
      fc
        .tuple(fc.nat(2_000), fc.integer({ min: 1, max: 450 }))
        .map(([from, count]) => Array.from({ length: count }, (_, at) => line(from + at))),
    ),
    { minLength: 1, maxLength: 12 },
  );

  it("hold what the channel holds, in its order, after any batches in any order", () => {
    fc.assert(
      fc.property(history, (batches) => {
        const shelf = new Shelf();
        const channel = new Channel();
        const seen = new Set<string>();
        for (const batch of batches) {
          shelf.insert(batch);
          for (const { id, lamport, timeMs, text } of batch) {
            const key = orderKey({ id, lamport });
            if (seen.has(key)) continue;
            seen.add(key);
            const op = { kind: "post" as const, timeMs, text };
            channel.apply({ id, lamport, op: { kind: "known", op } });
          }
        }
        expect(shelf.messages).toEqual(channel.value);
        if (seen.size > 0) expectInvariants(shelf);
        expect(shelf.added.map(orderKey).sort()).toEqual([...seen].sort());
      }),
      { numRuns: 60 },
    );
  });

  it("do not change, and nothing is added, when a batch comes again", () => {
    const shelf = new Shelf();
    const batch = Array.from({ length: 500 }, (_, at) => line(at));
    shelf.insert(batch);
    expect(shelf.insert(batch)).toEqual({ changed: [], added: [] });
    const mixed = shelf.insert([line(499), line(500), line(500)]);
    expect(mixed.added).toEqual([line(500)]);
    expect(mixed.changed).toHaveLength(1);
  });

  it("grow at the end: a new message rewrites the last segment alone", () => {
    const shelf = new Shelf();
    for (let at = 0; at < 1_000; at++) {
      const { changed } = shelf.insert([line(at)]);
      expect(changed.length).toBeLessThanOrEqual(2);
      expect(changed.at(-1)?.messages.at(-1)).toEqual(line(at));
    }
    expect(shelf.segments.map(({ messages }) => messages.length)).toEqual([
      ...Array.from({ length: 7 }, () => 128),
      104,
    ]);
    expectInvariants(shelf);
  });

  it("keep their keys when something older than everything arrives", () => {
    const shelf = new Shelf();
    shelf.insert(Array.from({ length: 300 }, (_, at) => line(at + 1_000)));
    const keys = shelf.segments.map(({ key }) => key);
    const { changed } = shelf.insert([line(1)]);
    expect(changed.map(({ key }) => key)).toEqual([firstKey]);
    expect(shelf.segments.map(({ key }) => key)).toEqual(keys);
    expect(shelf.messages[0]).toEqual(line(1));
  });

  it("hold fewer messages where those are long", () => {
    const shelf = new Shelf();
    shelf.insert(Array.from({ length: 20 }, (_, at) => line(at, 16_384)));
    expectInvariants(shelf);
    expect(shelf.segments.length).toBeGreaterThanOrEqual(5);
  });

  it("take a batch sorted, each message once", () => {
    expect(sortBatch([line(3), line(1), line(3), line(2)])).toEqual([line(1), line(2), line(3)]);
  });
});
