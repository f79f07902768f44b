import { expect, it } from "vitest";
import { findIn } from "./palette-search.ts";

const entries = [
  { label: "Garden plan" },
  { label: "Plan of the house" },
  { label: "Café" },
  { label: "Explanations" },
  { label: "Open settings", words: "theme dark light" },
];
const found = (typed: string) => findIn(entries, typed).map(({ label }) => label);

it("everything, in order, when nothing is typed", () => {
  expect(found(" ")).toEqual(entries.map(({ label }) => label));
});

it("beginnings before words before what is inside", () => {
  expect(found("plan")).toEqual(["Plan of the house", "Garden plan", "Explanations"]);
});

it("without regard to case and accents", () => {
  expect(found("CAFE")).toEqual(["Café"]);
});

it("by letters in order", () => {
  expect(found("gdpl")).toEqual(["Garden plan"]);
});

it("by other words it answers to", () => {
  expect(found("dark")).toEqual(["Open settings"]);
});

it("nothing that does not match", () => {
  expect(found("zebra")).toEqual([]);
});
