/**
 * The layout of every frame of docs/protocol.md section 8: for each type its number, and next to
 * each other how it is written and how it is read. Readers are total: whatever bytes come, they
 * answer a frame that is valid in itself or throw `Malformed`. Writers throw `RangeError` for what
 * a reader would refuse: that is a bug of the sender.
 */
import { Malformed } from "../bytes/malformed.ts";
import type { Reader } from "../bytes/reader.ts";
import type { Writer } from "../bytes/writer.ts";
import {
  blobId,
  type BlobId,
  bytesOfId,
  epochId,
  idBytes,
  registerName,
  replicaId,
  type ReplicaId,
  spaceTag,
} from "../id/id.ts";
import { blobBytesMax } from "../log/blob.ts";
import { digestBytes } from "../log/digest.ts";
import { hashBytes, signatureBytes } from "../log/entry.ts";
import { registerHeadBytes } from "../log/register.ts";
import { publicKeyBytes } from "../log/replica-key.ts";
import { truncationBytesMax } from "../log/truncation.ts";
import { accessCertificateBytes, accessNonceBytes, numberOfMode } from "./access.ts";
import { type Code, isCode } from "./codes.ts";
import { assertBodyLength, assertDistance, readDistance, readItems, writeItems } from "./items.ts";
import { limits } from "./limits.ts";
import type { Frame, Mode, Party } from "./messages.ts";
import { whisperHeadBytes } from "./whisper.ts";

export type FrameType = Frame["type"];
export type FrameByType = { readonly [F in Frame as F["type"]]: F };

interface Layout<F extends Frame> {
  /** The first byte of the frame. */
  readonly number: number;
  readonly write: (writer: Writer, frame: F) => void;
  readonly read: (reader: Reader) => F;
}

/** Bytes of a code hash of an invite, and of a register's hash in `versions`. */
const codeHashBytes = 16;
const shortHashBytes = 8;

