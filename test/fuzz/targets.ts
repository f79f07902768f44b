/** Everything that is fuzzed, in the order in which it is shown. */
import { automergeTargets } from "./automerge-targets.ts";
import { decoders } from "./decoders.ts";
import { lattices } from "./lattices.ts";
import { sessions } from "./sessions.ts";
import type { TargetEntry } from "./target.ts";
import { yjsTargets } from "./yjs-targets.ts";

export const targets: readonly TargetEntry[] = [
  ...decoders,
  ...lattices,
  ...yjsTargets,
  ...automergeTargets,
  ...sessions,
];
