/**
 * Where objects of snapshots come from: this device's shelf, or whoever is connected. What comes from
 * outside is believed by its hash, and kept: the next relay may lack it.
 */
import { equalBytes } from "../../bytes/bytes.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import { type ObjectRef, openObject } from "../../crypto/sealed-object.ts";
import type { Suite } from "../../crypto/suite.ts";
import type { BlobId, SpaceTag } from "../../id/id.ts";
import { blobIdOf } from "../../log/blob.ts";
import type { Session } from "../../sync/session.ts";
import {
  canonicalDigest,
  decodeManifest,
  entriesIn,
  type Manifest,
  manifestBytesMax,
} from "./manifest.ts";
import type { Published } from "./notice.ts";
import type { SnapshotShelf } from "./shelf.ts";

export interface SourceOptions {
  readonly suite: Suite;
  readonly space: SpaceTag;
  readonly shelf: SnapshotShelf;
  readonly sessions: () => Iterable<Session>;
}

export class SnapshotSource {
  readonly #options: SourceOptions;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /** Undefined while nobody has it. */
  async blob(id: BlobId): Promise<Uint8Array | undefined> {
    const { suite, shelf, sessions } = this.#options;
    const held = await shelf.get(id);
    if (held !== undefined && blobIdOf(suite, held) === id) return held;
    for (const session of [...sessions()]) {
      if (session.isClosed) continue;
      const answer = await session.askForBlob({ type: "get", blob: id });
      if (answer.type !== "blob" || blobIdOf(suite, answer.bytes) !== id) continue;
      await shelf.put([{ id, bytes: answer.bytes.slice() }]);
      return answer.bytes;
    }
    return undefined;
  }

  /** Undefined while a piece of it is nowhere to be had. */
  async object(ref: ObjectRef): Promise<Uint8Array | "void" | undefined> {
    const opened = await openObject(this.#options.suite, ref, (id) => this.blob(id));
    return opened === "void" || opened instanceof Uint8Array ? opened : undefined;
  }

  /** The manifest that was published, if it is what its author says. */
  async manifest({ root, digest, entries }: Published): Promise<Manifest | "void" | undefined> {
    const { suite, space } = this.#options;
    if (root.size > manifestBytesMax) return "void";
    const plain = await this.object(root);
    if (!(plain instanceof Uint8Array)) return plain;
    const manifest = decodeManifest(suite, space, plain);
    // Who says more than there is would keep others from making what is lacking.
    if (isMalformed(manifest) || entriesIn(manifest) !== entries) return "void";
    return equalBytes(canonicalDigest(suite, manifest), digest) ? manifest : "void";
  }
}
