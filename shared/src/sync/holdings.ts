/**
 * What one party holds of one space, in memory: the head of every log and the newest version of
 * every register, with their digests. Sessions compare against it; only durable facts enter it.
 */
import type { RegisterName, ReplicaId } from "../id/id.ts";
import { digestedHead, LogDigest, RegisterDigest } from "../log/digest.ts";
import { signerOf } from "../log/branch.ts";
import type { Run } from "../log/entry.ts";
import type { LogHead, StoredRegister } from "../log/store.ts";

export class Holdings {
  readonly #logs = new Map<ReplicaId, LogHead>();
  /** Branches by their signer. */
  readonly #branches = new Map<ReplicaId, Set<ReplicaId>>();
  readonly #registers = new Map<string, StoredRegister>();
  readonly #registersOf = new Map<ReplicaId, number>();
  readonly #logDigest = new LogDigest();
  readonly #registerDigest = new RegisterDigest();

  constructor(heads: readonly LogHead[], registers: readonly StoredRegister[]) {
    for (const head of heads) this.setHead(head);
    for (const register of registers) this.setRegister(register);
  }

  get logs(): ReadonlyMap<ReplicaId, LogHead> {
    return this.#logs;
  }

  get registers(): IterableIterator<StoredRegister> {
    return this.#registers.values();
  }

  get registerCount(): number {
    return this.#registers.size;
  }

  /** How many registers of that replica are held. */
  registersOf(replica: ReplicaId): number {
    return this.#registersOf.get(replica) ?? 0;
  }

  head(replica: ReplicaId): LogHead | undefined {
    return this.#logs.get(replica);
  }

  /** Greatest seq held of a log, 0 for none. */
  to(replica: ReplicaId): number {
    return this.#logs.get(replica)?.to ?? 0;
  }

  register(replica: ReplicaId, name: RegisterName): StoredRegister | undefined {
    return this.#registers.get(`${replica}/${name}`);
  }

  /** Other logs of the same key. Costs as much as there are. */
  kinOf(log: Pick<Run, "replica" | "branch">): LogHead[] {
    const signer = signerOf(log);
    const branches = this.#branches.get(signer);
    if (branches === undefined && log.branch === undefined) return [];
    return [signer, ...(branches ?? [])].flatMap((replica) =>
      replica === log.replica ? [] : (this.head(replica) ?? []),
    );
  }

  setHead(head: LogHead): void {
    if (head.branch !== undefined) {
      const { signer } = head.branch;
      const known = this.#branches.get(signer) ?? new Set();
      this.#branches.set(signer, known.add(head.replica));
    }
    const before = this.#logs.get(head.replica);
    this.#logDigest.replace(before && digestedHead(before), digestedHead(head));
    this.#logs.set(head.replica, head);
  }

  /** Nothing is held of the log any more. */
  removeLog(replica: ReplicaId): void {
    const held = this.#logs.get(replica);
    if (held === undefined) return;
    this.#logDigest.remove(digestedHead(held));
    if (held.branch !== undefined) this.#branches.get(held.branch.signer)?.delete(replica);
    this.#logs.delete(replica);
  }

  setRegister(register: StoredRegister): void {
    const key = `${register.replica}/${register.name}`;
    const before = this.#registers.get(key);
    this.#registerDigest.replace(before?.bodyHash, register.bodyHash);
    if (before === undefined) {
      this.#registersOf.set(register.replica, this.registersOf(register.replica) + 1);
    }
    this.#registers.set(key, register);
  }

  /** XOR over head hashes[:16]; a snapshot. */
  logDigest(): Uint8Array {
    return this.#logDigest.value();
  }

  registerDigest(): Uint8Array {
    return this.#registerDigest.value();
  }
}
