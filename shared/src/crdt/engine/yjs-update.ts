/**
 * Interned Yjs updates (docs/protocol.md section 4.4): a Yjs update of version 1 in which every
 * client id is an index into a table, so that a keystroke does not carry 8 random bytes for each
 * mention of its author. One walk over the structure serves both directions and is the border
 * guard: Yjs' own decoder trusts its input (27 bytes are known to hang `mergeUpdatesV2`, a false
 * count allocates gigabytes, a gap makes every later update cost more), so nothing reaches Yjs that
 * this walk has not read to its end.
 *
 * The format: github.com/yjs/yjs, src/utils/encoding.js and src/structs/, at 13.6.
 */
import { concatBytes } from "../../bytes/bytes.ts";
import { Malformed } from "../../bytes/malformed.ts";
import { Reader } from "../../bytes/reader.ts";
import { Writer } from "../../bytes/writer.ts";

/** The clocks `start` ≤ c < `end` that an update's structs occupy under its own client id. */
export interface ClockSpan {
  readonly start: number;
  readonly end: number;
}

/** Clocks `clock` ≤ c < `clock + length` of `client` are deleted. */
export interface Deletion {
  readonly client: number;
  readonly clock: number;
  readonly length: number;
}

/** An update in parts, so that several of one client can be joined without decoding them again. */
export interface UpdateParts {
  /** Absent when the update only deletes. */
  readonly span: ClockSpan | undefined;
  readonly structCount: number;
  /** The structs alone, encoded. */
  readonly structs: Uint8Array;
  /** In the order of the update: all of a client together. */
  readonly deletions: readonly Deletion[];
}

/** An update that was read to its end: harmless to Yjs once `needs` are met. */
export interface ResolvedUpdate extends UpdateParts {
  /** Structs it refers to: client → the clock that client's state must have reached. */
  readonly needs: ReadonlyMap<number, number>;
}

/** Depth of arrays and objects inside one value: Yjs reads and writes them by recursion. */
const nestingMax = 32;

/**
 * The interned form of `update`, which may hold structs of client `own` alone. Refuses whatever
 * `resolveUpdate` would refuse, so that nothing is sent that all others would have to skip.
 */
export function internUpdate(update: Uint8Array, own: number): Uint8Array<ArrayBuffer> | Malformed {
  const indexByClient = new Map<number, number>([[own, 0]]);
  const parts = reading(() => {
    const walk = new Walk(new Reader(update), update.length, own, (client) => {
      const known = indexByClient.get(client);
      if (known !== undefined) return { written: known, client };
      const index = indexByClient.size;
      indexByClient.set(client, index);
      return { written: index, client };
    });
    return walk.update();
  });
  if (parts instanceof Malformed) return parts;
  const table = [...indexByClient.keys()].slice(1);
  const writer = new Writer(update.length + table.length * 8 + 16);
  writer.list(table, (to, client) => to.u64(client));
  const deletions = parts.deletions.map((deletion) => ({
    ...deletion,
    client: indexByClient.get(deletion.client) ?? 0,
  }));
  return writeUpdate(writer, 0, { ...parts, deletions }).finish();
}

/** What `bytes` intern, or why everybody skips them. Never throws on hostile input. */
export function resolveUpdate(bytes: Uint8Array, own: number): ResolvedUpdate | Malformed {
  return reading(() => {
    const reader = new Reader(bytes);
    const table = reader.list(reader.remaining >>> 3, (from) => from.u64());
    if (table.length > 0 && new Set(table).add(own).size !== table.length + 1) {
      throw new Malformed("client id twice in the table");
    }
    let used = 0;
    const walk = new Walk(reader, bytes.length * 2, own, (index) => {
      if (index > used) {
        used++;
        if (index > used) throw new Malformed("table not in order of first use");
      }
      const client = index === 0 ? own : table[index - 1];
      if (client === undefined) throw new Malformed("client beyond the table");
      return { written: client, client };
    });
    const update = walk.update();
    if (used !== table.length) throw new Malformed("table entry without use");
    return update;
  });
}

