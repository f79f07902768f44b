import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import { concatBytes, fromHex, toHex } from "../../bytes/bytes.ts";
import { Malformed } from "../../bytes/malformed.ts";
import { Writer } from "../../bytes/writer.ts";
import { type OpBasedReplica, opBasedLaws } from "../crdt.laws.ts";
import { canonicalState } from "./yjs-canonical.ts";
import {
  type AuthoredUpdate,
  newDocument,
  remoteOrigin,
  type WritingPeer,
  YjsDocument,
  type YjsDocumentOptions,
} from "./yjs-document.ts";
import { internUpdate, joinUpdates, resolveUpdate } from "./yjs-update.ts";

const roomy = 48 * 1024;
const [ana, ben, cem] = [2 ** 53 - 100, 2 ** 51 + 1, 2 ** 52 + 7] as const;

function writing(client: number, options: YjsDocumentOptions = {}): YjsDocument {
  const document = new YjsDocument(options);
  let counter = 0;
  document.write(() => ({ client: client + counter++, clock: 0 }));
  return document;
}

/** What `document` edited since the last call, as its log would hold it. */
const taken = (document: YjsDocument, bytesMax = roomy): AuthoredUpdate[] =>
  document.take(bytesMax).updates.map(({ peer, update }) => ({ client: peer.client, update }));

function one(document: YjsDocument): AuthoredUpdate {
  const [update, ...more] = taken(document);
  if (!update || more.length > 0) throw new Error(`${more.length + 1} updates, not one`);
  return update;
}

const textOf = (document: YjsDocument): Y.Text => document.doc.getText("t");
const kinds = (document: YjsDocument, updates: readonly AuthoredUpdate[]): string[] =>
  document.apply(updates).map(({ kind }) => kind);
const stateOf = (document: YjsDocument): string => toHex(canonicalState(document.doc));

/** An update that no honest document makes: `edit` under `client`, whatever its clocks. */
function forged(client: number, edit: (doc: Y.Doc) => void, base?: Uint8Array): AuthoredUpdate {
  const doc = new Y.Doc();
  if (base) Y.applyUpdate(doc, base);
  const before = Y.encodeStateVector(doc);
  doc.clientID = client;
  doc.transact(() => edit(doc));
  const update = internUpdate(Y.encodeStateAsUpdate(doc, before), client);
  if (update instanceof Malformed) throw update;
  return { client, update };
}

describe("formatting marks", () => {
  /**
   * Three concurrent entries over "abcd": Ana makes "a" bold; Ben deletes "abc" and adds a bold "X";
   * Cem makes "d" bold and then everything before it.
   */
  function threeEntries(make: (client: number) => Y.Doc): readonly [Y.Doc, Uint8Array[]] {
    const base = make(1);
    base.getText("t").insert(0, "abcd");
    const edit = (client: number, change: (text: Y.Text) => void): Uint8Array => {
      const doc = make(client);
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(base));
      const before = Y.encodeStateVector(doc);
      doc.transact(() => change(doc.getText("t")));
      return Y.encodeStateAsUpdate(doc, before);
    };
    return [
      base,
      [
        edit(3, (text) => text.format(0, 1, { bold: true })),
        edit(2, (text) => {
          text.delete(0, 3);
          text.insert(1, "X", { bold: true });
        }),
        edit(4, (text) => {
          text.format(3, 1, { bold: true });
          text.format(0, 3, { bold: true });
        }),
      ],
    ];
  }

  function shown(make: (client: number) => Y.Doc, order: readonly number[]): unknown {
    const [base, entries] = threeEntries(make);
    const doc = make(9);
    doc.getText("t");
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(base));
    for (const index of order) Y.applyUpdate(doc, entries[index] ?? new Uint8Array());
    return doc.getText("t").toDelta();
  }

  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];

  it("end up the same in every order of three entries", () => {
    const make = (client: number): Y.Doc => {
      const doc = newDocument();
      doc.clientID = client;
      return doc;
    };
    const results = orders.map((order) => JSON.stringify(shown(make, order)));
    expect(new Set(results).size).toBe(1);
  });

  it("would end up visibly different if Yjs cleaned up, which is why it may not", () => {
    // If this fails after an update of Yjs, it has changed its ways: read newDocument again.
    const make = (client: number): Y.Doc => {
      const doc = new Y.Doc();
      doc.clientID = client;
      return doc;
    };
    expect(shown(make, [0, 1, 2])).toEqual([
      { insert: "d", attributes: { bold: true } },
      { insert: "X", attributes: { bold: true } },
    ]);
    expect(shown(make, [0, 2, 1])).toEqual([
      { insert: "d" },
      { insert: "X", attributes: { bold: true } },
    ]);
  });
});

