import { describe, expect, it, vi } from "vitest";
import type { DocumentId, SpaceTag } from "@skein/shared/id/id.ts";
import { isInvite, pathOf, placeOf, takeInvite, type Place } from "./place.ts";

const space = "0123456789abcdef0123456789abcdef" as SpaceTag;
const document = "0123456789abcdef" as DocumentId;

describe("a place", () => {
  it.each<Place>([
    { kind: "start" },
    { kind: "space", space, list: undefined },
    { kind: "space", space, list: "trash" },
    { kind: "note", space, note: document },
    { kind: "channel", space, channel: document },
  ])("survives the way into the address and back: %j", (place) => {
    expect(placeOf(pathOf(place))).toEqual(place);
  });

  it.each([
    "",
    "/",
    "/s/xyz",
    `/s/${space}/n/short`,
    `/s/${space}/nothing`,
    "/join/a.b",
    "/s/../..",
  ])("that is not ours is the start: %j", (path) => {
    expect(placeOf(path)).toEqual({ kind: "start" });
  });
});

describe("an opened invite", () => {
  const open = (hash: string) => {
    const replaceState = vi.fn<History["replaceState"]>();
    const href = `https://relay.example/?replica=b${hash}`;
    const location = { hash, href, pathname: "/", search: "?replica=b" };
    return { link: takeInvite({ location, history: { replaceState } }), replaceState };
  };

  it.each(["#/join/AAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBB", "#/join/damaged", "#/join/", "#join/x.y"])(
    "leaves the address bar: %s",
    (hash) => {
      const { link, replaceState } = open(hash);
      expect(link).toBe(`https://relay.example/?replica=b${hash}`);
      expect(replaceState).toHaveBeenCalledExactlyOnceWith(null, "", "/?replica=b");
    },
  );

  it("is nothing else", () => {
    const { link, replaceState } = open(`#/s/${space}`);
    expect(link).toBeUndefined();
    expect(replaceState).not.toHaveBeenCalled();
    expect(isInvite("#/joinery")).toBe(false);
  });
});
