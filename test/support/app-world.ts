/**
 * Whole apps in one process: browsers with their databases, tabs with the real locks and channels of Node,
 * and relays behind sockets that are only objects. Everything above the platform is what ships.
 */
import { webcrypto } from "node:crypto";
import { initializeBase64Wasm } from "@automerge/automerge/slim";
import { fromHex } from "@skein/shared/bytes/bytes.ts";
import { type Kv, KvFailure } from "@skein/shared/device/kv.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import type { SnapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import type { Connection, Wire } from "@skein/shared/sync/connection.ts";
import { type LiveApp, openApp } from "@skein/client/runtime/app.ts";
import { Cell } from "@skein/client/runtime/observable.ts";
import { type Platform, realEnv } from "@skein/client/runtime/platform.ts";
import { MemoryBusHub } from "@skein/server/bus/memory.ts";
import { Relay } from "@skein/server/relay.ts";
import { MemoryRelayStore } from "@skein/server/store/memory.ts";
import { relaySuite } from "@skein/server/suite.ts";
import type { RelayStore } from "@skein/server/store/store.ts";

let worlds = 0;
let automerge: Promise<void> | undefined;

function loadAutomerge(): Promise<void> {
  automerge ??= import("@automerge/automerge/automerge.wasm.base64").then(
    ({ automergeWasmBase64 }) => initializeBase64Wasm(automergeWasmBase64),
  );
  return automerge;
}

export class AppWorld {
  /** Of browsers that are made from now on. */
  snapshots: SnapshotPolicy | undefined;
  readonly bugs: unknown[] = [];
  readonly #number = worlds++;
  readonly #relays = new Map<string, RelayHost>();
  readonly #closing: (() => void)[] = [];

  relay(origin = "http://relay.test"): RelayHost {
    const relay = new RelayHost(origin, (error) => this.bugs.push(error));
    this.#relays.set(origin, relay);
    return relay;
  }

  /** A browser profile at one origin: one device, any number of tabs. */
  browser(name: string, origin = "http://relay.test"): Browser {
    const browser = new Browser(this, `${this.#number}-${name}`, origin);
    this.#closing.push(() => browser.closeAll());
    return browser;
  }

