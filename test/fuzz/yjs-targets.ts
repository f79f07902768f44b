/**
 * Yjs behind its guard: whatever that lets through a note must take, and be loaded again as what it
 * was; a snapshot that a disk has damaged is none.
 */
import { equalBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import { YjsDocument } from "@skein/shared/crdt/engine/yjs-document.ts";
import { internUpdate, joinUpdates, resolveUpdate } from "@skein/shared/crdt/engine/yjs-update.ts";
import { defineNote, noteContent } from "@skein/shared/note/note-schema.ts";
import * as Y from "yjs";
import { Prng } from "../simulation/prng.ts";
import { loadVectors } from "../support/vectors.ts";
import { Broken, type Input, type Outcome, type TargetEntry } from "./target.ts";
import { piece, Steps } from "./history.ts";

export const yjsTargets: readonly TargetEntry[] = [
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
];

const none = new Uint8Array(0);

/** From the greatest a client id can be to the least, so that both orders of ids are tried. */
const clients = [Number.MAX_SAFE_INTEGER - 1, 2 ** 52 + 12_345, 77];

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
