/**
 * How a device comes into a space, or back into it after a long time: it listens what others hold
 * before it says what it holds itself, and takes a snapshot where that saves most of the way.
 *
 *   deciding ──little to fetch, or nothing better──▶ settled
 *      └──a snapshot is worth it──▶ loading ──installed──▶ filling ──all parts here──▶ settled
 *                                     └──not to be had──▶ deciding
 *   settled, filling ──a relay begins above what we hold──▶ deciding
 *   filling ──a part is nowhere to be had──▶ deciding ──nothing better──▶ filling
 *
 * Invariants:
 *  1. A snapshot is taken in only if it is what its author's signed notice says, the author is a member
 *     by the snapshot's own record, members by that record do not deny it, and neither what is applied
 *     here nor an own entry that nobody may have would be lost by it.
 *  2. While a newcomer decides, nobody is told what it holds (`Exchange.holdBack`), for so long that
 *     nobody notices.
 *  3. Parts come in one after the other, those first that somebody waits for.
 */
import { equalBytes } from "../../bytes/bytes.ts";
import { dominates, seqOf, type VersionVector } from "../../clock/version-vector.ts";
import type { Env } from "../../env.ts";
import type { MemberId, RegisterName, ReplicaId } from "../../id/id.ts";
import type { LogHead } from "../../log/store.ts";
import { limits } from "../../protocol/limits.ts";
import type { Listed } from "../../sync/comparison.ts";
import type { Session } from "../../sync/session.ts";
import type { RegisterBoard } from "../register-board.ts";
import type { Application } from "../store.ts";
import { type Manifest, type ManifestLog, vectorOf } from "./manifest.ts";
import { type MemberOf, type Offer, offerKey, offersOf } from "./notice.ts";
import type { SnapshotPolicy } from "./policy.ts";
import type { SnapshotSource } from "./source.ts";
import { isBranchOf, unplaced } from "./unplaced.ts";

export interface ArrivalHost {
  readonly applied: VersionVector;
  readonly heads: Iterable<LogHead>;
  readonly memberOf: MemberOf;
  /**
   * How far this device's own log is known to be held by somebody else, as it was before anybody
   * listed anything: who claims to have more may have another log.
   */
  readonly ownStoredTo: number;
  /**
   * Reads of it who is a member, and takes it in if, as these have it, it is the `best` to come in by.
   * `unusable`: a part of it that is needed at once is nowhere, or is void.
   */
  install(
    offer: Offer,
    manifest: Manifest,
    best: () => Offer | undefined,
  ): Promise<Application | "unusable">;
  /** A snapshot would take the place of own entries that nobody else may have. */
  onOwnAtStake(): void;
  /** Brings some more parts in; what happened. */
  fillNext(): Promise<"filled" | "not to be had" | "complete">;
  /** Whether others should make a snapshot that this device can take in. */
  wantSnapshot(wants: boolean): void;
  holdBack(): void;
  tellHeads(): void;
  onChanged(): void;
  /** The disk refused, or something is wrong with the code; it is tried again. */
  onFailed(error: unknown): void;
}

export interface ArrivalOptions {
  readonly env: Env;
  readonly self: ReplicaId;
  /** What a notice is called in this space. */
  readonly noticeName: RegisterName;
  readonly board: RegisterBoard;
  readonly source: SnapshotSource;
  readonly policy: SnapshotPolicy;
  readonly host: ArrivalHost;
  /** Parts of an earlier snapshot are still to come. */
  readonly isPartial: boolean;
}

type Phase = "deciding" | "loading" | "filling" | "settled";

/** What one party has listed of what it holds. */
interface Lists {
  logs: Map<ReplicaId, Pick<LogHead, "from" | "to" | "hash">>;
  logsComplete: boolean;
  /** Whose notices are there, and their numbers. */
  notices: Map<ReplicaId, number>;
  noticesComplete: boolean;
}

export class Arrival {
  readonly #options: ArrivalOptions;
  readonly #lists = new Map<Session, Lists>();
  /** Snapshots that were of no use, by `offerKey`: tried again from then on. */
  readonly #uselessUntilMs = new Map<string, number>();
  /** Those that were passed over because somebody lists a branch which they do not name. */
  readonly #passedOver = new Set<string>();
  /** Nothing better is to be had. */
  #takesOutdated = false;
  /** Those that were tried since something is to be decided: each once, or deciding might never end. */
  readonly #tried = new Set<string>();
  #phase: Phase;
  /** Parts of the snapshot that was taken in are still to come. */
  #isPartial: boolean;
  #closed = false;
  #filling = false;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #fillAtMs = Number.POSITIVE_INFINITY;

