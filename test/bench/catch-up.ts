/** Builds the page of `browser/catch-up.ts` as the app is built, and runs it in Chromium. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { build, preview } from "vite";
import { chromiumLaunchOptions } from "../../scripts/chromium.ts";
import type { CatchUp } from "./browser/catch-up.ts";

/** The middle one of several times, each in a browser of its own. */
export async function catchUpInChromium(
  entries: number,
  authors: number,
  rounds: number,
): Promise<CatchUp> {
  const outDir = await mkdtemp(join(tmpdir(), "skein-bench-"));
  const root = join(import.meta.dirname, "browser");
  const target = ["chrome123"];
  const common = { configFile: false, root, logLevel: "error" } as const;
  await build({
    ...common,
    worker: { format: "es" },
    build: { outDir, target, emptyOutDir: true },
  });
  const server = await preview({
    ...common,
    build: { outDir },
    preview: { port: 0, host: "localhost" },
  });
  try {
    const address = server.resolvedUrls?.local[0];
    if (address === undefined) throw new Error("the page is not served");
    const times: CatchUp[] = [];
    for (let round = 0; round < rounds; round++)
      times.push(await inBrowser(address, entries, authors));
    times.sort((a, b) => a.whole - b.whole);
    const middle = times[Math.floor(times.length / 2)];
    if (middle === undefined) throw new Error("no rounds");
    return middle;
  } finally {
    await server.close();
    await rm(outDir, { recursive: true, force: true });
  }
}

async function inBrowser(address: string, entries: number, authors: number): Promise<CatchUp> {
  const browser = await chromium.launch(chromiumLaunchOptions());
  try {
    const page = await browser.newPage();
    page.on("pageerror", (error) => process.stderr.write(`${String(error)}\n`));
    page.setDefaultTimeout(300_000);
    await page.goto(address);
    await page.waitForFunction(() => "catchUp" in globalThis);
    return await page.evaluate(
      async ([count, writers]) => {
        const { catchUp } = globalThis as unknown as {
          catchUp: (entries: number, authors: number) => Promise<CatchUp>;
        };
        return catchUp(count, writers);
      },
      [entries, authors] as const,
    );
  } finally {
    await browser.close();
  }
}
