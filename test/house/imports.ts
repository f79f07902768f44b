/**
 * Reads imports as text and says which of them point the wrong way. The plan of the house is in
 * docs/architecture.md: shared knows nobody, client and server know shared and not each other, the relay
 * cannot reach anything that opens an entry, and inside shared every folder rests on those before it.
 *
 * As text, because tools that ask the TypeScript compiler see nothing under version 7: they report "no
 * violations" having read no modules.
 */
import { globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, normalize, sep } from "node:path";

/** Source text by path from the root, with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

export interface Import {
  readonly specifier: string;
  /** Erased before it runs: `import type`, `export type`. */
  readonly typeOnly: boolean;
}

/** `shared/src`, from the ground up. */
const sharedOrder = [
  "env",
  "bytes",
  "id",
  "clock",
  "crdt",
  "log",
  "crypto",
  "protocol",
  "sync",
  "gossip",
  "space",
  "note",
  "chat",
  "receipt",
  "presence",
  "device",
  "replica",
];

/** What a blind relay must not even be able to reach. */
const sealed = ["shared/src/crypto/", "shared/src/crdt/"];

/** Suites and contracts may use vitest and reach across: they are not shipped. */
const testFile = /\.(test|contract|laws)\.tsx?$/;

export function readSources(root: string): Map<string, string> {
  const sources = new Map<string, string>();
  const pattern = "{client,server,shared}/src/**/*.{ts,tsx}";
  for (const path of globSync(pattern, { cwd: root })) {
    sources.set(path.split(sep).join("/"), readFileSync(join(root, path), "utf8"));
  }
  return sources;
}

/** One line for each import that points the wrong way. */
export function violations(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    if (path.endsWith(".d.ts")) continue;
    for (const { specifier, typeOnly } of importsOf(text)) {
      const reason = wrongWith(path, specifier, typeOnly, sources);
      if (reason !== undefined) found.push(`${path} imports ${specifier}: ${reason}`);
    }
    const unfit = wrongPlace(path);
    if (unfit !== undefined) found.push(`${path}: ${unfit}`);
  }
  return found;
}

const statement =
  /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w$*\s{},]+?\s+from\s+)?["']([^"'\n]+)["']/gm;
const call = /^(?![ \t]*(?:\*|\/\/)).*?\bimport\(\s*(["'`]?)([^"'`)\n]*)/gm;
const comment = /^[ \t]*(?:\/\*(?:[^*]|\*(?!\/))*\*\/|\/\/.*)/gm;

/** Every import of a module, static, dynamic and of types. A computed one has the specifier `(…)`. */
export function importsOf(text: string): Import[] {
  const code = text.replace(comment, "");
  const statements = [...code.matchAll(statement)].map((match) => ({
    specifier: match[2] ?? "",
    typeOnly: match[1] !== undefined,
  }));
  const calls = [...code.matchAll(call)].map((match) => ({
    specifier: match[1] === '"' || match[1] === "'" ? (match[2] ?? "") : `(${match[2] ?? ""})`,
    typeOnly: false,
  }));
  return [...statements, ...calls];
}

function wrongWith(
  path: string,
  specifier: string,
  typeOnly: boolean,
  sources: Sources,
): string | undefined {
  const from = path.slice(0, path.indexOf("/"));
  const target = resolve(path, specifier);
  const isTest = testFile.test(path);
  if (specifier.startsWith("(")) return "a computed import cannot be checked";

  if (target === undefined) {
    if (!isNode(specifier) || isTest || from === "server") return undefined;
    return `${from} runs without Node`;
  }
  const to = target.slice(0, target.indexOf("/"));
  if (to !== from && to !== "shared") return `${from} does not know ${to}`;
  if (isTest) return undefined;
  if (testFile.test(target)) return "it is part of a test";
  if (from === "shared") return orderWrong(path, target);
  if (from === "server" && to === "shared") return seesSealed(target, typeOnly, sources);
  return undefined;
}

/** The path from the root, or undefined for a package from outside. */
function resolve(path: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) {
    const target = normalize(join(dirname(path), specifier))
      .split(sep)
      .join("/");
    // A query (`?url`, `?worker`) belongs to the bundler.
    return target.replace(/\?.*$/, "");
  }
  const own = /^@skein\/([^/]+)\/(.*)$/.exec(specifier);
  return own === null ? undefined : `${own[1]}/src/${own[2]}`;
}

function isNode(specifier: string): boolean {
  return isBuiltin(specifier);
}

function sharedFolder(path: string): string {
  return path.replace(/^shared\/src\//, "").replace(/(\/.*|\.tsx?)$/, "");
}

function orderWrong(path: string, target: string): string | undefined {
  const here = sharedFolder(path);
  const there = sharedFolder(target);
  if (sharedOrder.indexOf(there) <= sharedOrder.indexOf(here)) return undefined;
  return `${here} stands below ${there}`;
}

/** Types tell a relay nothing; code would, however many modules lie between. */
function seesSealed(target: string, typeOnly: boolean, sources: Sources): string | undefined {
  if (sealed.some((folder) => target.startsWith(folder))) return "the relay is blind";
  if (typeOnly) return undefined;
  const seen = new Set([target]);
  for (const module of seen) {
    for (const next of importsOf(sources.get(module) ?? "")) {
      const path = next.typeOnly ? undefined : resolve(module, next.specifier);
      if (path === undefined) continue;
      if (sealed.some((folder) => path.startsWith(folder))) {
        return `the relay is blind, and ${module} imports ${path}`;
      }
      seen.add(path);
    }
  }
  return undefined;
}

function wrongPlace(path: string): string | undefined {
  if (!path.startsWith("shared/src/") || testFile.test(path)) return undefined;
  const folder = sharedFolder(path);
  return sharedOrder.includes(folder) ? undefined : `the house has no place "${folder}" in shared`;
}