  constructor(options: ArrivalOptions) {
    this.#options = options;
    const { host, isPartial, env } = options;
    this.#isPartial = isPartial;
    this.#phase = isPartial ? "filling" : this.#knowsOthers() ? "settled" : "deciding";
    if (this.#phase === "deciding") host.holdBack();
    if (this.#phase === "filling") this.#fillAtMs = env.clock.now();
  }

  get phase(): Phase {
    return this.#phase;
  }

  close(): void {
    this.#closed = true;
    this.#lists.clear();
  }

  /** Whether somebody whose log has left ours has it like that. */
  isOfOther({ replica, seq, hash }: Pick<ManifestLog, "replica" | "seq" | "hash">): boolean {
    for (const [session, { logs }] of this.#lists) {
      const theirs = session.isForked(replica) ? logs.get(replica) : undefined;
      if (theirs?.to === seq && equalBytes(theirs.hash, hash)) return true;
    }
    return false;
  }

  /** A snapshot was taken in without having been asked for: its parts are to be brought. */
  refill(): void {
    this.#isPartial = true;
    this.#enter("filling");
    this.#fill();
  }

  /** Somebody waits for a part. */
  fillNow(): void {
    if (this.#phase !== "filling") return;
    this.#fillAtMs = this.#options.env.clock.now();
    this.#fill();
  }

  /** A relay may have let go of what is missing here, or somebody may have brought it. */
  #lookBelow(): void {
    if (this.#isBelow()) this.#enter("deciding");
    else this.#options.host.wantSnapshot(false);
  }

  /** What is missing could not be had, and nobody is asking for it now. */
  #isFillingLater(): boolean {
    return this.#phase === "filling" && !this.#filling;
  }

  onListed(session: Session, listed: Listed): void {
    const lists = this.#listsOf(session);
    if (listed.kind === "equal") {
      if (listed.what === "heads") {
        lists.logs = new Map();
        lists.logsComplete = true;
      } else {
        lists.notices = new Map();
        lists.noticesComplete = true;
      }
    } else if (listed.kind === "heads") {
      if (lists.logsComplete) lists.logs = new Map();
      for (const { replica, from, to, hash } of listed.rows) {
        // Before its own first entry nothing of a branch is missing anywhere.
        const isBranch = session.startOf(replica) !== undefined;
        lists.logs.set(replica, { from: isBranch ? 1 : from, to, hash: hash.slice() });
      }
      lists.logsComplete = listed.isComplete;
    } else {
      if (lists.noticesComplete) lists.notices = new Map();
      for (const { replica, name, number } of listed.rows) {
        const isNotice = name === this.#options.noticeName && lists.notices.size < limits.logsMax;
        if (isNotice) lists.notices.set(replica, number);
      }
      lists.noticesComplete = listed.isComplete;
    }
    if (this.#phase === "settled" || this.#isFillingLater()) this.#lookBelow();
    this.decide();
  }

  wakeAtMs(): number {
    if (this.#closed) return Number.POSITIVE_INFINITY;
    if (this.#phase === "deciding") return this.#deadlineMs;
    return this.#phase === "filling" && !this.#filling ? this.#fillAtMs : Number.POSITIVE_INFINITY;
  }

  tick(): void {
    this.decide();
    this.#fill();
  }

  /** What somebody says of snapshots has come in. */
  onNotice(): void {
    const isAtRest = this.#phase === "settled" || this.#isFillingLater();
    if (isAtRest && this.#isBelow()) this.#enter("deciding");
    this.decide();
  }

  decide(): void {
    if (this.#closed || this.#phase !== "deciding") return;
    this.#forgetClosed();
    const lists = [...this.#lists.values()].filter(({ logsComplete }) => logsComplete);
    if (lists.length === 0) {
      this.#deadlineMs = Number.POSITIVE_INFINITY;
      // Nobody is there to come in by; parts are asked for again when somebody is.
      if (this.#isPartial) this.#rest();
      return;
    }
    const { env, policy, board, self, host } = this.#options;
    const now = env.clock.now();
    if (this.#deadlineMs === Number.POSITIVE_INFINITY) {
      this.#deadlineMs = now + policy.decideWithinMs;
    }
    const isBelow = this.#isBelow();
    const toFetch = Math.max(...lists.map((each) => this.#toFetch(each)));
    if (!isBelow && !this.#isPartial && toFetch < policy.worthEntries) {
      this.#options.host.wantSnapshot(false);
      return this.#rest();
    }
    const expected = lists.flatMap((each) => [...each.notices]);
    const isHeard =
      lists.every(({ noticesComplete }) => noticesComplete) &&
      expected.every(([replica, number]) => replica === self || board.hasNotice(replica, number));
    if (!isHeard && now < this.#deadlineMs) return;
    // Whom this device does not know yet, the snapshot's own record may know.
    const offer = this.#best(
      (replica) => host.memberOf(replica) ?? (replica as string as MemberId),
    );
    if (offer !== undefined) return this.#load(offer);
    // Nobody may ever name that branch: better a log that goes on forked than no way in.
    if (isBelow && this.#passedOver.size > 0 && !this.#takesOutdated) {
      this.#takesOutdated = true;
      for (const key of this.#passedOver) {
        this.#tried.delete(key);
        this.#uselessUntilMs.delete(key);
      }
      return this.decide();
    }
    // Nothing better than the entries themselves, as far as anybody has them.
    this.#options.host.wantSnapshot(isBelow || this.#isPartial);
    this.#rest();
  }

  /** What to come in by, of what was not tried in vain. */
  #best(memberOf: MemberOf): Offer | undefined {
    const { env, board } = this.#options;
    const now = env.clock.now();
    const isLost = this.#isBelow() && !this.#knowsOthers();
    return offersOf(board.notices, memberOf).find(
      (each) =>
        !this.#tried.has(offerKey(each)) &&
        now >= (this.#uselessUntilMs.get(offerKey(each)) ?? Number.NEGATIVE_INFINITY) &&
        // Better the long way than one that others deny. Where there is no other way, the best there is,
        // but never in the place of entries: a relay can say of all that it has let go of them.
        (isLost || isBelieved(each)),
    );
  }

  /** Nothing is to be decided: it goes on with what is here. */
  #rest(): void {
    const { env, policy } = this.#options;
    this.#tried.clear();
    this.#passedOver.clear();
    this.#takesOutdated = false;
    this.#enter(this.#isPartial ? "filling" : "settled");
    if (this.#isPartial) this.#fillAtMs = env.clock.now() + policy.againAfterMs;
  }

  #load(offer: Offer): void {
    this.#enter("loading");
    const over = (isInstalled: boolean): void => {
      if (this.#closed) return;
      const { env, policy } = this.#options;
      this.#isPartial ||= isInstalled;
      this.#tried.add(offerKey(offer));
      if (isInstalled) this.#tried.clear();
      else {
        this.#uselessUntilMs.set(offerKey(offer), env.clock.now() + policy.againAfterMs);
      }
      this.#enter(isInstalled ? "filling" : "deciding");
      if (isInstalled) this.#fill();
      else this.decide();
    };
    this.#tryLoad(offer).then(over, (error: unknown) => {
      this.#options.host.onFailed(error);
      over(false);
    });
  }

  async #tryLoad(offer: Offer): Promise<boolean> {
    const { source, host } = this.#options;
    const manifest = await source.manifest(offer);
    if (manifest === undefined || manifest === "void" || this.#closed) return false;
    if (!this.#takesOutdated && this.#isOutdated(manifest)) {
      this.#passedOver.add(offerKey(offer));
      return false;
    }
    if (!this.#isProgress(manifest)) return false;
    const best = () => this.#best(host.memberOf);
    return (await host.install(offer, manifest, best)) === "applied";
  }

  /**
   * It brings something, takes nothing away that was let go of here, and what comes after it can be had
   * of somebody: of two snapshots neither need cover the other.
   */
  #isProgress(manifest: Manifest): boolean {
    const { host, self } = this.#options;
    const vector = vectorOf(manifest);
    const heads = [...host.heads];
    const replaced = unplaced(manifest, heads);
    const mine = heads.find(({ replica }) => replica === self && replaced.has(replica));
    // Own entries that it does not have stay, and the log with them.
    if (mine !== undefined && isBranchOf(manifest, mine) === undefined) return false;
    const held = new Map([...this.#heldTo()].filter(([replica]) => !replaced.has(replica)));
    const reaches = ({ logs }: Lists): boolean =>
      [...logs].every(
        ([replica, { from, to }]) =>
          to <= (held.get(replica) ?? 0) ||
          Math.max(seqOf(vector, replica), held.get(replica) ?? 0) >= from - 1,
      );
    if (![...this.#lists.values()].some(reaches)) return false;
    const own = held.get(self) ?? 0;
    if (seqOf(vector, self) > own && own > host.ownStoredTo) {
      host.onOwnAtStake();
      return false;
    }
    const begins = new Map(heads.map(({ replica, from }) => [replica, from - 1]));
    for (const [replica, base] of begins) {
      if (seqOf(vector, replica) < base && !replaced.has(replica)) return false;
    }
    // What reaches further than the snapshot of which parts are missing brings those, too.
    const isFurther = [...vector].some(([replica, seq]) => seq > (begins.get(replica) ?? 0));
    return this.#isPartial ? isFurther : !dominates(host.applied, vector);
  }

  /**
   * Somebody lists a branch of a log that reaches beyond where that began, and it does not name it: what
   * it has under the log's id may be the branch.
   */
  #isOutdated(manifest: Manifest): boolean {
    const named = new Set(manifest.logs.map(({ replica }) => replica));
    const vector = vectorOf(manifest);
    for (const session of this.#lists.keys()) {
      for (const [replica, { signer, seq }] of session.branches()) {
        if (!named.has(replica) && seqOf(vector, signer) >= seq) return true;
      }
    }
    return false;
  }

  #enter(phase: Phase): void {
    if (this.#phase === phase) return;
    const { host, env } = this.#options;
    this.#phase = phase;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    if (phase === "settled" || phase === "filling") host.tellHeads();
    this.#fillAtMs = phase === "filling" ? env.clock.now() : Number.POSITIVE_INFINITY;
    host.onChanged();
  }

  #fill(): void {
    const { env, host, policy } = this.#options;
    const isDue = this.#phase === "filling" && env.clock.now() >= this.#fillAtMs;
    if (this.#closed || this.#filling || !isDue) return;
    this.#filling = true;
    const over = (outcome: Awaited<ReturnType<ArrivalHost["fillNext"]>>): void => {
      this.#filling = false;
      if (this.#closed) return;
      if (outcome === "complete") {
        this.#isPartial = false;
        host.wantSnapshot(false);
        return this.#rest();
      }
      const waitMs = outcome === "filled" ? 0 : policy.againAfterMs;
      this.#fillAtMs = env.clock.now() + waitMs;
      host.onChanged();
      if (outcome === "filled") return this.#fill();
      // Of another one all may be had.
      this.#enter("deciding");
      this.decide();
    };
    host.fillNext().then(over, (error: unknown) => {
      host.onFailed(error);
      over("not to be had");
    });
  }

  #forgetClosed(): void {
    for (const session of this.#lists.keys()) if (session.isClosed) this.#lists.delete(session);
  }

  #listsOf(session: Session): Lists {
    this.#forgetClosed();
    let lists = this.#lists.get(session);
    if (lists === undefined) {
      lists = { logs: new Map(), logsComplete: false, notices: new Map(), noticesComplete: false };
      this.#lists.set(session, lists);
    }
    return lists;
  }

  #toFetch({ logs }: Lists): number {
    const held = this.#heldTo();
    let count = 0;
    for (const [replica, { from, to }] of logs) {
      count += Math.max(0, to - Math.max(from - 1, held.get(replica) ?? 0));
    }
    return count;
  }

  /**
   * Somebody has entries that we lack, and not those before them; or has a branch that nothing here could
   * show to be one.
   */
  #isBelow(): boolean {
    const heads = new Map([...this.#options.host.heads].map((head) => [head.replica, head]));
    for (const [session, { logs }] of this.#lists) {
      for (const [replica, { from, to }] of logs) {
        const own = heads.get(replica)?.to ?? 0;
        if (to > own && from > own + 1) return true;
      }
      for (const [replica, { signer, seq }] of session.branches()) {
        if (!heads.has(replica) && (heads.get(signer)?.from ?? 1) > seq) return true;
      }
    }
    return false;
  }

  #knowsOthers(): boolean {
    const { host, self } = this.#options;
    return [...host.heads].some(({ replica }) => replica !== self);
  }

  #heldTo(): ReadonlyMap<ReplicaId, number> {
    return new Map([...this.#options.host.heads].map(({ replica, to }) => [replica, to]));
  }
}

const isBelieved = ({ witnesses, refusedBy }: Offer): boolean =>
  refusedBy.length === 0 || refusedBy.length < witnesses.length;
