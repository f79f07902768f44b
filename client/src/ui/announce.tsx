/**
 * Says something to screen readers that stands elsewhere on the screen for everybody else. One polite
 * region for the whole app, empty again after a moment, so that nobody finds the words twice.
 */
import { useEffect } from "react";
import { Cell } from "../runtime/observable.ts";
import { useObservable } from "./observable.ts";

const heardAfterMs = 2_000;
const said = new Cell<string>("");

export function announce(words: string): void {
  said.set(words);
}

export function Announcer() {
  const words = useObservable(said);
  useEffect(() => {
    if (words === "") return;
    const timer = setTimeout(() => said.set(""), heardAfterMs);
    return () => clearTimeout(timer);
  }, [words]);
  return (
    <p className="visually-hidden" aria-live="polite" data-announcer>
      {words}
    </p>
  );
}
