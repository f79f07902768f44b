import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex } from "../../bytes/bytes.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import type { ReplicaId } from "../../id/id.ts";
import {
  agreementLaws,
  codecLaws,
  type OpBasedReplica,
  opBasedLaws,
  stateBasedLaws,
} from "../crdt.laws.ts";
import type { Delivered, OpId, Understood } from "../crdt.ts";
import { lwwMap, type LwwMapState } from "../lattice/lww-map.ts";
import { orSet } from "../lattice/or-set.ts";
import { pnCounter } from "../lattice/pn-counter.ts";
import { countValue, textValue } from "../lattice/state-codec.ts";
import { Channel, type ChannelOperation } from "./channel.ts";
import { Counter, type CounterOperation } from "./counter.ts";
import { List, type ListOperation, type ListState } from "./list.ts";
import { listCodec } from "./list-codec.ts";
import { LwwMap, type SetOperation } from "./lww-map.ts";
import { OrSet, type OrSetOperation } from "./or-set.ts";

const replica = (byte: string) => byte.repeat(16) as ReplicaId;
const newer = 0x3f;

type ChannelCommand = { kind: "say"; text: string } | { kind: "newer" } | { kind: "broken" };

function understood(command: ChannelCommand): Understood<ChannelOperation> {
  switch (command.kind) {
    case "say":
      return { kind: "known", op: { kind: "post", timeMs: 0, text: command.text } };
    case "newer":
      return { kind: "parked", raw: { kind: newer, payload: Uint8Array.of(1, 2, 3) } };
    case "broken":
      return { kind: "void", reason: "empty" };
  }
}

class DrivenChannel extends Channel {
  write = understood;

  canonical(): unknown {
    const parked = this.parked.map(({ id, lamport }) => JSON.stringify([lamport, id]));
    return { messages: this.value, parked: parked.sort() };
  }
}

opBasedLaws<Understood<ChannelOperation>, ChannelCommand>("channel", {
  create: () => new DrivenChannel(),
  commands: fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("say" as const), text: fc.string() }) },
    { weight: 1, arbitrary: fc.constant({ kind: "newer" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "broken" as const }) },
  ),
});

describe("a channel", () => {
  const delivered = (
    lamport: number,
    author: string,
    text: string,
    seq = 1,
    index = 0,
  ): Delivered<Understood<ChannelOperation>> => ({
    id: { replica: replica(author), seq, index },
    lamport,
    op: { kind: "known", op: { kind: "post", timeMs: 1_000 - lamport, text } },
  });

  it("shows messages by Lamport time, author, seq and place, whatever order they came in", () => {
    const messages = [
      delivered(1, "bb", "first"),
      delivered(2, "aa", "same time, smaller replica", 7),
      delivered(2, "bb", "same time, greater replica", 2),
      delivered(2, "bb", "and its second line", 2, 1),
      delivered(9, "aa", "last", 8),
    ];
    for (const order of [messages, [...messages].reverse()]) {
      const channel = new Channel();
      for (const message of order) channel.apply(message);
      expect(channel.value.map(({ text }) => text)).toEqual(
        messages.map(({ op }) => (op.kind === "known" ? op.op.text : "")),
      );
    }
  });

  it("keeps operations of unknown kinds as they came, to be applied once they are known", () => {
    const channel = new Channel();
    const payload = new TextEncoder().encode("later");
    const id = { replica: replica("aa"), seq: 4, index: 0 };
    channel.apply({ id, lamport: 4, op: { kind: "parked", raw: { kind: newer, payload } } });
    payload.fill(0);
    expect(channel.value).toEqual([]);

    const updated = new Channel();
    for (const { op, ...stamp } of channel.parked) {
      const text = new TextDecoder().decode(op.payload);
      updated.apply({ ...stamp, op: { kind: "known", op: { kind: "post", timeMs: 0, text } } });
    }
    expect(updated.value).toEqual([{ id, lamport: 4, timeMs: 0, text: "later" }]);
  });
});

class DrivenCounter extends Counter {
  write = (by: number): CounterOperation => ({ by });
  canonical = (): unknown => this.value;
}

const amount = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER),
);

opBasedLaws("counter", { create: () => new DrivenCounter(), commands: amount });

agreementLaws("counter", {
  createOperations: () => new DrivenCounter(),
  type: pnCounter,
  commands: fc.integer({ min: -9, max: 9 }),
  mutate: (state, by, { id }) => pnCounter.add(state, id.replica, by),
});

