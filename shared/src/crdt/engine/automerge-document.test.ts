import {
  decodeChange,
  encodeChange,
  getBackend,
  init,
  initializeBase64Wasm,
} from "@automerge/automerge/slim";
import { automergeWasmBase64 } from "@automerge/automerge/automerge.wasm.base64";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../bytes/bytes.ts";
import { Malformed } from "../../bytes/malformed.ts";
import { Writer } from "../../bytes/writer.ts";
import { type OpBasedReplica, opBasedLaws } from "../crdt.laws.ts";
import { changeOperationsMax, readChange } from "./automerge-change.ts";
import {
  type AuthoredChange,
  AutomergeDocument,
  type Genesis,
  type WritingActor,
} from "./automerge-document.ts";

const actorOf = (byte: number): string => byte.toString(16).padStart(2, "0").repeat(16);
const [ana, ben, cem] = [actorOf(0xaa), actorOf(0xbb), actorOf(0xcc)] as const;
const zeros = actorOf(0);
const things = `1@${zeros}`;
const timeMs = 1_700_000_000_000;

let genesis: Genesis;

beforeAll(async () => {
  await initializeBase64Wasm(automergeWasmBase64);
  const handle = getBackend(init({ actor: zeros }));
  handle.putObject("_root", "things", {});
  handle.putObject("_root", "others", {});
  handle.commit(undefined, 0);
  const change = handle.getLastLocalChange();
  if (!change) throw new Error("no genesis");
  genesis = { change, sealed: new Set(["_root"]), shelves: new Set([things]) };
});

function writing(actor: string, snapshot?: Uint8Array): AutomergeDocument {
  const document = new AutomergeDocument(genesis, snapshot);
  const actors: WritingActor[] = [{ actor, seq: 0 }];
  const spare = (index: number): WritingActor => ({
    actor: actor.slice(0, 30) + index.toString(16).padStart(2, "0"),
    seq: 0,
  });
  let tried = 0;
  document.write(() => actors.shift() ?? spare(tried++));
  return document;
}

function edited(
  document: AutomergeDocument,
  edit: (handle: AutomergeDocument["handle"]) => void,
): AuthoredChange {
  const change = document.edit(timeMs, edit);
  if (!change || !document.actor) throw new Error("changed nothing");
  return { actor: document.actor.actor, change };
}

const set = (document: AutomergeDocument, key: string, value: string): AuthoredChange =>
  edited(document, (handle) => handle.put(things, key, value, "str"));

const kinds = (document: AutomergeDocument, changes: readonly AuthoredChange[]): string[] =>
  document.apply(changes).map(({ kind }) => kind);

const shown = (document: AutomergeDocument): unknown => document.read("/");

type Decoded = ReturnType<typeof decodeChange>;

/** `change` decoded, changed and encoded again: what a hostile member can write. */
function forged(change: Uint8Array, forge: (decoded: Decoded) => void): Uint8Array {
  const decoded = decodeChange(change);
  forge(decoded);
  return encodeChange({ ...decoded, hash: undefined } as unknown as Decoded);
}

/** The chunk with a checksum that fits its bytes. */
function sealed(chunk: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(chunk);
  bytes.set(sha256(bytes.subarray(8)).subarray(0, 4), 4);
  return bytes;
}

const reasonOf = (change: Uint8Array): string => {
  const read = readChange(change);
  return read instanceof Malformed ? read.message : "accepted";
};

/** A reload is where Automerge notices what it should not have taken. */
function expectSound(document: AutomergeDocument): void {
  expect(document.damage).toBeUndefined();
  const again = new AutomergeDocument(genesis, document.snapshot());
  expect(again.damage).toBeUndefined();
  expect(again.heads).toEqual(document.heads);
  expect(shown(again)).toEqual(shown(document));
}

