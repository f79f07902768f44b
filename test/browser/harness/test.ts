/** Playwright's `test`, that leaves no page open behind a test. */
import { test as base } from "@playwright/test";

/** One test's tabs, were they left open, would go on working beside every later test of their worker. */
export const test = base.extend<{ readonly closing: void }>({
  closing: [
    async ({ browser }, use) => {
      await use();
      await Promise.all(browser.contexts().map((context) => context.close()));
    },
    { auto: true },
  ],
});
