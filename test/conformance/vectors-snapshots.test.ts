/**
 * Sealed objects, manifests and what they hold, against the golden vectors: our code writes what stands
 * beside them to exactly these bytes, reads the bytes to the same, and cuts channels where they say.
 */
import { fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed, type Malformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import { orderKey } from "@skein/shared/chat/order-key.ts";
import type { Message } from "@skein/shared/crdt/op/channel.ts";
import { nobleSuite } from "@skein/shared/crypto/noble-suite.ts";
import {
  openObject,
  readObjectRef,
  sealObject,
  writeObjectRef,
} from "@skein/shared/crypto/sealed-object.ts";
import { cutIn } from "@skein/shared/device/snapshot/channel-segments.ts";
import {
  decodeMessages,
  decodeOperations,
  decodeSessions,
  encodeMessages,
  encodeOperations,
  encodeSessions,
} from "@skein/shared/device/snapshot/contents.ts";
import {
  canonicalDigest,
  decodeManifest,
  encodeManifest,
  partDigest,
} from "@skein/shared/device/snapshot/manifest.ts";
import { type BlobId, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { describe, expect, it } from "vitest";
import { bytesOf, type Field, fieldOf, hexOf, loadVectors } from "../support/vectors.ts";

interface ObjectVector {
  readonly name: string;
  readonly key: string;
  readonly plain: { readonly hex: string } | { readonly byte: string; readonly length: number };
  readonly pieces: readonly { readonly sealed?: string; readonly id: string }[];
  readonly bytes: readonly Field[];
}

interface StampVector {
  readonly author: string;
  readonly seq: number;
  readonly index: number;
  readonly lamport: number;
}
interface MessageVector extends StampVector {
  readonly timeMs: number;
  readonly text: string;
}
interface OperationVector extends StampVector {
  readonly kind: number;
  readonly payload: string;
  readonly hash: string;
  readonly deps: readonly (readonly [replica: string, seq: number])[];
  readonly timeMs: number | null;
}
interface SessionsVector {
  readonly replica: string;
  readonly sessions: readonly { readonly seq: number; readonly nonce: string }[];
}
interface ContentVector<Value> {
  readonly name: string;
  readonly value: readonly Value[];
  readonly bytes: readonly Field[];
  readonly digest: string;
}

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length), fraction: () => 0 });
const objects = loadVectors<ObjectVector>("objects.json");
const snapshots = loadVectors<{ readonly name: string }>("snapshots.json");
function named<Vector>(name: string): Vector {
  const found = snapshots.find((vector) => vector.name === name);
  if (found === undefined) throw new Error(`no vector of ${name}`);
  return found as unknown as Vector;
}

const idOf = (hex: string) => replicaId(fromHex(hex));
const stampOf = ({ author, seq, index, lamport }: StampVector) => ({
  id: { replica: idOf(author), seq, index },
  lamport,
});
function known<Value>(value: Value | Malformed): Value {
  if (isMalformed(value)) throw value;
  return value as Value;
}

describe("a sealed object", () => {
  it.each(objects.map((vector) => [vector.name, vector] as const))("of %s", async (_, vector) => {
    const { key, plain: spec, pieces, bytes } = vector;
    const plain =
      "hex" in spec
        ? fromHex(spec.hex)
        : new Uint8Array(spec.length).fill(Number.parseInt(spec.byte, 16));
    const { ref, blobs } = await sealObject(suite, fromHex(key), plain);
    expect(blobs.map(({ id }) => id)).toEqual(pieces.map(({ id }) => id));
    for (const [at, { sealed }] of pieces.entries()) {
      const ours = blobs[at]?.bytes ?? new Uint8Array();
      expect(toHex(ours)).toBe(sealed ?? toHex(ours));
    }
    expect(toHex(writeObjectRef(new Writer(), ref).finish())).toBe(hexOf(bytes));
    const read = known(decode(bytesOf(bytes), readObjectRef));
    expect(read).toEqual(ref);
    const held = new Map<BlobId, Uint8Array>(blobs.map((blob) => [blob.id, blob.bytes]));
    expect(await openObject(suite, read, async (id) => held.get(id))).toEqual(plain);
  });
});

