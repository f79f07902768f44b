/**
 * Any frame of docs/protocol.md section 8, and what travels inside frames, for properties (fast-check). Frames are valid in
 * themselves, as a decoder would let them through; what they mean to a session is anybody's guess.
 * Numbers lean towards the ends of their ranges, where varints change their length.
 */
import fc from "fast-check";
import {
  blobId,
  epochId,
  registerName,
  replicaId,
  spaceTag,
  type EpochId,
  type RegisterName,
  type ReplicaId,
  type SpaceTag,
} from "@skein/shared/id/id.ts";
import { blobBytesMax } from "@skein/shared/log/blob.ts";
import type { Entry, Run } from "@skein/shared/log/entry.ts";
import { encodeRegister, type RegisterParts } from "@skein/shared/log/register.ts";
import type { SuiteId } from "@skein/shared/log/suite.ts";
import { encodeTruncation, type Truncation } from "@skein/shared/log/truncation.ts";
import type { AccessCertificate } from "@skein/shared/protocol/access.ts";
import { codes, type Code } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { Frame, Item } from "@skein/shared/protocol/messages.ts";
import { encodeWhisper, type Whisper } from "@skein/shared/protocol/whisper.ts";

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

const arbitraryBytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

const bytesUpTo = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ maxLength: length });

const arbitraryReplicaId: fc.Arbitrary<ReplicaId> = arbitraryBytes(16).map(replicaId);
const arbitrarySpaceTag: fc.Arbitrary<SpaceTag> = arbitraryBytes(16).map(spaceTag);
const arbitraryEpochId: fc.Arbitrary<EpochId> = arbitraryBytes(8).map(epochId);
const arbitraryBlobId = arbitraryBytes(32).map(blobId);
const arbitraryRegisterName: fc.Arbitrary<RegisterName> = arbitraryBytes(16).map(registerName);

/** A number that fits a varint. */
const arbitraryNumber: fc.Arbitrary<number> = fc.oneof(
  fc.nat(300),
  fc.nat(0xffff),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const arbitrarySeq: fc.Arbitrary<number> = arbitraryNumber.map((seq) => Math.max(1, seq));

const code: fc.Arbitrary<Code> = fc.constantFrom(...Object.values(codes));
const detail = fc
  .string({ unit: "binary", maxLength: limits.detailBytesMax / 4 })
  .map((text) => text.toWellFormed());
const u8 = fc.nat(0xff);
const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
const hash = arbitraryBytes(32);
const publicKey = arbitraryBytes(32);
const signature = arbitraryBytes(64);

// What travels inside frames

const suite = fc.constantFrom<SuiteId>(0, 1);

export const arbitraryRegister: fc.Arbitrary<RegisterParts> = fc.record({
  suite,
  space: arbitrarySpaceTag,
  replica: arbitraryReplicaId,
  name: arbitraryRegisterName,
  number: arbitraryNumber,
  epoch: arbitraryEpochId,
  nonce: arbitraryBytes(12),
  bodyHash: hash,
  signature,
  body: bytesUpTo(100),
});

export const arbitraryWhisper: fc.Arbitrary<Whisper> = fc.record({
  suite,
  space: arbitrarySpaceTag,
  from: arbitraryReplicaId,
  to: fc.option(arbitraryReplicaId, { nil: undefined }),
  epoch: arbitraryEpochId,
  nonce: arbitraryBytes(16),
  counter: arbitrarySeq,
  bodyHash: hash,
  signature,
  body: bytesUpTo(100),
});

export const arbitraryAccess: fc.Arbitrary<AccessCertificate> = fc.record({
  suite,
  n: u32,
  previous: hash,
  salt: arbitraryBytes(16),
  readKey: publicKey,
  writeKey: publicKey,
  adminKey: publicKey,
  signature,
});

// Runs

/** Entries `first`… with distances that stay within the log. */
function arbitraryEntries(first: number): fc.Arbitrary<Entry[]> {
  const shape = fc.record({
    epoch: fc.constantFrom(...["e0", "e1"].map((byte) => epochId(filled(8, byte)))),
    opens: fc.boolean(),
    nonce: arbitraryBytes(16),
    distance: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 0xffff_ffff })),
    body: fc.oneof(
      bytesUpTo(60).map((sealed): Entry["body"] => ({ kind: "sealed", sealed })),
      fc.record({ kind: fc.constant("hollow" as const), hash, length: fc.nat(65_536) }),
    ),
  });
  return fc.array(shape, { minLength: 1, maxLength: 6 }).map((shapes) =>
    shapes.map(({ epoch, opens, nonce, distance, body }, index): Entry => {
      const reach = first + index - 1;
      const writer: Entry["writer"] =
        opens || reach === 0
          ? { kind: "opens", nonce }
          : { kind: "continues", distance: Math.min(distance, reach) };
      return { epoch, writer, body };
    }),
  );
}

