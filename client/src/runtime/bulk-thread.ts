/**
 * The page's side of the bulk worker (worker/bulk-worker.ts). Nobody ever waits for the worker: until
 * it says that it is there, when a policy or a lack of memory keeps it away, and from the moment it
 * fails, whoever asks does the work themselves, and what was on its way is done here.
 */
import { openBodies } from "@skein/shared/crypto/seal.ts";
import type {
  Bulk,
  HashedEntries,
  OpenedBody,
  SealingKey,
  Suite,
} from "@skein/shared/crypto/suite.ts";
import { checkRun } from "@skein/shared/log/chain.ts";
import { bodyBytes, type Entry } from "@skein/shared/log/entry.ts";
import type { CheckedRun, PlacedRun } from "@skein/shared/log/suite.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import { scriptUrl } from "../trusted-types.ts";
import {
  type FromBulk,
  packCheck,
  packOpen,
  type ToBulk,
  unpackChecked,
  unpackOpened,
} from "../worker/bulk-messages.ts";
// oxlint-disable-next-line import/default -- Vite makes it of the query.
import workerAddress from "../worker/bulk-worker.ts?worker&url";

/** An idle worker is a few megabytes for nothing. */
const idleMsMax = 60_000;

export class BulkThread implements Bulk {
  readonly #suite: Suite;
  readonly #newWorker: () => Worker;
  /** By message. They take its answer, or none: then the work is done here. */
  readonly #asked = new Map<number, (answer: FromBulk | undefined) => void>();
  #worker: Worker | undefined;
  #isReady = false;
  #isBroken = false;
  #lastId = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** @param suite for what the worker does not do; without a bulk of its own. */
  constructor(suite: Suite, newWorker = startWorker) {
    this.#suite = suite;
    this.#newWorker = newWorker;
    this.#start();
  }

  check(placed: PlacedRun, publicKey: Uint8Array): Promise<CheckedRun> | undefined {
    if (!this.#takes(placed.run.entries)) return undefined;
    return this.#ask(packCheck(++this.#lastId, placed, publicKey)).then((answer) =>
      answer?.kind === "checked" ? unpackChecked(answer) : checkRun(this.#suite, placed, publicKey),
    );
  }

  open(
    entries: HashedEntries,
    keys: readonly (SealingKey | undefined)[],
  ): Promise<readonly OpenedBody[]> | undefined {
    if (!this.#takes(entries.run.entries)) return undefined;
    return this.#ask(packOpen(++this.#lastId, entries, keys)).then((answer) =>
      answer?.kind === "opened" ? unpackOpened(answer) : openBodies(this.#suite, entries, keys),
    );
  }

  /** What is on its way is done here. */
  close(): void {
    this.#isBroken = true;
    this.#stop();
  }

  #takes(entries: readonly Entry[]): boolean {
    if (this.#worker === undefined) this.#start();
    return (
      this.#isReady &&
      entries.length <= limits.runEntriesMax &&
      bodyBytes({ entries }) <= limits.runBytesMax
    );
  }

  #ask(message: ToBulk): Promise<FromBulk | undefined> {
    clearTimeout(this.#idle);
    return new Promise((settle) => {
      this.#asked.set(message.id, settle);
      this.#worker?.postMessage(message, [message.bytes.buffer]);
    });
  }

  #start(): void {
    if (this.#isBroken || this.#worker !== undefined) return;
    try {
      const worker = this.#newWorker();
      worker.addEventListener("message", ({ data }: MessageEvent<FromBulk>) => this.#hear(data));
      for (const failure of ["error", "messageerror"] as const) {
        worker.addEventListener(failure, (event) => {
          // It is dealt with here; a page without this worker is no worse off.
          event.preventDefault();
          this.close();
        });
      }
      this.#worker = worker;
    } catch {
      this.#isBroken = true;
    }
  }

  #hear(answer: FromBulk): void {
    if (answer.kind === "ready") {
      this.#isReady = true;
      return this.#rest();
    }
    const settle = this.#asked.get(answer.id);
    this.#asked.delete(answer.id);
    this.#rest();
    settle?.(answer);
  }

  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#asked.size === 0) this.#idle = setTimeout(() => this.#stop(), idleMsMax);
  }

  #stop(): void {
    clearTimeout(this.#idle);
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#isReady = false;
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const settle of asked) settle(undefined);
  }
}

const startWorker = (): Worker => new Worker(scriptUrl(workerAddress), { type: "module" });
