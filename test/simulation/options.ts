/**
 * What a seed means: sizes, delays and how often each fault strikes. Each seed leaves some faults
 * out altogether, so that rare combinations get their turn (swarm testing; Groce et al., ISSTA 2012).
 */
import { Prng } from "./prng.ts";

export interface Options {
  readonly seed: number;
  readonly devices: number;
  readonly tabsMax: number;
  readonly relays: number;
  /** All relays stand on one store and one bus; otherwise each has its own, and devices join them. */
  readonly sharedStore: boolean;
  /** How long a bus takes at most. */
  readonly busMsMax: number;
  /** It may lose what it is told, and a relay may die between a commit and its publication. */
  readonly busForgets: boolean;
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
  /** Bits turn over also in own entries that nobody else has, which nothing can bring back. */
  readonly lonelyDamage: boolean;
  /** A restored device writes before it has heard of its own later entries: its log forks. */
  readonly forks: boolean;
  /** Devices make, confirm and take in snapshots, one of them comes late, and relays let go of entries. */
  readonly snapshots: boolean;
  /** Some tabs run an older app, which knows nothing of notes; in the end all are of the newer one. */
  readonly twoVersions: boolean;
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
  "flipped bits": 0.4,
  "profile restored": 0.2,
  "profile cloned": 0.2,
  "bus loss": 0.3,
  "bus outage": 0.3,
  equivocation: 0.8,
} as const;

export type FaultKind = keyof typeof strikesPerSecond;
export const faultKinds = Object.keys(strikesPerSecond) as FaultKind[];
/** Rolled with dice of their own, so that a seed that was pinned before them keeps its others. */
const newerKinds: ReadonlySet<FaultKind> = new Set(["flipped bits", "profile restored"]);
/** Only where logs may fork. */
const forkingKinds: ReadonlySet<FaultKind> = new Set(["profile cloned"]);
/** Only where a bus forgets. */
const busKinds: ReadonlySet<FaultKind> = new Set(["bus loss", "bus outage"]);
/** Only where a member equivocates. */
const memberKinds: ReadonlySet<FaultKind> = new Set(["equivocation"]);
const laterKinds: ReadonlySet<FaultKind> = new Set([
  ...newerKinds,
  ...forkingKinds,
  ...busKinds,
  ...memberKinds,
]);

/** What kinds of seeds there are in a run. */
export interface Mix {
  /** In how many documents are real ones. */
  readonly documents: number;
  /** How many are long: many small worlds find more than few large ones in the same time. */
  readonly long: number;
  /** How much time a short one takes, in which faults strike as often as in all of it. */
  readonly pace: number;
  /** In how many of the long ones so much is written that windows fill up. */
  readonly bulky: number;
  /** In how many of those with several relays they share a store and a bus. */
  readonly sharedStores: number;
  /** In how many of those the bus forgets; 1: in all seeds, which have a shared store then. */
  readonly busForgets: number;
  /** In how many a device may lose own entries that nobody else has. */
  readonly lonelyDamage: number;
  /** In how many a restored device may fork its log. */
  readonly forks: number;
  /** In how many there are snapshots: one costs as much as thirty others. */
  readonly snapshots: number;
  /** In how many a member signs other entries for one seq on purpose. */
  readonly equivocators: number;
  /** In how many tabs run two versions of the app. */
  readonly twoVersions: number;
  /** Of the newer faults those that no seed has. */
  readonly without: readonly FaultKind[];
  /** Faults that all seeds have, and often. */
  readonly often: readonly FaultKind[];
}

export const usualMix: Mix = {
  documents: 0.05,
  long: 0.015,
  pace: 0.6,
  bulky: 0.1,
  sharedStores: 0.5,
  busForgets: 0.7,
  lonelyDamage: 0.02,
  forks: 0.02,
  snapshots: 0.008,
  equivocators: 0.02,
  twoVersions: 0.02,
  without: [],
  often: [],
};
/** The seeds as they were when all worlds were longer. */
export const longerMix: Mix = { ...usualMix, pace: 1, bulky: 0.2, snapshots: 0.02 };
/** The seeds as they were before bits turned over, profiles were restored and relays shared a store. */
export const earlyMix: Mix = {
  ...longerMix,
  sharedStores: 0,
  busForgets: 0,
  lonelyDamage: 0,
  forks: 0,
  snapshots: 0,
  equivocators: 0,
  twoVersions: 0,
  without: [...newerKinds],
};
/** In little time faults strike as often as in much, so that they meet. */
const haste = 4;

