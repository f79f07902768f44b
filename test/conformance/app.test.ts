import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as Y from "yjs";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { Space } from "@skein/client/runtime/api.ts";
import { LiveSpace } from "@skein/client/runtime/space.ts";
import { AppWorld, type Browser, type RelayHost, type Tab } from "../support/app-world.ts";

const eventually = { timeout: 10_000, interval: 10 };

let world: AppWorld;
let relay: RelayHost;
beforeEach(() => {
  world = new AppWorld();
  relay = world.relay();
});
afterEach(async () => {
  await world.end();
  if (world.bugs.length > 0) throw new AggregateError(world.bugs, "the app reported bugs");
});

async function member(name: string): Promise<{ browser: Browser; tab: Tab }> {
  const browser = world.browser(name);
  const tab = await browser.tab();
  await tab.app.introduce(name);
  return { browser, tab };
}

function spaceOf({ app }: Tab, tag: SpaceTag): Space {
  const space = app.space(tag);
  if (space === undefined) throw new Error(`no space ${tag}`);
  return space;
}

async function inviteFrom(space: Space): Promise<string> {
  await vi.waitFor(() => expect(space.sync.get().network.kind).toBe("connected"), eventually);
  const invite = await space.createInvite({
    role: "editor",
    expiresMs: undefined,
    uses: undefined,
  });
  if (invite.kind !== "link") throw new Error(invite.detail);
  return invite.url;
}

async function joined(tab: Tab, link: string): Promise<Space> {
  const tag = await tab.app.join(link);
  if (typeof tag !== "string") throw new Error(`${tag.reason}: ${tag.detail}`);
  return spaceOf(tab, tag);
}

/** What is written from then on is for all of them. */
const untilMembers = (space: Space, count: number) =>
  vi.waitFor(() => expect(space.members.get()).toHaveLength(count), eventually);

const general = (space: Space) => {
  const [first] = space.channels.get();
  if (first === undefined) throw new Error("no channel");
  return space.openChannel(first.id);
};

describe("two devices and a relay", () => {
  it("chat both ways, with ticks from waiting to read", async () => {
    const ana = await member("Ana");
    const ben = await member("Ben");
    const tag = await ana.tab.app.createSpace("Garden");
    const here = spaceOf(ana.tab, tag);
    const there = await joined(ben.tab, await inviteFrom(here));
    await vi.waitFor(
      () => expect(there.members.get().map(({ name }) => name)).toEqual(["Ana", "Ben"]),
      eventually,
    );
    expect(there.name.get()).toBe("Garden");
    await untilMembers(here, 2);

    const [anas, bens] = [await general(here), await general(there)];
    const posted = await anas.post("Hello");
    if (posted.kind !== "posted") throw new Error(posted.kind);
    expect(anas.messages.get().map(({ text }) => text)).toEqual(["Hello"]);
    await vi.waitFor(
      () => expect(bens.messages.get().map(({ text }) => text)).toEqual(["Hello"]),
      eventually,
    );
    const receipt = anas.receipt(posted.message);
    await vi.waitFor(() => expect(receipt.get().level).toBe("delivered"), eventually);
    expect(there.channels.get()[0]?.unread).toBe(1);
    bens.markRead(bens.messages.get()[0]?.key ?? "");
    await vi.waitFor(() => expect(receipt.get().level).toBe("read"), eventually);
    await vi.waitFor(() => expect(there.channels.get()[0]?.unread).toBe(0), eventually);
    expect(anas.messages.get()).toHaveLength(1);
    await vi.waitFor(() => expect(here.outbox.get()).toEqual([]), eventually);
    expect(relay.connectionCount).toBe(2);
  });

  it("go on without the relay, also after a reload, and converge when it is back", async () => {
    const ana = await member("Ana");
    const ben = await member("Ben");
    const tag = await ana.tab.app.createSpace("Garden");
    await joined(ben.tab, await inviteFrom(spaceOf(ana.tab, tag)));
    const settled = (space: Space) =>
      vi.waitFor(
        () => expect(space.sync.get()).toMatchObject({ waiting: 0, equal: true }),
        eventually,
      );
    await untilMembers(spaceOf(ana.tab, tag), 2);
    await settled(spaceOf(ana.tab, tag));
    await settled(spaceOf(ben.tab, tag));

    relay.stop();
    for (const [tab, words] of [
      [ana.tab, ["one", "two"]],
      [ben.tab, ["three"]],
    ] as const) {
      const channel = await general(spaceOf(tab, tag));
      for (const text of words) await channel.post(text);
      await vi.waitFor(
        () => expect(channel.messages.get().map(({ pending }) => pending)).not.toContain(true),
        eventually,
      );
      tab.die();
    }

    const [anas, bens] = [await ana.browser.tab(), await ben.browser.tab()];
    const here = spaceOf(anas, tag);
    await vi.waitFor(() => expect(here.sync.get().waiting).toBe(2), eventually);
    await vi.waitFor(
      () => expect(here.outbox.get().map(({ label }) => label)).toEqual(["one", "two"]),
      eventually,
    );
    expect(here.outbox.get().every(({ kind }) => kind === "message")).toBe(true);
    const channel = await general(here);
    await vi.waitFor(() => expect(channel.messages.get()).toHaveLength(2), eventually);
    const [first] = channel.messages.get();
    expect(channel.receipt(first?.key ?? "").get().level).toBe("waiting");
    await channel.post("four");
    await vi.waitFor(() => expect(here.sync.get().waiting).toBe(3), eventually);

    relay.start();
    const texts = async (tab: Tab) => {
      const open = await general(spaceOf(tab, tag));
      await vi.waitFor(() => expect(open.messages.get()).toHaveLength(4), eventually);
      return open.messages.get().map(({ text }) => text);
    };
    const [onAnas, onBens] = [await texts(anas), await texts(bens)];
    expect(onAnas).toEqual(onBens);
    expect(onAnas.filter((text) => text !== "three")).toEqual(["one", "two", "four"]);
    await vi.waitFor(() => expect(here.outbox.get()).toEqual([]), eventually);
    await vi.waitFor(
      () => expect(channel.receipt(first?.key ?? "").get().level).toBe("delivered"),
      eventually,
    );
  });
});

