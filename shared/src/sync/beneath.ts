/**
 * What lies beneath where a log begins here. Who came in by a snapshot has no entry that shows a branch
 * from before it to be one. So the party that offers the branch is asked for the log's own entries from
 * there on, up to where it begins here: if their chain ends in the hash that is held of that place, they
 * are the log's. They are looked at and let go.
 *
 *   asked ──runs that chain──▶ asked (further on) ──the last one ends in our base──▶ shown
 *     └──another hash, too much, no answer three times──▶ not asked of this party again
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import { chainHashes } from "../log/chain.ts";
import { type Run, runEntriesMax } from "../log/entry.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { flowBytes } from "./flow.ts";
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

/** Who offers a branch, and has the log it left. */
export interface Offerer extends Holder {
  holdsFrom(replica: ReplicaId): number;
  /** How far both are known to hold the same entries. */
  agreesTo(replica: ReplicaId): number;
}

interface Search extends Question {
  /** The last entry that was asked for. */
  askedTo: number;
  /** The next entry, and the hash before it. */
  next: number;
  hash: Uint8Array;
  /** That at `seq`. */
  found: Uint8Array | undefined;
}

/** Who is told of a fork further back waits for a snapshot that names it. */
const depthMax = 16 * runEntriesMax;
/** The same after so many bytes of one log from one party: what lies beneath is not to be fetched whole. */
const bytesMax = 4_194_304;
/** Who does not answer, or is interrupted, is asked so often. */
const triesMax = 3;
/** Places remembered: more branches than a space has logs would be a lie. */
const placesMax = 256;

export class Beneath {
  readonly #suite: VerifyingSuite;
  readonly #space: SpaceTag;
  /** One of each party at a time. */
  readonly #searches = new WeakMap<Offerer, Search>();
  readonly #tries = new WeakMap<Offerer, Map<string, number>>();
  /** Bytes by log. */
  readonly #spent = new WeakMap<Offerer, Map<ReplicaId, number>>();
  readonly #shown = new Map<string, Place & Pick<Question, "base">>();

  constructor(suite: VerifyingSuite, space: SpaceTag) {
    this.#suite = suite;
    this.#space = space;
  }

  /** What was shown to stand there, in the log that has `base` where it begins here. */
  place({ log, seq, base }: Pick<Question, "log" | "seq" | "base">): Place | undefined {
    const shown = this.#shown.get(`${log}/${seq}`);
    return shown !== undefined && equalBytes(shown.base, base) ? shown : undefined;
  }

  /**
   * Only where both hold the same at the beginning: then what is sent of it counts as confirmed, and is
   * of the log that is held. Whoever waits for that offers the branch again when more of the log has come.
   */
  ask(offerer: Offerer, question: Question): void {
    const { log, seq, from, before } = question;
    const busyWith = this.#searches.get(offerer)?.log;
    if (busyWith !== undefined && offerer.isLending(busyWith)) return;
    if (offerer.agreesTo(log) < from - 1 || offerer.holdsFrom(log) > seq) return;
    if (offerer.isLending(log) || !offerer.mayLend(log, from - 1)) return;
    const tries = this.#tries.get(offerer) ?? new Map<string, number>();
    const times = tries.get(nameOf(question)) ?? 0;
    const spent = this.#spent.get(offerer)?.get(log) ?? 0;
    if (times >= triesMax || from - seq > depthMax || spent >= bytesMax) return;
    this.#tries.set(offerer, tries.set(nameOf(question), times + 1));
    const search = { ...question, askedTo: 0, next: seq, hash: before, found: undefined };
    this.#searches.set(offerer, search);
    lendNext(offerer, search);
  }

  /** Whether that run was asked for here. */
  awaits(offerer: Offerer, run: Run): boolean {
    const search = this.#searches.get(offerer);
    return search?.log === run.replica && search.next === run.first;
  }

  /** Looks at a run that `awaits`; whether it is shown now what stands there. */
  look(offerer: Offerer, run: Run): boolean {
    const search = this.#searches.get(offerer);
    if (search === undefined) return false;
    const { log, seq, from, before, base } = search;
    const count = Math.min(run.entries.length, from - search.next);
    const part = { ...run, entries: run.entries.slice(0, count) };
    const hashes = chainHashes(this.#suite, this.#space, part, search.hash);
    search.found ??= hashes[0];
    search.hash = hashes.at(-1) ?? search.hash;
    search.next += count;
    const spent = this.#spent.get(offerer) ?? new Map<ReplicaId, number>();
    const bytes = (spent.get(log) ?? 0) + flowBytes(run);
    this.#spent.set(offerer, spent.set(log, bytes));
    if (search.next < from && bytes < bytesMax) {
      if (search.next > search.askedTo) lendNext(offerer, search);
      return false;
    }
    this.#searches.delete(offerer);
    this.#tries.get(offerer)?.set(nameOf(search), triesMax);
    if (search.next < from || search.found === undefined) return false;
    if (!equalBytes(search.hash, base)) return false;
    if (this.#shown.size >= placesMax) this.#shown.clear();
    this.#shown.set(`${log}/${seq}`, { before, hash: search.found, base });
    return true;
  }
}

/** As much as a run may hold at a time, so that news gets its turn in between. */
function lendNext(offerer: Offerer, search: Search): void {
  const { log, next, from } = search;
  search.askedTo = Math.min(from, next + runEntriesMax) - 1;
  offerer.lend(log, next, search.askedTo);
}

const nameOf = ({ log, seq, from }: Question): string => `${log}/${seq}/${from}`;
