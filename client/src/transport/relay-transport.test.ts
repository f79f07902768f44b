import { describe, expect, it, vi } from "vitest";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { nobleSuite } from "@skein/shared/crypto/noble-suite.ts";
import type { SpaceAccess } from "@skein/shared/device/link.ts";
import type { Env } from "@skein/shared/env.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { MemoryLogStore } from "@skein/shared/log/memory-store.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { decodeFrame, encodeFrame } from "@skein/shared/protocol/codec.ts";
import { type Code, codes } from "@skein/shared/protocol/codes.ts";
import type { Frame } from "@skein/shared/protocol/messages.ts";
import { noShelf } from "@skein/shared/sync/blob-line.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { Exchange } from "@skein/shared/sync/exchange.ts";
import type { RelayOrigin } from "./address.ts";
import { RelayTransport } from "./relay-transport.ts";

const one = "http://one.test" as RelayOrigin;
const two = "http://two.test" as RelayOrigin;

let dice = 1;
const random: Env["random"] = {
  bytes: (length) => new Uint8Array(length).fill(dice++),
  fraction: () => 0.5,
};
const suite = nobleSuite(random);

/** Relays by host: how they answer a space, or undefined for none that listens. */
type Script = (hello: Extract<Frame, { type: "hello" }>) => Code | "welcome";
type Relays = Map<string, Script>;

/** A relay's end and its wire in one: greets, and lets spaces in or sends them away. */
class ScriptedSocket extends EventTarget {
  readonly OPEN = 1;
  readyState = 0;
  binaryType = "";
  readonly host: string;
  readonly #relays: Relays;

  constructor(address: string, relays: Relays) {
    super();
    this.host = new URL(address).host;
    this.#relays = relays;
    queueMicrotask(() => {
      if (!relays.has(this.host)) return this.end(1006);
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
      this.answer({
        type: "greet",
        versionMin: 1,
        versionMax: 1,
        party: "relay",
        durable: true,
        nonce: random.bytes(16),
        capabilities: 0,
      });
    });
  }

  send(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (isMalformed(frame) || frame.type !== "hello") return;
    const verdict = this.#relays.get(this.host)?.(frame);
    if (verdict === undefined) return;
    const yourSpace = frame.space;
    this.answer(
      verdict === "welcome"
        ? { type: "welcome", yourSpace, mySpace: frame.space, certificate: 0, present: [] }
        : { type: "leave", yourSpace, code: verdict, retryAfterMs: 0, detail: "no" },
    );
  }

  answer(frame: Frame): void {
    const bytes = encodeFrame(frame).slice();
    queueMicrotask(() => {
      if (this.readyState !== 1) return;
      this.dispatchEvent(new MessageEvent("message", { data: bytes.buffer }));
    });
  }

  close(): void {
    queueMicrotask(() => this.end(1000));
  }

  end(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "" }));
  }
}

async function spaceAccess(tag: SpaceTag): Promise<SpaceAccess> {
  const [access, replica] = [await suite.newSigningPair(), await suite.newSigningPair()];
  const quiet = () => {};
  const store = new MemoryLogStore();
  const exchange = new Exchange({
    env: { clock: { now: () => 0 }, random },
    suite,
    tag,
    heads: [],
    registers: [],
    effects: new Effects(quiet),
    forwards: "held",
    shelf: noShelf,
    store: {
      append: (runs) => store.append(tag, runs),
      read: (of, first, bytesMax) => store.read(tag, of, first, bytesMax),
      hashes: (of, first, last) => store.hashes(tag, of, first, last),
      putRegisters: (registers) => store.putRegisters(tag, registers),
    },
    host: {
      onVerified: quiet,
      onHeld: quiet,
      onRegister: quiet,
      onWhisper: quiet,
      onStored: quiet,
      onCompared: quiet,
      onFork: quiet,
      onFound: quiet,
      onSplit: quiet,
      onHole: quiet,
      onMended: quiet,
      onListed: quiet,
      onTruncate: quiet,
      onInvite: quiet,
      onSessionClosed: quiet,
      onIdle: quiet,
      onStoreFailed: quiet,
    },
  });
  return {
    tag,
    mode: "write",
    certificates: [new Uint8Array(214)],
    accessKey: access.secret,
    replica: replicaIdOf(suite, replica.publicKey),
    replicaPublicKey: replica.publicKey,
    replicaKey: replica.secret,
    exchange,
  };
}

const tagOf = (byte: string) => byte.repeat(16) as SpaceTag;

