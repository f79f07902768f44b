/**
 * Builds the client into client/dist, if what it is made from changed since the last time. The build
 * happens in a folder beside it that takes its place when complete: a build that is interrupted leaves
 * the old one whole, and a relay that is running never serves half of each.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compressFolder } from "./compress.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "client/dist");
/** What the present build was made from; the relay does not serve names that begin with a dot. */
const stampName = ".inputs";

const inputs = hashInputs();
const stamp = join(dist, stampName);
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== inputs) await build();

async function build(): Promise<void> {
  // Standard error: a caller's standard output may be read by a program.
  process.stderr.write("Building the client (once, and after it changes) …\n");
  await removeStale();
  const outDir = join(root, `client/.dist-${process.pid}`);
  // React and Vite look at it, and a caller's may say something else.
  process.env["NODE_ENV"] = "production";
  const vite = await import("vite");
  try {
    await vite.build({
      root: join(root, "client"),
      mode: "production",
      logLevel: "warn",
      build: { outDir, emptyOutDir: true },
    });
    await compressFolder(outDir);
    await writeFile(join(outDir, stampName), inputs);
    await replaceDist(outDir);
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}

/** Another build may be doing the same; the last one stays. */
async function replaceDist(outDir: string): Promise<void> {
  const old = `${outDir}-old`;
  for (let triesLeft = 5; ; triesLeft--) {
    await rename(dist, old).catch(ignoreMissing);
    try {
      await rename(outDir, dist);
      break;
    } catch (error) {
      if (triesLeft === 0) throw error;
    } finally {
      await rm(old, { recursive: true, force: true });
    }
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function hashInputs(): string {
  const isTest = /\.(test|contract|laws)\.tsx?$/;
  const files = globSync(
    [
      "client/{*,src/**/*,public/**/*}",
      "shared/src/**/*",
      "pnpm-lock.yaml",
      "scripts/{build,compress}.ts",
    ],
    { cwd: root, withFileTypes: true, exclude: ["client/node_modules", "client/dist"] },
  )
    .filter((entry) => entry.isFile() && !isTest.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const hash = createHash("sha256");
  for (const file of files) {
    const bytes = readFileSync(file);
    hash.update(`${file.slice(root.length)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** Clears away what builds that were killed an hour ago or more have left. */
async function removeStale(): Promise<void> {
  for (const name of globSync("client/.dist-*", { cwd: root })) {
    const path = join(root, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > 3_600_000) await rm(path, { recursive: true, force: true });
  }
}
