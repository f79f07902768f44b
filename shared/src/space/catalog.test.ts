import { getBackend, init, initializeBase64Wasm } from "@automerge/automerge/slim";
import { automergeWasmBase64 } from "@automerge/automerge/automerge.wasm.base64";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../bytes/bytes.ts";
import { type OpBasedReplica, opBasedLaws } from "../crdt/crdt.laws.ts";
import {
  type AuthoredChange,
  AutomergeDocument,
  type WritingActor,
} from "../crdt/engine/automerge-document.ts";
import type { DocumentId, MemberId } from "../id/id.ts";
import { Catalog, type CatalogEdit, type CatalogOptions, type Place } from "./catalog.ts";
import {
  catalogGenesis,
  channelBuckets,
  generalObject,
  noteBucket,
  noteBuckets,
} from "./catalog-genesis.ts";
import { type CatalogView, emptyCatalogView, noteTree } from "./catalog-view.ts";

beforeAll(() => initializeBase64Wasm(automergeWasmBase64));

const idOf = (byte: number): DocumentId =>
  byte.toString(16).padStart(2, "0").repeat(8) as DocumentId;
const general = idOf(0xfe);
const member = "4d".repeat(16) as MemberId;
const [ana, ben, cem] = ["aa", "bb", "cc"].map((byte) => byte.repeat(16)) as [
  string,
  string,
  string,
];
const nowMs = 1_700_000_000_123;

function writing(actor: string, options: Partial<CatalogOptions> = {}): Catalog {
  const catalog = new Catalog({ general, ...options });
  const actors: WritingActor[] = [{ actor, seq: 0 }];
  let spare = 0;
  catalog.write(() => actors.shift() ?? { actor: `${actor.slice(0, 30)}${10 + spare++}`, seq: 0 });
  return catalog;
}

/** What a gesture put into the log. */
function logged(edit: CatalogEdit<WritingActor> | undefined): AuthoredChange {
  if (!edit) throw new Error("a gesture that changes nothing");
  return { actor: edit.actor.actor, change: edit.change };
}

const created = (
  catalog: Catalog,
  byte: number,
  more: { parent?: DocumentId; place?: Place } = {},
): AuthoredChange =>
  logged(
    catalog.createNote({ id: idOf(byte), title: String(byte), createdBy: member, ...more }, nowMs),
  );

const titles = ({ view }: Catalog): string[] => view.notes.map(({ title }) => title);
const noteIn = ({ view }: Catalog, byte: number) => view.notes.find(({ id }) => id === idOf(byte));

/** The view as it would be read from the whole document. */
function readAnew(catalog: Catalog, log: readonly AuthoredChange[]): CatalogView {
  catalog.apply(log);
  const snapshot = catalog.snapshot();
  if (!snapshot) throw new Error("no snapshot");
  return new Catalog({ general, snapshot }).view;
}

describe("genesis", () => {
  it("is what making it again gives, byte by byte", () => {
    const handle = getBackend(init({ actor: "00".repeat(16) }));
    const key = (index: number): string => index.toString(16).padStart(2, "0");
    const notes = handle.putObject("_root", "notes", {});
    for (let index = 0; index < noteBuckets; index++) handle.putObject(notes, key(index), {});
    const channels = handle.putObject("_root", "channels", {});
    for (let index = 0; index < channelBuckets; index++) {
      handle.putObject(channels, key(index), {});
    }
    expect(handle.putObject("_root", "general", {})).toBe(generalObject);
    handle.commit(undefined, 0);
    expect(toHex(handle.getLastLocalChange() ?? new Uint8Array())).toBe(
      toHex(catalogGenesis.change),
    );
  });

  it("is a catalog with the general channel and nothing else", () => {
    const { view } = new Catalog({ general });
    expect(view.heads).toHaveLength(1);
    expect(view).toEqual({ ...emptyCatalogView(general), heads: view.heads });
  });
});

