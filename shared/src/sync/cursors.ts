/**
 * How far each log of a space has come towards the other party of a session, and what is known of
 * theirs. Comparing, sending and receiving all move these numbers; nobody else does.
 */
import type { ReplicaId } from "../id/id.ts";

export interface Cursor {
  /** They hold it, or it is under way: the next run begins after. */
  sent: number;
  /** The most that was ever sent here: `sent` goes back when one side turns out to hold less. */
  sentMost: number;
  /** Their log begins there: what lies below they cannot give. */
  theirFrom: number;
  /** They hold entries up to here, as far as is known. */
  theirs: number;
  /**
   * They have committed the very entries that stand here, up to there: by their confirmation of what was
   * sent, or by the hash of their list. What they list or forward is none of that by its seq alone.
   */
  stored: number;
  /** Where both hold the same entry by their lists. What they confirm may be another branch by now. */
  agreed: number;
  /** How often they have said what they hold of it. */
  listings: number;
  /** What they have sent is held here up to there; they may have lost it since. */
  came: number;
  /** Asked for by `want`, beyond what is pushed anyway. */
  wantedTo: number;
  forked: boolean;
}

export class Cursors {
  readonly #byLog = new Map<ReplicaId, Cursor>();

  get size(): number {
    return this.#byLog.size;
  }

  get logs(): IterableIterator<ReplicaId> {
    return this.#byLog.keys();
  }

  get entries(): IterableIterator<[ReplicaId, Readonly<Cursor>]> {
    return this.#byLog.entries();
  }

  /** Undefined where the log was not spoken of. */
  known(replica: ReplicaId): Readonly<Cursor> | undefined {
    return this.#byLog.get(replica);
  }

  of(replica: ReplicaId): Cursor {
    let cursor = this.#byLog.get(replica);
    if (cursor === undefined) {
      cursor = {
        sent: 0,
        sentMost: 0,
        theirFrom: 1,
        theirs: 0,
        stored: 0,
        agreed: 0,
        listings: 0,
        came: 0,
        wantedTo: 0,
        forked: false,
      };
      this.#byLog.set(replica, cursor);
    }
    return cursor;
  }

  /** Their list names the entry that stands there here. */
  agree(replica: ReplicaId, seq: number): void {
    const cursor = this.of(replica);
    cursor.agreed = Math.max(cursor.agreed, seq);
    cursor.stored = Math.max(cursor.stored, seq);
    this.came(replica, seq);
  }

  came(replica: ReplicaId, seq: number): void {
    const cursor = this.of(replica);
    cursor.came = Math.max(cursor.came, seq);
    cursor.theirs = Math.max(cursor.theirs, seq);
    cursor.sent = Math.max(cursor.sent, seq);
  }

  /**
   * What they hold of the log is known anew, by their own word: where both were known to agree may be
   * on another branch by now.
   */
  listed(replica: ReplicaId): void {
    const cursor = this.of(replica);
    cursor.agreed = 0;
    cursor.listings++;
    cursor.came = 0;
    cursor.forked = false;
  }

  clear(): void {
    this.#byLog.clear();
  }
}
