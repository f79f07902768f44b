/**
 * How far a message of mine has come, as one glyph, a short text beside it and a sentence. The levels
 * and their order are those of docs/architecture.md; the glyph never says more than the numbers do.
 */
import type { Receipt } from "../runtime/api.ts";

export type Glyph = "saving" | "clock" | "tick" | "double tick" | "read" | "alert";

export interface Tick {
  readonly glyph: Glyph;
  /** Stands beside the glyph: "3/5", "read 2/5", "Read". */
  readonly label: string | undefined;
  /** For tooltips and screen readers. */
  readonly sentence: string;
}

export function tickOf({ level, delivered, read, of, reason }: Receipt): Tick {
  if (level === "failed") {
    return {
      glyph: "alert",
      label: "Not sent",
      sentence: `Not sent${reason ? `: ${reason}` : ""}`,
    };
  }
  if (level === "saving") {
    return { glyph: "saving", label: undefined, sentence: "Saving on this device" };
  }
  if (level === "waiting") {
    return { glyph: "clock", label: undefined, sentence: "Waiting, only on this device" };
  }
  if (of > 0 && read >= of) {
    return { glyph: "read", label: "Read", sentence: "Read by everyone who shares receipts" };
  }
  const readPart = read > 0 ? `, read by ${read} of ${of}` : "";
  if (of > 0 && delivered >= of) {
    return {
      glyph: "double tick",
      label: read > 0 ? `read ${read}/${of}` : undefined,
      sentence: `Delivered to everyone${readPart}`,
    };
  }
  if (delivered > 0) {
    return {
      glyph: "tick",
      label: `${delivered}/${of}`,
      sentence: `Delivered to ${delivered} of ${of}${readPart}`,
    };
  }
  return { glyph: "tick", label: undefined, sentence: "Sent: safe to close" };
}
