/**
 * What the leading tab does for its device: keeps the network, and applies entries for all tabs. Made when
 * this tab becomes the leader, closed for good when it no longer is.
 */
import { type Answer as LinkAnswer } from "@skein/shared/device/link.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { Alarm } from "../transport/alarm.ts";
import { relayName } from "../transport/address.ts";
import { RelayTransport } from "../transport/relay-transport.ts";
import type { Network, Observable } from "./api.ts";
import type { Device } from "./device.ts";
import type { AwarenessNews } from "./leader-presence.ts";
import { LeaderSpace, type LeaderSpaceHost } from "./leader-space.ts";
import { Cell, Events, sameValue, Soon } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";
import type { LeaderStatus, SpaceStatus } from "./status.ts";
import type { Answer, Attention, Question, Wish } from "./tabs.ts";

/** Other tabs and views hear of changes at most so often. */
const tellEveryMs = 50;

export interface LeaderOptions {
  readonly device: Device;
  readonly epoch: number;
  readonly cores: Observable<readonly SpaceCore[]>;
  readonly offline: boolean;
  /** Whether what is stored here survives the browser. */
  readonly durable: boolean;
  readonly onDeposed: () => void;
}

export interface SpaceAwareness extends AwarenessNews {
  readonly space: SpaceTag;
}

interface SaidAttention {
  readonly tab: string;
  readonly space: SpaceTag;
  readonly attention: Attention;
}

export class Leader {
  readonly status: Cell<LeaderStatus>;
  /** Cursors from other devices, for this tab; the others are told too. */
  readonly onAwareness = new Events<SpaceAwareness>();
  readonly #options: LeaderOptions;
  readonly #alarm: Alarm;
  readonly #transport: RelayTransport;
  readonly #effects: Effects;
  readonly #spaces = new Map<SpaceTag, LeaderSpace>();
  readonly #beginning = new Set<SpaceTag>();
  /** What tabs said of their person, also about spaces that were not open yet. By tab and space. */
  readonly #attention = new Map<string, SaidAttention>();
  readonly #undo: (() => void)[] = [];
  readonly #tell: Soon;
  #offline: boolean;
  #closed = false;

