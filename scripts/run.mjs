/**
 * The one door into the project, for any machine with Node ≥ 20 and npm: installs what the lock file
 * says when it changed, finds the pinned Node 24 and runs a command under it. Plain JavaScript without
 * imports from the project, because it runs before anything is installed.
 *
 *   node scripts/run.mjs start | test | simulate | fuzz | bench | build | format   [arguments…]
 *
 * Nothing is written to standard output from here: it belongs to the command.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const windows = process.platform === "win32";
const nodeMajor = 24;

/** Each command is a list of programs, run one after the other; the last gets the arguments. */
const commands = {
  start: [["scripts/build.ts"], ["server/src/main.ts"]],
  test: [["scripts/test.ts"]],
  simulate: [["test/simulation/main.ts"]],
  fuzz: [["test/fuzz/main.ts"]],
  bench: [["test/bench/main.ts"]],
  build: [["scripts/build.ts"]],
  format: [["scripts/format.ts"]],
};

/** The running program; signals go to it. */
let child;
let stopSignal;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    stopSignal = signal;
    child?.kill(signal);
  });
}

process.exitCode = await main(process.argv[2], process.argv.slice(3));

async function main(name, args) {
  if (!Object.hasOwn(commands, name ?? "")) {
    say(`usage: node scripts/run.mjs ${Object.keys(commands).join(" | ")} [arguments…]`);
    return 2;
  }
  const installed = await install();
  if (installed !== 0) return installed;

  const node = findNode();
  if (node === undefined) {
    say(
      `Skein needs Node ${nodeMajor} or newer. The copy that npm brings does not run on ` +
        `${process.platform} ${process.arch}, and the Node that is installed here is ${process.version}. ` +
        `Install Node ${nodeMajor} (https://nodejs.org) and try again.`,
    );
    return 1;
  }
  const programs = commands[name];
  for (const [index, program] of programs.entries()) {
    const last = index === programs.length - 1;
    const code = await run(node, last ? [...program, ...args] : program);
    if (code !== 0) return code;
  }
  return 0;
}

/** Installs when the lock file, or what it was made from, is not what was installed last. */
async function install() {
  const stamp = join(root, "node_modules", ".skein-installed");
  const inputs = [
    "package.json",
    "pnpm-workspace.yaml",
    "pnpm-lock.yaml",
    ...["client", "server", "shared", "test"].map((name) => join(name, "package.json")),
  ];
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const input of inputs) hash.update("\0").update(readFileSync(join(root, input)));
  const want = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === want) return 0;

  say("Installing dependencies (once, and after they change) …");
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const local = join(bin, windows ? "pnpm.CMD" : "pnpm");
  const args = ["install", "--frozen-lockfile"];
  const attempts = existsSync(local) ? [[local, args]] : [];
  attempts.push([windows ? "npx.cmd" : "npx", ["--yes", packageManager, ...args]]);

  let output = "";
  for (const [command, parameters] of attempts) {
    const result = await runQuietly(command, parameters);
    if (result.code === 0) {
      writeFileSync(stamp, want);
      return 0;
    }
    if (stopSignal !== undefined) return result.code;
    output = result.output;
  }
  say(output);
  say("The dependencies could not be installed; what pnpm had to say is above.");
  return 1;
}

/** The pinned Node, else the one that runs this, else undefined. */
function findNode() {
  for (const candidate of [join(bin, windows ? "node.CMD" : "node"), process.execPath]) {
    const answer = spawnSync(candidate, ["--version"], { encoding: "utf8", shell: windows });
    const major = Number(/^v(\d+)\./.exec(answer.stdout ?? "")?.[1] ?? 0);
    if (major >= nodeMajor) return candidate;
  }
  return undefined;
}

/** Runs a program of the project with our streams; resolves with its exit code. */
function run(node, args) {
  if (stopSignal !== undefined) return exitCodeOf(stopSignal);
  return new Promise((resolve) => {
    child = spawn(node, args, { cwd: root, stdio: "inherit", shell: windows, env: environment() });
    child.on("error", (error) => {
      say(`Could not run ${args[0]}: ${error.message}`);
      resolve(1);
    });
    child.on("exit", (code, signal) => resolve(code ?? exitCodeOf(signal)));
  });
}

/** Runs a command and keeps what it prints; nobody needs to see an install that went well. */
function runQuietly(command, args) {
  const env = { ...process.env, CI: "true", PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: "1" };
  // It would leave out the development dependencies, which is where the build lives.
  delete env["NODE_ENV"];
  return new Promise((resolve) => {
    let output = "";
    const stdio = ["ignore", "pipe", "pipe"];
    child = spawn(command, args, { cwd: root, stdio, shell: windows, env });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    }
    child.on("error", (error) => resolve({ code: 1, output: error.message }));
    child.on("close", (code, signal) => resolve({ code: code ?? exitCodeOf(signal), output }));
  });
}

/** Ours, with the project's programs found first. */
function environment() {
  const env = { ...process.env };
  const key = Object.keys(env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  env[key] = [bin, env[key]].filter(Boolean).join(delimiter);
  return env;
}

function exitCodeOf(signal) {
  return 128 + (constants.signals[signal] ?? 0);
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
