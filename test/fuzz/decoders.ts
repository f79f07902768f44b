/**
 * Everything that reads bytes from outside at one go: what it is called, valid examples, the decoder
 * and, where a value has one form only, its encoder. A new decoder is one more row.
 */
import fc from "fast-check";
import { Cursors } from "@skein/client/runtime/cursors.ts";
import { fromBase64Url, toBase64Url } from "@skein/shared/bytes/base64url.ts";
import { concatBytes, equalBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed, Malformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import { understandChannel } from "@skein/shared/chat/post.ts";
import { readVector, type VersionVector, writeVector } from "@skein/shared/clock/version-vector.ts";
import type { RawOperation, Understood } from "@skein/shared/crdt/crdt.ts";
import type { ChannelOperation } from "@skein/shared/crdt/op/channel.ts";
import { readPeer, writePeer } from "@skein/shared/crdt/engine/peer.ts";
import { openGrant } from "@skein/shared/crypto/epoch-grant.ts";
import {
  parseDeviceCertificate,
  parseReplicaCertificate,
  verifyIntroduction,
} from "@skein/shared/crypto/identity.ts";
import { labelledSha256 } from "@skein/shared/crypto/labelled-hash.ts";
import { readObjectRef, writeObjectRef } from "@skein/shared/crypto/sealed-object.ts";
import type { AgreementPair, Suite } from "@skein/shared/crypto/suite.ts";
import { newSegment, unpackSegment } from "@skein/shared/device/log-segments.ts";
import {
  decodeProfile,
  decodeVectorRegister,
  encodeProfile,
  encodeVectorRegister,
} from "@skein/shared/device/register-values.ts";
import {
  decodeMessages,
  decodeOperations,
  decodeSessions,
  encodeMessages,
  encodeOperations,
  encodeSessions,
} from "@skein/shared/device/snapshot/contents.ts";
import { decodeManifest, encodeManifest } from "@skein/shared/device/snapshot/manifest.ts";
import { readRumour, type Rumour, writeRumour } from "@skein/shared/gossip/rumour.ts";
import {
  decodeWhisperContent,
  encodeWhisperContent,
} from "@skein/shared/gossip/whisper-content.ts";
import { epochId, replicaId, type SpaceTag, spaceTag } from "@skein/shared/id/id.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import { decodePlain, encodePlain } from "@skein/shared/log/plain.ts";
import { isRefusal } from "@skein/shared/log/refusal.ts";
import { encodeRegister, parseRegister } from "@skein/shared/log/register.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";
import { decodeNoteUpdate, encodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { encodeAccessCertificate, parseAccessCertificate } from "@skein/shared/protocol/access.ts";
import {
  decodeFrame,
  decodeItems,
  encodeFrame,
  encodeItems,
  runOfFrame,
} from "@skein/shared/protocol/codec.ts";
import { readItems, writeItems } from "@skein/shared/protocol/items.ts";
import { encodeWhisper, parseWhisper } from "@skein/shared/protocol/whisper.ts";
import { openKeys, openPreview } from "@skein/shared/space/invite-bundle.ts";
import {
  formatInviteLink,
  type InviteToken,
  parseInviteLink,
} from "@skein/shared/space/invite-link.ts";
import {
  encodeMembershipOperation,
  type MembershipOperation,
  understandMembership,
} from "@skein/shared/space/membership-operation.ts";
import { nameFault } from "@skein/shared/space/name.ts";
import { encodeSetting, type SetSetting, understandSetting } from "@skein/shared/space/setting.ts";
import * as Y from "yjs";
import { decodePublication } from "../../server/src/bus/publication.ts";
import { Prng } from "../simulation/prng.ts";
import {
  arbitraryAccess,
  arbitraryFrames,
  arbitraryRegister,
  arbitraryRun,
  arbitraryWhisper,
} from "../support/arbitrary-frames.ts";
import { toySuite } from "../support/toy-suite.ts";
import { bytesOf, type Field, loadVectors } from "../support/vectors.ts";
import { Broken, type Outcome, type TargetEntry } from "./target.ts";

interface Decoder<Value> {
  readonly name: string;
  readonly about: string;
  readonly seeds: () => readonly Uint8Array[];
  /** The value, or why the bytes were refused. */
  readonly decode: (bytes: Uint8Array) => Value | Malformed | Promise<Value | Malformed>;
  /** For a value that only these very bytes mean; undefined: this one may be written otherwise. */
  readonly encode?: (value: Value) => Uint8Array | undefined;
  readonly pieceBytesMax?: number;
}

function target<Value>(decoder: Decoder<Value>): TargetEntry {
  const { name, about, seeds, encode, pieceBytesMax } = decoder;
  const judge = (bytes: Uint8Array, value: Value | Malformed): Outcome => {
    if (isMalformed(value)) {
      return { kind: "refused", fault: value.fault, reason: value.message };
    }
    const again = encode?.(value);
    if (again !== undefined && !equalBytes(again, bytes)) {
      throw new Broken(`two forms: the same value is written ${toHex(again)}`);
    }
    return { kind: "accepted", value };
  };
  return {
    name,
    about,
    open: () => ({
      name,
      seeds: seeds().map((seed) => [seed]),
      ...(pieceBytesMax !== undefined && { pieceBytesMax }),
      run([bytes = new Uint8Array(0)]) {
        const value = decoder.decode(bytes);
        if (!(value instanceof Promise)) return judge(bytes, value);
        return value.then((settled) => judge(bytes, settled));
      },
    }),
  };
}

const samples = <T>(arbitrary: fc.Arbitrary<T>, numRuns = 20): T[] =>
  fc.sample(arbitrary, { numRuns, seed: 20_261_121 });

const vectorsOf = (file: string, ofKind?: string): Uint8Array[] =>
  loadVectors<{ kind?: string; bytes: readonly Field[] }>(file)
    .filter(({ kind }) => ofKind === undefined || kind === ofKind)
    .map(({ bytes }) => bytesOf(bytes));

const written = (write: (writer: Writer) => unknown): Uint8Array => {
  const writer = new Writer();
  write(writer);
  return writer.finish();
};

// Ciphers that leave everything as it is, so that what is inside can be changed

const space: SpaceTag = spaceTag(new Uint8Array(16).fill(7));
const toy = toySuite(new Prng(1));
const seeThrough: Suite = {
  ...toy,
  agree: () => Promise.resolve(new Uint8Array(32)),
  open: (_key, _nonce, sealed) => Promise.resolve(Uint8Array.from(sealed.subarray(0, -16))),
};
const credulous: VerifyingSuite = {
  id: 1,
  hash: (label, ...parts) => toy.hash(label, ...parts),
  verify: () => Promise.resolve(true),
};
/** Of the certificates in test/vectors. */
const vectorSpace = spaceTag(fromHex("b37c8b7dcd79c6310aec93003c90ba2b"));
const token: InviteToken = { code: new Uint8Array(8), secret: new Uint8Array(16) };
const recipient = { publicKey: new Uint8Array(32) } as unknown as AgreementPair;
const tag = new Uint8Array(16);
const sealedInvite = (plain: Uint8Array) => concatBytes(new Uint8Array(12), plain, tag);

const hashing: VerifyingSuite = { ...credulous, hash: labelledSha256 };

const snapshotVectors = (name: string): Uint8Array[] =>
  loadVectors<{ name: string; bytes: readonly Field[] }>("snapshots.json")
    .filter((vector) => vector.name === name)
    .map(({ bytes }) => bytesOf(bytes));
const snapshotReplicas = [1, 2].map((byte) => replicaIdOf(hashing, new Uint8Array(32).fill(byte)));

// Operations: their kind in one byte, then the payload

interface OperationVector {
  readonly kind: number;
  readonly payload: readonly Field[];
}

const operations = (from: number, to: number): Uint8Array[] =>
  loadVectors<OperationVector>("operations.json")
    .filter(({ kind }) => kind >= from && kind <= to)
    .map(({ kind, payload }) => concatBytes(Uint8Array.of(kind), bytesOf(payload)));

const rawOf = (bytes: Uint8Array): RawOperation => ({
  kind: bytes[0] ?? 0,
  payload: bytes.subarray(1),
});

const bytesOfRaw = ({ kind, payload }: RawOperation): Uint8Array =>
  concatBytes(Uint8Array.of(kind), payload);

type Meaning<Op> = Exclude<Understood<Op>, { kind: "void" }>;

const understood =
  <Op>(understand: (raw: RawOperation) => Understood<Op>) =>
  (bytes: Uint8Array): Meaning<Op> | Malformed => {
    const meaning = understand(rawOf(bytes));
    return meaning.kind === "void" ? new Malformed(meaning.reason) : meaning;
  };

const clock: VersionVector = new Map(
  samples(fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(70_000)), 9).map(
    ([id, seq]) => [replicaId(id), seq + 1],
  ),
);

const rumours = (): Rumour[] =>
  vectorsOf("rumours.json").map((bytes) => {
    const rumour = decode(bytes, readRumour);
    if (isMalformed(rumour)) throw rumour;
    return rumour;
  });

/** Client, clock and state. */
type CursorRow = readonly [client: number, clock: number, state: string];
const cursorRows: readonly (readonly CursorRow[])[] = [
  [[77, 1, '{"user":{"name":"Ana"},"cursor":{"anchor":1,"head":2}}']],
  [[77, 2, "null"]],
  [
    [77, 3, "{}"],
    [2 ** 53 - 2, 1, "[1]"],
  ],
];

const utf8 = new TextEncoder();
const links: readonly string[] = [
  "https://notes.example/#/join/7dolC7BC6LI.uX6rvaonAPafxuW2THAA1Q",
  "Come in: <http://localhost:8787/?replica=b#/join/7dolC7BC6LI.uX6rvaonAPafxuW2THAA1Q>, it's warm",
  "#/join/7dolC7BC6LI.uX6rvaonAPafxuW2THAA1Q",
  "7dolC7BC6LI.uX6rvaonAPafxuW2THAA1Q",
  "https://notes.example/%23/join/7dolC7BC6LI.uX6r",
  "https://notes.example/#/join/",
  // Where a pattern may look again and again.
  "https://".repeat(1_000),
  `https://${"a".repeat(8_000)}`,
  `https://a${"/".repeat(8_000)}`,
  `${"https://a/".repeat(800)}#/join`,
  `#/join/${".".repeat(8_000)}x`,
  `${" ".repeat(8_000)}x`,
  "%23".repeat(2_700),
];
const text = new TextDecoder();

export const decoders: readonly TargetEntry[] = [
  target({
    name: "frame",
    about: "frames of the session protocol, and the run that an entries frame carries",
    seeds: () => [
      ...vectorsOf("frames.json"),
      ...Object.values(arbitraryFrames).flatMap(
        (each: fc.Arbitrary<Parameters<typeof encodeFrame>[0]>) =>
          samples(each, 6).map(encodeFrame),
      ),
    ],
    decode(bytes) {
      const frame = decodeFrame(bytes);
      if (!isMalformed(frame) && (frame.type === "entry" || frame.type === "entries")) {
        runOfFrame(replicaId(new Uint8Array(16)), epochId(new Uint8Array(8)), frame);
      }
      return frame;
    },
    encode: encodeFrame,
    // A frame may be as long as this; bodies reach their limits.
    pieceBytesMax: 262_145,
  }),
  target({
    name: "items",
    about: "entries as frames and stores' rows hold them, behind the seq of the first",
    seeds: () =>
      samples(arbitraryRun).map(({ first, entries }) =>
        written((to) => to.varint(first).raw(encodeItems(first, entries))),
      ),
    decode: (bytes) =>
      decode(bytes, (reader) => {
        const first = reader.varint();
        const rest = reader.rest();
        const entries = decodeItems(first, rest);
        const items = decode(rest, (from) => readItems(from, first));
        // Frames may name an epoch anew; only items as such have one form.
        if (isMalformed(items) && !isMalformed(entries)) throw new Broken("entries of no items");
        if (isMalformed(items)) throw items;
        return { first, items };
      }),
    encode: ({ first, items }) =>
      first === 0 ? undefined : written((to) => writeItems(to.varint(first), first, items)),
  }),
  target({
    name: "segment",
    about: "a log's segment on a device's disk, with the check value of whatever bytes it has",
    seeds: () =>
      samples(arbitraryRun).map(({ first, entries, signature }) =>
        written((to) => {
          to.varint(first).varint(first + entries.length - 1);
          to.raw(encodeItems(first, entries)).raw(signature);
        }),
      ),
    decode: (bytes) =>
      decode(bytes, (reader) => {
        const [first, last] = [reader.varint(), reader.varint()];
        const runs = unpackSegment(toy, first, newSegment(toy, zeroHash, reader.rest(), last));
        if (isMalformed(runs)) throw runs;
        return runs;
      }),
  }),
  target({
    name: "publication",
    about: "what relays of one store tell each other",
    seeds: () => [
      ...samples(arbitraryRun).map((run) =>
        written((to) => {
          to.u8(1).u8(1).raw(fromHex(run.replica)).raw(zeroHash).raw(zeroHash).varint(run.first);
          to.raw(encodeItems(run.first, run.entries));
          for (const _ of run.entries) to.raw(zeroHash);
          to.raw(run.signature);
        }),
      ),
      ...samples(arbitraryRegister).map((parts) =>
        written((to) =>
          to
            .u8(1)
            .u8(2)
            .raw(zeroHash)
            .raw(encodeRegister({ ...parts, space })),
        ),
      ),
      ...samples(arbitraryWhisper, 4).map((whisper) =>
        written((to) => to.u8(1).u8(3).zeros(16).raw(zeroHash).raw(encodeWhisper(whisper))),
      ),
    ],
    decode: (bytes) => decodePublication(space, bytes),
  }),
  target({
    name: "plain",
    about: "an opened entry: dependencies, Lamport time, operations; its seq before it",
    seeds: () => [
      ...loadVectors<{ entries: readonly { seq: number; plain: readonly Field[] }[] }>(
        "entries.json",
      ).flatMap(({ entries }) =>
        entries.flatMap(({ seq, plain }) =>
          plain === undefined ? [] : [written((to) => to.varint(seq).raw(bytesOf(plain)))],
        ),
      ),
    ],
    decode: (bytes) =>
      decode(bytes, (reader) => {
        const seq = reader.varint();
        const plain = decodePlain(reader.rest(), seq);
        if (isMalformed(plain)) throw plain;
        // Others may pad as they like: what has one form is what we make of it.
        const ours = encodePlain(plain, seq);
        const again = decodePlain(ours, seq);
        if (isMalformed(again) || !equalBytes(encodePlain(again, seq), ours)) {
          throw new Broken("two forms: a plain changes when it is written again");
        }
        return plain;
      }),
  }),
  target({
    name: "register",
    about: "sealed registers",
    seeds: () => [
      ...vectorsOf("registers.json"),
      ...samples(arbitraryRegister).map(encodeRegister),
    ],
    decode: parseRegister,
    encode: encodeRegister,
  }),
  target({
    name: "register-value",
    about: "a clock or a read mark inside a register",
    seeds: () => [encodeVectorRegister(clock), encodeVectorRegister(new Map())],
    // Padding may follow: what has one form stands before it.
    decode: (bytes) => sameAgain(bytes, decodeVectorRegister, encodeVectorRegister),
  }),
  target({
    name: "profile",
    about: "the name inside a register",
    seeds: () => ["Ana", "", "Ben 👩‍👩‍👧"].map(encodeProfile),
    decode: (bytes) => sameAgain(bytes, decodeProfile, encodeProfile),
  }),
  target({
    name: "whisper",
    about: "sealed whispers",
    seeds: () => [...vectorsOf("whispers.json"), ...samples(arbitraryWhisper).map(encodeWhisper)],
    decode: parseWhisper,
    encode: encodeWhisper,
  }),
  target({
    name: "whisper-content",
    about: "what a whisper says: rumours, cursors",
    seeds: () => [
      encodeWhisperContent({ kind: "presence", rumours: rumours() }),
      encodeWhisperContent({ kind: "presence", rumours: [] }),
      concatBytes(Uint8Array.of(2), new Uint8Array(8), utf8.encode("cursors")),
    ],
    decode: decodeWhisperContent,
    encode: (content) =>
      // A later version's content is not ours to write.
      content.kind === "unknown" ? undefined : encodeWhisperContent(content),
  }),
  target({
    name: "cursors",
    about: "others' cursors in a note, as y-protocols takes them behind our check",
    seeds: () =>
      cursorRows.map((rows) =>
        written((to) =>
          to.list(rows, (at, [client, clock, state]) =>
            at.varint(client).varint(clock).text(state),
          ),
        ),
      ),
    decode(bytes) {
      const cursors = new Cursors(new Y.Doc(), () => {});
      try {
        const heard: number[] = [];
        cursors.awareness.on("update", ({ added }: { added: readonly number[] }) =>
          heard.push(...added),
        );
        cursors.hear(bytes, () => true);
        // What is heard again is no news.
        cursors.hear(bytes, () => true);
        if (heard.length > 4) throw new Broken(`strangers: ${heard.length} cursors of one tab`);
        return heard.length === 0 ? new Malformed("nothing to show") : { heard };
      } finally {
        cursors.close();
      }
    },
  }),
  target({
    name: "rumour",
    about: "presence that replicas pass on",
    seeds: () => vectorsOf("rumours.json"),
    decode: (bytes) => decode(bytes, readRumour),
    encode: (rumour) => written((to) => writeRumour(to, rumour)),
  }),
  target({
    name: "access-certificate",
    about: "certificates in a hello",
    seeds: () => [
      ...vectorsOf("certificates.json", "access"),
      ...samples(arbitraryAccess, 5).map(encodeAccessCertificate),
    ],
    decode: parseAccessCertificate,
    encode: encodeAccessCertificate,
  }),
  target({
    name: "device-certificate",
    about: "a member's word for a device",
    seeds: () => vectorsOf("certificates.json", "device"),
    decode: parseDeviceCertificate,
  }),
  target({
    name: "replica-certificate",
    about: "a device's word for a replica",
    seeds: () => vectorsOf("certificates.json", "replica"),
    decode: parseReplicaCertificate,
  }),
  target({
    name: "introduction",
    about: "both certificates as a log's first operation, judged",
    seeds: () =>
      vectorsOf("certificates.json", "device").flatMap((device) =>
        vectorsOf("certificates.json", "replica").map((replica) => concatBytes(device, replica)),
      ),
    async decode(bytes) {
      // Signatures are believed and the replica is the one it names, so that it comes to the end.
      const replicaKey = bytes.subarray(244, 276);
      const judged = await verifyIntroduction(
        credulous,
        vectorSpace,
        replicaIdOf(credulous, replicaKey),
        bytes,
      );
      return isRefusal(judged) ? new Malformed(judged.words, "form") : judged;
    },
  }),
  target({
    name: "grant",
    about: "what an epoch hands to a device",
    seeds: () =>
      loadVectors<{ plain: readonly Field[] }>("grants.json").map((each) => bytesOf(each.plain)),
    async decode(bytes) {
      const sealed = { ephemeral: zeroHash, sealed: concatBytes(bytes, tag) };
      return (await openGrant(seeThrough, space, recipient, sealed)) ?? new Malformed("no grant");
    },
  }),
  target({
    name: "invite-link",
    about: "what somebody pasted",
    seeds: () => links.map((link) => utf8.encode(link)),
    decode(bytes) {
      const link = parseInviteLink(text.decode(bytes));
      if (link.kind === "refusal") return new Malformed(link.reason);
      const again = parseInviteLink(formatInviteLink(link.origin ?? "http://localhost", link));
      if (again.kind === "refusal" || !equalBytes(again.secret, link.secret)) {
        throw new Broken("two forms: a link that was found is lost when written again");
      }
      return link;
    },
    pieceBytesMax: 65_536,
  }),
  target({
    name: "invite-preview",
    about: "what is shown before somebody joins",
    seeds: () =>
      loadVectors<{ preview: { plain: readonly Field[] } }>("invites.json").map((each) =>
        bytesOf(each.preview.plain),
      ),
    decode: (bytes) => openPreview(seeThrough, token, sealedInvite(bytes)).then(orMalformed),
  }),
  target({
    name: "invite-keys",
    about: "what somebody gets who joins",
    seeds: () =>
      loadVectors<{ keys: { plain: readonly Field[] } }>("invites.json").map((each) =>
        bytesOf(each.keys.plain),
      ),
    decode: (bytes) => openKeys(seeThrough, token, sealedInvite(bytes)).then(orMalformed),
  }),
  target<Meaning<MembershipOperation>>({
    name: "membership",
    about: "operations of the membership record",
    seeds: () => operations(0x01, 0x17),
    decode: understood(understandMembership),
    encode(meaning) {
      if (meaning.kind === "parked") return undefined;
      const { op } = meaning;
      // Others' names of white space are shown as they are; we write none.
      const names = ["name" in op ? op.name : "a", "spaceName" in op ? op.spaceName : "a"];
      if (names.some((name) => nameFault(name) !== undefined)) return undefined;
      return bytesOfRaw(encodeMembershipOperation(op));
    },
  }),
  target<Meaning<ChannelOperation>>({
    name: "channel",
    about: "posts",
    seeds: () => operations(0x30, 0x3f),
    decode: understood(understandChannel),
    encode: (meaning) =>
      meaning.kind === "parked"
        ? undefined
        : written((to) => to.u8(0x30).varint(meaning.op.timeMs).text(meaning.op.text)),
  }),
  target<Meaning<SetSetting>>({
    name: "setting",
    about: "a person's own settings",
    seeds: () => operations(0x50, 0x5f),
    decode: understood(understandSetting),
    encode: (meaning) =>
      meaning.kind === "parked" ? undefined : bytesOfRaw(encodeSetting(meaning.op)),
  }),
  target({
    name: "note-update",
    about: "the payload of a note's update, with the peer it was written under",
    seeds: () =>
      loadVectors<{ bytes: readonly Field[] }>("note-updates.json").map(({ bytes }) =>
        encodeNoteUpdate({ peer: { distance: 3, counter: 0 }, update: bytesOf(bytes) }),
      ),
    decode: decodeNoteUpdate,
    encode: encodeNoteUpdate,
  }),
  target({
    name: "peer",
    about: "under which peer id a document is edited",
    seeds: () =>
      [0, 1, 300, 2 ** 32 - 1].map((count) =>
        written((to) => writePeer(to, { distance: count, counter: 2 ** 32 - 1 - count })),
      ),
    decode: (bytes) => decode(bytes, readPeer),
    encode: (peer) => written((to) => writePeer(to, peer)),
  }),
  target({
    name: "version-vector",
    about: "what somebody holds",
    seeds: () => [written((to) => writeVector(to, clock)), Uint8Array.of(0)],
    decode: (bytes) => decode(bytes, (reader) => readVector(reader, 3_000)),
    encode: (vector) => written((to) => writeVector(to, vector)),
  }),
  target({
    name: "object-reference",
    about: "where a sealed object is and what opens it",
    seeds: () => vectorsOf("objects.json"),
    decode: (bytes) => decode(bytes, readObjectRef),
    encode: (ref) => written((to) => writeObjectRef(to, ref)),
  }),
  target({
    name: "manifest",
    about: "what the entries of a space add up to",
    seeds: () => snapshotVectors("manifest"),
    decode: (bytes) => decodeManifest(hashing, vectorSpace, bytes),
    encode: encodeManifest,
  }),
  target({
    name: "snapshot-messages",
    about: "a segment of a channel in a snapshot",
    seeds: () => snapshotVectors("messages"),
    decode: decodeMessages,
    encode: encodeMessages,
  }),
  target({
    name: "snapshot-operations",
    about: "operations kept whole in a snapshot",
    seeds: () => snapshotVectors("operations"),
    decode: (bytes) => decodeOperations(bytes, snapshotReplicas),
    encode: encodeOperations,
  }),
  target({
    name: "snapshot-sessions",
    about: "nonces of writer sessions in a snapshot",
    seeds: () => snapshotVectors("sessions"),
    decode: decodeSessions,
    encode: encodeSessions,
  }),
  target<Uint8Array>({
    name: "base64url",
    about: "codes and secrets in links",
    seeds: () =>
      ["", "AA", "7dolC7BC6LI", "uX6rvaonAPafxuW2THAA1Q", "_-_-"].map((each) => utf8.encode(each)),
    decode: thrown((bytes) => fromBase64Url(text.decode(bytes))),
    encode: (bytes) => utf8.encode(toBase64Url(bytes)),
  }),
  target<Uint8Array>({
    name: "hexadecimal",
    about: "ids as text",
    seeds: () => ["", "00", "0123456789abcdef"].map((each) => utf8.encode(each)),
    decode: thrown((bytes) => fromHex(text.decode(bytes))),
    encode: (bytes) => utf8.encode(toHex(bytes)),
  }),
];

/** A decoder that throws its refusal, and nothing else. */
function thrown<Value>(
  read: (bytes: Uint8Array) => Value,
): (bytes: Uint8Array) => Value | Malformed {
  return (bytes) => {
    try {
      return read(bytes);
    } catch (error) {
      if (isMalformed(error)) return error;
      throw error;
    }
  };
}

/** A value with padding behind it: written again and read again it is the same. */
function sameAgain<Value>(
  bytes: Uint8Array,
  read: (bytes: Uint8Array) => Value | Malformed,
  write: (value: Value) => Uint8Array,
): Value | Malformed {
  const value = read(bytes);
  if (isMalformed(value)) return value;
  const ours = write(value);
  if (!equalBytes(ours, bytes.subarray(0, ours.length))) {
    throw new Broken(`two forms: the same value is written ${toHex(ours)}`);
  }
  return value;
}

const orMalformed = <Value extends object>(value: Value | string): Value | Malformed =>
  typeof value === "string" ? new Malformed(value) : value;
