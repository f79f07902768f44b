import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import { equalBytes, toHex } from "../bytes/bytes.ts";
import { canonicalState } from "../crdt/engine/yjs-canonical.ts";
import {
  type AuthoredUpdate,
  remoteOrigin,
  type WritingPeer,
} from "../crdt/engine/yjs-document.ts";
import { limits } from "../protocol/limits.ts";
import { noteContent, noteSchemaVersion, schemaOf } from "./note-schema.ts";
import {
  flushIntervalMs,
  type NoteEffect,
  type NoteOperation,
  NoteSession,
  noteUpdateBytesMax,
  retryIntervalMs,
} from "./note-session.ts";

interface Peer extends WritingPeer {
  readonly counter: number;
}

/** A tab with one open note, a clock and a disk that answers when told to. */
class Tab {
  now = 1_000_000;
  readonly effects: NoteEffect<Peer>[] = [];
  /** What the disk was asked to commit and has not answered. */
  open: readonly NoteOperation<Peer>[] | undefined;
  readonly log: NoteOperation<Peer>[] = [];
  wakeAt: number | undefined;
  readonly session: NoteSession<Peer>;

  constructor(client: number, options: { snapshot?: Uint8Array; tail?: AuthoredUpdate[] } = {}) {
    let counter = 0;
    this.session = new NoteSession<Peer>({
      ...options,
      clock: { now: () => this.now },
      emit: (effect) => this.#take(effect),
      nextPeer: () => ({ client: client + counter, counter: counter++, clock: 0 }),
    });
  }

  #take(effect: NoteEffect<Peer>): void {
    this.effects.push(effect);
    if (effect.kind === "wake") this.wakeAt = effect.at;
    if (effect.kind !== "persist") return;
    if (this.open) throw new Error("a second persist while one is open");
    this.open = effect.operations;
  }

  commit(): readonly NoteOperation<Peer>[] {
    const { open } = this;
    if (!open) throw new Error("nothing to commit");
    this.open = undefined;
    this.log.push(...open);
    this.session.persisted();
    return open;
  }

  fail(): void {
    this.open = undefined;
    this.session.failed();
  }

  /** Time passes; the timer fires if its time has come. */
  wait(ms: number): void {
    this.now += ms;
    if (this.wakeAt === undefined || this.wakeAt > this.now) return;
    this.wakeAt = undefined;
    this.session.woke();
  }

  get text(): Y.XmlText {
    const content = noteContent(this.session.doc);
    if (content.length === 0) content.insert(0, [new Y.XmlText()]);
    const text = content.get(0);
    if (!(text instanceof Y.XmlText)) throw new Error("no text");
    return text;
  }

  type(keys: string): void {
    for (const key of keys) this.text.insert(this.text.length, key);
  }
}

const authored = (operations: readonly NoteOperation<Peer>[]): AuthoredUpdate[] =>
  operations.map(({ peer, update }) => ({ client: peer.client, update }));

const shown = (session: NoteSession<Peer>): string => String(noteContent(session.doc).toJSON());
const stateOf = (session: NoteSession<Peer>): string => toHex(canonicalState(session.doc));
const [ana, ben] = [2 ** 52 + 10, 2 ** 51 + 10] as const;

/** A tab whose note has a first line on disk, some while ago. */
function begun(client = ana): Tab {
  const tab = new Tab(client);
  tab.text.insert(0, ".");
  tab.commit();
  if (tab.open) tab.commit();
  tab.wait(10_000);
  if (tab.open) tab.commit();
  tab.wait(10_000);
  return tab;
}

