import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../bytes/bytes.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import type { VersionVector } from "../../clock/version-vector.ts";
import type { ReplicaId } from "../../id/id.ts";
import { codecLaws, deltaLaws, type Happened, stateBasedLaws } from "../crdt.laws.ts";
import type { Stamp } from "../crdt.ts";
import { gCounter } from "./g-counter.ts";
import { gSet } from "./g-set.ts";
import { Replicated } from "./lattice.ts";
import { lwwMap } from "./lww-map.ts";
import { lwwRegister, type LwwState, mergeLww } from "./lww-register.ts";
import { maxRegister } from "./max-register.ts";
import { pnCounter } from "./pn-counter.ts";
import { compareText, countValue, stateLimits, textValue } from "./state-codec.ts";
import { versionVector } from "./version-vector.ts";

const replicas = ["00", "7f", "a0", "ff"].map((byte) => byte.repeat(16) as ReplicaId);
const [ana = replicas[0]!, ben = ana] = replicas;
const replica = fc.constantFrom(...replicas);
const three = <T>(one: fc.Arbitrary<T>) => fc.tuple(one, one, one);

const seq = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Number.MAX_SAFE_INTEGER));
const vector: fc.Arbitrary<VersionVector> = fc
  .uniqueArray(fc.tuple(replica, seq), { selector: ([id]) => id })
  .map((rows) => new Map(rows));

stateBasedLaws("version vector", {
  create: () => new Replicated(versionVector),
  states: three(vector),
});
codecLaws("version vector", versionVector, vector);

deltaLaws("version vector", {
  type: versionVector,
  commands: fc.tuple(replica, fc.integer({ min: 1, max: 9 })),
  mutate: (_, [of, to]) => versionVector.advance(of, to),
  promised: (changes) => {
    const greatest = new Map<ReplicaId, number>();
    for (const { command } of changes) {
      const [of, to] = command;
      greatest.set(of, Math.max(to, greatest.get(of) ?? 0));
    }
    return greatest;
  },
});

deltaLaws("max register", {
  type: maxRegister,
  commands: fc.nat(5),
  mutate: (_, to) => to,
  promised: (changes) => Math.max(0, ...changes.map(({ command }) => command)),
});

/** An operation has one value: here it is spelled out of the operation's stamp. */
const written: fc.Arbitrary<LwwState<string>> = fc.option(
  fc
    .record({ lamport: fc.nat(3), replica, seq: fc.nat(2), index: fc.nat(1) })
    .map(({ lamport, ...id }) => ({ id, lamport, value: JSON.stringify([lamport, id]) })),
  { nil: undefined },
);
const textRegister = lwwRegister(textValue);

stateBasedLaws("last-writer-wins register", {
  create: () => new Replicated(textRegister),
  states: three(written),
});
codecLaws("last-writer-wins register", textRegister, written);

/** The change of the greatest stamp. */
function newest<Command>(changes: readonly Happened<Command>[]): Happened<Command> | undefined {
  return changes
    .toSorted(({ stamp: a }, { stamp: b }) =>
      a.lamport === b.lamport ? (a.id.replica < b.id.replica ? -1 : 1) : a.lamport - b.lamport,
    )
    .at(-1);
}

deltaLaws("last-writer-wins register", {
  type: textRegister,
  commands: fc.string({ unit: "binary", maxLength: 3 }).filter((text) => text.isWellFormed()),
  mutate: (_, text, stamp) => textRegister.write(stamp, text),
  promised: (changes) => newest(changes)?.command,
});

describe("a last-writer-wins register", () => {
  const at = (lamport: number, who: number, value: string, index = 0) => ({
    id: { replica: replicas[who] ?? ana, seq: 1, index },
    lamport,
    value,
  });

  it("keeps what was written later in Lamport time", () => {
    expect(mergeLww(at(7, 0, "new"), at(6, 3, "old"))?.value).toBe("new");
    expect(mergeLww(at(6, 3, "old"), at(7, 0, "new"))?.value).toBe("new");
  });

  it("settles equal times by the replica, and one entry's operations by their place", () => {
    expect(mergeLww(at(7, 2, "greater"), at(7, 1, "smaller"))?.value).toBe("greater");
    expect(mergeLww(at(7, 1, "first", 0), at(7, 1, "second", 1))?.value).toBe("second");
  });
});

const total = (changes: readonly Happened<number>[]) =>
  changes.reduce((sum, { command }) => sum + command, 0);

deltaLaws("grow-only counter", {
  type: gCounter,
  commands: fc.nat(100),
  mutate: (state, by, { id }) => gCounter.increment(state, id.replica, by),
  promised: total,
});

deltaLaws("counter", {
  type: pnCounter,
  commands: fc.integer({ min: -100, max: 100 }),
  mutate: (state, by, { id }) => pnCounter.add(state, id.replica, by),
  promised: total,
});

