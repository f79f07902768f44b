import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes } from "../bytes/bytes.ts";
import { MemoryLogStore } from "../log/memory-store.ts";
import { encodeFrame } from "../protocol/codec.ts";
import { codes } from "../protocol/codes.ts";
import { Connection } from "./connection.ts";
import {
  Author,
  newEnv,
  ownAppend,
  random,
  register,
  settle,
  suite,
  tag,
  TestParty,
} from "./parties.contract.ts";

/** Takes no log apart: forks are only told. */
const told = { heals: false };

describe("two devices and a relay", () => {
  it("converge, and the author hears that the relay has stored", async () => {
    const env = newEnv();
    const [ana, ben] = [await Author.make(), await Author.make()];
    const relay = new TestParty("relay", env);
    const a = new TestParty("device", env, [ana.replica]);
    const b = new TestParty("device", env, [ben.replica]);
    await ownAppend(a, await ana.write(3));
    a.connect(relay);
    b.connect(relay);
    await settle();
    await ownAppend(b, await ben.write(1));
    await ownAppend(a, await ana.write(2));
    await settle();
    for (const party of [relay, a, b]) {
      expect(party.exchange.holdings.to(ana.replica)).toBe(5);
      expect(party.exchange.holdings.to(ben.replica)).toBe(1);
      expect(party.endings).toEqual([]);
    }
    expect(a.stored.at(-1)).toEqual([ana.replica, 5]);
    expect(a.session?.equal).toBe(true);
    expect(b.session?.equal).toBe(true);
  });

  it("catch up over a long log through the window, after a cut", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const a = new TestParty("device", env, [ana.replica]);
    const b = new TestParty("device", env);
    for (let round = 0; round < 60; round++) await ownAppend(a, await ana.write(20, 2_000));
    const first = a.connect(relay);
    await settle();
    first.cut();
    a.connect(relay);
    await settle();
    b.connect(relay);
    for (let turn = 0; turn < 20; turn++) {
      await settle();
      env.advance(1_000);
      for (const connection of [a.session?.connection, b.session?.connection]) connection?.tick();
    }
    expect(relay.exchange.holdings.to(ana.replica)).toBe(1_200);
    expect(b.exchange.holdings.to(ana.replica)).toBe(1_200);
  });

  it("end the session of whoever brings a wrong signature, and store nothing", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const a = new TestParty("device", env, [ana.replica]);
    const run = await ana.write(2);
    const forged = { ...run, signature: run.signature.map((byte) => byte ^ 1) };
    await a.store.append(tag, [forged]);
    a.connect(relay);
    a.exchange.ownHeld({
      replica: ana.replica,
      publicKey: ana.pair.publicKey,
      from: 1,
      to: 2,
      hash: ana.hash,
    });
    await settle();
    expect(a.endings[0]).toMatchObject({ by: "them", code: codes.entryRefused });
    expect(relay.exchange.holdings.to(ana.replica)).toBe(0);
  });

  it("tell a fork from a wrong signature, end nobody's session and overwrite nothing", async () => {
    const env = newEnv();
    const pair = await suite.newSigningPair();
    const [one, two] = [new Author(pair), new Author(pair)];
    const relay = new TestParty("relay", env, [], new MemoryLogStore(), told);
    const a = new TestParty("device", env, [one.replica], new MemoryLogStore(), told);
    const b = new TestParty("device", env, [two.replica], new MemoryLogStore(), told);
    await ownAppend(a, await one.write(3));
    await ownAppend(b, await two.write(5));
    a.connect(relay);
    await settle();
    b.connect(relay);
    await settle();
    expect(relay.exchange.holdings.to(one.replica)).toBe(3);
    expect(relay.exchange.holdings.head(one.replica)?.hash).toEqual(one.hash);
    expect(b.forks).toContain(two.replica);
    expect([...a.endings, ...b.endings, ...relay.endings]).toEqual([]);
  });

  it("bring other logs past a fork, however long the branch that nobody wants", async () => {
    const env = newEnv();
    const pair = await suite.newSigningPair();
    const [long, short] = [new Author(pair), new Author(pair)];
    const other = await Author.make();
    const relay = new TestParty("relay", env);
    const b = new TestParty("device", env, [short.replica]);
    for (let round = 0; round < 30; round++) await ownAppend(relay, await long.write(3, 20_000));
    await ownAppend(b, await short.write(1));
    b.connect(relay, 5);
    await settle();
    await settle();
    await ownAppend(relay, await other.write(2));
    await settle();
    await settle();
    expect(b.exchange.holdings.to(other.replica)).toBe(2);
    expect(b.forks).toEqual([short.replica]);
    expect([...b.endings, ...relay.endings]).toEqual([]);
  });

  it("confirm nothing of a branch that they do not hold", async () => {
    const env = newEnv();
    const pair = await suite.newSigningPair();
    const [one, two] = [new Author(pair), new Author(pair)];
    const common = await one.write(2);
    [two.seq, two.hash] = [one.seq, one.hash];
    const relay = new TestParty("relay", env, [], new MemoryLogStore(), told);
    const a = new TestParty("device", env, [one.replica], new MemoryLogStore(), told);
    const b = new TestParty("device", env, [two.replica], new MemoryLogStore(), told);
    for (const party of [relay, a, b]) await ownAppend(party, common);
    a.connect(relay);
    b.connect(relay, 5);
    await settle();
    await settle();
    // Both write at once, so that neither has heard of the other's.
    const [ours, theirs] = [await one.write(1), await two.write(1)];
    await Promise.all([ownAppend(a, ours), ownAppend(b, theirs)]);
    await settle();
    for (const session of relay.exchange.sessions) session.connection.tick();
    await settle();
    for (const [party, author] of [
      [a, one],
      [b, two],
    ] as const) {
      const held = relay.exchange.holdings.head(author.replica)?.hash;
      const isOurs = held !== undefined && equalBytes(held, author.hash);
      expect(party.stored.some(([, seq]) => seq === 3)).toBe(isOurs);
    }
    await ownAppend(a, await one.write(1));
    await ownAppend(b, await two.write(1));
    await settle();
    expect(relay.forks).toContain(one.replica);
    expect([...a.endings, ...b.endings, ...relay.endings]).toEqual([]);
  });

  it("tell everybody who brought an entry that it is stored, and read nothing back", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const [one, two] = [
      new TestParty("device", env, [ana.replica]),
      new TestParty("device", env, [ana.replica]),
    ];
    let reads = 0;
    const { store } = relay;
    const [append, read] = [store.append.bind(store), store.read.bind(store)];
    // A disk that is slower than two tabs of one device.
    store.append = async (...args) => {
      for (let turn = 0; turn < 10; turn++) await new Promise((done) => setImmediate(done));
      return append(...args);
    };
    store.read = (...args) => {
      reads++;
      return read(...args);
    };
    one.connect(relay);
    two.connect(relay);
    await settle();
    const run = await ana.write(1);
    await Promise.all([ownAppend(one, run), ownAppend(two, run)]);
    await settle();
    for (const session of relay.exchange.sessions) session.connection.tick();
    await settle();
    for (const party of [one, two]) expect(party.stored).toEqual([[ana.replica, 1]]);
    expect(reads).toBe(0);
  });

  it("bring again what a device lost to its disk, while others go on writing", async () => {
    const env = newEnv();
    const [ana, ben] = [await Author.make(), await Author.make()];
    const relay = new TestParty("relay", env);
    const b = new TestParty("device", env);
    await ownAppend(relay, await ben.write(1));
    b.connect(relay);
    await settle();
    const { store } = b;
    const append = store.append.bind(store);
    store.append = () => Promise.reject(new Error("no room"));
    await ownAppend(relay, await ana.write(1));
    await settle();
    expect(b.failures).toHaveLength(1);
    store.append = append;
    for (let turn = 0; turn < 10; turn++) {
      env.advance(5_000);
      await ownAppend(relay, await ben.write(1));
      b.exchange.compare();
      for (const connection of [b.session?.connection, relay.session?.connection])
        connection?.tick();
      await settle();
    }
    expect(b.exchange.holdings.to(ana.replica)).toBe(1);
  });

  it("bring what the relay could not read at once, while others go on writing", async () => {
    const env = newEnv();
    const [ana, ben] = [await Author.make(), await Author.make()];
    const relay = new TestParty("relay", env);
    const b = new TestParty("device", env);
    await ownAppend(relay, await ana.write(1));
    await ownAppend(relay, await ben.write(1));
    const { store } = relay;
    const read = store.read.bind(store);
    store.read = () => Promise.reject(new Error("busy"));
    b.connect(relay);
    await settle();
    store.read = read;
    for (let turn = 0; turn < 4; turn++) {
      env.advance(5_000);
      await ownAppend(relay, await ben.write(1));
      for (const connection of [b.session?.connection, relay.session?.connection])
        connection?.tick();
      await settle();
    }
    expect(b.exchange.holdings.to(ana.replica)).toBe(1);
    expect(b.exchange.holdings.to(ben.replica)).toBe(5);
  });

  it("go on when one confirms what the relay has passed on and could not keep", async () => {
    const env = newEnv();
    const [ana, ben] = [await Author.make(), await Author.make()];
    const relay = new TestParty("relay", env);
    const a = new TestParty("device", env, [ana.replica]);
    const b = new TestParty("device", env, [ben.replica]);
    a.connect(relay);
    b.connect(relay);
    await settle();

    const keep = relay.store.append.bind(relay.store);
    relay.store.append = () => Promise.reject(new Error("the disk refuses"));
    const slow = Promise.withResolvers<void>();
    const keepSlowly = b.store.append.bind(b.store);
    b.store.append = async (space, runs) => {
      await slow.promise;
      return keepSlowly(space, runs);
    };
    await ownAppend(a, await ana.write(1));
    await settle();
    relay.store.append = keep;
    expect(relay.failures).toHaveLength(1);
    // They compare, and the relay learns that the entry it has passed on is not held there yet.
    const own = await ben.write(1);
    await keepSlowly(tag, [own]);
    const { replica, publicKey } = own;
    b.exchange.ownHeld({ replica, publicKey, from: 1, to: 1, hash: ben.hash });
    b.exchange.compare();
    await settle();
    slow.resolve();
    await settle();
    env.advance(2_000);
    b.session?.connection.tick();
    await settle();
    expect([...relay.endings, ...b.endings]).toEqual([]);
    expect(b.exchange.holdings.to(ana.replica)).toBe(1);
  });

  it("answer a frame out of turn, a malformed one and a flood before proof with their codes", async () => {
    const env = newEnv();
    const outcome = async (feed: (connection: Connection) => void): Promise<number | undefined> => {
      const relay = new TestParty("relay", env);
      const connection = new Connection({
        env,
        wire: { send: () => {}, close: () => {} },
        host: relay,
        party: "relay",
        initiator: false,
        durable: true,
      });
      feed(connection);
      await settle();
      return relay.endings[0]?.code;
    };
    const greet = encodeFrame({
      type: "greet",
      versionMin: 1,
      versionMax: 1,
      party: "device",
      durable: true,
      nonce: random.bytes(16),
      capabilities: 0,
    });
    const newer = encodeFrame({
      type: "greet",
      versionMin: 9,
      versionMax: 9,
      party: "device",
      durable: true,
      nonce: random.bytes(16),
      capabilities: 0,
    });
    expect(await outcome((to) => to.receive(encodeFrame({ type: "ping", token: 1 })))).toBe(
      codes.outOfTurn,
    );
    expect(await outcome((to) => to.receive(new Uint8Array([255, 1, 2])))).toBe(codes.malformed);
    expect(await outcome((to) => to.receive(greet.subarray(0, 5)))).toBe(codes.malformed);
    expect(await outcome((to) => to.receive(concatBytes(greet, new Uint8Array(1))))).toBe(
      codes.malformed,
    );
    expect(await outcome((to) => to.receive(newer))).toBe(codes.noCommonVersion);
    expect(await outcome((to) => to.receive(new Uint8Array(300_000)))).toBe(codes.tooLarge);
    expect(
      await outcome((to) => {
        to.receive(greet);
        for (let count = 0; count < 5_000; count++)
          to.receive(encodeFrame({ type: "ping", token: 1 }));
      }),
    ).toBe(codes.unproven);
    expect(
      await outcome((to) => {
        to.receive(greet);
        env.advance(6_000);
        to.tick();
      }),
    ).toBe(codes.deadline);
  });
});

