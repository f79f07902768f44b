/**
 * Checkpoints of real documents: three authors edit a Yjs note and the Automerge catalog at once, and
 * whoever replays what they wrote, in whatever order and steps, comes to the same digest.
 */
import { automergeWasmBase64 } from "@automerge/automerge/automerge.wasm.base64";
import { initializeBase64Wasm } from "@automerge/automerge/slim";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import * as Y from "yjs";
import { toHex } from "../../bytes/bytes.ts";
import { Writer } from "../../bytes/writer.ts";
import type { WritingActor } from "../../crdt/engine/automerge-document.ts";
import { automergeActor, peerSeed, writePeer } from "../../crdt/engine/peer.ts";
import { canonicalDocument } from "../../crdt/engine/yjs-canonical.ts";
import { YjsDocument } from "../../crdt/engine/yjs-document.ts";
import { type DocumentId, documentId, memberId, type ReplicaId } from "../../id/id.ts";
import { encodeNoteUpdate } from "../../note/note-operation.ts";
import { defineNote, noteContent } from "../../note/note-schema.ts";
import { Catalog } from "../../space/catalog.ts";
import { authoredChanges, NoteAuthors } from "../authored-updates.ts";
import { documents, filled, nonceOf, TestSpace } from "../ready-entries.contract.ts";
import type { Operation, ReadyEntry } from "../store.ts";
import { fairRoller } from "../stories.contract.ts";
import type { TailUpdate } from "../tail-rows.ts";
import { snapshotEngines } from "./engines.ts";
import { canonicalDigest, type EnginePart, type Manifest } from "./manifest.ts";
import { Checkpointer, openAll, SealedHistory, suite, writers } from "./sealed-history.contract.ts";

const { note, catalog } = documents;
const general = documentId(filled(8, 0xfe));
const engines = snapshotEngines(suite, catalog);
const digestOf = (manifest: Manifest) => toHex(canonicalDigest(suite, manifest));

beforeAll(async () => initializeBase64Wasm(automergeWasmBase64));

/** The updates of `document` in entries that were delivered, as a device keeps them. */
const updatesOf = (document: DocumentId, entries: readonly ReadyEntry[]): TailUpdate[] =>
  entries
    .filter((entry) => entry.document === document)
    .flatMap(({ replica, seq, lamport, operations }) =>
      operations.map(({ kind, payload }, index) => ({
        id: { replica, seq, index },
        lamport,
        kind,
        payload,
        nonce: nonceOf(replica),
        timeMs: undefined,
        appliedAtMs: 0,
      })),
    );

/** One person with both documents open; who has written and seen what, the test says. */
class Author {
  readonly note = new YjsDocument();
  readonly catalog: Catalog<WritingActor>;
  readonly seen = new Set<ReadyEntry>();

  constructor(replica: ReplicaId) {
    defineNote(this.note.doc);
    const client = new NoteAuthors(suite, note).client(replica, nonceOf(replica), 0);
    this.note.write(() => ({ client, clock: 0 }));
    this.catalog = new Catalog({ general });
    const seed = peerSeed(suite, replica, catalog, nonceOf(replica), 0);
    this.catalog.write(() => ({ actor: automergeActor(seed), seq: 0 }));
  }

  see(entries: readonly ReadyEntry[]): void {
    const news = entries.filter((entry) => !this.seen.has(entry));
    for (const entry of news) this.seen.add(entry);
    this.note.apply(new NoteAuthors(suite, note).authored(updatesOf(note, news)));
    this.catalog.apply(authoredChanges(suite, catalog, updatesOf(catalog, news)));
  }

  /** What typing, deleting or making bold comes to. */
  edit(roll: (below: number) => number, distance: number): Operation[] {
    const { doc } = this.note;
    doc.transact(() => {
      const content = noteContent(doc);
      const first = content.length === 0 ? undefined : content.get(roll(content.length));
      const text = first instanceof Y.XmlElement ? first.get(0) : undefined;
      if (!(text instanceof Y.XmlText) || roll(6) === 0) {
        const paragraph = new Y.XmlElement("paragraph");
        content.insert(roll(content.length + 1), [paragraph]);
        paragraph.insert(0, [new Y.XmlText(`paragraph ${roll(100)}`)]);
        return;
      }
      const at = roll(text.length + 1);
      const rest = text.length - at;
      const what = rest === 0 ? 3 : roll(5);
      if (what === 0) text.delete(at, 1 + roll(rest));
      else if (what === 1) text.format(at, 1 + roll(rest), { bold: {} });
      else text.insert(at, `words ${roll(1_000)} `);
    });
    return this.note.take(40_000).updates.map(({ update }) => {
      const payload = encodeNoteUpdate({ peer: { distance, counter: 0 }, update });
      return { kind: 0x40, payload };
    });
  }

