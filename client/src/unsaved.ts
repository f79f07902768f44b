/**
 * Has the browser ask before a tab is closed that holds what could not be saved: no room, a disk that
 * fails, or a database that a newer version took over. Only then: a tab with such a listener is not kept
 * for "back", and the question is a nuisance.
 */
import type { Observable } from "./runtime/api.ts";

export function guardUnsaved(unsaved: Observable<boolean>, page: EventTarget): void {
  const ask = (event: Event) => event.preventDefault();
  const look = () => {
    if (unsaved.get()) page.addEventListener("beforeunload", ask);
    else page.removeEventListener("beforeunload", ask);
  };
  unsaved.subscribe(look);
  look();
}
