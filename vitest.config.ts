/**
 * One project per kind of test, so that scripts/test.ts can run and count them one by one. Unit tests
 * stand beside what they test; what crosses packages is in test/.
 */
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromiumLaunchOptions } from "./scripts/chromium.ts";

const setupFiles = ["./test/support/property-seed.ts"];
const seedWanted = process.env["SKEIN_SEED"] ?? "1";
const propertySeed =
  seedWanted === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(seedWanted);
if (!Number.isSafeInteger(propertySeed)) throw new Error(`SKEIN_SEED=${seedWanted}: no integer`);

const browserTests = "client/src/**/*.browser.test.{ts,tsx}";

function nodeProject(name: string, include: string[], testTimeoutMs = 10_000) {
  return {
    test: {
      name,
      include,
      exclude: [browserTests],
      setupFiles,
      environment: "node" as const,
      testTimeout: testTimeoutMs,
    },
  };
}

export default defineConfig({
  test: {
    silent: "passed-only",
    maxWorkers: 2,
    provide: { propertySeed },
    projects: [
      nodeProject("shared", ["shared/src/**/*.test.ts"]),
      nodeProject("server", ["server/src/**/*.test.ts"]),
      nodeProject("client", ["client/src/**/*.test.{ts,tsx}"]),
      nodeProject("house", ["test/house/**/*.test.ts"]),
      nodeProject("conformance", ["test/{conformance,fuzz}/**/*.test.ts"], 30_000),
      nodeProject("simulation", ["test/simulation/**/*.test.ts"], 120_000),
      {
        optimizeDeps: {
          entries: [browserTests],
          // The scan misses what our own packages import; what is found later reloads a running test.
          include: [
            "fast-check",
            "@skein/shared > @noble/ciphers/aes.js",
            "@skein/shared > @noble/hashes/hkdf.js",
          ],
        },
        test: {
          name: "chromium",
          include: [browserTests],
          setupFiles,
          testTimeout: 20_000,
          // Below the ephemeral range; vite takes the next one if this is in use.
          api: { port: 21_000 + Math.floor(Math.random() * 9_000) },
          browser: {
            enabled: true,
            headless: true,
            ui: false,
            screenshotFailures: false,
            traceView: false,
            provider: playwright({ launchOptions: chromiumLaunchOptions() }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
