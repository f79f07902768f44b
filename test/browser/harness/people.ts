/** The usual company: people on devices of their own, in one space, over one relay. */
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  expect,
} from "@playwright/test";
import { type DeviceTab, openTab } from "./device.ts";
import type { RelayProcess } from "./relay-process.ts";

export interface Person {
  readonly context: BrowserContext;
  readonly tab: DeviceTab;
}

/** A new device whose person has said their name, and nothing else. */
export async function arrive(
  browser: Browser,
  relay: RelayProcess,
  name: string,
  options: BrowserContextOptions = {},
): Promise<Person> {
  const context = await browser.newContext(options);
  const tab = await openTab(context, relay.origin);
  await tab.introduce(name);
  return { context, tab };
}

export interface Pair {
  readonly ana: Person;
  readonly ben: Person;
  /** Of an invite that may be used further. */
  readonly link: string;
}

const widthOfPhonesMax = 640;

/** Ana founded a space, and Ben joined it with her link. */
export async function pairUp(
  browser: Browser,
  relay: RelayProcess,
  { space = "Garden", ...options }: BrowserContextOptions & { readonly space?: string } = {},
): Promise<Pair> {
  const ana = await arrive(browser, relay, "Ana", options);
  await ana.tab.createSpace(space);
  const link = await ana.tab.invite();
  const ben = await arrive(browser, relay, "Ben", options);
  await ben.tab.join(link);
  // What she writes from then on is for him, too. On a phone nobody sees the list beside a note.
  const isPhone = (options.viewport?.width ?? widthOfPhonesMax) < widthOfPhonesMax;
  if (!isPhone) await expect(ana.tab.members).toContainText("Ben");
  return { ana, ben, link };
}
