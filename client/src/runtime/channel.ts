/**
 * A channel that is open in this tab: the newest part of it in memory, kept up with what is applied; what is
 * written here stands in it at once and is told truly until it is on the disk; receipts for what is asked.
 */
import { draftPost, postKind, understandChannel } from "@skein/shared/chat/post.ts";
import type { Message as StoredMessage } from "@skein/shared/crdt/op/channel.ts";
import { messageOf } from "@skein/shared/crdt/op/channel.ts";
import type { ReadyEntry } from "@skein/shared/device/store.ts";
import { keyOfId, type RawOperation } from "@skein/shared/crdt/crdt.ts";
import type { DocumentId, ReplicaId } from "@skein/shared/id/id.ts";
import type { Inquiry } from "@skein/shared/receipt/receipt.ts";
import { applyMax } from "@skein/shared/device/projection.ts";
import { membersAt } from "@skein/shared/space/member.ts";
import type { Message, MessageInfo, Observable, OpenChannel, PostResult, Receipt } from "./api.ts";
import { ChannelWindow, type WindowRow } from "./channel-window.ts";
import { Cell, derived, sameValue } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";
import { shownMs } from "./shown-ms.ts";

/** Read at first, and at a time when somebody scrolls back. */
const firstPage = 60;
const pageMessages = 100;
/** So much of what is unread is read at once, to begin where the person left off. */
const unreadMax = 500;
const unreadContext = 20;
/** A draft is written when typing pauses. */
const keepDraftAfterMs = 300;

export interface ChannelOptions {
  readonly core: SpaceCore;
  readonly channel: DocumentId;
  /** How far this person has read here. */
  readonly mark: () => ReadonlyMap<ReplicaId, number>;
  readonly onRead: (vector: ReadonlyMap<ReplicaId, number>) => void;
  readonly onTyping: (typing: boolean) => void;
  /** What is shown here is still to come: it is asked for before other things. */
  readonly onWanted: () => void;
}

export class LiveChannel implements OpenChannel {
  readonly id: DocumentId;
  readonly messages: Observable<readonly Message[]>;
  readonly hasOlder: Observable<boolean>;
  readonly olderComing = new Cell(false);
  firstUnread: string | undefined;

