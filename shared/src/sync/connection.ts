/**
 * One connection with another party: greeting, numbers of spaces and logs, liveness, and the way
 * of each frame to its session. Transports (WebSocket, data channel, tab channel) move the bytes
 * and know nothing else.
 *
 *   opened ──greet──▶ greeted ──bye / silence / malformed──▶ ended
 *
 * Invariants:
 *  1. Nothing but `greet` is handled before it; a second one is out of turn.
 *  2. A number is used only after it was announced; a frame that names an unknown one ends the
 *     connection, with one exception: a space that has just been left may still be spoken of.
 *  3. Before its first valid proof an initiator costs at most `unprovenBytesMax` bytes,
 *     `unprovenHellosMax` hellos and `proofDeadlineMs`.
 *  4. After `ended` nothing is sent and nothing handled; `end` is idempotent.
 */
import { equalBytes } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import type { Env } from "../env.ts";
import type { EpochId, ReplicaId } from "../id/id.ts";
import { decodeFrame, encodeFrame } from "../protocol/codec.ts";
import { type Code, codeOfFault, codes } from "../protocol/codes.ts";
import { limits } from "../protocol/limits.ts";
import {
  capabilities,
  type Frame,
  type Hello,
  type Party,
  protocolVersion,
} from "../protocol/messages.ts";
import type { Session } from "./session.ts";

/** The wire below: an ordered, reliable way to move frames. */
export interface Wire {
  send(frame: Uint8Array): void;
  /** Closes after what was sent; `code` is the WebSocket close code too. */
  close(code: Code): void;
}

export type Greet = Extract<Frame, { type: "greet" }>;

export interface ConnectionHost {
  /** The other side has greeted: spaces may be asked for. */
  onGreeted(connection: Connection): void;
  /** The other side asks for a space: answer with `accept` or `refuse`, now or later. */
  onHello(connection: Connection, hello: Hello): void;
  /** It let us into a space: make the session with `open`. */
  onWelcome(connection: Connection, mySpace: number, welcome: Welcome): void;
  /** It refused a space, or ended it. */
  onLeave(connection: Connection, mySpace: number, leave: Leave): void;
  onDone(connection: Connection, request: number, code: Code | 0, detail: string): void;
  /** Final. `theirs` when the other side said bye or the wire broke. */
  onEnded(connection: Connection, end: Ending): void;
}

export type Welcome = Extract<Frame, { type: "welcome" }>;
export type Leave = Extract<Frame, { type: "leave" }>;

export interface Ending {
  readonly by: "us" | "them" | "wire";
  readonly code: Code;
  /** 0 = by the code's own rule (codes.ts). */
  readonly retryAfterMs: number;
  readonly detail: string;
}

/** What this side calls a log, and the epoch that goes without saying under that number. */
export interface LogNumber {
  readonly log: number;
  readonly epoch: EpochId;
}

/** This side's numbers for the logs of one space. A relay shares them over all connections. */
export interface LogNumbers {
  /** Of the epoch if that has one; else one under which entries name their epoch. */
  numberOf(replica: ReplicaId, epoch: EpochId): LogNumber;
}

/**
 * Numbers of one log. An epoch is anything its author says: who invented one for every entry would
 * use up what each connection may announce, everybody else's too.
 */
const numbersPerLog = 4;

/** @param next the next number that no log on any of the same connections has. */
export function newLogNumbers(next: () => number): LogNumbers {
  const numbers = new Map<ReplicaId, LogNumber[]>();
  return {
    numberOf(replica, epoch) {
      const own = numbers.get(replica) ?? [];
      const known = own.find((each) => each.epoch === epoch);
      if (known !== undefined) return known;
      const last = own[numbersPerLog - 1];
      if (last !== undefined) return last;
      const fresh = { log: next(), epoch };
      numbers.set(replica, [...own, fresh]);
      return fresh;
    },
  };
}

/** 0, 1, 2, … */
export function newCounter(): () => number {
  let next = 0;
  return () => next++;
}

export interface ConnectionOptions {
  readonly env: Env;
  readonly wire: Wire;
  readonly host: ConnectionHost;
  readonly party: Party;
  readonly initiator: boolean;
  /** Whether what this side stores survives a restart: a private window's does not. */
  readonly durable: boolean;
}

/** What the other side calls a log. */
interface Alias {
  readonly session: Session;
  readonly replica: ReplicaId;
  readonly epoch: EpochId;
  readonly publicKey: Uint8Array;
}

type State =
  | { readonly kind: "opened" }
  | { readonly kind: "greeted"; readonly greet: Greet }
  | { readonly kind: "ended"; readonly end: Ending };

