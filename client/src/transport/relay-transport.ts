/**
 * How a device reaches relays: one socket for each relay in use, whatever the number of spaces; each
 * space at one of its relays, and at the next when that one fails. The only place that tries again
 * (sync/retry.ts says when).
 *
 *   per relay:  idle ──due──▶ opening ──open──▶ linked ──ended──▶ idle
 *
 * Invariants:
 *  1. A relay has a socket only while a space is at it and the transport is on.
 *  2. A space is at one relay at a time; it moves on only when that one failed or refused it.
 *  3. After `close` nothing is opened and nothing is told.
 */
import type { Suite } from "@skein/shared/crypto/suite.ts";
import {
  type Answer,
  type RelayRequest,
  type LinkHost,
  RelayLink,
  type SpaceAccess,
} from "@skein/shared/device/link.ts";
import type { Env } from "@skein/shared/env.ts";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import { type Code, codes, isCode } from "@skein/shared/protocol/codes.ts";
import type { Ending, Wire } from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { Retry, type RetryState } from "@skein/shared/sync/retry.ts";
import type { Session } from "@skein/shared/sync/session.ts";
import { type RelayOrigin, relayName, socketAddress } from "./address.ts";
import type { Sleeper } from "./alarm.ts";
import { openRelaySocket } from "./relay-socket.ts";

/** How a space's way to its relay stands, as api.ts tells it. */
export type RelayState =
  | { readonly kind: "off" }
  | { readonly kind: "connecting"; readonly relay: string }
  | { readonly kind: "connected"; readonly relay: string }
  | {
      readonly kind: "waiting";
      readonly relay: string;
      readonly retryAtMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: "refused";
      readonly relay: string;
      readonly code: Code;
      readonly reason: string;
    };

export interface RelayTransportHost {
  /** A socket or a space changed its state. */
  onChanged(): void;
  /** Replicas that were at the relay when we came. */
  onPresent(session: Session, present: readonly ReplicaId[]): void;
}

export interface RelayTransportOptions {
  readonly env: Env;
  readonly suite: Suite;
  readonly newSocket: (address: string) => WebSocket;
  /** Whether what this device stores survives: a private window's does not. */
  readonly durable: boolean;
  readonly on: boolean;
  readonly host: RelayTransportHost;
  readonly onBug: (error: unknown) => void;
}

type Phase =
  | { readonly kind: "idle" }
  | { readonly kind: "opening"; readonly quit: () => void }
  | { readonly kind: "linked"; readonly link: RelayLink };

interface Relay {
  readonly origin: RelayOrigin;
  readonly retry: Retry;
  phase: Phase;
}

interface PlacedSpace {
  readonly access: SpaceAccess;
  readonly relays: readonly RelayOrigin[];
  /** Index of the relay it is at. */
  at: number;
  /** Relays that refused it for good. */
  readonly refusedBy: Set<RelayOrigin>;
}

export class RelayTransport implements Sleeper {
  readonly #options: RelayTransportOptions;
  readonly #effects: Effects;
  readonly #relays = new Map<RelayOrigin, Relay>();
  readonly #spaces = new Map<SpaceTag, PlacedSpace>();
  #on: boolean;
  #closed = false;

  constructor(options: RelayTransportOptions) {
    this.#options = options;
    this.#effects = new Effects(options.onBug);
    this.#on = options.on;
  }

