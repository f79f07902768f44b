/**
 * Creates a space with what stands in it from the start: a short welcome note. The channel *general* is
 * part of every space. The note is an ordinary note, written by the person who founds the space, and can be changed or binned.
 */
import type { DocumentId, SpaceTag } from "@skein/shared/id/id.ts";
import type { App } from "../runtime/api.ts";

export interface Founded {
  readonly space: SpaceTag;
  /** To be opened first; undefined if it could not be made. */
  readonly welcome: DocumentId | undefined;
}

export async function foundSpace(app: App, name: string): Promise<Founded> {
  const tag = await app.createSpace(name);
  const space = app.space(tag);
  if (space === undefined) return { space: tag, welcome: undefined };
  const welcome = await space.createNote("Welcome");
  const open = await space.openNote(welcome);
  try {
    // Yjs comes with the first open note, not with the first paint.
    const { writeWelcome } = await import("./welcome-note.ts");
    writeWelcome(open.doc, open.fragment);
  } finally {
    await open.close();
  }
  return { space: tag, welcome };
}
