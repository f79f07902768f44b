/**
 * A device's end of a connection to a relay: greets, proves access for each of its spaces, opens
 * their sessions, and asks again for spaces that the relay could not serve. One socket carries all
 * spaces of the device.
 *
 * Before one proof has held, a relay hears no more than a few hellos: until then they go one by one.
 *
 *   per space:  asking ──welcome──▶ open ──leave──▶ waiting ──due──▶ asking
 *                 └──leave for good──▶ refused
 */
import type { SigningKey, Suite } from "../crypto/suite.ts";
import type { Env } from "../env.ts";
import type { ReplicaId, SpaceTag } from "../id/id.ts";
import {
  accessLabels,
  accessProofMessage,
  replicaProofMessage,
  type Transcript,
} from "../protocol/access.ts";
import { type Code, codes } from "../protocol/codes.ts";
import type { Frame, Hello, Mode } from "../protocol/messages.ts";
import {
  Connection,
  type ConnectionHost,
  type Ending,
  type Leave,
  type LogNumbers,
  newCounter,
  newLogNumbers,
  type Welcome,
  type Wire,
} from "../sync/connection.ts";
import type { Effects } from "../sync/effects.ts";
import type { Exchange } from "../sync/exchange.ts";
import { Retry, type RetryState } from "../sync/retry.ts";
import { Session } from "../sync/session.ts";

/** What opens a space at a relay. */
export interface SpaceAccess {
  readonly tag: SpaceTag;
  readonly mode: Mode;
  /** Oldest first. */
  readonly certificates: readonly Uint8Array[];
  readonly accessKey: SigningKey;
  readonly replica: ReplicaId;
  readonly replicaPublicKey: Uint8Array;
  readonly replicaKey: SigningKey;
  readonly exchange: Exchange;
}

export interface LinkHost {
  onGreeted(link: RelayLink): void;
  onEnded(link: RelayLink, end: Ending): void;
  /** A space was let in, refused or put off. */
  onSpaceState(tag: SpaceTag): void;
  /** Replicas that were at the relay when we came. */
  onPresent(session: Session, present: readonly ReplicaId[]): void;
}

export interface LinkOptions {
  readonly env: Env;
  readonly suite: Suite;
  readonly wire: Wire;
  /** The relay's origin as it was connected to, with the scheme http or https. */
  readonly origin: string;
  readonly durable: boolean;
  readonly effects: Effects;
  readonly host: LinkHost;
}

export type Answer =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly code: Code; readonly detail: string };

type RequestFrame = Extract<Frame, { type: "invite" | "uninvite" | "truncate" }>;
type WithoutNumbers<F> = F extends RequestFrame ? Omit<F, "space" | "request"> : never;
/** What a relay answers by `done`, without the numbers that the link gives it. */
export type RelayRequest = WithoutNumbers<RequestFrame>;

interface LinkedSpace {
  readonly access: SpaceAccess;
  readonly number: number;
  readonly numbers: LogNumbers;
  readonly retry: Retry;
  /** Since when a hello is on its way or unanswered. */
  askedAtMs: number | undefined;
  session: Session | undefined;
}

const answerWithinMs = 10_000;
/** A relay that cannot say yes or no to a hello serves none of the spaces. */
const welcomeWithinMs = 30_000;

interface Request {
  readonly deadlineMs: number;
  readonly done: (answer: Answer) => void;
}

