/** What became of an invite. */
import type { InviteRow } from "../runtime/api.ts";

export type InviteState = "open" | "revoked" | "expired" | "used up";

export function inviteState(
  { revoked, expiresMs, usesAllowed, usesMade }: InviteRow,
  nowMs: number,
): InviteState {
  if (revoked) return "revoked";
  if (expiresMs !== undefined && expiresMs <= nowMs) return "expired";
  return usesAllowed !== undefined && usesMade >= usesAllowed ? "used up" : "open";
}

/** "used 2 of 10 times", "used once", "not used yet". */
export function inviteUses({ usesAllowed, usesMade }: InviteRow): string {
  if (usesMade === 0) return "not used yet";
  if (usesAllowed !== undefined && usesAllowed > 1)
    return `used ${usesMade} of ${usesAllowed} times`;
  return usesMade === 1 ? "used once" : `used ${usesMade} times`;
}
