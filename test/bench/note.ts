/**
 * What a note costs: recorded sessions are typed again through note sessions, each edit an entry of its
 * own, and read by somebody else. Beside it Yjs' own updates, as any provider would send them.
 */
import * as Y from "yjs";
import { defineNote, noteContent } from "@skein/shared/note/note-schema.ts";
import { type NoteOperation, NoteSession } from "@skein/shared/note/note-session.ts";
import { encodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { newDocument, YjsDocument } from "@skein/shared/crdt/engine/yjs-document.ts";
import { type Bench, fastest, type Figure } from "./figure.ts";
import { type Edit, type Recorded, recorded } from "./recorded.ts";

interface Peer {
  readonly client: number;
  readonly clock: number;
}

/** Derived ids have 53 bits (docs/protocol.md section 4.3), and so have these. */
const clientOf = (agent: number): number => 2 ** 52 + 0x1234_5678 * (agent + 1);

/** One edit as it was written: in our form and in Yjs' own. */
interface Written {
  readonly client: number;
  readonly update: Uint8Array;
  readonly raw: Uint8Array;
}

/** One person's open note. */
class Writer {
  readonly session: NoteSession<Peer>;
  readonly client: number;
  readonly written: Written[] = [];
  /** Of each person, how many edits are in the document. */
  readonly received: number[];
  #updates: Uint8Array[] = [];
  #raw: Uint8Array[] = [];

  constructor(agent: number, agents: number) {
    this.client = clientOf(agent);
    this.received = Array.from({ length: agents }, () => 0);
    this.session = new NoteSession<Peer>({
      clock: { now: () => 0 },
      nextPeer: () => ({ client: this.client, clock: 0 }),
      emit: (effect) => {
        if (effect.kind === "persist") this.#persist(effect.operations);
        else if (effect.kind !== "wake") throw new Error(`an effect ${effect.kind}`);
      },
    });
    this.session.doc.on("update", (update: Uint8Array, _origin, _doc, { local }: Y.Transaction) => {
      if (local) this.#raw.push(update);
    });
  }

  get text(): string {
    return wordsOf(this.session.doc);
  }

  /** One change, as one operation. */
  change(body: (text: Y.XmlText) => void): Written {
    const { doc } = this.session;
    doc.transact(() => body(textOf(doc)));
    this.session.flush();
    const [update, ...moreUpdates] = this.#updates;
    const [raw, ...moreRaw] = this.#raw;
    if (update === undefined || raw === undefined || moreUpdates.length + moreRaw.length > 0) {
      throw new Error("a change is one operation");
    }
    this.#updates = [];
    this.#raw = [];
    return { client: this.client, update, raw };
  }

  type({ agent, patches }: Edit): Written {
    const written = this.change((text) => {
      for (const [position, deleted, inserted] of patches) {
        if (deleted > 0) text.delete(position, deleted);
        if (inserted !== "") text.insert(position, inserted);
      }
    });
    this.written.push(written);
    this.received[agent] = this.written.length;
    return written;
  }

  receive(updates: readonly Written[]): void {
    const outcomes = this.session.receive(updates);
    const bad = outcomes.find(({ kind }) => kind !== "applied");
    if (bad !== undefined) throw new Error(`an update was ${JSON.stringify(bad)}`);
  }

  #persist(operations: readonly NoteOperation<Peer>[]): void {
    for (const { update } of operations) this.#updates.push(update);
    this.session.persisted();
  }
}

/** One paragraph of a note: what is measured is text, not the editor's nodes. */
/** What the document says; Yjs types the text of XML as anything. */
const wordsOf = (doc: Y.Doc): string => String(textOf(doc));

function textOf(doc: Y.Doc): Y.XmlText {
  const content = noteContent(doc);
  const paragraph = content.get(0);
  if (paragraph instanceof Y.XmlElement) return paragraph.get(0) as Y.XmlText;
  const text = new Y.XmlText();
  const first = new Y.XmlElement("paragraph");
  first.insert(0, [text]);
  content.insert(0, [first]);
  return text;
}

interface Typed {
  /** The empty paragraph, then every edit, in a causal order. */
  readonly beginning: Written;
  readonly edits: readonly Written[];
  /** What everybody has in the end. */
  readonly texts: readonly string[];
}

function retype({ agents, edits }: Recorded): Typed {
  const writers = Array.from({ length: agents }, (_, agent) => new Writer(agent, agents));
  const [first, ...others] = writers;
  if (first === undefined) throw new Error("a session of nobody");
  const beginning = first.change(() => {});
  for (const other of others) other.receive([beginning]);

  const typed = edits.map((edit) => {
    const writer = writers[edit.agent];
    if (writer === undefined) throw new Error(`agent ${edit.agent} of ${agents}`);
    catchUp(writer, writers, edit.past);
    return writer.type(edit);
  });
  const all = writers.map(({ written }) => written.length);
  for (const writer of writers) catchUp(writer, writers, all);
  return { beginning, edits: typed, texts: writers.map(({ text }) => text) };
}

/** Brings in of each other as many edits as `until` says, in the order of their logs. */
function catchUp(writer: Writer, writers: readonly Writer[], until: readonly number[]): void {
  writers.forEach((other, agent) => {
    const from = writer.received[agent] ?? 0;
    const to = until[agent] ?? 0;
    if (other === writer || to <= from) return;
    writer.receive(other.written.slice(from, to));
    writer.received[agent] = to;
  });
}

/** Somebody else has the note open while it is typed. */
function readInterned({ beginning, edits }: Typed): string {
  const reader = new YjsDocument();
  defineNote(reader.doc);
  for (const written of [beginning, ...edits]) reader.apply([written]);
  return wordsOf(reader.doc);
}

function readRaw({ beginning, edits }: Typed): string {
  const doc = newDocument();
  defineNote(doc);
  for (const { raw } of [beginning, ...edits]) Y.applyUpdate(doc, raw);
  return wordsOf(doc);
}

const sessions = [
  { name: "sveltecomponent", what: "one person" },
  { name: "friendsforever", what: "two at once" },
] as const;

export const noteBench: Bench = {
  name: "note",
  about: "recorded editing sessions through a note: bytes of an edit, and what reading it costs",
  async run(say) {
    const figures: Figure[] = [];
    for (const { name, what } of sessions) {
      const session = recorded(name);
      say(`typing ${session.edits.length} edits of ${name}`);
      const typed = retype(session);
      const check = (text: string): void => {
        if (text !== session.endContent) throw new Error(`${name} did not end as it was recorded`);
      };
      for (const text of typed.texts) check(text);
      const count = session.edits.length;
      const bytesOf = (length: (written: Written) => number): number =>
        typed.edits.reduce((total, written) => total + length(written), 0) / count;
      figures.push({
        figure: `${what}: payload of an edit`,
        // A few hundred entries into a writer session.
        value: bytesOf(
          ({ update }) => encodeNoteUpdate({ peer: { distance: 300, counter: 0 }, update }).length,
        ),
        unit: "bytes",
        reference: bytesOf(({ raw }) => raw.length),
        goal: null,
      });
      say(`reading them`);
      const [interned = 0, raw = 0] = await fastest(5, [
        () => check(readInterned(typed)),
        () => check(readRaw(typed)),
      ]);
      figures.push({
        figure: `${what}: reading an edit as it comes`,
        value: (interned * 1_000) / count,
        unit: "µs",
        reference: (raw * 1_000) / count,
        goal: null,
      });
    }
    return figures;
  },
};
