import { describe, expect, it } from "vitest";
import type { Receipt } from "../runtime/api.ts";
import { tickOf } from "./tick.ts";

const receipt = (level: Receipt["level"], delivered = 0, read = 0, of = 5): Receipt => ({
  level,
  delivered,
  read,
  of,
  reason: undefined,
});

describe("the tick of a message", () => {
  it.each([
    [receipt("saving"), "saving", undefined, "Saving on this device"],
    [receipt("waiting"), "clock", undefined, "Waiting, only on this device"],
    [receipt("sent"), "tick", undefined, "Sent: safe to close"],
    [receipt("delivered", 3), "tick", "3/5", "Delivered to 3 of 5"],
    [receipt("read", 3, 1), "tick", "3/5", "Delivered to 3 of 5, read by 1 of 5"],
    [receipt("delivered", 5), "double tick", undefined, "Delivered to everyone"],
    [receipt("read", 5, 2), "double tick", "read 2/5", "Delivered to everyone, read by 2 of 5"],
    [receipt("read", 5, 5), "read", "Read", "Read by everyone who shares receipts"],
    [receipt("delivered", 1, 0, 1), "double tick", undefined, "Delivered to everyone"],
    [receipt("read", 1, 1, 1), "read", "Read", "Read by everyone who shares receipts"],
  ])("%j is %s", (of, glyph, label, sentence) => {
    expect(tickOf(of)).toEqual({ glyph, label, sentence });
  });

  it("claims neither delivery nor reading when there is nobody else", () => {
    expect(tickOf(receipt("sent", 0, 0, 0)).glyph).toBe("tick");
  });

  it("never says more than that it waits while it is only here, whatever the numbers", () => {
    expect(tickOf(receipt("waiting", 5, 5)).glyph).toBe("clock");
    expect(tickOf(receipt("saving", 5, 5)).glyph).toBe("saving");
  });

  it("gives the reason of what will never be sent", () => {
    const failed = { ...receipt("failed"), reason: "you are no longer in this space" };
    expect(tickOf(failed).sentence).toBe("Not sent: you are no longer in this space");
  });
});
