/**
 * The memory behind the ticks: the most that was ever known of where entries of mine have come. It
 * only grows, so a tick never goes back, though a relay may lose its store, a device may come back
 * with an old clock, and the record of members may turn out to hold one more. (What is *waiting* now
 * is another question: the outbox asks the parties' present vectors.)
 *
 * It holds numbers about logs of mine alone, a few for each device of the space and document, none
 * for messages. One tab keeps it up and saves it; it is as good as its last save.
 */
import { mergeVectors, seqOf, type VersionVector } from "../clock/version-vector.ts";
import type { DocumentId, ReplicaId } from "../id/id.ts";
import {
  deriveMessageInfo,
  deriveReceipt,
  type Evidence,
  greaterLevel,
  type Inquiry,
  type Level,
  type MessageInfo,
  type Receipt,
  type Roster,
} from "./receipt.ts";
import { extendTrail, knownByMs, reachedBy, type Trail } from "./trail.ts";

/** By the log of mine that they are about. */
export type Trails = ReadonlyMap<ReplicaId, Trail>;
/** By the device that said so. */
export type TrailsByReplica = ReadonlyMap<ReplicaId, Trails>;

/** Plain (structured clone). */
export interface LedgerState {
  readonly stored: Trails;
  readonly clocks: TrailsByReplica;
  readonly marks: ReadonlyMap<DocumentId, TrailsByReplica>;
  readonly shown: ReadonlyMap<DocumentId, Shown>;
}

/**
 * Up to where entries in a document were complete for all of their audience. One number per log is
 * enough: whoever is in the audience of an entry is in those of all later ones by the same author,
 * so what is complete for one was complete for those before.
 */
export interface Shown {
  readonly delivered: VersionVector;
  readonly read: VersionVector;
}

const nothingShown: Shown = { delivered: new Map(), read: new Map() };

/** Whose logs have receipts here. */
export interface LedgerOwner {
  /** Where this device's own entries go on. */
  log(): ReplicaId;
  /** Greatest seq there. */
  head(): number;
  /** Whose log that is, or is a branch of (log/branch.ts). */
  signerOf(log: ReplicaId): ReplicaId;
  /** Whether a replica is a device of this person, this one included. */
  isMine(replica: ReplicaId): boolean;
}

export class ReceiptLedger implements Evidence {
  readonly #owner: LedgerOwner;
  readonly #stored: Map<ReplicaId, Trail>;
  readonly #clocks: Map<ReplicaId, Map<ReplicaId, Trail>>;
  readonly #marks: Map<DocumentId, Map<ReplicaId, Map<ReplicaId, Trail>>>;
  readonly #shown: Map<DocumentId, Shown>;
  #revision = 0;

