/**
 * What a note's Yjs document is agreed to hold (docs/protocol.md section 4.4): the root `content`,
 * an XML fragment that the editor binds to, and the root map `meta`. A note's title stands in the
 * catalog, so that a list of notes opens no note.
 */
import type * as Y from "yjs";

/** The newest form of `content` this version understands. */
export const noteSchemaVersion = 1;

export const noteContent = (doc: Y.Doc): Y.XmlFragment => doc.getXmlFragment("content");

const meta = (doc: Y.Doc): Y.Map<unknown> => doc.getMap("meta");

/**
 * The form `content` was written in. Absent means 1, so that nobody has to write it first; who
 * begins to use a newer form sets it. Above `noteSchemaVersion` a note opens read-only, in a
 * reading view, so that nothing this version does not know is lost.
 */
export function schemaOf(doc: Y.Doc): number {
  const version = meta(doc).get("schema");
  return typeof version === "number" && Number.isSafeInteger(version) && version > 0 ? version : 1;
}

/** Both roots by their kinds. Yjs gives a root its kind at first use: before anything is applied. */
export function defineNote(doc: Y.Doc): void {
  noteContent(doc);
  meta(doc);
}
