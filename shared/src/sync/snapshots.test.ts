import { describe, expect, it } from "vitest";
import { blobBytesMax, blobIdOf } from "../log/blob.ts";
import { encodeFrame } from "../protocol/codec.ts";
import { codes } from "../protocol/codes.ts";
import { limits } from "../protocol/limits.ts";
import type { BlobAnswer } from "./blob-line.ts";
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

/** The log of `author` begins at `party` after what it has now. */
async function beginAt(party: TestParty, author: Author): Promise<void> {
  const { replica, seq, hash, pair } = author;
  const base = { replica, publicKey: pair.publicKey, seq, hash };
  const [begun] = await party.store.begin(tag, [base]);
  if (begun?.kind !== "begun") throw new Error(`begin: ${begun?.kind}`);
  party.exchange.began(begun.head);
}

describe("a log that begins above 1", () => {
  it("at a newcomer is continued, and nothing below is sent", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, newcomer] = [new TestParty("relay", env), new TestParty("device", env)];
    await ownAppend(relay, await ana.write(50));
    await beginAt(newcomer, ana);
    await ownAppend(relay, await ana.write(3));
    let sent = 0;
    relay.tap = (frame) => {
      sent += frame.length;
      return true;
    };
    newcomer.connect(relay);
    await settle();
    expect(newcomer.exchange.holdings.head(ana.replica)).toMatchObject({ from: 51, to: 53 });
    expect(newcomer.session?.equal).toBe(true);
    expect(sent).toBeLessThan(1_000);
    await ownAppend(relay, await ana.write(1));
    await settle();
    expect(newcomer.exchange.holdings.to(ana.replica)).toBe(54);
  });

  it("at a relay is not sent to who lacks what lies below, and its list says so", async () => {
    const env = newEnv();
    const [ana, ben] = [await Author.make(), await Author.make()];
    const [relay, away] = [new TestParty("relay", env), new TestParty("device", env)];
    await ownAppend(relay, await ana.write(10));
    await beginAt(relay, ana);
    await ownAppend(relay, await ana.write(5));
    await ownAppend(relay, await ben.write(2));
    away.connect(relay);
    await settle();
    expect(away.exchange.holdings.to(ana.replica)).toBe(0);
    expect(away.exchange.holdings.to(ben.replica)).toBe(2);
    expect(away.session?.missing).toBe(15);
    const rows = away.listed.flatMap((each) => (each.kind === "heads" ? each.rows : []));
    expect(rows.find(({ replica }) => replica === ana.replica)).toMatchObject({ from: 11, to: 15 });
    expect([...away.endings, ...relay.endings]).toEqual([]);
  });

  it("is equal to one that begins at 1, and tells a fork all the same", async () => {
    const env = newEnv();
    const pair = await suite.newSigningPair();
    const [ana, other] = [new Author(pair), new Author(pair)];
    const [relay, device] = [new TestParty("relay", env), new TestParty("device", env)];
    const run = await ana.write(10);
    await ownAppend(relay, run);
    await device.store.append(tag, [run]);
    await beginAt(device, ana);
    device.connect(relay);
    await settle();
    expect(device.session?.equal).toBe(true);

    await other.write(10);
    const stranger = new TestParty("device", env);
    await beginAt(stranger, other);
    stranger.connect(relay);
    await settle();
    expect(new Set(stranger.forks)).toEqual(new Set([ana.replica]));
    expect([...stranger.endings, ...relay.endings]).toEqual([]);
  });

  it("is begun under way: what was coming goes on from there", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, newcomer] = [new TestParty("relay", env), new TestParty("device", env)];
    for (let round = 0; round < 40; round++) await ownAppend(relay, await ana.write(20, 2_000));
    const lost = newcomer.connect(relay, 3);
    await settle();
    await beginAt(newcomer, ana);
    await ownAppend(relay, await ana.write(2));
    for (let turn = 0; turn < 10; turn++) await settle();
    expect(newcomer.exchange.holdings.head(ana.replica)).toMatchObject({ from: 801, to: 802 });
    expect([...newcomer.endings, ...relay.endings]).toEqual([]);
    lost.cut();
  });
});

describe("a party that holds back", () => {
  it("is sent nothing until it tells what it holds, and hears lists and registers", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, newcomer] = [new TestParty("relay", env), new TestParty("device", env)];
    await ownAppend(relay, await ana.write(30));
    newcomer.exchange.holdBack();
    newcomer.connect(relay);
    await settle();
    expect(newcomer.exchange.holdings.to(ana.replica)).toBe(0);
    expect(newcomer.listed).toContainEqual(
      expect.objectContaining({ kind: "heads", isComplete: true }),
    );
    newcomer.exchange.tellHeads();
    await settle();
    expect(newcomer.exchange.holdings.to(ana.replica)).toBe(30);
  });

  it("hears what registers say meanwhile, at once", async () => {
    const env = newEnv();
    const ana = await Author.make();
    const [relay, newcomer] = [new TestParty("relay", env), new TestParty("device", env)];
    await ownAppend(relay, await ana.write(1));
    relay.exchange.ownRegister(await register(ana, 0, 1, 100));
    newcomer.exchange.holdBack();
    newcomer.connect(relay);
    await settle();
    const newer = await register(ana, 0, 2, 100);
    relay.exchange.ownRegister(newer);
    await settle();
    const held = newcomer.exchange.holdings.register(ana.replica, newer.name);
    expect(held?.number).toBe(2);
  });

  it("still brings its own", async () => {
    const env = newEnv();
    const [ana, ben] = [await Author.make(), await Author.make()];
    const relay = new TestParty("relay", env);
    const newcomer = new TestParty("device", env, [ben.replica]);
    await ownAppend(relay, await ana.write(1));
    await ownAppend(newcomer, await ben.write(1));
    newcomer.exchange.holdBack();
    newcomer.connect(relay);
    await settle();
    expect(relay.exchange.holdings.to(ben.replica)).toBe(1);
    expect(newcomer.exchange.holdings.to(ana.replica)).toBe(0);
  });
});

