import type { Opening } from "../storage/idb-kv.ts";

/** Why there is nothing to show. */
export class CannotOpenDatabase extends Error {
  override readonly name = "CannotOpenDatabase";
  readonly kind: Exclude<Opening["kind"], "open">;
  constructor(kind: Exclude<Opening["kind"], "open">, detail: string) {
    super(detail);
    this.kind = kind;
  }
}
