/**
 * The built app, read into memory once and served from there: a few megabytes, precompressed by the
 * build. A build that replaces the folder while the relay runs thus changes nothing half-way, and no
 * request ever opens a file. (sirv streams from disk without an error handler: a file that has gone,
 * or `Range: bytes=4-2`, ends the process.)
 */
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface AppFiles {
  /** Answers GET and HEAD for a path of the app; false if there is none. */
  serve(request: IncomingMessage, response: ServerResponse, path: string): boolean;
}

interface AppFile {
  readonly type: string;
  readonly caching: string;
  readonly forms: ReadonlyMap<Coding, Form>;
}

/** One encoding of a file. */
interface Form {
  readonly bytes: Buffer;
  readonly etag: string;
}

/** From the smallest to the largest. */
const codings = ["br", "gzip", "identity"] as const;
type Coding = (typeof codings)[number];
const suffixes: Readonly<Record<Exclude<Coding, "identity">, string>> = { br: ".br", gzip: ".gz" };

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

/** Vite puts a hash of the content into every name in this folder: the name is the version. */
const hashed = /^\/assets\/.*-[\w-]{8,}\.\w+$/;

/** More than this is no app of ours, but a folder that was named by mistake. */
const filesMax = 5_000;
const bytesMax = 268_435_456;

/**
 * All files of `folder`, except those whose name, or folder's name, begins with a dot. Undefined if
 * no app is there; rejects with words if there is too much or it cannot be read.
 */
export async function readAppFiles(folder: string): Promise<AppFiles | undefined> {
  const bytesByPath = await readSteadily(folder);
  if (bytesByPath === undefined) return undefined;
  const files = new Map<string, AppFile>();
  for (const [path, bytes] of bytesByPath) {
    const isCopy = Object.values(suffixes).some(
      (suffix) => path.endsWith(suffix) && bytesByPath.has(path.slice(0, -suffix.length)),
    );
    if (!isCopy) files.set(path, appFile(path, bytes, bytesByPath));
  }
  const index = files.get("/index.html");
  if (index !== undefined) files.set("/", index);

  return {
    serve(request, response, path) {
      const file = files.get(path);
      if (file === undefined) return false;
      send(file, request, response);
      return true;
    },
  };
}

/** A build that puts another folder in this one's place meanwhile must not leave a mixture of both. */
async function readSteadily(folder: string): Promise<Map<string, Buffer> | undefined> {
  for (let attempt = 0; ; attempt++) {
    const before = folderId(folder);
    const isThere = before !== undefined && existsSync(join(folder, "index.html"));
    if (isThere) {
      const read = await readFolder(folder).catch((error: unknown) => {
        if (folderId(folder) !== before || isMissing(error)) return undefined;
        throw error;
      });
      if (read !== undefined && folderId(folder) === before) return read;
    }
    // Between its two renames a build has neither folder in place.
    if (attempt === attemptsMax) {
      if (isThere) throw new Error(`${folder} is replaced faster than it can be read`);
      return undefined;
    }
    await delay(attempt === 0 ? 20 : 100);
  }
}

const attemptsMax = 9;

/** A file that was listed a moment ago. */
const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";

/** Which folder stands there, and since when. */
function folderId(folder: string): string | undefined {
  const stat = statSync(folder, { throwIfNoEntry: false, bigint: true });
  return stat && `${stat.ino} ${stat.ctimeNs}`;
}

async function readFolder(folder: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  let bytes = 0;
  // Names that begin with a dot are no part of "**".
  for await (const entry of glob("**/*", { cwd: folder, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    const path = `/${relative(folder, file).split(sep).join("/")}`;
    if (!entry.isFile()) continue;
    const content = await readFile(file);
    found.set(path, content);
    bytes += content.length;
    if (found.size > filesMax || bytes > bytesMax) {
      throw new Error(`${folder} holds more than an app has: ${found.size} files, ${bytes} bytes`);
    }
  }
  return found;
}

function appFile(path: string, bytes: Buffer, all: ReadonlyMap<string, Buffer>): AppFile {
  const forms = new Map<Coding, Form>();
  for (const coding of codings) {
    const encoded = coding === "identity" ? bytes : all.get(path + suffixes[coding]);
    if (encoded !== undefined) forms.set(coding, { bytes: encoded, etag: etagOf(encoded) });
  }
  return {
    type: types[extname(path)] ?? "application/octet-stream",
    caching: hashed.test(path) ? "public, max-age=31536000, immutable" : "no-cache",
    forms,
  };
}

const etagOf = (bytes: Buffer): string =>
  `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;

function send(file: AppFile, request: IncomingMessage, response: ServerResponse): void {
  const coding = codings.find((each) => file.forms.has(each) && accepts(request, each));
  const form = coding && file.forms.get(coding);
  response.setHeader("Vary", "Accept-Encoding");
  response.setHeader("Cache-Control", file.caching);
  if (coding === undefined || form === undefined) {
    response.writeHead(406).end();
    return;
  }
  response.setHeader("ETag", form.etag);
  if (isFresh(request, form.etag)) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader("Content-Type", file.type);
  response.setHeader("Content-Length", form.bytes.length);
  if (coding !== "identity") response.setHeader("Content-Encoding", coding);
  response.writeHead(200).end(form.bytes);
}

/** RFC 9110 section 12.5.3, as far as browsers and proxies use it. */
function accepts(request: IncomingMessage, coding: Coding): boolean {
  const header = request.headers["accept-encoding"];
  const rows = (typeof header === "string" ? header : "").split(",").map((row) => {
    const [name = "", ...parameters] = row.trim().toLowerCase().split(";");
    return { name: name.trim(), refused: parameters.some((each) => /^\s*q=0(\.0*)?$/.test(each)) };
  });
  const row = rows.find(({ name }) => name === coding) ?? rows.find(({ name }) => name === "*");
  return row === undefined ? coding === "identity" : !row.refused;
}

function isFresh(request: IncomingMessage, etag: string): boolean {
  const header = request.headers["if-none-match"] ?? "";
  return header
    .split(",")
    .map((each) => each.trim().replace(/^W\//, ""))
    .some((each) => each === etag || each === "*");
}