export const layouts: { readonly [T in FrameType]: Layout<FrameByType[T]> } = {
  greet: {
    number: 0x01,
    write(writer, frame) {
      assertOrder(frame.versionMin, frame.versionMax);
      writer
        .u8(frame.versionMin)
        .u8(frame.versionMax)
        .u8(numberOfParty[frame.party])
        .u8(frame.durable ? 1 : 0)
        .fixed(frame.nonce, accessNonceBytes)
        .varint(frame.capabilities);
    },
    read(reader) {
      const versionMin = reader.u8();
      const versionMax = reader.u8();
      if (versionMin > versionMax) throw new Malformed("lowest version above the highest");
      return {
        type: "greet",
        versionMin,
        versionMax,
        party: readParty(reader),
        durable: readFlag(reader),
        nonce: reader.raw(accessNonceBytes),
        capabilities: reader.varint(),
      };
    },
  },

  hello: {
    number: 0x02,
    write(writer, frame) {
      assertList(frame.certificates, 1, limits.certificatesMax);
      assertList(frame.replicas, 0, limits.proofsMax);
      writer
        .varint(frame.space)
        .raw(bytesOfId(frame.tag))
        .u8(numberOfMode[frame.mode])
        .list(frame.certificates, (to, certificate) => {
          to.fixed(certificate, accessCertificateBytes);
        })
        .fixed(frame.proof, signatureBytes)
        .list(frame.replicas, (to, { publicKey, proof }) => {
          to.fixed(publicKey, publicKeyBytes).fixed(proof, signatureBytes);
        });
    },
    read(reader) {
      const space = reader.varint();
      const tag = spaceTag(reader.raw(idBytes.space));
      const mode = readMode(reader);
      const certificates = reader.list(limits.certificatesMax, (from) =>
        from.raw(accessCertificateBytes),
      );
      if (certificates.length === 0) throw new Malformed("hello without a certificate");
      const proof = reader.raw(signatureBytes);
      const replicas = reader.list(limits.proofsMax, (from) => ({
        publicKey: from.raw(publicKeyBytes),
        proof: from.raw(signatureBytes),
      }));
      return { type: "hello", space, tag, mode, certificates, proof, replicas };
    },
  },

  welcome: {
    number: 0x03,
    write(writer, frame) {
      assertList(frame.present, 0, limits.presentMax);
      writer
        .varint(frame.yourSpace)
        .varint(frame.mySpace)
        .u32(frame.certificate)
        .list(frame.present, (to, replica) => to.raw(bytesOfId(replica)));
    },
    read: (reader) => ({
      type: "welcome",
      yourSpace: reader.varint(),
      mySpace: reader.varint(),
      certificate: reader.u32(),
      present: reader.list(limits.presentMax, readReplica),
    }),
  },

  leave: {
    number: 0x04,
    write(writer, frame) {
      writer.varint(frame.yourSpace).u16(frame.code).varint(frame.retryAfterMs);
      writeDetail(writer, frame.detail);
    },
    read: (reader) => ({
      type: "leave",
      yourSpace: reader.varint(),
      code: readCode(reader),
      retryAfterMs: reader.varint(),
      detail: reader.text(limits.detailBytesMax),
    }),
  },

  bye: {
    number: 0x05,
    write(writer, frame) {
      writer.u16(frame.code).varint(frame.retryAfterMs);
      writeDetail(writer, frame.detail);
    },
    read: (reader) => ({
      type: "bye",
      code: readCode(reader),
      retryAfterMs: reader.varint(),
      detail: reader.text(limits.detailBytesMax),
    }),
  },

  ping: {
    number: 0x06,
    write: (writer, frame) => writer.varint(frame.token),
    read: (reader) => ({ type: "ping", token: reader.varint() }),
  },

  pong: {
    number: 0x07,
    write: (writer, frame) => writer.varint(frame.token),
    read: (reader) => ({ type: "pong", token: reader.varint() }),
  },

  digest: {
    number: 0x10,
    write(writer, frame) {
      writer.varint(frame.space).fixed(frame.logs, digestBytes).fixed(frame.registers, digestBytes);
    },
    read: (reader) => ({
      type: "digest",
      space: reader.varint(),
      logs: reader.raw(digestBytes),
      registers: reader.raw(digestBytes),
    }),
  },

  heads: {
    number: 0x11,
    write(writer, frame) {
      assertList(frame.heads, 0, limits.rowsMax);
      writer
        .varint(frame.space)
        .fixed(frame.since, digestBytes)
        .list(frame.heads, (to, row) => {
          assertHead(row.from, row.to);
          to.raw(bytesOfId(row.replica)).varint(row.from).varint(row.to).fixed(row.hash, hashBytes);
        });
    },
    read: (reader) => ({
      type: "heads",
      space: reader.varint(),
      since: reader.raw(digestBytes),
      heads: reader.list(limits.rowsMax, (row) => {
        const replica = readReplica(row);
        const from = readSeq(row);
        const to = readSeq(row);
        if (from > to + 1) throw new Malformed(`a log from ${from} to ${to}`);
        return { replica, from, to, hash: row.raw(hashBytes) };
      }),
    }),
  },

  alias: {
    number: 0x12,
    write(writer, frame) {
      writer
        .varint(frame.log)
        .varint(frame.space)
        .raw(bytesOfId(frame.replica))
        .raw(bytesOfId(frame.epoch))
        .fixed(frame.publicKey, publicKeyBytes);
    },
    read: (reader) => ({
      type: "alias",
      log: reader.varint(),
      space: reader.varint(),
      replica: readReplica(reader),
      epoch: epochId(reader.raw(idBytes.epoch)),
      publicKey: reader.raw(publicKeyBytes),
    }),
  },

  entry: {
    number: 0x13,
    write(writer, frame) {
      assertDistance(frame.seq, frame.distance);
      assertBodyLength(frame.sealed.length);
      writer
        .varint(frame.log)
        .varint(frame.seq)
        .varint(frame.distance)
        .raw(frame.sealed)
        .fixed(frame.signature, signatureBytes);
    },
    read(reader) {
      const log = reader.varint();
      const seq = readSeq(reader);
      const distance = readDistance(reader, seq);
      const length = reader.remaining - signatureBytes;
      if (length < 0) throw new Malformed("entry without a signature");
      if (length > limits.bodyBytesMax) throw new Malformed(`a body of ${length} bytes`, "size");
      const sealed = reader.raw(length);
      return { type: "entry", log, seq, distance, sealed, signature: reader.raw(signatureBytes) };
    },
  },

  entries: {
    number: 0x14,
    write(writer, frame) {
      writer.varint(frame.log).varint(frame.first);
      writeItems(writer, frame.first, frame.items);
      writer.fixed(frame.signature, signatureBytes);
    },
    read(reader) {
      const log = reader.varint();
      const first = readSeq(reader);
      const items = readItems(reader, first);
      return { type: "entries", log, first, items, signature: reader.raw(signatureBytes) };
    },
  },

  want: {
    number: 0x15,
    write(writer, frame) {
      assertSeq(frame.first);
      assertOrder(frame.first, frame.last);
      writer
        .varint(frame.space)
        .raw(bytesOfId(frame.replica))
        .varint(frame.first)
        .varint(frame.last)
        .u8(frame.form === "hashes" ? 1 : 0);
    },
    read(reader) {
      const space = reader.varint();
      const replica = readReplica(reader);
      const first = readSeq(reader);
      const last = reader.varint();
      if (last < first) throw new Malformed(`entries ${first} to ${last} wanted`);
      const form = readFlag(reader) ? "hashes" : "entries";
      return { type: "want", space, replica, first, last, form };
    },
  },

  stored: {
    number: 0x16,
    write(writer, frame) {
      assertList(frame.logs, 0, limits.rowsMax);
      writer.list(frame.logs, (to, { yourLog, seq }) => {
        assertSeq(seq);
        to.varint(yourLog).varint(seq);
      });
    },
    read: (reader) => ({
      type: "stored",
      logs: reader.list(limits.rowsMax, (row) => ({ yourLog: row.varint(), seq: readSeq(row) })),
    }),
  },

  versions: {
    number: 0x17,
    write(writer, frame) {
      assertList(frame.rows, 0, limits.rowsMax);
      writer.varint(frame.space).list(frame.rows, (to, row) => {
        to.raw(bytesOfId(row.replica))
          .raw(bytesOfId(row.name))
          .varint(row.number)
          .fixed(row.hash8, shortHashBytes);
      });
    },
    read: (reader) => ({
      type: "versions",
      space: reader.varint(),
      rows: reader.list(limits.rowsMax, (row) => ({
        replica: readReplica(row),
        name: registerName(row.raw(idBytes.register)),
        number: row.varint(),
        hash8: row.raw(shortHashBytes),
      })),
    }),
  },

  register: {
    number: 0x18,
    write(writer, frame) {
      assertSealed(frame.register.length, registerHeadBytes, limits.registerBytesMax);
      writer.varint(frame.space).fixed(frame.publicKey, publicKeyBytes).raw(frame.register);
    },
    read: (reader) => ({
      type: "register",
      space: reader.varint(),
      publicKey: reader.raw(publicKeyBytes),
      register: readSealed(reader, registerHeadBytes, limits.registerBytesMax),
    }),
  },

  whisper: {
    number: 0x19,
    write(writer, frame) {
      assertSealed(frame.whisper.length, whisperHeadBytes, limits.whisperBytesMax);
      writer.varint(frame.space).fixed(frame.publicKey, publicKeyBytes).raw(frame.whisper);
    },
    read: (reader) => ({
      type: "whisper",
      space: reader.varint(),
      publicKey: reader.raw(publicKeyBytes),
      whisper: readSealed(reader, whisperHeadBytes, limits.whisperBytesMax),
    }),
  },

  hashes: {
    number: 0x1a,
    write(writer, frame) {
      assertSeq(frame.first);
      assertList(frame.hashes, 0, limits.hashesMax);
      writer
        .varint(frame.space)
        .raw(bytesOfId(frame.replica))
        .varint(frame.first)
        .list(frame.hashes, (to, hash) => to.fixed(hash, hashBytes));
    },
    read: (reader) => ({
      type: "hashes",
      space: reader.varint(),
      replica: readReplica(reader),
      first: readSeq(reader),
      hashes: reader.list(limits.hashesMax, (from) => from.raw(hashBytes)),
    }),
  },

  fork: {
    number: 0x1b,
    write(writer, frame) {
      assertSeq(frame.seq);
      writer
        .varint(frame.space)
        .raw(bytesOfId(frame.replica))
        .varint(frame.seq)
        .fixed(frame.hash, hashBytes);
    },
    read: (reader) => ({
      type: "fork",
      space: reader.varint(),
      replica: readReplica(reader),
      seq: readSeq(reader),
      hash: reader.raw(hashBytes),
    }),
  },

  branch: {
    number: 0x1c,
    write(writer, frame) {
      assertSeq(frame.seq);
      assertSeq(frame.from);
      writer
        .varint(frame.space)
        .fixed(frame.publicKey, publicKeyBytes)
        .varint(frame.seq)
        .fixed(frame.hash, hashBytes)
        .varint(frame.from)
        .fixed(frame.base, hashBytes);
    },
    read: (reader) => ({
      type: "branch",
      space: reader.varint(),
      publicKey: reader.raw(publicKeyBytes),
      seq: readSeq(reader),
      hash: reader.raw(hashBytes),
      from: readSeq(reader),
      base: reader.raw(hashBytes),
    }),
  },

  invite: {
    number: 0x20,
    write(writer, frame) {
      assertMost(frame.preview.length, limits.inviteBytesMax);
      assertMost(frame.keys.length, limits.inviteBytesMax);
      writer
        .varint(frame.space)
        .varint(frame.request)
        .fixed(frame.codeHash, codeHashBytes)
        .varint(frame.expiresMs)
        .varint(frame.uses)
        .bytes(frame.preview)
        .bytes(frame.keys);
    },
    read: (reader) => ({
      type: "invite",
      space: reader.varint(),
      request: reader.varint(),
      codeHash: reader.raw(codeHashBytes),
      expiresMs: reader.varint(),
      uses: reader.varint(),
      preview: reader.bytes(limits.inviteBytesMax),
      keys: reader.bytes(limits.inviteBytesMax),
    }),
  },

  uninvite: {
    number: 0x21,
    write(writer, frame) {
      writer.varint(frame.space).varint(frame.request).fixed(frame.codeHash, codeHashBytes);
    },
    read: (reader) => ({
      type: "uninvite",
      space: reader.varint(),
      request: reader.varint(),
      codeHash: reader.raw(codeHashBytes),
    }),
  },

  done: {
    number: 0x22,
    write(writer, frame) {
      writer.varint(frame.request).u16(frame.code);
      writeDetail(writer, frame.detail);
    },
    read(reader) {
      const [request, code] = [reader.varint(), readAnswerCode(reader)];
      return { type: "done", request, code, detail: reader.text(limits.detailBytesMax) };
    },
  },

  keep: {
    number: 0x23,
    write: (writer, frame) => writeBlobs(writer, frame),
    read: (reader) => ({ type: "keep", ...readBlobs(reader) }),
  },

  lacking: {
    number: 0x24,
    write: (writer, frame) => writeBlobs(writer, frame),
    read: (reader) => ({ type: "lacking", ...readBlobs(reader) }),
  },

  get: {
    number: 0x25,
    write(writer, frame) {
      writer.varint(frame.space).varint(frame.request).raw(bytesOfId(frame.blob));
    },
    read: (reader) => ({
      type: "get",
      space: reader.varint(),
      request: reader.varint(),
      blob: blobId(reader.raw(idBytes.blob)),
    }),
  },

  blob: {
    number: 0x26,
    write(writer, frame) {
      assertMost(frame.bytes.length, blobBytesMax);
      writer
        .varint(frame.space)
        .varint(frame.request)
        .u8(frame.isAnswer ? 1 : 0)
        .bytes(frame.bytes);
    },
    read(reader) {
      const [space, request, isAnswer] = [reader.varint(), reader.varint(), readFlag(reader)];
      return { type: "blob", space, request, isAnswer, bytes: reader.bytes(blobBytesMax) };
    },
  },

  kept: {
    number: 0x27,
    write(writer, frame) {
      writer.varint(frame.space).varint(frame.request).u16(frame.code);
    },
    read: (reader) => ({
      type: "kept",
      space: reader.varint(),
      request: reader.varint(),
      code: readAnswerCode(reader),
    }),
  },

  truncate: {
    number: 0x28,
    write(writer, frame) {
      assertMost(frame.order.length, truncationBytesMax);
      writer.varint(frame.space).varint(frame.request).bytes(frame.order);
    },
    read(reader) {
      const [space, request] = [reader.varint(), reader.varint()];
      return { type: "truncate", space, request, order: reader.bytes(truncationBytesMax) };
    },
  },
};

