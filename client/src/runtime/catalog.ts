/**
 * The list of notes and channels of a space in one tab. It paints from the read model, a plain row that the
 * leading tab keeps up; the engine is loaded by the tab that leads when the catalog changed, and by a tab in
 * which somebody changes it, which then shows what the engine says.
 */
import { type CatalogView, emptyCatalogView } from "@skein/shared/space/catalog-view.ts";
import { type DocumentId, documentId, idBytes } from "@skein/shared/id/id.ts";
import type { NoteRow, Observable } from "./api.ts";
import { type CatalogRow, viewInRow } from "./catalog-row.ts";
import type { CatalogEngine, Gesture } from "./catalog-engine.ts";
import { Cell, derived, sameValue, Soon } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";
import { shownMs } from "./shown-ms.ts";

/** What arrives together is shown and written together. */
const refreshEveryMs = 100;

export interface ChannelName {
  readonly id: DocumentId;
  readonly name: string;
}

/** Keeps the row under the leader's epoch. False if this tab leads no longer. */
export type KeepCatalog = (upTo: number, model: CatalogRow) => Promise<boolean>;

export class SpaceCatalog {
  readonly notes: Observable<readonly NoteRow[]>;
  readonly channels: Observable<readonly ChannelName[]>;
  /** Resolves once the read model was read: there is something to paint. */
  readonly painted: Promise<void>;
  readonly #core: SpaceCore;
  readonly #view: Cell<CatalogView>;
  readonly #undo: (() => void)[];
  readonly #refresh: Soon;
  #engine: Promise<CatalogEngine> | undefined;
  #refreshing = false;
  #refreshAgain = false;
  #keep: KeepCatalog | undefined;
  /** Number of the last update in the row. */
  #keptTo = 0;
  #counter = 0;
  #closed = false;

