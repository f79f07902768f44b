/** The list of messages in a real browser: where it stands, what counts as read, how one moves in it. */
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { userEvent } from "vitest/browser";
import type { DocumentId, MemberId } from "@skein/shared/id/id.ts";
import type { Message, OpenChannel, Receipt } from "../runtime/api.ts";
import { Cell } from "../runtime/observable.ts";
import { type Side, type Ways, WaysContext } from "../ui/app-context.ts";
import { attention } from "../ui/attention.ts";
import "../ui/theme.css";
import "../ui/base.css";
import { MessageList } from "./message-list.tsx";

const startMs = new Date(2026, 10, 18, 8, 0).getTime();

function message(number: number, isMine = false): Message {
  const author = isMine ? "mira" : "ana";
  return {
    key: `r:${number}:0`,
    author: author as MemberId,
    authorName: author,
    isMine,
    // Of different heights, as people write.
    text: `message ${number}${"\nand a line".repeat((number * 7) % 5)}`,
    atMs: startMs + number * 10_000,
    pending: false,
  };
}

const sent: Receipt = { level: "sent", delivered: 0, read: 0, of: 1, reason: undefined };

/** A channel of `count` messages of which the newest fifty are loaded. */
class FakeChannel implements OpenChannel {
  readonly id = "00" as DocumentId;
  readonly messages: Cell<readonly Message[]>;
  readonly hasOlder: Cell<boolean>;
  readonly olderComing = new Cell(false);
  readonly read: string[] = [];
  readonly #all: readonly Message[];
  readonly firstUnread: string | undefined;

