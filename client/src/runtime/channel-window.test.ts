import { describe, expect, it } from "vitest";
import { keyOfId } from "@skein/shared/crdt/crdt.ts";
import type { Message } from "@skein/shared/crdt/op/channel.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { ChannelWindow } from "./channel-window.ts";

const a = "aa".repeat(16) as ReplicaId;

const message = (lamport: number, text = `m${lamport}`): Message => ({
  id: { replica: a, seq: lamport, index: 0 },
  lamport,
  timeMs: lamport,
  text,
});
const page = (first: number, last: number, hasMore: boolean) => ({
  messages: Array.from({ length: last - first + 1 }, (_, at) => message(first + at)),
  hasMore,
});
const texts = (window: ChannelWindow) => window.rows.map(({ text }) => text);

describe("a channel's window", () => {
  it("holds a message once, however it came (1)", () => {
    const window = new ChannelWindow();
    window.add(message(3));
    window.prepend(page(2, 3, true));
    expect(window.add(message(3))).toBe(false);
    expect(window.add(message(4))).toBe(true);
    window.prepend(page(1, 2, false));
    expect(texts(window)).toEqual(["m1", "m2", "m3", "m4"]);
  });

  it("leaves out what lies before its oldest message until it is read (2)", () => {
    const window = new ChannelWindow();
    window.prepend(page(5, 6, true));
    expect(window.add(message(2))).toBe(false);
    expect(texts(window)).toEqual(["m5", "m6"]);
    window.prepend(page(2, 4, false));
    expect(window.hasOlder).toBe(false);
    expect(window.add(message(1))).toBe(true);
    expect(texts(window)).toEqual(["m1", "m2", "m3", "m4", "m5", "m6"]);
  });

  it("shows own messages at once, in order, at the end (5)", () => {
    const window = new ChannelWindow();
    window.prepend(page(1, 1, false));
    window.write("x", "one", 10);
    window.write("y", "two", 11);
    window.add(message(2));
    expect(texts(window)).toEqual(["m1", "m2", "one", "two"]);
    expect(window.message("x")).toBeUndefined();
    expect(window.isPending("x")).toBe(true);
  });

  it.each([
    ["reported before it is applied", ["commit", "add"]],
    ["applied before it is reported", ["add", "commit"]],
  ])("keeps the key of a message written here, %s (1, 3)", (_, order) => {
    const window = new ChannelWindow();
    window.prepend(page(1, 1, false));
    window.write("x", "hi", 10);
    const committed = message(2, "hi");
    for (const step of order) {
      if (step === "add") window.add(committed);
      else window.commit("x", committed);
    }
    expect(window.rows.map(({ key }) => key)).toEqual([keyOfId(message(1).id), "x"]);
    expect(window.message("x")).toEqual(committed);
    expect(window.isPending("x")).toBe(false);
  });

  it("begins anew with what is applied anew, under other ids (4)", () => {
    const window = new ChannelWindow();
    window.prepend(page(1, 3, true));
    window.write("x", "mine", 10);
    window.commit("x", message(4, "mine"));
    window.write("y", "on its way", 11);
    window.beginAnew();
    expect(texts(window)).toEqual(["on its way"]);
    const theirs = message(4, "another's");
    for (const each of [message(1), message(2), message(3), theirs]) window.add(each);
    expect(texts(window)).toEqual(["m1", "m2", "m3", "another's", "on its way"]);
    expect(window.message(keyOfId(theirs.id))?.text).toBe("another's");
    expect(window.hasOlder).toBe(false);
  });

  it("keeps the newest of a long channel that is applied anew", () => {
    const window = new ChannelWindow();
    window.beginAnew();
    for (let seq = 1; seq <= 2_500; seq++) window.add(message(seq));
    expect(window.rows.length).toBeLessThanOrEqual(2_000);
    expect(texts(window).at(-1)).toBe("m2500");
    expect(window.hasOlder).toBe(true);
    const first = window.rows[0]?.stored?.id.seq ?? 0;
    window.prepend(page(first - 50, first - 1, true));
    expect(window.rows[0]?.stored?.id.seq).toBe(first - 50);
  });
});