  constructor(core: SpaceCore) {
    this.#core = core;
    this.#view = new Cell(emptyCatalogView(core.documents.general));
    this.#refresh = new Soon(
      () => this.#run(),
      (run) => setTimeout(run, refreshEveryMs),
    );
    this.notes = derived([this.#view], ({ notes }) =>
      notes.flatMap(({ id, kind, title, trashed, createdMs, createdBy, order }) =>
        kind === "folder"
          ? []
          : [{ id, title, trashed, createdMs: shownMs(createdMs), createdBy, order }],
      ),
    );
    this.channels = derived(
      [this.#view],
      ({ channels }) =>
        channels.flatMap(({ id, name, archived }) => (archived ? [] : [{ id, name }])),
      sameValue,
    );
    this.#undo = [
      core.onApplied.on((entries) => {
        const { catalog } = core.documents;
        if (entries.some(({ document }) => document === catalog)) this.#refresh.ask();
      }),
      core.onMissed.on(() => this.#refresh.ask()),
      core.device.tabs.on("catalog", ({ space }) => {
        if (space === core.tag && this.#engine === undefined) this.#refresh.ask();
      }),
    ];
    this.painted = this.#readRow().catch((error: unknown) => this.#failed(error));
  }

  async createNote(title: string): Promise<DocumentId> {
    const id = this.#newId();
    const { me } = this.#core;
    await this.#edit((catalog, timeMs) => catalog.createNote({ id, title, createdBy: me }, timeMs));
    return id;
  }

  renameNote(note: DocumentId, title: string): Promise<void> {
    return this.#edit((catalog, timeMs) => catalog.renameNote(note, title, timeMs));
  }

  trashNote(note: DocumentId, trashed: boolean): Promise<void> {
    return this.#edit((catalog, timeMs) => catalog.trashNote(note, trashed, timeMs));
  }

  /** The first channel is there from the start, under an id that everybody derives. */
  async createChannel(name: string): Promise<DocumentId> {
    const { general } = this.#core.documents;
    const isGeneral = ({ id, name: known }: ChannelName) => id === general && known === name;
    if (this.channels.get().some(isGeneral)) return general;
    const id = this.#newId();
    const { me } = this.#core;
    await this.#edit((catalog, timeMs) =>
      catalog.createChannel({ id, name, createdBy: me }, timeMs),
    );
    return id;
  }

  /** This tab leads, and keeps the read model up; or leads no longer. */
  lead(keep: KeepCatalog | undefined): void {
    this.#keep = keep;
    if (keep !== undefined) this.#refresh.ask();
  }

  /** For the leader, when the tail has grown long: the catalog as bytes, and what is in them. */
  async snapshot(): Promise<{ readonly bytes: Uint8Array; readonly upTo: number } | undefined> {
    const engine = await this.#load();
    await engine.pull();
    const bytes = engine.snapshot();
    return bytes && { bytes, upTo: engine.upTo };
  }

  close(): void {
    this.#closed = true;
    for (const undo of this.#undo) undo();
    void this.#engine?.then((engine) => engine.close());
  }

  async #edit(gesture: Gesture): Promise<void> {
    await this.#core.ready;
    const engine = await this.#load();
    const build = engine.edit(gesture);
    if (build === undefined) return;
    this.#view.set(engine.view);
    await this.#core.append(this.#core.documents.catalog, build);
  }

  #load(): Promise<CatalogEngine> {
    if (this.#engine === undefined) {
      const loading = import("./catalog-engine.ts").then(async ({ CatalogEngine: Engine }) =>
        Engine.load(this.#core, () => this.#counter++),
      );
      this.#engine = loading;
      loading.then(
        (engine) => {
          if (this.#closed) engine.close();
        },
        () => {
          // The next who asks tries again: the network or the disk may be back.
          if (this.#engine === loading) this.#engine = undefined;
        },
      );
    }
    return this.#engine;
  }

  #run(): void {
    if (this.#closed) return;
    if (this.#refreshing) {
      this.#refreshAgain = true;
      return;
    }
    this.#refreshing = true;
    this.#refreshAgain = false;
    this.#refreshNow()
      .then(() => this.#core.device.troubles.storage(this.#subject, undefined))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#refreshing = false;
        if (this.#refreshAgain) this.#refresh.ask();
      });
  }

  async #refreshNow(): Promise<void> {
    if (this.#engine === undefined && !(await this.#mustLoad())) return this.#readRow();
    const engine = await this.#load();
    if (this.#closed) return;
    if (!(await engine.pull())) return this.#reload(engine);
    this.#view.set(engine.view);
    await this.#keepRow(engine);
  }

  /** The leader loads the engine for what nobody has brought into the row. */
  async #mustLoad(): Promise<boolean> {
    if (this.#keep === undefined) return false;
    const { device, tag, documents } = this.#core;
    const [row, tails] = await Promise.all([device.models.catalog(tag), device.models.tails(tag)]);
    const tail = tails.find(({ document }) => document === documents.catalog);
    const keptTo = viewInRow(row) === undefined ? 0 : (row?.upTo ?? 0);
    return (tail?.upTo ?? 0) > keptTo;
  }

  async #keepRow(engine: CatalogEngine): Promise<void> {
    const { upTo, view } = engine;
    if (this.#keep === undefined || upTo <= this.#keptTo) return;
    if (!(await this.#keep(upTo, { form: 1, view }))) return;
    this.#keptTo = upTo;
    this.#core.device.tabs.post({ kind: "catalog", space: this.#core.tag });
  }

  async #readRow(): Promise<void> {
    const row = await this.#core.device.models.catalog(this.#core.tag);
    const view = viewInRow(row);
    if (row === undefined || view === undefined) return;
    if (this.#engine !== undefined || this.#closed) return;
    this.#keptTo = Math.max(this.#keptTo, row.upTo);
    this.#view.set(view);
  }

  /** A snapshot ran ahead of it, or the engine failed: what is in the log is brought in anew. */
  async #reload(engine: CatalogEngine): Promise<void> {
    engine.close();
    this.#engine = undefined;
    const anew = await this.#load();
    if (anew.damage !== undefined) throw new Error(`the catalog cannot be read: ${anew.damage}`);
    this.#view.set(anew.view);
    await this.#keepRow(anew);
  }

  #failed(error: unknown): void {
    if (!this.#closed) this.#core.device.troubles.storage(this.#subject, error);
  }

  get #subject(): string {
    return `catalog ${this.#core.tag}`;
  }

  #newId(): DocumentId {
    return documentId(this.#core.device.env.random.bytes(idBytes.document));
  }
}
