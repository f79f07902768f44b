import { afterEach, beforeEach, expect, it, vi } from "vitest";
import * as Y from "yjs";
import { stores } from "@skein/shared/device/stores.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { compactLongTails } from "@skein/client/runtime/compaction.ts";
import { LiveSpace } from "@skein/client/runtime/space.ts";
import { AppWorld, type Tab } from "../support/app-world.ts";

const eventually = { timeout: 20_000, interval: 10 };
/** A few more than what a tail should hold. */
const many = 510;

let world: AppWorld;
beforeEach(() => {
  world = new AppWorld();
});
afterEach(() => world.end());

function spaceOf({ app }: Tab, tag: SpaceTag): LiveSpace {
  const space = app.space(tag);
  if (!(space instanceof LiveSpace)) throw new Error(`no space ${tag}`);
  return space;
}

async function compact({ core, catalog }: LiveSpace) {
  const leaderEpoch = await core.device.kv.read([stores.leadership], (tx) =>
    tx.get(stores.leadership, "epoch"),
  );
  const options = { core, catalog, leaderEpoch: leaderEpoch as number, onFenced: () => {} };
  return compactLongTails(options, () => false);
}

it("puts snapshots in the place of long tails, and nothing looks different after it", async () => {
  const browser = world.browser("Ana");
  const tab = await browser.tab();
  await tab.app.introduce("Ana");
  const tag = await tab.app.createSpace("Garden");
  const space = spaceOf(tab, tag);
  const { models } = space.core.device;

  const id = await space.createNote("Long");
  const note = await space.openNote(id);
  const text = new Y.XmlText();
  note.doc.getXmlFragment(note.fragment).push([text]);
  for (let at = 0; at < many; at++) {
    text.insert(0, `${at} `);
    tab.hide();
    await vi.waitFor(() => expect(note.level.get().level).not.toBe("saving"), {
      timeout: 5_000,
      interval: 1,
    });
  }
  await Promise.all(Array.from({ length: many }, (_, at) => space.createNote(`note ${at}`)));
  const { catalog } = space.core.documents;
  // The tab that leads does the same by itself, later.
  await vi.waitFor(async () => {
    await compact(space);
    for (const document of [id, catalog]) {
      const { snapshot, updates, upTo } = await models.document(tag, document);
      expect(upTo).toBeGreaterThanOrEqual(many);
      expect(snapshot?.upTo).toBeGreaterThan(0);
      expect(updates.length).toBeLessThan(many);
    }
  }, eventually);

  // The tab that has both open goes on, and so does a new one.
  text.insert(0, "after ");
  await space.renameNote(id, "Longer");
  const second = spaceOf(await browser.tab(), tag);
  const again = await second.openNote(id);
  await vi.waitFor(
    () =>
      expect(again.doc.getXmlFragment("content").toJSON()).toBe(
        note.doc.getXmlFragment("content").toJSON(),
      ),
    eventually,
  );
  expect(text.toJSON().startsWith("after 509 508 ")).toBe(true);
  await vi.waitFor(() => expect(second.notes.get()[0]?.title).toBe("Longer"), eventually);
  expect(second.notes.get()).toHaveLength(many + 1);
}, 60_000);
