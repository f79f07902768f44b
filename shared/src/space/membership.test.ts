import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { opBasedLaws } from "../crdt/crdt.laws.ts";
import { compareStamps, type Stamp } from "../crdt/crdt.ts";
import type { Role } from "../crypto/access-keys.ts";
import type { DeviceId, MemberId, ReplicaId } from "../id/id.ts";
import { prefixOf } from "../id/id.ts";
import { displayName, membersAt, type Profile } from "./member.ts";
import type { MembershipClaim, MembershipFact } from "./membership-fact.ts";
import type { InviteId } from "./membership-operation.ts";
import { evaluateMembership, mayInvite, type Membership, MembershipRecord } from "./membership.ts";

/** Facts as a story: everybody writes into their own log, in the order of the lines. */
class Story {
  readonly facts: MembershipFact[] = [];
  readonly #seqs = new Map<ReplicaId, number>();
  #lamport = 0;

  introduce(replica: ReplicaId, member: MemberId): Stamp {
    return this.#say(replica, {
      kind: "introduced",
      introduction: {
        kind: "introduction",
        replica,
        memberId: member,
        member: keysOf(member),
        deviceId: `d${replica.slice(1)}` as DeviceId,
        device: keysOf(replica),
      },
    });
  }

  found(replica: ReplicaId, member: MemberId, spaceName = "Garden"): Stamp {
    this.introduce(replica, member);
    const name = `${nameOf(member)} at first`;
    return this.#say(replica, { kind: "founded", member, name, spaceKind: "shared", spaceName }, 0);
  }

  invite(replica: ReplicaId, invite: InviteId, role: Role, uses?: number): Stamp {
    const terms = { expiresMs: undefined, uses, codeHash: new Uint8Array(16) };
    return this.#say(replica, { kind: "invited", invite, role, ...terms });
  }

  revoke(replica: ReplicaId, invite: InviteId): Stamp {
    return this.#say(replica, { kind: "revoked", invite });
  }

  join(replica: ReplicaId, member: MemberId, invite: InviteId, ...knowing: Stamp[]): Stamp {
    this.introduce(replica, member);
    const deps = knowing.map(({ id }) => ({ replica: prefixOf(id.replica), seq: id.seq }));
    const name = `${nameOf(member)} on ${replica.slice(0, 2)}`;
    return this.#say(replica, { kind: "joined", member, name, invite, deps }, 0);
  }

  name(replica: ReplicaId, spaceName: string): Stamp {
    return this.#say(replica, { kind: "named", spaceName });
  }

  /** @param sameEntry 0 for an operation of the entry before. */
  #say(replica: ReplicaId, op: MembershipClaim, sameEntry = 1): Stamp {
    const seq = (this.#seqs.get(replica) ?? 0) + sameEntry;
    const index = sameEntry === 0 ? 1 : 0;
    this.#seqs.set(replica, seq);
    this.#lamport += sameEntry;
    const stamp = { id: { replica, seq, index }, lamport: this.#lamport };
    this.facts.push({ ...stamp, op });
    return stamp;
  }

  get membership(): Membership {
    return evaluateMembership(this.facts);
  }
}

const member = (letter: string) => letter.repeat(32) as MemberId;
const replica = (name: string) => name.padEnd(32, "0") as ReplicaId;
const invite = (name: string) => name.padEnd(64, "0") as InviteId;
const keysOf = (id: string) => ({
  signing: new TextEncoder().encode(id),
  agreement: new Uint8Array(32),
});
const nameOf = (id: MemberId) => `member ${id.slice(0, 1)}`;

const [ana, ben, eve, dan] = [member("a"), member("b"), member("e"), member("d")];
const [anas, bens, eves, dans] = [replica("a1"), replica("b1"), replica("e1"), replica("d1")];

const founded = () => {
  const story = new Story();
  story.found(anas, ana);
  return story;
};
const rolesOf = ({ members }: Membership) =>
  Object.fromEntries([...members.values()].map(({ id, role }) => [id.slice(0, 1), role]));

