/**
 * A relay put together: store, bus, rooms, sockets, HTTP. `main.ts` starts one from the environment;
 * tests start one with a store in memory, small limits and a clock of their own.
 */
import type { Server } from "node:http";
import { RecentMap } from "@skein/shared/bytes/recent-map.ts";
import type { Env } from "@skein/shared/env.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import type { AppFiles } from "./app-files.ts";
import type { Bus } from "./bus/bus.ts";
import type { Config } from "./config.ts";
import { createServer, requestHandler } from "./http.ts";
import { type RelayLimits, relayLimits } from "./limits.ts";
import type { Log } from "./log.ts";
import { Origins } from "./origins.ts";
import { pacedStore, SpaceTooFast } from "./paced-store.ts";
import { Relay, type RelayOptions } from "./relay.ts";
import { Sockets } from "./socket.ts";
import { QuotaExceeded, type RelayStore, StoreUnavailable } from "./store/store.ts";
import { relaySuite } from "./suite.ts";
import { Sweeper, type Wake } from "./sweeper.ts";
import { systemEnv } from "./system-env.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface ServeOptions {
  readonly config: Pick<
    Config,
    "host" | "port" | "origins" | "otherRelays" | "tls" | "sessionsMax"
  > &
    Partial<Pick<Config, "retentionMs">>;
  /** Closed with the relay, and so is the bus. */
  readonly store: RelayStore;
  readonly bus: Bus;
  readonly app: AppFiles | undefined;
  readonly log: Log;
  readonly limits?: RelayLimits;
  readonly env?: Env;
}

export interface RunningRelay {
  readonly port: number;
  /** What to open in a browser. */
  readonly address: string;
  readonly relay: Relay;
  readonly sockets: Sockets;
  /**
   * Tells everybody to come back, lets what is under way reach the disk, and lets go of everything.
   * Idempotent.
   */
  close(): Promise<void>;
}

/** Resolves once it listens; rejects with the system's error if it cannot. */
export async function serve(options: ServeOptions): Promise<RunningRelay> {
  const { config, store, bus, app, log, limits = relayLimits, env = systemEnv } = options;
  const server = createServer(config.tls, limits);
  server.maxConnections = config.sessionsMax + limits.httpConnectionsMax;
  const port = await listen(server, config.port, config.host);

  const encrypted = config.tls !== undefined;
  const origins = new Origins({ listed: config.origins, host: config.host, port, encrypted });
  const onBug = (error: unknown): void => log.error({ error }, "a bug");
  let closing: Promise<void> | undefined;
  const isDraining = (): boolean => closing !== undefined;
  const relay: Relay = new Relay({
    env,
    suite: relaySuite(),
    store: pacedStore(store, limits.spaceBytesPerMinute),
    bus,
    explain: (error) => explain(error, log),
    mayWhisper: whisperLimit(limits, env),
    helloSignatures: {
      perSecond: limits.helloSignaturesPerSecond,
      burst: limits.helloSignaturesBurst,
    },
    ...(config.retentionMs !== undefined && { retentionMs: config.retentionMs }),
    onEnded: (connection, end) => sockets.ended(connection, end),
    onBug,
  });
  const sockets = new Sockets({
    env,
    limits,
    origins,
    sessionsMax: config.sessionsMax,
    log,
    isDraining,
    connect: (wire, origin) => relay.connect(wire, origin),
    onBug,
  });
  server.on(
    "request",
    requestHandler({
      encrypted,
      app,
      store,
      origins,
      otherRelays: config.otherRelays,
      limits,
      log,
      now: () => env.clock.now(),
      isDraining,
    }),
  );
  server.on("upgrade", (request, socket, head) => sockets.upgrade(request, socket, head));
  server.on("error", (error) => log.error({ error }, "the server failed"));

  const sweeper = new Sweeper({
    jobs: [
      {
        name: "blobs whose lease has ended",
        everyMs: limits.sweepEveryMs,
        countMax: limits.sweepBlobsMax,
        slice: (countMax) => store.sweepBlobs(env.clock.now(), countMax),
      },
      {
        name: "what owners have let go of",
        everyMs: limits.sweepEveryMs,
        countMax: limits.sweepOrdersMax,
        slice: (countMax) => relay.carryOutOrders(countMax),
      },
      {
        name: "what other relays have written",
        everyMs: limits.lookRetryMs,
        countMax: limits.looksAtOnceMax,
        slice: async (countMax) => relay.lookAround(countMax),
      },
    ],
    wake,
    firstMs: limits.sweepFirstMs,
    pauseMs: limits.sweepPauseMs,
    onFailed: ({ name }, error) => {
      const isExpected = error instanceof StoreUnavailable;
      log[isExpected ? "warn" : "error"]({ error, job: name }, "a sweep failed");
    },
  });

  async function close(): Promise<void> {
    const swept = sweeper.close();
    relay.drain(limits.drainSpreadMs);
    await until(() => sockets.size === 0, limits.closeMs);
    sockets.close();
    // What was verified is on its way into the store; a room is forgotten when it has arrived.
    await until(() => relay.roomCount === 0, limits.closeMs / 3);
    relay.close();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    await swept;
    await bus.close();
    await store.close();
  }

  return {
    port,
    address: origins.shown(env.clock.now()),
    relay,
    sockets,
    close: () => (closing ??= close()),
  };
}

const wake: Wake = (afterMs, run) => {
  const timer = setTimeout(run, afterMs).unref();
  return () => clearTimeout(timer);
};

/** Why the store refused, for the party that was writing. */
function explain(error: unknown, log: Log): ReturnType<RelayOptions["explain"]> {
  if (error instanceof QuotaExceeded) {
    return { code: codes.quota, retryAfterMs: 0, detail: error.message };
  }
  if (error instanceof SpaceTooFast) {
    return { code: codes.tooFast, retryAfterMs: error.retryAfterMs, detail: error.message };
  }
  const isExpected = error instanceof StoreUnavailable;
  if (isExpected) log.warn({ error }, "the store is out of reach");
  else log.error({ error }, "a bug, at the store");
  const busy = isExpected && error.reason === "busy";
  const retryAfterMs = busy ? 1_000 : 5_000;
  return { code: codes.unavailable, retryAfterMs, detail: "the relay's store is out of reach" };
}

/** Spaces whose whispers are counted at a time; a space that was quiet for long has none to count. */
const whisperingSpaces = 10_000;

function whisperLimit(limits: RelayLimits, env: Env): NonNullable<RelayOptions["mayWhisper"]> {
  const rate = { perSecond: limits.whispersPerSecond, burst: limits.whispersBurst };
  const buckets = new RecentMap<SpaceTag, TokenBucket>(whisperingSpaces);
  return (space, copies) => {
    const now = env.clock.now();
    const bucket = buckets.get(space) ?? new TokenBucket(rate, now);
    buckets.set(space, bucket);
    return bucket.tryTake(copies, now);
  };
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => {
      server.off("error", reject);
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("no TCP port"));
      else resolve(address.port);
    });
  });
}

/** Looks until it is so, or until it has taken too long. */
async function until(isSo: () => boolean, withinMs: number): Promise<void> {
  const stepMs = 10;
  for (let passedMs = 0; passedMs < withinMs && !isSo(); passedMs += stepMs) {
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
}
