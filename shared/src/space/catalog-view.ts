/**
 * What people see of a space's catalog: its notes and channels as plain data. It is the read model
 * that is painted before the engine has loaded, so nothing here knows Automerge; what keeps it up to
 * date is in `catalog.ts`, which is loaded when the catalog changes or its history is asked for.
 */
import { type DocumentId, idBytes, type MemberId } from "../id/id.ts";

/** What a note is in the tree. Kinds of later versions are shown as pages. */
export type NoteKind = "page" | "folder";

export interface CatalogNote {
  readonly id: DocumentId;
  readonly kind: NoteKind;
  /** May be empty, and is another person's text. */
  readonly title: string;
  /** One emoji, by convention. */
  readonly icon: string | undefined;
  /** As it was said; `noteTree` resolves those that are missing or go round in a circle. */
  readonly parent: DocumentId | undefined;
  /** Place among siblings, see `fractional-index.ts`; equal ones are ordered by id. */
  readonly order: string;
  /** By the clock of who made it: for display only. */
  readonly createdMs: number;
  readonly createdBy: MemberId | undefined;
  readonly archived: boolean;
  readonly trashed: boolean;
}

export interface CatalogChannel {
  readonly id: DocumentId;
  readonly name: string;
  readonly topic: string | undefined;
  readonly order: string;
  readonly createdMs: number;
  readonly createdBy: MemberId | undefined;
  readonly archived: boolean;
  /** The first channel: every space has it from the start. */
  readonly general: boolean;
}

export interface CatalogView {
  /** The engine's heads this is a view of, ascending. */
  readonly heads: readonly string[];
  /** By order and then id, whatever their parents. */
  readonly notes: readonly CatalogNote[];
  /** The general channel first, then by order and id. */
  readonly channels: readonly CatalogChannel[];
}

/** What is new in a view since the one before. */
export interface CatalogChange {
  readonly notes: readonly DocumentId[];
  readonly channels: readonly DocumentId[];
}

/** Titles, names, topics in UTF-8; a view cuts what is longer. */
export const catalogTextBytesMax = 1_024;

const generalName = "general";

/** What a space's catalog shows before anybody has written in it. */
export const emptyCatalogView = (general: DocumentId): CatalogView => ({
  heads: [],
  notes: [],
  channels: [generalChannel(general, undefined)],
});

// ── from the engine's fields to what they mean ─────────────────────────────────────────────────

/** The fields of one map as the engine holds them: anything that a member could write. */
export type CatalogFields = Readonly<Record<string, unknown>>;

export const noteOf = (id: DocumentId, fields: CatalogFields): CatalogNote => ({
  id,
  kind: fields["kind"] === "folder" ? "folder" : "page",
  title: textOf(fields["title"]) ?? "",
  icon: textOf(fields["icon"]),
  parent: hexOf<DocumentId>(fields["parent"], idBytes.document),
  order: textOf(fields["order"]) ?? "",
  archived: fields["archived"] === true,
  trashed: fields["trashed"] === true,
  ...created(fields),
});

export const channelOf = (id: DocumentId, fields: CatalogFields): CatalogChannel => ({
  id,
  name: textOf(fields["name"]) ?? "",
  topic: textOf(fields["topic"]),
  order: textOf(fields["order"]) ?? "",
  archived: fields["archived"] === true,
  general: false,
  ...created(fields),
});

/** The general channel exists by derivation: what is written of it only renames it. */
export const generalChannel = (
  id: DocumentId,
  fields: CatalogFields | undefined,
): CatalogChannel => ({
  ...channelOf(id, fields ?? {}),
  name: textOf(fields?.["name"]) ?? generalName,
  archived: false,
  general: true,
});

const created = (fields: CatalogFields): Pick<CatalogNote, "createdMs" | "createdBy"> => {
  const at = fields["createdMs"];
  return {
    createdMs: typeof at === "number" && Number.isSafeInteger(at) ? at : 0,
    createdBy: hexOf<MemberId>(fields["createdBy"], idBytes.member),
  };
};

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? clipped(value) : undefined;

function hexOf<Id extends string>(value: unknown, bytes: number): Id | undefined {
  const isId = typeof value === "string" && value.length === bytes * 2 && /^[0-9a-f]*$/.test(value);
  return isId ? (value as Id) : undefined;
}

/** At most `catalogTextBytesMax` of UTF-8, cut between characters. */
export function clipped(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= catalogTextBytesMax) return text.toWellFormed();
  let end = catalogTextBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end));
}

// ── order and tree ─────────────────────────────────────────────────────────────────────────────

interface Ordered {
  readonly id: DocumentId;
  readonly order: string;
}

export function compareOrder(a: Ordered, b: Ordered): number {
  if (a.order !== b.order) return a.order < b.order ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

export const compareChannels = (a: CatalogChannel, b: CatalogChannel): number =>
  a.general === b.general ? compareOrder(a, b) : a.general ? -1 : 1;

/** A note among its siblings, with what it inherits from the notes above it. */
export interface NoteBranch {
  readonly note: CatalogNote;
  readonly children: readonly NoteBranch[];
  readonly archived: boolean;
  readonly trashed: boolean;
}

/**
 * The notes as a tree, siblings in order. A note whose parent is missing stands at the top. Two
 * people may move two notes under each other at once: then the one with the smallest id of the
 * circle stands at the top, for everybody, until somebody moves one of them again.
 */
export function noteTree(notes: readonly CatalogNote[]): readonly NoteBranch[] {
  const parentOf = parentsOf(notes);
  const branches = new Map(notes.map((note) => [note.id, new Branch(note)]));
  const tops: Branch[] = [];
  for (const branch of branches.values()) {
    const parent = parentOf(branch.note);
    const siblings = parent === undefined ? tops : branches.get(parent)?.children;
    siblings?.push(branch);
  }
  // Breadth first and without recursion: how deep a tree is, its authors decide.
  const all = [...tops];
  for (const branch of all) {
    for (const child of branch.children) {
      child.archived ||= branch.archived;
      child.trashed ||= branch.trashed;
      all.push(child);
    }
  }
  return tops;
}

class Branch implements NoteBranch {
  readonly note: CatalogNote;
  readonly children: Branch[] = [];
  archived: boolean;
  trashed: boolean;

  constructor(note: CatalogNote) {
    this.note = note;
    this.archived = note.archived;
    this.trashed = note.trashed;
  }
}

/** Of each note the parent under which it is shown. */
function parentsOf(notes: readonly CatalogNote[]): (note: CatalogNote) => DocumentId | undefined {
  const byId = new Map(notes.map((note) => [note.id, note]));
  const tops = new Set<DocumentId>();
  const settled = new Set<DocumentId>();
  for (const start of notes) {
    const path = new Set<DocumentId>();
    let note: CatalogNote | undefined = start;
    while (note && !settled.has(note.id) && !path.has(note.id)) {
      path.add(note.id);
      note = note.parent === undefined ? undefined : byId.get(note.parent);
    }
    if (note && path.has(note.id)) {
      const circle = [...path].slice([...path].indexOf(note.id));
      tops.add(circle.reduce((least, id) => (id < least ? id : least)));
    }
    for (const id of path) settled.add(id);
  }
  return ({ id, parent }) =>
    parent === undefined || tops.has(id) || !byId.has(parent) ? undefined : parent;
}
