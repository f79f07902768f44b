import { describe, expect, it } from "vitest";
import { hueClass } from "./hue.ts";
import { initials } from "./initials.ts";

describe("initials", () => {
  it.each([
    ["Ana", "AN"],
    ["Ana Silva", "AS"],
    ["Ana Maria da Silva", "AS"],
    ["  ben  ", "BE"],
    ["x", "X"],
    ["Ωμέγα", "ΩΜ"],
    ["(Ben) [Carter]", "BC"],
    ["", "?"],
    ["  ", "?"],
    ["!!!", "?"],
  ])("of %j are %j", (name, letters) => {
    expect(initials(name)).toBe(letters);
  });

  it("keep letters that are made of several code points whole", () => {
    expect(initials("👩🏽‍🚀👩🏽‍🚀👩🏽‍🚀")).toBe("👩🏽‍🚀👩🏽‍🚀");
    expect(initials("é́clair")).toBe("É́C");
  });
});

describe("a person's colour", () => {
  it("is the same for the same id and one of twelve", () => {
    expect(hueClass("00000c00")).toBe("hue-0");
    expect(hueClass("00000b00")).toBe(hueClass("00000bff"));
    expect(hueClass("not an id")).toBe("hue-0");
  });
});
