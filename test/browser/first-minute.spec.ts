/** Links that lead nowhere, addresses that are not secure, and what a whole session asks of others. */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, type Page } from "@playwright/test";
import { chromiumArgs, chromiumLaunchOptions } from "../../scripts/chromium.ts";
import { DeviceTab, openTab } from "./harness/device.ts";
import { arrive } from "./harness/people.ts";
import { freePort, RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

const insecureHost = "skein.test";
test.use({
  launchOptions: {
    ...chromiumLaunchOptions(),
    args: [...chromiumArgs, `--host-resolver-rules=MAP ${insecureHost} 127.0.0.1`],
  },
});

let relay: RelayProcess;
test.beforeAll(async () => {
  relay = await RelayProcess.start();
});
test.afterAll(() => relay.remove());

test("links that are damaged, foreign, revoked or used up explain themselves and stay", async ({
  browser,
}) => {
  test.slow();
  const ana = await arrive(browser, relay, "Ana");
  await ana.tab.createSpace("Garden");
  const { page } = ana.tab;
  const good = await ana.tab.invite();
  const once = await ana.tab.invite({ uses: "Once" });
  const revoked = await ana.tab.invite();
  await page
    .getByRole("button", { name: /^Invite/ })
    .first()
    .click();
  // The list stands oldest first; what is open can be revoked.
  await page.getByRole("button", { name: "Revoke this invite" }).last().click();
  await expect(page.getByRole("region", { name: "Invites so far" })).toContainText(/revoked/i);
  await page.keyboard.press("Escape");

  const ben = await arrive(browser, relay, "Ben");
  await ben.tab.page.getByRole("button", { name: "Join with a link" }).click();
  const other = await foreignHost();
  const cases: [what: string, link: string, words: RegExp][] = [
    ["no link", "see you there at eight", /not an invite link/],
    ["cut off", good.slice(0, -5), /Part of this link is missing/],
    ["a wrong letter", good.slice(0, -4) + "AAAA", /Part of this link is missing|damaged/],
    [
      "foreign",
      good.replace(relay.origin, other.origin),
      /leads to localhost:\d+, which this page/,
    ],
    ["revoked", revoked, /not valid any more/],
  ];
  const field = ben.tab.page.getByLabel("Invite link");
  for (const [what, link, words] of cases) {
    await field.fill(link);
    await field.press("Enter");
    await expect(ben.tab.page.getByText(words), what).toBeVisible();
    await expect(field, what).toHaveValue(link);
  }
  other.close();
  await relay.down();
  await field.fill(good);
  await field.press("Enter");
  await expect(ben.tab.page.getByText(/The relay does not answer/)).toBeVisible();
  await expect(field).toHaveValue(good);
  await relay.up();
  await field.press("Enter");
  await expect(ben.tab.page.getByText("Ana invites you as editor")).toBeVisible();

  // Whoever comes second with a link for one is told, and their name is kept.
  await ben.tab.page.getByRole("button", { name: "Back" }).click();
  await field.fill(once);
  await field.press("Enter");
  await ben.tab.page.getByRole("button", { name: "Join Garden" }).click();
  await expect(ben.tab.syncPill).toBeVisible();
  const cleo = await arrive(browser, relay, "Cleo");
  await cleo.tab.page.getByRole("button", { name: "Join with a link" }).click();
  await cleo.tab.page.getByLabel("Invite link").fill(once);
  await cleo.tab.page.getByLabel("Invite link").press("Enter");
  await expect(cleo.tab.page.getByText(/This invite has run out/)).toBeVisible();
  await expect(cleo.tab.page.getByLabel("Invite link")).toHaveValue(once);
});

test("an opened link leaves the address bar before anything is asked of the network", async ({
  browser,
}) => {
  const ana = await arrive(browser, relay, "Ana");
  await ana.tab.createSpace("Garden");
  const link = await ana.tab.invite();
  const context = await browser.newContext();
  // The first request of the app's own code, and each one after it, sees a clean address.
  const page = await context.newPage();
  const addresses: string[] = [];
  page.on("request", (request) => addresses.push(request.url()));
  await page.addInitScript(() => {
    const { fetch: ask, WebSocket: Socket } = globalThis;
    const seen: string[] = [];
    Object.assign(globalThis, {
      seenAddresses: seen,
      fetch: (...args: Parameters<typeof ask>) => (seen.push(location.href), ask(...args)),
      WebSocket: class extends Socket {
        constructor(...args: ConstructorParameters<typeof Socket>) {
          seen.push(location.href);
          super(...args);
        }
      },
    });
  });
  await page.goto(link);
  const ben = new DeviceTab(page);
  await expect(page.getByRole("heading", { name: "You’re invited" })).toBeVisible();
  expect(page.url()).toBe(`${relay.origin}/`);
  await ben.introduce("Ben");
  await page.getByRole("button", { name: "Join Garden" }).click();
  await expect(ben.syncPill).toBeVisible();
  const secret = link.slice(-22);
  expect(addresses.filter((address) => address.includes(secret))).toEqual([]);
  const seen = await page.evaluate(
    () => (globalThis as unknown as { seenAddresses: string[] }).seenAddresses,
  );
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.filter((address) => address.includes(secret))).toEqual([]);
  await page.goBack().catch(() => null);
  expect(page.url()).not.toContain(secret);
});

