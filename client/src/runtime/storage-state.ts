/**
 * What the browser says of the room it gives us: how much, whether it keeps it, and whether it erased
 * something while nobody looked. The last is told by a mark outside the database: it says that there was one.
 */
import type { StorageState } from "./api.ts";
import { Cell, sameValue } from "./observable.ts";
import type { Platform } from "./platform.ts";

const unknown: StorageState = {
  usedBytes: undefined,
  quotaBytes: undefined,
  persistent: false,
  isPrivate: false,
};

export class StorageWatch {
  readonly state = new Cell<StorageState>(unknown);
  readonly #platform: Platform;
  readonly #mark: string;

  constructor(platform: Platform, database: string) {
    this.#platform = platform;
    this.#mark = `${database}/kept`;
  }

  /** A database of this name held somebody's identity once. */
  get wasKept(): boolean {
    try {
      return this.#platform.marks?.getItem(this.#mark) === "1";
    } catch {
      return false;
    }
  }

  rememberKept(): void {
    try {
      this.#platform.marks?.setItem(this.#mark, "1");
    } catch {
      // Without the mark an eviction merely looks like a first visit.
    }
  }

  async look(): Promise<StorageState> {
    const { storage } = this.#platform;
    const [room, persistent, isPrivate] = await Promise.all([
      orElse(storage.estimate(), { usedBytes: undefined, quotaBytes: undefined }),
      orElse(storage.persisted(), false),
      orElse(storage.isPrivate(), false),
    ]);
    const state: StorageState = { ...room, persistent, isPrivate };
    if (!sameValue(state, this.state.get())) this.state.set(state);
    return state;
  }

  async askToPersist(): Promise<boolean> {
    const granted = await orElse(this.#platform.storage.persist(), false);
    await this.look();
    return granted;
  }
}

async function orElse<T>(answer: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await answer;
  } catch {
    return otherwise;
  }
}