function transportTo(relays: Relays, options: { readonly on?: boolean } = {}) {
  const sockets: ScriptedSocket[] = [];
  const bugs: unknown[] = [];
  const clock = { ms: 1_000_000, now: () => clock.ms };
  const transport = new RelayTransport({
    env: { clock, random },
    suite,
    newSocket: (address) => {
      const socket = new ScriptedSocket(address, relays);
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    durable: true,
    on: options.on ?? true,
    host: { onChanged: () => {}, onPresent: () => {} },
    onBug: (error) => bugs.push(error),
  });
  return {
    transport,
    sockets,
    bugs,
    open: () => sockets.filter(({ readyState }) => readyState === 1).map(({ host }) => host),
    /** Lets the time come for which the transport waits. */
    wait: () => {
      clock.ms = Math.max(clock.ms, transport.wakeAtMs());
      transport.tick();
    },
  };
}

const becomes = (transport: RelayTransport, tag: SpaceTag, state: object) =>
  vi.waitFor(() => expect(transport.stateOf(tag)).toMatchObject(state));

describe("the way to relays", () => {
  it("is one socket for all spaces at a relay", async () => {
    const { transport, sockets, bugs } = transportTo(new Map([["one.test", () => "welcome"]]));
    for (const byte of ["aa", "bb"]) transport.add(await spaceAccess(tagOf(byte)), [one]);
    for (const byte of ["aa", "bb"]) {
      await becomes(transport, tagOf(byte), { kind: "connected", relay: "one.test" });
    }
    expect(sockets).toHaveLength(1);
    expect(bugs).toEqual([]);
    transport.close();
  });

  it("leads to the next relay when one does not listen, and stays there", async () => {
    const relays: Relays = new Map([["two.test", () => "welcome"]]);
    const { transport, open } = transportTo(relays);
    transport.add(await spaceAccess(tagOf("aa")), [one, two]);
    await becomes(transport, tagOf("aa"), { kind: "connected", relay: "two.test" });
    expect(transport.relayOf(tagOf("aa"))).toBe(two);
    relays.set("one.test", () => "welcome");
    expect(open()).toEqual(["two.test"]);
    transport.close();
  });

  it("is tried again later when nobody listens, and at once when something changed", async () => {
    const relays: Relays = new Map();
    const { transport, sockets, wait } = transportTo(relays);
    const tag = tagOf("aa");
    transport.add(await spaceAccess(tag), [one]);
    await becomes(transport, tag, { kind: "waiting", relay: "one.test" });
    const waits: number[] = [];
    for (let failure = 1; failure <= 4; failure++) {
      const { retryAtMs } = transport.stateOf(tag) as { retryAtMs: number };
      wait();
      await vi.waitFor(() => expect(sockets).toHaveLength(failure + 1));
      await becomes(transport, tag, { kind: "waiting" });
      waits.push((transport.stateOf(tag) as { retryAtMs: number }).retryAtMs - retryAtMs);
    }
    for (const [at, ms] of waits.entries()) expect(ms).toBeGreaterThan(waits[at - 1] ?? 0);
    relays.set("one.test", () => "welcome");
    transport.connectNow();
    await becomes(transport, tag, { kind: "connected" });
    transport.close();
  });

  it("goes on to a relay that lets a space in, and ends where none does", async () => {
    const relays: Relays = new Map<string, Script>([
      ["one.test", ({ tag }) => (tag === tagOf("aa") ? codes.unknownSpace : "welcome")],
      ["two.test", ({ tag }) => (tag === tagOf("bb") ? codes.quota : "welcome")],
    ]);
    const { transport, sockets } = transportTo(relays);
    transport.add(await spaceAccess(tagOf("aa")), [one, two]);
    transport.add(await spaceAccess(tagOf("bb")), [two]);
    await becomes(transport, tagOf("aa"), { kind: "connected", relay: "two.test" });
    await becomes(transport, tagOf("bb"), { kind: "refused", code: codes.quota, reason: "no" });
    // Nothing is tried again by itself.
    expect(sockets.length).toBeLessThanOrEqual(2);
    relays.set("two.test", () => "welcome");
    transport.connectNow();
    await becomes(transport, tagOf("bb"), { kind: "connected" });
    transport.close();
  });

  it("is cut by the person's switch and taken up again by it", async () => {
    const relays: Relays = new Map([["one.test", () => "welcome"]]);
    const { transport, sockets, open } = transportTo(relays, { on: false });
    const tag = tagOf("aa");
    transport.add(await spaceAccess(tag), [one]);
    expect(transport.stateOf(tag)).toEqual({ kind: "off" });
    expect(sockets).toHaveLength(0);
    transport.setOn(true);
    await becomes(transport, tag, { kind: "connected" });
    transport.setOn(false);
    expect(transport.stateOf(tag)).toEqual({ kind: "off" });
    expect(transport.wakeAtMs()).toBe(Number.POSITIVE_INFINITY);
    await vi.waitFor(() => expect(open()).toEqual([]));
    transport.setOn(true);
    await becomes(transport, tag, { kind: "connected" });
    expect(sockets).toHaveLength(2);
    transport.close();
  });

  it("is dropped when the system loses its network, and tried again", async () => {
    const relays: Relays = new Map([["one.test", () => "welcome"]]);
    const { transport, sockets, wait } = transportTo(relays);
    const tag = tagOf("aa");
    transport.add(await spaceAccess(tag), [one]);
    await becomes(transport, tag, { kind: "connected" });
    transport.networkLost();
    expect(transport.stateOf(tag)).toMatchObject({ kind: "waiting", reason: "network lost" });
    wait();
    await becomes(transport, tag, { kind: "connected" });
    expect(sockets).toHaveLength(2);
    transport.close();
  });

  it("ends for good when it is closed, and when its last space goes", async () => {
    const relays: Relays = new Map([["one.test", () => "welcome"]]);
    const { transport, open, sockets } = transportTo(relays);
    transport.add(await spaceAccess(tagOf("aa")), [one]);
    await becomes(transport, tagOf("aa"), { kind: "connected" });
    transport.remove(tagOf("aa"));
    await vi.waitFor(() => expect(open()).toEqual([]));
    transport.close();
    transport.connectNow();
    transport.add(await spaceAccess(tagOf("bb")), [one]);
    expect(sockets).toHaveLength(1);
  });
});
