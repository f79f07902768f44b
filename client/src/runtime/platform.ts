/**
 * What the runtime needs of the browser, as one object, so that all of it also runs in Node against
 * memory and stand-ins. Nothing in `runtime/` reaches for a global but through here.
 */
import type { SnapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import type { Env } from "@skein/shared/env.ts";
import { type Opening, type OpeningOptions, openIdbKv } from "../storage/idb-kv.ts";
import type { Observable } from "./api.ts";
import { Cell } from "./observable.ts";

export interface Platform {
  /** The page's origin: its relay, unless a space names others. */
  readonly origin: string;
  /** `?replica=b` in the page's address: a whole device of its own in this browser. */
  readonly replica: string | undefined;
  readonly env: Env;
  readonly crypto: Crypto;
  readonly locks: LockManager;
  readonly page: Page;
  openKv(options: OpeningOptions): Promise<Opening>;
  newChannel(name: string): BroadcastChannel;
  newSocket(address: string): WebSocket;
  fetch(address: string, init: RequestInit): Promise<Response>;
  /** Fetches the catalog's engine; once is enough. */
  loadAutomerge(): Promise<void>;
  readonly storage: StoragePort;
  /** Small marks that survive apart from the database; undefined where the browser has none. */
  readonly marks: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined;
  /** When snapshots are taken and made, if not as usual: tests have smaller numbers. */
  readonly snapshots?: SnapshotPolicy;
  /** Name and version of browser and app, for reports. */
  describe(): string;
}

/** The page's life, as far as a person's eyes and the network go. */
export interface Page {
  readonly visible: Observable<boolean>;
  /** Visible, in front, and somebody has touched it lately. */
  readonly active: Observable<boolean>;
  /** Last call before the page is hidden or goes: what is not written yet is written now. */
  onHide(listener: () => void): () => void;
  /** The page goes for good; nothing asynchronous will be seen to its end. */
  onLeave(listener: () => void): () => void;
  onNetwork(listener: (online: boolean) => void): () => void;
}

export interface StoragePort {
  /** Whether the page runs in a private window, where what is stored dies with it; a best guess. */
  isPrivate(): Promise<boolean>;
  estimate(): Promise<{
    readonly usedBytes: number | undefined;
    readonly quotaBytes: number | undefined;
  }>;
  persisted(): Promise<boolean>;
  persist(): Promise<boolean>;
}

export const realEnv = (crypto: Crypto): Env => ({
  clock: { now: () => Date.now() },
  random: {
    bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    fraction: () => Math.random(),
  },
});

/** Without a touch for so long a person counts as away. */
const idleAfterMs = 3 * 60_000;
const touches = ["pointerdown", "pointermove", "keydown", "wheel", "focus"] as const;

export function browserPlatform(): Platform {
  const { storage } = navigator;
  return {
    origin: location.origin,
    replica: replicaIn(location.search),
    env: realEnv(crypto),
    crypto,
    locks: navigator.locks,
    page: browserPage(),
    openKv: openIdbKv,
    newChannel: (name) => new BroadcastChannel(name),
    newSocket: (address) => new WebSocket(address),
    fetch: (address, init) => fetch(address, init),
    loadAutomerge: async () => (await import("./automerge-wasm.ts")).loadAutomerge(),
    storage: {
      async estimate() {
        const { usage, quota } = await storage.estimate();
        return { usedBytes: usage, quotaBytes: quota };
      },
      persisted: () => storage.persisted(),
      persist: () => storage.persist(),
      isPrivate: () => isPrivate(storage),
    },
    marks: localMarks(),
    describe: () => navigator.userAgent,
  };
}

/**
 * No browser says it. Firefox and Safari refuse the origin's own file system in private windows;
 * Chromium gives a private window less room than twice its heap may take.
 */
async function isPrivate(storage: StorageManager): Promise<boolean> {
  try {
    await storage.getDirectory();
  } catch (error) {
    return !(error instanceof TypeError);
  }
  const { memory } = performance as { readonly memory?: { readonly jsHeapSizeLimit: number } };
  if (memory === undefined) return false;
  const { quota } = await storage.estimate();
  return quota !== undefined && quota < memory.jsHeapSizeLimit * 2;
}

function browserPage(): Page {
  const isVisible = () => document.visibilityState === "visible";
  const visible = new Cell(isVisible());
  const active = new Cell(isVisible() && document.hasFocus());
  const hiding = new Set<() => void>();
  let idle: ReturnType<typeof setTimeout> | undefined;

  const touched = () => {
    clearTimeout(idle);
    active.set(isVisible() && document.hasFocus());
    idle = setTimeout(() => active.set(false), idleAfterMs);
  };
  const hide = () => {
    for (const listener of [...hiding]) listener();
  };
  for (const touch of touches) addEventListener(touch, touched, { passive: true, capture: true });
  addEventListener("blur", () => active.set(false));
  document.addEventListener("visibilitychange", () => {
    visible.set(isVisible());
    if (isVisible()) touched();
    else {
      active.set(false);
      hide();
    }
  });
  // A page that is closed while in front is never told that it is hidden in some browsers.
  addEventListener("pagehide", hide);
  touched();

  return {
    visible,
    active,
    onHide(listener) {
      hiding.add(listener);
      return () => hiding.delete(listener);
    },
    onLeave(listener) {
      const quit = new AbortController();
      const leave = ({ persisted }: PageTransitionEvent) => {
        if (!persisted) listener();
      };
      addEventListener("pagehide", leave, { signal: quit.signal });
      return () => quit.abort();
    },
    onNetwork(listener) {
      const quit = new AbortController();
      addEventListener("online", () => listener(true), { signal: quit.signal });
      addEventListener("offline", () => listener(false), { signal: quit.signal });
      return () => quit.abort();
    },
  };
}

/** Names that are no names are left out rather than opened as another device. */
function replicaIn(search: string): string | undefined {
  const name = new URLSearchParams(search).get("replica");
  return name !== null && /^[a-z0-9]{1,16}$/.test(name) ? name : undefined;
}

/** Even looking at `localStorage` throws where cookies are blocked. */
function localMarks(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}