  relayAt(address: string): RelayHost | undefined {
    const { host } = new URL(address);
    for (const [origin, relay] of this.#relays) if (new URL(origin).host === host) return relay;
    return undefined;
  }

  async end(): Promise<void> {
    for (const close of this.#closing) close();
    await new Promise((done) => setTimeout(done, 20));
    for (const relay of this.#relays.values()) relay.stop();
  }
}

export class Browser {
  /** By the name of the database. */
  readonly disks = new Map<string, MemoryDisk>();
  readonly online = new Cell(true);
  readonly #world: AppWorld;
  readonly #name: string;
  readonly #origin: string;
  readonly #tabs = new Set<LiveApp>();
  readonly #marks = new Map<string, string>();
  #count = 0;
  /** Numbers of tabs whose word reaches no other tab any more, as of one that is about to die. */
  readonly muted = new Set<number>();
  /** Every write fails while this is set. */
  full = false;

  constructor(world: AppWorld, name: string, origin: string) {
    this.#world = world;
    this.#name = name;
    this.#origin = origin;
  }

  async tab(options: { readonly replica?: string } = {}): Promise<Tab> {
    const visible = new Cell(true);
    const active = new Cell(true);
    const hiding = new Set<() => void>();
    const leaving = new Set<() => void>();
    const number = this.#count++;
    const prefix = `${this.#name}/`;
    const platform: Platform = {
      origin: this.#origin,
      replica: options.replica,
      env: realEnv(webcrypto as unknown as Crypto),
      crypto: webcrypto as unknown as Crypto,
      locks: prefixed(navigator.locks, prefix),
      page: {
        visible,
        active,
        onHide(listener) {
          hiding.add(listener);
          return () => hiding.delete(listener);
        },
        onLeave(listener) {
          leaving.add(listener);
          return () => leaving.delete(listener);
        },
        onNetwork: (listener) => this.online.subscribe(() => listener(this.online.get())),
      },
      openKv: async ({ name }) => ({ kind: "open", kv: this.#kv(name) }),
      newChannel: (name) => {
        const channel = new BroadcastChannel(prefix + name);
        (channel as unknown as { unref(): void }).unref();
        const post = channel.postMessage.bind(channel);
        channel.postMessage = (message) => {
          if (!this.muted.has(number)) post(message);
        };
        return channel;
      },
      newSocket: (address) =>
        new ObjectSocket(this.online.get() ? this.#world.relayAt(address) : undefined) as never,
      fetch: async (address, init) => {
        const relay = this.online.get() ? this.#world.relayAt(address) : undefined;
        if (relay === undefined) throw new TypeError("Failed to fetch");
        return relay.fetch(address, init.method ?? "GET");
      },
      loadAutomerge,
      storage: {
        estimate: async () => ({ usedBytes: 1, quotaBytes: 2 }),
        persisted: async () => false,
        persist: async () => true,
        isPrivate: async () => false,
      },
      marks: {
        getItem: (key) => this.#marks.get(key) ?? null,
        setItem: (key, value) => void this.#marks.set(key, value),
        removeItem: (key) => void this.#marks.delete(key),
      },
      ...(this.#world.snapshots && { snapshots: this.#world.snapshots }),
      describe: () => "a test",
    };
    const onBug = (error: unknown) => this.#world.bugs.push(error);
    const app = await openApp({ platform, onBug });
    this.#tabs.add(app);
    return {
      app,
      number,
      visible,
      active,
      hide: () => hiding.forEach((listener) => listener()),
      close: () => {
        hiding.forEach((listener) => listener());
        leaving.forEach((listener) => listener());
        app.close();
        this.#tabs.delete(app);
      },
      die: () => {
        app.close();
        this.#tabs.delete(app);
      },
    };
  }

  closeAll(): void {
    for (const app of this.#tabs) app.close();
    this.#tabs.clear();
  }

  #kv(name: string): Kv {
    const disk = this.disks.get(name) ?? new MemoryDisk(deviceStores, { losesPower: true });
    this.disks.set(name, disk);
    const kv = disk.open();
    const isFull = () => this.full;
    return {
      read: (stores, body) => kv.read(stores, body),
      write: (stores, durability, body) =>
        isFull()
          ? Promise.reject(new KvFailure("quota", "the disk is full"))
          : kv.write(stores, durability, body),
      close: () => kv.close(),
    };
  }
}

export interface Tab {
  readonly app: LiveApp;
  readonly number: number;
  readonly visible: Cell<boolean>;
  readonly active: Cell<boolean>;
  hide(): void;
  /** As a person closes it. */
  close(): void;
  /** As a crash closes it: nothing is written any more. */
  die(): void;
}

export class RelayHost {
  readonly store: RelayStore = new MemoryRelayStore();
  readonly #origin: string;
  readonly #onBug: (error: unknown) => void;
  readonly #sockets = new Set<ObjectSocket>();
  #relay: Relay | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #connections = new Set<Connection>();

  constructor(origin: string, onBug: (error: unknown) => void) {
    this.#origin = origin;
    this.#onBug = onBug;
    this.start();
  }

  get isUp(): boolean {
    return this.#relay !== undefined;
  }

  get connectionCount(): number {
    return this.#relay?.connectionCount ?? 0;
  }

  start(): void {
    if (this.#relay !== undefined) return;
    this.#relay = new Relay({
      env: realEnv(webcrypto as unknown as Crypto),
      suite: relaySuite(),
      store: this.store,
      bus: new MemoryBusHub().connect(),
      explain: (error) => ({ code: codes.unavailable, retryAfterMs: 50, detail: String(error) }),
      mayWhisper: () => true,
      onEnded: (connection) => this.#connections.delete(connection),
      onBug: this.#onBug,
    });
    this.#timer = setInterval(() => {
      for (const connection of this.#connections) connection.tick();
    }, 50);
  }

  /** As `kill -9` does it: sockets break, what is stored stays. */
  stop(): void {
    const relay = this.#relay;
    this.#relay = undefined;
    clearInterval(this.#timer);
    for (const socket of [...this.#sockets]) socket.breakOff();
    relay?.close();
  }

  /** The relay's end of a new socket. */
  accept(socket: ObjectSocket): Connection | undefined {
    if (this.#relay === undefined) return undefined;
    this.#sockets.add(socket);
    const wire: Wire = {
      send: (frame) => socket.deliver(frame.slice()),
      close: (code) => socket.closedByRelay(code),
    };
    const connection = this.#relay.connect(wire, this.#origin);
    this.#connections.add(connection);
    return connection;
  }

  forget(socket: ObjectSocket): void {
    this.#sockets.delete(socket);
  }

  async fetch(address: string, method: string): Promise<Response> {
    if (this.#relay === undefined) throw new TypeError("Failed to fetch");
    const codeHash = fromHex(
      /\/invites\/([0-9a-f]{32})$/.exec(new URL(address).pathname)?.[1] ?? "",
    );
    const found =
      method === "POST"
        ? await this.store.useInvite(codeHash, Date.now())
        : await this.store.peekInvite(codeHash, Date.now());
    switch (found.kind) {
      case "open":
        return new Response(found.sealed.slice());
      case "spent":
        return new Response("", { status: 410 });
      case "unknown":
        return new Response("", { status: 404 });
    }
  }
}

/** As much of a WebSocket as the transport uses. Frames take a turn of the event loop. */
export class ObjectSocket extends EventTarget {
  readonly OPEN = 1;
  readyState = 0;
  binaryType = "blob";
  readonly #relay: RelayHost | undefined;
  #connection: Connection | undefined;

  constructor(relay: RelayHost | undefined) {
    super();
    this.#relay = relay;
    setImmediate(() => this.#open());
  }

  send(frame: Uint8Array): void {
    const bytes = frame.slice();
    // What was sent before a close arrives before it.
    setImmediate(() => {
      if (this.readyState < 3) this.#connection?.receive(bytes);
    });
  }

  close(): void {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    // After what was sent.
    setImmediate(() => {
      this.#connection?.wireClosed(1000, "");
      this.#closed(1000);
    });
  }

  deliver(frame: Uint8Array<ArrayBuffer>): void {
    setImmediate(() => {
      if (this.readyState !== 1) return;
      this.dispatchEvent(new MessageEvent("message", { data: frame.buffer }));
    });
  }

  closedByRelay(code: number): void {
    setImmediate(() => setImmediate(() => this.#closed(code)));
  }

  breakOff(): void {
    this.#connection?.wireClosed(1006, "");
    this.#closed(1006);
  }

  #open(): void {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.#connection = this.#relay?.accept(this);
    if (this.#connection === undefined) this.#closed(1006);
    else this.dispatchEvent(new Event("open"));
  }

  #closed(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#relay?.forget(this);
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason: "" }));
  }
}

/** Browsers do not share locks. */
function prefixed(locks: LockManager, prefix: string): LockManager {
  return {
    request: (name: string, ...rest: readonly unknown[]) =>
      (locks.request as (...all: readonly unknown[]) => Promise<unknown>).call(
        locks,
        prefix + name,
        ...rest,
      ),
    query: () => locks.query(),
  } as LockManager;
}
