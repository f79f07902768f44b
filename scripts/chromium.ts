/**
 * Where the system's Chromium is and how tests start it. Playwright's own download is not used, so that
 * a clone needs nothing but a package of the distribution.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Quiet, without a sandbox (tests run as root in containers), without a word to the network. */
export const chromiumArgs: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const places = [
  "/usr/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** The path of a Chromium, `SKEIN_CHROMIUM` before all; undefined if there is none. */
export function findChromium(): string | undefined {
  const asked = process.env["SKEIN_CHROMIUM"];
  if (asked !== undefined && asked !== "") return asked;
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = folders.flatMap((folder) => names.map((name) => join(folder, name)));
  return [...places, ...candidates].find(isExecutable);
}

/** What Playwright's `launch` and vitest's browser provider take. */
export function chromiumLaunchOptions(): { executablePath?: string; args: string[] } {
  const executablePath = findChromium();
  return { ...(executablePath !== undefined && { executablePath }), args: [...chromiumArgs] };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
