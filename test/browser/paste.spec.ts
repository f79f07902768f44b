/** What people paste and drop: hostile HTML, a megabyte of text, under the content security policy. */
import { expect, type Locator, type Page } from "@playwright/test";
import { pairUp } from "./harness/people.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

let relay: RelayProcess;
test.beforeAll(async () => {
  relay = await RelayProcess.start();
});
test.afterAll(() => relay.remove());

const hostile = `
  <meta charset="utf-8"><style>body { display: none !important }</style>
  <script>window.harmed = "script"</script>
  <h2 onclick="window.harmed = 'click'">Plan</h2>
  <p onmouseover="window.harmed = 'hover'">Take <b>this</b> and
  <a href="javascript:window.harmed = 'link'">that</a> and
  <a href="https://example.org/">those</a>.</p>
  <img src="https://example.org/pixel.png" onerror="window.harmed = 'image'">
  <svg onload="window.harmed = 'svg'"><script>window.harmed = "svg script"</script></svg>
  <iframe srcdoc="<script>parent.harmed = 'frame'</script>"></iframe>
  <p><span style="font-weight: 700; background: url(https://example.org/style.png)">Bold by style</span></p>
  <ul><li>one</li><li>two</li></ul>`;

test("HTML with scripts, handlers and styles becomes text, by paste and by drop", async ({
  browser,
}) => {
  test.slow();
  const { ana, ben } = await pairUp(browser, relay);
  const { page } = ana.tab;
  const foreign: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).host !== `localhost:${relay.port}`) foreign.push(request.url());
  });
  await ana.tab.newNote("Pasted");
  await give(ana.tab.editor, "paste", { "text/html": hostile, "text/plain": "Plan" });
  const kept = ["Plan", "Take this and that and those.", "Bold by style", "one", "two"];
  await expect.poll(async () => squeezed(await ana.tab.lines())).toEqual(kept);
  await expect(ana.tab.editor.getByRole("heading", { name: "Plan" })).toBeVisible();
  await expect(ana.tab.editor.locator("strong")).toHaveText(["this", "Bold by style"]);
  await expect(ana.tab.editor.getByRole("link")).toHaveText(["those"]);

  await page.keyboard.press("Control+End");
  await give(ana.tab.editor, "drop", { "text/html": hostile, "text/plain": "Plan" });
  await expect(ana.tab.editor.getByRole("heading", { name: "Plan" })).toHaveCount(2);
  await ana.tab.editor.getByRole("heading", { name: "Plan" }).first().click();
  await ana.tab.editor.getByText("Take").first().hover();
  for (const { tab } of [ana, ben]) {
    if (tab === ben.tab) await tab.openNote("Pasted");
    await expect(tab.editor.getByRole("link", { name: "those" })).toHaveCount(2);
    const markup = await tab.editor.evaluate((editor) => editor.innerHTML);
    expect(markup).not.toMatch(/<script|<iframe|<svg|<style|\son\w+=|javascript:|example\.org\/\w/);
    const harmed = await tab.page.evaluate(() => (globalThis as { harmed?: string }).harmed);
    expect(harmed).toBeUndefined();
  }
  expect(foreign).toEqual([]);
});

test("a megabyte goes into a note while the page stays responsive, and arrives", async ({
  browser,
}) => {
  test.slow();
  const { ana, ben } = await pairUp(browser, relay);
  await ana.tab.newNote("Large");
  const line = "The quick brown fox jumps over the lazy dog, again and again. ";
  const paragraphs = Array.from({ length: 2_000 }, (_, index) => `${index}: ${line.repeat(8)}`);
  const text = paragraphs.join("\n");
  expect(text.length).toBeGreaterThan(1_000_000);
  await framesDrawn(ana.tab.page);
  await give(ana.tab.editor, "paste", { "text/plain": text });
  await expect(ana.tab.page.getByText(/Pasting a large text/)).toBeVisible();
  await expect.poll(() => ana.tab.lines(), { timeout: 60_000 }).toHaveLength(paragraphs.length);
  expect((await ana.tab.lines()).map((words) => words.trim())).toEqual(
    paragraphs.map((words) => words.trim()),
  );
  // It painted between the parts: a page that hangs draws its first frame when all is over.
  expect(await framesDrawn(ana.tab.page)).toBeGreaterThan(5);
  await ben.tab.openNote("Large");
  await expect.poll(() => ben.tab.lines(), { timeout: 60_000 }).toHaveLength(paragraphs.length);
  await ana.tab.type(" The end.");
  await expect(ben.tab.editor.getByText("The end.")).toBeAttached();
});

test("a megabyte in the composer is explained and stays there", async ({ browser }) => {
  const { ana } = await pairUp(browser, relay);
  await ana.tab.openChannel();
  const text = "All work and no play. ".repeat(50_000);
  await ana.tab.composer.fill(text);
  await ana.tab.composer.press("Enter");
  await expect(ana.tab.page.getByRole("alert")).toHaveText(/This is 1\.1 MB; a message holds/);
  await expect(ana.tab.composer).toHaveValue(text);
  await ana.tab.composer.fill("short");
  await expect(ana.tab.page.getByRole("alert")).toBeHidden();
  await ana.tab.say("short");
});

/** A paste or drop as the browser hands it to the page. */
async function give(
  target: Locator,
  kind: "paste" | "drop",
  data: Readonly<Record<string, string>>,
): Promise<void> {
  await target.evaluate(
    (element, [what, forms]) => {
      const transfer = new DataTransfer();
      for (const [type, text] of Object.entries(forms)) transfer.setData(type, text);
      const how = { bubbles: true, cancelable: true };
      if (what === "paste") {
        element.dispatchEvent(new ClipboardEvent("paste", { ...how, clipboardData: transfer }));
        return;
      }
      const last = element.lastElementChild?.getBoundingClientRect();
      const at = { clientX: (last?.left ?? 0) + 5, clientY: (last?.bottom ?? 0) - 5 };
      element.dispatchEvent(new DragEvent("drop", { ...how, ...at, dataTransfer: transfer }));
    },
    [kind, data] as const,
  );
}

const squeezed = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/\s+/gu, " ").trim());

/** How many frames the page has drawn since this was asked the last time. */
function framesDrawn(page: Page): Promise<number> {
  return page.evaluate(() => {
    const counter = globalThis as { framesDrawn?: number };
    const frames = counter.framesDrawn;
    counter.framesDrawn = 0;
    if (frames !== undefined) return frames;
    const count = () => {
      counter.framesDrawn = (counter.framesDrawn ?? 0) + 1;
      requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
    return 0;
  });
}
