/** What happened in a run: a hash to compare two runs by, and the last lines for a report. */
const kept = 400;

export class Trace {
  #hash = 0x811c9dc5;
  readonly #lines: string[] = [];

  add(atMs: number, what: string): void {
    const line = `${(atMs / 1_000).toFixed(3)} ${what}`;
    for (let index = 0; index < line.length; index++) {
      this.#hash = Math.imul(this.#hash ^ line.charCodeAt(index), 0x01000193);
    }
    this.#lines.push(line);
    if (this.#lines.length > 2 * kept) this.#lines.splice(0, kept);
  }

  /** FNV-1a over all lines. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  last(count: number): string[] {
    return this.#lines.slice(-count);
  }
}
