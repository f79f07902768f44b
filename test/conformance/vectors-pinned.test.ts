/**
 * Golden vectors are append-only: each is pinned by its hash in `test/vectors/pins.txt`, so that
 * changing one takes two deliberate edits and shows as what it is, a change of the protocol.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { loadVectors } from "../support/vectors.ts";

const folder = join(import.meta.dirname, "../vectors");

/** A line for every vector: hash, file and name. */
function linesOfVectors(): string[] {
  const files = globSync("*.json", { cwd: folder }).map((path) => basename(path));
  return files.toSorted().flatMap((file) =>
    loadVectors<{ name: string }>(file).map((vector) => {
      const hash = createHash("sha256").update(JSON.stringify(vector)).digest("hex");
      return `${hash.slice(0, 32)} ${file} ${vector.name}`;
    }),
  );
}

const pinned = readFileSync(join(folder, "pins.txt"), "utf8").trimEnd().split("\n");

it("no golden vector has changed or gone", () => {
  const present = new Set(linesOfVectors());
  expect(pinned.filter((line) => !present.has(line))).toEqual([]);
});

it("every golden vector is pinned: append these lines to pins.txt", () => {
  expect(linesOfVectors().filter((line) => !pinned.includes(line))).toEqual([]);
});

it("no two vectors of a file share a name", () => {
  const names = linesOfVectors().map((line) => line.slice(33));
  expect(new Set(names).size).toBe(names.length);
});