describe("the membership record", () => {
  it("admits its founder as an owner", () => {
    const { founding, spaceName, members, memberByReplica } = founded().membership;
    expect(founding).toEqual({ founder: ana, spaceKind: "shared" });
    expect(spaceName).toBe("Garden");
    expect([...memberByReplica]).toEqual([[anas, ana]]);
    expect(members.get(ana)).toMatchObject({
      role: "owner",
      name: "member a at first",
      through: undefined,
      replicas: [{ replica: anas, since: { id: { seq: 1 } } }],
    });
  });

  it("admits who joins by an invite, with its role, and says through whom", () => {
    const story = founded();
    story.invite(anas, invite("1"), "editor");
    story.join(bens, ben, invite("1"));
    const { members, invites } = story.membership;
    expect(members.get(ben)).toMatchObject({
      role: "editor",
      name: "member b on b1",
      through: { invite: invite("1"), by: ana },
    });
    expect(invites).toMatchObject([{ usesMade: 1, usesAllowed: undefined, revoked: false }]);
  });

  it("admits a join that arrives before its invite once that is there", () => {
    const story = founded();
    story.join(bens, ben, invite("1"));
    expect(story.membership.strangers).toEqual(new Map([[bens, ben]]));
    story.invite(anas, invite("1"), "editor");
    expect(rolesOf(story.membership)).toEqual({ a: "owner", b: "editor" });
    expect(story.membership.strangers).toEqual(new Map());
  });

  it("lets owners invite as anything, editors as editors and readers, readers nobody", () => {
    const roles = ["owner", "editor", "reader"] as const;
    const allowed = roles.map((own) => roles.map((given) => mayInvite(own, given)));
    expect(allowed).toEqual([
      [true, true, true],
      [false, true, true],
      [false, false, false],
    ]);
    const story = founded();
    story.invite(anas, invite("1"), "editor");
    story.join(bens, ben, invite("1"));
    story.invite(bens, invite("2"), "owner");
    story.join(eves, eve, invite("2"));
    story.invite(bens, invite("3"), "reader");
    story.join(dans, dan, invite("3"));
    expect(rolesOf(story.membership)).toEqual({ a: "owner", b: "editor", d: "reader" });
    expect(story.membership.invites.map(({ invite: id }) => id)).toEqual([
      invite("1"),
      invite("3"),
    ]);
    story.invite(dans, invite("4"), "reader");
    story.join(replica("f1"), member("f"), invite("4"));
    expect(story.membership.members.has(member("f"))).toBe(false);
  });

  it("counts what a stranger says for nothing", () => {
    const story = founded();
    const before = story.membership;
    story.introduce(eves, eve);
    story.invite(eves, invite("1"), "owner");
    story.join(dans, dan, invite("1"));
    story.name(eves, "Eve's");
    const after = story.membership;
    expect({ ...after, strangers: before.strangers }).toEqual(before);
    expect(after.strangers.size).toBe(2);
  });

  it("lets nobody take over or weaken an invite by publishing its key again", () => {
    const story = founded();
    story.invite(anas, invite("1"), "editor");
    story.join(bens, ben, invite("1"));
    story.invite(anas, invite("2"), "owner");
    story.invite(bens, invite("2"), "reader");
    const byBen = story.revoke(bens, invite("2"));
    story.join(dans, dan, invite("2"), byBen);
    const { members, invites } = story.membership;
    expect(members.get(dan)).toMatchObject({ role: "owner", through: { by: ana } });
    expect(invites.map(({ by, revoked }) => [by, revoked])).toEqual([
      [ana, false],
      [ana, false],
      [ben, true],
    ]);
  });

  it("gives who was admitted twice the greater role, the newer name and the earlier day", () => {
    const story = founded();
    const first = story.invite(anas, invite("1"), "reader");
    story.invite(anas, invite("2"), "editor");
    const joined = story.join(bens, ben, invite("1"));
    story.join(replica("b2"), ben, invite("2"));
    const reader = story.membership.members.get(ben);
    expect(reader).toMatchObject({ role: "editor", since: joined, through: { by: ana } });
    expect(reader?.name).toBe("member b on b2");
    expect(reader?.replicas.map(({ replica: id }) => id)).toEqual([bens, replica("b2")]);
    expect(compareStamps(first, joined)).toBeLessThan(0);
  });

  it("lets who becomes an owner invite owners, also by what they published before", () => {
    const story = founded();
    story.invite(anas, invite("1"), "owner");
    story.invite(anas, invite("2"), "editor");
    story.join(dans, dan, invite("1"));
    story.join(bens, ben, invite("2"));
    story.invite(bens, invite("4"), "owner");
    story.join(eves, eve, invite("4"));
    expect(story.membership.members.has(eve)).toBe(false);
    story.invite(dans, invite("3"), "owner");
    story.join(replica("b2"), ben, invite("3"));
    expect(rolesOf(story.membership)).toEqual({ a: "owner", b: "owner", d: "owner", e: "owner" });
  });

  it("admits a member's further device by its introduction alone", () => {
    const story = founded();
    story.introduce(replica("a2"), ana);
    expect(story.membership.memberByReplica.get(replica("a2"))).toBe(ana);
    story.invite(replica("a2"), invite("1"), "owner");
    story.join(bens, ben, invite("1"));
    expect(rolesOf(story.membership)).toEqual({ a: "owner", b: "owner" });
  });

  it("shows that an invite was used more often than allowed, and undoes nothing", () => {
    const story = founded();
    story.invite(anas, invite("1"), "editor", 1);
    story.join(bens, ben, invite("1"));
    story.join(dans, dan, invite("1"));
    expect(story.membership.invites).toMatchObject([{ usesAllowed: 1, usesMade: 2 }]);
    expect(rolesOf(story.membership)).toEqual({ a: "owner", b: "editor", d: "editor" });
  });

  it("voids a join whose entry names the revoke, and admits one that did not know", () => {
    const story = founded();
    story.invite(anas, invite("1"), "editor");
    const revoke = story.revoke(anas, invite("1"));
    story.join(bens, ben, invite("1"));
    story.join(dans, dan, invite("1"), revoke);
    const after = story.name(anas, "Orchard");
    story.join(eves, eve, invite("1"), after);
    expect(rolesOf(story.membership)).toEqual({ a: "owner", b: "editor" });
    expect(story.membership.invites).toMatchObject([{ revoked: true, usesMade: 1 }]);
  });

  it("lets owners revoke any invite, others only their own", () => {
    const story = founded();
    story.invite(anas, invite("1"), "editor");
    story.join(bens, ben, invite("1"));
    story.invite(anas, invite("2"), "editor");
    story.invite(bens, invite("3"), "editor");
    const presumed = story.revoke(bens, invite("2"));
    story.join(dans, dan, invite("2"), presumed);
    expect(rolesOf(story.membership)).toEqual({ a: "owner", b: "editor", d: "editor" });

    const rightful = story.revoke(anas, invite("3"));
    story.join(eves, eve, invite("3"), rightful);
    expect(story.membership.members.has(eve)).toBe(false);
    const revoked = story.membership.invites.filter((each) => each.revoked);
    expect(revoked.map(({ invite: id }) => id)).toEqual([invite("3")]);
  });

  it("settles two who revoke the invites by which the other came", () => {
    const story = founded();
    story.invite(anas, invite("1"), "owner");
    story.invite(anas, invite("2"), "owner");
    story.introduce(replica("b2"), ben);
    story.introduce(replica("d2"), dan);
    const againstDan = story.revoke(replica("b2"), invite("2"));
    const againstBen = story.revoke(replica("d2"), invite("1"));
    story.join(bens, ben, invite("1"), againstBen);
    story.join(dans, dan, invite("2"), againstDan);
    // Either could have revoked, had nobody been revoked: both joins knew, both are void.
    expect(rolesOf(story.membership)).toEqual({ a: "owner" });
  });

  it("takes its name from the owner who named it last", () => {
    const story = founded();
    story.invite(anas, invite("1"), "editor");
    story.join(bens, ben, invite("1"));
    story.name(anas, "Orchard");
    story.name(bens, "Ben's");
    expect(story.membership.spaceName).toBe("Orchard");
  });

  it("begins with the earlier of two founders, who are owners both", () => {
    const story = founded();
    story.found(bens, ben, "Another");
    const { founding, members, spaceName } = story.membership;
    expect(founding?.founder).toBe(ana);
    expect(members.get(ben)?.role).toBe("owner");
    expect(spaceName).toBe("Another");
  });

  it("evaluates again only when a fact is new", () => {
    const record = new MembershipRecord();
    const { facts } = founded();
    for (const fact of facts) record.apply(fact);
    const before = record.value;
    for (const fact of facts) record.apply(fact);
    expect(record.value).toBe(before);
  });
});

