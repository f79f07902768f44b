/** What a power cut of the browser or of the relay leaves: everything that was shown as kept. */
import { expect } from "@playwright/test";
import { type DeviceTab, openTab } from "./harness/device.ts";
import { arrive } from "./harness/people.ts";
import { Profile } from "./harness/profile.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

/** What the screen shows with this tick at one moment, taken at once. */
async function textsWithTick(tab: DeviceTab, sentence: string): Promise<string[]> {
  return tab.page.evaluate(
    (words) =>
      [...document.querySelectorAll(".message")]
        .filter((row) => row.querySelector(".tick")?.textContent.includes(words) === true)
        .map((row) => row.querySelector(".message-text")?.textContent ?? ""),
    sentence,
  );
}

// These start browsers and relays twice, which a loaded machine takes its time for.
test("kill -9 of the browser in mid-write loses nothing that was shown as waiting or better", async () => {
  test.slow();
  const relay = await RelayProcess.start();
  const profile = await Profile.make();
  try {
    let tab = await profile.open(relay.origin);
    await tab.introduce("Ana");
    await tab.createSpace("Garden");
    await tab.openChannel();
    await tab.say("while connected");
    await expect(tab.tick("while connected")).toHaveText(/Sent/);
    const address = tab.page.url();
    await relay.down();
    // A stream of messages; what has its clock when the end comes must be there afterwards.
    for (let count = 0; count < 10; count++) {
      await tab.composer.fill(`offline ${count} end`);
      await tab.composer.press("Enter");
      await expect(tab.composer).toHaveValue("");
    }
    const shown = await textsWithTick(tab, "Waiting");
    expect(shown.length).toBeGreaterThan(5);
    await profile.kill();

    tab = await profile.open(address);
    for (const text of shown) await expect(tab.message(text), text).toHaveCount(1);
    await expect(tab.message("while connected")).toHaveCount(1);
    await relay.up();
    for (const text of shown) {
      await expect(tab.tick(text), text).toHaveText(/Sent/, { timeout: 30_000 });
    }
  } finally {
    await profile.remove();
    await relay.remove();
  }
});

test("kill -9 of the browser right after typing keeps what the note says is saved", async () => {
  test.slow();
  const relay = await RelayProcess.start();
  const profile = await Profile.make();
  try {
    let tab = await profile.open(relay.origin);
    await tab.introduce("Ana");
    await tab.createSpace("Garden");
    await tab.newNote("Diary");
    const address = tab.page.url();
    await relay.down();
    await tab.type("a first line that is kept");
    await expect(tab.page.getByTestId("note-level")).toContainText("Saved on this device");
    await profile.kill();
    tab = await profile.open(address);
    await expect(tab.editor).toContainText("a first line that is kept");
  } finally {
    await profile.remove();
    await relay.remove();
  }
});

test("kill -9 of the relay loses nothing that was shown as sent", async ({ browser }) => {
  test.slow();
  const relay = await RelayProcess.start();
  try {
    const ana = await arrive(browser, relay, "Ana");
    await ana.tab.createSpace("Garden");
    const link = await ana.tab.invite();
    await ana.tab.openChannel();
    const texts = Array.from({ length: 9 }, (_, count) => `message ${count} end`);
    let killed: Promise<void> | undefined;
    for (const [index, text] of texts.entries()) {
      await ana.tab.say(text);
      if (index === 6) killed = relay.down();
    }
    await killed;
    const sent = await textsWithTick(ana.tab, "Sent");
    expect(sent.length).toBeGreaterThan(2);
    // The author's device is lost: only the relay's disk can answer for it now.
    await ana.context.close();
    await relay.up();
    const cleo = await arrive(browser, relay, "Cleo");
    await cleo.tab.join(link);
    await cleo.tab.openChannel();
    for (const text of sent) await expect(cleo.tab.message(text), text).toHaveCount(1);
  } finally {
    await relay.remove();
  }
});

test("entries are on the disk, strictly, before they are sent", async ({ browser }) => {
  const relay = await RelayProcess.start();
  try {
    const context = await browser.newContext();
    await context.addInitScript(watchWrites);
    const tab = await openTab(context, relay.origin);
    await tab.introduce("Ana");
    await tab.createSpace("Garden");
    await tab.openChannel();
    for (const text of ["one", "two", "three"]) {
      await tab.say(text);
      await expect(tab.tick(text)).toHaveText(/Sent/);
    }
    const log = await tab.page.evaluate(
      () => (globalThis as unknown as { writes: Write[] }).writes,
    );
    const appends = log.filter(
      ({ kind, stores }) => kind === "commit" && stores.includes("segments"),
    );
    expect(appends.length).toBeGreaterThan(3);
    for (const { durability } of appends) expect(durability).toBe("strict");
    const frames = log.filter(({ kind }) => kind === "frame");
    expect(frames.length).toBeGreaterThan(2);
    let commits = 0;
    let sent = 0;
    for (const { kind, stores } of log) {
      if (kind === "frame") sent++;
      else if (stores.includes("segments")) commits++;
      expect(sent, "an entry was sent before its commit").toBeLessThanOrEqual(commits);
    }
  } finally {
    await relay.remove();
  }
});

interface Write {
  readonly kind: "commit" | "frame";
  readonly stores: readonly string[];
  readonly durability: string;
}

/** Runs in the page: notes each committed write transaction, and each entry that leaves. */
function watchWrites(): void {
  const writes: Write[] = [];
  Object.assign(globalThis, { writes });
  // Both are called on the object they are found at.
  // oxlint-disable-next-line typescript/unbound-method
  const transaction = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (names, mode, options) {
    const made = transaction.call(this, names, mode, options);
    if (mode === "readwrite") {
      const stores = typeof names === "string" ? [names] : [...names];
      made.addEventListener("complete", () => {
        writes.push({ kind: "commit", stores, durability: made.durability });
      });
    }
    return made;
  };
  // oxlint-disable-next-line typescript/unbound-method
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const first = data instanceof ArrayBuffer ? new Uint8Array(data)[0] : (data as Uint8Array)[0];
    if (first === 0x13 || first === 0x14)
      writes.push({ kind: "frame", stores: [], durability: "" });
    send.call(this, data);
  };
}