describe("blobs", () => {
  async function pair(): Promise<{
    env: ReturnType<typeof newEnv>;
    relay: TestParty;
    device: TestParty;
    ask: (
      request: Parameters<NonNullable<TestParty["session"]>["askForBlob"]>[0],
    ) => Promise<BlobAnswer>;
  }> {
    const env = newEnv();
    const [relay, device] = [new TestParty("relay", env), new TestParty("device", env)];
    device.connect(relay);
    await settle();
    const { session } = device;
    if (session === undefined) throw new Error("no session");
    return { env, relay, device, ask: (request) => session.askForBlob(request) };
  }

  it("are kept, asked for and given back, a hundred at once", async () => {
    const { relay, ask } = await pair();
    const all = Array.from({ length: 100 }, () => random.bytes(1_000));
    const ids = all.map((bytes) => blobIdOf(suite, bytes));
    expect(await ask({ type: "keep", blobs: ids })).toMatchObject({ type: "lacking", blobs: ids });
    const kept = await Promise.all(all.map((bytes) => ask({ type: "blob", bytes })));
    expect(kept.map((answer) => answer.type === "kept" && answer.code)).toEqual(ids.map(() => 0));
    expect(relay.blobs.size).toBe(100);
    expect(await ask({ type: "keep", blobs: ids })).toMatchObject({ type: "lacking", blobs: [] });
    const got = await Promise.all(ids.map((blob) => ask({ type: "get", blob })));
    const bytesOf = (answer: BlobAnswer) => (answer.type === "blob" ? answer.bytes : undefined);
    expect(got.map(bytesOf)).toEqual(all);
  });

  it("of the greatest size fit a frame", async () => {
    const { ask } = await pair();
    const bytes = new Uint8Array(blobBytesMax).fill(7);
    expect(await ask({ type: "blob", bytes })).toMatchObject({ type: "kept", code: 0 });
    const got = await ask({ type: "get", blob: blobIdOf(suite, bytes) });
    expect(got.type === "blob" && got.bytes).toEqual(bytes);
  });

  it("that are not there are said to be lacking", async () => {
    const { ask } = await pair();
    const blob = blobIdOf(suite, random.bytes(3));
    expect(await ask({ type: "get", blob })).toMatchObject({ type: "lacking", blobs: [blob] });
  });

  it("are never under way in great number", async () => {
    const { relay, ask } = await pair();
    let asked = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    Object.assign(relay.shelf, {
      get: async () => {
        most = Math.max(most, ++asked);
        await new Promise<void>((done) => waiting.push(done));
        asked--;
        return undefined;
      },
    });
    const blob = blobIdOf(suite, random.bytes(3));
    const all = Promise.all(Array.from({ length: 20 }, () => ask({ type: "get", blob })));
    for (let turn = 0; turn < 10; turn++) {
      await settle();
      for (const done of waiting.splice(0)) done();
    }
    await all;
    expect(most).toBe(limits.blobRequestsMax);
  });

  it("asked for in greater number than allowed end the connection", async () => {
    const { relay, device } = await pair();
    Object.assign(relay.shelf, { get: () => new Promise(() => {}) });
    const blob = blobIdOf(suite, random.bytes(3));
    for (let request = 0; request <= limits.blobRequestsMax; request++) {
      device.session?.connection.send({ type: "get", space: 3, request, blob });
    }
    await settle();
    expect(relay.endings).toEqual([expect.objectContaining({ by: "us", code: codes.tooFast })]);
  });

  it("that nobody asked for end the connection", async () => {
    const { relay, device } = await pair();
    const bytes = random.bytes(3);
    relay.session?.connection.sendEncoded(
      encodeFrame({ type: "blob", space: 3, request: 0, isAnswer: true, bytes }),
    );
    await settle();
    expect(device.endings).toEqual([expect.objectContaining({ by: "us", code: codes.outOfTurn })]);
  });

  it("are answered `unanswered` when the wire breaks, or nobody answers in a minute", async () => {
    const { env, relay, device, ask } = await pair();
    Object.assign(relay.shelf, { get: () => new Promise(() => {}) });
    const blob = blobIdOf(suite, random.bytes(3));
    const asked = Promise.all(Array.from({ length: 10 }, () => ask({ type: "get", blob })));
    await settle();
    env.advance(60_000);
    device.session?.tick(env.clock.now());
    expect(new Set((await asked).map(({ type }) => type))).toEqual(new Set(["unanswered"]));
    expect(device.endings).toEqual([expect.objectContaining({ by: "us", code: codes.deadline })]);
    expect(await ask({ type: "get", blob })).toEqual({ type: "unanswered" });
  });
});
