/** Several tabs of one device, and a second device in the same browser: one socket, one of everything. */
import { type BrowserContext, expect, type Page } from "@playwright/test";
import { type DeviceTab, openTab } from "./harness/device.ts";
import { pairUp } from "./harness/people.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { rendererOf } from "./harness/renderer.ts";
import { test } from "./harness/test.ts";

let relay: RelayProcess;
test.beforeAll(async () => {
  relay = await RelayProcess.start();
});
test.afterAll(() => relay.remove());

/** Which pages hold a socket to the relay now; counted from before they are opened. */
function watchSockets(context: BrowserContext): () => Page[] {
  const open = new Map<Page, number>();
  const watch = (page: Page): void => {
    page.on("websocket", (socket) => {
      open.set(page, (open.get(page) ?? 0) + 1);
      socket.on("close", () => open.set(page, (open.get(page) ?? 1) - 1));
    });
  };
  for (const page of context.pages()) watch(page);
  context.on("page", watch);
  return () => [...open].flatMap(([page, count]) => (page.isClosed() || count < 1 ? [] : [page]));
}

const once = async (tab: DeviceTab, texts: readonly string[]): Promise<void> => {
  for (const text of texts) await expect(tab.message(text), text).toHaveCount(1);
};

test("three tabs of one device keep one socket; closing the leader moves it at once", async ({
  browser,
}) => {
  const { ana, ben } = await pairUp(browser, relay);
  const leaders = watchSockets(ana.context);
  await ana.tab.openChannel();
  const address = ana.tab.page.url();
  // The socket of the first tab was opened before anybody watched: open it again.
  await ana.tab.page.reload();
  await expect.poll(() => leaders().length).toBe(1);
  const second = await openTab(ana.context, address);
  const third = await openTab(ana.context, address);
  await ben.tab.openChannel();
  const tabs = [ana.tab, second, third];
  const texts = ["from the first", "from the second", "from the third"];
  for (const [index, tab] of tabs.entries()) await tab.say(texts[index] ?? "");
  for (const tab of [...tabs, ben.tab]) await once(tab, texts);
  expect(leaders()).toEqual([ana.tab.page]);

  const closedAt = Date.now();
  await ana.tab.page.close();
  await ben.tab.say("after the leader");
  await expect(second.message("after the leader")).toBeVisible();
  console.log(`the network moved within ${Date.now() - closedAt} ms`);
  await once(third, [...texts, "after the leader"]);
  await expect.poll(() => leaders().length).toBe(1);
  await second.say("from the new leader");
  await once(ben.tab, [...texts, "after the leader", "from the new leader"]);
  await expect(second.tick("from the new leader")).toHaveText(/Delivered|Read/);
});

test("two tabs and another device write in one note", async ({ browser }) => {
  const { ana, ben } = await pairUp(browser, relay);
  await ana.tab.openNote("Welcome");
  const second = await openTab(ana.context, ana.tab.page.url());
  await ben.tab.openNote("Welcome");
  await expect(second.editor).toBeVisible();
  const words = ["alpha", "bravo", "charlie"];
  for (const [index, tab] of [ana.tab, second, ben.tab].entries()) {
    // Each in a paragraph of their own: at one spot a word may well end up within another.
    await tab.caretAtEndOf(index);
    await tab.page.keyboard.type(` ${words[index]}`, { delay: 10 });
  }
  for (const tab of [ana.tab, second, ben.tab]) {
    for (const word of words) await expect(tab.editor).toContainText(word);
  }
  const lines = await ana.tab.lines();
  await expect.poll(() => second.lines()).toEqual(lines);
  await expect.poll(() => ben.tab.lines()).toEqual(lines);
});

test("a frozen leader is replaced, and does no harm when it wakes", async ({ browser }) => {
  const { ana, ben } = await pairUp(browser, relay);
  const leaders = watchSockets(ana.context);
  await ana.tab.openChannel();
  await ana.tab.page.reload();
  await expect.poll(() => leaders().length).toBe(1);
  await ben.tab.openChannel();
  await ana.tab.say("before the frost");
  const second = await openTab(ana.context, ana.tab.page.url());
  await once(second, ["before the frost"]);
  const pid = await rendererOf(browser, ana.tab.page);
  expect(pid).not.toBe(await rendererOf(browser, second.page));
  process.kill(pid, "SIGSTOP");
  try {
    await second.page.bringToFront();
    await ben.tab.say("while it is frozen");
    await expect(second.message("while it is frozen")).toBeVisible({ timeout: 20_000 });
    await second.say("from the second tab");
    await once(ben.tab, ["while it is frozen", "from the second tab"]);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await expect(ana.tab.message("from the second tab")).toBeVisible();
  await ana.tab.say("after the thaw");
  await ben.tab.say("answer");
  const texts = ["before the frost", "while it is frozen", "from the second tab", "after the thaw"];
  for (const tab of [ana.tab, second, ben.tab]) await once(tab, [...texts, "answer"]);
  await expect.poll(() => leaders()).toEqual([second.page]);
});

test("?replica=b is a second whole device in the same browser", async ({ browser }) => {
  const context = await browser.newContext();
  const leaders = watchSockets(context);
  const a = await openTab(context, relay.origin);
  await a.introduce("Ana");
  await a.createSpace("Garden");
  const link = await a.invite();
  const b = await openTab(context, `${relay.origin}/?replica=b`);
  await b.introduce("Ana’s second");
  await b.join(link);
  // What is written from then on is for that one, too.
  await expect(a.members).toContainText("Ana’s second");
  await a.openChannel();
  await b.openChannel();
  await a.say("from a");
  await b.say("from b");
  await once(a, ["from a", "from b"]);
  await once(b, ["from a", "from b"]);
  await expect.poll(() => leaders().length).toBe(2);
  await b.page.reload();
  await expect(b.message("from b")).toHaveCount(1);
  await expect(a.tick("from a")).toHaveText(/Delivered|Read/);
});
