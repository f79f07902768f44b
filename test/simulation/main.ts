/**
 * `pnpm simulate [--seeds N] [--seed S] [--minutes M] [--threads T] [--json]`: runs seeds S, S+1, … and
 * prints what happened. Every 50th seed runs twice and must leave the same trace. In a twentieth of
 * them documents are real ones; `--docs` in all, `--opaque` in none. A failure prints its seed, its
 * last events and the smallest world in which the same promise breaks; run it again with `--seed S
 * --seeds 1`, or with `--options` and what was printed.
 *
 * `pnpm simulate --mutants` plants each bug of mutants.ts and prints how many seeds it takes to notice.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { attackNames } from "./hostile.ts";
import { hunt, mutants } from "./mutants.ts";
import { faultKinds, type Mix, type Options, usualMix } from "./options.ts";
import { type Outcome, run } from "./run.ts";
import { shrink } from "./shrink.ts";
import type { Result, Share } from "./worker.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string" },
    threads: { type: "string" },
    json: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    docs: { type: "boolean", default: false },
    opaque: { type: "boolean", default: false },
    options: { type: "string" },
  },
});
const count = wholeNumber("seeds", values.seeds);
const first = wholeNumber("seed", values.seed);
const minutes = values.minutes === undefined ? Infinity : wholeNumber("minutes", values.minutes);
const threads =
  values.threads === undefined
    ? availableParallelism()
    : Math.max(1, wholeNumber("threads", values.threads));
const mix: Mix = {
  ...usualMix,
  ...(values.docs ? { documents: 1 } : values.opaque ? { documents: 0 } : {}),
};
const say = values.json ? (_line: string) => {} : (line: string) => console.log(line);

/** What every long run must have seen: each fault, each attack, each way out of trouble. */
const expected: readonly string[] = [
  ...faultKinds,
  ...attackNames.map((name) => `hostile: ${name}`),
  "lead taken",
  "fenced",
  "lock stolen",
  "refused write",
  "whisper heard",
  "window full",
  "damage noticed",
  "mended in place",
  "second copy read",
  "damaged log told",
  "log forked",
  "log taken apart",
  "log taken apart at a relay",
  "own log taken back",
  "heard over the bus",
  "told of a loss",
  "died before it told",
  "relay looked around",
  "equivocator gone",
  "operation parked",
  "parked operation replayed",
  "snapshot taken in",
  "snapshot taken in over entries",
  "snapshot confirmed",
  "part came later",
  "order carried out",
  ...(values.opaque
    ? []
    : ["documents compared", "documents compacted", "snapshot met", "peer continued"]),
];
/** Fewer seeds may leave some out: windows fill up in three of a thousand, snapshots are few. */
const expectedFromSeeds = 10_000;
const seedsPerMutantMax = 60;

/** Of the failures of one run; those after them are printed as they are. */
const shrunkMax = 3;
/** Where a hunt for planted bugs begins, beside `--seed`. */
const huntsFrom = [0, 1_000, 2_000, 3_000, 4_000];

const started = performance.now();
const elapsedS = (): number => (performance.now() - started) / 1_000;

if (values.mutants) await huntAll();
else if (values.options !== undefined) await replay(JSON.parse(values.options) as Options);
else await simulate();

async function simulate(): Promise<void> {
  const total = { seeds: 0, events: 0, virtualMs: 0, writes: 0, failed: 0, repeated: 0 };
  const fired = new Map<string, number>();
  const endings = new Map<number, number>();
  const frames = new Map<number, number>();
  const failed: Outcome[] = [];
  let saidAtS = 0;

  await forEachSeed(({ outcome, repeated }) => {
    total.seeds++;
    total.events += outcome.events;
    total.virtualMs += outcome.virtualMs;
    total.writes += outcome.writes;
    if (repeated) total.repeated++;
    add(fired, outcome.fired);
    add(endings, outcome.endings);
    add(frames, outcome.frames);
    if (outcome.violations.length > 0) {
      total.failed++;
      if (failed.length < shrunkMax) failed.push(outcome);
      report(outcome);
    }
    if (elapsedS() - saidAtS >= 5) {
      saidAtS = elapsedS();
      const expectedS = Math.round(((count - total.seeds) / total.seeds) * saidAtS);
      say(`${total.seeds} of ${count} seeds, ${total.failed} failed, ${expectedS} s to go`);
    }
  });

  const seconds = elapsedS();
  for (const outcome of failed) await reportShrunk(outcome);
  const silent = expected.filter((what) => !fired.has(what));
  const summary = {
    simulation: "sync",
    seeds: total.seeds,
    firstSeed: first,
    failed: total.failed,
    repeated: total.repeated,
    events: total.events,
    writes: total.writes,
    virtualHours: Number((total.virtualMs / 3_600_000).toFixed(1)),
    threads,
    processorSeconds: Number(
      (process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6).toFixed(1),
    ),
    seconds: Number(seconds.toFixed(1)),
    seedsPerSecond: Number((total.seeds / seconds).toFixed(1)),
    eventsPerMinute: Math.round((total.events / seconds) * 60),
    happened: sorted(fired),
    neverHappened: silent,
    framesByType: sorted(new Map([...frames].map(([type, sent]) => [hexadecimal(type), sent]))),
    honestEndings: sorted(endings),
  };
  if (values.json) console.log(JSON.stringify(summary));
  else {
    say("");
    for (const [name, value] of Object.entries(summary)) {
      const words = typeof value === "object" ? JSON.stringify(value) : String(value);
      say(`${name.padEnd(16)} ${words}`);
    }
  }
  if (total.failed > 0 || (total.seeds >= expectedFromSeeds && silent.length > 0)) {
    process.exitCode = 1;
  }
}

