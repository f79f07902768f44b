/**
 * The catalog with its engine in this tab: the Automerge document, kept up with the log by pulling what
 * was applied, and gestures as operations for it. Loaded when it is needed, never before the first paint.
 */
import { Writer } from "@skein/shared/bytes/writer.ts";
import type { RawOperation } from "@skein/shared/crdt/crdt.ts";
import type { AuthoredChange, WritingActor } from "@skein/shared/crdt/engine/automerge-document.ts";
import { automergeActor, peerSeed, writePeer } from "@skein/shared/crdt/engine/peer.ts";
import { authoredChanges } from "@skein/shared/device/authored-updates.ts";
import type { TailUpdate } from "@skein/shared/device/tail-rows.ts";
import type { WriterPosition } from "@skein/shared/device/writer.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import type { CatalogView } from "@skein/shared/space/catalog-view.ts";
import { Catalog, type CatalogEdit } from "@skein/shared/space/catalog.ts";
import { changeKind } from "./operation-kinds.ts";
import { viewInRow } from "./catalog-row.ts";
import type { SpaceCore } from "./space-core.ts";

interface CatalogActor extends WritingActor {
  readonly counter: number;
}

export type Gesture = (
  catalog: Catalog<CatalogActor>,
  timeMs: number,
) => CatalogEdit<CatalogActor> | undefined;

export class CatalogEngine {
  readonly #core: SpaceCore;
  readonly #catalog: Catalog<CatalogActor>;
  #upTo: number;
  #closed = false;

  static async load(core: SpaceCore, nextCounter: () => number): Promise<CatalogEngine> {
    const { device, tag, documents } = core;
    await device.platform.loadAutomerge();
    const [state, kept] = await Promise.all([
      device.models.document(tag, documents.catalog),
      device.models.catalog(tag),
    ]);
    const catalog = new Catalog<CatalogActor>({
      general: documents.general,
      snapshot: state.snapshot?.bytes,
      tail: authored(core, state.updates),
      view: viewInRow(kept),
    });
    catalog.write(() => {
      const counter = nextCounter();
      const seed = seedOf(core, core.replica, core.nonce, counter);
      return { actor: automergeActor(seed), seq: 0, counter };
    });
    return new CatalogEngine(core, catalog, state.upTo);
  }

  private constructor(core: SpaceCore, catalog: Catalog<CatalogActor>, upTo: number) {
    this.#core = core;
    this.#catalog = catalog;
    this.#upTo = upTo;
  }

  get view(): CatalogView {
    return this.#catalog.view;
  }

  /** Number of the last update from the log that is in it. */
  get upTo(): number {
    return this.#upTo;
  }

  get damage(): string | undefined {
    return this.#catalog.damage;
  }

  /** Takes what was applied since the last time. False if the engine must be loaded anew. */
  async pull(): Promise<boolean> {
    const { device, tag, documents } = this.#core;
    const after = await device.models.updatesAfter(tag, documents.catalog, this.#upTo);
    if (this.#closed) return true;
    if (after === undefined) return false;
    this.#upTo = after.upTo;
    if (after.updates.length > 0) this.#catalog.apply(authored(this.#core, after.updates));
    return this.#catalog.damage === undefined;
  }

  /** In the view at once; the operation must reach the log. Undefined if nothing changes. */
  edit(gesture: Gesture): ((position: WriterPosition) => readonly RawOperation[]) | undefined {
    const edit = gesture(this.#catalog, this.#core.device.env.clock.now());
    if (edit === undefined) return undefined;
    const { actor, change } = edit;
    return ({ seq, openedAt }) => {
      const peer = { distance: seq - openedAt, counter: actor.counter };
      const payload = writePeer(new Writer(change.length + 16), peer)
        .raw(change)
        .finish();
      return [{ kind: changeKind, payload }];
    };
  }

  /** Undefined while something made here has not come back from the log. */
  snapshot(): Uint8Array<ArrayBuffer> | undefined {
    return this.#catalog.snapshot();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#catalog.close();
  }
}

const authored = (
  { device, documents }: SpaceCore,
  updates: readonly TailUpdate[],
): AuthoredChange[] => authoredChanges(device.suite, documents.catalog, updates);

const seedOf = (
  { device, documents }: SpaceCore,
  replica: ReplicaId,
  nonce: Uint8Array,
  counter: number,
): Uint8Array => peerSeed(device.suite, replica, documents.catalog, nonce, counter);