describe("tabs of one device", () => {
  it("share one log and one socket, and show every message once", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const tabs = [ana.tab, await ana.browser.tab(), await ana.browser.tab()];
    const channels = await Promise.all(tabs.map((tab) => general(spaceOf(tab, tag))));
    const ben = await member("Ben");
    const there = await joined(ben.tab, await inviteFrom(spaceOf(tabs[1] ?? ana.tab, tag)));
    const bens = await general(there);
    for (const tab of tabs) await untilMembers(spaceOf(tab, tag), 2);

    await Promise.all(
      channels.flatMap((channel, tab) => [1, 2, 3].map((n) => channel.post(`${tab}.${n}`))),
    );
    await bens.post("from Ben");
    for (const channel of [...channels, bens]) {
      await vi.waitFor(() => expect(channel.messages.get()).toHaveLength(10), eventually);
    }
    const orders = [...channels, bens].map((channel) =>
      channel.messages.get().map(({ text }) => text),
    );
    for (const order of orders) {
      expect(order).toEqual(orders[0]);
      for (const tab of [0, 1, 2]) {
        expect(order.filter((text) => text.startsWith(`${tab}.`))).toEqual(
          [1, 2, 3].map((n) => `${tab}.${n}`),
        );
      }
    }
    expect(relay.connectionCount).toBe(2);
    for (const [at, channel] of channels.entries()) {
      const own = channel.messages.get().find(({ text }) => text === `${at}.1`);
      await vi.waitFor(
        () => expect(channel.receipt(own?.key ?? "").get().level).toBe("delivered"),
        eventually,
      );
    }
  });

  it("pass the network on when the leading one closes", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const second = await ana.browser.tab();
    const ben = await member("Ben");
    const bens = await general(await joined(ben.tab, await inviteFrom(spaceOf(second, tag))));
    ana.tab.close();
    const channel = await general(spaceOf(second, tag));
    await channel.post("still here");
    await vi.waitFor(() => expect(bens.messages.get()).toHaveLength(1), eventually);
    expect(relay.connectionCount).toBe(2);
  });

  it("show what the leading one applied and died before it told", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const second = await ana.browser.tab();
    const ben = await member("Ben");
    const bensSpace = await joined(ben.tab, await inviteFrom(spaceOf(second, tag)));
    const bens = await general(bensSpace);
    const [shown, hidden] = [
      await general(spaceOf(second, tag)),
      await general(spaceOf(ana.tab, tag)),
    ];
    await bens.post("before");
    await vi.waitFor(() => expect(shown.messages.get()).toHaveLength(1), eventually);

    ana.browser.muted.add(ana.tab.number);
    await bens.post("untold");
    await bensSpace.createChannel("orchard");
    await vi.waitFor(() => expect(hidden.messages.get()).toHaveLength(2), eventually);
    await vi.waitFor(
      () => expect(spaceOf(ana.tab, tag).channels.get()).toHaveLength(2),
      eventually,
    );
    expect(shown.messages.get()).toHaveLength(1);
    ana.tab.close();
    await vi.waitFor(() => expect(shown.messages.get()).toHaveLength(2), eventually);
    await vi.waitFor(() => expect(spaceOf(second, tag).channels.get()).toHaveLength(2), eventually);
  });

  it("learn of a new identity, of new spaces and of names from one another", async () => {
    const browser = world.browser("Ana");
    const [first, second] = [await browser.tab(), await browser.tab()];
    await first.app.introduce("Ana");
    await vi.waitFor(() => expect(second.app.me.get()?.name).toBe("Ana"), eventually);
    const tag = await second.app.createSpace("Garden");
    await vi.waitFor(() => expect(first.app.spaces.get()).toHaveLength(1), eventually);
    await first.app.rename("Anna");
    await vi.waitFor(() => expect(second.app.me.get()?.name).toBe("Anna"), eventually);
    await vi.waitFor(
      () => expect(spaceOf(second, tag).members.get()[0]?.name).toBe("Anna"),
      eventually,
    );
  });

  it("read in one is read in all", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const second = await ana.browser.tab();
    const ben = await member("Ben");
    const bens = await general(await joined(ben.tab, await inviteFrom(spaceOf(second, tag))));
    await bens.post("one");
    await bens.post("two");
    const unreadIn = (tab: Tab) => tab.app.spaces.get()[0]?.unread;
    for (const tab of [ana.tab, second]) {
      await vi.waitFor(() => expect(unreadIn(tab)).toBe(2), eventually);
    }
    const channel = await general(spaceOf(second, tag));
    expect(channel.firstUnread).toBe(channel.messages.get()[0]?.key);
    channel.markRead(channel.messages.get()[1]?.key ?? "");
    for (const tab of [ana.tab, second]) {
      await vi.waitFor(() => expect(unreadIn(tab)).toBe(0), eventually);
    }
    // It was published, so a reload knows it too.
    const receipt = bens.receipt(bens.messages.get()[1]?.key ?? "");
    await vi.waitFor(() => expect(receipt.get().level).toBe("read"), eventually);
    for (const tab of [ana.tab, second]) tab.close();
    const third = await ana.browser.tab();
    const again = await general(spaceOf(third, tag));
    expect(again.firstUnread).toBeUndefined();
  });

  it("under another name are a second whole device in the same browser", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const b = await ana.browser.tab({ replica: "b" });
    expect(b.app.me.get()).toBeUndefined();
    await b.app.introduce("Bea");
    const there = await joined(b, await inviteFrom(spaceOf(ana.tab, tag)));
    const [anas, beas] = [await general(spaceOf(ana.tab, tag)), await general(there)];
    await anas.post("from Ana");
    await beas.post("from Bea");
    for (const channel of [anas, beas]) {
      await vi.waitFor(() => expect(channel.messages.get()).toHaveLength(2), eventually);
    }
    expect(relay.connectionCount).toBe(2);
  });
});

