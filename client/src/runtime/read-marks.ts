/**
 * How far this person has read in each document of a space: what their devices have published, and what
 * the tabs of this one have seen since. Also how many messages are unread, channel by channel.
 */
import { mergeVectors, type VersionVector } from "@skein/shared/clock/version-vector.ts";
import type { DocumentId } from "@skein/shared/id/id.ts";
import { Cell, Soon } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";

/** Counted at most; views say "more than". */
const unreadCountMax = 999;
const countEveryMs = 50;

const none: VersionVector = new Map();

export class ReadMarks {
  /** By channel; channels without unread messages are left out. */
  readonly unread = new Cell<ReadonlyMap<DocumentId, number>>(new Map());
  readonly #core: SpaceCore;
  readonly #seen = new Map<DocumentId, VersionVector>();
  readonly #undo: (() => void)[];
  readonly #count: Soon;
  #counting = false;
  #countAgain = false;

  constructor(core: SpaceCore) {
    this.#core = core;
    this.#count = new Soon(
      () => this.#countAll(),
      (run) => setTimeout(run, countEveryMs),
    );
    const ask = () => this.#count.ask();
    this.#undo = [
      core.onApplied.on(ask),
      core.registersVersion.subscribe(ask),
      core.membership.subscribe(ask),
      core.device.tabs.on("wish", ({ wish }) => {
        if (wish.kind === "read" && wish.space === core.tag) this.saw(wish.document, wish.vector);
      }),
    ];
    void core.ready.then(ask);
  }

  /** The union of all own devices' marks. */
  mark(document: DocumentId): VersionVector {
    let mark = this.#seen.get(document) ?? none;
    for (const replica of this.#core.ownReplicas()) {
      mark = mergeVectors(mark, this.#core.board.readMark(document, replica));
    }
    return mark;
  }

  /** A tab of this device has shown so much. False if it was known. */
  saw(document: DocumentId, vector: VersionVector): boolean {
    const before = this.mark(document);
    const after = mergeVectors(before, vector);
    if (after === before) return false;
    this.#seen.set(document, mergeVectors(this.#seen.get(document) ?? none, vector));
    this.#count.ask();
    return true;
  }

  close(): void {
    for (const undo of this.#undo) undo();
  }

  #countAll(): void {
    if (this.#counting) {
      this.#countAgain = true;
      return;
    }
    this.#counting = true;
    this.#countAgain = false;
    this.#read()
      .catch((error: unknown) => this.#core.device.troubles.storage("unread", error))
      .finally(() => {
        this.#counting = false;
        if (this.#countAgain) this.#count.ask();
      });
  }

  async #read(): Promise<void> {
    const { device, tag } = this.#core;
    const channels = await device.models.channels(tag);
    await this.#core.know(
      [...channels.keys()].map((document) => ({ kind: "read", document }) as const),
    );
    const own = this.#core.ownReplicas();
    const unread = new Map<DocumentId, number>();
    for (const channel of channels.keys()) {
      const { count } = await device.models.unread(
        tag,
        channel,
        this.mark(channel),
        own,
        unreadCountMax,
      );
      if (count > 0) unread.set(channel, count);
    }
    device.troubles.storage("unread", undefined);
    const before = this.unread.get();
    const isSame =
      before.size === unread.size &&
      [...unread].every(([channel, count]) => before.get(channel) === count);
    if (!isSame) this.unread.set(unread);
  }
}
