/**
 * What `kv.ts` promises, as tests that every implementation passes: memory here, IndexedDB in a real
 * browser (client/src/storage).
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { beginningWith, compareKeys } from "./key.ts";
import { type Key, type Kv, KvFailure, type Range, type Reading } from "./kv.ts";

/** The stores a database under test must have. */
export const contractStores: readonly string[] = ["a", "b", "c"];

export interface KvUnderTest {
  readonly kv: Kv;
  /** Another connection to the same database: a second tab. */
  readonly connect: () => Promise<Kv>;
  /** Closes every connection and frees the database. */
  readonly dispose: () => Promise<void>;
}

export function kvContract(name: string, open: () => Promise<KvUnderTest>): void {
  const opened: KvUnderTest[] = [];
  const fresh = async () => {
    const subject = await open();
    opened.push(subject);
    return subject;
  };
  const freshKv = async () => (await fresh()).kv;
  const disposeAll = async () => {
    for (const subject of opened.splice(0)) await subject.dispose();
  };

  describe(`${name} as a key-value database`, () => {
    afterEach(disposeAll);

    describe("rows", () => {
      test("are undefined until they are put", async () => {
        const kv = await freshKv();
        expect(await get(kv, "a", "key")).toBeUndefined();
        expect(await keys(kv, "a", everything)).toEqual([]);
      });

      test("are put, replaced and deleted", async () => {
        const kv = await freshKv();
        await put(kv, "a", [["x", 1]]);
        expect(await get(kv, "a", "x")).toBe(1);
        await put(kv, "a", [["x", 2]]);
        expect(await get(kv, "a", "x")).toBe(2);
        await kv.write(["a"], "strict", async (tx) => tx.delete("a", "x"));
        expect(await get(kv, "a", "x")).toBeUndefined();
        await kv.write(["a"], "strict", async (tx) => tx.delete("a", "never there"));
      });

      test("of one store are not seen in another", async () => {
        const kv = await freshKv();
        await put(kv, "a", [["x", 1]]);
        expect(await get(kv, "b", "x")).toBeUndefined();
      });

      test("are seen by another connection once committed", async () => {
        const { kv, connect } = await fresh();
        const other = await connect();
        await put(kv, "a", [["x", 1]]);
        expect(await get(other, "a", "x")).toBe(1);
      });

      test("keep nested objects, arrays, maps, sets, bytes and undefined", async () => {
        const kv = await freshKv();
        const value = {
          number: Number.MAX_SAFE_INTEGER,
          fraction: 0.1,
          text: "größer 👋 \ud800",
          truth: true,
          nothing: undefined,
          none: null,
          list: [1, [2, { three: 3 }]],
          map: new Map<string, unknown>([["key", { inner: Uint8Array.of(1, 2) }]]),
          set: new Set(["x"]),
          bytes: Uint8Array.of(0, 127, 255),
          empty: new Uint8Array(0),
        };
        await put(kv, "a", [["x", value]]);
        expect(await get(kv, "a", "x")).toEqual(value);
      });

      test("keep a key named __proto__ as any other", async () => {
        const kv = await freshKv();
        const value: unknown = JSON.parse('{"__proto__":{"polluted":true},"b":1}');
        await put(kv, "a", [["x", value]]);
        const found = await get(kv, "a", "x");
        expect(JSON.stringify(found)).toBe('{"__proto__":{"polluted":true},"b":1}');
      });

      test("are not touched by what the caller does to the value after putting it", async () => {
        const kv = await freshKv();
        const value = { list: [1], bytes: Uint8Array.of(1) };
        await kv.write(["a"], "strict", async (tx) => {
          tx.put("a", "x", value);
          value.list.push(2);
          value.bytes[0] = 9;
        });
        value.bytes[0] = 8;
        expect(await get(kv, "a", "x")).toEqual({ list: [1], bytes: Uint8Array.of(1) });
      });

      test("can be put back with parts of what was read, and parts that are new", async () => {
        const kv = await freshKv();
        await put(kv, "a", [["x", [{ bytes: Uint8Array.of(1) }, { bytes: Uint8Array.of(2) }]]]);
        const added = { bytes: Uint8Array.of(3) };
        await kv.write(["a"], "strict", async (tx) => {
          const held = (await tx.get("a", "x")) as { bytes: Uint8Array }[];
          tx.put("a", "x", [...held.slice(1), added]);
        });
        added.bytes[0] = 9;
        expect(await get(kv, "a", "x")).toEqual([
          { bytes: Uint8Array.of(2) },
          { bytes: Uint8Array.of(3) },
        ]);
      });

      test("keep of a view only its own bytes", async () => {
        const kv = await freshKv();
        const view = new Uint8Array(1_000).fill(7).subarray(10, 12);
        await put(kv, "a", [["x", { deep: [view] }]]);
        const found = (await get(kv, "a", "x")) as { deep: [Uint8Array] };
        expect(found.deep[0]).toEqual(Uint8Array.of(7, 7));
        expect(found.deep[0].buffer.byteLength).toBe(2);
      });
    });

    describe("keys", () => {
      /** Ascending. */
      const ordered: Key[] = [
        Number.NEGATIVE_INFINITY,
        -2,
        -0.5,
        0,
        1,
        1.5,
        10,
        Number.MAX_SAFE_INTEGER,
        Number.POSITIVE_INFINITY,
        "",
        "\0",
        "10",
        "2",
        "A",
        "a",
        "a\0",
        "aa",
        "b",
        "\ud83d\udc4b",
        "\uffff",
        [],
        [1],
        [1, 1],
        [1, 2],
        [1, "a"],
        [2],
        ["a"],
        ["a", 1],
        ["a", 1, "b"],
        ["a", "a"],
        ["a\0"],
        ["b"],
      ];

      test("are in IndexedDB's order", async () => {
        const kv = await freshKv();
        const shuffled = [...ordered].sort((x, y) => hashOf(x) - hashOf(y));
        await put(
          kv,
          "a",
          shuffled.map((key) => [key, "value"]),
        );
        const found = await kv.read(["a"], (tx) =>
          tx.range("a", { from: Number.NEGATIVE_INFINITY, before: ["c"] }),
        );
        expect(found.map(({ key }) => key)).toEqual(ordered);
      });

      test("are compared like that without a database, too", () => {
        for (const [i, x] of ordered.entries()) {
          for (const [j, y] of ordered.entries()) {
            expect(Math.sign(compareKeys(x, y))).toBe(Math.sign(i - j));
          }
        }
      });

      test("0 and −0 are one", async () => {
        const kv = await freshKv();
        await put(kv, "a", [[[-0], 1]]);
        expect(await get(kv, "a", [0])).toBe(1);
        await put(kv, "a", [[[0], 2]]);
        expect(await keys(kv, "a", everything)).toHaveLength(1);
      });

      test("NaN is refused", async () => {
        const kv = await freshKv();
        await expect(put(kv, "a", [[Number.NaN, 1]])).rejects.toBeInstanceOf(Error);
        await expect(put(kv, "a", [[["a", Number.NaN], 1]])).rejects.toBeInstanceOf(Error);
        await expect(get(kv, "a", Number.NaN)).rejects.toBeInstanceOf(Error);
      });
    });

    describe("a range", () => {
      const rows: [Key, unknown][] = [1, 2, 3, 4, 5].map((number) => [["k", number], number]);

      test("begins with its first key and ends before its last", async () => {
        const kv = await freshKv();
        await put(kv, "a", rows);
        const found = await values(kv, "a", { from: ["k", 2], before: ["k", 4] });
        expect(found).toEqual([2, 3]);
      });

      test("needs no row at its bounds", async () => {
        const kv = await freshKv();
        await put(kv, "a", rows);
        expect(await values(kv, "a", { from: ["k", 1.5], before: ["k", 3.5] })).toEqual([2, 3]);
      });

      test("is empty when it ends where it begins, or before", async () => {
        const kv = await freshKv();
        await put(kv, "a", rows);
        expect(await values(kv, "a", { from: ["k", 2], before: ["k", 2] })).toEqual([]);
        expect(await values(kv, "a", { from: ["k", 3], before: ["k", 2] })).toEqual([]);
        const reverse = true;
        expect(await values(kv, "a", { from: ["k", 3], before: ["k", 2], reverse })).toEqual([]);
      });

      test("gives at most so many rows, from either end", async () => {
        const kv = await freshKv();
        await put(kv, "a", rows);
        const range = { from: ["k", 1], before: ["k", 5] };
        expect(await values(kv, "a", { ...range, limit: 2 })).toEqual([1, 2]);
        expect(await values(kv, "a", { ...range, limit: 9 })).toEqual([1, 2, 3, 4]);
        expect(await values(kv, "a", { ...range, limit: 0 })).toEqual([]);
        expect(await values(kv, "a", { ...range, reverse: true })).toEqual([4, 3, 2, 1]);
        expect(await values(kv, "a", { ...range, reverse: true, limit: 1 })).toEqual([4]);
        expect(await values(kv, "a", { ...range, reverse: true, limit: 3 })).toEqual([4, 3, 2]);
        expect(await values(kv, "a", { ...range, reverse: true, limit: 9 })).toEqual([4, 3, 2, 1]);
        expect(await values(kv, "a", { ...range, reverse: true, limit: 0 })).toEqual([]);
      });

      test("of a prefix holds what begins with it and nothing else", async () => {
        const kv = await freshKv();
        const inside: Key[] = [
          ["s", "ab"],
          ["s", "ab", 1],
          ["s", "ab", "x"],
          ["s", "ab", "x", 2],
        ];
        const outside: Key[] = [
          ["s", "aa", 1],
          ["s", "ab\0", 1],
          ["s", "abc", 1],
          ["s"],
          ["t"],
          "s",
        ];
        await put(
          kv,
          "a",
          [...outside, ...inside].map((key) => [key, 0]),
        );
        expect(await keys(kv, "a", beginningWith("s", "ab"))).toEqual(inside);
      });

      test("is deleted as a whole", async () => {
        const kv = await freshKv();
        await put(kv, "a", rows);
        await kv.write(["a"], "relaxed", async (tx) => {
          tx.deleteRange("a", ["k", 2], ["k", 4]);
          tx.deleteRange("a", ["k", 5], ["k", 5]);
          tx.deleteRange("a", ["k", 5], ["k", 1]);
        });
        expect(await values(kv, "a", everything)).toEqual([1, 4, 5]);
      });
    });

    describe("a write transaction", () => {
      test("resolves with what its body returns", async () => {
        const kv = await freshKv();
        expect(await kv.write(["a"], "strict", async () => "value")).toBe("value");
        expect(await kv.read(["a"], async () => "value")).toBe("value");
      });

      test("sees what it wrote itself", async () => {
        const kv = await freshKv();
        await put(kv, "a", [
          ["x", 1],
          ["y", 1],
        ]);
        const seen = await kv.write(["a"], "strict", async (tx) => {
          tx.put("a", "x", 2);
          tx.put("a", "z", 3);
          tx.delete("a", "y");
          return Promise.all([tx.get("a", "x"), tx.get("a", "y"), tx.range("a", everything)]);
        });
        expect(seen).toEqual([
          2,
          undefined,
          [
            { key: "x", value: 2 },
            { key: "z", value: 3 },
          ],
        ]);
      });

      test("has no effect when its body throws, and passes the error on", async () => {
        const kv = await freshKv();
        await put(kv, "a", [
          ["x", 1],
          ["y", 1],
          ["z", 1],
        ]);
        const broken = kv.write(["a", "b"], "strict", async (tx) => {
          tx.put("a", "x", 2);
          tx.put("a", "w", 2);
          tx.put("b", "x", 2);
          await tx.get("a", "x");
          tx.delete("a", "y");
          tx.deleteRange("a", "z", "zz");
          tx.put("a", "x", 3);
          throw new RangeError("a bug in the body");
        });
        await expect(broken).rejects.toThrow(new RangeError("a bug in the body"));
        expect(await values(kv, "a", everything)).toEqual([1, 1, 1]);
        expect(await values(kv, "b", everything)).toEqual([]);
        await put(kv, "a", [["x", 4]]);
        expect(await get(kv, "a", "x")).toBe(4);
      });

      test("has no effect when a value cannot be stored", async () => {
        const kv = await freshKv();
        await expect(
          put(kv, "a", [
            ["x", 1],
            ["y", { broken: () => 0 }],
          ]),
        ).rejects.toBeInstanceOf(Error);
        expect(await values(kv, "a", everything)).toEqual([]);
      });

      test("runs after another over the same store, whoever's it is", async () => {
        const { kv, connect } = await fresh();
        const connections = [kv, await connect(), await connect()];
        await Promise.all(
          Array.from({ length: 60 }, (_, index) =>
            connections[index % 3]?.write(
              index % 2 === 0 ? ["a"] : ["a", "b"],
              index % 4 === 0 ? "strict" : "relaxed",
              async (tx) => {
                const before = ((await tx.get("a", "count")) ?? 0) as number;
                await tx.get("a", "other");
                tx.put("a", "count", before + 1);
              },
            ),
          ),
        );
        expect(await get(kv, "a", "count")).toBe(60);
      });

      test("stays alive over a long chain of reads", async () => {
        const kv = await freshKv();
        const sum = await kv.write(["a"], "strict", async (tx) => {
          let total = 0;
          for (let index = 1; index <= 300; index++) {
            tx.put("a", index, index);
            total += (await tx.get("a", index)) as number;
          }
          return total;
        });
        expect(sum).toBe(45_150);
        expect(await values(kv, "a", everything)).toHaveLength(300);
      });

      test("refuses stores it did not name, and unknown ones", async () => {
        const kv = await freshKv();
        const foreign = kv.write(["a"], "strict", async (tx) => tx.put("b", "x", 1));
        await expect(foreign).rejects.toBeInstanceOf(Error);
        await expect(kv.write(["unknown"], "strict", async () => 1)).rejects.toBeInstanceOf(Error);
        await expect(kv.read(["unknown"], async () => 1)).rejects.toBeInstanceOf(Error);
        await expect(kv.read(["a"], async (tx) => tx.get("b", "x"))).rejects.toBeInstanceOf(Error);
      });

      test("cannot be used when it is over", async () => {
        const kv = await freshKv();
        let kept: Reading | undefined;
        await kv.write(["a"], "strict", async (tx) => {
          kept = tx;
        });
        await expect((async () => kept?.get("a", "x"))()).rejects.toBeInstanceOf(Error);
      });
    });

    describe("transactions asked for at the same time", () => {
      test("take effect in the order they were asked for", async () => {
        const kv = await freshKv();
        const seen = await Promise.all([
          get(kv, "a", "x"),
          put(kv, "a", [["x", 1]]),
          get(kv, "a", "x"),
          put(kv, "a", [["x", 2]]),
          get(kv, "a", "x"),
        ]);
        expect(seen).toEqual([undefined, undefined, 1, undefined, 2]);
      });

      test("let a reader see one state throughout", async () => {
        const { kv, connect } = await fresh();
        const other = await connect();
        const write = async (number: number) =>
          other.write(["a", "b"], "relaxed", async (tx) => {
            tx.put("a", "x", number);
            await tx.get("a", "x");
            tx.put("b", "x", number);
          });
        const read = async () =>
          kv.read(["a", "b"], async (tx) => {
            const first = await tx.get("a", "x");
            const second = await tx.get("b", "x");
            return [first, second, await tx.get("a", "x")];
          });
        await write(0);
        const reads: Promise<unknown[]>[] = [];
        const writes: Promise<void>[] = [];
        for (let number = 1; number <= 30; number++) {
          writes.push(write(number));
          reads.push(read());
        }
        await Promise.all(writes);
        const seen = await Promise.all(reads);
        expect(seen.map((numbers) => new Set(numbers).size)).toEqual(seen.map(() => 1));
      });
    });

    describe("a closed database", () => {
      test("refuses transactions, and another connection goes on", async () => {
        const { kv, connect } = await fresh();
        const other = await connect();
        const last = put(kv, "a", [["x", 1]]);
        kv.close();
        kv.close();
        await last;
        for (const refused of [get(kv, "a", "x"), put(kv, "a", [["x", 2]])]) {
          const error: unknown = await refused.catch((reason: unknown) => reason);
          expect(error).toBeInstanceOf(KvFailure);
          expect(error).toMatchObject({ kind: "closed" });
          expect(String(error)).toMatch(/closed/);
        }
        expect(await get(other, "a", "x")).toBe(1);
      });
    });

    test("any sequence of transactions does what it does to a plain map", async () => {
      const key = fc.oneof(
        fc.integer({ min: 0, max: 3 }),
        fc.constantFrom("", "a", "b"),
        fc.array(fc.oneof(fc.integer({ min: 0, max: 2 }), fc.constantFrom("a", "b")), {
          maxLength: 2,
        }),
      );
      const step = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({ kind: fc.constant("put" as const), key, value: fc.nat() }),
        },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
        fc.record({ kind: fc.constant("deleteRange" as const), from: key, before: key }),
      );
      const transaction = fc.record({
        steps: fc.array(step, { maxLength: 8 }),
        fails: fc.boolean(),
      });
      const range = fc.record(
        { from: key, before: key, limit: fc.nat({ max: 4 }), reverse: fc.boolean() },
        { requiredKeys: ["from", "before"] },
      );
      await fc.assert(
        fc.asyncProperty(
          fc.array(transaction, { maxLength: 6 }),
          fc.array(range, { minLength: 1, maxLength: 6 }),
          async (transactions, ranges) => {
            const kv = await freshKv();
            let model: [Key, number][] = [];
            for (const { steps, fails } of transactions) {
              const result = kv.write(["a"], "relaxed", async (tx) => {
                for (const each of steps) {
                  if (each.kind === "put") tx.put("a", each.key, each.value);
                  else if (each.kind === "delete") tx.delete("a", each.key);
                  else tx.deleteRange("a", each.from, each.before);
                }
                if (fails) throw new Error("on purpose");
              });
              const outcome = await result.then(
                () => "committed",
                (error: unknown) => String(error),
              );
              expect(outcome).toBe(fails ? "Error: on purpose" : "committed");
              if (fails) continue;
              for (const each of steps) {
                if (each.kind === "deleteRange") {
                  model = model.filter(([held]) => !within(held, each));
                } else {
                  model = model.filter(([held]) => compareKeys(held, each.key) !== 0);
                  if (each.kind === "put") model.push([each.key, each.value]);
                }
              }
            }
            model.sort(([x], [y]) => compareKeys(x, y));
            for (const each of ranges) {
              const expected = model.filter(([held]) => within(held, each));
              if (each.reverse === true) expected.reverse();
              const found = await kv.read(["a"], (tx) => tx.range("a", each));
              expect(found.map(({ key: held, value }) => [held, value])).toEqual(
                expected.slice(0, each.limit),
              );
            }
            await disposeAll();
          },
        ),
        { numRuns: 30 },
      );
    });
  });
}

