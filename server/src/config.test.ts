import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type Config, help, readConfig } from "./config.ts";

function valid(environment: Record<string, string>): Config {
  const verdict = readConfig(environment);
  if (verdict.kind !== "valid") throw new Error(verdict.problems.join("; "));
  return verdict.config;
}

function problems(environment: Record<string, string>): readonly string[] {
  const verdict = readConfig(environment);
  return verdict.kind === "refused" ? verdict.problems : [];
}

function warnings(environment: Record<string, string>): readonly string[] {
  const verdict = readConfig(environment);
  return verdict.kind === "valid" ? verdict.warnings : [];
}

describe("without settings", () => {
  test("a relay is for this machine alone and warns of nothing", () => {
    expect(valid({})).toMatchObject({
      port: 8787,
      host: "127.0.0.1",
      dataFolder: resolve("data"),
      origins: undefined,
      otherRelays: [],
      tls: undefined,
      logLevel: "warn",
      sessionsMax: 10_000,
      spaceBytesMax: 1_073_741_824,
      retentionMs: 2_592_000_000,
    });
    expect(warnings({ PATH: "/bin", SKEIN_TEST_RUN: "1" })).toEqual([]);
  });

  test("empty ones count as unset", () => {
    expect(valid({ SKEIN_PORT: "", SKEIN_ORIGIN: " " })).toMatchObject({
      port: 8787,
      origins: undefined,
    });
  });
});

test.each([
  ["SKEIN_PORT", "0", { port: 0 }],
  ["SKEIN_PORT", "65535", { port: 65_535 }],
  ["SKEIN_HOST", "::", { host: "::" }],
  ["SKEIN_HOST", "[::1]", { host: "::1" }],
  ["SKEIN_HOST", "skein.example", { host: "skein.example" }],
  ["SKEIN_DATA", "/var/lib/skein", { dataFolder: "/var/lib/skein" }],
  ["SKEIN_ORIGIN", "https://Skein.Example/", { origins: ["https://skein.example"] }],
  [
    "SKEIN_ORIGIN",
    "https://a.example:443, http://10.0.0.1:8787,",
    { origins: ["https://a.example", "http://10.0.0.1:8787"] },
  ],
  ["SKEIN_CONNECT", "https://relay.example", { otherRelays: ["https://relay.example"] }],
  ["SKEIN_LOG", "silent", { logLevel: "silent" }],
  ["SKEIN_SESSIONS", "500", { sessionsMax: 500 }],
  ["SKEIN_SPACE_BYTES", "2097152", { spaceBytesMax: 2_097_152 }],
  ["SKEIN_RETENTION_DAYS", "1", { retentionMs: 86_400_000 }],
  ["SKEIN_SPACE_BYTES", "500M", { spaceBytesMax: 524_288_000 }],
  ["SKEIN_SPACE_BYTES", "2 GiB", { spaceBytesMax: 2_147_483_648 }],
])("%s=%s is understood", (name, value, expected) => {
  expect(valid({ [name]: value })).toMatchObject(expected);
});

test.each([
  ["SKEIN_PORT", "http", /is no whole number from 0 to 65535/],
  ["SKEIN_PORT", "65536", /is no whole number/],
  ["SKEIN_PORT", "-1", /is no whole number/],
  ["SKEIN_PORT", "1e3", /is no whole number/],
  ["SKEIN_HOST", "http://localhost", /neither an IP address nor a host name/],
  ["SKEIN_HOST", "localhost:8787", /neither an IP address nor a host name/],
  ["SKEIN_HOST", "1.2.3", /neither an IP address nor a host name/],
  ["SKEIN_ORIGIN", "skein.example", /does not begin with http/],
  ["SKEIN_ORIGIN", "ftp://skein.example", /does not begin with http/],
  ["SKEIN_ORIGIN", "https://skein.example/app", /only scheme, host and port count/],
  ["SKEIN_ORIGIN", ",", /names no address/],
  ["SKEIN_CONNECT", "wss://relay.example", /does not begin with http/],
  ["SKEIN_LOG", "loud", /is no level; there are silent, fatal/],
  ["SKEIN_SESSIONS", "0", /is no whole number from 1/],
  ["SKEIN_SPACE_BYTES", "lots", /is no number of bytes/],
  ["SKEIN_SPACE_BYTES", "5K", /less than 1M/],
  ["SKEIN_SPACE_BYTES", "99999999999T", /more than any disk/],
  ["SKEIN_TLS_CERT", "/nowhere.pem", /cannot be read \(ENOENT/],
])("%s=%s is refused with the reason and an example", (name, value, reason) => {
  const found = problems({ [name]: value });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(reason);
  expect(found[0]).toMatch(new RegExp(`^${name}=.* For example ${name}=`));
});

test("every bad value is named at once", () => {
  expect(problems({ SKEIN_PORT: "x", SKEIN_LOG: "y", SKEIN_SESSIONS: "z" })).toHaveLength(3);
});

describe("an unknown variable", () => {
  test("is named together with the one that was meant", () => {
    expect(warnings({ SKEIN_PROT: "9000" })).toEqual([
      "SKEIN_PROT is no setting of this relay (did you mean SKEIN_PORT?)",
    ]);
    expect(warnings({ SKEIN_ORIGINS: "x" })[0]).toMatch(/did you mean SKEIN_ORIGIN\?/);
  });

  test("that resembles none leads to the list of all", () => {
    expect(warnings({ SKEIN_MAGIC_CARPET: "1" })[0]).toMatch(/--help lists all/);
  });
});

test.each(["SKEIN_TLS_CERT", "SKEIN_TLS_KEY"])("%s alone asks for the other", (name) => {
  expect(problems({ [name]: import.meta.filename })).toEqual([
    expect.stringMatching(new RegExp(`^${name} is set without SKEIN_TLS_`)),
  ]);
});

test("--help names every setting with its standard", () => {
  const text = help();
  for (const name of ["SKEIN_PORT", "SKEIN_TLS_KEY", "SKEIN_SPACE_BYTES"]) {
    expect(text).toContain(name);
  }
  expect(text).toMatch(/SKEIN_PORT +8787 +Port to listen on/);
});
