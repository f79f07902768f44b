import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../bytes/bytes.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import type { ReplicaId } from "../../id/id.ts";
import { deltaLaws, type Happened } from "../crdt.laws.ts";
import {
  contextOf,
  type Dot,
  hasDot,
  mergeContexts,
  nextDot,
  noContext,
} from "./causal-context.ts";
import { embeddedCounter } from "./embedded-counter.ts";
import { Replicated } from "./lattice.ts";
import { mvRegister } from "./mv-register.ts";
import { orMap } from "./or-map.ts";
import { orSet } from "./or-set.ts";
import { countValue, stateLimits, textValue } from "./state-codec.ts";

const [ana, ben, cleo] = ["01", "7f", "ff"].map((byte) => byte.repeat(16)) as [
  ReplicaId,
  ReplicaId,
  ReplicaId,
];

describe("a causal context", () => {
  const dot: fc.Arbitrary<Dot> = fc.record({
    replica: fc.constantFrom(ana, ben),
    counter: fc.integer({ min: 1, max: 12 }),
  });
  const dots = fc.array(dot, { maxLength: 16 });

  it("means the set of its dots, in whatever pieces they came", () => {
    fc.assert(
      fc.property(dots, dots, dots, fc.array(dot), (a, b, c, asked) => {
        const whole = contextOf([...a, ...b, ...c]);
        const [ofA, ofB, ofC] = [contextOf(a), contextOf(b), contextOf(c)];
        expect(mergeContexts(mergeContexts(ofA, ofB), ofC)).toEqual(whole);
        expect(mergeContexts(ofC, mergeContexts(ofB, mergeContexts(ofA, ofB)))).toEqual(whole);
        const names = new Set([...a, ...b, ...c].map((each) => JSON.stringify(each)));
        for (const each of asked) {
          const { replica, counter } = each;
          expect(hasDot(whole, each)).toBe(names.has(JSON.stringify({ replica, counter })));
        }
      }),
    );
  });

  it("keeps a vector, and dots beyond a gap until the gap closes", () => {
    const of = (...counters: number[]) =>
      contextOf(counters.map((counter) => ({ replica: ana, counter })));
    expect(of(1, 2, 3)).toEqual({ vector: new Map([[ana, 3]]), cloud: new Map() });
    const early = of(6, 3, 4);
    expect([early.vector.size, early.cloud.get(ana)]).toEqual([
      0,
      [
        [3, 4],
        [6, 6],
      ],
    ]);
    expect(mergeContexts(early, of(2, 1))).toEqual({
      vector: new Map([[ana, 4]]),
      cloud: new Map([[ana, [[6, 6]]]]),
    });
    expect(mergeContexts(of(6, 5, 4), of(3, 2, 1))).toEqual(of(1, 2, 3, 4, 5, 6));
  });

  it("never gives out a dot twice, nor one beyond 2^53 − 1", () => {
    expect(nextDot(noContext, ana)).toEqual({ replica: ana, counter: 1 });
    const later = contextOf([{ replica: ana, counter: 5 }]);
    expect(nextDot(later, ana)).toEqual({ replica: ana, counter: 6 });
    const last = contextOf([{ replica: ana, counter: Number.MAX_SAFE_INTEGER }]);
    expect(() => nextDot(last, ana)).toThrow(RangeError);
  });
});

const words = mvRegister(textValue);
const counts = mvRegister(countValue);

type Sees = (change: { readonly sees: ReadonlySet<unknown> }) => boolean;

/** Those of `changes` that no other of them, of which `takes` holds, has seen. */
const standing = <Command>(
  changes: readonly Happened<Command>[],
  takes: (command: Command) => boolean = () => true,
) =>
  changes.filter((change) => {
    const sawIt: Sees = ({ sees }) => sees.has(change);
    return !changes.some((other) => takes(other.command) && sawIt(other));
  });

/** By replica, as dots stand. */
const inOrder = <Command>(changes: readonly Happened<Command>[]) =>
  changes.toSorted((a, b) => (a.stamp.id.replica < b.stamp.id.replica ? -1 : 1));

type RegisterCommand =
  | { readonly kind: "write"; readonly count: number }
  | { readonly kind: "clear" };

