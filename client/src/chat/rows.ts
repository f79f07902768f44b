/**
 * From a window of messages to the rows of the list: day separators, the line before what is unread,
 * and runs of one author that need their name only once. Messages come in causal order, which no wall
 * clock changes; separators merely tell what the authors' clocks said.
 */
import type { Message } from "../runtime/api.ts";
import { sameDay } from "../ui/time-words.ts";

export type Row =
  | { readonly kind: "day"; readonly key: string; readonly atMs: number }
  | { readonly kind: "unread"; readonly key: string }
  | {
      readonly kind: "message";
      readonly key: string;
      readonly message: Message;
      /** Opens a run: carries avatar, name and time for those that follow. */
      readonly opensRun: boolean;
    };

/** A pause after which the same author is named again. */
export const runPauseMsMax = 5 * 60_000;

export function rowsOf(messages: readonly Message[], firstUnread: string | undefined): Row[] {
  const rows: Row[] = [];
  let before: Message | undefined;
  for (const message of messages) {
    const newDay = before === undefined || !sameDay(before.atMs, message.atMs);
    const unread = message.key === firstUnread;
    if (newDay) rows.push({ kind: "day", key: `day ${message.key}`, atMs: message.atMs });
    if (unread) rows.push({ kind: "unread", key: "unread" });
    const opensRun = newDay || unread || before === undefined || !continues(before, message);
    rows.push({ kind: "message", key: message.key, message, opensRun });
    before = message;
  }
  return rows;
}

function continues(before: Message, message: Message): boolean {
  if (before.author !== message.author || before.authorName !== message.authorName) return false;
  return Math.abs(message.atMs - before.atMs) <= runPauseMsMax;
}
