/**
 * Makes a failing seed smaller (delta debugging; Zeller and Hildebrandt, 2002): faults are left out one
 * by one, devices, tabs, relays, phases and delays reduced, as long as the same promise still breaks.
 * Other options roll other dice, so each smaller world is tried under a few seeds.
 */
import type { Mutant } from "./mutants.ts";
import { faultKinds, type Options } from "./options.ts";
import { type Outcome, run } from "./run.ts";

/** Each with the same options, before they count as harmless. */
const seedsPerTry = 12;
/** In all worlds that are tried: a shrunk seed is for people, and may take a minute and not an hour. */
const eventsMax = 2_000_000;

export interface Shrunk {
  readonly outcome: Outcome;
  /** Worlds that were run to find it. */
  readonly runs: number;
}

export async function shrink(failed: Outcome, mutant?: Mutant): Promise<Shrunk> {
  const promise = promiseOf(failed);
  let smallest = failed;
  let runs = 0;
  let events = 0;
  const stillBroken = async (options: Options): Promise<Outcome | undefined> => {
    for (let other = 0; other < seedsPerTry && events < eventsMax; other++) {
      runs++;
      const seed = other === 0 ? options.seed : other;
      const outcome = await run({ ...options, seed }, mutant);
      events += outcome.events;
      if (promiseOf(outcome) === promise) return outcome;
    }
    return undefined;
  };
  for (let progress = true; progress;) {
    progress = false;
    for (const reduce of reductions) {
      const smaller = reduce(smallest.options);
      if (smaller === undefined) continue;
      const outcome = await stillBroken(smaller);
      if (outcome === undefined) continue;
      smallest = outcome;
      progress = true;
    }
  }
  return { outcome: smallest, runs };
}

/** Which promise the first violation is about: its words without names and numbers. */
export function promiseOf({ violations }: Pick<Outcome, "violations">): string | undefined {
  const [line] = violations[0]?.split("\n", 1) ?? [];
  const isUnrest = line?.startsWith("no convergence") === true;
  return isUnrest ? "no convergence" : line?.replaceAll(/\b[0-9a-f]{4}\b|\d+/g, "#");
}

type Reduction = (options: Options) => Options | undefined;

const reductions: readonly Reduction[] = [
  ...faultKinds.map(
    (kind): Reduction =>
      (options) =>
        options.faults[kind] === 0
          ? undefined
          : { ...options, faults: { ...options.faults, [kind]: 0 } },
  ),
  to("quietSeconds", () => 0),
  to("documents", () => false),
  to("whispersPerSecond", () => 0),
  to("readsPerSecond", () => 0),
  to("textBytesMax", () => 16),
  to("relays", () => 1),
  to("busForgets", () => false),
  to("sharedStore", () => false),
  to("busMsMax", () => 0),
  to("lonelyDamage", () => false),
  to("forks", () => false),
  to("twoVersions", () => false),
  to("linksPerDevice", () => 1),
  to("devices", (devices) => Math.max(2, devices - 1)),
  to("tabsMax", (tabs) => Math.max(1, tabs - 1)),
  to("cipherMsMax", () => 0),
  to("diskMsMax", () => 0),
  to("latencyMsMax", () => 2),
  to("activeSeconds", (seconds) => (seconds < 0.2 ? 0 : seconds / 2)),
  to("faultySeconds", (seconds) => (seconds < 0.3 ? seconds : seconds / 2)),
  to("burst", () => 1),
  to("writesPerSecond", (writes) => (writes < 0.5 ? writes : writes / 2)),
];

/** Undefined where it would change nothing. */
function to<Name extends keyof Options>(
  name: Name,
  reduced: (value: Options[Name]) => Options[Name],
): Reduction {
  return (options) => {
    const value = reduced(options[name]);
    return value === options[name] ? undefined : { ...options, [name]: value };
  };
}