  /** @param relays in the order of preference. */
  add(access: SpaceAccess, relays: readonly RelayOrigin[]): void {
    if (relays.length === 0) throw new Error("a space without a relay");
    if (this.#spaces.has(access.tag) || this.#closed) return;
    const space: PlacedSpace = { access, relays, at: 0, refusedBy: new Set() };
    this.#spaces.set(access.tag, space);
    this.#place(space);
  }

  remove(tag: SpaceTag): void {
    const space = this.#spaces.get(tag);
    if (space === undefined) return;
    this.#spaces.delete(tag);
    linkOf(this.#relayOf(space))?.remove(tag);
    this.#decide();
  }

  /** The person's switch "Work offline". */
  setOn(on: boolean): void {
    if (this.#on === on || this.#closed) return;
    this.#on = on;
    for (const relay of this.#relays.values()) {
      if (on) relay.retry.reset();
      else this.#drop(relay, codes.closed, "working offline");
    }
    this.#decide();
    this.#options.host.onChanged();
  }

  /** Something changed: whoever waits or was refused tries again at once. */
  connectNow(): void {
    if (this.#closed) return;
    for (const relay of this.#relays.values()) relay.retry.reset();
    for (const space of this.#spaces.values()) {
      space.refusedBy.clear();
      const link = linkOf(this.#relayOf(space));
      const state = link?.stateOf(space.access.tag)?.kind;
      if (state === "refused" || state === "waiting") {
        link?.remove(space.access.tag);
        link?.add(space.access);
      }
    }
    this.#decide();
    this.#options.host.onChanged();
  }

  /**
   * The system lost its network: sockets would hang for a minute. Relays on this very machine are
   * reached again by the first retry.
   */
  networkLost(): void {
    for (const relay of this.#relays.values()) this.#drop(relay, codes.goingAway, "network lost");
    this.#decide();
  }

  /** At which of its relays a space is. */
  relayOf(tag: SpaceTag): RelayOrigin | undefined {
    const space = this.#spaces.get(tag);
    return space && this.#relayOf(space).origin;
  }

  session(tag: SpaceTag): Session | undefined {
    const space = this.#spaces.get(tag);
    return space && linkOf(this.#relayOf(space))?.session(tag);
  }

  /** Puts an invite at the space's relay, or takes it away. */
  request(tag: SpaceTag, request: RelayRequest): Promise<Answer> {
    const space = this.#spaces.get(tag);
    const link = space && linkOf(this.#relayOf(space));
    if (link !== undefined) {
      this.#options.host.onChanged();
      return link.request(tag, request);
    }
    return Promise.resolve({ kind: "refused", code: codes.unavailable, detail: "not connected" });
  }

  stateOf(tag: SpaceTag): RelayState {
    const space = this.#spaces.get(tag);
    if (space === undefined || !this.#on) return { kind: "off" };
    const relay = this.#relayOf(space);
    const name = relayName(relay.origin);
    if (relay.phase.kind === "opening") return { kind: "connecting", relay: name };
    if (relay.phase.kind === "idle") return stateOfRetry(relay.retry.state, name);
    const { link } = relay.phase;
    if (link.session(tag) !== undefined) return { kind: "connected", relay: name };
    const state = link.stateOf(tag);
    return state === undefined ? { kind: "connecting", relay: name } : stateOfRetry(state, name);
  }

  wakeAtMs(): number {
    if (!this.#on || this.#closed) return Number.POSITIVE_INFINITY;
    let wakeAtMs = Number.POSITIVE_INFINITY;
    for (const relay of this.#relays.values()) {
      const link = linkOf(relay);
      const { state } = relay.retry;
      if (link !== undefined) wakeAtMs = Math.min(wakeAtMs, link.wakeAtMs());
      else if (relay.phase.kind === "idle" && state.kind === "waiting" && this.#isUsed(relay)) {
        wakeAtMs = Math.min(wakeAtMs, state.untilMs);
      }
    }
    return wakeAtMs;
  }

  tick(): void {
    for (const relay of [...this.#relays.values()]) linkOf(relay)?.tick();
    this.#decide();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#effects.close();
    for (const relay of this.#relays.values()) this.#drop(relay, codes.closed, "");
    this.#spaces.clear();
  }

  /** Opens what should be open and closes what nobody needs. */
  #decide(): void {
    for (const relay of [...this.#relays.values()]) {
      const wanted = this.#on && !this.#closed && this.#isUsed(relay);
      if (!wanted) this.#drop(relay, codes.closed, "");
      else if (relay.phase.kind === "idle" && relay.retry.due) this.#open(relay);
    }
  }

  #open(relay: Relay): void {
    const { newSocket, host } = this.#options;
    let link: RelayLink | undefined;
    const quit = openRelaySocket(socketAddress(relay.origin), newSocket, {
      onOpen: (wire) => {
        link = this.#link(relay, wire);
        relay.phase = { kind: "linked", link };
        for (const space of this.#spaces.values()) {
          if (this.#relayOf(space) === relay) link.add(space.access);
        }
        host.onChanged();
      },
      onFrame: (frame) => {
        link?.connection.receive(frame);
        host.onChanged();
      },
      onClosed: (code, reason) => {
        const detail = reason === "" ? "the connection was lost" : reason;
        if (link !== undefined) link.connection.wireClosed(code, detail);
        else
          this.#ended(relay, {
            code: isCode(code) ? code : codes.goingAway,
            retryAfterMs: 0,
            detail: "no connection",
          });
      },
    });
    relay.phase = { kind: "opening", quit };
    host.onChanged();
  }

  #link(relay: Relay, wire: Wire): RelayLink {
    const { env, suite, durable, host } = this.#options;
    const linkHost: LinkHost = {
      onGreeted: () => {
        relay.retry.connected();
        host.onChanged();
      },
      onEnded: (link, end) => {
        if (linkOf(relay) === link) this.#ended(relay, end);
      },
      onSpaceState: (tag) => this.#spaceState(tag),
      onPresent: (session, present) => host.onPresent(session, present),
    };
    return new RelayLink({
      env,
      suite,
      wire,
      origin: relay.origin,
      durable,
      effects: this.#effects,
      host: linkHost,
    });
  }

  #ended(relay: Relay, end: Pick<Ending, "code" | "retryAfterMs" | "detail">): void {
    relay.phase = { kind: "idle" };
    if (this.#closed) return;
    relay.retry.ended(end);
    for (const space of this.#spaces.values()) {
      if (this.#relayOf(space) === relay) this.#moveOn(space);
    }
    this.#decide();
    this.#options.host.onChanged();
  }

  #spaceState(tag: SpaceTag): void {
    const space = this.#spaces.get(tag);
    if (space !== undefined) {
      const relay = this.#relayOf(space);
      if (linkOf(relay)?.stateOf(tag)?.kind === "refused") {
        space.refusedBy.add(relay.origin);
        this.#moveOn(space);
        this.#decide();
      }
    }
    this.#options.host.onChanged();
  }

  /** To the next relay that has not refused the space, if there is another. */
  #moveOn(space: PlacedSpace): void {
    const { relays, refusedBy, access } = space;
    for (let step = 1; step < relays.length; step++) {
      const at = (space.at + step) % relays.length;
      const origin = relays[at];
      if (origin === undefined || refusedBy.has(origin)) continue;
      if (this.#relay(origin).retry.state.kind === "refused") continue;
      linkOf(this.#relayOf(space))?.remove(access.tag);
      space.at = at;
      this.#place(space);
      return;
    }
  }

  #place(space: PlacedSpace): void {
    linkOf(this.#relayOf(space))?.add(space.access);
    this.#decide();
    this.#options.host.onChanged();
  }

  /** Ends what there is of a socket, without trying again. */
  #drop(relay: Relay, code: Code, detail: string): void {
    const { phase } = relay;
    relay.phase = { kind: "idle" };
    if (phase.kind === "opening") phase.quit();
    if (phase.kind === "linked") phase.link.connection.end(code, detail);
    // What a person or the system ended is no failure of the relay.
    if (phase.kind !== "idle" && !this.#closed)
      relay.retry.ended({ code, retryAfterMs: 0, detail });
  }

  #isUsed(relay: Relay): boolean {
    for (const space of this.#spaces.values()) if (this.#relayOf(space) === relay) return true;
    return false;
  }

  #relayOf({ relays, at }: PlacedSpace): Relay {
    const origin = relays[at];
    if (origin === undefined) throw new Error(`relay ${at} of ${relays.length}`);
    return this.#relay(origin);
  }

  #relay(origin: RelayOrigin): Relay {
    let relay = this.#relays.get(origin);
    if (relay === undefined) {
      relay = { origin, retry: new Retry(this.#options.env), phase: { kind: "idle" } };
      this.#relays.set(origin, relay);
    }
    return relay;
  }
}

const linkOf = ({ phase }: Relay): RelayLink | undefined =>
  phase.kind === "linked" ? phase.link : undefined;

function stateOfRetry(state: RetryState, relay: string): RelayState {
  switch (state.kind) {
    case "ready":
    case "up":
      return { kind: "connecting", relay };
    case "waiting":
      return { kind: "waiting", relay, retryAtMs: state.untilMs, reason: state.detail };
    case "refused":
      return { kind: "refused", relay, code: state.code, reason: state.detail };
  }
}
