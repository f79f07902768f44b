/**
 * Who is here, in the leading tab: what the tabs of this device say of their person goes out as signed
 * rumours, what others whisper comes in, and cursors pass both ways (shared/presence has the rules). It
 * speaks only while there is somebody to speak to.
 */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import {
  type Rumour,
  type RumourContent,
  signRumour,
  verifyRumour,
} from "@skein/shared/gossip/rumour.ts";
import {
  decodeWhisperContent,
  encodeWhisperContent,
  rumoursMax,
} from "@skein/shared/gossip/whisper-content.ts";
import type { DocumentId, ReplicaId } from "@skein/shared/id/id.ts";
import { isRefusal } from "@skein/shared/log/refusal.ts";
import { type OwnPresence, Presence } from "@skein/shared/presence/presence.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import { verifyWhisper, WhisperWindow } from "@skein/shared/protocol/whisper.ts";
import type { Replica } from "@skein/shared/replica.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { openWhisper } from "@skein/shared/sync/sealed-whisper.ts";
import type { Session } from "@skein/shared/sync/session.ts";
import { forgottenAfterMs } from "./attention-desk.ts";
import type { SpaceCore } from "./space-core.ts";
import type { PresenceFact } from "./status.ts";
import type { Attention } from "./tabs.ts";

/** So many of those who are here tell a newcomer of the others; more would be a flood. */
const vouchersMean = 8;
const strangersMax = 64;

export interface AwarenessNews {
  readonly document: DocumentId;
  readonly from: ReplicaId;
  /** Of the writer session that sent it: its client ids derive from it. */
  readonly nonce: Uint8Array;
  readonly update: Uint8Array;
}

export interface LeaderPresenceOptions {
  readonly core: SpaceCore;
  readonly replica: () => Replica;
  readonly onChanged: () => void;
  readonly onAwareness: (news: AwarenessNews) => void;
}

interface Whispered {
  readonly source: Session;
  readonly publicKey: Uint8Array;
  readonly bytes: Uint8Array;
}

interface TabAttention {
  readonly attention: Attention;
  readonly atMs: number;
}

export class LeaderPresence {
  readonly #options: LeaderPresenceOptions;
  readonly #effects: Effects;
  readonly #presence: Presence;
  readonly #window = new WhisperWindow();
  readonly #tabs = new Map<string, TabAttention>();
  /** Of each replica the last incarnation that was heard: a greater one is somebody who came back. */
  readonly #incarnations = new Map<ReplicaId, number>();
  /** The last whisper of those whose log has not told yet who they are. */
  readonly #strangers = new Map<ReplicaId, Whispered>();
  readonly #undo: () => void;
  #farewell: Uint8Array | undefined;

