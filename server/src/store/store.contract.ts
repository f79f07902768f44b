/**
 * What `store.ts` promises, as tests that every relay store passes; the log store's contract first.
 */
import { afterEach, describe, expect, test } from "vitest";
import { equalBytes } from "@skein/shared/bytes/bytes.ts";
import { blobId, type BlobId, registerName, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { blobBytesMax } from "@skein/shared/log/blob.ts";
import { logStoreContract } from "@skein/shared/log/store.contract.ts";
import { register, TestLog } from "@skein/shared/log/test-log.contract.ts";
import {
  blobCost,
  type DueOrder,
  entryCost,
  type Invite,
  inviteMemoryMs,
  invitesPerSpaceMax,
  noBounds,
  registerCost,
  type RelayStore,
  type SpaceBounds,
  type StoredCertificate,
  type StoredOrder,
} from "./store.ts";

export interface RelayStoreUnderTest {
  readonly store: RelayStore;
  readonly reopen: ((after: "close" | "crash") => Promise<RelayStore>) | undefined;
  readonly dispose: () => Promise<void>;
}

export function relayStoreContract(
  name: string,
  options: { readonly durable: boolean; readonly orders?: number },
  open: (bounds: SpaceBounds) => Promise<RelayStoreUnderTest>,
): void {
  logStoreContract(name, options, () => open(noBounds));

  describe(`${name} as a relay's store`, () => {
    const opened: RelayStoreUnderTest[] = [];
    const fresh = async (bounds: Partial<SpaceBounds> = {}) => {
      const subject = await open({ ...noBounds, ...bounds });
      opened.push(subject);
      return subject;
    };
    const freshStore = async (bounds?: Partial<SpaceBounds>) => (await fresh(bounds)).store;
    afterEach(async () => {
      for (const subject of opened.splice(0)) await subject.dispose();
    });

    test("answers a ping", async () => {
      const store = await freshStore();
      await expect(store.ping()).resolves.toBeUndefined();
    });

    describe("certificates", () => {
      test("are unknown until one is put", async () => {
        const store = await freshStore();
        expect(await store.certificate(spaceA)).toBeUndefined();
        await store.append(spaceA, [new TestLog(ana).run(1)]);
        expect(await store.certificate(spaceA)).toBeUndefined();
      });

      test("only ever rise", async () => {
        const store = await freshStore();
        const [zero, one, two] = [certificate(0), certificate(1), certificate(2)];
        expect(plain(await store.putCertificate(spaceA, zero))).toEqual(plain(zero));
        expect(plain(await store.putCertificate(spaceA, two))).toEqual(plain(two));
        expect(plain(await store.putCertificate(spaceA, one))).toEqual(plain(two));
        expect(plain(await store.certificate(spaceA))).toEqual(plain(two));
      });

      test("of equal n keep the smaller hash, whichever came first", async () => {
        const store = await freshStore();
        const [smaller, greater] = [certificate(1, 0x0f), certificate(1, 0xf0)];
        await store.putCertificate(spaceA, greater);
        expect(plain(await store.putCertificate(spaceA, smaller))).toEqual(plain(smaller));
        expect(plain(await store.putCertificate(spaceA, greater))).toEqual(plain(smaller));
      });

      test("are one for each space", async () => {
        const store = await freshStore();
        await store.putCertificate(spaceA, certificate(3));
        expect(await store.certificate(spaceB)).toBeUndefined();
      });
    });

    describe("usage", () => {
      test("is nothing for an unknown space", async () => {
        const store = await freshStore();
        expect(await store.usage(spaceA)).toEqual(nothing);
      });

      test("counts every entry once, however often and in whatever runs it comes", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3, { bodyBytes: 100 })]);
        const three = { bytes: entryCost(3, 300), entries: 3, registerBytes: 0 };
        expect(await store.usage(spaceA)).toEqual(three);
        await store.append(spaceA, [log.slice(1, 3), log.slice(2, 2)]);
        expect(await store.usage(spaceA)).toEqual(three);
        log.run(2, { bodyBytes: 50 });
        await store.append(spaceA, [log.slice(2, 5)]);
        expect(await store.usage(spaceA)).toEqual({
          bytes: entryCost(5, 400),
          entries: 5,
          registerBytes: 0,
        });
      });

      test("does not count what was refused", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        log.run(1);
        await store.append(spaceA, [log.run(1)]);
        expect(await store.usage(spaceA)).toEqual(nothing);
      });

      test("counts no longer what is dropped where a log begins after a base", async () => {
        const store = await freshStore();
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3, { bodyBytes: 100 }), log.run(3, { bodyBytes: 50 })]);
        await store.append(spaceA, [new TestLog(ben).run(1, { bodyBytes: 20 })]);
        const bens = entryCost(1, 20);
        const used = (entries: number, bytes: number) => ({
          bytes: entries === 0 ? bens : bens + entryCost(entries, bytes),
          entries: 1 + entries,
          registerBytes: 0,
        });
        for (const [seq, entries, bytes] of [
          [2, 4, 250],
          [1, 4, 250],
          [3, 3, 150],
          [5, 1, 50],
          [6, 0, 0],
        ] as const) {
          await store.begin(spaceA, [log.base(seq)]);
          expect(await store.usage(spaceA)).toEqual(used(entries, bytes));
        }
        await store.append(spaceA, [log.run(2, { bodyBytes: 10 })]);
        expect(await store.usage(spaceA)).toEqual(used(2, 20));
        const other = { ...log.base(7), hash: filled(32, 9) };
        await store.begin(spaceA, [other]);
        expect(await store.usage(spaceA)).toEqual(used(2, 20));
        await store.begin(spaceA, [{ ...log.base(8), seq: 50 }]);
        expect(await store.usage(spaceA)).toEqual(used(0, 0));
        await store.begin(spaceB, [log.base(8)]);
        expect(await store.usage(spaceB)).toEqual(nothing);
        await store.append(spaceB, [log.run(2, { bodyBytes: 10 })]);
        expect(await store.usage(spaceB)).toMatchObject({ bytes: entryCost(2, 20), entries: 2 });
      });

      test("counts a register as large as it is now", async () => {
        const store = await freshStore();
        const first = register(ana, clock, 1);
        const longer = { ...register(ana, clock, 2), bytes: new Uint8Array(1_000) };
        const shorter = { ...register(ana, clock, 3), bytes: new Uint8Array(10) };
        for (const [each, bytes] of [
          [first, first.bytes.length],
          [longer, 1_000],
          [register(ana, clock, 1), 1_000],
          [shorter, 10],
        ] as const) {
          await store.putRegisters(spaceA, [each]);
          expect(await store.usage(spaceA)).toEqual({
            bytes: registerCost(bytes),
            entries: 0,
            registerBytes: registerCost(bytes),
          });
        }
        expect(await store.usage(spaceB)).toEqual(nothing);
      });
    });

    describe("bounds", () => {
      test("are reached by entries to the last byte, and what is beyond is not written", async () => {
        const store = await freshStore({ bytesMax: entryCost(3, 300) });
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(3, { bodyBytes: 100 })]);
        const beyond = log.run(1, { bodyBytes: 0 });
        await expect(store.append(spaceA, [beyond])).rejects.toMatchObject(quotaExceeded);
        expect(await store.usage(spaceA)).toMatchObject({ bytes: entryCost(3, 300), entries: 3 });
        expect(await store.read(spaceA, ana, 4, 1_000)).toBeUndefined();
      });

      test("are not reached by what is held already", async () => {
        const store = await freshStore({ bytesMax: entryCost(3, 300) });
        const log = new TestLog(ana);
        const run = log.run(3, { bodyBytes: 100 });
        await store.append(spaceA, [run]);
        expect(await store.append(spaceA, [run, log.slice(2, 3)])).toMatchObject([
          { kind: "held", news: false },
          { kind: "held", news: false },
        ]);
      });

      test("are each space's own", async () => {
        const store = await freshStore({ bytesMax: entryCost(1, 100) });
        for (const space of [spaceA, spaceB]) {
          const run = new TestLog(ana).run(1, { bodyBytes: 100 });
          expect(await store.append(space, [run])).toMatchObject([{ kind: "held" }]);
        }
      });

      test("hold registers to their own share, and let them be replaced within it", async () => {
        const size = register(ana, clock, 1).bytes.length;
        const store = await freshStore({ registerBytesMax: 2 * registerCost(size) });
        await store.putRegisters(spaceA, [register(ana, clock, 1), register(ben, clock, 1)]);
        const third = register(replicaId(filled(16, 3)), clock, 1);
        await expect(store.putRegisters(spaceA, [third])).rejects.toMatchObject(quotaExceeded);
        expect(await store.putRegisters(spaceA, [register(ana, clock, 2)])).toEqual([true]);
        const longer = { ...register(ana, clock, 3), bytes: new Uint8Array(size + 1) };
        await expect(store.putRegisters(spaceA, [longer])).rejects.toMatchObject(quotaExceeded);
        const shorter = { ...register(ana, clock, 3), bytes: new Uint8Array(size - 1) };
        expect(await store.putRegisters(spaceA, [shorter])).toEqual([true]);
        expect(await store.registers(spaceA)).toHaveLength(2);
      });
    });

    describe("blobs", () => {
      test("are given back as they were put, and unknown until then", async () => {
        const store = await freshStore();
        const [one, empty, most] = [blob(1, 500), blob(2, 0), blob(3, blobBytesMax)];
        expect(await store.blob(spaceA, one.id)).toBeUndefined();
        expect(await store.keepBlobs(spaceA, [one.id, empty.id], now)).toEqual([one.id, empty.id]);
        expect(await store.keepBlobs(spaceA, [], now)).toEqual([]);
        for (const { id, bytes } of [one, empty, most]) await store.putBlob(spaceA, id, bytes, now);
        for (const { id, bytes } of [one, empty, most]) {
          const held = await store.blob(spaceA, id);
          expect(held && equalBytes(held, bytes)).toBe(true);
        }
      });

      test("are asked for many at a time, and those that are lacking are told in order", async () => {
        const store = await freshStore();
        const blobs = Array.from({ length: 10 }, (_, index) => blob(index, 10));
        const isKept = (index: number) => index % 3 === 1;
        const kept = blobs.filter((_, index) => isKept(index));
        for (const { id, bytes } of kept) await store.putBlob(spaceA, id, bytes, now);
        const ids = blobs.map(({ id }) => id).toReversed();
        const lacking = ids.filter((_, index) => !isKept(9 - index));
        expect(await store.keepBlobs(spaceA, ids, now)).toEqual(lacking);
      });

      test("of one space are nothing to another", async () => {
        const store = await freshStore();
        const { id, bytes } = blob(1, 100);
        await store.putBlob(spaceA, id, bytes, now);
        expect(await store.blob(spaceB, id)).toBeUndefined();
        expect(await store.keepBlobs(spaceB, [id], now + 9)).toEqual([id]);
        expect(await store.usage(spaceB)).toEqual(nothing);
        // And B's word for them did not lengthen A's lease.
        expect(await store.sweepBlobs(now, 9)).toBe(1);
      });

      test("stay while they are leased, and go when the lease has ended", async () => {
        const store = await freshStore();
        const { id, bytes } = blob(1, 100);
        await store.putBlob(spaceA, id, bytes, now + 1_000);
        expect(await store.sweepBlobs(now + 999, 9)).toBe(0);
        expect(await store.blob(spaceA, id)).toHaveLength(100);
        expect(await store.sweepBlobs(now + 1_000, 9)).toBe(1);
        expect(await store.blob(spaceA, id)).toBeUndefined();
        expect(await store.keepBlobs(spaceA, [id], now + 2_000)).toEqual([id]);
        expect(await store.sweepBlobs(now + 9_000, 9)).toBe(0);
      });

      test("have their lease renewed by being kept or put again, never shortened", async () => {
        for (const renew of ["keep", "put"] as const) {
          const store = await freshStore();
          const { id, bytes } = blob(1, 100);
          const again = (untilMs: number) =>
            renew === "keep"
              ? store.keepBlobs(spaceA, [id], untilMs)
              : store.putBlob(spaceA, id, bytes, untilMs);
          await store.putBlob(spaceA, id, bytes, now + 1_000);
          await again(now + 3_000);
          expect(await store.sweepBlobs(now + 2_999, 9)).toBe(0);
          await again(now + 2_000);
          expect(await store.sweepBlobs(now + 2_999, 9)).toBe(0);
          expect(await store.usage(spaceA)).toMatchObject({ bytes: blobCost(100) });
          expect(await store.sweepBlobs(now + 3_000, 9)).toBe(1);
        }
      });

      test("are swept a few at a time, of all spaces, those that ended first first", async () => {
        const store = await freshStore();
        const blobs = Array.from({ length: 6 }, (_, index) => blob(index, 10));
        for (const [index, { id, bytes }] of blobs.entries()) {
          await store.putBlob(index % 2 ? spaceA : spaceB, id, bytes, now + 10 - index);
        }
        const left = async () => {
          const ids = blobs.map(({ id }) => id);
          const found = await Promise.all(
            ids.flatMap((id) => [store.blob(spaceA, id), store.blob(spaceB, id)]),
          );
          return found.filter((bytes) => bytes !== undefined).map(([byte]) => byte);
        };
        expect(await left()).toEqual([0, 1, 2, 3, 4, 5]);
        expect(await store.sweepBlobs(now + 9, 2)).toBe(2);
        expect(await left()).toEqual([0, 1, 2, 3]);
        expect(await store.sweepBlobs(now + 9, 9)).toBe(3);
        expect(await left()).toEqual([0]);
        expect(await store.usage(spaceA)).toEqual(nothing);
        expect(await store.usage(spaceB)).toMatchObject({ bytes: blobCost(10) });
        expect(await store.sweepBlobs(now + 9, 0)).toBe(0);
      });

      test("have room in a space that is full of entries, and not without end", async () => {
        const bytesMax = entryCost(8, 800);
        const store = await freshStore({ bytesMax });
        const log = new TestLog(ana);
        await store.append(spaceA, [log.run(8, { bodyBytes: 100 })]);
        const more = () => store.append(spaceA, [log.run(1, { bodyBytes: 0 })]);
        await expect(more()).rejects.toMatchObject(quotaExceeded);
        const length = Math.floor(bytesMax / 4) - blobCost(0);
        const [most, further] = [blob(1, length), blob(2, 0)];
        await store.putBlob(spaceA, most.id, most.bytes, now);
        const put = () => store.putBlob(spaceA, further.id, further.bytes, now);
        await expect(put()).rejects.toMatchObject(quotaExceeded);
        expect((await store.usage(spaceA)).bytes).toBe(bytesMax + Math.floor(bytesMax / 4));
      });

      test("count in the quota beside entries, and make room when they go", async () => {
        const store = await freshStore({ bytesMax: blobCost(400) + entryCost(1, 50) });
        const [first, second] = [blob(1, 400), blob(2, 400)];
        const run = new TestLog(ana).run(1, { bodyBytes: 50 });
        await store.putBlob(spaceA, first.id, first.bytes, now);
        await store.append(spaceA, [run]);
        const full = blobCost(400) + entryCost(1, 50);
        expect(await store.usage(spaceA)).toEqual({ bytes: full, entries: 1, registerBytes: 0 });
        const putSecond = () => store.putBlob(spaceA, second.id, second.bytes, now + 9);
        await expect(putSecond()).rejects.toMatchObject(quotaExceeded);
        expect(await store.blob(spaceA, second.id)).toBeUndefined();
        // What is there already takes up nothing more.
        await store.putBlob(spaceA, first.id, first.bytes, now + 1);
        expect(await store.usage(spaceA)).toMatchObject({ bytes: full });
        await store.sweepBlobs(now + 1, 9);
        await putSecond();
        expect(await store.usage(spaceA)).toMatchObject({ bytes: full });
        await expect(
          store.append(spaceA, [new TestLog(ben).run(1, { bodyBytes: 0 })]),
        ).rejects.toMatchObject(quotaExceeded);
      });

      test("keep no view of the caller's bytes", async () => {
        const store = await freshStore();
        const { id, bytes } = blob(7, 100);
        await store.putBlob(spaceA, id, bytes, now);
        bytes.fill(0xee);
        expect((await store.blob(spaceA, id))?.[0]).toBe(7);
      });

      test("put twice at the same time are one", async () => {
        const store = await freshStore();
        const { id, bytes } = blob(1, 100);
        const puts = Array.from({ length: 5 }, () => store.putBlob(spaceA, id, bytes, now));
        await Promise.all(puts);
        expect(await store.usage(spaceA)).toMatchObject({ bytes: blobCost(100) });
        expect(await store.sweepBlobs(now, 9)).toBe(1);
      });
    });

    describe("orders", () => {
      test("of a space are one, and the next comes when it was carried out", async () => {
        const store = await freshStore();
        expect(await store.order(spaceA)).toBeUndefined();
        expect(plainOrder(await store.putOrder(spaceA, order(3)))).toEqual(order(3));
        expect(plainOrder(await store.putOrder(spaceA, order(2)))).toEqual(order(3));
        expect(plainOrder(await store.order(spaceA))).toEqual(order(3));
        expect(plainOrder(await store.putOrder(spaceA, order(4)))).toEqual(order(3));
        await store.orderDone(spaceA, 3);
        expect(plainOrder(await store.putOrder(spaceA, order(2)))).toEqual(order(3));
        expect(plainOrder(await store.putOrder(spaceA, order(4)))).toEqual(order(4));
        expect(plainOrder(await store.order(spaceA))).toEqual(order(4));
        expect(await store.order(spaceB)).toBeUndefined();
      });

      test("are due when they were, however often they are put again", async () => {
        const store = await freshStore();
        await store.putOrder(spaceA, order(1, now + 1_000));
        for (const dueMs of [now, now + 5_000]) {
          const again = { ...order(1, dueMs), bytes: filled(9, 9) };
          expect(plainOrder(await store.putOrder(spaceA, again))).toEqual(order(1, now + 1_000));
        }
        expect(await store.dueOrders(now + 999, 9)).toEqual([]);
        const due = await store.dueOrders(now + 1_000, 9);
        expect(due.map(plainDue)).toEqual([{ space: spaceA, order: order(1, now + 1_000) }]);
      });

      test("that are due come in the order of their time, as many as are asked for", async () => {
        const store = await freshStore();
        const spaces = [0xa1, 0xa2, 0xa3, 0xa4].map((byte) => spaceTag(filled(16, byte)));
        for (const [index, space] of spaces.entries()) {
          await store.putOrder(space, order(5, now + 40 - 10 * index));
        }
        const due = (await store.dueOrders(now + 30, 2)).map(({ space }) => space);
        expect(due).toEqual([spaces[3], spaces[2]]);
        expect(await store.dueOrders(now + 30, 9)).toHaveLength(3);
        expect(await store.dueOrders(now + 99, 9)).toHaveLength(4);
      });

      test("that are due are read on from any of them, though it was carried out since", async () => {
        const store = await freshStore();
        const spaces = [0xa4, 0xa1, 0xa3, 0xa2, 0xa5].map((byte) => spaceTag(filled(16, byte)));
        // Three are due at once.
        const dues = [now + 20, now + 10, now + 20, now + 20, now + 30];
        for (const [index, space] of spaces.entries()) {
          await store.putOrder(space, order(5, dues[index]));
        }
        const placeOf = ({ space, order: { dueMs } }: DueOrder) => ({ space, dueMs });
        const all = (await store.dueOrders(now + 30, 9)).map(placeOf);
        expect(all.map(({ dueMs }) => dueMs)).toEqual(dues.toSorted((a, b) => a - b));
        for (const [index, place] of all.entries()) {
          const next = await store.dueOrders(now + 30, 2, place);
          expect(next.map(placeOf)).toEqual(all.slice(index + 1, index + 3));
          await store.orderDone(place.space, 5);
          expect(await store.dueOrders(now + 30, 2, place)).toEqual(next);
        }
      });

      test("that were carried out are not due again, and are held all the same", async () => {
        const store = await freshStore();
        await store.putOrder(spaceA, order(1));
        await store.putOrder(spaceB, order(1));
        await store.orderDone(spaceA, 1);
        expect((await store.dueOrders(now, 9)).map(({ space }) => space)).toEqual([spaceB]);
        await store.putOrder(spaceA, order(1));
        expect((await store.dueOrders(now, 9)).map(({ space }) => space)).toEqual([spaceB]);
        expect(plainOrder(await store.order(spaceA))).toEqual(order(1));
        // The next one is to be carried out, whoever is still busy with the one before.
        await store.putOrder(spaceA, order(2));
        await store.orderDone(spaceA, 1);
        expect(await store.dueOrders(now, 9)).toHaveLength(2);
        await store.orderDone(spaceA, 2);
        await store.orderDone(spaceB, 1);
        expect(await store.dueOrders(now, 9)).toEqual([]);
        await store.orderDone(spaceTag(filled(16, 0xc0)), 1);
      });

      test("are taken from a space that has used up its room", async () => {
        const store = await freshStore({ bytesMax: 0 });
        expect(plainOrder(await store.putOrder(spaceA, order(1)))).toEqual(order(1));
        expect(await store.usage(spaceA)).toEqual(nothing);
      });

      test("keep no view of the caller's bytes", async () => {
        const store = await freshStore();
        const given = order(1);
        await store.putOrder(spaceA, given);
        given.bytes.fill(0xee);
        expect(plainOrder(await store.order(spaceA))).toEqual(order(1));
      });
    });

    describe("invites", () => {
      test("give the preview without counting, and the keys counting", async () => {
        const store = await freshStore();
        const once = invite(1, { uses: 1 });
        expect(await store.putInvite(spaceA, once, now)).toBe("kept");
        for (let count = 0; count < 3; count++) {
          expect(await store.peekInvite(once.codeHash, now)).toEqual(open_(once.preview));
        }
        expect(await store.useInvite(once.codeHash, now)).toEqual(open_(once.keys));
        expect(await store.useInvite(once.codeHash, now)).toEqual({ kind: "spent" });
        expect(await store.peekInvite(once.codeHash, now)).toEqual({ kind: "spent" });
      });

      test("are used as often as allowed and not once more, even all at once", async () => {
        const store = await freshStore();
        const thrice = invite(1, { uses: 3 });
        await store.putInvite(spaceA, thrice, now);
        const uses = Array.from({ length: 10 }, () => store.useInvite(thrice.codeHash, now));
        const kinds = (await Promise.all(uses)).map(({ kind }) => kind);
        expect(kinds.filter((kind) => kind === "open")).toHaveLength(3);
        expect(kinds.filter((kind) => kind === "spent")).toHaveLength(7);
      });

      test("without a number of uses are used without end", async () => {
        const store = await freshStore();
        const endless = invite(1, { uses: 0 });
        await store.putInvite(spaceA, endless, now);
        for (let count = 0; count < 20; count++) {
          expect(await store.useInvite(endless.codeHash, now)).toEqual(open_(endless.keys));
        }
      });

      test("are spent from the moment they expire", async () => {
        const store = await freshStore();
        const short = invite(1, { expiresMs: now + 1_000 });
        await store.putInvite(spaceA, short, now);
        expect((await store.useInvite(short.codeHash, now + 999)).kind).toBe("open");
        expect(await store.useInvite(short.codeHash, now + 1_000)).toEqual({ kind: "spent" });
        expect(await store.peekInvite(short.codeHash, now + 1_000)).toEqual({ kind: "spent" });
      });

      test("that are unknown or revoked look the same", async () => {
        const store = await freshStore();
        const revoked = invite(1);
        await store.putInvite(spaceA, revoked, now);
        expect(await store.revokeInvite(spaceA, revoked.codeHash)).toBe(true);
        for (const { codeHash } of [revoked, invite(2)]) {
          expect(await store.peekInvite(codeHash, now)).toEqual({ kind: "unknown" });
          expect(await store.useInvite(codeHash, now)).toEqual({ kind: "unknown" });
        }
      });

      test("stay revoked when they are put or revoked again", async () => {
        const store = await freshStore();
        const revoked = invite(1);
        await store.putInvite(spaceA, revoked, now);
        await store.revokeInvite(spaceA, revoked.codeHash);
        expect(await store.putInvite(spaceA, revoked, now)).toBe("revoked");
        expect(await store.revokeInvite(spaceA, revoked.codeHash)).toBe(true);
        expect(await store.useInvite(revoked.codeHash, now)).toEqual({ kind: "unknown" });
      });

      test("put again keep what was used of them", async () => {
        const store = await freshStore();
        const twice = invite(1, { uses: 2 });
        await store.putInvite(spaceA, twice, now);
        await store.useInvite(twice.codeHash, now);
        expect(await store.putInvite(spaceA, twice, now)).toBe("kept");
        expect((await store.useInvite(twice.codeHash, now)).kind).toBe("open");
        expect(await store.useInvite(twice.codeHash, now)).toEqual({ kind: "spent" });
      });

      test("belong to the space that put them first", async () => {
        const store = await freshStore();
        const theirs = invite(1);
        await store.putInvite(spaceA, theirs, now);
        const other = { ...invite(1), preview: filled(9, 9) };
        expect(await store.putInvite(spaceB, other, now)).toBe("taken");
        expect(await store.revokeInvite(spaceB, theirs.codeHash)).toBe(false);
        expect(await store.peekInvite(theirs.codeHash, now)).toEqual(open_(theirs.preview));
      });

      test("cannot be revoked where there is none", async () => {
        const store = await freshStore();
        expect(await store.revokeInvite(spaceA, invite(1).codeHash)).toBe(false);
      });

      test("of a space are bounded, and make room a while after they expire", async () => {
        const store = await freshStore();
        for (let index = 0; index < invitesPerSpaceMax; index++) {
          const each = invite(index, { expiresMs: now + 1_000 });
          expect(await store.putInvite(spaceA, each, now)).toBe("kept");
        }
        const more = invite(invitesPerSpaceMax, { expiresMs: now + 2 * inviteMemoryMs });
        expect(await store.putInvite(spaceA, more, now)).toBe("full");
        expect(await store.putInvite(spaceA, invite(0), now)).toBe("kept");
        expect(await store.putInvite(spaceB, more, now)).toBe("kept");
        const later = now + 1_000 + inviteMemoryMs;
        const last = invite(invitesPerSpaceMax + 1, { expiresMs: later + 1_000 });
        expect(await store.peekInvite(invite(1).codeHash, later)).toEqual({ kind: "spent" });
        expect(await store.putInvite(spaceA, last, later - 1)).toBe("full");
        expect(await store.putInvite(spaceA, last, later)).toBe("kept");
        expect(await store.peekInvite(invite(1).codeHash, later)).toEqual({ kind: "unknown" });
      });
    });

    for (const after of options.durable ? (["close", "crash"] as const) : []) {
      test(`all that was answered is still there after a ${after}`, async () => {
        const { store, reopen } = await fresh();
        if (reopen === undefined) throw new Error(`${name} is durable but cannot be opened again`);
        const [kept, used, revoked] = [invite(1), invite(2, { uses: 1 }), invite(3)];
        await store.append(spaceA, [new TestLog(ana).run(2, { bodyBytes: 30 })]);
        await store.putCertificate(spaceA, certificate(4));
        for (const each of [kept, used, revoked]) await store.putInvite(spaceA, each, now);
        await store.useInvite(used.codeHash, now);
        await store.revokeInvite(spaceA, revoked.codeHash);
        const piece = blob(1, 1_000);
        await store.putBlob(spaceB, piece.id, piece.bytes, now + 1_000);
        await store.keepBlobs(spaceB, [piece.id], now + 2_000);
        await store.putOrder(spaceA, order(6));
        await store.putOrder(spaceB, order(7));
        await store.orderDone(spaceB, 7);
        if (after === "close") await store.close();
        const again = await reopen(after);
        expect(plain(await again.certificate(spaceA))).toEqual(plain(certificate(4)));
        expect(await again.usage(spaceA)).toMatchObject({ bytes: entryCost(2, 60), entries: 2 });
        expect(await again.peekInvite(kept.codeHash, now)).toEqual(open_(kept.preview));
        expect(await again.useInvite(used.codeHash, now)).toEqual({ kind: "spent" });
        expect(await again.useInvite(revoked.codeHash, now)).toEqual({ kind: "unknown" });
        expect(await again.sweepBlobs(now + 1_999, 9)).toBe(0);
        expect(await again.blob(spaceB, piece.id)).toHaveLength(1_000);
        expect(await again.usage(spaceB)).toMatchObject({ bytes: blobCost(1_000) });
        const due = await again.dueOrders(now, 9);
        expect(due.map(plainDue)).toEqual([{ space: spaceA, order: order(6) }]);
        expect(plainOrder(await again.order(spaceB))).toEqual(order(7));
      });
    }
  });
}

