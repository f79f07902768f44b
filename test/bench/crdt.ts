/**
 * What our data types cost: one history written into ours, into Yjs and into Automerge; then the bytes
 * of the state and of a change, and the time to take them in. Both engines hold any document and keep
 * more than ours do (Automerge all of its history); ours are for one purpose each.
 */
import * as A from "@automerge/automerge";
import * as Y from "yjs";
import { isMalformed, type Malformed } from "@skein/shared/bytes/malformed.ts";
import type { Delivered, OpBased, Stamp } from "@skein/shared/crdt/crdt.ts";
import { newDocument } from "@skein/shared/crdt/engine/yjs-document.ts";
import { joinOf, Replicated, type StateType } from "@skein/shared/crdt/lattice/lattice.ts";
import { lwwMap } from "@skein/shared/crdt/lattice/lww-map.ts";
import { mvRegister } from "@skein/shared/crdt/lattice/mv-register.ts";
import { orMap } from "@skein/shared/crdt/lattice/or-map.ts";
import { orSet } from "@skein/shared/crdt/lattice/or-set.ts";
import { pnCounter } from "@skein/shared/crdt/lattice/pn-counter.ts";
import { textValue } from "@skein/shared/crdt/lattice/state-codec.ts";
import { Counter, type CounterOperation } from "@skein/shared/crdt/op/counter.ts";
import { listCodec } from "@skein/shared/crdt/op/list-codec.ts";
import { List, type ListOperation, type ListState } from "@skein/shared/crdt/op/list.ts";
import { LwwMap, type SetOperation } from "@skein/shared/crdt/op/lww-map.ts";
import { OrSet, type OrSetOperation } from "@skein/shared/crdt/op/or-set.ts";
import { replicaId, type ReplicaId } from "@skein/shared/id/id.ts";
import { type Bench, fastest, type Figure } from "./figure.ts";

type Change =
  | { readonly kind: "count" }
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "take"; readonly key: string }
  | { readonly kind: "insert"; readonly at: number; readonly value: string }
  | { readonly kind: "delete"; readonly at: number };

const replicaCount = 5;
/** Everybody has what came before when their turn begins. */
const changesPerTurn = 20;
const authorOf = (step: number): number => Math.floor(step / changesPerTurn) % replicaCount;
/** Random enough, as all ids are. */
const idBytesOf = (author: number): Uint8Array =>
  Uint8Array.from({ length: 16 }, (_, at) => (author * 89 + at * 151 + 17) % 256);
const replicas = Array.from({ length: replicaCount }, (_, author) => replicaId(idBytesOf(author)));
const replicaOf = (author: number): ReplicaId => {
  const replica = replicas[author];
  if (replica === undefined) throw new Error(`no author ${author}`);
  return replica;
};

/** A history inside one library. */
interface Written {
  /** Makes one change; returns it as it would travel. */
  readonly make: (change: Change, author: number) => Uint8Array;
  readonly save: () => Uint8Array;
  /** What the whole shows, in the form of `History.shown`. */
  readonly shown: () => unknown;
  /** A replica that knew nothing takes these in. */
  readonly load: (state: Uint8Array) => unknown;
  readonly replay: (changes: readonly Uint8Array[]) => unknown;
  /** The same, the changes joined with each other first. */
  readonly replayJoined?: (changes: readonly Uint8Array[]) => unknown;
}

interface History {
  readonly name: string;
  readonly changes: readonly Change[];
  readonly oneMore: Change;
  /** Before `oneMore`. */
  readonly shown: unknown;
  readonly ours: readonly { readonly name: string; readonly create: () => Written }[];
  /** Applies the history as operations, all of them in memory; returns what is shown then. */
  readonly operations: readonly { readonly name: string; readonly create: () => () => unknown }[];
}

// ── ours ───────────────────────────────────────────────────────────────────────────────────────

function accepted<T>(read: T | Malformed): T {
  if (isMalformed(read)) throw read;
  return read as T;
}

function unlike(change: Change): never {
  throw new Error(`no ${change.kind} here`);
}

