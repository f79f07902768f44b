/**
 * One relay: its connections, its rooms, and who may enter them. Pure like the core it is made of:
 * sockets, disk and time reach it through ports, so the simulator runs it as it is. It verifies
 * and can open nothing.
 */
import { equalBytes } from "@skein/shared/bytes/bytes.ts";
import type { Env } from "@skein/shared/env.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";
import { checkHello, type HelloVerdict } from "@skein/shared/protocol/access.ts";
import { type Code, codes } from "@skein/shared/protocol/codes.ts";
import type { Hello } from "@skein/shared/protocol/messages.ts";
import {
  Connection,
  type ConnectionHost,
  type Ending,
  newCounter,
  newLogNumbers,
  type Wire,
} from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import type { Bus } from "./bus/bus.ts";
import { encodePublication } from "./bus/publication.ts";
import { Turns } from "./catching-up.ts";
import { relayLimits } from "./limits.ts";
import { Room, type RoomOptions } from "./room.ts";
import type { RelayStore } from "./store/store.ts";
import { type Rate, TokenBucket } from "./token-bucket.ts";
import { OrderSweep } from "./truncation.ts";

export interface RelayOptions {
  readonly env: Env;
  readonly suite: VerifyingSuite;
  readonly store: RelayStore;
  readonly bus: Bus;
  readonly explain: (error: unknown) => {
    readonly code: Code;
    readonly retryAfterMs: number;
    readonly detail: string;
  };
  /** Without it, whispers have no limit. */
  readonly mayWhisper?: RoomOptions["mayWhisper"];
  /** Signatures that one connection may have checked by its hellos; without it, any number. */
  readonly helloSignatures?: Rate;
  /** How long what an owner lets go of stays all the same; without it, thirty days. */
  readonly retentionMs?: number;
  /** How long a blob stays that nobody speaks of; without it, thirty days. */
  readonly leaseMs?: number;
  /** Counts what happened, by reason; never what was said. */
  readonly onEnded: (connection: Connection, end: Ending) => void;
  readonly onBug: (error: unknown) => void;
}

interface Visit {
  /** Under which it was opened: access proofs name it. */
  readonly origin: string;
  readonly helloSignatures: TokenBucket | undefined;
}

type AcceptedHello = Extract<HelloVerdict, { kind: "accepted" }>;

