/**
 * Keeps notes and the catalog quick to open: where a document's tail of updates has grown long, the leading
 * tab puts a snapshot in its place, one document at a time and long after the page was opened. What is in
 * the logs is not touched; another tab that has the note open takes the snapshot in when it meets it.
 */
import type { DocumentId } from "@skein/shared/id/id.ts";
import type { SpaceCatalog } from "./catalog.ts";
import type { SpaceCore } from "./space-core.ts";

const firstAfterMs = 10_000;
const againAfterMs = 60_000;

export interface CompactionOptions {
  readonly core: SpaceCore;
  readonly catalog: SpaceCatalog;
  readonly leaderEpoch: number;
  readonly onFenced: () => void;
}

/** Runs until the result is called. */
export function compactWhileLeading(options: CompactionOptions): () => void {
  const { device, tag } = options.core;
  let timer: ReturnType<typeof setTimeout>;
  let over = false;
  const plan = (afterMs: number) => {
    timer = setTimeout(() => {
      compactLongTails(options, () => over)
        .catch((error: unknown) => device.troubles.storage(`compaction ${tag}`, error))
        .finally(() => {
          if (!over) plan(againAfterMs);
        });
    }, afterMs);
  };
  plan(firstAfterMs);
  return () => {
    over = true;
    clearTimeout(timer);
    device.troubles.storage(`compaction ${tag}`, undefined);
  };
}

/** Returns the documents whose tails were replaced. */
export async function compactLongTails(
  { core, catalog, leaderEpoch, onFenced }: CompactionOptions,
  isOver: () => boolean,
): Promise<readonly DocumentId[]> {
  const { device, tag, documents } = core;
  const compacted: DocumentId[] = [];
  for (const { document, wantsSnapshot } of await device.models.tails(tag)) {
    if (!wantsSnapshot) continue;
    const snapshot =
      document === documents.catalog
        ? await catalog.snapshot()
        : await (await import("./note-snapshot.ts")).noteSnapshot(core, document);
    if (isOver()) break;
    // A document that cannot be snapshot now (something is not in a log yet) has its turn later.
    if (snapshot === undefined) continue;
    const { bytes, upTo } = snapshot;
    const outcome = await device.store.replaceTail(tag, leaderEpoch, document, bytes, upTo);
    if (outcome === "fenced") {
      onFenced();
      break;
    }
    if (outcome === "applied") compacted.push(document);
  }
  device.troubles.storage(`compaction ${tag}`, undefined);
  return compacted;
}
