/**
 * What an operator may set, all of it by environment variables: one table that reads them, checks
 * them at start and prints itself as `--help`. A bad value is refused with what is wrong, why, and
 * an example; every bad value at once, so that nobody fixes them one start at a time.
 */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import type { LevelWithSilent } from "pino";

export interface Config {
  readonly port: number;
  readonly host: string;
  readonly dataFolder: string;
  /** Addresses people open, as WHATWG origins; undefined = the machine's own. */
  readonly origins: readonly string[] | undefined;
  /** Origins of other relays that the app may also talk to. */
  readonly otherRelays: readonly string[];
  readonly tls: Tls | undefined;
  readonly logLevel: LevelWithSilent;
  readonly appFolder: string;
  readonly sessionsMax: number;
  readonly spaceBytesMax: number;
  /** How long what an owner lets go of stays all the same. */
  readonly retentionMs: number;
}

export interface Tls {
  readonly certificate: string;
  readonly key: string;
}

export type ConfigVerdict =
  | { readonly kind: "valid"; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly kind: "refused"; readonly problems: readonly string[] };

type Environment = Readonly<Record<string, string | undefined>>;

interface Setting<T> {
  readonly name: string;
  /** As it stands in the table of `--help`. */
  readonly standard: string;
  readonly what: string;
  readonly example: string;
  readonly unset: T;
  /** The value, or why it is none: a clause that follows "SKEIN_X=… ". */
  readonly parse: (text: string) => T | Wrong;
}

/** Why a value was refused. */
class Wrong {
  readonly because: string;

  constructor(because: string) {
    this.because = because;
  }
}

const levels: readonly string[] = [
  "silent",
  "fatal",
  "error",
  "warn",
  "info",
  "debug",
  "trace",
] satisfies LevelWithSilent[];

const gibibyte = 1_073_741_824;
const dayMs = 86_400_000;

const settings = {
  port: setting({
    name: "SKEIN_PORT",
    standard: "8787",
    what: "Port to listen on; 0 takes any free one.",
    example: "9000",
    unset: 8787,
    parse: (text) => integerBetween(text, 0, 65_535),
  }),
  host: setting({
    name: "SKEIN_HOST",
    standard: "127.0.0.1",
    what: "Address to listen on; 0.0.0.0 is every IPv4 address of this machine.",
    example: "0.0.0.0",
    unset: "127.0.0.1",
    parse: parseHost,
  }),
  dataFolder: setting({
    name: "SKEIN_DATA",
    standard: "./data",
    what: "Folder of the database; is made if it is missing.",
    example: "/var/lib/skein",
    unset: resolve("data"),
    parse: (text) => resolve(text),
  }),
  origins: setting<readonly string[] | undefined>({
    name: "SKEIN_ORIGIN",
    standard: "this machine's",
    what: "Addresses people open, separated by commas. Set it behind a proxy or a domain name.",
    example: "https://skein.example",
    unset: undefined,
    parse: parseOrigins,
  }),
  otherRelays: setting<readonly string[]>({
    name: "SKEIN_CONNECT",
    standard: "none",
    what: "Addresses of other relays that the app from here may use, separated by commas.",
    example: "https://relay.example",
    unset: [],
    parse: parseOrigins,
  }),
  certificateFile: setting<string | undefined>({
    name: "SKEIN_TLS_CERT",
    standard: "none",
    what: "PEM file with the certificate and its chain: serves HTTPS. Needs SKEIN_TLS_KEY.",
    example: "/etc/skein/fullchain.pem",
    unset: undefined,
    parse: readText,
  }),
  keyFile: setting<string | undefined>({
    name: "SKEIN_TLS_KEY",
    standard: "none",
    what: "PEM file with the certificate's private key.",
    example: "/etc/skein/privkey.pem",
    unset: undefined,
    parse: readText,
  }),
  logLevel: setting<LevelWithSilent>({
    name: "SKEIN_LOG",
    standard: "warn",
    what: `Level of the JSON log on standard error: ${levels.join(", ")}.`,
    example: "info",
    unset: "warn",
    parse: (text) =>
      isLevel(text) ? text : new Wrong(`is no level; there are ${levels.join(", ")}`),
  }),
  appFolder: setting({
    name: "SKEIN_APP",
    standard: "client/dist",
    what: "Folder of the built app.",
    example: "/srv/skein/app",
    unset: join(import.meta.dirname, "../../client/dist"),
    parse: (text) => resolve(text),
  }),
  sessionsMax: setting({
    name: "SKEIN_SESSIONS",
    standard: "10000",
    what: "Connections at a time; more are told to come back.",
    example: "500",
    unset: 10_000,
    parse: (text) => integerBetween(text, 1, 1_000_000),
  }),
  spaceBytesMax: setting({
    name: "SKEIN_SPACE_BYTES",
    standard: "1G",
    what: "What one space may take up on disk, in bytes or with K, M, G or T; snapshots a quarter more.",
    example: "500M",
    unset: gibibyte,
    parse: parseBytes,
  }),
  retentionDays: setting({
    name: "SKEIN_RETENTION_DAYS",
    standard: "30",
    what: "Days for which entries stay after an owner let go of them, since a snapshot covers them.",
    example: "90",
    unset: 30,
    parse: (text) => integerBetween(text, 1, 3_650),
  }),
};

