/**
 * Holds the built client to its budgets: what a browser loads before it paints the app, and what the editor
 * adds with the first note. Compressed means gzip, React is not counted, and the engines are never in the
 * first load. Read from the build's own manifest.
 */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { staticGraph, type Manifest } from "./bundle.ts";

const root = join(import.meta.dirname, "../..");
const dist = join(root, "client/dist");

let manifest: Manifest;

beforeAll(() => {
  const { status, stderr } = spawnSync(process.execPath, [join(root, "scripts/build.ts")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the client could not be built:\n${stderr}`);
  manifest = JSON.parse(readFileSync(join(dist, ".vite/manifest.json"), "utf8")) as Manifest;
}, 120_000);

const page = "index.html";
const editor = "src/notes/editor/editor-view.tsx";
const dialogs = "src/spaces/dialogs.tsx";

const gzipBytes = (files: Iterable<string>): number =>
  [...files].reduce(
    (sum, file) => sum + gzipSync(readFileSync(join(dist, file)), { level: 9 }).length,
    0,
  );

const isReact = (file: string) => /(?:^|\/)react-[^/]*\.js$/.test(file);
const withoutReact = (files: Iterable<string>) => [...files].filter((file) => !isReact(file));

describe("before the first paint", () => {
  it("at most 180 KB are loaded, without React", () => {
    const shell = [...withoutReact(staticGraph(manifest, page)), page, "theme.js"];
    expect(gzipBytes(shell)).toBeLessThanOrEqual(180_000);
  });

  it("neither Yjs nor Automerge nor the editor is loaded", () => {
    const shell = [...staticGraph(manifest, page)].map((file) =>
      readFileSync(join(dist, file), "utf8"),
    );
    // Words that only they contain.
    for (const trace of ["ProseMirror", "Yjs was already imported", "automerge_wasm"]) {
      expect(shell.filter((text) => text.includes(trace))).toEqual([]);
    }
    const everything = globSync("assets/*.{js,wasm}", { cwd: dist }).map((file) =>
      readFileSync(join(dist, file), "latin1"),
    );
    for (const trace of ["ProseMirror", "Yjs was already imported", "automerge_wasm"]) {
      expect(everything.some((text) => text.includes(trace))).toBe(true);
    }
  });

  it("no data type that the app itself has no use for is loaded", () => {
    const shell = [...staticGraph(manifest, page)];
    const traces = [
      ["lattice/causal-context.ts", "a dot that its own context has not seen"],
      ["op/list-codec.ts", "the first element without an id"],
    ] as const;
    for (const [source, trace] of traces) {
      const text = readFileSync(join(root, "shared/src/crdt", source), "utf8");
      expect(text).toContain(trace);
      const loading = shell.filter((file) =>
        readFileSync(join(dist, file), "utf8").includes(trace),
      );
      expect(loading).toEqual([]);
    }
  });

  it("what only the tab that leads needs is not loaded", () => {
    const trace = "speaks of more logs than a space may have";
    expect(readFileSync(join(root, "shared/src/sync/session.ts"), "utf8")).toContain(trace);
    const shell = [...staticGraph(manifest, page)];
    const loading = shell.filter((file) => readFileSync(join(dist, file), "utf8").includes(trace));
    expect(loading).toEqual([]);
  });

  it("nothing is inlined: no script, no style, no data address", () => {
    const html = readFileSync(join(dist, page), "utf8");
    expect(html).not.toMatch(/<style|style=|<script(?![^>]*\ssrc=)|\son\w+=|data:/);
    expect(html.match(/(?:src|href)="(?!\/)[^"]*"/g)).toBeNull();
  });
});

describe("with the first note", () => {
  it("the editor adds at most 170 KB, its binding to Yjs included", () => {
    const shell = staticGraph(manifest, page);
    const added = [...staticGraph(manifest, editor)].filter((file) => !shell.has(file));
    expect(gzipBytes(withoutReact(added))).toBeLessThanOrEqual(170_000);
  });
});

describe("everywhere", () => {
  it("no file names an address of a third party that it would load", () => {
    const texts = globSync("{index.html,theme.js,assets/*.css}", { cwd: dist }).map((file) =>
      readFileSync(join(dist, file), "utf8"),
    );
    for (const text of texts) expect(text).not.toMatch(/(?:src|href|url\()\s*=?\s*["']?https?:/);
  });

  it("the service worker keeps the page, the shell and the editor", () => {
    const worker = readFileSync(join(dist, "service-worker.js"), "utf8");
    const kept = [...worker.matchAll(/"url":"([^"]+)"/g)].map((match) => match[1]);
    const needed = [
      "index.html",
      "theme.js",
      ...[page, editor, dialogs].flatMap((name) => [...staticGraph(manifest, name)]),
    ];
    expect(needed.filter((file) => !kept.includes(file))).toEqual([]);
  });
});
