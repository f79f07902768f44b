/** What `bus.ts` promises while nothing breaks, as tests that every bus passes. */
import { afterEach, describe, expect, test } from "vitest";
import { spaceTag } from "@skein/shared/id/id.ts";
import type { Bus } from "./bus.ts";

export interface BusUnderTest {
  /** One more relay on the same bus. */
  readonly connect: () => Promise<Bus>;
  /**
   * Resolves when everything published so far has been received, and who has subscribed so far will
   * receive what is published from now on.
   */
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
      await settle();
      relays[0].publish(spaceA, message(1));
      await settle();
      expect(heard).toEqual([[], [1], [1]]);
    });

    test("never calls back from within a publication", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard = listen(hearer, spaceA);
      await settle();
      speaker.publish(spaceA, message(1));
      expect(heard).toEqual([]);
      await settle();
      expect(heard).toEqual([1]);
    });

    test("keeps each relay's order", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard = listen(hearer, spaceA);
      await settle();
      const numbers = Array.from({ length: 50 }, (_, index) => index);
      for (const number of numbers) speaker.publish(spaceA, message(number));
      await settle();
      expect(heard).toEqual(numbers);
    });

    test("keeps spaces apart", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard = listen(hearer, spaceA);
      await settle();
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
      const first = hearer.subscribe(spaceA, receive, () => {});
      hearer.subscribe(spaceA, receive, () => {});
      first();
      first();
      await settle();
      speaker.publish(spaceA, message(7));
      await settle();
      expect(heard).toEqual([7]);
    });

    test("tells who comes back to a space of what is published from then on", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard: number[] = [];
      const join = () =>
        hearer.subscribe(
          spaceA,
          (bytes) => void heard.push(bytes[0] ?? -1),
          () => {},
        );
      let leave = join();
      await settle();
      leave();
      await settle();
      speaker.publish(spaceA, message(1));
      await settle();
      // Leaving and coming back overlap: neither has been carried out when the next is asked for.
      for (let time = 0; time < 3; time++) {
        leave = join();
        leave();
      }
      join();
      await settle();
      speaker.publish(spaceA, message(2));
      await settle();
      expect(heard).toEqual([2]);
    });

    test("hands over bytes that stay as they are, whoever copies them how", async () => {
      const { connect, settle } = await fresh();
      const [speaker, hearer] = [await connect(), await connect()];
      const heard: Uint8Array[] = [];
      hearer.subscribe(
        spaceA,
        (bytes) => void heard.push(bytes),
        () => {},
      );
      await settle();
      const sent = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
      for (const length of [0, 1, 1_000, sent.length])
        speaker.publish(spaceA, sent.slice(0, length));
      await settle();
      expect(heard.map((bytes) => Buffer.compare(bytes, sent.subarray(0, bytes.length)))).toEqual([
        0, 0, 0, 0,
      ]);
      const copy = heard[2]?.slice(10, 20);
      copy?.fill(0);
      expect(heard[2]?.subarray(10, 20)).toEqual(sent.subarray(10, 20));
    });

    test("speaks of no loss while there is none", async () => {
      const { connect, settle } = await fresh();
      const [speaker, other, hearer] = [await connect(), await connect(), await connect()];
      let losses = 0;
      speaker.publish(spaceA, message(1));
      await settle();
      hearer.subscribe(
        spaceA,
        () => {},
        () => losses++,
      );
      await settle();
      for (const number of [2, 3, 4]) {
        speaker.publish(spaceA, message(number));
        speaker.publish(spaceB, message(number));
        other.publish(spaceA, message(number));
      }
      await settle();
      expect(losses).toBe(0);
    });

    test("is silent after close, both ways", async () => {
      const { connect, settle } = await fresh();
      const [a, b] = [await connect(), await connect()];
      const [heardByA, heardByB] = [listen(a, spaceA), listen(b, spaceA)];
      await settle();
      await a.close();
      await a.close();
      a.publish(spaceA, message(1));
      b.publish(spaceA, message(2));
      await settle();
      expect([heardByA, heardByB]).toEqual([[], []]);
      expect(() => a.subscribe(spaceA, fail, fail)()).not.toThrow();
    });
  });
}

const spaceA = spaceTag(new Uint8Array(16).fill(0xa0));
const spaceB = spaceTag(new Uint8Array(16).fill(0xb0));

const fail = (): never => {
  throw new Error("a closed bus says nothing");
};

const message = (number: number): Uint8Array => Uint8Array.of(number);

function listen(bus: Bus, space: typeof spaceA): number[] {
  const heard: number[] = [];
  bus.subscribe(
    space,
    (bytes) => void heard.push(bytes[0] ?? -1),
    () => {},
  );
  return heard;
}
