/**
 * The membership record of one space as a device keeps it up: entries of the membership document go
 * in as they are opened, before causal delivery, because delivery asks it whose entries to deliver.
 * Checking signatures is the only thing that waits; everything else happens at once.
 */
import type { Stamp } from "../crdt/crdt.ts";
import { type DocumentId, prefixOf, type ReplicaId } from "../id/id.ts";
import { knownDocument } from "../log/known-document.ts";
import type { Plain } from "../log/plain.ts";
import {
  type MembershipContext,
  type MembershipEntry,
  type Unfounded,
  verifyMembershipEntry,
} from "./membership-fact.ts";
import { type Membership, MembershipRecord } from "./membership.ts";

/** An entry whose signature was verified and whose body was opened. */
export interface ExaminedEntry {
  readonly replica: ReplicaId;
  readonly seq: number;
  /** Undefined for void and hollow entries. */
  readonly plain: Plain | undefined;
}

/** An operation of the membership document as a device has kept it. */
export interface KeptMembershipOperation extends Stamp {
  readonly kind: number;
  readonly payload: Uint8Array;
  readonly deps: readonly { readonly replica: ReplicaId; readonly seq: number }[];
}

/** Claims without ground that are remembered for diagnostics. */
const unfoundedMax = 100;

export class MembershipGate {
  readonly #context: MembershipContext;
  readonly #document: DocumentId;
  readonly #record = new MembershipRecord();
  readonly #unfounded: Unfounded[] = [];

  constructor(context: MembershipContext) {
    this.#context = context;
    this.#document = knownDocument(context.suite, context.space, "membership");
  }

  /** The same object until something new is known. */
  get membership(): Membership {
    return this.#record.value;
  }

  /** The latest operations that were not believed, oldest first. */
  get unfounded(): readonly Unfounded[] {
    return this.#unfounded;
  }

  /** Whose entries may be applied. Final for an entry whose causal past is applied (rule 6). */
  admitted(replica: ReplicaId): boolean {
    return this.membership.memberByReplica.has(replica);
  }

  /** That log is a branch of the signer's: its entries are the same device's. */
  know(branch: ReplicaId, signer: ReplicaId): void {
    this.#record.branched(branch, signer);
  }

  /** Takes in what opened entries say about members. Any entries, in any order, any number of times. */
  async examine(entries: readonly ExaminedEntry[]): Promise<void> {
    for (const { replica, seq, plain } of entries) {
      if (plain?.document !== this.#document) continue;
      const operations = plain.operations.map((raw, index) => ({ ...raw, index }));
      const { lamport, deps } = plain;
      await this.#take({ replica, seq, lamport, deps, operations });
    }
  }

  /** Takes in what the device has kept of the membership document, as after a start. */
  async restore(kept: readonly KeptMembershipOperation[]): Promise<void> {
    const byEntry = Map.groupBy(kept, ({ id }) => `${id.replica}:${id.seq}`);
    for (const operations of byEntry.values()) {
      const [first] = operations;
      if (first === undefined) continue;
      await this.#take({
        replica: first.id.replica,
        seq: first.id.seq,
        lamport: first.lamport,
        deps: first.deps.map(({ replica, seq }) => ({ replica: prefixOf(replica), seq })),
        operations: operations
          .map(({ id, kind, payload }) => ({ index: id.index, kind, payload }))
          .sort((a, b) => a.index - b.index),
      });
    }
  }

  async #take(entry: MembershipEntry): Promise<void> {
    const signer = this.#record.signerOf(entry.replica);
    const { facts, unfounded } = await verifyMembershipEntry(this.#context, { ...entry, signer });
    for (const fact of facts) this.#record.apply(fact);
    this.#unfounded.push(...unfounded);
    this.#unfounded.splice(0, this.#unfounded.length - unfoundedMax);
  }
}
