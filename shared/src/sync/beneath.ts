/**
 * What lies beneath where a log begins here. Who came in by a snapshot has no entry that shows a branch
 * from before it to be one. So the party that offers the branch is asked for the log's own entries from
 * there on, up to where it begins here: if their chain ends in the hash that is held of that place, they
 * are the log's. They are looked at and let go.
 *
 *   asked ──runs that chain──▶ asked (further on) ──the last one ends in our base──▶ shown
 *     └──no chain, another hash, no answer──▶ not asked of this party again
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { chainHashes } from "../log/chain.ts";
import { type Run, runEntriesMax } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import type { Holder } from "./mending.ts";

/** An entry of a log, and the one before it. */
export interface Place {
  readonly before: Uint8Array;
  readonly hash: Uint8Array;
}

/** From `seq` on, which is beneath `from`, where the log begins here. */
export interface Question {
  readonly log: ReplicaId;
  readonly seq: number;
  readonly from: number;
  /** The hash before `seq`, by who offers the branch, and that before `from`, which is held. */
  readonly before: Uint8Array;
  readonly base: Uint8Array;
}

interface Search extends Question {
  readonly holder: Holder;
  /** The next entry, and the hash before it. */
  next: number;
  hash: Uint8Array;
  /** That at `seq`. */
  found: Uint8Array | undefined;
}

/** Who is told of a fork that far back waits for a snapshot that names it. */
const depthMax = 16 * runEntriesMax;
/** Places remembered: as many branches as a space may have logs would be a lie. */
const placesMax = 256;

export class Beneath {
  readonly #suite: VerifyingSuite;
  readonly #space: SpaceTag;
  readonly #searches = new Map<ReplicaId, Search>();
  readonly #asked = new WeakMap<Holder, Set<string>>();
  readonly #shown = new Map<string, Place & Pick<Question, "base">>();

  constructor(suite: VerifyingSuite, space: SpaceTag) {
    this.#suite = suite;
    this.#space = space;
  }

  /** What was shown to stand there, in the log that has `base` where it begins here. */
  place({ log, seq, base }: Pick<Question, "log" | "seq" | "base">): Place | undefined {
    const shown = this.#shown.get(nameOf(log, seq));
    return shown !== undefined && equalBytes(shown.base, base) ? shown : undefined;
  }

  /** Once of each party. */
  ask(holder: Holder, question: Question): void {
    const { log, seq, from, before } = question;
    const asked = this.#asked.get(holder) ?? new Set();
    const name = nameOf(log, seq);
    if (asked.has(name) || from - seq > depthMax) return;
    const isBusy = this.#searches.get(log)?.holder.isLending(log) === true;
    if (isBusy || holder.isLending(log) || !holder.mayLend(log, from - 1)) return;
    this.#asked.set(holder, asked.add(name));
    this.#searches.set(log, { ...question, holder, next: seq, hash: before, found: undefined });
    holder.lend(log, seq, from - 1);
  }

  /** Whether that run was asked for here. */
  awaits(holder: Holder, run: Run): boolean {
    const search = this.#searches.get(run.replica);
    return search?.holder === holder && search.next === run.first;
  }

  /** Looks at a run that `awaits`; whether it is shown now what stands there. */
  look(run: Run): boolean {
    const search = this.#searches.get(run.replica);
    if (search === undefined) return false;
    const { log, seq, from, before, base } = search;
    const count = Math.min(run.entries.length, from - search.next);
    const part = { ...run, entries: run.entries.slice(0, count) };
    const hashes = chainHashes(this.#suite, this.#space, part, search.hash);
    search.found ??= hashes[0];
    search.hash = hashes.at(-1) ?? search.hash;
    search.next += count;
    if (search.next < from) return false;
    this.#searches.delete(log);
    if (search.found === undefined || !equalBytes(search.hash, base)) return false;
    if (this.#shown.size >= placesMax) this.#shown.clear();
    this.#shown.set(nameOf(log, seq), { before, hash: search.found, base });
    return true;
  }
}

const nameOf = (log: ReplicaId, seq: number): string => `${log}/${seq}`;
