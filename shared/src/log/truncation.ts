/**
 * An owner's order to a relay (docs/protocol.md section 12.6): these logs begin after these entries,
 * because a snapshot that others have witnessed covers what lies below. The relay carries it out
 * when its retention is over; it checks who signed and knows nothing of the snapshot.
 *
 *   version ‖ suite ‖ space 16 ‖ number u64 ‖ snapshot digest 32 ‖ list(public key 32 ‖ seq ‖ hash 32)
 *   ‖ signature 64 by the admin key of the newest access certificate
 */
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { bytesOfId, idBytes, spaceTag, type SpaceTag } from "../id/id.ts";
import { hashBytes, signatureBytes } from "./entry.ts";
import { type Refusal, refused } from "./refusal.ts";
import { publicKeyBytes, replicaIdOf } from "./replica-key.ts";
import type { LogBase } from "./store.ts";
import { readSuiteId, type SuiteId, type VerifyingSuite } from "./suite.ts";

const truncationVersion = 1;
/** Logs of a space: as many as a space may have. */
const rowsMax = 3_000;
export const truncationBytesMax = 245_760;

export const truncationLabel = "skein/truncation/1";

/** A log's base without its replica's id, which its key tells. */
export type TruncationRow = Omit<LogBase, "replica">;

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
  return new Writer(64 + rows.length * 72)
    .u8(truncationVersion)
    .u8(suite)
    .raw(bytesOfId(space))
    .u64(number)
    .fixed(snapshot, hashBytes)
    .list(rows, (to, { publicKey, seq, hash }) => {
      to.fixed(publicKey, publicKeyBytes).varint(seq).fixed(hash, hashBytes);
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
    if (version !== truncationVersion) throw new Malformed(`order version ${version}`, "version");
    return {
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
        return { publicKey, seq, hash: row.raw(hashBytes) };
      }),
      signature: reader.raw(signatureBytes),
    };
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
  const bases = order.rows.map((row) => ({ ...row, replica: replicaIdOf(suite, row.publicKey) }));
  return { number: order.number, bases };
}
