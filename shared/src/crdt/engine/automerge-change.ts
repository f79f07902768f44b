/**
 * The border guard of the Automerge engine (docs/protocol.md section 4.5). Automerge's own reader
 * takes changes from friends: 60 bytes of run lengths become millions of operations, a change that
 * names a key's predecessors wrongly is accepted and then the document can never be loaded again,
 * others end in a panic. What is read here is at most as much as it looks, in the one form that
 * Automerge writes, and does no more than set and delete keys of maps.
 *
 * The format: automerge.org/automerge-binary-format-spec.
 */
import { decodeChange, encodeChange } from "@automerge/automerge/slim";
import { equalBytes } from "../../bytes/bytes.ts";
import { Malformed } from "../../bytes/malformed.ts";
import { decode, Reader } from "../../bytes/reader.ts";

/** An operation on a key of a map. `pred` are the values it replaces, by the ids of their operations. */
export interface MapOperation {
  readonly action: "makeMap" | "set" | "del";
  /** `counter@actor` of the operation that made the map, or `_root`. */
  readonly object: string;
  readonly key: string;
  readonly pred: readonly string[];
}

/** A change that was read to its end; whether it fits a document is for the document to say. */
export interface ReadChange {
  readonly actor: string;
  /** The author's changes are numbered from 1. */
  readonly seq: number;
  /** Operation i has the id `(startOp + i)@actor`. */
  readonly startOp: number;
  readonly hash: string;
  readonly deps: readonly string[];
  readonly operations: readonly MapOperation[];
}

/** Operations of one change: a gesture has a dozen; more than this is several changes. */
export const changeOperationsMax = 4_096;

const magic = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83);
const checksumBytes = 4;
const changeChunk = 1;
const hashBytes = 32;
const actorBytes = 16;
const depsMax = 1_024;
const actorsMax = changeOperationsMax;
const columnsMax = 32;

/** What `bytes` say, or why everybody skips them. Never throws on hostile input. */
export function readChange(bytes: Uint8Array): ReadChange | Malformed {
  const bounded = decode(bytes, checkChunk);
  if (bounded instanceof Malformed) return bounded;
  try {
    const change = decodeChange(bytes);
    // The table of actors, the order of columns, bytes behind them: one form alone is loaded again.
    if (!equalBytes(encodeChange(change), bytes)) return new Malformed("not in Automerge's form");
    return {
      actor: change.actor,
      seq: change.seq,
      startOp: change.startOp,
      hash: change.hash,
      deps: change.deps,
      operations: change.ops.map(readOperation),
    };
  } catch (error) {
    if (error instanceof Malformed) return error;
    // Whatever Automerge threw, it is a decoder's answer: nothing has touched a document.
    return new Malformed(error instanceof Error ? error.message : String(error));
  }
}

type DecodedOperation = ReturnType<typeof decodeChange>["ops"][number];

const scalarTypes: ReadonlySet<string | undefined> = new Set([
  undefined,
  "int",
  "uint",
  "float64",
  "timestamp",
]);

function readOperation(operation: DecodedOperation): MapOperation {
  const { action, obj, key, pred, datatype } = operation;
  if (action !== "makeMap" && action !== "set" && action !== "del") {
    throw new Malformed(`operation ${action}`);
  }
  if (typeof key !== "string" || "elemId" in operation || "insert" in operation) {
    throw new Malformed("operation on something else than a map");
  }
  // Automerge reads a map by assignment, which here would change the prototype and hide all else in it.
  if (key === "__proto__") throw new Malformed("key __proto__");
  if (!scalarTypes.has(datatype)) throw new Malformed(`value of type ${datatype}`);
  // A deletion is only kept with what it deleted.
  if (action === "del" && pred.length === 0) throw new Malformed("deletion of nothing");
  return { action, object: obj, key, pred };
}

/** Reads a chunk's frame, and of each column no more than how many rows it claims. */
function checkChunk(reader: Reader): void {
  if (!equalBytes(reader.raw(magic.length), magic)) throw new Malformed("not an Automerge chunk");
  reader.raw(checksumBytes);
  if (reader.u8() !== changeChunk) throw new Malformed("not a plain change");
  if (reader.varint() !== reader.remaining) throw new Malformed("chunk of another length");

  const deps = reader.varint();
  if (deps > depsMax) throw new Malformed("too many dependencies");
  reader.raw(deps * hashBytes);
  if (reader.bytes(actorBytes).length !== actorBytes)
    throw new Malformed("actor of another length");
  reader.varint(); // seq
  reader.varint(); // startOp
  signed(reader); // time
  reader.bytes(reader.remaining); // message
  const actors = reader.varint();
  if (actors > actorsMax) throw new Malformed("too many actors");
  for (let index = 0; index < actors; index++) {
    if (reader.bytes(actorBytes).length !== actorBytes) {
      throw new Malformed("actor of another length");
    }
  }

  const count = reader.varint();
  if (count > columnsMax) throw new Malformed("too many columns");
  const columns: { readonly spec: number; readonly length: number }[] = [];
  for (let index = 0; index < count; index++) {
    columns.push({ spec: reader.varint(), length: reader.varint() });
  }
  for (const { spec, length } of columns) checkColumn(spec, new Reader(reader.raw(length)));
  reader.end();
}

const compressed = 0x08;
const columnType = { delta: 3, boolean: 4, text: 5, value: 7 } as const;

function checkColumn(spec: number, column: Reader): void {
  if (spec & compressed) throw new Malformed("compressed column");
  const type = spec & 0x07;
  if (type === columnType.value) return;
  let rows = 0;
  while (column.remaining > 0) {
    rows += type === columnType.boolean ? column.varint() : rowsOfRun(type, column);
    if (rows > changeOperationsMax) throw new Malformed("too many operations");
  }
}

/** Passes one run of a run-length encoded column; returns the rows it stands for. */
function rowsOfRun(type: number, column: Reader): number {
  const length = signed(column);
  if (length === 0) return column.varint(); // nulls
  const values = length > 0 ? 1 : -length;
  if (values > column.remaining) throw new Malformed("more values than bytes");
  for (let index = 0; index < values; index++) {
    if (type === columnType.text) column.bytes(column.remaining);
    else if (type === columnType.delta) signed(column);
    else column.varint();
  }
  return Math.abs(length);
}

/** Signed LEB128, as far as a number holds it. */
function signed(reader: Reader): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = reader.u8();
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte < 0x80) return byte & 0x40 ? value - scale : value;
    if (scale > 2 ** 56) throw new Malformed("integer above 2^53 − 1");
  }
}
