/**
 * The relay's store in one SQLite file, in a thread of its own, so that no wait for the disk ever
 * stands on the event loop. This side packs and unpacks; `sqlite-worker.ts` gathers calls into
 * transactions; `sqlite-tables.ts` is the SQL.
 */
import { Worker } from "node:worker_threads";
import {
  blobId,
  type BlobId,
  bytesOfId,
  registerName,
  type ReplicaId,
  replicaId,
  type SpaceTag,
  spaceTag,
} from "@skein/shared/id/id.ts";
import { type Branch, ifBranch, ifHeldBranch } from "@skein/shared/log/branch.ts";
import type { Entry, Run } from "@skein/shared/log/entry.ts";
import type {
  Appended,
  Begun,
  LogBase,
  LogHead,
  Split,
  SplitOff,
  StoredRegister,
  VerifiedRun,
} from "@skein/shared/log/store.ts";
import { type BranchRow, branchRowOf, packRun, unpackEntries, unpackHashes } from "./packing.ts";
import { StoreRefused } from "./sqlite-file.ts";
import {
  type AppendedRow,
  type BaseRow,
  type HeadRow,
  overQuota,
  type RegisterRow,
  type Tables,
} from "./sqlite-tables.ts";
import type { Answer, Call, Verb } from "./sqlite-batches.ts";
import type { Message, WorkerData } from "./sqlite-worker.ts";
import {
  type DueOrder,
  type OrderPlace,
  type FoundInvite,
  type Invite,
  noBounds,
  type PutInvite,
  QuotaExceeded,
  type RelayStore,
  type SpaceBounds,
  type StoredCertificate,
  type StoredOrder,
  StoreUnavailable,
  type Usage,
} from "./store.ts";

export interface SqliteOptions {
  readonly folder: string;
  readonly bounds?: SpaceBounds;
  /** The thread died: a bug or no memory. Nothing of it can be used again; end the process. */
  readonly onDied: (error: Error) => void;
  /** Calls, and bytes given with them, that may wait. Beyond, calls reject as "busy". */
  readonly waitingCallsMax?: number;
  readonly waitingBytesMax?: number;
}

/** A disk that stalls for a second under full load leaves about this much waiting. */
const waitingCallsMax = 8_192;
const waitingBytesMax = 33_554_432;

interface Waiting {
  readonly bytes: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: StoreUnavailable) => void;
}

export class SqliteStore implements RelayStore {
  readonly #worker: Worker;
  readonly #callsMax: number;
  readonly #bytesMax: number;
  readonly #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  #nextId = 0;
  #closed: Promise<void> | undefined;
  #died: Error | undefined;

  /** Opens the store in `folder`, or says why it cannot be opened. */
  static async open(options: SqliteOptions): Promise<SqliteStore | StoreRefused> {
    const { folder, bounds = noBounds } = options;
    const worker = new Worker(new URL("./sqlite-worker.ts", import.meta.url), {
      workerData: { folder, bounds } satisfies WorkerData,
      name: "store",
    });
    const opened = await new Promise<Message | Error>((resolve) => {
      const failed = (error: unknown): void => resolve(asError(error));
      worker.once("error", failed);
      worker.once("message", (message: Message) => {
        worker.off("error", failed);
        resolve(message);
      });
    });
    if (opened instanceof Error) return new StoreRefused(opened.message);
    if (opened.kind === "refused") return new StoreRefused(opened.words);
    return new SqliteStore(worker, options);
  }