describe("typing", () => {
  it("puts the first key on disk at once and the next ones every 400 ms", () => {
    const tab = begun();
    tab.type("a");
    expect(tab.open).toHaveLength(1);
    tab.commit();
    tab.wait(100);
    tab.type("b");
    tab.wait(100);
    tab.type("c");
    expect(tab.open).toBeUndefined();
    tab.wait(199);
    expect(tab.open).toBeUndefined();
    tab.wait(1);
    expect(tab.open).toHaveLength(1);
    tab.commit();
    expect(tab.session.saved).toBe(true);
  });

  it("is at once again after a pause", () => {
    const tab = begun();
    tab.type("a");
    tab.commit();
    tab.wait(flushIntervalMs);
    tab.type("b");
    expect(tab.open).toHaveLength(1);
  });

  it("makes one operation of what gathered while the disk was busy", () => {
    const tab = begun();
    tab.type("a");
    for (let key = 0; key < 20; key++) {
      tab.wait(100);
      tab.type("x");
    }
    tab.commit();
    expect(tab.open).toHaveLength(1);
    tab.commit();
    expect(tab.session.saved).toBe(true);
    const other = new Tab(ben);
    other.session.receive(authored(tab.log));
    expect(shown(other.session)).toBe(shown(tab.session));
  });

  it("does not stop while a clock stands still, or after it has jumped back", () => {
    const tab = begun();
    tab.type("a");
    tab.commit();
    tab.type("b");
    tab.session.woke();
    expect(tab.open).toHaveLength(1);
    tab.commit();
    tab.now -= 10 * 365 * 86_400_000;
    tab.type("c");
    expect(tab.open).toHaveLength(1);
  });

  it("reaches the disk at once when the page goes", () => {
    const tab = begun();
    tab.type("a");
    tab.commit();
    tab.type("b");
    tab.session.flush();
    expect(tab.open).toHaveLength(1);
  });

  it("is not saved before the disk has said so", () => {
    const tab = begun();
    expect(tab.session.saved).toBe(true);
    tab.type("a");
    expect(tab.session.saved).toBe(false);
    tab.commit();
    expect(tab.session.saved).toBe(true);
  });
});

describe("a commit that fails", () => {
  it("is asked for again, unchanged and before all later ones", () => {
    const tab = begun();
    tab.type("first");
    const failed = tab.open?.map(({ update }) => toHex(update)) ?? [];
    tab.wait(100);
    tab.type("second");
    tab.fail();
    tab.wait(flushIntervalMs);
    tab.type("third");
    expect(tab.open).toBeUndefined();
    tab.wait(retryIntervalMs);
    const again = tab.open?.map(({ update }) => toHex(update)) ?? [];
    expect(again.slice(0, failed.length)).toEqual(failed);
    expect(again).toHaveLength(failed.length + 1);
    while (tab.open) tab.commit();

    const other = new Tab(ben);
    const outcomes = other.session.receive(authored(tab.log));
    expect(outcomes.every(({ kind }) => kind === "applied")).toBe(true);
    expect(shown(other.session)).toBe(".firstsecondthird");
  });

  it("leaves a peer that is never continued", () => {
    const tab = begun();
    expect(tab.session.resumable()).toEqual({ peer: tab.session.peer, clock: 2 });
    tab.type("lost");
    tab.fail();
    tab.session.close();
    tab.fail();
    expect(tab.session.resumable()).toBeUndefined();
  });

  it("keeps snapshots away until the log has caught up", () => {
    const tab = begun();
    tab.type("a");
    expect(tab.session.snapshot()).toBeUndefined();
    tab.fail();
    expect(tab.session.snapshot()).toBeUndefined();
    tab.wait(retryIntervalMs);
    while (tab.open) tab.commit();
    expect(tab.session.snapshot()).toBeInstanceOf(Uint8Array);
  });
});

describe("closing", () => {
  it("takes the last keys along", () => {
    const tab = begun();
    tab.type("a");
    tab.commit();
    tab.type("b");
    tab.session.close();
    tab.commit();
    expect(tab.session.resumable()?.clock).toBe(4);
    const other = new Tab(ben);
    other.session.receive(authored(tab.log));
    expect(shown(other.session)).toBe(".ab");
  });

  it("takes them along behind a commit that is still open", () => {
    const tab = begun();
    tab.type("a");
    tab.type("b");
    tab.session.close();
    tab.commit();
    tab.commit();
    expect(tab.open).toBeUndefined();
    expect(tab.session.resumable()?.clock).toBe(4);
  });

  it("is final", () => {
    const tab = begun();
    tab.session.close();
    tab.session.close();
    tab.session.woke();
    tab.session.flush();
    expect(tab.open).toBeUndefined();
  });
});