describe("a device whose disk is full", () => {
  it("shows what is written as not saved, says so, and saves it when there is room", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const space = spaceOf(ana.tab, tag);
    const channel = await general(space);
    ana.browser.full = true;
    const posted = await channel.post("precious");
    if (posted.kind !== "posted") throw new Error(posted.kind);
    const kinds = () => ana.tab.app.troubles.get().map(({ kind }) => kind);
    await vi.waitFor(() => expect(kinds()).toContain("storage full"), eventually);
    expect(channel.messages.get()).toMatchObject([{ text: "precious", pending: true }]);
    expect(channel.receipt(posted.message).get().level).toBe("saving");
    ana.browser.full = false;
    await vi.waitFor(() => expect(kinds()).toEqual([]), eventually);
    await vi.waitFor(
      () => expect(channel.receipt(posted.message).get().level).toBe("sent"),
      eventually,
    );
    expect(channel.messages.get()).toHaveLength(1);
  });
});

describe("invites", () => {
  it("show what they lead to, count uses, and end when they are revoked", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const space = spaceOf(ana.tab, tag);
    await inviteFrom(space);
    const once = await space.createInvite({ role: "owner", expiresMs: undefined, uses: 1 });
    if (once.kind !== "link") throw new Error(once.detail);
    await vi.waitFor(
      () =>
        expect(space.invites.get().map(({ role, usesAllowed }) => [role, usesAllowed])).toEqual([
          ["editor", undefined],
          ["owner", 1],
        ]),
      eventually,
    );

    const ben = await member("Ben");
    expect(await ben.tab.app.readInvite(`look: ${once.url}.`)).toMatchObject({
      kind: "invite",
      space: "Garden",
      inviter: "Ana",
      role: "owner",
      mine: undefined,
    });
    const there = await joined(ben.tab, once.url);
    expect(await ben.tab.app.join(once.url)).toMatchObject({ reason: "expired or used up" });
    await vi.waitFor(() => expect(there.myRole.get()).toBe("owner"), eventually);
    await vi.waitFor(() => expect(space.invites.get()[1]?.usesMade).toBe(1), eventually);
    await vi.waitFor(() => expect(there.waitingForFirst.get()).toBe(false), eventually);

    const [first] = space.invites.get();
    if (first?.url === undefined) throw new Error("an invite without its link");
    expect(await ana.tab.app.readInvite(first.url)).toMatchObject({ mine: tag });
    expect(await space.revokeInvite(first.id)).toEqual({ kind: "done" });
    await vi.waitFor(() => expect(space.invites.get()[0]?.revoked).toBe(true), eventually);
    const cy = await member("Cy");
    expect(await cy.tab.app.join(first.url)).toMatchObject({ reason: "unknown or revoked" });
  });

  it("explain themselves when they lead nowhere", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const url = await inviteFrom(spaceOf(ana.tab, tag));
    const ben = await member("Ben");
    const reasonFor = async (link: string) => {
      const answer = await ben.tab.app.readInvite(link);
      return answer.kind === "refusal" ? answer.reason : answer.kind;
    };
    expect(await reasonFor("hello")).toBe("not a link");
    expect(await reasonFor(url.slice(0, -3))).toBe("damaged");
    expect(await reasonFor(`${url.slice(0, -4)}AAAA`)).toBe("damaged");
    const elsewhere = url.replace("relay.test", "nowhere.test");
    expect(await reasonFor(elsewhere)).toBe("other host unreachable");
    expect(await reasonFor(url.replace(/join\/[\w-]{4}/, "join/AAAA"))).toBe("unknown or revoked");
    relay.stop();
    expect(await reasonFor(url)).toBe("relay unreachable");
    relay.start();
  });

  it("let somebody in while nobody is there, who can write at once", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const url = await inviteFrom(spaceOf(ana.tab, tag));
    const space = spaceOf(ana.tab, tag);
    await vi.waitFor(() => expect(space.sync.get().waiting).toBe(0), eventually);
    relay.stop();
    const ben = await member("Ben");
    relay.start();
    ana.tab.close();
    const there = await joined(ben.tab, url);
    const channel = await general(there);
    await channel.post("anybody?");
    expect(channel.messages.get()).toMatchObject([{ text: "anybody?", isMine: true }]);
    const back = await ana.browser.tab();
    const anas = await general(spaceOf(back, tag));
    await vi.waitFor(
      () => expect(anas.messages.get()).toMatchObject([{ text: "anybody?", authorName: "Ben" }]),
      eventually,
    );
  });
});

