/**
 * What the membership record may believe: operations whose certificates and signatures were checked.
 * Checking is asynchronous and belongs to an entry as a whole, because a *genesis* or *join* speaks
 * for the member that the introduction before it proved. What follows from the facts, who is a
 * member and with which right, is `membership.ts`, which is pure.
 */
import type { Delivered, RawOperation } from "../crdt/crdt.ts";
import type { Role } from "../crypto/access-keys.ts";
import { type Introduction, verifyIntroduction } from "../crypto/identity.ts";
import type { MemberId, ReplicaId, SpaceTag } from "../id/id.ts";
import type { PlainDependency } from "../log/plain.ts";
import { isRefusal } from "../log/refusal.ts";
import type { VerifyingSuite } from "../log/suite.ts";
import { type AdmissionLabel, verifyAdmission } from "./admission.ts";
import {
  type InviteId,
  inviteId,
  type MembershipOperation,
  type SpaceKind,
  understandMembership,
} from "./membership-operation.ts";

export type MembershipClaim =
  | { readonly kind: "introduced"; readonly introduction: Introduction }
  | {
      readonly kind: "founded";
      readonly member: MemberId;
      readonly name: string;
      readonly spaceKind: SpaceKind;
      readonly spaceName: string;
    }
  | {
      readonly kind: "invited";
      readonly invite: InviteId;
      readonly role: Role;
      readonly expiresMs: number | undefined;
      readonly uses: number | undefined;
      readonly codeHash: Uint8Array;
    }
  | { readonly kind: "revoked"; readonly invite: InviteId }
  | {
      readonly kind: "joined";
      readonly member: MemberId;
      readonly name: string;
      readonly invite: InviteId;
      /** What the entry itself names as its causal past: all that is asked about revocations. */
      readonly deps: readonly PlainDependency[];
    }
  | { readonly kind: "named"; readonly spaceName: string };

export type MembershipFact = Delivered<MembershipClaim>;

/** A verified entry of the membership document. */
export interface MembershipEntry {
  readonly replica: ReplicaId;
  /** Whose key signs the log, where that is a branch: whom certificates name. */
  readonly signer?: ReplicaId;
  readonly seq: number;
  readonly lamport: number;
  readonly deps: readonly PlainDependency[];
  /** With their places in the entry; those of other kinds may be missing. Ascending. */
  readonly operations: readonly (RawOperation & { readonly index: number })[];
}

export interface MembershipContext {
  readonly suite: VerifyingSuite;
  readonly space: SpaceTag;
  /** Of access certificate 0. */
  readonly adminKey: Uint8Array;
}

/** Why an operation is no fact, for diagnostics. It does nothing, the same way for everybody. */
export interface Unfounded {
  readonly replica: ReplicaId;
  readonly seq: number;
  readonly index: number;
  readonly words: string;
}

export interface MembershipVerdict {
  readonly facts: readonly MembershipFact[];
  readonly unfounded: readonly Unfounded[];
}

/** Checks one entry. Its chain and head signature were verified: its replica did say this. */
export async function verifyMembershipEntry(
  context: MembershipContext,
  entry: MembershipEntry,
): Promise<MembershipVerdict> {
  const { replica, seq, lamport } = entry;
  const facts: MembershipFact[] = [];
  const unfounded: Unfounded[] = [];
  let introduction: Introduction | undefined;
  for (const { index, kind, payload } of entry.operations) {
    const understood = understandMembership({ kind, payload });
    if (understood.kind === "parked") continue;
    const claim =
      understood.kind === "void"
        ? understood.reason
        : await claimOf(context, entry, introduction, understood.op);
    if (typeof claim === "string") {
      unfounded.push({ replica, seq, index, words: claim });
      continue;
    }
    if (claim.kind === "introduced") introduction = claim.introduction;
    facts.push({ id: { replica, seq, index }, lamport, op: claim });
  }
  return { facts, unfounded };
}

/** The claim, or what speaks against it. */
async function claimOf(
  context: MembershipContext,
  entry: MembershipEntry,
  introduction: Introduction | undefined,
  operation: MembershipOperation,
): Promise<MembershipClaim | string> {
  const { suite, space, adminKey } = context;
  const replica = entry.signer ?? entry.replica;
  // The introduction stands in the log's first entry, so whoever is admitted by it stands there too.
  const admits = async (label: AdmissionLabel, key: Uint8Array, signature: Uint8Array) => {
    if (introduction === undefined) return undefined;
    const member = introduction.memberId;
    const admission = { space, member, replica };
    const valid = await verifyAdmission(suite, key, label, admission, signature);
    return valid ? member : undefined;
  };

  switch (operation.kind) {
    case "introduce": {
      if (entry.seq !== 1) return "an introduction that is not in its log's first entry";
      if (introduction !== undefined) return "a second introduction";
      const verdict = await verifyIntroduction(suite, space, replica, operation.payload);
      return isRefusal(verdict) ? verdict.words : { kind: "introduced", introduction: verdict };
    }
    case "genesis": {
      const { spaceKind, spaceName, name, signature } = operation;
      const member = await admits("skein/genesis", adminKey, signature);
      return member === undefined
        ? "not signed by the space's first admin for this replica's member"
        : { kind: "founded", member, name, spaceKind, spaceName };
    }
    case "join": {
      const { publicKey, name, signature } = operation;
      const member = await admits("skein/join", publicKey, signature);
      return member === undefined
        ? "not signed by the invite for this replica's member"
        : { kind: "joined", member, name, invite: inviteId(publicKey), deps: entry.deps };
    }
    case "invite": {
      const { publicKey, role, expiresMs, uses, codeHash } = operation;
      const invite = inviteId(publicKey);
      return { kind: "invited", invite, role, expiresMs, uses, codeHash: codeHash.slice() };
    }
    case "revoke":
      return { kind: "revoked", invite: inviteId(operation.publicKey) };
    case "name":
      return { kind: "named", spaceName: operation.spaceName };
  }
}
