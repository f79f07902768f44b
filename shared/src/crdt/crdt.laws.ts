/**
 * The laws behind `crdt.ts` as one suite that every implementation runs through: our lattices, our
 * operation-based types, the Yjs and Automerge documents.
 *
 *  - `stateBasedLaws`: merge commutes, associates, is idempotent, has a bottom.
 *  - `codecLaws`: a state survives its bytes, and no other bytes mean it.
 *  - `deltaLaws`: all of that for the states and deltas of random histories; a state is the join of
 *    the deltas it has seen in any order, grouping and number; its value is what the type promises.
 *  - `opBasedLaws`: concurrent operations commute. Several replicas write a random causal history;
 *    every order of delivery that keeps causality must end in the same value. Where a type travels
 *    both ways, merged states must agree with applied operations.
 *  - `agreementLaws`: a type's operations and another's deltas say the same of one history.
 *
 * fast-check prints seed and shrunk counterexample when a law breaks.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import type { ReplicaId } from "../id/id.ts";
import type { Delivered, OpBased, Stamp, StateBased } from "./crdt.ts";
import { joinOf, Replicated, type StateCodec, type StateType } from "./lattice/lattice.ts";

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
  readonly runs?: number;
}

export function stateBasedLaws<State>(name: string, subject: StateBasedSubject<State>): void {
  const { states } = subject;
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
  });
}

/** `states` as in `stateBasedLaws`; one of them is enough here. */
export function codecLaws<State>(
  name: string,
  { encode, decode }: StateCodec<State>,
  states: fc.Arbitrary<State>,
  numRuns = 200,
): void {
  const hexOf = (state: State) => toHex(encode(state));

  describe(`${name} in bytes`, () => {
    it("is read as it was written", () => {
      fc.assert(
        fc.property(states, (state) => {
          const read = decode(encode(state));
          if (isMalformed(read)) throw read;
          expect(read).toEqual(state);
          expect(hexOf(read)).toBe(hexOf(state));
        }),
        { numRuns },
      );
    });

    it("is refused when cut short, with more behind it, and in another version", () => {
      fc.assert(
        fc.property(states, (state) => {
          const bytes = encode(state);
          for (let length = 0; length < bytes.length; length++) {
            expect(isMalformed(decode(bytes.subarray(0, length)))).toBe(true);
          }
          expect(isMalformed(decode(Uint8Array.of(...bytes, 0)))).toBe(true);
          const newer = decode(Uint8Array.of(2, ...bytes.subarray(1)));
          expect(newer).toMatchObject({ kind: "malformed", fault: "version" });
        }),
        { numRuns: Math.ceil(numRuns / 4) },
      );
    });

    it("has one form: whatever else is read is written as it was", () => {
      const edit = fc.record({
        at: fc.nat(),
        kind: fc.constantFrom("put", "insert", "drop", "swap", "repeat"),
        byte: fc.oneof(fc.nat(3), fc.nat(255)),
      });
      fc.assert(
        fc.property(states, fc.array(edit, { minLength: 1, maxLength: 3 }), (state, edits) => {
          const bytes = [...encode(state)];
          for (const { at, kind, byte } of edits) {
            const place = 1 + (at % Math.max(1, bytes.length - 1));
            if (kind === "put") bytes[place] = byte;
            else if (kind === "insert") bytes.splice(place, 0, byte);
            else if (kind === "drop") bytes.splice(place, 1);
            else if (kind === "repeat") bytes.splice(place, 0, ...bytes.slice(place, place + byte));
            else bytes.push(...bytes.splice(place, 1 + (byte % 40)));
          }
          const read = decode(Uint8Array.from(bytes));
          const edited = toHex(Uint8Array.from(bytes));
          expect(isMalformed(read) ? edited : hexOf(read)).toBe(edited);
        }),
        { numRuns: 5 * numRuns },
      );
    });
  });
}

/** A change in a history, and what its author had seen when making it. */
export interface Happened<Command> {
  readonly command: Command;
  /** Greater than those of all changes its author had seen. One operation an entry. */
  readonly stamp: Stamp;
  readonly sees: ReadonlySet<Happened<Command>>;
}

