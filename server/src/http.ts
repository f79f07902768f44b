/**
 * Everything a relay answers over HTTP beside the WebSocket: the app, sealed invites, probes. One
 * port for all of it, HTTPS if a certificate was given. Strangers talk to it, so whatever they may
 * make long or slow has a limit.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type RateLimiterAbstract, RateLimiterMemory } from "rate-limiter-flexible";
import { fromHex } from "@skein/shared/bytes/bytes.ts";
import { addressKey } from "./address.ts";
import type { AppFiles } from "./app-files.ts";
import type { Tls } from "./config.ts";
import type { RelayLimits } from "./limits.ts";
import type { Log } from "./log.ts";
import type { Origins } from "./origins.ts";
import { waitOf } from "./rate.ts";
import type { FoundInvite, RelayStore } from "./store/store.ts";

export interface HttpOptions {
  readonly encrypted: boolean;
  readonly app: AppFiles | undefined;
  readonly store: Pick<RelayStore, "peekInvite" | "useInvite" | "ping">;
  readonly origins: Origins;
  /** Origins of other relays that the app may talk to. */
  readonly otherRelays: readonly string[];
  readonly limits: RelayLimits;
  readonly log: Log;
  readonly now: () => number;
  readonly isDraining: () => boolean;
}

/** A server that is not listening yet, with what it takes to survive slow and endless requests. */
export function createServer(tls: Tls | undefined, limits: RelayLimits): Server {
  const http: ServerOptions = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersWithinMs,
    requestTimeout: limits.requestWithinMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(1_000, limits.headersWithinMs),
  };
  const server =
    tls === undefined
      ? createHttpServer(http)
      : createHttpsServer({
          ...http,
          cert: tls.certificate,
          key: tls.key,
          minVersion: "TLSv1.2",
          handshakeTimeout: limits.headersWithinMs,
        });
  server.setTimeout(limits.idleMs);
  return server;
}

/** Answers for the server's `request` event. To HEAD, Node sends the headers of each alone. */
export function requestHandler(
  options: HttpOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const pages = new Pages(options);
  return (request, response) => {
    pages.answer(request, response).catch((error: unknown) => {
      options.log.error({ error }, "a request failed");
      if (response.headersSent) response.destroy();
      else answerText(response, 500, "Something went wrong here.");
    });
  };
}

