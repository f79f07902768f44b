/**
 * Browser tests drive the built client against real relays, which fixtures start and stop, so that a
 * failed test leaves none running.
 */
import { join } from "node:path";
import { defineConfig } from "@playwright/test";
import { chromiumLaunchOptions } from "../../scripts/chromium.ts";

const build = join(import.meta.dirname, "../../build");

export default defineConfig({
  testDir: ".",
  outputDir: join(build, "browser"),
  workers: 2,
  fullyParallel: true,
  retries: 0,
  timeout: 120_000,
  // Less than the suite's limit in scripts/test.ts, so that what ran is still reported.
  globalTimeout: 840_000,
  // A bound for a machine with other things to do, not a measure: what is slow shows in a bench.
  expect: { timeout: 25_000 },
  forbidOnly: !["", "0", "false"].includes(process.env["CI"] ?? ""),
  reporter: [["list"], ["json", { outputFile: join(build, "browser.json") }]],
  use: {
    browserName: "chromium",
    headless: true,
    launchOptions: chromiumLaunchOptions(),
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
  },
});
