import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { orderKey } from "../../chat/order-key.ts";
import { sortBatch } from "../../chat/segment.ts";
import type { Message } from "../../crdt/op/channel.ts";
import { labelled } from "../../log/suite.ts";
import { ana, ben, cleo } from "../ready-entries.contract.ts";
import { testSuite } from "../store.contract.ts";
import { cutIn, type CutLimits, cutLimits } from "./channel-segments.ts";

const small: CutLimits = { messagesMin: 4, messagesMax: 12, textUnitsMax: 90, boundaryMask: 0x7 };

interface Kept {
  readonly first: ReturnType<typeof orderKey>;
  readonly messages: readonly Message[];
}

function channel(limits: CutLimits = small) {
  let segments: Kept[] = [];
  let [opened, made] = [0, 0];
  return {
    get segments() {
      return segments;
    },
    get count() {
      return segments.reduce((sum, { messages }) => sum + messages.length, 0);
    },
    /** How many segments were opened and made. */
    async add(batch: readonly Message[]) {
      [opened, made] = [0, 0];
      const cutting = {
        suite: testSuite,
        limits,
        open: async ({ messages }: Kept) => {
          opened++;
          return messages;
        },
        make: async (messages: readonly Message[]) => {
          made++;
          const [first] = messages;
          if (first === undefined) throw new Error("an empty segment");
          return { first: orderKey(first), messages };
        },
      };
      segments = await cutIn(cutting, segments, sortBatch(batch));
      return { opened, made };
    },
  };
}

const message = fc.record({
  id: fc.record({
    replica: fc.constantFrom(ana, ben, cleo),
    seq: fc.integer({ min: 1, max: 200 }),
    index: fc.nat(2),
  }),
  lamport: fc.integer({ min: 1, max: 300 }),
  timeMs: fc.constant(5),
  text: fc.string({ maxLength: 20 }),
});
const messages = fc.uniqueArray(message, { selector: orderKey, maxLength: 200, size: "max" });
const talk = (from: number, to: number, text = "words"): Message[] =>
  Array.from({ length: to - from }, (_, at) => ({
    id: { replica: (from + at) % 3 === 0 ? ben : ana, seq: from + at + 1, index: 0 },
    lamport: 10 * (from + at + 1),
    timeMs: 0,
    text,
  }));

describe("a channel's segments", () => {
  it("are the same however its messages came", async () => {
    await fc.assert(
      fc.asyncProperty(
        messages,
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        async (all, sizes, sorted) => {
          const atOnce = channel();
          await atOnce.add(all);
          const inTurn = channel();
          const order = sorted ? sortBatch(all) : all;
          for (let at = 0, turn = 0; at < order.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            await inTurn.add(order.slice(at, at + size));
            at += size;
          }
          expect(inTurn.segments).toEqual(atOnce.segments);
          expect(inTurn.segments.flatMap((each) => each.messages)).toEqual(sortBatch(all));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("keep to their limits", async () => {
    await fc.assert(
      fc.asyncProperty(messages, async (all) => {
        const one = channel();
        await one.add(all);
        one.segments.forEach(({ first, messages: held }, at) => {
          expect(held.length).toBeGreaterThan(0);
          expect(held.length).toBeLessThanOrEqual(small.messagesMax);
          expect(orderKey(held[0] as Message)).toBe(first);
          const units = held.slice(0, -1).reduce((sum, { text }) => sum + text.length, 0);
          expect(units).toBeLessThan(small.textUnitsMax);
          const isLast = at === one.segments.length - 1;
          const isFull = units + (held.at(-1)?.text.length ?? 0) >= small.textUnitsMax;
          expect(isLast || isFull || held.length >= small.messagesMin).toBe(true);
        });
      }),
    );
  });

  it("hold about a thousand messages, and change at the end when messages are added", async () => {
    const one = channel(cutLimits);
    await one.add(talk(0, 30_000));
    expect(one.segments.length).toBeGreaterThan(20);
    expect(one.segments.length).toBeLessThan(50);
    const before = one.segments;
    expect(await one.add(talk(30_000, 30_100))).toEqual({ opened: 1, made: 1 });
    expect(one.segments.slice(0, -1)).toEqual(before.slice(0, -1));
    const grown = await one.add(talk(30_100, 33_000));
    expect(grown.opened).toBe(1);
    expect(grown.made).toBeLessThan(7);
  });

  it("change around a late message and nowhere else", async () => {
    const one = channel(cutLimits);
    await one.add(talk(0, 30_000));
    let most = 0;
    for (let at = 0; at < 40; at++) {
      const late = { replica: cleo, seq: at + 1, index: 0 };
      const lamport = 7_000 * at + 5;
      const changed = await one.add([{ id: late, lamport, timeMs: 0, text: "late" }]);
      most = Math.max(most, changed.opened);
      expect(changed.made).toBeLessThanOrEqual(changed.opened + 1);
    }
    expect(most).toBeLessThanOrEqual(3);
    expect(one.count).toBe(30_040);
  });

  it("end where two bytes of a hash say so, whoever computes it", async () => {
    const one = channel(cutLimits);
    await one.add(talk(0, 8_000));
    const isBoundary = ({ id }: Message) => {
      const bytes = new Uint8Array(25);
      bytes.set(id.replica.match(/../g)?.map((hex) => Number.parseInt(hex, 16)) ?? []);
      new DataView(bytes.buffer).setUint32(20, id.seq);
      const [high = 0, low = 0] = sha256(labelled("skein/cut/1", bytes));
      return (high % 2) * 256 + low === 0;
    };
    const cuts: number[] = [];
    let length = 0;
    for (const each of talk(0, 8_000)) {
      if (length === 2_048 || (length >= 512 && isBoundary(each))) {
        cuts.push(length);
        length = 0;
      }
      length++;
    }
    expect(one.segments.slice(0, -1).map((each) => each.messages.length)).toEqual(cuts);
    expect(cuts.length).toBeGreaterThan(3);
  });
});
