/**
 * `pnpm bench [name…] [--json]`: runs the benches named, or all, and prints a table of each, or with
 * `--json` one object a line: `{bench, figure, value, unit, reference, ratio, goal}`. Progress goes
 * to standard error. Exits with 1 when a bench broke and with 2 for a name there is none of; a goal
 * that was missed is shown and breaks nothing, since machines differ.
 */
import { parseArgs } from "node:util";
import { crdtBench } from "./crdt.ts";
import { type Bench, lineOf, tableOf } from "./figure.ts";
import { noteBench } from "./note.ts";
import { snapshotBench } from "./snapshot.ts";
import { syncBench } from "./sync.ts";

const benches: readonly Bench[] = [syncBench, snapshotBench, noteBench, crdtBench];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const say = (words: string): void => {
  process.stderr.write(`${words}\n`);
};

const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  say(`There is no bench called ${unknown.join(", ")}. There are:`);
  for (const { name, about } of benches) say(`  ${name.padEnd(8)} ${about}`);
  process.exitCode = 2;
} else {
  const chosen = benches.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name),
  );
  for (const bench of chosen) await show(bench);
}

async function show({ name, run }: Bench): Promise<void> {
  try {
    const figures = await run((words) => say(`${name}: ${words}`));
    if (!values.json) console.log(`${tableOf(name, figures)}\n`);
    else for (const figure of figures) console.log(lineOf(name, figure));
  } catch (error) {
    say(
      `${name} broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    process.exitCode = 1;
  }
}