deltaLaws("multi-value register", {
  type: counts,
  commands: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("write" as const), count: fc.nat(300) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "clear" as const }) },
  ),
  mutate: (state, command: RegisterCommand, { id }) =>
    command.kind === "clear" ? counts.clear(state) : counts.write(state, id.replica, command.count),
  promised: (changes): readonly number[] =>
    inOrder(standing(changes)).flatMap(({ command }) =>
      command.kind === "write" ? [command.count] : [],
    ),
});

const element = fc.constantFrom("a", "__proto__", "toString", "🧚");
type SetCommand =
  | { readonly kind: "add" | "remove"; readonly element: string }
  | { readonly kind: "clear" };

const addWins = (changes: readonly Happened<SetCommand>[]): ReadonlySet<string> =>
  new Set(
    changes.flatMap((change) => {
      const { command } = change;
      if (command.kind !== "add") return [];
      const takes = (other: SetCommand) =>
        other.kind === "clear" || (other.kind === "remove" && other.element === command.element);
      return standing(changes, takes).includes(change) ? [command.element] : [];
    }),
  );

deltaLaws("observed-remove set", {
  type: orSet,
  commands: fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record({ kind: fc.constantFrom("add" as const, "remove" as const), element }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: "clear" as const }) },
  ),
  mutate: (state, command: SetCommand, { id }) => {
    if (command.kind === "clear") return orSet.clear(state);
    if (command.kind === "remove") return orSet.remove(state, command.element);
    return orSet.add(state, id.replica, command.element);
  },
  promised: addWins,
});

describe("an observed-remove set", () => {
  const everybody = () => [new Replicated(orSet), new Replicated(orSet)] as const;

  it("keeps an element that was added again while somebody removed it", () => {
    const [one, other] = everybody();
    other.merge(one.change((state) => orSet.add(state, ana, "x")));
    const removal = other.change((state) => orSet.remove(state, "x"));
    const addition = one.change((state) => orSet.add(state, ana, "x"));
    expect([one.value.size, other.value.size]).toEqual([1, 0]);
    one.merge(removal);
    other.merge(addition);
    expect([[...one.value], [...other.value]]).toEqual([["x"], ["x"]]);
  });

  it("remembers any number of removals in a number per replica", () => {
    const set = new Replicated(orSet);
    const bare = new Replicated(orSet);
    for (let round = 0; round < 1_000; round++) {
      set.change((state) => orSet.add(state, ana, `${round}`));
      set.change((state) => orSet.remove(state, `${round}`));
    }
    bare.change((state) => orSet.add(state, ana, "x"));
    expect(orSet.encode(set.state).length).toBeLessThan(orSet.encode(bare.state).length);
  });

  it("keeps one dot of an element that is added over and over", () => {
    const set = new Replicated(orSet);
    for (let round = 0; round < 5; round++) set.change((state) => orSet.add(state, ana, "x"));
    expect(set.state.store).toEqual(new Map([["x", [{ replica: ana, counter: 5 }]]]));
  });

  it("does not take a removed element from a delta that comes late", () => {
    const [one, other] = everybody();
    const addition = one.change((state) => orSet.add(state, ana, "x"));
    const removal = one.change((state) => orSet.remove(state, "x"));
    other.merge(removal);
    other.merge(addition);
    expect(other.value.size).toBe(0);
    expect(orSet.encode(other.state)).toEqual(orSet.encode(one.state));
  });
});

/** A tally lives from one count of its replica to the next, unless a removal has seen it. */
function countedUnder(changes: readonly Happened<MapCommand>[], key: string): number | undefined {
  const removals = changes.filter(
    ({ command }) => command.kind === "remove" && command.key === key,
  );
  const counting = changes.filter(({ command }) => command.kind === "count" && command.key === key);
  const totals = new Map<Happened<MapCommand>, number>();
  for (const change of counting) {
    const before = counting
      .filter(({ stamp }) => stamp.id.replica === change.stamp.id.replica)
      .findLast((earlier) => change.sees.has(earlier));
    const carries =
      before !== undefined &&
      !removals.some((removal) => change.sees.has(removal) && removal.sees.has(before));
    const by = change.command.kind === "count" ? change.command.by : 0;
    totals.set(change, (carries ? (totals.get(before) ?? 0) : 0) + by);
  }
  const left = counting.filter(
    (change) =>
      !removals.some(({ sees }) => sees.has(change)) &&
      !counting.some(
        (other) => other.stamp.id.replica === change.stamp.id.replica && other.sees.has(change),
      ),
  );
  if (left.length === 0) return undefined;
  return left.reduce((sum, change) => sum + (totals.get(change) ?? 0), 0);
}