const filled = (length: number, byte: string): Uint8Array =>
  new Uint8Array(length).fill(Number.parseInt(byte, 16));

/** The first seq of a run: leaves room for a few entries before the greatest. */
const arbitraryFirst = arbitrarySeq.map((seq) => Math.min(seq, Number.MAX_SAFE_INTEGER - 100));

/** A run whose signature and replica are random. */
export const arbitraryRun: fc.Arbitrary<Run> = arbitraryFirst.chain((first) =>
  fc.record({
    replica: arbitraryReplicaId,
    first: fc.constant(first),
    entries: arbitraryEntries(first),
    signature,
  }),
);

const entries: fc.Arbitrary<FrameOf<"entries">> = arbitraryFirst.chain((first) =>
  fc.record({
    type: fc.constant("entries" as const),
    log: arbitraryNumber,
    first: fc.constant(first),
    items: fc
      .tuple(arbitraryEntries(first), fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }))
      .map(([all, named]) =>
        all.map((item, index): Item => ({
          ...item,
          epoch: named[index] === true ? item.epoch : undefined,
        })),
      ),
    signature,
  }),
);

const entry: fc.Arbitrary<FrameOf<"entry">> = arbitrarySeq
  .map((seq) => Math.max(2, seq))
  .chain((seq) =>
    fc.record({
      type: fc.constant("entry" as const),
      log: arbitraryNumber,
      seq: fc.constant(seq),
      distance: fc.integer({ min: 1, max: Math.min(seq - 1, 0xffff_ffff) }),
      sealed: fc.oneof(bytesUpTo(100), fc.constant(new Uint8Array(limits.bodyBytesMax))),
      signature,
    }),
  );

const arbitraryTruncation: fc.Arbitrary<Truncation> = fc.record({
  suite,
  space: arbitrarySpaceTag,
  number: arbitraryNumber,
  snapshot: hash,
  rows: fc.array(fc.record({ publicKey, seq: arbitrarySeq, hash }), { maxLength: 4 }),
  signature,
});

// Frames

const blobList = {
  space: arbitraryNumber,
  request: arbitraryNumber,
  blobs: fc.array(arbitraryBlobId, { maxLength: 8 }),
};

