import { describe, expect, it } from "vitest";
import type { MemberId } from "@skein/shared/id/id.ts";
import type { Message } from "../runtime/api.ts";
import { rowsOf, runPauseMsMax, type Row } from "./rows.ts";

const noon = new Date(2026, 10, 18, 12, 0).getTime();
const minute = 60_000;

function message(key: string, author: string, atMs: number): Message {
  return {
    key,
    author: author as MemberId,
    authorName: author,
    isMine: false,
    text: key,
    atMs,
    pending: false,
  };
}

/** Rows as a drawing: `|` day, `*` unread, a capital where a run opens. */
function drawn(rows: readonly Row[]): string {
  return rows
    .map((row) => {
      if (row.kind === "day") return "|";
      if (row.kind === "unread") return "*";
      return row.opensRun ? row.key.toUpperCase() : row.key;
    })
    .join("");
}

describe("the rows of a channel", () => {
  it("are none without messages", () => {
    expect(rowsOf([], undefined)).toEqual([]);
  });

  it("group what one author wrote without a pause", () => {
    const messages = [
      message("a", "ana", noon),
      message("b", "ana", noon + minute),
      message("c", "ben", noon + 2 * minute),
      message("d", "ana", noon + 3 * minute),
      message("e", "ana", noon + 3 * minute + runPauseMsMax),
      message("f", "ana", noon + 4 * minute + 2 * runPauseMsMax),
    ];
    expect(drawn(rowsOf(messages, undefined))).toBe("|AbCDeF");
  });

  it("separate days and open a run after each", () => {
    const messages = [
      message("a", "ana", new Date(2026, 10, 17, 23, 59).getTime()),
      message("b", "ana", new Date(2026, 10, 18, 0, 0).getTime()),
      message("c", "ana", new Date(2026, 10, 18, 0, 1).getTime()),
    ];
    expect(drawn(rowsOf(messages, undefined))).toBe("|A|Bc");
  });

  it("put a line before the first unread one, after its day", () => {
    const messages = [message("a", "ana", noon), message("b", "ana", noon)];
    expect(drawn(rowsOf(messages, "b"))).toBe("|A*B");
    expect(drawn(rowsOf(messages, "a"))).toBe("|*Ab");
    expect(drawn(rowsOf(messages, "elsewhere"))).toBe("|Ab");
  });

  it("keep causal order though a clock runs ten years ahead", () => {
    const messages = [
      message("a", "ana", noon),
      message("b", "ben", new Date(2036, 10, 18).getTime()),
      message("c", "ana", noon + minute),
    ];
    expect(drawn(rowsOf(messages, undefined))).toBe("|A|B|C");
  });

  it("do not group people of one name, nor unknown authors with known ones", () => {
    const other = { ...message("b", "ben", noon), authorName: "ana" };
    const unknown = { ...message("c", "ana", noon), author: undefined };
    expect(drawn(rowsOf([message("a", "ana", noon), other, unknown], undefined))).toBe("|ABC");
  });

  it("have keys that stay when older messages are loaded", () => {
    const messages = [message("a", "ana", noon), message("b", "ben", noon)];
    const older = message("o", "ana", noon - minute);
    const before = rowsOf(messages, undefined).map((row) => row.key);
    const after = rowsOf([older, ...messages], undefined).map((row) => row.key);
    expect(after.slice(-2)).toEqual(before.slice(-2));
    expect(new Set(after).size).toBe(after.length);
  });
});
