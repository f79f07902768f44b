import { describe, expect, it } from "vitest";
import { RecentMap } from "./recent-map.ts";

describe("a recent map", () => {
  it("forgets the row that was not asked for the longest", () => {
    const map = new RecentMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    expect(map.get("a")).toBe(1);
    map.set("c", 3);
    expect(map.get("b")).toBeUndefined();
    expect(map.get("a")).toBe(1);
    expect(map.get("c")).toBe(3);
    expect(map.size).toBe(2);
  });

  it("replaces a row without forgetting another", () => {
    const map = new RecentMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    map.set("a", 3);
    expect(map.get("a")).toBe(3);
    expect(map.get("b")).toBe(2);
  });

  it("drops a row on request", () => {
    const map = new RecentMap<string, number>(2);
    map.set("a", 1);
    map.delete("a");
    expect(map.get("a")).toBeUndefined();
    expect(map.size).toBe(0);
  });
});
