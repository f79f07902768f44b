/**
 * The loop: take an input that once showed something new, change it, run it, keep it if it shows
 * something new again. Everything follows from the seed except what is measured. What breaks is
 * shrunk before it is told.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { Prng } from "../simulation/prng.ts";
import { classOf, Features } from "./features.ts";
import { mutate } from "./mutate.ts";
import { shrink } from "./shrink.ts";
import { stepClockUs } from "./step-clock.ts";
import type { Input, Outcome, Target } from "./target.ts";

/** One step may take so long, in the fastest of several runs: collections of garbage are not its fault. */
const stepMsMax = 10;
const measuredAgain = 3;
/** Of the heap after a full collection, from the beginning to the end of a run. */
const heapGrowthMax = 4 * 2 ** 20;

const corpusMax = 600;
const pieceBytesMaxUsual = 8_192;
const findingsMax = 3;
const shrinkTriesMaxUsual = 3_000;
const progressEveryMs = 1_000;

export interface Finding {
  readonly what: string;
  /** Pieces in hexadecimal, shrunk. */
  readonly input: readonly string[];
  /** Where it was thrown. */
  readonly stack: string;
}

export interface Figures {
  readonly target: string;
  readonly seed: number;
  /** Pieces that were handed over: frames of conversations, updates of documents, else inputs. */
  inputs: number;
  accepted: number;
  /** By kind of fault. */
  readonly refused: Record<string, number>;
  /** By reason, numbers left out. */
  readonly reasons: Record<string, number>;
  features: number;
  kept: number;
  slowestUs: number;
  /** Runs that took longer than a step may, and did not when measured again. */
  paused: number;
  /** Undefined where nobody measures it. */
  heapGrowth: number | undefined;
  seconds: number;
  readonly findings: Finding[];
}

export interface FuzzOptions {
  /** Pieces to try; the last input may go beyond. */
  readonly inputs: number;
  readonly seed: number;
  readonly measuresHeap?: boolean;
  /** False in tests, which never depend on time. */
  readonly measuresTime?: boolean;
  /** How often a smaller input may be tried, for each finding. */
  readonly shrinkTriesMax?: number;
  readonly onProgress?: (figures: Figures) => void;
  /** Told of each input before it runs: for a watchdog that sees it hang. */
  readonly onInput?: (input: Input) => void;
}

