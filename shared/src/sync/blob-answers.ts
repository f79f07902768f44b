/** What is answered when the other party asks about blobs: so many requests at a time, each once. */
import { type Code, codes } from "../protocol/codes.ts";
import { limits } from "../protocol/limits.ts";
import type { Frame } from "../protocol/messages.ts";
import type { BlobShelf } from "./blob-line.ts";
import type { Effects } from "./effects.ts";

type Of<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;
type BlobFrame = Of<"keep"> | Of<"get"> | Of<"blob">;

export interface BlobAnswersOptions {
  readonly mySpace: number;
  readonly shelf: BlobShelf;
  readonly effects: Effects;
  /** Whether the other party may bring anything: a relay's readers may not. */
  readonly mayKeep: boolean;
  readonly isClosed: () => boolean;
  readonly send: (frame: Frame) => void;
  /** They ask more at a time than anybody may. */
  readonly onTooMany: () => void;
  /** The shelf does not answer: they ask again in another session. */
  readonly onFailed: (code: Code) => void;
}

export class BlobAnswers {
  readonly #options: BlobAnswersOptions;
  #underway = 0;

  constructor(options: BlobAnswersOptions) {
    this.#options = options;
  }

  answer(frame: BlobFrame): void {
    const { effects, isClosed, send, onTooMany, onFailed } = this.#options;
    if (this.#underway >= limits.blobRequestsMax) return onTooMany();
    this.#underway++;
    const answered = (then: () => void): void => {
      this.#underway--;
      if (!isClosed()) then();
    };
    effects.start(
      this.#answerTo(frame),
      (reply) => answered(() => send(reply)),
      () => answered(() => onFailed(codes.unavailable)),
    );
  }

  async #answerTo(frame: BlobFrame): Promise<Frame> {
    const { shelf, mySpace: space, mayKeep } = this.#options;
    const { request } = frame;
    switch (frame.type) {
      case "keep":
        return { type: "lacking", space, request, blobs: await shelf.keep(frame.blobs) };
      case "get": {
        const bytes = await shelf.get(frame.blob);
        if (bytes === undefined) return { type: "lacking", space, request, blobs: [frame.blob] };
        return { type: "blob", space, request, isAnswer: true, bytes };
      }
      case "blob": {
        const code = mayKeep ? await shelf.put(frame.bytes.slice()) : codes.forbidden;
        return { type: "kept", space, request, code };
      }
    }
  }
}
