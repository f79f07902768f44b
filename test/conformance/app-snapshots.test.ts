/**
 * Whole apps and snapshots: a space with notes, channels and settings, made into a snapshot by one browser,
 * confirmed by another, and what somebody sees who comes later.
 */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import * as Y from "yjs";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import type { BlobId, DocumentId, SpaceTag } from "@skein/shared/id/id.ts";
import { decodeManifest } from "@skein/shared/device/snapshot/manifest.ts";
import type { SnapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import { SnapshotShelf } from "@skein/shared/device/snapshot/shelf.ts";
import type { OpenNote, Space } from "@skein/client/runtime/api.ts";
import { LiveSpace } from "@skein/client/runtime/space.ts";
import { AppWorld, type Tab } from "../support/app-world.ts";

const eventually = { timeout: 20_000, interval: 20 };
const eager: SnapshotPolicy = {
  worthEntries: 60,
  decideWithinMs: 5_000,
  idleAfterMs: 300,
  publishEntries: 60,
  spreadMs: 0,
  stepEntries: 50,
  witnesses: 1,
  replayEntriesMax: 10_000,
  renewEveryMs: 3_600_000,
  truncateEntries: 1_000_000,
  againAfterMs: 500,
};

let world: AppWorld;
beforeEach(() => {
  world = new AppWorld();
  world.snapshots = eager;
  world.relay();
});
afterEach(() => world.end());

function spaceOf({ app }: Tab, tag: SpaceTag): LiveSpace {
  const space = app.space(tag);
  if (!(space instanceof LiveSpace)) throw new Error(`no space ${tag}`);
  return space;
}

async function link(space: Space): Promise<string> {
  const options = { role: "editor", expiresMs: undefined, uses: undefined } as const;
  const made = await vi.waitFor(async () => {
    const invite = await space.createInvite(options);
    if (invite.kind !== "link") throw new Error(invite.detail);
    return invite;
  }, eventually);
  return made.url;
}

async function joined(name: string, url: string) {
  const browser = world.browser(name);
  const tab = await browser.tab();
  await tab.app.introduce(name);
  const tag = await tab.app.join(url);
  if (typeof tag !== "string") throw new Error(tag.reason);
  return { browser, tab, space: spaceOf(tab, tag) };
}

const textOf = (note: OpenNote): string => note.doc.getXmlFragment(note.fragment).toJSON();

async function write(
  space: LiveSpace,
  title: string,
  words: readonly string[],
): Promise<DocumentId> {
  const id = await space.createNote(title);
  const note = await space.openNote(id);
  const text = new Y.XmlText();
  note.doc.getXmlFragment(note.fragment).push([text]);
  for (const word of words) text.insert(text.length, `${word} `);
  await note.close();
  return id;
}

const published = (space: LiveSpace) =>
  [...space.core.board.notices.values()].flatMap((notice) => notice.published ?? []);

it("brings somebody new all notes, messages and members, and goes on from there", async () => {
  const ana = await world.browser("Ana").tab();
  await ana.app.introduce("Ana");
  const space = spaceOf(ana, await ana.app.createSpace("Garden"));
  const url = await link(space);
  const ben = await joined("Ben", url);

  const roses = await write(space, "Roses", ["red", "white", "climbing"]);
  const beans = await write(space, "Beans", ["runner", "broad"]);
  const general = await space.openChannel(space.core.documents.general);
  for (let at = 0; at < 80; at++) await general.post(`message ${at}`);
  const talk = await space.createChannel("talk");
  await (await ben.space.openChannel(talk)).post("here, too");
  // Both may find one due at the same moment. What the one has made the other confirms.
  await vi.waitFor(() => expect(published(ben.space).length).toBeGreaterThan(0), eventually);
  const verdicts = () =>
    [...space.core.board.notices.values()].flatMap((notice) => notice.verdicts);
  await vi.waitFor(() => expect(verdicts().length).toBeGreaterThan(0), eventually);
  expect(verdicts().every(({ agrees }) => agrees)).toBe(true);

  const cleo = await joined("Cleo", url);
  await vi.waitFor(
    () => expect(cleo.space.sync.get()).toMatchObject({ equal: true, coming: 0 }),
    eventually,
  );
  const heads = await cleo.space.core.device.store.heads(cleo.space.tag);
  expect(heads.filter(({ from }) => from > 1).length).toBeGreaterThan(0);
  await vi.waitFor(
    () =>
      expect(
        cleo.space.notes
          .get()
          .map(({ title }) => title)
          .toSorted(),
      ).toEqual(["Beans", "Roses"]),
    eventually,
  );
  expect(
    cleo.space.members
      .get()
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual(["Ana", "Ben", "Cleo"]);
  // The snapshot may be from before that one.
  await vi.waitFor(
    () => expect(cleo.space.channels.get().map(({ name }) => name)).toContain("talk"),
    eventually,
  );
  const read = await cleo.space.openChannel(space.core.documents.general);
  while (read.hasOlder.get()) await read.loadOlder();
  expect(read.messages.get().map(({ text }) => text)).toEqual(
    Array.from({ length: 80 }, (_, at) => `message ${at}`),
  );
  const opened = await cleo.space.openNote(roses);
  const original = await space.openNote(roses);
  expect(textOf(opened)).toBe(textOf(original));
  expect(textOf(opened)).toContain("red white climbing");

  // How far the others are with what Cleo wrote.
  await vi.waitFor(() => {
    const devices = cleo.space.members.get().flatMap((member) => member.devices);
    expect(devices.map(({ behind }) => behind)).toEqual([0, 0, 0]);
  }, eventually);

  // They write in it at once, and both see it.
  const [paragraph] = opened.doc.getXmlFragment(opened.fragment).toArray();
  if (!(paragraph instanceof Y.XmlText)) throw new Error("no text");
  paragraph.insert(0, "Cleo's ");
  await vi.waitFor(() => expect(textOf(original)).toContain("Cleo's red"), eventually);
  await cleo.space.renameNote(beans, "Beans and peas");
  await vi.waitFor(
    () => expect(space.notes.get().map(({ title }) => title)).toContain("Beans and peas"),
    eventually,
  );
  expect(await cleo.tab.app.diagnostics()).toMatch(
    /came in by one of [0-9a-f]{8}, confirmed by 1/u,
  );
  for (const each of [ana, ben.tab, cleo.tab]) expect(each.app.troubles.get()).toEqual([]);
  expect(world.bugs).toEqual([]);
}, 90_000);

it("opens a note that is still to come as soon as it is here, and says so until then", async () => {
  const ana = await world.browser("Ana").tab();
  await ana.app.introduce("Ana");
  const space = spaceOf(ana, await ana.app.createSpace("Garden"));
  const url = await link(space);
  const ids: DocumentId[] = [];
  for (let at = 0; at < 12; at++)
    ids.push(await write(space, `note ${at}`, ["of", "some", "words"]));
  const general = await space.openChannel(space.core.documents.general);
  for (let at = 0; at < 40; at++) await general.post(`message ${at}`);
  await vi.waitFor(() => expect(published(space)).toHaveLength(1), eventually);
  await vi.waitFor(() => expect(space.sync.get().equal).toBe(true), eventually);

  // From now on the relay gives out what is needed at once, and no more.
  const { store } = world.relayAt("http://relay.test") ?? {};
  if (store === undefined) throw new Error("no relay");
  const blob = store.blob.bind(store);
  let left = 5;
  store.blob = async (tag, id) => (left-- > 0 ? blob(tag, id) : undefined);
  const ben = await joined("Ben", url);
  await vi.waitFor(() => expect(ben.space.sync.get().coming).toBeGreaterThan(5), eventually);
  await vi.waitFor(() => expect(ben.space.notes.get()).toHaveLength(12), eventually);
  const last = ids.at(-1);
  if (last === undefined) throw new Error("no note");
  let isOpen = false;
  const opening = ben.space.openNote(last).then((note) => {
    isOpen = true;
    return note;
  });
  await new Promise((done) => setTimeout(done, 300));
  expect(isOpen).toBe(false);
  left = Number.POSITIVE_INFINITY;
  const note = await opening;
  expect(textOf(note)).toContain("of some words");
  await vi.waitFor(() => expect(ben.space.sync.get().coming).toBe(0), eventually);
  expect(world.bugs).toEqual([]);
}, 90_000);

it("does not tell to have what is still to come, also when it begins anew", async () => {
  const ana = await world.browser("Ana").tab();
  await ana.app.introduce("Ana");
  const space = spaceOf(ana, await ana.app.createSpace("Garden"));
  const url = await link(space);
  for (let at = 0; at < 6; at++) await write(space, `note ${at}`, ["of", "some", "words"]);
  const general = await space.openChannel(space.core.documents.general);
  for (let at = 0; at < 40; at++) await general.post(`message ${at}`);
  await vi.waitFor(() => expect(published(space)).toHaveLength(1), eventually);
  await vi.waitFor(() => expect(space.sync.get().equal).toBe(true), eventually);
  const { store } = world.relayAt("http://relay.test") ?? {};
  if (store === undefined) throw new Error("no relay");
  const blob = store.blob.bind(store);
  let left = 5;
  store.blob = async (tag, id) => (left-- > 0 ? blob(tag, id) : undefined);
  const ben = await joined("Ben", url);
  await vi.waitFor(() => expect(ben.space.sync.get().coming).toBeGreaterThan(0), eventually);
  const { tag } = ben.space;
  ben.tab.close();

  const again = await ben.browser.tab();
  const anew = spaceOf(again, tag);
  await vi.waitFor(() => expect(anew.sync.get().equal).toBe(true), eventually);
  expect(anew.sync.get().coming).toBeGreaterThan(0);
  // What it says itself comes through: so would the clock.
  await (await anew.openChannel(anew.core.documents.general)).post("here");
  // Whether it stands last depends on what had been applied by then.
  const texts = () => general.messages.get().map(({ text }) => text);
  await vi.waitFor(() => expect(texts()).toContain("here"), eventually);
  await new Promise((done) => setTimeout(done, 1_500));
  const told = () => [...space.core.board.clock(anew.core.replica).keys()];
  expect(told()).not.toContain(space.core.replica);
  left = Number.POSITIVE_INFINITY;
  // It asks again after half a second, and then has it all.
  await vi.waitFor(() => expect(told()).toContain(space.core.replica), eventually);
  expect(world.bugs).toEqual([]);
}, 90_000);

it("brings a note that is open up to date when its space begins anew by a snapshot", async () => {
  const ana = await world.browser("Ana").tab();
  await ana.app.introduce("Ana");
  const space = spaceOf(ana, await ana.app.createSpace("Garden"));
  const { tag } = space;
  const roses = await write(space, "Roses", ["red"]);
  const ben = await joined("Ben", await link(space));
  await vi.waitFor(() => expect(ben.space.notes.get()).toHaveLength(1), eventually);
  const open = await ben.space.openNote(roses);
  await vi.waitFor(() => expect(textOf(open)).toContain("red"), eventually);
  ben.browser.online.set(false);

  const note = await space.openNote(roses);
  const [words] = note.doc.getXmlFragment(note.fragment).toArray();
  if (!(words instanceof Y.XmlText)) throw new Error("no text");
  words.insert(words.length, "and white");
  await note.close();
  const general = await space.openChannel(space.core.documents.general);
  for (let at = 0; at < 60; at++) await general.post(`message ${at}`);
  await vi.waitFor(() => expect(published(space)).toHaveLength(1), eventually);
  await vi.waitFor(() => expect(space.sync.get().equal).toBe(true), eventually);
  const { kv, suite } = space.core.device;
  const plain = await new SnapshotShelf(kv, tag).checkpoint();
  const manifest = plain && decodeManifest(suite, tag, plain);
  if (manifest === undefined || isMalformed(manifest)) throw new Error("no checkpoint");

  // The relay has let go of what the snapshot covers, and cannot give out the note for now.
  const relay = world.relayAt("http://relay.test");
  if (relay === undefined) throw new Error("no relay");
  const isNotes = (id: BlobId) =>
    manifest.parts.some(
      (part) =>
        part.kind === "engine" && part.document === roses && part.object.chunks.includes(id),
    );
  const blob = relay.store.blob.bind(relay.store);
  let isHiding = true;
  relay.store.blob = async (of, id) => (isHiding && isNotes(id) ? undefined : blob(of, id));
  relay.stop();
  await relay.store.begin(tag, manifest.logs);
  relay.start();
  ben.browser.online.set(true);
  await vi.waitFor(() => expect(ben.space.sync.get().coming).toBe(1), eventually);
  expect(textOf(open)).not.toContain("white");
  isHiding = false;
  await vi.waitFor(() => expect(textOf(open)).toContain("red and white"), eventually);
  expect(world.bugs).toEqual([]);
}, 90_000);
