/**
 * What a relay keeps, and all that it keeps: logs and registers (the port they share with every
 * device), one access certificate, the counters and the newest order to truncate of each space,
 * blobs while they are leased, and sealed invites. Nothing about people. One process uses
 * `sqlite.ts`; `store.contract.ts` holds every implementation to the same rules.
 */
import type { BlobId, SpaceTag } from "@skein/shared/id/id.ts";
import type { LogStore } from "@skein/shared/log/store.ts";

/** The newest access certificate of a space (docs/protocol.md section 3), checked by the room. */
export interface StoredCertificate {
  readonly n: number;
  /** 214 bytes, signature included. */
  readonly bytes: Uint8Array;
  /** `H("skein/access-certificate", …)`: of two with the same n the smaller wins. */
  readonly hash: Uint8Array;
}

/** The newest order of a space's owners to let its logs begin elsewhere; the store reads no more of it. */
export interface StoredOrder {
  /** Of two orders of a space the one with the greater number counts. */
  readonly number: number;
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970: from then on it is to be carried out. */
  readonly dueMs: number;
}

/** Where an order stands among those that are due. */
export interface OrderPlace {
  readonly space: SpaceTag;
  readonly dueMs: number;
}

export interface DueOrder {
  readonly space: SpaceTag;
  readonly order: StoredOrder;
}

/** What a space takes up, for its quota. */
export interface Usage {
  /** By `entryCost`, `registerCost` and `blobCost`. */
  readonly bytes: number;
  readonly entries: number;
  /** The part of `bytes` that registers take up: a room holds them in memory. */
  readonly registerBytes: number;
}

/** What an operator allows each space. */
export interface SpaceBounds {
  readonly bytesMax: number;
  readonly registerBytesMax: number;
}

export const noBounds: SpaceBounds = {
  bytesMax: Number.POSITIVE_INFINITY,
  registerBytesMax: Number.POSITIVE_INFINITY,
};

/** A sealed invite (docs/protocol.md section 10). */
export interface Invite {
  /** 16 bytes. */
  readonly codeHash: Uint8Array;
  /** Milliseconds since 1970; from then on it is spent. */
  readonly expiresMs: number;
  /** How often it may be used; 0 = any number of times. */
  readonly uses: number;
  readonly preview: Uint8Array;
  readonly keys: Uint8Array;
}

export type PutInvite =
  /** Kept, or it was already; what was used of it stays used. */
  | "kept"
  /** The code belongs to another space. */
  | "taken"
  /** It was revoked, and stays so. */
  | "revoked"
  /** The space has as many invites as it may. */
  | "full";

export type FoundInvite =
  | { readonly kind: "open"; readonly sealed: Uint8Array }
  /** Expired, or used as often as it may be. */
  | { readonly kind: "spent" }
  /** Never there, or revoked: nobody can tell which. */
  | { readonly kind: "unknown" };

/**
 * The log store's rules hold for every verb: writes take effect in order, what is answered survives
 * a power cut, a rejection promises nothing. A rejection is `StoreUnavailable`, or, of `append`,
 * `putRegisters` and `putBlob`, `QuotaExceeded`: the space would have grown beyond its bounds.
 */
export interface RelayStore extends LogStore {
  certificate(space: SpaceTag): Promise<StoredCertificate | undefined>;

  /**
   * Keeps the certificate if its n is greater than the held one's, or equal with a smaller hash.
   * Answers with the one that is held afterwards.
   */
  putCertificate(space: SpaceTag, certificate: StoredCertificate): Promise<StoredCertificate>;

  usage(space: SpaceTag): Promise<Usage>;

  /**
   * Lets the leases of those that are kept end at `untilMs` at the earliest; answers with those that
   * are not kept, in order.
   */
  keepBlobs(space: SpaceTag, ids: readonly BlobId[], untilMs: number): Promise<readonly BlobId[]>;

  /**
   * Keeps what the caller has found to have that id; of one that is known only the lease is renewed,
   * as by `keepBlobs`, whatever the bounds.
   */
  putBlob(space: SpaceTag, id: BlobId, bytes: Uint8Array, untilMs: number): Promise<void>;