/** The blocks of a note in a row. */
const textOf = (doc: Y.Doc, fragment: string): string => doc.getXmlFragment(fragment).toJSON();

function paragraph(doc: Y.Doc, fragment: string, at: number, words: string): void {
  const block = new Y.XmlElement("paragraph");
  block.insert(0, [new Y.XmlText(words)]);
  doc.getXmlFragment(fragment).insert(at, [block]);
}

describe("notes", () => {
  it("are edited by two devices and two tabs at once, and end alike", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const id = await spaceOf(ana.tab, tag).createNote("Plan");
    const second = await ana.browser.tab();
    const ben = await member("Ben");
    const there = await joined(ben.tab, await inviteFrom(spaceOf(ana.tab, tag)));
    await vi.waitFor(
      () => expect(there.notes.get().map(({ title }) => title)).toEqual(["Plan"]),
      eventually,
    );
    const notes = await Promise.all([
      spaceOf(ana.tab, tag).openNote(id),
      spaceOf(second, tag).openNote(id),
      there.openNote(id),
    ]);
    for (const [at, { doc, fragment }] of notes.entries()) {
      for (let n = 0; n < 5; n++) paragraph(doc, fragment, 0, `${at}.${n}`);
    }
    const texts = () => notes.map(({ doc, fragment }) => textOf(doc, fragment));
    await vi.waitFor(() => {
      const [first] = texts();
      for (const at of [0, 1, 2]) {
        for (let n = 0; n < 5; n++) expect(first).toContain(`${at}.${n}`);
      }
      expect(new Set(texts()).size).toBe(1);
    }, eventually);
    await vi.waitFor(() => expect(notes[0]?.level.get().level).toBe("read"), eventually);
    expect(notes[0]?.level.get().seenBy).toHaveLength(1);
    for (const note of notes) await note.close();
    const again = await there.openNote(id);
    expect(textOf(again.doc, again.fragment)).toBe(texts()[0]);
  });

  it("keep what was typed last when they are closed, and continue under the same id", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const space = spaceOf(ana.tab, tag);
    const id = await space.createNote("Plan");
    const clients: number[] = [];
    for (const words of ["one", "two", "three"]) {
      const note = await space.openNote(id);
      paragraph(note.doc, note.fragment, 0, words);
      clients.push(note.doc.clientID);
      await note.close();
    }
    expect(new Set(clients).size).toBe(1);
    ana.tab.die();
    const after = await ana.browser.tab();
    const note = await spaceOf(after, tag).openNote(id);
    await vi.waitFor(
      () =>
        expect(textOf(note.doc, note.fragment)).toBe(
          ["three", "two", "one"].map((each) => `<paragraph>${each}</paragraph>`).join(""),
        ),
      eventually,
    );
    expect(note.level.get().level).not.toBe("none");
  });

  it("tell how far the newest change has come, and lose nothing on a full disk", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const space = spaceOf(ana.tab, tag);
    const note = await space.openNote(await space.createNote("Plan"));
    expect(note.level.get().level).toBe("none");
    ana.browser.full = true;
    paragraph(note.doc, note.fragment, 0, "precious");
    expect(note.level.get().level).toBe("saving");
    await vi.waitFor(() => expect(note.trouble.get()?.kind).toBe("storage full"), eventually);
    ana.browser.full = false;
    await vi.waitFor(() => expect(note.level.get().level).toBe("sent"), eventually);
    expect(note.trouble.get()).toBeUndefined();
  });

  it("show cursors of other devices and tabs under ids that are theirs", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const id = await spaceOf(ana.tab, tag).createNote("Plan");
    const second = await ana.browser.tab();
    const ben = await member("Ben");
    const there = await joined(ben.tab, await inviteFrom(spaceOf(ana.tab, tag)));
    const notes = await Promise.all([
      spaceOf(ana.tab, tag).openNote(id),
      spaceOf(second, tag).openNote(id),
      there.openNote(id),
    ]);
    const names = ["first", "second", "Ben"];
    for (const [at, { awareness }] of notes.entries()) {
      awareness.setLocalStateField("user", { name: names[at] });
    }
    const byName = (a = "", b = "") => (a < b ? -1 : 1);
    const seenBy = (note: (typeof notes)[number]) =>
      [...note.awareness.getStates().values()].map(
        (state) => (state["user"] as { name: string } | undefined)?.name,
      );
    for (const note of notes) {
      await vi.waitFor(
        () => expect(seenBy(note).toSorted(byName)).toEqual(["Ben", "first", "second"]),
        {
          ...eventually,
        },
      );
    }
    await notes[2].close();
    await vi.waitFor(
      () => expect(seenBy(notes[0]).toSorted(byName)).toEqual(["first", "second"]),
      eventually,
    );
  });
});

