/**
 * One tab of a device: people write, read and whisper in it, and it leads when it is its turn. What
 * runs in here is the shipped core as client/src/runtime puts it together: one alarm for all that
 * waits, a backoff per relay, registers read back, and everything let go when another tab leads.
 */
import type { VersionVector } from "@skein/shared/clock/version-vector.ts";
import { KvFailure } from "@skein/shared/device/kv.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import type { RegisterDesk } from "@skein/shared/device/register-desk.ts";
import type { RegisterTopic } from "@skein/shared/device/register-board.ts";
import type { Env } from "@skein/shared/env.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import type { LogHead } from "@skein/shared/log/store.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { isRefusal } from "@skein/shared/log/refusal.ts";
import { verifyWhisper, WhisperWindow } from "@skein/shared/protocol/whisper.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { Retry } from "@skein/shared/sync/retry.ts";
import { openWhisper, sealWhisper } from "@skein/shared/sync/sealed-whisper.ts";
import { Tab } from "../support/party.ts";
import { Actor } from "./actor.ts";
import { type Books, channel, olderModelOf } from "./books.ts";
import type { Ground } from "./ground.ts";
import type { SimDevice } from "./sim-device.ts";
import type { SimRelay } from "./sim-relay.ts";
import { SimDocuments } from "./sim-documents.ts";
import { signedOrder, snapshotsOf } from "./sim-snapshots.ts";
import { SimWire } from "./wire.ts";

const topics: readonly RegisterTopic[] = [{ kind: "clock" }, { kind: "read", document: channel }];

/** Timers of a browser come no closer than that. */
const alarmMsMin = 1;
const alarmMsMax = 30_000;
/** After the disk refused to make a tab the leader, or to say what it holds. */
const leadAgainMs = 3_000;
const writeAgainMs = 1_000;

interface LinkState {
  readonly relay: SimRelay;
  readonly retry: Retry;
  link: RelayLink | undefined;
}

export class SimTab {
  readonly actor: Actor;
  readonly device: SimDevice;
  readonly tab: Tab;
  readonly wires = new Set<SimWire>();
  /** What it has open, where documents are real. */
  readonly documents: SimDocuments | undefined;
  /** It runs an app that knows nothing of notes. */
  readonly isOlder: boolean;
  // What the books remember of this tab.
  readonly clocksShown = new Map<ReplicaId, VersionVector>();
  readonly marksShown = new Map<ReplicaId, VersionVector>();
  readonly heard = new Set<string>();
  alarms = { second: 0, count: 0 };

  readonly #ground: Ground;
  readonly #books: Books;
  readonly #env: Env;
  readonly #links: LinkState[] = [];
  readonly #window = new WhisperWindow();
  #whispers = 0;
  /** Counts leaderships, so that what an earlier one began is not taken for this one's. */
  #turn = 0;
  #leading = false;
  #looking = false;
  #retrying = false;
  #alarmAtMs = Number.POSITIVE_INFINITY;

  constructor(ground: Ground, books: Books, device: SimDevice, isOlder: boolean) {
    this.isOlder = isOlder;
    this.#ground = ground;
    this.#books = books;
    this.device = device;
    this.actor = new Actor(ground.schedule);
    this.#env = ground.env(ground.clockSkewMs());
    const disk = device.disk.open(this.actor);
    const kv = ground.mutant?.kv?.(disk, ground.dice) ?? disk;
    this.tab = new Tab({
      env: this.#env,
      suite: ground.suiteFor(this.actor),
      kv,
      space: ground.space,
      pair: device.pair,
      lock: device.logLock.for(this.actor),
      ...(ground.options.snapshots && { snapshots: snapshotsOf(ground, device.index) }),
      ...(isOlder && { known: olderModelOf }),
      onBug: (error) => ground.bug(error),
    });
    ground.mutant?.tab?.(this.tab, kv);
    this.#listen();
    if (ground.options.documents) {
      const append: Tab["writer"]["append"] = (...what) => this.#append(...what);
      const { actor, tab } = this;
      this.documents = new SimDocuments(ground, books, device, {
        actor,
        env: this.#env,
        tab,
        kv,
        append,
      });
      ground.mutant?.documents?.(this.documents);
    }
  }

