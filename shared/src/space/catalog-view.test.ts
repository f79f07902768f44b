import { describe, expect, it } from "vitest";
import type { DocumentId } from "../id/id.ts";
import {
  type CatalogNote,
  catalogTextBytesMax,
  channelOf,
  clipped,
  emptyCatalogView,
  generalChannel,
  type NoteBranch,
  noteOf,
  noteTree,
} from "./catalog-view.ts";

const idOf = (byte: number): DocumentId =>
  byte.toString(16).padStart(2, "0").repeat(8) as DocumentId;

const note = (byte: number, fields: Partial<CatalogNote> = {}): CatalogNote => ({
  ...noteOf(idOf(byte), { title: String(byte) }),
  ...fields,
});

/** `1(2 3(4))`: titles with their children. */
const drawn = (branches: readonly NoteBranch[]): string =>
  branches
    .map(({ note: { title }, children }) =>
      children.length > 0 ? `${title}(${drawn(children)})` : title,
    )
    .join(" ");

describe("the tree of notes", () => {
  it("puts notes under their parents, in the order given", () => {
    const notes = [note(1), note(2, { parent: idOf(1) }), note(3), note(4, { parent: idOf(1) })];
    expect(drawn(noteTree(notes))).toBe("1(2 4) 3");
  });

  it("puts notes whose parent is missing at the top", () => {
    expect(drawn(noteTree([note(1, { parent: idOf(9) }), note(2)]))).toBe("1 2");
  });

  it("opens a circle at its smallest id, wherever it is looked at from", () => {
    const circle = [
      note(3, { parent: idOf(2) }),
      note(2, { parent: idOf(5) }),
      note(5, { parent: idOf(3) }),
      note(7, { parent: idOf(5) }),
    ];
    expect(drawn(noteTree(circle))).toBe("2(3(5(7)))");
    expect(drawn(noteTree([...circle].reverse()))).toBe("2(3(5(7)))");
    expect(drawn(noteTree([note(1, { parent: idOf(1) })]))).toBe("1");
  });

  it("hands flags down", () => {
    const notes = [
      note(1, { trashed: true }),
      note(2, { parent: idOf(1), archived: true }),
      note(3, { parent: idOf(2) }),
    ];
    const [top] = noteTree(notes);
    const [middle] = top?.children ?? [];
    expect(middle).toMatchObject({ trashed: true, archived: true });
    expect(middle?.children[0]).toMatchObject({ trashed: true, archived: true });
    expect(top).toMatchObject({ trashed: true, archived: false });
  });

  it("is drawn however deep it is", () => {
    const wide = (index: number): DocumentId => index.toString(16).padStart(16, "0") as DocumentId;
    const notes = Array.from({ length: 20_000 }, (_, index) => ({
      ...note(0),
      id: wide(index),
      parent: index === 0 ? undefined : wide(index - 1),
    }));
    expect(noteTree(notes)).toHaveLength(1);
  });
});

describe("what members may have written", () => {
  it("is read as far as it makes sense", () => {
    expect(
      noteOf(idOf(1), {
        kind: "spreadsheet",
        title: 7,
        icon: "",
        parent: "zz",
        order: null,
        createdMs: 1.5,
        createdBy: "00".repeat(15),
        archived: "yes",
        trashed: 1,
      }),
    ).toEqual({
      id: idOf(1),
      kind: "page",
      title: "",
      icon: undefined,
      parent: undefined,
      order: "",
      createdMs: 0,
      createdBy: undefined,
      archived: false,
      trashed: false,
    });
    expect(channelOf(idOf(1), {}).name).toBe("");
  });

  it("is cut between characters", () => {
    const long = `${"x".repeat(catalogTextBytesMax - 2)}🥊tail`;
    expect(clipped(long)).toBe("x".repeat(catalogTextBytesMax - 2));
    expect(clipped("\ud83e")).toBe("\ufffd");
    expect(noteOf(idOf(1), { title: long }).title).toBe(clipped(long));
  });
});

describe("the general channel", () => {
  it("is there before anything was written, and cannot be archived away", () => {
    expect(emptyCatalogView(idOf(5)).channels).toEqual([
      expect.objectContaining({ id: idOf(5), name: "general", general: true }),
    ]);
    expect(generalChannel(idOf(5), { archived: true, name: "hall" })).toMatchObject({
      name: "hall",
      archived: false,
    });
  });
});