/** A valid frame of each type. */
export const arbitraryFrames: { readonly [Type in Frame["type"]]: fc.Arbitrary<FrameOf<Type>> } = {
  greet: fc
    .record({
      type: fc.constant("greet" as const),
      versions: fc.tuple(u8, u8),
      party: fc.constantFrom("relay" as const, "device" as const),
      durable: fc.boolean(),
      nonce: arbitraryBytes(16),
      capabilities: arbitraryNumber,
    })
    .map(({ versions: [a, b], ...rest }) => ({
      ...rest,
      versionMin: Math.min(a, b),
      versionMax: Math.max(a, b),
    })),
  hello: fc.record({
    type: fc.constant("hello" as const),
    space: arbitraryNumber,
    tag: arbitrarySpaceTag,
    mode: fc.constantFrom("read" as const, "write" as const),
    certificates: fc.array(arbitraryBytes(214), { minLength: 1, maxLength: 3 }),
    proof: signature,
    replicas: fc.array(fc.record({ publicKey, proof: signature }), { maxLength: 3 }),
  }),
  welcome: fc.record({
    type: fc.constant("welcome" as const),
    yourSpace: arbitraryNumber,
    mySpace: arbitraryNumber,
    certificate: u32,
    present: fc.array(arbitraryReplicaId, { maxLength: limits.presentMax }),
  }),
  leave: fc.record({
    type: fc.constant("leave" as const),
    yourSpace: arbitraryNumber,
    code,
    retryAfterMs: arbitraryNumber,
    detail,
  }),
  bye: fc.record({
    type: fc.constant("bye" as const),
    code,
    retryAfterMs: arbitraryNumber,
    detail,
  }),
  ping: fc.record({ type: fc.constant("ping" as const), token: arbitraryNumber }),
  pong: fc.record({ type: fc.constant("pong" as const), token: arbitraryNumber }),
  digest: fc.record({
    type: fc.constant("digest" as const),
    space: arbitraryNumber,
    logs: arbitraryBytes(16),
    registers: arbitraryBytes(16),
  }),
  heads: fc.record({
    type: fc.constant("heads" as const),
    space: arbitraryNumber,
    since: arbitraryBytes(16),
    heads: fc.array(
      fc
        .record({ replica: arbitraryReplicaId, a: arbitrarySeq, b: arbitrarySeq, hash })
        .map(({ a, b, ...rest }) => ({ ...rest, from: Math.min(a, b), to: Math.max(a, b) })),
      { maxLength: 8 },
    ),
  }),
  alias: fc.record({
    type: fc.constant("alias" as const),
    log: arbitraryNumber,
    space: arbitraryNumber,
    replica: arbitraryReplicaId,
    epoch: arbitraryEpochId,
    publicKey,
  }),
  entry,
  entries,
  want: fc
    .record({
      type: fc.constant("want" as const),
      space: arbitraryNumber,
      replica: arbitraryReplicaId,
      seqs: fc.tuple(arbitrarySeq, arbitrarySeq),
      form: fc.constantFrom("entries" as const, "hashes" as const),
    })
    .map(({ seqs: [a, b], ...rest }) => ({ ...rest, first: Math.min(a, b), last: Math.max(a, b) })),
  stored: fc.record({
    type: fc.constant("stored" as const),
    logs: fc.array(fc.record({ yourLog: arbitraryNumber, seq: arbitrarySeq }), { maxLength: 8 }),
  }),
  versions: fc.record({
    type: fc.constant("versions" as const),
    space: arbitraryNumber,
    rows: fc.array(
      fc.record({
        replica: arbitraryReplicaId,
        name: arbitraryRegisterName,
        number: arbitraryNumber,
        hash8: arbitraryBytes(8),
      }),
      { maxLength: 8 },
    ),
  }),
  register: fc.record({
    type: fc.constant("register" as const),
    space: arbitraryNumber,
    publicKey,
    register: arbitraryRegister.map(encodeRegister),
  }),
  whisper: fc.record({
    type: fc.constant("whisper" as const),
    space: arbitraryNumber,
    publicKey,
    whisper: arbitraryWhisper.map(encodeWhisper),
  }),
  hashes: fc.record({
    type: fc.constant("hashes" as const),
    space: arbitraryNumber,
    replica: arbitraryReplicaId,
    first: arbitrarySeq,
    hashes: fc.array(hash, { maxLength: 8 }),
  }),
  fork: fc.record({
    type: fc.constant("fork" as const),
    space: arbitraryNumber,
    replica: arbitraryReplicaId,
    seq: arbitrarySeq,
    hash,
  }),
  branch: fc.record({
    type: fc.constant("branch" as const),
    space: arbitraryNumber,
    publicKey: arbitraryBytes(32),
    seq: arbitrarySeq,
    hash,
    from: arbitrarySeq,
    base: hash,
  }),
  invite: fc.record({
    type: fc.constant("invite" as const),
    space: arbitraryNumber,
    request: arbitraryNumber,
    codeHash: arbitraryBytes(16),
    expiresMs: arbitraryNumber,
    uses: arbitraryNumber,
    preview: bytesUpTo(80),
    keys: bytesUpTo(80),
  }),
  uninvite: fc.record({
    type: fc.constant("uninvite" as const),
    space: arbitraryNumber,
    request: arbitraryNumber,
    codeHash: arbitraryBytes(16),
  }),
  keep: fc.record({ type: fc.constant("keep" as const), ...blobList }),
  lacking: fc.record({ type: fc.constant("lacking" as const), ...blobList }),
  get: fc.record({
    type: fc.constant("get" as const),
    space: arbitraryNumber,
    request: arbitraryNumber,
    blob: arbitraryBlobId,
  }),
  blob: fc.record({
    type: fc.constant("blob" as const),
    space: arbitraryNumber,
    request: arbitraryNumber,
    isAnswer: fc.boolean(),
    bytes: fc.oneof(bytesUpTo(80), fc.constant(new Uint8Array(blobBytesMax))),
  }),
  kept: fc.record({
    type: fc.constant("kept" as const),
    space: arbitraryNumber,
    request: arbitraryNumber,
    code: fc.oneof(code, fc.constant(0 as const)),
  }),
  truncate: fc.record({
    type: fc.constant("truncate" as const),
    space: arbitraryNumber,
    request: arbitraryNumber,
    order: arbitraryTruncation.map(encodeTruncation),
  }),
  done: fc.record({
    type: fc.constant("done" as const),
    request: arbitraryNumber,
    code: fc.oneof(code, fc.constant(0 as const)),
    detail,
  }),
};

export const arbitraryFrame: fc.Arbitrary<Frame> = fc.oneof(...Object.values(arbitraryFrames));