test("plain HTTP on another address than localhost shows a page that says what to do", async ({
  page,
}) => {
  const complaints = watchConsole(page);
  await page.goto(`http://${insecureHost}:${relay.port}/#/join/AAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA`);
  await expect(page.getByRole("heading", { name: "This address is not secure" })).toBeVisible();
  await expect(page.getByText(`http://localhost:${relay.port}`)).toBeVisible();
  await expect(page.getByText("SKEIN_TLS_CERT")).toBeVisible();
  await expect(page.getByText(`ssh -L ${relay.port}:localhost:${relay.port}`)).toBeVisible();
  expect(page.url()).toBe(`http://${insecureHost}:${relay.port}/`);
  // The browser says of one header that it does nothing here, which is what the page says, too.
  const others = complaints.filter((words) => !words.includes("Cross-Origin-Opener-Policy"));
  expect(others).toEqual([]);
});

test("Enter in a title leads into the text, also while the editor is still on its way", async ({
  browser,
}) => {
  const context = await browser.newContext({ serviceWorkers: "block" });
  const held: (() => Promise<void>)[] = [];
  await context.route(/\/editor-view-[^/]*\.js$/, (route) => {
    held.push(() => route.continue());
  });
  const ana = await openTab(context, relay.origin);
  await ana.introduce("Ana");
  await ana.createSpace("Garden");
  await ana.page.getByRole("button", { name: "New note" }).first().click();
  const title = ana.page.getByRole("textbox", { name: "Title of the note" });
  await expect(title).toBeFocused();
  await title.fill("Seeds");
  await title.press("Enter");
  await expect.poll(() => held.length).toBeGreaterThan(0);
  await expect(title).toBeFocused();
  for (const go of held) await go();
  await expect(ana.editor).toBeFocused();
});

test("a whole session asks nobody but its own relay for anything", async ({ browser }) => {
  test.slow();
  const context = await browser.newContext();
  const asked: string[] = [];
  context.on("request", (request) => asked.push(request.url()));
  context.on("page", (page) => {
    page.on("websocket", (socket) => asked.push(socket.url()));
  });
  const ana = await openTab(context, relay.origin);
  const complaints = watchConsole(ana.page);
  await ana.introduce("Ana");
  await ana.createSpace("Garden");
  await ana.invite();
  await ana.newNote("Links");
  await ana.type("See https://example.org/picture.png and www.example.com for it ");
  await ana.openChannel();
  await ana.say("https://example.net/ is a link, too");
  await ana.page.keyboard.press("Control+k");
  await ana.page.getByRole("combobox").fill("settings");
  await ana.page.keyboard.press("Enter");
  await expect(ana.page.getByRole("dialog", { name: "Settings" })).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await expect(ana.composer).toBeFocused();
  await ana.openOutbox();
  await ana.keptForOffline();
  await ana.page.reload();
  await expect(ana.message("is a link, too")).toBeVisible();
  expect(asked.length).toBeGreaterThan(10);
  const own = new Set([new URL(relay.origin).host]);
  const foreign = asked.filter((address) => {
    const { protocol, host } = new URL(address);
    return !["blob:", "data:"].includes(protocol) && !own.has(host);
  });
  expect(foreign).toEqual([]);
  expect(complaints).toEqual([]);
  expect(await context.cookies()).toEqual([]);
});

/** What the console complains of from now on, breaches of the content security policy among it. */
function watchConsole(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return complaints;
}

/** Somebody else's server, which would answer anybody. */
async function foreignHost(): Promise<{ origin: string; close: () => void }> {
  const server = createServer((_request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.end("hello");
  });
  server.listen(await freePort(), "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { origin: `http://localhost:${port}`, close: () => server.close() };
}
