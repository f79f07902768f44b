/**
 * The canonical state of a Yjs document: equal bytes exactly when two replicas hold and show the
 * same. Yjs' own encoding is no measure: how structs are merged, and what of a deleted struct is
 * left, depends on the order in which updates came.
 */
import * as Y from "yjs";
import { compareBytes } from "../../bytes/bytes.ts";
import { Writer } from "../../bytes/writer.ts";
import type { YjsDocument } from "./yjs-document.ts";

/** Only what every kind of shared type has; Yjs declares the events they emit as anything. */
type AnyType = Pick<Y.XmlFragment, "_start" | "_map">;

/**
 * `list(client u64 ‖ state) ‖ list(client u64 ‖ list(deleted clock ‖ length)) ‖ list(root)`, each
 * in ascending order; a root is its name and its living content in the order of the document.
 */
export function canonicalState(doc: Y.Doc): Uint8Array<ArrayBuffer> {
  const writer = new Writer(4096);
  const states = [...Y.decodeStateVector(Y.encodeStateVector(doc))];
  writer.list(states.sort(byClient), (to, [client, clock]) => to.u64(client).varint(clock));

  const deleted = [...Y.createDeleteSetFromStructStore(doc.store).clients];
  writer.list(deleted.sort(byClient), (to, [client, items]) => {
    to.u64(client).list(items, (at, { clock, len }) => at.varint(clock).varint(len));
  });

  const roots: (readonly [name: string, content: Uint8Array])[] = [];
  for (const [name, type] of doc.share) {
    const content = contentOf(type);
    if (content.some((byte) => byte !== 0)) roots.push([name, content]);
  }
  const order = (name: string): Uint8Array => new TextEncoder().encode(name);
  roots.sort(([a], [b]) => compareBytes(order(a), order(b)));
  return writer.list(roots, (to, [name, content]) => to.text(name).bytes(content)).finish();
}

/**
 * That of a document over logs: `bytes` of the state above ‖ `list(waiting client u64 ‖ update bytes)`.
 * What waits may come to be seen later, so that two documents that differ in it alone are two.
 */
export const canonicalDocument = ({
  doc,
  held,
}: Pick<YjsDocument, "doc" | "held">): Uint8Array<ArrayBuffer> =>
  new Writer(4_096)
    .bytes(canonicalState(doc))
    .list(held, (to, { client, update }) => to.u64(client).bytes(update))
    .finish();

const byClient = ([a]: readonly [number, unknown], [b]: readonly [number, unknown]): number =>
  a - b;

/** `list(run) ‖ list(key text ‖ item)`: a sequence's runs, then a map's values by key. */
function contentOf(type: AnyType): Uint8Array {
  const writer = new Writer(256);
  const runs = runsOf(type);
  writer.list(runs, (to, run) => writeRun(to, run));
  const entries = [...type._map].filter(([, item]) => !item.deleted);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return writer
    .list(entries, (to, [key, item]) => {
      const [last] = unitsOf(item).slice(-1);
      to.text(key);
      if (last) writeRun(to, last);
    })
    .finish();
}

/** Living units with consecutive ids that hold text are one run, however Yjs has split them. */
interface Run {
  readonly client: number;
  readonly clock: number;
  readonly content: { text: string } | { readonly bytes: Uint8Array };
}

function runsOf(type: AnyType): Run[] {
  const runs: Run[] = [];
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue;
    for (const unit of unitsOf(item)) {
      const last = runs.at(-1);
      const joins =
        last !== undefined &&
        "text" in last.content &&
        "text" in unit.content &&
        last.client === unit.client &&
        last.clock + last.content.text.length === unit.clock;
      if (joins) last.content.text += unit.content.text;
      else runs.push(unit);
    }
  }
  return runs;
}

function unitsOf(item: Y.Item): Run[] {
  const { client, clock } = item.id;
  const { content } = item;
  // Before runs are joined: two halves that were cut apart stay two, as they do when stored.
  if (content instanceof Y.ContentString)
    return [{ client, clock, content: { text: content.str.toWellFormed() } }];
  if (content instanceof Y.ContentAny) {
    return content.arr.map((value: unknown, index) => {
      const bytes = encoded((encoder) => encoder.writeAny(value));
      return { client, clock: clock + index, content: { bytes } };
    });
  }
  let bytes = encoded((encoder) => content.write(encoder, 0));
  if (content instanceof Y.ContentType) {
    const children = contentOf(content.type);
    bytes = new Writer(bytes.length + children.length + 16).bytes(bytes).bytes(children).finish();
  }
  return [{ client, clock, content: { bytes } }];
}

function encoded(write: (encoder: Y.UpdateEncoderV1) => void): Uint8Array {
  const encoder = new Y.UpdateEncoderV1();
  write(encoder);
  return encoder.toUint8Array();
}

function writeRun(to: Writer, { client, clock, content }: Run): void {
  to.u64(client).varint(clock);
  if ("text" in content) to.u8(0).text(content.text);
  else to.u8(1).bytes(content.bytes);
}