describe("a counter of operations", () => {
  const counted = (...amounts: number[]) => {
    const counter = new Counter();
    amounts.forEach((by, seq) => {
      counter.apply({ id: { replica: replica("aa"), seq, index: 0 }, lamport: seq, op: { by } });
    });
    return counter.value;
  };

  it("reads as the nearest number beyond 2^53 − 1 and loses nothing there", () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(counted(most, most, 1)).toBe(most);
    expect(counted(-most, -most)).toBe(-most);
    expect(counted(most, most, -most, -5)).toBe(most - 5);
  });
});

type SetCommand = { readonly kind: "add" | "remove"; readonly element: string };

class DrivenSet extends OrSet {
  write = ({ kind, element }: SetCommand): OrSetOperation | undefined => this[kind](element);
  canonical = (): unknown => this.value;
}

const setCommand: fc.Arbitrary<SetCommand> = fc.record({
  kind: fc.constantFrom("add", "add", "remove"),
  element: fc.constantFrom("a", "b", "__proto__"),
});

opBasedLaws("observed-remove set", { create: () => new DrivenSet(), commands: setCommand });

agreementLaws("observed-remove set", {
  createOperations: () => new DrivenSet(),
  type: orSet,
  commands: setCommand,
  mutate: (state, { kind, element }, { id }) =>
    kind === "add" ? orSet.add(state, id.replica, element) : orSet.remove(state, element),
});

/** What `authors` wrote, each in order and otherwise in any order, whatever it claims to have seen. */
const anyOrder = <Op>(authors: readonly (readonly Delivered<Op>[])[]) =>
  fc
    .shuffledSubarray(
      authors.flatMap((log, author) => log.map(() => author)),
      { minLength: authors.flat().length },
    )
    .map((turns) => {
      const rest = authors.map((log) => [...log]);
      return turns.flatMap((author) => rest[author]?.shift() ?? []);
    });

describe("an observed-remove set of operations", () => {
  const at = (author: string, seq: number): OpId => ({ replica: replica(author), seq, index: 0 });
  const by = (id: OpId, op: OrSetOperation): Delivered<OrSetOperation> => ({ id, lamport: 1, op });

  it("ends alike where somebody removes what they could not have seen", () => {
    const add = { kind: "add", element: "x", observed: [] } as const;
    const all = [at("aa", 1), at("aa", 2), at("aa", 3)];
    const logs = [
      [by(at("aa", 1), add), by(at("aa", 2), { ...add, element: "y" }), by(at("aa", 3), add)],
      [
        by(at("bb", 1), { kind: "add", element: "z", observed: all }),
        by(at("bb", 2), { kind: "remove", element: "x", observed: all }),
      ],
    ];
    fc.assert(
      fc.property(anyOrder(logs), (order) => {
        const set = new OrSet();
        for (const operation of order) set.apply(operation);
        expect(set.value).toEqual(new Set(["y", "z"]));
        expect(set.early).toBe(0);
      }),
    );
  });

  it("remembers nothing of what was removed by two at once", () => {
    const set = new OrSet();
    set.apply(by(at("aa", 1), set.add("x")));
    const removal = set.remove("x");
    for (const author of ["bb", "cc"]) {
      if (removal !== undefined) set.apply(by(at(author, 1), removal));
    }
    expect([set.value.size, set.early]).toEqual([0, 0]);
  });

  it("keeps one tag of an element that is added over and over", () => {
    const set = new OrSet();
    for (let seq = 1; seq <= 5; seq++) set.apply(by(at("aa", seq), set.add("x")));
    expect(set.remove("x")?.observed).toEqual([at("aa", 5)]);
  });

  it("has nothing to say about removing what is not there", () => {
    expect(new OrSet().remove("x")).toBeUndefined();
  });
});

const setting: fc.Arbitrary<SetOperation<number>> = fc.record({
  key: fc.constantFrom("theme", "mute/1", "__proto__"),
  value: fc.option(fc.nat(2), { nil: undefined }),
});

class DrivenMap extends LwwMap<number> {
  write = (op: SetOperation<number>): SetOperation<number> => op;
  canonical = (): unknown => this.state;
}

opBasedLaws<SetOperation<number>, SetOperation<number>, DrivenMap>("last-writer-wins map", {
  create: () => new DrivenMap(),
  commands: setting,
  mergeInto: (into, from) => into.merge(from.state),
});

const numbersByText = lwwMap(countValue);

