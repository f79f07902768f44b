/**
 * Relays for tests: in this process with a store in memory, small limits and a clock that can be
 * moved; or the real program on a real disk.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { MemoryBusHub } from "@skein/server/bus/memory.ts";
import { type RelayLimits, relayLimits } from "@skein/server/limits.ts";
import { openLog } from "@skein/server/log.ts";
import { type RunningRelay, serve, type ServeOptions } from "@skein/server/serve.ts";
import { MemoryRelayStore } from "@skein/server/store/memory.ts";
import type { RelayStore } from "@skein/server/store/store.ts";
import { systemEnv } from "@skein/server/system-env.ts";
import type { Env } from "@skein/shared/env.ts";

/** A clock that runs as the real one does, from wherever it is put. */
export class MovableClock {
  #ahead = 0;
  readonly env: Env = {
    clock: { now: () => Date.now() + this.#ahead },
    random: systemEnv.random,
  };

  advance(ms: number): void {
    this.#ahead += ms;
  }
}

export interface RelayStage {
  readonly config?: Partial<ServeOptions["config"]>;
  readonly limits?: Partial<RelayLimits>;
  readonly store?: RelayStore;
  readonly env?: Env;
  readonly log?: ServeOptions["log"];
}

/** Below the ephemeral range, so that nobody is given the port meanwhile. */
const somePort = (): number => 20_000 + Math.floor(Math.random() * 12_000);

export async function startRelay(stage: RelayStage = {}): Promise<RunningRelay> {
  const { config, limits, store = new MemoryRelayStore(), env = systemEnv, log } = stage;
  for (let tries = 0; ; tries++) {
    try {
      return await serve({
        config: {
          host: "127.0.0.1",
          port: somePort(),
          origins: undefined,
          otherRelays: [],
          tls: undefined,
          sessionsMax: 1_000,
          ...config,
        },
        store,
        bus: new MemoryBusHub().connect(),
        app: undefined,
        log: log ?? openLog("silent"),
        limits: { ...relayLimits, tickMs: 20, ...limits },
        env,
      });
    } catch (error) {
      const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!taken || config?.port !== undefined || tries > 20) throw error;
    }
  }
}

/** The program as an operator starts it. */
export class RelayProcess {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly exited: Promise<number | string>;

  constructor(environment: Record<string, string>) {
    const main = join(import.meta.dirname, "../../server/src/main.ts");
    const { PATH = "", HOME = "" } = process.env;
    this.child = spawn(process.execPath, [main], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH, HOME, ...environment },
    });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.exited = once(this.child, "exit").then(([code, signal]) => (code ?? signal) as number);
  }

  /** The port it says it listens on; rejects with its last words if it ends instead. */
  async port(): Promise<number> {
    for (;;) {
      const port = /:(\d+)\n/.exec(this.stdout)?.[1];
      if (port !== undefined) return Number(port);
      const ended = await Promise.race([
        this.exited.then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 20, false)),
      ]);
      if (ended) throw new Error(this.stderr);
    }
  }

  kill(signal: NodeJS.Signals): Promise<number | string> {
    this.child.kill(signal);
    return this.exited;
  }
}

/** The program on some free port. */
export async function startRelayProcess(
  environment: Record<string, string>,
): Promise<{ relay: RelayProcess; port: number }> {
  for (let tries = 0; ; tries++) {
    const relay = new RelayProcess({ SKEIN_PORT: String(somePort()), ...environment });
    try {
      return { relay, port: await relay.port() };
    } catch (error) {
      if (tries > 20 || !(error instanceof Error) || !/is in use/.test(error.message)) throw error;
    }
  }
}
