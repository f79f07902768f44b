/**
 * Planted bugs. Each breaks one promise in the way a plausible mistake would; the simulator must
 * catch every one, or it proves nothing. They live here and nowhere else.
 */
import type { Suite } from "@skein/shared/crypto/suite.ts";
import { Delivery } from "@skein/shared/device/delivery.ts";
import { RegisterDesk } from "@skein/shared/device/register-desk.ts";
import { labels } from "@skein/shared/log/chain.ts";
import { LogDigest } from "@skein/shared/log/digest.ts";
import { registerLabels } from "@skein/shared/log/register.ts";
import type { NotePeer } from "@skein/client/runtime/note-peers.ts";
import type { Frame } from "@skein/shared/protocol/messages.ts";
import { Forks } from "@skein/shared/sync/forks.ts";
import { Exchange } from "@skein/shared/sync/exchange.ts";
import { Session } from "@skein/shared/sync/session.ts";
import { Mending } from "@skein/shared/sync/mending.ts";
import { Connection } from "@skein/shared/sync/connection.ts";
import { accessLabels } from "@skein/shared/protocol/access.ts";
import { Replica } from "@skein/shared/replica.ts";
import { type Kv, KvFailure, type Reading } from "@skein/shared/device/kv.ts";
import { joined, newSegment, type Segment } from "@skein/shared/device/log-segments.ts";
import { project, projectedStores } from "@skein/shared/device/projection.ts";
import { stores } from "@skein/shared/device/stores.ts";
import type { Appended, VerifiedRun } from "@skein/shared/log/store.ts";
import type { Retry } from "@skein/shared/sync/retry.ts";
import type { Bus } from "../../server/src/bus/bus.ts";
import { CatchingUp } from "../../server/src/catching-up.ts";
import type { RelayStore } from "../../server/src/store/store.ts";
import type { Tab } from "../support/party.ts";
import { toySuite } from "../support/toy-suite.ts";
import { type Mix, optionsOf, usualMix } from "./options.ts";
import type { Prng } from "./prng.ts";
import { type Outcome, run } from "./run.ts";
import type { SimDocuments } from "./sim-documents.ts";