agreementLaws("last-writer-wins map", {
  createOperations: () => new DrivenMap(),
  type: numbersByText,
  commands: setting,
  mutate: (_, { key, value }, stamp) => numbersByText.set(stamp, key, value),
});

/** States made of one set of writes, so that a stamp always means the same write. */
const mapStates = fc
  .array(fc.record({ op: setting, lamport: fc.nat(3), to: fc.nat(7) }), { maxLength: 12 })
  .map((writes): [LwwMapState<number>, LwwMapState<number>, LwwMapState<number>] => {
    const all = [new LwwMap<number>(), new LwwMap<number>(), new LwwMap<number>()] as const;
    writes.forEach(({ op, lamport, to }, seq) => {
      const id = { replica: replica("aa"), seq, index: 0 };
      all.forEach((map, index) => {
        if ((to & (1 << index)) !== 0) map.apply({ id, lamport, op });
      });
    });
    return [all[0].state, all[1].state, all[2].state];
  });

stateBasedLaws("last-writer-wins map of operations", {
  create: () => new LwwMap<number>(),
  states: mapStates,
});

describe("a last-writer-wins map of operations", () => {
  const set = (lamport: number, value: number | undefined): Delivered<SetOperation<number>> => ({
    id: { replica: replica("aa"), seq: lamport, index: 0 },
    lamport,
    op: { key: "theme", value },
  });

  it("forgets a key that was unset, also when an older value arrives later", () => {
    const map = new LwwMap<number>();
    map.apply(set(1, 1));
    map.apply(set(3, undefined));
    map.apply(set(2, 2));
    expect(map.value).toEqual(new Map());
    map.apply(set(4, 4));
    expect(map.value).toEqual(new Map([["theme", 4]]));
  });
});

type ListCommand = { readonly kind: "insert" | "delete"; readonly at: number };

/** Every element says who put it there and how often they had done so before. */
class DrivenList
  extends List<string>
  implements OpBasedReplica<ListOperation<string>, ListCommand>
{
  readonly #name: string;
  #count = 0;

  constructor(name = "") {
    super();
    this.#name = name.slice(0, 2);
  }

  write({ kind, at }: ListCommand): ListOperation<string> | undefined {
    const { length } = this.value;
    if (kind === "insert") return this.insert(at % (length + 1), `${this.#name}${this.#count++}`);
    return length === 0 ? undefined : this.delete(at % length);
  }

  canonical(): unknown {
    return { shown: this.value, state: this.state };
  }
}

const listCommand: fc.Arbitrary<ListCommand> = fc.record({
  kind: fc.constantFrom("insert", "insert", "insert", "delete"),
  at: fc.nat(),
});

opBasedLaws<ListOperation<string>, ListCommand, DrivenList>("list", {
  create: (author) => new DrivenList(author),
  commands: listCommand,
  mergeInto: (into, from) => into.merge(from.state),
});

interface PlacedOp {
  readonly index: number;
  readonly op: ListOperation<string>;
}

function expectSame(a: unknown, b: unknown): void {
  expect(a).toEqual(b);
}

/** The plainest list there is: who wrote sees at once what they meant. */
class CheckedList implements OpBasedReplica<PlacedOp, ListCommand> {
  readonly list: DrivenList;
  readonly #author: ReplicaId;

  constructor(author: ReplicaId) {
    this.#author = author;
    this.list = new DrivenList(author);
  }

  get value(): readonly string[] {
    return this.list.value;
  }

  write(command: ListCommand): PlacedOp | undefined {
    const op = this.list.write(command);
    if (op === undefined) return undefined;
    const { length } = this.value;
    return { op, index: command.at % (op.kind === "insert" ? length + 1 : length) };
  }

