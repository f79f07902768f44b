/**
 * How a room comes to know what its store has and the bus did not tell: by looking at the store, when
 * the bus says that something may be lost, and now and then in any case. What other relays have added
 * to a log is read once and goes to all sessions, as it would have from the bus; where there is more
 * of it, or a log begins elsewhere, each session reads it from the store at its own pace.
 */
import { equalBytes } from "@skein/shared/bytes/bytes.ts";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import { ifBranch, signerOf } from "@skein/shared/log/branch.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import { lastSeq } from "@skein/shared/log/entry.ts";
import { isSameHead, type LogHead } from "@skein/shared/log/store.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { Exchange } from "@skein/shared/sync/exchange.ts";
import type { RelayStore } from "./store/store.ts";

/** Runs of one log that a look reads itself: 3 MB, one at a time. */
const runsMax = 16;

/** Lets so many tasks run at a time, the others in the order they came. */
export class Turns {
  readonly #atOnceMax: number;
  readonly #waiting = new Set<() => Promise<void>>();
  #running = 0;

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** @param task fails by itself. */
  take(task: () => Promise<void>): void {
    this.#waiting.add(task);
    this.#next();
  }

  #next(): void {
    for (const task of this.#waiting) {
      if (this.#running >= this.#atOnceMax) return;
      this.#waiting.delete(task);
      this.#running++;
      void task().finally(() => {
        this.#running--;
        this.#next();
      });
    }
  }
}

export interface CatchingUpOptions {
  readonly tag: SpaceTag;
  readonly store: Pick<RelayStore, "heads" | "registers" | "read" | "hashes">;
  readonly exchange: Exchange;
  /** Shared by all rooms: after a bus was down, all of them look. */
  readonly turns: Turns;
  /** The room knows no more than before, or not all that is new. */
  readonly onFailed: (error: unknown) => void;
}

export class CatchingUp {
  readonly #options: CatchingUpOptions;
  #state: "idle" | "waiting" | "looking" = "idle";
  #isAskedAgain = false;
  #closed = false;
  #isBehind = false;

  constructor(options: CatchingUpOptions) {
    this.#options = options;
  }

  /** The last look has not shown everything, and no other is under way. */
  get isBehind(): boolean {
    return this.#isBehind && this.#state === "idle";
  }

  /** Looks at the store, and once more if that is asked for while it looks. */
  look(): void {
    if (this.#closed) return;
    // What it reads may be older than what it is asked for now.
    if (this.#state === "looking") this.#isAskedAgain = true;
    if (this.#state !== "idle") return;
    this.#state = "waiting";
    this.#options.turns.take(() => this.#take());
  }

  close(): void {
    this.#closed = true;
  }

  async #take(): Promise<void> {
    if (this.#closed) return;
    this.#state = "looking";
    this.#isAskedAgain = false;
    let isWhole = false;
    try {
      isWhole = await this.#takeIn();
    } catch (error) {
      if (!this.#closed) this.#options.onFailed(error);
    }
    this.#state = "idle";
    this.#isBehind = !isWhole;
    if (this.#isAskedAgain) this.look();
  }

  /** Whether nothing stood in the way. */
  async #takeIn(): Promise<boolean> {
    const { exchange, store, tag } = this.#options;
    const before = new Map(exchange.holdings.logs);
    const [heads, registers] = await Promise.all([store.heads(tag), store.registers(tag)]);
    if (this.#closed) return true;
    for (const register of registers) exchange.ownRegister(register);

    const apart = takenApart(before.values(), heads);
    let isElsewhere = false;
    let isWhole = true;
    for (const head of heads) {
      if (apart.has(signerOf(head))) continue;
      const held = exchange.holdings.head(head.replica);
      // What came meanwhile, or was taken apart, the store may not have said.
      if (held !== before.get(head.replica)) isWhole &&= held !== undefined && held.to >= head.to;
      else if (held === undefined && head.branch === undefined && head.from === 1) {
        exchange.ownHeld(head);
      } else if (held === undefined || held.from < head.from) {
        exchange.began(head);
        isElsewhere = true;
      } else if (held.to < head.to) {
        const outcome = await this.#follow(head);
        if (this.#closed) return true;
        if (outcome === "apart") apart.add(signerOf(head));
        isWhole &&= outcome !== "moved";
      }
    }
    for (const signer of apart) exchange.splitElsewhere(signer);
    // Who is behind where a log begins now has to hear it, and what a branch is before its entries.
    if (isElsewhere) exchange.compare();
    return isWhole;
  }

  /** A log has grown: "apart" if what stands there does not continue what is held here. */
  async #follow(head: LogHead): Promise<"whole" | "apart" | "moved"> {
    const { exchange, store, tag } = this.#options;
    const { replica, publicKey } = head;
    for (let runs = 0; runs < runsMax; runs++) {
      const held = exchange.holdings.head(replica);
      if (this.#closed || held === undefined || held.to >= head.to) return "whole";
      const run = await store.read(tag, replica, held.to + 1, limits.runBytesMax);
      if (run === undefined) return "moved";
      const from = Math.max(1, held.to);
      const stored = await store.hashes(tag, replica, from, lastSeq(run));
      if (this.#closed) return "whole";
      if (exchange.holdings.head(replica) !== held) return "moved";
      const previous = held.to === 0 ? zeroHash : stored[0];
      const hashes = held.to === 0 ? stored : stored.slice(1);
      if (previous === undefined || hashes.length !== run.entries.length) return "moved";
      if (held.to > 0 && !equalBytes(previous, held.hash)) return "apart";
      exchange.heldElsewhere({
        ...{ ...run, ...ifBranch(head.branch) },
        ...{ publicKey, previous, hashes },
      });
    }
    const held = exchange.holdings.head(replica);
    const [stored] = await store.hashes(tag, replica, head.to, head.to);
    const isThere = stored !== undefined && equalBytes(stored, head.hash);
    if (this.#closed || !isThere || exchange.holdings.head(replica) !== held) return "moved";
    exchange.ownHeld(head);
    return "whole";
  }
}

/** Signers of whose logs something was held that the store does not hold as such, or not any more. */
function takenApart(before: Iterable<LogHead>, heads: readonly LogHead[]): Set<ReplicaId> {
  const stored = new Map(heads.map((head) => [head.replica, head]));
  const apart = new Set<ReplicaId>();
  for (const held of before) {
    const head = stored.get(held.replica);
    const isThere = head !== undefined && (head.to > held.to || isSameHead(head, held));
    if (!isThere) apart.add(signerOf(held));
  }
  return apart;
}
