/**
 * Who is in a space, with which right and through whom: the membership record, evaluated whole from
 * the set of its facts. The order in which facts arrive does not matter, and a fact that nobody had
 * the right to state has no effect, so all devices that hold the same entries agree (the approach of
 * Kleppmann, "Making CRDTs Byzantine fault tolerant", PaPoC 2022: judge operations by what they
 * are and name, never by when they came).
 *
 * The rules:
 *  1. A *genesis* signed with the admin key of access certificate 0 admits its member as an owner.
 *     Whoever holds that key is an owner by definition, so several such members are no conflict;
 *     the earliest of them (by stamp) counts as the founder and says what kind of space it is.
 *  2. An *invite* counts if its author's member may give that role: owners any, editors reader and
 *     editor, readers none. It is known by its public key; should two members publish the same key
 *     both count, each for itself, so that nobody can take over or weaken another's.
 *  3. A *join* signed with an invite's key admits its member with the invite's role. Who is admitted
 *     more than once has the greatest of the roles.
 *  4. A *revoke* counts against an invite by the same member, or if its author's member is an owner
 *     (judged as if nothing had been revoked, so that revocations cannot argue in a circle). A join
 *     is void if its own entry names the revoking log at or after the revoke: the joiner knew. A
 *     join that is concurrent with the revoke, or knew of it only through others, is admitted;
 *     keeping out strangers is the relay's part, which stops serving the bundle, and removing an
 *     unwanted member is a capability of its own.
 *  5. Expiry and number of uses are not judged here, for wall clocks are no evidence and uses can be
 *     concurrent: the relay counts, and over-use is shown and never undone.
 *  6. A replica is admitted when its introduction holds and its member is admitted through any
 *     replica. Admission is final: a join's entry names what could void it, and causal delivery
 *     brings that first, provided that whoever revoked had their own right in their causal past,
 *     as every device does that asks this record before it writes.
 *  7. Operations of kinds `0x14` to `0x16` (epochs, removal, change of role) are parked.
 */
import { compareStamps, type Delivered, keyOfId, type OpBased, type Stamp } from "../crdt/crdt.ts";
import { maxRegister } from "../crdt/lattice/max-register.ts";
import { type LwwState, mergeLww } from "../crdt/lattice/lww-register.ts";
import { numberOfRole, type Role } from "../crypto/access-keys.ts";
import type { IdentityKeys, Introduction } from "../crypto/identity.ts";
import { type DeviceId, type MemberId, prefixOf, type ReplicaId } from "../id/id.ts";
import type { MembershipClaim, MembershipFact } from "./membership-fact.ts";
import type { InviteId, SpaceKind } from "./membership-operation.ts";

export interface Membership {
  /** Undefined before a valid genesis is known. */
  readonly founding: { readonly founder: MemberId; readonly spaceKind: SpaceKind } | undefined;
  readonly spaceName: string | undefined;
  readonly members: ReadonlyMap<MemberId, Member>;
  /** Replicas of members: whose entries may be applied. */
  readonly memberByReplica: ReadonlyMap<ReplicaId, MemberId>;
  /** Replicas whose introduction holds and whose member nobody has admitted (yet). */
  readonly strangers: ReadonlyMap<ReplicaId, MemberId>;
  /** Those that count, by stamp. */
  readonly invites: readonly Invite[];
}

export interface Member {
  readonly id: MemberId;
  readonly keys: IdentityKeys;
  readonly role: Role;
  /** As given at genesis or when joining; a profile replaces it (`displayName`). */
  readonly name: string;
  /**
   * From when on they count as members: no earlier than their join and the invite that let them in.
   * What was written before was not written for them.
   */
  readonly since: Stamp;
  /** Undefined for founders. */
  readonly through: { readonly invite: InviteId; readonly by: MemberId } | undefined;
  /** By the stamp of their introduction. */
  readonly replicas: readonly MemberReplica[];
}

export interface MemberReplica {
  readonly replica: ReplicaId;
  readonly device: DeviceId;
  readonly deviceKeys: IdentityKeys;
  /** Of the introduction: seq 1 of the replica's log. */
  readonly since: Stamp;
}