class Pages {
  readonly #options: HttpOptions;
  readonly #invites: RateLimiterAbstract;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#invites = new RateLimiterMemory({
      points: options.limits.invitesPerMinute,
      duration: 60,
    });
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of this.#headers(request)) response.setHeader(name, value);
    const url = request.url ?? "";
    if (url.length > this.#options.limits.urlLengthMax) {
      return answerText(response, 414, "That address is too long.");
    }
    // Nothing here takes a body: whoever sends one has lost the way.
    if (request.headers["transfer-encoding"] !== undefined || hasBody(request)) {
      response.setHeader("Connection", "close");
      return answerText(response, 413, "Nothing here takes a body.");
    }
    const path = url.split("?", 1)[0] ?? "";
    if (path === "/healthz") return this.#probe(request, response, async () => "alive");
    if (path === "/readyz") return this.#probe(request, response, () => this.#ready());
    if (path === "/sync") {
      response.setHeader("Upgrade", "websocket");
      return answerText(response, 426, "This is where Skein's WebSocket is.");
    }
    if (path.startsWith("/invites/")) return this.#invite(request, response, path);
    return this.#file(request, response, path);
  }

  // The app

  #file(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (!isRead(request)) return refuseMethod(response, "GET, HEAD");
    const { app } = this.#options;
    if (app?.serve(request, response, path) === true) return;
    response.setHeader("Cache-Control", "no-cache");
    if (app === undefined && path === "/") return answerPage(response, 503, notBuilt);
    return answerPage(response, 404, notFound);
  }

  // Invites

  async #invite(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    // Sealed bytes only, and no credentials: pages of any host may read them, because "Join" takes
    // links of any host.
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Expose-Headers", "Retry-After");
    response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
    response.setHeader("Cache-Control", "no-store");
    const { method } = request;
    if (method === "OPTIONS") {
      response.setHeader("Access-Control-Allow-Methods", "GET, HEAD, POST");
      response.setHeader("Access-Control-Max-Age", "86400");
      response.writeHead(204).end();
      return;
    }
    const uses = method === "POST";
    if (!uses && !isRead(request)) return refuseMethod(response, "GET, HEAD, POST, OPTIONS");

    const retryAfterMs = await waitOf(this.#invites, addressKey(request.socket.remoteAddress), 1);
    if (retryAfterMs > 0) {
      response.setHeader("Retry-After", Math.ceil(retryAfterMs / 1_000));
      return answerText(response, 429, "Too many at once. Try again in a minute.");
    }
    const code = /^\/invites\/([0-9a-f]{32})$/.exec(path)?.[1];
    const found = await this.#find(code, uses);
    switch (found.kind) {
      case "open":
        response.setHeader("Content-Type", "application/octet-stream");
        response.setHeader("Content-Length", found.sealed.length);
        response.writeHead(200).end(found.sealed);
        return;
      case "spent":
        return answerText(response, 410, "This invite has expired or is used up.");
      case "unknown":
        return answerText(response, 404, "There is no such invite.");
      case "unavailable":
        response.setHeader("Retry-After", 5);
        return answerText(response, 503, "The store is out of reach. Try again.");
    }
  }

  async #find(
    code: string | undefined,
    uses: boolean,
  ): Promise<FoundInvite | { readonly kind: "unavailable" }> {
    const { store, now, log } = this.#options;
    if (code === undefined) return { kind: "unknown" };
    try {
      const hash = fromHex(code);
      return await (uses ? store.useInvite(hash, now()) : store.peekInvite(hash, now()));
    } catch (error) {
      log.warn({ error }, "the store did not answer for an invite");
      return { kind: "unavailable" };
    }
  }

  // Probes

  async #probe(
    request: IncomingMessage,
    response: ServerResponse,
    check: () => Promise<string>,
  ): Promise<void> {
    if (!isRead(request)) return refuseMethod(response, "GET, HEAD");
    response.setHeader("Cache-Control", "no-store");
    const state = await check();
    answerText(response, state === "ready" || state === "alive" ? 200 : 503, state);
  }

  async #ready(): Promise<string> {
    const { store, limits, isDraining } = this.#options;
    if (isDraining()) return "draining";
    const answered = store.ping().then(
      () => true,
      () => false,
    );
    return (await within(limits.readyWithinMs, answered)) === true
      ? "ready"
      : "the store does not answer";
  }

  // Headers for every answer (security.md, "Relay hardening")

  #headers(request: IncomingMessage): [string, string][] {
    const { encrypted, origins, otherRelays, now } = this.#options;
    const own = origins.reachedAt(request.headers.host, now());
    const relays = [...(own === undefined ? [] : [own]), ...otherRelays];
    const headers: [string, string][] = [
      ["Content-Security-Policy", contentSecurityPolicy(relays)],
      ["X-Content-Type-Options", "nosniff"],
      ["Referrer-Policy", "no-referrer"],
      ["Cross-Origin-Opener-Policy", "same-origin"],
      ["Cross-Origin-Resource-Policy", "same-origin"],
    ];
    if (encrypted) headers.push(["Strict-Transport-Security", "max-age=31536000"]);
    return headers;
  }
}

/** `relays` are origins; their WebSockets are named too, which `'self'` means in some browsers only. */
function contentSecurityPolicy(relays: readonly string[]): string {
  const sockets = relays.map((origin) => origin.replace(/^http/, "ws"));
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "font-src 'self'",
    ["connect-src 'self'", ...relays, ...sockets].join(" "),
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types skein ProseMirrorClipboard",
  ].join("; ");
}

const isRead = ({ method }: IncomingMessage): boolean => method === "GET" || method === "HEAD";

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["content-length"] !== undefined && headers["content-length"] !== "0";

function refuseMethod(response: ServerResponse, allowed: string): void {
  response.setHeader("Allow", allowed);
  answerText(response, 405, `Only ${allowed} here.`);
}

function answerText(response: ServerResponse, status: number, text: string): void {
  answerWith(response, status, "text/plain; charset=utf-8", `${text}\n`);
}

function answerPage(response: ServerResponse, status: number, page: string): void {
  answerWith(response, status, "text/html; charset=utf-8", page);
}

function answerWith(response: ServerResponse, status: number, type: string, body: string): void {
  const bytes = Buffer.from(body);
  response.setHeader("Content-Type", type);
  response.setHeader("Content-Length", bytes.length);
  response.writeHead(status).end(bytes);
}

/** The value, or undefined when it took too long. */
async function within<T>(ms: number, value: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

const page = (title: string, ...paragraphs: string[]): string =>
  [
    '<!doctype html><html lang="en"><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">',
    `<title>${title}</title><h1>${title}</h1>`,
    ...paragraphs.map((each) => `<p>${each}</p>`),
    "</html>\n",
  ].join("\n");

const notFound = page(
  "There is nothing here",
  'Skein is <a href="/">at the start page</a>. Was that an invite? Check that the whole link was copied.',
);

const notBuilt = page(
  "The app is not built yet",
  "The relay runs, but it has no app to serve. Stop it and run <code>npm start</code> in Skein's " +
    "folder, which builds the app first; or name the folder of a built one with SKEIN_APP.",
);