describe("what is edited here", () => {
  it("comes out as one update that others can apply", () => {
    const [here, there] = [writing(ana), writing(ben)];
    for (const key of "typed key by key") textOf(here).insert(textOf(here).length, key);
    textOf(here).delete(0, 6);
    const update = one(here);
    expect(kinds(there, [update])).toEqual(["applied"]);
    expect(textOf(there).toJSON()).toBe("key by key");
    expect(stateOf(there)).toBe(stateOf(here));
  });

  it("joins keys typed one by one into one struct", () => {
    const here = writing(ana);
    textOf(here).insert(0, "x");
    one(here);
    for (const key of "abc") textOf(here).insert(textOf(here).length, key);
    expect(one(here).update).toHaveLength(13);
  });

  it("comes out once", () => {
    const here = writing(ana);
    textOf(here).insert(0, "once");
    one(here);
    expect(here.hasEdits).toBe(false);
    expect(taken(here)).toEqual([]);
  });

  it("holds nothing that others wrote, and only its own deletions", () => {
    const [here, there] = [writing(ana), writing(ben)];
    textOf(there).insert(0, "theirs");
    here.apply([one(there)]);
    textOf(there).delete(0, 2);
    here.apply([one(there)]);
    textOf(here).insert(0, "mine");
    const read = resolveUpdate(one(here).update, ana);
    if (read instanceof Malformed) throw read;
    const { structs, ds } = Y.decodeUpdate(joinUpdates(ana, [read]));
    expect(structs.map(({ id }) => id.client)).toEqual([ana]);
    expect(ds.clients.size).toBe(0);
  });

  it("says when the document was edited, after it has come to rest", () => {
    const seen: boolean[] = [];
    const here = writing(ana, { edited: () => seen.push(here.doc._transaction === null) });
    here.doc.transact(() => {
      textOf(here).insert(0, "a");
      textOf(here).insert(0, "b");
    });
    const there = writing(ben);
    textOf(there).insert(0, "c");
    here.apply([one(there)]);
    expect(seen).toEqual([true]);
  });

  it("is refused where no peer was handed out", () => {
    const document = new YjsDocument();
    textOf(document).insert(0, "x");
    expect(document.damage).toMatch(/nobody handed out/);
    expect(() => document.take(roomy)).toThrow(/damaged/);
  });

  it("is written under the peer even if somebody changed the client id between edits", () => {
    const here = writing(ana);
    here.doc.clientID = 5;
    textOf(here).insert(0, "x");
    expect(one(here).client).toBe(ana);
  });

  it("is never sent when it was written under another client id", () => {
    const here = writing(ana);
    here.doc.transact(() => {
      here.doc.clientID = 5;
      textOf(here).insert(0, "x");
    });
    expect(() => taken(here)).toThrow(/client id 5/);
  });

  it("reads the same here as elsewhere when half a character was typed", () => {
    const [here, there] = [writing(ana), writing(ben)];
    textOf(here).insert(0, "\ud83d");
    const updates = taken(here);
    textOf(here).insert(1, "\ude00");
    kinds(there, [...updates, ...taken(here)]);
    expect(textOf(there).toJSON()).toBe("\ufffd\ufffd");
    expect(stateOf(here)).toBe(stateOf(there));
  });

  it("keeps a character whole when an edit that changes nothing begins in its middle", () => {
    // Yjs alone would show two U+FFFD here, and the balloon everywhere else.
    const here = writing(ana);
    textOf(here).insert(0, "🎈");
    one(here);
    textOf(here).format(1, 1, { bold: null });
    expect(taken(here)).toEqual([]);
    expect(textOf(here).toJSON()).toBe("🎈");
  });

  it("cuts a character in two, and joins it again, the same way for everybody", () => {
    const [here, there] = [writing(ana), writing(ben)];
    textOf(here).insert(0, "🎈");
    kinds(there, taken(here));
    textOf(here).insert(1, "x");
    textOf(here).delete(1, 1);
    kinds(there, taken(here));
    const again = new YjsDocument();
    again.load(there.snapshot());
    const shown = [here, there, again].map((document) => textOf(document).toJSON());
    expect(shown).toEqual(["🎈", "🎈", "🎈"]);
    expect([stateOf(there), stateOf(again)]).toEqual([stateOf(here), stateOf(here)]);
  });

  it("leaves out the content of what was deleted before it was sent", () => {
    const here = writing(ana);
    const undo = new Y.UndoManager(textOf(here));
    textOf(here).insert(0, "a secret that was taken back");
    undo.stopCapturing();
    textOf(here).delete(0, 20);
    expect(new TextDecoder().decode(one(here).update)).not.toContain("secret");
    undo.undo();
    expect(textOf(here).toJSON()).toContain("secret");
  });
});