  private constructor(worker: Worker, options: SqliteOptions) {
    this.#worker = worker;
    this.#callsMax = options.waitingCallsMax ?? waitingCallsMax;
    this.#bytesMax = options.waitingBytesMax ?? waitingBytesMax;
    worker.on("message", (message: Message) => {
      if (message.kind === "answers") for (const answer of message.answers) this.#answer(answer);
    });
    let cause: Error | undefined;
    worker.on("error", (error) => (cause = asError(error)));
    worker.on("exit", (code) => {
      if (this.#closed !== undefined && this.#waiting.size === 0) return;
      const error = cause ?? new Error(`the store's thread ended with code ${code}`);
      this.#die(error);
      options.onDied(error);
    });
  }

  async heads(space: SpaceTag): Promise<readonly LogHead[]> {
    const rows = await this.#call("heads", [bytesOfId(space)]);
    return rows.map(headOf);
  }

  async append(space: SpaceTag, runs: readonly VerifiedRun[]): Promise<readonly Appended[]> {
    const rows = runs.map(packRun);
    let bytes = 0;
    for (const row of rows) bytes += row.items.length + row.hashes.length;
    const outcomes = await this.#call("append", [bytesOfId(space), rows], bytes);
    if (outcomes === overQuota) throw new QuotaExceeded();
    return outcomes.map(appendedOf);
  }

  async begin(space: SpaceTag, bases: readonly LogBase[]): Promise<readonly Begun[]> {
    const outcomes = await this.#call("begin", [bytesOfId(space), bases.map(baseRowOf)]);
    return outcomes.map((row) => ({ ...row, head: headOf(row.head) }));
  }

  async split(space: SpaceTag, { replica, branch, into, proof }: Split): Promise<SplitOff> {
    const row = {
      replica: bytesOfId(replica),
      branch: branchRowOf(branch),
      into: bytesOfId(into),
      proof: proof && packRun(proof),
    };
    const bytes = row.proof === undefined ? 0 : row.proof.items.length + row.proof.hashes.length;
    const outcome = await this.#call("split", [bytesOfId(space), row], bytes);
    if (outcome.kind === "moved") return outcome;
    const { rest, proven } = outcome;
    const off = {
      kind: "split",
      rest: rest && headOf(rest),
      branch: headOf(outcome.branch),
    } as const;
    return proven === undefined ? off : { ...off, proven: headOf(proven) };
  }

  async read(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    bytesMax: number,
  ): Promise<Run | undefined> {
    const found = await this.#call("read", [bytesOfId(space), bytesOfId(replica), first, bytesMax]);
    if (found === undefined) return undefined;
    const entries: Entry[] = [];
    for (const piece of found.pieces) {
      for (const entry of unpackEntries(piece.first, piece.items)) entries.push(entry);
    }
    const { signature, branch } = found;
    return { replica, first, entries, signature, ...ifBranch(branch && branchOf(branch)) };
  }

  async hashes(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    last: number,
  ): Promise<readonly Uint8Array[]> {
    const args = [bytesOfId(space), bytesOfId(replica), first, last] as const;
    return unpackHashes(await this.#call("hashes", [...args]));
  }

  async registers(space: SpaceTag): Promise<readonly StoredRegister[]> {
    const rows = await this.#call("registers", [bytesOfId(space)]);
    return rows.map((row) => ({
      ...row,
      replica: replicaId(row.replica),
      name: registerName(row.name),
    }));
  }

  async putRegisters(
    space: SpaceTag,
    registers: readonly StoredRegister[],
  ): Promise<readonly boolean[]> {
    const rows = registers.map(registerRowOf);
    let bytes = 0;
    for (const row of rows) bytes += row.bytes.length;
    const outcomes = await this.#call("putRegisters", [bytesOfId(space), rows], bytes);
    if (outcomes === overQuota) throw new QuotaExceeded();
    return outcomes;
  }

  async certificate(space: SpaceTag): Promise<StoredCertificate | undefined> {
    return this.#call("certificate", [bytesOfId(space)]);
  }

  async putCertificate(
    space: SpaceTag,
    { n, bytes, hash }: StoredCertificate,
  ): Promise<StoredCertificate> {
    const own = { n, bytes: bytes.slice(), hash: hash.slice() };
    return this.#call("putCertificate", [bytesOfId(space), own], bytes.length);
  }

  async usage(space: SpaceTag): Promise<Usage> {
    return this.#call("usage", [bytesOfId(space)]);
  }

  async keepBlobs(
    space: SpaceTag,
    ids: readonly BlobId[],
    untilMs: number,
  ): Promise<readonly BlobId[]> {
    const args = [bytesOfId(space), ids.map(bytesOfId), untilMs] as const;
    return (await this.#call("keepBlobs", [...args])).map(blobId);
  }

  async putBlob(space: SpaceTag, id: BlobId, bytes: Uint8Array, untilMs: number): Promise<void> {
    const args = [bytesOfId(space), bytesOfId(id), bytes.slice(), untilMs] as const;
    const outcome = await this.#call("putBlob", [...args], bytes.length);
    if (outcome === overQuota) throw new QuotaExceeded();
  }

  async blob(space: SpaceTag, id: BlobId): Promise<Uint8Array | undefined> {
    return this.#call("blob", [bytesOfId(space), bytesOfId(id)]);
  }

  async sweepBlobs(nowMs: number, countMax: number): Promise<number> {
    return this.#call("sweepBlobs", [nowMs, countMax]);
  }

  async putOrder(space: SpaceTag, { number, bytes, dueMs }: StoredOrder): Promise<StoredOrder> {
    const own = { number, bytes: bytes.slice(), dueMs };
    return this.#call("putOrder", [bytesOfId(space), own], bytes.length);
  }

  async order(space: SpaceTag): Promise<StoredOrder | undefined> {
    return this.#call("order", [bytesOfId(space)]);
  }

  async dueOrders(
    nowMs: number,
    countMax: number,
    after?: OrderPlace,
  ): Promise<readonly DueOrder[]> {
    const place = after && { ...after, space: bytesOfId(after.space) };
    const rows = await this.#call("dueOrders", [nowMs, countMax, place]);
    return rows.map(({ space, order }) => ({ space: spaceTag(space), order }));
  }

  async orderDone(space: SpaceTag, number: number): Promise<void> {
    return this.#call("orderDone", [bytesOfId(space), number]);
  }

  async putInvite(space: SpaceTag, invite: Invite, nowMs: number): Promise<PutInvite> {
    const { codeHash, expiresMs, uses, preview, keys } = invite;
    const own = {
      codeHash: codeHash.slice(),
      expiresMs,
      uses,
      preview: preview.slice(),
      keys: keys.slice(),
    };
    return this.#call("putInvite", [bytesOfId(space), own, nowMs], preview.length + keys.length);
  }

  async revokeInvite(space: SpaceTag, codeHash: Uint8Array): Promise<boolean> {
    return this.#call("revokeInvite", [bytesOfId(space), codeHash.slice()]);
  }

  async peekInvite(codeHash: Uint8Array, nowMs: number): Promise<FoundInvite> {
    return this.#call("peekInvite", [codeHash.slice(), nowMs]);
  }

  async useInvite(codeHash: Uint8Array, nowMs: number): Promise<FoundInvite> {
    return this.#call("useInvite", [codeHash.slice(), nowMs]);
  }

  async ping(): Promise<void> {
    await this.#send("ping", 0, (id) => ({ id, verb: "ping", args: [] }));
  }

  /** Waits for what was asked before, writes the log back into the file and lets go of the lock. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#died !== undefined) return;
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    await this.#send("close", 0, (id) => ({ id, verb: "close", args: [] }));
    await exited;
  }

  #call<V extends Verb>(
    verb: V,
    args: Parameters<Tables[V]>,
    bytes = 0,
  ): Promise<ReturnType<Tables[V]>> {
    // The worker runs exactly this verb with exactly these arguments.
    return this.#send(verb, bytes, (id) => ({ id, verb, args }) as Call) as Promise<
      ReturnType<Tables[V]>
    >;
  }

  #send(verb: Call["verb"], bytes: number, call: (id: number) => Call): Promise<unknown> {
    if (this.#died !== undefined) {
      const message = `the store is gone: ${this.#died.message}`;
      return Promise.reject(new StoreUnavailable("failed", message, { cause: this.#died }));
    }
    if (this.#closed !== undefined && verb !== "close") {
      return Promise.reject(new StoreUnavailable("closed", "the store is closed"));
    }
    const full =
      this.#waiting.size >= this.#callsMax || this.#waitingBytes + bytes > this.#bytesMax;
    if (full && verb !== "close") {
      return Promise.reject(
        new StoreUnavailable("busy", `${this.#waiting.size} calls wait for the store`),
      );
    }
    const id = this.#nextId++;
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { bytes, resolve, reject });
      this.#worker.postMessage(call(id));
    });
  }

  #answer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) throw new Error(`the store answered call ${answer.id} twice`);
    this.#waiting.delete(answer.id);
    this.#waitingBytes -= waiting.bytes;
    if ("error" in answer) waiting.reject(new StoreUnavailable("failed", answer.error));
    else waiting.resolve(answer.value);
  }

  #die(error: Error): void {
    this.#died = error;
    for (const { reject } of this.#waiting.values()) {
      reject(new StoreUnavailable("failed", `the store is gone: ${error.message}`));
    }
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }
}

/** Cut out of the frame it came in, as in `packRun`. */
const registerRowOf = (register: StoredRegister): RegisterRow => ({
  replica: bytesOfId(register.replica),
  publicKey: register.publicKey.slice(),
  name: bytesOfId(register.name),
  number: register.number,
  bodyHash: register.bodyHash.slice(),
  bytes: register.bytes.slice(),
});

const baseRowOf = ({ replica, publicKey, seq, hash, branch }: LogBase): BaseRow => ({
  replica: bytesOfId(replica),
  publicKey: publicKey.slice(),
  seq,
  hash: hash.slice(),
  branch: branch && branchRowOf(branch),
});

const headOf = ({ branch, base, ...row }: HeadRow): LogHead => ({
  ...row,
  replica: replicaId(row.replica),
  ...ifHeldBranch(branch && branchOf(branch), base),
});

const branchOf = ({ signer, seq, hash }: BranchRow): Branch => ({
  signer: replicaId(signer),
  seq,
  hash,
});

const appendedOf = (row: AppendedRow): Appended =>
  row.kind === "gap" ? row : { ...row, head: headOf(row.head) };

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error));
