/**
 * What is wrong with this tab, as a list for people: one trouble of each kind and subject at a time, newest
 * last, gone when it is over. Also where storage failures from all corners meet, because they have one cause
 * and one cure.
 */
import { KvFailure } from "@skein/shared/device/kv.ts";
import { NewerRecord } from "@skein/shared/device/records.ts";
import type { Clock } from "@skein/shared/env.ts";
import type { Observable, Trouble } from "./api.ts";
import { Cell, sameValue } from "./observable.ts";

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

  /** One of the same kind and subject stays as it was, with its time, but for what changes as it lasts. */
  raise(trouble: Trouble): void {
    const before = this.#cell.get();
    const known = before.find((each) => subject(each) === subject(trouble));
    if (known === undefined) this.#cell.set([...before, trouble]);
    if (known === undefined || !changing.has(trouble.kind)) return;
    const now = { ...trouble, atMs: known.atMs };
    if (!sameValue(known, now)) {
      this.#cell.set(before.map((each) => (each === known ? now : each)));
    }
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

const changing: ReadonlySet<Trouble["kind"]> = new Set(["update ready", "damaged", "fork"]);
const storageKinds: ReadonlySet<Trouble["kind"]> = new Set(["storage full", "storage failed"]);

function subject(trouble: Trouble): string {
  if (trouble.kind === "access ended") return `${trouble.kind} ${trouble.space}`;
  if (trouble.kind === "fork" || trouble.kind === "damaged" || trouble.kind === "snapshot disputed")
    return `${trouble.kind} ${trouble.space} ${trouble.replica}`;
  return trouble.kind;
}
