/**
 * How one tab appends to its device's log. Operations are queued in the order they were made and
 * become entries one by one: under the log's lock read what to build on, seal, commit strictly.
 * What was not committed stays queued, so nothing overtakes it.
 *
 * Unlike the rest of the core this is written with `await`: the lock makes it one step, and the
 * commit checks what it was built on, so a stolen lock costs a second try and nothing else.
 *
 * Invariants:
 *  1. An entry leaves `append` only after its strict commit.
 *  2. Operations are committed in the order of `append`, each exactly once.
 *  3. A key and nonce never meet two plains: what was sealed for a seq is committed as it is, or
 *     never, unless the log has moved on and the seq with it.
 *  4. Dependencies name what this device had applied and its log does not imply yet.
 *  5. Lamport time grows along the log, also where its newest entries came back from others, if they
 *     can be read.
 */
import { Writer as ByteWriter } from "../bytes/writer.ts";
import type { RawOperation } from "../crdt/crdt.ts";
import { type EntrySealer, sealEntry } from "../crypto/seal.ts";
import type { Env } from "../env.ts";
import { type DocumentId, prefixOf, type ReplicaId } from "../id/id.ts";
import { ifBranch } from "../log/branch.ts";
import { zeroHash } from "../log/chain.ts";
import { DamagedEntries } from "../log/damage.ts";
import type { WriterSession } from "../log/entry.ts";
import { dependenciesMax, lamportMax } from "../log/plain.ts";
import { isSameHead, type LogHead, type VerifiedRun } from "../log/store.ts";
import { type Opening, openEntries } from "./opening.ts";
import type { Dependency, DeviceStore, WriterBase } from "./store.ts";

/** Operation `clock` (docs/protocol.md section 4.2). */
const clockKind = 0x02;
const clockEveryMs = 30_000;

/** Where an operation will stand: what peer references count from. */
export interface WriterPosition {
  readonly seq: number;
  /** Seq of the entry that opened this tab's writer session; equal to `seq` if this one does. */
  readonly openedAt: number;
}

export interface WrittenEntry {
  readonly head: LogHead;
  readonly lamport: number;
  /** Index of the first of the caller's operations within the entry. */
  readonly index: number;
}

/** Runs `body` while no other tab appends to the log. */
export type Lock = <T>(body: () => Promise<T>) => Promise<T>;

export interface WriterOptions {
  readonly env: Env;
  readonly sealer: EntrySealer;
  readonly store: DeviceStore;
  readonly lock: Lock;
  /** An entry of ours is committed: the leader may send it. */
  readonly onAppended: (written: WrittenEntry) => void;
  /** A commit failed; the queue waits for `retry`. Undefined when the next one succeeded. */
  readonly onTrouble: (error: unknown) => void;
}

interface Queued {
  readonly document: DocumentId;
  readonly build: (position: WriterPosition) => readonly RawOperation[];
  readonly done: (written: WrittenEntry) => void;
  readonly failed: (error: unknown) => void;
}

/** Operations could not be made: their caller's mistake, in nobody else's way. */
class NotBuilt extends Error {
  override readonly name = "NotBuilt";
}

interface Sealed {
  readonly base: LogHead | undefined;
  readonly run: Omit<VerifiedRun, "replica" | "branch">;
  readonly lamport: number;
  readonly deps: readonly Dependency[];
  readonly openedAt: number;
  /** The time that it says, if it says one. */
  readonly clockAtMs: number | undefined;
  readonly index: number;
  /** False for an entry that only merges dependencies. */
  readonly carries: boolean;
}

