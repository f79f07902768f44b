/**
 * What the person has set, in the *settings* document of their personal space, so that it reaches their
 * other devices: an operation-based map in which the last writer of a key wins.
 */
import { LwwMap } from "@skein/shared/crdt/op/lww-map.ts";
import type { Delivered, RawOperation, Stamp } from "@skein/shared/crdt/crdt.ts";
import { encodeSetting, type SetSetting, understandSetting } from "@skein/shared/space/setting.ts";
import type { Observable } from "./api.ts";
import { Cell, derived } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";

export class PersonalSettings {
  readonly #core: SpaceCore;
  readonly #settings = new LwwMap<Uint8Array>();
  readonly #version = new Cell(0);
  readonly #byKey = new Map<string, Observable<string | undefined>>();
  readonly #undo: (() => void)[];
  readonly ready: Promise<void>;

  constructor(core: SpaceCore) {
    this.#core = core;
    this.#undo = [
      core.onApplied.on((entries) => {
        for (const { replica, seq, lamport, document, operations } of entries) {
          if (document !== core.documents.settings) continue;
          operations.forEach((operation, index) => {
            this.#take({ id: { replica, seq, index }, lamport }, operation);
          });
        }
      }),
      core.onMissed.on(() => {
        this.#load().catch((error: unknown) => core.device.troubles.storage("settings", error));
      }),
    ];
    this.ready = this.#load();
  }

  get(key: string): Observable<string | undefined> {
    let setting = this.#byKey.get(key);
    if (setting === undefined) {
      setting = derived([this.#version], () => {
        const value = this.#settings.value.get(key);
        return value && new TextDecoder().decode(value);
      });
      this.#byKey.set(key, setting);
    }
    return setting;
  }

  /** Resolves once it is committed. An empty value unsets the key. */
  async set(key: string, value: string): Promise<void> {
    const op: SetSetting = { key, value: new TextEncoder().encode(value) };
    const operation = encodeSetting(op);
    const { documents, replica } = this.#core;
    const { head, lamport, index } = await this.#core.append(documents.settings, () => [operation]);
    this.#take({ id: { replica, seq: head.to, index }, lamport }, operation);
  }

  close(): void {
    for (const undo of this.#undo) undo();
  }

  async #load(): Promise<void> {
    const { device, tag, documents } = this.#core;
    const operations = await device.models.operations(tag, documents.settings);
    for (const operation of operations) this.#take(operation, operation);
  }

  /** A register takes the same write any number of times. */
  #take({ id, lamport }: Stamp, operation: RawOperation): void {
    const understood = understandSetting(operation);
    if (understood.kind !== "known") return;
    const delivered: Delivered<SetSetting> = { id, lamport, op: understood.op };
    this.#settings.apply(delivered);
    this.#version.set(this.#version.get() + 1);
  }
}
