import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { spaceTag } from "@skein/shared/id/id.ts";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { type AppFiles, readAppFiles } from "./app-files.ts";
import { MemoryBusHub } from "./bus/memory.ts";
import { type RelayLimits, relayLimits } from "./limits.ts";
import { openLog } from "./log.ts";
import { type RunningRelay, serve, type ServeOptions } from "./serve.ts";
import { MemoryRelayStore } from "./store/memory.ts";
import type { Invite } from "./store/store.ts";
import { systemEnv } from "./system-env.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

describe("the app", () => {
  test("is served with the type, the caching and the encoding that fit", async () => {
    const { get } = await start({ app: await builtApp() });
    const index = await get("/", { "accept-encoding": "gzip, br" });
    expect(index).toMatchObject({ status: 200, headers: { "content-encoding": "br" } });
    expect(index.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(index.headers["cache-control"]).toBe("no-cache");
    expect(index.headers.vary).toBe("Accept-Encoding");
    expect(brotliDecompressSync(index.body).toString()).toBe(indexHtml);

    const script = await get("/assets/main-Ab12_-cd.js", { "accept-encoding": "gzip" });
    expect(script.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect(script.headers["content-type"]).toBe("text/javascript; charset=utf-8");
    expect(gunzipSync(script.body).toString()).toBe(mainJs);

    const worker = await get("/service-worker.js");
    expect(worker.headers["cache-control"]).toBe("no-cache");
    expect(worker.headers["content-encoding"]).toBeUndefined();
    expect(worker.body.toString()).toBe("self.x = 1");
    const wasm = await get("/assets/automerge-12345678.wasm");
    expect(wasm.headers["content-type"]).toBe("application/wasm");
  });

  test("is not compressed for those who do not want it", async () => {
    const { get } = await start({ app: await builtApp() });
    for (const accepted of ["", "identity", "deflate", "br;q=0, gzip;q=0.0"]) {
      const { headers, body } = await get("/", { "accept-encoding": accepted });
      expect(headers["content-encoding"]).toBeUndefined();
      expect(body.toString()).toBe(indexHtml);
    }
    const any = await get("/", { "accept-encoding": "*" });
    expect(any.headers["content-encoding"]).toBe("br");
    expect((await get("/", { "accept-encoding": "*;q=0" })).status).toBe(406);
  });

  test("is not sent again to those who have it", async () => {
    const { get } = await start({ app: await builtApp() });
    const { headers } = await get("/");
    const etag = headers.etag ?? "";
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await get("/", { "if-none-match": known });
      expect(again).toMatchObject({ status: 304, body: Buffer.alloc(0) });
      expect(again.headers.etag).toBe(etag);
    }
    expect((await get("/", { "if-none-match": '"other"' })).status).toBe(200);
    const brotli = await get("/", { "accept-encoding": "br" });
    expect(brotli.headers.etag).not.toBe(etag);
  });

  test("answers HEAD with the same headers and no body", async () => {
    const { get, send } = await start({ app: await builtApp() });
    const whole = await get("/");
    const head = await send("HEAD", "/");
    expect(head.body.length).toBe(0);
    expect(head.headers["content-length"]).toBe(String(indexHtml.length));
    expect(head.headers.etag).toBe(whole.headers.etag);
  });

  test("shows nothing else of the disk", async () => {
    const { get } = await start({ app: await builtApp() });
    const paths = [
      "/.inputs",
      "/.vite/manifest.json",
      "/../secret.txt",
      "/%2e%2e/secret.txt",
      "/assets/..%2f..%2fsecret.txt",
      "/assets/",
      "/assets",
      "/index.html.br",
      "/%00",
      "/%zz",
      "//",
      "/nothing",
    ];
    for (const path of paths) {
      const { status, body } = await get(path);
      expect([path, status]).toEqual([path, 404]);
      expect(body.toString()).toMatch(/There is nothing here/);
    }
    expect((await get("/index.html?x=1#y")).status).toBe(200);
  });

  test("takes any range for the whole, and goes on when its folder has gone", async () => {
    const folder = newFolder();
    writeApp(folder);
    const { get } = await start({ app: await readAppFiles(folder) });
    rmSync(folder, { recursive: true });
    for (const range of ["bytes=4-2", "bytes=0-0", "bytes=-1", "lines=1"]) {
      const { status, body } = await get("/", { range });
      expect([status, body.toString()]).toEqual([200, indexHtml]);
    }
  });

  /** Two versions of an app, one in place, and how a build puts the other one there. */
  function twoVersions(): { place: string; swap: () => void } {
    const parent = newFolder();
    const [place, aside] = [join(parent, "dist"), join(parent, "aside")];
    for (const version of ["one", "two"]) {
      const folder = join(parent, version);
      mkdirSync(folder);
      for (let file = 0; file < 60; file++) writeFileSync(join(folder, `${file}.txt`), version);
      writeFileSync(join(folder, "index.html"), version);
    }
    renameSync(join(parent, "one"), place);
    renameSync(join(parent, "two"), aside);
    const swap = (): void => {
      renameSync(place, join(parent, "old"));
      renameSync(aside, place);
      renameSync(join(parent, "old"), aside);
    };
    return { place, swap };
  }

  test("is read whole, also when builds put another in its place meanwhile", async () => {
    const { place, swap } = twoVersions();
    let swaps = 0;
    const swapping = setInterval(() => {
      if (swaps-- > 0) swap();
    }, 10);
    try {
      for (let round = 0; round < 30; round++) {
        swaps = 3;
        const { get } = await start({ app: await readAppFiles(place) });
        const version = (await get("/")).body.toString();
        for (const path of ["/0.txt", "/31.txt", "/59.txt"]) {
          expect((await get(path)).body.toString()).toBe(version);
        }
      }
    } finally {
      clearInterval(swapping);
    }
  });

  test("that is not built yet explains itself", async () => {
    expect(await readAppFiles(newFolder())).toBeUndefined();
    expect(await readAppFiles("/nowhere/at/all")).toBeUndefined();
    const { get } = await start({ app: undefined });
    const { status, body } = await get("/");
    expect(status).toBe(503);
    expect(body.toString()).toMatch(/npm start/);
    expect((await get("/other")).status).toBe(404);
  });

  test("comes with headers that let nothing foreign in", async () => {
    const { get, port } = await start({
      app: await builtApp(),
      config: { otherRelays: ["https://relay.example"] },
    });
    for (const path of ["/", "/nothing", "/healthz", "/invites/x", "/sync"]) {
      const { headers } = await get(path);
      const own = `127.0.0.1:${port}`;
      expect(headers["content-security-policy"]).toBe(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
          "img-src 'self' blob: data:; font-src 'self'; " +
          `connect-src 'self' http://${own} https://relay.example ws://${own} wss://relay.example; ` +
          "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; " +
          "frame-ancestors 'none'; require-trusted-types-for 'script'; " +
          "trusted-types skein ProseMirrorClipboard",
      );
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["referrer-policy"]).toBe("no-referrer");
      expect(headers["cross-origin-opener-policy"]).toBe("same-origin");
      expect(headers["strict-transport-security"]).toBeUndefined();
    }
  });

  test("does not take a name it was called for one of its own", async () => {
    const { get } = await start({ app: await builtApp() });
    for (const host of ["evil.example", "evil.example; script-src *"]) {
      const { status, headers } = await get("/", { host });
      expect(status).toBe(200);
      expect(headers["content-security-policy"]).toMatch(/connect-src 'self'; worker-src/);
    }
  });
});

