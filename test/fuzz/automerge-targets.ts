/**
 * Automerge behind its guard: whatever that lets through a catalog must take, and show the same when it
 * is loaded again; a snapshot that a disk has damaged is none.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { decodeChange, encodeChange, initializeWasm } from "@automerge/automerge/slim";
import { concatBytes, fromHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import { readChange } from "@skein/shared/crdt/engine/automerge-change.ts";
import { AutomergeDocument } from "@skein/shared/crdt/engine/automerge-document.ts";
import { documentId, type DocumentId, memberId } from "@skein/shared/id/id.ts";
import { Catalog } from "@skein/shared/space/catalog.ts";
import { catalogGenesis } from "@skein/shared/space/catalog-genesis.ts";
import { Prng } from "../simulation/prng.ts";
import { loadVectors } from "../support/vectors.ts";
import { boundaries, mutateBytes } from "./mutate.ts";
import { Broken, type Input, type Outcome, type Target, type TargetEntry } from "./target.ts";
import { piece, Steps } from "./history.ts";

export const automergeTargets: readonly TargetEntry[] = [
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
