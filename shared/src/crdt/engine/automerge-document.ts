/**
 * One Automerge document as an op-based CRDT over the logs: changes of known authors go in, what is
 * edited here comes out as changes. Like its sibling for Yjs it guards what the engine takes on
 * trust; a change that Automerge itself would not have written at that place is void.
 *
 * 1. Changes of one actor are applied without gap, in the order of its log.
 * 2. A change names the values it replaces as they stood in its causal past: all of them when it
 *    sets a key, some or all when it deletes (of a conflict, who sets the winning value again keeps
 *    it and deletes the others). Automerge does not check that, and cannot load a document again
 *    in which it is not so.
 * 3. Changes wait here, not inside Automerge, until their past is known.
 *
 * It works on Automerge's handle (`getBackend`), not on the JavaScript mirror of the document: that
 * costs most of the time it takes to load, and nobody here wants all of it.
 *
 * `initializeWasm` of `@automerge/automerge/slim` must have been awaited before: the platform knows
 * where the WebAssembly lies.
 */
import { getBackend, init, isImmutableString, type Patch } from "@automerge/automerge/slim";
import { fromHex, toHex } from "../../bytes/bytes.ts";
import { Malformed } from "../../bytes/malformed.ts";
import { Writer } from "../../bytes/writer.ts";
import type { Applied } from "./applied.ts";
import { changeOperationsMax, type ReadChange, readChange } from "./automerge-change.ts";
import { keptBytes, readKept } from "./kept-bytes.ts";

/** Automerge's own document: `put`, `putObject`, `delete`, `getAll`, … by object ids. */
export type Handle = ReturnType<typeof getBackend>;
export type { Patch } from "@automerge/automerge/slim";

/** A change as it stands in a log, with the actor derived from its peer. */
export interface AuthoredChange {
  /** 32 hexadecimal digits. */
  readonly actor: string;
  readonly change: Uint8Array;
}

/** Under which actor this document is edited, and how many changes it has made in it. */
export interface WritingActor {
  readonly actor: string;
  readonly seq: number;
}

/** What a new document begins with, the same for everybody. */
export interface Genesis {
  /** A change by the actor of zeros. */
  readonly change: Uint8Array;
  /** Objects that keep the keys genesis gave them: a change that sets one of theirs is void. */
  readonly sealed: ReadonlySet<string>;
  /** The objects in which maps may be made: what a document nests, Automerge reads by recursion. */
  readonly shelves: ReadonlySet<string>;
}

/** A map of the document: scalars, and on a shelf records of scalars. */
export type Fields = Readonly<Record<string, unknown>>;

interface Author {
  readonly seq: number;
  readonly maxOp: number;
}

const actorsTriedMax = 16;
const actorBytes = 16;
/** Reads, and never writes. */
const nobody = "00".repeat(actorBytes);

export class AutomergeDocument<Actor extends WritingActor = WritingActor> {
  readonly #genesis: Genesis;
  #handle: Handle;
  #heads: readonly string[];
  readonly #authors = new Map<string, Author>();
  /** Held changes by actor, each queue in the order of its log. */
  readonly #waiting = new Map<string, ReadonlyHeld[]>();
  #nextActor: (() => Actor) | undefined;
  #actor: Actor | undefined;
  readonly #formerActors = new Set<string>();
  /** Hashes of changes made here that have not come back from the log. */
  readonly #unlogged = new Set<string>();
  #damage: string | undefined;

  /** `snapshot` as `snapshot()` gave it; if it is not readable the document is damaged. */
  constructor(genesis: Genesis, snapshot?: Uint8Array) {
    this.#genesis = genesis;
    this.#handle = getBackend(init({ actor: nobody }));
    if (snapshot) this.#load(snapshot);
    else this.#begin(genesis.change);
    this.#heads = this.#handle.getHeads();
    this.#handle.updateDiffCursor();
  }