type MapCommand =
  | { readonly kind: "count"; readonly key: string; readonly by: number }
  | { readonly kind: "remove"; readonly key: string };

const mapKey = fc.constantFrom("a", "__proto__");
const tallies = orMap(embeddedCounter);

deltaLaws("map of counters", {
  type: tallies,
  commands: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("count" as const),
        key: mapKey,
        by: fc.integer({ min: -9, max: 9 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), key: mapKey }) },
  ),
  mutate: (state, command: MapCommand, { id }) =>
    command.kind === "remove"
      ? tallies.remove(state, command.key)
      : tallies.update(state, command.key, (inner) =>
          embeddedCounter.add(inner, id.replica, command.by),
        ),
  promised: (changes): ReadonlyMap<string, number> => {
    const map = new Map<string, number>();
    for (const at of ["a", "__proto__"]) {
      const total = countedUnder(changes, at);
      if (total !== undefined) map.set(at, total);
    }
    return map;
  },
});

const shelves = orMap(orMap(orSet));
type ShelfCommand =
  | { readonly kind: "add" | "remove"; readonly path: readonly [string, string, string] }
  | { readonly kind: "drop"; readonly path: readonly [string, string] }
  | { readonly kind: "drop"; readonly path: readonly [string] };

deltaLaws("map of maps of sets", {
  type: shelves,
  commands: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom("add" as const, "add" as const, "remove" as const),
        path: fc.tuple(mapKey, mapKey, mapKey),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("drop" as const), path: fc.tuple(mapKey, mapKey) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("drop" as const), path: fc.tuple(mapKey) }),
    },
  ),
  mutate: (state, command: ShelfCommand, { id }) => {
    const [first, second, third] = command.path;
    if (second === undefined) return shelves.remove(state, first);
    return shelves.update(state, first, (shelf) => {
      if (command.kind === "drop" || third === undefined) return orMap(orSet).remove(shelf, second);
      return orMap(orSet).update(shelf, second, (set) =>
        command.kind === "add" ? orSet.add(set, id.replica, third) : orSet.remove(set, third),
      );
    });
  },
  promised: (changes): ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>> => {
    const map = new Map<string, Map<string, Set<string>>>();
    for (const change of changes) {
      const { command } = change;
      if (command.kind !== "add") continue;
      const [first, second, third] = command.path;
      const takes = (other: ShelfCommand) =>
        other.kind !== "add" && other.path.every((part, at) => part === command.path[at]);
      if (!standing(changes, takes).includes(change)) continue;
      const shelf = map.get(first) ?? new Map<string, Set<string>>();
      const set = shelf.get(second) ?? new Set<string>();
      map.set(first, shelf.set(second, set.add(third)));
    }
    return map;
  },
});

