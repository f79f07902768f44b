/** A note as bytes for this device's database, made from what the database holds of it. Loads Yjs. */
import { NoteAuthors } from "@skein/shared/device/authored-updates.ts";
import type { DocumentId } from "@skein/shared/id/id.ts";
import { NoteSession } from "@skein/shared/note/note-session.ts";
import type { SpaceCore } from "./space-core.ts";

export async function noteSnapshot(
  core: SpaceCore,
  document: DocumentId,
): Promise<{ readonly bytes: Uint8Array; readonly upTo: number } | undefined> {
  const { device, tag } = core;
  const { snapshot, updates, upTo } = await device.models.document(tag, document);
  const session = new NoteSession({
    clock: device.env.clock,
    // Nobody edits here: there is nothing to persist, and damage shows as a missing snapshot.
    emit: () => {},
    snapshot: snapshot?.bytes,
    tail: new NoteAuthors(device.suite, document).authored(updates),
  });
  const bytes = session.snapshot();
  session.close();
  return bytes && { bytes, upTo };
}
