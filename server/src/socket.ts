/**
 * WebSockets at the door: who may open one, what it may cost, and how it ends. Above it everything is
 * frames (`relay.ts`), below it is `ws`. Memory stays bounded whatever the other side does: what
 * comes in too fast is not read, what goes out too slowly is dropped, then cut.
 */
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type RateLimiterAbstract, RateLimiterMemory } from "rate-limiter-flexible";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { Env } from "@skein/shared/env.ts";
import { type Code, codes } from "@skein/shared/protocol/codes.ts";
import { layouts } from "@skein/shared/protocol/frames.ts";
import { limits as protocolLimits } from "@skein/shared/protocol/limits.ts";
import type { Connection, Ending, Wire } from "@skein/shared/sync/connection.ts";
import { addressKey } from "./address.ts";
import type { RelayLimits } from "./limits.ts";
import type { Log } from "./log.ts";
import type { Origins } from "./origins.ts";
import { waitOf } from "./rate.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface SocketsOptions {
  readonly env: Env;
  readonly limits: RelayLimits;
  readonly origins: Origins;
  readonly sessionsMax: number;
  readonly log: Log;
  readonly isDraining: () => boolean;
  /** Opens the conversation: `relay.connect`. */
  readonly connect: (wire: Wire, origin: string) => Connection;
  readonly onBug: (error: unknown) => void;
}

/** Why an upgrade is refused, in HTTP. */
interface Refusal {
  readonly status: number;
  readonly words: string;
  readonly retryAfterMs?: number;
}

export class Sockets {
  readonly #options: SocketsOptions;
  readonly #server: WebSocketServer;
  readonly #open = new Set<Socket>();
  readonly #byConnection = new Map<Connection, Socket>();
  /** Handshakes under way count: a thousand at once must not pass the check together. */
  #opening = 0;
  readonly #countByAddress = new Map<string, number>();
  readonly #upgrades: RateLimiterAbstract;
  readonly #messages: RateLimiterAbstract;
  readonly #bytes: RateLimiterAbstract;
  readonly #ticking: NodeJS.Timeout;
  #nextNumber = 1;