/** Reads `SKEIN_*` variables; empty ones count as unset. */
export function readConfig(environment: Environment): ConfigVerdict {
  const problems: string[] = [];
  const read = <T>({ name, example, unset, parse }: Setting<T>): T => {
    const text = environment[name]?.trim() ?? "";
    if (text === "") return unset;
    const value = parse(text);
    if (!(value instanceof Wrong)) return value;
    problems.push(`${name}=${text} ${value.because}. For example ${name}=${example}`);
    return unset;
  };
  const tls = checkTls(read(settings.certificateFile), read(settings.keyFile), problems);
  const config: Config = {
    port: read(settings.port),
    host: read(settings.host),
    dataFolder: read(settings.dataFolder),
    origins: read(settings.origins),
    otherRelays: read(settings.otherRelays),
    tls: tls?.files,
    logLevel: read(settings.logLevel),
    appFolder: read(settings.appFolder),
    sessionsMax: read(settings.sessionsMax),
    spaceBytesMax: read(settings.spaceBytesMax),
    retentionMs: read(settings.retentionDays) * dayMs,
  };
  if (problems.length > 0) return { kind: "refused", problems };
  const warnings = [...unknownVariables(environment), ...(tls?.warnings ?? [])];
  return { kind: "valid", config, warnings };
}

/** What `--help` prints. */
export function help(): string {
  const rows = Object.values(settings).map(({ name, standard, what }) => [name, standard, what]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map(([name = "", standard = "", what = ""]) =>
    `  ${name.padEnd(widths[0] ?? 0)}  ${standard.padEnd(widths[1] ?? 0)}  ${what}`.trimEnd(),
  );
  return [
    "Skein's relay: serves the app, keeps and forwards what it cannot read.",
    "",
    "Set by environment variables (name, standard, meaning):",
    "",
    ...lines,
    "",
    "  SKEIN_PORT=9000 SKEIN_DATA=/var/lib/skein npm start",
    "",
  ].join("\n");
}

function setting<T>(row: Setting<T>): Setting<T> {
  return row;
}

function integerBetween(text: string, min: number, max: number): number | Wrong {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    return new Wrong(`is no whole number from ${min} to ${max}`);
  }
  return value;
}

function parseBytes(text: string): number | Wrong {
  const match = /^(\d+)\s*([kmgt]?)(i?b)?$/i.exec(text);
  if (match === null) return new Wrong("is no number of bytes");
  const power = "kmgt".indexOf((match[2] ?? "").toLowerCase()) + 1;
  const bytes = Number(match[1]) * 1_024 ** (match[2] === "" ? 0 : power);
  const least = 1_048_576;
  if (!Number.isSafeInteger(bytes)) return new Wrong("is more than any disk holds");
  return bytes < least ? new Wrong("is less than 1M, which no space can live with") : bytes;
}