  apply({ id, lamport, op: { op, index } }: Delivered<PlacedOp>): void {
    const meant = [...this.value];
    if (op.kind === "insert") meant.splice(index, 0, op.value);
    else meant.splice(index, 1);
    this.list.apply({ id, lamport, op });
    if (id.replica === this.#author) expectSame(this.value, meant);
  }

  canonical(): unknown {
    return this.list.canonical();
  }
}

opBasedLaws("list, as its author reads it,", {
  create: (author) => new CheckedList(author),
  commands: listCommand,
});

/** Lists of one set of operations, each with some of them in some order, causal or not. */
const listStates = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(2), listCommand), { maxLength: 14 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 14, maxLength: 14 }),
  )
  .map(([commands, fates]): [ListState<string>, ListState<string>, ListState<string>] => {
    const authors = ["bb", "aa", "cc"].map((name) => new DrivenList(name));
    const all = [new List<string>(), new List<string>(), new List<string>()] as const;
    const operations = commands.flatMap(([author, command], step) => {
      const list = authors[author];
      const op = list?.write(command);
      if (list === undefined || op === undefined) return [];
      const id = { replica: replica(["bb", "aa", "cc"][author] ?? ""), seq: step, index: step % 2 };
      list.apply({ id, lamport: step, op });
      if (step % 3 === 0) for (const other of authors) list.merge(other.state);
      const [order, to] = fates[step] ?? [0, 0];
      return [{ order, to, delivered: { id, lamport: step, op } }];
    });
    for (const { to, delivered } of operations.toSorted((a, b) => a.order - b.order)) {
      all.forEach((list, index) => {
        if ((to & (1 << index)) !== 0) list.apply(delivered);
      });
    }
    return [all[0].state, all[1].state, all[2].state];
  });

stateBasedLaws("list", { create: () => new List<string>(), states: listStates });
const texts = listCodec(textValue);
codecLaws(
  "list",
  texts,
  listStates.map(([state]) => state),
);

