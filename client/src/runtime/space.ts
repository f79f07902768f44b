/** One space in one tab, as the views know it (api.ts): the parts below put together, and nothing else. */
import type { DocumentId, ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import type {
  ChannelRow,
  InviteLink,
  InviteOptions,
  InviteRow,
  MemberRow,
  NoteRow,
  Observable,
  OpenChannel,
  OpenNote,
  OutboxItem,
  Role,
  Space,
  SpaceSummary,
  SyncState,
} from "./api.ts";
import type { AttentionDesk } from "./attention-desk.ts";
import { SpaceCatalog } from "./catalog.ts";
import { LiveChannel } from "./channel.ts";
import { compactWhileLeading } from "./compaction.ts";
import { createInvite, inviteRows, revokeInvite } from "./invites.ts";
import type { LeaderLink } from "./leader-link.ts";
import { memberRows } from "./members.ts";
import { NotePeers } from "./note-peers.ts";
import { OpenNotes } from "./open-notes.ts";
import { derived, sameValue } from "./observable.ts";
import { Outbox } from "./outbox.ts";
import { ReadMarks } from "./read-marks.ts";
import type { SpaceCore } from "./space-core.ts";
import { syncStateOf } from "./sync-state.ts";

export class LiveSpace implements Space {
  readonly tag: SpaceTag;
  readonly name: Observable<string>;
  readonly notes: Observable<readonly NoteRow[]>;
  readonly channels: Observable<readonly ChannelRow[]>;
  readonly members: Observable<readonly MemberRow[]>;
  readonly myRole: Observable<Role>;
  readonly waitingForFirst: Observable<boolean>;
  readonly sync: Observable<SyncState>;
  readonly outbox: Observable<readonly OutboxItem[]>;
  readonly invites: Observable<readonly InviteRow[]>;
  readonly summary: Observable<SpaceSummary>;
  readonly core: SpaceCore;
  readonly catalog: SpaceCatalog;
  readonly #link: LeaderLink;
  readonly #marks: ReadMarks;
  readonly #notes: OpenNotes;
  readonly #outbox: Outbox;
  readonly #attention: AttentionDesk;
  readonly #undo: (() => void)[] = [];
  #stopCompacting: () => void = () => {};

  constructor(core: SpaceCore, link: LeaderLink, attention: AttentionDesk) {
    const { tag, device } = core;
    this.core = core;
    this.tag = tag;
    this.#link = link;
    this.#attention = attention;
    this.#marks = new ReadMarks(core);
    this.#outbox = new Outbox(core);
    this.catalog = new SpaceCatalog(core);
    const peers = new NotePeers(device.suite, core.replica, core.nonce);
    this.#notes = new OpenNotes({
      core,
      link,
      peers,
      onSeen: (document, vector) => this.#read(document, vector),
      onWanted: (document) => this.#want(document),
    });

    this.name = derived(
      [core.membership, core.record],
      ({ spaceName }, { name }) => spaceName ?? name,
    );
    this.notes = this.catalog.notes;
    this.channels = derived(
      [this.catalog.channels, this.#marks.unread],
      (channels, unread) =>
        channels.map(({ id, name }) => ({ id, name, unread: unread.get(id) ?? 0 })),
      sameValue,
    );
    this.members = memberRows(core, link.status, device.platform.page.active);
    this.myRole = derived(
      [core.membership, core.record],
      ({ members }, { seeds }) => members.get(core.me)?.role ?? seeds.role,
    );
    this.waitingForFirst = derived(
      [core.record, core.vector],
      ({ admission }, vector) =>
        admission.kind === "joiner" && [...vector.keys()].every((each) => each === core.replica),
    );
    this.sync = syncStateOf(core, link.status);
    this.outbox = derived(
      [this.#outbox.items, this.catalog.notes],
      (items, notes) =>
        items.map((item) =>
          item.kind === "note"
            ? { ...item, label: notes.find(({ id }) => id === item.document)?.title ?? "" }
            : item,
        ),
      sameValue,
    );
    this.invites = inviteRows(core);
    this.summary = derived(
      [this.name, this.#marks.unread],
      (name, unread) => ({
        tag,
        name,
        unread: [...unread.values()].reduce((sum, count) => sum + count, 0),
      }),
      sameValue,
    );
    this.#undo.push(this.name.subscribe(() => this.#rememberName()));
  }

  /** This tab leads, or (undefined) leads no longer: who leads keeps the read models up. */
  lead(leading: { readonly epoch: number; readonly onFenced: () => void } | undefined): void {
    this.#stopCompacting();
    if (leading === undefined) {
      this.#stopCompacting = () => {};
      return this.catalog.lead(undefined);
    }
    const { epoch, onFenced } = leading;
    const { core, catalog, tag } = this;
    catalog.lead(async (upTo, model) => {
      const outcome = await core.device.store.putCatalog(tag, epoch, upTo, model);
      if (outcome === "fenced") onFenced();
      return outcome !== "fenced";
    });
    this.#stopCompacting = compactWhileLeading({ core, catalog, leaderEpoch: epoch, onFenced });
  }

  createNote(title: string): Promise<DocumentId> {
    return this.catalog.createNote(title);
  }

  renameNote(note: DocumentId, title: string): Promise<void> {
    return this.catalog.renameNote(note, title);
  }

  trashNote(note: DocumentId, trashed: boolean): Promise<void> {
    return this.catalog.trashNote(note, trashed);
  }

  createChannel(name: string): Promise<DocumentId> {
    return this.catalog.createChannel(name);
  }

  openNote(note: DocumentId): Promise<OpenNote> {
    return this.#notes.open(note);
  }

  openChannel(channel: DocumentId): Promise<OpenChannel> {
    return LiveChannel.open({
      core: this.core,
      channel,
      mark: () => this.#marks.mark(channel),
      onRead: (vector) => this.#read(channel, vector),
      onTyping: (typing) => this.#attention.setTyping(this.tag, channel, typing),
      onWanted: () => this.#want(channel),
    });
  }

  #want(document: DocumentId): void {
    this.#link.wish({ kind: "want", space: this.tag, document });
  }

  createInvite(
    options: InviteOptions,
  ): Promise<InviteLink | { readonly kind: "failed"; readonly detail: string }> {
    return createInvite(this.core, this.#link, options);
  }

  revokeInvite(
    invite: string,
  ): Promise<{ readonly kind: "done" } | { readonly kind: "failed"; readonly detail: string }> {
    return revokeInvite(this.core, this.#link, invite);
  }

  syncNow(): void {
    this.#link.wish({ kind: "connect now" });
    this.#link.wish({ kind: "compare", space: this.tag });
  }

  setFocus(document: DocumentId | undefined): void {
    this.#attention.setFocus(this.tag, document);
  }

  close(): void {
    for (const undo of this.#undo) undo();
    this.#stopCompacting();
    this.#notes.close();
    this.#marks.close();
    this.#outbox.close();
    this.catalog.close();
    this.core.close();
  }

  #read(document: DocumentId, vector: ReadonlyMap<ReplicaId, number>): void {
    if (!this.#marks.saw(document, vector)) return;
    const whole = this.#marks.mark(document);
    this.#link.wish({ kind: "read", space: this.tag, document, vector: whole });
  }

  /** For the list of spaces at the next start, before the members are read. */
  #rememberName(): void {
    const name = this.name.get();
    if (name === this.core.record.get().name) return;
    this.core
      .changeRecord((record) => ({ ...record, name }))
      .catch((error: unknown) => this.core.device.troubles.storage("name", error));
  }
}