describe("the catalog", () => {
  it("is painted from its read model after a reload, and changed by everybody", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const here = spaceOf(ana.tab, tag);
    expect(await here.createChannel("general")).toBe(here.channels.get()[0]?.id);
    const plans = await here.createNote("Plans");
    await here.createChannel("harvest");
    const ben = await member("Ben");
    const there = await joined(ben.tab, await inviteFrom(here));
    await vi.waitFor(() => expect(there.channels.get()).toHaveLength(2), eventually);
    await there.renameNote(plans, "Great plans");
    await there.createNote("Another");
    const titles = (space: Space) => space.notes.get().map(({ title }) => title);
    await vi.waitFor(() => expect(titles(here)).toEqual(["Great plans", "Another"]), eventually);
    await here.trashNote(plans, true);
    await vi.waitFor(
      () => expect(there.notes.get().map(({ trashed }) => trashed)).toEqual([true, false]),
      eventually,
    );
    expect(here.notes.get()[1]?.createdBy).toBe(ben.tab.app.me.get()?.member);
    ana.tab.close();
    relay.stop();
    const back = await ana.browser.tab();
    expect(titles(spaceOf(back, tag))).toEqual(["Great plans", "Another"]);
    expect(
      spaceOf(back, tag)
        .channels.get()
        .map(({ name }) => name),
    ).toEqual(["general", "harvest"]);
  });
});

