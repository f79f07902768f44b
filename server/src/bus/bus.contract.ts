/** What `bus.ts` promises while nothing breaks, as tests that every bus passes. */
import { afterEach, describe, expect, test } from "vitest";
import { spaceTag } from "@skein/shared/id/id.ts";
import type { Bus } from "./bus.ts";

export interface BusUnderTest {
  /** One more relay on the same bus. */
  readonly connect: () => Promise<Bus>;
  /** Resolves when everything published so far has been received. */
  readonly settle: () => Promise<void>;
  readonly dispose: () => Promise<void>;
}

export function busContract(name: string, open: () => Promise<BusUnderTest>): void {
  describe(`${name} as a bus`, () => {
    const opened: BusUnderTest[] = [];
    const fresh = async () => {
      const subject = await open();
      opened.push(subject);
      return subject;
    };
    afterEach(async () => {
      for (const subject of opened.splice(0)) await subject.dispose();
    });

    test("tells every other relay, and not the one that speaks", async () => {
      const { connect, settle } = await fresh();
      const relays = [await connect(), await connect(), await connect()] as const;
      const heard = relays.map((relay) => listen(relay, spaceA));
      relays[0].publish(spaceA, message(1));
      await settle();
      expect(heard).toEqual([[], [1], [1]]);
    });

    test("never calls back from within a publication", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard = listen(hearer, spaceA);
      speaker.publish(spaceA, message(1));
      expect(heard).toEqual([]);
      await settle();
      expect(heard).toEqual([1]);
    });

    test("keeps each relay's order", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard = listen(hearer, spaceA);
      const numbers = Array.from({ length: 50 }, (_, index) => index);
      for (const number of numbers) speaker.publish(spaceA, message(number));
      await settle();
      expect(heard).toEqual(numbers);
    });

    test("keeps spaces apart", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard = listen(hearer, spaceA);
      speaker.publish(spaceB, message(1));
      speaker.publish(spaceA, message(2));
      await settle();
      expect(heard).toEqual([2]);
    });

    test("ends a subscription by its own undo, however often it is called", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard: number[] = [];
      const receive = (bytes: Uint8Array): void => void heard.push(bytes[0] ?? -1);
      const first = hearer.subscribe(spaceA, receive);
      hearer.subscribe(spaceA, receive);
      first();
      first();
      speaker.publish(spaceA, message(7));
      await settle();
      expect(heard).toEqual([7]);
    });

    test("is silent after close, both ways", async () => {
      const { connect, settle } = await fresh();
      const [a, b] = [await connect(), await connect()];
      const [heardByA, heardByB] = [listen(a, spaceA), listen(b, spaceA)];
      await a.close();
      await a.close();
      a.publish(spaceA, message(1));
      b.publish(spaceA, message(2));
      await settle();
      expect([heardByA, heardByB]).toEqual([[], []]);
    });
  });
}

const spaceA = spaceTag(new Uint8Array(16).fill(0xa0));
const spaceB = spaceTag(new Uint8Array(16).fill(0xb0));

const message = (number: number): Uint8Array => Uint8Array.of(number);

function listen(bus: Bus, space: typeof spaceA): number[] {
  const heard: number[] = [];
  bus.subscribe(space, (bytes) => void heard.push(bytes[0] ?? -1));
  return heard;
}
