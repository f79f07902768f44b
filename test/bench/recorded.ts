/** The recorded sessions of test/data (its README names their source), as edits in a causal order. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export interface Edit {
  readonly agent: number;
  /** Of each agent, how many of its edits are in the text that this one changes. */
  readonly past: readonly number[];
  /** At a position so many characters are deleted, then these inserted. */
  readonly patches: readonly (readonly [position: number, deleted: number, inserted: string])[];
}

export interface Recorded {
  readonly agents: number;
  readonly edits: readonly Edit[];
  readonly endContent: string;
}

interface File {
  readonly startContent?: string;
  readonly endContent: string;
  readonly numAgents?: number;
  readonly txns: readonly {
    readonly parents?: readonly number[];
    readonly agent?: number;
    readonly patches: Edit["patches"];
  }[];
}

export function recorded(name: string): Recorded {
  const path = join(import.meta.dirname, `../data/${name}.json.gz`);
  const file = JSON.parse(gunzipSync(readFileSync(path)).toString()) as File;
  if ((file.startContent ?? "") !== "") throw new Error(`${name} does not begin empty`);
  const agents = file.numAgents ?? 1;
  const nothing = Array.from({ length: agents }, () => 0);
  /** What is in the text after each edit. */
  const after: (readonly number[])[] = [];
  const edits = file.txns.map(({ parents, agent = 0, patches }, index): Edit => {
    const before = parents ?? (index === 0 ? [] : [index - 1]);
    const past = nothing.map((_, of) => Math.max(0, ...before.map((at) => after[at]?.[of] ?? 0)));
    after.push(past.map((count, of) => (of === agent ? count + 1 : count)));
    return { agent, past, patches };
  });
  return { agents, edits, endContent: file.endContent };
}
