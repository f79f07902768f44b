/** The relay goes away and comes back: nothing is lost meanwhile, and everybody is told the truth. */
import { expect } from "@playwright/test";
import type { DeviceTab } from "./harness/device.ts";
import { openTab } from "./harness/device.ts";
import { arrive, pairUp } from "./harness/people.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

let relay: RelayProcess;
test.beforeEach(async () => {
  relay = await RelayProcess.start();
});
test.afterEach(() => relay.remove());

/** Clients wait up to half a minute between two tries. */
const reconnected = { timeout: 40_000 };

test("both go on writing while the relay is down, across a reload, and converge when it is back", async ({
  browser,
}) => {
  test.slow();
  const { ana, ben } = await pairUp(browser, relay);
  await ana.tab.newNote("Harvest");
  await ana.tab.type("Plums");
  await ben.tab.openNote("Harvest");
  await expect.poll(() => ben.tab.lines()).toEqual(["Plums"]);
  await ben.tab.openChannel();
  await expect(ana.tab.noteLevel).toHaveText(/On 1 other device|Seen by Ben/);
  await Promise.all([ana.tab.keptForOffline(), ben.tab.keptForOffline()]);

  await relay.down();
  await ana.tab.openChannel();
  await ana.tab.say("from Ana, alone");
  await ana.tab.say("and once more");
  await ben.tab.say("from Ben, alone");
  await expect(ana.tab.syncPill).toHaveText(/Reconnecting.*2 changes saved on this device/);
  await expect(ben.tab.syncPill).toHaveText(/Reconnecting.*1 change saved on this device/);
  await ana.tab.openNote("Harvest");
  await ana.tab.type(", apples");
  await expect(ana.tab.noteLevel).toHaveText("Saved on this device");
  await ben.tab.openNote("Harvest");
  await ben.tab.type(", nuts");
  await expect(ben.tab.noteLevel).toHaveText("Saved on this device");

  // The service worker brings the app, the device brings the rest.
  for (const { tab } of [ana, ben]) await tab.page.reload();
  await expect.poll(() => ana.tab.lines()).toEqual(["Plums, apples"]);
  await expect.poll(() => ben.tab.lines()).toEqual(["Plums, nuts"]);
  for (const [{ tab }, mine] of [
    [ana, ["from Ana, alone", "and once more"]],
    [ben, ["from Ben, alone"]],
  ] as const) {
    await tab.openChannel();
    for (const words of mine) await expect(tab.tick(words)).toHaveText(/^Waiting, only on this/);
    const outbox = await tab.openOutbox();
    for (const words of [...mine, "Harvest"]) await expect(outbox).toContainText(words);
    await countsAgree(tab);
  }

  await relay.up();
  for (const [{ tab }, theirs] of [
    [ana, ["from Ben, alone"]],
    [ben, ["from Ana, alone", "and once more"]],
  ] as const) {
    for (const words of theirs) await expect(tab.message(words)).toBeVisible(reconnected);
    await expect(tab.outbox).toContainText("Only on this device (0)");
    await expect(tab.syncPill).toHaveText(/Up to date with 1 device/);
    await tab.openNote("Harvest");
  }
  await expect.poll(() => ana.tab.lines()).toEqual(await settled(ben.tab, /^Plums.*apples/));
  expect((await ana.tab.lines()).join()).toMatch(/, nuts/);
  await ana.tab.openChannel();
  await expect(ana.tab.tick("and once more")).toHaveText(/Delivered to everyone|Read by everyone/);
});

test("working offline by choice holds everything back until it is switched off", async ({
  browser,
}) => {
  const { ana, ben } = await pairUp(browser, relay);
  await ana.tab.openChannel();
  await ben.tab.openChannel();
  await ana.tab.openOutbox();
  const workOffline = ana.tab.page.getByRole("switch", { name: "Work offline" });
  await workOffline.press("Space");
  await expect(ana.tab.syncPill).toHaveText(/^Offline, nothing waiting/);
  await ana.tab.say("kept back");
  await expect(ana.tab.syncPill).toHaveText(/^Offline, 1 change saved on this device/);
  await ben.tab.say("from outside");
  await expect(ben.tab.tick("from outside")).toHaveText(/^Sent: safe to close/);

  await ana.tab.keptForOffline();
  await ana.tab.page.reload();
  await expect(ana.tab.tick("kept back")).toHaveText(/^Waiting, only on this device/);
  await expect(ana.tab.syncPill).toHaveText(/^Offline, 1 change saved on this device/);
  await expect(ana.tab.message("from outside")).toBeHidden();
  await expect(ben.tab.message("kept back")).toBeHidden();

  await ana.tab.openOutbox();
  await workOffline.press("Space");
  await expect(ben.tab.message("kept back")).toBeVisible();
  await expect(ana.tab.message("from outside")).toBeVisible();
  await expect(ana.tab.tick("kept back")).toHaveText(/Delivered to everyone|Read by everyone/);
});

test("who joins while nobody can be reached is told so, and can write already", async ({
  browser,
}) => {
  test.slow();
  const ana = await arrive(browser, relay, "Ana");
  await ana.tab.createSpace("Garden");
  const link = await ana.tab.invite();
  await ana.tab.page.close();
  const ben = await arrive(browser, relay, "Ben");
  // What writes notes comes from the relay, too, the first time.
  await ben.tab.keptForOffline();
  // The keys still come; then there is nobody left who could send anything.
  await ben.tab.page.route("**/invites/**", async (route) => {
    const response = await route.fetch();
    if (route.request().method() === "POST") await relay.down();
    await route.fulfill({ response });
  });
  await ben.tab.join(link);
  const waiting = ben.tab.page.getByText("Waiting for a member’s device; you can write now");
  await expect(waiting).toBeVisible();
  await ben.tab.newNote("From Ben");
  await ben.tab.type("Is anybody there?");
  await expect(ben.tab.noteLevel).toHaveText("Saved on this device");

  await relay.up();
  const again = await openTab(ana.context, relay.origin);
  await again.openNote("From Ben");
  await expect.poll(() => again.lines(), reconnected).toEqual(["Is anybody there?"]);
  await expect(waiting).toBeHidden();
  await expect(ben.tab.page.getByRole("link", { name: /Welcome/ })).toBeVisible();
});

/** The heading of the outbox, its list and the pill tell the same number. */
async function countsAgree({ outbox, syncPill }: DeviceTab): Promise<void> {
  const count = await outbox.getByRole("listitem").count();
  await expect(outbox).toContainText(`Only on this device (${count})`);
  await expect(syncPill).toContainText(`${count} changes saved on this device`);
}

/** The lines, once they are as described. */
async function settled(tab: DeviceTab, words: RegExp): Promise<string[]> {
  await expect.poll(async () => (await tab.lines()).join()).toMatch(words);
  return tab.lines();
}