  gesture(roll: (below: number) => number, distance: number): Operation[] {
    const { notes } = this.catalog.view;
    const some = notes[roll(Math.max(1, notes.length))];
    const id = documentId(Uint8Array.from({ length: 8 }, () => roll(256)));
    const edit =
      some === undefined || roll(3) === 0
        ? this.catalog.createNote({ id, title: `note ${roll(99)}`, createdBy: member }, 1_000)
        : this.catalog.renameNote(some.id, `renamed ${roll(99)}`, 2_000);
    if (edit === undefined) return [];
    const payload = writePeer(new Writer(), { distance, counter: 0 }).raw(edit.change).finish();
    return [{ kind: 0x20, payload }];
  }

  shown(document: DocumentId): unknown {
    return document === catalog ? this.catalog.view : canonicalDocument(this.note);
  }

  close(): void {
    this.note.close();
    this.catalog.close();
  }
}

/** What a snapshot holds, to be compared with `Author.shown`. */
function shownIn(document: DocumentId, snapshot: Uint8Array | undefined): unknown {
  if (document === catalog) {
    const read = new Catalog({ general, snapshot });
    const { view } = read;
    read.close();
    return view;
  }
  const read = new YjsDocument();
  defineNote(read.doc);
  if (snapshot !== undefined) read.load(snapshot);
  const shown = canonicalDocument(read);
  read.close();
  return shown;
}

const member = memberId(filled(16, 5));

/** What three authors write who see of one another what they see. */
function edited(roll: (below: number) => number, count: number) {
  const told = new TestSpace();
  const authors = new Map(writers.map((replica) => [replica, new Author(replica)]));
  for (let turn = 0; turn < count; turn++) {
    const replica = writers[roll(3)] ?? writers[0];
    const author = authors.get(replica);
    if (author === undefined) throw new Error("three authors");
    const others = writers.filter((other) => other !== replica && roll(3) === 0);
    for (const other of others) {
      // In the order they were written, which is a causal one.
      const theirs = authors.get(other)?.seen ?? new Set<ReadyEntry>();
      author.see(told.entries.filter((entry) => theirs.has(entry)));
    }
    const distance = told.distance(replica);
    const isNote = roll(3) > 0;
    const operations = isNote ? author.edit(roll, distance) : author.gesture(roll, distance);
    if (operations.length === 0) continue;
    const entry = told.write(replica, isNote ? note : catalog, operations, others);
    author.see([entry]);
  }
  for (const author of authors.values()) author.see(told.entries);
  return { entries: told.entries, authors: [...authors.values()] };
}

describe("a checkpoint of real documents", () => {
  it("is the same for all, and is what the authors see", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 5, max: 60 }), async (seed, count) => {
        const roll = fairRoller(seed);
        const { entries, authors } = edited(roll, count);
        const history = await SealedHistory.of(entries);
        const atOnce = new Checkpointer(history, { engines });
        const manifest = await atOnce.reach(history.vector);

        const other = new Checkpointer(history, { engines });
        for (let turn = 0; turn < 3; turn++) {
          const target = [...history.vector].map(([replica, seq]) => [replica, roll(seq + 1)]);
          await other.step(new Map(target as [ReplicaId, number][]), 1 + roll(9));
        }
        const inSteps = await other.reach(history.vector, 1 + roll(12));
        expect(digestOf(inSteps)).toBe(digestOf(manifest));

        const objects = await openAll(atOnce, manifest);
        for (const part of manifest.parts as EnginePart[]) {
          const read = shownIn(part.document, objects.get(part));
          for (const author of authors) expect(author.shown(part.document)).toEqual(read);
        }
        for (const author of authors) author.close();
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it("keeps what waits for its past, and tells it apart", async () => {
    const roll = fairRoller(7);
    const { entries, authors } = edited(roll, 12);
    for (const author of authors) author.close();
    const updates = updatesOf(note, entries);
    // As if their author had named none of what they build on: all but the first begin too late.
    const behind = updates.filter(({ id }) => id.replica !== updates[0]?.id.replica);
    const some = await engines.advance(note, undefined, behind);
    const nothing = await engines.advance(note, undefined, []);
    if (some === undefined || nothing === undefined) throw new Error("no document is damaged");
    expect(some.digest).not.toEqual(nothing.digest);
    const whole = await engines.advance(note, undefined, updates);
    const rest = updates.filter((update) => !behind.includes(update));
    const late = await engines.advance(note, some.bytes, rest);
    expect(late?.digest).toEqual(whole?.digest);
  });

  it("takes no bytes for a document that are none", async () => {
    expect(await engines.advance(note, filled(40, 7), [])).toBeUndefined();
    expect(await engines.advance(catalog, filled(40, 7), [])).toBeUndefined();
  });
});
