/**
 * A party that speaks the protocol by hand, frame by frame, over a real WebSocket: for tests of what
 * a relay does with those who do it rightly, wrongly or with intent. It keeps nothing and answers
 * nothing by itself.
 */
import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { WebSocket } from "ws";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import { nobleSuite } from "@skein/shared/crypto/noble-suite.ts";
import type { EntrySealer } from "@skein/shared/crypto/seal.ts";
import { sealRegister } from "@skein/shared/crypto/sealed-register.ts";
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import type { Random } from "@skein/shared/env.ts";
import { registerName, type ReplicaId } from "@skein/shared/id/id.ts";
import { chainHashes, labels, zeroHash } from "@skein/shared/log/chain.ts";
import { type Entry, headMessage, type Run } from "@skein/shared/log/entry.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { StoredRegister } from "@skein/shared/log/store.ts";
import {
  accessLabels,
  accessProofMessage,
  replicaProofMessage,
} from "@skein/shared/protocol/access.ts";
import { decodeFrame, encodeFrame, frameOfRun } from "@skein/shared/protocol/codec.ts";
import type { Frame, HeadRow, Hello, Mode } from "@skein/shared/protocol/messages.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import { sealWhisper } from "@skein/shared/sync/sealed-whisper.ts";

export const testRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  fraction: () => Math.random(),
};
const testSuite = nobleSuite(testRandom);

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** A space with all its keys, and replicas that write in it. */
export class TestSpace {
  readonly founded: NewSpace;
  readonly read: SigningPair;
  readonly write: SigningPair;

  static async found(): Promise<TestSpace> {
    const founded = await newSpace(testSuite, testRandom);
    const read = await testSuite.signingPairFromSeed(founded.seeds.read);
    const write = await testSuite.signingPairFromSeed(founded.seeds.write);
    return new TestSpace(founded, read, write);
  }

  private constructor(founded: NewSpace, read: SigningPair, write: SigningPair) {
    this.founded = founded;
    this.read = read;
    this.write = write;
  }

  get tag() {
    return this.founded.tag;
  }

  async newReplica(): Promise<TestReplica> {
    return new TestReplica(this, await testSuite.newSigningPair());
  }
}

/** A writer of one log. What it writes is sealed by nobody: a relay cannot know. */
export class TestReplica {
  readonly id: ReplicaId;
  readonly pair: SigningPair;
  readonly #space: TestSpace;
  readonly #keyring: Keyring;
  readonly #entries: Entry[] = [];
  readonly #hashes: Uint8Array[] = [];
  readonly #nonce = testRandom.bytes(16);
  #whispers = 0;

  constructor(space: TestSpace, pair: SigningPair) {
    this.#space = space;
    this.pair = pair;
    this.id = replicaIdOf(testSuite, pair.publicKey);
    this.#keyring = new Keyring(testSuite, space.tag, space.founded.contentKey);
  }

