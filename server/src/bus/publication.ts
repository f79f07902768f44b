/**
 * What one relay tells the others of its store, as bytes: a run that was committed, a register
 * that was kept, a whisper that is to be passed on, logs that begin elsewhere now. Trusted like the
 * store itself; still read with bounds, because a fleet may run two versions at once.
 */
import { decode, type Reader } from "@skein/shared/bytes/reader.ts";
import { Malformed } from "@skein/shared/bytes/malformed.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import {
  bytesOfId,
  idBytes,
  type ReplicaId,
  replicaId,
  type SpaceTag,
} from "@skein/shared/id/id.ts";
import { hashBytes, signatureBytes } from "@skein/shared/log/entry.ts";
import { type Branch, ifBranch } from "@skein/shared/log/branch.ts";
import { parseRegister } from "@skein/shared/log/register.ts";
import { publicKeyBytes } from "@skein/shared/log/replica-key.ts";
import type { LogHead, StoredRegister, VerifiedRun } from "@skein/shared/log/store.ts";
import { entriesOfItems, readItems, writeEntries } from "@skein/shared/protocol/items.ts";
import { limits } from "@skein/shared/protocol/limits.ts";

export type Publication =
  | { readonly kind: "run"; readonly run: VerifiedRun }
  | { readonly kind: "register"; readonly register: StoredRegister }
  | {
      readonly kind: "whisper";
      readonly to: ReplicaId | "all";
      readonly publicKey: Uint8Array;
      readonly whisper: Uint8Array;
    }
  /** A log of that key was taken apart where it has forked: the store has what it came to. */
  | { readonly kind: "split"; readonly signer: ReplicaId }
  /** All that one order did: whoever hears of it compares once. */
  | { readonly kind: "began"; readonly heads: readonly LogHead[] };

const version = 1;
/** 4 was one log that begins elsewhere. */
const kinds = { run: 1, register: 2, whisper: 3, began: 5, split: 6, branchRun: 7 } as const;
const everybody = new Uint8Array(idBytes.replica);

export function encodePublication(publication: Publication): Uint8Array<ArrayBuffer> {
  const isOfBranch = publication.kind === "run" && publication.run.branch !== undefined;
  const writer = new Writer().u8(version).u8(kinds[isOfBranch ? "branchRun" : publication.kind]);
  switch (publication.kind) {
    case "run": {
      const { run } = publication;
      if (run.branch !== undefined) writeBranch(writer, run.branch);
      writer.raw(bytesOfId(run.replica)).raw(run.publicKey).raw(run.previous).varint(run.first);
      writeEntries(writer, run.first, run.entries, undefined);
      for (const hash of run.hashes) writer.raw(hash);
      return writer.raw(run.signature).finish();
    }
    case "register":
      return writer.raw(publication.register.publicKey).raw(publication.register.bytes).finish();
    case "whisper":
      return writer
        .raw(publication.to === "all" ? everybody : bytesOfId(publication.to))
        .raw(publication.publicKey)
        .raw(publication.whisper)
        .finish();
    case "split":
      return writer.raw(bytesOfId(publication.signer)).finish();
    case "began":
      return writer
        .list(publication.heads, (row, { replica, publicKey, from, to, hash }) => {
          row.raw(bytesOfId(replica)).raw(publicKey).varint(from).varint(to).raw(hash);
        })
        .finish();
  }
}

export function decodePublication(space: SpaceTag, bytes: Uint8Array): Publication | Malformed {
  return decode(bytes, (reader): Publication => {
    const read = reader.u8();
    if (read !== version) throw new Malformed(`publication version ${read}`, "version");
    const kind = reader.u8();
    switch (kind) {
      case kinds.branchRun:
      case kinds.run: {
        const branch = kind === kinds.branchRun ? readBranch(reader) : undefined;
        const replica = replicaId(reader.raw(idBytes.replica));
        const publicKey = reader.raw(publicKeyBytes).slice();
        const previous = reader.raw(hashBytes).slice();
        const first = reader.varint();
        const entries = entriesOfItems(readItems(reader, first), undefined);
        if (entries instanceof Malformed) throw entries;
        const hashes = entries.map(() => reader.raw(hashBytes).slice());
        const signature = reader.raw(signatureBytes).slice();
        return {
          kind: "run",
          run: {
            ...{ replica, publicKey, previous, first, entries, hashes, signature },
            ...ifBranch(branch),
          },
        };
      }
      case kinds.register: {
        const publicKey = reader.raw(publicKeyBytes).slice();
        const bytes = reader.rest().slice();
        const parts = parseRegister(bytes);
        if (parts instanceof Malformed) throw parts;
        if (parts.space !== space) throw new Malformed("a register of another space");
        const { replica, name, number, bodyHash } = parts;
        return {
          kind: "register",
          register: { replica, publicKey, name, number, bodyHash, bytes },
        };
      }
      case kinds.whisper: {
        const to = reader.raw(idBytes.replica);
        const publicKey = reader.raw(publicKeyBytes).slice();
        return {
          kind: "whisper",
          to: to.every((byte) => byte === 0) ? "all" : replicaId(to),
          publicKey,
          whisper: reader.rest().slice(),
        };
      }
      case kinds.split:
        return { kind: "split", signer: replicaId(reader.raw(idBytes.replica)) };
      case kinds.began: {
        const heads = reader.list(limits.logsMax, (row) => {
          const replica = replicaId(row.raw(idBytes.replica));
          const publicKey = row.raw(publicKeyBytes).slice();
          const [from, to] = [row.varint(), row.varint()];
          return { replica, publicKey, from, to, hash: row.raw(hashBytes).slice() };
        });
        return { kind: "began", heads };
      }
      default:
        throw new Malformed(`publication of unknown kind ${kind}`);
    }
  });
}

// A branch: signer 16 ‖ seq varint ‖ hash 32.

const writeBranch = (writer: Writer, { signer, seq, hash }: Branch): Writer =>
  writer.raw(bytesOfId(signer)).varint(seq).raw(hash);

const readBranch = (reader: Reader): Branch => ({
  signer: replicaId(reader.raw(idBytes.replica)),
  seq: reader.varint(),
  hash: reader.raw(hashBytes).slice(),
});