interface BlobList {
  readonly space: number;
  readonly request: number;
  readonly blobs: readonly BlobId[];
}

function writeBlobs(writer: Writer, { space, request, blobs }: BlobList): void {
  assertList(blobs, 0, limits.blobsMax);
  writer
    .varint(space)
    .varint(request)
    .list(blobs, (to, blob) => to.raw(bytesOfId(blob)));
}

const readBlobs = (reader: Reader): BlobList => ({
  space: reader.varint(),
  request: reader.varint(),
  blobs: reader.list(limits.blobsMax, (from) => blobId(from.raw(idBytes.blob))),
});

// Readers of single fields

const numberOfParty: Readonly<Record<Party, number>> = { relay: 1, device: 2 };

const readReplica = (reader: Reader): ReplicaId => replicaId(reader.raw(idBytes.replica));

function readParty(reader: Reader): Party {
  const number = reader.u8();
  if (number === numberOfParty.relay) return "relay";
  if (number === numberOfParty.device) return "device";
  throw new Malformed(`party ${number}`);
}

function readMode(reader: Reader): Mode {
  const number = reader.u8();
  if (number === numberOfMode.read) return "read";
  if (number === numberOfMode.write) return "write";
  throw new Malformed(`mode ${number}`);
}

function readFlag(reader: Reader): boolean {
  const number = reader.u8();
  if (number > 1) throw new Malformed(`${number} where 0 or 1 must stand`);
  return number === 1;
}

