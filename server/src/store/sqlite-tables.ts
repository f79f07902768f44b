/**
 * The relay's verbs as SQL. Runs in the store's worker, inside a transaction that `sqlite-worker.ts`
 * opens and commits; nothing is cached here, so a transaction that is rolled back leaves no trace.
 * Ids and hashes are bytes: text exists only on the other side of the worker.
 */
import type { DatabaseSync } from "node:sqlite";
import { concatBytes, equalBytes } from "@skein/shared/bytes/bytes.ts";
import { beginsAfter, ownFirst } from "@skein/shared/log/branch.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import { hashBytes, runEntriesMax } from "@skein/shared/log/entry.ts";
import { newerRegister } from "@skein/shared/log/register.ts";
import { type BranchRow, packEntries, type RunRow, unpackEntries } from "./packing.ts";
import { keepBlobs, putBlob, readBlob, sweepBlobs } from "./sqlite-blobs.ts";
import {
  type DueRow,
  dueOrders,
  type OrderPlaceRow,
  orderDone,
  putOrder,
  readOrder,
} from "./sqlite-orders.ts";
import { blob, integer, type Row, Rows } from "./sqlite-rows.ts";
import { count, makeSpace, usageOf } from "./sqlite-spaces.ts";
import {
  entryCost,
  type FoundInvite,
  type Invite,
  inviteMemoryMs,
  invitesPerSpaceMax,
  mayGrow,
  type PutInvite,
  registerCost,
  type SpaceBounds,
  type StoredCertificate,
  type StoredOrder,
  type Usage,
} from "./store.ts";

export interface HeadRow {
  readonly replica: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly hash: Uint8Array;
  /** Hash of the entry before `from`; zeros before seq 1. */
  readonly base: Uint8Array;
  readonly branch: BranchRow | undefined;
}

export type AppendedRow =
  | { readonly kind: "held"; readonly head: HeadRow; readonly news: boolean }
  | { readonly kind: "gap"; readonly to: number }
  | { readonly kind: "fork"; readonly head: HeadRow };

export interface BaseRow {
  readonly replica: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly branch: BranchRow | undefined;
}

export interface SplitRow {
  readonly replica: Uint8Array;
  readonly branch: BranchRow;
  readonly into: Uint8Array;
  readonly proof: RunRow | undefined;
}

export type SplitOffRow =
  | {
      readonly kind: "split";
      readonly rest: HeadRow | undefined;
      readonly branch: HeadRow;
      readonly proven: HeadRow | undefined;
    }
  | { readonly kind: "moved" };

export type BegunRow =
  | { readonly kind: "begun"; readonly head: HeadRow; readonly news: boolean }
  | { readonly kind: "fork"; readonly head: HeadRow };

/** A run in the pieces it was stored in. */
export interface ReadRow {
  readonly pieces: readonly { readonly first: number; readonly items: Uint8Array }[];
  readonly signature: Uint8Array;
  readonly branch: BranchRow | undefined;
}

export interface RegisterRow {
  readonly replica: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly name: Uint8Array;
  readonly number: number;
  readonly bodyHash: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Nothing was written, because the space would have grown beyond its bounds. */
export const overQuota = "over quota";
type OverQuota = typeof overQuota;

interface Log extends HeadRow {
  readonly id: number;
  readonly space: number;
}

export class Tables {
  readonly #database: DatabaseSync;
  readonly #bounds: SpaceBounds;
  readonly #rows: Rows;

  constructor(database: DatabaseSync, bounds: SpaceBounds) {
    this.#database = database;
    this.#bounds = bounds;
    this.#rows = new Rows(database);
  }

  // Logs

  heads(space: Uint8Array): HeadRow[] {
    return this.#rows
      .all(
        `SELECT logs.* FROM logs JOIN spaces ON spaces.id = logs.space WHERE spaces.tag = ?`,
        space,
      )
      .map((row) => headOf(logOf(row)));
  }

  /** Stops at a run that would not fit; those before it stay. */
  append(space: Uint8Array, runs: readonly RunRow[]): AppendedRow[] | OverQuota {
    const outcomes: AppendedRow[] = [];
    for (const run of runs) {
      const outcome = this.#append(space, run);
      if (outcome === overQuota) return overQuota;
      outcomes.push(outcome);
    }
    return outcomes;
  }

