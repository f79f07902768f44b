/** What the two parties of a session have said of branches (log/branch.ts): each is told once, before it is named. */
import type { ReplicaId } from "../id/id.ts";
import type { Branch } from "../log/branch.ts";
import type { LogHead } from "../log/store.ts";
import { limits } from "../protocol/limits.ts";
import { capabilities, type Frame } from "../protocol/messages.ts";
import type { LogStart } from "./intake.ts";

type BranchFrame = Extract<Frame, { type: "branch" }>;

/** A branch as they hold it. `start`: undefined where its own first entry is no longer there. */
export interface TheirBranch {
  readonly branch: Branch;
  readonly publicKey: Uint8Array;
  readonly start: LogStart | undefined;
}

export interface BranchWordsOptions {
  readonly mySpace: number;
  /** What the other party said it understands; undefined before it has greeted. */
  readonly theirCapabilities: () => number | undefined;
  /** Which log a `branch` frame speaks of. */
  readonly branchOf: (frame: BranchFrame) => {
    readonly replica: ReplicaId;
    readonly branch: Branch;
  };
  readonly send: (frame: BranchFrame) => void;
}

export class BranchWords {
  readonly #options: BranchWordsOptions;
  readonly #theirs = new Map<ReplicaId, TheirBranch>();
  /** Where each begins here, as they were told. */
  readonly #told = new Map<ReplicaId, number>();

  constructor(options: BranchWordsOptions) {
    this.#options = options;
  }

  /** Those they hold, by the ids of their logs. */
  get theirs(): ReadonlyMap<ReplicaId, TheirBranch> {
    return this.#theirs;
  }

  /** Whether they understand what that log is. */
  isHeard(head: LogHead | undefined): boolean {
    const theirs = this.#options.theirCapabilities() ?? 0;
    return head?.branch === undefined || (theirs & capabilities.branches) !== 0;
  }

  /** Before that log is named to them. */
  tell(head: LogHead | undefined): void {
    if (head?.branch === undefined || this.#told.get(head.replica) === head.from) return;
    const { publicKey, from, branch } = head;
    const { seq, hash, base } = branch;
    this.#told.set(head.replica, from);
    const { mySpace, send } = this.#options;
    send({ type: "branch", space: mySpace, publicKey, seq, hash, from, base });
  }

  /** False if they speak of more than a space may have. */
  heard(frame: BranchFrame): boolean {
    const { replica, branch } = this.#options.branchOf(frame);
    if (this.#theirs.size >= limits.logsMax && !this.#theirs.has(replica)) return false;
    const { from, seq } = frame;
    const start = from <= seq ? { seq: from - 1, hash: frame.base.slice() } : undefined;
    this.#theirs.set(replica, { branch, publicKey: frame.publicKey.slice(), start });
    return true;
  }

  clear(): void {
    this.#theirs.clear();
    this.#told.clear();
  }
}
