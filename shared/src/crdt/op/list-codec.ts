/**
 * A list's state in bytes, apart from the list because only who stores one needs it: a table of
 * replicas, then the elements ascending by id, then the ids deleted early. Most elements were typed
 * behind the one before them, so their id and place follow from it and take one byte of flags:
 *
 *   bits 0–1  id: 0 next in the entry before · 1 first of the next entry · 2 spelled out
 *   bits 2–3  place: 0 right of the element before · 1 right of the root · 2 and 3 right and left of
 *             a parent that is spelled out
 *   bit 4     deleted: no value follows
 *
 * What can be said shorter must be: the reader asks itself which flags it would have written.
 */
import { Malformed } from "../../bytes/malformed.ts";
import type { Reader } from "../../bytes/reader.ts";
import type { ReplicaId } from "../../id/id.ts";
import { compareIds, keyOfId, type OpId } from "../crdt.ts";
import type { StateCodec } from "../lattice/lattice.ts";
import { ReadTable, WrittenTable } from "../lattice/replica-table.ts";
import { stateCodec, stateLimits, type ValueCodec } from "../lattice/state-codec.ts";
import type { ListElement, ListState } from "./list.ts";

type Element<Value> = ListElement<Value> | undefined;

const spelledOutId = 2;
const rightOfParent = 2;
const leftOfParent = 3;

const sameId = (a: OpId | undefined, b: OpId): boolean => a !== undefined && compareIds(a, b) === 0;

function idFlag(before: OpId | undefined, id: OpId): number {
  if (before?.replica !== id.replica) return spelledOutId;
  if (before.seq === id.seq && before.index + 1 === id.index) return 0;
  return before.seq + 1 === id.seq && id.index === 0 ? 1 : spelledOutId;
}

function placeFlag(before: OpId | undefined, { parent, side }: ListElement<unknown>): number {
  if (parent === undefined) return 1;
  if (side === "left") return leftOfParent;
  return sameId(before, parent) ? 0 : rightOfParent;
}

const flagsOf = (before: OpId | undefined, element: ListElement<unknown>): number =>
  idFlag(before, element.id) |
  (placeFlag(before, element) << 2) |
  (element.value === undefined ? 16 : 0);

function* replicasOf({ elements, deletedEarly }: ListState<unknown>): Iterable<ReplicaId> {
  for (const { id, parent } of elements) {
    yield id.replica;
    if (parent !== undefined) yield parent.replica;
  }
  for (const { replica } of deletedEarly) yield replica;
}

export const listCodec = <Value extends {}>(
  values: ValueCodec<Value>,
): StateCodec<ListState<Value>> =>
  stateCodec<ListState<Value>>(
    (writer, state) => {
      const table = WrittenTable.write(writer, replicasOf(state));
      let before: Element<Value>;
      writer.list(state.elements, (to, element) => {
        const flags = flagsOf(before?.id, element);
        to.u8(flags);
        if ((flags & 3) === spelledOutId) table.id(element.id);
        const { parent } = element;
        if (parent !== undefined && ((flags >> 2) & 3) >= rightOfParent) table.id(parent);
        if (element.value !== undefined) values.write(to, element.value);
        before = element;
      });
      writer.list(state.deletedEarly, (_, id) => table.id(id));
    },
    (reader) => {
      const table = ReadTable.read(reader);
      let before: Element<Value>;
      const elements = reader.list(stateLimits.itemsMax, () => {
        const flags = reader.u8();
        const element = readElement(reader, table, values, flags, before?.id);
        if (flags !== flagsOf(before?.id, element)) throw new Malformed("flags of another element");
        if (before !== undefined && compareIds(before.id, element.id) >= 0) {
          throw new Malformed("elements not in ascending order");
        }
        before = element;
        return element;
      });
      const known = new Set(elements.map(({ id }) => keyOfId(id)));
      let last: OpId | undefined;
      const deletedEarly = reader.list(stateLimits.itemsMax, () => {
        const id = table.id();
        if (last !== undefined && compareIds(last, id) >= 0) {
          throw new Malformed("deleted ids not in ascending order");
        }
        if (known.has(keyOfId(id))) throw new Malformed("an element deleted twice");
        last = id;
        return id;
      });
      table.assertAllUsed();
      return { elements, deletedEarly };
    },
  );

function readElement<Value>(
  reader: Reader,
  table: ReadTable,
  values: ValueCodec<Value>,
  flags: number,
  before: OpId | undefined,
): ListElement<Value> {
  const id = readId(table, flags & 3, before);
  const place = (flags >> 2) & 3;
  const parent = place >= rightOfParent ? table.id() : place === 0 ? before : undefined;
  const value = (flags & 16) === 0 ? values.read(reader) : undefined;
  return { id, parent, side: place === leftOfParent ? "left" : "right", value };
}

function readId(table: ReadTable, flag: number, before: OpId | undefined): OpId {
  if (flag === spelledOutId) return table.id();
  if (before === undefined) throw new Malformed("the first element without an id");
  const { replica, seq, index } = before;
  const id = flag === 0 ? { replica, seq, index: index + 1 } : { replica, seq: seq + 1, index: 0 };
  if (id.seq > Number.MAX_SAFE_INTEGER || id.index > Number.MAX_SAFE_INTEGER) {
    throw new Malformed("an id above 2^53 − 1");
  }
  return id;
}
