/**
 * A space's catalog: which notes and channels there are, as an Automerge document, because its
 * history is the space's history of structure. One gesture of a person is one change. Loaded only
 * when the catalog changes or its history is asked for; what is on the screen is `catalog-view.ts`.
 *
 * Concurrent gestures: the fields of a note or channel are registers of their own, so a new title
 * and a new place both take effect; of two titles given at once the one with the greater Lamport
 * time wins, then the greater actor, for everybody. Archiving and trashing are flags, not removals:
 * nothing that somebody else writes meanwhile is lost.
 */
import type { Applied } from "../crdt/engine/applied.ts";
import {
  type AuthoredChange,
  AutomergeDocument,
  type Fields,
  type Handle,
  isRecord,
  type WritingActor,
} from "../crdt/engine/automerge-document.ts";
import { type DocumentId, idBytes, type MemberId } from "../id/id.ts";
import {
  allChannelBuckets,
  allNoteBuckets,
  catalogGenesis,
  channelBucket,
  generalObject,
  noteBucket,
} from "./catalog-genesis.ts";
import {
  type CatalogChange,
  type CatalogChannel,
  type CatalogNote,
  type CatalogView,
  channelOf,
  clipped,
  compareChannels,
  compareOrder,
  generalChannel,
  type NoteKind,
  noteOf,
} from "./catalog-view.ts";
import { isOrderKey, keyBetween } from "./fractional-index.ts";

/** A gesture as an operation to come: the host adds the distance to the writer session. */
export interface CatalogEdit<Actor extends WritingActor> {
  readonly actor: Actor;
  /** An Automerge change. It is in the catalog already; it must reach the log, in order. */
  readonly change: Uint8Array<ArrayBuffer>;
}

/** Where something goes: among the notes under `parent`, or among channels. */
export type Place = "first" | "last" | { readonly after: DocumentId };

export interface NewNote {
  readonly id: DocumentId;
  readonly title: string;
  readonly kind?: NoteKind;
  readonly icon?: string | undefined;
  readonly parent?: DocumentId | undefined;
  readonly place?: Place;
  readonly createdBy: MemberId;
}

export interface NewChannel {
  readonly id: DocumentId;
  readonly name: string;
  readonly topic?: string | undefined;
  readonly createdBy: MemberId;
}

export interface CatalogOptions {
  /** The derived id of the general channel. */
  readonly general: DocumentId;
  /** `Catalog.snapshot` of an earlier time, and the changes it does not cover, in order. */
  readonly snapshot?: Uint8Array | undefined;
  readonly tail?: readonly AuthoredChange[];
  /** The view that was kept; where its heads are the document's, nothing is read anew. */
  readonly view?: CatalogView | undefined;
}

/** What became of changes from the log, and what looks different now. */
export interface CatalogApplied {
  readonly outcomes: readonly Applied[];
  readonly changed: CatalogChange;
}

type Written = Readonly<Record<string, string | number | boolean | undefined>>;

const documentIdForm = new RegExp(`^[0-9a-f]{${idBytes.document * 2}}$`);

export class Catalog<Actor extends WritingActor = WritingActor> {
  readonly #document: AutomergeDocument<Actor>;
  readonly #general: DocumentId;
  readonly #notes = new Map<DocumentId, CatalogNote>();
  readonly #channels = new Map<DocumentId, CatalogChannel>();
  #view: CatalogView;

