/** The row from which views paint the catalog, in a form of our own. */
import type { CatalogModel } from "@skein/shared/device/read-models.ts";
import type { CatalogView } from "@skein/shared/space/catalog-view.ts";

export interface CatalogRow {
  readonly form: 1;
  readonly view: CatalogView;
}

/** Undefined for no row, or one of a form that this version does not know: it is made anew. */
export function viewInRow(row: CatalogModel | undefined): CatalogView | undefined {
  const kept = row?.model as CatalogRow | undefined;
  return kept?.form === 1 ? kept.view : undefined;
}
