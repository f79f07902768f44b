/**
 * Every limit of a relay is hit, and what it answers is read: the code, and when to come back.
 */
import { afterEach, describe, expect, test } from "vitest";
import { relayLimits } from "@skein/server/limits.ts";
import { MemoryRelayStore } from "@skein/server/store/memory.ts";
import { noBounds, type SpaceBounds } from "@skein/server/store/store.ts";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import { MovableClock, type RelayStage, startRelay } from "../support/relay.ts";
import {
  type ConnectOptions,
  RelayClient,
  testRandom,
  TestSpace,
  UpgradeRefused,
} from "../support/relay-client.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function relay(stage: RelayStage = {}) {
  const running = await startRelay({ limits: { closeMs: 300 }, ...stage });
  cleanups.push(() => running.close());
  const connect = async (options?: ConnectOptions): Promise<RelayClient> => {
    const client = await RelayClient.connect(running.port, options);
    cleanups.push(() => client.close());
    return client;
  };
  const refused = async (options?: ConnectOptions): Promise<UpgradeRefused> => {
    const answer = await connect(options).catch((error: unknown) => error);
    if (!(answer instanceof UpgradeRefused)) throw new Error("it was let in");
    return answer;
  };
  return { running, connect, refused };
}

/** A greeted client in a space of its own, with a replica that writes. */
async function inside(connect: () => Promise<RelayClient>, space?: TestSpace) {
  const home = space ?? (await TestSpace.found());
  const replica = await home.newReplica();
  const client = await connect();
  await client.greet();
  expect(await client.enter(home, [replica])).toMatchObject({ type: "welcome" });
  return { client, space: home, replica };
}

const boundedTo = (bounds: Partial<SpaceBounds>): MemoryRelayStore =>
  new MemoryRelayStore({ ...noBounds, ...bounds });

const retryAfter = ({ headers }: UpgradeRefused): number => Number(headers["retry-after"]);