export function optionsOf(seed: number, mix: Mix = usualMix): Options {
  const dice = new Prng(seed ^ 0x5eed);
  const isLong = dice.chance(mix.long);
  const hasDocuments = dice.chance(mix.documents);
  const times = isLong ? 1 : haste / mix.pace;
  const older = withNewer(
    isLong ? longOptions(seed, dice, mix.bulky) : shortOptions(seed, dice, mix.pace),
    new Prng(seed ^ 0x1a7e),
    times,
    hasDocuments ? { ...mix, lonelyDamage: 0, snapshots: 0 } : mix,
  );
  const hasBus = older.sharedStore || mix.busForgets === 1;
  const options = hasBus ? withBus(older, new Prng(seed ^ 0xb05), times, mix) : older;
  if (!hasDocuments) return withOthers(options, new Prng(seed ^ 0xe15), times, mix);
  // Engines have more to disagree about the more is edited at once.
  const writesPerSecond = Math.max(3, options.writesPerSecond);
  const diskMsMax = dice.pick([5, 60]);
  return { ...options, documents: true, textBytesMax: 16, writesPerSecond, diskMsMax };
}

/** What strikes since later, by dice of its own. */
function withNewer(options: Options, dice: Prng, times: number, mix: Mix): Options {
  const faults = { ...options.faults };
  for (const kind of newerKinds) {
    const isOften = mix.often.includes(kind);
    const strikes = (dice.chance(0.5) || isOften) && !mix.without.includes(kind);
    faults[kind] = strikes ? times * strikesPerSecond[kind] * (isOften ? 3 : 1) : 0;
  }
  for (const kind of mix.often) {
    if (!newerKinds.has(kind)) faults[kind] = 3 * times * strikesPerSecond[kind];
  }
  const sharedStore = dice.chance(mix.sharedStores) && options.relays > 1;
  const busMsMax = dice.pick([2, 40, 400]);
  const newer: Options = { ...options, sharedStore, busMsMax, faults };
  if (dice.chance(mix.lonelyDamage)) return lonely(newer, times);
  if (dice.chance(mix.forks)) {
    const forked = forking(newer, times);
    return options.seed % 8 === 0 && mix.snapshots > 0 ? forkingWithSnapshots(forked) : forked;
  }
  return dice.chance(mix.snapshots) ? snapshotting(newer) : newer;
}

/** A bus that forgets, sometimes between three relays. */
function withBus(options: Options, dice: Prng, times: number, mix: Mix): Options {
  if (!dice.chance(mix.busForgets)) return options;
  const faults = { ...options.faults };
  for (const kind of busKinds) {
    if (dice.chance(0.7)) faults[kind] = times * strikesPerSecond[kind];
  }
  const relays = dice.chance(0.3) ? 3 : Math.max(2, options.relays);
  // So long that rooms look at their store unasked.
  const quietSeconds = dice.chance(0.03) ? 310 : options.quietSeconds;
  return { ...options, sharedStore: true, busForgets: true, relays, faults, quietSeconds };
}

/** Two versions of the app, or a member who equivocates; each beside nothing else that is rare. */
function withOthers(options: Options, dice: Prng, times: number, mix: Mix): Options {
  const { snapshots, forks, lonelyDamage, faults } = options;
  if (snapshots || forks || lonelyDamage) return options;
  if (dice.chance(mix.twoVersions)) {
    return { ...options, twoVersions: true, tabsMax: Math.max(2, options.tabsMax) };
  }
  if (!dice.chance(mix.equivocators)) return options;
  return {
    ...options,
    faultySeconds: Math.max(2, options.faultySeconds),
    faults: {
      ...faults,
      equivocation: times * strikesPerSecond.equivocation,
      // Whether anybody has what is struck is told by seqs, and its logs have several entries at one.
      "flipped bits": 0,
      "profile restored": 0,
    },
  };
}