  /** Undefined if the space has none by that id, whatever others have. */
  blob(space: SpaceTag, id: BlobId): Promise<Uint8Array | undefined>;

  /**
   * Drops at most `countMax` blobs of any space whose lease ended by `nowMs`, those that ended first
   * first; how many there were.
   */
  sweepBlobs(nowMs: number, countMax: number): Promise<number>;

  /**
   * Keeps the order as one to be carried out if none is held, or one with a smaller number that was
   * carried out; otherwise the held one stays, and is due when it was: an owner who orders oftener
   * than the retention lasts would else never be obeyed. Answers with the one that is held afterwards.
   * Orders are outside the quota: a space that has used its own up needs them most.
   */
  putOrder(space: SpaceTag, order: StoredOrder): Promise<StoredOrder>;

  /** The newest one, carried out or not. */
  order(space: SpaceTag): Promise<StoredOrder | undefined>;

  /**
   * Orders of any space that are due by `nowMs` and not carried out, those due first first; only
   * those behind `after`, if it is given. Those due at the same time always come in the same order.
   */
  dueOrders(nowMs: number, countMax: number, after?: OrderPlace): Promise<readonly DueOrder[]>;

  /** Marks the order as carried out, unless a newer one has taken its place. */
  orderDone(space: SpaceTag, number: number): Promise<void>;

  /** Also forgets invites of the space that expired `inviteMemoryMs` ago or earlier. */
  putInvite(space: SpaceTag, invite: Invite, nowMs: number): Promise<PutInvite>;

  /** False if the space has no such invite. Its sealed parts are gone at once. */
  revokeInvite(space: SpaceTag, codeHash: Uint8Array): Promise<boolean>;

  /** The preview; counts nothing. */
  peekInvite(codeHash: Uint8Array, nowMs: number): Promise<FoundInvite>;

  /** The keys; counts one use, atomically. */
  useInvite(codeHash: Uint8Array, nowMs: number): Promise<FoundInvite>;

  /** Resolves if the store can answer and, as far as it knows, write. */
  ping(): Promise<void>;
}

/** The store cannot do it now: too much is waiting, the disk fails, it is closed. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
  readonly reason: "busy" | "failed" | "closed";

  constructor(reason: StoreUnavailable["reason"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The space has used up what it may have. */
export class QuotaExceeded extends Error {
  override readonly name = "QuotaExceeded";

  constructor() {
    super("the space has used up its room at this relay");
  }
}

/** Whether a space that takes up `usage` may grow by `bytes`, so many of them registers. */
export const mayGrow = (
  bounds: SpaceBounds,
  usage: Usage,
  bytes: number,
  registerBytes: number,
): boolean =>
  bytes <= 0 ||
  (usage.bytes + bytes <= bounds.bytesMax &&
    usage.registerBytes + registerBytes <= bounds.registerBytesMax);

/**
 * Whether it may take up `bytes` more with a blob. Blobs count with all else and have a quarter of the
 * quota beyond it: in a space that is full of entries, a snapshot is the only way to let go of them.
 */
export const mayKeepBlob = (bounds: SpaceBounds, usage: Usage, bytes: number): boolean =>
  usage.bytes + bytes <= bounds.bytesMax + Math.floor(bounds.bytesMax / 4);

/** Hash, chain position and its share of a row, so that a million empty entries are not free. */
const entryOverheadBytes = 64;
/** Key, name, number and index of a register's row. */
const registerOverheadBytes = 128;
/** Id, lease and indexes of a blob's row. */
const blobOverheadBytes = 128;

export const entryCost = (entries: number, bodyBytes: number): number =>
  bodyBytes + entries * entryOverheadBytes;

export const blobCost = (bytes: number): number => bytes + blobOverheadBytes;

export const registerCost = (registerBytes: number): number =>
  registerBytes + registerOverheadBytes;

/** Live and revoked invites of one space: more than a space could mean, few enough to keep. */
export const invitesPerSpaceMax = 256;
/** How long an expired invite is still told from one that never was. */
export const inviteMemoryMs = 30 * 86_400_000;
