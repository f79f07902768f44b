/** What is left of a leader that froze, as the one after it meets it on the disk they share. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { VersionVector } from "@skein/shared/clock/version-vector.ts";
import type { Segment } from "@skein/shared/device/log-segments.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { deviceStores, stores } from "@skein/shared/device/stores.ts";
import { RegisterDesk } from "@skein/shared/device/register-desk.ts";
import type { Lock } from "@skein/shared/device/writer.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId } from "@skein/shared/id/id.ts";
import type { StoredRegister } from "@skein/shared/log/store.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Session } from "@skein/shared/sync/session.ts";
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import { Tab } from "../support/party.ts";
import { toySuite } from "../support/toy-suite.ts";

let nowMs = 1_000;
const env: Env = {
  clock: { now: () => nowMs },
  random: {
    bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    fraction: () => Math.random(),
  },
};
const suite = toySuite(env.random);
const channel = documentId(new Uint8Array(8).fill(1));
const topics = [{ kind: "clock" }, { kind: "read", document: channel }] as const;
const alone: Lock = (body) => body();
const patience = { timeout: 10_000 };

let space: NewSpace;
let pair: SigningPair;
let disk: MemoryDisk;

beforeEach(async () => {
  space = await newSpace(suite, env.random);
  pair = await suite.newSigningPair();
  disk = new MemoryDisk(deviceStores);
});

function tabOf(owner: SigningPair, on: MemoryDisk): Tab {
  return new Tab({
    env,
    suite,
    kv: on.open(),
    space,
    pair: owner,
    lock: alone,
    onBug: (error) => {
      throw error;
    },
  });
}

/** A delivery clock of somebody else. */
async function clockOf(other: Tab, vector: VersionVector): Promise<StoredRegister> {
  const desk = new RegisterDesk(env, other.sealer);
  desk.clockMoved(vector);
  const [register] = await desk.takeDue();
  if (register === undefined) throw new Error("a clock that moved is due");
  return register;
}

describe("a new leader", () => {
  it("holds a register that the old one had put when it arrives again", async () => {
    const old = tabOf(pair, disk);
    await old.lead(topics);
    const leader = tabOf(pair, disk);
    const replica = await leader.lead(topics);
    const other = tabOf(await suite.newSigningPair(), new MemoryDisk(deviceStores));
    const register = await clockOf(other, new Map([[leader.replicaId, 3]]));
    await old.store.putRegisters(space.tag, [register]);

    const nobody = {} as Session;
    replica.exchange.onRegister(nobody, register.publicKey, register.bytes);
    await vi.waitFor(() => {
      expect(leader.board.clock(other.replicaId).get(leader.replicaId)).toBe(3);
    }, patience);
    expect(replica.exchange.holdings.register(other.replicaId, register.name)?.number).toBe(1);
  });

  it("alone publishes registers of its device", async () => {
    const old = tabOf(pair, disk);
    await old.lead(topics);
    const leader = tabOf(pair, disk);
    const replica = await leader.lead(topics);
    const author = leader.replicaId;
    leader.desk?.markRead(topics[1], new Map([[author, 2]]));
    replica.tick();
    // Under the same number: of two values either might win.
    for (const seq of [1, 3, 4, 5]) old.desk?.markRead(topics[1], new Map([[author, seq]]));
    old.replica?.tick();
    await vi.waitFor(() => expect(old.deposed).toBe(true), patience);
    await vi.waitFor(async () => {
      expect(await published(leader)).toEqual({ number: 1, mark: 2 });
    }, patience);
  });

  it("goes above a number that its device has used and forgotten", async () => {
    const leader = tabOf(pair, disk);
    const replica = await leader.lead(topics);
    const author = leader.replicaId;
    // As a relay has it, from before the profile was restored from a copy.
    const before = new RegisterDesk(env, leader.sealer);
    // Of two values under one number either may be the newer.
    for (const seq of [1, 3, 5, 7, 9, 11]) {
      before.markRead(topics[1], new Map([[author, seq]]));
      nowMs += 1_000;
      const [register] = await before.takeDue();
      if (register === undefined) throw new Error("a mark that moved is due");
      await leader.store.putRegisters(space.tag, [register]);
      leader.desk?.markRead(topics[1], new Map([[author, seq + 1]]));
      await vi.waitFor(async () => {
        nowMs += 1_000;
        replica.tick();
        expect(await published(leader)).toMatchObject({ mark: seq + 1 });
      }, patience);
      for (const each of await leader.store.registers(space.tag)) await before.takeBack(each);
    }
  });
});

/** The own read mark as it stands on the disk. */
async function published(tab: Tab): Promise<{ number: number; mark: number | undefined }> {
  const name = await tab.keyring.registerName(`read/${channel}`);
  const held = await tab.store.registers(space.tag);
  const register = held.find((each) => each.replica === tab.replicaId && each.name === name);
  const reader = tabOf(await suite.newSigningPair(), new MemoryDisk(deviceStores));
  await reader.board.know(topics);
  if (register !== undefined) await reader.board.take(register);
  const mark = reader.board.readMark(channel, tab.replicaId).get(tab.replicaId);
  return { number: register?.number ?? 0, mark };
}

describe("a name under a number that is used", () => {
  it("is published above it", async () => {
    const one = new RegisterDesk(env, tabOf(pair, disk).sealer);
    const two = new RegisterDesk(env, tabOf(pair, disk).sealer);
    one.setProfile("Ana");
    two.setProfile("Ana B");
    const [theirs] = await one.takeDue();
    await two.takeDue();
    nowMs += 1_000;
    expect(await two.takeDue()).toEqual([]);
    if (theirs === undefined) throw new Error("a name that was set is due");
    await two.takeBack(theirs);
    const [again] = await two.takeDue();
    expect(again?.number).toBe(2);
  });
});

describe("a leader", () => {
  it("finds what a tab wrote that died before it could tell", async () => {
    const leader = tabOf(pair, disk);
    const replica = await leader.lead(topics);
    const dying = tabOf(pair, disk);
    await dying.writer.append(channel, () => []);
    replica.tick();
    await dying.store.heads(space.tag);
    expect(replica.exchange.holdings.to(leader.replicaId)).toBe(0);

    nowMs = replica.wakeAtMs();
    replica.tick();
    await vi.waitFor(() => {
      expect(replica.exchange.holdings.to(leader.replicaId)).toBe(1);
      expect(replica.applied.vector.get(leader.replicaId)).toBe(1);
    }, patience);
  });

  it("applies what is written behind entries that the disk has spoilt", async () => {
    const operation = { kind: 0x30, payload: new Uint8Array(3) };
    const before = tabOf(pair, disk);
    const replica = await before.lead(topics);
    for (let each = 0; each < 3; each++) await before.writer.append(channel, () => [operation]);
    await vi.waitFor(() => {
      expect(replica.applied.vector.get(before.replicaId)).toBe(3);
    }, patience);
    before.close();
    await disk.open().write([stores.segments], "strict", async (tx) => {
      const key = [space.tag, before.replicaId, 1];
      const segment = (await tx.get(stores.segments, key)) as Segment;
      tx.put(stores.segments, key, { ...segment, bytes: segment.bytes.map((byte) => byte ^ 1) });
    });
    const leader = tabOf(pair, disk);
    await leader.lead(topics);
    for (let each = 0; each < 2; each++) await leader.writer.append(channel, () => [operation]);
    await vi.waitFor(() => {
      expect(leader.applied.map(({ seq }) => seq)).toEqual([4, 5]);
    }, patience);
  });
});
