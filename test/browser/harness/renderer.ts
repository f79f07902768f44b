/** The process that renders a page, found by making it work: nothing names it. */
import type { Browser, Page } from "@playwright/test";

interface ProcessInfo {
  readonly id: number;
  readonly type: string;
  readonly cpuTime: number;
}

export async function rendererOf(browser: Browser, page: Page): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  try {
    const times = async (): Promise<Map<number, number>> => {
      const { processInfo } = await session.send("SystemInfo.getProcessInfo");
      const renderers = (processInfo as ProcessInfo[]).filter(({ type }) => type === "renderer");
      return new Map(renderers.map(({ id, cpuTime }) => [id, cpuTime]));
    };
    const before = await times();
    await page.evaluate(() => {
      const until = performance.now() + 700;
      while (performance.now() < until);
    });
    const after = await times();
    const worked = [...after].map(([id, cpu]) => ({ id, cpu: cpu - (before.get(id) ?? 0) }));
    const [busiest] = worked.toSorted((a, b) => b.cpu - a.cpu);
    if (busiest === undefined) throw new Error("no renderer was found");
    return busiest.id;
  } finally {
    await session.detach();
  }
}
