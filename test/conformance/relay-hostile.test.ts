/**
 * What strangers, and members who mean ill, may send to a relay. Each exchange ends its own session
 * or connection with the documented code; nothing of it is stored, no other session notices, and the
 * relay finds no bug in itself.
 */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openLog } from "@skein/server/log.ts";
import type { RunningRelay } from "@skein/server/serve.ts";
import { MemoryRelayStore } from "@skein/server/store/memory.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import type { Run } from "@skein/shared/log/entry.ts";
import { encodeFrame, frameOfRun } from "@skein/shared/protocol/codec.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { Frame, HeadRow, Hello } from "@skein/shared/protocol/messages.ts";
import { Connection } from "@skein/shared/sync/connection.ts";
import { startRelay } from "../support/relay.ts";
import { RelayClient, testRandom, TestReplica, TestSpace } from "../support/relay-client.ts";

let relay: RunningRelay;
let store: MemoryRelayStore;
let logged: string[];
let space: TestSpace;
let victim: { client: RelayClient; replica: TestReplica };
const clients: RelayClient[] = [];

beforeEach(async () => {
  logged = [];
  store = new MemoryRelayStore();
  relay = await startRelay({ store, log: openLog("warn", (line) => logged.push(line)) });
  space = await TestSpace.found();
  victim = await enter(space);
  await writeAndSeeStored(3);
});

afterEach(async () => {
  // Whatever was tried: the bystander's session goes on, and its next entry is stored.
  await writeAndSeeStored(1);
  for (const each of clients.splice(0)) await each.close();
  await relay.close();
  if (logged.length > 0) throw new Error(`the relay complains: ${logged[0]}`);
});

async function writeAndSeeStored(count: number): Promise<void> {
  const { client, replica } = victim;
  const seq = await client.store(space, replica, await replica.write(count));
  if (seq !== replica.length) throw new Error(`stored to ${seq}, not ${replica.length}`);
}

async function connect(): Promise<RelayClient> {
  const client = await RelayClient.connect(relay.port);
  clients.push(client);
  return client;
}

async function greeted(): Promise<RelayClient> {
  const client = await connect();
  await client.greet();
  return client;
}

async function enter(
  home: TestSpace,
  options: { mode?: "read" | "write"; heads?: readonly HeadRow[] } = {},
) {
  const client = await greeted();
  const replica = await home.newReplica();
  expect(await client.enter(home, [replica], options)).toMatchObject({ type: "welcome" });
  return { client, replica };
}

/** What the store holds of the space, to be the same afterwards. */
async function held() {
  return {
    heads: await store.heads(space.tag),
    registers: await store.registers(space.tag),
    certificate: await store.certificate(space.tag),
    usage: await store.usage(space.tag),
  };
}

describe("bytes that are no frame", () => {
  const greet = (): Uint8Array =>
    encodeFrame({
      type: "greet",
      versionMin: 1,
      versionMax: 1,
      party: "device",
      durable: true,
      nonce: testRandom.bytes(16),
      capabilities: 0,
    });

  test.each([
    ["nothing", () => new Uint8Array(), codes.malformed],
    ["an unknown type", () => Uint8Array.of(0x7f, 1, 2, 3), codes.malformed],
    ["half a greeting", () => greet().subarray(0, 10), codes.malformed],
    ["a greeting and a byte", () => Uint8Array.of(...greet(), 0), codes.malformed],
    ["a party that is neither", () => greet().with(3, 9), codes.malformed],
    ["a version to come", () => greet().with(1, 2).with(2, 9), codes.noCommonVersion],
    ["a number too long", () => new Uint8Array(10).fill(0xff).with(0, 0x06), codes.malformed],
  ])("%s ends the connection", async (_name, bytes, code) => {
    const client = await connect();
    client.sendBytes(bytes());
    expect(await client.closed).toBe(code);
    expect(client.bye).toMatchObject({ code });
  });

  test("a text message ends the connection", async () => {
    const client = await connect();
    // Its bytes would be a ping.
    await client.greet();
    client.socket.send("\u0006\u0001");
    expect(await client.closed).toBe(codes.malformed);
  });

  test("noise, mutated frames and cut-off sockets end what sent them and nothing else", async () => {
    const { client, replica } = await enter(space);
    const samples = [
      greet(),
      encodeFrame(await client.hello(space, [replica])),
      frameOfRun(0, replica.epoch, await replica.write(3)),
      encodeFrame({
        type: "register",
        space: 0,
        publicKey: replica.pair.publicKey,
        register: (await replica.register(1)).bytes,
      }),
      encodeFrame({
        type: "whisper",
        space: 0,
        publicKey: replica.pair.publicKey,
        whisper: await replica.whisper(undefined),
      }),
      encodeFrame({ type: "ping", token: 1 }),
    ];
    const before = await held();
    const mutation = fc.record({
      sample: fc.nat(samples.length - 1),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      byte: fc.nat(255),
      cut: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { maxLength: 6 }), fc.boolean(), async (plan, polite) => {
        const hostile = polite ? (await enter(space)).client : await connect();
        for (const { sample, at, byte, cut } of plan) {
          const bytes = Uint8Array.from(samples[sample] ?? []);
          bytes[Math.floor(at * (bytes.length - 1))] = byte;
          hostile.sendBytes(bytes.subarray(0, Math.ceil(cut * bytes.length)));
        }
        hostile.sendBytes(Uint8Array.of(0xff));
        await hostile.closed;
      }),
      { numRuns: 60 },
    );
    expect((await held()).heads).toEqual(before.heads);
  });
});

