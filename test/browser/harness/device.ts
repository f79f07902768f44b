/**
 * A device as a person has it: a browser profile with tabs on the app. Verbs say what a person does,
 * by what stands on the screen.
 */
import { type BrowserContext, expect, type Locator, type Page } from "@playwright/test";

export class DeviceTab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  // First minute

  async introduce(name: string): Promise<void> {
    await this.page.getByLabel("Your name").fill(name);
    await this.page.getByRole("button", { name: "Continue" }).click();
  }

  async createSpace(name: string): Promise<void> {
    await this.page.getByLabel("Name of the space").fill(name);
    await this.page.getByRole("button", { name: "Create space" }).click();
    const invite = this.page.getByRole("button", { name: /^Invite/ });
    // A phone shows the welcome note alone.
    await expect(invite.or(this.editor).first()).toBeVisible();
  }

  /** The link of a new invite. */
  async invite({ uses }: { readonly uses?: string } = {}): Promise<string> {
    await this.page
      .getByRole("button", { name: /^Invite/ })
      .first()
      .click();
    const dialog = this.page.getByRole("dialog");
    if (uses !== undefined) await dialog.getByLabel("Can be used").selectOption(uses);
    await dialog.getByRole("button", { name: "Create link" }).click();
    const link = await dialog.getByLabel("Invite link").inputValue();
    await this.page.keyboard.press("Escape");
    await expect(dialog).toBeHidden();
    return link;
  }

  /** Joins from the first minute, after `introduce`, by pasting. */
  async join(link: string): Promise<void> {
    await this.page.getByRole("button", { name: "Join with a link" }).click();
    await this.page.getByLabel("Invite link").fill(link);
    await this.page
      .getByRole("button", { name: "Continue" })
      .or(this.page.getByRole("button", { name: "Look" }))
      .first()
      .click();
    await this.page.getByRole("button", { name: /^Join/ }).click();
  }

  async rename(name: string): Promise<void> {
    await this.page.getByRole("button", { name: /, settings$/ }).click();
    await this.page.getByLabel("My name").fill(name);
    const save = this.page.getByRole("button", { name: "Save", exact: true });
    await save.click();
    await expect(save).toBeDisabled();
    await this.page.keyboard.press("Escape");
    await expect(this.page.getByRole("dialog")).toBeHidden();
  }

  // Places

  async openChannel(name = "general"): Promise<void> {
    await this.page
      .getByRole("navigation")
      .or(this.page.locator("[data-region]"))
      .getByRole("link", { name: new RegExp(`${name}`) })
      .first()
      .click();
    await expect(this.composer).toBeVisible();
  }

  async openNote(title: string): Promise<void> {
    await this.page
      .getByRole("link", { name: new RegExp(title) })
      .first()
      .click();
    await expect(this.editor).toBeVisible();
  }

  // Chat

  get composer(): Locator {
    return this.page.getByRole("textbox", { name: /^Message to/ });
  }

  async newChannel(name: string): Promise<void> {
    await this.page.getByRole("button", { name: "New channel" }).click();
    const dialog = this.page.getByRole("dialog");
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByRole("button", { name: "Create channel" }).click();
    await expect(this.composer).toHaveAccessibleName(`Message to ${name}`);
  }

  async say(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
    await expect(this.message(text)).toBeVisible();
  }

  message(text: string): Locator {
    // Not the whole row, where the tick says "everyone".
    const words = this.page.locator(".message-text").filter({ hasText: text });
    return this.page.getByRole("article").filter({ has: words });
  }

  /** The sentence of the tick on an own message. */
  tick(text: string): Locator {
    return this.message(text).getByRole("button");
  }

  /** Texts on the screen, in order. */
  async messages(): Promise<string[]> {
    return this.page.locator(".message-text").allInnerTexts();
  }

  /** The short list in the sidebar. */
  get members(): Locator {
    return this.page.getByRole("region", { name: "Members" });
  }

  // Notes

  get editor(): Locator {
    return this.page.locator(".ProseMirror");
  }

  /** Makes a note and leaves the caret in its title. */
  async newNote(title: string): Promise<void> {
    await this.page.getByRole("button", { name: "New note" }).first().click();
    const field = this.page.getByRole("textbox", { name: "Title of the note" });
    await expect(field).toBeFocused();
    await field.fill(title);
    await field.press("Enter");
    await expect(this.editor).toBeFocused();
  }

  /** The words of all paragraphs, headings and items that have some, without others' carets. */
  async lines(): Promise<string[]> {
    return this.editor.evaluate((editor) => {
      const copy = editor.cloneNode(true) as HTMLElement;
      for (const caret of copy.querySelectorAll(".caret")) caret.remove();
      const blocks = copy.querySelectorAll("p, h1, h2, h3, pre");
      return [...blocks].map((block) => block.textContent).filter((text) => text !== "");
    });
  }

  /** Puts the caret behind the last letter of a paragraph, counted from 0. */
  async caretAtEndOf(paragraph: number): Promise<void> {
    await this.editor.click();
    await this.editor.evaluate((editor, index) => {
      const block = editor.querySelectorAll("p, h1, h2, h3, pre")[index];
      if (block === undefined) throw new Error(`there is no paragraph ${index}`);
      getSelection()?.selectAllChildren(block);
      getSelection()?.collapseToEnd();
    }, paragraph);
  }

  async type(text: string): Promise<void> {
    await this.editor.click();
    await this.page.keyboard.press("Control+End");
    await this.page.keyboard.type(text);
  }

  /** How far the newest own change in the open note has come. */
  get noteLevel(): Locator {
    return this.page.getByTestId("note-level");
  }

  // Sync

  get syncPill(): Locator {
    return this.page.getByTestId("sync-pill");
  }

  get outbox(): Locator {
    return this.page.getByRole("region", { name: "Only on this device" });
  }

  async openOutbox(): Promise<Locator> {
    if (!(await this.outbox.isVisible())) await this.syncPill.click();
    await expect(this.outbox).toBeVisible();
    return this.outbox;
  }

  /** Waits until the service worker has all that a start without network needs. */
  async keptForOffline(): Promise<void> {
    await expect
      .poll(() =>
        this.page.evaluate(async () => {
          const rest = await caches.open("skein-rest");
          const kept = await rest.keys();
          const hasEngine = kept.some(({ url }) => url.endsWith(".wasm"));
          return navigator.serviceWorker.controller !== null && hasEngine;
        }),
      )
      .toBe(true);
  }

  get pill(): Locator {
    return this.page
      .getByRole("button", {
        name: /device|Connect|Offline|Reconnecting|Syncing|Needs attention/,
      })
      .last();
  }
}

export async function openTab(context: BrowserContext, address: string): Promise<DeviceTab> {
  const page = await context.newPage();
  await page.goto(address);
  return new DeviceTab(page);
}
