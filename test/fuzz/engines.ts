/**
 * The engines behind their guards: a note's updates and a catalog's changes by several authors, of
 * which any may be hostile. Whatever the guard lets through the engine must take, and the document
 * must be loaded again as what it was; snapshots on a disk may be damaged and are then no snapshots.
 *
 * A piece is the author's place in a list of three, in one byte, and what stands in their log.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { decodeChange, encodeChange, initializeWasm } from "@automerge/automerge/slim";
import { concatBytes, equalBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import type { Applied } from "@skein/shared/crdt/engine/applied.ts";
import { readChange } from "@skein/shared/crdt/engine/automerge-change.ts";
import { AutomergeDocument } from "@skein/shared/crdt/engine/automerge-document.ts";
import { YjsDocument } from "@skein/shared/crdt/engine/yjs-document.ts";
import { internUpdate, joinUpdates, resolveUpdate } from "@skein/shared/crdt/engine/yjs-update.ts";
import { documentId, type DocumentId, memberId } from "@skein/shared/id/id.ts";
import { defineNote, noteContent } from "@skein/shared/note/note-schema.ts";
import { Catalog } from "@skein/shared/space/catalog.ts";
import { catalogGenesis } from "@skein/shared/space/catalog-genesis.ts";
import * as Y from "yjs";
import { Prng } from "../simulation/prng.ts";
import { loadVectors } from "../support/vectors.ts";
import { boundaries, mutateBytes } from "./mutate.ts";
import { classOf } from "./features.ts";
import { stepClockUs } from "./step-clock.ts";
import { Broken, type Input, type Outcome, type Target, type TargetEntry } from "./target.ts";

export const engines: readonly TargetEntry[] = [
  {
    name: "yjs-update",
    about: "the guard before Yjs: what it lets through has one form",
    open: () => ({
      name: "yjs-update",
      seeds: updateSeeds(),
      run: ([bytes]) => guardUpdate(bytes),
    }),
  },
  {
    name: "yjs-document",
    about: "a note that takes three authors' updates, is kept and loaded again",
    open: () => ({
      name: "yjs-document",
      seeds: [noteHistory(1), noteHistory(2), noteHistory(3), vectorHistory()],
      isSequence: true,
      run: runNote,
      mutate: writeOn,
    }),
  },
  {
    name: "yjs-snapshot",
    about: "a note's snapshot from a disk that damaged it",
    open: () => ({
      name: "yjs-snapshot",
      seeds: noteSnapshots(),
      run: ([bytes]) => loadNote(bytes),
    }),
  },
  {
    name: "automerge-change",
    about: "the guard before Automerge: changes in the one form that it writes",
    open: async () => {
      await loadAutomerge();
      const seeds = catalogHistory(1).map((piece) => [piece.subarray(1)]);
      const vectors = catalogVectors().map((piece) => [piece.subarray(1)]);
      return {
        name: "automerge-change",
        seeds: [...seeds, ...vectors],
        run: ([bytes]) => guardChange(bytes),
        mutate: (input, others, dice) =>
          input.map((change) => mutateChange(change, dice.pick(others)[0] ?? change, dice)),
      };
    },
  },
  {
    name: "automerge-document",
    about: "a catalog that takes three authors' changes, is kept and loaded again",
    open: async (): Promise<Target> => {
      await loadAutomerge();
      return {
        name: "automerge-document",
        seeds: [catalogHistory(1), catalogHistory(2), catalogVectors()],
        isSequence: true,
        run: runCatalog,
        mutate: mutateHistory,
      };
    },
  },
  {
    name: "automerge-snapshot",
    about: "a catalog's snapshot from a disk that damaged it",
    open: async () => {
      await loadAutomerge();
      return {
        name: "automerge-snapshot",
        seeds: catalogSnapshots(),
        run: ([bytes]) => loadCatalog(bytes),
      };
    },
  },
];

const none = new Uint8Array(0);

/** What became of each piece, counted; the slowest of them. */
class Steps {
  slowestUs = 0;
  /** By kind, and by reason: how often. */
  readonly #outcomes = new Map<string, number>();
  #last = "";