describe("a member", () => {
  const story = founded();
  story.introduce(replica("a2"), ana);
  const { members } = story.membership;
  const called = (profiles: Record<string, Profile>) => {
    const found = members.get(ana);
    return found && displayName(found, (id) => profiles[id]);
  };

  it("is called by the newest profile, or as they came in", () => {
    expect(called({})).toBe("member a at first");
    expect(called({ [anas]: { number: 3, name: "Ana" } })).toBe("Ana");
    const both = {
      [anas]: { number: 3, name: "Ana" },
      [replica("a2")]: { number: 4, name: "Anna" },
    };
    expect(called(both)).toBe("Anna");
    expect(called({ ...both, [anas]: { number: 4, name: "Ana" } })).toBe("Anna");
    expect(called({ [anas]: { number: 9, name: "  " } })).toBe("member a at first");
  });

  it("is in the audience of what is written after they could come in", () => {
    const club = founded();
    const before = club.name(anas, "before");
    club.invite(anas, invite("1"), "editor");
    const between = club.name(anas, "between");
    club.join(bens, ben, invite("1"));
    const after = club.name(anas, "after");
    expect(membersAt(club.membership, before)).toEqual([ana]);
    expect(membersAt(club.membership, between)).toEqual([ana]);
    expect(membersAt(club.membership, after)).toEqual([ana, ben]);
  });

  it("counts from the invite on if the join says it was earlier, as one without any past does", () => {
    const club = founded();
    const early = club.join(bens, ben, invite("1"));
    const before = club.name(anas, "before");
    const offer = club.invite(anas, invite("1"), "editor");
    const { members: admitted } = club.membership;
    expect(compareStamps(early, before)).toBeLessThan(0);
    expect(admitted.get(ben)?.since).toEqual(offer);
    expect(membersAt(club.membership, before)).toEqual([ana]);
  });
});