/** The updates of one client, contiguous and in order, as one update of version 1. */
export function joinUpdates(client: number, updates: readonly UpdateParts[]): Uint8Array {
  const [first] = updates;
  if (updates.length === 1 && first) return writeUpdate(new Writer(), client, first).finish();
  const starts = updates.flatMap(({ span }) => (span ? [span.start] : []));
  const ends = updates.flatMap(({ span }) => (span ? [span.end] : []));
  const [start] = starts;
  const end = ends.at(-1);
  return writeUpdate(new Writer(4_096), client, {
    span: start !== undefined && end !== undefined ? { start, end } : undefined,
    structCount: updates.reduce((count, { structCount }) => count + structCount, 0),
    structs: concatBytes(...updates.map(({ structs }) => structs)),
    deletions: updates.flatMap(({ deletions }) => deletions),
  }).finish();
}

/** Writes version 1, with clients as they stand in `parts`. */
function writeUpdate(to: Writer, client: number, parts: UpdateParts): Writer {
  const { span, structCount, structs, deletions } = parts;
  if (span) to.varint(1).varint(structCount).varint(client).varint(span.start).raw(structs);
  else to.varint(0);
  const runs = runsOfClients(deletions);
  return to.list(runs, (at, run) => {
    at.varint(run[0]?.client ?? 0);
    at.list(run, (into, { clock, length }) => into.varint(clock).varint(length));
  });
}

/** Neighbours of one client together. */
function runsOfClients(deletions: readonly Deletion[]): Deletion[][] {
  const runs: Deletion[][] = [];
  for (const deletion of deletions) {
    const run = runs.at(-1);
    if (run && run[0]?.client === deletion.client) run.push(deletion);
    else runs.push([deletion]);
  }
  return runs;
}

function reading<T>(read: () => T): T | Malformed {
  try {
    return read();
  } catch (error) {
    if (error instanceof Malformed) return error;
    throw error;
  }
}

/** Translates a client as it stands in the input: how to write it, and whom it means. */
type Translate = (client: number) => { readonly written: number; readonly client: number };

const hasOrigin = 0x80;
const hasRightOrigin = 0x40;
const hasParentSub = 0x20;

/** Reads an update struct by struct, to its last byte, and translates its clients. */
class Walk {
  readonly #needs = new Map<number, number>();
  readonly #deletions: Deletion[] = [];
  readonly #from: Reader;
  readonly #to: Writer;
  readonly #own: number;
  readonly #translate: Translate;

  constructor(from: Reader, capacity: number, own: number, translate: Translate) {
    this.#from = from;
    this.#to = new Writer(capacity);
    this.#own = own;
    this.#translate = translate;
  }

  update(): ResolvedUpdate {
    const sections = this.#from.varint();
    if (sections > 1) throw new Malformed("structs of several clients");
    let span: ClockSpan | undefined;
    let structCount = 0;
    if (sections === 1) {
      structCount = this.#from.varint();
      span = this.#structs(structCount);
    }
    this.#deleteSet(span?.end ?? 0);
    this.#from.end();
    if (!span && this.#deletions.length === 0) throw new Malformed("update without effect");
    return {
      span,
      structCount,
      structs: this.#to.finish(),
      deletions: this.#deletions,
      needs: this.#needs,
    };
  }

  #structs(count: number): ClockSpan {
    if (count === 0) throw new Malformed("section without structs");
    if (count > this.#from.remaining) throw new Malformed("more structs than bytes");
    if (this.#translate(this.#from.varint()).client !== this.#own) {
      throw new Malformed("structs of another client");
    }
    const start = this.#from.varint();
    let clock = start;
    for (let index = 0; index < count; index++) clock = this.#struct(clock);
    return { start, end: clock };
  }

  /** One struct that begins at `clock`; returns the clock behind it. */
  #struct(clock: number): number {
    const info = this.#from.u8();
    this.#to.u8(info);
    let length: number;
    if (info === 0) {
      length = this.#count();
    } else {
      if (info & hasOrigin) this.#reference(clock);
      if (info & hasRightOrigin) this.#reference(clock);
      if ((info & (hasOrigin | hasRightOrigin)) === 0) {
        const named = this.#count();
        if (named > 1) throw new Malformed("unknown form of parent");
        if (named === 1) this.#string();
        else this.#reference(clock);
        if (info & hasParentSub) this.#string();
      }
      length = this.#content(info & 0x1f);
    }
    // An empty struct would share its id with the next one.
    if (length === 0) throw new Malformed("empty struct");
    const end = clock + length;
    if (!Number.isSafeInteger(end)) throw new Malformed("clock above 2^53 − 1");
    return end;
  }

