/**
 * An owner's order to a relay (docs/protocol.md section 12.6): these logs begin after these entries,
 * because a snapshot that others have witnessed covers what lies below. The relay carries it out
 * when its retention is over; it checks who signed and knows nothing of the snapshot.
 *
 *   version ‖ suite ‖ space 16 ‖ number u64 ‖ snapshot digest 32 ‖ list(public key 32 ‖ seq ‖ hash 32)
 *   ‖ signature 64 by the admin key of the newest access certificate
 *
 * Where logs have forked the version is 2, and each row goes on with u8 0, or u8 1 ‖ seq ‖ hash 32 of the
 * branch's own first entry.
 */
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { bytesOfId, idBytes, spaceTag, type SpaceTag } from "../id/id.ts";
import { type Branch, branchIdOf } from "./branch.ts";
import { hashBytes, signatureBytes } from "./entry.ts";
import { type Refusal, refused } from "./refusal.ts";
import { publicKeyBytes, replicaIdOf } from "./replica-key.ts";
import type { LogBase } from "./store.ts";
import { readSuiteId, type SuiteId, type VerifyingSuite } from "./suite.ts";

/** There is one form for each: without a branch the first. */
const versions = { plain: 1, branched: 2 } as const;
/** Logs of a space: as many as a space may have. */
const rowsMax = 3_000;
export const truncationBytesMax = 245_760;

export const truncationLabel = "skein/truncation/1";

/** A log's base without its replica's id, which its key tells, and the branch. */
export interface TruncationRow extends Omit<LogBase, "replica" | "branch"> {
  readonly branch?: Omit<Branch, "signer">;
}

export interface TruncationStatement {
  readonly suite: SuiteId;
  readonly space: SpaceTag;
  /** Of two orders the one with the greater number counts. */
  readonly number: number;
  /** The canonical digest of the snapshot that covers what is to go. */
  readonly snapshot: Uint8Array;
  readonly rows: readonly TruncationRow[];
}

export interface Truncation extends TruncationStatement {
  readonly signature: Uint8Array;
}

/** What the signature signs. */
export function truncationStatement(statement: TruncationStatement): Uint8Array<ArrayBuffer> {
  const { suite, space, number, snapshot, rows } = statement;
  if (rows.length > rowsMax) throw new RangeError(`an order about ${rows.length} logs`);
  const isBranched = rows.some(({ branch }) => branch !== undefined);
  return new Writer(64 + rows.length * 72)
    .u8(isBranched ? versions.branched : versions.plain)
    .u8(suite)
    .raw(bytesOfId(space))
    .u64(number)
    .fixed(snapshot, hashBytes)
    .list(rows, (to, { publicKey, seq, hash, branch }) => {
      to.fixed(publicKey, publicKeyBytes).varint(seq).fixed(hash, hashBytes);
      if (isBranched) to.u8(branch === undefined ? 0 : 1);
      if (branch !== undefined) to.varint(branch.seq).fixed(branch.hash, hashBytes);
    })
    .finish();
}

export function encodeTruncation(truncation: Truncation): Uint8Array<ArrayBuffer> {
  const statement = truncationStatement(truncation);
  return new Writer(statement.length + signatureBytes)
    .raw(statement)
    .fixed(truncation.signature, signatureBytes)
    .finish();
}

/** Its arrays are views of `bytes`. Nothing but the form is checked. */
export const parseTruncation = (bytes: Uint8Array): Truncation | Malformed =>
  decode(bytes, (reader) => {
    const version = reader.u8();
    if (version !== versions.plain && version !== versions.branched) {
      throw new Malformed(`order version ${version}`, "version");
    }
    const order = {
      suite: readSuiteId(reader),
      space: spaceTag(reader.raw(idBytes.space)),
      number: reader.u64(),
      snapshot: reader.raw(hashBytes),
      rows: reader.list(rowsMax, (row) => {
        const publicKey = row.raw(publicKeyBytes);
        const seq = row.varint();
        if (seq === 0) throw new Malformed("seq 0");
        // A log begins after it, at a seq that must still be a number: no store could read it back.
        if (seq === Number.MAX_SAFE_INTEGER) throw new Malformed("no seq after the last");
        const base = { publicKey, seq, hash: row.raw(hashBytes) };
        const kind = version === versions.plain ? 0 : row.u8();
        if (kind > 1) throw new Malformed(`a branch of kind ${kind}`);
        if (kind === 0) return base;
        const first = row.varint();
        if (first === 0 || first > seq) throw new Malformed(`a branch from ${first} on, of ${seq}`);
        return { ...base, branch: { seq: first, hash: row.raw(hashBytes) } };
      }),
      signature: reader.raw(signatureBytes),
    };
    const isBranched = order.rows.some((row) => "branch" in row);
    if (isBranched !== (version === versions.branched)) throw new Malformed("of another version");
    return order;
  });

/** The bases of an order that the holder of `adminKey` signed for `space`. Views of `bytes`. */
export async function verifyTruncation(
  suite: VerifyingSuite,
  space: SpaceTag,
  adminKey: Uint8Array,
  bytes: Uint8Array,
): Promise<{ readonly number: number; readonly bases: readonly LogBase[] } | Refusal> {
  const order = parseTruncation(bytes);
  if (isMalformed(order)) return refused(order.fault, order.message);
  if (order.suite !== suite.id) return refused("version", `suite ${order.suite}`);
  if (order.space !== space) return refused("foreign", "an order for another space");
  const statement = bytes.subarray(0, bytes.length - signatureBytes);
  if (!(await suite.verify(adminKey, truncationLabel, statement, order.signature))) {
    return refused("forged", "not signed by an owner");
  }
  return { number: order.number, bases: order.rows.map((row) => baseOfRow(suite, row)) };
}

/** Where the log of a row begins. */
export function baseOfRow(
  suite: VerifyingSuite,
  { publicKey, seq, hash, branch }: TruncationRow,
): LogBase {
  const signer = replicaIdOf(suite, publicKey);
  const base = { publicKey, seq, hash };
  if (branch === undefined) return { ...base, replica: signer };
  const named = { signer, ...branch };
  return { ...base, replica: branchIdOf(suite, named), branch: named };
}