function parseHost(text: string): string | Wrong {
  const bare = text.replace(/^\[(.*)\]$/, "$1");
  if (isIP(bare) !== 0) return bare;
  const isName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
  if (isName.test(text) && !/^[\d.]+$/.test(text)) return text;
  return new Wrong("is neither an IP address nor a host name (no scheme, no port)");
}

function parseOrigins(text: string): readonly string[] | Wrong {
  const origins: string[] = [];
  for (const part of text.split(",")) {
    const address = part.trim();
    if (address === "") continue;
    const url = URL.parse(address);
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
      return new Wrong(`names ${address}, which does not begin with http:// or https://`);
    }
    if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "") {
      return new Wrong(`names ${address}, but only scheme, host and port count`);
    }
    origins.push(url.origin);
  }
  return origins.length === 0 ? new Wrong("names no address") : [...new Set(origins)];
}

function readText(path: string): string | Wrong {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return new Wrong(`cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

const isLevel = (text: string): text is LevelWithSilent => levels.includes(text);

interface CheckedTls {
  readonly files: Tls;
  readonly warnings: readonly string[];
}

function checkTls(
  certificate: string | undefined,
  key: string | undefined,
  problems: string[],
): CheckedTls | undefined {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    const [given, missing] =
      key === undefined ? ["SKEIN_TLS_CERT", "SKEIN_TLS_KEY"] : ["SKEIN_TLS_KEY", "SKEIN_TLS_CERT"];
    // A file that could not be read has been complained of already.
    if (problems.length === 0) {
      problems.push(`${given} is set without ${missing}: HTTPS needs both files`);
    }
    return undefined;
  }
  const leaf = attempt(() => new X509Certificate(certificate));
  const privateKey = attempt(() => createPrivateKey(key));
  if (leaf === undefined) {
    problems.push("SKEIN_TLS_CERT is no PEM certificate (-----BEGIN CERTIFICATE-----)");
  }
  if (privateKey === undefined) {
    problems.push(
      "SKEIN_TLS_KEY is no PEM private key without a passphrase (-----BEGIN PRIVATE KEY-----)",
    );
  }
  if (leaf === undefined || privateKey === undefined) return undefined;
  if (!leaf.checkPrivateKey(privateKey)) {
    problems.push(
      "SKEIN_TLS_KEY is not the key of SKEIN_TLS_CERT. In a file with a chain the relay's own " +
        "certificate stands first",
    );
    return undefined;
  }
  return { files: { certificate, key }, warnings: datesOf(leaf) };
}

function datesOf(leaf: X509Certificate): string[] {
  const now = Date.now();
  if (leaf.validToDate.getTime() < now) {
    return [`The certificate of SKEIN_TLS_CERT expired on ${leaf.validTo}: browsers refuse it.`];
  }
  if (leaf.validFromDate.getTime() > now) {
    return [`The certificate of SKEIN_TLS_CERT is valid from ${leaf.validFrom} only.`];
  }
  return [];
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** A typing mistake in a name would otherwise look like a setting that has no effect. */
function unknownVariables(environment: Environment): string[] {
  const known = Object.values(settings).map(({ name }) => name);
  return (
    Object.keys(environment)
      .filter((name) => name.startsWith("SKEIN_") && !known.includes(name))
      // Marks that test harnesses leave.
      .filter((name) => !name.startsWith("SKEIN_TEST_"))
      .map((name) => {
        const [nearest] = known
          .map((each) => ({ each, far: editDistance(name, each) }))
          .filter(({ far }) => far <= 3)
          .sort((a, b) => a.far - b.far);
        const meant = nearest === undefined ? "--help lists all" : `did you mean ${nearest.each}?`;
        return `${name} is no setting of this relay (${meant})`;
      })
  );
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replace = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
