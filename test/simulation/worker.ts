/** One of several threads that share the seeds of a run: every so manyth is its own. */
import { parentPort, workerData } from "node:worker_threads";
import { type Mix, optionsOf } from "./options.ts";
import { type Outcome, run } from "./run.ts";

export interface Share {
  readonly first: number;
  /** Seeds after `first`. */
  readonly end: number;
  readonly step: number;
  readonly mix: Mix;
}

/** One seed's outcome; `repeated` if it ran twice, and then was the same. */
export interface Result {
  readonly outcome: Outcome;
  readonly repeated: boolean;
}

/** Every so manyth seed runs twice and must leave the same trace. */
const repeatEvery = 50;

const { first, end, step, mix } = workerData as Share;
for (let seed = first; seed < end; seed += step) {
  const { outcome, repeated } = await resultOf(seed);
  // Copying hundreds of lines to the other thread takes as long as an event or ten.
  const lines = outcome.violations.length > 0 ? outcome.lines : [];
  parentPort?.postMessage({ outcome: { ...outcome, lines }, repeated });
}

async function resultOf(seed: number): Promise<Result> {
  const outcome = await run(optionsOf(seed, mix));
  const repeated = outcome.violations.length === 0 && seed % repeatEvery === 0;
  if (repeated) {
    const { traceHash } = await run(outcome.options);
    if (traceHash !== outcome.traceHash) {
      const violations = ["the same seed ran differently a second time"];
      return { outcome: { ...outcome, violations }, repeated };
    }
  }
  return { outcome, repeated };
}
