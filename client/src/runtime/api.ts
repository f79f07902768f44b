/**
 * What the views know of the app: one device in one tab, its spaces, notes and channels, as plain
 * observables and verbs. Views hold no other state of the world; everything behind this page runs
 * and is tested without React. Words shown to people belong to the views: here are facts only.
 */
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import type { DeviceId, DocumentId, MemberId, ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";

/** A value that changes. `get` returns the same reference until it does; listeners get no value. */
export interface Observable<T> {
  get(): T;
  subscribe(listener: () => void): () => void;
}

/** The tab's whole app. Made once, before the first paint, from what IndexedDB holds. */
export interface App {
  /** Undefined until the person gave a name: the first minute. */
  readonly me: Observable<Me | undefined>;
  readonly spaces: Observable<readonly SpaceSummary[]>;
  readonly network: Observable<Network>;
  readonly storage: Observable<StorageState>;
  /** Trouble that concerns the whole tab, newest last; empty when all is well. */
  readonly troubles: Observable<readonly Trouble[]>;
  /** Whether this tab holds words that could not be stored. */
  readonly unsaved: Observable<boolean>;

  introduce(name: string): Promise<void>;
  rename(name: string): Promise<void>;
  /** An empty space: the welcome note and *general* are words, and come from the views. */
  createSpace(name: string): Promise<SpaceTag>;
  /** Looks at a link without using it up. Accepts links of any host, or the bare `code.secret`. */
  readInvite(link: string): Promise<InvitePreview | InviteRefusal>;
  join(link: string): Promise<SpaceTag | InviteRefusal>;
  /** The same object for the same tag as long as the tab lives; undefined if it is not mine. */
  space(tag: SpaceTag): Space | undefined;

  /** "Work offline": a real switch of this device, remembered. */
  setOffline(offline: boolean): Promise<void>;
  /** Skips the wait before the next try. */
  connectNow(): void;
  /** Asks the browser to keep this device's data; tells what it answered. */
  askToPersist(): Promise<boolean>;
  setting(key: string): Observable<string | undefined>;
  setSetting(key: string, value: string): Promise<void>;
  /** Versions, storage, connection facts, no content and no keys: to copy into a report. */
  diagnostics(): Promise<string>;
}

export interface Me {
  readonly name: string;
  readonly member: MemberId;
  readonly device: DeviceId;
}

export interface SpaceSummary {
  readonly tag: SpaceTag;
  readonly name: string;
  readonly unread: number;
}

export type Network =
  /** The person's own switch. */
  | { readonly kind: "off" }
  /** Another tab of this device keeps the connection, in the given state. */
  | { readonly kind: "connecting"; readonly relay: string }
  | { readonly kind: "connected"; readonly relay: string }
  | {
      readonly kind: "waiting";
      readonly relay: string;
      readonly retryAtMs: number;
      readonly reason: string;
    }
  /** A permanent refusal: nothing is retried until something changed. */
  | {
      readonly kind: "refused";
      readonly relay: string;
      readonly code: number;
      readonly reason: string;
    };

export interface StorageState {
  readonly usedBytes: number | undefined;
  readonly quotaBytes: number | undefined;
  readonly persistent: boolean;
  /** A private window, where what is stored dies with it, as far as that can be told. */
  readonly isPrivate: boolean;
}

export type Trouble =
  | { readonly kind: "storage full"; readonly atMs: number }
  | { readonly kind: "storage failed"; readonly atMs: number; readonly detail: string }
  /** Something in a note was too large in one piece for anybody else, and was taken out again. */
  | { readonly kind: "left out"; readonly atMs: number; readonly detail: string }
  /** A note's copy on this device cannot be read, or not be written on; its entries are not affected. */
  | { readonly kind: "note damaged"; readonly atMs: number; readonly detail: string }
  /** The browser erased this device's data, or part of it, while we were away. */
  | { readonly kind: "storage evicted"; readonly atMs: number }
  /** A newer version of the app wrote the database, or waits to take over. */
  | { readonly kind: "update needed"; readonly atMs: number }
  | { readonly kind: "update ready"; readonly atMs: number; readonly reload: () => void }
  | {
      readonly kind: "access ended";
      readonly atMs: number;
      readonly space: SpaceTag;
      readonly code: number;
      readonly detail: string;
    }
  | {
      readonly kind: "fork";
      readonly atMs: number;
      readonly space: SpaceTag;
      readonly replica: ReplicaId;
      /** Undefined if it is this device itself. */
      readonly author: string | undefined;
      /** Both branches are held here, and reach everybody. */
      readonly healed: boolean;
    }
  /** Somebody's device has published a snapshot that does not say what the entries here say. */
  | {
      readonly kind: "snapshot disputed";
      readonly atMs: number;
      readonly space: SpaceTag;
      readonly replica: ReplicaId;
      readonly author: string;
    }
  /** This device's disk has spoilt entries, and nobody in reach has brought them again. */
  | {
      readonly kind: "damaged";
      readonly atMs: number;
      readonly space: SpaceTag;
      readonly replica: ReplicaId;
      readonly changes: number;
      /** Undefined if it is this device itself. */
      readonly author: string | undefined;
      /** What they say is on the screen all the same. */
      readonly shown: boolean;
      /** Another durable party is known to have had them. */
      readonly sent: boolean;
    };

export interface InvitePreview {
  readonly kind: "invite";
  readonly space: string;
  readonly inviter: string;
  readonly role: Role;
  readonly expiresMs: number | undefined;
  /** This device is in the space already. */
  readonly mine: SpaceTag | undefined;
  readonly relay: string;
}

export interface InviteRefusal {
  readonly kind: "refusal";
  readonly reason:
    | "not a link"
    | "damaged"
    | "unknown or revoked"
    | "expired or used up"
    | "relay unreachable"
    /** `detail` is the name of the host. */
    | "other host unreachable"
    | "too fast"
    | "role not supported yet"
    | "newer version";
  readonly detail: string;
}

export type Role = "owner" | "editor" | "reader";

export interface Space {
  readonly tag: SpaceTag;
  readonly name: Observable<string>;
  readonly notes: Observable<readonly NoteRow[]>;
  readonly channels: Observable<readonly ChannelRow[]>;
  readonly members: Observable<readonly MemberRow[]>;
  readonly myRole: Observable<Role>;
  /** True while nothing of the others has arrived yet: "Waiting for a member's device". */
  readonly waitingForFirst: Observable<boolean>;
  readonly sync: Observable<SyncState>;
  readonly outbox: Observable<readonly OutboxItem[]>;
  readonly invites: Observable<readonly InviteRow[]>;

  createNote(title: string): Promise<DocumentId>;
  renameNote(note: DocumentId, title: string): Promise<void>;
  /** Into the trash and back. */
  trashNote(note: DocumentId, trashed: boolean): Promise<void>;
  createChannel(name: string): Promise<DocumentId>;
  openNote(note: DocumentId): Promise<OpenNote>;
  openChannel(channel: DocumentId): Promise<OpenChannel>;
  /** Owner or editor; needs the relay, which keeps the sealed bundle. */
  createInvite(
    options: InviteOptions,
  ): Promise<InviteLink | { readonly kind: "failed"; readonly detail: string }>;
  revokeInvite(
    invite: string,
  ): Promise<{ readonly kind: "done" } | { readonly kind: "failed"; readonly detail: string }>;
  /** Compares with every party again, now. */
  syncNow(): void;
  /** Where this person is, for presence; undefined when the tab is hidden or elsewhere. */
  setFocus(document: DocumentId | undefined): void;
}

export interface NoteRow {
  readonly id: DocumentId;
  readonly title: string;
  readonly trashed: boolean;
  readonly createdMs: number;
  readonly createdBy: MemberId | undefined;
  /** Fractional index; rows come sorted by it. */
  readonly order: string;
}

export interface ChannelRow {
  readonly id: DocumentId;
  readonly name: string;
  readonly unread: number;
}

export interface MemberRow {
  readonly id: MemberId;
  readonly name: string;
  readonly role: Role;
  readonly isMe: boolean;
  readonly presence: "online" | "away" | "offline";
  /** When offline; undefined if never seen by this device. */
  readonly lastSeenMs: number | undefined;
  readonly where: DocumentId | undefined;
  readonly typingIn: DocumentId | undefined;
  readonly devices: readonly DeviceRow[];
}

export interface DeviceRow {
  readonly replica: ReplicaId;
  readonly isThis: boolean;
  readonly presence: "online" | "away" | "offline";
  /** Entries of mine this device is known not to have; 0 = has everything. */
  readonly behind: number | undefined;
}

/** What the sync pill tells; experience.md has the words. Views add the hysteresis. */
export interface SyncState {
  readonly network: Network;
  /** Entries only this device has. */
  readonly waiting: number;
  /** Entries known to exist that are not here or not applied yet. */
  readonly missing: number;
  /** Equal digests with the relay, or with every party there is. */
  readonly equal: boolean;
  /** Other devices of the space that are online now. */
  readonly devicesOnline: number;
  /** Logs whose author's device is not known: kept, not shown. */
  readonly unknownDevices: number;
  /** Parts of the space's history that are on their way: this device is new to it, or was long away. */
  readonly coming: number;
}

export interface OutboxItem {
  /** Stable key: replica and seq. */
  readonly key: string;
  readonly document: DocumentId;
  /** `unreadable`: this device's disk has spoilt it, so that it can neither be sent nor told. */
  readonly kind: "message" | "note" | "structure" | "membership" | "unreadable";
  /** First words of a message; the note's title. */
  readonly label: string;
  readonly sinceMs: number;
}

export interface InviteOptions {
  readonly role: "editor" | "owner";
  readonly expiresMs: number | undefined;
  /** How often it may be used; undefined = without limit. */
  readonly uses: number | undefined;
}

export interface InviteLink {
  readonly kind: "link";
  readonly id: string;
  readonly url: string;
}

export interface InviteRow {
  readonly id: string;
  readonly role: Role;
  readonly expiresMs: number | undefined;
  readonly usesAllowed: number | undefined;
  readonly usesMade: number;
  readonly revoked: boolean;
  /** Only on the device that made it; the secret never leaves it otherwise. */
  readonly url: string | undefined;
}

export interface OpenNote {
  readonly id: DocumentId;
  /** Every change made in it by this tab is logged, whatever the transaction's origin. */
  readonly doc: Y.Doc;
  /** Content is the `Y.XmlFragment` of this name. */
  readonly fragment: "content";
  /** The views set `user: { member, name }` in it; everything in others' states is unchecked input. */
  readonly awareness: Awareness;
  readonly level: Observable<NoteLevel>;
  /** True when a newer version wrote it: shown, not edited. */
  readonly readOnly: Observable<boolean>;
  /** Set when changes could not be kept (storage full): they stay in memory and are tried again. */
  readonly trouble: Observable<Trouble | undefined>;
  /** Flushes and lets go. Idempotent. */
  close(): Promise<void>;
}

/** How far the newest change of mine in this note has come. */
export interface NoteLevel {
  readonly level: "none" | "saving" | "waiting" | "sent" | "delivered" | "read";
  readonly otherDevices: number;
  readonly seenBy: readonly MemberId[];
}

export interface OpenChannel {
  readonly id: DocumentId;
  /** The loaded window, oldest first; grows by `loadOlder`. Own messages stand in it at once. */
  readonly messages: Observable<readonly Message[]>;
  readonly hasOlder: Observable<boolean>;
  /** What comes before is not on this device yet: it is asked for, and `loadOlder` brings it later. */
  readonly olderComing: Observable<boolean>;
  loadOlder(): Promise<void>;
  /** Refused with a reason when it is empty, too long or not text; the composer keeps it then. */
  post(text: string): Promise<PostResult>;
  /** Computed for what is asked only. */
  receipt(message: string): Observable<Receipt>;
  info(message: string): Observable<MessageInfo>;
  /** The view has shown it for a second, focused, with nothing on top. */
  markRead(message: string): void;
  /** Key of the first message that was unread when the channel was opened. */
  readonly firstUnread: string | undefined;
  /** Told on every keystroke; becomes "typing" for others, and ends by itself. */
  typing(): void;
  draft(): string;
  setDraft(text: string): void;
  close(): void;
}

export type PostResult =
  | { readonly kind: "posted"; readonly message: string }
  | {
      readonly kind: "refused";
      readonly reason: "empty" | "too long" | "not text";
      readonly bytes: number;
      readonly bytesMax: number;
    }
  | { readonly kind: "failed"; readonly trouble: Trouble };

export interface Message {
  /** replica:seq:index, unique and stable. */
  readonly key: string;
  readonly author: MemberId | undefined;
  readonly authorName: string;
  readonly isMine: boolean;
  readonly text: string;
  /** The author's wall clock: for display only, order never depends on it. */
  readonly atMs: number;
  /** Not committed yet: the moment between key and disk. */
  readonly pending: boolean;
}

export interface Receipt {
  readonly level: "saving" | "waiting" | "sent" | "delivered" | "read" | "failed";
  readonly delivered: number;
  readonly read: number;
  /** Members of the audience without me. */
  readonly of: number;
  readonly reason: string | undefined;
}

export interface MessageInfo {
  readonly members: readonly {
    readonly member: MemberId;
    readonly name: string;
    readonly level: "waiting" | "delivered" | "read";
    /** By when it was known: a checkpoint, not the moment. */
    readonly byMs: number | undefined;
    readonly devices: readonly {
      readonly replica: ReplicaId;
      readonly level: "waiting" | "delivered" | "read";
    }[];
  }[];
  readonly myOtherDevices: readonly {
    readonly replica: ReplicaId;
    readonly level: "waiting" | "delivered" | "read";
  }[];
  readonly sentByMs: number | undefined;
}