  take(step: () => readonly Applied[]): void {
    const startUs = stepClockUs();
    const outcomes = step();
    this.slowestUs = Math.max(this.slowestUs, stepClockUs() - startUs);
    for (const outcome of outcomes) {
      const reason = "reason" in outcome ? outcome.reason : "";
      if (outcome.kind === "damaged") throw new Broken(`damaged: ${reason}`);
      if (reason !== "") this.#last = reason;
      for (const name of [outcome.kind, classOf(reason)]) {
        this.#outcomes.set(name, (this.#outcomes.get(name) ?? 0) + 1);
      }
    }
  }

  /** Accepted if anything was. */
  outcome(): Outcome {
    const { slowestUs } = this;
    const isTaken = this.#outcomes.has("applied") || this.#outcomes.has("waiting");
    if (isTaken) {
      return { kind: "accepted", value: Object.fromEntries(this.#outcomes), slowestUs };
    }
    return { kind: "refused", fault: "void", reason: this.#last, slowestUs };
  }
}

// Yjs

/** From the greatest a client id can be to the least, so that both orders of ids are tried. */
const clients = [Number.MAX_SAFE_INTEGER - 1, 2 ** 52 + 12_345, 77];

const piece = (author: number, bytes: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(author), bytes);

function guardUpdate(bytes: Uint8Array = none): Outcome {
  const own = clients[0] ?? 0;
  const read = resolveUpdate(bytes, own);
  if (isMalformed(read)) return { kind: "refused", fault: read.fault, reason: read.message };
  const again = internUpdate(joinUpdates(own, [read]), own);
  if (isMalformed(again)) throw new Broken(`two guards: ${again.message}`);
  if (!equalBytes(again, bytes)) throw new Broken(`two forms: ${toHex(again)}`);
  return { kind: "accepted", value: read };
}

function runNote(input: Input): Outcome {
  const note = newNote();
  const steps = new Steps();
  for (const bytes of input) {
    const client = clients[bytes[0] ?? 0];
    if (client === undefined) continue;
    steps.take(() => note.apply([{ client, update: bytes.subarray(1) }]));
  }
  const loaded = newNote();
  if (!loaded.load(note.snapshot())) throw new Broken(`lost: ${loaded.damage ?? "no snapshot"}`);
  // Who names neighbours that never were neighbours may find them in another order (docs/security.md):
  // what stands where is for the laws of honest edits, in yjs-document.test.ts.
  const held = [note, loaded].map(({ doc }) => toHex(Y.encodeStateVector(doc)));
  if (held[0] !== held[1]) throw new Broken("changed: a note lost something when it was loaded");
  if (loaded.waiting !== note.waiting) throw new Broken("changed: what waits in a note was lost");
  note.close();
  loaded.close();
  return steps.outcome();
}

function loadNote(bytes: Uint8Array = none): Outcome {
  const note = newNote();
  const isLoaded = note.load(bytes);
  const reason = note.damage ?? "no snapshot";
  note.close();
  return isLoaded ? { kind: "accepted", value: {} } : { kind: "refused", fault: "damaged", reason };
}

function newNote(): YjsDocument {
  const note = new YjsDocument();
  defineNote(note.doc);
  return note;
}

/** Three authors who write, format, delete, nest and set, each seeing the others' work at times. */
function noteHistory(seed: number): Input {
  const dice = new Prng(seed);
  const pieces: Uint8Array[] = [];
  const notes = clients.map((client) => {
    const note = newNote();
    note.write(() => ({ client, clock: 0 }));
    return note;
  });
  const read = clients.map(() => 0);
  for (let turn = 0; turn < 24; turn++) {
    const author = turn < 2 ? 0 : dice.between(0, 2);
    const note = notes[author];
    if (note === undefined) throw new Error("an author for every note");
    for (let at = read[author] ?? 0; at < pieces.length; at++) {
      const [from = 0, ...update] = pieces[at] ?? none;
      if (from === author) continue;
      note.apply([{ client: clients[from] ?? 0, update: Uint8Array.from(update) }]);
    }
    read[author] = pieces.length;
    note.doc.transact(() => editNote(note.doc, dice));
    for (const { update } of note.take(60_000).updates) pieces.push(piece(author, update));
  }
  return pieces;
}

function editNote(doc: Y.Doc, dice: Prng): void {
  const content = noteContent(doc);
  const texts = content
    .toArray()
    .flatMap((node) => (node instanceof Y.XmlElement ? node.toArray() : []))
    .filter((node) => node instanceof Y.XmlText);
  const meta = doc.getMap<unknown>("meta");
  const words = ["word", "häßlich", "👩‍👩‍👧", " ", "a longer run of text"];
  const text = texts.length > 0 ? dice.pick(texts) : undefined;
  switch (text === undefined ? 0 : dice.between(0, 7)) {
    case 0: {
      const paragraph = new Y.XmlElement(dice.pick(["paragraph", "heading"]));
      paragraph.setAttribute("level", "2");
      paragraph.insert(0, [new Y.XmlText(dice.pick(words))]);
      return content.insert(dice.between(0, content.length), [paragraph]);
    }
    case 1:
    case 2:
      return text?.insert(dice.between(0, text.length), dice.pick(words));
    case 3:
      return text?.format(0, text.length, { [dice.pick(["bold", "link"])]: { href: "x" } });
    case 4:
      return text?.delete(0, Math.min(3, text.length));
    case 5:
      return text?.insertEmbed(0, { image: [1, null, { a: true }] });
    case 6:
      meta.set(
        dice.pick(["k", "schema"]),
        dice.pick([1, 1.5, "s", null, [2 ** 40, -5], { a: {} }]),
      );
      return undefined;
    default:
      if (content.length > 1) content.delete(0, 1);
      else meta.set("bytes", new Uint8Array(3));
      return undefined;
  }
}

/**
 * An update that no editor would make and the guard lets through, in its place in its author's log:
 * any content anywhere, origins in other parents or in the wrong order, parents that are no types.
 */
function writeOn(input: Input, _others: readonly Input[], dice: Prng): Input {
  const states = clients.map((client) => clockAfter(input, client));
  const author = dice.between(0, 2);
  const client = clients[author] ?? 0;
  const count = dice.between(1, 4);
  const structs = new Writer();
  let clock = states[author] ?? 0;
  const start = clock;
  for (let index = 0; index < count; index++) clock += writeStruct(structs, clock);
  const update = new Writer()
    .varint(1)
    .varint(count)
    .varint(client)
    .varint(start)
    .raw(structs.finish());
  if (dice.chance(0.5)) {
    const [other, at] = anyStruct(clock);
    update.varint(1).varint(other).varint(1).varint(at).varint(dice.between(1, 3));
  } else update.varint(0);
  const interned = internUpdate(update.finish(), client);
  return isMalformed(interned) ? input : [...input, piece(author, interned)];

  /** Mostly one that exists. */
  function anyStruct(before: number): [client: number, clock: number] {
    const other = dice.between(0, 2);
    const known = other === author ? before : (states[other] ?? 0);
    const beyond = dice.chance(0.03) ? 2 : 0;
    return [clients[other] ?? 0, dice.between(0, Math.max(0, known - 1) + beyond)];
  }

  function writeStruct(to: Writer, at: number): number {
    const kind = dice.pick([0, 1, 3, 4, 4, 5, 6, 6, 7, 7, 8]);
    const length = dice.between(1, 3);
    if (kind === 0) {
      to.u8(0).varint(length);
      return length;
    }
    const flags = dice.pick([0, 0x20, 0x40, 0x80, 0xa0, 0xc0, 0xc0]);
    to.u8(kind | flags);
    for (const flag of [0x80, 0x40]) if (flags & flag) writeId(to, at);
    if ((flags & 0xc0) === 0) {
      if (dice.chance(0.3)) to.varint(1).text(dice.pick(["content", "meta", "new"]));
      else writeId(to.varint(0), at);
      if (flags & 0x20) to.text(dice.pick(["level", "k", "schema", ""]));
    }
    return writeContent(to, kind, length);
  }

  function writeId(to: Writer, at: number): void {
    const [other, clockOf] = anyStruct(at);
    to.varint(other).varint(clockOf);
  }

  function writeContent(to: Writer, kind: number, length: number): number {
    switch (kind) {
      case 1:
        to.varint(length);
        return length;
      case 3:
        to.bytes(dice.bytes(length));
        return 1;
      case 4: {
        const written = dice.pick(["a", "ab", "👍", "x👍", "\u0000"]);
        to.text(written);
        return written.length;
      }
      case 5:
        to.text(dice.pick(["1", "{}", '{"image":"x"}', "null"]));
        return 1;
      case 6:
        to.text(dice.pick(["bold", "link"])).text(dice.pick(["true", "null", '{"href":"x"}']));
        return 1;
      case 7: {
        const type = dice.between(0, 6);
        to.varint(type);
        if (type === 3 || type === 5) to.text(dice.pick(["paragraph", "ychange", ""]));
        return 1;
      }
      default:
        to.varint(length);
        for (let index = 0; index < length; index++) {
          to.u8(dice.pick([116, 119])).text(dice.pick(["", "v"]));
        }
        return length;
    }
  }
}

/** The clock at which the next update of `client` begins, were all of these taken. */
function clockAfter(input: Input, client: number): number {
  let clock = 0;
  for (const bytes of input) {
    if (clients[bytes[0] ?? 0] !== client) continue;
    const read = resolveUpdate(bytes.subarray(1), client);
    if (!isMalformed(read) && read.span?.start === clock) clock = read.span.end;
  }
  return clock;
}

const vectorHistory = (): Input =>
  loadVectors<{ bytes: readonly (readonly [string, string])[] }>("note-updates.json").map(
    ({ bytes }) => piece(0, fromHex(bytes.map(([, hex]) => hex).join(""))),
  );

function updateSeeds(): Input[] {
  const own = [...noteHistory(4), ...vectorHistory()].map((each) => [each.subarray(1)]);
  return [...own, ...yjsNasty.map(({ hex }) => [fromHex(hex)])];
}

/**
 * Updates that are known to hang or exhaust Yjs' own decoders, as anybody might put them in a log.
 * yjs-update.test.ts pins what becomes of each.
 */
const yjsNasty: readonly { readonly hex: string }[] = [
  // github.com/yjs/yjs/issues/687: version 2, 2^37 structs in a run of lengths.
  { hex: "00010000000001000100010200001602000001fdffffffff7f0000" },
  { hex: "0101028280808080808010000000" },
  { hex: "01010201040101740000" },
];

function noteSnapshots(): Input[] {
  return [1, 2, 3].map((seed) => {
    const note = newNote();
    const history = noteHistory(seed);
    // One without its beginning leaves the rest waiting.
    for (const bytes of seed === 3 ? history.slice(2) : history) {
      note.apply([{ client: clients[bytes[0] ?? 0] ?? 0, update: bytes.subarray(1) }]);
    }
    return [note.snapshot()];
  });
}

// Automerge

const general = documentId(new Uint8Array(8).fill(0xfe));
const actors = ["11", "88", "ff"].map((byte) => byte.repeat(16));

let loading: Promise<unknown> | undefined;
function loadAutomerge(): Promise<unknown> {
  const path = new URL(import.meta.resolve("@automerge/automerge/automerge.wasm"));
  loading ??= initializeWasm(new Uint8Array(readFileSync(path)));
  return loading;
}

function guardChange(bytes: Uint8Array = none): Outcome {
  const read = readChange(bytes);
  if (isMalformed(read)) return { kind: "refused", fault: read.fault, reason: read.message };
  return { kind: "accepted", value: read };
}

function runCatalog(input: Input): Outcome {
  const catalog = new Catalog({ general });
  const steps = new Steps();
  for (const bytes of input) {
    const actor = actors[bytes[0] ?? 0];
    if (actor === undefined) continue;
    steps.take(() => catalog.apply([{ actor, change: bytes.subarray(1) }]).outcomes);
  }
  const loaded = new Catalog({ general, snapshot: catalog.snapshot() });
  if (loaded.damage !== undefined) throw new Broken(`lost: ${loaded.damage}`);
  // What was read change by change is what is read at once.
  if (JSON.stringify(loaded.view) !== JSON.stringify(catalog.view)) {
    throw new Broken("changed: a catalog shows something else after it was kept and loaded");
  }
  if (loaded.waiting !== catalog.waiting) {
    throw new Broken("changed: what waits in a catalog was lost");
  }
  catalog.close();
  loaded.close();
  return steps.outcome();
}

function loadCatalog(bytes: Uint8Array = none): Outcome {
  const catalog = new AutomergeDocument(catalogGenesis, bytes);
  const { damage } = catalog;
  catalog.close();
  if (damage === undefined) return { kind: "accepted", value: {} };
  return { kind: "refused", fault: "damaged", reason: damage };
}

/** Three people who make, name, move and archive notes and channels. */
function catalogHistory(seed: number): Input {
  const dice = new Prng(seed);
  const pieces: Uint8Array[] = [];
  const catalogs = actors.map((actor) => {
    const catalog = new Catalog<{ actor: string; seq: number }>({ general });
    catalog.write(() => ({ actor, seq: 0 }));
    return catalog;
  });
  const read = actors.map(() => 0);
  const ids: DocumentId[] = [];
  for (let turn = 0; turn < 16; turn++) {
    const author = dice.between(0, 2);
    const catalog = catalogs[author];
    if (catalog === undefined) throw new Error("an author for every catalog");
    for (let at = read[author] ?? 0; at < pieces.length; at++) {
      const bytes = pieces[at] ?? none;
      const actor = actors[bytes[0] ?? 0] ?? "";
      if (bytes[0] !== author) catalog.apply([{ actor, change: bytes.slice(1) }]);
    }
    read[author] = pieces.length;
    const edit = editCatalog(catalog, ids, dice);
    if (edit !== undefined) pieces.push(piece(author, edit.change));
  }
  for (const catalog of catalogs) catalog.close();
  return pieces;
}

type Gesture = { readonly change: Uint8Array } | undefined;

function editCatalog(
  catalog: Catalog<{ actor: string; seq: number }>,
  ids: DocumentId[],
  dice: Prng,
): Gesture {
  const timeMs = 1_763_662_500_000 + dice.between(0, 10_000);
  const fresh = documentId(dice.bytes(8));
  const createdBy = memberId(new Uint8Array(16).fill(3));
  const id = ids.length > 0 ? dice.pick(ids) : fresh;
  const title = dice.pick(["Title", "Gärtchen", ""]);
  switch (ids.length === 0 ? 0 : dice.between(0, 7)) {
    case 0:
    case 1:
      ids.push(fresh);
      return catalog.createNote(
        { id: fresh, title, parent: ids.length > 1 ? id : undefined, createdBy },
        timeMs,
      );
    case 2:
      ids.push(fresh);
      return catalog.createChannel({ id: fresh, name: "talk", createdBy }, timeMs);
    case 3:
    case 4:
      return catalog.renameNote(id, title, timeMs) ?? catalog.renameChannel(id, title, timeMs);
    case 5:
      return catalog.moveNote(id, dice.pick(ids), "first", timeMs);
    case 6:
      return catalog.setNoteIcon(id, dice.chance(0.5) ? "🌱" : undefined, timeMs);
    default:
      return catalog.trashNote(id, dice.chance(0.5), timeMs);
  }
}

const catalogVectors = (): Input =>
  loadVectors<{ actor: string; change: string }>("catalog.json").flatMap(({ actor, change }) => {
    const author = actors.indexOf(actor);
    return author < 0 ? [] : [piece(author, fromHex(change))];
  });

function catalogSnapshots(): Input[] {
  return [1, 2, 3].map((seed) => {
    const catalog = new AutomergeDocument(catalogGenesis);
    const history = catalogHistory(seed);
    for (const bytes of seed === 3 ? history.slice(2) : history) {
      catalog.apply([{ actor: actors[bytes[0] ?? 0] ?? "", change: bytes.slice(1) }]);
    }
    const snapshot = catalog.snapshot();
    catalog.close();
    return [snapshot];
  });
}

function mutateHistory(input: Input, others: readonly Input[], dice: Prng): Input {
  if (input.length === 0) return input;
  const at = dice.between(0, input.length - 1);
  const bytes = input[at] ?? none;
  const other = dice.pick(others);
  const donor = other[dice.between(0, Math.max(0, other.length - 1))] ?? bytes;
  const change = mutateChange(bytes.subarray(1), donor.subarray(1), dice);
  return input.with(at, piece(bytes[0] ?? 0, change));
}

/** Another change with a sum that is right: without, all would be refused for it alone. */
function mutateChange(change: Uint8Array, donor: Uint8Array, dice: Prng): Uint8Array {
  try {
    if (dice.chance(0.5)) return rewritten(change, donor, dice);
  } catch {
    // It is no change any more, or what was made of it is none that Automerge can write.
  }
  const body = decode(change, (reader) => {
    reader.raw(9);
    return reader.bytes(reader.remaining);
  });
  const mutated = mutateBytes(isMalformed(body) ? change.subarray(11) : body, donor, dice);
  const chunk = new Writer().u8(1).bytes(mutated).finish();
  const sum = createHash("sha256").update(chunk).digest().subarray(0, 4);
  return concatBytes(fromHex("856f4a83"), sum, chunk);
}

/** One of the change's parts is another's, or a number at an end of its range. */
function rewritten(change: Uint8Array, donor: Uint8Array, dice: Prng): Uint8Array {
  const ours = decodeChange(change);
  const theirs = decodeChange(donor);
  const ops = [...ours.ops];
  const at = dice.between(0, Math.max(0, ops.length - 1));
  const other = dice.pick(theirs.ops);
  const op = { ...(ops[at] ?? other) };
  switch (dice.between(0, 10)) {
    case 0:
      return encodeChange({ ...ours, seq: dice.pick(boundaries) });
    case 1:
      return encodeChange({ ...ours, startOp: dice.pick([...boundaries, theirs.startOp]) });
    case 2:
      return encodeChange({ ...ours, deps: dice.pick([[], theirs.deps, [theirs.hash ?? ""]]) });
    case 3:
      return encodeChange({ ...ours, actor: dice.pick([theirs.actor, ...actors]) });
    case 4:
      return encodeChange({ ...ours, ops: [...ops, ...theirs.ops] });
    case 5:
      return encodeChange({ ...ours, ops: ops.toSpliced(at, 1) });
    case 6:
      op.pred = dice.pick([
        [],
        other.pred,
        [`${ours.startOp}@${ours.actor}`],
        ["1@".padEnd(34, "0")],
      ]);
      break;
    case 7:
      op.obj = dice.pick([other.obj, "_root", `${ours.startOp}@${ours.actor}`]);
      break;
    case 8:
      op.key = dice.pick([other.key ?? "", "", "__proto__", "title", "\u{1f331}"]);
      break;
    case 9:
      op.action = dice.pick(["del", "makeMap", "set", other.action]);
      break;
    default:
      op.value = dice.pick<string | number | boolean>([
        true,
        1.5,
        -1,
        2 ** 53,
        "text",
        "x".repeat(5_000),
        Number.NaN,
      ]);
  }
  return encodeChange({ ...ours, ops: ops.with(at, op) });
}