// Random histories

const letters = ["a", "b", "c", "d", "e", "f"];
const inviteNames = ["1", "2", "3", "4", "5"];
const anyInvite = fc.constantFrom(...inviteNames).map(invite);

type Line =
  | { kind: "invite"; by: number; invite: InviteId; role: Role }
  | { kind: "revoke"; by: number; invite: InviteId }
  | { kind: "join"; who: number; invite: InviteId; knows: number }
  | { kind: "device"; who: number }
  | { kind: "name"; by: number };

const who = fc.nat(letters.length - 1);
const line: fc.Arbitrary<Line> = fc.oneof(
  fc.record({
    kind: fc.constant("invite" as const),
    by: who,
    invite: anyInvite,
    role: fc.constantFrom<Role>("owner", "editor", "editor", "reader"),
  }),
  fc.record({ kind: fc.constant("revoke" as const), by: who, invite: anyInvite }),
  fc.record({
    kind: fc.constant("join" as const),
    who,
    invite: anyInvite,
    knows: fc.nat(3),
  }),
  fc.record({ kind: fc.constant("device" as const), who }),
  fc.record({ kind: fc.constant("name" as const), by: who }),
);

/** Anybody does anything, also what they have no right to. */
function storyOf(lines: readonly Line[]): Story {
  const story = founded();
  const replicasOf = new Map<number, ReplicaId[]>([[0, [anas]]]);
  const revokes: Stamp[] = [];
  const own = (index: number): ReplicaId | undefined => {
    const replicas = replicasOf.get(index) ?? [];
    return replicas[replicas.length - 1];
  };
  for (const each of lines) {
    switch (each.kind) {
      case "join":
      case "device": {
        const letter = letters[each.who] ?? "a";
        const replicas = replicasOf.get(each.who) ?? [];
        const fresh = replica(`${letter}${replicas.length + 1}`);
        replicasOf.set(each.who, [...replicas, fresh]);
        if (each.kind === "device") story.introduce(fresh, member(letter));
        else story.join(fresh, member(letter), each.invite, ...revokes.slice(-each.knows));
        break;
      }
      case "invite": {
        const by = own(each.by);
        if (by !== undefined) story.invite(by, each.invite, each.role);
        break;
      }
      case "revoke": {
        const by = own(each.by);
        if (by !== undefined) revokes.push(story.revoke(by, each.invite));
        break;
      }
      case "name": {
        const by = own(each.by);
        if (by !== undefined) story.name(by, `named by ${by}`);
        break;
      }
    }
  }
  return story;
}