describe("large edits", () => {
  it("are cut into updates that each fit, in causal order", () => {
    const [here, there] = [writing(ana), writing(ben)];
    textOf(here).insert(0, "before after");
    kinds(there, taken(here));
    const paste = "Zwölf Boxkämpfer 🥊 jagen Viktor quer über den Sylter Deich. ".repeat(16_000);
    textOf(here).insert(7, paste);
    textOf(here).delete(0, 7);
    const updates = taken(here);
    expect(updates.length).toBeGreaterThan(20);
    expect(Math.max(...updates.map(({ update }) => update.length))).toBeLessThan(roomy + 100);
    for (const update of updates) expect(kinds(there, [update])).toEqual(["applied"]);
    expect(textOf(there).toJSON()).toBe(`${paste}after`);
    expect(stateOf(there)).toBe(stateOf(here));
  });

  it("are never cut within a character", () => {
    const [here, there] = [writing(ana), writing(ben)];
    textOf(here).insert(0, `.${"🥊".repeat(1_000)}`);
    kinds(there, taken(here, 200));
    expect(textOf(there).toJSON()).toBe(`.${"🥊".repeat(1_000)}`);
  });

  it("cut a list of values too", () => {
    const [here, there] = [writing(ana), writing(ben)];
    here.doc.getArray("a").insert(
      0,
      Array.from({ length: 9_000 }, (_, index) => ({ index })),
    );
    const updates = taken(here);
    expect(updates.length).toBeGreaterThan(1);
    kinds(there, updates);
    expect(there.doc.getArray("a").toJSON()).toEqual(here.doc.getArray("a").toJSON());
    expect(stateOf(there)).toBe(stateOf(here));
  });

  it("cut many deletions", () => {
    const [here, there] = [writing(ana), writing(ben)];
    textOf(here).insert(0, "ab".repeat(2_000));
    kinds(there, taken(here));
    here.doc.transact(() => {
      for (let at = 0; at < 2_000; at++) textOf(here).delete(at, 1);
    });
    const updates = taken(here, 1_024);
    expect(updates.length).toBeGreaterThan(10);
    kinds(there, updates);
    expect(textOf(there).toJSON()).toBe("b".repeat(2_000));
    expect(stateOf(there)).toBe(stateOf(here));
  });

  it.each([
    ["too large for any update", { src: "x".repeat(60_000) }, /bytes in one piece/],
    ["nested too deeply", JSON.parse("[".repeat(40) + "]".repeat(40)), /nested too deeply/],
  ])("lose a value that is %s, and say so", (_, embed: object, reason) => {
    const [here, there] = [writing(ana), writing(ben)];
    here.doc.transact(() => {
      textOf(here).insert(0, "kept");
      textOf(here).insertEmbed(2, embed);
    });
    const { updates, omitted } = here.take(roomy);
    expect(omitted).toEqual([expect.stringMatching(reason)]);
    kinds(
      there,
      updates.map(({ peer, update }) => ({ client: peer.client, update })),
    );
    expect(textOf(here).toDelta()).toEqual([{ insert: "kept" }]);
    expect(stateOf(there)).toBe(stateOf(here));
  });
});