export interface Invite extends Stamp {
  readonly invite: InviteId;
  readonly by: MemberId;
  readonly role: Role;
  readonly codeHash: Uint8Array;
  readonly expiresMs: number | undefined;
  /** Undefined: without limit. */
  readonly usesAllowed: number | undefined;
  /** Joins admitted through it; may exceed what was allowed. */
  readonly usesMade: number;
  readonly revoked: boolean;
}

/** Whether a member with role `own` may invite somebody as `given`. */
export const mayInvite = (own: Role, given: Role): boolean =>
  own === "owner" || (own === "editor" && given !== "owner");

/**
 * The record as an operation-based CRDT. It asks less than the contract promises: facts may come
 * in any order and more than once.
 */
export class MembershipRecord implements OpBased<MembershipClaim, Membership> {
  readonly #factsById = new Map<string, MembershipFact>();
  readonly #signers = new Map<ReplicaId, ReplicaId>();
  #evaluated: Membership | undefined;

  /** The same object until a fact is added. */
  get value(): Membership {
    this.#evaluated ??= evaluateMembership(this.#factsById.values(), this.#signers);
    return this.#evaluated;
  }

  apply(fact: MembershipFact): void {
    const key = keyOfId(fact.id);
    if (this.#factsById.has(key)) return;
    this.#factsById.set(key, fact);
    this.#evaluated = undefined;
  }

  signerOf(log: ReplicaId): ReplicaId {
    return this.#signers.get(log) ?? log;
  }

  /** What stands in that log, a branch, is the signer's word (log/branch.ts). */
  branched(branch: ReplicaId, signer: ReplicaId): void {
    if (this.#signers.has(branch)) return;
    this.#signers.set(branch, signer);
    this.#evaluated = undefined;
  }
}

type FactOf<Kind extends MembershipClaim["kind"]> = Delivered<
  Extract<MembershipClaim, { kind: Kind }>
>;

/** An invite, as yet unjudged, with the member whose log it stands in. */
interface Offer {
  readonly fact: FactOf<"invited">;
  readonly by: MemberId;
}

/** One valid reason why somebody is a member. */
interface Admission {
  readonly role: Role;
  readonly name: string;
  /** Of the genesis or join: a later one brings a newer name. */
  readonly said: Stamp;
  readonly since: Stamp;
  readonly through: Offer | undefined;
}

/** Time and memory grow with the number of facts. @param signers of logs that are branches. */
export function evaluateMembership(
  facts: Iterable<MembershipFact>,
  signers: ReadonlyMap<ReplicaId, ReplicaId> = new Map(),
): Membership {
  const sorted = sortFacts(facts);
  const introductions = introductionsOf(sorted.introduced);
  const introductionOf = (replica: ReplicaId) =>
    introductions.get(signers.get(replica) ?? replica)?.op.introduction;
  const authorOf = ({ id }: Stamp) => introductionOf(id.replica)?.memberId;

  const offers: Offer[] = [];
  for (const fact of sorted.invited) {
    const by = authorOf(fact);
    if (by !== undefined) offers.push({ fact, by });
  }
  const believed = admit(sorted, offers, () => false);
  const revocations = revocationsOf(sorted.revoked, offers, (fact) => {
    const member = authorOf(fact);
    return member && { member, isOwner: roleOf(believed.get(member)) === numberOfRole.owner };
  });
  const isVoid = (join: FactOf<"joined">, offer: Offer) =>
    (revocations.get(offer) ?? []).some((revoke) => knew(join, revoke));
  const admitted = admit(sorted, offers, isVoid);

  const members = membersOf(admitted, introductions);
  const byReplica = (belongs: (member: MemberId) => boolean) => {
    const memberByReplica = new Map<ReplicaId, MemberId>();
    for (const [replica, { op }] of introductions) {
      const member = op.introduction.memberId;
      if (belongs(member)) memberByReplica.set(replica, member);
    }
    for (const branch of signers.keys()) {
      const member = introductionOf(branch)?.memberId;
      if (member !== undefined && belongs(member)) memberByReplica.set(branch, member);
    }
    return memberByReplica;
  };
  return {
    founding: foundingOf(sorted.founded),
    spaceName: spaceNameOf(sorted, (fact) => {
      const member = authorOf(fact);
      return member !== undefined && members.get(member)?.role === "owner";
    }),
    members,
    memberByReplica: byReplica((member) => members.has(member)),
    strangers: byReplica((member) => !members.has(member)),
    invites: invitesOf(offers, members, admitted, revocations),
  };
}

type SortedFacts = { readonly [Kind in MembershipClaim["kind"]]: FactOf<Kind>[] };

/** By kind and in the order of stamps, so that nothing below depends on the order of arrival. */
function sortFacts(facts: Iterable<MembershipFact>): SortedFacts {
  const sorted: SortedFacts = {
    introduced: [],
    founded: [],
    invited: [],
    revoked: [],
    joined: [],
    named: [],
  };
  for (const { op, ...stamp } of [...facts].sort(compareStamps)) {
    switch (op.kind) {
      case "introduced":
        sorted.introduced.push({ ...stamp, op });
        break;
      case "founded":
        sorted.founded.push({ ...stamp, op });
        break;
      case "invited":
        sorted.invited.push({ ...stamp, op });
        break;
      case "revoked":
        sorted.revoked.push({ ...stamp, op });
        break;
      case "joined":
        sorted.joined.push({ ...stamp, op });
        break;
      case "named":
        sorted.named.push({ ...stamp, op });
        break;
    }
  }
  return sorted;
}

type Introductions = ReadonlyMap<ReplicaId, FactOf<"introduced">>;

/** An introduction says whose log it stands in; a log has one. */
function introductionsOf(introduced: readonly FactOf<"introduced">[]): Introductions {
  const introductions = new Map<ReplicaId, FactOf<"introduced">>();
  for (const fact of introduced) {
    // It may stand in a branch of its log, if that forked at its first entry.
    const { replica } = fact.op.introduction;
    if (!introductions.has(replica)) introductions.set(replica, fact);
  }
  return introductions;
}

type Admissions = ReadonlyMap<MemberId, readonly Admission[]>;

/**
 * Everybody who is admitted: founders, those whom they invited, those whom these invited, and so on
 * until nothing is added. Roles only grow on the way, so it ends, and where it ends does not depend
 * on the way.
 */
function admit(
  { founded, joined }: SortedFacts,
  offers: readonly Offer[],
  isVoid: (join: FactOf<"joined">, offer: Offer) => boolean,
): Admissions {
  const offersByMember = Map.groupBy(offers, ({ by }) => by);
  const joinsByInvite = Map.groupBy(joined, ({ op }) => op.invite);
  const admissions = new Map<MemberId, Admission[]>();
  const roles = new Map<MemberId, number>();
  const taken = new Set<Offer>();
  const risen: MemberId[] = [];

  const add = (member: MemberId, admission: Admission) => {
    const before = roles.get(member) ?? maxRegister.bottom;
    const after = maxRegister.merge(before, numberOfRole[admission.role]);
    roles.set(member, after);
    const known = admissions.get(member);
    if (known === undefined) admissions.set(member, [admission]);
    else known.push(admission);
    if (after > before) risen.push(member);
  };

  for (const { op, ...said } of founded) {
    add(op.member, { role: "owner", name: op.name, said, since: said, through: undefined });
  }
  for (let by = risen.pop(); by !== undefined; by = risen.pop()) {
    for (const offer of offersByMember.get(by) ?? []) {
      const { role, invite } = offer.fact.op;
      if (taken.has(offer) || !mayInvite(nameOfRole(roles.get(by)), role)) continue;
      taken.add(offer);
      for (const join of joinsByInvite.get(invite) ?? []) {
        if (isVoid(join, offer)) continue;
        const { op, ...said } = join;
        const since = later(stampOf(join), stampOf(offer.fact));
        add(op.member, { role, name: op.name, said, since, through: offer });
      }
    }
  }
  return admissions;
}

/** The revokes that count against each invite. */
function revocationsOf(
  revoked: readonly FactOf<"revoked">[],
  offers: readonly Offer[],
  authority: (fact: Stamp) => { member: MemberId; isOwner: boolean } | undefined,
): ReadonlyMap<Offer, readonly Stamp[]> {
  const offersByInvite = Map.groupBy(offers, ({ fact }) => fact.op.invite);
  const revocations = new Map<Offer, Stamp[]>();
  for (const fact of revoked) {
    const author = authority(fact);
    if (author === undefined) continue;
    for (const offer of offersByInvite.get(fact.op.invite) ?? []) {
      if (offer.by !== author.member && !author.isOwner) continue;
      const known = revocations.get(offer);
      if (known === undefined) revocations.set(offer, [stampOf(fact)]);
      else known.push(stampOf(fact));
    }
  }
  return revocations;
}

/** Whether the joiner's own entry names the revoke, or a later entry of the log it stands in. */
const knew = (join: FactOf<"joined">, revoke: Stamp): boolean =>
  join.op.deps.some(
    ({ replica, seq }) => replica === prefixOf(revoke.id.replica) && seq >= revoke.id.seq,
  );

function membersOf(admissions: Admissions, introductions: Introductions): Map<MemberId, Member> {
  const introductionsByMember = Map.groupBy(
    [...introductions.values()],
    ({ op }) => op.introduction.memberId,
  );
  const members = new Map<MemberId, Member>();
  for (const [id, reasons] of admissions) {
    const introduced = introductionsByMember.get(id) ?? [];
    const keys = introduced[0]?.op.introduction.member;
    // Genesis and join stand behind an introduction, in one entry; facts may still come one by one.
    if (keys === undefined) continue;
    const first = earliest(reasons);
    const { through } = first;
    const newest = reasons.reduce((a, b) => (compareStamps(a.said, b.said) >= 0 ? a : b));
    members.set(id, {
      id,
      keys,
      role: nameOfRole(roleOf(reasons)),
      name: newest.name,
      since: first.since,
      through: through && { invite: through.fact.op.invite, by: through.by },
      replicas: introduced.map(memberReplica),
    });
  }
  return new Map([...members].sort(([, a], [, b]) => compareStamps(a.since, b.since)));
}

/** One join can match two invites with one key: then the earlier of these. */
const earliest = (admissions: readonly Admission[]): Admission =>
  admissions.reduce((a, b) => {
    const order = compareStamps(a.since, b.since) || compareStamps(offered(a), offered(b));
    return order <= 0 ? a : b;
  });

const offered = ({ through, said }: Admission): Stamp => through?.fact ?? said;

const memberReplica = ({ op, ...since }: FactOf<"introduced">): MemberReplica => {
  const { replica, deviceId, device }: Introduction = op.introduction;
  return { replica, device: deviceId, deviceKeys: device, since };
};

function foundingOf(founded: readonly FactOf<"founded">[]): Membership["founding"] {
  const first = founded[0]?.op;
  return first && { founder: first.member, spaceKind: first.spaceKind };
}

/** The last writer wins, among genesis and those owners who renamed it. */
function spaceNameOf(
  { founded, named }: SortedFacts,
  isByOwner: (fact: Stamp) => boolean,
): string | undefined {
  let register: LwwState<string>;
  for (const { op, ...stamp } of [...founded, ...named.filter(isByOwner)]) {
    register = mergeLww(register, { ...stamp, value: op.spaceName });
  }
  return register?.value;
}

function invitesOf(
  offers: readonly Offer[],
  members: ReadonlyMap<MemberId, Member>,
  admissions: Admissions,
  revocations: ReadonlyMap<Offer, readonly Stamp[]>,
): Invite[] {
  const uses = new Map<Offer, number>();
  for (const reasons of admissions.values()) {
    for (const { through } of reasons) {
      if (through !== undefined) uses.set(through, (uses.get(through) ?? 0) + 1);
    }
  }
  const invites: Invite[] = [];
  for (const offer of offers) {
    const { fact, by } = offer;
    const author = members.get(by);
    const { invite, role, codeHash, expiresMs, uses: usesAllowed } = fact.op;
    if (author === undefined || !mayInvite(author.role, role)) continue;
    const usesMade = uses.get(offer) ?? 0;
    const revoked = revocations.has(offer);
    const terms = { invite, by, role, codeHash, expiresMs, usesAllowed };
    invites.push({ ...stampOf(fact), ...terms, usesMade, revoked });
  }
  return invites;
}

const roleOf = (admissions: readonly Admission[] | undefined): number =>
  (admissions ?? []).reduce(
    (greatest, { role }) => maxRegister.merge(greatest, numberOfRole[role]),
    maxRegister.bottom,
  );

function nameOfRole(number: number | undefined): Role {
  if (number === numberOfRole.owner) return "owner";
  return number === numberOfRole.editor ? "editor" : "reader";
}

const stampOf = ({ id, lamport }: Stamp): Stamp => ({ id, lamport });

const later = (a: Stamp, b: Stamp): Stamp => (compareStamps(a, b) >= 0 ? a : b);