class Stamps {
  #lamport = 0;
  readonly #seqs = new Map<number, number>();

  next(author: number): Stamp {
    const seq = (this.#seqs.get(author) ?? 0) + 1;
    this.#seqs.set(author, seq);
    return { id: { replica: replicaOf(author), seq, index: 0 }, lamport: ++this.#lamport };
  }
}

function asStates<State, Value>(
  type: StateType<State, Value>,
  mutate: (state: State, change: Change, stamp: Stamp) => State,
  shownOf: (value: Value) => unknown,
): Written {
  const stamps = new Stamps();
  const whole = new Replicated(type);
  return {
    make: (change, author) => {
      const stamp = stamps.next(author);
      return type.encode(whole.change((state) => mutate(state, change, stamp)));
    },
    save: () => type.encode(whole.state),
    shown: () => shownOf(whole.value),
    load: (bytes) => shownOf(type.valueOf(accepted<State>(type.decode(bytes)))),
    replay: (changes) => {
      const reader = new Replicated(type);
      for (const delta of changes) reader.merge(accepted<State>(type.decode(delta)));
      return shownOf(reader.value);
    },
    replayJoined: (changes) => {
      const deltas = changes.map((delta) => accepted<State>(type.decode(delta)));
      return shownOf(type.valueOf(joinOf(type, deltas)));
    },
  };
}

const texts = listCodec(textValue);

/** A state of one element is a list's delta. */
function asList(): Written {
  const stamps = new Stamps();
  const whole = new List<string>();
  return {
    make: (change, author) => {
      const delivered = { ...stamps.next(author), op: editOf(whole, change) };
      whole.apply(delivered);
      const delta = new List<string>();
      delta.apply(delivered);
      return texts.encode(delta.state);
    },
    save: () => texts.encode(whole.state),
    shown: () => whole.value,
    load: (bytes) => {
      const reader = new List<string>();
      reader.merge(accepted<ListState<string>>(texts.decode(bytes)));
      return reader.value;
    },
    replay: (changes) => {
      const reader = new List<string>();
      for (const delta of changes) reader.merge(accepted<ListState<string>>(texts.decode(delta)));
      return reader.value;
    },
  };
}

function editOf(list: List<string>, change: Change): ListOperation<string> {
  if (change.kind === "insert") return list.insert(change.at, change.value);
  return change.kind === "delete" ? list.delete(change.at) : unlike(change);
}

/** Writes the history as operations; returns the run of a reader. */
function asOperations<Op, Value>(
  create: () => OpBased<Op, Value>,
  changes: readonly Change[],
  write: (writer: OpBased<Op, Value>, change: Change) => Op,
  shownOf: (value: Value) => unknown,
): () => unknown {
  const stamps = new Stamps();
  const writer = create();
  const written = changes.map((change, step): Delivered<Op> => {
    const delivered = { ...stamps.next(authorOf(step)), op: write(writer, change) };
    writer.apply(delivered);
    return delivered;
  });
  return () => {
    const reader = create();
    for (const delivered of written) reader.apply(delivered);
    return shownOf(reader.value);
  };
}

// ── Yjs and Automerge ──────────────────────────────────────────────────────────────────────────

/** Shown as entries in the order of their keys. */
const entriesOf = (map: Iterable<readonly [string, unknown]>): unknown =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

/** A count is kept under the client that counted: Yjs has no counter, and this is the usual one. */
function changeYjs(doc: Y.Doc, change: Change): void {
  const map = doc.getMap<unknown>("map");
  const list = doc.getArray<string>("list");
  const own = `${doc.clientID}`;
  if (change.kind === "count") map.set(own, Number(map.get(own) ?? 0) + 1);
  else if (change.kind === "put") map.set(change.key, change.value);
  else if (change.kind === "take") map.delete(change.key);
  else if (change.kind === "insert") list.insert(change.at, [change.value]);
  else list.delete(change.at, 1);
}

function shownByYjs(doc: Y.Doc, kind: Change["kind"]): unknown {
  const map = doc.getMap<unknown>("map");
  if (kind === "insert") return doc.getArray<string>("list").toArray();
  if (kind === "put") return entriesOf(map.entries());
  return [...map.values()].reduce((sum: number, count) => sum + Number(count), 0);
}

/** States in its second format and changes in its first: each is the smaller one there. */
function asYjs(kind: Change["kind"]): Written {
  const whole = newDocument();
  let update: Uint8Array | undefined;
  whole.on("update", (bytes: Uint8Array) => {
    update = bytes;
  });
  return {
    make: (change, author) => {
      whole.clientID = 2 ** 31 + author * 0x1234_567;
      whole.transact(() => changeYjs(whole, change));
      if (update === undefined) throw new Error("a change without an update");
      return update;
    },
    save: () => Y.encodeStateAsUpdateV2(whole),
    shown: () => shownByYjs(whole, kind),
    load: (bytes) => {
      const reader = newDocument();
      Y.applyUpdateV2(reader, bytes);
      return shownByYjs(reader, kind);
    },
    replay: (changes) => {
      const reader = newDocument();
      for (const bytes of changes) Y.applyUpdate(reader, bytes);
      return shownByYjs(reader, kind);
    },
  };
}

interface Held {
  count: A.Counter;
  map: Record<string, A.ImmutableString>;
  list: A.ImmutableString[];
}

function changeAutomerge(held: Held, change: Change): void {
  if (change.kind === "count") held.count.increment(1);
  else if (change.kind === "put") held.map[change.key] = new A.ImmutableString(change.value);
  else if (change.kind === "take") delete held.map[change.key];
  else if (change.kind === "insert") {
    held.list.splice(change.at, 0, new A.ImmutableString(change.value));
  } else held.list.splice(change.at, 1);
}

function shownByAutomerge(doc: A.Doc<Held>, kind: Change["kind"]): unknown {
  if (kind === "count") return doc.count.value;
  if (kind === "insert") return doc.list.map((each) => each.val);
  return entriesOf(Object.entries(doc.map).map(([key, { val }]) => [key, val]));
}

const actorOf = (author: number): string => replicaOf(author);

function asAutomerge(kind: Change["kind"]): Written {
  const empty = A.change(A.init<Held>({ actor: "ff".repeat(16) }), { time: 0 }, (held) => {
    Object.assign(held, { count: new A.Counter(), map: {}, list: [] });
  });
  let whole = A.clone(empty, { actor: actorOf(0) });
  return {
    make: (change, author) => {
      if (A.getActorId(whole) !== actorOf(author)) {
        whole = A.clone(whole, { actor: actorOf(author) });
      }
      whole = A.change(whole, { time: 0 }, (held) => changeAutomerge(held, change));
      const made = A.getLastLocalChange(whole);
      if (made === undefined) throw new Error("a change without a change");
      return made;
    },
    save: () => A.save(whole),
    shown: () => shownByAutomerge(whole, kind),
    load: (bytes) => shownByAutomerge(A.load<Held>(bytes), kind),
    replay: (changes) => {
      let reader = A.clone(empty);
      for (const bytes of changes) [reader] = A.applyChanges(reader, [bytes]);
      return shownByAutomerge(reader, kind);
    },
  };
}

// ── the histories ──────────────────────────────────────────────────────────────────────────────

const thousand = Array.from({ length: 1_000 }, (_, at) => at);
const keyOf = (at: number): string => `key-${at}`;

const counting: History = {
  name: "1,000 increments",
  changes: thousand.map(() => ({ kind: "count" })),
  oneMore: { kind: "count" },
  shown: 1_000,
  ours: [
    {
      name: "counter",
      create: () =>
        asStates(
          pnCounter,
          (state, _, { id }) => pnCounter.add(state, id.replica, 1),
          (value) => value,
        ),
    },
  ],
  operations: [
    {
      name: "counter",
      create: () =>
        asOperations<CounterOperation, number>(
          () => new Counter(),
          counting.changes,
          () => ({ by: 1 }),
          (value) => value,
        ),
    },
  ],
};

const shownOfSet = (elements: ReadonlySet<string>): unknown =>
  entriesOf(Array.from(elements, (element) => [element, ""] as const));

const set: History = {
  name: "1,000 elements, half removed",
  changes: [
    ...thousand.map((at): Change => ({ kind: "put", key: keyOf(at), value: "" })),
    ...thousand.flatMap((at): Change[] => (at % 2 === 0 ? [{ kind: "take", key: keyOf(at) }] : [])),
  ],
  oneMore: { kind: "put", key: "one more", value: "" },
  shown: entriesOf(thousand.flatMap((at) => (at % 2 === 0 ? [] : [[keyOf(at), ""] as const]))),
  ours: [
    {
      name: "observed-remove set",
      create: () =>
        asStates(
          orSet,
          (state, change, { id }) => {
            if (change.kind === "put") return orSet.add(state, id.replica, change.key);
            return change.kind === "take" ? orSet.remove(state, change.key) : unlike(change);
          },
          shownOfSet,
        ),
    },
  ],
  operations: [
    {
      name: "observed-remove set",
      create: () =>
        asOperations<OrSetOperation, ReadonlySet<string>>(
          () => new OrSet(),
          set.changes,
          (writer, change) => {
            if (!(writer instanceof OrSet)) throw new Error("another set");
            if (change.kind === "put") return writer.add(change.key);
            return (change.kind === "take" && writer.remove(change.key)) || unlike(change);
          },
          shownOfSet,
        ),
    },
  ],
};

const writes = (round: number): Change[] =>
  thousand.map((at) => ({ kind: "put", key: keyOf(at), value: `value ${round * 1_000 + at}` }));
const texted = lwwMap(textValue);
const register = mvRegister(textValue);
const registers = orMap(register);

const map: History = {
  name: "1,000 keys written twice",
  changes: [...writes(0), ...writes(1)],
  oneMore: { kind: "put", key: keyOf(500), value: "one more" },
  shown: entriesOf(thousand.map((at) => [keyOf(at), `value ${1_000 + at}`] as const)),
  ours: [
    {
      name: "last-writer-wins map",
      create: () =>
        asStates(
          texted,
          (_, change, stamp) =>
            change.kind === "put" ? texted.set(stamp, change.key, change.value) : unlike(change),
          entriesOf,
        ),
    },
    {
      name: "map of multi-value registers",
      create: () =>
        asStates(
          registers,
          (state, change, { id }) =>
            change.kind === "put"
              ? registers.update(state, change.key, (inner) =>
                  register.write(inner, id.replica, change.value),
                )
              : unlike(change),
          (value) => entriesOf(Array.from(value, ([key, all]) => [key, all.join()] as const)),
        ),
    },
  ],
  operations: [
    {
      name: "last-writer-wins map",
      create: () =>
        asOperations<SetOperation<string>, ReadonlyMap<string, string>>(
          () => new LwwMap<string>(),
          map.changes,
          (_, change) => (change.kind === "put" ? change : unlike(change)),
          entriesOf,
        ),
    },
  ],
};

/** Wherever, but the same in every run. */
const placeIn = (length: number, at: number): number => (at * 2_654_435_761) % length;

const edits = [
  ...thousand.map((at): Change => ({
    kind: "insert",
    // Most are put behind the one before, some anywhere.
    at: at % 10 === 0 ? placeIn(at + 1, at) : at,
    value: `item ${at}`,
  })),
  ...thousand
    .slice(0, 200)
    .map((at): Change => ({ kind: "delete", at: placeIn(1_000 - at, at + 1) })),
];

const list: History = {
  name: "1,000 elements, 20 % deleted",
  changes: edits,
  oneMore: { kind: "insert", at: 400, value: "one more" },
  shown: edits.reduce((items: string[], change) => {
    if (change.kind === "insert") items.splice(change.at, 0, change.value);
    else if (change.kind === "delete") items.splice(change.at, 1);
    return items;
  }, []),
  ours: [{ name: "list", create: asList }],
  operations: [
    {
      name: "list",
      create: () =>
        asOperations<ListOperation<string>, readonly string[]>(
          () => new List<string>(),
          edits,
          (writer, change) =>
            writer instanceof List ? editOf(writer as List<string>, change) : unlike(change),
          (value) => value,
        ),
    },
  ],
};

// ── the bench ──────────────────────────────────────────────────────────────────────────────────

/** A history written into one library. */
interface Sample {
  readonly written: Written;
  readonly changes: readonly Uint8Array[];
  readonly state: Uint8Array;
  readonly oneMore: Uint8Array;
}

function sampleOf(written: Written, { changes, oneMore, shown }: History): Sample {
  const made = changes.map((change, step) => written.make(change, authorOf(step)));
  expectShown(written.shown(), shown);
  const state = written.save();
  return { written, changes: made, state, oneMore: written.make(oneMore, 0) };
}

function expectShown(shown: unknown, wanted: unknown): void {
  if (JSON.stringify(shown) !== JSON.stringify(wanted)) {
    throw new Error(`not what was written: ${JSON.stringify(shown).slice(0, 200)}`);
  }
}

async function figuresOf(history: History): Promise<readonly Figure[]> {
  const { name, changes, shown } = history;
  const first = changes[0]?.kind ?? "count";
  const yjs = sampleOf(asYjs(first), history);
  const automerge = sampleOf(asAutomerge(first), history);
  const others = [
    { whose: "Yjs", sample: yjs },
    { whose: "Automerge", sample: automerge },
  ];
  const figures: Figure[] = [];
  const beside = (figure: string, unit: string, value: number, references: readonly number[]) => {
    for (const [at, { whose }] of others.entries()) {
      const reference = references[at] ?? null;
      figures.push({ figure: `${figure}, beside ${whose}`, value, unit, reference, goal: null });
    }
  };

  for (const { name: type, create } of history.ours) {
    const ours = sampleOf(create(), history);
    const all = [ours, yjs, automerge];
    const [bytes = 0, ...bytesOfOthers] = all.map(({ state }) => state.length);
    beside(`${type}, ${name}: state`, "bytes", bytes, bytesOfOthers);
    const [one = 0, ...oneOfOthers] = all.map(({ oneMore }) => oneMore.length);
    beside(`${type}: one change`, "bytes", one, oneOfOthers);
    figures.push({
      figure: `${type}: one change, beside its state`,
      value: one,
      unit: "bytes",
      reference: bytes,
      goal: null,
    });
    const [load = 0, ...loadOfOthers] = await fastest(
      7,
      all.map(
        ({ written, state }) =>
          () =>
            expectShown(written.load(state), shown),
      ),
    );
    beside(`${type}: taking in the state`, "ms", load, loadOfOthers);
    const [replay = 0, ...replayOfOthers] = await fastest(
      3,
      all.map((sample) => () => expectShown(sample.written.replay(sample.changes), shown)),
    );
    const perSecond = (ms: number): number => (changes.length / ms) * 1_000;
    const paces = replayOfOthers.map(perSecond);
    beside(`${type}: taking in every change`, "changes/s", perSecond(replay), paces);
    const { replayJoined } = ours.written;
    if (replayJoined === undefined) continue;
    const [joined = 0] = await fastest(3, [() => expectShown(replayJoined(ours.changes), shown)]);
    figures.push({
      figure: `${type}: taking them in joined, beside one by one`,
      value: perSecond(joined),
      unit: "changes/s",
      reference: perSecond(replay),
      goal: null,
    });
  }
  for (const { name: type, create } of history.operations) {
    const run = create();
    const [ms = 0] = await fastest(7, [() => expectShown(run(), shown)]);
    figures.push({
      figure: `${type}: applying every operation, in memory`,
      value: (changes.length / ms) * 1_000,
      unit: "operations/s",
      reference: null,
      goal: null,
    });
  }
  return figures;
}

export const crdtBench: Bench = {
  name: "crdt",
  about: "our data types beside Yjs and Automerge: bytes of states and changes, and taking them in",
  async run(say) {
    const figures: Figure[] = [];
    for (const history of [counting, set, map, list]) {
      say(`${history.name} by ${replicaCount} replicas`);
      figures.push(...(await figuresOf(history)));
    }
    return figures;
  },
};
