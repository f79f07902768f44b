/**
 * What an idle device does for the snapshots of a space, one thing at a time: makes the next one when
 * nobody else has, replays what others have published and says whether it came to the same, renews
 * the leases of what it holds, and, if its person owns the space, orders relays to let go of what a
 * confirmed snapshot covers.
 *
 *   idle ──due──▶ publishing | witnessing | renewing | ordering ──done, or tried in vain──▶ idle
 *
 * Invariants:
 *  1. What is published was replayed from entries (checkpoint.ts), and every piece of it was kept by a
 *     relay before the notice goes out.
 *  2. Nobody confirms what they did not replay themselves: from the first entry, or from a snapshot for
 *     which more than one person stands.
 *  3. An order names only a snapshot of its own author that another device has confirmed and none has
 *     refused.
 */
import { equalBytes, toHex } from "../../bytes/bytes.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import { dominates, seqOf, type VersionVector } from "../../clock/version-vector.ts";
import { objectKeyBytes, sealObject } from "../../crypto/sealed-object.ts";
import type { Suite } from "../../crypto/suite.ts";
import type { Env } from "../../env.ts";
import type { BlobId, ReplicaId, SpaceTag } from "../../id/id.ts";
import { ifBranch, ownFirst, signerOf } from "../../log/branch.ts";
import type { TruncationRow } from "../../log/truncation.ts";
import { limits } from "../../protocol/limits.ts";
import type { Session } from "../../sync/session.ts";
import type { RegisterBoard } from "../register-board.ts";
import type { RegisterDesk } from "../register-desk.ts";
import { advance, type CheckpointPorts } from "./checkpoint.ts";
import {
  blobsOf,
  canonicalDigest,
  decodeManifest,
  encodeManifest,
  entriesIn,
  type Manifest,
  manifestBytesMax,
  vectorOf,
} from "./manifest.ts";
import {
  type MemberOf,
  type Offer,
  offerKey,
  offersOf,
  type SnapshotNotice,
  verdictsOn,
  withVerdict,
} from "./notice.ts";
import type { SnapshotPolicy } from "./policy.ts";
import type { HeldSnapshot, SnapshotShelf, Taken } from "./shelf.ts";
import type { SnapshotSource } from "./source.ts";

/** Why nothing came of it, for diagnostics. */
export type UpkeepTrouble =
  /** Entries of ours come to another state than what `author` has published. */
  | { readonly kind: "disputed"; readonly author: ReplicaId; readonly digest: Uint8Array }
  /** No checkpoint can be made. */
  | { readonly kind: "no checkpoint"; readonly reason: string }
  /** A relay did not take a piece. */
  | { readonly kind: "not kept"; readonly code: number };

export interface UpkeepHost {
  /** Everything that is known of is applied here, and nobody is at work on this device. */
  readonly isIdle: boolean;
  readonly applied: VersionVector;
  readonly sessions: Iterable<Session>;
  /** Whether this device's person may write; and whether they own the space. */
  readonly mayWrite: boolean;
  readonly isOwner: boolean;
  readonly memberOf: MemberOf;
  /** Engines, loaded now that they are needed. */
  checkpointPorts(): Promise<CheckpointPorts>;
  /** Signs the order and sends it to every relay that is connected. */
  order(number: number, snapshot: Uint8Array, rows: readonly TruncationRow[]): Promise<boolean>;
  onTrouble(trouble: UpkeepTrouble): void;
  /** The disk refused, or something is wrong with the code; it is tried again. */
  onFailed(error: unknown): void;
  /** A notice of ours may be due, or it wants to be called at another time. */
  onChanged(): void;
}

export interface UpkeepOptions {
  readonly env: Env;
  readonly suite: Suite;
  readonly space: SpaceTag;
  readonly self: ReplicaId;
  readonly board: RegisterBoard;
  readonly desk: RegisterDesk;
  readonly shelf: SnapshotShelf;
  readonly source: SnapshotSource;
  readonly policy: SnapshotPolicy;
  readonly host: UpkeepHost;
}

type Job = "check" | "publish" | "witness" | "renew" | "order";

