/**
 * `npm test`: runs every suite there is, one after the other, and closes with `N passed, N failed`,
 * summed from the suites' own reports. A check without tests of its own (types, lint, format, knip)
 * counts as one. The exit code is 0 only if something ran and nothing failed.
 *
 *   npm test                                    everything
 *   npm test -- --only unit,house               some suites
 *   npm test -- --only unit shared/src/log      some files of them
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, globSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { findChromium } from "./chromium.ts";

interface Suite {
  readonly name: string;
  /** The suite is empty, and says so, while none of these exist. */
  readonly files: readonly string[];
  /** Programs from outside, see `tools`. */
  readonly needs?: readonly (keyof typeof tools)[];
  readonly limitMs: number;
  readonly run: (suite: Suite) => Promise<Outcome>;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One line for each failure, to be found again above the closing line. */
  readonly failures: readonly string[];
}

const nothing: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };

/** What suites need besides the lock file, and the Debian packages that bring it. */
const tools = {
  chromium: { isThere: () => findChromium() !== undefined, packages: ["chromium"] },
} as const;

/** What could not be installed is not tried again. */
const unavailable = new Set<keyof typeof tools>();

const sources = "{client,server,shared,test,scripts}/**/*.ts";

const suites: readonly Suite[] = [
  { name: "types", files: [sources], limitMs: 240_000, run: types },
  { name: "lint", files: [sources], limitMs: 240_000, run: check("oxlint") },
  { name: "format", files: [sources], limitMs: 60_000, run: check("oxfmt", "--check", ".") },
  { name: "knip", files: [sources], limitMs: 180_000, run: check("knip", "--no-progress") },
  {
    name: "unit",
    files: ["{client,server,shared}/src/**/!(*.browser).test.{ts,tsx}"],
    limitMs: 480_000,
    run: vitest("shared", "server", "client"),
  },
  {
    name: "house",
    files: ["test/house/**/*.test.ts"],
    limitMs: 360_000,
    run: vitest("house"),
  },
  {
    name: "conformance",
    files: ["test/{conformance,fuzz}/**/*.test.ts"],
    limitMs: 480_000,
    run: vitest("conformance"),
  },
  {
    name: "chromium",
    files: ["client/src/**/*.browser.test.{ts,tsx}"],
    needs: ["chromium"],
    limitMs: 360_000,
    run: vitest("chromium"),
  },
  {
    name: "simulation",
    files: ["test/simulation/**/*.test.ts"],
    limitMs: 480_000,
    run: vitest("simulation"),
  },
  {
    name: "browser",
    files: ["test/browser/**/*.spec.ts", "test/browser/**/*.test.ts"],
    needs: ["chromium"],
    limitMs: 900_000,
    run: playwright,
  },
];

/**
 * All suites together; what has not run by then fails. A guard against hanging for a machine with
 * other things to do: on two quiet cores everything is done in well under twelve minutes.
 */
const totalMsMax = 25 * 60_000;

const root = join(import.meta.dirname, "..");
const onCi = !["", "0", "false"].includes(process.env["CI"] ?? "");
/** Marks every process of this run, so that leftovers can be found. */
const runId = `${process.pid}-${Date.now()}`;
/** Reports, and what a browser test left to look at; kept if something failed. */
const runFolder = join(root, "build", runId);
const startedAtMs = performance.now();

const { values, positionals: filters } = parseArgs({
  options: { only: { type: "string" } },
  allowPositionals: true,
});

/** The program that is running; a signal to us ends it, then us. */
let running: ChildProcess | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    void stopTree(running?.pid).finally(() => process.exit(130));
  });
}

process.exitCode = await main();

