/**
 * What holds for every frame, whatever is in it: it survives its bytes, has one form only, and
 * nothing anybody sends makes a decoder throw or take more memory than it was sent.
 */
import { concatBytes, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed, type Malformed } from "@skein/shared/bytes/malformed.ts";
import type { Run } from "@skein/shared/log/entry.ts";
import { encodeRegister, parseRegister } from "@skein/shared/log/register.ts";
import { encodeAccessCertificate, parseAccessCertificate } from "@skein/shared/protocol/access.ts";
import { decodeFrame, encodeFrame, frameOfRun, runOfFrame } from "@skein/shared/protocol/codec.ts";
import type { Frame } from "@skein/shared/protocol/messages.ts";
import { encodeWhisper, parseWhisper } from "@skein/shared/protocol/whisper.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  arbitraryAccess,
  arbitraryFrame,
  arbitraryFrames,
  arbitraryRegister,
  arbitraryRun,
  arbitraryWhisper,
} from "../support/arbitrary-frames.ts";

type Found = "by the frame" | "by what it carries" | "by its signature" | "not at all";

/** How bytes that were cut or lengthened are found out. */
function found(bytes: Uint8Array): Found {
  const frame = decodeFrame(bytes);
  if (isMalformed(frame)) return "by the frame";
  if (frame.type === "entry") return "by its signature";
  const carried =
    frame.type === "register"
      ? parseRegister(frame.register)
      : frame.type === "whisper"
        ? parseWhisper(frame.whisper)
        : undefined;
  return isMalformed(carried) ? "by what it carries" : "not at all";
}

/** A frame says how long each of its parts is, but for the last of these. */
const allowed: Readonly<Partial<Record<string, readonly Found[]>>> = {
  entry: ["by the frame", "by its signature"],
  register: ["by the frame", "by what it carries"],
  whisper: ["by the frame", "by what it carries"],
};
const allowedFor = (type: string): readonly Found[] => allowed[type] ?? ["by the frame"];

