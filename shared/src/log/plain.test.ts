import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { documentId, replicaPrefix } from "../id/id.ts";
import { paddedFrom, paddedLength } from "./padding.ts";
import {
  decodePlain,
  dependenciesMax,
  lamportMax,
  encodePlain,
  operationHeadBytesMax,
  operationsMax,
  type Plain,
  plainBytesMax,
  plainHeadBytesMax,
} from "./plain.ts";

const eight = fc.uint8Array({ minLength: 8, maxLength: 8 });
const count = fc.oneof(fc.nat(300), fc.maxSafeNat());
/** A Lamport time, or a seq. */
const time = fc.nat({ max: lamportMax });

const somePlain: fc.Arbitrary<[Plain, number]> = fc
  .record({
    deps: fc.array(
      fc.record({
        replica: eight.map(replicaPrefix),
        seq: count.map((seq) => Math.max(1, seq)),
      }),
      { maxLength: dependenciesMax },
    ),
    document: eight.map(documentId),
    operations: fc.array(
      fc.record({
        kind: count.map((kind) => Math.max(1, kind)),
        payload: fc.uint8Array({ maxLength: 300 }),
      }),
      { minLength: 1, maxLength: 20 },
    ),
    times: fc.tuple(time, time),
  })
  .map(({ times: [a, b], ...rest }) => [{ ...rest, lamport: Math.max(a, b) }, Math.min(a, b)]);

const onePost = (length: number): Plain => ({
  deps: [],
  lamport: 7,
  document: documentId(fromHex("0001020304050607")),
  operations: [{ kind: 0x30, payload: new Uint8Array(length).fill(9) }],
});

describe("a plain", () => {
  it("comes back as it was written", () => {
    fc.assert(
      fc.property(somePlain, ([plain, seq]) => {
        const decoded = decodePlain(encodePlain(plain, seq), seq);
        expect(decoded).toEqual({
          ...plain,
          operations: plain.operations.map(({ kind, payload }) => ({
            kind,
            payload: new Uint8Array(payload),
          })),
        });
      }),
    );
  });

  it("has the bytes of the protocol", () => {
    const plain: Plain = {
      deps: [{ replica: replicaPrefix(fromHex("f0f1f2f3f4f5f6f7")), seq: 300 }],
      lamport: 1_005,
      document: documentId(fromHex("0001020304050607")),
      operations: [
        { kind: 0x30, payload: fromHex("aabb") },
        { kind: 0x40, payload: new Uint8Array(0) },
      ],
    };
    expect(toHex(encodePlain(plain, 5))).toBe(
      ["01", "f0f1f2f3f4f5f6f7", "ac02", "e807", "0001020304050607", "3002aabb", "4000"].join(""),
    );
  });

  it("is padded from 64 bytes on, to a length that says little", () => {
    const lengths = new Set<number>();
    for (let length = 0; length < 4_000; length++)
      lengths.add(encodePlain(onePost(length), 7).length);
    expect([...lengths].filter((length) => length < paddedFrom).length).toBe(52);
    expect([...lengths].filter((length) => length >= paddedFrom).length).toBe(81);
  });

  it("of the greatest length is padded to the limit and no further", () => {
    const room = plainBytesMax - encodePlain(onePost(0), 7).length - 2;
    expect(encodePlain(onePost(room), 7).length).toBe(plainBytesMax);
    expect(encodePlain(onePost(room - 1_000), 7).length).toBe(plainBytesMax);
    expect(() => encodePlain(onePost(room + 1), 7)).toThrow(RangeError);
  });

  it("fits with the most that head and operations can take", () => {
    const payload = new Uint8Array(plainBytesMax - plainHeadBytesMax - operationHeadBytesMax);
    const deps = Array.from({ length: dependenciesMax }, () => ({
      replica: replicaPrefix(fromHex("ff".repeat(8))),
      seq: Number.MAX_SAFE_INTEGER,
    }));
    const operations = [{ kind: Number.MAX_SAFE_INTEGER, payload }];
    const plain = { ...onePost(0), deps, lamport: lamportMax, operations };
    expect(encodePlain(plain, 0).length).toBe(plainBytesMax);
  });

  it("never has its Lamport time before its seq, more operations or dependencies than allowed", () => {
    const operation = { kind: 1, payload: new Uint8Array(0) };
    const dep = { replica: replicaPrefix(fromHex("00".repeat(8))), seq: 1 };
    const wrong: Partial<Plain>[] = [
      { lamport: 6 },
      { operations: [] },
      { operations: Array.from({ length: operationsMax + 1 }, () => operation) },
      { operations: [{ ...operation, kind: 0 }] },
      { deps: Array.from({ length: dependenciesMax + 1 }, () => dep) },
    ];
    for (const change of wrong) {
      expect(() => encodePlain({ ...onePost(1), ...change }, 7)).toThrow(RangeError);
    }
  });
});