const quotaExceeded = { name: "QuotaExceeded" };
const nothing = { bytes: 0, entries: 0, registerBytes: 0 };
const now = 1_800_000_000_000;
const spaceA = spaceTag(filled(16, 0xa0));
const spaceB = spaceTag(filled(16, 0xb0));
const ana = replicaId(filled(16, 1));
const ben = replicaId(filled(16, 2));
const clock = registerName(filled(16, 0x51));

function certificate(n: number, hashByte = 0x77): StoredCertificate {
  return { n, bytes: filled(214, n), hash: filled(32, hashByte) };
}

function invite(index: number, changes: Partial<Invite> = {}): Invite {
  const codeHash = filled(16, 0xc0);
  new DataView(codeHash.buffer).setUint32(0, index);
  return {
    codeHash,
    expiresMs: now + 86_400_000,
    uses: 5,
    preview: filled(40, index & 0xff),
    keys: filled(300, (index + 1) & 0xff),
    ...changes,
  };
}

/** Of any bytes: a store takes the caller's word for the id. */
function blob(index: number, length: number): { id: BlobId; bytes: Uint8Array } {
  return { id: blobId(filled(32, index)), bytes: filled(length, index) };
}

const order = (number: number, dueMs = now): StoredOrder => ({
  number,
  bytes: filled(300, number),
  dueMs,
});

const plainOrder = (found: StoredOrder | undefined) =>
  found && { ...found, bytes: Uint8Array.from(found.bytes) };

const plainDue = ({ space, order: due }: DueOrder) => ({ space, order: plainOrder(due) });

const open_ = (sealed: Uint8Array) => ({ kind: "open", sealed });

const plain = (found: StoredCertificate | undefined) =>
  found && { n: found.n, bytes: Uint8Array.from(found.bytes), hash: Uint8Array.from(found.hash) };

function filled(length: number, byte: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(byte);
}