  constructor(owner: LedgerOwner, state?: LedgerState) {
    this.#owner = owner;
    this.#stored = new Map(state?.stored);
    this.#clocks = copyTrails(state?.clocks);
    this.#marks = new Map(
      [...(state?.marks ?? [])].map(([document, trails]) => [document, copyTrails(trails)]),
    );
    this.#shown = new Map(state?.shown);
  }

  /** Goes up whenever something was learned: what to save, and what to draw again. */
  get revision(): number {
    return this.#revision;
  }

  get state(): LedgerState {
    return {
      stored: new Map(this.#stored),
      clocks: copyTrails(this.#clocks),
      marks: new Map([...this.#marks].map(([document, trails]) => [document, copyTrails(trails)])),
      shown: new Map(this.#shown),
    };
  }

  /**
   * A relay, or another device that says its storage is durable, has committed a log of mine up to
   * `seq`. Never told of a tab of this device: it stores where this one does.
   */
  noteStored(author: ReplicaId, seq: number, atMs: number): void {
    this.#extend(this.#stored, author, seq, atMs);
  }

  /** The delivery clock of `replica`, or any part of it. */
  noteClock(replica: ReplicaId, clock: VersionVector, atMs: number): void {
    this.#extendAll(this.#clocks, replica, clock, atMs);
  }

  /** The read mark of `replica` for a document. */
  noteMark(document: DocumentId, replica: ReplicaId, mark: VersionVector, atMs: number): void {
    const trails = this.#marks.get(document) ?? new Map<ReplicaId, Map<ReplicaId, Trail>>();
    this.#extendAll(trails, replica, mark, atMs);
    if (trails.size > 0) this.#marks.set(document, trails);
  }

  /** The receipt as it is to be shown: it remembers what it has said. */
  receipt(roster: Roster, inquiry: Inquiry): Receipt {
    const derived = deriveReceipt(this, roster, inquiry);
    this.#remember(inquiry, derived.level);
    return { ...derived, level: greaterLevel(derived.level, this.#shownLevel(inquiry)) };
  }

  info(roster: Roster, inquiry: Inquiry): MessageInfo {
    return deriveMessageInfo(this, roster, inquiry);
  }

  // Evidence

  storedTo(author: ReplicaId): number {
    return reachedBy(this.#stored.get(author));
  }

  storedByMs(author: ReplicaId, seq: number): number | undefined {
    return knownByMs(this.#stored.get(author), seq);
  }

  deliveredTo(replica: ReplicaId, author: ReplicaId): number {
    return reachedBy(this.#clocks.get(replica)?.get(author));
  }

  deliveredByMs(replica: ReplicaId, author: ReplicaId, seq: number): number | undefined {
    return knownByMs(this.#clocks.get(replica)?.get(author), seq);
  }

  readTo(document: DocumentId, replica: ReplicaId, author: ReplicaId): number {
    return reachedBy(this.#marks.get(document)?.get(replica)?.get(author));
  }

  readByMs(
    document: DocumentId,
    replica: ReplicaId,
    author: ReplicaId,
    seq: number,
  ): number | undefined {
    return knownByMs(this.#marks.get(document)?.get(replica)?.get(author), seq);
  }

  #extendAll(
    trailsByReplica: Map<ReplicaId, Map<ReplicaId, Trail>>,
    replica: ReplicaId,
    vector: VersionVector,
    atMs: number,
  ): void {
    const trails = trailsByReplica.get(replica) ?? new Map<ReplicaId, Trail>();
    for (const [author, seq] of vector) {
      this.#extend(trails, author, seq, atMs);
      // Whose clock or mark covers it has committed it, and goes on having it when they leave.
      if (this.#owner.signerOf(author) !== replica) this.#extend(this.#stored, author, seq, atMs);
    }
    if (trails.size > 0) trailsByReplica.set(replica, trails);
  }

  #extend(trails: Map<ReplicaId, Trail>, author: ReplicaId, seq: number, atMs: number): void {
    if (!this.#owner.isMine(author)) return;
    // Nobody has what does not exist yet, whatever they claim.
    const claimed = author === this.#owner.log() ? Math.min(seq, this.#owner.head()) : seq;
    const before = trails.get(author) ?? [];
    const after = extendTrail(before, claimed, atMs);
    if (after === before) return;
    trails.set(author, after);
    this.#revision++;
  }

  #remember({ document, author, seq }: Inquiry, level: Level): void {
    if (level !== "delivered" && level !== "read") return;
    const before = this.#shown.get(document) ?? nothingShown;
    const reached = new Map([[author, seq]]);
    const after: Shown = {
      delivered: mergeVectors(before.delivered, reached),
      read: level === "read" ? mergeVectors(before.read, reached) : before.read,
    };
    if (after.delivered === before.delivered && after.read === before.read) return;
    this.#shown.set(document, after);
    this.#revision++;
  }

  #shownLevel({ document, author, seq }: Inquiry): Level {
    const { delivered, read } = this.#shown.get(document) ?? nothingShown;
    if (seqOf(read, author) >= seq) return "read";
    return seqOf(delivered, author) >= seq ? "delivered" : "saving";
  }
}

const copyTrails = (trails: TrailsByReplica | undefined): Map<ReplicaId, Map<ReplicaId, Trail>> =>
  new Map([...(trails ?? [])].map(([replica, byAuthor]) => [replica, new Map(byAuthor)]));