  constructor(options: LeaderOptions) {
    const { device, cores, offline, durable } = options;
    this.#options = options;
    this.#offline = offline;
    this.#effects = new Effects(device.onBug);
    this.#alarm = new Alarm(device.env.clock);
    this.#tell = new Soon(
      () => this.#tellAll(),
      (run) => setTimeout(run, tellEveryMs),
    );
    this.#transport = new RelayTransport({
      env: device.env,
      suite: device.suite,
      newSocket: (address) => device.platform.newSocket(address),
      durable,
      on: !offline,
      host: {
        onChanged: () => this.#changed(),
        onPresent: (session) => this.#spaces.get(session.tag)?.presence.met(session),
      },
      onBug: device.onBug,
    });
    this.status = new Cell(this.#status());
    this.#undo.push(
      this.#alarm.add(this.#transport),
      cores.subscribe(() => this.#open()),
      device.tabs.on("here", () => this.#tellTabs()),
      // A tab that somebody looks at asks every second; a hidden leader's own timers may sleep.
      device.tabs.on("ping", () => {
        this.#alarm.look();
        this.#tellAll();
      }),
      device.tabs.on("wish", ({ wish }, tab) => this.wish(wish, tab)),
      device.tabs.on("appended", ({ space, head }) => {
        this.#spaces.get(space)?.replica.ownAppended(head);
      }),
      device.tabs.on("ask", ({ id, question }) => {
        void this.ask(question).then((answer) => device.tabs.post({ kind: "answer", id, answer }));
      }),
      device.platform.page.onLeave(() => this.#leave()),
      device.platform.page.onNetwork((online) => {
        if (online) this.#transport.connectNow();
        else this.#transport.networkLost();
      }),
    );
    this.#open();
    this.#tellTabs();
  }

  /** @param tab whose person wishes it. */
  wish(wish: Wish, tab: string): void {
    switch (wish.kind) {
      case "read":
        return this.#spaces.get(wish.space)?.markRead(wish.document, wish.vector);
      case "connect now":
        return this.#transport.connectNow();
      case "compare":
        return this.#spaces.get(wish.space)?.compare();
      case "want":
        return this.#spaces.get(wish.space)?.want(wish.document);
      case "offline":
        this.#offline = wish.offline;
        return this.#transport.setOn(!wish.offline);
      case "name":
        for (const space of this.#spaces.values()) space.setName(wish.name);
        return;
      case "attention":
        this.#attention.set(`${tab}/${wish.space}`, { tab, ...wish });
        return this.#spaces.get(wish.space)?.presence.attend(tab, wish.attention);
      case "gone":
        for (const [key, said] of this.#attention) {
          if (said.tab === tab) this.#attention.delete(key);
        }
        for (const { presence } of this.#spaces.values()) presence.forget(tab);
        return;
      case "whisper":
        return this.#spaces.get(wish.space)?.presence.forward(wish.sealed);
    }
  }

  async ask(question: Question): Promise<Answer> {
    await this.#arrived(question.space);
    const relay = this.#transport.relayOf(question.space) ?? this.#options.device.relay;
    const answer: LinkAnswer = await this.#transport.request(
      question.space,
      question.kind === "invite"
        ? {
            type: "invite",
            codeHash: question.codeHash,
            expiresMs: question.expiresMs,
            uses: question.uses,
            preview: question.preview,
            keys: question.keys,
          }
        : { type: "uninvite", codeHash: question.codeHash },
    );
    if (answer.kind === "refused") return answer;
    return { kind: "done", relay };
  }

  /** A space that is on its way to its relay gets a moment. */
  async #arrived(space: SpaceTag): Promise<void> {
    const { clock } = this.#options.device.env;
    const untilMs = clock.now() + arrivesWithinMs;
    while (!this.#closed && clock.now() < untilMs) {
      const isComing = this.#beginning.has(space) && !this.#spaces.has(space);
      if (!isComing && this.#transport.stateOf(space).kind !== "connecting") return;
      await new Promise((done) => setTimeout(done, tellEveryMs));
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const undo of this.#undo) undo();
    this.#effects.close();
    this.#leave();
    this.#transport.close();
    for (const space of this.#spaces.values()) space.close();
    this.#alarm.close();
  }

  #leave(): void {
    for (const { presence } of this.#spaces.values()) {
      presence.leave(this.#options.device.tabs.id);
    }
  }

  /** Begins to lead every space that it does not lead yet. */
  #open(): void {
    const { cores, epoch, device, onDeposed } = this.#options;
    for (const core of cores.get()) {
      const { tag } = core;
      if (this.#beginning.has(tag)) continue;
      this.#beginning.add(tag);
      const host: LeaderSpaceHost = {
        onChanged: () => this.#changed(),
        onDeposed,
        request: (request) => this.#transport.request(tag, request),
        onAwareness: (space, news) => {
          device.tabs.post({ kind: "awareness", space, ...news });
          this.onAwareness.emit({ space, ...news });
        },
      };
      const begun = LeaderSpace.begin(core, epoch, host).then(async (space) => {
        if (this.#closed) space.close();
        return { space, access: await space.access() };
      });
      this.#effects.start(
        begun,
        ({ space, access }) => {
          this.#spaces.set(tag, space);
          for (const said of this.#attention.values()) {
            if (said.space === tag) space.presence.attend(said.tab, said.attention);
          }
          this.#undo.push(this.#alarm.add(space));
          // The last leader may have died between applying and telling.
          const { applied } = space.replica;
          device.tabs.post({ kind: "applied", space: tag, entries: [], state: applied });
          this.#effects.start(core.applied([], applied), () => this.#changed());
          // A tab may have appended while the database was read.
          this.#effects.start(device.store.writerBase(tag, core.log), ({ head }) => {
            if (head !== undefined) space.replica.ownAppended(head);
          });
          this.#transport.add(access, core.record.get().relays);
          device.troubles.storage(`leading ${tag}`, undefined);
          this.#changed();
        },
        (error) => {
          device.troubles.storage(`leading ${tag}`, error);
          setTimeout(() => {
            this.#beginning.delete(tag);
            if (!this.#closed) this.#open();
          }, beginAgainMs);
        },
      );
    }
  }

  #changed(): void {
    if (this.#closed) return;
    this.#alarm.look();
    this.#tell.ask();
  }

  #tellAll(): void {
    if (this.#closed) return;
    const status = this.#status();
    if (sameValue(status, this.status.get())) return;
    this.status.set(status);
    this.#tellTabs();
  }

  #tellTabs(): void {
    this.#options.device.tabs.post({ kind: "status", status: this.status.get() });
  }

  #status(): LeaderStatus {
    const spaces = new Map<SpaceTag, SpaceStatus>();
    for (const [tag, space] of this.#spaces)
      spaces.set(tag, space.status(this.#transport.stateOf(tag)));
    return { network: this.#network(spaces), spaces };
  }

  /** Of the device: the best that any of its spaces has. */
  #network(spaces: ReadonlyMap<SpaceTag, SpaceStatus>): Network {
    if (this.#offline) return { kind: "off" };
    const networks = [...spaces.values()].map(({ network }) => network);
    for (const kind of ["connected", "connecting", "waiting", "refused"] as const) {
      const found = networks.find((network) => network.kind === kind);
      if (found !== undefined) return found;
    }
    return { kind: "connecting", relay: relayName(this.#options.device.relay) };
  }
}

const arrivesWithinMs = 5_000;
/** After the database failed while a space was opened. */
const beginAgainMs = 3_000;
