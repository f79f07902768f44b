/** What every view may reach without it being handed down: the app, and the way to other places. */
import { createContext, useContext } from "react";
import type { App, Space } from "../runtime/api.ts";
import type { Place } from "../spaces/place.ts";

/** What may lie over the app: one at a time. */
export type Overlay =
  | { readonly kind: "invite" }
  | { readonly kind: "settings" }
  | { readonly kind: "find" }
  | { readonly kind: "shortcuts" }
  | { readonly kind: "new space" }
  | { readonly kind: "join"; readonly link: string | undefined }
  | { readonly kind: "new channel" };

/** What the right side shows. */
export type Side =
  | { readonly kind: "members" }
  | { readonly kind: "sync" }
  | { readonly kind: "message"; readonly message: string };

export interface Ways {
  readonly app: App;
  readonly go: (place: Place, options?: { readonly replace?: boolean }) => void;
  readonly show: (overlay: Overlay | undefined) => void;
  readonly side: Side | undefined;
  readonly setSide: (side: Side | undefined) => void;
}

export const WaysContext = createContext<Ways | undefined>(undefined);
export const SpaceContext = createContext<Space | undefined>(undefined);

export function useWays(): Ways {
  const ways = useContext(WaysContext);
  if (ways === undefined) throw new Error("a view outside the app");
  return ways;
}

export function useApp(): App {
  return useWays().app;
}

export function useSpace(): Space {
  const space = useContext(SpaceContext);
  if (space === undefined) throw new Error("a view outside a space");
  return space;
}