  readonly #options: ChannelOptions;
  readonly #window = new ChannelWindow();
  readonly #rows = new Cell<readonly WindowRow[]>([]);
  readonly #hasOlder = new Cell(true);
  readonly #views = new Map<string, Message>();
  readonly #receipts = new Map<string, Observable<Receipt>>();
  readonly #infos = new Map<string, Observable<MessageInfo>>();
  readonly #undo: (() => void)[] = [];
  #written = 0;
  #loading: Promise<void> | undefined;
  #draft = "";
  #draftTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  static async open(options: ChannelOptions): Promise<LiveChannel> {
    const { core, channel } = options;
    const live = new LiveChannel(options);
    // Listens before it reads: what is applied in between comes both ways and counts once.
    await core.ready;
    await core.know([{ kind: "read", document: channel }]);
    await live.#begin();
    return live;
  }

  private constructor(options: ChannelOptions) {
    const { core, channel } = options;
    this.#options = options;
    this.id = channel;
    this.hasOlder = this.#hasOlder;
    this.messages = derived(
      [this.#rows, core.membership, core.registersVersion],
      (rows) => rows.map((row) => this.#view(row)),
      (before, after) =>
        before.length === after.length && before.every((message, at) => message === after[at]),
    );
    this.#undo.push(
      core.onApplied.on((entries) => this.#applied(entries)),
      core.onAnew.on(() => {
        this.#window.beginAnew();
        this.#changed();
      }),
      core.onMissed.on(() => {
        const { troubles } = core.device;
        this.#readNewest().then(
          () => troubles.storage(`channel ${channel}`, undefined),
          (error: unknown) => troubles.storage(`channel ${channel}`, error),
        );
      }),
      core.onFilled.on((document) => {
        if (document === channel) this.#filled();
      }),
      core.device.platform.page.onHide(() => this.#keepDraft()),
    );
  }

  loadOlder(): Promise<void> {
    if (!this.#window.hasOlder || this.#closed) return Promise.resolve();
    this.#loading ??= this.#read(pageMessages).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  post(text: string): Promise<PostResult> {
    const { core, channel, onTyping } = this.#options;
    const { env } = core.device;
    const timeMs = env.clock.now();
    const drafted = draftPost(text, timeMs);
    if (drafted.kind === "refused") return Promise.resolve(drafted);
    onTyping(false);
    const key = `${core.device.tabs.id}:${this.#written++}`;
    this.#window.write(key, text, timeMs);
    this.#changed();
    void core
      .append(channel, () => [drafted.operation])
      .then(({ head, lamport, index }) => {
        const id = { replica: head.replica, seq: head.to, index };
        this.#window.commit(key, { id, lamport, timeMs, text });
        this.#changed();
        // Until now the draft was the only copy that would have survived.
        this.#keepDraft();
      });
    return Promise.resolve({ kind: "posted", message: key });
  }

  receipt(message: string): Observable<Receipt> {
    let receipt = this.#receipts.get(message);
    if (receipt === undefined) {
      const { core } = this.#options;
      receipt = derived(
        [this.#rows, core.membership, core.registersVersion, core.sent],
        () => this.#receipt(message),
        sameValue,
      );
      this.#receipts.set(message, receipt);
    }
    return receipt;
  }

  info(message: string): Observable<MessageInfo> {
    let info = this.#infos.get(message);
    if (info === undefined) {
      const { core } = this.#options;
      info = derived(
        [this.#rows, core.membership, core.registersVersion, core.sent],
        () => this.#info(message),
        sameValue,
      );
      this.#infos.set(message, info);
    }
    return info;
  }

  markRead(message: string): void {
    const stored = this.#window.message(message);
    const { core, mark, onRead } = this.#options;
    if (stored === undefined) return;
    const { replica, seq } = stored.id;
    if (core.memberOf(replica) === core.me || (mark().get(replica) ?? 0) >= seq) return;
    onRead(new Map([[replica, seq]]));
  }

  typing(): void {
    this.#options.onTyping(true);
  }

  draft(): string {
    return this.#draft;
  }

  setDraft(text: string): void {
    this.#draft = text;
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.#keepDraft(), keepDraftAfterMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#keepDraft();
    this.#closed = true;
    for (const undo of this.#undo) undo();
    this.#options.onTyping(false);
  }

  async #begin(): Promise<void> {
    const { core, channel, mark } = this.#options;
    const { models } = core.device;
    const [unread, draft] = await Promise.all([
      models.unread(core.tag, channel, mark(), core.ownReplicas(), unreadMax),
      models.draft(core.tag, channel),
    ]);
    this.#draft = draft;
    await this.#read(Math.max(firstPage, unread.count + unreadContext));
    if (unread.first === undefined) return;
    const first = await models.message(core.tag, channel, unread.first);
    this.firstUnread = first && keyOfId(first.id);
  }

  async #read(limit: number): Promise<void> {
    const { core, channel } = this.#options;
    const { oldest } = this.#window;
    const page = await core.device.models.messagesBefore(core.tag, channel, oldest, limit);
    this.#window.prepend(page);
    this.olderComing.set(page.pending !== undefined);
    if (page.pending !== undefined) this.#options.onWanted();
    this.#changed();
  }

  /** What is shown at first is read at once; what is older, when somebody looks for it. */
  #filled(): void {
    this.olderComing.set(false);
    if (this.#window.rows.length > 0) return;
    const { troubles } = this.#options.core.device;
    this.loadOlder().catch((error: unknown) => troubles.storage(`channel ${this.id}`, error));
  }

  /** A leader that died told nobody of its last application: no more than that is missed. */
  async #readNewest(): Promise<void> {
    const { core, channel } = this.#options;
    const page = await core.device.models.messagesBefore(core.tag, channel, undefined, applyMax);
    const news = page.messages.filter((message) => this.#window.add(message));
    if (news.length > 0) this.#changed();
  }

  #applied(entries: readonly ReadyEntry[]): void {
    let news = false;
    for (const entry of entries) {
      if (entry.document !== this.id) continue;
      for (const message of messagesOf(entry)) news = this.#window.add(message) || news;
    }
    if (news) this.#changed();
  }

  #changed(): void {
    if (this.#closed) return;
    this.#hasOlder.set(this.#window.hasOlder);
    this.#rows.set(this.#window.rows);
  }

  #view({ key, stored, text, timeMs }: WindowRow): Message {
    const { core } = this.#options;
    const author = stored === undefined ? core.me : core.memberOf(stored.id.replica);
    const message: Message = {
      key,
      author,
      authorName: author === undefined ? "" : core.nameOf(author),
      isMine: author === core.me,
      text,
      atMs: shownMs(timeMs),
      pending: stored === undefined,
    };
    const known = this.#views.get(key);
    if (known !== undefined && sameValue(known, message)) return known;
    this.#views.set(key, message);
    return message;
  }

  #inquiry(message: StoredMessage): Inquiry {
    const { core, channel } = this.#options;
    const { replica, seq } = message.id;
    const audience = membersAt(core.membership.get(), message);
    return { document: channel, author: replica, seq, durable: true, audience };
  }

  #receipt(key: string): Receipt {
    const { core } = this.#options;
    const stored = this.#window.message(key);
    if (stored === undefined) {
      const of = Math.max(0, core.membership.get().members.size - 1);
      return { level: "saving", delivered: 0, read: 0, of, reason: undefined };
    }
    const { level, delivered, read, of } = core.ledger.receipt(core.roster, this.#inquiry(stored));
    return { level, delivered, read, of, reason: undefined };
  }

  #info(key: string): MessageInfo {
    const { core } = this.#options;
    const stored = this.#window.message(key);
    if (stored === undefined) return { members: [], myOtherDevices: [], sentByMs: undefined };
    const info = core.ledger.info(core.roster, this.#inquiry(stored));
    const devicesOf = (devices: typeof info.myOtherDevices) =>
      devices.map(({ replica, reach }) => ({ replica, level: reach }));
    return {
      members: info.members.map(({ member, reach, byMs, devices }) => ({
        member,
        name: core.nameOf(member),
        level: reach,
        byMs,
        devices: devicesOf(devices),
      })),
      myOtherDevices: devicesOf(info.myOtherDevices),
      sentByMs: info.sentByMs,
    };
  }

  /** What was sent stays a draft until it is committed: a crash in between loses nothing. */
  #keepDraft(): void {
    clearTimeout(this.#draftTimer);
    const { core, channel } = this.#options;
    if (this.#closed || (this.#draft === "" && core.pending > 0)) return;
    const { models, troubles } = core.device;
    models.putDraft(core.tag, channel, this.#draft).then(
      () => troubles.writing("drafts", undefined),
      (error: unknown) => troubles.writing("drafts", error),
    );
  }
}

/** The messages that an applied entry brings into its channel. */
function* messagesOf({ replica, seq, lamport, operations }: ReadyEntry): Generator<StoredMessage> {
  for (const [index, operation] of operations.entries()) {
    const post = postOf(operation);
    if (post !== undefined) yield messageOf({ id: { replica, seq, index }, lamport, op: post });
  }
}

function postOf(operation: RawOperation) {
  if (operation.kind !== postKind) return undefined;
  const understood = understandChannel(operation);
  return understood.kind === "known" ? understood.op : undefined;
}