describe("an upgrade", () => {
  test("from a page of another origin is refused with 403, from none or its own it is not", async () => {
    const { running, connect, refused } = await relay();
    for (const origin of ["https://evil.example", "null", `https://127.0.0.1:${running.port}`]) {
      expect(await refused({ origin })).toMatchObject({ status: 403 });
    }
    await connect({ origin: `http://127.0.0.1:${running.port}` });
    await connect({ origin: `http://localhost:${running.port}` });
    await connect();
  });

  test("under a name that is not the relay's is refused with 403", async () => {
    const { refused } = await relay();
    expect(await refused({ headers: { host: "evil.example" } })).toMatchObject({ status: 403 });
  });

  test("to any other path is refused with 404", async () => {
    const { refused, connect } = await relay();
    for (const path of ["/", "/sync/", "/syncs", "/yjs/room"]) {
      expect(await refused({ path })).toMatchObject({ status: 404 });
    }
    await connect({ path: "/sync?x" });
  });

  test("beyond the sessions there may be is refused with 503 until one has left", async () => {
    const { connect, refused, running } = await relay({ config: { sessionsMax: 2 } });
    const first = await connect();
    await connect();
    const full = await refused();
    expect(full.status).toBe(503);
    expect(retryAfter(full)).toBeGreaterThanOrEqual(10);
    expect(retryAfter(full)).toBeLessThanOrEqual(20);
    await first.close();
    await expect.poll(() => running.sockets.size).toBe(1);
    await connect();
  });

  test("of many at once passes no more than there may be", async () => {
    const { connect, running } = await relay({ config: { sessionsMax: 5 } });
    const settled = await Promise.allSettled(Array.from({ length: 20 }, () => connect()));
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
    expect(running.sockets.size).toBe(5);
  });

  test("too often from one address is refused with 429 and the time to wait", async () => {
    const { connect, refused } = await relay({ limits: { upgradesPerMinute: 3 } });
    for (let count = 0; count < 3; count++) await connect();
    const tooOften = await refused();
    expect(tooOften.status).toBe(429);
    expect(retryAfter(tooOften)).toBeGreaterThan(0);
    expect(retryAfter(tooOften)).toBeLessThanOrEqual(60);
  });

  test("of one address with too many connections is refused with 429 until one has left", async () => {
    const { connect, refused, running } = await relay({ limits: { connectionsPerAddressMax: 2 } });
    const first = await connect();
    await connect();
    const many = await refused();
    expect(many.status).toBe(429);
    expect(retryAfter(many)).toBeGreaterThanOrEqual(10);
    await first.close();
    await expect.poll(() => running.sockets.size).toBe(1);
    await connect();
  });

  test("while the relay leaves is refused with 503, and readiness says so", async () => {
    const { running, connect, refused } = await relay({ limits: { closeMs: 1_000 } });
    const deaf = await connect();
    deaf.socket.pause();
    const closing = running.close();
    const draining = await refused();
    expect([draining.status, retryAfter(draining) >= 10]).toEqual([503, true]);
    const ready = await fetch(`http://127.0.0.1:${running.port}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, "draining\n"]);
    deaf.socket.resume();
    await closing;
  });
});

describe("before a proof of access", () => {
  test("who says nothing is told after five seconds that the time is up", async () => {
    const clock = new MovableClock();
    const { connect } = await relay({ env: clock.env });
    const silent = await connect();
    clock.advance(limits.proofDeadlineMs + 1);
    expect(await silent.closed).toBe(codes.deadline);
    expect(silent.bye).toMatchObject({ code: codes.deadline });
  });

  test("who only greets has no more time than that, pings or not", async () => {
    const clock = new MovableClock();
    const { connect } = await relay({ env: clock.env });
    const client = await connect();
    await client.greet();
    clock.advance(limits.proofDeadlineMs - 1_000);
    client.send({ type: "ping", token: 1 });
    expect(await client.next("pong")).toEqual({ type: "pong", token: 1 });
    clock.advance(1_001);
    expect(await client.closed).toBe(codes.deadline);
  });

  test("who sends more than 4,096 bytes is ended with 4401", async () => {
    const { connect } = await relay();
    const client = await connect();
    await client.greet();
    for (let sent = 0; sent <= limits.unprovenBytesMax; sent += 2) {
      client.send({ type: "ping", token: 1 });
    }
    expect(await client.closed).toBe(codes.unproven);
  });

  test("who fails to prove it four times is ended with 4401", async () => {
    const { connect } = await relay();
    const space = await TestSpace.found();
    const client = await connect();
    await client.greet();
    const good = await client.hello(space);
    for (let count = 0; count < limits.unprovenHellosMax; count++) {
      client.send({ ...good, space: count, proof: testRandom.bytes(64) });
      expect(await client.next("leave")).toMatchObject({ code: codes.unproven });
    }
    client.send({ ...good, space: 9, proof: testRandom.bytes(64) });
    expect(await client.closed).toBe(codes.unproven);
  });
});

describe("a connection", () => {
  test("that falls silent is pinged, and ended with 4408 when it stays so", async () => {
    const clock = new MovableClock();
    const { connect } = await relay({ env: clock.env });
    const subject = await inside(connect);
    const { client } = subject;
    await isServed(subject);
    clock.advance(limits.pingAfterMs + 1);
    expect(await client.next("ping")).toBeDefined();
    clock.advance(limits.deadAfterMs - limits.pingAfterMs);
    expect(await client.closed).toBe(codes.deadline);
  });

  test("that asks for one space after the other is let in no faster than signatures are checked", async () => {
    const clock = new MovableClock();
    const { connect } = await relay({
      env: clock.env,
      limits: { helloSignaturesPerSecond: 1, helloSignaturesBurst: 7 },
    });
    const client = await connect();
    await client.greet();
    const ask = async (space: number) => {
      const hello = await client.hello(await TestSpace.found());
      expect(1 + hello.certificates.length + hello.replicas.length).toBe(2);
      client.send({ ...hello, space });
      return client.nextOf("welcome", "leave");
    };
    for (let space = 0; space < 3; space++) {
      expect(await ask(space)).toMatchObject({ type: "welcome" });
    }
    const refusal = await ask(3);
    expect(refusal).toMatchObject({ type: "leave", code: codes.tooFast });
    const waitMs = refusal?.type === "leave" ? refusal.retryAfterMs : 0;
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(1_000);
    clock.advance(3_000);
    expect(await ask(4)).toMatchObject({ type: "welcome" });
  });

  test("with frames far beyond its rate is ended with 4429 and the time to wait", async () => {
    const { connect } = await relay({
      limits: { messagesPerSecond: 10, messagesBurst: 50, messagesDebtMs: 1_000 },
    });
    const { client } = await inside(connect);
    for (let count = 0; count < 80; count++) client.send({ type: "ping", token: count });
    expect(await client.closed).toBe(codes.tooFast);
    expect(client.bye?.code).toBe(codes.tooFast);
    expect(client.bye?.retryAfterMs).toBeGreaterThan(1_000);
  });

  test("with pings of the WebSocket itself far beyond its rate is ended too", async () => {
    const { connect } = await relay({
      limits: { messagesPerSecond: 10, messagesBurst: 50, messagesDebtMs: 1_000 },
    });
    const { client } = await inside(connect);
    for (let count = 0; count < 80; count++) client.socket.ping();
    expect(await client.closed).toBe(codes.tooFast);
  });

  test("a little beyond its rate is slowed down and served in full", async () => {
    const { connect } = await relay({
      limits: { messagesPerSecond: 200, messagesBurst: 20, messagesDebtMs: 5_000 },
    });
    const { client } = await inside(connect);
    for (let count = 0; count < 60; count++) client.send({ type: "ping", token: count });
    for (let count = 0; count < 60; count++) {
      expect(await client.next("pong")).toEqual({ type: "pong", token: count });
    }
  });

  test("with bytes beyond its rate is not read for a while, and then served", async () => {
    const { connect, running } = await relay({
      limits: { bytesPerSecond: 200_000, bytesBurst: 50_000 },
    });
    const { client, space, replica } = await inside(connect);
    const runs = [await replica.write(1, { bodyBytes: 60_000 }), await replica.write(1)] as const;
    client.push(space, replica, runs[0]);
    await expect.poll(() => running.sockets.pausedCount, { interval: 1 }).toBe(1);
    expect(await client.store(space, replica, runs[1])).toBe(2);
    expect(running.sockets.pausedCount).toBe(0);
  });

  test("with a frame beyond 256 KiB is ended by the WebSocket's own code", async () => {
    const { connect } = await relay();
    const { client } = await inside(connect);
    client.sendBytes(new Uint8Array(limits.frameBytesMax + 1));
    expect(await client.closed).toBe(1009);
  });

  test("with a message in too many pieces is ended", async () => {
    const { connect } = await relay();
    const { client } = await inside(connect);
    for (let count = 0; count < 40; count++) client.socket.send("x", { fin: false, binary: true });
    expect([1008, 1009]).toContain(await client.closed);
  });
});

describe("an address", () => {
  test("with too many frames on all its connections is told when to come back", async () => {
    const { connect } = await relay({ limits: { addressMessagesPerMinute: 150 } });
    const both = [await inside(connect), await inside(connect)] as const;
    for (const { client } of both) {
      for (let count = 0; count < 70; count++) client.send({ type: "ping", token: count });
    }
    for (let count = 0; count < 70; count++) both[1].client.send({ type: "ping", token: count });
    expect(await both[1].client.closed).toBe(codes.tooFast);
    expect(both[1].client.bye?.retryAfterMs).toBeGreaterThan(0);
    expect(both[1].client.bye?.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test("with too many bytes on all its connections is told when to come back", async () => {
    const { connect } = await relay({ limits: { addressBytesPerMinute: 100_000 } });
    const first = await inside(connect);
    const second = await inside(connect);
    for (const { client, space, replica } of [first, second]) {
      client.push(space, replica, await replica.write(1, { bodyBytes: 60_000 }));
    }
    expect(await second.client.closed).toBe(codes.tooFast);
    expect(second.client.bye?.retryAfterMs).toBeGreaterThan(0);
  });
});

describe("a space", () => {
  test("that has used up its room is left with 4507, and what was stored stays", async () => {
    const { connect } = await relay({ store: boundedTo({ bytesMax: 200_000 }) });
    const { client, space, replica } = await inside(connect);
    const fits = await replica.write(2, { bodyBytes: 60_000 });
    expect(await client.store(space, replica, fits)).toBe(2);
    const beyond = await replica.write(2, { bodyBytes: 60_000 });
    client.push(space, replica, beyond);
    expect(await client.next("leave")).toMatchObject({ code: codes.quota, retryAfterMs: 0 });

    const other = await inside(connect, space);
    expect(await other.client.next("entries")).toMatchObject({ first: 1 });
  });

  test("that is full takes again what it holds already", async () => {
    const { connect } = await relay({ store: boundedTo({ bytesMax: 200_000 }) });
    const { client, space, replica } = await inside(connect);
    expect(await client.store(space, replica, await replica.write(3, { bodyBytes: 60_000 }))).toBe(
      3,
    );
    const another = await connect();
    await another.greet();
    await another.enter(space, [replica]);
    expect(await another.store(space, replica, await replica.run(1, 3))).toBe(3);
  });

  test("that is written into too fast is left with 4429 and the time to wait", async () => {
    const { connect } = await relay({ limits: { spaceBytesPerMinute: 100_000 } });
    const { client, space, replica } = await inside(connect);
    expect(await client.store(space, replica, await replica.write(1, { bodyBytes: 60_000 }))).toBe(
      1,
    );
    client.push(space, replica, await replica.write(1, { bodyBytes: 60_000 }));
    const leave = await client.next("leave");
    expect(leave).toMatchObject({ code: codes.tooFast });
    expect(leave?.retryAfterMs).toBeGreaterThan(0);
    expect(leave?.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test("whose registers take up their room keeps the old ones", async () => {
    const store = boundedTo({ registerBytesMax: 50_000 });
    const { connect } = await relay({ store });
    const { client, space, replica } = await inside(connect);
    const put = async (name: number, bytes: number) => {
      const { publicKey, bytes: register } = await replica.register(1, bytes, name);
      client.send({ type: "register", space: client.numberOf(space), publicKey, register });
    };
    await put(1, 30_000);
    await put(2, 30_000);
    await put(3, 100);
    await expect.poll(() => store.registers(space.tag)).toHaveLength(2);
    const { registerBytes } = await store.usage(space.tag);
    expect(registerBytes).toBeLessThan(50_000);
  });
});

describe("a space's whispers", () => {
  test("beyond what it may are lost, and nobody is sent away", async () => {
    const { connect } = await relay({ limits: { whispersPerSecond: 1, whispersBurst: 8 } });
    const writer = await inside(connect);
    const listener = await inside(connect, writer.space);
    const sent = [];
    for (let count = 0; count < 20; count++) sent.push(await writeWhisper(writer));
    // A register takes the same way after them.
    await writeRegister(writer, 1, 10);
    const heard = [];
    for (;;) {
      const frame = await listener.client.nextOf("whisper", "register");
      if (frame?.type !== "whisper") break;
      heard.push(toHex(frame.whisper));
    }
    expect(heard).toEqual(sent.slice(0, 4));
  });
});

describe("a reader that does not read", () => {
  test("is sent away with 4430 when too much waits for it, and others go on", async () => {
    const { connect, running } = await relay({ limits: { outBytesMax: 300_000, closeMs: 8_000 } });
    const writer = await inside(connect);
    const slow = await inside(connect, writer.space);
    slow.client.socket.pause();
    await fill(writer, slow, () => running.relay.connectionCount === 1);
    expect(running.sockets.waitingBytes).toBeLessThan(400_000);
    slow.client.socket.resume();
    expect(await slow.client.closed).toBe(codes.slowReader);
    await isServed(writer);
  });

  test("misses whispers first", async () => {
    const { connect, running } = await relay({ limits: { outWhisperBytes: 100_000 } });
    const writer = await inside(connect);
    const slow = await inside(connect, writer.space);
    slow.client.socket.pause();
    await fill(writer, slow, () => running.sockets.waitingBytes > 100_000);
    await writeWhisper(writer);
    await isServed(writer);
    slow.client.socket.resume();
    await expect.poll(() => running.sockets.waitingBytes).toBe(0);
    const heard = await writeWhisper(writer);
    const frame = await slow.client.next("whisper");
    expect(toHex(frame?.whisper ?? new Uint8Array())).toBe(heard);
  });

  test("and takes nothing for a while is sent away with 4430", async () => {
    const clock = new MovableClock();
    const { connect, running } = await relay({
      env: clock.env,
      limits: { outStallBytes: 100_000, closeMs: 8_000 },
    });
    const writer = await inside(connect);
    const slow = await inside(connect, writer.space);
    slow.client.socket.pause();
    await fill(writer, slow, () => running.sockets.waitingBytes > 100_000);
    // Once more where the kernel took a last piece meanwhile.
    await expect
      .poll(() => {
        clock.advance(relayLimits.outStallMs);
        return running.relay.connectionCount;
      })
      .toBe(1);
    slow.client.socket.resume();
    expect(await slow.client.closed).toBe(codes.slowReader);
  });

  test("is the first to go when too much waits for all together", async () => {
    const { connect, running } = await relay({
      limits: { outTotalBytesMax: 150_000, outBytesMax: 1e9, closeMs: 8_000 },
    });
    const writer = await inside(connect);
    const slow = await inside(connect, writer.space);
    const other = await inside(connect);
    slow.client.socket.pause();
    await fill(writer, slow, () => running.relay.connectionCount === 2);
    slow.client.socket.resume();
    expect(await slow.client.closed).toBe(codes.slowReader);
    await isServed(writer);
    await isServed(other);
  });
});

type Inside = Awaited<ReturnType<typeof inside>>;

async function writeRegister(
  { client, space, replica }: Inside,
  number: number,
  size: number,
): Promise<void> {
  const { publicKey, bytes } = await replica.register(number, size);
  client.send({ type: "register", space: client.numberOf(space), publicKey, register: bytes });
}

/** Gives it in hexadecimal. */
async function writeWhisper({ client, space, replica }: Inside): Promise<string> {
  const whisper = await replica.whisper(undefined);
  const { publicKey } = replica.pair;
  client.send({ type: "whisper", space: client.numberOf(space), publicKey, whisper });
  return toHex(whisper);
}

/** Has a reader ask, and not read the answers, until it is so; the kernel's buffers take megabytes. */
async function fill(writer: Inside, slow: Inside, isEnough: () => boolean): Promise<void> {
  const { client, space, replica } = writer;
  const run = await replica.write(hashesOfOne, { bodyBytes: 24 });
  expect(await client.store(space, replica, run)).toBe(hashesOfOne);
  for (let question = 0; !isEnough(); question++) {
    if (question > 2_000) throw new Error("sixty megabytes were not enough");
    slow.client.send({
      type: "want",
      space: slow.client.numberOf(space),
      replica: replica.id,
      first: 1,
      last: hashesOfOne,
      form: "hashes",
    });
    await isServed(writer);
  }
}

const hashesOfOne = 1_000;

async function isServed({ client }: Inside): Promise<void> {
  client.send({ type: "ping", token: 5 });
  expect(await client.next("pong")).toEqual({ type: "pong", token: 5 });
}