export interface Mutant {
  readonly name: string;
  /** What is then untrue. */
  readonly breaks: string;
  /** Where a mistake can show only in some kind of seeds. */
  readonly mix?: Partial<Mix>;
  readonly relayStore?: (store: RelayStore) => RelayStore;
  readonly relaySuite?: (suite: Suite) => Suite;
  readonly relayBus?: (bus: Bus) => Bus;
  readonly kv?: (kv: Kv, dice: Prng) => Kv;
  readonly tab?: (tab: Tab, kv: Kv) => void;
  readonly desk?: (desk: RegisterDesk) => void;
  readonly documents?: (documents: SimDocuments) => void;
  /** In code that no port leads to; returns its own undoing. */
  readonly plant?: () => () => void;
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
    mix: { long: 1, often: ["tab frozen"] },
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
    name: "proofs of access not verified",
    breaks: "who has no key is not let in",
    relaySuite: (suite) => believing(suite, accessLabels.access),
  },
  {
    name: "entries not verified",
    breaks: "a relay keeps and forwards the entries that their author signed",
    relaySuite: (suite) => believing(suite, labels.head),
  },
  {
    name: "registers not verified",
    breaks: "a relay keeps and forwards the registers that their author signed",
    mix: { long: 0.7, often: ["hostile"] },
    relaySuite: (suite) => believing(suite, registerLabels.signature),
  },
  {
    name: "confirm before commit",
    breaks: "a device says `stored` of what is on its disk",
    tab: ({ store }) => {
      const append = store.append.bind(store);
      store.append = async (space, runs) => {
        append(space, runs).catch(() => {});
        return runs.map(asHeld);
      };
    },
  },
  {
    name: "applied vector without its rows",
    breaks: "read models and the applied vector change together",
    tab: ({ store }, kv) => {
      store.apply = async (space, _epoch, _before, entries, after) => {
        await kv.write([stores.applied], "relaxed", async (tx) => {
          tx.put(stores.applied, space, after);
        });
        await kv.write(projectedStores, "relaxed", async (tx) => project(tx, space, entries));
        return "applied";
      };
    },
  },
  {
    name: "only the first dependency named",
    breaks: "an entry names all that its author had seen",
    mix: { long: 1 },
    tab: ({ store }) => {
      const writerBase = store.writerBase.bind(store);
      store.writerBase = async (space, replica) => {
        const base = await writerBase(space, replica);
        const others = base.applied.frontier.filter((each) => each.replica !== replica);
        return { ...base, applied: { ...base.applied, frontier: others.slice(0, 1) } };
      };
    },
  },
  {
    name: "time of the own log alone",
    breaks: "an entry comes later than all that its author had seen",
    tab: ({ store }) => {
      const writerBase = store.writerBase.bind(store);
      store.writerBase = async (space, replica) => {
        const base = await writerBase(space, replica);
        return { ...base, applied: { ...base.applied, lamport: 0 } };
      };
    },
  },
  {
    name: "own append never tried again",
    breaks: "what the disk refused is committed when it can be",
    tab: ({ writer }) => {
      writer.retry = () => {};
    },
  },
  {
    name: "wakeup lost after a failed commit",
    breaks: "what the disk refused is applied when it can be",
    plant: () => replaced(Replica.prototype, "wakeAtMs", () => () => Number.POSITIVE_INFINITY),
  },
  {
    name: "mark beyond what was read",
    breaks: "a read mark names what was read",
    desk: (desk) => {
      const markRead = desk.markRead.bind(desk);
      desk.markRead = (topic, vector) =>
        markRead(topic, new Map([...vector].map(([replica, seq]) => [replica, seq + 1] as const)));
    },
  },
  {
    name: "own registers begin at nothing",
    breaks: "a register goes on above its last number and value",
    plant: () => replaced(RegisterDesk.prototype, "readBack", () => async () => {}),
  },
  {
    name: "reading begins an entry late",
    breaks: "a store gives what it was asked for, from its first entry on",
    relayStore: (store) => ({
      ...store,
      read: async (space, replica, first, bytesMax) =>
        (await store.read(space, replica, first + 1, bytesMax)) ??
        store.read(space, replica, first, bytesMax),
    }),
  },
  {
    name: "digest that leaves logs out",
    breaks: "equal digests mean equal logs",
    plant: () => replaced(LogDigest.prototype, "value", () => () => new Uint8Array(16)),
  },
  {
    name: "nobody compares",
    breaks: "two parties that meet find out what the other lacks",
    plant: () => unsent((frame) => frame.type === "digest"),
  },
  {
    name: "peer id used again",
    breaks: "what was written under a peer id is never written over",
    mix: { documents: 1 },
    documents: ({ peers }) => {
      // Goes on where the document ends, not where this tab has written to.
      const next = peers.next.bind(peers);
      let last: NotePeer | undefined;
      let tries = 0;
      peers.giveBack = (_document, peer, clock) => {
        last = { ...peer, clock };
        tries = 0;
      };
      peers.writtenTo = () => 0;
      peers.next = (document) => {
        if (last === undefined || tries > 12 || tries > last.clock) return next(document);
        return { ...last, clock: last.clock - tries++ };
      };
    },
  },
  {
    name: "note not kept up",
    breaks: "what was applied is in the note that is open",
    mix: { documents: 1 },
    documents: (documents) => {
      const pull = documents.pull.bind(documents);
      let pulls = 0;
      documents.pull = () => {
        if (pulls++ < 2) pull();
      };
    },
  },
  {
    name: "check values not verified",
    breaks: "damaged bytes are taken for no entries",
    mix: { often: ["flipped bits"] },
    kv: (kv, dice) => believingSegments(kv, toySuite(dice)),
  },
  {
    name: "damaged entries not asked for",
    breaks: "what is damaged here is taken from whoever has it",
    mix: { often: ["flipped bits"] },
    plant: () => replaced(Mending.prototype, "ask", () => () => {}),
  },
  {
    name: "mended in memory only",
    breaks: "what came for damaged entries stands in their place",
    mix: { often: ["flipped bits"] },
    tab: ({ store }) => {
      store.repair = async () => "repaired";
    },
  },
  {
    name: "second copies not looked for",
    breaks: "what is damaged before anybody else has it comes back from its second copy",
    mix: { lonelyDamage: 1 },
    tab: ({ store }) => {
      store.readSpares = async () => undefined;
    },
  },
  {
    name: "lost entries not told",
    breaks: "a device knows which own entries are lost",
    mix: { lonelyDamage: 1 },
    plant: () => {
      const holes = Object.getOwnPropertyDescriptor(Exchange.prototype, "holes");
      if (holes === undefined) throw new Error("an exchange without holes");
      Object.defineProperty(Exchange.prototype, "holes", { ...holes, get: () => new Map() });
      return () => void Object.defineProperty(Exchange.prototype, "holes", holes);
    },
  },
  {
    name: "relay deaf to its bus",
    breaks: "relays of one store hear from each other",
    mix: { sharedStores: 1, busForgets: 0 },
    relayBus: (bus) => ({
      publish: (space, message) => bus.publish(space, message),
      subscribe: () => () => {},
      close: () => bus.close(),
    }),
  },
  {
    name: "losses of the bus not looked for",
    breaks: "what a bus loses is found in the store",
    mix: { busForgets: 1, often: ["bus loss"] },
    plant: () => replaced(CatchingUp.prototype, "look", () => () => {}),
  },
  {
    name: "branch without its proof",
    breaks: "whoever holds a branch holds what shows it to be one",
    mix: { equivocators: 1, twoVersions: 0 },
    relayStore: (store) => ({
      ...store,
      split: (space, { proof: _proof, ...split }) => store.split(space, split),
    }),
    tab: ({ store }) => {
      const takeApart = store.takeApart.bind(store);
      store.takeApart = (space, epoch, before, { proof: _proof, ...split }, ...rest) =>
        takeApart(space, epoch, before, split, ...rest);
    },
  },
  {
    name: "parked operations not replayed",
    breaks: "what an older version could not read a newer one shows",
    mix: { twoVersions: 1 },
    tab: ({ store }) => {
      store.replayParked = async () => "applied";
    },
  },
  {
    name: "own entries not taken back",
    breaks: "a restored device has its own log again before it writes",
    mix: { often: ["profile restored"] },
    tab: ({ store, replicaId }) => {
      const append = store.append.bind(store);
      store.append = async (space, runs) => {
        const others = runs.filter(({ replica }) => replica !== replicaId);
        const kept = await append(space, others);
        return runs.map((run) => kept[others.indexOf(run)] ?? asHeld(run));
      };
    },
  },
  {
    name: "fork not looked for",
    breaks: "whoever holds the branch that leaves takes its log apart",
    mix: { forks: 1, often: ["profile restored"] },
    plant: () => replaced(Forks.prototype, "suspect", () => () => {}),
  },
  {
    name: "branch from its base",
    breaks: "what a branch has in common with its log does nothing there",
    mix: { forks: 1, often: ["profile restored"] },
    plant: () =>
      replaced(
        Delivery.prototype,
        "know",
        (know) =>
          function (this: Delivery, replica) {
            know.call(this, replica);
          },
      ),
  },
  {
    name: "clock of what is still to come",
    breaks: "a device tells what it has once it has all of it",
    mix: { snapshots: 1 },
    tab: ({ store }) => {
      store.isPartial = async () => false;
    },
  },
  {
    name: "late part lost",
    breaks: "what comes of a snapshot is put in its place",
    mix: { snapshots: 1 },
    tab: ({ store }, kv) => {
      store.fill = (space, _epoch, { document, name }) =>
        kv.write([stores.pending], "relaxed", async (tx) => {
          tx.delete(stores.pending, [space, document, name]);
          return "applied" as const;
        });
    },
  },
  {
    name: "snapshot over own words",
    breaks: "what a device wrote beyond a snapshot stays and goes out",
    mix: { snapshots: 1 },
    tab: ({ store, replicaId }) => {
      const install = store.install.bind(store);
      store.install = async (space, epoch, before, installation) => {
        const head = (await store.heads(space)).find(({ replica }) => replica === replicaId);
        if (head !== undefined) await store.begin(space, [{ ...head, seq: head.to }]);
        return install(space, epoch, before, installation);
      };
    },
  },
  {
    name: "pieces never brought",
    breaks: "a snapshot is published when a relay has all of it",
    mix: { snapshots: 1 },
    plant: () =>
      replaced(
        Session.prototype,
        "askForBlob",
        (ask) =>
          function (this: Session, request) {
            return request.type === "keep"
              ? Promise.resolve({ type: "lacking", space: 0, request: 0, blobs: [] } as const)
              : ask.call(this, request);
          },
      ),
  },
  {
    name: "held back for ever",
    breaks: "a newcomer says what it holds",
    mix: { snapshots: 1 },
    plant: () => replaced(Exchange.prototype, "tellHeads", () => () => {}),
  },
];