  constructor({ general, snapshot, tail, view }: CatalogOptions) {
    this.#general = general;
    this.#document = new AutomergeDocument<Actor>(catalogGenesis, snapshot);
    this.#document.apply(tail ?? []);
    const { heads } = this.#document;
    const isCurrent = view !== undefined && heads.join() === view.heads.join();
    this.#view = isCurrent ? view : this.#readAll();
    for (const note of this.#view.notes) this.#notes.set(note.id, note);
    for (const channel of this.#view.channels) this.#channels.set(channel.id, channel);
    this.#document.takePatches();
  }

  /** A new object whenever something looks different. */
  get view(): CatalogView {
    return this.#view;
  }

  /** Why the catalog can no longer be used; load it anew from its log. */
  get damage(): string | undefined {
    return this.#document.damage;
  }

  /** How many changes wait for their past: 0 among honest members. */
  get waiting(): number {
    return this.#document.waiting;
  }

  /** Lets the catalog be edited under the actors that `nextActor` answers. */
  write(nextActor: () => Actor): void {
    this.#document.write(nextActor);
  }

  /** Changes from the log, own ones among them, in an order that respects causality. */
  apply(changes: readonly AuthoredChange[]): CatalogApplied {
    const outcomes = this.#document.apply(changes);
    return { outcomes, changed: this.#refresh() };
  }

  /**
   * The catalog as bytes for this device's storage, to be kept with the vector of the entries
   * applied so far; undefined while a gesture made here has not come back from the log.
   */
  snapshot(): Uint8Array<ArrayBuffer> | undefined {
    const { damage, unlogged } = this.#document;
    return damage === undefined && unlogged === 0 ? this.#document.snapshot() : undefined;
  }

  close(): void {
    this.#document.close();
  }

  // ── gestures: each is one change, or undefined where it changes nothing ────────────────────

  createNote(note: NewNote, timeMs: number): CatalogEdit<Actor> | undefined {
    if (this.#notes.has(note.id)) return undefined;
    const order = this.#orderAt(this.#siblings(note.parent), note.place ?? "last");
    return this.#edit(timeMs, (handle) => {
      const fields = handle.putObject(noteBucket(note.id), note.id, {});
      putFields(handle, fields, {
        kind: note.kind === "folder" ? "folder" : undefined,
        title: clipped(note.title),
        icon: note.icon,
        parent: note.parent,
        order,
        createdMs: Math.floor(timeMs),
        createdBy: note.createdBy,
      });
    });
  }

  renameNote(id: DocumentId, title: string, timeMs: number): CatalogEdit<Actor> | undefined {
    return this.#setNote(id, { title: clipped(title) }, timeMs);
  }

  /** `icon` undefined takes it away. */
  setNoteIcon(
    id: DocumentId,
    icon: string | undefined,
    timeMs: number,
  ): CatalogEdit<Actor> | undefined {
    return this.#setNote(id, { icon: icon === undefined ? undefined : clipped(icon) }, timeMs);
  }

  /** Under `parent` (undefined: at the top), at `place` among its notes; never under itself. */
  moveNote(
    id: DocumentId,
    parent: DocumentId | undefined,
    place: Place,
    timeMs: number,
  ): CatalogEdit<Actor> | undefined {
    const passed = new Set<DocumentId>();
    for (let above = parent; above !== undefined; above = this.#notes.get(above)?.parent) {
      if (above === id) return undefined;
      // Others may have made a circle further up.
      if (passed.has(above)) break;
      passed.add(above);
    }
    const siblings = this.#siblings(parent).filter((note) => note.id !== id);
    return this.#setNote(id, { parent, order: this.#orderAt(siblings, place) }, timeMs);
  }

  archiveNote(id: DocumentId, archived: boolean, timeMs: number): CatalogEdit<Actor> | undefined {
    return this.#setNote(id, { archived }, timeMs);
  }

  trashNote(id: DocumentId, trashed: boolean, timeMs: number): CatalogEdit<Actor> | undefined {
    return this.#setNote(id, { trashed }, timeMs);
  }

  createChannel(channel: NewChannel, timeMs: number): CatalogEdit<Actor> | undefined {
    if (this.#channels.has(channel.id)) return undefined;
    const order = this.#orderAt(this.#otherChannels(channel.id), "last");
    return this.#edit(timeMs, (handle) => {
      const fields = handle.putObject(channelBucket(channel.id), channel.id, {});
      putFields(handle, fields, {
        name: clipped(channel.name),
        topic: channel.topic === undefined ? undefined : clipped(channel.topic),
        order,
        createdMs: Math.floor(timeMs),
        createdBy: channel.createdBy,
      });
    });
  }

  renameChannel(id: DocumentId, name: string, timeMs: number): CatalogEdit<Actor> | undefined {
    return this.#setChannel(id, { name: clipped(name) }, timeMs);
  }

  /** `topic` undefined takes it away. */
  setChannelTopic(
    id: DocumentId,
    topic: string | undefined,
    timeMs: number,
  ): CatalogEdit<Actor> | undefined {
    return this.#setChannel(
      id,
      { topic: topic === undefined ? undefined : clipped(topic) },
      timeMs,
    );
  }