describe("what is edited here", () => {
  it("comes out as one change that others can apply", () => {
    const [here, there] = [writing(ana), writing(ben)];
    const change = edited(here, (handle) => {
      const made = handle.putObject(things, "x", {});
      handle.put(made, "title", "one", "str");
    });
    expect(kinds(there, [change])).toEqual(["applied"]);
    expect(shown(there)).toEqual(shown(here));
    expect(there.heads).toEqual(here.heads);
  });

  it("is the same bytes for the same edit, actor and time", () => {
    const [one, two] = [writing(ana), writing(ana)].map((document) => set(document, "k", "v"));
    expect(toHex(one?.change ?? new Uint8Array())).toBe(toHex(two?.change ?? new Uint8Array(1)));
  });

  it("is nothing when nothing changes, and nothing remains when the edit throws", () => {
    const here = writing(ana);
    expect(here.edit(timeMs, () => {})).toBeUndefined();
    expect(() =>
      here.edit(timeMs, (handle) => {
        handle.put(things, "k", "v", "str");
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(here.edit(timeMs, () => {})).toBeUndefined();
    expect(shown(here)).toEqual({ things: {}, others: {} });
  });

  it("cannot be more than one change holds", () => {
    const here = writing(ana);
    const fill = (count: number) => (): unknown =>
      here.edit(timeMs, (handle) => {
        for (let index = 0; index < count; index++) handle.put(things, `k${index}`, index, "int");
      });
    expect(fill(changeOperationsMax + 1)).toThrow(/are the most/);
    expect(fill(changeOperationsMax)).not.toThrow();
  });

  it("is refused without an actor, and under sealed objects", () => {
    const document = new AutomergeDocument(genesis);
    expect(() => document.edit(timeMs, () => {})).toThrow(/without an actor/);
    const here = writing(ana);
    expect(() => here.edit(timeMs, (handle) => handle.put("_root", "x", "y", "str"))).toThrow(
      /everybody keeps/,
    );
  });

  it("deletes the other values of a conflict when the winning one is set again", () => {
    const [here, there, reader] = [writing(ana), writing(ben), writing(cem)];
    const conflict = [set(here, "k", "one"), set(there, "k", "one")];
    there.apply(conflict);
    const again = set(there, "k", "one");
    expect(decodeChange(again.change).ops).toMatchObject([{ action: "del", pred: [`3@${ana}`] }]);
    expect(kinds(reader, [...conflict, again])).toEqual(["applied", "applied", "applied"]);
    expect(shown(reader)).toMatchObject({ things: { k: "one" } });
    expectSound(reader);
    // In one change: what is left after the deletion is what the next operation replaces.
    here.apply(conflict);
    const gone = edited(here, (handle) => {
      handle.put(things, "k", "one", "str");
      handle.delete(things, "k");
    });
    expect(kinds(reader, [gone])).toEqual(["applied"]);
    expectSound(reader);
  });

  it("shows as patches", () => {
    const [here, there] = [writing(ana), writing(ben)];
    const change = set(here, "k", "v");
    const patch = { action: "put", path: ["things", "k"] };
    expect(here.takePatches()).toEqual([expect.objectContaining(patch)]);
    expect(here.takePatches()).toEqual([]);
    there.apply([change]);
    expect(there.takePatches()).toEqual([expect.objectContaining(patch)]);
  });
});

describe("changes from the log", () => {
  it("are known when they were made here or are in the snapshot", () => {
    const here = writing(ana);
    const change = set(here, "k", "v");
    expect(here.unlogged).toBe(1);
    expect(() => here.snapshot()).toThrow(/in no log/);
    expect(kinds(here, [change])).toEqual(["known"]);
    expect(here.unlogged).toBe(0);
    const again = writing(ben, here.snapshot());
    expect(kinds(again, [change])).toEqual(["known"]);
  });

  it("are void under a foreign actor", () => {
    const { change } = set(writing(ana), "k", "v");
    expect(writing(cem).apply([{ actor: ben, change }])).toEqual([
      { kind: "void", reason: "written under a foreign actor" },
    ]);
  });

  it("wait for what they build on, with all that follows from their author", () => {
    const [here, there] = [writing(ana), writing(ben)];
    const first = set(here, "k", "1");
    there.apply([first]);
    const second = set(there, "k", "2");
    const third = set(there, "k", "3");
    const early = writing(cem);
    expect(kinds(early, [second, third])).toEqual(["waiting", "waiting"]);
    expect(early.waiting).toBe(2);

    const reloaded = writing(cem, early.snapshot());
    expect(reloaded.waiting).toBe(2);
    for (const document of [early, reloaded]) {
      expect(kinds(document, [first])).toEqual(["applied"]);
      expect(document.waiting).toBe(0);
      expect(document.heads).toEqual(there.heads);
    }
    expectSound(early);
  });

  it("are void when they repeat or skip a number of their actor", () => {
    const [here, twin] = [writing(ana), writing(ana)];
    const first = set(here, "k", "one");
    const again = set(twin, "k", "other");
    const document = writing(ben);
    expect(kinds(document, [first, again])).toEqual(["applied", "void"]);

    const second = set(here, "k", "two");
    const skipping = forged(second.change, (decoded) => (decoded.seq = 5));
    expect(kinds(document, [{ actor: ana, change: skipping }, second])).toEqual([
      "void",
      "applied",
    ]);
    expectSound(document);
  });

  it("end the document when they come under its own actor while it has changes of its own", () => {
    const [here, twin] = [writing(ana), writing(ana)];
    set(here, "k", "unlogged");
    expect(kinds(here, [set(twin, "k", "theirs")])).toEqual(["damaged"]);
    expect(() => set(here, "k", "more")).toThrow(/same actor/);
    expect(() => here.snapshot()).toThrow(/damaged/);
  });

  it("make it take another actor when it has none", () => {
    const [here, twin] = [writing(ana), writing(ana)];
    expect(kinds(here, [set(twin, "k", "theirs")])).toEqual(["applied"]);
    expect(here.actor?.actor).not.toBe(ana);
    const [other, change] = [writing(ben), set(here, "k", "mine")];
    expect(kinds(other, [change])).toEqual(["waiting"]);
    expectSound(twin.unlogged === 0 ? twin : writing(ana));
  });
});

describe("actors", () => {
  it("are continued only at the change that was recorded", () => {
    const first = writing(ana);
    const log = [set(first, "k", "1"), set(first, "k", "2")];
    const offer = (seq: number): string | undefined => {
      const document = new AutomergeDocument(genesis);
      document.apply(log);
      const actors = [{ actor: ana, seq }];
      document.write(() => actors.shift() ?? { actor: ben, seq: 0 });
      return document.actor?.actor;
    };
    expect(offer(1)).toBe(ben);
    expect(offer(0)).toBe(ben);
    expect(offer(2)).toBe(ana);
  });
});

describe("a snapshot", () => {
  it("that is none damages the document, which then takes nothing", () => {
    const { change, actor } = set(writing(ana), "k", "v");
    const whole = new AutomergeDocument(genesis).snapshot();
    for (const bytes of [
      new Uint8Array(),
      Uint8Array.of(9),
      whole.subarray(0, 40),
      whole.subarray(0, 3),
    ]) {
      const document = new AutomergeDocument(genesis, bytes);
      expect(document.damage).toBeDefined();
      expect(kinds(document, [{ actor, change }])).toEqual(["damaged"]);
    }
  });
});

/** A document with a thing that has a title and a place, and a change to be forged on top of it. */
function victim(): { document: AutomergeDocument; base: AuthoredChange; change: Uint8Array } {
  const here = writing(ana);
  const base = edited(here, (handle) => {
    const made = handle.putObject(things, "x", {});
    handle.put(made, "title", "one", "str");
    handle.put(made, "place", "a", "str");
  });
  const there = writing(ben);
  there.apply([base]);
  const { change } = edited(there, (handle) => {
    const [, x] = handle.getWithType(things, "x") ?? [];
    handle.put(String(x), "title", "two", "str");
    const made = handle.putObject(things, "y", {});
    handle.put(made, "count", 5, "int");
    handle.put(made, "flag", true, "boolean");
    handle.delete(String(x), "place");
  });
  const document = writing(cem);
  document.apply([base]);
  return { document, base, change };
}

const at = (decoded: Decoded, index: number): Decoded["ops"][number] => {
  const operation = decoded.ops.at(index);
  if (!operation) throw new Error("no such operation");
  return operation;
};

describe("a change that Automerge would not have written", () => {
  it.each<[string, (decoded: Decoded) => void]>([
    ["replaces a value that never was", (d) => (at(d, 0).pred = [`900@${ana}`])],
    ["replaces a value of an unknown actor", (d) => (at(d, 0).pred = [`5@${actorOf(0xef)}`])],
    ["replaces a value of another key", (d) => (at(d, 0).pred = [`5@${ana}`])],
    ["leaves out what it replaces", (d) => (at(d, 0).pred = [])],
    ["deletes something and does not say what", (d) => (at(d, -1).pred = [])],
    ["deletes a value twice", (d) => at(d, -1).pred.push(...at(d, -1).pred)],
    ["deletes what never was too", (d) => at(d, -1).pred.push(`900@${ana}`)],
    ["deletes nothing", (d) => Object.assign(at(d, -1), { key: "nothing", pred: [] })],
    ["writes into a text", (d) => (at(d, 0).obj = `4@${ana}`)],
    ["writes into an object of a later change", (d) => (at(d, 0).obj = `900@${ana}`)],
    ["writes into an object it makes later", (d) => (at(d, 0).obj = `${d.startOp + 1}@${d.actor}`)],
    [
      "makes a map within a record",
      (d) => Object.assign(at(d, 0), { action: "makeMap", value: undefined }),
    ],
    [
      "names a key that is a prototype",
      (d) => d.ops.splice(0, Infinity, { ...at(d, 0), key: "__proto__", pred: [] }),
    ],
    ["sets a sealed key", (d) => (at(d, 0).obj = "_root")],
    ["counts from below its past", (d) => (d.startOp = 1)],
    ["counts from above its past", (d) => (d.startOp = 1_000)],
    ["uses the counters up", (d) => (d.startOp = 2 ** 31)],
    ["skips a number", (d) => (d.seq = 2)],
    ["has no past", (d) => (d.deps = [])],
    ["increments", (d) => Object.assign(at(d, 0), { action: "inc", value: 1 })],
    ["makes a text", (d) => Object.assign(at(d, 0), { action: "makeText" })],
    ["makes a list", (d) => Object.assign(at(d, 0), { action: "makeList" })],
    ["inserts", (d) => Object.assign(at(d, 0), { insert: true })],
    ["is under a longer actor", (d) => (d.actor = "ab".repeat(20))],
    ["is under no actor", (d) => (d.actor = "")],
  ])("is void when it %s", (_, forge) => {
    const { document, change } = victim();
    const before = shown(document);
    const bytes = forged(change, forge);
    const actor = decodeChange(bytes).actor;
    const [outcome] = document.apply([{ actor, change: bytes }]);
    expect(outcome?.kind).toBe("void");
    expect(shown(document)).toEqual(before);
    expectSound(document);
    expect(kinds(document, [{ actor: ben, change }])).toEqual(["applied"]);
    expectSound(document);
  });

  it("is taken when it deletes any of the values of a conflict, also the winner alone", () => {
    const dan = actorOf(0xdd);
    const conflict = [ana, ben, cem].map((actor) => set(writing(actor), "k", actor.slice(0, 1)));
    const values = [ana, ben, cem].map((actor) => `3@${actor}`);
    for (let subset = 1; subset < 8; subset++) {
      const [author, late] = [writing(dan), writing(actorOf(0xee))];
      author.apply(conflict);
      const { actor, change } = edited(author, (handle) => handle.delete(things, "k"));
      const pred = values.filter((_, index) => (subset & (1 << index)) !== 0);
      const some = forged(change, (decoded) => (at(decoded, 0).pred = pred));
      // Somebody who knows of one value alone writes at the same time.
      late.apply(conflict.slice(0, 1));
      const beside = set(late, "k", "e");
      for (const order of [
        [{ actor, change: some }, beside],
        [beside, { actor, change: some }],
      ]) {
        const reader = writing(actorOf(0xab));
        expect(kinds(reader, [...conflict, ...order])).toEqual(Array(5).fill("applied"));
        expectSound(reader);
        const after = set(reader, "k", "z");
        const next = writing(actorOf(0xac));
        expect(kinds(next, [...conflict, ...order, after])).toEqual(Array(6).fill("applied"));
        expect(shown(next)).toMatchObject({ things: { k: "z" } });
        expectSound(next);
      }
    }
  });

  it("waits when it writes into an object that nobody has made yet", () => {
    const { document, change } = victim();
    const bytes = forged(change, (decoded) => {
      decoded.ops = [{ ...at(decoded, 0), obj: `2@${actorOf(0xdd)}`, pred: [] }];
    });
    expect(kinds(document, [{ actor: ben, change: bytes }])).toEqual(["waiting"]);
    expectSound(document);
  });

  it.each<[string, Uint8Array | ((change: Uint8Array) => Uint8Array)]>([
    ["nothing", new Uint8Array()],
    ["noise", Uint8Array.of(1, 2, 3)],
    ["a chunk cut short", (change) => change.subarray(0, -1)],
    ["a chunk that goes on", (change) => Uint8Array.of(...change, 0)],
    ["a false checksum", (change) => change.map((byte, index) => (index === 4 ? byte ^ 1 : byte))],
    ["a document", () => getBackend(init()).save()],
    [
      "a compressed change",
      (change) => sealed(change.map((byte, index) => (index === 8 ? 2 : byte))),
    ],
  ])("is void when it is %s", (_, bytes) => {
    const { document, change } = victim();
    const garbage = typeof bytes === "function" ? bytes(change) : bytes;
    expect(kinds(document, [{ actor: ben, change: garbage }])).toEqual(["void"]);
    expectSound(document);
  });

  it("is void when 60 bytes claim a million operations", () => {
    // Columns of one run each: key "a", insert, action set, value null, no predecessors.
    const run = (count: number): number[] => [
      (count & 0x7f) | 0x80,
      ((count >> 7) & 0x7f) | 0x80,
      count >> 14,
    ];
    const bomb = (count: number): Uint8Array => {
      const columns: [number, number[]][] = [
        [0x15, [...run(count), 1, 0x61]],
        [0x34, run(count)],
        [0x42, [...run(count), 1]],
        [0x56, [...run(count), 0]],
        [0x70, [...run(count), 0]],
      ];
      const body = [
        ...[0, 16, ...Array.from({ length: 16 }, () => 0xee), 1, 1, 0, 0, 0, columns.length],
        ...columns.flatMap(([spec, data]) => [spec, data.length]),
        ...columns.flatMap(([, data]) => data),
      ];
      const head = new Writer().u32(0x856f4a83).u32(0).u8(1).varint(body.length);
      return sealed(head.raw(Uint8Array.from(body)).finish());
    };
    expect(reasonOf(bomb(1_000_000))).toBe("too many operations");
    expect(reasonOf(bomb(changeOperationsMax + 1))).toBe("too many operations");
    expect(reasonOf(bomb(changeOperationsMax))).not.toBe("too many operations");
  });

  it("never keeps a document from being loaded again, whichever byte is wrong", () => {
    const { base, change } = victim();
    const mutation = fc
      .array(fc.tuple(fc.integer({ min: 11, max: change.length - 1 }), fc.nat(255)), {
        minLength: 1,
        maxLength: 3,
      })
      .map((bytes) => {
        const mutated = Uint8Array.from(change);
        for (const [index, value] of bytes) mutated[index] = value;
        return sealed(mutated);
      });
    const applied = { count: 0 };
    fc.assert(
      fc.property(mutation, (bytes) => {
        const read = readChange(bytes);
        if (read instanceof Malformed) return;
        const document = writing(cem);
        document.apply([base, { actor: read.actor, change: bytes }]);
        if (document.waiting === 0) applied.count++;
        expectSound(document);
        set(document, "k", "still writes");
        expect(document.damage).toBeUndefined();
        document.close();
      }),
      { numRuns: 600 },
    );
    expect(applied.count).toBeGreaterThan(0);
  });
});

interface Command {
  readonly key: string;
  readonly field: string;
  readonly value: string | undefined;
}

class Replica implements OpBasedReplica<AuthoredChange, Command> {
  readonly document: AutomergeDocument;

  constructor(actor: string) {
    this.document = writing(actor);
  }

  get value(): unknown {
    return shown(this.document);
  }

  write({ key, field, value }: Command): AuthoredChange | undefined {
    const change = this.document.edit(timeMs, (handle) => {
      const held = handle.getWithType(things, key);
      const thing = held?.[0] === "map" ? held[1] : handle.putObject(things, key, {});
      if (value !== undefined) handle.put(thing, field, value, "str");
      else if (handle.getAll(thing, field).length > 0) handle.delete(thing, field);
    });
    const actor = this.document.actor?.actor;
    return change && actor !== undefined ? { actor, change } : undefined;
  }

  apply({ op }: { readonly op: AuthoredChange }): void {
    const [outcome] = this.document.apply([op]);
    const isOwn = op.actor === this.document.actor?.actor;
    if (outcome?.kind !== (isOwn ? "known" : "applied")) {
      throw new Error(`not applied but ${JSON.stringify(outcome)}`);
    }
  }

  canonical(): unknown {
    expectSound(this.document);
    return { heads: this.document.heads, shown: shown(this.document) };
  }
}

opBasedLaws<AuthoredChange, Command, Replica>("An Automerge document", {
  create: (replica) => new Replica(`${replica.slice(0, 30)}ff`),
  commands: fc.record({
    key: fc.constantFrom("x", "y"),
    field: fc.constantFrom("title", "place"),
    value: fc.option(fc.constantFrom("one", "two", "three"), { nil: undefined }),
  }),
  runs: 40,
});
