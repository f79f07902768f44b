/**
 * What goes wrong on a device itself: no room, erased data, a newer version beside it. Each has words of
 * its own, nothing that was written is lost without being told, and nothing breaks.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, expect, type Page } from "@playwright/test";
import { type DeviceTab, openTab } from "./harness/device.ts";
import { arrive } from "./harness/people.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

let relay: RelayProcess;
test.beforeAll(async () => {
  relay = await RelayProcess.start();
});
test.afterAll(() => relay.remove());

/** Errors that nobody caught, in any page of a device. */
function watchErrors(context: BrowserContext): string[] {
  const errors: string[] = [];
  const watch = (page: Page): void => {
    page.on("pageerror", (error) => errors.push(String(error)));
  };
  for (const page of context.pages()) watch(page);
  context.on("page", watch);
  return errors;
}

/** A page of the same origin that is not the app. */
async function pageBeside(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${relay.origin}/healthz`);
  return page;
}

const eraseDatabase = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase("skein");
        request.addEventListener("success", () => resolve());
        request.addEventListener("error", () => reject(new Error("the database stays")));
      }),
  );

const erased = "The browser erased Skein’s data on this device";

test("a full disk is said, keeps what was written, and goes on by itself with room again", async ({
  browser,
}) => {
  test.slow();
  const { tab, context } = await arrive(browser, relay, "Ana");
  const errors = watchErrors(context);
  await tab.createSpace("Garden");
  await tab.openChannel();
  await tab.say("with room");
  await expect(tab.tick("with room")).toHaveText(/Sent/);

  const session = await context.newCDPSession(tab.page);
  const { usage } = await session.send("Storage.getUsageAndQuota", { origin: relay.origin });
  await session.send("Storage.overrideQuotaForOrigin", {
    origin: relay.origin,
    quotaSize: usage + 8_192,
  });
  // Chromium asks for the room that is left only now and then: up to half a minute all goes well still.
  const full = tab.page.getByText("This device has no room left");
  let count = 0;
  await expect(async () => {
    const words = `message ${count++} of ${"many words ".repeat(400)}`;
    await tab.composer.fill(words);
    await tab.composer.press("Enter");
    await expect(full).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 60_000 });
  await expect(tab.syncPill).toContainText("Needs attention: storage full");
  await tab.say("without room");
  const last = "without room";
  await expect(tab.tick(last)).toHaveText(/Saving on this device/);
  await expect(tab.composer).toHaveValue("");
  const question = tab.page.waitForEvent("dialog");
  await tab.page.close({ runBeforeUnload: true });
  expect((await question).type()).toBe("beforeunload");
  await (await question).dismiss();

  await session.send("Storage.overrideQuotaForOrigin", { origin: relay.origin });
  await expect(tab.tick(last)).toHaveText(/Sent/, { timeout: 30_000 });
  await expect(full).toBeHidden();
  await expect(tab.syncPill).not.toContainText("Needs attention");
  await tab.page.reload();
  await expect(tab.tick(last)).toHaveText(/Sent/);
  await expect(tab.message(last)).toHaveCount(1);
  await expect(tab.message(`message ${count - 1} of`)).toHaveCount(1);
  expect(errors).toEqual([]);
});

test("erased data is missed by name, and comes back by joining again", async ({ browser }) => {
  const { tab, context } = await arrive(browser, relay, "Ana");
  const errors = watchErrors(context);
  await tab.createSpace("Garden");
  const link = await tab.invite();
  await tab.openChannel();
  await tab.say("before it was erased");
  await expect(tab.tick("before it was erased")).toHaveText(/Sent/);
  const beside = await pageBeside(context);
  await tab.page.close();
  await eraseDatabase(beside);

  const again = await openTab(context, relay.origin);
  await expect(again.page.getByText(erased)).toBeVisible();
  await again.introduce("Ana");
  await expect(again.page.getByText(erased)).toBeHidden();
  await again.join(link);
  await again.openChannel();
  await expect(again.message("before it was erased")).toHaveCount(1);
  expect(errors).toEqual([]);
});

test("data that is erased under an open tab is said there", async ({ browser }) => {
  const { tab, context } = await arrive(browser, relay, "Ana");
  const errors = watchErrors(context);
  await tab.createSpace("Garden");
  await tab.openChannel();
  await tab.say("still on the screen");
  await eraseDatabase(await pageBeside(context));
  await expect(tab.page.getByText(erased)).toBeVisible();
  await expect(tab.syncPill).toContainText("Needs attention: data was erased");
  await expect(tab.message("still on the screen")).toBeVisible();
  expect(errors).toEqual([]);
});

test("what the disk has spoilt comes back from the relay or a second copy, or is told to be lost", async ({
  browser,
}) => {
  test.slow();
  const own = await RelayProcess.start();
  try {
    const context = await browser.newContext();
    const errors = watchErrors(context);
    const tab = await openTab(context, own.origin);
    await tab.introduce("Ana");
    await tab.createSpace("Garden");
    await tab.openChannel();
    await tab.say("sent in time");
    await expect(tab.tick("sent in time")).toHaveText(/Sent/);
    await tab.keptForOffline();
    await own.down();
    for (const text of ["one", "two", "three"]) await tab.say(`waiting ${text}`);
    await expect(tab.tick("waiting three")).toHaveText(/Waiting/);
    // What was not applied yet could not be shown when its entry is gone.
    await tab.page.reload();
    await expect(tab.message("waiting three")).toHaveCount(1);
    await spoil(tab.page, ["segments"]);
    await tab.page.reload();
    await own.up();
    // What was never sent stood twice on the disk: nobody notices anything.
    const told = tab.page.getByText("This device’s copy of “Garden” is damaged");
    await expect(tab.tick("waiting three")).toHaveText(/Sent/, { timeout: 30_000 });
    await expect(told).toBeHidden();
    await own.down();
    for (const text of ["four", "five", "six"]) await tab.say(`waiting ${text}`);
    await expect(tab.tick("waiting six")).toHaveText(/Waiting/);
    await tab.page.reload();
    await expect(tab.message("waiting six")).toHaveCount(1);
    await spoil(tab.page, ["segments", "spares"]);
    await tab.page.reload();
    await own.up();
    await expect(told).toBeVisible();
    await expect(tab.page.getByText(/3 changes made here can no longer be read/)).toBeVisible();
    await expect(tab.syncPill).toContainText("Needs attention: changes cannot be sent");
    // What they said is in the channel all the same, and so is what comes in from now on.
    for (const text of ["sent in time", "waiting one", "waiting four", "waiting six"]) {
      await expect(tab.message(text)).toHaveCount(1);
    }
    await expect(tab.tick("sent in time")).toHaveText(/Sent/);
    await expect(tab.tick("waiting six")).toHaveText(/Waiting/);
    // What is written behind the damage stays on this device, and on its screen.
    await tab.say("behind it");
    await expect(tab.tick("behind it")).toHaveText(/Waiting/);
    await tab.page.reload();
    await expect(tab.message("behind it")).toHaveCount(1);
    await expect(told).toBeVisible();
    expect(errors).toEqual([]);
  } finally {
    await own.remove();
  }
});

/** Flips a bit in every row of these stores, all of which keep bytes of logs. */
const spoil = (page: Page, stores: readonly string[]): Promise<void> =>
  page.evaluate(
    (names) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open("skein");
        opening.addEventListener("error", () => reject(new Error("the database stays shut")));
        opening.addEventListener("success", () => {
          const database = opening.result;
          const transaction = database.transaction(names, "readwrite");
          const spoilIn = (name: string) => {
            const cursors = transaction.objectStore(name).openCursor();
            cursors.addEventListener("success", () => {
              const cursor = cursors.result;
              if (cursor === null) return;
              const row = cursor.value as { bytes: Uint8Array };
              const middle = Math.floor(row.bytes.length / 2);
              row.bytes[middle] = (row.bytes[middle] ?? 0) ^ 1;
              cursor.update(row);
              cursor.continue();
            });
          };
          for (const name of names) spoilIn(name);
          transaction.addEventListener("complete", () => {
            database.close();
            resolve();
          });
        });
      }),
    [...stores],
  );

test("a newer version's database asks the older tab to reload, and an older app says what it met", async ({
  browser,
}) => {
  const { tab, context } = await arrive(browser, relay, "Ana");
  const errors = watchErrors(context);
  await tab.createSpace("Garden");
  await tab.openChannel();
  await tab.say("written by the older version");
  await expect(tab.tick("written by the older version")).toHaveText(/Sent/);
  const beside = await pageBeside(context);
  await beside.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open("skein", 1_000);
        request.addEventListener("success", () => {
          request.result.close();
          resolve();
        });
        request.addEventListener("error", () => reject(new Error("it does not open")));
      }),
  );
  await expect(tab.page.getByText("A newer version of Skein is in use here")).toBeVisible();
  await expect(tab.syncPill).toContainText("Needs attention: update needed");
  await expect(tab.message("written by the older version")).toBeVisible();
  // What is written now has nowhere to go, and says so for as long as it stands there.
  await tab.say("after the newer version came");
  await expect(tab.tick("after the newer version came")).toHaveText(/Saving on this device/);
  await expect(tab.syncPill).toContainText("Needs attention: update needed");

  await tab.page.getByRole("status").getByRole("button", { name: "Reload" }).click();
  await expect(
    tab.page.getByRole("heading", { name: "A newer version of Skein was used here" }),
  ).toBeVisible();
  await expect(tab.page.getByRole("button", { name: "Reload" })).toBeVisible();
  expect(errors).toEqual([]);
});

test("an update waits, the old tabs go on, and a reload brings it with all that is there", async ({
  browser,
}) => {
  test.slow();
  const built = process.env["SKEIN_APP"] ?? join(import.meta.dirname, "../../client/dist");
  const folder = await mkdtemp(join(tmpdir(), "skein-app-"));
  await cp(built, folder, { recursive: true });
  const updated = await RelayProcess.start({ SKEIN_APP: folder });
  try {
    const { tab, context } = await arrive(browser, updated, "Ana");
    const errors = watchErrors(context);
    await tab.createSpace("Garden");
    await tab.openChannel();
    await tab.say("by the first version");
    await tab.keptForOffline();
    const second = await openTab(context, tab.page.url());
    await expect(second.message("by the first version")).toBeVisible();

    await publishNext(folder);
    await updated.down("SIGTERM");
    await updated.up();
    await tab.page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      await registration.update();
    });
    for (const each of [tab, second]) {
      await expect(each.page.getByText("Update ready")).toBeVisible();
    }
    expect(await versionOf(tab)).toBe("first");
    await tab.say("by an old tab");
    await expect(tab.tick("by an old tab")).toHaveText(/Sent/, { timeout: 30_000 });
    await expect(second.message("by an old tab")).toHaveCount(1);

    await tab.page.getByRole("status").getByRole("button", { name: "Reload" }).click();
    await expect.poll(() => versionOf(tab)).toBe("second");
    for (const text of ["by the first version", "by an old tab"]) {
      await expect(tab.message(text)).toHaveCount(1);
    }
    // The other tab was not taken away from anybody: it works, beside the new one.
    expect(await versionOf(second)).toBe("first");
    await second.say("by the old tab that stayed");
    await expect(tab.message("by the old tab that stayed")).toHaveCount(1);
    await tab.say("by the second version");
    await expect(second.message("by the second version")).toHaveCount(1);
    await second.page.getByRole("status").getByRole("button", { name: "Reload" }).click();
    await expect.poll(() => versionOf(second)).toBe("second");
    await expect(second.message("by the second version")).toHaveCount(1);
    await expect(second.page.getByText("Update ready")).toBeHidden();
    expect(errors).toEqual([]);
  } finally {
    await updated.remove();
    await rm(folder, { recursive: true, force: true });
  }
});

/** The next version of a built app: another page, and a service worker that knows it. */
async function publishNext(folder: string): Promise<void> {
  const page = join(folder, "index.html");
  const worker = join(folder, "service-worker.js");
  const html = await readFile(page, "utf8");
  await writeFile(page, html.replace("<head>", '<head><meta name="version" content="second">'));
  const script = await readFile(worker, "utf8");
  const revision =
    /"revision":"[0-9a-f]+","url":"index\.html"|"url":"index\.html","revision":"[0-9a-f]+"/;
  const next = script.replace(revision, '"revision":"second","url":"index.html"');
  if (next === script) throw new Error("the service worker does not list the page");
  await writeFile(worker, `${next}\n// The second version.\n`);
  for (const file of [page, worker]) {
    for (const suffix of [".br", ".gz"]) await rm(file + suffix, { force: true });
  }
}

/** Which version's page a tab was loaded from. */
const versionOf = (tab: DeviceTab): Promise<string> =>
  tab.page
    .evaluate(() => document.querySelector('meta[name="version"]')?.getAttribute("content"))
    // The page is on its way to another.
    .then(
      (version) => version ?? "first",
      () => "none",
    );