async function main(): Promise<number> {
  const chosen = choose(values.only);
  if (typeof chosen === "string") {
    say(chosen);
    return 2;
  }
  removeOldRuns();
  const results: { name: string; ms: number; outcome: Outcome; note: string }[] = [];
  for (const suite of chosen) {
    const startMs = performance.now();
    if (globSync([...suite.files], { cwd: root, exclude: isForeign }).length === 0) {
      results.push({ name: suite.name, ms: 0, outcome: nothing, note: "no tests yet" });
      continue;
    }
    say(`\n── ${suite.name} ${"─".repeat(Math.max(0, 60 - suite.name.length))}`);
    const missing = (suite.needs ?? []).filter((tool) => !provide(tool));
    let outcome: Outcome;
    let note = "";
    if (missing.length > 0) {
      const what = `${missing.join(", ")} is missing and could not be installed`;
      note = onCi ? what : `skipped: ${what}`;
      outcome = onCi ? failure(`${suite.name}: ${what}`) : nothing;
      say(note);
    } else {
      outcome = await suite.run(suite);
    }
    results.push({ name: suite.name, ms: performance.now() - startMs, outcome, note });
  }
  const leftovers = await endLeftovers();
  if (leftovers.length > 0) {
    const failures = leftovers.map((what) => `left running: ${what}`);
    const outcome = { passed: 0, failed: 1, skipped: 0, failures };
    results.push({ name: "leftovers", ms: 0, outcome, note: "" });
  }
  const code = report(results);
  if (code === 0) rmSync(runFolder, { recursive: true, force: true });
  return code;
}

/** Clears away what failed more than a day ago. */
function removeOldRuns(): void {
  const build = join(root, "build");
  if (!existsSync(build)) return;
  for (const name of readdirSync(build)) {
    const startMs = Number(/^\d+-(\d+)$/.exec(name)?.[1] ?? Infinity);
    if (Date.now() - startMs > 86_400_000) rmSync(join(build, name), { recursive: true });
  }
}

function choose(only: string | undefined): readonly Suite[] | string {
  if (only === undefined) return suites;
  const wanted = only.split(",");
  const unknown = wanted.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length === 0) return suites.filter((suite) => wanted.includes(suite.name));
  const known = suites.map((suite) => suite.name).join(", ");
  return `There is no suite ${unknown.join(", ")}; there are ${known}.`;
}