const lines = fc.array(line, { maxLength: 40 });

/** The rules once more, as slowly and plainly as they can be said. */
function naiveRoles(facts: readonly MembershipFact[]): Map<MemberId, Role> {
  const authors = new Map<ReplicaId, MemberId>();
  for (const { id, op } of facts) {
    if (op.kind === "introduced") authors.set(id.replica, op.introduction.memberId);
  }
  const rank = { reader: 1, editor: 2, owner: 3 };
  const settle = (isVoid: (join: MembershipFact, offer: MembershipFact) => boolean) => {
    const roles = new Map<MemberId, Role>();
    const raise = (whom: MemberId, role: Role) => {
      const before = roles.get(whom);
      if (before !== undefined && rank[before] >= rank[role]) return false;
      roles.set(whom, role);
      return true;
    };
    for (const { op } of facts) if (op.kind === "founded") raise(op.member, "owner");
    let changed = true;
    while (changed) {
      changed = false;
      for (const offer of facts) {
        if (offer.op.kind !== "invited") continue;
        const own = roles.get(authors.get(offer.id.replica) ?? member("?"));
        if (own === undefined || !mayInvite(own, offer.op.role)) continue;
        for (const join of facts) {
          if (join.op.kind !== "joined" || join.op.invite !== offer.op.invite) continue;
          if (!isVoid(join, offer) && raise(join.op.member, offer.op.role)) changed = true;
        }
      }
    }
    return roles;
  };
  const believed = settle(() => false);
  return settle((join, offer) =>
    facts.some((revoke) => {
      if (revoke.op.kind !== "revoked" || offer.op.kind !== "invited") return false;
      if (join.op.kind !== "joined" || revoke.op.invite !== offer.op.invite) return false;
      const by = authors.get(revoke.id.replica);
      if (by === undefined) return false;
      if (by !== authors.get(offer.id.replica) && believed.get(by) !== "owner") return false;
      return join.op.deps.some(
        (dep) => dep.replica === prefixOf(revoke.id.replica) && dep.seq >= revoke.id.seq,
      );
    }),
  );
}