export class Relay implements ConnectionHost {
  readonly #options: RelayOptions;
  readonly #effects: Effects;
  readonly #nextRoom = newCounter();
  readonly #nextLog = newCounter();
  readonly #connections = new Map<Connection, Visit>();
  readonly #rooms = new Map<SpaceTag, Room>();
  /** Rooms on their way from the store. */
  readonly #opening = new Map<SpaceTag, Promise<Room>>();
  readonly #orders: OrderSweep;
  readonly #turns = new Turns(relayLimits.looksAtOnceMax);

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#effects = new Effects(options.onBug);
    const { store, suite, explain } = options;
    this.#orders = new OrderSweep({
      store,
      suite,
      began: (space, heads) => this.#began(space, heads),
      // Whoever explains it tells the operator, too.
      onFailed: (error) => void explain(error),
    });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get roomCount(): number {
    return this.#rooms.size;
  }

  /**
   * A transport has been opened by somebody: hand its frames to the result. `origin` is what they
   * connected to, which the transport has found to be ours.
   */
  connect(wire: Wire, origin: string): Connection {
    const connection = new Connection({
      env: this.#options.env,
      wire,
      host: this,
      party: "relay",
      initiator: false,
      durable: true,
    });
    const { helloSignatures: rate, env } = this.#options;
    const helloSignatures = rate && new TokenBucket(rate, env.clock.now());
    this.#connections.set(connection, { origin, helloSignatures });
    return connection;
  }

  /** Tells everybody to come back after a while, spread over `spreadMs`, and closes. */
  drain(spreadMs: number): void {
    for (const connection of [...this.#connections.keys()]) {
      const afterMs = 500 + Math.floor(this.#options.env.random.fraction() * spreadMs);
      connection.end(codes.restart, "the relay restarts", afterMs);
    }
  }

  /**
   * Lets go of what owners have ordered to, where the retention is over; how many spaces had their
   * turn. One whose order fails has it again when all others had theirs.
   */
  carryOutOrders(countMax: number): Promise<number> {
    return this.#orders.slice(this.#options.env.clock.now(), countMax);
  }

  /**
   * Lets rooms look at what other relays have written into the store, those that have not for long; how
   * many. The bus tells of most of it at once, but not of what a relay wrote before it died.
   */
  lookAround(countMax: number): number {
    const now = this.#options.env.clock.now();
    let count = 0;
    for (const room of this.#rooms.values()) {
      if (count === countMax) break;
      if (room.lookIfDue(now)) count++;
    }
    return count;
  }

  close(): void {
    this.#effects.close();
    for (const room of this.#rooms.values()) room.close();
    this.#rooms.clear();
  }

  // ConnectionHost

  onGreeted(): void {}
  onWelcome(connection: Connection): void {
    connection.end(codes.outOfTurn, "nobody asked");
  }
  onLeave(): void {}
  onDone(connection: Connection): void {
    connection.end(codes.outOfTurn, "nobody asked");
  }

  onHello(connection: Connection, hello: Hello): void {
    const initiatorNonce = connection.theirs?.nonce;
    const visit = this.#connections.get(connection);
    if (initiatorNonce === undefined || visit === undefined) {
      throw new Error("a hello is handled between greet and end only");
    }
    const { suite, store, env } = this.#options;
    const { origin, helloSignatures } = visit;
    const signatures = 1 + hello.certificates.length + hello.replicas.length;
    const waitMs = helloSignatures?.take(signatures, env.clock.now()) ?? 0;
    if (waitMs > 0) return connection.refuse(hello, codes.tooFast, waitMs, "too many hellos");
    const verdict = store.certificate(hello.tag).then((known) =>
      checkHello(suite, {
        origin,
        responderNonce: connection.nonce,
        initiatorNonce,
        hello,
        known,
      }),
    );
    this.#effects.start(
      verdict,
      (checked) => {
        if (connection.ended) return;
        if (checked.kind === "refused") connection.refuse(hello, checked.code, 0, checked.words);
        else this.#admit(connection, hello, checked);
      },
      (error) => this.#refuseForStore(connection, hello, error),
    );
  }

  onEnded(connection: Connection, end: Ending): void {
    this.#connections.delete(connection);
    this.#options.onEnded(connection, end);
  }

  #admit(connection: Connection, hello: Hello, checked: AcceptedHello): void {
    const { certificate, news } = checked;
    if (!news) return this.#enter(connection, hello, checked, certificate.n);
    this.#effects.start(
      this.#options.store.putCertificate(hello.tag, certificate),
      (newest) => {
        if (equalBytes(newest.hash, certificate.hash)) {
          this.#enter(connection, hello, checked, newest.n);
        } else {
          // A rival was kept meanwhile.
          connection.refuse(hello, codes.unproven, 0, "keys have changed");
        }
      },
      (error) => this.#refuseForStore(connection, hello, error),
    );
  }

  #enter(connection: Connection, hello: Hello, checked: AcceptedHello, certificate: number): void {
    this.#effects.start(
      this.#room(hello.tag),
      (room) => {
        if (connection.ended) return this.#forget(hello.tag, room);
        // The last session may have left it meanwhile.
        if (this.#rooms.get(hello.tag) !== room) {
          return this.#enter(connection, hello, checked, certificate);
        }
        room.enter({
          connection,
          hello,
          mode: hello.mode,
          replicas: checked.replicas.map(({ id }) => id),
          certificate,
        });
      },
      (error) => this.#refuseForStore(connection, hello, error),
    );
  }

  #room(tag: SpaceTag): Promise<Room> {
    const open = this.#rooms.get(tag);
    if (open !== undefined) return Promise.resolve(open);
    const opening = this.#opening.get(tag) ?? this.#openRoom(tag);
    this.#opening.set(tag, opening);
    return opening;
  }

  async #openRoom(tag: SpaceTag): Promise<Room> {
    const { env, suite, store, bus, explain, retentionMs, leaseMs } = this.#options;
    // From before the store is read: of what is committed later it says nothing.
    const meanwhile: Uint8Array[] = [];
    let missed = false;
    const unsubscribe = bus.subscribe(
      tag,
      (message) => {
        if (meanwhile.length < relayLimits.meanwhileMax) meanwhile.push(message);
        else missed = true;
      },
      () => (missed = true),
    );
    try {
      const [heads, registers] = await Promise.all([store.heads(tag), store.registers(tag)]);
      const room = new Room({
        tag,
        number: this.#nextRoom(),
        logNumbers: newLogNumbers(this.#nextLog),
        env,
        suite,
        store,
        bus,
        effects: this.#effects,
        heads,
        registers,
        meanwhile,
        missed,
        turns: this.#turns,
        explain,
        retentionMs: retentionMs ?? relayLimits.retentionMs,
        leaseMs: leaseMs ?? relayLimits.leaseMs,
        mayWhisper: this.#options.mayWhisper ?? (() => true),
        onEmpty: (empty) => this.#forget(tag, empty),
      });
      this.#rooms.set(tag, room);
      return room;
    } finally {
      unsubscribe();
      this.#opening.delete(tag);
    }
  }

  #began(space: SpaceTag, heads: readonly LogHead[]): void {
    if (heads.length === 0) return;
    this.#rooms.get(space)?.began(heads);
    // A room on its way has read the store before or after: hearing it again does no harm.
    void this.#opening.get(space)?.then(
      (room) => room.began(heads),
      () => {},
    );
    this.#options.bus.publish(space, encodePublication({ kind: "began", heads }));
  }

  #forget(tag: SpaceTag, room: Room): void {
    if (!room.isEmpty || this.#rooms.get(tag) !== room) return;
    this.#rooms.delete(tag);
    room.close();
  }

  #refuseForStore(connection: Connection, hello: Hello, error: unknown): void {
    const { code, retryAfterMs, detail } = this.#options.explain(error);
    connection.refuse(hello, code, retryAfterMs, detail);
  }
}
