/**
 * Where in the app a person is, as the fragment of the address: nothing of it ever reaches a relay. Also
 * takes invite links out of the address bar before anything else may look at them.
 */
import type { DocumentId, SpaceTag } from "@skein/shared/id/id.ts";

export type List = "notes" | "channels" | "members" | "trash";

export type Place =
  | { readonly kind: "start" }
  | { readonly kind: "space"; readonly space: SpaceTag; readonly list: List | undefined }
  | { readonly kind: "note"; readonly space: SpaceTag; readonly note: DocumentId }
  | { readonly kind: "channel"; readonly space: SpaceTag; readonly channel: DocumentId };

const pattern =
  /^\/s\/([0-9a-f]{32})(?:\/(?:(notes|channels|members|trash)|n\/([0-9a-f]{16})|c\/([0-9a-f]{16})))?\/?$/;

/** Anything that is not an address of ours is the start. */
export function placeOf(path: string): Place {
  const match = pattern.exec(path);
  if (match === null) return { kind: "start" };
  const space = match[1] as SpaceTag;
  if (match[3] !== undefined) return { kind: "note", space, note: match[3] as DocumentId };
  if (match[4] !== undefined) return { kind: "channel", space, channel: match[4] as DocumentId };
  return { kind: "space", space, list: match[2] as List | undefined };
}

export function pathOf(place: Place): string {
  switch (place.kind) {
    case "start":
      return "/";
    case "space":
      return `/s/${place.space}${place.list === undefined ? "" : `/${place.list}`}`;
    case "note":
      return `/s/${place.space}/n/${place.note}`;
    case "channel":
      return `/s/${place.space}/c/${place.channel}`;
  }
}

export function documentOf(place: Place): DocumentId | undefined {
  if (place.kind === "note") return place.note;
  return place.kind === "channel" ? place.channel : undefined;
}

/** Whether a fragment is an invite, whole or damaged: it must leave the address bar at once. */
export function isInvite(fragment: string): boolean {
  return /^#?\/?join(?:\/|$)/i.test(fragment);
}

interface Page {
  readonly location: Pick<Location, "hash" | "href" | "pathname" | "search">;
  readonly history: Pick<History, "replaceState">;
}

/**
 * Takes an invite out of the address bar and returns the link as it was opened; the entry in the
 * browser's history is overwritten, so that neither reload nor "back" shows the secret again.
 */
export function takeInvite({ location, history }: Page): string | undefined {
  if (!isInvite(location.hash)) return undefined;
  const link = location.href;
  history.replaceState(null, "", location.pathname + location.search);
  return link;
}
