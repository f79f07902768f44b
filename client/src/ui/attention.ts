/**
 * Whether the person is looking at the page: the window has the focus, the page is visible and nothing
 * lies on top. Only then may anything count as read.
 */
import { useEffect } from "react";
import { Cell } from "../runtime/observable.ts";

let overlays = 0;

function isLooking(): boolean {
  return overlays === 0 && document.visibilityState === "visible" && document.hasFocus();
}

export const attention = new Cell(false);

const update = () => attention.set(isLooking());

/** Begins to watch; once, when the app starts. */
export function watchAttention(): void {
  addEventListener("focus", update);
  addEventListener("blur", update);
  document.addEventListener("visibilitychange", update);
  update();
}

/** For everything that covers content while it is open: dialogs, sheets, menus. */
export function useCovers(): void {
  useEffect(() => {
    overlays++;
    update();
    return () => {
      overlays--;
      update();
    };
  }, []);
}
