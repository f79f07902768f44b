/** Makes an empty note and opens it with the caret in its title. */
import { useState } from "react";
import type { DocumentId } from "@skein/shared/id/id.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { tell } from "../ui/notices.tsx";

/** The note that was just made here: its title takes the caret once. */
let fresh: DocumentId | undefined;

export function takeFresh(note: DocumentId): boolean {
  if (fresh !== note) return false;
  fresh = undefined;
  return true;
}

export function useNewNote(): { readonly make: () => void; readonly busy: boolean } {
  const space = useSpace();
  const { go } = useWays();
  const [busy, setBusy] = useState(false);
  const make = () => {
    setBusy(true);
    space
      .createNote("")
      .then((note) => {
        fresh = note;
        go({ kind: "note", space: space.tag, note });
      })
      .catch(() => tell("The note could not be made. Please try again."))
      .finally(() => setBusy(false));
  };
  return { make, busy };
}
