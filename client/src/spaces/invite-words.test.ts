import { expect, it } from "vitest";
import type { InviteRow } from "../runtime/api.ts";
import { inviteState, inviteUses } from "./invite-words.ts";

const now = 1_000_000;
const invite = (changes: Partial<InviteRow>): InviteRow => ({
  id: "i",
  role: "editor",
  expiresMs: now + 1,
  usesAllowed: 10,
  usesMade: 0,
  revoked: false,
  url: undefined,
  ...changes,
});

it.each([
  ["open", {}],
  ["open", { expiresMs: undefined, usesAllowed: undefined, usesMade: 500 }],
  ["revoked", { revoked: true, usesMade: 10 }],
  ["expired", { expiresMs: now }],
  ["used up", { usesMade: 10 }],
  ["used up", { usesMade: 12 }],
])("an invite is %s when %j", (state, changes) => {
  expect(inviteState(invite(changes), now)).toBe(state);
});

it.each([
  ["not used yet", {}],
  ["used 2 of 10 times", { usesMade: 2 }],
  ["used once", { usesMade: 1, usesAllowed: 1 }],
  ["used 3 times", { usesMade: 3, usesAllowed: undefined }],
])("was %s when %j", (words, changes) => {
  expect(inviteUses(invite(changes))).toBe(words);
});