export class Upkeep {
  readonly #options: UpkeepOptions;
  #closed = false;
  #busy = false;
  /**
   * When each job may begin; a time that is not set yet is drawn when the job is found due. One that was
   * tried in vain waits alone: what a relay has no room for keeps nobody from confirming.
   */
  readonly #atMs = new Map<Job, number>();
  #lookAtMs = Number.NEGATIVE_INFINITY;
  /** Counts what may have made the published one outdated; how many of these were looked at. */
  #splits = 1;
  #splitsChecked = 0;
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  /** Since then also these have been asked whether they keep everything. */
  #renewedWith = new WeakSet<Session>();
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  /** Entries that the last order let go of. */
  #orderedTo = 0;
  /** Until when nothing is done about a snapshot that cannot be replayed here, or not yet; by `offerKey`. */
  readonly #passedUntilMs = new Map<string, number>();
  /** Snapshots that could not be loaded: they cover nothing. Of those that are on offer, by `offerKey`. */
  readonly #useless = new Set<string>();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  close(): void {
    this.#closed = true;
  }

  /** A log was taken apart: a snapshot from before may have its branch under the log's id. */
  onSplit(): void {
    this.#splits++;
    this.look();
  }

  /** What was published is no longer kept here. */
  withdraw(): void {
    const { desk, host } = this.#options;
    desk.setNotice({ ...desk.notice, published: undefined });
    host.onChanged();
  }

  get busy(): boolean {
    return this.#busy;
  }

  wakeAtMs(): number {
    if (this.#closed || this.#busy) return Number.POSITIVE_INFINITY;
    return this.#lookAtMs;
  }

  /** Something may be due that was not. */
  look(): void {
    this.#lookAtMs = this.#options.env.clock.now();
  }

  /** Looks what is due. Resolves, and never rejects, when the job that was begun, if one was, is over. */
  async tick(): Promise<void> {
    const now = this.#options.env.clock.now();
    if (this.#closed || this.#busy) return;
    const isFree = this.#options.host.isIdle && this.#connected().length > 0;
    const job = isFree ? this.#due(now) : undefined;
    const nextMs = now + Math.max(lookEveryMsMin, this.#options.policy.idleAfterMs);
    this.#lookAtMs = isFree ? Math.min(nextMs, ...this.#atMs.values()) : nextMs;
    if (job === undefined) return;
    this.#busy = true;
    this.#atMs.delete(job);
    const { host } = this.#options;
    const worked = await this.#do(job).catch((error: unknown) => {
      host.onFailed(error);
      return false;
    });
    this.#busy = false;
    if (this.#closed) return;
    if (!worked) this.#atMs.set(job, this.#againAtMs());
    this.look();
    host.onChanged();
  }

  #due(nowMs: number): Job | undefined {
    for (const job of jobs) {
      if (!this.#isWanted(job, nowMs)) {
        this.#atMs.delete(job);
        continue;
      }
      const atMs = this.#atMs.get(job) ?? nowMs + this.#delayMs(job);
      this.#atMs.set(job, atMs);
      if (nowMs >= atMs) return job;
    }
    return undefined;
  }

  #againAtMs(times = 1): number {
    return this.#options.env.clock.now() + times * this.#options.policy.againAfterMs;
  }

  /** Several devices find the same thing due at the same moment: one of them is enough. */
  #delayMs(job: Job): number {
    const { env, policy } = this.#options;
    const isOwn = job === "renew" || job === "check";
    return isOwn ? 0 : Math.floor(env.random.fraction() * policy.spreadMs);
  }

  #isWanted(job: Job, nowMs: number): boolean {
    const { policy, host } = this.#options;
    switch (job) {
      case "check":
        return this.#splitsChecked < this.#splits;
      case "publish":
        return (
          host.mayWrite &&
          (this.#unpublished() >= policy.publishEntries || this.#isAskedForMore(nowMs))
        );
      case "witness":
        return this.#toWitness() !== undefined;
      case "renew":
        return (
          Math.abs(nowMs - this.#renewedAtMs) >= policy.renewEveryMs ||
          this.#connected().some((session) => !this.#renewedWith.has(session))
        );
      case "order": {
        const offer = host.isOwner ? this.#confirmed() : undefined;
        return offer !== undefined && offer.entries - this.#orderedTo >= policy.truncateEntries;
      }
    }
  }

  #do(job: Job): Promise<boolean> {
    switch (job) {
      case "check":
        return this.#check();
      case "publish":
        return this.#publish();
      case "witness":
        return this.#witness();
      case "renew":
        return this.#renew();
      case "order":
        return this.#order();
    }
  }

  // What there is

  #notices(): ReadonlyMap<ReplicaId, SnapshotNotice> {
    const { board, desk, self } = this.#options;
    return new Map([...board.notices, [self, desk.notice]]);
  }

  #offers(): Offer[] {
    return offersOf(this.#notices(), this.#options.host.memberOf);
  }

  /** Entries that are applied here and in no snapshot that anybody could load. */
  #unpublished(): number {
    const { self, host } = this.#options;
    const covered = this.#offers().map((offer) => {
      // Whoever refuses ours refuses the same once more: publishing it again changes nobody's mind.
      const isOurs = offer.author === self;
      const isUsable =
        isOurs || (offer.refusedBy.length === 0 && !this.#useless.has(offerKey(offer)));
      return isUsable ? offer.entries : 0;
    });
    return countOf(host.applied) - Math.max(0, ...covered);
  }

  /** Somebody can take in none of those there are, and ours would have more than it has. */
  #isAskedForMore(nowMs: number): boolean {
    const { board, desk, host } = this.#options;
    // Who asks for ever keeps nobody at work.
    if (nowMs < this.#publishedAtMs + patience * this.#options.policy.againAfterMs) return false;
    const isAsked = [...board.notices].some(
      ([replica, { wants }]) => wants && host.memberOf(replica) !== undefined,
    );
    return isAsked && countOf(host.applied) > (desk.notice.published?.entries ?? 0);
  }

  #toWitness(): Offer | undefined {
    const { self, desk, policy, env } = this.#options;
    const now = env.clock.now();
    const judged = new Set(desk.notice.verdicts.map(({ digest }) => toHex(digest)));
    return this.#offers().find(
      (offer) =>
        offer.author !== self &&
        // Each refusal asks for one word more: one device alone must not settle it.
        offer.witnesses.length < policy.witnesses + offer.refusedBy.length &&
        !judged.has(toHex(offer.digest)) &&
        now >= (this.#passedUntilMs.get(offerKey(offer)) ?? Number.NEGATIVE_INFINITY),
    );
  }

  /** What is no longer on offer need not be remembered. */
  #forgetOld(): void {
    const offered = new Set(this.#offers().map(offerKey));
    for (const key of this.#passedUntilMs.keys()) {
      if (!offered.has(key)) this.#passedUntilMs.delete(key);
    }
    for (const key of this.#useless) if (!offered.has(key)) this.#useless.delete(key);
  }

  #confirmed(): Offer | undefined {
    const { self } = this.#options;
    return this.#offers().find(
      ({ author, witnesses, isOwnWitness, refusedBy }) =>
        author === self && (witnesses.length > 0 || isOwnWitness) && refusedBy.length === 0,
    );
  }

  #connected(): Session[] {
    return [...this.#options.host.sessions].filter(
      (session) => session.withRelay && session.isFollowing && !session.isClosed,
    );
  }

  // What a fork leaves behind

  /** Takes back what was published if it is of logs that have been taken apart since. */
  async #check(): Promise<boolean> {
    const { desk, shelf, suite, space } = this.#options;
    const splits = this.#splits;
    const held = desk.notice.published && (await shelf.held());
    const manifest = held && decodeManifest(suite, space, held.manifest);
    const isKnown = manifest !== undefined && !isMalformed(manifest);
    if (isKnown && !(await this.#isOfOurLogs(manifest))) this.withdraw();
    this.#splitsChecked = splits;
    return true;
  }

  /** What it has of each log is what the log has here, as far as that can be told. */
  async #isOfOurLogs({ logs }: Manifest): Promise<boolean> {
    const { log } = await this.#options.host.checkpointPorts();
    const heads = new Map((await log.heads()).map((head) => [head.replica, head]));
    if ([...heads.values()].every(({ branch }) => branch === undefined)) return true;
    for (const { replica, seq, hash } of logs) {
      const head = heads.get(replica);
      if (head === undefined || head.to < seq) return false;
      const [held] = await log.hashes(replica, seq, seq);
      if (held !== undefined && !equalBytes(held, hash)) return false;
    }
    return true;
  }

  // Publishing

  async #publish(): Promise<boolean> {
    const { env, suite, desk, shelf, host, policy } = this.#options;
    const base = await this.#base();
    const made = await this.#replay(base, host.applied);
    if (made === undefined || this.#closed) return false;
    const vector = vectorOf(made);
    const left = countOf(host.applied) - countOf(vector);
    // What cannot be replayed now would be due again at once.
    if (left >= policy.publishEntries) return false;
    const manifest = encodeManifest(made);
    if (manifest.length > manifestBytesMax) {
      this.#cannot("its list of parts is too long");
      return false;
    }
    const root = await sealObject(suite, env.random.bytes(objectKeyBytes), manifest);
    await shelf.put(root.blobs);
    const held: HeldSnapshot = { manifest, root: root.ref.chunks };
    if (!(await this.#bring(made, held.root))) return false;
    if (this.#closed || !(await this.#isOfOurLogs(made))) return false;
    await shelf.hold(held);
    await this.#sweep(made);
    const digest = canonicalDigest(suite, made);
    const published = { digest, root: root.ref, entries: entriesIn(made) };
    desk.setNotice({ ...desk.notice, published });
    this.#publishedAtMs = env.clock.now();
    host.onChanged();
    return true;
  }

  /** The newest checkpoint here: what the next one goes on from. */
  async #base(): Promise<Manifest | undefined> {
    const { shelf, suite, space } = this.#options;
    const row = await shelf.checkpoint();
    const manifest = row && decodeManifest(suite, space, row);
    if (manifest === undefined || isMalformed(manifest)) return undefined;
    return (await this.#isOfOurLogs(manifest)) ? manifest : undefined;
  }

  /** As far as entries can be replayed towards `target`. Undefined if nothing could be told. */
  async #replay(base: Manifest | undefined, target: VersionVector): Promise<Manifest | undefined> {
    const { host, policy } = this.#options;
    const ports = await host.checkpointPorts();
    let at = base;
    let began = base === undefined;
    for (;;) {
      if (this.#closed) return undefined;
      const step = await advance(ports, at, target, policy.stepEntries);
      switch (step.kind) {
        case "advanced": {
          const isThere = dominates(vectorOf(step.manifest), target);
          at = step.manifest;
          await this.#keep(at);
          if (isThere) return at;
          break;
        }
        case "stuck":
          // As far as it goes; what is missing comes in its time.
          return at;
        case "lacking":
        case "unusable":
          if (began) return this.#cannot(step.kind === "lacking" ? "pieces are lost" : step.reason);
          // From the first entry, if that is still here.
          began = true;
          at = undefined;
          break;
        case "damaged":
          return this.#cannot(`document ${step.document} is damaged`);
        case "too large":
          return this.#cannot("a document is too large");
      }
    }
  }

  /** As the newest checkpoint, unless one that reaches further is kept. */
  async #keep(manifest: Manifest): Promise<void> {
    // Another tab may lead now, and stand on other pieces.
    if (this.#closed) return;
    const newest = await this.#base();
    const isNewest =
      newest === undefined || countOf(vectorOf(newest)) < countOf(vectorOf(manifest));
    if (isNewest) await this.#options.shelf.keep(encodeManifest(manifest));
    await this.#sweep(manifest);
  }

  #cannot(reason: string): undefined {
    this.#options.host.onTrouble({ kind: "no checkpoint", reason });
    return undefined;
  }

  /** Sees to it that a relay keeps every piece; at least one must. */
  async #bring(manifest: Manifest, root: readonly BlobId[]): Promise<boolean> {
    const ids = [...new Set([...root, ...blobsOf(manifest)])];
    const sessions = this.#connected();
    let kept = false;
    for (const session of sessions) kept = (await this.#bringTo(session, ids)) || kept;
    return kept;
  }

  async #bringTo(session: Session, ids: readonly BlobId[]): Promise<boolean> {
    const { shelf, host } = this.#options;
    for (let at = 0; at < ids.length; at += limits.blobsMax) {
      const blobs = ids.slice(at, at + limits.blobsMax);
      const answer = await session.askForBlob({ type: "keep", blobs });
      if (answer.type !== "lacking") return false;
      // Relays take nothing from readers.
      if (!host.mayWrite) continue;
      for (const id of answer.blobs) {
        const bytes = await shelf.get(id);
        if (bytes === undefined || this.#closed) return false;
        const kept = await session.askForBlob({ type: "blob", bytes });
        if (kept.type !== "kept") return false;
        if (kept.code !== 0) {
          host.onTrouble({ kind: "not kept", code: kept.code });
          return false;
        }
      }
    }
    return true;
  }

  // Witnessing

  async #witness(): Promise<boolean> {
    const { suite, desk, source, host, shelf } = this.#options;
    this.#forgetOld();
    const offer = this.#toWitness();
    if (offer === undefined) return true;
    const pass = (untilMs = Number.POSITIVE_INFINITY): true => {
      this.#passedUntilMs.set(offerKey(offer), untilMs);
      return true;
    };
    const manifest = await source.manifest(offer);
    if (this.#closed) return false;
    if (manifest === undefined || manifest === "void") {
      this.#useless.add(offerKey(offer));
      // A void one is no reason to keep its pieces, of which there may be more with every notice.
      if (manifest === "void") await this.#sweep();
      // What its own author's digest denies says nothing. What is nowhere may be had later; the others
      // do not wait for it.
      return pass(manifest === "void" ? undefined : this.#againAtMs(patience));
    }
    this.#useless.delete(offerKey(offer));
    const target = vectorOf(manifest);
    // Not everything it covers is here yet: later.
    if (!dominates(host.applied, target)) return pass(this.#againAtMs(patience));
    const taken = await this.#takenOnFaith();
    const replayed = await this.#reach(target, taken !== undefined);
    if (replayed === undefined || this.#closed) return pass();
    if (!isSameVector(vectorOf(replayed), target)) return pass();
    // Of another branch of a log: that is no fault of its author's. Once all know of the fork nobody
    // comes in by it, and it covers nothing.
    if (!isOfSameLogs(replayed, manifest)) {
      if (await this.#isForkKnown(replayed, manifest)) this.#useless.add(offerKey(offer));
      return pass(this.#againAtMs(patience));
    }
    const agrees = equalBytes(canonicalDigest(suite, replayed), offer.digest);
    if (taken !== undefined) {
      // As yet this would say no more than that one author agrees with themselves.
      if (!this.#isOfAnother(offer, taken)) return pass(this.#againAtMs(patience));
      if (!agrees) {
        host.onTrouble({ kind: "disputed", ...taken });
        return pass();
      }
      await shelf.confirm();
    }
    desk.setNotice(withVerdict(desk.notice, { digest: offer.digest, agrees }));
    host.onChanged();
    if (!agrees) host.onTrouble({ kind: "disputed", author: offer.author, digest: offer.digest });
    return true;
  }

  /** Every log in which the two differ is known to have forked. */
  async #isForkKnown(ours: Manifest, theirs: Manifest): Promise<boolean> {
    const { log } = await this.#options.host.checkpointPorts();
    const forked = new Set((await log.heads()).flatMap(({ branch }) => branch?.signer ?? []));
    return ours.logs.every(
      (each, at) =>
        equalBytes(each.hash, theirs.logs[at]?.hash ?? new Uint8Array(0)) ||
        forked.has(signerOf(each)),
    );
  }

  /**
   * What replaying comes to at `target`, or on the way there: from our checkpoint, if it lies below, or
   * from the first entry. Undefined if there is no way.
   */
  async #reach(target: VersionVector, isOnFaith: boolean): Promise<Manifest | undefined> {
    const { host, policy } = this.#options;
    const base = await this.#base();
    if (base !== undefined) {
      const from = vectorOf(base);
      const isThere = isSameVector(from, target);
      if (dominates(target, from) && !isThere) return this.#replay(base, target);
      // Whoever has taken a snapshot in cannot confirm that very one; but others may confirm it here.
      if (isThere && isOnFaith) return base;
    }
    const ports = await host.checkpointPorts();
    const isWhole = (await ports.log.heads()).every(
      ({ replica, from, branch }) => seqOf(target, replica) === 0 || from <= ownFirst(branch),
    );
    if (!isWhole || countOf(target) > policy.replayEntriesMax) return undefined;
    return this.#replay(undefined, target);
  }

  /** What is replayed here goes on from this snapshot, for which nobody but its author's person stands. */
  async #takenOnFaith(): Promise<Taken | undefined> {
    const { shelf, host } = this.#options;
    const taken = await shelf.unconfirmed();
    if (taken === undefined) return undefined;
    const found = verdictsOn(taken.digest, this.#notices(), host.memberOf);
    const author = host.memberOf(taken.author);
    if (author !== undefined && found.get(author) === true) found.delete(author);
    const isConfirmed = found.size > 0 && ![...found.values()].includes(false);
    if (isConfirmed) await shelf.confirm();
    return isConfirmed ? undefined : taken;
  }

  /** Somebody stands for it who is not the person that we took the other one from. */
  #isOfAnother({ author, witnesses, refusedBy }: Offer, taken: Taken): boolean {
    const { memberOf } = this.#options.host;
    const theirs = memberOf(taken.author);
    const voices = [memberOf(author), ...witnesses];
    return (
      refusedBy.length === 0 && voices.some((voice) => voice !== undefined && voice !== theirs)
    );
  }

  // Keeping alive

  async #renew(): Promise<boolean> {
    const { shelf, env, suite, space } = this.#options;
    const sessions = this.#connected();
    const held = await shelf.held();
    const manifest = held && decodeManifest(suite, space, held.manifest);
    if (held !== undefined && manifest !== undefined && !isMalformed(manifest)) {
      if (!(await this.#bring(manifest, held.root))) return false;
    }
    this.#renewedAtMs = env.clock.now();
    this.#renewedWith = new WeakSet([...sessions]);
    return true;
  }

  async #order(): Promise<boolean> {
    const { host, source } = this.#options;
    const offer = this.#confirmed();
    const manifest = offer && (await source.manifest(offer));
    if (offer === undefined || manifest === undefined || manifest === "void") return false;
    const rows = manifest.logs.map(({ publicKey, seq, hash, branch }) => ({
      ...{ publicKey, seq, hash },
      ...ifBranch(branch),
    }));
    // Vectors of one author's snapshots only grow, and so do their sums.
    if (!(await host.order(offer.entries, offer.digest, rows))) return false;
    this.#orderedTo = offer.entries;
    return true;
  }

  /** Drops pieces that nothing stands on: the checkpoint, the held snapshot, what is being made. */
  async #sweep(making?: Manifest): Promise<void> {
    const { shelf, suite, space } = this.#options;
    const needed = new Set<BlobId>(making && blobsOf(making));
    const [checkpoint, held] = [await shelf.checkpoint(), await shelf.held()];
    for (const id of held?.root ?? []) needed.add(id);
    for (const bytes of [checkpoint, held?.manifest]) {
      const manifest = bytes && decodeManifest(suite, space, bytes);
      if (manifest === undefined || isMalformed(manifest)) continue;
      for (const id of blobsOf(manifest)) needed.add(id);
    }
    await shelf.sweep(needed);
  }
}

/** Nobody tells of time that somebody has to spare. */
const lookEveryMsMin = 1_000;

/** Nobody waits for what is asked of somebody else. */
const patience = 10;

const jobs: readonly Job[] = ["check", "renew", "witness", "publish", "order"];

const countOf = (vector: VersionVector): number => {
  let count = 0;
  for (const seq of vector.values()) count += seq;
  return count;
};

/** @param b of the same vector. */
const isOfSameLogs = (a: Manifest, b: Manifest): boolean =>
  a.logs.every(({ hash }, at) => equalBytes(hash, b.logs[at]?.hash ?? new Uint8Array(0)));

const isSameVector = (a: VersionVector, b: VersionVector): boolean =>
  dominates(a, b) && dominates(b, a);
