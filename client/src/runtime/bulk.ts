/** Loads what long runs are checked and opened with (bulk-thread.ts) when the first one comes. */
import type { Bulk, Suite } from "@skein/shared/crypto/suite.ts";

export function lazyBulk(suite: Suite): Bulk {
  let bulk: Bulk | undefined;
  let loading: Promise<void> | undefined;
  const loaded = (): Bulk | undefined => {
    loading ??= import("./bulk-thread.ts").then(
      ({ BulkThread }) => {
        bulk = new BulkThread(suite);
      },
      // Not reachable, and not needed either.
      () => undefined,
    );
    return bulk;
  };
  return {
    check: (placed, publicKey) => loaded()?.check(placed, publicKey),
    open: (entries, keys) => loaded()?.open(entries, keys),
  };
}
