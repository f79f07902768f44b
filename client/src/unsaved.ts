/**
 * Has the browser ask before a tab is closed that holds what could not be saved: no room, or a disk that
 * fails. Only then: a tab with such a listener is not kept for "back", and the question is a nuisance.
 */
import type { Observable, Trouble } from "./runtime/api.ts";

export function guardUnsaved(troubles: Observable<readonly Trouble[]>, page: EventTarget): void {
  const ask = (event: Event) => event.preventDefault();
  const look = () => {
    const isUnsaved = troubles
      .get()
      .some(({ kind }) => kind === "storage full" || kind === "storage failed");
    if (isUnsaved) page.addEventListener("beforeunload", ask);
    else page.removeEventListener("beforeunload", ask);
  };
  troubles.subscribe(look);
  look();
}