  #begin(change: Uint8Array): void {
    const read = readChange(change);
    if (read instanceof Malformed) throw new Error(`genesis: ${read.message}`);
    this.#integrate({ read, change });
  }

  get handle(): Handle {
    return this.#handle;
  }

  /** Hashes of the newest changes, ascending: equal heads, equal documents. */
  get heads(): readonly string[] {
    return this.#heads;
  }

  get damage(): string | undefined {
    return this.#damage;
  }

  /** How many changes wait for their past: 0 among honest members. */
  get waiting(): number {
    let count = 0;
    for (const queue of this.#waiting.values()) count += queue.length;
    return count;
  }

  /**
   * Equal bytes for equal documents: `list(head 32) ‖ list(actor 16 ‖ seq varint ‖ last operation
   * varint) ‖ list(waiting actor 16 ‖ change bytes)`, each ascending; what waits of one actor in the
   * order of its log.
   */
  canonicalState(): Uint8Array<ArrayBuffer> {
    const waiting = [...this.#waiting].sort(byActor).flatMap(([, queue]) => queue);
    return new Writer(4_096)
      .list([...this.#heads].sort(), (to, head) => to.raw(fromHex(head)))
      .list([...this.#authors].sort(byActor), writeAuthor)
      .list(waiting, writeWaiting)
      .finish();
  }

  /** Changes made here that are in no log as far as this document has heard. */
  get unlogged(): number {
    return this.#unlogged.size;
  }

  get actor(): Actor | undefined {
    return this.#actor;
  }

  /** The map `object` as it stands: text as strings, numbers, booleans; of a conflict the winner. */
  read(object: string): Fields {
    const value = plain(this.#handle.materialize(object));
    return isRecord(value) ? value : {};
  }

  /** What has changed since the last call, as seen from the root. */
  takePatches(): readonly Patch[] {
    return this.#handle.diffIncremental();
  }

  // ── what comes from the log ────────────────────────────────────────────────────────────────

  /** Applies changes in the order given, which must respect causality. One outcome each. */
  apply(changes: readonly AuthoredChange[]): readonly Applied[] {
    const outcomes = changes.map((authored) => this.#admit(authored));
    this.#heads = this.#handle.getHeads();
    return this.#damage === undefined ? outcomes : changes.map(() => this.#damaged());
  }

  #admit({ actor, change }: AuthoredChange): Applied {
    if (this.#damage !== undefined) return this.#damaged();
    const read = readChange(change);
    if (read instanceof Malformed) return voided(read.message);
    if (read.actor !== actor) return voided("written under a foreign actor");
    const fault = faultOf(read, this.#genesis);
    if (fault !== undefined) return voided(fault);
    if (this.#handle.getChangeMetaByHash(read.hash) !== null) {
      this.#unlogged.delete(read.hash);
      return { kind: "known" };
    }
    if (actor === this.#actor?.actor) {
      if (this.#unlogged.size > 0) {
        this.#damage = "another session writes under the same actor";
        return this.#damaged();
      }
      this.#changeActor();
    }
    const held = { read, change };
    const queue = this.#waiting.get(actor);
    const verdict = queue ? waits : this.#judge(read);
    if (verdict === waits) {
      if (queue) queue.push(held);
      else this.#waiting.set(actor, [held]);
      return { kind: "waiting" };
    }
    if (verdict !== undefined) return voided(verdict);
    this.#integrate(held);
    if (this.#waiting.size > 0) this.#release();
    return { kind: "applied" };
  }

  /** Whether this is what Automerge would have written there; undefined if so. */
  #judge(read: ReadChange): string | typeof waits | undefined {
    const author = this.#authors.get(read.actor) ?? { seq: 0, maxOp: 0 };
    if (read.seq !== author.seq + 1) return `change ${read.seq} of its actor, after ${author.seq}`;
    let maxOp = 0;
    for (const dep of read.deps) {
      const meta = this.#handle.getChangeMetaByHash(dep);
      if (meta === null) return waits;
      maxOp = Math.max(maxOp, meta.maxOp);
    }
    if (read.startOp !== maxOp + 1 || read.startOp <= author.maxOp) {
      return `operations from ${read.startOp}, not behind those it builds on`;
    }
    const heads = this.#handle.getHeads();
    const isNow =
      heads.length === read.deps.length && heads.every((head) => read.deps.includes(head));
    return this.#judgeOperations(read, isNow ? undefined : [...read.deps]);
  }

  #judgeOperations(
    read: ReadChange,
    past: string[] | undefined,
  ): string | typeof waits | undefined {
    const made = new Set<string>();
    const valuesBySlot = new Map<string, readonly string[]>();
    for (const [index, { action, object, key, pred }] of read.operations.entries()) {
      const slot = `${object}/${key}`;
      const here =
        valuesBySlot.get(slot) ?? (made.has(object) ? [] : this.#values(object, key, past));
      if (here === undefined) return this.#isTaken(object) ? "writes into no object" : waits;
      const left = here.filter((value) => !pred.includes(value));
      const isEachThere = here.length - left.length === pred.length;
      if (!isEachThere || (action !== "del" && left.length > 0)) {
        return "replaces other values than stood there";
      }
      const id = `${read.startOp + index}@${read.actor}`;
      valuesBySlot.set(slot, action === "del" ? left : [id]);
      if (action === "makeMap") made.add(id);
    }
    return undefined;
  }

  /** Ids of the values of `key`, several after a conflict; undefined if nobody made the object yet. */
  #values(object: string, key: string, past: string[] | undefined): readonly string[] | undefined {
    try {
      return this.#handle.getAll(object, key, past).map((value) => String(value.at(-1)));
    } catch {
      return undefined;
    }
  }

  /** Whether the operation of this id was applied, so that no later one can be it. */
  #isTaken(operation: string): boolean {
    const [counter, actor] = operation.split("@");
    return (this.#authors.get(actor ?? "")?.maxOp ?? 0) >= Number(counter);
  }

  #integrate({ read, change }: ReadonlyHeld): void {
    try {
      this.#handle.applyChanges([change]);
      if (this.#handle.getChangeMetaByHash(read.hash) === null) throw new Error("change not taken");
      this.#authors.set(read.actor, { seq: read.seq, maxOp: maxOpOf(read) });
    } catch (error) {
      this.#damage = error instanceof Error ? error.message : String(error);
    }
  }

  /** Applies what waited and has its past now, until nothing more follows from it. */
  #release(): void {
    let progress = true;
    while (progress) {
      progress = false;
      for (const [actor, queue] of this.#waiting) {
        let judged = 0;
        for (let next = queue[0]; next !== undefined; next = queue[judged]) {
          const verdict = this.#damage === undefined ? this.#judge(next.read) : waits;
          if (verdict === waits) break;
          if (verdict === undefined) this.#integrate(next);
          judged++;
        }
        if (judged === 0) continue;
        progress = true;
        if (judged === queue.length) this.#waiting.delete(actor);
        else queue.splice(0, judged);
      }
    }
  }

  #damaged(): Applied {
    return { kind: "damaged", reason: this.#damage ?? "unknown" };
  }

  // ── what is edited here ────────────────────────────────────────────────────────────────────

  /** Lets the document be edited under the actor that `nextActor` answers, or the next free one. */
  write(nextActor: () => Actor): void {
    this.#nextActor = nextActor;
    this.#changeActor();
  }

  #changeActor(): void {
    if (!this.#nextActor) throw new Error("document without actors");
    if (this.#actor) this.#formerActors.add(this.#actor.actor);
    for (let tried = 0; tried < actorsTriedMax; tried++) {
      const next = this.#nextActor();
      if ((this.#authors.get(next.actor)?.seq ?? 0) !== next.seq) continue;
      if (this.#waiting.has(next.actor) || this.#formerActors.has(next.actor)) continue;
      const handle = this.#handle.clone(next.actor);
      this.#handle.free();
      this.#handle = handle;
      this.#actor = next;
      return;
    }
    throw new Error(`no usable actor among ${actorsTriedMax}`);
  }

  /**
   * One change from what `edit` does to the handle, at `timeMs`; undefined if it did nothing. The
   * bytes follow from the document, actor, time and edit alone. The change is in the document at
   * once: its bytes must reach the log, in the order of the changes, however often that is tried.
   */
  edit(timeMs: number, edit: (handle: Handle) => void): Uint8Array<ArrayBuffer> | undefined {
    if (this.#damage !== undefined) throw new Error(`edit of a damaged document: ${this.#damage}`);
    if (!this.#actor) throw new Error("edit without an actor");
    try {
      edit(this.#handle);
    } catch (error) {
      this.#handle.rollback();
      throw error;
    }
    const pending = this.#handle.pendingOps();
    if (pending === 0) return undefined;
    if (pending > changeOperationsMax) {
      this.#handle.rollback();
      throw new Error(`${pending} operations in one change, ${changeOperationsMax} are the most`);
    }
    this.#handle.commit(undefined, Math.floor(timeMs / 1_000));
    const change = this.#handle.getLastLocalChange();
    if (!change) throw new Error("committed nothing");
    const read = readChange(change);
    if (read instanceof Malformed) throw new Error(`own change refused: ${read.message}`);
    const fault = faultOf(read, this.#genesis);
    if (fault !== undefined) throw new Error(`own change refused: ${fault}`);
    this.#authors.set(read.actor, { seq: read.seq, maxOp: maxOpOf(read) });
    this.#unlogged.add(read.hash);
    this.#heads = this.#handle.getHeads();
    return Uint8Array.from(change);
  }

  // ── keeping it ─────────────────────────────────────────────────────────────────────────────

  /**
   * The document as devices keep it and give it to one another, wrapped (`kept-bytes.ts`):
   * `list(actor 16 ‖ seq varint ‖ last operation varint) ‖ list(waiting actor 16 ‖ change bytes) ‖
   * Automerge document`.
   * Throws while a change made here has not come back from the log: a snapshot may hold nothing
   * that is in no log.
   */
  snapshot(): Uint8Array<ArrayBuffer> {
    if (this.#damage !== undefined) throw new Error("snapshot of a damaged document");
    if (this.#unlogged.size > 0) throw new Error("snapshot with changes that are in no log");
    const waiting = [...this.#waiting.values()].flat();
    return keptBytes((writer) =>
      writer
        .list([...this.#authors], writeAuthor)
        .list(waiting, writeWaiting)
        .raw(this.#handle.save()),
    );
  }

  #load(snapshot: Uint8Array): void {
    const read = readKept(snapshot, (reader) => {
      const authors = reader.list(reader.remaining, (from) => ({
        actor: toHex(from.raw(actorBytes)),
        author: { seq: from.varint(), maxOp: from.varint() },
      }));
      const waiting = reader.list(reader.remaining, (from) => ({
        actor: toHex(from.raw(actorBytes)),
        change: Uint8Array.from(from.bytes(from.remaining)),
      }));
      return { authors, waiting, document: reader.rest() };
    });
    if (read instanceof Malformed) {
      this.#damage = read.message;
      return;
    }
    try {
      this.#handle.loadIncremental(read.document);
      if (this.#handle.getHeads().length === 0) throw new Malformed("snapshot without a document");
    } catch (error) {
      this.#damage = error instanceof Error ? error.message : String(error);
      return;
    }
    for (const { actor, author } of read.authors) this.#authors.set(actor, author);
    this.apply(read.waiting);
  }

  /** Gives the engine's memory back; the document must not be used afterwards. */
  close(): void {
    this.#handle.free();
  }
}

function writeAuthor(to: Writer, [actor, { seq, maxOp }]: readonly [string, Author]): void {
  to.raw(fromHex(actor)).varint(seq).varint(maxOp);
}

function writeWaiting(to: Writer, { read, change }: ReadonlyHeld): void {
  to.raw(fromHex(read.actor)).bytes(change);
}

const byActor = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : 1;

interface ReadonlyHeld {
  readonly read: ReadChange;
  readonly change: Uint8Array;
}

/**
 * Automerge hands scalar text out in wrappers, to tell it from text that is edited. The value is
 * fresh, so it is changed where it is: a catalog has tens of thousands of fields.
 */
function plain(value: unknown): unknown {
  if (isImmutableString(value)) return value.val;
  if (!isRecord(value)) return value;
  const fields: Record<string, unknown> = value;
  for (const key of Object.keys(fields)) fields[key] = plain(fields[key]);
  return fields;
}

/** Whether Automerge means a map by it, not a timestamp or bytes. */
export const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** The past of a change is not known yet. */
const waits = Symbol("waits");

const voided = (reason: string): Applied => ({ kind: "void", reason });

const maxOpOf = (read: ReadChange): number => read.startOp + read.operations.length - 1;

/** What is wrong with a change whatever the document; undefined if nothing. */
function faultOf(read: ReadChange, { sealed, shelves }: Genesis): string | undefined {
  for (const [index, { action, object }] of read.operations.entries()) {
    if (sealed.has(object)) return "sets a key that everybody keeps as it is";
    if (action === "makeMap" && !shelves.has(object)) return "makes a map where none may be";
    const counter = Number.parseInt(object, 10);
    if (counter >= read.startOp + index) return "writes into an object made later";
  }
  return undefined;
}