  /** The id of a struct: a foreign one becomes a need, an own one must come before `clock`. */
  #reference(clock: number): void {
    const client = this.#client();
    const at = this.#count();
    if (client !== this.#own) this.#need(client, at + 1);
    // Yjs looks its own clocks up unchecked, and fails halfway through.
    else if (at >= clock) throw new Malformed("struct refers to a later one");
  }

  /** The content of an item; returns how many clocks it takes. */
  #content(kind: number): number {
    switch (kind) {
      case 1: // deleted
        return this.#count();
      case 3: // binary
        this.#bytes();
        return 1;
      case 4: // text, counted in UTF-16 units
        return this.#string();
      case 5: // embed
        this.#json();
        return 1;
      case 6: // formatting mark
        this.#string();
        this.#json();
        return 1;
      case 7: // shared type
        this.#type();
        return 1;
      case 8: {
        // values
        const values = this.#count();
        if (values > this.#from.remaining) throw new Malformed("more values than bytes");
        for (let index = 0; index < values; index++) this.#any(0);
        return values;
      }
      default:
        // 2 is legacy, 9 makes documents within documents, 10 leaves a gap: none has a use here.
        throw new Malformed(`content of kind ${kind}`);
    }
  }

  #type(): void {
    const kind = this.#count();
    if (kind > 6) throw new Malformed(`shared type ${kind}`);
    if (kind === 3 || kind === 5) this.#string();
  }

  /** Ranges ascend without overlap, so that their work is the document's size, not its square. */
  #deleteSet(ownEnd: number): void {
    const clients = this.#from.varint();
    if (clients > this.#from.remaining) throw new Malformed("more clients than bytes");
    const seen = new Set<number>();
    for (let index = 0; index < clients; index++) {
      const { client } = this.#translate(this.#from.varint());
      if (seen.has(client)) throw new Malformed("client twice in the delete set");
      seen.add(client);
      const ranges = this.#from.varint();
      if (ranges === 0) throw new Malformed("client without deletions");
      if (ranges > this.#from.remaining) throw new Malformed("more deletions than bytes");
      let reached = 0;
      for (let range = 0; range < ranges; range++) reached = this.#deletion(client, reached);
      if (client !== this.#own || reached > ownEnd) this.#need(client, reached);
    }
  }

  #deletion(client: number, reached: number): number {
    const clock = this.#from.varint();
    const length = this.#from.varint();
    if (clock < reached) throw new Malformed("deletions out of order");
    if (length === 0) throw new Malformed("empty deletion");
    if (!Number.isSafeInteger(clock + length)) throw new Malformed("clock above 2^53 − 1");
    this.#deletions.push({ client, clock, length });
    return clock + length;
  }

  #need(client: number, clock: number): void {
    if ((this.#needs.get(client) ?? 0) < clock) this.#needs.set(client, clock);
  }

  #client(): number {
    const { written, client } = this.#translate(this.#from.varint());
    this.#to.varint(written);
    return client;
  }

  #count(): number {
    const count = this.#from.varint();
    this.#to.varint(count);
    return count;
  }

  #bytes(): Uint8Array {
    const length = this.#count();
    const bytes = this.#from.raw(length);
    this.#to.raw(bytes);
    return bytes;
  }

  #string(): number {
    return utf16Length(this.#bytes());
  }

  #json(): void {
    const bytes = this.#bytes();
    checkJson(bytes);
  }

  /** A value in the encoding of lib0's `writeAny`. */
  #any(depth: number): void {
    if (depth > nestingMax) throw new Malformed("value nested too deeply");
    const kind = this.#from.u8();
    this.#to.u8(kind);
    switch (kind) {
      case 127: // undefined
      case 126: // null
      case 121: // false
      case 120: // true
        return;
      case 125:
        this.#signedVarint();
        return;
      case 124: // float of 32 bits
        this.#to.raw(this.#from.raw(4));
        return;
      case 123: // float of 64 bits
      case 122: // integer of 64 bits
        this.#to.raw(this.#from.raw(8));
        return;
      case 119:
        this.#string();
        return;
      case 118: {
        const entries = this.#count();
        if (entries > this.#from.remaining) throw new Malformed("more entries than bytes");
        for (let index = 0; index < entries; index++) {
          const key = this.#bytes();
          utf16Length(key);
          if (isProto(key)) throw new Malformed("key __proto__");
          this.#any(depth + 1);
        }
        return;
      }
      case 117: {
        const items = this.#count();
        if (items > this.#from.remaining) throw new Malformed("more items than bytes");
        for (let index = 0; index < items; index++) this.#any(depth + 1);
        return;
      }
      case 116:
        this.#bytes();
        return;
      default:
        throw new Malformed(`value of kind ${kind}`);
    }
  }

  /** lib0's signed form: 6 bits and the sign in the first byte, then 7 bits a byte. */
  #signedVarint(): void {
    let byte = this.#from.u8();
    this.#to.u8(byte);
    let value = byte & 0x3f;
    let scale = 0x40;
    while (byte >= 0x80) {
      byte = this.#from.u8();
      this.#to.u8(byte);
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (value > Number.MAX_SAFE_INTEGER || scale > 2 ** 60) {
        throw new Malformed("integer above 2^53 − 1");
      }
    }
  }
}

