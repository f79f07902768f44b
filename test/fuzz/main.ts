/**
 * `pnpm fuzz [target…] [--inputs N] [--seed S] [--json]`: hands N mutated inputs (100,000 if not said)
 * to each target, or to those named, and prints a row for each: how many were accepted and refused, by
 * kind, the slowest step, how much the heap grew. With `--json` one object a line. Progress goes to
 * standard error. Exits with 1 when something broke, and prints the seed and the bytes that did it,
 * shrunk; with 2 for a target there is none of.
 *
 * A target that is silent for ten seconds hangs: its thread is ended and the input told.
 */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { type Figures, type Finding, noFigures } from "./fuzz.ts";
import { inputsTold, isInputRunning, newSharedInput, toldInput } from "./shared-input.ts";
import { shrink } from "./shrink.ts";
import type { Input } from "./target.ts";
import { targets } from "./targets.ts";
import type { Work } from "./worker.ts";

const hangsAfterMs = 10_000;
/** While a hang is shrunk: opening a target takes a second or two of it. */
const hangsAgainAfterMs = 4_000;
const hangTriesMax = 30;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});
const inputs = wholeNumber("inputs", values.inputs);
const seed = wholeNumber("seed", values.seed);
const say = (words: string): void => void process.stderr.write(`${words}\n`);

async function main(): Promise<void> {
  const unknown = positionals.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0) {
    say(`There is no target called ${unknown.join(", ")}. There are:`);
    for (const { name, about } of targets) say(`  ${name.padEnd(20)} ${about}`);
    process.exitCode = 2;
    return;
  }
  const names = targets.map(({ name }) => name);
  await fuzzAll(names.filter((name) => positionals.length === 0 || positionals.includes(name)));
}

async function fuzzAll(names: readonly string[]): Promise<void> {
  const all: Figures[] = [];
  if (!values.json) console.log(header);
  for (const name of names) {
    const figures = await fuzzInThread(name);
    all.push(figures);
    console.log(values.json ? JSON.stringify({ fuzz: name, ...figures }) : rowOf(figures));
    for (const finding of figures.findings) tell(name, finding);
  }
  const findings = all.reduce((sum, figures) => sum + figures.findings.length, 0);
  const total = all.reduce((sum, figures) => sum + figures.inputs, 0);
  const seconds = all.reduce((sum, figures) => sum + figures.seconds, 0);
  const words = `${grouped(total)} inputs in ${seconds.toFixed(0)} s, ${findings} findings, seed ${seed}`;
  if (!values.json) console.log(`\n${words}`);
  if (findings > 0) process.exitCode = 1;
}

function tell(name: string, { what, input, stack }: Finding): void {
  if (values.json) return;
  console.log(`\n${name}: ${what}`);
  console.log(`  again with: pnpm fuzz ${name} --seed ${seed} --inputs ${inputs}`);
  for (const piece of input) console.log(`  ${piece}`);
  if (stack !== "") console.log(stack.replaceAll(/^/gm, "  | "));
  console.log("");
}

async function fuzzInThread(name: string): Promise<Figures> {
  const shared = newSharedInput();
  const work: Work = { target: name, inputs, seed, shared };
  let last: Figures | undefined;
  const hung = await runThread(work, hangsAfterMs, (figures) => {
    last = figures;
    const per = Math.round(figures.inputs / figures.seconds);
    if (figures.inputs < inputs)
      say(`${name}: ${grouped(figures.inputs)} inputs, ${grouped(per)} a second`);
  });
  const figures = last ?? noFigures(name, seed);
  if (!hung) return figures;
  say(`${name} hangs; looking for a smaller input that does`);
  const input = await shrink(toldInput(shared), (smaller) => hangs(name, smaller), hangTriesMax);
  const what = `hang: no answer within ${hangsAfterMs / 1_000} s`;
  return {
    ...figures,
    findings: [...figures.findings, { what, input: input.map(toHex), stack: "" }],
  };
}

const hangs = (target: string, only: Input): Promise<boolean> => {
  const work: Work = { target, inputs: 1, seed, shared: newSharedInput(), only };
  return runThread(work, hangsAgainAfterMs, () => {});
};

/** Whether it had to be ended. Rejects when the thread fails for another reason. */
function runThread(
  work: Work,
  silentMsMax: number,
  onFigures: (figures: Figures) => void,
): Promise<boolean> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: work });
  let told = -1;
  let sinceMs = performance.now();
  let hung = false;
  const watch = setInterval(() => {
    const now = inputsTold(work.shared);
    if (now !== told || !isInputRunning(work.shared)) {
      told = now;
      sinceMs = performance.now();
    } else if (performance.now() - sinceMs > silentMsMax) {
      hung = true;
      void worker.terminate();
    }
  }, 250);
  return new Promise((resolve, reject) => {
    worker.on("message", onFigures);
    worker.on("error", reject);
    worker.on("exit", () => {
      clearInterval(watch);
      resolve(hung);
    });
  });
}

// The table

const columns: readonly (readonly [
  title: string,
  width: number,
  of: (figures: Figures) => string,
])[] = [
  ["inputs", 11, ({ inputs: count }) => grouped(count)],
  ["accepted", 10, ({ accepted }) => grouped(accepted)],
  ["refused", 11, ({ refused }) => grouped(sum(refused))],
  ["reasons", 8, ({ reasons }) => String(Object.keys(reasons).length)],
  ["shapes", 7, ({ features }) => String(features)],
  ["slowest µs", 11, ({ slowestUs }) => grouped(Math.round(slowestUs))],
  ["heap KiB", 9, ({ heapGrowth = 0 }) => signed(Math.round(heapGrowth / 1_024))],
  ["s", 6, ({ seconds }) => seconds.toFixed(1)],
];
const nameWidth = 21;
const header =
  "target".padEnd(nameWidth) +
  columns.map(([title, width]) => title.padStart(width)).join("") +
  "   refused by kind";

function rowOf(figures: Figures): string {
  const cells = columns.map(([, width, of]) => of(figures).padStart(width)).join("");
  const kinds = Object.entries(figures.refused).toSorted(([, a], [, b]) => b - a);
  const refused = kinds.map(([kind, count]) => `${kind} ${grouped(count)}`).join(", ");
  return `${figures.target.padEnd(nameWidth)}${cells}   ${refused}`;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function grouped(count: number): string {
  return count.toLocaleString("en");
}

function signed(count: number): string {
  return count > 0 ? `+${grouped(count)}` : grouped(count);
}

function wholeNumber(name: string, words: string): number {
  const value = Number(words);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  say(`--${name} wants a whole number, not "${words}"`);
  process.exit(2);
}

await main();
