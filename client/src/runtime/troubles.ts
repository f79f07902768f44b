/**
 * What is wrong with this tab, as a list for people: one trouble of each kind and subject at a time, newest
 * last, gone when it is over. Also where storage failures from all corners meet, because they have one cause
 * and one cure.
 */
import { KvFailure } from "@skein/shared/device/kv.ts";
import { NewerRecord } from "@skein/shared/device/records.ts";
import type { Clock } from "@skein/shared/env.ts";
import type { Observable, Trouble } from "./api.ts";
import { Cell } from "./observable.ts";

export class Troubles {
  readonly #clock: Clock;
  readonly #cell = new Cell<readonly Trouble[]>([]);
  /** Whose storage fails now: it is over when the last one works again. */
  readonly #failing = new Map<string, Trouble>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get all(): Observable<readonly Trouble[]> {
    return this.#cell;
  }

  /** Replaces one of the same kind and subject; its time stays that of the first. */
  raise(trouble: Trouble): void {
    const before = this.#cell.get();
    const known = before.find((each) => subject(each) === subject(trouble));
    if (known !== undefined && known.kind !== "update ready") return;
    this.#cell.set([...before.filter((each) => each !== known), trouble]);
  }

  over(isOver: (trouble: Trouble) => boolean): void {
    const before = this.#cell.get();
    const after = before.filter((each) => !isOver(each));
    if (after.length !== before.length) this.#cell.set(after);
  }

  /** @param who cannot store, and with which error; undefined once they can again. */
  storage(who: string, error: unknown): void {
    if (error === undefined) this.#failing.delete(who);
    else this.#failing.set(who, this.troubleOf(error));
    const kinds = new Set([...this.#failing.values()].map(({ kind }) => kind));
    this.over(({ kind }) => storageKinds.has(kind) && !kinds.has(kind));
    for (const trouble of this.#failing.values()) this.raise(trouble);
  }

  /** What an error of the database means for a person. */
  troubleOf(error: unknown): Trouble {
    const atMs = this.#clock.now();
    if (error instanceof NewerRecord) return { kind: "update needed", atMs };
    if (error instanceof KvFailure && error.kind === "quota") return { kind: "storage full", atMs };
    const detail = error instanceof Error ? error.message : String(error);
    return { kind: "storage failed", atMs, detail };
  }
}

const storageKinds: ReadonlySet<Trouble["kind"]> = new Set(["storage full", "storage failed"]);

function subject(trouble: Trouble): string {
  if (trouble.kind === "access ended") return `${trouble.kind} ${trouble.space}`;
  if (trouble.kind === "fork" || trouble.kind === "damaged") return `${trouble.kind} ${trouble.space} ${trouble.replica}`;
  return trouble.kind;
}