function report(
  results: readonly { name: string; ms: number; outcome: Outcome; note: string }[],
): number {
  let passed = 0;
  let failed = 0;
  say(`\n── summary ${"─".repeat(53)}`);
  for (const { name, ms, outcome, note } of results) {
    passed += outcome.passed;
    failed += outcome.failed;
    const skipped = outcome.skipped > 0 ? `, ${outcome.skipped} skipped` : "";
    const figures = note || `${outcome.passed} passed, ${outcome.failed} failed${skipped}`;
    const time = ms > 0 ? seconds(ms).padStart(8) : "".padStart(8);
    say(`${outcome.failed > 0 ? "✗" : " "} ${name.padEnd(12)}${time}   ${figures}`);
  }
  const failures = results.flatMap(({ outcome }) => outcome.failures);
  if (failures.length > 0) say(`\nFailed:\n${failures.map((line) => `  ✗ ${line}`).join("\n")}`);
  say(`\n${seconds(performance.now() - startedAtMs)} in all`);
  say(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

// Suites

function failure(line: string): Outcome {
  return { passed: 0, failed: 1, skipped: 0, failures: [line] };
}

/** A program that is silent or right; its words are shown when it is not. */
function check(command: string, ...args: string[]): Suite["run"] {
  return async (suite) => {
    const { code, output, late } = await run(suite, command, args, { quiet: true });
    if (code === 0) return { ...nothing, passed: 1 };
    say(output.trim());
    return failure(`${suite.name}: ${late ?? `\`${[command, ...args].join(" ")}\` finds fault`}`);
  };
}

/** `tsc -p` for each project, except those whose code does not exist yet. */
async function types(suite: Suite): Promise<Outcome> {
  const projects = globSync("{.,client,server,shared,test}/**/tsconfig*.json", {
    cwd: root,
    exclude: isForeign,
  })
    .filter((path) => basename(path) !== "tsconfig.base.json")
    .toSorted();
  const wrong: string[] = [];
  for (const project of projects) {
    const { code, output, late } = await run(suite, "tsc", ["-p", project], { quiet: true });
    const empty = output.includes("error TS18003");
    if (code === 0 || empty) continue;
    say(`${project}:\n${output.trim()}`);
    wrong.push(late ?? project);
  }
  if (wrong.length === 0) return { ...nothing, passed: 1 };
  return failure(`types: ${wrong.join(", ")}`);
}

/** What we read of vitest's `json` reporter. */
interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function vitest(...projects: string[]): Suite["run"] {
  return async (suite) => {
    const file = join(runFolder, `${suite.name}.json`);
    // It colours its words wherever CI is set, whoever reads them.
    const env = process.stdout.isTTY ? {} : { NO_COLOR: "1" };
    const args = [
      "run",
      ...projects.map((project) => `--project=${project}`),
      "--passWithNoTests",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${file}`,
      ...filters,
    ];
    const { code, late } = await run(suite, "vitest", args, { env });
    let passed = 0;
    let skipped = 0;
    const failures: string[] = [];
    const found = readReport<VitestReport>(file);
    for (const result of found?.testResults ?? []) {
      const path = result.name.replace(`${root}/`, "");
      let failedHere = 0;
      for (const test of result.assertionResults) {
        if (test.status === "passed") passed++;
        else if (test.status !== "failed") skipped++;
        else failedHere = failures.push(`${path}: ${test.fullName}`);
      }
      // A file that could not be loaded, or a hook that threw.
      if (result.status === "failed" && failedHere === 0) failures.push(`${path}: does not run`);
    }
    failures.push(...troubleBeside(suite, failures.length, code, found, late));
    return { passed, failed: failures.length, skipped, failures };
  };
}

/** What we read of Playwright's `json` reporter. */
interface PlaywrightReport {
  readonly stats: { readonly expected: number; readonly skipped: number };
  readonly suites: readonly PlaywrightSuite[];
}

interface PlaywrightSuite {
  readonly title: string;
  readonly suites?: readonly PlaywrightSuite[];
  readonly specs: readonly {
    readonly title: string;
    readonly tests: readonly { readonly status: string }[];
  }[];
}

async function playwright(suite: Suite): Promise<Outcome> {
  const built = await run(suite, process.execPath, [join(root, "scripts/build.ts")]);
  if (built.code !== 0) return failure(`${suite.name}: the client does not build`);

  const file = join(runFolder, `${suite.name}.json`);
  const config = "test/browser/playwright.config.ts";
  const output = join(runFolder, suite.name);
  const args = ["test", `--config=${config}`, `--output=${output}`, "--pass-with-no-tests"];
  const env = { PLAYWRIGHT_JSON_OUTPUT_FILE: file };
  const { code, late } = await run(suite, "playwright", [...args, ...filters], { env });
  const found = readReport<PlaywrightReport>(file);
  const failures = (found?.suites ?? []).flatMap((inner) => failedSpecs(inner, "test/browser"));
  failures.push(...troubleBeside(suite, failures.length, code, found, late));
  const { expected = 0, skipped = 0 } = found?.stats ?? {};
  return { passed: expected, failed: failures.length, skipped, failures };
}

function failedSpecs(suite: PlaywrightSuite, path: string): string[] {
  const here = `${path}${path === "test/browser" ? "/" : " › "}${suite.title}`;
  const inner = (suite.suites ?? []).flatMap((child) => failedSpecs(child, here));
  const failed = suite.specs.flatMap((spec) =>
    spec.tests
      .filter(({ status }) => status !== "expected" && status !== "skipped")
      .map(() => `${here}: ${spec.title}`),
  );
  return [...failed, ...inner];
}

/** What no test of the report stands for: a crash, an unhandled rejection, a late end, no report. */
function troubleBeside(
  suite: Suite,
  failuresKnown: number,
  code: number,
  found: unknown,
  late: string | undefined,
): string[] {
  if (late !== undefined) return [`${suite.name}: ${late}`];
  if (found === undefined) return [`${suite.name}: there is no report`];
  return code !== 0 && failuresKnown === 0 ? [`${suite.name}: see above`] : [];
}

function readReport<Report>(file: string): Report | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Report) : undefined;
}

function isForeign(path: string): boolean {
  return /(^|[/\\])(node_modules|dist|\.dist-[^/\\]*)$/.test(path);
}

// Programs from outside

