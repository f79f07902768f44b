/**
 * What only this device has: own entries beyond what any other durable party is known to hold. A question
 * asked of the log, never a second queue, so it survives everything that the log survives.
 */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { postKind, understandChannel } from "@skein/shared/chat/post.ts";
import { openEntries } from "@skein/shared/device/opening.ts";
import type { OpenedEntry } from "@skein/shared/device/delivery.ts";
import type { DocumentId } from "@skein/shared/id/id.ts";
import { ifBranch } from "@skein/shared/log/branch.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import { DamagedEntries } from "@skein/shared/log/damage.ts";
import { lastSeq } from "@skein/shared/log/entry.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { OutboxItem } from "./api.ts";
import { clockKind, updateKind } from "./operation-kinds.ts";
import { Cell, Soon } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";

/** Shown at most; the count beside it is always whole. */
const itemsMax = 200;
/** What is on its way and arrives at once never shows. */
const lookAfterMs = 400;
const labelUnitsMax = 80;

/** An item as the log tells it; titles of notes are the catalog's. */
export type WaitingItem = OutboxItem;

export class Outbox {
  readonly items = new Cell<readonly WaitingItem[]>([]);
  readonly #core: SpaceCore;
  readonly #known = new Map<number, WaitingItem>();
  readonly #undo: (() => void)[];
  readonly #look: Soon;
  #looking = false;
  #clockMs: number | undefined;

  constructor(core: SpaceCore) {
    this.#core = core;
    this.#look = new Soon(
      () => this.#read(),
      (run) => setTimeout(run, lookAfterMs),
    );
    const ask = () => {
      this.#drop();
      this.#look.ask();
    };
    this.#undo = [core.head.subscribe(ask), core.sent.subscribe(ask)];
    void core.ready.then(ask);
  }

  close(): void {
    for (const undo of this.#undo) undo();
  }

  get #first(): number {
    const { storedTo } = this.#core.sent.get();
    return Math.max(storedTo + 1, this.#core.head.get() - itemsMax + 1);
  }

  /** What is stored elsewhere now. */
  #drop(): void {
    const first = this.#first;
    let gone = false;
    for (const seq of this.#known.keys()) if (seq < first) gone = this.#known.delete(seq) || gone;
    if (gone) this.#tell();
  }

  #read(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#readMissing()
      .catch((error: unknown) => this.#core.device.troubles.storage("outbox", error))
      .finally(() => {
        this.#looking = false;
        if (this.#nextMissing() !== undefined) this.#look.ask();
      });
  }

  #nextMissing(): number | undefined {
    const head = this.#core.head.get();
    for (let seq = this.#first; seq <= head; seq++) if (!this.#known.has(seq)) return seq;
    return undefined;
  }

  async #readMissing(): Promise<void> {
    const { device, tag, log: replica, keyring } = this.#core;
    const { store, models } = device;
    // Entries say the time only now and then.
    this.#clockMs ??= (await models.clocks(tag)).get(replica);
    for (let seq = this.#nextMissing(); seq !== undefined; seq = this.#nextMissing()) {
      const read = await this.#readFrom(seq);
      if (read === undefined) return;
      if (read instanceof DamagedEntries) {
        const last = Math.max(seq, Math.min(read.last, this.#core.head.get()));
        for (let at = seq; at <= last; at++) this.#known.set(at, this.#unreadable(at));
        continue;
      }
      const { run, hashes } = read;
      const previous = seq === 1 ? zeroHash : hashes[0];
      if (previous === undefined) return;
      const sessionNonce = (of: typeof replica, at: number) => store.sessionNonce(tag, of, at);
      const { opened } = await openEntries(
        { keyring, sessionNonce },
        {
          replica,
          first: seq,
          entries: run.entries,
          previous,
          hashes: seq === 1 ? hashes : hashes.slice(1),
          ...ifBranch(run.branch),
        },
        new Map(),
      );
      if (opened.length === 0) return;
      for (const entry of opened) this.#known.set(entry.seq, this.#itemOf(entry));
      device.troubles.storage("outbox", undefined);
    }
    this.#drop();
    this.#tell();
  }

  async #readFrom(seq: number) {
    const { device, tag, log: replica } = this.#core;
    try {
      const run = await device.store.read(tag, replica, seq, limits.runBytesMax);
      if (run === undefined) return undefined;
      const before = Math.max(1, seq - 1);
      const hashes = await device.store.hashes(tag, replica, before, lastSeq(run));
      return { run, hashes };
    } catch (error) {
      if (error instanceof DamagedEntries) return error;
      throw error;
    }
  }

  #unreadable(seq: number): WaitingItem {
    const { documents, device, log: replica } = this.#core;
    return {
      key: `${replica}:${seq}`,
      document: documents.membership,
      kind: "unreadable",
      label: "",
      sinceMs: this.#clockMs ?? device.env.clock.now(),
    };
  }

  #tell(): void {
    const seqs = [...this.#known.keys()].sort((a, b) => a - b);
    this.items.set(seqs.flatMap((seq) => this.#known.get(seq) ?? []));
  }

  #itemOf({ replica, seq, plain }: OpenedEntry): WaitingItem {
    const { documents, device } = this.#core;
    const document: DocumentId = plain?.document ?? documents.membership;
    let label = "";
    let isPost = false;
    let isNote = false;
    let atMs: number | undefined;
    for (const operation of plain?.operations ?? []) {
      if (operation.kind === clockKind) {
        const timeMs = decode(operation.payload, (reader) => reader.varint());
        if (!isMalformed(timeMs)) this.#clockMs = timeMs;
      }
      isNote ||= operation.kind === updateKind;
      if (operation.kind !== postKind) continue;
      isPost = true;
      const understood = understandChannel(operation);
      if (understood.kind !== "known") continue;
      label ||= understood.op.text.slice(0, labelUnitsMax).toWellFormed();
      atMs ??= understood.op.timeMs;
    }
    let kind: OutboxItem["kind"] = "structure";
    if (isPost) kind = "message";
    else if (isNote) kind = "note";
    else if (document === documents.membership) kind = "membership";
    const sinceMs = atMs ?? this.#clockMs ?? device.env.clock.now();
    return { key: `${replica}:${seq}`, document, kind, label, sinceMs };
  }
}