export class RelayLink implements ConnectionHost {
  readonly connection: Connection;
  readonly #options: LinkOptions;
  readonly #spaces = new Map<SpaceTag, LinkedSpace>();
  readonly #byNumber = new Map<number, LinkedSpace>();
  readonly #nextSpace = newCounter();
  readonly #nextLog = newCounter();
  readonly #requests = new Map<number, Request>();
  #nextRequest = 0;
  /** The relay has let us into a space. */
  #proven = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { env, wire, durable } = options;
    this.connection = new Connection({
      env,
      wire,
      host: this,
      party: "device",
      initiator: true,
      durable,
    });
  }

  session(tag: SpaceTag): Session | undefined {
    return this.#spaces.get(tag)?.session;
  }

  stateOf(tag: SpaceTag): RetryState | undefined {
    return this.#spaces.get(tag)?.retry.state;
  }

  add(access: SpaceAccess): void {
    if (this.#spaces.has(access.tag)) return;
    const number = this.#nextSpace();
    const space: LinkedSpace = {
      access,
      number,
      numbers: newLogNumbers(this.#nextLog),
      retry: new Retry(this.#options.env),
      askedAtMs: undefined,
      session: undefined,
    };
    this.#spaces.set(access.tag, space);
    this.#byNumber.set(number, space);
    this.#askDue();
  }

  remove(tag: SpaceTag): void {
    const space = this.#spaces.get(tag);
    if (space === undefined) return;
    this.#spaces.delete(tag);
    // What was asked is answered first: then the number is free.
    if (space.askedAtMs === undefined) this.#byNumber.delete(space.number);
    space.session?.leave(codes.closed, 0, "");
  }

  /** Puts an invite at the relay or takes it away, or orders it to let go of entries. */
  request(tag: SpaceTag, request: RelayRequest): Promise<Answer> {
    const session = this.#spaces.get(tag)?.session;
    if (session === undefined || session.isClosed) {
      return Promise.resolve({ kind: "refused", code: codes.unavailable, detail: "not connected" });
    }
    return new Promise((done) => {
      const number = this.#nextRequest++;
      const deadlineMs = this.#options.env.clock.now() + answerWithinMs;
      this.#requests.set(number, { deadlineMs, done });
      this.connection.send({ ...request, space: session.mySpace, request: number });
    });
  }

  wakeAtMs(): number {
    let wake = this.connection.wakeAtMs();
    for (const { deadlineMs } of this.#requests.values()) wake = Math.min(wake, deadlineMs);
    for (const { askedAtMs } of this.#byNumber.values()) {
      if (askedAtMs !== undefined) wake = Math.min(wake, askedAtMs + welcomeWithinMs);
    }
    for (const { retry, askedAtMs, session } of this.#spaces.values()) {
      if (session?.left !== undefined) return this.#options.env.clock.now();
      if (retry.state.kind === "waiting" && askedAtMs === undefined) {
        wake = Math.min(wake, retry.state.untilMs);
      }
    }
    return wake;
  }

  tick(): void {
    const now = this.#options.env.clock.now();
    for (const [number, { deadlineMs, done }] of this.#requests) {
      if (now < deadlineMs) continue;
      this.#requests.delete(number);
      done({ kind: "refused", code: codes.deadline, detail: "the relay did not answer in time" });
    }
    this.connection.tick();
    this.#noticeLeft();
    for (const { askedAtMs } of this.#byNumber.values()) {
      if (askedAtMs === undefined || now < askedAtMs + welcomeWithinMs) continue;
      return this.connection.end(codes.deadline, "the relay did not answer a hello");
    }
    this.#askDue();
  }

  // ConnectionHost

  onGreeted(): void {
    this.#options.host.onGreeted(this);
    this.#askDue();
  }

  onHello(connection: Connection, hello: Hello): void {
    connection.refuse(hello, codes.forbidden, 0, "a relay asks for no space");
  }

  onWelcome(connection: Connection, mySpace: number, welcome: Welcome): void {
    const space = this.#byNumber.get(mySpace);
    if (space?.askedAtMs === undefined) {
      return connection.end(codes.outOfTurn, "welcome to a space nobody asked for");
    }
    space.askedAtMs = undefined;
    this.#proven = true;
    const { access } = space;
    const session = new Session({
      connection,
      owner: access.exchange,
      tag: access.tag,
      mySpace,
      mode: access.mode,
      proven: new Set(),
      pushes: access.mode === "write" ? access.exchange.ownLogs : new Set(),
      mayAppend: true,
      logNumbers: space.numbers,
    });
    access.exchange.join(session);
    connection.open(session, welcome.mySpace);
    if (this.#spaces.get(access.tag) === space) {
      space.session = session;
      space.retry.connected();
      this.#options.host.onPresent(session, welcome.present);
      this.#options.host.onSpaceState(access.tag);
    } else {
      this.#byNumber.delete(mySpace);
      session.leave(codes.closed, 0, "");
    }
    this.#askDue();
  }

  onLeave(_connection: Connection, mySpace: number, leave: Leave): void {
    const space = this.#byNumber.get(mySpace);
    if (space === undefined) return;
    space.askedAtMs = undefined;
    space.session = undefined;
    if (this.#spaces.get(space.access.tag) === space) {
      space.retry.ended(leave);
      this.#options.host.onSpaceState(space.access.tag);
    } else this.#byNumber.delete(mySpace);
    this.#askDue();
  }

  onDone(_connection: Connection, request: number, code: Code | 0, detail: string): void {
    const waiting = this.#requests.get(request);
    this.#requests.delete(request);
    waiting?.done(code === 0 ? { kind: "done" } : { kind: "refused", code, detail });
  }

  onEnded(_connection: Connection, end: Ending): void {
    for (const { done } of this.#requests.values()) {
      done({ kind: "refused", code: codes.unavailable, detail: "the connection was lost" });
    }
    this.#requests.clear();
    for (const space of this.#spaces.values()) space.session = undefined;
    this.#options.host.onEnded(this, end);
  }

  /** Spaces that we left ourselves, since the relay sent what goes beyond a limit: asked again later. */
  #noticeLeft(): void {
    for (const space of this.#spaces.values()) {
      const left = space.session?.left;
      if (left === undefined) continue;
      space.session = undefined;
      space.retry.ended(left);
      this.#options.host.onSpaceState(space.access.tag);
    }
  }

  #askDue(): void {
    if (this.connection.theirs === undefined) return;
    for (const space of this.#spaces.values()) {
      if (space.session !== undefined || space.askedAtMs !== undefined || !space.retry.due)
        continue;
      const [anyAsked, sameAsked] = this.#unanswered(space.access.tag);
      if (anyAsked && !this.#proven) return;
      // The answer to an earlier hello for the space would be taken for the answer to this one.
      if (!sameAsked) this.#ask(space);
    }
  }

  #ask(space: LinkedSpace): void {
    space.askedAtMs = this.#options.env.clock.now();
    this.#options.effects.start(this.#signHello(space), (hello) => this.connection.hello(hello));
  }

  /** Whether any hello is unanswered, and whether one for that space is. */
  #unanswered(tag: SpaceTag): [any: boolean, same: boolean] {
    let any = false;
    for (const { askedAtMs, access } of this.#byNumber.values()) {
      if (askedAtMs === undefined) continue;
      if (access.tag === tag) return [true, true];
      any = true;
    }
    return [any, false];
  }

  async #signHello(space: LinkedSpace): Promise<Hello> {
    const { suite, origin } = this.#options;
    const { access } = space;
    const responderNonce = this.connection.theirs?.nonce;
    if (responderNonce === undefined) throw new Error("a hello follows greet");
    const transcript: Transcript = {
      origin,
      responderNonce,
      initiatorNonce: this.connection.nonce,
      space: access.tag,
    };
    const [proof, replicaProof] = await Promise.all([
      suite.sign(
        access.accessKey,
        accessLabels.access,
        accessProofMessage(transcript, access.mode),
      ),
      suite.sign(access.replicaKey, accessLabels.replica, replicaProofMessage(transcript)),
    ]);
    return {
      type: "hello",
      space: space.number,
      tag: access.tag,
      mode: access.mode,
      certificates: access.certificates,
      proof,
      replicas: [{ publicKey: access.replicaPublicKey, proof: replicaProof }],
    };
  }
}
