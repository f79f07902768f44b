/** Two and three people in one space: they write in one note, chat, and see how far each word has come. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "@playwright/test";
import type { DeviceTab } from "./harness/device.ts";
import { arrive, pairUp } from "./harness/people.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

/** Half as long again as it takes until something in view counts as read. */
const unreadForMs = 1_500;

let relay: RelayProcess;
test.beforeAll(async () => {
  relay = await RelayProcess.start();
});
test.afterAll(() => relay.remove());

interface Recording {
  readonly before: readonly string[];
  readonly first: Part;
  readonly second: Part;
  readonly after: readonly string[];
}

interface Part {
  readonly line: number;
  readonly keys: string;
}

const recording = JSON.parse(
  readFileSync(join(import.meta.dirname, "../data/two-people.json"), "utf8"),
) as Recording;

test("two browsers retype at once what two people once typed, and end with their text", async ({
  browser,
}) => {
  test.slow();
  const { ana, ben } = await pairUp(browser, relay);
  await ana.tab.newNote("Friends");
  await ben.tab.openNote("Friends");
  await ana.tab.editor.click();
  for (const [index, line] of recording.before.entries()) {
    if (index > 0) await ana.tab.page.keyboard.press("Enter");
    await ana.tab.page.keyboard.insertText(line);
  }
  await expect(ben.tab.editor.getByText("For absolu")).toBeVisible();

  await Promise.all([retype(ana.tab, recording.first), retype(ben.tab, recording.second)]);
  // The caret of each stands in the other's text, with the name.
  await expect(ana.tab.editor.locator(".caret-name")).toHaveText("Ben");
  await expect(ben.tab.editor.locator(".caret-name")).toHaveText("Ana");
  // The editor makes list items of lines that begin with "- ", and needs the dash only once.
  const plain = (lines: readonly string[]) =>
    lines.map((line) => line.replace(/^- /, "")).filter((line) => line !== "");
  await expect.poll(async () => plain(await ana.tab.lines())).toEqual(plain(recording.after));
  await expect.poll(async () => plain(await ben.tab.lines())).toEqual(plain(recording.after));
});

test("two people type at the very same place, and both see the same in the end", async ({
  browser,
}) => {
  const { ana, ben } = await pairUp(browser, relay);
  await ana.tab.newNote("Together");
  await ben.tab.openNote("Together");
  await ben.tab.type("middle");
  await expect.poll(() => ana.tab.lines()).toEqual(["middle"]);
  // No letter twice, so that each can be told apart.
  const words = { ana: "ABCFGHJKN", ben: "opqrstuvw" };
  for (const { tab } of [ana, ben]) {
    await tab.editor.click();
    await tab.page.keyboard.press("Control+Home");
    for (let step = 0; step < 3; step++) await tab.page.keyboard.press("ArrowRight");
  }
  await Promise.all([
    ana.tab.page.keyboard.type(words.ana, { delay: 20 }),
    ben.tab.page.keyboard.type(words.ben, { delay: 20 }),
  ]);
  const letters = sorted(["middle", words.ana, words.ben]);
  await expect.poll(async () => sorted(await ana.tab.lines())).toBe(letters);
  await expect.poll(async () => sorted(await ben.tab.lines())).toBe(letters);
  const [text = ""] = await ana.tab.lines();
  expect(await ben.tab.lines()).toEqual([text]);
  expect(text).toMatch(/^mid.*dle$/);
  for (const mine of Object.values(words)) expect(inOrderOf(mine, text)).toBe(mine);
  // Undo takes back what I typed, pause by pause, and nothing else however often I press.
  for (let times = 0; times < words.ana.length; times++) {
    await ana.tab.page.keyboard.press("Control+z");
  }
  for (const { tab } of [ana, ben]) {
    await expect.poll(() => tab.lines()).toEqual([`mid${words.ben}dle`]);
  }
});

