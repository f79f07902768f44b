/**
 * From the facts of replication to the few words that are always on the screen. The states and their
 * words are those of the table in docs (sync pill); which one holds is decided here and nowhere else.
 */
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import type { Network, SyncState, Trouble } from "../runtime/api.ts";
import { counted } from "../ui/list-words.ts";
import { untilWords } from "../ui/time-words.ts";
import type { SteadyRules } from "./steady.ts";

export type PillState =
  | { readonly kind: "trouble"; readonly what: string }
  | { readonly kind: "offline"; readonly waiting: number; readonly byChoice: boolean }
  | { readonly kind: "retrying"; readonly retryAtMs: number | undefined; readonly waiting: number }
  | { readonly kind: "syncing"; readonly left: number }
  | { readonly kind: "equal"; readonly devices: number }
  | { readonly kind: "alone" };

export function pillState(
  sync: Pick<SyncState, "network" | "waiting" | "missing" | "equal" | "devicesOnline" | "coming">,
  troubles: readonly Trouble[],
  /** What the browser says of the machine's network. */
  online: boolean,
): PillState {
  const what = troubleWords(troubles, sync.network);
  if (what !== undefined) return { kind: "trouble", what };
  const { network, waiting } = sync;
  if (network.kind === "off") return { kind: "offline", waiting, byChoice: true };
  if (network.kind !== "connected") {
    if (!online) return { kind: "offline", waiting, byChoice: false };
    const retryAtMs = network.kind === "waiting" ? network.retryAtMs : undefined;
    return { kind: "retrying", retryAtMs, waiting };
  }
  const left = waiting + sync.missing;
  if (left > 0 || sync.coming > 0 || !sync.equal) return { kind: "syncing", left };
  return sync.devicesOnline > 0
    ? { kind: "equal", devices: sync.devicesOnline }
    : { kind: "alone" };
}

/** Those that concern a space: the device's own, and no other space's. */
export const troublesOf = (space: SpaceTag, troubles: readonly Trouble[]): readonly Trouble[] =>
  troubles.filter((trouble) => !("space" in trouble) || trouble.space === space);

/** What stands in the pill. */
export function pillWords(state: PillState, nowMs: number): string {
  switch (state.kind) {
    case "trouble":
      return `Needs attention: ${state.what}`;
    case "offline":
      return state.waiting === 0 ? "Offline, nothing waiting" : `Offline, ${kept(state.waiting)}`;
    case "retrying":
      return state.retryAtMs === undefined
        ? "Connecting"
        : `Reconnecting, next try in ${untilWords(state.retryAtMs, nowMs)}`;
    case "syncing":
      return state.left === 0 ? "Syncing" : `Syncing, ${state.left.toLocaleString("en-GB")} left`;
    case "equal":
      return `Up to date with ${counted(state.devices, "device")}`;
    case "alone":
      return "Connected, nobody else online";
  }
}

/** A second line where the first one does not tell what exists only here. */
export function pillAside(state: PillState): string | undefined {
  return state.kind === "retrying" && state.waiting > 0 ? kept(state.waiting) : undefined;
}

function kept(count: number): string {
  return `${counted(count, "change")} saved on this device`;
}

/** Two seconds before another kind of state shows; trouble and one's own switch show at once. */
export const pillRules: SteadyRules<PillState> = {
  same: (a, b) => a.kind === b.kind,
  urgent: (state) => state.kind === "trouble" || (state.kind === "offline" && state.byChoice),
  holdMs: 2_000,
};

function troubleWords(troubles: readonly Trouble[], network: Network): string | undefined {
  for (const trouble of troubles.toReversed()) {
    const words = blocksOwn(trouble) ? "changes cannot be sent" : wordsByTrouble[trouble.kind];
    if (words !== undefined) return words;
  }
  if (network.kind !== "refused") return undefined;
  return wordsByCode.get(network.code) ?? "the relay refuses this device";
}

/** What this device writes in a space does not reach the others, however long it tries. */
function blocksOwn(trouble: Trouble): boolean {
  if (trouble.kind === "damaged") return trouble.author === undefined && !trouble.sent;
  return trouble.kind === "fork" && trouble.author === undefined && !trouble.healed;
}

/** Undefined where people are told elsewhere and nothing is wrong with replication. */
const wordsByTrouble: Readonly<Record<Trouble["kind"], string | undefined>> = {
  "storage full": "storage full",
  "storage failed": "storage failed",
  "storage evicted": "data was erased",
  "update needed": "update needed",
  "update ready": undefined,
  "left out": undefined,
  "access ended": "access ended",
  fork: undefined,
  "snapshot disputed": undefined,
  damaged: undefined,
  "note damaged": undefined,
};

const wordsByCode: ReadonlyMap<number, string> = new Map([
  [codes.noCommonVersion, "update needed"],
  [codes.unproven, "access ended"],
  [codes.forbidden, "access ended"],
  [codes.unknownSpace, "the relay does not know this space"],
  [codes.quota, "the relay is full"],
]);
