/** Everything that is fuzzed, in the order in which it is shown. */
import { decoders } from "./decoders.ts";
import { engines } from "./engines.ts";
import { lattices } from "./lattices.ts";
import { sessions } from "./sessions.ts";
import type { TargetEntry } from "./target.ts";

export const targets: readonly TargetEntry[] = [...decoders, ...lattices, ...engines, ...sessions];
