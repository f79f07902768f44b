/**
 * Who is here, as one device believes it: the newest rumour of each replica, forgotten when it is
 * not renewed, and this device's own, counted up with every change. A state-based CRDT (the newest
 * rumour by (incarnation, version) wins, a maximum) with expiry, spread by whispering: no server
 * keeps it. After SWIM (Das, Gupta and Motivala, DSN 2002) and Scuttlebutt (van Renesse et al.,
 * LADIS 2008); probing and anti-entropy stand on top of this.
 *
 *            rumour            45 s without news, or `left`
 *   unknown ───────▶ here ◀──────────────────────────────▶ gone   (remembered: "last seen")
 *                                   newer rumour
 *
 * The caller has checked that a rumour is signed by the replica it names and that the replica is
 * admitted. Times are those of `Env.clock`, which only goes forward.
 *
 * Invariants (tests cite the numbers):
 *  1. Nobody is shown as here for longer than `expiryMs` after this device last heard news of them.
 *  2. A rumour is handed on once, by who found it new.
 *  3. Old rumours, repeated by whomever, change nothing: what was newest stays so after expiry too.
 *  4. Hearing of itself what it did not say, a device begins an incarnation above it, at most once
 *     in `refuteEveryMs` (two copies of one profile must not talk each other to death).
 */
import type { DocumentId, ReplicaId } from "../id/id.ts";
import {
  compareRumours,
  type PresenceStatus,
  type Rumour,
  type RumourContent,
  rumourCountMax,
} from "../gossip/rumour.ts";

export const presenceTimes = {
  /** Without news for so long, somebody is gone: two renewals may get lost. */
  expiryMs: 45_000,
  /** A device says again that it is here. */
  renewMs: 15_000,
  /** While somebody types; what is heard of typing counts for no longer than `typingMs`. */
  renewTypingMs: 5_000,
  typingMs: 10_000,
  /** Changes closer together than this go out as one. */
  gapMs: 50,
  refuteEveryMs: 1_000,
  /** Who was heard of themselves in this time may be vouched for to a newcomer. */
  vouchMs: 20_000,
} as const;

/** What this device wants known of itself. */
export interface OwnPresence {
  readonly status: Exclude<PresenceStatus, "left">;
  readonly where: DocumentId | undefined;
  readonly typing: boolean;
}

export interface Heard {
  /** To be handed on, over every transport but the one they came by. */
  readonly fresh: readonly Rumour[];
  /** Replicas that are here now and were not before: they may know nobody yet (`vouch`). */
  readonly appeared: readonly ReplicaId[];
  /** Newer than what `from` said of itself: it comes back from long ago and must be told. */
  readonly correction: Rumour | undefined;
}

export interface DevicePresence {
  readonly replica: ReplicaId;
  readonly presence: "online" | "away" | "offline";
  /** Undefined when nowhere, or gone. */
  readonly where: DocumentId | undefined;
  readonly typing: boolean;
  /** When there was news of it last, by this device's clock. */
  readonly heardAtMs: number;
  /** Through whom that came; undefined if from itself. */
  readonly via: ReplicaId | undefined;
}

export interface PresenceOptions {
  readonly self: ReplicaId;
  /** Greater than before: the wall clock in ms does. If it is not, others say so (`correction`). */
  readonly incarnation: number;
  /** Replicas remembered at most; of more, the longest gone are forgotten. */
  readonly replicasMax: number;
}

interface Neighbour {
  readonly rumour: Rumour;
  readonly heardAt: number;
  readonly via: ReplicaId | undefined;
  /** News from itself, last; -∞ if there never was any. */
  readonly firstHandAt: number;
  readonly here: boolean;
}

export class Presence {
  readonly #self: ReplicaId;
  readonly #replicasMax: number;
  readonly #neighbours = new Map<ReplicaId, Neighbour>();

  #own: OwnPresence = { status: "online", where: undefined, typing: false };
  #incarnation: number;
  #version = 0;
  #said: Rumour | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;
  #refutedAt = Number.NEGATIVE_INFINITY;
  #mustRefute = false;
  #changed = true;
  #left = false;