describe("registers", () => {
  const [registerType, pongType] = [0x18, 0x07];

  it("wait for a slow reader to have read those before them, and come in their newest version", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const device = new TestParty("device", env);
    for (let index = 0; index < 30; index++) {
      relay.exchange.ownRegister(await register(ana, index, 1, 60_000));
    }
    let sent = 0;
    relay.tap = (frame) => {
      if (frame[0] === registerType) sent++;
      return true;
    };
    const held: Uint8Array[] = [];
    device.tap = (frame) => {
      if (frame[0] === pongType) held.push(frame);
      return frame[0] !== pongType;
    };
    const { ours } = device.connect(relay);
    await settle();
    expect(sent).toBe(5);
    const newer = await register(ana, 29, 2, 100);
    relay.exchange.ownRegister(newer);
    await settle();
    expect(sent).toBe(5);
    device.tap = () => true;
    for (const pong of held) ours.sendEncoded(pong);
    await settle();
    expect(sent).toBe(30);
    expect(device.exchange.holdings.registerCount).toBe(30);
    expect(device.exchange.holdings.register(ana.replica, newer.name)?.number).toBe(2);
    expect([...device.endings, ...relay.endings]).toEqual([]);
  });

  it("wait no longer once their session has ended", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const relay = new TestParty("relay", env);
    const device = new TestParty("device", env);
    for (let index = 0; index < 30; index++) {
      relay.exchange.ownRegister(await register(ana, index, 1, 60_000));
    }
    device.tap = (frame) => frame[0] !== pongType;
    const { theirs } = device.connect(relay);
    await settle();
    expect(theirs.probes).toBe(1);
    device.session?.leave(codes.closed, 0, "");
    await settle();
    expect(theirs.ended).toBe(false);
    expect(theirs.probes).toBe(0);
  });
});
