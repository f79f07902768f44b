/**
 * Group commit. Of all calls that wait, reads are answered first, from what is committed; then all
 * writes go into one transaction (one wait for the disk, however many asked), and only after its
 * commit is any of them answered. If the transaction fails, each write has one of its own, so that
 * a call that cannot be done spoils no other.
 */
import type { DatabaseSync } from "node:sqlite";
import { Tables } from "./sqlite-tables.ts";
import type { SpaceBounds } from "./store.ts";

export type Verb = Exclude<keyof Tables, "ping">;

export type Call =
  | { [V in Verb]: { id: number; verb: V; args: Parameters<Tables[V]> } }[Verb]
  | { id: number; verb: "ping" | "close"; args: readonly [] };

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

const isRead: Record<Call["verb"], boolean> = {
  heads: true,
  read: true,
  hashes: true,
  registers: true,
  certificate: true,
  usage: true,
  blob: true,
  order: true,
  dueOrders: true,
  peekInvite: true,
  append: false,
  begin: false,
  split: false,
  putRegisters: false,
  putCertificate: false,
  keepBlobs: false,
  putBlob: false,
  sweepBlobs: false,
  putOrder: false,
  orderDone: false,
  putInvite: false,
  revokeInvite: false,
  useInvite: false,
  ping: false,
  close: false,
};

export class Batches {
  readonly #database: DatabaseSync;
  readonly #tables: Tables;
  /** The last commit failed: `ping` then tries to write. */
  #failing = false;

  constructor(database: DatabaseSync, bounds: SpaceBounds) {
    this.#database = database;
    this.#tables = new Tables(database, bounds);
  }

  /** Calls in the order they were made; `send` is given answers as soon as they are true. */
  run(calls: readonly Call[], send: (answers: readonly Answer[]) => void): void {
    const reads = calls.filter(({ verb }) => isRead[verb]);
    if (reads.length > 0) send(reads.map((call) => answer(call, () => this.#perform(call))));
    const writes = calls.filter(({ verb }) => !isRead[verb]);
    if (writes.length > 0) send(this.#commit(writes));
  }

  #commit(calls: readonly Call[]): readonly Answer[] {
    try {
      const answers = this.#transact(() =>
        calls.map((call) => ({ id: call.id, value: this.#perform(call) })),
      );
      this.#failing = false;
      return answers;
    } catch {
      return calls.map((call) =>
        answer(call, () => {
          this.#failing = true;
          const value = this.#transact(() => this.#perform(call));
          this.#failing = false;
          return value;
        }),
      );
    }
  }

  #transact<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const value = work();
      this.#database.exec("COMMIT");
      return value;
    } catch (error) {
      // Where the disk failed, SQLite may have rolled back by itself.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #perform(call: Call): unknown {
    const tables = this.#tables;
    switch (call.verb) {
      case "heads":
        return tables.heads(...call.args);
      case "append":
        return tables.append(...call.args);
      case "begin":
        return tables.begin(...call.args);
      case "split":
        return tables.split(...call.args);
      case "read":
        return tables.read(...call.args);
      case "hashes":
        return tables.hashes(...call.args);
      case "registers":
        return tables.registers(...call.args);
      case "putRegisters":
        return tables.putRegisters(...call.args);
      case "certificate":
        return tables.certificate(...call.args);
      case "putCertificate":
        return tables.putCertificate(...call.args);
      case "usage":
        return tables.usage(...call.args);
      case "keepBlobs":
        return tables.keepBlobs(...call.args);
      case "putBlob":
        return tables.putBlob(...call.args);
      case "blob":
        return tables.blob(...call.args);
      case "sweepBlobs":
        return tables.sweepBlobs(...call.args);
      case "putOrder":
        return tables.putOrder(...call.args);
      case "order":
        return tables.order(...call.args);
      case "dueOrders":
        return tables.dueOrders(...call.args);
      case "orderDone":
        return tables.orderDone(...call.args);
      case "putInvite":
        return tables.putInvite(...call.args);
      case "revokeInvite":
        return tables.revokeInvite(...call.args);
      case "peekInvite":
        return tables.peekInvite(...call.args);
      case "useInvite":
        return tables.useInvite(...call.args);
      case "ping":
        return tables.ping(this.#failing);
      case "close":
        return undefined;
    }
  }
}

function answer({ id }: Call, work: () => unknown): Answer {
  try {
    return { id, value: work() };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}