describe("any membership history", () => {
  it("means the same in whatever order its facts arrive", () => {
    const shuffled = lines.chain((all) => {
      const { facts } = storyOf(all);
      return fc.tuple(
        fc.constant(facts),
        fc.shuffledSubarray(facts, { minLength: facts.length, maxLength: facts.length }),
      );
    });
    fc.assert(
      fc.property(shuffled, ([facts, reordered]) => {
        const plain = (membership: Membership) => ({
          ...membership,
          members: [...membership.members],
          memberByReplica: [...membership.memberByReplica],
          strangers: [...membership.strangers],
        });
        expect(plain(evaluateMembership(reordered))).toEqual(plain(evaluateMembership(facts)));
      }),
      { numRuns: 300 },
    );
  });

  it("gives the roles that the rules give when read slowly", () => {
    let [voided, plain] = [0, 0];
    fc.assert(
      fc.property(lines, (all) => {
        const { facts } = storyOf(all);
        const { members } = evaluateMembership(facts);
        const roles = new Map([...members.values()].map(({ id, role }) => [id, role] as const));
        const expected = naiveRoles(facts);
        expect(roles).toEqual(expected);
        const joined = facts.flatMap(({ op }) => (op.kind === "joined" ? [op.member] : []));
        if (joined.some((id) => !expected.has(id))) voided++;
        else plain++;
      }),
      { numRuns: 500, seed: 20_261_120 },
    );
    // The generator reaches both who is admitted and who is not.
    expect(Math.min(voided, plain)).toBeGreaterThan(50);
  });

  it("is not changed by what somebody states who is no member", () => {
    const noise = fc.array(line, { minLength: 1, maxLength: 15 });
    fc.assert(
      fc.property(lines, noise, (all, added) => {
        const story = storyOf(all);
        const { strangers: _, ...before } = story.membership;
        story.introduce(replica("ee"), member("9"));
        for (const each of added) {
          if (each.kind === "invite") story.invite(replica("ee"), each.invite, each.role);
          if (each.kind === "revoke") story.revoke(replica("ee"), each.invite);
          if (each.kind === "name") story.name(replica("ee"), "Eve's");
          if (each.kind === "join") {
            story.join(replica(`ee${story.facts.length}`), member("8"), invite("none"));
          }
        }
        const { strangers, ...after } = story.membership;
        expect(after).toEqual(before);
        expect(strangers.get(replica("ee"))).toBe(member("9"));
      }),
      { numRuns: 300 },
    );
  });

  it("takes nobody in and lets nobody rise for nothing while it grows", () => {
    const rank = { reader: 1, editor: 2, owner: 3 };
    fc.assert(
      fc.property(lines, (all) => {
        // Without those who revoked before they had the right to: see rule 6.
        const story = storyOf(all.filter((each) => each.kind !== "revoke" || each.by === 0));
        const record = new MembershipRecord();
        let before = new Map<MemberId, Role>();
        for (const fact of story.facts) {
          record.apply(fact);
          const { members } = record.value;
          for (const [id, role] of before) {
            const now = members.get(id)?.role;
            expect(now && rank[now]).toBeGreaterThanOrEqual(rank[role]);
          }
          before = new Map([...members.values()].map(({ id, role }) => [id, role]));
        }
      }),
      { numRuns: 200 },
    );
  });
});

// As a CRDT: three replicas of members, whose facts are delivered like any operations.

class DrivenRecord extends MembershipRecord {
  readonly #self: ReplicaId;

  constructor(self: ReplicaId) {
    super();
    this.#self = self;
  }

  write(claim: MembershipClaim): MembershipClaim {
    if (claim.kind !== "introduced") return claim;
    // A log introduces its own replica.
    return { ...claim, introduction: { ...claim.introduction, replica: this.#self } };
  }

  canonical(): unknown {
    const { members, memberByReplica, strangers, ...rest } = this.value;
    return [rest, [...members], [...memberByReplica], [...strangers]];
  }
}

const claims: fc.Arbitrary<MembershipClaim> = lines
  .map((all) => storyOf(all).facts.map(({ op }) => op))
  .chain((all) => fc.constantFrom(...all));

opBasedLaws<MembershipClaim, MembershipClaim>("the membership record", {
  create: (self) => new DrivenRecord(self),
  commands: claims,
  runs: 60,
});