describe("peers", () => {
  it("are asked for until one is free", () => {
    const used = writing(ana);
    textOf(used).insert(0, "x");
    const document = new YjsDocument();
    document.apply(taken(used));
    const peers = [ana, ben].map((client): WritingPeer => ({ client, clock: 0 }));
    document.write(() => peers.shift() ?? { client: cem, clock: 0 });
    expect(document.peer?.client).toBe(ben);
  });

  it("are continued only at the clock that was recorded", () => {
    const first = writing(ana);
    textOf(first).insert(0, "four");
    const log = taken(first);
    const offers = (clock: number): YjsDocument => {
      const next = new YjsDocument();
      next.apply(log);
      const peers = [{ client: ana, clock }];
      next.write(() => peers.shift() ?? { client: ben, clock: 0 });
      return next;
    };
    expect(offers(3).peer?.client).toBe(ben);
    expect(offers(5).peer?.client).toBe(ben);
    const next = offers(4);
    expect(next.peer?.client).toBe(ana);
    textOf(next).insert(4, "!");
    expect(kinds(first, taken(next))).toEqual(["applied"]);
    expect(textOf(first).toJSON()).toBe("four!");
  });

  it("change when somebody else continues them, before Yjs takes a random id", () => {
    const elsewhere = writing(ana);
    textOf(elsewhere).insert(0, "a");
    const log = taken(elsewhere);
    const here = new YjsDocument();
    here.apply(log);
    const peers = [
      { client: ana, clock: 1 },
      { client: ben, clock: 0 },
    ];
    here.write(() => peers.shift() ?? { client: cem, clock: 0 });
    textOf(elsewhere).insert(1, "b");
    expect(kinds(here, taken(elsewhere))).toEqual(["applied"]);
    expect(here.doc.clientID).toBe(ben);
    textOf(here).insert(2, "c");
    expect(one(here).client).toBe(ben);
  });

  it("that collide with edits not yet sent end the document instead of diverging", () => {
    const here = writing(ana);
    textOf(here).insert(0, "unsent");
    const theirs = forged(ana, (doc) => doc.getText("t").insert(0, "sent"));
    expect(kinds(here, [theirs])).toEqual(["damaged"]);
    expect(() => taken(here)).toThrow(/same peer/);
  });

  it("end the document when an update under them is applied past it", () => {
    // Yjs says so on the console alone, and goes on under a random id.
    const here = writing(ana);
    const other = new Y.Doc();
    other.clientID = ana;
    other.getText("t").insert(0, "x");
    Y.applyUpdate(here.doc, Y.encodeStateAsUpdate(other));
    expect(here.damage).toMatch(/past its log/);
    textOf(here).insert(0, "y");
    expect(() => taken(here)).toThrow(/damaged/);
  });

  it("recognise the echo of their own updates", () => {
    const here = writing(ana);
    textOf(here).insert(0, "abc");
    const first = one(here);
    textOf(here).delete(0, 1);
    const second = one(here);
    textOf(here).insert(0, "unsent");
    expect(kinds(here, [first])).toEqual(["known"]);
    here.apply([second]);
    expect(textOf(here).toJSON()).toBe("unsentbc");
    expect(here.peer?.client).toBe(ana);
  });
});