describe.each(Object.entries(arbitraryFrames))("a frame of type %s", (type, ofType) => {
  const arbitrary: fc.Arbitrary<Frame> = ofType;

  it("survives its bytes", () => {
    fc.assert(
      fc.property(arbitrary, (frame) => {
        expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
      }),
    );
  });

  it("is found out when cut off anywhere", () => {
    fc.assert(
      fc.property(arbitrary, (frame) => {
        const bytes = encodeFrame(frame);
        for (let length = 0; length < Math.min(bytes.length, 600); length++) {
          expect(allowedFor(type)).toContain(found(bytes.subarray(0, length)));
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is found out with bytes to spare", () => {
    fc.assert(
      fc.property(arbitrary, fc.uint8Array({ minLength: 1 }), (frame, more) => {
        expect(allowedFor(type)).toContain(found(concatBytes(encodeFrame(frame), more)));
      }),
      { numRuns: 30 },
    );
  });
});

describe("a number in a frame", () => {
  it("is refused in any form but the shortest", () => {
    // All types whose first field is a number, or the length of a list.
    const numbered = arbitraryFrame.filter(({ type }) => type !== "greet" && type !== "bye");
    fc.assert(
      fc.property(numbered, fc.integer({ min: 1, max: 6 }), (frame, padding) => {
        const bytes = encodeFrame(frame);
        const end = bytes.findIndex((byte, index) => index > 0 && byte < 0x80);
        const padded = concatBytes(
          bytes.subarray(0, end),
          Uint8Array.of((bytes[end] ?? 0) | 0x80),
          new Uint8Array(padding - 1).fill(0x80),
          Uint8Array.of(0),
          bytes.subarray(end + 1),
        );
        expect(isMalformed(decodeFrame(padded))).toBe(true);
      }),
    );
  });
});

describe("a run", () => {
  it("survives its frame under any alias", () => {
    fc.assert(
      fc.property(arbitraryRun, fc.nat(), fc.boolean(), (run, log, sameEpoch) => {
        const alias = (sameEpoch ? run.entries[0] : run.entries.at(-1))?.epoch;
        if (alias === undefined) throw new Error("a run is never empty");
        const frame = decodeFrame(frameOfRun(log, alias, run));
        expect(runOf(frame, run.replica, alias)).toEqual(run);
      }),
    );
  });
});

function runOf(
  frame: Frame | Malformed,
  replica: Run["replica"],
  alias: Run["entries"][number]["epoch"],
): Run | Malformed | undefined {
  if (isMalformed(frame)) return frame;
  const carriesRun = frame.type === "entry" || frame.type === "entries";
  return carriesRun ? runOfFrame(replica, alias, frame) : undefined;
}

// Hostile bytes

type Mutation = (bytes: Uint8Array, other: Uint8Array) => Uint8Array;

const position = fc.nat(1_000);
/** Bytes at which lengths, counts and varints change their meaning. */
const edgeByte = fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(position, fc.nat(7)).map(
    ([at, bit]): Mutation =>
      (bytes) =>
        bytes.map((byte, index) => (index === at % bytes.length ? byte ^ (1 << bit) : byte)),
  ),
  fc.tuple(position, edgeByte).map(
    ([at, edge]): Mutation =>
      (bytes) =>
        bytes.map((byte, index) => (index === at % bytes.length ? edge : byte)),
  ),
  fc
    .tuple(position, fc.uint8Array({ minLength: 1, maxLength: 9 }))
    .map(([at, more]): Mutation => (bytes) => {
      const place = at % (bytes.length + 1);
      return concatBytes(bytes.subarray(0, place), more, bytes.subarray(place));
    }),
  fc.tuple(position, fc.integer({ min: 1, max: 40 })).map(([at, count]): Mutation => (bytes) => {
    const place = at % (bytes.length + 1);
    return concatBytes(bytes.subarray(0, place), bytes.subarray(place + count));
  }),
  position.map(
    (at): Mutation =>
      (bytes) =>
        bytes.subarray(0, at % (bytes.length + 1)),
  ),
  fc.tuple(position, position).map(
    ([at, from]): Mutation =>
      (bytes, other) =>
        concatBytes(
          bytes.subarray(0, at % (bytes.length + 1)),
          other.subarray(from % (other.length + 1)),
        ),
  ),
);

/** Bytes nobody honest would send: made from valid ones, or a first byte that counts and noise. */
const hostile = (samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(
          fc.constantFrom(...samples),
          fc.constantFrom(...samples),
          fc.array(mutation, { minLength: 1, maxLength: 4 }),
        )
        .map(([sample, other, mutations]) => {
          let bytes = sample;
          for (const mutate of mutations) if (bytes.length > 0) bytes = mutate(bytes, other);
          return bytes;
        }),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.nat(0x23), fc.uint8Array({ maxLength: 300 }))
        .map(([first, noise]) => concatBytes(Uint8Array.of(first), noise)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
  );

/** How many values a decoded thing holds; its bytes must be views of what was sent. */
function sizeOf(value: unknown, sent: Uint8Array): number {
  if (value instanceof Uint8Array) {
    if (value.buffer !== sent.buffer) throw new Error("bytes that are not a view of the input");
    return 1;
  }
  if (typeof value === "string") return 1 + value.length;
  if (typeof value !== "object" || value === null) return 1;
  let size = 1;
  for (const part of Object.values(value)) size += sizeOf(part, sent);
  return size;
}

/** One of the decoders of what strangers send, with the encoder of what it takes. */
interface Decoder {
  readonly name: string;
  readonly samples: readonly Uint8Array[];
  /** The value and its bytes again; undefined if the bytes were refused. */
  readonly reencode: (bytes: Uint8Array) => { value: unknown; again: Uint8Array } | undefined;
}

function decoder<T extends object>(
  name: string,
  valid: readonly fc.Arbitrary<T>[],
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T | Malformed,
): Decoder {
  const values = valid.flatMap((each) => fc.sample(each, { numRuns: 40, seed: 20_261_120 }));
  return {
    name,
    samples: values.map(encode).filter((bytes) => bytes.length < 4_096),
    reencode(bytes) {
      const value = decode(bytes);
      return isMalformed(value) ? undefined : { value, again: encode(value) };
    },
  };
}

const frames: readonly fc.Arbitrary<Frame>[] = Object.values(arbitraryFrames);
const decoders: readonly [Decoder, hostileMin: number, takenMin: number][] = [
  [decoder("frames", frames, encodeFrame, decodeFrame), 100_000, 5_000],
  [decoder("registers", [arbitraryRegister], encodeRegister, parseRegister), 10_000, 400],
  [decoder("whispers", [arbitraryWhisper], encodeWhisper, parseWhisper), 10_000, 400],
  [
    decoder("certificates", [arbitraryAccess], encodeAccessCertificate, parseAccessCertificate),
    10_000,
    400,
  ],
];

describe.each(decoders)("of hostile $name", ({ name, samples, reencode }, numRuns, takenMin) => {
  it("none throws, holds more than was sent, or means what other bytes mean", () => {
    let taken = 0;
    fc.assert(
      fc.property(hostile(samples), (sent) => {
        const result = reencode(sent);
        if (result === undefined) return;
        taken++;
        if (toHex(result.again) !== toHex(sent)) throw new Error(`${name}: not its one form`);
        const size = sizeOf(result.value, sent);
        if (size > 20 + 4 * sent.length) throw new Error(`${name}: ${size} values`);
      }),
      { numRuns },
    );
    // A fuzzer whose bytes are all refused at once would show nothing.
    expect(taken).toBeGreaterThan(takenMin);
  }, 120_000);
});

describe("a frame that promises more than it holds", () => {
  it("is refused before anything is made of it", () => {
    // 2^53 − 1 in whatever place a count or length stands.
    const most = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f);
    fc.assert(
      fc.property(arbitraryFrame, fc.nat(60), (frame, at) => {
        const bytes = encodeFrame(frame);
        const place = Math.min(at + 1, bytes.length);
        const lying = concatBytes(bytes.subarray(0, place), most, bytes.subarray(place + 1));
        const result = decodeFrame(lying);
        const size = isMalformed(result) ? 0 : sizeOf(result, lying);
        expect(size).toBeLessThanOrEqual(20 + 4 * lying.length);
      }),
    );
  });
});
