/**
 * Relays and devices with nothing around them but a store each, joined by wires in memory: what the
 * tests of sessions are played with. Time is told by hand, `settle` lets everything else happen.
 */
import type { Env } from "../env.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { SigningPair } from "../crypto/suite.ts";
import {
  type BlobId,
  epochId,
  registerName,
  type ReplicaId,
  type SpaceTag,
  spaceTag,
} from "../id/id.ts";
import { blobIdOf } from "../log/blob.ts";
import { chainHashes, labels, zeroHash } from "../log/chain.ts";
import { type Entry, headMessage, type Run } from "../log/entry.ts";
import { MemoryLogStore } from "../log/memory-store.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import type { RepairableStore } from "../log/damage.ts";
import {
  encodeRegister,
  registerBodyHash,
  registerHeader,
  registerLabels,
} from "../log/register.ts";
import type { LogStore, StoredRegister, VerifiedRun } from "../log/store.ts";
import { type Code } from "../protocol/codes.ts";
import type { Hello, Party } from "../protocol/messages.ts";
import {
  Connection,
  type ConnectionHost,
  type Ending,
  newCounter,
  newLogNumbers,
} from "./connection.ts";
import type { BlobShelf } from "./blob-line.ts";
import { Effects } from "./effects.ts";
import { Exchange, type ExchangeHost, type LogsSplit } from "./exchange.ts";
import type { Listed } from "./comparison.ts";
import { Session } from "./session.ts";

export const tag: SpaceTag = spaceTag(new Uint8Array(16).fill(7));
const epoch = epochId(new Uint8Array(8).fill(9));
export const random = {
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  fraction: () => Math.random(),
};
export const suite = nobleSuite(random);

/** A party with a store: a relay, or a device that pushes the given logs. */
export class TestParty implements ConnectionHost, ExchangeHost {
  readonly store: LogStore & Partial<RepairableStore>;
  readonly effects = new Effects((error) => {
    throw error;
  });
  readonly env: Env;
  readonly exchange: Exchange;
  readonly endings: Ending[] = [];
  readonly stored: [ReplicaId, number][] = [];
  readonly forks: ReplicaId[] = [];
  /** Logs that were taken apart, with the ids of their branches. */
  readonly splits: [ReplicaId, ReplicaId][] = [];
  readonly failures: unknown[] = [];
  /** Sees every frame that this party sends; what it answers false to is held back. */
  tap: (frame: Uint8Array) => boolean = () => true;
  readonly #party: Party;
  readonly #own: Set<ReplicaId>;
  readonly #numbers = newLogNumbers(newCounter());
  session: Session | undefined;
  /** Blobs by id, as if durable. */
  readonly blobs = new Map<BlobId, Uint8Array>();
  /** What others have listed of theirs. */
  readonly listed: Listed[] = [];
  readonly shelf: BlobShelf = {
    keep: (ids) => Promise.resolve(ids.filter((id) => !this.blobs.has(id))),
    get: (id) => Promise.resolve(this.blobs.get(id)),
    put: (bytes) => {
      this.blobs.set(blobIdOf(suite, bytes), bytes);
      return Promise.resolve(0);
    },
  };

  constructor(
    party: Party,
    env: Env,
    own: ReplicaId[] = [],
    store: LogStore & Partial<RepairableStore> = new MemoryLogStore(),
    { heals = true }: { readonly heals?: boolean } = {},
  ) {
    this.store = store;
    this.env = env;
    this.#party = party;
    this.#own = new Set(own);
    this.exchange = new Exchange({
      env,
      suite,
      tag,
      heads: [],
      registers: [],
      effects: this.effects,
      host: this,
      forwards: party === "relay" ? "verified" : "held",
      shelf: this.shelf,
      store: {
        append: (runs) => this.store.append(tag, runs),
        read: (replica, first, bytesMax) => this.store.read(tag, replica, first, bytesMax),
        hashes: (replica, first, last) => this.store.hashes(tag, replica, first, last),
        putRegisters: (registers) => this.store.putRegisters(tag, registers),
        ...(heals && {
          split: (split) => this.store.split(tag, split),
          heads: () => this.store.heads(tag),
        }),
        repair: async (run) => (await this.store.repair?.(tag, run)) ?? "unfit",
      },
    });
    for (const replica of own) this.exchange.ownLogs.add(replica);
  }

  /** @param lag turns of the event loop that a frame is under way. */
  connect(other: TestParty, lag = 0): { ours: Connection; theirs: Connection; cut: () => void } {
    const toOther: Uint8Array[] = [];
    const toUs: Uint8Array[] = [];
    let open = true;
    const ends: { ours?: Connection; theirs?: Connection } = {};
    const drain = (queue: Uint8Array[], end: "ours" | "theirs"): void => {
      const deliver = async (): Promise<void> => {
        await Promise.resolve();
        for (let turn = 0; turn < lag; turn++) await new Promise((done) => setImmediate(done));
        const frame = queue.shift();
        if (frame !== undefined && open) ends[end]?.receive(frame);
      };
      deliver().catch((error: unknown) => this.failures.push(error));
    };
    const wire = (queue: Uint8Array[], end: "ours" | "theirs") => ({
      send: (frame: Uint8Array) => {
        if (!(end === "theirs" ? this : other).tap(frame)) return;
        queue.push(frame);
        drain(queue, end);
      },
      close: (_code: Code) => {},
    });
    const ours = new Connection({
      env: this.env,
      wire: wire(toOther, "theirs"),
      host: this,
      party: this.#party,
      initiator: true,
      durable: true,
    });
    ends.ours = ours;
    const theirs = new Connection({
      env: other.env,
      wire: wire(toUs, "ours"),
      host: other,
      party: other.#party,
      initiator: false,
      durable: true,
    });
    ends.theirs = theirs;
    const cut = (): void => {
      open = false;
      ours.wireClosed(1006, "cut");
      theirs.wireClosed(1006, "cut");
    };
    return { ours, theirs, cut };
  }

