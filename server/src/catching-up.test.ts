import { describe, expect, test, vi } from "vitest";
import { limits } from "@skein/shared/protocol/limits.ts";
import { ana, ben, names, register, spaceA, TestLog } from "@skein/shared/log/test-log.contract.ts";
import type { LogHead, VerifiedRun } from "@skein/shared/log/store.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { Exchange, type ExchangeHost } from "@skein/shared/sync/exchange.ts";
import { CatchingUp, Turns } from "./catching-up.ts";
import { MemoryRelayStore } from "./store/memory.ts";
import { relaySuite } from "./suite.ts";
import { systemEnv } from "./system-env.ts";

const turns = () => new Turns(2);
const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** The same store, of which calls of that name wait until they are let go, once they have their answers. */
function holding(store: MemoryRelayStore, name: "registers" | "hashes") {
  let letGo = (): void => {};
  const held = new Proxy(store, {
    get: (target, property) => {
      const verb: unknown = Reflect.get(target, property);
      if (typeof verb !== "function") return verb;
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(verb, target, args);
        if (property === name) await new Promise<void>((resolve) => (letGo = resolve));
        return answer;
      };
    },
  });
  return { held, letGo: () => letGo() };
}

/** A room's exchange without sessions, over what the store held when it was read. */
async function room(store: MemoryRelayStore, turn = turns(), lookedAt = store) {
  const failures: unknown[] = [];
  const host = new Proxy({} as ExchangeHost, {
    get: (_, event) => (error: unknown) => {
      if (event === "onStoreFailed") failures.push(error);
    },
  });
  const exchange = new Exchange({
    env: systemEnv,
    suite: relaySuite(),
    tag: spaceA,
    effects: new Effects((error) => failures.push(error)),
    heads: await store.heads(spaceA),
    registers: await store.registers(spaceA),
    host,
    forwards: "verified",
    shelf: { keep: async () => [], get: async () => undefined, put: async () => 0 },
    store: {
      append: (runs) => store.append(spaceA, runs),
      read: (replica, first, bytesMax) => store.read(spaceA, replica, first, bytesMax),
      split: (split) => store.split(spaceA, split),
      heads: () => store.heads(spaceA),
      hashes: (replica, first, last) => store.hashes(spaceA, replica, first, last),
      putRegisters: (registers) => store.putRegisters(spaceA, registers),
    },
  });
  const heard: VerifiedRun[] = [];
  const heldElsewhere = exchange.heldElsewhere.bind(exchange);
  exchange.heldElsewhere = (run) => {
    heard.push(run);
    heldElsewhere(run);
  };
  const catchingUp = new CatchingUp({
    ...{ tag: spaceA, store: lookedAt, exchange, turns: turn },
    onFailed: (error) => failures.push(error),
  });
  const look = async () => {
    catchingUp.look();
    await settle();
  };
  return { exchange, heard, failures, catchingUp, look };
}

