/**
 * One target in a thread of its own, so that somebody is left who can tell that it hangs: before each
 * input is run its bytes stand in memory that both threads see.
 */
import { parentPort, workerData } from "node:worker_threads";
import { fuzz } from "./fuzz.ts";
import { tellDone, tellInput } from "./shared-input.ts";
import type { Input, TargetEntry } from "./target.ts";
import { targets } from "./targets.ts";

export interface Work {
  readonly target: string;
  readonly inputs: number;
  readonly seed: number;
  readonly shared: SharedArrayBuffer;
  /** Only this one is run, to see whether it hangs. */
  readonly only?: Input;
}

const { target: name, inputs, seed, shared, only } = workerData as Work;
const entry = targets.find((each: TargetEntry) => each.name === name);
if (entry === undefined) throw new Error(`no target ${name}`);
const target = await entry.open();

if (only !== undefined) {
  tellInput(shared, only);
  try {
    await target.run(only);
  } catch {
    // It ends: that is all that is asked.
  }
} else {
  const figures = await fuzz(target, {
    inputs,
    seed,
    measuresHeap: true,
    onInput: (input) => tellInput(shared, input),
    onProgress: (sofar) => parentPort?.postMessage(sofar),
  });
  parentPort?.postMessage(figures);
}
tellDone(shared);
