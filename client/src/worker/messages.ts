/** What a page says to its service worker. */
export type ToWorker =
  /** Activate the version that waits; said when the person chose to reload. */
  | { readonly kind: "take over" }
  /** Fetch and keep the parts that the first load left out, so that they work offline too. */
  | { readonly kind: "keep the rest" };