const everything: Range = { from: Number.NEGATIVE_INFINITY, before: ["\uffff\uffff"] };

const get = async (kv: Kv, store: string, key: Key): Promise<unknown> =>
  kv.read([store], (tx) => tx.get(store, key));

const put = async (
  kv: Kv,
  store: string,
  rows: readonly (readonly [Key, unknown])[],
): Promise<void> =>
  kv.write([store], "strict", async (tx) => {
    for (const [key, value] of rows) tx.put(store, key, value);
  });

const keys = async (kv: Kv, store: string, range: Range): Promise<Key[]> =>
  (await kv.read([store], (tx) => tx.range(store, range))).map(({ key }) => key);

const values = async (kv: Kv, store: string, range: Range): Promise<unknown[]> =>
  (await kv.read([store], (tx) => tx.range(store, range))).map(({ value }) => value);

const within = (key: Key, range: { readonly from: Key; readonly before: Key }): boolean =>
  compareKeys(range.from, key) <= 0 && compareKeys(key, range.before) < 0;

/** Some order that has nothing to do with that of keys. */
function hashOf(key: Key): number {
  let hash = 7;
  for (const character of JSON.stringify([key])) {
    hash = (hash * 31 + character.charCodeAt(0)) % 65_521;
  }
  return hash;
}