describe("updates out of turn", () => {
  it("that repeat clocks are skipped, so that a reused client id diverges nowhere", () => {
    const first = forged(ana, (doc) => doc.getText("t").insert(0, "one"));
    const again = forged(ana, (doc) => doc.getText("t").insert(0, "other"));
    const document = writing(ben);
    expect(kinds(document, [first, again])).toEqual(["applied", "void"]);
    expect(textOf(document).toJSON()).toBe("one");
  });

  it("that leave a gap are skipped, and never pend inside Yjs", () => {
    const base = new Y.Doc();
    base.clientID = ana;
    base.getText("t").insert(0, "gap");
    const late = forged(
      ana,
      (doc) => doc.getText("t").insert(3, "late"),
      Y.encodeStateAsUpdate(base),
    );
    const document = writing(ben);
    expect(kinds(document, [late])).toEqual(["void"]);
    expect(document.doc.store.pendingStructs).toBeNull();
  });

  it("that are malformed or foreign say why", () => {
    const document = writing(ben);
    const { update } = forged(ana, (doc) => doc.getText("t").insert(0, "x"));
    const broken = { client: ana, update: update.subarray(0, 5) };
    expect(document.apply([broken])).toEqual([{ kind: "void", reason: "bytes end too early" }]);
  });

  it("wait for structs outside their causal past, with all that follows from their author", () => {
    const honest = writing(ana);
    textOf(honest).insert(0, "base");
    const base = one(honest);
    const stranger = writing(ben);
    stranger.apply([base]);
    textOf(stranger).insert(2, "X");
    const dangling = one(stranger);
    stranger.doc.getMap("m").set("k", 1);
    const following = one(stranger);

    // Entries of honest members name what they saw; these claim to have seen nothing.
    const early = writing(cem);
    expect(kinds(early, [dangling, following])).toEqual(["waiting", "waiting"]);
    expect(early.doc.store.pendingStructs).toBeNull();
    expect(early.waiting).toBe(2);
    expect(kinds(early, [base])).toEqual(["applied"]);
    expect(early.waiting).toBe(0);

    const late = writing(cem);
    expect(kinds(late, [base, dangling, following])).toEqual(["applied", "applied", "applied"]);
    expect(stateOf(early)).toBe(stateOf(late));
  });

  it("wait the same way when they only delete", () => {
    const honest = writing(ana);
    textOf(honest).insert(0, "base");
    const base = one(honest);
    const stranger = writing(ben);
    stranger.apply([base]);
    textOf(stranger).delete(1, 2);
    const deletion = one(stranger);
    const document = writing(cem);
    expect(kinds(document, [deletion])).toEqual(["waiting"]);
    expect(document.doc.store.pendingDs).toBeNull();
    document.apply([base]);
    expect(textOf(document).toJSON()).toBe("be");
  });

  it("wait by the ten thousand without each making the next one dearer", () => {
    const late = (clock: number): AuthoredUpdate => {
      const bytes = new Writer().varint(1).varint(1).varint(ben).varint(clock);
      bytes.u8(0x84).varint(ana).varint(clock).text("a").varint(0);
      const update = internUpdate(bytes.finish(), ben);
      if (update instanceof Malformed) throw update;
      return { client: ben, update };
    };
    const document = new YjsDocument();
    // Copied for each that joins it, a queue of so many would take minutes.
    document.apply(Array.from({ length: 50_000 }, (_, clock) => late(clock)));
    expect(document.waiting).toBe(50_000);
  });

  it("cannot slip past one that waits by repeating its clocks", () => {
    const honest = writing(ana);
    textOf(honest).insert(0, "base");
    const base = one(honest);
    const dangling = forged(
      ben,
      (doc) => doc.getText("t").insert(2, "X"),
      Y.encodeStateAsUpdate(honest.doc),
    );
    const again = forged(ben, (doc) => doc.getText("t").insert(0, "Y"));
    const [early, late] = [writing(cem), writing(cem)];
    early.apply([dangling, again, base]);
    late.apply([base, dangling, again]);
    expect(textOf(early).toJSON()).toBe("baXse");
    expect(stateOf(early)).toBe(stateOf(late));
  });

  it("damage the document, and no more, when Yjs itself fails", () => {
    const document = writing(ben);
    const deep = new YjsDocument();
    deep.write(() => ({ client: ana, clock: 0 }));
    let level = deep.doc.getArray<unknown>("deep");
    deep.doc.transact(() => {
      for (let depth = 0; depth < 12_000; depth++) {
        const inner = new Y.Array<unknown>();
        level.insert(0, [inner]);
        level = inner;
      }
    });
    expect(kinds(document, taken(deep)).every((kind) => kind === "applied")).toBe(true);
    // table of Ana ‖ no structs ‖ 1 client: Ana, 1 range: clock 0, length 1
    const table = new Writer().list([ana], (to, client) => to.u64(client));
    const root = { client: cem, update: table.raw(Uint8Array.of(0, 1, 1, 1, 0, 1)).finish() };
    expect(kinds(document, [root])).toEqual(["damaged"]);
    expect(document.damage).toMatch(/stack/);
    expect(kinds(document, [root])).toEqual(["damaged"]);
  });

  it("report an observer that throws, and keep the document", () => {
    const failures: unknown[] = [];
    const document = new YjsDocument({ observerFailed: (error) => failures.push(error) });
    textOf(document).observe(() => {
      throw new Error("the editor broke");
    });
    const other = writing(ana);
    textOf(other).insert(0, "x");
    expect(kinds(document, taken(other))).toEqual(["applied"]);
    expect(failures).toEqual([new Error("the editor broke")]);
    expect(document.damage).toBeUndefined();
  });
});