test("the core is given plain bytes, whose slices are copies as it expects", async () => {
  const received = vi.spyOn(Connection.prototype, "receive");
  const client = await greeted();
  client.send({ type: "ping", token: 1 });
  await client.next("pong");
  expect(received).toHaveBeenCalled();
  for (const [bytes] of received.mock.calls) expect(bytes).not.toBeInstanceOf(Buffer);
  received.mockRestore();
});

describe("frames out of turn", () => {
  const filled = (length: number) => new Uint8Array(length).fill(7);
  const cases: [string, (client: RelayClient) => Frame | Promise<Frame>, number][] = [
    ["a second greeting", () => greeting(filled(16)), codes.outOfTurn],
    ["a welcome", () => welcome, codes.outOfTurn],
    ["a done", () => ({ type: "done", request: 0, code: 0, detail: "" }), codes.outOfTurn],
    [
      "an entry of a log that was never announced",
      () => ({
        type: "entry",
        log: 9,
        seq: 2,
        distance: 1,
        sealed: filled(40),
        signature: filled(64),
      }),
      codes.outOfTurn,
    ],
    [
      "a digest of a space that was never announced",
      () => ({ type: "digest", space: 9, logs: filled(16), registers: filled(16) }),
      codes.outOfTurn,
    ],
    [
      "a word of having stored what was never sent",
      () => ({ type: "stored", logs: [{ yourLog: 99, seq: 1 }] }),
      codes.outOfTurn,
    ],
    ["a space number that is in use", (client) => client.hello(space, [], { number: 0 }), 4431],
  ];
  const welcome: Frame = { type: "welcome", yourSpace: 0, mySpace: 0, certificate: 0, present: [] };
  const greeting = (nonce: Uint8Array): Frame => ({
    type: "greet",
    versionMin: 1,
    versionMax: 1,
    party: "device",
    durable: true,
    nonce,
    capabilities: 0,
  });

  test.each(cases)("%s ends the connection", async (_name, frame, code) => {
    const { client } = await enter(space);
    client.send(await frame(client));
    expect(await client.closed).toBe(code);
  });

  test("anything before the greeting ends the connection", async () => {
    const client = await connect();
    client.send({ type: "ping", token: 1 });
    expect(await client.closed).toBe(codes.outOfTurn);
  });

  test("a greeting with the relay's own nonce ends the connection", async () => {
    const client = await connect();
    const theirs = await client.next("greet");
    client.send(greeting(theirs?.nonce ?? filled(16)));
    expect(await client.closed).toBe(codes.malformed);
  });
});

