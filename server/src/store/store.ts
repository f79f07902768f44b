/**
 * What a relay keeps, and all that it keeps: logs and registers (the port they share with every
 * device), one access certificate and two counters per space, and sealed invites. Nothing about
 * people. One process uses `sqlite.ts`; `store.contract.ts` holds every implementation to the same
 * rules.
 */
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { LogStore } from "@skein/shared/log/store.ts";

/** The newest access certificate of a space (docs/protocol.md section 3), checked by the room. */
export interface StoredCertificate {
  readonly n: number;
  /** 214 bytes, signature included. */
  readonly bytes: Uint8Array;
  /** `H("skein/access-certificate", …)`: of two with the same n the smaller wins. */
  readonly hash: Uint8Array;
}

/** What a space takes up, for its quota. */
export interface Usage {
  /** By `entryCost` and `registerCost`. */
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
 * a power cut, a rejection promises nothing. A rejection is `StoreUnavailable`, or, of `append` and
 * `putRegisters`, `QuotaExceeded`: the space would have grown beyond its bounds.
 */
export interface RelayStore extends LogStore {
  certificate(space: SpaceTag): Promise<StoredCertificate | undefined>;

  /**
   * Keeps the certificate if its n is greater than the held one's, or equal with a smaller hash.
   * Answers with the one that is held afterwards.
   */
  putCertificate(space: SpaceTag, certificate: StoredCertificate): Promise<StoredCertificate>;

  usage(space: SpaceTag): Promise<Usage>;

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

/** Hash, chain position and its share of a row, so that a million empty entries are not free. */
const entryOverheadBytes = 64;
/** Key, name, number and index of a register's row. */
const registerOverheadBytes = 128;

export const entryCost = (entries: number, bodyBytes: number): number =>
  bodyBytes + entries * entryOverheadBytes;

export const registerCost = (registerBytes: number): number =>
  registerBytes + registerOverheadBytes;

/** Live and revoked invites of one space: more than a space could mean, few enough to keep. */
export const invitesPerSpaceMax = 256;
/** How long an expired invite is still told from one that never was. */
export const inviteMemoryMs = 30 * 86_400_000;