describe("notes", () => {
  it("are made, renamed, archived, trashed and brought back, one change each", () => {
    const catalog = writing(ana);
    created(catalog, 1);
    expect(catalog.view.notes).toEqual([
      {
        id: idOf(1),
        kind: "page",
        title: "1",
        icon: undefined,
        parent: undefined,
        order: "a0",
        createdMs: nowMs,
        createdBy: member,
        archived: false,
        trashed: false,
      },
    ]);
    logged(catalog.renameNote(idOf(1), "New title", nowMs));
    logged(catalog.setNoteIcon(idOf(1), "🥊", nowMs));
    logged(catalog.archiveNote(idOf(1), true, nowMs));
    logged(catalog.trashNote(idOf(1), true, nowMs));
    expect(noteIn(catalog, 1)).toMatchObject({
      title: "New title",
      icon: "🥊",
      archived: true,
      trashed: true,
    });
    logged(catalog.archiveNote(idOf(1), false, nowMs));
    logged(catalog.trashNote(idOf(1), false, nowMs));
    logged(catalog.setNoteIcon(idOf(1), undefined, nowMs));
    expect(noteIn(catalog, 1)).toMatchObject({ icon: undefined, archived: false, trashed: false });
  });

  it("change nothing when they are as they were, or unknown, or there already", () => {
    const catalog = writing(ana);
    created(catalog, 1);
    expect(catalog.renameNote(idOf(1), "1", nowMs)).toBeUndefined();
    expect(catalog.archiveNote(idOf(1), false, nowMs)).toBeUndefined();
    expect(catalog.renameNote(idOf(2), "x", nowMs)).toBeUndefined();
    const again = { id: idOf(1), title: "again", createdBy: member };
    expect(catalog.createNote(again, nowMs)).toBeUndefined();
    const { view } = catalog;
    expect(catalog.renameNote(idOf(1), "1", nowMs)).toBeUndefined();
    expect(catalog.view).toBe(view);
  });

  it("go where they are put", () => {
    const catalog = writing(ana);
    for (const byte of [1, 2, 3]) created(catalog, byte);
    created(catalog, 4, { place: "first" });
    created(catalog, 5, { place: { after: idOf(1) } });
    expect(titles(catalog)).toEqual(["4", "1", "5", "2", "3"]);
    logged(catalog.moveNote(idOf(3), undefined, { after: idOf(4) }, nowMs));
    logged(catalog.moveNote(idOf(4), undefined, "last", nowMs));
    expect(titles(catalog)).toEqual(["3", "1", "5", "2", "4"]);
  });

  it("go under others, and never under themselves", () => {
    const catalog = writing(ana);
    created(catalog, 1);
    created(catalog, 2, { parent: idOf(1) });
    created(catalog, 3, { parent: idOf(2) });
    expect(catalog.moveNote(idOf(1), idOf(3), "last", nowMs)).toBeUndefined();
    expect(catalog.moveNote(idOf(1), idOf(1), "last", nowMs)).toBeUndefined();
    logged(catalog.moveNote(idOf(3), idOf(1), "first", nowMs));
    const [top] = noteTree(catalog.view.notes);
    expect(top?.children.map(({ note }) => note.title)).toEqual(["3", "2"]);
    logged(catalog.moveNote(idOf(3), undefined, "last", nowMs));
    expect(noteIn(catalog, 3)?.parent).toBeUndefined();
  });

  it("keep their place between two that were put at the same place at once", () => {
    const [here, there] = [writing(ana), writing(ben)];
    const [one, two] = [created(here, 1), created(there, 2)];
    here.apply([two]);
    there.apply([one]);
    expect(noteIn(here, 1)?.order).toBe(noteIn(here, 2)?.order);
    created(here, 3, { place: { after: idOf(1) } });
    expect(titles(here)).toEqual(["1", "2", "3"]);
  });
});

describe("channels", () => {
  it("are made, renamed, moved and archived; general comes first and stays", () => {
    const catalog = writing(ana);
    for (const byte of [1, 2]) {
      logged(
        catalog.createChannel(
          { id: idOf(byte), name: `c${byte}`, topic: "t", createdBy: member },
          nowMs,
        ),
      );
    }
    logged(catalog.renameChannel(idOf(1), "plans", nowMs));
    logged(catalog.setChannelTopic(idOf(1), undefined, nowMs));
    logged(catalog.moveChannel(idOf(2), "first", nowMs));
    logged(catalog.archiveChannel(idOf(1), true, nowMs));
    logged(catalog.renameChannel(general, "hall", nowMs));
    expect(catalog.view.channels).toMatchObject([
      { id: general, name: "hall", general: true },
      { id: idOf(2), name: "c2", topic: "t", archived: false },
      { id: idOf(1), name: "plans", topic: undefined, archived: true },
    ]);
    expect(catalog.archiveChannel(general, true, nowMs)).toBeUndefined();
    expect(catalog.moveChannel(general, "last", nowMs)).toBeUndefined();
  });

  it("cannot take the place of general", () => {
    const catalog = writing(ana);
    const impostor = { id: general, name: "x", createdBy: member };
    expect(catalog.createChannel(impostor, nowMs)).toBeUndefined();
  });
});

