import { expect, it } from "vitest";
import type { MemberId } from "@skein/shared/id/id.ts";
import type { NoteLevel } from "../runtime/api.ts";
import { levelWords } from "./level-words.ts";

const ana = "a" as MemberId;
const ben = "b" as MemberId;
const gone = "c" as MemberId;
const nameOf = (member: MemberId) => ({ a: "Ana", b: "Ben" })[member as string];

it.each<[NoteLevel["level"], number, MemberId[], string | undefined]>([
  ["none", 0, [], undefined],
  ["saving", 0, [], "Saving on this device"],
  ["waiting", 0, [], "Saved on this device"],
  ["sent", 0, [], "On the relay"],
  ["delivered", 1, [], "On 1 other device"],
  ["delivered", 2, [], "On 2 other devices"],
  ["read", 2, [ana, ben], "Seen by Ana and Ben"],
  ["read", 2, [gone], "Seen by a former member"],
])("a change that is %s (%i, %j) reads %s", (level, otherDevices, seenBy, words) => {
  expect(levelWords({ level, otherDevices, seenBy }, nameOf)?.words).toBe(words);
});
