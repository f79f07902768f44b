/** The few facts of the screen that change what is built, not merely how it looks. */
import { useSyncExternalStore } from "react";
import type { Observable } from "../runtime/api.ts";

/** One pane and bottom tabs. */
const phone = "(width < 640px)";
/** The right side lies over the content instead of beside it. */
const narrow = "(width < 900px)";

function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(query);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    () => matchMedia(query).matches,
  );
}

export const usePhone = (): boolean => useMedia(phone);
export const useNarrow = (): boolean => useMedia(narrow);

/** What the browser says of the machine's network; it may be wrong when true. */
export const online: Observable<boolean> = {
  get: () => navigator.onLine,
  subscribe(listener) {
    addEventListener("online", listener);
    addEventListener("offline", listener);
    return () => {
      removeEventListener("online", listener);
      removeEventListener("offline", listener);
    };
  },
};