describe("what comes from the log", () => {
  it("shows, and leaves what is being typed alone", () => {
    const [here, there] = [begun(), new Tab(ben)];
    there.session.receive(authored(here.log));
    there.text.insert(0, "theirs");
    there.commit();
    here.type("mine");
    here.session.receive(authored(there.log));
    while (here.open) here.commit();
    here.session.flush();
    while (here.open) here.commit();
    there.session.receive(authored(here.log).slice(2));
    there.session.receive(authored(here.log));
    expect(shown(here.session)).toBe("theirs.mine");
    expect(stateOf(there.session)).toBe(stateOf(here.session));
  });

  it("includes own operations, which change nothing", () => {
    const tab = begun();
    tab.type("abc");
    while (tab.open) tab.commit();
    const before = stateOf(tab.session);
    const outcomes = tab.session.receive(authored(tab.log));
    expect(outcomes.map(({ kind }) => kind)).toEqual(tab.log.map(() => "known"));
    expect(stateOf(tab.session)).toBe(before);
  });

  it("ends the session when another writes under its peer, and says so once", () => {
    const tab = new Tab(ana);
    const twin = begun(ana);
    tab.type("unsent");
    tab.session.receive(authored(twin.log));
    tab.session.receive(authored(twin.log));
    const ends = tab.effects.filter(({ kind }) => kind === "ended");
    expect(ends).toHaveLength(1);
    tab.session.woke();
    expect(tab.session.resumable()).toBeUndefined();
    expect(tab.session.snapshot()).toBeUndefined();
  });

  it("changes the peer when an earlier session of this replica went on elsewhere", () => {
    const first = begun();
    const tail = authored(first.log);
    const resumed: Peer = { client: ana, counter: 0, clock: 2 };
    const peers = [resumed, { client: ana + 9, counter: 1, clock: 0 }];
    const effects: NoteEffect<Peer>[] = [];
    const session = new NoteSession<Peer>({
      clock: { now: () => 0 },
      emit: (effect) => effects.push(effect),
      tail,
      nextPeer: () => peers.shift() ?? resumed,
    });
    expect(session.peer?.counter).toBe(0);
    first.type("more");
    while (first.open) first.commit();
    session.receive(authored(first.log).slice(tail.length));
    expect(session.peer?.counter).toBe(1);
    expect(effects).toEqual([]);
  });
});

describe("opening", () => {
  it("brings a note back from a snapshot and what came after it", () => {
    const tab = begun();
    tab.type("kept");
    while (tab.open) tab.commit();
    tab.session.flush();
    while (tab.open) tab.commit();
    const snapshot = tab.session.snapshot();
    if (!snapshot) throw new Error("no snapshot");
    const held = tab.log.length;
    tab.wait(1_000);
    tab.type("!");
    tab.commit();
    const again = new Tab(ben, { snapshot, tail: authored(tab.log).slice(held) });
    expect(stateOf(again.session)).toBe(stateOf(tab.session));
    expect(shown(again.session)).toBe(".kept!");
  });

  it("ends at once on a snapshot that is none", () => {
    const tab = new Tab(ana, { snapshot: Uint8Array.from([9, 9]) });
    expect(tab.effects).toEqual([{ kind: "ended", reason: "the note's snapshot is not readable" }]);
    tab.session.flush();
    expect(tab.session.snapshot()).toBeUndefined();
  });

  it("takes in what another tab made of the note, and goes on", () => {
    const [here, there] = [begun(), new Tab(ben)];
    there.session.receive(authored(here.log));
    there.text.insert(1, " theirs");
    there.commit();
    const snapshot = there.session.snapshot();
    here.type("mine");
    expect(snapshot && here.session.merge(snapshot)).toBe(true);
    expect(here.session.merge(Uint8Array.of(9))).toBe(false);
    while (here.open) here.commit();
    here.session.flush();
    while (here.open) here.commit();
    there.session.receive(authored(here.log));
    expect(stateOf(there.session)).toBe(stateOf(here.session));
    expect(here.effects.filter(({ kind }) => kind === "ended")).toEqual([]);
  });

  it("uses a fresh peer where the derived one is taken already", () => {
    const tab = begun();
    const again = new Tab(ana, { tail: authored(tab.log) });
    expect(again.session.peer?.counter).toBe(1);
    again.type("x");
    expect(again.open?.[0]?.peer.counter).toBe(1);
  });
});