export interface DeltaSubject<State, Value, Command> {
  readonly type: StateType<State, Value>;
  readonly commands: fc.Arbitrary<Command>;
  /** The delta of a command on a replica with this state. */
  readonly mutate: (state: State, command: Command, stamp: Stamp) => State;
  /** What the type promises to whoever has seen these changes, in the order they were made. */
  readonly promised: (changes: readonly Happened<Command>[]) => Value;
  readonly runs?: number;
}

export function deltaLaws<State, Value, Command>(
  name: string,
  subject: DeltaSubject<State, Value, Command>,
): void {
  const { type, commands } = subject;
  const numRuns = subject.runs ?? 200;
  const hexOf = (state: State) => toHex(type.encode(state));
  const histories = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("write" as const), by: writer, command: commands }),
      fc.record({ kind: fc.constant("receive" as const), by: writer, from: writer }),
    ),
    { maxLength: 30 },
  );
  type Steps = typeof histories extends fc.Arbitrary<infer Value> ? Value : never;

  const live = (steps: Steps) => {
    const replicas = writers.map((id) => ({
      id,
      crdt: new Replicated(type),
      seen: new Set<Happened<Command>>(),
    }));
    const at = (index: number) => {
      const replica = replicas[index];
      if (replica === undefined) throw new Error(`no replica ${index}`);
      return replica;
    };
    const deltas = new Map<Happened<Command>, State>();
    /** Every state that was handed out, with its bytes at that time. */
    const handedOut: (readonly [State, string])[] = [];
    for (const step of steps) {
      const replica = at(step.by);
      if (step.kind === "receive") {
        const from = at(step.from);
        replica.crdt.merge(from.crdt.state);
        replica.seen = new Set([...replica.seen, ...from.seen]);
      } else {
        const own = [...replica.seen].filter(({ stamp }) => stamp.id.replica === replica.id);
        const times = Array.from(replica.seen, ({ stamp }) => stamp.lamport);
        const stamp: Stamp = {
          id: { replica: replica.id, seq: own.length + 1, index: 0 },
          lamport: Math.max(0, ...times) + 1,
        };
        const { command } = step;
        const delta = replica.crdt.change((state) => subject.mutate(state, command, stamp));
        const happened = { command, stamp, sees: new Set(replica.seen) };
        replica.seen.add(happened);
        deltas.set(happened, delta);
        handedOut.push([delta, hexOf(delta)]);
      }
      handedOut.push([replica.crdt.state, hexOf(replica.crdt.state)]);
    }
    return { replicas, deltas, handedOut };
  };

  const deltasSeen = (seen: Iterable<Happened<Command>>, deltas: Map<Happened<Command>, State>) =>
    Array.from(seen, (happened) => deltas.get(happened) ?? type.bottom);

  /** Three of all that travels in one history: states, deltas, and groups of deltas. */
  const threeOf = fc.tuple(histories, fc.nat()).map(([steps, seed]): [State, State, State] => {
    const { deltas, handedOut } = live(steps);
    const dice = diceOf(seed);
    const states = handedOut.map(([state]) => state);
    const pick = (from: readonly State[]) => from[Math.floor(dice() * from.length)] ?? type.bottom;
    const group = () => {
      const parts = Array.from({ length: 4 }, () => pick([...deltas.values()]));
      return parts.reduce((joined, part) => type.merge(joined, part), type.bottom);
    };
    const one = () => (dice() < 0.3 ? group() : pick(states));
    return [one(), one(), one()];
  });

  stateBasedLaws(name, { create: () => new Replicated(type), states: threeOf, runs: numRuns });
  codecLaws(
    name,
    type,
    threeOf.map(([state]) => state),
    numRuns,
  );

  describe(`${name} travels as deltas`, () => {
    it("is the join of the deltas it has seen, in any order, grouping and number", () => {
      fc.assert(
        fc.property(histories, fc.nat(), (steps, seed) => {
          const { replicas, deltas } = live(steps);
          const dice = diceOf(seed);
          for (const { crdt, seen } of replicas) {
            const parts = deltasSeen(seen, deltas);
            const travelling = [...parts, ...parts.filter(() => dice() < 0.3)];
            const joined = joinedAnyhow(type, travelling, dice);
            expect(hexOf(joined)).toBe(hexOf(crdt.state));
            expect(hexOf(joinOf(type, travelling))).toBe(hexOf(crdt.state));
          }
        }),
        { numRuns },
      );
    });

    it("shows what the type promises to those who have seen the same changes", () => {
      fc.assert(
        fc.property(histories, (steps) => {
          for (const { crdt, seen } of live(steps).replicas) {
            const changes = [...seen].sort((a, b) => a.stamp.lamport - b.stamp.lamport);
            expect(crdt.value).toEqual(subject.promised(changes));
          }
        }),
        { numRuns },
      );
    });

    it("never changes a state or a delta that was handed out", () => {
      fc.assert(
        fc.property(histories, (steps) => {
          for (const [state, before] of live(steps).handedOut) expect(hexOf(state)).toBe(before);
        }),
        { numRuns },
      );
    });
  });
}

