/** Reads the manifest that Vite writes beside a build. */

export type Manifest = Readonly<Record<string, Chunk>>;

interface Chunk {
  readonly file: string;
  /** Chunks that it cannot run without. */
  readonly imports?: readonly string[];
  readonly css?: readonly string[];
}

/** All files that must be there before the code of `name` runs, itself among them. */
export function staticGraph(manifest: Manifest, name: string): Set<string> {
  const files = new Set<string>();
  const open = [name];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const chunk = manifest[next];
    if (chunk === undefined) throw new Error(`the build has no ${next}`);
    if (files.has(chunk.file)) continue;
    for (const file of [chunk.file, ...(chunk.css ?? [])]) files.add(file);
    open.push(...(chunk.imports ?? []));
  }
  return files;
}