/** Whether the tool is there, having installed it if that was possible. */
function provide(name: keyof typeof tools): boolean {
  const tool = tools[name];
  if (tool.isThere()) return true;
  if (unavailable.has(name)) return false;
  unavailable.add(name);
  const isRoot = process.getuid?.() === 0;
  if (process.platform !== "linux" || !isRoot || !onPath("apt-get")) return false;
  say(`Installing ${tool.packages.join(", ")} …`);
  const lock = ["-o", "DPkg::Lock::Timeout=120"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const steps = [
    [...lock, "update"],
    [...lock, "install", "-y", "--no-install-recommends", ...tool.packages],
  ];
  for (const args of steps) {
    const { status, stdout, stderr } = spawnSync("apt-get", args, { encoding: "utf8", env });
    if (status === 0) continue;
    say(`${stdout}${stderr}`.trim());
    break;
  }
  return tool.isThere();
}

function onPath(program: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => existsSync(join(folder, program)));
}

// Processes

/**
 * Runs a program at the root. It is ended, with all that it started, when its suite's time or the
 * whole run's is over; `late` then says so.
 */
async function run(
  suite: Suite,
  command: string,
  args: readonly string[],
  { quiet = false, env = {} }: { quiet?: boolean; env?: NodeJS.ProcessEnv } = {},
): Promise<{ code: number; output: string; late?: string }> {
  const leftMs = totalMsMax - (performance.now() - startedAtMs);
  const limitMs = Math.min(suite.limitMs, leftMs);
  if (limitMs <= 0) return { code: 1, output: "", late: "the run was out of time before it" };

  const path = [join(root, "node_modules/.bin"), dirname(process.execPath), process.env["PATH"]];
  // Both streams into our standard output, so that what belongs together stays in order.
  const stream = quiet ? "pipe" : 1;
  const child = spawn(command, args, {
    cwd: root,
    stdio: ["ignore", stream, stream],
    env: {
      ...process.env,
      ...env,
      PATH: path.join(delimiter),
      SKEIN_TEST_RUN: runId,
    },
  });
  running = child;
  let output = "";
  for (const words of [child.stdout, child.stderr]) {
    words?.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  let late: string | undefined;
  const timer = setTimeout(() => {
    late = `not done after ${seconds(limitMs)}`;
    void stopTree(child.pid);
  }, limitMs);
  const code = await new Promise<number>((resolve) => {
    child.on("error", (error) => {
      output += error.message;
      resolve(1);
    });
    child.on("close", (exitCode) => resolve(exitCode ?? 1));
  });
  clearTimeout(timer);
  running = undefined;
  return { code, output, ...(late !== undefined && { late }) };
}

/** Ends a process and all below it: politely, and after three seconds for good. */
async function stopTree(pid: number | undefined): Promise<void> {
  if (pid === undefined) return;
  const pids = descendants(pid);
  signalAll([pid], "SIGTERM");
  for (let waited = 0; waited < 30 && pids.some(isAlive); waited++) await pause(100);
  signalAll(pids, "SIGKILL");
}

/** The process and everything it started, as far as it was not handed to somebody else. */
function descendants(pid: number): number[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const rows = (stdout ?? "").split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const found = [pid];
  for (const parent of found) {
    for (const [child, itsParent] of rows) {
      if (itsParent === parent && child !== undefined) found.push(child);
    }
  }
  return found;
}

/**
 * What a suite started and did not stop, found by the mark in its environment (on Linux) and ended.
 * Browsers take a moment to go, so it looks for two seconds.
 */
async function endLeftovers(): Promise<string[]> {
  if (process.platform !== "linux") return [];
  let found: { pid: number; what: string }[] = [];
  for (let tries = 0; tries < 20; tries++) {
    found = marked();
    if (found.length === 0) return [];
    await pause(100);
  }
  signalAll(
    found.map(({ pid }) => pid),
    "SIGKILL",
  );
  return found.map(({ what }) => what);
}

function marked(): { pid: number; what: string }[] {
  const mark = `SKEIN_TEST_RUN=${runId}`;
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      if (!readFileSync(`/proc/${name}/environ`, "latin1").split("\0").includes(mark)) return [];
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      return [{ pid: Number(name), what: words.join(" ").trim().slice(0, 120) }];
    } catch {
      // Gone, or somebody else's.
      return [];
    }
  });
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // Gone already, which is what was wanted.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