/** Joins neighbours after a shuffle until one is left: every bracketing can come of it. */
function joinedAnyhow<State>(
  { bottom, merge }: StateType<State, unknown>,
  parts: readonly State[],
  dice: () => number,
): State {
  const rest = shuffled(parts, dice);
  while (rest.length > 1) {
    const at = Math.floor(dice() * (rest.length - 1));
    const [a = bottom, b = bottom] = rest.slice(at, at + 2);
    rest.splice(at, 2, merge(a, b));
  }
  return rest[0] ?? bottom;
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

const writers = Array.from({ length: replicaCount }, (_, index) => replicaOf(index));
const writer = fc.nat(replicaCount - 1);

const stepsOf = <Command>(commands: fc.Arbitrary<Command>): fc.Arbitrary<Step<Command>[]> => {
  return fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant("write" as const),
        by: writer,
        commands: fc.array(commands, { minLength: 1, maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant("receive" as const), by: writer, choice: fc.nat() }),
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

export interface AgreementSubject<Op, State, Value, Command> {
  createOperations(replica: ReplicaId): OpBasedReplica<Op, Command>;
  readonly type: StateType<State, Value>;
  readonly commands: fc.Arbitrary<Command>;
  readonly mutate: (state: State, command: Command, stamp: Stamp) => State;
}

/** A change written both ways by who saw one and the same past. */
interface WrittenTwice<Op, State> {
  readonly op: Op | undefined;
  readonly deltaAt: (stamp: Stamp) => State;
}

class Twins<Op, State, Value, Command> implements OpBasedReplica<WrittenTwice<Op, State>, Command> {
  readonly #subject: AgreementSubject<Op, State, Value, Command>;
  readonly #operations: OpBasedReplica<Op, Command>;
  readonly #states: Replicated<State, Value>;

  constructor(subject: AgreementSubject<Op, State, Value, Command>, replica: ReplicaId) {
    this.#subject = subject;
    this.#operations = subject.createOperations(replica);
    this.#states = new Replicated(subject.type);
  }

  get value(): Value {
    return this.#states.value;
  }

  write(command: Command): WrittenTwice<Op, State> {
    const { mutate } = this.#subject;
    const { state } = this.#states;
    // The stamp is known once it is applied here, which is before it is anywhere else.
    let delta: State | undefined;
    const deltaAt = (stamp: Stamp) => (delta ??= mutate(state, command, stamp));
    return { op: this.#operations.write(command), deltaAt };
  }

  apply({ id, lamport, op: { op, deltaAt } }: Delivered<WrittenTwice<Op, State>>): void {
    if (op !== undefined) this.#operations.apply({ id, lamport, op });
    this.#states.merge(deltaAt({ id, lamport }));
    expectSame(this.#operations.value, this.#states.value);
  }

  canonical(): unknown {
    return [this.#operations.canonical(), toHex(this.#subject.type.encode(this.#states.state))];
  }
}

function expectSame(a: unknown, b: unknown): void {
  expect(a).toEqual(b);
}

/** Holds after every step: the twins compare themselves. */
export function agreementLaws<Op, State, Value, Command>(
  name: string,
  subject: AgreementSubject<Op, State, Value, Command>,
): void {
  opBasedLaws<WrittenTwice<Op, State>, Command>(`${name}, as operations beside deltas,`, {
    create: (replica) => new Twins(subject, replica),
    commands: subject.commands,
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