describe("presence", () => {
  it("shows who is here, where and typing, and who has left", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const here = spaceOf(ana.tab, tag);
    const ben = await member("Ben");
    const there = await joined(ben.tab, await inviteFrom(here));
    const rowOf = (space: Space, name: string) =>
      space.members.get().find((member) => member.name === name);
    await vi.waitFor(() => expect(rowOf(here, "Ben")?.presence).toBe("online"), eventually);
    await vi.waitFor(() => expect(rowOf(there, "Ana")?.presence).toBe("online"), eventually);
    expect(here.sync.get().devicesOnline).toBe(1);

    const bens = await general(there);
    there.setFocus(bens.id);
    bens.typing();
    await vi.waitFor(
      () => expect(rowOf(here, "Ben")).toMatchObject({ where: bens.id, typingIn: bens.id }),
      eventually,
    );
    await bens.post("there");
    await vi.waitFor(() => expect(rowOf(here, "Ben")?.typingIn).toBeUndefined(), eventually);
    ben.tab.active.set(false);
    await vi.waitFor(() => expect(rowOf(here, "Ben")?.presence).toBe("away"), eventually);
    ben.tab.active.set(true);
    await vi.waitFor(() => expect(rowOf(here, "Ben")?.presence).toBe("online"), eventually);
    ben.tab.close();
    await vi.waitFor(() => expect(rowOf(here, "Ben")?.presence).toBe("offline"), eventually);

    // Who comes back is told at once who is here.
    const again = await ben.browser.tab();
    await vi.waitFor(
      () => expect(rowOf(spaceOf(again, tag), "Ana")?.presence).toBe("online"),
      eventually,
    );
    await vi.waitFor(() => expect(rowOf(here, "Ben")?.presence).toBe("online"), eventually);
  });
});