describe("of a snapshot", () => {
  it("messages", () => {
    const { value, bytes, digest } = named<ContentVector<MessageVector>>("messages");
    const messages = value.map(({ timeMs, text, ...stamp }) => ({
      ...stampOf(stamp),
      timeMs,
      text,
    }));
    expect(toHex(encodeMessages(messages))).toBe(hexOf(bytes));
    expect(decodeMessages(bytesOf(bytes))).toEqual(messages);
    expect(toHex(partDigest(suite, bytesOf(bytes)))).toBe(digest);
  });

  it("operations kept whole", () => {
    const { value, bytes, digest } = named<ContentVector<OperationVector>>("operations");
    const operations = value.map(({ kind, payload, hash, deps, timeMs, ...stamp }) => ({
      ...stampOf(stamp),
      kind,
      payload: fromHex(payload),
      hash: fromHex(hash),
      deps: deps.map(([replica, seq]) => ({ replica: idOf(replica), seq })),
      timeMs: timeMs ?? undefined,
    }));
    const replicas = value.map(({ author }) => idOf(author));
    expect(toHex(encodeOperations(operations))).toBe(hexOf(bytes));
    expect(decodeOperations(bytesOf(bytes), replicas)).toEqual(operations);
    expect(toHex(partDigest(suite, bytesOf(bytes)))).toBe(digest);
  });

  it("the nonces of writer sessions", () => {
    const { value, bytes, digest } = named<ContentVector<SessionsVector>>("sessions");
    const sessions = new Map(
      value.map(({ replica, sessions: nonces }) => [
        idOf(replica),
        new Map(nonces.map(({ seq, nonce }) => [seq, fromHex(nonce)])),
      ]),
    );
    expect(toHex(encodeSessions(sessions))).toBe(hexOf(bytes));
    expect(decodeSessions(bytesOf(bytes))).toEqual(sessions);
    expect(toHex(partDigest(suite, bytesOf(bytes)))).toBe(digest);
  });

  it("the manifest, and its canonical digest", () => {
    const { bytes, canonicalDigest: digest } = named<{
      readonly bytes: readonly Field[];
      readonly canonicalDigest: string;
    }>("manifest");
    const space = spaceTag(fieldOf(bytes, "space tag"));
    const manifest = known(decodeManifest(suite, space, bytesOf(bytes)));
    expect(toHex(encodeManifest(manifest))).toBe(hexOf(bytes));
    expect(toHex(canonicalDigest(suite, manifest))).toBe(digest);
    const keys = bytes.filter(([what]) => what === "public key").map(([, hex]) => fromHex(hex));
    const replicas = keys.map((key) => replicaIdOf(suite, key));
    expect(manifest.logs.map(({ replica }) => replica)).toEqual(replicas);
    expect(manifest.logs.map(({ timeMs }) => timeMs)).toEqual([1_700_000_000_001, undefined]);
    expect(manifest.frontier).toEqual([{ replica: replicas[1], seq: 300 }]);
    expect(manifest.parts.map(({ kind }) => kind)).toEqual([
      "channel",
      "engine",
      "parked",
      "operations",
    ]);
  });

  it("a manifest that names a branch, and its canonical digest", () => {
    const {
      branch,
      bytes,
      canonicalDigest: digest,
    } = named<{
      readonly branch: string;
      readonly bytes: readonly Field[];
      readonly canonicalDigest: string;
    }>("manifest with a branch");
    const space = spaceTag(fieldOf(bytes, "space tag"));
    const manifest = known(decodeManifest(suite, space, bytesOf(bytes)));
    expect(toHex(encodeManifest(manifest))).toBe(hexOf(bytes));
    expect(toHex(canonicalDigest(suite, manifest))).toBe(digest);
    const log = manifest.logs.find((log) => log.branch !== undefined);
    const signer = manifest.logs.find(({ seq }) => seq === 5)?.replica;
    expect(log).toMatchObject({ replica: branch, seq: 7, branch: { signer, seq: 4 } });
    expect(log?.branch?.parent).toBe(signer);
  });

  it("where a channel may be cut", async () => {
    const { replica, index, seqsTo, boundaries } = named<{
      readonly replica: string;
      readonly index: number;
      readonly seqsTo: number;
      readonly boundaries: readonly number[];
    }>("boundaries");
    const messages = Array.from({ length: seqsTo }, (_, at): Message => {
      const id = { replica: idOf(replica), seq: at + 1, index };
      return { id, lamport: at + 1, timeMs: 0, text: "x" };
    });
    const segments = await cutIn(
      {
        suite,
        open: async () => [],
        make: async (piece) => ({ first: orderKey(piece[0] as Message), seq: piece[0]?.id.seq }),
        limits: { messagesMin: 1, messagesMax: 1e9, textUnitsMax: 1e9, boundaryMask: 0x1ff },
      },
      [],
      messages,
    );
    expect(segments.map(({ seq }) => seq)).toEqual([1, ...boundaries]);
  });
});
