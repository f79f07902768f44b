/**
 * Requests about blobs in one session: asking whether they are kept, bringing them, taking them. A
 * few at a time, so that a snapshot of many megabytes neither fills anybody's memory nor holds up
 * the entries beside it; the rest wait here, oldest first.
 */
import type { BlobId } from "../id/id.ts";
import { type Code, codes } from "../protocol/codes.ts";
import { limits } from "../protocol/limits.ts";
import type { Frame } from "../protocol/messages.ts";

type Of<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** A request without the numbers that the line gives it. */
export type BlobRequest =
  | { readonly type: "keep"; readonly blobs: readonly BlobId[] }
  | { readonly type: "get"; readonly blob: BlobId }
  | { readonly type: "blob"; readonly bytes: Uint8Array };

export type BlobAnswer =
  | Of<"lacking">
  | Of<"kept">
  | Of<"blob">
  /** The session ended, or nobody answered in time. */
  | { readonly type: "unanswered" };

interface Waiting {
  readonly request: BlobRequest;
  readonly done: (answer: BlobAnswer) => void;
}

/** A frame of 200 KB over the slowest line that anybody would load a snapshot over. */
const answerWithinMs = 60_000;

export interface BlobLineOptions {
  readonly nowMs: () => number;
  readonly send: (request: BlobRequest, number: number) => void;
}

export class BlobLine {
  readonly #options: BlobLineOptions;
  readonly #waiting: Waiting[] = [];
  readonly #open = new Map<number, Waiting & { readonly deadlineMs: number }>();
  #next = 0;
  #closed = false;

  constructor(options: BlobLineOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size + this.#waiting.length;
  }

  ask(request: BlobRequest): Promise<BlobAnswer> {
    if (this.#closed) return Promise.resolve(unanswered);
    return new Promise((done) => {
      this.#waiting.push({ request, done });
      this.#send();
    });
  }

  /** False if nobody asked: the other side speaks out of turn. */
  answered(answer: Of<"lacking"> | Of<"kept"> | Of<"blob">): boolean {
    const asked = this.#open.get(answer.request);
    if (asked === undefined || !answers[asked.request.type].includes(answer.type)) return false;
    this.#open.delete(answer.request);
    asked.done(answer);
    this.#send();
    return true;
  }

  wakeAtMs(): number {
    let wake = Number.POSITIVE_INFINITY;
    for (const { deadlineMs } of this.#open.values()) wake = Math.min(wake, deadlineMs);
    return wake;
  }

  /** True if a question was not answered in time: the line is as good as dead. */
  expired(nowMs: number): boolean {
    return nowMs >= this.wakeAtMs();
  }

  close(): void {
    this.#closed = true;
    const all = [...this.#open.values(), ...this.#waiting.splice(0)];
    this.#open.clear();
    for (const { done } of all) done(unanswered);
  }

  #send(): void {
    while (this.#open.size < limits.blobRequestsMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const number = this.#next++;
      this.#open.set(number, { ...next, deadlineMs: this.#options.nowMs() + answerWithinMs });
      this.#options.send(next.request, number);
    }
  }
}

const unanswered: BlobAnswer = { type: "unanswered" };

const answers: Readonly<Record<BlobRequest["type"], readonly BlobAnswer["type"][]>> = {
  keep: ["lacking"],
  get: ["blob", "lacking"],
  blob: ["kept"],
};

/** What answers the other side's requests. */
export interface BlobShelf {
  /** Renews what is kept; those that are not, in order. */
  keep(blobs: readonly BlobId[]): Promise<readonly BlobId[]>;
  get(blob: BlobId): Promise<Uint8Array | undefined>;
  /** Durable on return, or why not. */
  put(bytes: Uint8Array): Promise<Code | 0>;
}

/** Who asks for blobs of a party that has none. */
export const noShelf: BlobShelf = {
  keep: (blobs) => Promise.resolve(blobs),
  get: () => Promise.resolve(undefined),
  put: () => Promise.resolve(codes.forbidden),
};