  constructor(options: SocketsOptions) {
    this.#options = options;
    const { limits } = options;
    const settings = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: protocolLimits.frameBytesMax,
      maxFragments: limits.fragmentsMax,
      closeTimeout: limits.closeMs,
    };
    this.#server = new WebSocketServer(settings);
    const perMinute = (points: number) => new RateLimiterMemory({ points, duration: 60 });
    this.#upgrades = perMinute(limits.upgradesPerMinute);
    this.#messages = perMinute(limits.addressMessagesPerMinute);
    this.#bytes = perMinute(limits.addressBytesPerMinute);
    this.#ticking = setInterval(() => this.#tick(), limits.tickMs);
    this.#ticking.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Those that were too fast and are not read just now. */
  get pausedCount(): number {
    let count = 0;
    for (const socket of this.#open) if (socket.isPaused) count++;
    return count;
  }

  /** Bytes that wait for all readers together. */
  get waitingBytes(): number {
    let bytes = 0;
    for (const socket of this.#open) bytes += socket.waitingBytes;
    return bytes;
  }

  /** For the server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until `ws` takes over, a reset here would end the process.
    const ignore = (): void => {
      socket.destroy();
    };
    socket.on("error", ignore);
    this.#admit(request).then(
      (verdict) => {
        if (typeof verdict === "object") return refuse(socket, verdict);
        if (socket.destroyed) return undefined;
        socket.off("error", ignore);
        this.#opening++;
        // Calls back at once, or not at all after refusing a malformed handshake itself.
        this.#server.handleUpgrade(request, socket, head, (ws) => {
          this.#opened(ws, verdict, addressKey(request.socket.remoteAddress));
        });
        this.#opening--;
        return undefined;
      },
      (error: unknown) => {
        this.#options.onBug(error);
        socket.destroy();
      },
    );
  }

  /** A connection has ended, whoever ended it. */
  ended(connection: Connection, end: Ending): void {
    this.#byConnection.get(connection)?.ended(end);
    this.#byConnection.delete(connection);
  }

  /** Cuts what is still open. */
  close(): void {
    clearInterval(this.#ticking);
    for (const socket of this.#open) socket.cut();
    this.#server.close();
  }

  /** The origin it was reached at, or why not. */
  async #admit(request: IncomingMessage): Promise<string | Refusal> {
    const { limits, origins, env, isDraining } = this.#options;
    const now = env.clock.now();
    const address = addressKey(request.socket.remoteAddress);
    const retryAfterMs = await waitOf(this.#upgrades, address, 1);
    if (retryAfterMs > 0) {
      return { status: 429, words: "Too many connections from this address.", retryAfterMs };
    }
    if (request.url?.split("?", 1)[0] !== "/sync") return { status: 404, words: "Not here." };
    const origin = origins.reachedAt(request.headers.host, now);
    if (origin === undefined) {
      return { status: 403, words: "This relay does not know itself under that name." };
    }
    if (!origins.admits(request.headers.origin, now)) {
      return { status: 403, words: "Pages of that origin may not connect." };
    }
    const laterMs = limits.fullRetryMs * (1 + env.random.fraction());
    if (isDraining()) {
      return { status: 503, words: "The relay restarts.", retryAfterMs: laterMs };
    }
    if (this.#open.size + this.#opening >= this.#options.sessionsMax) {
      return { status: 503, words: "The relay is full.", retryAfterMs: laterMs };
    }
    if ((this.#countByAddress.get(address) ?? 0) >= limits.connectionsPerAddressMax) {
      const words = "Too many connections from this address.";
      return { status: 429, words, retryAfterMs: laterMs };
    }
    return origin;
  }

  #opened(ws: WebSocket, origin: string, address: string): void {
    this.#countByAddress.set(address, (this.#countByAddress.get(address) ?? 0) + 1);
    const socket = new Socket(ws, {
      ...this.#options,
      log: this.#options.log.child({ connection: this.#nextNumber++ }),
      charge: (messages, bytes) => this.#charge(address, messages, bytes),
      onClosed: () => {
        this.#open.delete(socket);
        const left = (this.#countByAddress.get(address) ?? 1) - 1;
        if (left === 0) this.#countByAddress.delete(address);
        else this.#countByAddress.set(address, left);
      },
    });
    this.#open.add(socket);
    this.#byConnection.set(socket.open(origin), socket);
  }

  /** In how many ms the address may send again; 0 = now. */
  async #charge(address: string, messages: number, bytes: number): Promise<number> {
    const waits = await Promise.all([
      waitOf(this.#messages, address, messages),
      waitOf(this.#bytes, address, bytes),
    ]);
    return Math.max(...waits);
  }

  #tick(): void {
    for (const socket of this.#open) socket.tick();
    const { outTotalBytesMax } = this.#options.limits;
    let total = this.waitingBytes;
    if (total <= outTotalBytesMax) return;
    const slowest = [...this.#open].sort((a, b) => b.waitingBytes - a.waitingBytes);
    for (const socket of slowest) {
      if (total <= outTotalBytesMax) return;
      total -= socket.waitingBytes;
      socket.tooSlow();
    }
  }
}

interface SocketOptions extends SocketsOptions {
  readonly charge: (messages: number, bytes: number) => Promise<number>;
  readonly onClosed: () => void;
}

/** One WebSocket as the wire of one connection. */
class Socket implements Wire {
  readonly #ws: WebSocket;
  readonly #options: SocketOptions;
  #connection: Connection | undefined;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  /** Received and not yet charged to the address. */
  #owed = { messages: 0, bytes: 0 };
  #resuming: NodeJS.Timeout | undefined;
  #isSlow = false;
  #sentBytes = 0;
  /** What the other side has taken when it was looked at last, and since when it is that much. */
  #taken = { bytes: 0, sinceMs: 0 };

  constructor(ws: WebSocket, options: SocketOptions) {
    this.#ws = ws;
    this.#options = options;
    const { limits, env } = options;
    const now = env.clock.now();
    this.#taken.sinceMs = now;
    this.#messages = new TokenBucket(
      { perSecond: limits.messagesPerSecond, burst: limits.messagesBurst },
      now,
    );
    this.#bytes = new TokenBucket(
      { perSecond: limits.bytesPerSecond, burst: limits.bytesBurst },
      now,
    );
  }

  get waitingBytes(): number {
    return this.#ws.bufferedAmount;
  }

  get isPaused(): boolean {
    return this.#ws.isPaused;
  }

  open(origin: string): Connection {
    const connection = this.#options.connect(this, origin);
    this.#connection = connection;
    this.#ws.on("message", (data, isBinary) => this.#received(data, isBinary));
    // Below the protocol, answered by `ws` itself, and no cheaper for that.
    this.#ws.on("ping", () => this.#count(0));
    this.#ws.on("error", (error) => this.#options.log.info({ error }, "broken"));
    this.#ws.on("close", (code) => {
      clearTimeout(this.#resuming);
      this.#options.onClosed();
      connection.wireClosed(code, "");
    });
    this.#options.log.info("opened");
    return connection;
  }

  ended({ by, code }: Ending): void {
    // Their words are not ours to keep.
    this.#options.log.info({ by, code }, "ended");
  }

  cut(): void {
    this.#ws.terminate();
  }

  // Wire

  send(frame: Uint8Array): void {
    const { limits } = this.#options;
    if (this.#isSlow || this.#ws.readyState !== this.#ws.OPEN) return;
    const waiting = this.#ws.bufferedAmount;
    if (waiting > limits.outWhisperBytes && frame[0] === layouts.whisper.number) return;
    if (waiting + frame.length > limits.outBytesMax) return this.tooSlow();
    this.#sentBytes += frame.length;
    this.#ws.send(frame, { binary: true });
  }

  close(code: Code): void {
    clearTimeout(this.#resuming);
    this.#ws.resume();
    this.#ws.close(code);
  }

  /** The reader does not keep up: it may come back and go on from where it is. */
  tooSlow(): void {
    if (this.#isSlow) return;
    this.#isSlow = true;
    // Not from within a step that is sending: ending a connection is a step of its own.
    queueMicrotask(() => this.#connection?.end(codes.slowReader, "too much waits to be read"));
  }

  tick(): void {
    const { limits, env } = this.#options;
    const now = env.clock.now();
    this.#guard((connection) => connection.tick());
    this.#settle();
    const waiting = this.#ws.bufferedAmount;
    const taken = this.#sentBytes - waiting;
    if (taken !== this.#taken.bytes) this.#taken = { bytes: taken, sinceMs: now };
    const stalled = now - this.#taken.sinceMs >= limits.outStallMs;
    if (stalled && waiting > limits.outStallBytes) this.tooSlow();
  }

  #received(data: RawData, isBinary: boolean): void {
    const bytes = bytesOf(data);
    if (!this.#count(bytes.length)) return;
    this.#guard((connection) => {
      if (isBinary) connection.receive(bytes);
      else connection.end(codes.malformed, "a text message; frames are binary");
    });
  }

  /** False if it was one too many. */
  #count(bytes: number): boolean {
    const connection = this.#connection;
    if (connection === undefined || connection.ended) return false;
    const { limits, env } = this.#options;
    const now = env.clock.now();
    this.#owed.messages++;
    this.#owed.bytes += bytes;
    const { messages: count, bytes: size } = this.#owed;
    if (count >= limits.sliceMessages || size >= limits.sliceBytes) this.#settle();

    const messagesWaitMs = this.#messages.take(1, now);
    if (messagesWaitMs > limits.messagesDebtMs) {
      connection.end(codes.tooFast, "too many frames at once", messagesWaitMs);
      return false;
    }
    this.#pause(Math.max(messagesWaitMs, this.#bytes.take(bytes, now)));
    return true;
  }

  /** Lets TCP slow the other side down until the debt is refilled. */
  #pause(ms: number): void {
    if (ms === 0) return;
    clearTimeout(this.#resuming);
    this.#ws.pause();
    this.#resuming = setTimeout(() => this.#ws.resume(), ms);
  }

  #settle(): void {
    const { messages, bytes } = this.#owed;
    if (messages === 0) return;
    this.#owed = { messages: 0, bytes: 0 };
    this.#options.charge(messages, bytes).then((waitMs) => {
      if (waitMs === 0) return;
      this.#connection?.end(codes.tooFast, "too much from this address at once", waitMs);
    }, this.#options.onBug);
  }

  /** A bug met in a step ends this connection and no other. */
  #guard(step: (connection: Connection) => void): void {
    const connection = this.#connection;
    if (connection === undefined || connection.ended) return;
    try {
      step(connection);
    } catch (error) {
      this.#options.onBug(error);
      this.cut();
    }
  }
}

/**
 * A plain view of a message. A `Buffer` would do more than a `Uint8Array` and, where they share a
 * name, something else: its `slice` is a view, which the core takes for a copy.
 */
function bytesOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const buffer = Array.isArray(data) ? Buffer.concat(data) : data;
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function refuse(socket: Duplex, { status, words, retryAfterMs }: Refusal): void {
  const body = `${words}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(retryAfterMs === undefined ? [] : [`Retry-After: ${Math.ceil(retryAfterMs / 1_000)}`]),
    "",
    body,
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(lines.join("\r\n"));
}
