import { beforeAll, describe, expect, it } from "vitest";
import type { RawOperation } from "../crdt/crdt.ts";
import {
  type Identity,
  introductionPayload,
  makeDeviceCertificate,
  makeReplicaCertificate,
  memberIdOf,
  newIdentity,
  publicKeysOf,
} from "../crypto/identity.ts";
import { nobleSuite } from "../crypto/noble-suite.ts";
import type { SigningPair } from "../crypto/suite.ts";
import {
  type DocumentId,
  type MemberId,
  prefixOf,
  type ReplicaId,
  type SpaceTag,
} from "../id/id.ts";
import { knownDocument } from "../log/known-document.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import { parseAccessCertificate } from "../protocol/access.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { type AdmissionLabel, signAdmission } from "./admission.ts";
import type { MembershipContext } from "./membership-fact.ts";
import {
  type ExaminedEntry,
  type KeptMembershipOperation,
  MembershipGate,
} from "./membership-gate.ts";
import { encodeMembershipOperation, inviteId } from "./membership-operation.ts";
import { newSpace } from "./new-space.ts";

let next = 1;
const random = {
  bytes: (length: number) => new Uint8Array(length).fill(next++),
  fraction: () => 0,
};
const suite = nobleSuite(random);

/** Somebody with a device and a replica in the space. */
interface Person {
  readonly identity: Identity;
  readonly member: MemberId;
  readonly replica: ReplicaId;
  readonly introduction: Uint8Array;
  /** Of the replica. */
  readonly pair: SigningPair;
}

let space: SpaceTag;
let admin: SigningPair;
let context: MembershipContext;
let record: DocumentId;
let ana: Person;
let ben: Person;
let invitePair: SigningPair;

async function person(identity?: Identity, replicaPair?: SigningPair): Promise<Person> {
  const owner = identity ?? (await newIdentity(suite));
  const device = await newIdentity(suite);
  const pair = replicaPair ?? (await suite.newSigningPair());
  return {
    identity: owner,
    pair,
    member: memberIdOf(suite, publicKeysOf(owner)),
    replica: replicaIdOf(suite, pair.publicKey),
    introduction: introductionPayload(
      await makeDeviceCertificate(suite, owner, publicKeysOf(device)),
      await makeReplicaCertificate(suite, device.signing, space, pair.publicKey),
    ),
  };
}

const sign = (key: SigningPair, label: AdmissionLabel, whom: Person, where = space) =>
  signAdmission(suite, key.secret, label, {
    space: where,
    member: whom.member,
    replica: whom.replica,
  });

const introduce = ({ introduction: payload }: Person) =>
  encodeMembershipOperation({ kind: "introduce", payload });
const genesis = (signature: Uint8Array) =>
  encodeMembershipOperation({
    kind: "genesis",
    spaceKind: "shared",
    spaceName: "Garden",
    name: "Ana",
    signature,
  });
const join = (signature: Uint8Array, publicKey = invitePair.publicKey) =>
  encodeMembershipOperation({ kind: "join", publicKey, name: "Ben", signature });
const invite = () =>
  encodeMembershipOperation({
    kind: "invite",
    publicKey: invitePair.publicKey,
    role: "editor",
    expiresMs: undefined,
    uses: 1,
    codeHash: new Uint8Array(16),
  });

const entry = (
  { replica }: Person,
  seq: number,
  operations: readonly RawOperation[],
  document = record,
): ExaminedEntry => ({
  replica,
  seq,
  plain: { deps: [], lamport: seq, document, operations },
});

const founding = async () =>
  entry(ana, 1, [introduce(ana), genesis(await sign(admin, "skein/genesis", ana))]);
const joining = async () =>
  entry(ben, 1, [introduce(ben), join(await sign(invitePair, "skein/join", ben))]);

const gateAfter = async (...entries: ExaminedEntry[]) => {
  const gate = new MembershipGate(context);
  await gate.examine(entries);
  return gate;
};

beforeAll(async () => {
  const created = await newSpace(suite, random);
  space = created.tag;
  admin = await suite.signingPairFromSeed(created.seeds.admin);
  const certificate = parseAccessCertificate(created.certificate);
  if (isMalformed(certificate)) throw certificate;
  context = { suite, space, adminKey: certificate.adminKey };
  record = knownDocument(suite, space, "membership");
  [ana, ben] = [await person(), await person()];
  invitePair = await suite.newSigningPair();
});