describe("a room that looks at the store", () => {
  test("takes in what logs have grown by, as it was written", async () => {
    const store = new MemoryRelayStore();
    const [logA, logB] = [new TestLog(ana), new TestLog(ben)];
    await store.append(spaceA, [logA.run(2), logB.run(1)]);
    const { exchange, heard, look, failures } = await room(store);
    const runs = [logA.run(3), logA.run(1)];
    await store.append(spaceA, runs);
    await look();
    expect(exchange.holdings.head(ana)).toEqual(logA.head);
    expect(heard.flatMap(({ hashes }) => hashes)).toEqual(runs.flatMap(({ hashes }) => hashes));
    expect(heard[0]).toMatchObject({
      first: 3,
      publicKey: logA.publicKey,
      previous: runs[0]?.previous,
    });
    expect(heard.every(({ replica }) => replica === ana)).toBe(true);
    expect(failures).toEqual([]);
  });

  test("takes in logs and registers of which it knew nothing", async () => {
    const store = new MemoryRelayStore();
    const { exchange, look } = await room(store);
    const log = new TestLog(ana);
    await store.append(spaceA, [log.run(5)]);
    await store.begin(spaceA, [new TestLog(ben).base(0), { ...log.base(2), replica: ben }]);
    const kept = register(ben, names[0], 1);
    await store.putRegisters(spaceA, [kept]);
    await look();
    expect(exchange.holdings.head(ana)).toEqual(log.head);
    expect(exchange.holdings.head(ben)).toMatchObject({ from: 3, to: 2 });
    expect(exchange.holdings.register(ben, kept.name)).toEqual(kept);
  });

  test("reads no more than sixteen runs of a log, and leaves the rest to its sessions", async () => {
    const store = new MemoryRelayStore();
    const log = new TestLog(ana);
    await store.append(spaceA, [log.run(1)]);
    const { exchange, heard, look } = await room(store);
    const bodyBytes = limits.runBytesMax / 2 + 1;
    for (let count = 0; count < 20; count++)
      await store.append(spaceA, [log.run(1, { bodyBytes })]);
    await look();
    expect(heard).toHaveLength(16);
    expect(exchange.holdings.head(ana)).toEqual(log.head);
  });

  test("hears that a log begins elsewhere, and has grown beyond", async () => {
    const store = new MemoryRelayStore();
    const log = new TestLog(ana);
    await store.append(spaceA, [log.run(4)]);
    const { exchange, look } = await room(store);
    await store.begin(spaceA, [log.base(3)]);
    await look();
    expect(exchange.holdings.head(ana)).toEqual({ ...log.head, from: 4 });
    await store.append(spaceA, [log.run(2)]);
    await store.begin(spaceA, [log.base(6)]);
    await look();
    expect(exchange.holdings.head(ana)).toEqual({ ...log.head, from: 7 });
  });

  test("follows no log that stands otherwise in the store: its heads are read anew", async () => {
    for (const rival of [new TestLog(ana).run(3), new TestLog(ana).run(5), undefined]) {
      const before = new MemoryRelayStore();
      const log = new TestLog(ana);
      await before.append(spaceA, [log.run(3)]);
      const store = new MemoryRelayStore();
      if (rival !== undefined) await store.append(spaceA, [rival]);
      const { exchange, heard, look } = await room(store);
      for (const head of await before.heads(spaceA)) exchange.holdings.setHead(head);
      await look();
      expect(heard).toEqual([]);
      expect([...exchange.holdings.logs.values()]).toEqual(await store.heads(spaceA));
    }
  });

  test("looks once more if it is asked to while it looks, and else once", async () => {
    const store = new MemoryRelayStore();
    const heads = vi.spyOn(store, "heads");
    const { catchingUp } = await room(store);
    heads.mockClear();
    for (let time = 0; time < 5; time++) catchingUp.look();
    expect(heads).toHaveBeenCalledTimes(1);
    await settle();
    expect(heads).toHaveBeenCalledTimes(2);
  });

  test("is behind after a look that failed, until another has not", async () => {
    const store = new MemoryRelayStore();
    const log = new TestLog(ana);
    await store.append(spaceA, [log.run(1)]);
    const { exchange, look, failures, catchingUp } = await room(store);
    await store.append(spaceA, [log.run(1)]);
    const reading = vi.spyOn(store, "read").mockRejectedValueOnce(new Error("out of reach"));
    await look();
    expect(failures).toEqual([new Error("out of reach")]);
    expect(catchingUp.isBehind).toBe(true);
    // Cut off between the look at the heads and that at the log.
    reading.mockResolvedValueOnce(undefined);
    await look();
    expect(catchingUp.isBehind).toBe(true);
    await look();
    expect(catchingUp.isBehind).toBe(false);
    expect(exchange.holdings.to(ana)).toBe(2);
  });

  test("does not bring back a log that was taken apart while it looked", async () => {
    const store = new MemoryRelayStore();
    const log = new TestLog(ana);
    await store.append(spaceA, [log.run(4)]);
    const { held, letGo } = holding(store, "registers");
    const { exchange, catchingUp, look } = await room(store, turns(), held);
    await look();
    const branch = { signer: ana, seq: 3, hash: log.hashAt(3) };
    const off = await store.split(spaceA, { replica: ana, branch, into: ben });
    if (off.kind !== "split") throw new Error("it was not taken apart");
    exchange.tookApart(ana, off);
    letGo();
    await settle();
    expect([...exchange.holdings.logs.values()]).toEqual(await store.heads(spaceA));
    expect(catchingUp.isBehind).toBe(true);
  });

  test("does not follow a log that was taken apart while it read on", async () => {
    const store = new MemoryRelayStore();
    const log = new TestLog(ana);
    await store.append(spaceA, [log.run(1)]);
    const theirs = log.fork();
    await store.append(spaceA, [log.run(1)]);
    const { held, letGo } = holding(store, "hashes");
    const { exchange, catchingUp, look } = await room(store, turns(), held);
    await store.append(spaceA, [log.run(2)]);
    await look();
    theirs.run(2);
    const branch = { signer: ana, seq: 2, hash: log.hashAt(2) };
    const proof = theirs.slice(2, 3);
    const off = await store.split(spaceA, { replica: ana, branch, into: ben, proof });
    if (off.kind !== "split" || off.proven === undefined) throw new Error("not taken apart");
    exchange.tookApart(ana, off);
    exchange.holdings.setHead(off.proven);
    letGo();
    await settle();
    const sorted = (heads: Iterable<LogHead>) =>
      [...heads].map(({ to, hash }) => `${to} ${Buffer.from(hash).toString("hex")}`).sort();
    expect(sorted(exchange.holdings.logs.values())).toEqual(sorted(await store.heads(spaceA)));
    expect(catchingUp.isBehind).toBe(true);
  });

  test("takes in nothing after it was closed", async () => {
    const store = new MemoryRelayStore();
    const { exchange, catchingUp } = await room(store);
    await store.append(spaceA, [new TestLog(ana).run(1)]);
    catchingUp.look();
    catchingUp.close();
    catchingUp.look();
    await settle();
    expect(exchange.holdings.to(ana)).toBe(0);
  });
});

test("turns are taken in order, so many at a time", async () => {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const queue = new Turns(2);
  for (let number = 0; number < 5; number++) {
    queue.take(() => {
      begun.push(number);
      return new Promise((resolve) => ends.push(resolve));
    });
  }
  expect(begun).toEqual([0, 1]);
  ends[1]?.();
  await settle();
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.();
  ends[2]?.();
  await settle();
  expect(begun).toEqual([0, 1, 2, 3, 4]);
});