export class Writer {
  /** This tab's session nonce: what its peer ids derive from. */
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly #options: WriterOptions;
  readonly #queue: Queued[] = [];
  #openedAt: number | undefined;
  #clockAtMs = Number.NEGATIVE_INFINITY;
  /** Sealed for the next seq, and not known to be committed (invariant 3). */
  #sealed: Sealed | undefined;
  #running = false;
  #troubled = false;
  /** Where own entries go: the replica's log, or a branch of it that this device wrote. */
  #log: ReplicaId;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.nonce = options.env.random.bytes(16);
    this.#log = options.sealer.replica;
  }

  /** Operations that are not committed yet. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Undefined until this tab's first entry is committed. */
  get openedAt(): number | undefined {
    return this.#openedAt;
  }

  /**
   * Resolves once the operations are committed, however long that takes. Rejects only with what
   * `build` threw, or with a `RangeError` if its operations fit no entry: none, too many, too large.
   * Then nothing of it is in the log, and what was appended later goes on.
   */
  append(
    document: DocumentId,
    build: (position: WriterPosition) => readonly RawOperation[],
  ): Promise<WrittenEntry> {
    return new Promise((done, failed) => {
      this.#queue.push({ document, build, done, failed });
      if (!this.#troubled) this.#run();
    });
  }

  /** Something may have changed since the last failure: try again. */
  retry(): void {
    this.#run();
  }

  #run(): void {
    if (this.#running || this.#queue.length === 0) return;
    this.#running = true;
    this.#drain().then(
      () => {
        this.#running = false;
        if (this.#troubled) this.#options.onTrouble(undefined);
        this.#troubled = false;
        this.#run();
      },
      (error: unknown) => {
        this.#running = false;
        this.#troubled = true;
        this.#options.onTrouble(error);
      },
    );
  }

  async #drain(): Promise<void> {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const current = next;
      let written: WrittenEntry | undefined;
      try {
        written = await this.#options.lock(() => this.#write(current));
      } catch (error) {
        if (!(error instanceof NotBuilt)) throw error;
        this.#queue.shift();
        current.failed(error.cause);
        continue;
      }
      if (written === undefined) continue;
      this.#queue.shift();
      this.#options.onAppended(written);
      current.done(written);
    }
  }

  /** One entry; undefined when it was one that only merges dependencies, or another tab was first. */
  async #write(queued: Queued): Promise<WrittenEntry | undefined> {
    const { store, sealer } = this.#options;
    const base = await store.writerBase(sealer.space, this.#log);
    if (base.next !== undefined) {
      this.#log = base.next;
      return undefined;
    }
    if (this.#sealed === undefined || !isSameHead(this.#sealed.base, base.head)) {
      this.#sealed = await this.#seal(base, queued);
    }
    const sealed = this.#sealed;
    const { deps, lamport } = sealed;
    const run = { ...sealed.run, replica: this.#log, ...ifBranch(base.head?.branch) };
    const named = namedAfter(base.named, [...deps, { replica: this.#log, seq: run.first }]);
    const outcome = await store.appendOwn(sealer.space, base, run, lamport, named);
    if (outcome.kind === "branched") {
      // Taken apart since the base was read. What was sealed stands: headers name the signer of both.
      this.#log = outcome.into;
      return undefined;
    }
    this.#sealed = undefined;
    if (outcome.kind === "moved") return undefined;
    this.#openedAt ??= sealed.openedAt;
    this.#clockAtMs = sealed.clockAtMs ?? this.#clockAtMs;
    return sealed.carries
      ? { head: outcome.head, lamport: sealed.lamport, index: sealed.index }
      : undefined;
  }

  async #seal(base: WriterBase, queued: Queued): Promise<Sealed> {
    const { env, sealer } = this.#options;
    const seq = (base.head?.to ?? 0) + 1;
    const openedAt = this.#openedAt ?? seq;
    const writer: WriterSession =
      openedAt === seq
        ? { kind: "opens", nonce: this.nonce }
        : { kind: "continues", distance: seq - openedAt };

    const news = base.applied.frontier.filter(
      ({ replica, seq: to }) => replica !== this.#log && to > (base.named.get(replica) ?? 0),
    );
    const deps = news.slice(0, dependenciesMax);
    // More heads than one entry may name are merged by entries that do nothing else.
    const carries = deps.length === news.length;

    const operations: RawOperation[] = [];
    const now = env.clock.now();
    const saysTime = !carries || openedAt === seq || now - this.#clockAtMs >= clockEveryMs;
    if (saysTime) {
      operations.push({ kind: clockKind, payload: new ByteWriter(8).varint(now).finish() });
    }
    const index = operations.length;
    if (carries) {
      try {
        operations.push(...queued.build({ seq, openedAt }));
      } catch (cause) {
        throw new NotBuilt("operations could not be made", { cause });
      }
    }

    const before = await this.#lamportBefore(base);
    const counted = Math.max(before, base.applied.lamport, seq - 1) + 1;
    const lamport = Math.min(lamportMax, counted);
    const previous = base.head?.hash ?? zeroHash;
    const sealing = sealEntry(sealer, {
      seq,
      previous,
      writer,
      nonce: this.nonce,
      plain: {
        deps: deps.map((each) => ({ replica: prefixOf(each.replica), seq: each.seq })),
        lamport,
        document: queued.document,
        operations,
      },
    });
    const { entry, hash, signature } = await sealing.catch((cause: unknown) => {
      if (!(cause instanceof RangeError)) throw cause;
      throw new NotBuilt("operations fit no entry", { cause });
    });
    const run = {
      publicKey: sealer.publicKey,
      first: seq,
      entries: [entry],
      signature,
      previous,
      hashes: [hash],
    };
    const clockAtMs = saysTime ? now : undefined;
    return { base: base.head, run, lamport, deps, openedAt, clockAtMs, index, carries };
  }

  /**
   * At least the Lamport time of the log's newest entry. A device whose profile was put back takes its
   * newest entries from others: until they are applied, only they themselves say theirs.
   */
  async #lamportBefore({ head, lamport, named, applied }: WriterBase): Promise<number> {
    const replica = this.#log;
    const isKnown = (vector: ReadonlyMap<ReplicaId, number>): boolean =>
      (vector.get(replica) ?? 0) >= (head?.to ?? 0);
    if (head === undefined || isKnown(named) || isKnown(applied.vector)) return lamport;
    try {
      return Math.max(lamport, await this.#lamportOf(head));
    } catch (error) {
      // Nobody can say until it is mended, for which a relay is needed; people write all the same.
      if (error instanceof DamagedEntries) return lamport;
      throw error;
    }
  }

  /** 0 where the newest entry cannot be opened. */
  async #lamportOf({ to: first, hash, branch }: LogHead): Promise<number> {
    const { store, sealer } = this.#options;
    const { space, keyring } = sealer;
    const replica = this.#log;
    const run = await store.read(space, replica, first, 1);
    const hashes =
      first === 1 ? [zeroHash] : await store.hashes(space, replica, first - 1, first - 1);
    const [entry] = run?.entries ?? [];
    const [previous] = hashes;
    if (entry === undefined || previous === undefined) return 0;
    const place = { replica, first, ...ifBranch(branch) };
    const newest = { ...place, entries: [entry], previous, hashes: [hash] };
    const opening: Opening = {
      keyring,
      sessionNonce: (of, seq) => store.sessionNonce(space, of, seq),
    };
    const { opened } = await openEntries(opening, newest, new Map());
    return opened[0]?.plain?.lamport ?? 0;
  }
}

function namedAfter(
  before: ReadonlyMap<ReplicaId, number>,
  deps: readonly Dependency[],
): ReadonlyMap<ReplicaId, number> {
  const named = new Map(before);
  for (const { replica, seq } of deps) named.set(replica, seq);
  return named;
}
