/**
 * Every screen in light and dark, wide and on a phone: no violation that axe finds, nothing wider than the
 * window, everything by keyboard. With SKEIN_SCREENSHOTS=1 it also draws the pictures in docs/screenshots.
 */
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";
import { openTab, type DeviceTab } from "./harness/device.ts";
import { arrive, type Pair, pairUp } from "./harness/people.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

let relay: RelayProcess;
test.beforeAll(async () => {
  relay = await RelayProcess.start();
});
test.afterAll(() => relay.remove());

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;

for (const { kind, options } of [
  { kind: "desktop", options: { viewport: { width: 1_280, height: 800 } } },
  { kind: "phone", options: phone },
] as const) {
  test(`every screen on a ${kind} is accessible, light and dark`, async ({ browser }) => {
    test.setTimeout(240_000);
    const context = await browser.newContext(options);
    const newcomer = await openTab(context, relay.origin);
    const screen = new Screens(newcomer.page);
    await expect(newcomer.page.getByLabel("Your name")).toBeVisible();
    await screen.check("the first minute: name");
    await newcomer.introduce("Ana");
    await screen.check("the first minute: space");
    await newcomer.page.getByRole("button", { name: "Join with a link" }).click();
    await newcomer.page.getByLabel("Invite link").fill("nonsense");
    await newcomer.page.getByLabel("Invite link").press("Enter");
    await expect(newcomer.page.getByText("not an invite link")).toBeVisible();
    await screen.check("the first minute: a refused link");
    await newcomer.page.getByRole("button", { name: "Not now" }).click();
    await newcomer.createSpace("Garden");
    if (kind === "phone")
      await newcomer.page.getByRole("button", { name: "Back to notes" }).click();
    const link = await newcomer.invite();
    await newcomer.openNote("Welcome");
    const ben = await arrive(browser, relay, "Ben");
    await ben.tab.join(link);
    await walk(newcomer, ben.tab, screen, kind === "phone");
    await context.close();
    await ben.context.close();
  });
}

