/**
 * The laws behind `crdt.ts` as one suite that every implementation runs through: our lattices, our
 * operation-based types, the Yjs and Automerge documents.
 *
 *  - `stateBasedLaws`: merge commutes, associates, is idempotent, has a bottom; a codec is faithful.
 *  - `opBasedLaws`: concurrent operations commute. Several replicas write a random causal history;
 *    every order of delivery that keeps causality must end in the same value. Where a type travels
 *    both ways, merged states must agree with applied operations.
 *
 * fast-check prints seed and shrunk counterexample when a law breaks.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReplicaId } from "../id/id.ts";
import type { Delivered, OpBased, StateBased } from "./crdt.ts";

export interface StateBasedSubject<State> {
  /** A replica that has seen nothing. */
  create(): StateBased<State, unknown>;
  /**
   * Three states that could meet, so of one history: where a state names operations, equal names
   * mean equal operations.
   */
  readonly states: fc.Arbitrary<readonly [State, State, State]>;
  /** A form in which equal states are deeply equal. By default the state itself. */
  canonical?(state: State): unknown;
  readonly codec?: {
    readonly encode: (state: State) => Uint8Array;
    readonly decode: (bytes: Uint8Array) => State | Error;
  };
  readonly runs?: number;
}

export function stateBasedLaws<State>(name: string, subject: StateBasedSubject<State>): void {
  const { states, codec } = subject;
  const canonical = (state: State) => subject.canonical?.(state) ?? state;
  const numRuns = subject.runs ?? 200;
  const merged = (...parts: readonly State[]): State => {
    const replica = subject.create();
    for (const part of parts) replica.merge(part);
    return replica.state;
  };
  const expectSame = (a: State, b: State) => expect(canonical(a)).toEqual(canonical(b));
  const law = (check: (a: State, b: State, c: State) => void) =>
    fc.assert(
      fc.property(states, ([a, b, c]) => {
        check(a, b, c);
      }),
      { numRuns },
    );

  describe(`${name} is a state-based CRDT`, () => {
    it("merges in either order alike", () => {
      law((a, b) => expectSame(merged(a, b), merged(b, a)));
    });

    it("merges in any grouping alike", () => {
      law((a, b, c) => expectSame(merged(merged(a, b), c), merged(a, merged(b, c))));
    });

    it("is not changed by what it has merged before", () => {
      law((a, b) => {
        expectSame(merged(a, a), merged(a));
        expectSame(merged(a, b, a, b), merged(a, b));
      });
    });

    it("begins at a state that changes nothing when merged", () => {
      law((a) => {
        expectSame(merged(a, subject.create().state), a);
        expectSame(merged(subject.create().state, a), a);
      });
    });

    it("leaves the states it merges as they were", () => {
      law((a, b) => {
        const before = structuredClone([canonical(a), canonical(b)]);
        merged(a, b, a);
        expect([canonical(a), canonical(b)]).toEqual(before);
      });
    });

    it("hands out states that stay as they are", () => {
      law((a, b) => {
        const replica = subject.create();
        replica.merge(a);
        const taken = replica.state;
        replica.merge(b);
        expectSame(taken, merged(a));
      });
    });

    const faithful = codec === undefined ? [] : [codec];
    it.each(faithful)("survives encoding and decoding", ({ encode, decode }) => {
      law((a) => {
        const decoded = decode(encode(a));
        if (decoded instanceof Error) throw decoded;
        expectSame(decoded, a);
      });
    });
  });
}

/** One replica of an operation-based type, as the suite drives it. */
export interface OpBasedReplica<Op, Command> extends OpBased<Op, unknown> {
  /**
   * What `command` means on this replica now, as an operation; undefined if nothing. The suite
   * delivers it here like everywhere else. An engine that edits in place may have its effect
   * already, as long as applying its own operation then changes nothing.
   */
  write(command: Command): Op | undefined;
  /** A form in which equal values, and nothing else, are deeply equal. */
  canonical(): unknown;
}

export interface OpBasedSubject<
  Op,
  Command,
  Replica extends OpBasedReplica<Op, Command> = OpBasedReplica<Op, Command>,
