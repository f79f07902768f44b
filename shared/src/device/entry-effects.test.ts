import { expect, it } from "vitest";
import { modelOf } from "./entry-effects.ts";

it("kinds stand where format 1 of the manifest has them: another place is another format", () => {
  const kinds = Array.from({ length: 0x10_000 }, (_, kind) => kind + 1);
  const of = (model: ReturnType<typeof modelOf>) => kinds.filter((kind) => modelOf(kind) === model);
  expect(of("clock")).toEqual([0x02]);
  expect(of("tail")).toEqual([0x20, 0x40]);
  expect(of("channel")).toEqual([0x30]);
  expect(of("whole")).toEqual([0x01, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x50]);
});
