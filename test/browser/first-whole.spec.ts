import { expect } from "@playwright/test";
import { openTab } from "./harness/device.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

test("two people share a space and chat both ways until everything is read", async ({
  browser,
}) => {
  const relay = await RelayProcess.start();
  try {
    const ana = await openTab(await browser.newContext(), relay.origin);
    await ana.introduce("Ana");
    await ana.createSpace("Garden");
    const link = await ana.invite();
    const ben = await openTab(await browser.newContext(), relay.origin);
    await ben.introduce("Ben");
    await ben.join(link);
    await expect(ana.members).toContainText("Ben");
    await ana.openChannel();
    await ben.openChannel();
    await ana.say("Hello Ben");
    await expect(ben.message("Hello Ben")).toBeVisible();
    await ben.say("Hello Ana");
    await expect(ana.message("Hello Ana")).toBeVisible();
    await expect(ana.tick("Hello Ben")).toHaveText(/Read by everyone/);
  } finally {
    await relay.remove();
  }
});