describe("invites", () => {
  test("give the preview and the keys as they were sealed, to pages of any host", async () => {
    const { get, send, store } = await start();
    const invite = newInvite(1, { uses: 1 });
    await store.putInvite(space, invite, Date.now());
    const path = `/invites/${toHex(invite.codeHash)}`;
    const preview = await get(path, { origin: "https://other.example" });
    expect(preview).toMatchObject({ status: 200, body: Buffer.from(invite.preview) });
    expect(preview.headers).toMatchObject({
      "access-control-allow-origin": "*",
      "cache-control": "no-store",
      "content-type": "application/octet-stream",
      "cross-origin-resource-policy": "cross-origin",
    });
    const keys = await send("POST", path);
    expect(keys).toMatchObject({ status: 200, body: Buffer.from(invite.keys) });
    expect((await send("POST", path)).status).toBe(410);
    expect((await get(path)).status).toBe(410);
  });

  test("are counted by POST alone", async () => {
    const { get, send, store } = await start();
    const invite = newInvite(1, { uses: 1 });
    await store.putInvite(space, invite, Date.now());
    const path = `/invites/${toHex(invite.codeHash)}`;
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) await send(method, path);
    expect((await get(path)).status).toBe(200);
    expect((await send("POST", path)).status).toBe(200);
  });

  test("that never were, were revoked or are misspelt answer alike", async () => {
    const { get, send, store } = await start();
    const revoked = newInvite(1);
    await store.putInvite(space, revoked, Date.now());
    await store.revokeInvite(space, revoked.codeHash);
    const codes = [toHex(revoked.codeHash), toHex(newInvite(2).codeHash), "abc", "../healthz", ""];
    const answers = [];
    for (const code of codes) {
      answers.push(await get(`/invites/${code}`), await send("POST", `/invites/${code}`));
    }
    const bare = answers.map(({ status, headers: { date: _date, ...headers }, body }) => ({
      status,
      headers,
      body: body.toString(),
    }));
    expect(bare[0]).toMatchObject({ status: 404, body: "There is no such invite.\n" });
    for (const each of bare) expect(each).toEqual(bare[0]);
  });

  test("expire", async () => {
    const { get, store } = await start();
    const invite = newInvite(1, { expiresMs: Date.now() - 1 });
    await store.putInvite(space, invite, Date.now() - 10_000);
    expect((await get(`/invites/${toHex(invite.codeHash)}`)).status).toBe(410);
  });

  test("let a browser ask first", async () => {
    const { send } = await start();
    const { status, headers } = await send("OPTIONS", "/invites/x");
    expect(status).toBe(204);
    expect(headers["access-control-allow-methods"]).toBe("GET, HEAD, POST");
  });

  test("asked for too often answer 429 and when to come back, readable by the page", async () => {
    const { get, send } = await start({ limits: { invitesPerMinute: 3 } });
    for (let count = 0; count < 3; count++) expect((await get("/invites/x")).status).toBe(404);
    for (const answer of [await get("/invites/x"), await send("POST", "/invites/y")]) {
      expect(answer.status).toBe(429);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
      expect(Number(answer.headers["retry-after"])).toBeLessThanOrEqual(60);
      expect(answer.headers["access-control-allow-origin"]).toBe("*");
      expect(answer.headers["access-control-expose-headers"]).toBe("Retry-After");
    }
    expect((await get("/healthz")).status).toBe(200);
  });

  test("say to try again when the store is gone", async () => {
    const { get, store } = await start();
    await store.close();
    const { status, headers } = await get(`/invites/${"ab".repeat(16)}`);
    expect([status, headers["retry-after"]]).toEqual([503, "5"]);
  });
});

