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
  readonly #unwritten = new Set<string>();
  readonly #unsaved = new Cell(false);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get all(): Observable<readonly Trouble[]> {
    return this.#cell;
  }

  /** Whether this tab holds words of a person that could not be stored. */
  get unsaved(): Observable<boolean> {
    return this.#unsaved;
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

  /** As `storage`, of one who stores what a person wrote. */
  writing(who: string, error: unknown): void {
    if (error === undefined) this.#unwritten.delete(who);
    else this.#unwritten.add(who);
    this.#unsaved.set(this.#unwritten.size > 0);
    this.storage(who, error);
  }

  /** @param who cannot use the storage, and with which error; undefined once they can again. */
  storage(who: string, error: unknown): void {
    const trouble = error === undefined ? undefined : this.troubleOf(error);
    if (trouble === undefined) this.#failing.delete(who);
    else this.#failing.set(who, trouble);
    const kinds = new Set([...this.#failing.values()].map(({ kind }) => kind));
    this.over(({ kind }) => storageKinds.has(kind) && !kinds.has(kind));
    for (const each of this.#failing.values()) this.raise(each);
  }

  /**
   * What an error of the database means for a person. Undefined where it was closed: why it was has
   * been told by whoever closed it, and is not to be hidden behind what follows from it.
   */
  troubleOf(error: unknown): Trouble | undefined {
    const atMs = this.#clock.now();
    if (error instanceof NewerRecord) return { kind: "update needed", atMs };
    if (error instanceof KvFailure && error.kind === "closed") return undefined;
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
