import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { importsOf, readSources, violations } from "./imports.ts";

const root = join(import.meta.dirname, "../..");

/** What is wrong with one import in an otherwise empty house. */
function planted(path: string, code: string, others: Record<string, string> = {}): string[] {
  return violations(new Map(Object.entries({ ...others, [path]: code })));
}

describe("the house", () => {
  it("has every import pointing the right way", () => {
    const sources = readSources(root);
    expect(violations(sources)).toEqual([]);
    // A walk that found nothing would agree with everything.
    expect(sources.has("shared/src/platform.d.ts")).toBe(true);
  });

  it("is read from the disk, where a planted violation is found", () => {
    const temporary = mkdtempSync(join(tmpdir(), "skein-house-"));
    const path = join(temporary, "shared/src/log/entry.ts");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'import { session } from "../sync/session.ts";\n');
    try {
      expect(violations(readSources(temporary))).toEqual([
        "shared/src/log/entry.ts imports ../sync/session.ts: log stands below sync",
      ]);
    } finally {
      rmSync(temporary, { recursive: true });
    }
  });
});

describe("an import is refused", () => {
  const refused: [reason: string, path: string, code: string][] = [
    ["shared → server", "shared/src/log/a.ts", 'import { x } from "@skein/server/main.ts";'],
    ["shared → client", "shared/src/log/a.ts", 'import "../../../client/src/main.tsx";'],
    ["shared → Node", "shared/src/log/a.ts", 'import { readFileSync } from "node:fs";'],
    ["shared → Node, old name", "shared/src/log/a.ts", 'import fs from "fs";'],
    ["shared upwards", "shared/src/bytes/a.ts", 'export * from "../log/entry.ts";'],
    ["shared upwards by name", "shared/src/id/a.ts", 'import "@skein/shared/replica.ts";'],
    ["feature upwards", "shared/src/note/a.ts", 'import { x } from "../chat/chat.ts";'],
    ["shared type upwards", "shared/src/id/a.ts", 'import type { X } from "../log/log.ts";'],
    ["dynamic", "shared/src/id/a.ts", 'const x = await import("../log/log.ts");'],
    ["type by call", "shared/src/id/a.ts", 'let x: import("../log/log.ts").Log;'],
    ["computed", "shared/src/id/a.ts", "const x = await import(name);"],
    ["over lines", "shared/src/id/a.ts", 'import {\n  a,\n  type B,\n} from "../log/log.ts";'],
    ["unknown folder", "shared/src/utils/a.ts", "export const a = 1;"],
    ["core → suite", "shared/src/log/a.ts", 'import { x } from "./store.contract.ts";'],
    ["server → client", "server/src/main.ts", 'import "@skein/client/main.tsx";'],
    ["server → crypto", "server/src/main.ts", 'import "@skein/shared/crypto/seal.ts";'],
    ["server → crdt", "server/src/main.ts", 'import type { X } from "@skein/shared/crdt/crdt.ts";'],
    ["client → server", "client/src/main.tsx", 'import { a } from "@skein/server/room.ts";'],
    ["client → test", "client/src/main.tsx", 'import { a } from "@skein/test/a.ts";'],
    ["client → Node", "client/src/main.tsx", 'import { Buffer } from "node:buffer";'],
  ];

  it.each(refused)("%s", (_, path, code) => {
    expect(planted(path, code)).toHaveLength(1);
  });

  it("server → crypto through a module in between", () => {
    const between = { "shared/src/sync/a.ts": 'import { open } from "../crypto/seal.ts";' };
    const found = planted("server/src/main.ts", 'import "@skein/shared/sync/a.ts";', between);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain("shared/src/sync/a.ts imports shared/src/crypto/seal.ts");
  });
});

describe("an import is allowed", () => {
  const allowed: [reason: string, path: string, code: string][] = [
    ["shared downwards", "shared/src/log/a.ts", 'import { x } from "../bytes/reader.ts";'],
    ["same folder", "shared/src/log/a.ts", 'import { x } from "./entry.ts";'],
    ["library in shared", "shared/src/crdt/a.ts", 'import * as Y from "yjs";'],
    ["server → Node", "server/src/main.ts", 'import { createServer } from "node:http";'],
    ["server → shared", "server/src/main.ts", 'import { x } from "@skein/shared/log/entry.ts";'],
    ["client → shared", "client/src/a.ts", 'import { x } from "@skein/shared/replica.ts";'],
    ["test → vitest and upwards", "shared/src/id/a.test.ts", 'import "../log/log.ts";'],
    ["a comment", "shared/src/id/a.ts", '/**\n * import { x } from "../log/log.ts";\n */'],
    ["a comment on a line", "shared/src/id/a.ts", '// import "../log/log.ts";'],
  ];

  it.each(allowed)("%s", (_, path, code) => {
    expect(planted(path, code)).toEqual([]);
  });

  it("types through a module in between, which are gone when the relay runs", () => {
    const between = { "shared/src/sync/a.ts": 'import type { Seal } from "../crypto/seal.ts";' };
    expect(planted("server/src/main.ts", 'import "@skein/shared/sync/a.ts";', between)).toEqual([]);
  });
});

describe("importsOf", () => {
  it("tells types from code", () => {
    const code =
      'import type { A } from "./a.ts";\nexport type { B } from "./b.ts";\nimport "./c.ts";';
    expect(importsOf(code)).toEqual([
      { specifier: "./a.ts", typeOnly: true },
      { specifier: "./b.ts", typeOnly: true },
      { specifier: "./c.ts", typeOnly: false },
    ]);
  });
});