  // What a person does

  write(): void {
    const { documents } = this;
    const { dice, options } = this.#ground;
    if (!options.forks && !this.device.hasOwnLog) return;
    if (documents !== undefined && dice.chance(0.7)) {
      if (dice.chance(0.5)) documents.edit();
      else if (dice.chance(0.6)) documents.gesture();
      else documents.reopen();
      return;
    }
    const { write, build } = this.#books.write(this, this.#env.clock.now());
    this.#append(write.document, build).then(
      ({ head }) => this.#books.wrote(write, head.to),
      (error: unknown) => this.#ground.bug(error),
    );
  }

  /** Some of what is applied has been in view for a second. */
  read(): void {
    const { replica, desk } = this.tab;
    if (replica === undefined || desk === undefined) return;
    const { dice } = this.#ground;
    const mark = new Map<ReplicaId, number>();
    for (const [author, seq] of replica.applied.vector) mark.set(author, dice.between(1, seq));
    this.device.hasRead(mark);
    desk.markRead({ kind: "read", document: channel }, mark);
    replica.tick();
    this.look();
  }

  whisper(): void {
    const { replica, sealer, writer } = this.tab;
    if (replica === undefined) return;
    const { devices } = this.device;
    const { dice } = this.#ground;
    const to = dice.chance(0.5) ? undefined : dice.pick(devices).replica;
    const counter = ++this.#whispers;
    const text = `w${counter} in ${this.#ground.nowMs}`;
    const plain = new TextEncoder().encode(text);
    this.#books.whisper(sealer.replica, text);
    sealWhisper(sealer, { to, nonce: writer.nonce, counter, plain }).then(
      (whisper) => {
        for (const session of replica.exchange.sessions) {
          session.sendWhisper(sealer.publicKey, whisper);
        }
      },
      (error: unknown) => this.#ground.bug(error),
    );
  }

  // What happens to it

  /** Another tab of the device has appended. Who is not leading yet reads it later. */
  hear(head: LogHead): void {
    this.tab.replica?.ownAppended(head);
  }

  lead(): void {
    this.follow();
    this.#leading = true;
    const turn = this.#turn;
    const shown = this.#books.shownBy(this.device);
    this.#lead(turn, shown).catch((error: unknown) => {
      if (!(error instanceof KvFailure)) return this.#ground.bug(error);
      // The disk refused: the lock is kept, and it is tried again.
      this.actor.after(leadAgainMs, () => {
        if (this.#leading && turn === this.#turn) this.lead();
      });
    });
  }

  /** The lock was stolen, or a transaction was fenced: let go of everything, in order. */
  follow(): void {
    this.#turn++;
    this.#leading = false;
    for (const { link } of this.#links.splice(0)) link?.connection.end(codes.closed, "");
    this.tab.close();
  }

  /** In order, as when somebody closes it. */
  close(): void {
    this.documents?.close();
    this.follow();
    this.actor.dead = true;
  }

  kill(): void {
    this.actor.dead = true;
    for (const wire of [...this.wires]) wire.cut();
  }

  /** Something happened after which the alarm may have to ring at another time. */
  look(): void {
    if (this.#looking) return;
    this.#looking = true;
    // After the step that is running: what it still does may set the time.
    queueMicrotask(() => {
      this.#looking = false;
      this.#arm();
    });
  }

  /** Who wants to be called, for a report. */
  wakes(): string {
    const now = this.#env.clock.now();
    const links = this.#links.map(({ link }) => (link?.wakeAtMs() ?? Number.NaN) - now);
    return `replica in ${(this.tab.replica?.wakeAtMs() ?? Number.NaN) - now} ms, links ${links.join()}`;
  }

  #append(...what: Parameters<Tab["writer"]["append"]>): ReturnType<Tab["writer"]["append"]> {
    const written = this.tab.writer.append(...what);
    if (!this.#retrying) this.#retryLater();
    return written;
  }

  /** Until everything that was written here is on the disk. */
  #retryLater(): void {
    this.#retrying = true;
    this.actor.after(writeAgainMs, () => {
      this.tab.writer.retry();
      if (this.tab.writer.pending > 0) this.#retryLater();
      else this.#retrying = false;
    });
  }

  /**
   * By `Object.assign`: V8 makes a function that is assigned to a property where it is written in its
   * old generation, as if it were a class's method, and with it a whole world outlives its seed.
   */
  #listen(): void {
    const { tab } = this;
    const { store } = tab;
    const apply = store.apply.bind(store);
    const repair = store.repair.bind(store);
    const readSpares = store.readSpares.bind(store);
    const onSplit = tab.onSplit.bind(tab);
    const watched: Partial<Tab["store"]> = {
      apply: (space, epoch, before, entries, after) => {
        this.#books.learn(entries);
        return apply(space, epoch, before, entries, after);
      },
      repair: async (space, run) => {
        const outcome = await repair(space, run);
        if (outcome === "repaired") this.#ground.struck("mended in place");
        return outcome;
      },
      readSpares: async (...range) => {
        const run = await readSpares(...range);
        if (run !== undefined) this.#ground.fire("second copy read");
        return run;
      },
    };
    const hearing: Partial<Tab> = {
      onSplit: (...logs) => {
        this.#ground.struck("log taken apart");
        onSplit(...logs);
      },
      onHoles: () => this.#ground.fire("damage noticed"),
      onApply: (entries, before) => {
        this.#books.applied(this, entries, before);
        this.device.applied(this);
      },
      onStoredBy: (session, seq) => this.#books.stored(this, session, seq),
      onOwnHead: (head) => this.device.broadcast(this, head),
      onChange: () => this.look(),
      onBoard: (replica) => {
        this.#books.receipts(this, replica);
        const verdicts = tab.board.notices.get(replica)?.verdicts ?? [];
        if (verdicts.some(({ agrees }) => agrees)) this.#ground.fire("snapshot confirmed");
        if (verdicts.some(({ agrees }) => !agrees)) {
          this.#ground.violated("an honest snapshot was refused");
        }
      },
      onWhispered: (publicKey, whisper) => this.#hearWhisper(publicKey, whisper),
      onFenced: () => this.device.fenced(this),
      onOrder: async (...order) => {
        const bytes = await signedOrder(this.#ground, ...order);
        const { tag } = this.#ground.space;
        const answers = await Promise.all(
          this.#links.flatMap(
            ({ link }) => link?.request(tag, { type: "truncate", order: bytes }) ?? [],
          ),
        );
        return answers.some(({ kind }) => kind === "done");
      },
    };
    Object.assign(store, watched);
    Object.assign(tab, hearing);
  }

  async #lead(turn: number, shown: ReturnType<Books["shownBy"]>): Promise<void> {
    const { tab } = this;
    const replica = await tab.lead(topics);
    if (turn !== this.#turn) return;
    this.#books.leads(this, shown);
    // The last leader may have died between applying and telling.
    this.device.applied(this);
    if (tab.desk !== undefined) this.#ground.mutant?.desk?.(tab.desk);
    if (tab.desk !== undefined) this.#watchNotices(tab.desk);
    // A tab may have appended while the database was read.
    const { head } = await tab.store.writerBase(this.#ground.space.tag, tab.replicaId);
    if (turn !== this.#turn) return;
    if (head !== undefined) replica.ownAppended(head);
    for (const relay of this.device.relays) {
      const state = { relay, retry: new Retry(this.#env), link: undefined };
      this.#ground.mutant?.retry?.(state.retry);
      this.#links.push(state);
      this.#connect(state);
    }
    this.look();
  }

  /** What is published can be had, when it is; relays may lose it later. */
  #watchNotices(desk: RegisterDesk): void {
    const setNotice = desk.setNotice.bind(desk);
    const watched: Partial<RegisterDesk> = {
      setNotice: (notice) => {
        if (notice.published !== desk.notice.published) {
          this.#books.published(this.device, notice);
        }
        setNotice(notice);
      },
    };
    Object.assign(desk, watched);
  }

  #arm(): void {
    if (this.actor.dead || this.tab.replica === undefined) return;
    let wakeAtMs = Math.min(
      this.tab.replica.wakeAtMs(),
      this.tab.keeper?.wakeAtMs() ?? Number.POSITIVE_INFINITY,
    );
    for (const { link, retry } of this.#links) {
      if (link !== undefined) wakeAtMs = Math.min(wakeAtMs, link.wakeAtMs());
      else if (retry.state.kind === "waiting") wakeAtMs = Math.min(wakeAtMs, retry.state.untilMs);
    }
    const delayMs = Math.ceil(wakeAtMs - this.#env.clock.now());
    const inMs = Math.min(Math.max(alarmMsMin, delayMs), alarmMsMax);
    const { nowMs } = this.#ground;
    // One that rings earlier asks everybody again.
    if (this.#alarmAtMs <= nowMs + inMs) return;
    const atMs = nowMs + inMs;
    this.#alarmAtMs = atMs;
    this.actor.after(inMs, () => {
      if (this.#alarmAtMs !== atMs) return;
      this.#alarmAtMs = Number.POSITIVE_INFINITY;
      this.#books.alarm(this);
      this.#ring();
      this.#arm();
    });
  }

  #ring(): void {
    const { replica } = this.tab;
    const now = this.#env.clock.now();
    if (replica !== undefined) {
      this.#books.backlog(replica.exchange.sessions);
      this.#books.ahead(this.device, replica.ahead);
      if (replica.wakeAtMs() <= now) replica.tick();
      this.tab.keeper?.tick();
    }
    for (const { link } of this.#links) link?.tick();
    this.#decide();
  }

  #decideSoon(): void {
    this.actor.after(alarmMsMin, () => this.#decide());
  }

  /** Opens what should be open. */
  #decide(): void {
    for (const state of this.#links) {
      if (state.link === undefined && state.retry.due) this.#connect(state);
    }
  }

  #connect(state: LinkState): void {
    const ground = this.#ground;
    const { relay, retry } = state;
    this.#books.attempt(this.device, relay);
    if (relay.relay === undefined || !this.device.canReach(relay)) {
      retry.ended({ code: codes.goingAway, retryAfterMs: 0, detail: "no answer" });
      this.#decideSoon();
      return;
    }
    const wire = new SimWire(ground, this.#books, this, relay);
    const link = new RelayLink({
      env: this.#env,
      suite: ground.suiteFor(this.actor),
      origin: relay.name,
      durable: true,
      effects: new Effects((error) => ground.bug(error)),
      wire: { send: (frame) => wire.up(frame), close: () => wire.close() },
      host: {
        onGreeted: () => retry.connected(),
        onEnded: (ended, end) => {
          this.#books.ended(end);
          if (state.link !== ended) return;
          state.link = undefined;
          retry.ended(end);
          this.#decideSoon();
          this.look();
        },
        onSpaceState: () => this.look(),
        onPresent: () => {},
      },
    });
    state.link = link;
    wire.link = link;
    this.#books.connected(link.connection, relay);
    const wireOfRelay = {
      send: (frame: Uint8Array) => wire.down(frame),
      close: () => wire.close(),
    };
    wire.connection = relay.connect(wireOfRelay);
    link.add(this.tab.access(this.device.writeKey));
  }

  async #hearWhisper(publicKey: Uint8Array, bytes: Uint8Array): Promise<void> {
    const { suite, space } = this.#ground;
    const whisper = await verifyWhisper(suite, space.tag, publicKey, bytes);
    if (isRefusal(whisper)) return this.#ground.violated(`a whisper that is ${whisper.words}`);
    if (!this.#window.accept(whisper)) return;
    const plain = await openWhisper(this.tab.keyring, whisper);
    if (!(plain instanceof Uint8Array)) return this.#ground.violated(`a whisper that is ${plain}`);
    this.#books.heard(this, whisper.from, new TextDecoder().decode(plain));
  }
}
