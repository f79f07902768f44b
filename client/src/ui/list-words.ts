/** Lists of names and numbers as people say them. */

/** "Ana", "Ana and Ben", "Ana, Ben and Cleo", "Ana, Ben and 3 others". */
export function namesInWords(names: readonly string[], namedMax = 3): string {
  const shown = names.length <= namedMax ? names : names.slice(0, namedMax - 1);
  const others = names.length - shown.length;
  const parts = others > 0 ? [...shown, `${others} others`] : [...shown];
  const last = parts.pop();
  if (last === undefined) return "";
  return parts.length === 0 ? last : `${parts.join(", ")} and ${last}`;
}

/** "1 device", "3 devices". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;
}

/** "1.5 MB", "12 KB": decimal units, as disks and browsers count. */
export function bytesInWords(bytes: number): string {
  if (bytes < 1_000) return counted(bytes, "byte");
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} KB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