export class Connection {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly #options: ConnectionOptions;
  #state: State = { kind: "opened" };
  /** By the number the other side gave the space. */
  readonly #byTheirSpace = new Map<number, Session>();
  readonly #byMySpace = new Map<number, Session>();
  readonly #leftTheirSpaces = new Set<number>();
  readonly #aliases = new Map<number, Alias>();
  /** Logs announced for a space that has just been left: what follows for them is not heard. */
  readonly #unheardLogs = new Set<number>();
  readonly #announced = new Map<number, { session: Session; replica: ReplicaId }>();
  #proven = false;
  #unprovenBytes = 0;
  #hellos = 0;
  /** Hellos whose answer is being worked out: each may become a session. */
  #answering = 0;
  readonly #openedAtMs: number;
  #heardAtMs: number;
  #pingedAtMs: number | undefined;
  /** Token 0 asks only whether somebody is there. */
  #nextProbe = 1;
  readonly #probes = new Map<number, () => void>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.nonce = options.env.random.bytes(16);
    this.#openedAtMs = options.env.clock.now();
    this.#heardAtMs = this.#openedAtMs;
    this.#write({
      type: "greet",
      versionMin: protocolVersion,
      versionMax: protocolVersion,
      party: options.party,
      durable: options.durable,
      nonce: this.nonce,
      capabilities: capabilities.branches,
    });
  }

  get env(): Env {
    return this.#options.env;
  }

  /** What the other side said of itself; undefined before it did. */
  get theirs(): Greet | undefined {
    return this.#state.kind === "greeted" ? this.#state.greet : undefined;
  }

  get ended(): boolean {
    return this.#state.kind === "ended";
  }

  get sessions(): IterableIterator<Session> {
    return this.#byMySpace.values();
  }

  // What the owner does

  /** Asks for a space under the number `hello.space`. */
  hello(hello: Hello): void {
    this.#write(hello);
  }

  /** Lets the other side into the space it called `hello.space`. */
  accept(hello: Hello, session: Session, certificate: number, present: readonly ReplicaId[]): void {
    if (this.ended) return;
    this.#proven = true;
    this.#answering--;
    this.#makeWay(session.mySpace, hello.space);
    this.#write({
      type: "welcome",
      yourSpace: hello.space,
      mySpace: session.mySpace,
      certificate,
      present,
    });
    this.#register(session, hello.space);
  }

  refuse(hello: Hello, code: Code, retryAfterMs: number, detail: string): void {
    // Only attempts that failed for lack of a proof count against the initiator.
    if (code !== codes.unproven) this.#hellos--;
    this.#answering--;
    this.#write({ type: "leave", yourSpace: hello.space, code, retryAfterMs, detail });
  }

  /** Opens the session that a `welcome` allowed. */
  open(session: Session, theirSpace: number): void {
    if (this.ended) return;
    this.#makeWay(session.mySpace, theirSpace);
    this.#register(session, theirSpace);
  }

  /** Ends one space's session; the connection and its other spaces go on. */
  leave(session: Session, code: Code, retryAfterMs: number, detail: string): void {
    if (this.#byMySpace.get(session.mySpace) !== session) return;
    this.#write({ type: "leave", yourSpace: session.theirSpace, code, retryAfterMs, detail });
    this.#drop(session);
    session.closed();
  }

  /** Says why and closes. */
  end(code: Code, detail: string, retryAfterMs = 0): void {
    if (this.ended) return;
    this.#write({ type: "bye", code, retryAfterMs, detail });
    this.#options.wire.close(code);
    this.#finish({ by: "us", code, retryAfterMs, detail });
  }

  // What sessions use

  send(frame: Frame): void {
    this.#write(frame);
  }

  /** Bytes that were encoded once for many. */
  sendEncoded(frame: Uint8Array): void {
    if (!this.ended) this.#options.wire.send(frame);
  }

  /**
   * Calls back when the other side has read all that was sent up to now; never if it ends before, or
   * after what is returned was called.
   */
  whenRead(done: () => void): () => void {
    const token = this.#nextProbe++;
    if (!this.ended) this.#probes.set(token, done);
    this.#write({ type: "ping", token });
    return () => this.#probes.delete(token);
  }

  /** Questions whether something was read that are still open. */
  get probes(): number {
    return this.#probes.size;
  }

  /** This side's number of a log, announced to the other side if it was not yet. */
  announce(
    session: Session,
    replica: ReplicaId,
    epochOfRun: EpochId,
    publicKey: Uint8Array,
  ): LogNumber {
    const number = session.logNumbers.numberOf(replica, epochOfRun);
    const { log, epoch } = number;
    if (this.#announced.get(log)?.session !== session) {
      this.#announced.set(log, { session, replica });
      this.#write({ type: "alias", log, space: session.mySpace, replica, epoch, publicKey });
    }
    return number;
  }

  // What the transport reports

  receive(bytes: Uint8Array): void {
    if (this.ended) return;
    this.#heardAtMs = this.env.clock.now();
    this.#pingedAtMs = undefined;
    if (bytes.length > limits.frameBytesMax) {
      this.end(
        codes.tooLarge,
        `frame of ${bytes.length} bytes, ${limits.frameBytesMax} are the most`,
      );
      return;
    }
    if (!this.#proven && !this.#options.initiator) {
      this.#unprovenBytes += bytes.length;
      if (this.#unprovenBytes > limits.unprovenBytesMax) {
        this.end(codes.unproven, "too many bytes before a valid proof of access");
        return;
      }
    }
    const frame = decodeFrame(bytes);
    if (isMalformed(frame)) this.end(codeOfFault(frame.fault), frame.message);
    else this.#handle(frame);
  }

  /** The wire broke or the other side closed it without a bye. */
  wireClosed(code: number, detail: string): void {
    const known = Object.values(codes).find((each) => each === code) ?? codes.goingAway;
    this.#finish({ by: "wire", code: known, retryAfterMs: 0, detail });
  }

  /** When `tick` has something to do next, in ms of the env's clock. */
  wakeAtMs(): number {
    if (this.ended) return Number.POSITIVE_INFINITY;
    let wake = (this.#pingedAtMs ?? this.#heardAtMs) + limits.pingAfterMs;
    wake = Math.min(wake, this.#heardAtMs + limits.deadAfterMs);
    if (!this.#proven && !this.#options.initiator) {
      wake = Math.min(wake, this.#openedAtMs + limits.proofDeadlineMs);
    }
    for (const session of this.sessions) wake = Math.min(wake, session.wakeAtMs());
    return wake;
  }

  tick(): void {
    if (this.ended) return;
    const now = this.env.clock.now();
    if (
      !this.#proven &&
      !this.#options.initiator &&
      now >= this.#openedAtMs + limits.proofDeadlineMs
    ) {
      this.end(codes.deadline, "no valid proof of access in time");
      return;
    }
    if (now >= this.#heardAtMs + limits.deadAfterMs) {
      this.end(codes.deadline, `silent for ${limits.deadAfterMs / 1000} s`);
      return;
    }
    if (now >= (this.#pingedAtMs ?? this.#heardAtMs) + limits.pingAfterMs) {
      this.#pingedAtMs = now;
      this.#write({ type: "ping", token: 0 });
    }
    for (const session of [...this.sessions]) session.tick(now);
  }

  #handle(frame: Frame): void {
    if (frame.type === "greet") return this.#greeted(frame);
    if (this.#state.kind !== "greeted") {
      this.end(codes.outOfTurn, `${frame.type} before greet`);
      return;
    }
    const { host } = this.#options;
    switch (frame.type) {
      case "hello":
        return this.#hello(frame);
      case "welcome":
        return host.onWelcome(this, frame.yourSpace, frame);
      case "leave":
        return this.#left(frame);
      case "bye": {
        const { code, retryAfterMs, detail } = frame;
        this.#options.wire.close(codes.closed);
        return this.#finish({ by: "them", code, retryAfterMs, detail });
      }
      case "ping":
        return this.#write({ type: "pong", token: frame.token });
      case "pong":
        return this.#read(frame.token);
      case "done":
        return host.onDone(this, frame.request, frame.code, frame.detail);
      case "alias":
        return this.#alias(frame);
      case "entry":
      case "entries": {
        const alias = this.#aliases.get(frame.log);
        if (alias === undefined) {
          if (this.#unheardLogs.has(frame.log)) return;
          return this.end(codes.outOfTurn, "log number never announced");
        }
        return alias.session.onEntries(alias.replica, alias.epoch, alias.publicKey, frame);
      }
      case "stored":
        for (const { yourLog, seq } of frame.logs) {
          const announced = this.#announced.get(yourLog);
          if (announced === undefined)
            return this.end(codes.outOfTurn, "log number never announced");
          announced.session.onStored(announced.replica, seq);
        }
        return;
      default: {
        const session = this.#byTheirSpace.get(frame.space);
        if (session !== undefined) return session.onFrame(frame);
        if (this.#leftTheirSpaces.has(frame.space)) return;
        return this.end(codes.outOfTurn, "space number never announced");
      }
    }
  }

  #greeted(greet: Greet): void {
    if (this.#state.kind !== "opened") return this.end(codes.outOfTurn, "second greet");
    if (greet.versionMin > protocolVersion || greet.versionMax < protocolVersion) {
      return this.end(codes.noCommonVersion, `this side speaks version ${protocolVersion}`);
    }
    // A reflected nonce would let a hostile party answer a challenge with our own proof.
    if (equalBytes(greet.nonce, this.nonce)) return this.end(codes.malformed, "nonce is ours");
    this.#state = { kind: "greeted", greet };
    this.#options.host.onGreeted(this);
  }

  #hello(hello: Hello): void {
    this.#hellos++;
    if (!this.#proven && this.#hellos > limits.unprovenHellosMax) {
      return this.end(codes.unproven, "too many attempts without a valid proof of access");
    }
    if (this.#byTheirSpace.has(hello.space))
      return this.end(codes.outOfTurn, "space number in use");
    this.#answering++;
    if (this.#byTheirSpace.size + this.#answering > limits.spacesMax) {
      return this.refuse(hello, codes.tooLarge, 0, `${limits.spacesMax} spaces are the most`);
    }
    if (this.#leftTheirSpaces.size >= limits.aliasesMax) {
      return this.end(codes.tooLarge, "too many spaces, one after the other");
    }
    this.#options.host.onHello(this, hello);
  }

  #left(leave: Leave): void {
    const session = this.#byMySpace.get(leave.yourSpace);
    if (session !== undefined) {
      this.#drop(session);
      session.closed();
    }
    this.#options.host.onLeave(this, leave.yourSpace, leave);
  }

  #alias(frame: Extract<Frame, { type: "alias" }>): void {
    const session = this.#byTheirSpace.get(frame.space);
    if (this.#aliases.size + this.#unheardLogs.size >= limits.aliasesMax) {
      return this.end(codes.tooLarge, "too many logs");
    }
    if (session === undefined) {
      if (!this.#leftTheirSpaces.has(frame.space)) {
        return this.end(codes.outOfTurn, "space number never announced");
      }
      this.#unheardLogs.add(frame.log);
      return;
    }
    this.#unheardLogs.delete(frame.log);
    if (this.#aliases.has(frame.log)) {
      return this.end(codes.outOfTurn, "log number announced twice");
    }
    if (!session.isReplicaKey(frame.replica, frame.publicKey)) {
      return this.end(codes.entryRefused, "replica id is not that of its key");
    }
    const { replica, epoch, publicKey } = frame;
    // The frame's buffer is the transport's: what outlives the step is copied.
    this.#aliases.set(frame.log, { session, replica, epoch, publicKey: publicKey.slice() });
    session.theirLogNumbers.set(replica, frame.log);
  }

  /** Whoever opens a space or takes a number again has given up what it was for before. */
  #makeWay(mySpace: number, theirSpace: number): void {
    for (const before of [this.#byMySpace.get(mySpace), this.#byTheirSpace.get(theirSpace)]) {
      if (before !== undefined) this.leave(before, codes.closed, 0, "opened again");
    }
  }

  #register(session: Session, theirSpace: number): void {
    session.theirSpace = theirSpace;
    this.#leftTheirSpaces.delete(theirSpace);
    this.#byTheirSpace.set(theirSpace, session);
    this.#byMySpace.set(session.mySpace, session);
    session.start();
  }

  #drop(session: Session): void {
    this.#byTheirSpace.delete(session.theirSpace);
    this.#byMySpace.delete(session.mySpace);
    // What is in flight for it goes unheard; of the session itself nothing is kept.
    this.#leftTheirSpaces.add(session.theirSpace);
    for (const [log, alias] of this.#aliases) {
      if (alias.session !== session) continue;
      this.#aliases.delete(log);
      this.#unheardLogs.add(log);
    }
  }

  #write(frame: Frame): void {
    if (!this.ended) this.#options.wire.send(encodeFrame(frame));
  }

  /** A token nobody waits for says nothing. */
  #read(token: number): void {
    const done = this.#probes.get(token);
    this.#probes.delete(token);
    done?.();
  }

  #finish(end: Ending): void {
    if (this.ended) return;
    this.#state = { kind: "ended", end };
    for (const session of [...this.#byMySpace.values()]) session.closed();
    this.#byMySpace.clear();
    this.#byTheirSpace.clear();
    this.#aliases.clear();
    this.#announced.clear();
    this.#probes.clear();
    this.#options.host.onEnded(this, end);
  }
}
