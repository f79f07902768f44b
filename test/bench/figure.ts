/** What a bench tells, and how it is shown: as a table to people, as one object a line to programs. */

export interface Figure {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  /** Measured beside it in the same run, or the floor of the design; null where there is none. */
  readonly reference: number | null;
  /** What `value` should be: `<= 40` or `>= 3`; null where nothing was promised. */
  readonly goal: string | null;
}

export interface Bench {
  readonly name: string;
  readonly about: string;
  /** @param say progress, for whoever waits. */
  readonly run: (say: (words: string) => void) => Promise<readonly Figure[]>;
}

/** As printed with `--json`. */
export const lineOf = (bench: string, figure: Figure): string =>
  JSON.stringify({
    bench,
    figure: figure.figure,
    value: rounded(figure.value),
    unit: figure.unit,
    reference: figure.reference === null ? null : rounded(figure.reference),
    ratio: figure.reference === null ? null : rounded(figure.value / figure.reference),
    goal: figure.goal,
  });

export function tableOf(bench: string, figures: readonly Figure[]): string {
  const rows = figures.map((each) => [
    each.figure,
    `${rounded(each.value)} ${each.unit}`,
    each.reference === null ? "" : `${rounded(each.reference)}`,
    each.reference === null ? "" : `× ${rounded(each.value / each.reference)}`,
    each.goal ?? "",
    each.goal === null ? "" : isMet(each) ? "met" : "MISSED",
  ]);
  const head = [bench, "value", "reference", "ratio", "goal", ""];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lineFrom = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(lineFrom).join("\n");
}

/** Throws for a goal in another form: a mistake of the bench. */
function isMet({ value, goal }: Figure): boolean {
  const [, direction, bound] = /^(<=|>=) ([\d.]+)$/.exec(goal ?? "") ?? [];
  if (direction === undefined) throw new Error(`a goal "${goal}"`);
  return direction === "<=" ? value <= Number(bound) : value >= Number(bound);
}

/** The least ms that each takes, in turns: what disturbs one of them disturbs the others too. */
export async function fastest(
  rounds: number,
  works: readonly (() => void | Promise<void>)[],
): Promise<number[]> {
  const best = works.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    for (const [index, work] of works.entries()) {
      const started = performance.now();
      await work();
      best[index] = Math.min(best[index] ?? 0, performance.now() - started);
    }
  }
  return best;
}

/** Three significant digits, and all of a whole number. */
const rounded = (value: number): number =>
  Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
