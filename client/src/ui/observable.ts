/** Where plain observables meet React. */
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import type { Observable } from "../runtime/api.ts";

export function useObservable<T>(observable: Observable<T>): T {
  const subscribe = useCallback(
    (listener: () => void) => observable.subscribe(listener),
    [observable],
  );
  const get = useCallback(() => observable.get(), [observable]);
  return useSyncExternalStore(subscribe, get);
}

const never: Observable<undefined> = { get: () => undefined, subscribe: () => () => {} };

/** The same for what may not be there yet. */
export function useMaybeObservable<T>(observable: Observable<T> | undefined): T | undefined {
  return useObservable<T | undefined>(observable ?? never);
}

/** The time, renewed as often as asked while the component is on the screen. */
export function useNow(everyMs: number): number {
  const [nowMs, setNowMs] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return nowMs;
}

/** True once the component has been there for a while: what shows then is no flash. */
export function useLate(afterMs = 300): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), afterMs);
    return () => clearTimeout(timer);
  }, [afterMs]);
  return late;
}