  #session(connection: Connection, mode: "read" | "write"): Session {
    const session = new Session({
      connection,
      owner: this.exchange,
      tag,
      mySpace: 3,
      mode,
      proven: new Set(),
      pushes: this.#party === "relay" ? "all" : this.#own,
      mayAppend: mode === "write",
      logNumbers: this.#numbers,
    });
    this.exchange.join(session);
    this.session = session;
    return session;
  }

  onGreeted(connection: Connection): void {
    if (this.#party === "relay") return;
    connection.hello({
      type: "hello",
      space: 3,
      tag,
      mode: "write",
      certificates: [new Uint8Array(214)],
      proof: new Uint8Array(64),
      replicas: [],
    });
  }
  onHello(connection: Connection, hello: Hello): void {
    connection.accept(hello, this.#session(connection, hello.mode), 0, []);
  }
  onWelcome(connection: Connection, _mySpace: number, welcome: { mySpace: number }): void {
    connection.open(this.#session(connection, "write"), welcome.mySpace);
  }
  onLeave(): void {}
  onDone(): void {}
  onEnded(_connection: Connection, end: Ending): void {
    this.endings.push(end);
  }
  onVerified(): void {}
  onHeld(): void {}
  onRegister(): void {}
  onWhisper(): void {}
  onStored(_session: Session, replica: ReplicaId, seq: number): void {
    this.stored.push([replica, seq]);
  }
  onCompared(): void {}
  onListed(_session: Session, listed: Listed): void {
    this.listed.push(listed);
  }
  onTruncate(): void {}
  onFork(_session: Session, replica: ReplicaId): void {
    this.forks.push(replica);
  }
  onFound(): void {}
  onSplit(replica: ReplicaId, { branch }: LogsSplit): void {
    this.splits.push([replica, branch.replica]);
  }
  onHole(): void {}
  onMended(): void {}
  onInvite(): void {}
  onSessionClosed(): void {}
  onStoreFailed(error: unknown): void {
    this.failures.push(error);
  }
  onIdle(): void {}
}

export class Author {
  seq = 0;
  hash: Uint8Array = zeroHash;
  readonly pair: SigningPair;
  readonly replica: ReplicaId;
  constructor(pair: SigningPair) {
    this.pair = pair;
    this.replica = replicaIdOf(suite, pair.publicKey);
  }
  static async make(): Promise<Author> {
    return new Author(await suite.newSigningPair());
  }
  async write(count: number, size = 40): Promise<VerifiedRun> {
    const first = this.seq + 1;
    const entries: Entry[] = Array.from({ length: count }, (_, index) => ({
      epoch,
      writer:
        first + index === 1
          ? ({ kind: "opens", nonce: random.bytes(16) } as const)
          : ({ kind: "continues", distance: first + index - 1 } as const),
      body: { kind: "sealed", sealed: random.bytes(size) } as const,
    }));
    const run: Run = { replica: this.replica, first, entries, signature: new Uint8Array(64) };
    const hashes = chainHashes(suite, tag, run, this.hash);
    const last = hashes[hashes.length - 1] ?? zeroHash;
    const signature = await suite.sign(
      this.pair.secret,
      labels.head,
      headMessage(tag, this.replica, first + count - 1, last),
    );
    const verified = {
      ...run,
      signature,
      publicKey: this.pair.publicKey,
      previous: this.hash,
      hashes,
    };
    this.seq += count;
    this.hash = last;
    return verified;
  }
}

export const newEnv = (): Env & { advance(ms: number): void } => {
  let now = 1_000_000;
  return { clock: { now: () => now }, random, advance: (ms) => (now += ms) };
};
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
};

export async function ownAppend(party: TestParty, run: VerifiedRun): Promise<void> {
  const [outcome] = await party.store.append(tag, [run]);
  if (outcome?.kind !== "held") throw new Error(`own append: ${outcome?.kind}`);
  party.exchange.ownHeld(outcome.head);
}

/** A register of `author`, signed and otherwise of no meaning. */
export async function register(
  author: Author,
  index: number,
  number: number,
  bodyBytes: number,
): Promise<StoredRegister> {
  const name = registerName(new Uint8Array(16).fill(index));
  const { replica, pair } = author;
  const nonce = random.bytes(12);
  const fields = { suite: suite.id, space: tag, replica, name, number, epoch, nonce };
  const body = random.bytes(bodyBytes);
  const bodyHash = registerBodyHash(suite, body);
  const header = registerHeader(fields, body.length, bodyHash);
  const signature = await suite.sign(pair.secret, registerLabels.signature, header);
  const bytes = encodeRegister({ ...fields, bodyHash, signature, body });
  return { replica, publicKey: pair.publicKey, name, number, bodyHash, bytes };
}