describe("without a valid proof of access", () => {
  const attempts: [string, (good: Hello, client: RelayClient) => Hello | Promise<Hello>][] = [
    ["a random proof", (good) => ({ ...good, proof: testRandom.bytes(64) })],
    ["a proof of zeros", (good) => ({ ...good, proof: new Uint8Array(64) })],
    [
      "the read key's proof for writing",
      async (_, client) => ({
        ...(await client.hello(space, [], { mode: "read" })),
        mode: "write",
      }),
    ],
    ["the write key's proof for reading", (good) => ({ ...good, mode: "read" })],
    ["the proof of another connection", async () => (await greeted()).hello(space)],
    [
      "another space's keys and certificate",
      async (_, client) => ({ ...(await client.hello(await TestSpace.found())), tag: space.tag }),
    ],
    [
      "another space's proof",
      async (good, client) => ({
        ...good,
        proof: (await client.hello(await TestSpace.found())).proof,
      }),
    ],
    [
      "a certificate changed in one byte",
      (good) => ({ ...good, certificates: good.certificates.map((each) => each.with(60, 0)) }),
    ],
    [
      "somebody else's replica",
      (good) => ({
        ...good,
        replicas: [{ publicKey: victim.replica.pair.publicKey, proof: testRandom.bytes(64) }],
      }),
    ],
  ];

  test.each(attempts)("%s lets nobody in, and nothing is stored", async (_name, forge) => {
    const before = await held();
    const client = await greeted();
    client.send(await forge(await client.hello(space), client));
    const answer = await client.nextOf("leave", "bye", "welcome", "entries", "heads");
    expect(answer).toMatchObject({ type: "leave", code: codes.unproven });
    expect(await held()).toEqual(before);
  });

  test("a relay tells nothing of a space but that the proof was wrong", async () => {
    const client = await greeted();
    client.send({ ...(await client.hello(space)), proof: testRandom.bytes(64) });
    expect(await client.next("leave")).toMatchObject({ code: codes.unproven });
    const unknown = await TestSpace.found();
    client.send({ ...(await client.hello(unknown)), space: 1, proof: testRandom.bytes(64) });
    expect(await client.next("leave")).toMatchObject({ code: codes.unproven });
  });

  test("a proof for another relay opens nothing here", async () => {
    const client = await RelayClient.connect(relay.port, {
      headers: { host: `localhost:${relay.port}` },
    });
    clients.push(client);
    await client.greet();
    // Signed for 127.0.0.1, shown under the name localhost.
    client.send(await client.hello(space));
    expect(await client.next("leave")).toMatchObject({ code: codes.unproven });
  });
});