  constructor(options: LeaderPresenceOptions) {
    const { device, replica } = options.core;
    this.#options = options;
    this.#effects = new Effects(device.onBug);
    this.#presence = new Presence({
      self: replica,
      incarnation: device.env.clock.now(),
      replicasMax: limits.logsMax,
    });
    this.#undo = options.core.membership.subscribe(() => this.#recognise());
  }

  /** Of everybody but this device. */
  facts(): readonly PresenceFact[] {
    const { core } = this.#options;
    return this.#presence.devices(this.#now()).flatMap((device) => {
      if (device.replica === core.replica) return [];
      const { replica, presence, where, typing, heardAtMs } = device;
      return [{ replica, presence, where, typing, heardAtMs }];
    });
  }

  attend(tab: string, attention: Attention): void {
    this.#tabs.set(tab, { attention, atMs: this.#now() });
    this.#look();
  }

  /** Somebody new is to be spoken to: they may never have heard of us. */
  met(session: Session): void {
    const [own] = this.#presence.vouch(this.#now(), 1);
    if (own !== undefined) this.#whisper([own], undefined, [session]);
    this.#options.onChanged();
  }

  hear(source: Session, publicKey: Uint8Array, bytes: Uint8Array): void {
    // The frame's buffer is the transport's.
    const whispered = { source, publicKey: publicKey.slice(), bytes: bytes.slice() };
    this.#effects.start(this.#open(whispered), (heard) => {
      if (heard === undefined) return;
      const { from, nonce, content } = heard;
      if (content.kind === "presence") {
        this.#effects.start(this.#genuine(content.rumours, from, publicKey), (rumours) =>
          this.#take(source, from, rumours),
        );
      } else if (content.kind === "awareness") {
        const { document, update } = content;
        this.#options.onAwareness({ document, from, nonce, update });
      }
    });
  }

  /** Passes on what another tab of this device has sealed. */
  forward(sealed: Uint8Array): void {
    const { publicKey } = this.#options.core.sealer;
    for (const session of this.#sessions()) session.sendWhisper(publicKey, sealed);
  }

  wakeAtMs(): number {
    if (this.#sessions().length === 0) return Number.POSITIVE_INFINITY;
    return this.#presence.wakeAtMs(this.#now());
  }

  tick(): void {
    const now = this.#now();
    for (const [tab, { atMs }] of this.#tabs) {
      if (now >= atMs + forgottenAfterMs) this.#tabs.delete(tab);
    }
    if (this.#presence.expire(now).length > 0) this.#options.onChanged();
    this.#look();
  }

  /** A tab of this device is gone. After the last one only the farewell is left to say. */
  forget(tab: string): void {
    if (this.#tabs.delete(tab) && this.#tabs.size > 0) this.#look();
  }

  /**
   * This device goes, unless another tab of it stays and leads. Said at once, for the page may not
   * live to see a promise settle: what is sent was sealed before. If something else was said under
   * the same number meanwhile, "left" is the greater of the two (gossip/rumour.ts).
   */
  leave(self: string): void {
    const isAlone = [...this.#tabs.keys()].every((tab) => tab === self);
    if (isAlone && this.#farewell !== undefined) this.forward(this.#farewell);
    this.#farewell = undefined;
  }

  close(): void {
    this.#undo();
    this.#effects.close();
  }

  /** A whisper travels faster than the first entry of its author's log. */
  #recognise(): void {
    const { gate } = this.#options.core;
    for (const [replica, { source, publicKey, bytes }] of [...this.#strangers]) {
      if (!gate.admitted(replica)) continue;
      this.#strangers.delete(replica);
      this.hear(source, publicKey, bytes);
    }
  }

  #look(): void {
    this.#presence.set(this.#own());
    const sessions = this.#sessions();
    if (sessions.length === 0) return;
    const due = this.#presence.due(this.#now());
    if (due !== undefined) this.#say(due, sessions);
    this.#options.onChanged();
  }

  /** The best that any tab says: somebody who types there before somebody who is there. */
  #own(): OwnPresence {
    const all = [...this.#tabs.values()]
      .map(({ attention }) => attention)
      .sort((a, b) => rankOf(b) - rankOf(a));
    const best = all[0];
    return {
      status: all.some(({ active }) => active) ? "online" : "away",
      where: best?.where,
      typing: best?.typing ?? false,
    };
  }

  #say(content: RumourContent, sessions: readonly Session[]): void {
    const { device, tag, sealer } = this.#options.core;
    this.#effects.start(signRumour(device.suite, sealer.secret, tag, content), (rumour) => {
      this.#presence.said(rumour);
      this.#whisper([rumour], undefined, sessions);
      this.#effects.start(this.#sealFarewell(content), (farewell) => {
        this.#farewell = farewell;
      });
    });
  }

  /** The rumour after `said`, in case it is the last. */
  async #sealFarewell(said: RumourContent): Promise<Uint8Array> {
    const { core } = this.#options;
    const { suite } = core.device;
    const version = said.version + 1;
    const left = { ...said, version, status: "left", where: undefined, typing: false } as const;
    const rumour = await signRumour(suite, core.sealer.secret, core.tag, left);
    const plain = encodeWhisperContent({ kind: "presence", rumours: [rumour] });
    return core.sealWhisper(plain, undefined);
  }

  #take(source: Session, from: ReplicaId, rumours: readonly Rumour[]): void {
    const now = this.#now();
    const { fresh, appeared, correction } = this.#presence.hear(rumours, from, now);
    const newcomers = new Set(appeared);
    for (const { replica, incarnation, status } of fresh) {
      const isBack = incarnation > (this.#incarnations.get(replica) ?? incarnation);
      if (isBack && status !== "left") newcomers.add(replica);
      this.#incarnations.set(replica, incarnation);
    }
    const others = this.#sessions().filter((session) => session !== source);
    if (fresh.length > 0 && others.length > 0) this.#whisper(fresh, undefined, others);
    if (correction !== undefined) this.#whisper([correction], from, [source]);
    for (const newcomer of newcomers) this.#welcome(newcomer, source);
    if (fresh.length > 0) this.#options.onChanged();
  }

  /** Tells somebody who came of those who are here; of many only some do. */
  #welcome(newcomer: ReplicaId, source: Session): void {
    const { random } = this.#options.core.device.env;
    const here = this.facts().filter(({ presence }) => presence !== "offline").length;
    if (random.fraction() * here >= vouchersMean) return;
    const known = this.#presence
      .vouch(this.#now(), rumoursMax)
      .filter(({ replica }) => replica !== newcomer);
    if (known.length > 0) this.#whisper(known, newcomer, [source]);
  }

  #whisper(
    rumours: readonly Rumour[],
    to: ReplicaId | undefined,
    sessions: readonly Session[],
  ): void {
    const { core } = this.#options;
    const plain = encodeWhisperContent({ kind: "presence", rumours });
    this.#effects.start(core.sealWhisper(plain, to), (sealed) => {
      for (const session of sessions) session.sendWhisper(core.sealer.publicKey, sealed);
    });
  }

  async #open(whispered: Whispered) {
    const { core } = this.#options;
    const { publicKey, bytes } = whispered;
    const whisper = await verifyWhisper(core.device.suite, core.tag, publicKey, bytes);
    // Whoever forwarded it cannot look inside: nobody here is to blame.
    if (isRefusal(whisper) || whisper.from === core.replica) return undefined;
    if (!core.gate.admitted(whisper.from)) {
      const isKnown = this.#strangers.has(whisper.from);
      if (isKnown || this.#strangers.size < strangersMax) {
        this.#strangers.set(whisper.from, whispered);
      }
      return undefined;
    }
    if (!this.#window.accept(whisper)) return undefined;
    const plain = await openWhisper(core.keyring, whisper);
    if (typeof plain === "string") return undefined;
    const content = decodeWhisperContent(plain);
    if (isMalformed(content)) return undefined;
    return { from: whisper.from, nonce: whisper.nonce, content };
  }

  /** Those that are signed by whom they name, and are news. */
  async #genuine(
    rumours: readonly Rumour[],
    from: ReplicaId,
    fromKey: Uint8Array,
  ): Promise<readonly Rumour[]> {
    const { core, replica } = this.#options;
    const { suite } = core.device;
    const genuine: Rumour[] = [];
    for (const rumour of rumours) {
      if (!core.gate.admitted(rumour.replica) && rumour.replica !== core.replica) continue;
      const isStale = rumour.replica === from;
      if (!this.#presence.isNews(rumour) && !isStale) continue;
      const key =
        rumour.replica === from
          ? fromKey
          : replica().exchange.holdings.head(rumour.replica)?.publicKey;
      if (key !== undefined && (await verifyRumour(suite, key, core.tag, rumour))) {
        genuine.push(rumour);
      }
    }
    return genuine;
  }

  #sessions(): Session[] {
    return [...this.#options.replica().exchange.sessions];
  }

  #now(): number {
    return this.#options.core.device.env.clock.now();
  }
}

const rankOf = ({ where, typing, active, visible }: Attention): number =>
  (typing ? 8 : 0) + (active ? 4 : 0) + (where === undefined ? 0 : 2) + (visible ? 1 : 0);
