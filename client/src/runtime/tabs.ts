/**
 * What tabs of one device say to each other, over a BroadcastChannel named after its database. A tab
 * hears all others and never itself. Tabs may run different versions of the app for a while: a
 * message of another version is not read, and asks the person to reload the older tab.
 */
import type { DocumentId, ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import type { LogHead, StoredRegister } from "@skein/shared/log/store.ts";
import type { AppliedState, ReadyEntry } from "@skein/shared/device/store.ts";
import type { RelayOrigin } from "../transport/address.ts";
import type { LeaderStatus } from "./status.ts";

/** Raised with every change of a message's form. */
export const tabsVersion = 2;

export type TabMessage =
  /** Is the leader alive? */
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  /** A new tab asks the leader for its status. */
  | { readonly kind: "here" }
  /** The leader's picture of the network, spaces and presence. */
  | { readonly kind: "status"; readonly status: LeaderStatus }
  /** The identity, or the record of a space, was written: read it again. */
  | { readonly kind: "records" }
  /** An own entry is committed. */
  | { readonly kind: "appended"; readonly space: SpaceTag; readonly head: LogHead }
  /** Entries are in the read models, in this order. Updates of notes and of the catalog come without payload. */
  | {
      readonly kind: "applied";
      readonly space: SpaceTag;
      readonly entries: readonly ReadyEntry[];
      readonly state: AppliedState;
    }
  /** A register was kept. */
  | { readonly kind: "register"; readonly space: SpaceTag; readonly register: StoredRegister }
  /** A part of a snapshot has come: what shows the document reads it again. */
  | { readonly kind: "filled"; readonly space: SpaceTag; readonly document: DocumentId }
  /** The catalog's read model was written anew. */
  | { readonly kind: "catalog"; readonly space: SpaceTag }
  /** What a follower wants the leader to do. */
  | { readonly kind: "wish"; readonly wish: Wish }
  /** A question to the leader, and its answer. */
  | { readonly kind: "ask"; readonly id: string; readonly question: Question }
  | { readonly kind: "answer"; readonly id: string; readonly answer: Answer }
  /** An awareness update of an editor in another tab, or (from the leader) of another device. */
  | {
      readonly kind: "awareness";
      readonly space: SpaceTag;
      readonly document: DocumentId;
      /** This device's, if another tab of it sends it. */
      readonly from: ReplicaId;
      /** Of the writer session that sent it: its client ids derive from it. */
      readonly nonce: Uint8Array;
      /** As y-protocols encodes it. */
      readonly update: Uint8Array;
    };

export type Wish =
  | {
      readonly kind: "read";
      readonly space: SpaceTag;
      readonly document: DocumentId;
      readonly vector: ReadonlyMap<ReplicaId, number>;
    }
  | {
      readonly kind: "attention";
      readonly space: SpaceTag;
      readonly attention: Attention;
    }
  /** Somebody waits for a document that is still to come. */
  | { readonly kind: "want"; readonly space: SpaceTag; readonly document: DocumentId }
  /** The tab is closed. */
  | { readonly kind: "gone" }
  /** Sealed by the tab itself, under its own writer session. */
  | { readonly kind: "whisper"; readonly space: SpaceTag; readonly sealed: Uint8Array }
  /** The person has another name: for the profile in every space. */
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "connect now" }
  | { readonly kind: "compare"; readonly space: SpaceTag }
  | { readonly kind: "offline"; readonly offline: boolean };

/** Where the person in one tab is. */
export interface Attention {
  readonly where: DocumentId | undefined;
  readonly typing: boolean;
  /** Somebody is at it. */
  readonly active: boolean;
  /** It is in view, whoever looks. */
  readonly visible: boolean;
}

export type Question =
  | {
      readonly kind: "invite";
      readonly space: SpaceTag;
      readonly codeHash: Uint8Array;
      readonly expiresMs: number;
      readonly uses: number;
      readonly preview: Uint8Array;
      readonly keys: Uint8Array;
    }
  | { readonly kind: "uninvite"; readonly space: SpaceTag; readonly codeHash: Uint8Array };

export type Answer =
  /** @property relay where it was done. */
  | { readonly kind: "done"; readonly relay: RelayOrigin }
  | { readonly kind: "refused"; readonly code: number; readonly detail: string };

type Kind = TabMessage["kind"];
type Of<K extends Kind> = Extract<TabMessage, { kind: K }>;
type Listener<K extends Kind> = (message: Of<K>, from: string) => void;

interface Envelope {
  readonly skein: number;
  readonly from: string;
  readonly message: TabMessage;
}

export interface TabChannelOptions {
  readonly channel: BroadcastChannel;
  /** Of this tab, unlike any other's. */
  readonly id: string;
  /** Another tab runs a newer version of the app. An older one sees ours. */
  readonly onNewerVersion: () => void;
}

export class TabChannel {
  readonly id: string;
  readonly #channel: BroadcastChannel;
  readonly #listeners = new Map<Kind, Set<Listener<Kind>>>();
  #closed = false;

  constructor({ channel, id, onNewerVersion }: TabChannelOptions) {
    this.id = id;
    this.#channel = channel;
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (this.#closed || !isEnvelope(data)) return;
      if (data.skein > tabsVersion) return onNewerVersion();
      if (data.skein < tabsVersion) return;
      for (const listener of [...(this.#listeners.get(data.message.kind) ?? [])]) {
        listener(data.message, data.from);
      }
    };
  }

  post(message: TabMessage): void {
    if (this.#closed) return;
    const envelope: Envelope = { skein: tabsVersion, from: this.id, message };
    this.#channel.postMessage(envelope);
  }

  on<K extends Kind>(kind: K, listener: Listener<K>): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners);
    const own: Listener<Kind> = (message, from) => {
      if (message.kind === kind) listener(message as Of<K>, from);
    };
    listeners.add(own);
    return () => listeners.delete(own);
  }

  close(): void {
    this.#closed = true;
    this.#channel.close();
  }
}

/** Other code of this origin may use the name too; only the version is trusted to tell the form. */
const isEnvelope = (data: unknown): data is Envelope =>
  typeof data === "object" && data !== null && "skein" in data && typeof data.skein === "number";
