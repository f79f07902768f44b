import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReplicaId } from "../../id/id.ts";
import { opBasedLaws, stateBasedLaws } from "../crdt.laws.ts";
import type { Delivered, Understood } from "../crdt.ts";
import { Channel, type ChannelOperation } from "./channel.ts";
import { type SetOperation, Settings, type SettingsState } from "./settings.ts";

const replica = (byte: string) => byte.repeat(16) as ReplicaId;
const newer = 0x3f;

type ChannelCommand = { kind: "say"; text: string } | { kind: "newer" } | { kind: "broken" };

function understood(command: ChannelCommand): Understood<ChannelOperation> {
  switch (command.kind) {
    case "say":
      return { kind: "known", op: { kind: "post", timeMs: 0, text: command.text } };
    case "newer":
      return { kind: "parked", raw: { kind: newer, payload: Uint8Array.of(1, 2, 3) } };
    case "broken":
      return { kind: "void", reason: "empty" };
  }
}

class DrivenChannel extends Channel {
  write = understood;

  canonical(): unknown {
    const parked = this.parked.map(({ id, lamport }) => JSON.stringify([lamport, id]));
    return { messages: this.value, parked: parked.sort() };
  }
}

opBasedLaws<Understood<ChannelOperation>, ChannelCommand>("channel", {
  create: () => new DrivenChannel(),
  commands: fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("say" as const), text: fc.string() }) },
    { weight: 1, arbitrary: fc.constant({ kind: "newer" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "broken" as const }) },
  ),
});

describe("a channel", () => {
  const delivered = (
    lamport: number,
    author: string,
    text: string,
    seq = 1,
    index = 0,
  ): Delivered<Understood<ChannelOperation>> => ({
    id: { replica: replica(author), seq, index },
    lamport,
    op: { kind: "known", op: { kind: "post", timeMs: 1_000 - lamport, text } },
  });

  it("shows messages by Lamport time, author, seq and place, whatever order they came in", () => {
    const messages = [
      delivered(1, "bb", "first"),
      delivered(2, "aa", "same time, smaller replica", 7),
      delivered(2, "bb", "same time, greater replica", 2),
      delivered(2, "bb", "and its second line", 2, 1),
      delivered(9, "aa", "last", 8),
    ];
    for (const order of [messages, [...messages].reverse()]) {
      const channel = new Channel();
      for (const message of order) channel.apply(message);
      expect(channel.value.map(({ text }) => text)).toEqual(
        messages.map(({ op }) => (op.kind === "known" ? op.op.text : "")),
      );
    }
  });

  it("keeps operations of unknown kinds as they came, to be applied once they are known", () => {
    const channel = new Channel();
    const payload = new TextEncoder().encode("later");
    const id = { replica: replica("aa"), seq: 4, index: 0 };
    channel.apply({ id, lamport: 4, op: { kind: "parked", raw: { kind: newer, payload } } });
    payload.fill(0);
    expect(channel.value).toEqual([]);

    const updated = new Channel();
    for (const { op, ...stamp } of channel.parked) {
      const text = new TextDecoder().decode(op.payload);
      updated.apply({ ...stamp, op: { kind: "known", op: { kind: "post", timeMs: 0, text } } });
    }
    expect(updated.value).toEqual([{ id, lamport: 4, timeMs: 0, text: "later" }]);
  });
});

const setting: fc.Arbitrary<SetOperation> = fc.record({
  key: fc.constantFrom("theme", "mute/1", "__proto__"),
  value: fc.uint8Array({ maxLength: 2 }),
});

class DrivenSettings extends Settings {
  write = (op: SetOperation): SetOperation => op;
  canonical = (): unknown => this.state;
}

opBasedLaws<SetOperation, SetOperation, DrivenSettings>("settings", {
  create: () => new DrivenSettings(),
  commands: setting,
  mergeInto: (into, from) => into.merge(from.state),
});

/** States made of one set of writes, so that a stamp always means the same write. */
const settingsStates = fc
  .array(fc.record({ op: setting, lamport: fc.nat(3), to: fc.nat(7) }), { maxLength: 12 })
  .map((writes): readonly [SettingsState, SettingsState, SettingsState] => {
    const all = [new Settings(), new Settings(), new Settings()] as const;
    writes.forEach(({ op, lamport, to }, seq) => {
      const id = { replica: replica("aa"), seq, index: 0 };
      all.forEach((settings, index) => {
        if ((to & (1 << index)) !== 0) settings.apply({ id, lamport, op });
      });
    });
    return [all[0].state, all[1].state, all[2].state];
  });

stateBasedLaws<SettingsState>("settings", { create: () => new Settings(), states: settingsStates });

describe("settings", () => {
  const set = (lamport: number, value: number[]): Delivered<SetOperation> => ({
    id: { replica: replica("aa"), seq: lamport, index: 0 },
    lamport,
    op: { key: "theme", value: Uint8Array.from(value) },
  });

  it("forget a key that was unset, also when an older value arrives later", () => {
    const settings = new Settings();
    settings.apply(set(1, [1]));
    settings.apply(set(3, []));
    settings.apply(set(2, [2]));
    expect(settings.value).toEqual(new Map());
    settings.apply(set(4, [4]));
    expect(settings.value).toEqual(new Map([["theme", Uint8Array.of(4)]]));
  });
});