describe("probes", () => {
  test("say that the process runs and that it is ready", async () => {
    const { get } = await start();
    expect(await get("/healthz")).toMatchObject({ status: 200, body: Buffer.from("alive\n") });
    expect(await get("/readyz")).toMatchObject({ status: 200, body: Buffer.from("ready\n") });
    expect((await get("/readyz")).headers["cache-control"]).toBe("no-store");
  });

  test("say so when the store does not answer, or not in time", async () => {
    const closed = await start();
    await closed.store.close();
    expect((await closed.get("/healthz")).status).toBe(200);
    expect((await closed.get("/readyz")).status).toBe(503);

    const hanging = new MemoryRelayStore();
    hanging.ping = () => new Promise(() => {});
    const slow = await start({ store: hanging, limits: { readyWithinMs: 50 } });
    expect(await slow.get("/readyz")).toMatchObject({
      status: 503,
      body: Buffer.from("the store does not answer\n"),
    });
  });
});

describe("requests that are not as they should be", () => {
  test("with a method that does nothing here are told which do", async () => {
    const { send } = await start({ app: await builtApp() });
    for (const [path, allowed] of [
      ["/", "GET, HEAD"],
      ["/nothing", "GET, HEAD"],
      ["/healthz", "GET, HEAD"],
      ["/invites/x", "GET, HEAD, POST, OPTIONS"],
    ] as const) {
      const { status, headers } = await send("DELETE", path);
      expect([path, status, headers.allow]).toEqual([path, 405, allowed]);
    }
  });

  test("with a body are turned away unread", async () => {
    const { port } = await start();
    for (const body of ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n"]) {
      const answer = await raw(port, `POST /invites/x HTTP/1.1\r\nHost: x\r\n${body}`);
      expect(answer).toMatch(/^HTTP\/1.1 413 .*Connection: close/s);
    }
  });

  test("with an address that is too long are turned away", async () => {
    const { get } = await start();
    expect((await get(`/${"x".repeat(2_047)}`)).status).toBe(404);
    expect((await get(`/${"x".repeat(2_048)}`)).status).toBe(414);
  });

  test("with too many headers are turned away", async () => {
    const { get } = await start();
    expect((await get("/healthz", { "x-long": "x".repeat(9_000) })).status).toBe(431);
  });

  test("that never finish their headers are cut off", async () => {
    const { port } = await start({ limits: { headersWithinMs: 200, requestWithinMs: 300 } });
    expect(await raw(port, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")).toMatch(/^HTTP\/1.1 408/);
  });

  test("that are no HTTP are cut off", async () => {
    const { port } = await start();
    expect(await raw(port, "\u0016\u0003\u0001 hello\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
  });

  test("to the WebSocket's place without an upgrade are told so", async () => {
    const { get } = await start();
    expect(await get("/sync")).toMatchObject({ status: 426, headers: { upgrade: "websocket" } });
  });

  test("on more connections than there may be are not taken", async () => {
    const { port, get } = await start({
      config: { sessionsMax: 1 },
      limits: { httpConnectionsMax: 2 },
    });
    const held = Array.from({ length: 3 }, () => connect(port, "127.0.0.1"));
    cleanups.push(() => held.forEach((socket) => void socket.destroy()));
    await Promise.all(
      held.map((socket) => new Promise((resolve) => socket.once("connect", resolve))),
    );
    await expect(get("/healthz")).rejects.toThrow(/hang up|ECONNRESET/);
    held[0]?.destroy();
    await expect.poll(() => get("/healthz").then(({ status }) => status)).toBe(200);
  });
});

test("a relay that leaves is not ready any more and then gone", async () => {
  const { get, running } = await start();
  expect((await get("/readyz")).status).toBe(200);
  const closed = running.close();
  expect(running.close()).toBe(closed);
  await closed;
  await expect(get("/healthz")).rejects.toThrow(/ECONNREFUSED/);
});

// Setting the stage

const space = spaceTag(new Uint8Array(16).fill(0xa0));
const indexHtml = "<!doctype html><title>Skein</title>";
const mainJs = "console.log('skein')";

function newInvite(index: number, changes: Partial<Invite> = {}): Invite {
  return {
    codeHash: new Uint8Array(16).fill(index),
    expiresMs: Date.now() + 86_400_000,
    uses: 0,
    preview: Uint8Array.of(1, 2, 3, index),
    keys: Uint8Array.of(4, 5, 6, index),
    ...changes,
  };
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "skein-http-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function writeApp(folder: string): void {
  const files: Record<string, string | Buffer> = {
    "index.html": indexHtml,
    "index.html.br": brotliCompressSync(indexHtml),
    "index.html.gz": gzipSync(indexHtml),
    "service-worker.js": "self.x = 1",
    "assets/main-Ab12_-cd.js": mainJs,
    "assets/main-Ab12_-cd.js.gz": gzipSync(mainJs),
    "assets/automerge-12345678.wasm": "\0asm",
    ".inputs": "secret",
    ".vite/manifest.json": "{}",
    "../secret.txt": "secret",
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
  }
}

async function builtApp(): Promise<AppFiles | undefined> {
  const folder = join(newFolder(), "app");
  writeApp(folder);
  return readAppFiles(folder);
}

interface Stage {
  readonly app?: AppFiles | undefined;
  readonly store?: MemoryRelayStore;
  readonly config?: Partial<ServeOptions["config"]>;
  readonly limits?: Partial<RelayLimits>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function start({ app, store = new MemoryRelayStore(), config, limits }: Stage = {}) {
  const running = await serveSomewhere({
    config: {
      host: "127.0.0.1",
      port: 0,
      origins: undefined,
      otherRelays: [],
      tls: undefined,
      sessionsMax: 100,
      ...config,
    },
    store,
    bus: new MemoryBusHub().connect(),
    app,
    log: openLog("silent"),
    env: systemEnv,
    limits: { ...relayLimits, ...limits },
  });
  cleanups.push(() => running.close());
  const { port } = running;
  const send = (method: string, path: string, headers: Record<string, string> = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const request = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: false });
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      });
      request.end();
    });
  const get = (path: string, headers: Record<string, string> = {}) => send("GET", path, headers);
  return { running, port, store, send, get };
}

/** On a port below the ephemeral range, so that nobody else is given it meanwhile. */
async function serveSomewhere(options: ServeOptions): Promise<RunningRelay> {
  for (let tries = 0; ; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      return await serve({ ...options, config: { ...options.config, port } });
    } catch (error) {
      if (tries > 20) throw error;
    }
  }
}

/** Sends bytes and reads until the other side closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes);
  return text(socket);
}