> {
  create(replica: ReplicaId): Replica;
  readonly commands: fc.Arbitrary<Command>;
  /** For a type that can also travel as a state: puts all that `from` knows into `into`. */
  mergeInto?(into: Replica, from: Replica): void;
  readonly runs?: number;
}

/** Some entry of a history: operations with one stamp, and what their author had applied before. */
interface Written<Op> {
  readonly author: number;
  readonly operations: readonly Delivered<Op>[];
  /** Entries of each author that come first, this author's earlier ones included. */
  readonly past: readonly number[];
}

type Step<Command> =
  | { readonly kind: "write"; readonly by: number; readonly commands: readonly Command[] }
  | { readonly kind: "receive"; readonly by: number; readonly choice: number };

const replicaCount = 3;
/** The spare one reads what the others wrote: it has had no part in the history. */
const spareReplica = replicaCount;
const extensionsTried = 24;

const replicaOf = (index: number): ReplicaId =>
  // Not in the order of the indexes, so that tie-breaks do not follow who was first.
  ((index * 7 + 3) % 10).toString(16).padStart(2, "0").repeat(16) as ReplicaId;

const stepsOf = <Command>(commands: fc.Arbitrary<Command>): fc.Arbitrary<Step<Command>[]> => {
  const by = fc.nat(replicaCount - 1);
  return fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant("write" as const),
        by,
        commands: fc.array(commands, { minLength: 1, maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant("receive" as const), by, choice: fc.nat() }),
    ),
    { maxLength: 24 },
  );
};

export function opBasedLaws<
  Op,
  Command,
  Replica extends OpBasedReplica<Op, Command> = OpBasedReplica<Op, Command>,
>(name: string, subject: OpBasedSubject<Op, Command, Replica>): void {
  const numRuns = subject.runs ?? 200;
  const histories = stepsOf(subject.commands);

  describe(`${name} is an operation-based CRDT`, () => {
    it("ends alike on all replicas that wrote and received in different orders", () => {
      fc.assert(
        fc.property(histories, fc.nat(), (steps, seed) => {
          const { replicas, entries } = live(subject, steps);
          const dice = diceOf(seed);
          for (const replica of replicas) {
            for (const entry of extensionOf(entries, dice, replica.has)) replica.deliver(entry);
          }
          const [first, ...others] = replicas.map(({ crdt }) => crdt.canonical());
          for (const other of others) expect(other).toEqual(first);
        }),
        { numRuns },
      );
    });

    it("ends alike for a reader in every order that keeps causality", () => {
      fc.assert(
        fc.property(histories, fc.nat(), (steps, seed) => {
          const { entries } = live(subject, steps);
          const [first, ...others] = extensionsOf(entries, seed).map((order) => {
            const reader = newReader(subject);
            for (const entry of order) reader.deliver(entry);
            return reader.crdt.canonical();
          });
          for (const other of others) expect(other).toEqual(first);
        }),
        { numRuns },
      );
    });

    const travelsAsState = subject.mergeInto === undefined ? [] : [subject];
    it.each(travelsAsState)("says the same by merged states as by applied operations", () => {
      fc.assert(
        fc.property(histories, fc.nat(), (steps, seed) => {
          const { replicas, entries } = live(subject, steps);
          const byOperations = newReader(subject);
          const dice = diceOf(seed);
          const none = byOperations.has;
          for (const entry of extensionOf(entries, dice, none)) byOperations.deliver(entry);

          const byStates = newReader(subject).crdt;
          for (const { crdt } of shuffled(replicas, dice)) subject.mergeInto?.(byStates, crdt);
          expect(byStates.canonical()).toEqual(byOperations.crdt.canonical());
        }),
        { numRuns },
      );
    });
  });
}

class LiveReplica<Op, Command, Replica extends OpBasedReplica<Op, Command>> {
  readonly crdt: Replica;
  readonly has: number[] = Array.from({ length: replicaCount }, () => 0);
  lamport = 0;

  constructor(crdt: Replica) {
    this.crdt = crdt;
  }

