/**
 * The parts of a snapshot that are still to come, brought in a few at a time: first what somebody waits
 * for, then notes, then messages from the newest back. What cannot be had holds up nothing else, and is
 * asked for again when some time has passed or somebody waits for it.
 */
import type { Clock } from "../../env.ts";
import type { DocumentId } from "../../id/id.ts";
import type { PendingPart } from "./pending-rows.ts";

export interface FillingOptions {
  readonly clock: Clock;
  readonly againAfterMs: number;
  /** As the database has them. */
  readonly read: () => Promise<readonly PendingPart[]>;
  /** Brings the part in; false if it is not to be had. */
  readonly bring: (part: PendingPart) => Promise<boolean>;
  /** So many are still to come. */
  readonly onComing: (count: number) => void;
}

export class Filling {
  readonly #options: FillingOptions;
  /** In the order in which they are brought; undefined until they are read. */
  #parts: readonly PendingPart[] | undefined;
  readonly #wanted = new Set<DocumentId>();
  readonly #triedAtMs = new Map<PendingPart, number>();

  constructor(options: FillingOptions) {
    this.#options = options;
  }

  /** Another snapshot was taken in. */
  begin(): void {
    this.#parts = undefined;
    this.#triedAtMs.clear();
  }

  /** Somebody waits for this document. */
  want(document: DocumentId): void {
    this.#wanted.add(document);
  }

  /** Tries part after part, until some have come. */
  async next(): Promise<"filled" | "not to be had" | "complete"> {
    const { read, bring, onComing } = this.#options;
    if (this.#parts === undefined || this.#parts.length === 0) {
      this.#parts = (await read()).toSorted(inOrder);
      onComing(this.#parts.length);
    }
    const parts = this.#parts;
    if (parts.length === 0) return "complete";
    const due = this.#due(parts);
    for (let at = 0; at < due.length; at += broughtAtOnce) {
      const some = due.slice(at, at + broughtAtOnce);
      const areHere = await Promise.all(some.map(bring));
      const here = new Set(some.filter((_, index) => areHere[index] === true));
      for (const part of some) if (!here.has(part)) this.#missed(part);
      if (here.size === 0) continue;
      // One that was taken in meanwhile has other parts.
      if (this.#parts !== parts) return "filled";
      this.#parts = parts.filter((part) => !here.has(part));
      onComing(this.#parts.length);
      return "filled";
    }
    return "not to be had";
  }

  #due(parts: readonly PendingPart[]): PendingPart[] {
    const { clock, againAfterMs } = this.#options;
    const now = clock.now();
    const isWanted = ({ document }: PendingPart) => this.#wanted.has(document);
    const isDue = (part: PendingPart) =>
      !isWanted(part) &&
      now >= (this.#triedAtMs.get(part) ?? Number.NEGATIVE_INFINITY) + againAfterMs;
    return [...parts.filter(isWanted), ...parts.filter(isDue)];
  }

  #missed(part: PendingPart): void {
    this.#triedAtMs.set(part, this.#options.clock.now());
    // Who goes on waiting says so again.
    this.#wanted.delete(part.document);
  }
}

/** The line of each session has places for as many. */
const broughtAtOnce = 4;

function inOrder(a: PendingPart, b: PendingPart): number {
  const rank = ({ row }: PendingPart): number => (row.kind === "segment" ? 1 : 0);
  const age = ({ row }: PendingPart): string => (row.kind === "segment" ? row.first : "");
  return rank(a) - rank(b) || (age(a) === age(b) ? 0 : age(a) < age(b) ? 1 : -1);
}
