/**
 * A small world for conversations: the shipped relay, devices that lead a tab of the shipped core, wires
 * between them in memory, and time that passes when told to. Made anew for every conversation, from
 * the same dice: a frame that was recorded in one world is as good in the next, proofs included.
 */
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import type { Env } from "@skein/shared/env.ts";
import { type DocumentId, documentId } from "@skein/shared/id/id.ts";
import type { SigningKey, SigningPair, Suite } from "@skein/shared/crypto/suite.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Connection, Ending } from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { Prng } from "../simulation/prng.ts";
import { Tab } from "../support/party.ts";
import { toySuite } from "../support/toy-suite.ts";
import { Broken } from "./target.ts";

export const origin = "http://relay.example";
export const channel: DocumentId = documentId(new Uint8Array(8).fill(1));

/** What is the same in all worlds. */
export interface Grounds {
  readonly space: NewSpace;
  readonly writeKey: SigningKey;
  readonly ana: SigningPair;
  readonly ben: SigningPair;
}

export async function newGrounds(): Promise<Grounds> {
  const suite = toySuite(new Prng(7));
  const space = await newSpace(suite, new Prng(8));
  const { secret: writeKey } = await suite.signingPairFromSeed(space.seeds.write);
  return { space, writeKey, ana: await suite.newSigningPair(), ben: await suite.newSigningPair() };
}

export interface Station {
  readonly relay: Relay;
  readonly store: MemoryRelayStore;
  readonly endings: Map<Connection, Ending>;
}

/** Frames as they pass, either way. */
export interface Listener {
  readonly up?: (frame: Uint8Array) => void;
  readonly down?: (frame: Uint8Array) => void;
}

export class World {
  readonly grounds: Grounds;
  readonly suite: Suite;
  readonly bugs: unknown[] = [];
  readonly #ticks = new Set<() => void>();
  #nowMs = 1_763_662_500_000;

  constructor(grounds: Grounds) {
    this.grounds = grounds;
    this.suite = toySuite(new Prng(9));
  }

  env(seed: number): Env {
    return { clock: { now: () => this.#nowMs }, random: new Prng(seed) };
  }

  bug(error: unknown): void {
    this.bugs.push(error);
  }

  station(seed: number): Station {
    const endings = new Map<Connection, Ending>();
    const store = new MemoryRelayStore();
    const relay = new Relay({
      env: this.env(seed),
      suite: this.suite,
      store,
      bus: new MemoryBusHub().connect(),
      explain: (error) => {
        this.bug(error);
        return { code: codes.unavailable, retryAfterMs: 0, detail: "" };
      },
      onEnded: (connection, end) => endings.set(connection, end),
      onBug: (error) => this.bug(error),
    });
    return { relay, store, endings };
  }

  async device(pair: SigningPair, seed: number): Promise<Tab> {
    const tab = new Tab({
      env: this.env(seed),
      suite: this.suite,
      kv: new MemoryDisk(deviceStores).open(),
      space: this.grounds.space,
      pair,
      lock: (body) => body(),
      onBug: (error) => this.bug(error),
    });
    await tab.lead([{ kind: "clock" }, { kind: "read", document: channel }, { kind: "profile" }]);
    return tab;
  }

  /** A device's end of a connection; `send` takes what it says. */
  link(
    tab: Tab,
    seed: number,
    send: (frame: Uint8Array) => void,
    ended: (end: Ending) => void = () => {},
  ): RelayLink {
    const link = new RelayLink({
      env: this.env(seed),
      suite: this.suite,
      origin,
      durable: true,
      effects: new Effects((error) => this.bug(error)),
      host: {
        onGreeted: () => {},
        onEnded: (_link, end) => ended(end),
        onSpaceState: () => {},
        onPresent: () => {},
      },
      wire: { send, close: () => {} },
    });
    link.add(tab.access(this.grounds.writeKey));
    this.#ticks.add(() => {
      link.tick();
      tab.replica?.tick();
    });
    return link;
  }

  /** A connection of a device to a relay, with frames in order. */
  connect(
    tab: Tab,
    { relay }: Station,
    seed: number,
    listener: Listener = {},
  ): { link: RelayLink; theirs: Connection } {
    const ends: { link?: RelayLink } = {};
    const theirs = relay.connect(
      {
        send: (frame) => {
          listener.down?.(frame);
          this.later(() => ends.link?.connection.receive(frame));
        },
        close: () => {},
      },
      origin,
    );
    const up = (frame: Uint8Array): void => {
      listener.up?.(frame);
      this.later(() => theirs.receive(frame));
    };
    const link = this.link(tab, seed, up);
    ends.link = link;
    this.tickWith(theirs);
    return { link, theirs };
  }

  tickWith(connection: Connection): void {
    this.#ticks.add(() => connection.tick());
  }

  /** A wire delivers when nobody is in the middle of anything. */
  later(run: () => void): void {
    queueMicrotask(() => {
      try {
        run();
      } catch (error) {
        this.bug(error);
      }
    });
  }

  /** Everything that does not wait for time to pass has happened. */
  settle(): Promise<void> {
    return allPromises();
  }

  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (const tick of this.#ticks) tick();
    await allPromises();
  }
}

/** See test/simulation/schedule.ts: Node runs a tick only when no promise has a reaction left. */
const allPromises = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/** Nothing grows beyond its limit, whoever asks for it. */
export function checkBacklog(connection: Connection): void {
  for (const session of connection.sessions) {
    const { sentBytes, receivedBytes, wants, logs } = session.backlog;
    const isBounded =
      sentBytes <= limits.windowBytes + limits.runBytesMax + 64 * limits.runEntriesMax &&
      receivedBytes <= 3 * limits.windowBytes &&
      wants <= limits.wantsMax &&
      logs <= 3 * limits.logsMax;
    if (isBounded) continue;
    throw new Broken(
      `backlog: ${sentBytes} bytes sent, ${receivedBytes} received, ${wants} questions, ${logs} logs`,
    );
  }
}

export function checkBugs(world: World): void {
  const [bug] = world.bugs;
  if (bug === undefined) return;
  throw bug instanceof Error ? bug : new Broken("bug: something was thrown that is no error");
}

const documented: ReadonlySet<number> = new Set(Object.values(codes));

export function checkEnding({ code, detail, by }: Ending): void {
  if (!documented.has(code)) throw new Broken(`undocumented code: ${code}`);
  // Texts of ours that no frame holds would be a second bug on the way out.
  if (by === "us" && Buffer.byteLength(detail) > limits.detailBytesMax) {
    throw new Broken(`detail: ${detail.length} letters`);
  }
}
