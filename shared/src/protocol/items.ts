/**
 * Entries as they stand in `entries` frames and in stores' rows: the `list(item)` of docs/protocol.md
 * section 8. Everything the receiver can compute (hashes, ids, seqs) is left out.
 */
import { Malformed } from "../bytes/malformed.ts";
import type { Reader } from "../bytes/reader.ts";
import { varintLength, type Writer } from "../bytes/writer.ts";
import { bytesOfId, epochId, type EpochId, idBytes } from "../id/id.ts";
import {
  type Entry,
  type EntryBody,
  hashBytes,
  sessionNonceBytes,
  type WriterSession,
} from "../log/entry.ts";
import { limits } from "./limits.ts";
import type { Item } from "./messages.ts";

const flags = { hollow: 1, opens: 2, epoch: 4 } as const;
const flagsAll = flags.hollow | flags.opens | flags.epoch;

/** Writes `items`, the first of which has seq `first`. */
export function writeItems(writer: Writer, first: number, items: readonly Item[]): void {
  assertRun(first, items);
  writer.varint(items.length);
  let seq = first;
  for (const item of items) writeItem(writer, seq++, item, item.epoch);
}

/** The same for entries: an epoch is named where it differs from the one before. */
export function writeEntries(
  writer: Writer,
  first: number,
  entries: readonly Entry[],
  epochBefore: EpochId | undefined,
): void {
  assertRun(first, entries);
  writer.varint(entries.length);
  let seq = first;
  let epoch = epochBefore;
  for (const entry of entries) {
    writeItem(writer, seq++, entry, entry.epoch === epoch ? undefined : entry.epoch);
    epoch = entry.epoch;
  }
}

/** How many bytes `writeEntries` writes: a writer that knows copies no long run twice. */
export function entriesLength(entries: readonly Entry[], epochBefore: EpochId | undefined): number {
  let length = varintLength(entries.length);
  let before = epochBefore;
  for (const { epoch, writer, body } of entries) {
    length += 1 + (epoch === before ? 0 : idBytes.epoch);
    before = epoch;
    length += writer.kind === "opens" ? sessionNonceBytes : varintLength(writer.distance);
    if (body.kind === "hollow") length += varintLength(body.length) + hashBytes;
    else length += varintLength(body.sealed.length) + body.sealed.length;
  }
  return length;
}

/** Items whose first has seq `first`; bodies, hashes and nonces are views of the input. */
export function readItems(reader: Reader, first: number): Item[] {
  let seq = first;
  let bodyBytes = 0;
  const items = reader.list(limits.runEntriesMax, (from) => {
    const item = readItem(from, seq++);
    if (item.body.kind === "sealed") bodyBytes += item.body.sealed.length;
    return item;
  });
  if (items.length === 0) throw new Malformed("a run without entries");
  if (seq > Number.MAX_SAFE_INTEGER) throw new Malformed("seq above 2^53 − 1");
  if (bodyBytes > limits.runBytesMax) {
    throw new Malformed(`a run of ${bodyBytes} bytes of bodies`, "size");
  }
  return items;
}

/** Entries, once the epoch before them is known; undefined where the first must name its own. */
export function entriesOfItems(
  items: readonly Item[],
  epochBefore: EpochId | undefined,
): Entry[] | Malformed {
  const entries: Entry[] = [];
  let epoch = epochBefore;
  for (const item of items) {
    epoch = item.epoch ?? epoch;
    if (epoch === undefined) return new Malformed("the first item names no epoch");
    entries.push({ epoch, writer: item.writer, body: item.body });
  }
  return entries;
}

/** Distance to the entry that opened the writer session of the entry `seq`: it must exist. */
export function readDistance(reader: Reader, seq: number): number {
  const distance = reader.varint();
  if (distance < 1 || distance >= seq || distance > 0xffff_ffff) {
    throw new Malformed(`distance ${distance} from seq ${seq}`);
  }
  return distance;
}

export function assertDistance(seq: number, distance: number): void {
  if (distance < 1 || distance >= seq || distance > 0xffff_ffff) {
    throw new RangeError(`distance ${distance} from seq ${seq}`);
  }
}

export function assertBodyLength(length: number): void {
  if (length > limits.bodyBytesMax) throw new RangeError(`a body of ${length} bytes`);
}

function assertRun(first: number, entries: readonly Pick<Entry, "body">[]): void {
  let bodyBytes = 0;
  for (const { body } of entries) if (body.kind === "sealed") bodyBytes += body.sealed.length;
  const fits =
    first >= 1 &&
    entries.length >= 1 &&
    entries.length <= limits.runEntriesMax &&
    bodyBytes <= limits.runBytesMax;
  if (!fits) {
    throw new RangeError(`a run of ${entries.length} entries, ${bodyBytes} bytes, from ${first}`);
  }
}

function writeItem(
  writer: Writer,
  seq: number,
  item: Pick<Entry, "writer" | "body">,
  epoch: EpochId | undefined,
): void {
  const { writer: session, body } = item;
  writer.u8(
    (body.kind === "hollow" ? flags.hollow : 0) |
      (session.kind === "opens" ? flags.opens : 0) |
      (epoch === undefined ? 0 : flags.epoch),
  );
  if (epoch !== undefined) writer.raw(bytesOfId(epoch));
  if (session.kind === "opens") writer.fixed(session.nonce, sessionNonceBytes);
  else {
    assertDistance(seq, session.distance);
    writer.varint(session.distance);
  }
  const length = body.kind === "hollow" ? body.length : body.sealed.length;
  assertBodyLength(length);
  writer.varint(length);
  if (body.kind === "hollow") writer.fixed(body.hash, hashBytes);
  else writer.raw(body.sealed);
}

function readItem(reader: Reader, seq: number): Item {
  const bits = reader.u8();
  if (bits > flagsAll) throw new Malformed(`item with flags ${bits}`);
  const epoch = bits & flags.epoch ? epochId(reader.raw(idBytes.epoch)) : undefined;
  const writer: WriterSession =
    bits & flags.opens
      ? { kind: "opens", nonce: reader.raw(sessionNonceBytes) }
      : { kind: "continues", distance: readDistance(reader, seq) };
  return { epoch, writer, body: readBody(reader, (bits & flags.hollow) !== 0) };
}

function readBody(reader: Reader, hollow: boolean): EntryBody {
  const length = reader.varint();
  if (length > limits.bodyBytesMax) throw new Malformed(`a body of ${length} bytes`, "size");
  return hollow
    ? { kind: "hollow", length, hash: reader.raw(hashBytes) }
    : { kind: "sealed", sealed: reader.raw(length) };
}