describe("a counter", () => {
  const most = Number.MAX_SAFE_INTEGER;
  const full = gCounter.increment(gCounter.bottom, ana, most);

  it("counts to 2^53 − 1 on a replica and refuses to go on", () => {
    expect(gCounter.valueOf(full)).toBe(most);
    expect(() => gCounter.increment(full, ana)).toThrow(RangeError);
    expect(() => pnCounter.add({ added: full, taken: full }, ana, -1)).toThrow(RangeError);
    expect(gCounter.increment(full, ana, 0)).toEqual(full);
  });

  it("reads as the nearest number where the sum of all is beyond, and comes back from there", () => {
    const two = gCounter.merge(full, gCounter.increment(gCounter.bottom, ben, most));
    const none = gCounter.bottom;
    expect(gCounter.valueOf(two)).toBe(most);
    expect(pnCounter.valueOf({ added: two, taken: none })).toBe(most);
    expect(pnCounter.valueOf({ added: none, taken: two })).toBe(-most);
    expect(pnCounter.valueOf({ added: two, taken: full })).toBe(most);
    expect(pnCounter.valueOf({ added: two, taken: two })).toBe(0);
  });

  it.each([0.5, Number.NaN, Infinity, 2 ** 53])("does not count %d", (by) => {
    expect(() => gCounter.increment(gCounter.bottom, ana, by)).toThrow(RangeError);
    expect(() => pnCounter.add(pnCounter.bottom, ana, by)).toThrow(RangeError);
    expect(() => pnCounter.add(pnCounter.bottom, ana, -by)).toThrow(RangeError);
  });

  it("that only grows does not go back", () => {
    expect(() => gCounter.increment(gCounter.bottom, ana, -1)).toThrow(RangeError);
  });
});

const key = fc.constantFrom("a", "__proto__", "constructor", "", "é", "\uff01", "🧚");

deltaLaws("grow-only set", {
  type: gSet,
  commands: key,
  mutate: (state, element) => gSet.add(state, element),
  promised: (changes) => new Set(changes.map(({ command }) => command)),
});

const countsByText = lwwMap(countValue);

deltaLaws("last-writer-wins map", {
  type: countsByText,
  commands: fc.tuple(key, fc.option(fc.nat(300), { nil: undefined })),
  mutate: (_, [at, value], stamp) => countsByText.set(stamp, at, value),
  promised: (changes) => {
    const map = new Map<string, number>();
    for (const [at] of changes.map(({ command }) => command)) {
      const [, value] = newest(changes.filter(({ command }) => command[0] === at))?.command ?? [];
      if (value !== undefined) map.set(at, value);
    }
    return map;
  },
});

describe("keys", () => {
  it("stand in the order of their bytes", () => {
    const text = fc.string({ unit: "binary", maxLength: 4 }).filter((each) => each.isWellFormed());
    const near = fc.array(fc.constantFrom("a", "\u07ff", "\ud7ff", "\ue000", "\uffff", "🧚", "🧛"));
    const any = fc.oneof(
      text,
      near.map((units) => units.join("")),
    );
    fc.assert(
      fc.property(any, any, (a, b) => {
        const byBytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareText(a, b))).toBe(byBytes);
      }),
    );
  });

  const stamp: Stamp = { id: { replica: ana, seq: 1, index: 0 }, lamport: 1 };

  it.each([
    ["half a character", "\ud83e"],
    ["more bytes than a reader takes", "é".repeat(stateLimits.keyBytesMax / 2 + 1)],
  ])("are never %s", (_, bad) => {
    expect(() => gSet.add(gSet.bottom, bad)).toThrow(RangeError);
    expect(() => countsByText.set(stamp, bad, 1)).toThrow(RangeError);
  });

  it("are as long as a reader takes", () => {
    const set = gSet.add(gSet.bottom, "é".repeat(stateLimits.keyBytesMax / 2));
    expect(gSet.decode(gSet.encode(set))).toEqual(set);
  });
});

const refusal = (result: unknown) => (isMalformed(result) ? result.message : result);

describe("a state in bytes is refused with", () => {
  it.each([
    ["keys that descend", gSet, "01" + "02" + "0162" + "0161", "keys not in ascending order"],
    ["a key twice", gSet, "01" + "02" + "0161" + "0161", "keys not in ascending order"],
    [
      "more elements than bytes",
      gSet,
      "01" + "ffffff7f",
      "268435455 items where 1000000 are the most",
    ],
    ["a count of zero", gCounter, "01" + "01" + ana + "00", "seq 0 in a version vector"],
    [
      "a replica that wrote nothing",
      countsByText,
      "01" + "01" + ana + "00",
      "a replica without a use",
    ],
    [
      "a replica beyond the table",
      countsByText,
      "01" + "00" + "01" + "0161" + "01" + "00" + "01" + "00" + "00",
      "a replica that is not in the table",
    ],
    [
      "a flag that is neither",
      countsByText,
      "01" + "01" + ana + "01" + "0161" + "01" + "00" + "01" + "00" + "02" + "05",
      "a flag of 2",
    ],
    [
      "a replica twice",
      countsByText,
      "01" + "02" + ana + ana + "00",
      "replicas not in ascending order",
    ],
    [
      "a second writer of one register",
      textRegister,
      "01" + "02" + ana + ben + "01" + "00" + "01" + "00" + "0178",
      "a replica without a use",
    ],
    ["a table and no register", textRegister, "01" + "01" + ana, "bytes end too early"],
  ])("%s", (_, { decode }, hex, why) => {
    expect(refusal(decode(fromHex(hex)))).toBe(why);
  });
});

describe("a last-writer-wins map", () => {
  it("costs its replica ids once", () => {
    const map = new Replicated(countsByText);
    for (let at = 0; at < 100; at++) {
      const stamp: Stamp = { id: { replica: ana, seq: at + 1, index: 0 }, lamport: at + 1 };
      map.change(() => countsByText.set(stamp, `${at}`, 7));
    }
    const hex = toHex(countsByText.encode(map.state));
    expect(hex.split(ana)).toHaveLength(2);
  });
});
