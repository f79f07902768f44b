/**
 * Opens something asynchronous for as long as a component shows it, and closes it again: notes and
 * channels. A slow opening that is overtaken by another is closed when it arrives.
 */
import { useEffect, useState } from "react";

export type Opening<T> =
  | { readonly kind: "opening" }
  | { readonly kind: "open"; readonly value: T }
  | { readonly kind: "failed"; readonly error: Error };

const opening = { kind: "opening" } as const;

/** `open` must be stable: it opens anew whenever it changes. */
export function useOpen<T>(open: () => Promise<T>, close: (value: T) => void): Opening<T> {
  const [state, setState] = useState<{ readonly of: () => Promise<T>; readonly is: Opening<T> }>();
  useEffect(() => {
    let left = false;
    let opened: T | undefined;
    open().then(
      (value) => {
        if (left) {
          close(value);
          return;
        }
        opened = value;
        setState({ of: open, is: { kind: "open", value } });
      },
      (error: unknown) => {
        if (left) return;
        const failure = error instanceof Error ? error : new Error(String(error));
        setState({ of: open, is: { kind: "failed", error: failure } });
      },
    );
    return () => {
      left = true;
      if (opened !== undefined) close(opened);
    };
  }, [open, close]);
  return state?.of === open ? state.is : opening;
}
