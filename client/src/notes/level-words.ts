/** How far my newest change in a note has come, for the note's header. */
import type { MemberId } from "@skein/shared/id/id.ts";
import type { NoteLevel } from "../runtime/api.ts";
import { counted, namesInWords } from "../ui/list-words.ts";
import type { Glyph } from "../chat/tick.ts";

export interface LevelWords {
  readonly glyph: Glyph;
  readonly words: string;
}

/** Undefined while nothing of mine is in the note. */
export function levelWords(
  { level, otherDevices, seenBy }: NoteLevel,
  nameOf: (member: MemberId) => string | undefined,
): LevelWords | undefined {
  switch (level) {
    case "none":
      return undefined;
    case "saving":
      return { glyph: "saving", words: "Saving on this device" };
    case "waiting":
      return { glyph: "clock", words: "Saved on this device" };
    case "sent":
      return { glyph: "tick", words: "On the relay" };
    case "delivered":
      return { glyph: "double tick", words: `On ${counted(otherDevices, "other device")}` };
    case "read": {
      const names = seenBy.map((member) => nameOf(member) ?? "a former member");
      return { glyph: "read", words: `Seen by ${namesInWords(names)}` };
    }
  }
}