  constructor(count: number, firstUnread?: number) {
    this.#all = Array.from({ length: count }, (_, number) => message(number, number % 3 === 0));
    this.messages = new Cell(this.#all.slice(-50));
    this.hasOlder = new Cell(count > 50);
    this.firstUnread = firstUnread === undefined ? undefined : `r:${firstUnread}:0`;
  }

  loadOlder(): Promise<void> {
    const loaded = this.messages.get().length;
    const end = this.#all.length - loaded;
    this.messages.set([...this.#all.slice(Math.max(0, end - 50), end), ...this.messages.get()]);
    this.hasOlder.set(this.messages.get().length < this.#all.length);
    return Promise.resolve();
  }

  arrive(isMine = false): string {
    const next = message(this.#all.length + this.messages.get().length + 1_000, isMine);
    this.messages.set([...this.messages.get(), next]);
    return next.key;
  }

  post = () => Promise.reject(new Error("not here"));
  receipt = () => new Cell(sent);
  info = () => new Cell({ members: [], myOtherDevices: [], sentByMs: undefined });
  markRead = (key: string) => void this.read.push(key);
  typing = () => {};
  draft = () => "";
  setDraft = () => {};
  close = () => {};
}

let root: Root | undefined;
let sides: (Side | undefined)[] = [];

function show(channel: OpenChannel): HTMLElement {
  const frame = document.body.appendChild(document.createElement("div"));
  frame.style.cssText = "display:flex;flex-direction:column;height:500px;width:600px";
  root = createRoot(frame);
  const ways: Ways = {
    app: undefined as never,
    go: () => {},
    show: () => {},
    side: undefined,
    setSide: (side) => void sides.push(side),
  };
  root.render(
    <WaysContext value={ways}>
      <MessageList channel={channel} name="general" sent={0} />
    </WaysContext>,
  );
  return frame;
}

const log = () => document.querySelector<HTMLElement>("[role=log]")!;
const rows = () => [...document.querySelectorAll<HTMLElement>("[data-message]")];
const row = (key: string) => rows().find(({ dataset }) => dataset["message"] === key);
const below = () => log().scrollHeight - log().scrollTop - log().clientHeight;
const frames = async (count = 4) => {
  for (let frame = 0; frame < count; frame++) await new Promise(requestAnimationFrame);
};

/** Until the list has measured what it shows. */
async function still(): Promise<void> {
  await expect.poll(() => rows().length).toBeGreaterThan(3);
  await frames(8);
}

beforeEach(() => {
  sides = [];
  attention.set(false);
});

afterEach(() => {
  root?.unmount();
  document.body.replaceChildren();
});

describe("the list stands", () => {
  it("at the newest message when nothing is unread, and draws only what is near", async () => {
    show(new FakeChannel(1_000));
    await still();
    expect(below()).toBeLessThanOrEqual(2);
    expect(rows().length).toBeLessThan(40);
    expect(rows().at(-1)?.textContent).toContain("message 999");
  });

  it("at the first unread message, with a line above it", async () => {
    show(new FakeChannel(200, 160));
    await still();
    await expect.poll(() => row("r:160:0")).toBeDefined();
    const top = row("r:160:0")!.getBoundingClientRect().top - log().getBoundingClientRect().top;
    expect(top).toBeGreaterThanOrEqual(0);
    expect(top).toBeLessThan(250);
    expect(document.querySelector(".log-unread")?.textContent).toBe("New");
  });

  it("where it is while older messages come in above", async () => {
    const channel = new FakeChannel(2_000);
    show(channel);
    await still();
    for (let turn = 0; turn < 12; turn++) {
      log().scrollTop -= 900;
      await frames(2);
      const listTop = log().getBoundingClientRect().top;
      const watched = rows().find((at) => at.getBoundingClientRect().top > listTop + 120);
      const before = watched?.getBoundingClientRect().top ?? Number.NaN;
      await frames(10);
      expect(row(watched?.dataset["message"] ?? "")).toBe(watched);
      expect(Math.abs((watched?.getBoundingClientRect().top ?? Number.NaN) - before)).toBeLessThan(
        2,
      );
    }
    expect(channel.messages.get().length).toBeGreaterThan(100);
  });

  it("at the bottom when something arrives there, and says so when the reader is elsewhere", async () => {
    const channel = new FakeChannel(100);
    const frame = show(channel);
    await still();
    const first = channel.arrive();
    await expect.poll(() => row(first)).toBeDefined();
    await frames();
    expect(below()).toBeLessThanOrEqual(2);
    log().scrollTop -= 300;
    await frames();
    const place = log().scrollTop;
    channel.arrive();
    await expect.poll(() => frame.textContent).toContain("1 new");
    await frames();
    expect(log().scrollTop).toBe(place);
    await userEvent.click(document.querySelector(".log-jump button")!);
    await expect.poll(below).toBeLessThanOrEqual(2);
  });

  it("at the bottom when the room for it shrinks", async () => {
    const frame = show(new FakeChannel(100));
    await still();
    frame.style.height = "300px";
    await expect.poll(() => log().clientHeight).toBeLessThan(320);
    await expect.poll(below).toBeLessThanOrEqual(2);
  });
});

describe("a message counts as read", () => {
  it("only while somebody looks, only if it is in view, and never one's own", async () => {
    const channel = new FakeChannel(200);
    show(channel);
    await still();
    const inView = rows()
      .filter((at) => at.getBoundingClientRect().top >= log().getBoundingClientRect().top)
      .map(({ dataset }) => dataset["message"]!);
    expect(channel.read).toEqual([]);
    attention.set(true);
    await expect.poll(() => channel.read.length, { timeout: 5_000 }).toBeGreaterThan(0);
    const others = inView.filter((key) => Number(key.split(":")[1]) % 3 !== 0);
    await expect.poll(() => others.every((key) => channel.read.includes(key))).toBe(true);
    expect(channel.read.filter((key) => Number(key.split(":")[1]) % 3 === 0)).toEqual([]);
    expect(channel.read.length).toBeLessThan(30);
  });
});

describe("the keyboard", () => {
  it("leads from message to message, to both ends, and to message info", async () => {
    show(new FakeChannel(60));
    await still();
    const focused = () => (document.activeElement as HTMLElement | null)?.dataset["message"];
    row("r:59:0")?.focus();
    await userEvent.keyboard("{ArrowUp}{ArrowUp}");
    await expect.poll(focused).toBe("r:57:0");
    await userEvent.keyboard("{Shift>}V{/Shift}");
    expect(sides).toEqual([{ kind: "message", message: "r:57:0" }]);
    await userEvent.keyboard("{Home}");
    await expect.poll(focused).toBe("r:10:0");
    await userEvent.keyboard("{End}");
    await expect.poll(focused).toBe("r:59:0");
  });
});