describe("a member who means ill", () => {
  const broken: [string, (run: Run) => Run][] = [
    ["a changed body", (run) => ({ ...run, entries: run.entries.map(withChangedBody) })],
    ["a changed signature", (run) => ({ ...run, signature: run.signature.with(5, 0) })],
    ["a signature of nothing", (run) => ({ ...run, signature: new Uint8Array(64) })],
    ["bodies in another order", (run) => ({ ...run, entries: withBodiesTurned(run.entries) })],
    ["its last entry left out", (run) => ({ ...run, entries: run.entries.slice(0, -1) })],
    [
      "a changed distance",
      (run) => ({
        ...run,
        entries: run.entries.with(-1, {
          ...(run.entries.at(-1) as Run["entries"][number]),
          writer: { kind: "continues", distance: 1 },
        }),
      }),
    ],
    [
      "a body that was dropped and another hash in its place",
      (run) => ({
        ...run,
        entries: run.entries.with(1, {
          ...(run.entries[1] as Run["entries"][number]),
          body: { kind: "hollow", hash: zeroHash, length: 80 },
        }),
      }),
    ],
  ];

  test.each(broken)("with %s is ended with 4409, and nothing is stored", async (_name, breaks) => {
    const { client, replica } = await enter(space);
    const before = await held();
    const run = await replica.write(4);
    client.push(space, replica, breaks(run));
    expect(await client.closed).toBe(codes.entryRefused);
    expect(await held()).toEqual(before);
  });

  test("with a log under a key that is not its replica's is ended with 4409", async () => {
    const { client, replica } = await enter(space);
    client.send({
      type: "alias",
      log: 0,
      space: client.numberOf(space),
      replica: victim.replica.id,
      epoch: replica.epoch,
      publicKey: replica.pair.publicKey,
    });
    expect(await client.closed).toBe(codes.entryRefused);
  });

  test("with entries in another's log, signed by themselves, is ended with 4409", async () => {
    const { client, replica } = await enter(space, { heads: [victim.replica.head] });
    const before = await held();
    const run = await replica.write(1);
    client.push(space, victim.replica, { ...run, replica: victim.replica.id, first: 4 });
    expect(await client.closed).toBe(codes.entryRefused);
    expect(await held()).toEqual(before);
  });

  test("who continues a log nobody knows them to hold is asked, not believed", async () => {
    const { client, replica } = await enter(space);
    const before = await held();
    const run = await replica.write(1);
    client.push(space, victim.replica, { ...run, replica: victim.replica.id, first: 4 });
    expect(await client.next("want")).toMatchObject({ first: 3, last: 3, form: "hashes" });
    expect(await held()).toEqual(before);
  });

  test("with a register that is not signed rightly is ended with 4409", async () => {
    const { client, replica } = await enter(space);
    const before = await held();
    const { publicKey, bytes } = await replica.register(1);
    const register = bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1);
    client.send({ type: "register", space: client.numberOf(space), publicKey, register });
    expect(await client.closed).toBe(codes.entryRefused);
    expect(await held()).toEqual(before);
  });

  test("with a register of another's is ended with 4409", async () => {
    const { client, replica } = await enter(space);
    const { bytes } = await victim.replica.register(1);
    client.send({
      type: "register",
      space: client.numberOf(space),
      publicKey: replica.pair.publicKey,
      register: bytes,
    });
    expect(await client.closed).toBe(codes.entryRefused);
  });

  test("with a whisper in another's name is ended with 4403", async () => {
    const { client } = await enter(space);
    client.send({
      type: "whisper",
      space: client.numberOf(space),
      publicKey: victim.replica.pair.publicKey,
      whisper: await victim.replica.whisper(undefined),
    });
    expect(await client.closed).toBe(codes.forbidden);
  });

  test("with a register or whisper of a version to come is ended with 4406", async () => {
    for (const type of ["register", "whisper"] as const) {
      const { client, replica } = await enter(space);
      const { publicKey } = replica.pair;
      const number = client.numberOf(space);
      const register = (await replica.register(1)).bytes.with(0, 9);
      const whisper = (await replica.whisper(undefined)).with(0, 9);
      client.send(
        type === "register"
          ? { type, space: number, publicKey, register }
          : { type, space: number, publicKey, whisper },
      );
      expect(await client.closed).toBe(codes.noCommonVersion);
    }
  });

  test("who sends more than the window allows before anything is stored is ended with 4429", async () => {
    const gated = new MemoryRelayStore();
    gated.append = () => new Promise(() => {});
    const slow = await startRelay({ store: gated });
    const home = await TestSpace.found();
    const client = await RelayClient.connect(slow.port);
    clients.push(client);
    await client.greet();
    const replica = await home.newReplica();
    await client.enter(home, [replica]);
    for (let sent = 0; sent <= 3 * limits.windowBytes; sent += 180_000) {
      client.push(home, replica, await replica.write(3, { bodyBytes: 60_000 }));
    }
    expect(await client.closed).toBe(codes.tooFast);
    await slow.close();
  });
});

describe("a reader", () => {
  test("who appends loses the space with 4403, the connection stays, nothing is stored", async () => {
    const { client, replica } = await enter(space, { mode: "read" });
    const before = await held();
    client.push(space, replica, await replica.write(1));
    expect(await client.next("leave")).toMatchObject({ code: codes.forbidden });
    client.send({ type: "ping", token: 3 });
    expect(await client.next("pong")).toEqual({ type: "pong", token: 3 });
    expect(await held()).toEqual(before);
  });

  test("who invites is told that readers do not", async () => {
    const { client } = await enter(space, { mode: "read" });
    const codeHash = new Uint8Array(randomBytes(16));
    const number = client.numberOf(space);
    const sealed = testRandom.bytes(50);
    client.send(
      {
        type: "invite",
        space: number,
        request: 4,
        codeHash,
        expiresMs: Date.now() + 60_000,
        uses: 1,
        preview: sealed,
        keys: sealed,
      },
      { type: "uninvite", space: number, request: 5, codeHash },
    );
    expect(await client.next("done")).toMatchObject({ request: 4, code: codes.forbidden });
    expect(await client.next("done")).toMatchObject({ request: 5, code: codes.forbidden });
    expect(await store.peekInvite(codeHash, Date.now())).toEqual({ kind: "unknown" });
  });

  test("reads everything and whispers", async () => {
    const { client, replica } = await enter(space, { mode: "read" });
    expect(await client.next("entries")).toMatchObject({ first: 1 });
    const whisper = await replica.whisper(undefined);
    const { publicKey } = replica.pair;
    client.send({ type: "whisper", space: client.numberOf(space), publicKey, whisper });
    expect((await victim.client.next("whisper"))?.whisper).toEqual(whisper);
  });
});