/** The UTF-16 units of well-formed UTF-8 (RFC 3629): Yjs counts text in them. */
function utf16Length(bytes: Uint8Array): number {
  let units = 0;
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at++] ?? 0;
    units++;
    if (first < 0x80) continue;
    const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    if (more === 0 || at + more > bytes.length) throw new Malformed("text is not UTF-8");
    let point = first & (0x3f >>> more);
    for (const end = at + more; at < end; at++) {
      const next = bytes[at] ?? 0;
      if ((next & 0xc0) !== 0x80) throw new Malformed("text is not UTF-8");
      point = point * 0x40 + (next & 0x3f);
    }
    const overlong = (more === 2 && point < 0x800) || (more === 3 && point < 0x1_0000);
    const surrogate = point >= 0xd800 && point <= 0xdfff;
    if (overlong || surrogate || point > 0x10_ffff) throw new Malformed("text is not UTF-8");
    if (more === 3) units++;
  }
  return units;
}

const proto = new TextEncoder().encode("__proto__");

/** Assigning this key, as lib0 does, would change a prototype and lose the entry. */
const isProto = (key: Uint8Array): boolean =>
  key.length === proto.length && proto.every((byte, index) => key[index] === byte);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Refuses what `JSON.parse` would throw on, and nesting that would exhaust a stack. */
function checkJson(bytes: Uint8Array): void {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (quoted) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x5b || byte === 0x7b) depth++;
    else if (byte === 0x5d || byte === 0x7d) depth--;
    if (depth > nestingMax) throw new Malformed("value nested too deeply");
  }
  utf16Length(bytes);
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    throw new Malformed("value is not JSON");
  }
  checkKeys(value);
}

function checkKeys(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    if (key === "__proto__") throw new Malformed("key __proto__");
    checkKeys(item);
  }
}