/** With enough to write that a snapshot is made of it, and somebody who comes when one is. */
const snapshotting = (options: Options): Options => ({
  ...options,
  snapshots: true,
  devices: Math.max(3, options.devices),
  faultySeconds: Math.max(4, options.faultySeconds),
  activeSeconds: Math.max(2, options.activeSeconds),
  writesPerSecond: Math.max(3, options.writesPerSecond),
  textBytesMax: 16,
  faults: { ...options.faults, "profile restored": 0 },
});

/** The one loss stands alone: no second one takes what is left of the log. */
const lonely = (options: Options, times: number): Options => ({
  ...options,
  lonelyDamage: true,
  faults: {
    ...options.faults,
    "flipped bits": times * strikesPerSecond["flipped bits"],
    "relay store restored": 0,
    "profile restored": 0,
  },
});

/** With so much to write that it is written before anything is heard. */
const forking = (options: Options, times: number): Options => ({
  ...options,
  forks: true,
  latencyMsMax: Math.max(40, options.latencyMsMax),
  faultySeconds: Math.max(2, options.faultySeconds),
  writesPerSecond: Math.max(3, options.writesPerSecond),
  faults: {
    ...options.faults,
    "profile restored": 2 * times * strikesPerSecond["profile restored"],
    "profile cloned": options.seed % 2 === 0 ? times * strikesPerSecond["profile cloned"] : 0,
    "flipped bits": 0,
  },
});

/**
 * At one relay that keeps what it has: one that begins a log by an order from before the fork, with nothing
 * of it at hand, cannot tell which branch that was until the next order.
 */
const forkingWithSnapshots = (options: Options): Options => ({
  ...snapshotting(options),
  relays: 1,
  linksPerDevice: 1,
  sharedStore: false,
  quietSeconds: 0,
  faults: { ...options.faults, "relay store restored": 0 },
});

/** A few messages of two or three devices, in a second or two that are full of faults. */
function shortOptions(seed: number, dice: Prng, pace: number): Options {
  const relays = dice.chance(0.15) ? 2 : 1;
  const tabsMax = dice.pick([1, 2]);
  return {
    seed,
    devices: dice.chance(0.1) ? 3 : 2,
    tabsMax,
    relays,
    ...notNewer,
    linksPerDevice: dice.chance(0.5) ? relays : 1,
    latencyMsMax: dice.pick([2, 40, 400]),
    diskMsMax: dice.pick([0, 0, 5, 60]),
    cipherMsMax: dice.pick([0, 0, 0, 30]),
    faultySeconds: pace * dice.pick([0.5, 1, 1.2]),
    activeSeconds: pace * 0.5,
    writesPerSecond: dice.pick([0.5, 1, 1.5]),
    burst: dice.pick([1, 1, 1, 2]),
    textBytesMax: 16,
    readsPerSecond: dice.pick([0, 0.5, 1]),
    whispersPerSecond: dice.pick([0, 0, 2]),
    documents: false,
    quietSeconds: dice.chance(0.02) ? 130 : 0,
    faults: someFaults(dice, haste / pace),
  };
}

function longOptions(seed: number, dice: Prng, bulkyShare: number): Options {
  const relays = dice.chance(0.4) ? 2 : 1;
  const faults = someFaults(dice, 1);
  const bulky = dice.chance(bulkyShare);
  const tabsMax = dice.between(1, 3);
  // A frozen leader is robbed after some seconds and wakes up later still.
  const patient = tabsMax > 1 && faults["tab frozen"] > 0;
  return {
    seed,
    devices: dice.pick([2, 2, 3, 3, 4]),
    tabsMax,
    relays,
    ...notNewer,
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

/** What `withNewer` decides. */
const notNewer = {
  sharedStore: false,
  busMsMax: 0,
  busForgets: false,
  lonelyDamage: false,
  forks: false,
  snapshots: false,
  twoVersions: false,
} as const;

function someFaults(dice: Prng, times: number): Record<FaultKind, number> {
  const faults = {} as Record<FaultKind, number>;
  for (const kind of faultKinds) {
    faults[kind] = !laterKinds.has(kind) && dice.chance(0.5) ? times * strikesPerSecond[kind] : 0;
  }
  return faults;
}
