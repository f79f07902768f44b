/**
 * How two parties find out what the other one holds: a digest each, and whole lists of logs and registers
 * where these differ. Whoever is sent a list answers with their own, once in a round. Either side may
 * begin a round: after a silence, when something was lost, when a log was taken apart.
 *
 *   digest ──equal──▶ known        digest ──differs──▶ lists ──the last page──▶ known
 */
import { equalBytes } from "../bytes/bytes.ts";
import type { RegisterName, ReplicaId } from "../id/id.ts";
import type { StoredRegister } from "../log/store.ts";
import type { Frame, HeadRow, VersionRow } from "../protocol/messages.ts";
import type { BranchWords } from "./branch-words.ts";
import type { Cursors } from "./cursors.ts";
import type { Effects } from "./effects.ts";
import type { Holdings } from "./holdings.ts";
import { pages, Pages } from "./pages.ts";
import type { Sending } from "./sending.ts";

type Of<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** What of theirs was listed. */
export type Listed =
  /** They hold what we hold: nobody lists anything. */
  | { readonly kind: "equal"; readonly what: "heads" | "versions" }
  | { readonly kind: "heads"; readonly rows: readonly HeadRow[]; readonly isComplete: boolean }
  | {
      readonly kind: "versions";
      readonly rows: readonly VersionRow[];
      readonly isComplete: boolean;
    };

export interface ComparisonHost {
  /** What they hold of all logs is known now, or known anew. */
  onKnown(): void;
  /** Before what is listed comes. */
  onListed(listed: Listed): void;
  onTheyHoldMore(rows: readonly HeadRow[]): void;
  /** Another entry stands there in theirs. */
  onForked(replica: ReplicaId, seq: number, theirHash: Uint8Array): void;
  /** They have committed the own log up to `seq`. */
  onStored(replica: ReplicaId, seq: number): void;
}

export interface ComparisonOptions {
  readonly mySpace: number;
  readonly holdings: Holdings;
  readonly cursors: Cursors;
  readonly sending: Sending;
  readonly branches: BranchWords;
  readonly effects: Effects;
  readonly host: ComparisonHost;
  readonly nowMs: () => number;
  /** What this party writes itself. */
  readonly isOwn: (replica: ReplicaId) => boolean;
  readonly hashes: (
    replica: ReplicaId,
    first: number,
    last: number,
  ) => Promise<readonly Uint8Array[]>;
  /** Nobody is told what is held here yet. */
  readonly holdsBack: () => boolean;
  readonly send: (frame: Of<"digest"> | Of<"heads"> | Of<"versions">) => void;
  readonly sendRegister: (register: StoredRegister) => void;
}

/** A round that the other party begins is answered with lists at most so often. */
const roundMs = 5_000;

export class Comparison {
  readonly #options: ComparisonOptions;
  /** Since when this round goes on: they may begin the next one a while later. */
  #roundAtMs = Number.NEGATIVE_INFINITY;
  /** They asked too soon, or a fork may be seen by now: we begin a round then. */
  #dueAtMs = Number.POSITIVE_INFINITY;
  #sentHeads = false;
  /** Ours are due, and held back. */
  #owesHeads = false;
  #hearsRegisters = false;
  #sentVersions = false;
  /** Their whole list of registers was answered in this round. */
  #heardVersions = false;
  readonly #headsPages = new Pages();
  readonly #versionsPages = new Pages();
  /** What they list of own logs, until the entry was read to compare it: it may have to be mended first. */
  readonly #unchecked = new Map<ReplicaId, HeadRow>();

  constructor(options: ComparisonOptions) {
    this.#options = options;
  }

  /** When to begin a round. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** Their registers were compared with ours, or are about to be. */
  get hearsRegisters(): boolean {
    return this.#hearsRegisters;
  }

  close(): void {
    this.#unchecked.clear();
  }

  /** Says our digests: whoever sees a difference answers with lists. */
  begin(): void {
    const { mySpace, holdings, send } = this.#options;
    this.#beginRound(Number.NEGATIVE_INFINITY);
    const [logs, registers] = [holdings.logDigest(), holdings.registerDigest()];
    send({ type: "digest", space: mySpace, logs, registers });
  }

  /** Begins a round as soon as they answer one. */
  beginSoon(): void {
    const atMs = Math.max(this.#options.nowMs(), this.#roundAtMs + roundMs);
    this.#dueAtMs = Math.min(this.#dueAtMs, atMs);
  }

  /** Lists are sent, and answered, once in a round. */
  #beginRound(nowMs: number): void {
    this.#roundAtMs = nowMs;
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    this.#sentHeads = false;
    this.#sentVersions = false;
    this.#heardVersions = false;
  }

  onDigest(frame: Of<"digest">): void {
    const { holdings, host } = this.#options;
    this.#hearsRegisters = true;
    const now = this.#options.nowMs();
    // They may ask at any time: they know what they have lost. Lists are long, so not all the time.
    if (now >= this.#roundAtMs + roundMs) this.#beginRound(now);
    else this.#dueAtMs = this.#roundAtMs + roundMs;
    if (equalBytes(frame.logs, holdings.logDigest())) {
      this.#allAgree();
      host.onKnown();
      host.onListed({ kind: "equal", what: "heads" });
    } else this.#sendHeads();
    if (equalBytes(frame.registers, holdings.registerDigest())) {
      host.onListed({ kind: "equal", what: "versions" });
    } else this.#sendVersions();
  }

  #allAgree(): void {
    const { holdings, cursors, sending } = this.#options;
    for (const replica of cursors.logs) {
      if (holdings.head(replica) === undefined) this.#theyList(replica, 0, 0);
    }
    for (const { replica, to } of holdings.logs.values()) {
      this.forget(replica);
      cursors.listed(replica);
      cursors.of(replica).theirs = to;
      cursors.agree(replica, to);
      sending.landed(replica, to);
    }
  }