/** In several threads; in whatever order they come. */
async function forEachSeed(done: (result: Result) => void): Promise<void> {
  const shares = Array.from({ length: Math.min(threads, count) }, (_, index) => {
    const end = first + count;
    const share: Share = { first: first + index, end, step: threads, mix };
    const worker = new Worker(new URL("worker.ts", import.meta.url), {
      workerData: share,
      // Nearly all that a seed makes is gone with it: seldom looked at, it is cheap to collect.
      resourceLimits: { maxYoungGenerationSizeMb: 128 },
    });
    const overtime = setTimeout(
      () => void worker.terminate(),
      Math.min(minutes * 60_000, 2 ** 31 - 1),
    );
    return new Promise<void>((resolve, reject) => {
      worker.on("message", done);
      worker.on("error", reject);
      worker.on("exit", () => {
        clearTimeout(overtime);
        resolve();
      });
    });
  });
  await Promise.all(shares);
}

/** From several seeds on, so that one lucky seed says little. */
async function huntAll(): Promise<void> {
  const width = Math.max(...mutants.map(({ name }) => name.length));
  say(`${"planted bug".padEnd(width)}  ${"seeds from each base".padEnd(24)}  median  noticed by`);
  let missed = 0;
  for (const mutant of mutants) {
    const { name, breaks } = mutant;
    const seeds: (number | null)[] = [];
    let noticed: string | undefined;
    for (const from of huntsFrom) {
      const found = await hunt(mutant, first + from, seedsPerMutantMax);
      seeds.push(found?.seeds ?? null);
      noticed ??= found?.outcome.violations[0]?.split("\n", 1)[0];
    }
    if (seeds.includes(null)) missed++;
    const median = medianOf(seeds.map((each) => each ?? Infinity));
    if (values.json) console.log(JSON.stringify({ mutant: name, breaks, seeds, median, noticed }));
    const each = seeds.map((count) => String(count ?? `>${seedsPerMutantMax}`).padStart(3));
    say(
      `${name.padEnd(width)}  ${each.join("  ").padEnd(24)}  ${String(median).padStart(6)}  ` +
        (noticed ?? "nothing"),
    );
  }
  const summary = { simulation: "mutants", planted: mutants.length, missed };
  if (values.json) console.log(JSON.stringify(summary));
  else {
    const caught = mutants.length - missed;
    say(`\n${caught} of ${mutants.length} caught from every base in ${elapsedS().toFixed(0)} s`);
  }
  if (missed > 0) process.exitCode = 1;
}

function medianOf(counts: readonly number[]): number {
  return counts.toSorted((a, b) => a - b)[counts.length >> 1] ?? Infinity;
}

/** One world, as it was printed. */
async function replay(options: Options): Promise<void> {
  const outcome = await run(options);
  if (outcome.violations.length === 0) return say("every promise held");
  report(outcome);
  process.exitCode = 1;
}

async function reportShrunk(failed: Outcome): Promise<void> {
  const { outcome, runs } = await shrink(failed);
  const { seed } = failed.options;
  const { options, violations } = outcome;
  if (values.json) {
    console.log(JSON.stringify({ simulation: "sync", seed, shrunk: options, violations, runs }));
    return;
  }
  say(`\nseed ${seed} shrunk in ${runs} runs: ${violations[0]?.split("\n", 1)[0]}`);
  say(`  again with --options '${JSON.stringify(options)}'`);
  for (const line of outcome.lines) say(`  | ${line}`);
}

function report({ options, violations, lines }: Outcome): void {
  if (values.json) {
    console.log(JSON.stringify({ simulation: "sync", seed: options.seed, violations, options }));
    return;
  }
  say(`\nseed ${options.seed} failed`);
  for (const violation of violations.slice(0, 5)) say(`  ${violation}`);
  say(`  options ${JSON.stringify(options)}`);
  for (const line of lines) say(`  | ${line}`);
}

function add<Key>(total: Map<Key, number>, more: Iterable<readonly [Key, number]>): void {
  for (const [key, times] of more) if (times > 0) total.set(key, (total.get(key) ?? 0) + times);
}

function sorted(counts: ReadonlyMap<string | number, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}

function hexadecimal(type: number): string {
  return `0x${type.toString(16).padStart(2, "0")}`;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} wants a whole number, not "${text}"`);
  process.exit(2);
}
