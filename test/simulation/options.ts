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
  /** By each device. */
  readonly writesPerSecond: number;
  /** Most bytes of what is written; real time goes into ciphers, so few seeds write much. */
  readonly textBytesMax: number;
  readonly readsPerSecond: number;
  readonly whispersPerSecond: number;
  /** How long nobody does anything in the end, and nothing may happen. */
  readonly quietSeconds: number;
  /** Strikes per simulated second; 0 leaves the fault out. */
  readonly faults: Readonly<Record<FaultKind, number>>;
}

const strikesPerSecond = {
  cut: 0.4,
  "half-open": 0.15,
  partition: 0.15,
  "relay crash": 0.2,
  "relay store restored": 0.1,
  "relay disk failure": 0.25,
  duplicate: 0.5,
  "tab killed": 0.4,
  "tab closed": 0.3,
  "tab frozen": 0.3,
  "power cut": 0.2,
  quota: 0.3,
  "clock jump": 0.3,
  hostile: 0.6,
} as const;

export type FaultKind = keyof typeof strikesPerSecond;
export const faultKinds = Object.keys(strikesPerSecond) as FaultKind[];

export function optionsOf(seed: number): Options {
  const dice = new Prng(seed ^ 0x5eed);
  const relays = dice.chance(0.3) ? 2 : 1;
  const faults = {} as Record<FaultKind, number>;
  for (const kind of faultKinds) faults[kind] = dice.chance(0.5) ? strikesPerSecond[kind] : 0;
  const bulky = dice.chance(0.03);
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
    writesPerSecond: bulky ? 8 : dice.pick([0.5, 1, 3]),
    textBytesMax: bulky ? 16_000 : 16,
    readsPerSecond: dice.pick([0, 0.3, 1]),
    whispersPerSecond: dice.pick([0, 0, 1]),
    quietSeconds: dice.chance(0.2) ? 130 : 0,
    faults,
  };
}