  deliver(entry: Written<Op>): void {
    for (const operation of entry.operations) this.crdt.apply(operation);
    this.took(entry);
  }

  took(entry: Written<Op>): void {
    this.has[entry.author] = (entry.past[entry.author] ?? 0) + 1;
    this.lamport = Math.max(this.lamport, entry.operations[0]?.lamport ?? 0);
  }
}

const newReader = <Op, Command, Replica extends OpBasedReplica<Op, Command>>(
  subject: OpBasedSubject<Op, Command, Replica>,
) => new LiveReplica<Op, Command, Replica>(subject.create(replicaOf(spareReplica)));

/** Runs a history: replicas write and receive as the steps say, each step while causality allows. */
function live<Op, Command, Replica extends OpBasedReplica<Op, Command>>(
  subject: OpBasedSubject<Op, Command, Replica>,
  steps: readonly Step<Command>[],
) {
  const replicas = Array.from(
    { length: replicaCount },
    (_, index) => new LiveReplica<Op, Command, Replica>(subject.create(replicaOf(index))),
  );
  const entries: Written<Op>[] = [];
  for (const step of steps) {
    const replica = replicas[step.by];
    if (replica === undefined) throw new Error(`no replica ${step.by}`);
    if (step.kind === "receive") {
      const ready = entries.filter((entry) => isReady(entry, replica.has));
      const entry = ready[step.choice % Math.max(1, ready.length)];
      if (entry !== undefined) replica.deliver(entry);
      continue;
    }
    const past = [...replica.has];
    const seq = (past[step.by] ?? 0) + 1;
    const operations: Delivered<Op>[] = [];
    const entry = { author: step.by, operations, past };
    for (const command of step.commands) {
      const op = replica.crdt.write(command);
      if (op === undefined) continue;
      const id = { replica: replicaOf(step.by), seq, index: operations.length };
      const delivered = { id, lamport: replica.lamport + 1, op };
      operations.push(delivered);
      replica.crdt.apply(delivered);
    }
    if (operations.length === 0) continue;
    replica.took(entry);
    entries.push(entry);
  }
  return { replicas, entries };
}

/** New to who has `has`, with everything it depends on there. */
function isReady(entry: Written<unknown>, has: readonly number[]): boolean {
  return (
    (has[entry.author] ?? 0) === entry.past[entry.author] &&
    entry.past.every((seq, author) => (has[author] ?? 0) >= seq)
  );
}

/** The entries that `has` lacks in one random order that keeps causality. */
function extensionOf<Op>(
  entries: readonly Written<Op>[],
  dice: () => number,
  has: readonly number[],
): Written<Op>[] {
  const had = [...has];
  const order: Written<Op>[] = [];
  for (;;) {
    const ready = entries.filter((entry) => isReady(entry, had));
    const entry = ready[Math.floor(dice() * ready.length)];
    if (entry === undefined) return order;
    order.push(entry);
    had[entry.author] = (had[entry.author] ?? 0) + 1;
  }
}

/** Every order that keeps causality where those are few, otherwise as many random ones. */
function extensionsOf<Op>(entries: readonly Written<Op>[], seed: number): Written<Op>[][] {
  const all: Written<Op>[][] = [];
  const walk = (order: Written<Op>[], had: readonly number[]): boolean => {
    const ready = entries.filter((entry) => isReady(entry, had));
    if (ready.length === 0) return all.push(order) <= extensionsTried;
    return ready.every((entry) => {
      const next = [...had];
      next[entry.author] = (next[entry.author] ?? 0) + 1;
      return walk([...order, entry], next);
    });
  };
  const none = Array.from({ length: replicaCount }, () => 0);
  if (walk([], none)) return all;
  const dice = diceOf(seed);
  return Array.from({ length: extensionsTried }, () => extensionOf(entries, dice, none));
}

function shuffled<T>(items: readonly T[], dice: () => number): T[] {
  return items
    .map((item) => ({ item, at: dice() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** mulberry32: numbers in [0, 1), the same for the same seed. */
function diceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