  moveChannel(id: DocumentId, place: Place, timeMs: number): CatalogEdit<Actor> | undefined {
    if (id === this.#general) return undefined;
    return this.#setChannel(id, { order: this.#orderAt(this.#otherChannels(id), place) }, timeMs);
  }

  /** The general channel stays. */
  archiveChannel(
    id: DocumentId,
    archived: boolean,
    timeMs: number,
  ): CatalogEdit<Actor> | undefined {
    if (id === this.#general) return undefined;
    return this.#setChannel(id, { archived }, timeMs);
  }

  #setNote(id: DocumentId, fields: Written, timeMs: number): CatalogEdit<Actor> | undefined {
    return this.#set(this.#objectOf(noteBucket(id), id), fields, timeMs);
  }

  #setChannel(id: DocumentId, fields: Written, timeMs: number): CatalogEdit<Actor> | undefined {
    const object = id === this.#general ? generalObject : this.#objectOf(channelBucket(id), id);
    return this.#set(object, fields, timeMs);
  }

  #set(
    object: string | undefined,
    fields: Written,
    timeMs: number,
  ): CatalogEdit<Actor> | undefined {
    if (object === undefined) return undefined;
    return this.#edit(timeMs, (handle) => putFields(handle, object, fields));
  }

  #edit(timeMs: number, edit: (handle: Handle) => void): CatalogEdit<Actor> | undefined {
    const change = this.#document.edit(timeMs, edit);
    const { actor } = this.#document;
    if (!change || !actor) return undefined;
    this.#refresh();
    return { actor, change };
  }

  // ── places ─────────────────────────────────────────────────────────────────────────────────

  #siblings(parent: DocumentId | undefined): CatalogNote[] {
    return this.#view.notes.filter((note) => note.parent === parent);
  }

  #otherChannels(id: DocumentId): CatalogChannel[] {
    return this.#view.channels.filter((channel) => !channel.general && channel.id !== id);
  }

  #orderAt(siblings: readonly { id: DocumentId; order: string }[], place: Place): string {
    const sound = siblings.filter(({ order }) => isOrderKey(order));
    const isAt = typeof place === "object" ? sound.findIndex(({ id }) => id === place.after) : -1;
    const at = place === "first" ? 0 : isAt === -1 ? sound.length : isAt + 1;
    const below = sound[at - 1]?.order;
    // Neighbours that were put there at once may have equal keys: the next that differs is above.
    const above = sound.slice(at).find(({ order }) => below === undefined || order > below);
    return keyBetween(below, above?.order);
  }

  // ── reading the engine ─────────────────────────────────────────────────────────────────────

  #objectOf(bucket: string, id: DocumentId): string | undefined {
    const value = this.#document.handle.getWithType(bucket, id);
    return value?.[0] === "map" ? value[1] : undefined;
  }

  #fieldsOf(object: string | undefined): Fields | undefined {
    return object === undefined ? undefined : this.#document.read(object);
  }

  #readAll(): CatalogView {
    const { heads } = this.#document;
    const notes: CatalogNote[] = [];
    for (const bucket of allNoteBuckets) {
      for (const [id, fields] of recordsIn(this.#document.read(bucket))) {
        if (noteBucket(id) === bucket) notes.push(noteOf(id, fields));
      }
    }
    const channels = [generalChannel(this.#general, this.#fieldsOf(generalObject))];
    for (const bucket of allChannelBuckets) {
      for (const [id, fields] of recordsIn(this.#document.read(bucket))) {
        if (this.#isChannel(id, bucket)) channels.push(channelOf(id, fields));
      }
    }
    return {
      heads,
      notes: notes.sort(compareOrder),
      channels: channels.sort(compareChannels),
    };
  }

  #isChannel(id: DocumentId, bucket: string): boolean {
    return id !== this.#general && channelBucket(id) === bucket;
  }

  /** Brings the view up to date with what the engine says has changed. */
  #refresh(): CatalogChange {
    const notes = new Set<DocumentId>();
    const channels = new Set<DocumentId>();
    for (const { path } of this.#document.takePatches()) {
      const [root, , key] = path;
      if (root === "general") channels.add(this.#general);
      else if (root === "notes" && isDocumentId(key)) notes.add(key);
      else if (root === "channels" && isDocumentId(key)) channels.add(key);
    }
    this.#view = {
      heads: this.#document.heads,
      notes: this.#renew(this.#view.notes, notes, this.#notes, (id) => this.#readNote(id)),
      channels: this.#renew(this.#view.channels, channels, this.#channels, (id) =>
        this.#readChannel(id),
      ),
    };
    return { notes: [...notes], channels: [...channels] };
  }

  #readNote(id: DocumentId): CatalogNote | undefined {
    const fields = this.#fieldsOf(this.#objectOf(noteBucket(id), id));
    return fields && noteOf(id, fields);
  }

  #readChannel(id: DocumentId): CatalogChannel | undefined {
    if (id === this.#general) return generalChannel(id, this.#fieldsOf(generalObject));
    const fields = this.#fieldsOf(this.#objectOf(channelBucket(id), id));
    return fields && channelOf(id, fields);
  }

  #renew<Item extends CatalogNote | CatalogChannel>(
    items: readonly Item[],
    changed: ReadonlySet<DocumentId>,
    byId: Map<DocumentId, Item>,
    read: (id: DocumentId) => Item | undefined,
  ): readonly Item[] {
    if (changed.size === 0) return items;
    const renewed = [...items];
    // A few are put in their places; many are sorted in together.
    const isFew = changed.size <= placedMax;
    for (const id of changed) {
      const before = byId.get(id);
      const item = read(id);
      if (before && isFew) renewed.splice(placeOf(renewed, before), 1);
      if (item && isFew) renewed.splice(placeOf(renewed, item), 0, item);
      if (item) byId.set(id, item);
      else byId.delete(id);
    }
    return isFew ? renewed : [...byId.values()].sort(compareItems);
  }
}

