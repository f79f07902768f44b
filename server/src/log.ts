/**
 * The log of a relay: one JSON object a line on standard error, which leaves standard output to the
 * one line for people. It tells what happened to connections and to the store, by a number that
 * lasts as long as the connection; never a tag, an id, an address, a name or a payload.
 */
import { type LevelWithSilent, type Logger, pino } from "pino";

export type Log = Pick<Logger, "fatal" | "error" | "warn" | "info" | "debug" | "child">;

export function openLog(
  level: LevelWithSilent,
  // At once, so that the last words of a process are not lost; there are few of them.
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  return pino(
    {
      level,
      // Process and host name are the supervisor's to know.
      base: null,
      serializers: { error: withoutIds },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
}

/** Ids, tags and keys in hexadecimal, where an assertion put the values it saw into its message. */
const idLike = /[0-9a-f]{16,}/gi;

function withoutIds(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error).replace(idLike, "…");
  return {
    name: error.name,
    message: error.message.replace(idLike, "…"),
    stack: error.stack?.replace(idLike, "…"),
  };
}
