import { expect, it } from "vitest";
import { behindWords, presenceWords } from "./presence-words.ts";

const now = 1_000_000_000;

it.each([
  ["You", { presence: "online", lastSeenMs: undefined, isMe: true }],
  ["Online", { presence: "online", lastSeenMs: undefined, isMe: false }],
  ["Away", { presence: "away", lastSeenMs: undefined, isMe: false }],
  ["Last seen 2 min ago", { presence: "offline", lastSeenMs: now - 121_000, isMe: false }],
  ["Not seen yet", { presence: "offline", lastSeenMs: undefined, isMe: false }],
] as const)("a member is %s", (words, member) => {
  expect(presenceWords(member, now)).toBe(words);
});

it.each([
  ["This device", { isThis: true, behind: 0 }],
  ["Has everything", { isThis: false, behind: 0 }],
  ["1 change behind", { isThis: false, behind: 1 }],
  ["5 changes behind", { isThis: false, behind: 5 }],
  ["Not heard from yet", { isThis: false, behind: undefined }],
])("a device: %s", (words, device) => {
  expect(behindWords(device)).toBe(words);
});