  get epoch() {
    return this.#keyring.current;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** As a row of `heads`. */
  get head(): HeadRow {
    return { replica: this.id, from: 1, to: this.length, hash: this.hashAt(this.length) };
  }

  hashAt(seq: number): Uint8Array {
    return this.#hashes[seq - 1] ?? zeroHash;
  }

  /** Writes `count` entries and gives them as a run. */
  async write(count: number, { bodyBytes = 80 } = {}): Promise<Run> {
    const first = this.length + 1;
    const entries = Array.from({ length: count }, (_, index): Entry => {
      const seq = first + index;
      return {
        epoch: this.epoch,
        writer:
          seq === 1
            ? { kind: "opens", nonce: this.#nonce }
            : { kind: "continues", distance: seq - 1 },
        body: { kind: "sealed", sealed: testRandom.bytes(bodyBytes) },
      };
    });
    const run = { replica: this.id, first, entries, signature: zeroHash };
    this.#hashes.push(...chainHashes(testSuite, this.#space.tag, run, this.hashAt(first - 1)));
    this.#entries.push(...entries);
    return this.run(first, this.length);
  }

  /** Entries `first`..`last`, signed at their end. */
  async run(first: number, last: number): Promise<Run> {
    const message = headMessage(this.#space.tag, this.id, last, this.hashAt(last));
    return {
      replica: this.id,
      first,
      entries: this.#entries.slice(first - 1, last),
      signature: await testSuite.sign(this.pair.secret, labels.head, message),
    };
  }

  register(number: number, bytes = 40, name = 1): Promise<StoredRegister> {
    return sealRegister(this.#sealer, {
      name: registerName(new Uint8Array(16).fill(name)),
      number,
      nonce: testRandom.bytes(12),
      plain: testRandom.bytes(bytes),
    });
  }

  whisper(to: ReplicaId | undefined, bytes = 40): Promise<Uint8Array> {
    const counter = ++this.#whispers;
    const plain = testRandom.bytes(bytes);
    return sealWhisper(this.#sealer, { to, nonce: this.#nonce, counter, plain });
  }

  get #sealer(): EntrySealer {
    const { publicKey, secret } = this.pair;
    const space = this.#space.tag;
    return { keyring: this.#keyring, space, replica: this.id, publicKey, secret };
  }
}

/** The relay's answer to an upgrade that it refused. */
export class UpgradeRefused extends Error {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;

  constructor(response: IncomingMessage, body: string) {
    super(`${response.statusCode}: ${body}`);
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
  }
}

export interface ConnectOptions {
  readonly path?: string;
  /** As a page would send it. */
  readonly origin?: string;
  readonly headers?: Record<string, string>;
}

export class RelayClient {
  readonly socket: WebSocket;
  /** The code of the WebSocket's close frame. */
  readonly closed: Promise<number>;
  /** What the relay said before it closed, if it did. */
  bye: FrameOf<"bye"> | undefined;
  greeted: FrameOf<"greet"> | undefined;
  readonly nonce = testRandom.bytes(16);
  readonly #origin: string;
  #received: Frame[] = [];
  #wake: () => void = () => {};
  #over = false;
  readonly #logs = new Map<ReplicaId, number>();
  readonly #spaces = new Map<TestSpace, number>();

  /** Resolves when the WebSocket is open; rejects with `UpgradeRefused`. */
  static async connect(port: number, options: ConnectOptions = {}): Promise<RelayClient> {
    const { path = "/sync", origin, headers } = options;
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
      perMessageDeflate: false,
      ...(origin !== undefined && { origin }),
      ...(headers !== undefined && { headers }),
    });
    const client = new RelayClient(socket, `http://127.0.0.1:${port}`);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", () => resolve());
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        text(response).then((body) => reject(new UpgradeRefused(response, body)), reject);
      });
    });
    return client;
  }

  private constructor(socket: WebSocket, origin: string) {
    this.socket = socket;
    this.#origin = origin;
    socket.on("message", (data: Buffer) => this.#onMessage(data));
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.once("close", (code) => {
        this.#over = true;
        this.#wake();
        resolve(code);
      });
    });
  }

  send(...frames: readonly Frame[]): void {
    for (const frame of frames) this.sendBytes(encodeFrame(frame));
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }

  /** The next frame of the type; those before it are passed over. Undefined if it closes first. */
  async next<Type extends Frame["type"]>(type: Type): Promise<FrameOf<Type> | undefined> {
    for (;;) {
      const at = this.#received.findIndex((frame) => frame.type === type);
      const found = this.#received[at];
      if (found !== undefined) {
        this.#received = this.#received.slice(at + 1);
        return found as FrameOf<Type>;
      }
      if (this.#over) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The next frame of any of the types. */
  async nextOf<Type extends Frame["type"]>(...types: Type[]): Promise<FrameOf<Type> | undefined> {
    for (;;) {
      const at = this.#received.findIndex((frame) => types.some((type) => frame.type === type));
      const found = this.#received[at];
      if (found !== undefined) {
        this.#received = this.#received.slice(at + 1);
        return found as FrameOf<Type>;
      }
      if (this.#over) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async greet(changes: Partial<FrameOf<"greet">> = {}): Promise<void> {
    this.send({
      type: "greet",
      versionMin: 1,
      versionMax: 1,
      party: "device",
      durable: true,
      nonce: this.nonce,
      capabilities: 0,
      ...changes,
    });
    this.greeted = await this.next("greet");
  }

  /** A hello that proves everything it should. */
  async hello(
    space: TestSpace,
    replicas: readonly TestReplica[] = [],
    { mode = "write" as Mode, number = this.#spaces.size } = {},
  ): Promise<Hello> {
    const responderNonce = this.greeted?.nonce;
    if (responderNonce === undefined) throw new Error("greet first");
    const transcript = {
      origin: this.#origin,
      responderNonce,
      initiatorNonce: this.nonce,
      space: space.tag,
    };
    const key = mode === "write" ? space.write : space.read;
    const proofs = replicas.map(async ({ pair }) => ({
      publicKey: pair.publicKey,
      proof: await testSuite.sign(
        pair.secret,
        accessLabels.replica,
        replicaProofMessage(transcript),
      ),
    }));
    return {
      type: "hello",
      space: number,
      tag: space.tag,
      mode,
      certificates: [space.founded.certificate],
      proof: await testSuite.sign(
        key.secret,
        accessLabels.access,
        accessProofMessage(transcript, mode),
      ),
      replicas: await Promise.all(proofs),
    };
  }

  /** Enters a space and says what is held of it: nothing, unless told otherwise. */
  async enter(
    space: TestSpace,
    replicas: readonly TestReplica[] = [],
    { mode = "write", heads = [] }: { mode?: Mode; heads?: readonly HeadRow[] } = {},
  ): Promise<FrameOf<"welcome"> | FrameOf<"leave"> | undefined> {
    const hello = await this.hello(space, replicas, { mode });
    this.#spaces.set(space, hello.space);
    this.send(hello);
    const answer = await this.nextOf("welcome", "leave");
    if (answer?.type === "welcome") this.compare(space, heads);
    return answer;
  }

  /** With a digest that equals none, so that the relay answers with all it holds. */
  compare(space: TestSpace, heads: readonly HeadRow[]): void {
    const unequal = testRandom.bytes(16);
    const number = this.numberOf(space);
    this.send(
      { type: "digest", space: number, logs: unequal, registers: new Uint8Array(16) },
      { type: "heads", space: number, since: new Uint8Array(16), heads },
    );
  }

  numberOf(space: TestSpace): number {
    const number = this.#spaces.get(space);
    if (number === undefined) throw new Error("enter first");
    return number;
  }

  /** Sends a run, announcing its log before the first. */
  push(space: TestSpace, replica: TestReplica, run: Run): void {
    let log = this.#logs.get(run.replica);
    if (log === undefined) {
      log = this.#logs.size;
      this.#logs.set(run.replica, log);
      this.send({
        type: "alias",
        log,
        space: this.numberOf(space),
        replica: run.replica,
        epoch: replica.epoch,
        publicKey: replica.pair.publicKey,
      });
    }
    this.sendBytes(frameOfRun(log, replica.epoch, run));
  }

  /** Pushes a run and waits until the relay says that it is stored; undefined if it never does. */
  async store(space: TestSpace, replica: TestReplica, run: Run): Promise<number | undefined> {
    this.push(space, replica, run);
    const last = run.first + run.entries.length - 1;
    for (;;) {
      const stored = await this.nextOf("stored", "leave");
      if (stored === undefined || stored.type === "leave") return undefined;
      const seq = Math.max(...stored.logs.map((each) => each.seq));
      if (seq >= last) return seq;
    }
  }

  async close(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }

  #onMessage(data: Buffer): void {
    const frame = decodeFrame(new Uint8Array(data));
    if (isMalformed(frame)) throw new Error(`the relay sent what is no frame: ${frame.message}`);
    if (frame.type === "bye") this.bye = frame;
    this.#received.push(frame);
    this.#wake();
  }
}
