/**
 * Where the other party's log is another one than ours: what is asked when a run of theirs does not
 * continue what is held here, and what is said and kept when their log has left ours. Finding the place
 * is told in forks.ts.
 *
 *   a run does not fit ──hash at our end──▶ another: forked
 *                             ├──the same: wrong, or sent of another branch
 *                             └──moved on: compare again
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { ReplicaId } from "../id/id.ts";
import type { Branch } from "../log/branch.ts";
import type { LogHead } from "../log/store.ts";
import { limits } from "../protocol/limits.ts";
import type { Frame } from "../protocol/messages.ts";
import type { Cursors } from "./cursors.ts";
import type { Effects } from "./effects.ts";
import type { Holdings } from "./holdings.ts";
import type { Sending } from "./sending.ts";

type Of<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

export interface DivergenceOptions {
  readonly mySpace: number;
  readonly holdings: Holdings;
  readonly cursors: Cursors;
  readonly sending: Sending;
  readonly effects: Effects;
  readonly hashes: (
    replica: ReplicaId,
    first: number,
    last: number,
  ) => Promise<readonly Uint8Array[]>;
  /** Whether branches of that key's log are known. */
  readonly hasForked: (log: LogHead) => boolean;
  readonly isClosed: () => boolean;
  readonly send: (frame: Of<"want"> | Of<"hashes"> | Of<"fork">) => void;
  readonly compare: () => void;
  /** Another entry stands there in theirs. */
  readonly onFork: (replica: ReplicaId, seq: number, theirHash: Uint8Array) => void;
  /** Their entries are wrong beyond doubt. */
  readonly onWrong: (replica: ReplicaId) => void;
  /** They ask more at a time than anybody may. */
  readonly onTooMany: () => void;
}

/** Somebody who has taken a log apart says something else of it once, and while that is on its way twice. */
const contradictionsMax = 3;
/** Hashes in one answer: those of a run. */
const hashesTold = 1_024;

export class Divergence {
  readonly #options: DivergenceOptions;
  /** Logs of which the hash at our end was asked for, and where that was. */
  readonly #asked = new Map<ReplicaId, number>();
  /** How often a run of theirs did not continue what both hold. */
  readonly #contradictions = new Map<ReplicaId, number>();
  /** Their questions for hashes that the store is answering. */
  #telling = 0;
  /** Forks they have told of, with which our entries are being compared. */
  #comparing = 0;

  constructor(options: DivergenceOptions) {
    this.#options = options;
  }

  clear(): void {
    this.#asked.clear();
    this.#contradictions.clear();
  }

  /** A run of theirs does not continue the entry at `heldTo`: the hash there tells who is right. */
  diverges(replica: ReplicaId, heldTo: number): void {
    if (this.#asked.has(replica) || this.#asked.size >= limits.wantsMax) return;
    this.#asked.set(replica, heldTo);
    const { mySpace: space, send } = this.#options;
    send({ type: "want", space, replica, first: heldTo, last: heldTo, form: "hashes" });
  }

  onHashes({ replica, first, hashes }: Of<"hashes">): void {
    const asked = this.#asked.get(replica);
    if (asked === undefined || asked !== first) return;
    this.#asked.delete(replica);
    const ours = this.#options.holdings.head(replica);
    const theirs = hashes[0];
    if (theirs === undefined || ours === undefined || ours.to !== first) {
      // Either side has moved on.
      this.#options.compare();
    } else if (equalBytes(theirs, ours.hash)) this.#contradicted(replica, ours);
    else this.forked(replica, first, theirs.slice());
  }

  /** Their run does not continue the entry that both hold: wrong, unless it was sent of another branch. */
  #contradicted(replica: ReplicaId, ours: LogHead): void {
    const { hasForked, compare, onWrong } = this.#options;
    const times = (this.#contradictions.get(replica) ?? 0) + 1;
    this.#contradictions.set(replica, times);
    // Set aside until both list it anew.
    if (hasForked(ours)) this.#setAside(replica);
    else if (times < contradictionsMax) compare();
    else onWrong(replica);
  }

  /** They ask for hashes of ours. */
  tell({ replica, first, last }: Of<"want">): void {
    const { mySpace: space, effects, hashes, isClosed, send, onTooMany } = this.#options;
    if (this.#telling >= limits.wantsMax) return onTooMany();
    this.#telling++;
    const tell = (found: readonly Uint8Array[]): void => {
      this.#telling--;
      if (!isClosed()) send({ type: "hashes", space, replica, first, hashes: found });
    };
    const end = Math.min(last, first + hashesTold - 1);
    // What the store does not give is as good as not held: they compare again.
    effects.start(hashes(replica, first, end), tell, () => tell([]));
  }

  /** Another entry of theirs stands at `seq`: they are told where ours ends. */
  forked(replica: ReplicaId, seq: number, theirHash: Uint8Array): void {
    const { mySpace: space, cursors, holdings, send, onFork } = this.#options;
    if (cursors.of(replica).forked) return;
    this.#setAside(replica);
    const ours = holdings.head(replica);
    if (ours !== undefined) send({ type: "fork", space, replica, seq: ours.to, hash: ours.hash });
    onFork(replica, seq, theirHash);
  }

  /** Theirs goes on as a branch that is a log of its own here. */
  isOfBranch(replica: ReplicaId, { seq, hash }: Branch): void {
    if (this.#options.cursors.of(replica).forked) return;
    this.#setAside(replica);
    this.#options.send({ type: "fork", space: this.#options.mySpace, replica, seq, hash });
  }

  /** They say that their log is another one, and has that entry. */
  onFork({ replica, seq, hash }: Of<"fork">): void {
    const { cursors, effects, hashes, holdings, isClosed, onFork } = this.#options;
    const cursor = cursors.of(replica);
    const theirs = hash.slice();
    this.#setAside(replica);
    onFork(replica, seq, theirs);
    const isHeld = holdings.head(replica) !== undefined;
    if (!isHeld || seq <= cursor.theirs || this.#comparing >= limits.wantsMax) return;
    this.#comparing++;
    const compared = ([ours]: readonly Uint8Array[]): void => {
      this.#comparing--;
      // The same entry is one that they hold in a branch, and not in this log.
      if (isClosed() || !cursor.forked || (ours && equalBytes(ours, theirs))) return;
      cursor.theirs = Math.max(cursor.theirs, seq);
      onFork(replica, seq, theirs);
    };
    // Damage is asked for; the next comparison tells.
    effects.start(hashes(replica, seq, seq), compared, () => {
      this.#comparing--;
    });
  }

  /** The log is taken apart here. */
  takenApart(replica: ReplicaId): void {
    this.#setAside(replica);
    // What is answered now was asked about what stood here before.
    this.#asked.delete(replica);
  }

  /** Nothing of the log goes either way as news until both have listed it anew. */
  #setAside(replica: ReplicaId): void {
    const cursor = this.#options.cursors.of(replica);
    cursor.forked = true;
    cursor.stored = 0;
    // Nobody will confirm what was sent of our branch.
    this.#options.sending.landed(replica, Number.POSITIVE_INFINITY);
  }
}
