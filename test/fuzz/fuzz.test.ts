/**
 * A short run of everything that is fuzzed, from one seed, and proof that the fuzzer would notice: it
 * is given decoders with a bug each. `pnpm fuzz` is the long run (docs/fuzzing.md).
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "@skein/shared/bytes/bytes.ts";
import { Malformed } from "@skein/shared/bytes/malformed.ts";
import { decode, type Reader } from "@skein/shared/bytes/reader.ts";
import { Connection } from "@skein/shared/sync/connection.ts";
import { Session } from "@skein/shared/sync/session.ts";
import { describe, expect, it, vi } from "vitest";
import { fuzz } from "./fuzz.ts";
import { shrink } from "./shrink.ts";
import type { Outcome, Target } from "./target.ts";
import { targets } from "./targets.ts";

const inputs = 450;

/** Worlds are recorded and engines loaded once. */
const opened = new Map<string, Promise<Target>>();

function openTarget(name: string): Promise<Target> {
  const entry = targets.find((each) => each.name === name);
  if (entry === undefined) throw new Error(`no target ${name}`);
  const target = opened.get(name) ?? Promise.resolve(entry.open());
  opened.set(name, target);
  return target;
}

describe("a short run of the fuzzer", () => {
  it.each(targets.map(({ name }) => name))(
    "breaks nothing in %s",
    async (name) => {
      const figures = await fuzz(await openTarget(name), { inputs, seed: 1, measuresTime: false });
      expect(figures.findings).toEqual([]);
      expect(figures.inputs).toBeGreaterThanOrEqual(inputs);
      // Refusing everything would show nothing.
      expect(figures.accepted).toBeGreaterThan(0);
      expect(figures.features).toBeGreaterThan(0);
    },
    60_000,
  );
});

/** A byte string, and a number that must be below 1,000. */
function planted(read: (from: Reader) => unknown): Target {
  return {
    name: "planted",
    seeds: [[Uint8Array.from([3, 1, 2, 3, 0xac, 0x02, 9, 9, 9, 9])]],
    run([bytes = new Uint8Array(0)]): Outcome {
      const value = decode(bytes, (from) => {
        const whole = { bytes: toHex(from.bytes(100)), number: from.varint() };
        const rest = read(from);
        from.rest();
        return { ...whole, rest };
      });
      if (value instanceof Malformed) {
        return { kind: "refused", fault: value.fault, reason: value.message };
      }
      if (value.number >= 2 ** 32) throw new RangeError("a number nobody thought of");
      return { kind: "accepted", value };
    },
  };
}