test("ticks and message info tell each step when it is true, and not before", async ({
  browser,
}) => {
  test.slow();
  const { ana, ben, link } = await pairUp(browser, relay);
  await ana.tab.openChannel();
  await ben.tab.openNote("Welcome");

  await relay.down();
  await ana.tab.say("one");
  await expect(ana.tab.tick("one")).toHaveText(/^Waiting, only on this device/);
  await relay.up();
  // Ben's app is open, in another place: it has the message, he has not seen it.
  await expect(ana.tab.tick("one")).toHaveText(/Delivered to everyone\./, { timeout: 30_000 });

  // Open before his eyes for a second: read.
  await ben.tab.openChannel();
  await expect(ana.tab.tick("one")).toHaveText(/Read by everyone who shares receipts/);

  // In view, but something else lies before the window: not read until he comes back.
  const attention = await attentionOf(ben.tab);
  await attention.away();
  await ana.tab.say("two");
  await expect(ben.tab.message("two")).toBeVisible();
  await expect(ana.tab.tick("two")).toHaveText(/Delivered to everyone\./);
  await ana.tab.page.waitForTimeout(unreadForMs);
  await expect(ana.tab.tick("two")).toHaveText(/Delivered to everyone\./);
  await attention.back();
  await expect(ana.tab.tick("two")).toHaveText(/Read by everyone/);

  // In view, but a dialog lies over it: not read until it is closed.
  await ben.tab.page.keyboard.press("Control+k");
  await expect(ben.tab.page.getByRole("dialog")).toBeVisible();
  await ana.tab.say("three");
  await expect(ana.tab.tick("three")).toHaveText(/Delivered to everyone\./);
  await ana.tab.page.waitForTimeout(unreadForMs);
  await expect(ana.tab.tick("three")).toHaveText(/Delivered to everyone\./);
  await ben.tab.page.keyboard.press("Escape");
  await expect(ana.tab.tick("three")).toHaveText(/Read by everyone/);

  // A third member who has gone home: the one who is there has read it, she has not got it.
  const cleo = await arrive(browser, relay, "Cleo");
  await cleo.tab.join(link);
  await cleo.tab.openChannel();
  await expect(cleo.tab.message("one")).toBeVisible();
  await expect(ana.tab.members).toContainText("Cleo");
  await cleo.context.close();
  await ana.tab.say("four");
  await expect(ana.tab.tick("four")).toHaveText(/Delivered to 1 of 2, read by 1 of 2/);
  await ben.context.close();
  await ana.tab.say("five");
  await expect(ana.tab.tick("five")).toHaveText(/^Sent: safe to close/);

  // Who was there when it was written counts: the first message was for Ben alone.
  const info = ana.tab.page.getByRole("complementary", { name: "Message info" });
  const read = info.getByRole("region", { name: "Read" });
  const waiting = info.getByRole("region", { name: "Waiting" });
  await ana.tab.tick("one").click();
  await expect(read).toContainText(/Ben\s*by /);
  await expect(info).toContainText(/Safe by /);
  await expect(waiting).toBeHidden();
  await ana.tab.message("four").focus();
  await ana.tab.page.keyboard.press("Shift+V");
  await expect(read).toContainText("Ben");
  await expect(waiting).toContainText("Cleo");
  await ana.tab.message("four").focus();
  await ana.tab.page.keyboard.press("ArrowDown");
  await ana.tab.page.keyboard.press("Shift+V");
  await expect(waiting).toContainText("Waiting (2)");
  await expect(waiting).toContainText("Ben");
  await expect(waiting).toContainText("Cleo");
  await expect(read).toBeHidden();
});

/** Types as a person does, key by key; the keys come without pauses. */
async function retype(tab: DeviceTab, { line, keys }: Part): Promise<void> {
  await tab.caretAtEndOf(line);
  const { keyboard } = tab.page;
  for (const part of keys.match(/⌫|↓|[^⌫↓]+/gu) ?? []) {
    if (part === "⌫") await keyboard.press("Backspace");
    else if (part === "↓") await keyboard.press("ArrowDown");
    else await keyboard.type(part);
  }
}

/** The letters of `text` that are in `mine`, as they stand. */
const inOrderOf = (mine: string, text: string): string =>
  Array.from(text)
    .filter((letter) => mine.includes(letter))
    .join("");

const sorted = (lines: readonly string[]): string => Array.from(lines.join("")).toSorted().join("");

/**
 * The browser tells every page that it is the one in use, which suits all other tests. Here another tab
 * of the same window lies before it, as it does when somebody reads something else.
 */
async function attentionOf({ page }: DeviceTab) {
  const devtools = await page.context().newCDPSession(page);
  const isUsed = () => page.evaluate(() => document.hasFocus());
  return {
    away: async () => {
      await devtools.send("Emulation.setFocusEmulationEnabled", { enabled: false });
      const other = await page.context().newPage();
      await other.bringToFront();
      await expect.poll(isUsed).toBe(false);
    },
    back: async () => {
      await page.bringToFront();
      await expect.poll(isUsed).toBe(true);
    },
  };
}
