/**
 * Why a session or connection ended, and whether to come back (docs/protocol.md section 8.2).
 * The same numbers serve as WebSocket close codes.
 */
import type { RefusalFault } from "../log/refusal.ts";

export const codes = {
  closed: 1000,
  goingAway: 1001,
  restart: 1012,
  malformed: 4400,
  unproven: 4401,
  forbidden: 4403,
  unknownSpace: 4404,
  noCommonVersion: 4406,
  deadline: 4408,
  entryRefused: 4409,
  tooLarge: 4413,
  tooFast: 4429,
  slowReader: 4430,
  outOfTurn: 4431,
  unavailable: 4503,
  quota: 4507,
} as const;

export type Code = (typeof codes)[keyof typeof codes];

/** The code that answers bytes or a signature that were not taken. */
export function codeOfFault(fault: RefusalFault): Code {
  switch (fault) {
    case "version":
      return codes.noCommonVersion;
    case "size":
      return codes.tooLarge;
    case "form":
    case "type":
      return codes.malformed;
    case "foreign":
    case "forged":
      return codes.entryRefused;
  }
}

const known: ReadonlySet<number> = new Set(Object.values(codes));

export const isCode = (value: number): value is Code => known.has(value);

export type Return = "soon" | "after a minute" | "when something changed";

/** What the party that was sent away should do when no time was given. */
export const returnAfter: Readonly<Record<Code, Return>> = {
  [codes.closed]: "soon",
  [codes.goingAway]: "soon",
  [codes.restart]: "soon",
  [codes.malformed]: "after a minute",
  [codes.unproven]: "when something changed",
  [codes.forbidden]: "when something changed",
  [codes.unknownSpace]: "when something changed",
  [codes.noCommonVersion]: "when something changed",
  [codes.deadline]: "soon",
  [codes.entryRefused]: "after a minute",
  [codes.tooLarge]: "after a minute",
  [codes.tooFast]: "after a minute",
  [codes.slowReader]: "soon",
  [codes.outOfTurn]: "after a minute",
  [codes.unavailable]: "soon",
  [codes.quota]: "when something changed",
};
