import { expect, it } from "vitest";
import { Cell } from "./runtime/observable.ts";
import { guardUnsaved } from "./unsaved.ts";

it("asks before a tab is left for as long as something could not be saved", () => {
  const unsaved = new Cell(false);
  const page = new EventTarget();
  guardUnsaved(unsaved, page);
  const asks = () => !page.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  expect(asks()).toBe(false);
  unsaved.set(true);
  expect(asks()).toBe(true);
  unsaved.set(false);
  expect(asks()).toBe(false);
});