describe("large edits", () => {
  it("fit bodies, a commit of at most 64 at a time, and arrive whole", () => {
    const tab = begun();
    tab.text.insert(1, "0123456789 ".repeat(240_000));
    expect(tab.open).toHaveLength(64);
    while (tab.open) tab.commit();
    for (const { update } of tab.log) expect(update.length).toBeLessThan(noteUpdateBytesMax);
    // Dependencies (64 of 13 bytes), Lamport time, document, kinds, peer, Padmé and the tag.
    expect(noteUpdateBytesMax + 1_024).toBeLessThan(limits.bodyBytesMax * (1 - 1 / 32));
    const other = new Tab(ben);
    other.session.receive(authored(tab.log));
    const [theirs, mine] = [other, tab].map(({ session }) => canonicalState(session.doc));
    expect(theirs && mine && equalBytes(theirs, mine)).toBe(true);
  });

  it("that no operation can carry are taken out again, and the person is told", () => {
    const tab = begun();
    tab.session.doc.transact(() => {
      tab.text.insert(1, "kept");
      tab.text.insertEmbed(1, { image: `data:${"x".repeat(100_000)}` });
    });
    expect(tab.effects.filter(({ kind }) => kind === "omitted")).toHaveLength(1);
    tab.commit();
    expect(shown(tab.session)).toBe(".kept");
    const other = new Tab(ben);
    other.session.receive(authored(tab.log));
    expect(stateOf(other.session)).toBe(stateOf(tab.session));
  });
});

describe("a note of a newer form", () => {
  it("says so, and a reading view keeps it from what an editor deletes", () => {
    const newer = begun();
    newer.session.doc.getMap("meta").set("schema", noteSchemaVersion + 1);
    newer.session.flush();
    while (newer.open) newer.commit();
    const reader = new NoteSession<Peer>({
      clock: { now: () => 0 },
      emit: () => {},
      tail: authored(newer.log),
    });
    expect(schemaOf(reader.doc)).toBe(noteSchemaVersion + 1);
    expect(reader.peer).toBeUndefined();
    const view = reader.readingView();
    noteContent(view).delete(0, 1);
    expect(shown(reader)).toBe(".");
    expect(reader.snapshot()).toBeInstanceOf(Uint8Array);
    reader.close();
  });

  it("is recognised by a sound number alone", () => {
    const tab = begun();
    expect(schemaOf(tab.session.doc)).toBe(1);
    for (const value of ["2", -1, 1.5, null]) {
      tab.session.doc.getMap("meta").set("schema", value);
      expect(schemaOf(tab.session.doc)).toBe(1);
    }
  });

  it("is shown by observers that may throw", () => {
    const [here, there] = [begun(), new Tab(ben)];
    there.session.doc.on("afterTransaction", (transaction) => {
      if (transaction.origin === remoteOrigin) throw new Error("the editor broke");
    });
    there.session.receive(authored(here.log));
    expect(there.effects.map(({ kind }) => kind)).toEqual(["observer failed"]);
    expect(shown(there.session)).toBe(".");
  });
});

describe("whatever the disk does", () => {
  it("the log holds what was typed, in order, once", () => {
    const act = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant("type" as const), ms: fc.nat(300) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("commit" as const), ms: fc.nat(300) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), ms: fc.nat(3_000) }) },
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const tab = begun();
        let typed = "";
        for (const step of acts) {
          if (step.do === "type") {
            const key = String.fromCharCode(97 + (typed.length % 26));
            typed += key;
            tab.type(key);
          } else if (step.do === "commit" && tab.open) tab.commit();
          else if (step.do === "fail" && tab.open) tab.fail();
          tab.wait(step.ms);
        }
        tab.session.close();
        while (tab.open) tab.commit();
        const other = new Tab(ben);
        const outcomes = other.session.receive(authored(tab.log));
        expect(outcomes.every(({ kind }) => kind === "applied")).toBe(true);
        expect(shown(other.session)).toBe(`.${typed}`);
        expect(stateOf(other.session)).toBe(stateOf(tab.session));
        expect(tab.session.resumable()).toBeDefined();
      }),
    );
  });
});
