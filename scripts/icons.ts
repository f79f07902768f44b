/**
 * Draws the PNG icons of the app from client/public/icon.svg, which is the one drawing there is. Run it by
 * hand after changing that: `node scripts/icons.ts`. The results are committed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright";
import { chromiumLaunchOptions } from "./chromium.ts";

const folder = join(import.meta.dirname, "../client/public");
const drawing = readFileSync(join(folder, "icon.svg"), "utf8");
/** Without rounded corners and with room around the mark: platforms cut their own shape out of it. */
const whole = drawing
  .replace('rx="14"', "")
  .replace("translate(6.4 6.4) scale(.8)", "translate(12.8 12.8) scale(.6)");

const icons = [
  { name: "icon-180.png", size: 180, svg: whole },
  { name: "icon-192.png", size: 192, svg: drawing },
  { name: "icon-512.png", size: 512, svg: drawing },
  { name: "icon-maskable-512.png", size: 512, svg: whole },
] as const;

const browser = await chromium.launch(chromiumLaunchOptions());
try {
  for (const { name, size, svg } of icons) {
    const page = await browser.newPage({ viewport: { width: size, height: size } });
    await page.setContent(`<style>body{margin:0}svg{display:block}</style>${svg}`);
    writeFileSync(join(folder, name), await page.screenshot({ omitBackground: true }));
    await page.close();
  }
} finally {
  await browser.close();
}
