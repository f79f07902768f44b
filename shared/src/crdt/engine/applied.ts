/** What became of an update or change of the log in a document of an engine. */
export type Applied =
  /** The document is another than before. */
  | { readonly kind: "applied" }
  /** It was in the document before: written here, or covered by the snapshot. */
  | { readonly kind: "known" }
  /** It names what lies outside its causal past; held until that comes, the same way by everybody. */
  | { readonly kind: "waiting" }
  /** Malformed, under a foreign id or out of turn: skipped, the same way by everybody. */
  | { readonly kind: "void"; readonly reason: string }
  /** The engine failed in the middle of it: the document must be loaded anew. */
  | { readonly kind: "damaged"; readonly reason: string };