describe("several units under one key, which no editor writes", () => {
  const client = ana;
  /** A map in the root, and under one key of it the values "a", "b", "c" in one struct. */
  const run = new Writer().varint(1).varint(2).varint(client).varint(0);
  run.u8(7).varint(1).text("root").varint(1);
  run.u8(0x28).varint(0).varint(client).varint(0).text("key").varint(3);
  for (const value of ["a", "b", "c"]) run.u8(119).text(value);
  run.varint(0);
  const update = (bytes: Uint8Array): AuthoredUpdate => {
    const interned = internUpdate(bytes, client);
    if (interned instanceof Malformed) throw interned;
    return { client, update: interned };
  };
  const runUnderKey = update(run.finish());
  const deleted = (clock: number): AuthoredUpdate =>
    update(
      new Writer().varint(0).varint(1).varint(client).varint(1).varint(clock).varint(1).finish(),
    );

  it("leave the last one, and a document that is the same when it is loaded again", () => {
    const document = new YjsDocument();
    document.apply([runUnderKey, deleted(2)]);
    const map = document.doc.getArray("root").get(0) as Y.Map<string>;
    expect(map.toJSON()).toEqual({ key: "c" });
    const loaded = new YjsDocument();
    expect(loaded.load(document.snapshot())).toBe(true);
    expect(stateOf(loaded)).toBe(stateOf(document));
  });

  it("do not break the document when one of them is deleted and then all of their parent", () => {
    const document = new YjsDocument();
    for (const each of [runUnderKey, deleted(2), deleted(0)]) {
      expect(kinds(document, [each])).toEqual(["applied"]);
    }
    expect(document.damage).toBeUndefined();
  });
});