describe("a list", () => {
  const typed = (author: string, list: List<string>, at: number, text: string, backwards = false) =>
    Array.from(text, (letter, step): Delivered<ListOperation<string>> => {
      const op = list.insert(backwards ? at : at + step, letter);
      const delivered = {
        id: { replica: replica(author), seq: step + 1, index: 0 },
        lamport: 1,
        op,
      };
      list.apply(delivered);
      return delivered;
    });
  const shown = (list: List<string>) => list.value.join("");

  it.each([
    ["forwards", false, "onetwo"],
    ["backwards", true, "enoowt"],
  ])("never interleaves what two people type at one place, %s", (_, backwards, whole) => {
    const [one, two] = [new List<string>(), new List<string>()];
    const ofOne = typed("aa", one, 0, "one", backwards);
    const ofTwo = typed("bb", two, 0, "two", backwards);
    for (const operation of ofTwo) one.apply(operation);
    for (const operation of ofOne) two.apply(operation);
    expect([shown(one), shown(two)]).toEqual([whole, whole]);
  });

  it("never interleaves two runs typed into the middle", () => {
    const [one, two] = [new List<string>(), new List<string>()];
    for (const operation of typed("cc", one, 0, "()")) two.apply(operation);
    const ofOne = typed("bb", one, 1, "one");
    const ofTwo = typed("aa", two, 1, "two");
    for (const operation of ofTwo) one.apply(operation);
    for (const operation of ofOne) two.apply(operation);
    expect(["(onetwo)", "(twoone)"]).toContain(shown(one));
    expect(shown(two)).toBe(shown(one));
  });

  it("ends alike in every order of its operations, also those that causality rules out", () => {
    const list = new List<string>();
    const operations = [...typed("aa", list, 0, "abc"), ...typed("bb", list, 1, "xyz", true)];
    const first = list.delete(0);
    const id = { replica: replica("cc"), seq: 1, index: 0 };
    operations.push({ id, lamport: 9, op: first });
    list.apply({ id, lamport: 9, op: first });
    const whole = fc.shuffledSubarray(operations, { minLength: operations.length });
    fc.assert(
      fc.property(whole, (order) => {
        const other = new List<string>();
        for (const operation of order) other.apply(operation);
        expect(shown(other)).toBe("zyxbc");
        expect(other.waiting).toBe(0);
        expect(other.state).toEqual(list.state);
      }),
    );
  });

  it("orders what many put at one place by who they are", () => {
    const authors = ["10", "20", "30", "40", "50", "60", "70"];
    fc.assert(
      fc.property(fc.shuffledSubarray(authors), fc.constantFrom("left", "right"), (some, side) => {
        const list = new List<string>();
        const [middle] = typed("aa", list, 0, "|");
        for (const author of some) {
          const id = { replica: replica(author), seq: 1, index: 0 };
          const op = { kind: "insert", parent: middle?.id, side, value: author } as const;
          list.apply({ id, lamport: 2, op });
        }
        const ordered = some.toSorted();
        expect(list.value).toEqual(side === "left" ? [...ordered, "|"] : ["|", ...ordered]);
      }),
    );
  });

  it("keeps what waits for a parent that never comes, and shows it to nobody", () => {
    const list = new List<string>();
    const id = { replica: replica("aa"), seq: 1, index: 0 };
    const [one, other] = [
      { ...id, seq: 2 },
      { ...id, seq: 3 },
    ];
    const insert = { kind: "insert", side: "right", value: "x" } as const;
    list.apply({ id: one, lamport: 1, op: { ...insert, parent: other } });
    list.apply({ id: other, lamport: 1, op: { ...insert, parent: one } });
    list.apply({ id, lamport: 1, op: { ...insert, parent: id } });
    expect(list.value).toEqual([]);
    expect(list.state.elements).toHaveLength(3);
    expect(list.waiting).toBe(3);
  });

  it("puts everything at its root on one side, whatever an operation says", () => {
    const list = new List<string>();
    const id = { replica: replica("aa"), seq: 1, index: 0 };
    const op = { kind: "insert", parent: undefined, side: "left", value: "x" } as const;
    list.apply({ id, lamport: 1, op });
    expect(list.value).toEqual(["x"]);
    expect(list.state.elements).toMatchObject([{ side: "right" }]);
  });

  const table = (...authors: string[]) =>
    `0${authors.length}` + authors.map((author) => replica(author)).join("");
  const one = table("aa");
  /** The first element of "aa", spelled out: at the root, seq 1, index 0. */
  const x = "06" + "000100" + "0178";

  it.each([
    [
      "no id for its first element",
      one + "01" + "04" + "0178" + "00",
      "the first element without an id",
    ],
    [
      "an id that could be left out",
      one + "02" + x + "06" + "000101" + "0179" + "00",
      "flags of another element",
    ],
    [
      "a next entry that could be left out",
      one + "02" + x + "06" + "000200" + "0179" + "00",
      "flags of another element",
    ],
    [
      "a place that could be left out",
      one + "02" + x + "08" + "000100" + "0179" + "00",
      "flags of another element",
    ],
    [
      "flags that mean nothing",
      one + "01" + "26" + "000100" + "0178" + "00",
      "flags of another element",
    ],
    [
      "a third way to spell an id",
      one + "02" + x + "07" + "000300" + "0179" + "00",
      "flags of another element",
    ],
    ["an element twice", one + "02" + x + x + "00", "elements not in ascending order"],
    [
      "a deleted id twice",
      one + "00" + "02" + "000100" + "000100",
      "deleted ids not in ascending order",
    ],
    [
      "an element among the ids deleted early",
      one + "01" + x + "01" + "000100",
      "an element deleted twice",
    ],
    ["a replica it has no use for", table("aa", "bb") + "01" + x + "00", "a replica without a use"],
    [
      "a seq above 2^53 − 1",
      one + "02" + "06" + "00" + "ffffffffffffff0f" + "00" + "0178" + "05" + "0179" + "00",
      "an id above 2^53 − 1",
    ],
    [
      "an index above 2^53 − 1",
      one + "02" + "06" + "0001" + "ffffffffffffff0f" + "0178" + "04" + "0179" + "00",
      "an id above 2^53 − 1",
    ],
  ])("is refused in bytes with %s", (_, hex, why) => {
    const read = texts.decode(fromHex("01" + hex));
    expect(isMalformed(read) ? read.message : read).toBe(why);
  });

  it("takes a run as long as a book", () => {
    const list = new List<string>();
    let parent: OpId | undefined;
    const operations: Delivered<ListOperation<string>>[] = [];
    for (let seq = 1; seq <= 50_000; seq++) {
      const id = { replica: replica("aa"), seq, index: 0 };
      const op = { kind: "insert", parent, side: "right", value: "." } as const;
      operations.push({ id, lamport: seq, op });
      parent = id;
    }
    for (const operation of operations.reverse()) list.apply(operation);
    expect(list.value).toHaveLength(50_000);
  });

  it("takes any number of elements that wait for one", () => {
    const list = new List<string>();
    const parent = { replica: replica("aa"), seq: 1, index: 0 };
    const op = { kind: "insert", side: "right", value: "." } as const;
    for (let seq = 1; seq <= 150_000; seq++) {
      const id = { replica: replica("bb"), seq, index: 0 };
      list.apply({ id, lamport: 1, op: { ...op, parent } });
    }
    list.apply({ id: parent, lamport: 1, op: { ...op, parent: undefined } });
    expect(list.value).toHaveLength(150_001);
  });

  it("refuses places beyond its end", () => {
    const list = new List<string>();
    expect(() => list.insert(1, "x")).toThrow(RangeError);
    expect(() => list.delete(0)).toThrow(RangeError);
  });
});