/** For hunts: long seeds see more, in far more time. */
const huntMix: Mix = { ...usualMix, long: 0.3 };

/** The first seed from `first` on that notices, among at most `countMax`. */
export async function hunt(
  mutant: Mutant,
  first: number,
  countMax: number,
): Promise<{ readonly seeds: number; readonly outcome: Outcome } | undefined> {
  for (let seeds = 1; seeds <= countMax; seeds++) {
    const mix = { ...huntMix, ...mutant.mix };
    const outcome = await run(optionsOf(first + seeds - 1, mix), mutant);
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

const believing = (suite: Suite, believed: string): Suite => ({
  ...suite,
  verify: (key, label, ...rest) =>
    label === believed ? Promise.resolve(true) : suite.verify(key, label, ...rest),
});

/** Changes a method of everybody until the returned undoing. */
function replaced<T, Name extends keyof T>(
  of: T,
  name: Name,
  by: (before: T[Name]) => T[Name],
): () => void {
  const before = of[name];
  of[name] = by(before);
  return () => {
    of[name] = before;
  };
}

/** Some frames are lost before they are sent. */
const unsent = (isMeant: (frame: Frame, by: Connection) => boolean): (() => void) =>
  replaced(
    Connection.prototype,
    "send",
    (send) =>
      function (this: Connection, frame) {
        if (!isMeant(frame, this)) send.call(this, frame);
      },
  );

/** Segments as they would be if whatever stands there had been written so. */
function believingSegments(kv: Kv, suite: Suite): Kv {
  const believed = (store: string, value: unknown): unknown => {
    if (store !== stores.segments || value === undefined) return value;
    const { previous, bytes, ends, last } = value as Segment;
    let begin = 0;
    let segment: Segment | undefined;
    for (const end of ends) {
      const group = bytes.subarray(begin, end);
      segment = segment
        ? joined(suite, segment, group, last)
        : newSegment(suite, previous, group, last);
      begin = end;
    }
    return { ...(value as Segment), check: segment?.check ?? previous };
  };
  const believing = <Tx extends Reading>(tx: Tx): Reading => ({
    get: async (store, key) => believed(store, await tx.get(store, key)),
    range: async (store, range) =>
      (await tx.range(store, range)).map(({ key, value }) => ({
        key,
        value: believed(store, value),
      })),
  });
  return {
    ...kv,
    read: (names, body) => kv.read(names, (tx) => body(believing(tx))),
    write: (names, durability, body) =>
      kv.write(names, durability, (tx) =>
        body({
          ...believing(tx),
          put: (store, key, value) => tx.put(store, key, value),
          delete: (store, key) => tx.delete(store, key),
          deleteRange: (store, from, before) => tx.deleteRange(store, from, before),
        }),
      ),
  };
}

const relaxed = (kv: Kv, isMeant: (names: readonly string[]) => boolean): Kv => ({
  ...kv,
  write: (names, durability, body) =>
    kv.write(names, isMeant(names) ? "relaxed" : durability, body),
});