function readCode(reader: Reader): Code {
  const code = reader.u16();
  if (!isCode(code)) throw new Malformed(`code ${code}`);
  return code;
}

/** 0: it was done. */
function readAnswerCode(reader: Reader): Code | 0 {
  const code = reader.u16();
  if (code !== 0 && !isCode(code)) throw new Malformed(`code ${code}`);
  return code;
}

function readSeq(reader: Reader): number {
  const seq = reader.varint();
  if (seq === 0) throw new Malformed("seq 0");
  return seq;
}

/** A register or whisper: head and body, to the end of the frame. */
function readSealed(reader: Reader, headBytes: number, bodyBytesMax: number): Uint8Array {
  const length = reader.remaining - headBytes;
  if (length < 0) throw new Malformed("shorter than its head");
  if (length > bodyBytesMax) {
    throw new Malformed(`a body of ${length} bytes where ${bodyBytesMax} are the most`, "size");
  }
  return reader.rest();
}

// What a sender must not get wrong

/** The end of a long reason is cut off: it is for people, and must not keep a session from ending. */
function writeDetail(writer: Writer, detail: string): void {
  const bytes = new TextEncoder().encode(detail);
  let length = Math.min(bytes.length, limits.detailBytesMax);
  // Never in the middle of a character: continuation bytes begin with the bits 10.
  while (length < bytes.length && ((bytes[length] ?? 0) & 0xc0) === 0x80) length--;
  writer.bytes(bytes.subarray(0, length));
}

function assertSeq(seq: number): void {
  if (seq < 1) throw new RangeError(`seq ${seq}`);
}

function assertOrder(low: number, high: number): void {
  if (low > high) throw new RangeError(`${low} above ${high}`);
}

function assertHead(from: number, to: number): void {
  assertSeq(from);
  assertSeq(to);
  assertOrder(from, to + 1);
}

function assertMost(length: number, most: number): void {
  if (length > most) throw new RangeError(`${length} where ${most} are the most`);
}

function assertList(items: readonly unknown[], least: number, most: number): void {
  if (items.length < least) throw new RangeError(`${items.length} where ${least} are the least`);
  assertMost(items.length, most);
}

function assertSealed(length: number, headBytes: number, bodyBytesMax: number): void {
  assertOrder(headBytes, length);
  assertMost(length - headBytes, bodyBytesMax);
}