describe("gestures made at once", () => {
  /** Two catalogs that share note 1 and then do one thing each without seeing the other. */
  function both(
    one: (catalog: Catalog) => CatalogEdit<WritingActor> | undefined,
    two: (catalog: Catalog) => CatalogEdit<WritingActor> | undefined,
  ): readonly [Catalog, Catalog] {
    const [here, there] = [writing(ana), writing(ben)];
    const base = [created(here, 1), created(here, 2)];
    there.apply(base);
    const [mine, theirs] = [logged(one(here)), logged(two(there))];
    here.apply([theirs]);
    there.apply([mine]);
    expect(there.view).toEqual(here.view);
    return [here, there];
  }

  it("of two titles keep that of the greater actor, where neither saw more", () => {
    const [here] = both(
      (catalog) => catalog.renameNote(idOf(1), "Ana's", nowMs),
      (catalog) => catalog.renameNote(idOf(1), "Ben's", nowMs - 1_000_000),
    );
    expect(noteIn(here, 1)?.title).toBe("Ben's");
    logged(here.renameNote(idOf(1), "settled", nowMs));
    expect(noteIn(here, 1)?.title).toBe("settled");
  });

  it("keep a title and a place, an archive flag and an icon", () => {
    const [here] = both(
      (catalog) => catalog.renameNote(idOf(1), "renamed", nowMs),
      (catalog) => catalog.moveNote(idOf(1), idOf(2), "last", nowMs),
    );
    expect(noteIn(here, 1)).toMatchObject({ title: "renamed", parent: idOf(2) });
    const [flagged] = both(
      (catalog) => catalog.trashNote(idOf(1), true, nowMs),
      (catalog) => catalog.renameNote(idOf(1), "written into", nowMs),
    );
    expect(noteIn(flagged, 1)).toMatchObject({ trashed: true, title: "written into" });
  });

  it("that make a circle leave a tree", () => {
    const [here, there] = both(
      (catalog) => catalog.moveNote(idOf(1), idOf(2), "last", nowMs),
      (catalog) => catalog.moveNote(idOf(2), idOf(1), "last", nowMs),
    );
    const tree = noteTree(here.view.notes);
    expect(tree.map(({ note }) => note.title)).toEqual(["1"]);
    expect(tree[0]?.children.map(({ note }) => note.title)).toEqual(["2"]);
    // And it can be undone from there.
    logged(there.moveNote(idOf(1), undefined, "last", nowMs));
    expect(noteIn(there, 1)?.parent).toBeUndefined();
  });

  it("archive against un-archive keeps the flag that was set anew", () => {
    const [here, there] = [writing(ana), writing(ben)];
    there.apply([created(here, 1), logged(here.archiveNote(idOf(1), true, nowMs))]);
    const off = logged(here.archiveNote(idOf(1), false, nowMs));
    const offAndOn = [
      logged(there.archiveNote(idOf(1), false, nowMs)),
      logged(there.archiveNote(idOf(1), true, nowMs)),
    ];
    here.apply(offAndOn);
    there.apply([off]);
    expect(there.view).toEqual(here.view);
    expect(noteIn(here, 1)?.archived).toBe(true);
  });
});

describe("changes from the log", () => {
  it("say which notes and channels look different", () => {
    const [here, there] = [writing(ana), writing(ben)];
    const changes = [
      created(here, 1),
      logged(here.createChannel({ id: idOf(2), name: "c", createdBy: member }, nowMs)),
      logged(here.renameChannel(general, "hall", nowMs)),
    ];
    const { outcomes, changed } = there.apply(changes);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["applied", "applied", "applied"]);
    expect(changed).toEqual({ notes: [idOf(1)], channels: [idOf(2), general] });
    expect(there.view).toEqual(here.view);
    expect(there.apply(changes).changed).toEqual({ notes: [], channels: [] });
  });

  it("cannot touch what everybody builds on, whatever they hold", () => {
    const raw = new AutomergeDocument({ ...catalogGenesis, sealed: new Set() });
    raw.write(() => ({ actor: cem, seq: 0 }));
    const change = raw.edit(nowMs, (handle) => handle.delete("_root", "notes"));
    if (!change) throw new Error("no change");
    const catalog = writing(ana);
    created(catalog, 1);
    expect(catalog.apply([{ actor: cem, change }]).outcomes).toEqual([
      { kind: "void", reason: "sets a key that everybody keeps as it is" },
    ]);
  });

  it("may put nonsense on a shelf, which is not shown", () => {
    const raw = new AutomergeDocument(catalogGenesis);
    raw.write(() => ({ actor: cem, seq: 0 }));
    const nonsense = raw.edit(nowMs, (handle) => {
      handle.put(noteBucket(idOf(1)), idOf(1), "a text", "str");
      handle.put(noteBucket(idOf(2)), "not an id", 1, "int");
      handle.putObject(noteBucket(idOf(2)), "x", {});
      // A note on another note's shelf would be there twice.
      handle.putObject(noteBucket(idOf(2)), idOf(3), {});
      handle.put(
        handle.putObject(noteBucket(idOf(4)), idOf(4), {}),
        "title",
        new Date(5),
        "timestamp",
      );
    });
    if (!nonsense) throw new Error("no change");
    const catalog = writing(ana);
    const log = [{ actor: cem, change: nonsense }];
    expect(catalog.apply(log).outcomes).toEqual([{ kind: "applied" }]);
    expect(titles(catalog)).toEqual([""]);
    expect(readAnew(catalog, log)).toEqual(catalog.view);
  });

  it("wait for their past, and then show", () => {
    const [here, there, reader] = [writing(ana), writing(ben), writing(cem)];
    const first = created(here, 1);
    there.apply([first]);
    const second = logged(there.renameNote(idOf(1), "late", nowMs));
    expect(reader.apply([second]).outcomes).toEqual([{ kind: "waiting" }]);
    expect(reader.waiting).toBe(1);
    expect(reader.apply([first]).changed.notes).toEqual([idOf(1)]);
    expect(reader.view).toEqual(there.view);
  });
});

