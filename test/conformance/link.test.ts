/** One connection of a device, many spaces: a relay link against the relay itself. */
import { describe, expect, it } from "vitest";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import type { Env } from "@skein/shared/env.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { layouts } from "@skein/shared/protocol/frames.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Connection, Ending } from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { Tab } from "../support/party.ts";
import { toySuite } from "../support/toy-suite.ts";

const origin = "http://localhost:8787";
const env: Env & { nowMs: number } = {
  nowMs: 1_000_000,
  clock: { now: () => env.nowMs },
  random: {
    bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    fraction: () => Math.random(),
  },
};
const suite = toySuite(env.random);

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 40; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const onBug = (error: unknown): void => {
  throw error;
};

const newRelay = (): Relay =>
  new Relay({
    env,
    suite,
    store: new MemoryRelayStore(),
    bus: new MemoryBusHub().connect(),
    explain: (error) => ({ code: codes.unavailable, retryAfterMs: 0, detail: String(error) }),
    mayWhisper: () => true,
    onEnded: () => {},
    onBug,
  });

/** A leading tab in a new space, and what opens the space at a relay. */
async function member(space?: NewSpace) {
  const of = space ?? (await newSpace(suite, env.random));
  const tab = new Tab({
    env,
    suite,
    kv: new MemoryDisk(deviceStores).open(),
    space: of,
    pair: await suite.newSigningPair(),
    lock: (body) => body(),
    onBug,
  });
  const { exchange } = await tab.lead();
  const { secret } = await suite.signingPairFromSeed(of.seeds.write);
  return { tag: of.tag, exchange, access: tab.access(secret) };
}

function connect(relay: Relay | undefined, onSent: (type: number | undefined) => void = () => {}) {
  const endings: Ending[] = [];
  const ends: { theirs?: Connection } = {};
  const link = new RelayLink({
    env,
    suite,
    origin,
    durable: true,
    effects: new Effects(onBug),
    host: {
      onGreeted: () => {},
      onEnded: (_link, end) => endings.push(end),
      onSpaceState: () => {},
      onPresent: () => {},
    },
    wire: {
      send: (frame) => {
        queueMicrotask(() => ends.theirs?.receive(frame));
        onSent(frame[0]);
      },
      close: () => {},
    },
  });
  if (relay !== undefined) {
    ends.theirs = relay.connect(
      {
        send: (frame) => queueMicrotask(() => link.connection.receive(frame)),
        close: () => {},
      },
      origin,
    );
  }
  return { link, endings };
}

describe("a link to a relay", () => {
  it("opens all spaces of a device, though only three may be asked for without a proof", async () => {
    const members = await Promise.all(Array.from({ length: 20 }, () => member()));
    const { link, endings } = connect(newRelay());
    for (const { access } of members) link.add(access);
    await settle();
    expect(endings).toEqual([]);
    for (const { tag } of members) expect(link.session(tag)?.isFollowing).toBe(true);
  });

  it("opens the others when one is refused", async () => {
    const [first, second, third] = [await member(), await member(), await member()];
    const stranger = await member();
    const { link, endings } = connect(newRelay());
    // The key of another space: the relay says that the proof is wrong.
    link.add({ ...first.access, accessKey: stranger.access.accessKey });
    link.add(second.access);
    link.add(third.access);
    await settle();
    expect(endings).toEqual([]);
    expect(link.stateOf(first.tag)).toMatchObject({ kind: "refused", code: codes.unproven });
    for (const { tag } of [second, third]) expect(link.session(tag)?.isFollowing).toBe(true);
  });

  it("asks again, after a while, for a space that the device itself had left", async () => {
    const [left, other] = [await member(), await member()];
    const { link, endings } = connect(newRelay());
    link.add(left.access);
    link.add(other.access);
    await settle();
    link.session(left.tag)?.leave(codes.tooLarge, 0, "more logs than a space may have");
    expect(link.wakeAtMs()).toBeLessThanOrEqual(env.nowMs);
    link.tick();
    expect(link.stateOf(left.tag)).toMatchObject({ kind: "waiting", code: codes.tooLarge });
    expect(link.session(left.tag)).toBeUndefined();
    const untilMs = env.nowMs + 91_000;
    while (env.nowMs < untilMs) {
      env.nowMs += 13_000;
      link.tick();
      await settle();
    }
    expect(link.session(left.tag)?.isFollowing).toBe(true);
    expect(link.session(other.tag)?.isFollowing).toBe(true);
    expect(endings).toEqual([]);
  });

  it("lets go of a space that was given up before the relay had answered", async () => {
    const relay = newRelay();
    const [kept, given] = [await member(), await member()];
    const { link, endings } = connect(relay, (type) => {
      if (type !== layouts.hello.number || !isAsked) return;
      isAsked = false;
      onHello();
    });
    let isAsked = false;
    let onHello = (): void => {};
    link.add(kept.access);
    await settle();
    isAsked = true;
    onHello = () => link.remove(given.tag);
    link.add(given.access);
    await settle();
    expect(given.exchange.sessions.size).toBe(0);
    expect(relay.roomCount).toBe(1);

    isAsked = true;
    onHello = () => {
      link.remove(given.tag);
      link.add(given.access);
    };
    link.add(given.access);
    await settle();
    expect(link.session(given.tag)?.isFollowing).toBe(true);
    expect(given.exchange.sessions.size).toBe(1);
    expect(relay.roomCount).toBe(2);
    expect(endings).toEqual([]);
  });

  it("gives up on a relay that greets and never answers", async () => {
    const { access } = await member();
    const { link, endings } = connect(undefined);
    const silent = newRelay().connect(
      { send: (frame) => link.connection.receive(frame), close: () => {} },
      origin,
    );
    link.add(access);
    await settle();
    for (let passed = 0; passed < 60_000 && endings.length === 0; passed += 1_000) {
      env.nowMs += 1_000;
      silent.send({ type: "ping", token: 0 });
      link.tick();
    }
    expect(endings).toMatchObject([{ by: "us", code: codes.deadline }]);
  });
});
