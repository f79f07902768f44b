/**
 * The relay as a process: reads its settings, opens the store, listens, prints one line with the
 * address, and leaves in order when told to.
 *
 *   node server/src/main.ts [--help]
 */
import { readAppFiles } from "./app-files.ts";
import { MemoryBusHub } from "./bus/memory.ts";
import { type Config, help, readConfig } from "./config.ts";
import { relayLimits } from "./limits.ts";
import { type Log, openLog } from "./log.ts";
import { type RunningRelay, serve } from "./serve.ts";
import { StoreRefused } from "./store/sqlite-file.ts";
import { SqliteStore } from "./store/sqlite.ts";

/** For whoever starts it, in words; standard output belongs to the address. */
const complain = (words: string): void => void process.stderr.write(`${words}\n`);

const failed = 1;
const wronglyCalled = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(help());
    return 0;
  }
  if (args.length > 0) {
    complain(`Skein takes no arguments but --help; ${args.join(" ")} is set by SKEIN_ variables.`);
    return wronglyCalled;
  }
  const verdict = readConfig(process.env);
  if (verdict.kind === "refused") {
    for (const problem of verdict.problems) complain(problem);
    return wronglyCalled;
  }
  const { config, warnings } = verdict;
  for (const warning of warnings) complain(warning);
  const log = openLog(config.logLevel);
  const endAtOnce = (error: unknown): never => {
    log.fatal({ error }, "the relay ends");
    process.exit(failed);
  };
  process.on("uncaughtException", endAtOnce);

  const app = await readAppFiles(config.appFolder).catch((error: unknown) => asWords(error));
  if (typeof app === "string") {
    complain(`The app in ${config.appFolder} cannot be read: ${app}`);
    return failed;
  }
  const store = await SqliteStore.open({
    folder: config.dataFolder,
    bounds: {
      bytesMax: config.spaceBytesMax,
      registerBytesMax: relayLimits.spaceRegisterBytesMax,
    },
    onDied: endAtOnce,
  });
  if (store instanceof StoreRefused) {
    complain(store.message);
    return failed;
  }
  let running: RunningRelay;
  try {
    running = await serve({ config, store, bus: new MemoryBusHub().connect(), app, log });
  } catch (error) {
    complain(whyNotListening(error, config));
    await store.close();
    return failed;
  }
  leaveWhenTold(running, log);
  process.stdout.write(`Skein is at ${running.address}\n`);
  return 0;
}

/** Ctrl+C reaches a relay twice: from the terminal, and passed on by whatever started it. */
const sameSignalMs = 300;

/** In order at the first signal; at once at the second, or when something hangs. */
function leaveWhenTold(running: RunningRelay, log: Log): void {
  let toldAtMs: number | undefined;
  const leave = (): void => {
    const now = performance.now();
    if (toldAtMs !== undefined) {
      if (now - toldAtMs > sameSignalMs) process.exit(failed);
      return;
    }
    toldAtMs = now;
    log.info("draining");
    setTimeout(() => {
      log.error("the relay did not end in time");
      process.exit(failed);
    }, relayLimits.drainWithinMs).unref();
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, "the relay did not end in order");
        process.exit(failed);
      },
    );
  };
  process.on("SIGTERM", leave);
  process.on("SIGINT", leave);
}

function whyNotListening(error: unknown, { port, host }: Config): string {
  switch (error instanceof Error && "code" in error ? error.code : undefined) {
    case "EADDRINUSE":
      return (
        `Port ${port} is in use, perhaps by another Skein. Stop that program, or choose another ` +
        `port: SKEIN_PORT=${port === 65_535 ? 8787 : port + 1}`
      );
    case "EACCES":
      return (
        `This user may not listen on port ${port} (those below 1024 belong to the system). ` +
        `Choose another: SKEIN_PORT=8787`
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${host} is no address of this machine. Choose another: SKEIN_HOST=127.0.0.1`;
    default:
      return `Skein cannot listen on ${host}, port ${port}: ${asWords(error)}`;
  }
}

// A declaration, unlike the rest: `main` runs before the last lines of this file do.
function asWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
