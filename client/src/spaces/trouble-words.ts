/** What is wrong with this tab or device, in words, and what can be done about it. */
import { codes } from "@skein/shared/protocol/codes.ts";
import type { Trouble } from "../runtime/api.ts";
import { counted } from "../ui/list-words.ts";

export interface TroubleWords {
  readonly title: string;
  readonly advice: string;
  /** `calm` is information, `serious` may cost data or stops work. */
  readonly weight: "calm" | "serious";
  /** What the button does; none for trouble that nothing in the app can mend. */
  readonly action: { readonly label: string; readonly does: "reload" | "open sync" } | undefined;
}

const reload = { label: "Reload", does: "reload" } as const;
const openSync = { label: "Details", does: "open sync" } as const;

export function troubleWords(trouble: Trouble, spaceName: string | undefined): TroubleWords {
  const space = spaceName === undefined ? "a space" : `“${spaceName}”`;
  switch (trouble.kind) {
    case "storage full":
      return {
        title: "This device has no room left",
        advice:
          "What you write stays in this tab and is tried again. Free some space, and keep the tab open.",
        weight: "serious",
        action: openSync,
      };
    case "storage failed":
      return {
        title: "The browser cannot save right now",
        advice: `What you write stays in this tab and is tried again; keep it open. The browser says: ${trouble.detail}.`,
        weight: "serious",
        action: openSync,
      };
    case "left out":
      return {
        title: "Something was too large and was left out",
        advice:
          "A single piece of this note was larger than anybody could take. Insert it in smaller parts.",
        weight: "serious",
        action: undefined,
      };
    case "note damaged":
      return {
        title: "This note can only be read here",
        advice: `Its copy on this device is damaged: ${trouble.detail}. What you see may be incomplete; other devices are not affected. Nothing that was saved is lost.`,
        weight: "serious",
        action: undefined,
      };
    case "storage evicted":
      return {
        title: "The browser erased Skein’s data on this device",
        advice:
          "What had reached a relay or another device comes back by joining again. To prevent it, make storage persistent.",
        weight: "serious",
        action: openSync,
      };
    case "update needed":
      return {
        title: "A newer version of Skein is in use here",
        advice: "This tab cannot go on saving. Reload to update; nothing that was saved is lost.",
        weight: "serious",
        action: reload,
      };
    case "update ready":
      return {
        title: "Update ready",
        advice: "Reload when it suits you; this version keeps working until then.",
        weight: "calm",
        action: reload,
      };
    case "access ended":
      return {
        title: `You can no longer sync ${space}`,
        advice: `${endedBecause(trouble.code)} What is on this device stays readable.`,
        weight: "serious",
        action: openSync,
      };
    case "snapshot disputed":
      return {
        title: `A summary of ${space} is wrong`,
        advice: `A device of ${trouble.author} published a summary of the history that does not match what this device has received itself. Skein does not use it, and devices that join are warned. Nothing here is affected; tell ${trouble.author}.`,
        weight: "calm",
        action: openSync,
      };
    case "damaged":
      return damagedWords(trouble, space);
    case "fork":
      return forkWords(trouble, space);
  }
}

/** What a restored or copied browser profile leads to. Both branches are kept, and most forks heal. */
function forkWords(
  { author, healed }: Extract<Trouble, { kind: "fork" }>,
  space: string,
): TroubleWords {
  const title =
    author === undefined
      ? `Two copies of this device write in ${space}`
      : `Two copies of a device of ${author} write in ${space}`;
  if (author !== undefined) {
    const seen = healed
      ? "You see what both wrote"
      : "You see what one of the two wrote; nothing that is here is lost";
    return {
      title,
      advice: `${seen}. ${author} should go on in one of them only.`,
      weight: "calm",
      action: openSync,
    };
  }
  return healed
    ? {
        title,
        advice:
          "A browser profile was copied, or put back from a backup. All that was written in either is kept and reaches everybody. Better go on in one of them only: the two speak for one device, and may differ in what they say it has read.",
        weight: "calm",
        action: openSync,
      }
    : {
        title,
        advice:
          "A browser profile was copied, or put back from a backup. Each copy keeps all that was written in it, but what they wrote since they parted has not reached the other. Go on in one of them, and copy over what the other one has.",
        weight: "serious",
        action: openSync,
      };
}

function damagedWords(
  { changes, author, shown, sent }: Extract<Trouble, { kind: "damaged" }>,
  space: string,
): TroubleWords {
  const what = `${counted(changes, "change")} ${author === undefined ? "made here" : `by ${author}`}`;
  const isLost = author === undefined && !sent;
  return {
    title: `This device’s copy of ${space} is damaged`,
    advice: [
      `${what} can no longer be read from its disk.`,
      shown ? "You still see what they said." : "What they say is not shown.",
      isLost
        ? "They had not been sent, so nobody else can give them back, and what you write here after them does not reach the others either: copy what matters, and write it from another device."
        : "They are asked of the relay and of everybody who has them, and put back when they come.",
    ].join(" "),
    weight: shown && !isLost ? "calm" : "serious",
    action: openSync,
  };
}

function endedBecause(code: number): string {
  switch (code) {
    case codes.unknownSpace:
      return "The relay does not know this space.";
    case codes.quota:
      return "The relay has no room left for this space.";
    case codes.noCommonVersion:
      return "The relay speaks another version.";
    default:
      return "The relay does not accept this device for it any more.";
  }
}

/** Said beside everything that is only on this device, for as long as it holds. */
export function storageCaution(storage: {
  readonly isPrivate: boolean;
  readonly persistent: boolean;
}): string | undefined {
  if (storage.isPrivate) return "Private window: when you close it, what is only here is gone.";
  if (!storage.persistent) return "The browser may erase this device’s data when it needs room.";
  return undefined;
}
