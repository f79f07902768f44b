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
import type { MemberId, ReplicaId } from "../../id/id.ts";
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

/** A snapshot that somebody has published, and what the other members found: each has one voice. */
export interface Offer extends Published {
  readonly author: ReplicaId;
  readonly witnesses: readonly MemberId[];
  /** Another device of the author's own person came to the same: no bug, but no second person either. */
  readonly isOwnWitness: boolean;
  readonly refusedBy: readonly MemberId[];
}

/** Another may name the same digest, or the same pieces: what is found is found of this author's. */
export const offerKey = ({ author, digest, root }: Offer): string =>
  `${author} ${toHex(digest)} ${root.chunks.join()}`;

/** Whose device it is; undefined as long as it is not admitted. */
export type MemberOf = (replica: ReplicaId) => MemberId | undefined;

export type Notices = ReadonlyMap<ReplicaId, SnapshotNotice>;

/**
 * The best first: undisputed, with most witnesses, covering most. What devices of nobody say does not
 * count; of one whose devices say both, the refusal does.
 */
export function offersOf(notices: Notices, memberOf: MemberOf): Offer[] {
  const offers: Offer[] = [];
  for (const [author, { published }] of notices) {
    const person = memberOf(author);
    if (published === undefined || person === undefined) continue;
    const found = verdictsOn(published.digest, notices, memberOf);
    const isOwnWitness = found.get(person) === true;
    if (isOwnWitness) found.delete(person);
    const those = (agreeing: boolean) =>
      [...found].flatMap(([member, agrees]) => (agrees === agreeing ? [member] : []));
    const [witnesses, refusedBy] = [those(true), those(false)];
    offers.push({ ...published, author, witnesses, isOwnWitness, refusedBy });
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

/** What members have found of a snapshot: whether it agrees with what they replayed. */
export function verdictsOn(
  digest: Uint8Array,
  notices: Notices,
  memberOf: MemberOf,
): Map<MemberId, boolean> {
  const found = new Map<MemberId, boolean>();
  for (const [replica, { verdicts }] of notices) {
    const member = memberOf(replica);
    if (member === undefined) continue;
    for (const verdict of verdicts) {
      if (!equalBytes(verdict.digest, digest)) continue;
      found.set(member, verdict.agrees && (found.get(member) ?? true));
    }
  }
  return found;
}