export async function fuzz(target: Target, options: FuzzOptions): Promise<Figures> {
  const dice = new Prng(options.seed);
  const features = new Features();
  const corpus: Input[] = [];
  const mutateOptions = {
    isSequence: target.isSequence ?? false,
    pieceBytesMax: target.pieceBytesMax ?? pieceBytesMaxUsual,
  };
  const figures = noFigures(target.name, options.seed);
  const startMs = performance.now();
  let saidAtMs = startMs;

  for (const input of target.seeds) await attempt(input);
  // The seeds stay, whether new or not: they are what is worth changing.
  corpus.splice(0, corpus.length, ...target.seeds);
  let heapBefore: number | undefined;
  while (figures.inputs < options.inputs && figures.findings.length < findingsMax) {
    // Code is compiled and caches are filled by a tenth of the way.
    if (options.measuresHeap && heapBefore === undefined && figures.inputs >= options.inputs / 10) {
      heapBefore = heapAfterCollection() - bytesOf(corpus);
    }
    await attempt(nextInput());
    if (performance.now() - saidAtMs < progressEveryMs) continue;
    saidAtMs = performance.now();
    options.onProgress?.(summed());
    // Promises settle without the event loop; whoever reports needs it now and then.
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (heapBefore !== undefined) {
    figures.heapGrowth = heapAfterCollection() - bytesOf(corpus) - heapBefore;
    if (figures.heapGrowth > heapGrowthMax) {
      const what = `memory grows: ${figures.heapGrowth} bytes in ${figures.inputs} inputs`;
      figures.findings.push({ what, input: [], stack: "" });
    }
  }
  return summed();

  function nextInput(): Input {
    // What was found last leads further more often than what was there from the start.
    const choice = dice.fraction();
    const parent = dice.pick(
      choice < 0.2 ? corpus.slice(-40) : choice < 0.5 ? target.seeds : corpus,
    );
    if (target.mutate !== undefined && dice.chance(0.4)) {
      return target.mutate(parent, corpus, dice);
    }
    return mutate(parent, corpus, dice, mutateOptions);
  }

  async function attempt(input: Input): Promise<void> {
    options.onInput?.(input);
    let outcome: Outcome;
    let slowestUs: number;
    try {
      [outcome, slowestUs] = await timed(target, input);
    } catch (error) {
      figures.inputs++;
      return found(input, error);
    }
    figures.inputs += Math.max(1, outcome.steps ?? input.length);
    if (slowestUs > stepMsMax * 1_000 && options.measuresTime !== false) {
      const best = await fastestUs(target, input, slowestUs);
      if (best > stepMsMax * 1_000) return foundSlow(input, best);
      figures.paused++;
      slowestUs = best;
    }
    figures.slowestUs = Math.max(figures.slowestUs, slowestUs);
    count(outcome);
    if (features.add(outcome)) keep(input);
  }

  function count(outcome: Outcome): void {
    if (outcome.kind === "accepted") {
      figures.accepted++;
      return;
    }
    const { fault, reason } = outcome;
    figures.refused[fault] = (figures.refused[fault] ?? 0) + 1;
    const name = classOf(reason);
    figures.reasons[name] = (figures.reasons[name] ?? 0) + 1;
  }

  function keep(input: Input): void {
    figures.kept++;
    // Inputs may be views of larger buffers.
    const own = input.map((piece) => piece.slice());
    if (corpus.length < corpusMax + target.seeds.length) corpus.push(own);
    else corpus[dice.between(target.seeds.length, corpus.length - 1)] = own;
  }

  async function found(input: Input, error: unknown): Promise<void> {
    const name = nameOf(error);
    if (figures.findings.some(({ what }) => classOf(what) === classOf(name))) return;
    const same = async (smaller: Input): Promise<boolean> => {
      try {
        options.onInput?.(smaller);
        await target.run(smaller);
        return false;
      } catch (other) {
        return classOf(nameOf(other)) === classOf(name);
      }
    };
    const small = await shrink(input, same, options.shrinkTriesMax ?? shrinkTriesMaxUsual);
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    figures.findings.push({ what: name, input: small.map(toHex), stack });
  }

  async function foundSlow(input: Input, us: number): Promise<void> {
    if (figures.findings.some(({ what }) => what.startsWith("slow"))) return;
    const slow = async (smaller: Input): Promise<boolean> => {
      options.onInput?.(smaller);
      return (await fastestUs(target, smaller, Infinity)) > stepMsMax * 1_000;
    };
    const small = await shrink(input, slow, 200);
    const what = `slow: ${(us / 1_000).toFixed(1)} ms, ${stepMsMax} are allowed`;
    figures.findings.push({ what, input: small.map(toHex), stack: "" });
  }

  function summed(): Figures {
    figures.features = features.size;
    figures.seconds = (performance.now() - startMs) / 1_000;
    return figures;
  }
}

async function timed(target: Target, input: Input): Promise<[Outcome, slowestUs: number]> {
  const startUs = stepClockUs();
  const running = target.run(input);
  const outcome = running instanceof Promise ? await running : running;
  return [outcome, outcome.slowestUs ?? stepClockUs() - startUs];
}

/** Of `before` and further runs; a run that throws counts as fast. */
async function fastestUs(target: Target, input: Input, before: number): Promise<number> {
  let best = before;
  for (let again = 0; again < measuredAgain && best > stepMsMax * 1_000; again++) {
    try {
      const [, us] = await timed(target, input);
      best = Math.min(best, us);
    } catch {
      return 0;
    }
  }
  return best;
}

const nameOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);

const bytesOf = (corpus: readonly Input[]): number =>
  corpus.reduce((sum, input) => input.reduce((more, { length }) => more + length + 100, sum), 0);

let collect: (() => void) | undefined;

function heapAfterCollection(): number {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  collect();
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

/** Of a target that has not begun. */
export const noFigures = (target: string, seed: number): Figures => ({
  target,
  seed,
  inputs: 0,
  accepted: 0,
  refused: {},
  reasons: {},
  features: 0,
  kept: 0,
  slowestUs: 0,
  paused: 0,
  heapGrowth: undefined,
  seconds: 0,
  findings: [],
});