describe("working offline", () => {
  it("is a switch of the device that all tabs and the next start remember", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const second = await ana.browser.tab();
    await vi.waitFor(() => expect(second.app.network.get().kind).toBe("connected"), eventually);
    await second.app.setOffline(true);
    for (const tab of [ana.tab, second]) {
      await vi.waitFor(() => expect(tab.app.network.get().kind).toBe("off"), eventually);
    }
    await vi.waitFor(() => expect(relay.connectionCount).toBe(0), eventually);
    const channel = await general(spaceOf(ana.tab, tag));
    await channel.post("alone");
    for (const tab of [ana.tab, second]) tab.close();
    const third = await ana.browser.tab();
    expect(third.app.network.get().kind).toBe("off");
    expect(relay.connectionCount).toBe(0);
    await third.app.setOffline(false);
    await vi.waitFor(() => expect(third.app.network.get().kind).toBe("connected"), eventually);
    await vi.waitFor(() => expect(spaceOf(third, tag).sync.get().waiting).toBe(0), eventually);
  });
});

describe("what a device keeps to itself", () => {
  it("drafts, until they are sent and committed", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const channel = await general(spaceOf(ana.tab, tag));
    channel.setDraft("half a tho");
    channel.setDraft("half a thought");
    ana.tab.close();
    const second = await ana.browser.tab();
    const again = await general(spaceOf(second, tag));
    expect(again.draft()).toBe("half a thought");
    const posted = await again.post(again.draft());
    if (posted.kind !== "posted") throw new Error(posted.kind);
    again.setDraft("");
    await vi.waitFor(
      () => expect(again.receipt(posted.message).get().level).not.toBe("saving"),
      eventually,
    );
    second.close();
    const third = await ana.browser.tab();
    expect((await general(spaceOf(third, tag))).draft()).toBe("");
  });

  it("settings, in all tabs and after a reload", async () => {
    const ana = await member("Ana");
    const second = await ana.browser.tab();
    await ana.tab.app.setSetting("theme", "dark");
    expect(ana.tab.app.setting("theme").get()).toBe("dark");
    await vi.waitFor(() => expect(second.app.setting("theme").get()).toBe("dark"), eventually);
    await second.app.setSetting("theme", "");
    await vi.waitFor(() => expect(ana.tab.app.setting("theme").get()).toBeUndefined(), eventually);
    await second.app.setSetting("theme", "light");
    for (const tab of [ana.tab, second]) tab.close();
    const third = await ana.browser.tab();
    await vi.waitFor(() => expect(third.app.setting("theme").get()).toBe("light"), eventually);
  });

  it("names, words and keys: none stand in a report", async () => {
    const ana = await member("Anastasia");
    const tag = await ana.tab.app.createSpace("Gardeners");
    const space = spaceOf(ana.tab, tag);
    const url = await inviteFrom(space);
    const note = await space.createNote("Secretplan");
    await (await general(space)).post("hushhush");
    const report = await ana.tab.app.diagnostics();
    expect(report).toContain("own log:");
    for (const word of ["Anastasia", "Gardeners", "Secretplan", "hushhush", note, tag]) {
      expect(report).not.toContain(word);
    }
    expect(report).not.toContain(url.slice(-22));
  });

  it("is missed when the browser has erased it", async () => {
    const ana = await member("Ana");
    ana.tab.close();
    ana.browser.disks.clear();
    const after = await ana.browser.tab();
    expect(after.app.me.get()).toBeUndefined();
    expect(after.app.troubles.get()).toMatchObject([{ kind: "storage evicted" }]);
    await after.app.introduce("Ana");
    expect(after.app.troubles.get()).toEqual([]);
  });
});