describe("a snapshot", () => {
  it("brings back the document, and with its tail the whole of it", () => {
    const here = writing(ana);
    textOf(here).insert(0, "one two");
    textOf(here).format(0, 3, { bold: true });
    textOf(here).delete(2, 2);
    one(here);
    const snapshot = here.snapshot();
    textOf(here).insert(0, "tail ");
    const tail = one(here);
    const again = new YjsDocument();
    expect(again.load(snapshot)).toBe(true);
    expect(kinds(again, [tail])).toEqual(["applied"]);
    expect(stateOf(again)).toBe(stateOf(here));
  });

  it("knows an update it covers", () => {
    const here = writing(ana);
    textOf(here).insert(0, "x");
    const update = one(here);
    const again = new YjsDocument();
    again.load(here.snapshot());
    expect(kinds(again, [update])).toEqual(["known"]);
  });

  it("keeps what waits", () => {
    const honest = writing(ana);
    textOf(honest).insert(0, "base");
    const base = one(honest);
    const stranger = writing(ben);
    stranger.apply([base]);
    textOf(stranger).insert(2, "X");
    const document = writing(cem);
    document.apply(taken(stranger));
    const again = new YjsDocument();
    again.load(document.snapshot());
    expect(again.waiting).toBe(1);
    again.apply([base]);
    expect(stateOf(again)).toBe(stateOf(stranger));
  });

  it("is never made of edits that are in no log", () => {
    const here = writing(ana);
    textOf(here).insert(0, "x");
    expect(() => here.snapshot()).toThrow(/in no log/);
  });

  it("is taken in by a document that lacks some of it and has edits of its own", () => {
    const [here, there] = [writing(ana), writing(ben)];
    textOf(here).insert(0, "shared ");
    kinds(there, taken(here));
    textOf(there).insert(7, "theirs ");
    taken(there);
    textOf(here).insert(0, "unsent ");
    expect(here.load(there.snapshot())).toBe(true);
    expect(textOf(here).toJSON()).toBe("unsent shared theirs ");
    kinds(there, taken(here));
    expect(stateOf(there)).toBe(stateOf(here));
  });

  it("ends the waiting of what it brings, or brings the past of", () => {
    const honest = writing(ana);
    textOf(honest).insert(0, "base");
    const base = one(honest);
    const stranger = writing(ben);
    stranger.apply([base]);
    textOf(stranger).insert(2, "X");
    const dangling = one(stranger);
    for (const other of [honest, stranger]) {
      const document = writing(cem);
      expect(kinds(document, [dangling])).toEqual(["waiting"]);
      expect(document.load(other.snapshot())).toBe(true);
      expect(document.waiting).toBe(0);
      expect(stateOf(document)).toBe(stateOf(stranger));
    }
  });

  it("that is none, breaks off or has a wrong bit changes nothing", () => {
    const here = writing(ana);
    textOf(here).insert(0, "x");
    one(here);
    const snapshot = here.snapshot();
    const wrong = Array.from({ length: 8 * snapshot.length }, (_, bit) =>
      snapshot.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)),
    );
    const others = [new Uint8Array(), Uint8Array.of(2, 0), snapshot.subarray(0, 9)];
    for (const bytes of [...others, ...wrong]) {
      expect(here.load(bytes)).toBe(false);
      expect(here.damage).toBeUndefined();
    }
    expect(here.load(snapshot)).toBe(true);
  });

  it("never hands Yjs bytes that hang its reader", () => {
    // github.com/yjs/yjs/issues/687: in version 2, of which snapshots are, a run of 2^37 structs.
    const hanging = fromHex("00010000000001000100010200001602000001fdffffffff7f0000");
    const here = new YjsDocument();
    for (const head of ["", "0100", "0200", "020000000000"]) {
      expect(here.load(concatBytes(fromHex(head), hanging))).toBe(false);
    }
    expect(here.damage).toBeUndefined();
  });
});