  // Logs

  /** What is held here may be said now. */
  tellHeads(): void {
    if (!this.#owesHeads) return;
    this.#owesHeads = false;
    this.#sendHeads();
  }

  #sendHeads(): void {
    if (this.#sentHeads) return;
    const { mySpace, holdings, branches, holdsBack, send } = this.#options;
    if (holdsBack()) {
      this.#owesHeads = true;
      return;
    }
    this.#sentHeads = true;
    const held = [...holdings.logs.values()].filter((head) => branches.isHeard(head));
    for (const head of held) branches.tell(head);
    for (const heads of pages(held, byReplica)) {
      // `since` all zeros: a complete list, in as many frames as it takes.
      send({ type: "heads", space: mySpace, since: new Uint8Array(16), heads });
    }
  }

  onHeads(rows: readonly HeadRow[]): void {
    const { holdings, cursors, host } = this.#options;
    // Whoever lists expects our list too; a difference may be known to one side only by then.
    this.#sendHeads();
    const listed = new Set(rows.map(byReplica));
    const inPage = this.#headsPages.next(rows, byReplica);
    for (const row of rows) this.#onHead(row);
    // What a complete list leaves out is not held there, whatever was sent before.
    for (const replica of cursors.logs) {
      if (!listed.has(replica) && inPage(replica)) this.#theyList(replica, 0, 0);
    }
    const more = rows.filter(({ replica, to }) => to > holdings.to(replica));
    const isComplete = this.#headsPages.complete;
    if (isComplete) host.onKnown();
    host.onListed({ kind: "heads", rows, isComplete });
    if (more.length > 0) host.onTheyHoldMore(more);
  }

  #onHead(row: HeadRow): void {
    const { replica, from, to, hash } = row;
    const { holdings, cursors, host, isOwn } = this.#options;
    const ours = holdings.head(replica);
    this.#theyList(replica, to, Math.min(to, ours?.to ?? 0));
    cursors.of(replica).theirFrom = from;
    if (ours === undefined) return;
    if (ours.to === to) {
      if (equalBytes(ours.hash, hash)) cursors.agree(replica, to);
      else host.onForked(replica, to, hash.slice());
    } else if (to > 0 && to < ours.to && isOwn(replica)) {
      this.#unchecked.set(replica, { ...row, hash: hash.slice() });
      this.#check(replica);
    }
  }

  #theyList(replica: ReplicaId, to: number, sent: number): void {
    this.forget(replica);
    this.#options.cursors.listed(replica);
    this.#options.sending.theyHold(replica, to, sent);
  }

  /** People are told how far their own words have come: by the hash of the very entry, not by its seq. */
  #check(replica: ReplicaId): void {
    const { cursors, effects, hashes, host } = this.#options;
    const row = this.#unchecked.get(replica);
    if (row === undefined) return;
    const { to, hash } = row;
    const compared = ([ours]: readonly Uint8Array[]): void => {
      // They may have said something else since.
      if (ours === undefined || this.#unchecked.get(replica) !== row) return;
      this.#unchecked.delete(replica);
      if (!equalBytes(ours, hash)) return host.onForked(replica, to, hash);
      const cursor = cursors.of(replica);
      cursor.stored = Math.max(cursor.stored, to);
      host.onStored(replica, to);
    };
    // What is damaged is mended first.
    effects.start(hashes(replica, to, to), compared, () => {});
  }

  /** More of a log can be read here. */
  mended(replica: ReplicaId): void {
    this.#check(replica);
  }

  /** What they listed of the log holds no more. */
  forget(replica: ReplicaId): void {
    this.#unchecked.delete(replica);
  }

  // Registers

  #sendVersions(): void {
    if (this.#sentVersions) return;
    this.#sentVersions = true;
    const { mySpace, holdings, send } = this.#options;
    const rows: VersionRow[] = [];
    for (const register of holdings.registers) {
      const { replica, name, number } = register;
      rows.push({ replica, name, number, hash8: register.bodyHash.subarray(0, 8) });
    }
    for (const page of pages(rows, byRegister)) {
      send({ type: "versions", space: mySpace, rows: page });
    }
  }

  onVersions(rows: readonly VersionRow[]): void {
    const { holdings, host, sendRegister } = this.#options;
    this.#sendVersions();
    if (this.#heardVersions) return;
    const theirs = new Map(rows.map((row) => [byRegister(row), row]));
    const inPage = this.#versionsPages.next(rows, byRegister);
    this.#heardVersions = this.#versionsPages.complete;
    host.onListed({ kind: "versions", rows, isComplete: this.#heardVersions });
    for (const register of holdings.registers) {
      const key = byRegister(register);
      if (!inPage(key)) continue;
      const row = theirs.get(key);
      const known =
        row !== undefined &&
        (row.number > register.number ||
          (row.number === register.number &&
            equalBytes(row.hash8, register.bodyHash.subarray(0, 8))));
      if (!known) sendRegister(register);
    }
  }
}

const byReplica = (row: { readonly replica: ReplicaId }): string => row.replica;
const byRegister = (row: { readonly replica: ReplicaId; readonly name: RegisterName }): string =>
  `${row.replica}/${row.name}`;