describe("a map of data types", () => {
  const names = orMap(words);
  const writing = (who: ReplicaId, key: string, text: string) => (state: typeof names.bottom) =>
    names.update(state, key, (register) => words.write(register, who, text));

  it("keeps what was changed under a key while somebody removed it", () => {
    const [one, other] = [new Replicated(names), new Replicated(names)];
    other.merge(one.change(writing(ana, "title", "old")));
    const removal = other.change((state) => names.remove(state, "title"));
    const change = one.change(writing(ana, "title", "new"));
    one.merge(removal);
    other.merge(change);
    expect(one.value).toEqual(new Map([["title", ["new"]]]));
    expect(other.value).toEqual(one.value);
  });

  it("brings back beside a key that was added again what others changed under the old one", () => {
    const [one, other] = [new Replicated(names), new Replicated(names)];
    other.merge(one.change(writing(ana, "title", "first")));
    const meanwhile = other.change(writing(ben, "title", "meanwhile"));
    one.change((state) => names.remove(state, "title"));
    one.change(writing(ana, "title", "second"));
    expect(one.value).toEqual(new Map([["title", ["second"]]]));
    one.merge(meanwhile);
    expect(one.value).toEqual(new Map([["title", ["second", "meanwhile"]]]));
  });

  it("keeps the whole of a total that was counted on while somebody removed it", () => {
    const [one, other] = [new Replicated(tallies), new Replicated(tallies)];
    const counting = (by: number) => (state: typeof tallies.bottom) =>
      tallies.update(state, "likes", (inner) => embeddedCounter.add(inner, ana, by));
    other.merge(one.change(counting(5)));
    const removal = other.change((state) => tallies.remove(state, "likes"));
    one.change(counting(1));
    one.merge(removal);
    expect(one.value).toEqual(new Map([["likes", 6]]));
  });

  it("has no key under which nothing is left", () => {
    const sets = orMap(orSet);
    const map = new Replicated(sets);
    map.change((state) => sets.update(state, "tags", (set) => orSet.add(set, ana, "x")));
    map.change((state) => sets.update(state, "tags", (set) => orSet.remove(set, "x")));
    expect(map.value).toEqual(new Map());
  });

  it("refuses keys that no reader would take", () => {
    const long = "k".repeat(stateLimits.keyBytesMax + 1);
    expect(() => orSet.add(orSet.bottom, ana, long)).toThrow(RangeError);
    expect(() => writing(ana, long, "x")(names.bottom)).toThrow(RangeError);
    const text = "t".repeat(stateLimits.valueBytesMax + 1);
    const state = writing(ana, "k", text)(names.bottom);
    expect(() => names.encode(state)).toThrow(RangeError);
  });
});

describe("an embedded counter", () => {
  it("refuses to count beyond 2^53 − 1 on a replica", () => {
    const counter = new Replicated(embeddedCounter);
    counter.change((state) => embeddedCounter.add(state, ana, Number.MAX_SAFE_INTEGER));
    expect(() => embeddedCounter.add(counter.state, ana, 1)).toThrow(RangeError);
    expect(() => embeddedCounter.add(counter.state, ana, 0.5)).toThrow(RangeError);
    counter.change((state) => embeddedCounter.add(state, ben, Number.MAX_SAFE_INTEGER));
    expect(counter.value).toBe(Number.MAX_SAFE_INTEGER);
    counter.change((state) => embeddedCounter.add(state, cleo, -Number.MAX_SAFE_INTEGER));
    expect(counter.value).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe("a causal state in bytes", () => {
  it("names its replicas once", () => {
    const set = new Replicated(orSet);
    for (let at = 0; at < 50; at++) set.change((state) => orSet.add(state, ana, `${at}`));
    expect(toHex(orSet.encode(set.state)).split(ana)).toHaveLength(2);
  });

  const row = (seq: string, runs: string) => ana + seq + runs;
  const refusal = (hex: string) => {
    const result = orSet.decode(fromHex(hex));
    return isMalformed(result) ? result.message : result;
  };

  it.each([
    ["a replica without a dot", "01" + "01" + row("00", "00") + "00", "a replica without a dot"],
    [
      "replicas that descend",
      "01" + "02" + ben + "0100" + ana + "0100" + "00",
      "replicas not in ascending order",
    ],
    [
      "a dot above 2^53 − 1",
      "01" + "01" + row("feffffffffffff0f", "01" + "0000") + "00",
      "a dot above 2^53 − 1",
    ],
    [
      "a dot its context has not seen",
      "01" + "01" + row("01", "00") + "01" + "0161" + "01" + "0002",
      "a dot that its own context has not seen",
    ],
    [
      "a dot of number 0",
      "01" + "01" + row("01", "00") + "01" + "0161" + "01" + "0000",
      "a dot that its own context has not seen",
    ],
    [
      "a dot in a gap of the cloud",
      "01" + "01" + row("01", "01" + "0000") + "01" + "0161" + "01" + "0002",
      "a dot that its own context has not seen",
    ],
    [
      "a dot twice",
      "01" + "01" + row("01", "00") + "01" + "0161" + "02" + "0001" + "0001",
      "dots not in ascending order",
    ],
    [
      "a dot of a replica beyond the table",
      "01" + "01" + row("01", "00") + "01" + "0161" + "01" + "0101",
      "a replica that is not in the table",
    ],
    [
      "an element without dots",
      "01" + "01" + row("01", "00") + "01" + "0161" + "00",
      "a key with nothing under it",
    ],
  ])("is refused with %s", (_, hex, why) => {
    expect(refusal(hex)).toBe(why);
  });
});
