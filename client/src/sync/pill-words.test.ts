import { describe, expect, it } from "vitest";
import { codes } from "@skein/shared/protocol/codes.ts";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import type { Network, SyncState, Trouble } from "../runtime/api.ts";
import { pillAside, pillRules, pillState, pillWords, troublesOf } from "./pill-words.ts";

const now = 1_000_000;
const relay = "wss://relay.example";
const connected: Network = { kind: "connected", relay };
const retrying: Network = { kind: "waiting", relay, retryAtMs: now + 8_000, reason: "closed" };
const refused = (code: number): Network => ({ kind: "refused", relay, code, reason: "" });

function words(
  sync: Partial<SyncState>,
  { troubles = [], online = true }: { troubles?: Trouble[]; online?: boolean } = {},
): string {
  const still = {
    network: connected,
    waiting: 0,
    missing: 0,
    equal: true,
    devicesOnline: 0,
    coming: 0,
  };
  return pillWords(pillState({ ...still, ...sync }, troubles, online), now);
}

describe("the sync pill says", () => {
  it.each<[string, Partial<SyncState>]>([
    ["Up to date with 3 devices", { devicesOnline: 3 }],
    ["Up to date with 1 device", { devicesOnline: 1 }],
    ["Syncing, 12 left", { waiting: 5, missing: 7, equal: false, devicesOnline: 3 }],
    ["Syncing, 1 left", { waiting: 1, equal: true }],
    ["Syncing", { equal: false }],
    ["Syncing", { equal: true, coming: 12 }],
    ["Offline, 5 changes saved on this device", { network: { kind: "off" }, waiting: 5 }],
    ["Offline, 1 change saved on this device", { network: { kind: "off" }, waiting: 1 }],
    ["Offline, nothing waiting", { network: { kind: "off" } }],
    ["Connected, nobody else online", {}],
    ["Reconnecting, next try in 8 s", { network: retrying }],
    ["Connecting", { network: { kind: "connecting", relay } }],
    ["Needs attention: access ended", { network: refused(codes.forbidden) }],
    ["Needs attention: update needed", { network: refused(codes.noCommonVersion) }],
    ["Needs attention: the relay is full", { network: refused(codes.quota) }],
    ["Needs attention: the relay refuses this device", { network: refused(codes.malformed) }],
  ])("%s", (expected, sync) => {
    expect(words(sync)).toBe(expected);
  });

  it("offline rather than reconnecting when the machine has no network", () => {
    const options = { online: false };
    expect(words({ network: retrying, waiting: 2 }, options)).toBe(
      "Offline, 2 changes saved on this device",
    );
    expect(words({ devicesOnline: 2 }, options)).toBe("Up to date with 2 devices");
  });

  it("that what was written here cannot be sent, not that it is on its way", () => {
    const replica = "00" as ReplicaId;
    const space = "00" as SpaceTag;
    const mine = { kind: "fork", atMs: 1, space, replica, author: undefined } as const;
    const fork = { ...mine, healed: false } as const;
    const lost = { ...mine, kind: "damaged", changes: 3, shown: true, sent: false } as const;
    for (const trouble of [fork, lost]) {
      const said = words({ waiting: 3, equal: false }, { troubles: [trouble] });
      expect(said).toBe("Needs attention: changes cannot be sent");
    }
    const others = { ...fork, author: "Ben" };
    const healed = { ...fork, healed: true };
    const onItsWay = { ...lost, sent: true };
    expect(words({ waiting: 3, equal: false }, { troubles: [others, healed, onItsWay] })).toBe(
      "Syncing, 3 left",
    );
  });

  it("nothing of another space's trouble", () => {
    const [here, there] = ["00" as SpaceTag, "01" as SpaceTag];
    const ended = { kind: "access ended", atMs: 1, code: 4403, detail: "" } as const;
    const full: Trouble = { kind: "storage full", atMs: 2 };
    const troubles: Trouble[] = [{ ...ended, space: here }, { ...ended, space: there }, full];
    expect(troublesOf(here, troubles)).toEqual([troubles[0], full]);
  });

  it("trouble before everything else, the newest first", () => {
    const troubles: Trouble[] = [
      { kind: "update needed", atMs: 1 },
      { kind: "storage full", atMs: 2 },
    ];
    expect(words({ network: { kind: "off" } }, { troubles })).toBe("Needs attention: storage full");
    const ended: Trouble = {
      kind: "access ended",
      atMs: 3,
      space: "00" as SpaceTag,
      code: 4403,
      detail: "",
    };
    expect(words({}, { troubles: [ended] })).toBe("Needs attention: access ended");
  });

  it("nothing of an update that merely waits", () => {
    const ready: Trouble = { kind: "update ready", atMs: 1, reload: () => {} };
    expect(words({}, { troubles: [ready] })).toBe("Connected, nobody else online");
  });

  it("how much is only here, while it tries to reconnect", () => {
    const state = pillState(
      { network: retrying, waiting: 5, missing: 0, equal: false, devicesOnline: 0, coming: 0 },
      [],
      true,
    );
    expect(pillAside(state)).toBe("5 changes saved on this device");
  });
});

it("one's own switch and trouble show without waiting, a lost connection does not", () => {
  expect(pillRules.urgent({ kind: "offline", waiting: 0, byChoice: true })).toBe(true);
  expect(pillRules.urgent({ kind: "trouble", what: "storage full" })).toBe(true);
  expect(pillRules.urgent({ kind: "offline", waiting: 0, byChoice: false })).toBe(false);
  expect(pillRules.urgent({ kind: "retrying", retryAtMs: 0, waiting: 0 })).toBe(false);
});
