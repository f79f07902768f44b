/** Somebody copies a browser profile, or puts one back, and goes on in both: nothing of either is lost. */
import { expect } from "@playwright/test";
import { arrive } from "./harness/people.ts";
import { Profile } from "./harness/profile.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

/** Clients wait up to half a minute between two tries, and logs are taken apart by comparing. */
const healed = { timeout: 60_000 };

test("what two copies of one device wrote apart reaches everybody, and both write on", async ({
  browser,
}) => {
  test.slow();
  const relay = await RelayProcess.start();
  const first = await Profile.make();
  let second: Profile | undefined;
  try {
    const before = await first.open(relay.origin);
    await before.introduce("Ana");
    await before.createSpace("Garden");
    const link = await before.invite();
    const ben = await arrive(browser, relay, "Ben");
    await ben.tab.join(link);
    await expect(before.members).toContainText("Ben");
    await before.newNote("Harvest");
    await before.type("Plums");
    await before.openChannel();
    await before.say("before they parted");
    await expect(before.tick("before they parted")).toHaveText(/Delivered|Read/);
    await before.keptForOffline();
    const address = before.page.url();
    await first.close();
    second = await first.copy();

    // Neither hears of what the other writes.
    await relay.down();
    const tabs = [await first.open(address), await second.open(address)] as const;
    for (const [index, tab] of tabs.entries()) {
      await tab.say(`copy ${index} writes`);
      await tab.say(`copy ${index} goes on`);
      await tab.openNote("Harvest");
      await tab.type(index === 0 ? ", apples" : ", nuts");
      await expect(tab.noteLevel).toHaveText("Saved on this device");
      await tab.openChannel();
    }
    await relay.up();
    // Who opens the app anew does not wait for the next try.
    for (const tab of tabs) await tab.page.reload();
    await ben.tab.page.reload();

    const texts = [0, 1].flatMap((index) => [`copy ${index} writes`, `copy ${index} goes on`]);
    const everybody = [...tabs, ben.tab];
    await ben.tab.openChannel();
    for (const tab of everybody) {
      for (const text of texts) await expect(tab.message(text)).toHaveCount(1, healed);
    }
    for (const tab of everybody) {
      await tab.openNote("Harvest");
      await expect.poll(async () => (await tab.lines()).join()).toMatch(/, nuts/);
      await expect.poll(async () => (await tab.lines()).join()).toMatch(/, apples/);
      await tab.openChannel();
    }

    // What was theirs before is theirs still, and both go on.
    for (const [index, tab] of tabs.entries()) {
      await tab.say(`copy ${index} hears again`);
      await expect(tab.tick(`copy ${index} hears again`)).toHaveText(/Delivered|Read/, healed);
    }
    for (const tab of everybody) {
      for (const index of [0, 1]) {
        await expect(tab.message(`copy ${index} hears again`)).toHaveCount(1, healed);
      }
    }
    for (const tab of tabs) {
      await expect(tab.page.getByText("Two copies of this device write in “Garden”")).toBeVisible();
      await expect(tab.page.getByRole("link", { name: /general/ })).not.toContainText(/[1-9]/);
    }
  } finally {
    await first.remove();
    await second?.remove();
    await relay.remove();
  }
});
