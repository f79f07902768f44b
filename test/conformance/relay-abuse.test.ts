/**
 * What a client with keys may do to a relay by going against the grain of the protocol: the relay
 * must neither keep what nobody needs any more nor work more than it is asked to.
 */
import { describe, expect, it } from "vitest";
import type { Env } from "@skein/shared/env.ts";
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import { epochId } from "@skein/shared/id/id.ts";
import { chainHashes, labels, zeroHash } from "@skein/shared/log/chain.ts";
import { type Entry, headMessage, lastSeq, type Run } from "@skein/shared/log/entry.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import {
  accessLabels,
  accessProofMessage,
  replicaProofMessage,
} from "@skein/shared/protocol/access.ts";
import { decodeFrame, encodeFrame, frameOfRun } from "@skein/shared/protocol/codec.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import type { Frame, Hello } from "@skein/shared/protocol/messages.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Connection } from "@skein/shared/sync/connection.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { toySuite } from "../support/toy-suite.ts";

const origin = "http://localhost:8787";
const epoch = epochId(new Uint8Array(8).fill(9));

const nowMs = 1_000_000;
const env: Env = {
  clock: { now: () => nowMs },
  random: {
    bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    fraction: () => Math.random(),
  },
};
const suite = toySuite(env.random);

function newRelay(store = new MemoryRelayStore()): Relay {
  return new Relay({
    env,
    suite,
    store,
    bus: new MemoryBusHub().connect(),
    explain: (error) => ({ code: codes.unavailable, retryAfterMs: 0, detail: String(error) }),
    mayWhisper: () => true,
    onEnded: () => {},
    onBug: (error) => {
      throw error;
    },
  });
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

type Of<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** A party that says whatever it is told to. */
class Stranger {
  readonly heard: Frame[] = [];
  readonly #connection: Connection;

  constructor(relay: Relay) {
    this.#connection = relay.connect(
      {
        send: (bytes) => {
          const frame = decodeFrame(bytes);
          if ("type" in frame) this.heard.push(frame);
        },
        close: () => {},
      },
      origin,
    );
    this.say({
      type: "greet",
      versionMin: 1,
      versionMax: 1,
      party: "device",
      durable: true,
      nonce: this.#nonce,
      capabilities: 0,
    });
  }

  readonly #nonce = env.random.bytes(16);

  get ended(): boolean {
    return this.#connection.ended;
  }

  say(frame: Frame): void {
    this.#connection.receive(encodeFrame(frame));
  }

  sayBytes(bytes: Uint8Array): void {
    this.#connection.receive(bytes);
  }

  hear<Type extends Frame["type"]>(type: Type): Of<Type>[] {
    return this.heard.filter((frame): frame is Of<Type> => frame.type === type);
  }

  cut(): void {
    this.#connection.wireClosed(1006, "cut");
  }

  tick(): void {
    this.#connection.tick();
  }

  async hello(space: NewSpace, number: number, replicas: SigningPair[] = []): Promise<Hello> {
    const transcript = {
      origin,
      responderNonce: this.hear("greet")[0]?.nonce ?? new Uint8Array(16),
      initiatorNonce: this.#nonce,
      space: space.tag,
    };
    const { secret } = await suite.signingPairFromSeed(space.seeds.write);
    return {
      type: "hello",
      space: number,
      tag: space.tag,
      mode: "write",
      certificates: [space.certificate],
      proof: await suite.sign(secret, accessLabels.access, accessProofMessage(transcript, "write")),
      replicas: await Promise.all(
        replicas.map(async (pair) => ({
          publicKey: pair.publicKey,
          proof: await suite.sign(
            pair.secret,
            accessLabels.replica,
            replicaProofMessage(transcript),
          ),
        })),
      ),
    };
  }
}

async function newRun(space: NewSpace, pair: SigningPair, count = 1, bytes = 40): Promise<Run> {
  const replica = replicaIdOf(suite, pair.publicKey);
  const entries = Array.from({ length: count }, (_, index): Entry => {
    const nonce = env.random.bytes(16);
    return {
      epoch,
      writer: index === 0 ? { kind: "opens", nonce } : { kind: "continues", distance: index },
      body: { kind: "sealed", sealed: env.random.bytes(bytes) },
    };
  });
  const run: Run = { replica, first: 1, entries, signature: new Uint8Array(64) };
  const last = chainHashes(suite, space.tag, run, zeroHash).at(-1) ?? zeroHash;
  const message = headMessage(space.tag, replica, lastSeq(run), last);
  return { ...run, signature: await suite.sign(pair.secret, labels.head, message) };
}