describe("a leader", () => {
  it("that finds itself fenced lets go, stands in line again, and shows nothing twice", async () => {
    const ana = await member("Ana");
    const tag = await ana.tab.app.createSpace("Garden");
    const here = spaceOf(ana.tab, tag);
    const ben = await member("Ben");
    const bens = await general(await joined(ben.tab, await inviteFrom(here)));
    const anas = await general(here);
    await bens.post("one");
    await vi.waitFor(() => expect(anas.messages.get()).toHaveLength(1), eventually);
    // As if another tab had led while this one was frozen.
    if (!(here instanceof LiveSpace)) throw new Error("not a space of ours");
    await here.core.device.store.takeLeadership();
    await bens.post("two");
    await anas.post("three");
    await vi.waitFor(() => expect(anas.messages.get()).toHaveLength(3), eventually);
    await vi.waitFor(() => expect(bens.messages.get()).toHaveLength(3), eventually);
    expect(relay.connectionCount).toBe(2);
    ana.tab.close();
    const again = await general(spaceOf(await ana.browser.tab(), tag));
    expect(again.messages.get().map(({ text }) => text)).toEqual(
      bens.messages.get().map(({ text }) => text),
    );
  });

  it("of several tabs that join at once brings the device in once", async () => {
    const ana = await member("Ana");
    const here = spaceOf(ana.tab, await ana.tab.app.createSpace("Garden"));
    const url = await inviteFrom(here);
    const ben = await member("Ben");
    const second = await ben.browser.tab();
    const tags = await Promise.all([ben.tab, second].map(({ app }) => app.join(url)));
    expect(tags).toEqual([here.tag, here.tag]);
    for (const [at, tab] of [ben.tab, second].entries()) {
      await (await general(spaceOf(tab, here.tag))).post(`from tab ${at}`);
    }
    const anas = await general(here);
    await vi.waitFor(() => expect(anas.messages.get()).toHaveLength(2), eventually);
    const row = here.members.get().find(({ name }) => name === "Ben");
    expect(row?.devices).toHaveLength(1);
  });
});

describe("message info", () => {
  it("counts who was there when it was written, not who came later", async () => {
    const ana = await member("Ana");
    const here = spaceOf(ana.tab, await ana.tab.app.createSpace("Garden"));
    const url = await inviteFrom(here);
    const ben = await member("Ben");
    const bens = await general(await joined(ben.tab, url));
    await untilMembers(here, 2);
    const anas = await general(here);
    const posted = await anas.post("before Cy");
    if (posted.kind !== "posted") throw new Error(posted.kind);
    await vi.waitFor(() => expect(bens.messages.get()).toHaveLength(1), eventually);
    bens.markRead(bens.messages.get()[0]?.key ?? "");
    const receipt = anas.receipt(posted.message);
    await vi.waitFor(() => expect(receipt.get().level).toBe("read"), eventually);

    const cy = await member("Cy");
    const cys = await general(await joined(cy.tab, url));
    await untilMembers(here, 3);
    expect(receipt.get()).toMatchObject({ level: "read", read: 1, of: 1 });
    expect(
      anas
        .info(posted.message)
        .get()
        .members.map(({ name }) => name),
    ).toEqual(["Ben"]);
    const later = await anas.post("after Cy");
    if (later.kind !== "posted") throw new Error(later.kind);
    await vi.waitFor(() => expect(cys.messages.get()).toHaveLength(2), eventually);
    expect(anas.receipt(later.message).get().of).toBe(2);
  });

  it("lists who has read, got and not got it, with times", async () => {
    const ana = await member("Ana");
    const here = spaceOf(ana.tab, await ana.tab.app.createSpace("Garden"));
    const url = await inviteFrom(here);
    const [ben, cy] = [await member("Ben"), await member("Cy")];
    const theirs = [await joined(ben.tab, url), await joined(cy.tab, url)];
    await untilMembers(here, 3);
    cy.tab.close();
    const anas = await general(here);
    const posted = await anas.post("Hello");
    if (posted.kind !== "posted") throw new Error(posted.kind);
    const bens = await general(theirs[0] ?? here);
    await vi.waitFor(() => expect(bens.messages.get()).toHaveLength(1), eventually);
    bens.markRead(bens.messages.get()[0]?.key ?? "");
    const info = anas.info(posted.message);
    const of = (name: string) => info.get().members.find((each) => each.name === name);
    await vi.waitFor(() => expect(of("Ben")?.level).toBe("read"), eventually);
    expect(of("Cy")).toMatchObject({ level: "waiting", byMs: undefined });
    expect(of("Ben")?.byMs).toBeGreaterThan(0);
    expect(info.get().members).toHaveLength(2);
    expect(info.get().sentByMs).toBeGreaterThan(0);
    expect(anas.receipt(posted.message).get()).toMatchObject({ delivered: 1, read: 1, of: 2 });
  });
});