describe("the membership gate", () => {
  it("admits founder and joiner by what they signed", async () => {
    const gate = await gateAfter(await founding(), entry(ana, 2, [invite()]), await joining());
    expect(gate.admitted(ana.replica)).toBe(true);
    expect(gate.admitted(ben.replica)).toBe(true);
    expect(gate.membership.members.get(ben.member)).toMatchObject({ role: "editor", name: "Ben" });
    expect(gate.unfounded).toEqual([]);
  });

  it("admits the joiner when the invite arrives last, and nobody before", async () => {
    const gate = await gateAfter(await joining(), await founding());
    expect(gate.admitted(ben.replica)).toBe(false);
    expect(gate.membership.strangers.get(ben.replica)).toBe(ben.member);
    await gate.examine([entry(ana, 2, [invite()])]);
    expect(gate.admitted(ben.replica)).toBe(true);
  });

  it("admits a second device of a member by its certificates", async () => {
    const tablet = await person(ana.identity);
    const gate = await gateAfter(await founding(), entry(tablet, 1, [introduce(tablet)]));
    expect(gate.membership.memberByReplica.get(tablet.replica)).toBe(ana.member);
  });

  it("is not moved by signatures of others, for others, or for elsewhere", async () => {
    const eve = await person();
    const elsewhere = "00".repeat(16) as SpaceTag;
    const signed = await sign(invitePair, "skein/join", ben);
    const broken = signed.slice();
    broken[10] = (broken[10] ?? 0) ^ 1;
    const attempts: [string, ExaminedEntry][] = [
      [
        "a genesis by the invite's key",
        entry(eve, 1, [introduce(eve), genesis(await sign(invitePair, "skein/genesis", eve))]),
      ],
      [
        "a genesis taken from Ana's log",
        entry(eve, 1, [introduce(eve), genesis(await sign(admin, "skein/genesis", ana))]),
      ],
      ["a join taken from Ben's log", entry(eve, 1, [introduce(eve), join(signed)])],
      [
        "a join for another space",
        entry(eve, 1, [introduce(eve), join(await sign(invitePair, "skein/join", eve, elsewhere))]),
      ],
      [
        "a join signed as a genesis",
        entry(eve, 1, [introduce(eve), join(await sign(invitePair, "skein/genesis", eve))]),
      ],
      [
        "a join by an invite of one's own",
        entry(eve, 1, [
          introduce(eve),
          join(await sign(admin, "skein/join", eve), admin.publicKey),
        ]),
      ],
      ["a join with a broken signature", entry(ben, 1, [introduce(ben), join(broken)])],
      ["a join without an introduction", entry(ben, 1, [join(signed)])],
      ["a join before its introduction", entry(ben, 1, [join(signed), introduce(ben)])],
      ["an introduction of somebody else", entry(eve, 1, [introduce(ben), join(signed)])],
      ["an introduction and join later on", entry(ben, 2, [introduce(ben), join(signed)])],
      [
        "a join in another document",
        entry(ben, 1, [introduce(ben), join(signed)], "00".repeat(8) as DocumentId),
      ],
      ["a void entry", { replica: ben.replica, seq: 1, plain: undefined }],
    ];
    for (const [what, attempt] of attempts) {
      const gate = await gateAfter(await founding(), entry(ana, 2, [invite()]), attempt);
      expect([what, [...gate.membership.members.keys()]]).toEqual([what, [ana.member]]);
      expect([what, gate.admitted(attempt.replica)]).toEqual([what, false]);
    }
  });

  it("believes one introduction in a log, so that nobody joins as somebody else", async () => {
    const alias = await person(undefined, ben.pair);
    const signed = await sign(invitePair, "skein/join", alias);
    const twice = entry(ben, 1, [introduce(ben), introduce(alias), join(signed)]);
    const gate = await gateAfter(await founding(), entry(ana, 2, [invite()]), twice);
    expect([...gate.membership.members.keys()]).toEqual([ana.member]);
    expect(gate.membership.strangers).toEqual(new Map([[ben.replica, ben.member]]));
  });

  it("says why an operation was not believed", async () => {
    const broken = { kind: 0x17, payload: Uint8Array.of(9) };
    const gate = await gateAfter(entry(ben, 2, [introduce(ben), broken]));
    const words = gate.unfounded.map(({ seq, index, words: why }) => [seq, index, why]);
    expect(words).toEqual([
      [2, 0, "an introduction that is not in its log's first entry"],
      [2, 1, "bytes end too early"],
    ]);
  });

  it("leaves what a later version will understand alone", async () => {
    const role = { kind: 0x16, payload: new Uint8Array(17).fill(1) };
    const unknown = { kind: 0x70, payload: Uint8Array.of(1) };
    const gate = await gateAfter(await founding(), entry(ana, 2, [role, unknown, invite()]));
    expect(gate.unfounded).toEqual([]);
    expect(gate.membership.invites).toMatchObject([
      { invite: inviteId(invitePair.publicKey), id: { seq: 2, index: 2 } },
    ]);
  });

  it("comes back from what the device kept as it was", async () => {
    const revoke = encodeMembershipOperation({ kind: "revoke", publicKey: invitePair.publicKey });
    const signed = await sign(invitePair, "skein/join", ben);
    const deps = [{ replica: prefixOf(ana.replica), seq: 3 }];
    const late: ExaminedEntry = {
      replica: ben.replica,
      seq: 1,
      plain: { deps, lamport: 9, document: record, operations: [introduce(ben), join(signed)] },
    };
    const entries = [await founding(), entry(ana, 2, [invite()]), entry(ana, 3, [revoke]), late];
    const gate = await gateAfter(...entries);
    expect(gate.admitted(ben.replica)).toBe(false);

    const kept = entries.flatMap(({ replica, seq, plain }): KeptMembershipOperation[] =>
      (plain?.operations ?? []).map((raw, index) => ({
        ...raw,
        id: { replica, seq, index },
        lamport: plain?.lamport ?? 0,
        deps: (plain?.deps ?? []).map((dep) => ({ replica: ana.replica, seq: dep.seq })),
      })),
    );
    const restored = new MembershipGate(context);
    await restored.restore(kept.reverse());
    expect(restored.membership).toEqual(gate.membership);
  });

  it("takes an entry twice as once", async () => {
    const gate = await gateAfter(await founding(), entry(ana, 2, [invite()]), await joining());
    const before = gate.membership;
    await gate.examine([await joining(), entry(ana, 2, [invite()])]);
    expect(gate.membership).toBe(before);
  });
});
