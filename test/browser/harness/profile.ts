/** Browsers with folders of their own, which outlive them: for what is left of a device when one dies. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "@playwright/test";
import { chromiumLaunchOptions } from "../../../scripts/chromium.ts";
import { DeviceTab } from "./device.ts";

/** A browser with a folder of its own on disk, which can be killed and started again. */
export class Profile {
  readonly folder: string;
  context: BrowserContext | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Profile> {
    return new Profile(await mkdtemp(join(tmpdir(), "skein-profile-")));
  }

  async open(address: string): Promise<DeviceTab> {
    this.context = await chromium.launchPersistentContext(join(this.folder, "profile"), {
      ...chromiumLaunchOptions(),
      headless: true,
      // A browser that is killed leaves its temporary files: here they go with the profile.
      env: { ...process.env, TMPDIR: this.folder },
    });
    const page = this.context.pages()[0] ?? (await this.context.newPage());
    await page.goto(address);
    return new DeviceTab(page);
  }

  /** SIGKILL to the browser's own process: it can say nothing to anybody. */
  async kill(): Promise<void> {
    const browser = this.context?.browser();
    if (browser === null || browser === undefined) throw new Error("no browser is open");
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const own = processInfo.find(({ type }) => type === "browser");
    if (own === undefined) throw new Error("the browser has no process");
    const gone = new Promise((resolve) => browser.once("disconnected", resolve));
    process.kill(own.id, "SIGKILL");
    await gone;
    this.context = undefined;
  }

  async close(): Promise<void> {
    await this.context?.close();
    this.context = undefined;
  }

  /** Another browser with all that this one has kept, as when somebody copies the folder. */
  async copy(): Promise<Profile> {
    if (this.context !== undefined) throw new Error("a browser that is open cannot be copied");
    const copy = await Profile.make();
    await cp(join(this.folder, "profile"), join(copy.folder, "profile"), { recursive: true });
    return copy;
  }

  async remove(): Promise<void> {
    await this.context?.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
