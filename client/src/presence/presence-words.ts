/** Whether somebody is there, in words. */
import type { DeviceRow, MemberRow } from "../runtime/api.ts";
import { agoWords } from "../ui/time-words.ts";
import { counted } from "../ui/list-words.ts";

export function presenceWords(
  { presence, lastSeenMs, isMe }: Pick<MemberRow, "presence" | "lastSeenMs" | "isMe">,
  nowMs: number,
): string {
  if (isMe) return "You";
  if (presence === "online") return "Online";
  if (presence === "away") return "Away";
  return lastSeenMs === undefined ? "Not seen yet" : `Last seen ${agoWords(lastSeenMs, nowMs)}`;
}

/** What a device has of what is known here. */
export function behindWords({ behind, isThis }: Pick<DeviceRow, "behind" | "isThis">): string {
  if (isThis) return "This device";
  if (behind === undefined) return "Not heard from yet";
  return behind === 0 ? "Has everything" : `${counted(behind, "change")} behind`;
}