describe("the fuzzer", () => {
  it("finds a decoder that throws, and shrinks what makes it throw", async () => {
    const target = planted(() => 0);
    const { findings } = await fuzz(target, { inputs: 20_000, seed: 1, measuresTime: false });
    expect(findings).toHaveLength(1);
    expect(findings[0]?.what).toBe("RangeError: a number nobody thought of");
    // No bytes, and the shortest way to write a number above 2^32.
    expect(findings[0]?.input).toEqual([
      expect.stringMatching(/^00(80){4}(10|20|40|01)$|^00(00|80)+/),
    ]);
  });

  it("finds what lies behind three doors, because what opens one is kept", async () => {
    const doors = (from: Reader): number => {
      if (from.u8() !== 0) return 0;
      if (from.u8() !== 0xff) return 1;
      if (from.u8() !== 0x7f) return 2;
      throw new RangeError("behind three doors");
    };
    const { findings } = await fuzz(planted(doors), {
      inputs: 60_000,
      seed: 1,
      measuresTime: false,
    });
    expect(findings.map(({ what }) => what)).toContain("RangeError: behind three doors");
  });

  it("finds a decoder whose work is not in proportion", async () => {
    const slow: Target = {
      name: "slow",
      seeds: [[Uint8Array.of(1, 2)]],
      run([bytes = new Uint8Array(0)]) {
        const slowestUs = bytes.length > 40 ? 50_000 : 5;
        return { kind: "accepted", value: 0, slowestUs };
      },
    };
    const { findings } = await fuzz(slow, { inputs: 20_000, seed: 1 });
    expect(findings[0]?.what).toMatch(/^slow: 50\.0 ms/);
    expect(findings[0]?.input[0]).toHaveLength(2 * 41);
  });

  it("finds a relay that throws on a frame that no device sends", async () => {
    // oxlint-disable-next-line typescript/unbound-method -- called on the one it was called on.
    const { onFrame } = Session.prototype;
    const planted = vi.spyOn(Session.prototype, "onFrame");
    planted.mockImplementation(function spoilt(this: Session, frame) {
      if (frame.type === "fork" && frame.seq > 2 ** 20) throw new RangeError("a fork too far");
      onFrame.call(this, frame);
    });
    try {
      const target = await openTarget("session-relay");
      // Another beginning finds more than a longer way: one of forty frames, and in it a great number.
      const runs = [];
      for (let seed = 1; seed <= 8 && runs.at(-1)?.findings.length !== 1; seed++) {
        runs.push(
          await fuzz(target, { inputs: 5_000, seed, measuresTime: false, shrinkTriesMax: 100 }),
        );
      }
      const findings = runs.flatMap((each) => each.findings);
      expect(findings.map(({ what }) => what)).toContain("RangeError: a fork too far");
      // Nothing but a greeting, a proof and the fork matters.
      expect(findings[0]?.input.length).toBeLessThan(8);
    } finally {
      planted.mockRestore();
    }
  }, 60_000);

  it("finds a relay that lets one device end another's connection", async () => {
    // oxlint-disable-next-line typescript/unbound-method -- called on the one it was called on.
    const { end } = Connection.prototype;
    const all = new Set<Connection>();
    const planted = vi.spyOn(Connection.prototype, "end");
    planted.mockImplementation(function spoilt(this: Connection, ...why) {
      end.apply(this, why);
      for (const other of all) if (other !== this) end.apply(other, why);
    });
    // oxlint-disable-next-line typescript/unbound-method -- called on the one it was called on.
    const { receive } = Connection.prototype;
    const noted = vi.spyOn(Connection.prototype, "receive");
    noted.mockImplementation(function note(this: Connection, bytes) {
      if (!all.has(this)) all.add(this);
      receive.call(this, bytes);
    });
    try {
      const target = await openTarget("session-relay");
      const { findings } = await fuzz(target, {
        inputs: 500,
        seed: 1,
        measuresTime: false,
        shrinkTriesMax: 20,
      });
      expect(findings.map(({ what }) => what)).toContainEqual(
        expect.stringContaining("honest: sent away"),
      );
    } finally {
      planted.mockRestore();
      noted.mockRestore();
    }
  }, 60_000);

  it("does the same twice from one seed", async () => {
    const run = async (seed: number) => {
      const target = await openTarget("membership");
      const { accepted, reasons, features } = await fuzz(target, {
        inputs: 2_000,
        seed,
        measuresTime: false,
      });
      return { accepted, reasons, features };
    };
    expect(await run(5)).toEqual(await run(5));
    expect(await run(6)).not.toEqual(await run(5));
  });

  it("shrinks a sequence to the pieces that matter", async () => {
    const pieces = Array.from({ length: 30 }, (_, index) => Uint8Array.of(index, index, index));
    const breaks = async (input: readonly Uint8Array[]) =>
      input.some((piece) => piece[0] === 7) && input.some((piece) => piece[1] === 21);
    const small = await shrink(pieces, breaks, 3_000);
    expect(small.map(toHex)).toEqual(["07", "0015"]);
  });
});

it("no shipped file hands Yjs updates to be merged without a document, which some of them hang", () => {
  const root = join(import.meta.dirname, "../..");
  const files = globSync("{client,server,shared}/src/**/*.{ts,tsx}", { cwd: root });
  const merging = files.filter(
    (file) =>
      !/\.test\.tsx?$/.test(file) &&
      /\b(mergeUpdates|diffUpdate|convertUpdateFormat)\w*\(/.test(
        readFileSync(join(root, file), "utf8"),
      ),
  );
  expect(files.length).toBeGreaterThan(100);
  expect(merging).toEqual([]);
});