describe("a reading view", () => {
  it("follows the document, and what an editor deletes in it stays out of the log", () => {
    const here = writing(ana);
    const other = writing(ben);
    textOf(other).insert(0, "hello");
    here.apply(taken(other));
    const view = here.readingView();
    expect(view.getText("t").toJSON()).toBe("hello");
    view.getText("t").delete(0, 4);
    textOf(other).insert(5, "!");
    here.apply(taken(other));
    expect(view.getText("t").toJSON()).toBe("o!");
    expect(textOf(here).toJSON()).toBe("hello!");
    expect(here.hasEdits).toBe(false);
    view.destroy();
    here.apply([]);
  });
});

function edit(doc: Y.Doc, what: number, at: number): void {
  const fragment = doc.getXmlFragment("content");
  if (fragment.length === 0 || what === 0) {
    const paragraph = new Y.XmlElement("paragraph");
    paragraph.insert(0, [new Y.XmlText("words 🎈 in it")]);
    fragment.insert(at % (fragment.length + 1), [paragraph]);
    return;
  }
  const paragraph = fragment.get(at % fragment.length);
  const text = paragraph instanceof Y.XmlElement ? paragraph.get(0) : undefined;
  if (!(text instanceof Y.XmlText) || !(paragraph instanceof Y.XmlElement)) return;
  const from = text.length === 0 ? 0 : at % text.length;
  const length = Math.min(3, text.length - from);
  switch (what) {
    case 1:
      text.insert(from, "new");
      break;
    case 2:
      if (length > 0) text.delete(from, length);
      break;
    case 3:
      if (length > 0) text.format(from, length, { bold: at % 2 === 0 ? true : null });
      break;
    case 4:
      if (length > 0) text.format(from, length, { link: { href: String(at % 3) } });
      break;
    case 5:
      paragraph.setAttribute("level", String(at % 4));
      break;
    case 6:
      fragment.delete(at % fragment.length, 1);
      break;
    default:
      doc.getMap("meta").set("schema", at);
  }
}

/** What is on the screen: half a character shows as U+FFFD. */
function shownIn(document: YjsDocument): string {
  const text = String(document.doc.getXmlFragment("content").toJSON());
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

interface Command {
  readonly what: number;
  readonly at: number;
}

class Replica implements OpBasedReplica<AuthoredUpdate, Command> {
  readonly document: YjsDocument;

  constructor(client: number) {
    this.document = writing(client);
  }

  get value(): Y.Doc {
    return this.document.doc;
  }

  write({ what, at }: Command): AuthoredUpdate | undefined {
    edit(this.document.doc, what, at);
    const updates = taken(this.document);
    if (updates.length > 1) throw new Error("a small edit in several updates");
    return updates[0];
  }

  apply({ op }: { readonly op: AuthoredUpdate }): void {
    const [outcome] = this.document.apply([op]);
    const own = op.client === this.document.peer?.client;
    if (outcome?.kind !== "applied" && !(own && outcome?.kind === "known")) {
      throw new Error(`not applied but ${outcome?.kind}`);
    }
  }

  canonical(): unknown {
    const reloaded = new YjsDocument();
    reloaded.load(this.document.snapshot());
    const [state, again] = [stateOf(this.document), stateOf(reloaded)];
    if (state !== again || shownIn(reloaded) !== shownIn(this.document)) {
      throw new Error("a reload changes the document");
    }
    return { state, shown: shownIn(this.document) };
  }
}

opBasedLaws<AuthoredUpdate, Command, Replica>("A Yjs document", {
  create: (replica) => new Replica(Number.parseInt(replica.slice(0, 2), 16) * 2 ** 45 + 1),
  commands: fc.record({ what: fc.nat(7), at: fc.nat(40) }),
  mergeInto: (into, from) => {
    Y.applyUpdateV2(into.document.doc, Y.encodeStateAsUpdateV2(from.document.doc), remoteOrigin);
  },
});