const placedMax = 64;

const compareItems = (a: CatalogNote | CatalogChannel, b: CatalogNote | CatalogChannel): number =>
  "general" in a && "general" in b ? compareChannels(a, b) : compareOrder(a, b);

/** Index of `item` in a sorted list, or of what it belongs before. */
function placeOf<Item extends CatalogNote | CatalogChannel>(
  items: readonly Item[],
  item: Item,
): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = items[middle];
    if (at && compareItems(at, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sets fields that differ; `undefined` and `false` are the absence of a field. */
function putFields(handle: Handle, object: string, fields: Written): void {
  for (const [key, value] of Object.entries(fields)) {
    const held = handle.getAll(object, key);
    const isAbsent = value === undefined || value === false;
    if (isAbsent ? held.length === 0 : held.length === 1 && held[0]?.[1] === value) continue;
    if (isAbsent) handle.delete(object, key);
    else if (typeof value === "string") handle.put(object, key, value, "str");
    else if (typeof value === "number") handle.put(object, key, value, "int");
    else handle.put(object, key, value, "boolean");
  }
}

const isDocumentId = (key: unknown): key is DocumentId =>
  typeof key === "string" && documentIdForm.test(key);

/** The records on a shelf, under what are document ids. */
const recordsIn = (shelf: Fields): (readonly [DocumentId, Fields])[] =>
  Object.entries(shelf).flatMap(([id, value]) =>
    isDocumentId(id) && isRecord(value) ? [[id, value] as const] : [],
  );