describe("an invite", () => {
  const invite = (client: RelayClient, codeHash: Uint8Array, expiresMs: number): Frame => ({
    type: "invite",
    space: client.numberOf(space),
    request: 7,
    codeHash,
    expiresMs,
    uses: 0,
    preview: testRandom.bytes(50),
    keys: testRandom.bytes(200),
  });

  test("for ever lasts no longer than a relay keeps one", async () => {
    const { client } = victim;
    const codeHash = testRandom.bytes(16);
    client.send(invite(client, codeHash, Number.MAX_SAFE_INTEGER));
    expect(await client.next("done")).toMatchObject({ request: 7, code: 0 });
    const now = Date.now();
    expect((await store.peekInvite(codeHash, now)).kind).toBe("open");
    const late = Date.now() + limits.inviteLifeMsMax + 60_000;
    expect(await store.peekInvite(codeHash, late)).toEqual({ kind: "spent" });
  });

  test("of another space is neither replaced nor revoked", async () => {
    const { client } = victim;
    const codeHash = testRandom.bytes(16);
    client.send(invite(client, codeHash, Date.now() + 60_000));
    expect(await client.next("done")).toMatchObject({ code: 0 });
    const other = await TestSpace.found();
    const thief = await enter(other);
    const number = thief.client.numberOf(other);
    thief.client.send(
      { ...invite(client, codeHash, Date.now() + 60_000), space: number } as Frame,
      { type: "uninvite", space: number, request: 8, codeHash },
    );
    expect(await thief.client.next("done")).toMatchObject({ request: 7, code: codes.forbidden });
    await thief.client.next("done");
    expect((await store.peekInvite(codeHash, Date.now())).kind).toBe("open");
  });
});

test("an honest fork ends nobody's session, and nothing is overwritten", async () => {
  const before = await held();
  const clone = new TestReplica(space, victim.replica.pair);
  await clone.write(3);
  const { client } = await enter(space, { heads: [clone.head] });
  expect(await client.next("fork")).toMatchObject({ replica: clone.id, seq: 3 });
  client.push(space, clone, await clone.write(1));
  client.send({ type: "ping", token: 3 });
  expect(await client.next("pong")).toEqual({ type: "pong", token: 3 });
  expect((await held()).heads).toEqual(before.heads);
});

test("entries at seqs that are held with others are not said to be stored", async () => {
  const before = await held();
  const clone = new TestReplica(space, victim.replica.pair);
  const { client } = await enter(space);
  client.push(space, clone, await clone.write(3));
  const answer = await client.nextOf("fork", "want", "stored");
  expect(answer).toMatchObject({ type: expect.stringMatching(/fork|want/) as string });
  client.send({ type: "ping", token: 3 });
  expect(await client.next("pong")).toEqual({ type: "pong", token: 3 });
  expect((await held()).heads).toEqual(before.heads);
});

function withBodiesTurned(entries: Run["entries"]): Run["entries"] {
  const bodies = entries.map(({ body }) => body).toReversed();
  return entries.map((entry, index) => ({ ...entry, body: bodies[index] ?? entry.body }));
}

function withChangedBody(entry: Run["entries"][number]): Run["entries"][number] {
  if (entry.body.kind !== "sealed") throw new Error("a body to change");
  const { sealed } = entry.body;
  return { ...entry, body: { kind: "sealed", sealed: sealed.with(0, (sealed[0] ?? 0) ^ 1) } };
}