describe("a relay", () => {
  it("forgets every session when a connection ends that opened one space twice", async () => {
    const relay = newRelay();
    const space = await newSpace(suite, env.random);
    const stranger = new Stranger(relay);
    stranger.say(await stranger.hello(space, 1));
    await settle();
    stranger.say(await stranger.hello(space, 2));
    stranger.say(await stranger.hello(space, 3));
    await settle();
    expect(relay.roomCount).toBe(1);
    stranger.cut();
    await settle();
    expect(relay.roomCount).toBe(0);
  });

  it("forgets a room whose last session brought a wrong signature", async () => {
    const relay = newRelay();
    const space = await newSpace(suite, env.random);
    const pair = await suite.newSigningPair();
    const stranger = new Stranger(relay);
    stranger.say(await stranger.hello(space, 1, [pair]));
    await settle();
    const run = await newRun(space, pair);
    const { publicKey } = pair;
    stranger.say({ type: "alias", log: 1, space: 1, replica: run.replica, epoch, publicKey });
    stranger.sayBytes(frameOfRun(1, epoch, { ...run, signature: new Uint8Array(64) }));
    await settle();
    expect(stranger.hear("bye")[0]?.code).toBe(codes.entryRefused);
    expect(relay.roomCount).toBe(0);
  });

  it("forgets a room whose last session left before its entries were committed", async () => {
    const relay = newRelay();
    const space = await newSpace(suite, env.random);
    const pair = await suite.newSigningPair();
    const stranger = new Stranger(relay);
    stranger.say(await stranger.hello(space, 1, [pair]));
    await settle();
    const run = await newRun(space, pair);
    const { publicKey } = pair;
    stranger.say({ type: "alias", log: 1, space: 1, replica: run.replica, epoch, publicKey });
    stranger.sayBytes(frameOfRun(1, epoch, run));
    stranger.cut();
    await settle();
    expect(relay.roomCount).toBe(0);
  });

  it("opens no more spaces than a connection may have, however fast they are asked for", async () => {
    const relay = newRelay();
    const stranger = new Stranger(relay);
    const first = await newSpace(suite, env.random);
    stranger.say(await stranger.hello(first, 0));
    await settle();
    for (let number = 1; number <= 70; number++) {
      const space = await newSpace(suite, env.random);
      const hello = await stranger.hello(space, number);
      stranger.say(hello);
    }
    await settle();
    expect(relay.roomCount).toBe(64);
  });

  it("keeps asking questions of the store in turn, however many a session puts", async () => {
    let open = 0;
    let most = 0;
    class Counting extends MemoryRelayStore {
      override async hashes(...args: Parameters<MemoryRelayStore["hashes"]>) {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setImmediate(resolve));
        open--;
        return super.hashes(...args);
      }
    }
    const relay = newRelay(new Counting());
    const space = await newSpace(suite, env.random);
    const stranger = new Stranger(relay);
    stranger.say(await stranger.hello(space, 1));
    await settle();
    const { publicKey } = await suite.newSigningPair();
    const replica = replicaIdOf(suite, publicKey);
    for (let count = 0; count < 1_000; count++) {
      stranger.say({ type: "want", space: 1, replica, first: 1, last: 9, form: "hashes" });
    }
    await settle();
    expect(most).toBeLessThanOrEqual(64);
  });

  it("gives a log few numbers, whatever epochs its author invents", async () => {
    const relay = newRelay();
    const space = await newSpace(suite, env.random);
    const pair = await suite.newSigningPair();
    const { publicKey } = pair;
    const replica = replicaIdOf(suite, publicKey);
    const [author, reader] = [new Stranger(relay), new Stranger(relay)];
    for (const stranger of [author, reader]) {
      stranger.say(await stranger.hello(space, 1));
      await settle();
      const [welcome] = stranger.hear("welcome");
      const [digest] = stranger.hear("digest");
      if (welcome === undefined || digest === undefined) throw new Error("not let in");
      stranger.say({ ...digest, space: 1 });
    }
    let previous: Uint8Array = zeroHash;
    const epochs = Array.from({ length: 40 }, () => epochId(env.random.bytes(8)));
    for (const [index, own] of epochs.entries()) {
      const first = index + 1;
      const entry: Entry = {
        epoch: own,
        writer: { kind: "opens", nonce: env.random.bytes(16) },
        body: { kind: "sealed", sealed: env.random.bytes(40) },
      };
      const run: Run = { replica, first, entries: [entry], signature: new Uint8Array(64) };
      previous = chainHashes(suite, space.tag, run, previous)[0] ?? zeroHash;
      const message = headMessage(space.tag, replica, first, previous);
      const signature = await suite.sign(pair.secret, labels.head, message);
      author.say({ type: "alias", log: first, space: 1, replica, epoch: own, publicKey });
      author.sayBytes(frameOfRun(first, own, { ...run, signature }));
    }
    await settle();
    const aliases = new Map(reader.hear("alias").map((alias) => [alias.log, alias.epoch]));
    expect(aliases.size).toBeLessThanOrEqual(4);
    const heard = reader
      .hear("entries")
      .flatMap(({ log, items }) => items.map((item) => item.epoch ?? aliases.get(log)));
    expect(heard).toEqual(epochs);
  });

  it("cuts off who has more under way than the window allows, bodies or not", async () => {
    class Stalling extends MemoryRelayStore {
      override append(): Promise<never> {
        return new Promise(() => {});
      }
    }
    const relay = newRelay(new Stalling());
    const space = await newSpace(suite, env.random);
    const pair = await suite.newSigningPair();
    const { publicKey } = pair;
    const stranger = new Stranger(relay);
    stranger.say(await stranger.hello(space, 1));
    await settle();
    const run = await newRun(space, pair, 1_024, 0);
    stranger.say({ type: "alias", log: 1, space: 1, replica: run.replica, epoch, publicKey });
    for (let count = 0; count < 100; count++) stranger.sayBytes(frameOfRun(1, epoch, run));
    expect(stranger.hear("bye")).toMatchObject([{ code: codes.tooFast }]);
  });
});