/** All places and everything that lies over them. */
async function walk(
  ana: DeviceTab,
  ben: DeviceTab,
  screen: Screens,
  onPhone: boolean,
): Promise<void> {
  const { page } = ana;
  const keyboard = page.keyboard;
  const lists = page.getByRole("navigation", { name: "Parts of the space" });
  const goTo = async (list: "Notes" | "Channels" | "Members") => {
    if (onPhone) await lists.getByRole("link", { name: list }).click();
  };
  await expect(ana.editor.getByRole("checkbox").first()).toBeAttached();
  await ben.openNote("Welcome");
  await ben.editor.click();
  await expect(ana.editor.locator(".caret-name")).toHaveText("Ben");
  await screen.check("a note with somebody in it");

  await ben.openChannel();
  await ben.say("Shall we plant the plums on Saturday? https://example.org/plums");
  await goTo("Channels");
  await screen.check("the list of channels, one unread");
  await ana.openChannel();
  await ana.say("Yes, and the pears, too.");
  await expect(ana.tick("pears")).toHaveText(/Read by everyone/);
  await screen.check("a channel");
  await ana.tick("pears").click();
  await expect(page.getByRole("heading", { name: "Message info" })).toBeVisible();
  await screen.check("message info");
  await page.getByRole("button", { name: "Close message info" }).click();
  await page.getByRole("button", { name: /^Members \(/ }).click();
  await expect(page.getByRole("heading", { name: "Members" }).last()).toBeVisible();
  await screen.check("members");
  await page.getByRole("button", { name: "Close members" }).click();
  await ana.openOutbox();
  await screen.check("the sync panel");
  await page.getByRole("button", { name: "Close sync" }).click();

  for (const [name, words] of [
    ["Find", undefined],
    ["Settings", "settings"],
    ["Keyboard shortcuts", "keyboard"],
    ["New channel", "new channel"],
    ["New space", "new space"],
  ] as const) {
    await keyboard.press("Control+k");
    await expect(page.getByRole("combobox")).toBeFocused();
    if (words !== undefined) {
      await page.getByRole("combobox").fill(words);
      await keyboard.press("Enter");
    }
    await expect(page.getByRole("dialog", { name })).toBeVisible();
    await screen.check(name);
    await keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toBeHidden();
  }
  await keyboard.press("Control+k");
  await page.getByRole("combobox").fill("invite");
  await keyboard.press("Enter");
  await screen.check("inviting");
  await page.getByRole("button", { name: "Create link" }).click();
  await expect(page.getByLabel("Invite link")).toBeVisible();
  await screen.check("an invite with its code");
  await keyboard.press("Escape");

  await goTo("Notes");
  await page.getByRole("button", { name: "More about Welcome" }).click();
  await screen.check("a menu");
  await page.getByRole("menuitem", { name: "Move to trash" }).click();
  await page.getByRole("link", { name: "Trash" }).click();
  await expect(page.getByRole("button", { name: "Restore Welcome" })).toBeVisible();
  await screen.check("the trash");
  if (!onPhone) return;
  await goTo("Members");
  await screen.check("the list of members");
}

class Screens {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  async check(what: string): Promise<void> {
    for (const colorScheme of ["light", "dark"] as const) {
      await this.#page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      // A tooltip only repeats the label of what it belongs to.
      const axe = new AxeBuilder({ page: this.#page }).exclude(
        '[data-overlay-container]:has(> [role="tooltip"])',
      );
      // Without frames there is no need for a page of axe's own beside this one.
      axe.setLegacyMode();
      // What a dialog lies over is hidden from everybody, page and headings of the page among it.
      if (await this.#page.getByRole("dialog").isVisible()) {
        axe.disableRules(["landmark-one-main", "page-has-heading-one"]);
      }
      // Nothing else depends on the colours.
      if (colorScheme === "dark") axe.options({ runOnly: ["color-contrast"] });
      const { violations } = await axe.analyze();
      const found = violations.map(({ id, nodes }) => ({
        id,
        nodes: nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary ?? ""}`),
      }));
      expect.soft(found, `${what}, ${colorScheme}`).toEqual([]);
    }
    const wider = await this.#page.evaluate(
      () => document.documentElement.scrollWidth - innerWidth,
    );
    expect.soft(wider, `${what} is wider than the window by`).toBeLessThanOrEqual(0);
  }
}

test("a conversation is led by keyboard alone", async ({ browser }) => {
  test.slow();
  const { ana, ben } = await pairUp(browser, relay);
  await ben.tab.openChannel();
  await ben.tab.say("first");
  await ben.tab.say("second");
  const { page } = ana.tab;
  const { keyboard } = page;
  const region = () =>
    page.evaluate(
      () => document.activeElement?.closest<HTMLElement>("[data-region]")?.dataset["region"],
    );

  await keyboard.press("Control+k");
  await keyboard.type("general");
  await keyboard.press("Enter");
  await expect(ana.tab.composer).toBeFocused();
  await expect(ana.tab.message("second")).toBeVisible();
  await keyboard.type("third");
  await keyboard.press("Enter");
  await expect(ana.tab.message("third")).toBeVisible();
  await expect(ana.tab.composer).toBeFocused();

  // Back through the stops of the tab key to the newest message, then by arrows.
  await expect(async () => {
    await keyboard.press("Shift+Tab");
    await expect(ana.tab.message("third")).toBeFocused({ timeout: 300 });
  }).toPass();
  await keyboard.press("ArrowUp");
  await expect(ana.tab.message("second")).toBeFocused();
  await keyboard.press("ArrowUp");
  await expect(ana.tab.message("first")).toBeFocused();
  await keyboard.press("End");
  await expect(ana.tab.message("third")).toBeFocused();
  await keyboard.press("Shift+V");
  const info = page.getByRole("complementary", { name: "Message info" });
  await expect(info).toContainText("third");

  const seen = new Set<string | undefined>();
  for (let times = 0; times < 3; times++) {
    await keyboard.press("F6");
    seen.add(await region());
  }
  expect(seen).toEqual(new Set(["content", "side", "sidebar"]));
  await expect(async () => {
    await keyboard.press("Shift+F6");
    expect(await region()).toBe("sidebar");
  }).toPass();
  await keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect.poll(region).toBe("sidebar");
});

if (["1", "true"].includes(process.env["SKEIN_SCREENSHOTS"] ?? "")) {
  const folder = join(import.meta.dirname, "../../docs/screenshots");

  test("pictures of a note and a channel that two people are in", async ({ browser }) => {
    test.setTimeout(240_000);
    const size = { viewport: { width: 1_280, height: 800 }, reducedMotion: "reduce" } as const;
    const { ana, ben } = await pairUp(browser, relay, { ...size, space: "Orchard" });
    await prepare({ ana, ben, link: "" });
    const { page } = ana.tab;
    for (const place of ["note", "channel"] as const) {
      if (place === "note") {
        await ana.tab.openNote("Planting day");
        await ben.tab.openNote("Planting day");
        await ana.tab.caretAtEndOf(1);
        await ben.tab.caretAtEndOf(4);
        await ben.tab.page.keyboard.type(" and the ladder");
        await expect(ana.tab.editor.locator(".caret-name")).toHaveText("Ben");
        await expect(ana.tab.editor).toContainText("and the ladder");
      } else {
        await ben.tab.openChannel();
        await ana.tab.openChannel();
        await expect(ana.tab.tick("Noted")).toHaveText(/Read by everyone/);
        await ben.tab.composer.pressSequentially("I’ll bring");
        await expect(page.getByText(/Ben is typing/)).toBeVisible();
      }
      await expect(ana.tab.syncPill).toHaveText(/Up to date with 1 device/);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: join(folder, `${place}-${colorScheme}.png`) });
      }
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize(phone.viewport);
      if (place === "note") await expect(ana.tab.editor.locator(".caret-name")).toHaveText("Ben");
      else await expect(ana.tab.message("Noted")).toBeVisible();
      await page.screenshot({ path: join(folder, `${place}-phone.png`) });
      await page.setViewportSize(size.viewport);
    }
  });
}

/** What two people who plant trees may have written. */
async function prepare({ ana, ben }: Pair): Promise<void> {
  await ana.tab.newChannel("seedlings");
  await ana.tab.newNote("Recipes for plums");
  await ana.tab.newNote("Planting day");
  const { keyboard } = ana.tab.page;
  await keyboard.type(
    "Saturday at nine, at the gate by the old pear. We plant as long as it stays dry.\n",
  );
  await keyboard.type("## To bring\n[ ] Spades, ");
  await keyboard.press("Control+b");
  await keyboard.type("sharp");
  await keyboard.press("Control+b");
  await keyboard.type(
    " ones\nGloves\nStakes\n\n## Where what goes\n- Plums along the wall\nPears in the open",
  );
  await ana.tab.openChannel();
  await ana.tab.say("Welcome, Ben! The list for Saturday is in “Planting day”.");
  await ben.tab.openChannel();
  await ben.tab.say("Found it. How deep do the plums go?");
  await ben.tab.say("My neighbour says to the graft, the book says below.");
  await ana.tab.say("The graft stays a hand above the ground. I wrote it down.");
  await ana.tab.say("Noted in the list, with a drawing to come.");
}
