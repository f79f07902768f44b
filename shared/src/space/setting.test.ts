import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex } from "../bytes/bytes.ts";
import { LwwMap } from "../crdt/op/lww-map.ts";
import type { ReplicaId } from "../id/id.ts";
import { limits } from "../protocol/limits.ts";
import { encodeSetting, setKind, understandSetting } from "./setting.ts";

const understood = (payload: Uint8Array) => understandSetting({ kind: setKind, payload });

describe("a setting", () => {
  it("has the bytes of docs/protocol.md section 4.2", () => {
    const { kind, payload } = encodeSetting({ key: "é", value: Uint8Array.of(1, 2) });
    expect([kind, toHex(payload)]).toEqual([0x50, "02c3a9" + "020102"]);
  });

  it("reads as it was written", () => {
    const setting = fc.record({
      key: fc.string({ minLength: 1, maxLength: 30 }),
      value: fc.option(fc.uint8Array({ minLength: 1, maxLength: 30 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(setting, (op) => {
        expect(understandSetting(encodeSetting(op))).toEqual({ kind: "known", op });
      }),
    );
  });

  it("is unset by an empty value", () => {
    const empty = encodeSetting({ key: "theme", value: new Uint8Array() });
    expect(encodeSetting({ key: "theme", value: undefined })).toEqual(empty);
    expect(understandSetting(empty)).toMatchObject({ op: { key: "theme", value: undefined } });
  });

  it("outlives the bytes it was read from", () => {
    const raw = encodeSetting({ key: "theme", value: Uint8Array.of(7) });
    const read = understandSetting(raw);
    const settings = new LwwMap<Uint8Array>();
    const id = { replica: "00".repeat(16) as ReplicaId, seq: 1, index: 0 };
    if (read.kind === "known") settings.apply({ id, lamport: 1, op: read.op });
    raw.payload.fill(0);
    expect(settings.value).toEqual(new Map([["theme", Uint8Array.of(7)]]));
  });

  it("is void when its bytes break the form, and parked when of another kind", () => {
    const { payload } = encodeSetting({ key: "k", value: Uint8Array.of(1) });
    expect(understood(payload.subarray(0, -1)).kind).toBe("void");
    expect(understood(concatBytes(payload, Uint8Array.of(0))).kind).toBe("void");
    expect(understood(Uint8Array.of(0, 1, 1)).kind).toBe("void");
    expect(understood(Uint8Array.of(1, 0xff, 0)).kind).toBe("void");
    expect(understandSetting({ kind: 0x51, payload }).kind).toBe("parked");
  });

  it("is not made of what no reader would take", () => {
    const value = new Uint8Array();
    expect(() => encodeSetting({ key: "", value })).toThrow(RangeError);
    expect(() => encodeSetting({ key: "\udc00", value })).toThrow(RangeError);
    const keyMax = "k".repeat(limits.settingKeyBytesMax);
    const valueMax = new Uint8Array(limits.settingValueBytesMax);
    const largest = encodeSetting({ key: keyMax, value: valueMax });
    expect(understandSetting(largest).kind).toBe("known");
    expect(() => encodeSetting({ key: `${keyMax}k`, value })).toThrow(RangeError);
    const more = new Uint8Array(valueMax.length + 1);
    expect(() => encodeSetting({ key: "k", value: more })).toThrow(RangeError);
  });
});