describe("a snapshot", () => {
  it("waits until every gesture has come back from the log", () => {
    const catalog = writing(ana);
    const change = created(catalog, 1);
    expect(catalog.snapshot()).toBeUndefined();
    catalog.apply([change]);
    expect(catalog.snapshot()).toBeInstanceOf(Uint8Array);
  });

  it("and its tail bring the catalog back, with the view that was kept", () => {
    const catalog = writing(ana);
    catalog.apply([created(catalog, 1), created(catalog, 2)]);
    const snapshot = catalog.snapshot();
    const { view } = catalog;
    const tail = [logged(catalog.renameNote(idOf(1), "later", nowMs))];

    const kept = new Catalog({ general, snapshot, view });
    expect(kept.view).toBe(view);
    const again = writing(ben, { snapshot, tail, view });
    expect(again.view).toEqual(catalog.view);
    created(again, 3);
    expect(titles(again)).toEqual(["later", "2", "3"]);
  });

  it("that is none says so", () => {
    expect(new Catalog({ general, snapshot: Uint8Array.of(7) }).damage).toBeDefined();
  });
});

interface Command {
  readonly what: number;
  readonly note: number;
  readonly other: number;
}

class Replica implements OpBasedReplica<AuthoredChange, Command> {
  readonly catalog: Catalog;

  constructor(actor: string) {
    this.catalog = writing(actor);
  }

  get value(): CatalogView {
    return this.catalog.view;
  }

  write(command: Command): AuthoredChange | undefined {
    const edit = this.#gesture(command);
    return edit && logged(edit);
  }

  #gesture({ what, note, other }: Command): CatalogEdit<WritingActor> | undefined {
    const [id, second] = [idOf(note + 1), idOf(other + 1)];
    const { catalog } = this;
    switch (what) {
      case 0:
        return catalog.createNote({ id, title: `${other}`, createdBy: member }, nowMs);
      case 1:
        return catalog.renameNote(id, `renamed ${other}`, nowMs);
      case 2:
        return catalog.moveNote(id, second, "first", nowMs);
      case 3:
        return catalog.moveNote(id, undefined, { after: second }, nowMs);
      case 4:
        return catalog.archiveNote(id, other % 2 === 0, nowMs);
      case 5:
        return catalog.createChannel({ id, name: `${other}`, createdBy: member }, nowMs);
      case 6:
        return catalog.renameChannel(other === 0 ? general : id, `channel ${note}`, nowMs);
      default:
        return catalog.setNoteIcon(id, other === 0 ? undefined : "🥊", nowMs);
    }
  }

  apply({ op }: { readonly op: AuthoredChange }): void {
    const [outcome] = this.catalog.apply([op]).outcomes;
    if (outcome?.kind !== "applied" && outcome?.kind !== "known") {
      throw new Error(`not applied but ${JSON.stringify(outcome)}`);
    }
  }

  canonical(): unknown {
    const { view } = this.catalog;
    const anew = readAnew(this.catalog, []);
    if (JSON.stringify(anew) !== JSON.stringify(view)) throw new Error("the view missed something");
    return view;
  }
}

opBasedLaws<AuthoredChange, Command, Replica>("A catalog", {
  create: (replica) => new Replica(`${replica.slice(0, 30)}ff`),
  commands: fc.record({ what: fc.nat(7), note: fc.nat(3), other: fc.nat(3) }),
  runs: 30,
});
