/** Why a link did not lead anywhere, and what the person can do about it. */
import type { InviteRefusal } from "../runtime/api.ts";

export interface Advice {
  readonly title: string;
  readonly advice: string;
}

const words: Readonly<Record<InviteRefusal["reason"], Advice>> = {
  "not a link": {
    title: "This is not an invite link",
    advice:
      "An invite link contains “#/join/” and two groups of letters. Copy it again, all of it.",
  },
  damaged: {
    title: "Part of this link is missing",
    advice: "Some apps cut links off. Copy it again, or ask for it as a QR code.",
  },
  "unknown or revoked": {
    title: "This invite is not valid any more",
    advice: "It was taken back, or it belongs to another relay. Ask for a new one.",
  },
  "expired or used up": {
    title: "This invite has run out",
    advice: "Its time is over or it was used as often as it may be. Ask for a new one.",
  },
  "relay unreachable": {
    title: "The relay does not answer",
    advice: "Joining needs it once. Check the connection and try again; your link stays here.",
  },
  "other host unreachable": {
    title: "This link leads to another host, which this page cannot reach",
    advice: "Open the link in a tab of its own instead. Your link stays here.",
  },
  "too fast": {
    title: "Too many tries",
    advice: "Wait a minute and try again; your link stays here.",
  },
  "role not supported yet": {
    title: "This version cannot join as a reader yet",
    advice: "Ask for an invite as editor.",
  },
  "newer version": {
    title: "This invite needs a newer version of Skein",
    advice: "Reload the page to update, then open the link again.",
  },
};

export function refusalWords({ reason, detail }: InviteRefusal): Advice {
  const { title, advice } = words[reason];
  const isNamed = reason === "other host unreachable" && detail !== "";
  return { title: isNamed ? title.replace("another host", detail) : title, advice };
}
