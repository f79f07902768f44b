/**
 * What a device's `snapshot` register says: the snapshot it has published, and what it found when it
 * replayed those of others (docs/protocol.md section 12.2). Newest counts.
 *
 *   format ‖ published? u8 [digest 32 ‖ root ref ‖ entries] ‖ list(digest 32 ‖ agrees u8) ‖ wants u8
 */
import { equalBytes, toHex } from "../../bytes/bytes.ts";
import { Malformed } from "../../bytes/malformed.ts";
import { decode, type Reader } from "../../bytes/reader.ts";
import { Writer } from "../../bytes/writer.ts";
import { type ObjectRef, readObjectRef, writeObjectRef } from "../../crypto/sealed-object.ts";
import type { ReplicaId } from "../../id/id.ts";
import { hashBytes } from "../../log/entry.ts";

const format = 1;
/** Verdicts that a notice keeps: of the snapshots that anybody may still load. */
const verdictsMax = 16;

export interface Published {
  /** Canonical (manifest.ts). */
  readonly digest: Uint8Array;
  /** The manifest. */
  readonly root: ObjectRef;
  /** How many entries it covers, of all logs together. */
  readonly entries: number;
}

export interface Verdict {
  readonly digest: Uint8Array;
  /** Replayed here to the same digest; or to another one, which a snapshot must never be. */
  readonly agrees: boolean;
}

export interface SnapshotNotice {
  readonly published: Published | undefined;
  /** Newest last. */
  readonly verdicts: readonly Verdict[];
  /** It lacks entries that relays have let go of, and no snapshot has what it needs: make another. */
  readonly wants: boolean;
}

export const noNotice: SnapshotNotice = { published: undefined, verdicts: [], wants: false };

export function encodeNotice({
  published,
  verdicts,
  wants,
}: SnapshotNotice): Uint8Array<ArrayBuffer> {
  if (verdicts.length > verdictsMax) throw new RangeError(`${verdicts.length} verdicts`);
  const writer = new Writer().u8(format).u8(published === undefined ? 0 : 1);
  if (published !== undefined) {
    writer.fixed(published.digest, hashBytes);
    writeObjectRef(writer, published.root);
    writer.varint(published.entries);
  }
  return writer
    .list(verdicts, (to, { digest, agrees }) => to.fixed(digest, hashBytes).u8(agrees ? 1 : 0))
    .u8(wants ? 1 : 0)
    .finish();
}

/** Padding may follow: the notice says its own length. Arrays are copies. */
export const decodeNotice = (bytes: Uint8Array): SnapshotNotice | Malformed =>
  decode(bytes, (reader) => {
    const read = reader.u8();
    if (read !== format) throw new Malformed(`notice of format ${read}`, "version");
    const published = readFlag(reader) ? readPublished(reader) : undefined;
    const verdicts = reader.list(verdictsMax, (from) => ({
      digest: from.raw(hashBytes).slice(),
      agrees: readFlag(from),
    }));
    const wants = readFlag(reader);
    if (reader.rest().some((byte) => byte !== 0)) throw new Malformed("something after the end");
    return { published, verdicts, wants };
  });

const readPublished = (reader: Reader): Published => ({
  digest: reader.raw(hashBytes).slice(),
  root: readObjectRef(reader),
  entries: reader.varint(),
});

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new Malformed(`${flag} where 0 or 1 must stand`);
  return flag === 1;
}

/** A notice with one verdict more; the oldest makes way. */
export function withVerdict(notice: SnapshotNotice, verdict: Verdict): SnapshotNotice {
  const others = notice.verdicts.filter(({ digest }) => !equalBytes(digest, verdict.digest));
  return { ...notice, verdicts: [...others, verdict].slice(-verdictsMax) };
}

/** A snapshot that somebody has published, and what the others found. */
export interface Offer extends Published {
  readonly author: ReplicaId;
  readonly witnesses: readonly ReplicaId[];
  readonly refusedBy: readonly ReplicaId[];
}

/** The best first: undisputed, with most witnesses, covering most. */
export function offersOf(notices: ReadonlyMap<ReplicaId, SnapshotNotice>): Offer[] {
  const verdicts = new Map<string, { agree: ReplicaId[]; refuse: ReplicaId[] }>();
  for (const [replica, notice] of notices) {
    for (const { digest, agrees } of notice.verdicts) {
      const known = verdicts.get(toHex(digest)) ?? { agree: [], refuse: [] };
      (agrees ? known.agree : known.refuse).push(replica);
      verdicts.set(toHex(digest), known);
    }
  }
  const offers: Offer[] = [];
  for (const [author, { published }] of notices) {
    if (published === undefined) continue;
    const found = verdicts.get(toHex(published.digest));
    const others = (replicas: readonly ReplicaId[] = []) =>
      replicas.filter((replica) => replica !== author);
    const [witnesses, refusedBy] = [others(found?.agree), others(found?.refuse)];
    offers.push({ ...published, author, witnesses, refusedBy });
  }
  return offers.sort(
    (a, b) =>
      Math.min(1, a.refusedBy.length) - Math.min(1, b.refusedBy.length) ||
      Math.min(1, b.witnesses.length) - Math.min(1, a.witnesses.length) ||
      b.entries - a.entries ||
      b.witnesses.length - a.witnesses.length ||
      (a.author < b.author ? -1 : 1),
  );
}
