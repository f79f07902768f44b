/**
 * Planted bugs. Each breaks one promise in the way a plausible mistake would; the simulator must
 * catch every one, or it proves nothing. They live here and nowhere else.
 */
import type { Suite } from "@skein/shared/crypto/suite.ts";
import { type Kv, KvFailure } from "@skein/shared/device/kv.ts";
import { project, projectedStores } from "@skein/shared/device/projection.ts";
import type { RegisterDesk } from "@skein/shared/device/register-desk.ts";
import { stores } from "@skein/shared/device/stores.ts";
import type { Appended, VerifiedRun } from "@skein/shared/log/store.ts";
import type { Retry } from "@skein/shared/sync/retry.ts";
import type { RelayStore } from "../../server/src/store/store.ts";
import type { Tab } from "../support/party.ts";
import { type Options, optionsOf } from "./options.ts";
import type { Prng } from "./prng.ts";
import { type Outcome, run } from "./run.ts";

export interface Mutant {
  readonly name: string;
  /** What is then untrue. */
  readonly breaks: string;
  readonly relayStore?: (store: RelayStore) => RelayStore;
  readonly relaySuite?: (suite: Suite) => Suite;
  readonly kv?: (kv: Kv, dice: Prng) => Kv;
  readonly tab?: (tab: Tab, kv: Kv) => void;
  readonly desk?: (desk: RegisterDesk) => void;
  readonly retry?: (retry: Retry) => void;
}

export const mutants: readonly Mutant[] = [
  {
    name: "acknowledge before commit",
    breaks: "a relay says `stored` of what is on its disk",
    relayStore: (store) => ({
      ...store,
      append: async (space, runs) => {
        store.append(space, runs).catch(() => {});
        return runs.map(asHeld);
      },
    }),
  },
  {
    name: "acknowledge what was dropped",
    breaks: "a store keeps all runs of a batch",
    relayStore: (store) => ({
      ...store,
      append: async (space, runs) => {
        const kept = await store.append(space, runs.slice(0, 1));
        return [...kept, ...runs.slice(1).map(asHeld)];
      },
    }),
  },
  {
    name: "relaxed own commits",
    breaks: "an own entry is on the disk for good before it is shown as waiting",
    kv: (kv) => relaxed(kv, (names) => names.includes(stores.writers)),
  },
  {
    name: "relaxed foreign commits",
    breaks: "a device confirms what would survive a power cut",
    kv: (kv) =>
      relaxed(kv, (names) => names.includes(stores.segments) && !names.includes(stores.writers)),
  },
  {
    name: "commit taken for a failure",
    breaks: "what was written once stands in the log once",
    kv: (kv, dice) => ({
      ...kv,
      write: async (names, durability, body) => {
        const value = await kv.write(names, durability, body);
        if (names.includes(stores.writers) && dice.chance(0.05)) {
          throw new KvFailure("failed", "said too soon");
        }
        return value;
      },
    }),
  },
  {
    name: "failure taken for a commit",
    breaks: "read models hold what views were told of",
    tab: ({ store }) => {
      const apply = store.apply.bind(store);
      store.apply = async (...step) => {
        try {
          return await apply(...step);
        } catch (error) {
          if (error instanceof KvFailure) return "applied";
          throw error;
        }
      };
    },
  },
  {
    name: "no dependencies",
    breaks: "an entry names what its author had seen",
    tab: ({ store }) => {
      const writerBase = store.writerBase.bind(store);
      store.writerBase = async (space, replica) => {
        const base = await writerBase(space, replica);
        return { ...base, applied: { ...base.applied, frontier: [] } };
      };
    },
  },
  {
    name: "no fence",
    breaks: "a leader that was robbed of the lead changes nothing",
    tab: ({ store }, kv) => {
      store.apply = (space, _epoch, _before, entries, after) =>
        kv.write([stores.applied, ...projectedStores], "relaxed", async (tx) => {
          await project(tx, space, entries);
          tx.put(stores.applied, space, after);
          return "applied" as const;
        });
    },
  },
  {
    name: "one session nonce for all tabs",
    breaks: "a key and nonce never meet two plains",
    tab: (tab) => {
      tab.writer.nonce.set(new TextEncoder().encode(tab.replicaId).subarray(0, 16));
    },
  },
  {
    name: "registers not read back",
    breaks: "a device that starts again goes on where its registers stood",
    tab: ({ store }) => {
      store.registers = async () => [];
    },
  },
  {
    name: "clock ahead of the disk",
    breaks: "a delivery clock names what is applied",
    desk: (desk) => {
      const clockMoved = desk.clockMoved.bind(desk);
      desk.clockMoved = (vector) =>
        clockMoved(new Map([...vector].map(([replica, seq]) => [replica, seq + 1] as const)));
    },
  },
  {
    name: "no backoff",
    breaks: "who cannot reach a relay waits before trying again",
    retry: (retry) => {
      const ended = retry.ended.bind(retry);
      retry.ended = (end) => {
        ended(end);
        retry.reset();
      };
    },
  },
  {
    name: "relay that verifies nothing",
    breaks: "a relay keeps and forwards what its author signed",
    relaySuite: (suite) => ({ ...suite, verify: () => Promise.resolve(true) }),
  },
];

/** The first seed from `first` on that notices, among at most `countMax`. */
export async function hunt(
  mutant: Mutant,
  first: number,
  countMax: number,
  optionsFor: (seed: number) => Options = optionsOf,
): Promise<{ readonly seeds: number; readonly outcome: Outcome } | undefined> {
  for (let seeds = 1; seeds <= countMax; seeds++) {
    const outcome = await run(optionsFor(first + seeds - 1), mutant);
    if (outcome.violations.length > 0) return { seeds, outcome };
  }
  return undefined;
}

const asHeld = (run: VerifiedRun): Appended => ({
  kind: "held",
  news: true,
  head: {
    replica: run.replica,
    publicKey: run.publicKey,
    from: 1,
    to: run.first + run.entries.length - 1,
    hash: run.hashes[run.hashes.length - 1] ?? run.previous,
  },
});

const relaxed = (kv: Kv, isMeant: (names: readonly string[]) => boolean): Kv => ({
  ...kv,
  write: (names, durability, body) =>
    kv.write(names, isMeant(names) ? "relaxed" : durability, body),
});
