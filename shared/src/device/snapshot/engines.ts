/**
 * The engines of a space's documents, for checkpoints: Automerge for the catalog, Yjs for all else. It
 * brings both of them along: import it when a checkpoint is due, never before the first paint. The
 * WebAssembly of Automerge must have been loaded before (automerge-document.ts).
 */
import { AutomergeDocument } from "../../crdt/engine/automerge-document.ts";
import { canonicalDocument } from "../../crdt/engine/yjs-canonical.ts";
import { YjsDocument } from "../../crdt/engine/yjs-document.ts";
import type { DocumentId } from "../../id/id.ts";
import type { VerifyingSuite } from "../../log/suite.ts";
import { defineNote } from "../../note/note-schema.ts";
import { catalogGenesis } from "../../space/catalog-genesis.ts";
import { authoredChanges, NoteAuthors } from "../authored-updates.ts";
import type { TailUpdate } from "../tail-rows.ts";
import type { EngineState, SnapshotEngines } from "./checkpoint.ts";

const label = "skein/engine-state/1";

/** @param catalog the one document of the space that is Automerge's. */
export function snapshotEngines(suite: VerifyingSuite, catalog: DocumentId): SnapshotEngines {
  return {
    advance: async (document, snapshot, updates) =>
      document === catalog
        ? advanceCatalog(suite, catalog, snapshot, updates)
        : advanceNote(suite, document, snapshot, updates),
  };
}

function advanceNote(
  suite: VerifyingSuite,
  document: DocumentId,
  snapshot: Uint8Array | undefined,
  updates: readonly TailUpdate[],
): EngineState | undefined {
  const note = new YjsDocument();
  defineNote(note.doc);
  try {
    if (snapshot !== undefined && !note.load(snapshot)) return undefined;
    note.apply(new NoteAuthors(suite, document).authored(updates));
    if (note.damage !== undefined) return undefined;
    return { bytes: note.snapshot(), digest: suite.hash(label, canonicalDocument(note)) };
  } finally {
    note.close();
  }
}

function advanceCatalog(
  suite: VerifyingSuite,
  catalog: DocumentId,
  snapshot: Uint8Array | undefined,
  updates: readonly TailUpdate[],
): EngineState | undefined {
  const document = new AutomergeDocument(catalogGenesis, snapshot);
  try {
    document.apply(authoredChanges(suite, catalog, updates));
    if (document.damage !== undefined) return undefined;
    return { bytes: document.snapshot(), digest: suite.hash(label, document.canonicalState()) };
  } finally {
    document.close();
  }
}