  constructor({ self, incarnation, replicasMax }: PresenceOptions) {
    this.#self = self;
    this.#incarnation = Math.min(Math.max(0, Math.floor(incarnation)), rumourCountMax);
    this.#replicasMax = replicasMax;
  }

  // This device

  set(own: OwnPresence): void {
    const { status, where, typing } = this.#own;
    if (own.status === status && own.where === where && own.typing === typing) return;
    this.#own = own;
    this.#changed = true;
  }

  /**
   * What to sign and whisper to everybody now, if anything is due: a change, a renewal, a refutation.
   * Each call that returns something counts the version up. Hand the signed rumour to `said`.
   */
  due(now: number): RumourContent | undefined {
    if (this.#left) return undefined;
    if (this.#mustRefute) {
      if (now < this.#refutedAt + presenceTimes.refuteEveryMs) return undefined;
      this.#mustRefute = false;
      this.#refutedAt = now;
      return this.#say(now, this.#own);
    }
    return now >= this.#dueAt() ? this.#say(now, this.#own) : undefined;
  }

  /** The last thing this device says: that it goes. Final; `due` stays silent from here on. */
  leave(now: number): RumourContent {
    const content = this.#say(now, { status: "left", where: undefined, typing: false });
    this.#left = true;
    return content;
  }

  said(rumour: Rumour): void {
    if (this.#said === undefined || compareRumours(rumour, this.#said) > 0) this.#said = rumour;
  }

  /** When `due` or `expire` will next have something. */
  wakeAtMs(now: number): number {
    let wake = Number.POSITIVE_INFINITY;
    if (!this.#left) {
      wake = this.#mustRefute ? this.#refutedAt + presenceTimes.refuteEveryMs : this.#dueAt();
    }
    for (const neighbour of this.#neighbours.values())
      wake = Math.min(wake, endsAt(neighbour, now));
    return Math.max(now, wake);
  }

  // Everybody else

  /** Whether a rumour would change anything: worth checking its signature. */
  isNews(rumour: Rumour): boolean {
    if (rumour.replica === this.#self) return !this.#left && this.#isForeign(rumour);
    const known = this.#neighbours.get(rumour.replica)?.rumour;
    return known === undefined || compareRumours(rumour, known) > 0;
  }

  /** @param from the replica that whispered them: the author of some, a messenger of others. */
  hear(rumours: readonly Rumour[], from: ReplicaId, now: number): Heard {
    const fresh: Rumour[] = [];
    const appeared: ReplicaId[] = [];
    let correction: Rumour | undefined;
    for (const rumour of rumours) {
      const { replica } = rumour;
      if (replica === this.#self) {
        this.#hearOfSelf(rumour);
        continue;
      }
      const known = this.#neighbours.get(replica);
      if (known !== undefined && compareRumours(rumour, known.rumour) <= 0) {
        const isStale = compareRumours(rumour, known.rumour) < 0;
        if (replica === from && isStale) correction = known.rumour;
        continue;
      }
      const here = rumour.status !== "left";
      if (here && known?.here !== true) appeared.push(replica);
      const isFirstHand = replica === from;
      this.#neighbours.set(replica, {
        rumour,
        heardAt: now,
        via: isFirstHand ? undefined : from,
        firstHandAt: isFirstHand ? now : (known?.firstHandAt ?? Number.NEGATIVE_INFINITY),
        here,
      });
      fresh.push(rumour);
    }
    this.#forgetBeyondMax();
    return { fresh, appeared, correction };
  }

  /** Replicas that are gone for want of news. */
  expire(now: number): readonly ReplicaId[] {
    const gone: ReplicaId[] = [];
    for (const [replica, neighbour] of this.#neighbours) {
      if (!neighbour.here || now < neighbour.heardAt + presenceTimes.expiryMs) continue;
      this.#neighbours.set(replica, { ...neighbour, here: false });
      gone.push(replica);
    }
    return gone;
  }

  /**
   * What to tell a newcomer: this device and those it has just heard themselves, newest first. Not
   * what came through others, or newcomers would keep a dead device alive among themselves.
   */
  vouch(now: number, countMax: number): readonly Rumour[] {
    const known = [...this.#neighbours.values()]
      .filter(({ here, firstHandAt }) => here && now < firstHandAt + presenceTimes.vouchMs)
      .sort((a, b) => b.firstHandAt - a.firstHandAt)
      .map(({ rumour }) => rumour);
    const all = this.#said === undefined ? known : [this.#said, ...known];
    return all.slice(0, countMax);
  }

  /** This device first, then everybody it has heard of. */
  devices(now: number): readonly DevicePresence[] {
    const { status, where, typing } = this.#own;
    const own: DevicePresence = {
      replica: this.#self,
      presence: this.#left ? "offline" : status,
      where: this.#left ? undefined : where,
      typing: !this.#left && typing,
      heardAtMs: now,
      via: undefined,
    };
    return [own, ...[...this.#neighbours.values()].map((each) => viewOf(each, now))];
  }

  #say(now: number, words: Pick<RumourContent, "status" | "where" | "typing">): RumourContent {
    if (this.#version === rumourCountMax) this.#goBeyond(this.#incarnation, this.#version);
    this.#version++;
    this.#saidAt = now;
    this.#changed = false;
    const { status, where, typing } = words;
    const [incarnation, version] = [this.#incarnation, this.#version];
    return { replica: this.#self, incarnation, version, status, where, typing };
  }

  #dueAt(): number {
    const { gapMs, renewMs, renewTypingMs } = presenceTimes;
    if (this.#changed) return this.#saidAt + gapMs;
    return this.#saidAt + (this.#own.typing ? renewTypingMs : renewMs);
  }

  #hearOfSelf(rumour: Rumour): void {
    if (this.#left || !this.#isForeign(rumour)) return;
    this.#goBeyond(rumour.incarnation, rumour.version);
    this.#mustRefute = true;
  }

  /** Newer than anything this device said, or under its newest number and yet not its words. */
  #isForeign(rumour: Rumour): boolean {
    if (rumour.incarnation !== this.#incarnation) return rumour.incarnation > this.#incarnation;
    if (rumour.version !== this.#version) return rumour.version > this.#version;
    const said = this.#said;
    const isSameNumber =
      said?.incarnation === rumour.incarnation && said.version === rumour.version;
    return isSameNumber && compareRumours(rumour, said) !== 0;
  }

  /** Above what was heard; at the very end of the numbers only versions are left to count. */
  #goBeyond(incarnation: number, version: number): void {
    if (incarnation < rumourCountMax) {
      this.#incarnation = incarnation + 1;
      this.#version = 0;
    } else {
      this.#incarnation = rumourCountMax;
      this.#version = Math.min(version, rumourCountMax - 1);
    }
  }

  #forgetBeyondMax(): void {
    const excess = this.#neighbours.size - this.#replicasMax;
    if (excess <= 0) return;
    const oldestFirst = [...this.#neighbours].sort(
      ([, a], [, b]) => Number(a.here) - Number(b.here) || a.heardAt - b.heardAt,
    );
    for (const [replica] of oldestFirst.slice(0, excess)) this.#neighbours.delete(replica);
  }
}

const isHere = ({ here, heardAt }: Neighbour, now: number): boolean =>
  here && now < heardAt + presenceTimes.expiryMs;

function viewOf(neighbour: Neighbour, now: number): DevicePresence {
  const { rumour, heardAt, via } = neighbour;
  const seen = { replica: rumour.replica, heardAtMs: heardAt, via };
  if (!isHere(neighbour, now)) {
    return { ...seen, presence: "offline", where: undefined, typing: false };
  }
  const presence = rumour.status === "away" ? "away" : "online";
  const typing = rumour.typing && now < heardAt + presenceTimes.typingMs;
  return { ...seen, presence, where: rumour.where, typing };
}

/** When what is shown of somebody changes by itself. */
function endsAt({ rumour, heardAt, here }: Neighbour, now: number): number {
  if (!here) return Number.POSITIVE_INFINITY;
  const typingEnds = heardAt + presenceTimes.typingMs;
  return rumour.typing && now < typingEnds ? typingEnds : heardAt + presenceTimes.expiryMs;
}
