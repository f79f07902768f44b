/**
 * What a seed means: sizes, delays and how often each fault strikes. Each seed leaves some faults
 * out altogether, so that rare combinations get their turn (swarm testing; Groce et al., ISSTA 2012).
 */
import { Prng } from "./prng.ts";

export interface Options {
  readonly seed: number;
  readonly devices: number;
  readonly tabsMax: number;
  /** Relays with a store each; what joins them is devices. */
  readonly relays: number;
  /** A device speaks to that many relays at once. */
  readonly linksPerDevice: number;
  readonly latencyMsMax: number;
  readonly diskMsMax: number;
  readonly cipherMsMax: number;
  readonly faultySeconds: number;
  /** How long people go on once everything has healed. */
  readonly activeSeconds: number;
  /** By each device. */
  readonly writesPerSecond: number;
  /** What is written at once, by one person. */
  readonly burst: number;
  /** Most bytes of what is written; real time goes into ciphers, so few seeds write much. */
  readonly textBytesMax: number;
  readonly readsPerSecond: number;
  readonly whispersPerSecond: number;
  /** Note and catalog are real documents of Yjs and Automerge; otherwise updates are opaque. */
  readonly documents: boolean;
  /** How long nobody does anything in the end, and nothing may happen. */
  readonly quietSeconds: number;
  /** Strikes per simulated second; 0 leaves the fault out. */
  readonly faults: Readonly<Record<FaultKind, number>>;
}

/** How often a fault strikes in a long seed. */
const strikesPerSecond = {
  cut: 0.4,
  "half-open": 0.15,
  partition: 0.15,
  clog: 0.3,
  "slow reader": 0.2,
  "relay crash": 0.2,
  "relay store restored": 0.1,
  "relay disk failure": 0.25,
  duplicate: 0.5,
  "tab killed": 0.4,
  "tab closed": 0.3,
  "tab frozen": 0.5,
  "power cut": 0.2,
  quota: 0.3,
  "clock jump": 0.3,
  hostile: 0.8,
} as const;

export type FaultKind = keyof typeof strikesPerSecond;
export const faultKinds = Object.keys(strikesPerSecond) as FaultKind[];

/** What kinds of seeds there are in a run. */
export interface Mix {
  /** In how many documents are real ones. */
  readonly documents: number;
  /** How many are long: many small worlds find more than few large ones in the same time. */
  readonly long: number;
}

export const usualMix: Mix = { documents: 0.05, long: 0.015 };
/** In little time faults strike as often as in much, so that they meet. */
const haste = 4;

export function optionsOf(seed: number, mix: Mix = usualMix): Options {
  const dice = new Prng(seed ^ 0x5eed);
  const isLong = dice.chance(mix.long);
  const hasDocuments = dice.chance(mix.documents);
  const options = isLong ? longOptions(seed, dice) : shortOptions(seed, dice);
  if (!hasDocuments) return options;
  // Engines have more to disagree about the more is edited at once.
  const writesPerSecond = Math.max(3, options.writesPerSecond);
  const diskMsMax = dice.pick([5, 60]);
  return { ...options, documents: true, textBytesMax: 16, writesPerSecond, diskMsMax };
}

/** A few messages of two or three devices, in a second or two that are full of faults. */
function shortOptions(seed: number, dice: Prng): Options {
  const relays = dice.chance(0.15) ? 2 : 1;
  const tabsMax = dice.pick([1, 2]);
  return {
    seed,
    devices: dice.chance(0.1) ? 3 : 2,
    tabsMax,
    relays,
    linksPerDevice: dice.chance(0.5) ? relays : 1,
    latencyMsMax: dice.pick([2, 40, 400]),
    diskMsMax: dice.pick([0, 0, 5, 60]),
    cipherMsMax: dice.pick([0, 0, 0, 30]),
    faultySeconds: dice.pick([0.5, 1, 1.2]),
    activeSeconds: 0.5,
    writesPerSecond: dice.pick([0.5, 1, 1.5]),
    burst: dice.pick([1, 1, 1, 2]),
    textBytesMax: 16,
    readsPerSecond: dice.pick([0, 0.5, 1]),
    whispersPerSecond: dice.pick([0, 0, 2]),
    documents: false,
    quietSeconds: dice.chance(0.02) ? 130 : 0,
    faults: someFaults(dice, haste),
  };
}

function longOptions(seed: number, dice: Prng): Options {
  const relays = dice.chance(0.4) ? 2 : 1;
  const faults = someFaults(dice, 1);
  const bulky = dice.chance(0.2);
  const tabsMax = dice.between(1, 3);
  // A frozen leader is robbed after some seconds and wakes up later still.
  const patient = tabsMax > 1 && faults["tab frozen"] > 0;
  return {
    seed,
    devices: dice.pick([2, 2, 3, 3, 4]),
    tabsMax,
    relays,
    linksPerDevice: dice.chance(0.5) ? relays : 1,
    latencyMsMax: dice.pick([2, 40, 400]),
    diskMsMax: dice.pick([0, 5, 60]),
    cipherMsMax: dice.pick([0, 0, 3, 30]),
    faultySeconds: patient || bulky ? dice.between(6, 10) : dice.between(2, 7),
    activeSeconds: 2,
    writesPerSecond: bulky ? 8 : dice.pick([0.5, 1, 3]),
    burst: bulky ? 1 : dice.pick([1, 1, 3]),
    textBytesMax: bulky ? 16_000 : 16,
    readsPerSecond: dice.pick([0, 0.3, 1]),
    whispersPerSecond: dice.pick([0, 1, 2]),
    documents: false,
    quietSeconds: dice.chance(0.2) ? 130 : 0,
    faults,
  };
}

function someFaults(dice: Prng, times: number): Record<FaultKind, number> {
  const faults = {} as Record<FaultKind, number>;
  for (const kind of faultKinds)
    faults[kind] = dice.chance(0.5) ? times * strikesPerSecond[kind] : 0;
  return faults;
}
