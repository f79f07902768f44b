import { expect, it } from "vitest";
import type { Trouble } from "./runtime/api.ts";
import { Cell } from "./runtime/observable.ts";
import { guardUnsaved } from "./unsaved.ts";

it("asks before a tab is left for as long as something could not be saved", () => {
  const troubles = new Cell<readonly Trouble[]>([]);
  const page = new EventTarget();
  guardUnsaved(troubles, page);
  const asks = () => !page.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  expect(asks()).toBe(false);
  troubles.set([{ kind: "storage full", atMs: 0 }]);
  expect(asks()).toBe(true);
  troubles.set([{ kind: "update needed", atMs: 0 }]);
  expect(asks()).toBe(false);
  troubles.set([{ kind: "storage failed", atMs: 0, detail: "UnknownError" }]);
  expect(asks()).toBe(true);
  troubles.set([]);
  expect(asks()).toBe(false);
});