  begin(space: Uint8Array, bases: readonly BaseRow[]): BegunRow[] {
    return bases.map((base) => this.#begin(space, base));
  }

  /** Runs go over as they are. What a log costs stays the same. */
  split(space: Uint8Array, { replica, branch, into, proof }: SplitRow): SplitOffRow {
    const log = this.#log(space, replica);
    if (log === undefined) return { kind: "moved" };
    const { seq, hash } = branch;
    if (seq < log.from || seq > log.to || !equalBytes(hash, this.#hashAt(log, seq))) {
      return { kind: "moved" };
    }
    const held = this.#log(space, into);
    if (held !== undefined && !this.#isSameWhereBoth(log, held)) return { kind: "moved" };
    const end = integer(this.#runFrom(log, seq), "first") - 1;
    const base = this.#hashAt(log, end);
    let split = { ...log, replica: into, from: end + 1, base, branch };
    if (held !== undefined && held.to >= log.to) {
      this.#drop(log, end + 1);
      split = { ...held, branch };
    } else {
      if (held !== undefined) {
        this.#drop(held, held.from);
        this.#rows.run(`DELETE FROM logs WHERE id = ?`, held.id);
      }
      split.id = this.#insertLog(split);
      this.#rows.run(`UPDATE runs SET log = ? WHERE log = ? AND last > ?`, split.id, log.id, end);
    }
    const isGone = end < ownFirst(log.branch);
    if (isGone) {
      this.#drop(log, log.from);
      this.#rows.run(`DELETE FROM logs WHERE id = ?`, log.id);
    } else this.#rows.run(`UPDATE logs SET last = ?, hash = ? WHERE id = ?`, end, base, log.id);
    const rest = isGone ? undefined : headOf({ ...log, to: end, hash: base });
    const kept = proof && this.#append(space, proof);
    const proven = kept !== overQuota && kept?.kind === "held" ? kept.head : undefined;
    return { kind: "split", rest, branch: headOf(split), proven };
  }

  read(
    space: Uint8Array,
    replica: Uint8Array,
    first: number,
    bytesMax: number,
  ): ReadRow | undefined {
    const log = this.#log(space, replica);
    if (log === undefined || first < log.from || first > log.to) return undefined;
    const pieces: { first: number; items: Uint8Array }[] = [];
    let signature: Uint8Array | undefined;
    let bytes = 0;
    let next = first;
    while (next <= log.to) {
      const row = this.#runFrom(log, next);
      const stored = { first: integer(row, "first"), items: blob(row, "items") };
      const piece =
        stored.first === next
          ? { items: stored.items, bodyBytes: integer(row, "body_bytes") }
          : packEntries(next, unpackEntries(stored.first, stored.items).slice(next - stored.first));
      const last = integer(row, "last");
      bytes += piece.bodyBytes;
      const tooMuch = bytes > bytesMax || last - first + 1 > runEntriesMax;
      if (tooMuch && signature !== undefined) break;
      pieces.push({ first: next, items: piece.items });
      signature = blob(row, "signature");
      next = last + 1;
    }
    if (signature === undefined) throw new Error(`the file is damaged: no run holds seq ${first}`);
    return { pieces, signature, branch: log.branch };
  }

  /** End to end, from `first` on. */
  hashes(space: Uint8Array, replica: Uint8Array, first: number, last: number): Uint8Array {
    const log = this.#log(space, replica);
    if (log === undefined || first < Math.max(1, log.from - 1) || last < first) {
      return new Uint8Array();
    }
    const rows = this.#rows.all(
      // No run is empty: more rows than seqs would only be walked over, to the end of the log.
      `SELECT first, hashes FROM runs WHERE log = ? AND last >= ? AND first <= ? ORDER BY last
       LIMIT ?`,
      log.id,
      first,
      last,
      last - first + 1,
    );
    const parts = rows.map((row) => {
      const seq = integer(row, "first");
      const start = Math.max(0, first - seq) * hashBytes;
      return blob(row, "hashes").subarray(start, (last - seq + 1) * hashBytes);
    });
    return first < log.from ? concatBytes(log.base, ...parts) : concatBytes(...parts);
  }

  // Registers

  registers(space: Uint8Array): RegisterRow[] {
    return this.#rows
      .all(
        `SELECT registers.* FROM registers JOIN spaces ON spaces.id = registers.space
       WHERE spaces.tag = ?`,
        space,
      )
      .map((row) => ({
        replica: blob(row, "replica"),
        publicKey: blob(row, "public_key"),
        name: blob(row, "name"),
        number: integer(row, "number"),
        bodyHash: blob(row, "body_hash"),
        bytes: blob(row, "bytes"),
      }));
  }

  /** Stops at a register that would not fit; those before it stay. */
  putRegisters(space: Uint8Array, registers: readonly RegisterRow[]): boolean[] | OverQuota {
    const outcomes: boolean[] = [];
    for (const register of registers) {
      const outcome = this.#putRegister(space, register);
      if (outcome === overQuota) return overQuota;
      outcomes.push(outcome);
    }
    return outcomes;
  }

  // Certificates and counters

  certificate(space: Uint8Array): StoredCertificate | undefined {
    const row = this.#rows.get(
      `SELECT certificate_n, certificate, certificate_hash FROM spaces
       WHERE tag = ? AND certificate IS NOT NULL`,
      space,
    );
    if (row === undefined) return undefined;
    return {
      n: integer(row, "certificate_n"),
      bytes: blob(row, "certificate"),
      hash: blob(row, "certificate_hash"),
    };
  }

  putCertificate(space: Uint8Array, certificate: StoredCertificate): StoredCertificate {
    const { n, bytes, hash } = certificate;
    // SQLite compares blobs as memcmp does: byte by byte, which is what "smaller hash" means.
    this.#rows.run(
      `INSERT INTO spaces (tag, certificate_n, certificate, certificate_hash) VALUES (?, ?, ?, ?)
       ON CONFLICT (tag) DO UPDATE SET certificate_n = excluded.certificate_n,
         certificate = excluded.certificate, certificate_hash = excluded.certificate_hash
       WHERE spaces.certificate_n IS NULL OR spaces.certificate_n < excluded.certificate_n
         OR (spaces.certificate_n = excluded.certificate_n
           AND excluded.certificate_hash < spaces.certificate_hash)`,
      space,
      n,
      bytes,
      hash,
    );
    const held = this.certificate(space);
    if (held === undefined) throw new Error("a certificate that was put is not there");
    return held;
  }

  usage(space: Uint8Array): Usage {
    return usageOf(this.#rows, space);
  }

  // Blobs

  keepBlobs(space: Uint8Array, ids: readonly Uint8Array[], untilMs: number): Uint8Array[] {
    return keepBlobs(this.#rows, space, ids, untilMs);
  }

  putBlob(
    space: Uint8Array,
    id: Uint8Array,
    bytes: Uint8Array,
    untilMs: number,
  ): undefined | OverQuota {
    return putBlob(this.#rows, this.#bounds, space, id, bytes, untilMs) ? undefined : overQuota;
  }

  blob(space: Uint8Array, id: Uint8Array): Uint8Array | undefined {
    return readBlob(this.#rows, space, id);
  }

  sweepBlobs(nowMs: number, countMax: number): number {
    return sweepBlobs(this.#rows, nowMs, countMax);
  }

  // Orders

  putOrder(space: Uint8Array, order: StoredOrder): StoredOrder {
    return putOrder(this.#rows, space, order);
  }

  order(space: Uint8Array): StoredOrder | undefined {
    return readOrder(this.#rows, space);
  }

  dueOrders(nowMs: number, countMax: number, after: OrderPlaceRow | undefined): DueRow[] {
    return dueOrders(this.#rows, nowMs, countMax, after);
  }

  orderDone(space: Uint8Array, number: number): void {
    orderDone(this.#rows, space, number);
  }

  // Invites

  putInvite(space: Uint8Array, invite: Invite, nowMs: number): PutInvite {
    const { codeHash, expiresMs, uses, preview, keys } = invite;
    const id = makeSpace(this.#rows, space);
    const forgetMs = nowMs - inviteMemoryMs;
    this.#rows.run(`DELETE FROM invites WHERE space = ? AND expires_ms <= ?`, id, forgetMs);
    const held = this.#rows.get(`SELECT space, revoked FROM invites WHERE code_hash = ?`, codeHash);
    if (held !== undefined && integer(held, "space") !== id) return "taken";
    if (held !== undefined && integer(held, "revoked") === 1) return "revoked";
    if (held === undefined) {
      const counted = this.#rows.get(`SELECT count(*) AS count FROM invites WHERE space = ?`, id);
      if (counted === undefined || integer(counted, "count") >= invitesPerSpaceMax) return "full";
    }
    this.#rows.run(
      `INSERT INTO invites (code_hash, space, expires_ms, uses, preview, keys)
       VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (code_hash) DO UPDATE SET expires_ms = excluded.expires_ms,
         uses = excluded.uses, preview = excluded.preview, keys = excluded.keys`,
      codeHash,
      id,
      expiresMs,
      uses,
      preview,
      keys,
    );
    return "kept";
  }

  revokeInvite(space: Uint8Array, codeHash: Uint8Array): boolean {
    const nothing = new Uint8Array();
    const changes = this.#rows.run(
      `UPDATE invites SET revoked = 1, preview = ?, keys = ?
       WHERE code_hash = ? AND space = (SELECT id FROM spaces WHERE tag = ?)`,
      nothing,
      nothing,
      codeHash,
      space,
    );
    return changes > 0;
  }

  peekInvite(codeHash: Uint8Array, nowMs: number): FoundInvite {
    return this.#findInvite(codeHash, nowMs, "preview");
  }

  useInvite(codeHash: Uint8Array, nowMs: number): FoundInvite {
    const found = this.#findInvite(codeHash, nowMs, "keys");
    if (found.kind === "open") {
      this.#rows.run(`UPDATE invites SET used = used + 1 WHERE code_hash = ?`, codeHash);
    }
    return found;
  }

  /** Reads, and with `write` also writes a page, to see whether the disk takes it again. */
  ping(write: boolean): void {
    const row = this.#rows.get(`PRAGMA user_version`);
    if (row === undefined) throw new Error("the database does not answer");
    if (write) this.#database.exec(`PRAGMA user_version = ${integer(row, "user_version")}`);
  }

  #append(space: Uint8Array, run: RunRow): AppendedRow | OverQuota {
    const log = this.#log(space, run.replica);
    const to = log?.to ?? beginsAfter(run);
    if (run.first > to + 1) return { kind: "gap", to };
    if (log !== undefined && !this.#continues(log, run)) {
      return { kind: "fork", head: headOf(log) };
    }
    if (log === undefined && to === 0 && !equalBytes(run.previous, zeroHash)) {
      throw new Error(`a run from seq ${run.first} with a hash before it, where nothing can be`);
    }
    if (log !== undefined && run.last <= to)
      return { kind: "held", head: headOf(log), news: false };

    const fresh = to + 1 === run.first ? run : afterSeq(run, to);
    const entries = fresh.last - fresh.first + 1;
    const cost = entryCost(entries, fresh.bodyBytes);
    if (!mayGrow(this.#bounds, this.usage(space), cost, 0)) return overQuota;
    const spaceId = makeSpace(this.#rows, space);
    const hash = run.hashes.subarray(-hashBytes);
    const { replica, publicKey, branch } = log ?? run;
    const from = log?.from ?? to + 1;
    const base = log?.base ?? run.previous;
    const head = { replica, publicKey, from, to: run.last, hash, base, branch };
    const logId = log?.id ?? this.#insertLog({ ...head, space: spaceId });
    if (log !== undefined) {
      this.#rows.run(`UPDATE logs SET last = ?, hash = ? WHERE id = ?`, run.last, hash, logId);
    }
    this.#rows.insert(
      `INSERT INTO runs (log, first, last, body_bytes, items, hashes, signature)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      logId,
      fresh.first,
      fresh.last,
      fresh.bodyBytes,
      fresh.items,
      fresh.hashes,
      fresh.signature,
    );
    count(this.#rows, spaceId, { bytes: cost, entries });
    return { kind: "held", head, news: true };
  }

  /**
   * Whether the run agrees with what is held. Each hash covers the one before it, so comparing the
   * last one in common compares all.
   */
  #continues(log: Log, run: RunRow): boolean {
    if (run.first === log.to + 1) return equalBytes(run.previous, log.hash);
    const common = Math.min(log.to, run.last);
    // What was dropped can no longer be compared, and is not written again.
    if (common < log.from - 1) return true;
    return equalBytes(hashAt(run.hashes, common - run.first), this.#hashAt(log, common));
  }

  #begin(space: Uint8Array, base: BaseRow): BegunRow {
    const { replica, publicKey, seq, hash } = base;
    const log = this.#log(space, replica);
    const { from, to } = log ?? { from: 1, to: 0 };
    const branch = log ? log.branch : base.branch;
    const nothing = { replica, publicKey, from, to, hash: zeroHash, base: zeroHash, branch };
    const head = log ? headOf(log) : nothing;
    if (seq < from - 1) return { kind: "begun", head, news: false };
    const isHeld = seq <= to;
    const held = log && isHeld ? this.#hashAt(log, seq) : zeroHash;
    if (isHeld && !equalBytes(hash, held)) return { kind: "fork", head };
    if (seq === from - 1) return { kind: "begun", head, news: false };
    const begun = {
      ...head,
      from: seq + 1,
      to: Math.max(to, seq),
      hash: isHeld ? head.hash : hash,
      base: hash,
    };
    if (log === undefined) {
      this.#insertLog({ ...begun, space: makeSpace(this.#rows, space) });
    } else {
      this.#dropUpTo(log, seq);
      this.#rows.run(
        `UPDATE logs SET first = ?, last = ?, hash = ?, base = ? WHERE id = ?`,
        begun.from,
        begun.to,
        begun.hash,
        hash,
        log.id,
      );
    }
    return { kind: "begun", head: begun, news: true };
  }

  #insertLog(log: Omit<Log, "id">): number {
    const { space, replica, publicKey, from, to, hash, base, branch } = log;
    return this.#rows.insert(
      `INSERT INTO logs (space, replica, public_key, first, last, hash, base,
         branch_signer, branch_seq, branch_hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      space,
      replica,
      publicKey,
      from,
      to,
      hash,
      base,
      branch?.signer ?? null,
      branch?.seq ?? null,
      branch?.hash ?? null,
    );
  }

  /** Each hash covers the one before it, so comparing the last one in common compares all. */
  #isSameWhereBoth(one: Log, other: Log): boolean {
    const common = Math.min(one.to, other.to);
    if (common < Math.max(one.from, other.from) - 1) return false;
    return equalBytes(this.#hashAt(one, common), this.#hashAt(other, common));
  }

  /** Whole runs, from the one that begins at `first` on. */
  #drop(log: Log, first: number): void {
    const row = this.#rows.get(
      `SELECT coalesce(sum(last - first + 1), 0) AS entries,
         coalesce(sum(body_bytes), 0) AS body_bytes
       FROM runs WHERE log = ? AND first >= ?`,
      log.id,
      first,
    );
    if (row === undefined) throw new Error("a sum has a row");
    const entries = integer(row, "entries");
    const bytes = -entryCost(entries, integer(row, "body_bytes"));
    this.#rows.run(`DELETE FROM runs WHERE log = ? AND first >= ?`, log.id, first);
    count(this.#rows, log.space, { bytes, entries: -entries });
  }

  /** Entries up to `seq`. A run that goes on behind it loses its beginning and keeps its signature. */
  #dropUpTo(log: Log, seq: number): void {
    const row = this.#rows.get(
      `SELECT coalesce(sum(last - first + 1), 0) AS entries,
         coalesce(sum(body_bytes), 0) AS body_bytes
       FROM runs WHERE log = ? AND last <= ?`,
      log.id,
      seq,
    );
    if (row === undefined) throw new Error("a sum has a row");
    let entries = integer(row, "entries");
    let bytes = integer(row, "body_bytes");
    this.#rows.run(`DELETE FROM runs WHERE log = ? AND last <= ?`, log.id, seq);
    if (seq < log.to) {
      const cut = this.#runFrom(log, seq + 1);
      const first = integer(cut, "first");
      const skip = seq + 1 - first;
      if (skip > 0) {
        const rest = packEntries(seq + 1, unpackEntries(first, blob(cut, "items")).slice(skip));
        this.#rows.run(
          `UPDATE runs SET first = ?, body_bytes = ?, items = ?, hashes = ? WHERE id = ?`,
          seq + 1,
          rest.bodyBytes,
          rest.items,
          blob(cut, "hashes").subarray(skip * hashBytes),
          integer(cut, "id"),
        );
        entries += skip;
        bytes += integer(cut, "body_bytes") - rest.bodyBytes;
      }
    }
    count(this.#rows, log.space, { bytes: -entryCost(entries, bytes), entries: -entries });
  }

  /** Of a seq from `from` − 1 to `to`. */
  #hashAt(log: Log, seq: number): Uint8Array {
    if (seq === log.to) return log.hash;
    if (seq === log.from - 1) return log.base;
    const row = this.#runFrom(log, seq);
    return hashAt(blob(row, "hashes"), seq - integer(row, "first"));
  }

  /** The stored run that holds `seq`. */
  #runFrom(log: Log, seq: number): Row {
    const row = this.#rows.get(
      `SELECT * FROM runs WHERE log = ? AND last >= ? ORDER BY last LIMIT 1`,
      log.id,
      seq,
    );
    if (row === undefined || integer(row, "first") > seq) {
      throw new Error(`the file is damaged: no run holds seq ${seq}`);
    }
    return row;
  }

  #putRegister(space: Uint8Array, register: RegisterRow): boolean | OverQuota {
    const { replica, name, publicKey, number, bodyHash, bytes } = register;
    const held = this.#rows.get(
      `SELECT registers.id, number, body_hash, length(registers.bytes) AS size
       FROM registers JOIN spaces ON spaces.id = registers.space
       WHERE spaces.tag = ? AND replica = ? AND name = ?`,
      space,
      replica,
      name,
    );
    const before = held && {
      id: integer(held, "id"),
      number: integer(held, "number"),
      bodyHash: blob(held, "body_hash"),
      cost: registerCost(integer(held, "size")),
    };
    if (!newerRegister(register, before)) return false;
    const growth = registerCost(bytes.length) - (before?.cost ?? 0);
    if (!mayGrow(this.#bounds, this.usage(space), growth, growth)) return overQuota;
    const spaceId = makeSpace(this.#rows, space);
    count(this.#rows, spaceId, { bytes: growth, registerBytes: growth });
    if (before === undefined) {
      this.#rows.insert(
        `INSERT INTO registers (space, replica, name, public_key, number, body_hash, bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        spaceId,
        replica,
        name,
        publicKey,
        number,
        bodyHash,
        bytes,
      );
      return true;
    }
    this.#rows.run(
      `UPDATE registers SET public_key = ?, number = ?, body_hash = ?, bytes = ? WHERE id = ?`,
      publicKey,
      number,
      bodyHash,
      bytes,
      before.id,
    );
    return true;
  }

  #findInvite(codeHash: Uint8Array, nowMs: number, part: "preview" | "keys"): FoundInvite {
    const row = this.#rows.get(`SELECT * FROM invites WHERE code_hash = ?`, codeHash);
    if (row === undefined || integer(row, "revoked") === 1) return { kind: "unknown" };
    const uses = integer(row, "uses");
    const usedUp = uses > 0 && integer(row, "used") >= uses;
    if (integer(row, "expires_ms") <= nowMs || usedUp) return { kind: "spent" };
    return { kind: "open", sealed: blob(row, part) };
  }

  #log(space: Uint8Array, replica: Uint8Array): Log | undefined {
    const row = this.#rows.get(
      `SELECT logs.* FROM logs JOIN spaces ON spaces.id = logs.space
       WHERE spaces.tag = ? AND logs.replica = ?`,
      space,
      replica,
    );
    return row === undefined ? undefined : logOf(row);
  }
}

/** What a run adds to a log that ends at `seq`. */
function afterSeq(run: RunRow, seq: number): RunRow {
  const skip = seq + 1 - run.first;
  const packed = packEntries(seq + 1, unpackEntries(run.first, run.items).slice(skip));
  return { ...run, ...packed, first: seq + 1, hashes: run.hashes.slice(skip * hashBytes) };
}

const hashAt = (hashes: Uint8Array, index: number): Uint8Array =>
  hashes.subarray(index * hashBytes, (index + 1) * hashBytes);

const logOf = (row: Row): Log => ({
  id: integer(row, "id"),
  space: integer(row, "space"),
  base: blob(row, "base"),
  replica: blob(row, "replica"),
  publicKey: blob(row, "public_key"),
  from: integer(row, "first"),
  to: integer(row, "last"),
  hash: blob(row, "hash"),
  branch:
    row["branch_signer"] === null
      ? undefined
      : {
          signer: blob(row, "branch_signer"),
          seq: integer(row, "branch_seq"),
          hash: blob(row, "branch_hash"),
        },
});

const headOf = ({ id: _id, space: _space, ...head }: Log): HeadRow => head;