describe("decoding a plain", () => {
  const head = fromHex("00".repeat(10));
  const decodeAfterHead = (hex: string) => decodePlain(concatBytes(head, fromHex(hex)), 1);

  it.each([
    ["no operation at all", ""],
    ["only an end", "00"],
    ["an operation that is cut off", "3002aa"],
    ["something after the end", "3001aa0001"],
    ["a kind not in its shortest form", "b00000"],
    ["a length beyond its bytes", "30ffff03aa"],
  ])("refuses %s", (_, hex) => {
    expect(isMalformed(decodeAfterHead(hex))).toBe(true);
  });

  it("takes any number of zeros after the end", () => {
    for (const zeros of [0, 1, 2, 77]) {
      const plain = decodeAfterHead(`3001aa${"00".repeat(zeros)}`);
      expect(isMalformed(plain) ? plain : plain.operations).toEqual([
        { kind: 0x30, payload: Uint8Array.of(0xaa) },
      ]);
    }
  });

  it("takes 256 operations and refuses one more", () => {
    expect(isMalformed(decodeAfterHead("3000".repeat(256)))).toBe(false);
    expect(isMalformed(decodeAfterHead("3000".repeat(257)))).toBe(true);
  });

  it("refuses more dependencies than allowed, and a dependency on entry 0", () => {
    const withDeps = (number: number, seq: string) =>
      decodePlain(
        fromHex(
          number.toString(16).padStart(2, "0") +
            ("00".repeat(8) + seq).repeat(number) +
            "00".repeat(9) +
            "3000",
        ),
        1,
      );
    expect(isMalformed(withDeps(64, "01"))).toBe(false);
    expect(isMalformed(withDeps(65, "01"))).toBe(true);
    expect(isMalformed(withDeps(1, "00"))).toBe(true);
  });

  it("refuses a Lamport time above the greatest that a writer may count to", () => {
    // 2^48 as a difference to seq.
    const late = fromHex("00" + "80808080808040" + "00".repeat(8) + "3000");
    expect(isMalformed(decodePlain(late, 0))).toBe(false);
    expect(isMalformed(decodePlain(late, 1))).toBe(true);
  });

  it("answers any bytes without throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), count, (bytes, seq) => {
        const plain = decodePlain(bytes, seq);
        return isMalformed(plain) || plain.operations.length > 0;
      }),
    );
  });
});

describe("a padded length", () => {
  it("is the published one", () => {
    const published: [number, number][] = [
      [0, 0],
      [9, 9],
      [63, 63],
      [64, 64],
      [65, 72],
      [128, 128],
      [129, 144],
      [1_000, 1_024],
      [1_025, 1_088],
      [40_000, 40_960],
    ];
    for (const [length, padded] of published) {
      expect(paddedLength(length, plainBytesMax), `${length}`).toBe(padded);
    }
  });

  it("costs at most 12 %, never shrinks, and stays where it is once reached", () => {
    const wrong: string[] = [];
    let before = 0;
    for (let length = 0; length <= plainBytesMax; length++) {
      const padded = paddedLength(length, 1 << 20);
      const isRight =
        padded >= Math.max(length, before) &&
        padded <= Math.max(length, length * 1.12 + 1) &&
        paddedLength(padded, 1 << 20) === padded;
      if (!isRight) wrong.push(`${length} is padded to ${padded}`);
      before = padded;
    }
    expect(wrong).toEqual([]);
  });
});
