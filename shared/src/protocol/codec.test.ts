import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { Writer } from "../bytes/writer.ts";
import { epochId, registerName, replicaId, spaceTag } from "../id/id.ts";
import type { Entry, Run } from "../log/entry.ts";
import {
  decodeFrame,
  decodeItems,
  encodeFrame,
  encodeItems,
  frameOfRun,
  runOfFrame,
} from "./codec.ts";
import { codeOfFault } from "./codes.ts";
import { entriesLength, writeEntries } from "./items.ts";
import { limits } from "./limits.ts";
import type { Frame, Item } from "./messages.ts";

const filled = (length: number, byte = 0) => new Uint8Array(length).fill(byte);
const replica = replicaId(filled(16, 0xb0));
const epoch = epochId(filled(8, 0xc0));
const otherEpoch = epochId(filled(8, 0xc1));
const signature = filled(64, 0x5e);
const hash = filled(32, 0xaa);

const sealed = (length: number): Entry["body"] => ({ kind: "sealed", sealed: filled(length, 1) });
const continues = (distance: number): Entry["writer"] => ({ kind: "continues", distance });
const opens: Entry["writer"] = { kind: "opens", nonce: filled(16, 0xd0) };
const plainEntry: Entry = { epoch, writer: continues(1), body: sealed(40) };

const runOf = (...entries: Entry[]): Run => ({ replica, first: 2, entries, signature });

/** "fault: words" of the refusal of `hex`. */
function refusal(hex: string | Uint8Array): string {
  const frame = decodeFrame(typeof hex === "string" ? fromHex(hex) : hex);
  return isMalformed(frame) ? `${frame.fault}: ${frame.message}` : `taken: ${frame.type}`;
}

describe("a run of one plain entry", () => {
  it("is an `entry`, which spends 4 bytes beside body and signature", () => {
    const bytes = frameOfRun(1, epoch, runOf(plainEntry));
    expect(toHex(bytes)).toBe("13" + "01" + "02" + "01" + "01".repeat(40) + "5e".repeat(64));
    // Handed over as it was built: not a larger buffer, not a copy of one.
    expect(bytes.buffer.byteLength).toBe(bytes.length);
    expect(decodeFrame(bytes)).toEqual({
      type: "entry",
      log: 1,
      seq: 2,
      distance: 1,
      sealed: filled(40, 1),
      signature,
    });
  });

  it.each([
    ["opens its writer session", { ...plainEntry, writer: opens }],
    ["is hollow", { ...plainEntry, body: { kind: "hollow", hash, length: 40 } }],
    ["is of another epoch than the alias", { ...plainEntry, epoch: otherEpoch }],
  ] satisfies [string, Entry][])("is `entries` where it %s", (_, entry) => {
    const frame = decodeFrame(frameOfRun(1, epoch, runOf(entry)));
    expect(frame).toMatchObject({ type: "entries", log: 1, first: 2 });
  });
});

describe("a run of several entries", () => {
  it("names an epoch only where it changes", () => {
    const run = runOf(
      plainEntry,
      { ...plainEntry, epoch: otherEpoch },
      { ...plainEntry, epoch: otherEpoch, writer: opens },
      plainEntry,
    );
    const frame = decodeFrame(frameOfRun(1, epoch, run)) as Extract<Frame, { type: "entries" }>;
    const named = (items: readonly Item[]) => items.map((item) => item.epoch);
    expect(named(frame.items)).toEqual([undefined, otherEpoch, undefined, epoch]);
    const elsewhere = decodeFrame(frameOfRun(1, otherEpoch, run)) as typeof frame;
    expect(named(elsewhere.items)).toEqual([epoch, otherEpoch, undefined, epoch]);
  });
});

const epochs = fc.constantFrom(epoch, otherEpoch);
const runs: fc.Arbitrary<Run> = fc
  .record({
    first: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 ** 50 })),
    shapes: fc.array(
      fc.record({
        epoch: epochs,
        opens: fc.boolean(),
        distance: fc.integer({ min: 1, max: 0xffff_ffff }),
        body: fc.oneof(
          fc
            .uint8Array({ maxLength: 50 })
            .map((bytes): Entry["body"] => ({ kind: "sealed", sealed: bytes })),
          fc.nat(65_536).map((length): Entry["body"] => ({ kind: "hollow", hash, length })),
        ),
      }),
      { minLength: 1, maxLength: 8 },
    ),
  })
  .map(({ first, shapes }) => ({
    replica,
    first,
    signature,
    entries: shapes.map((shape, index) => {
      const before = first + index - 1;
      const writer =
        shape.opens || before === 0 ? opens : continues(Math.min(shape.distance, before));
      return { epoch: shape.epoch, writer, body: shape.body };
    }),
  }));

describe("a run", () => {
  it("survives its frame, whatever the epoch of the alias", () => {
    fc.assert(
      fc.property(runs, epochs, (run, alias) => {
        const frame = decodeFrame(frameOfRun(7, alias, run));
        expect(!isMalformed(frame) && (frame.type === "entry" || frame.type === "entries")).toBe(
          true,
        );
        const entriesFrame = frame as Extract<Frame, { type: "entry" | "entries" }>;
        expect(runOfFrame(replica, alias, entriesFrame)).toEqual(run);
        // Framed by hand it has the same bytes.
        expect(toHex(encodeFrame(entriesFrame))).toBe(toHex(frameOfRun(7, alias, run)));
      }),
    );
  });

  it("survives its row in a store, which names its epoch itself", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const row = encodeItems(run.first, run.entries);
        expect(decodeItems(run.first, row)).toEqual(run.entries);
      }),
    );
  });

  it("takes as many bytes as were counted beforehand", () => {
    fc.assert(
      fc.property(runs, fc.boolean(), (run, isKnown) => {
        const epochBefore = isKnown ? run.entries[0]?.epoch : undefined;
        const writer = new Writer();
        writeEntries(writer, run.first, run.entries, epochBefore);
        expect(entriesLength(run.entries, epochBefore)).toBe(writer.length);
      }),
    );
  });

  it("is refused as a row that names no epoch", () => {
    // One item: no flags, distance 1, no body.
    const row = decodeItems(2, fromHex("01" + "00" + "01" + "00"));
    expect(isMalformed(row) && row.message).toBe("the first item names no epoch");
    expect(isMalformed(decodeItems(2, fromHex("00")))).toBe(true);
    expect(isMalformed(decodeItems(2, concatBytes(encodeItems(2, [plainEntry]), filled(1))))).toBe(
      true,
    );
  });

  it("is decoded into views, so that nothing is copied", () => {
    const bytes = frameOfRun(1, otherEpoch, runOf({ ...plainEntry, writer: opens }, plainEntry));
    const frame = decodeFrame(bytes) as Extract<Frame, { type: "entries" }>;
    expect(frame.signature.buffer).toBe(bytes.buffer);
    for (const { body } of frame.items) {
      expect(body.kind === "sealed" && body.sealed.buffer).toBe(bytes.buffer);
    }
  });
});

describe("the largest run", () => {
  const largest = (bodies: number): Run =>
    runOf(
      ...Array.from({ length: limits.runEntriesMax - 3 }, (_, index): Entry => ({
        epoch: index % 2 === 0 ? otherEpoch : epoch,
        writer: opens,
        body: { kind: "hollow", hash, length: 65_536 },
      })),
      { ...plainEntry, body: sealed(65_536) },
      { ...plainEntry, body: sealed(65_536) },
      { ...plainEntry, body: sealed(bodies - 2 * 65_536) },
    );

  it("fits a frame", () => {
    const run = largest(limits.runBytesMax);
    const bytes = frameOfRun(Number.MAX_SAFE_INTEGER, epoch, run);
    expect(bytes.length).toBeLessThanOrEqual(limits.frameBytesMax);
    const frame = decodeFrame(bytes) as Extract<Frame, { type: "entries" }>;
    expect(runOfFrame(replica, epoch, frame)).toEqual(run);
  });

  it("has no entry and no byte more", () => {
    const crowded = runOf(...Array.from({ length: limits.runEntriesMax + 1 }, () => plainEntry));
    expect(() => frameOfRun(1, epoch, crowded)).toThrow(RangeError);
    expect(() => frameOfRun(1, epoch, largest(limits.runBytesMax + 1))).toThrow(RangeError);
    const tooLong = runOf({ ...plainEntry, body: sealed(limits.bodyBytesMax + 1) });
    expect(() => frameOfRun(1, epoch, tooLong)).toThrow(RangeError);
    expect(() => frameOfRun(1, otherEpoch, tooLong)).toThrow(RangeError);
    expect(() => frameOfRun(1, epoch, runOf())).toThrow(RangeError);
  });

  it("is refused from others when it has", () => {
    // One item of 40 bytes: flags 0, distance 1, length 40.
    const item = "00" + "01" + "28" + "01".repeat(40);
    const entries = (count: string, items: string) =>
      refusal("14" + "01" + "02" + count + items + "5e".repeat(64));
    expect(entries("8108", item.repeat(1_025))).toBe("size: 1025 items where 1024 are the most");
    expect(entries("8008", item.repeat(1_024))).toBe("taken: entries");
    const long = "00" + "01" + "808004" + "01".repeat(65_536);
    expect(entries("03", long.repeat(3))).toBe("taken: entries");
    expect(entries("04", long.repeat(3) + "00" + "01" + "01" + "01")).toBe(
      "size: a run of 196609 bytes of bodies",
    );
    expect(entries("01", "00" + "01" + "818004" + "01".repeat(65_537))).toBe(
      "size: a body of 65537 bytes",
    );
    expect(entries("00", "")).toBe("form: a run without entries");
    expect(refusal("13" + "01" + "02" + "01" + "01".repeat(65_537 + 64))).toBe(
      "size: a body of 65537 bytes",
    );
  });
});

describe("a frame is refused", () => {
  const id = "b0".repeat(16);
  const h32 = "aa".repeat(32);
  const h16 = "aa".repeat(16);
  const sig = "5e".repeat(64);
  const over = (length: number) => "01".repeat(length);

  it.each([
    ["nothing at all", "", "form: bytes end too early"],
    ["type 0", "00", "type: frame of unknown type 0"],
    ["a type between two known ones", "08", "type: frame of unknown type 8"],
    ["a type above all", "ff", "type: frame of unknown type 255"],

    [
      "greet: versions upside down",
      "010201" + "0101" + h16 + "00",
      "form: lowest version above the highest",
    ],
    ["greet: party 0", "010101" + "0001" + h16 + "00", "form: party 0"],
    ["greet: party 3", "010101" + "0301" + h16 + "00", "form: party 3"],
    ["greet: half durable", "010101" + "0102" + h16 + "00", "form: 2 where 0 or 1 must stand"],

    ["hello: mode 0", "0201" + id + "00", "form: mode 0"],
    ["hello: mode 3", "0201" + id + "03", "form: mode 3"],
    [
      "hello: no certificate",
      "0201" + id + "0100" + sig + "00",
      "form: hello without a certificate",
    ],
    ["hello: 15 certificates", "0201" + id + "010f", "size: 15 items where 14 are the most"],
    [
      "hello: 9 replicas",
      "0201" + id + "0101" + "00".repeat(214) + sig + "09",
      "size: 9 items where 8 are the most",
    ],

    ["welcome: 21 present", "030101" + "00000000" + "15", "size: 21 items where 20 are the most"],
    ["leave: an unknown code", "0401" + "1132" + "00" + "00", "form: code 4402"],
    ["leave: code 0", "0401" + "0000" + "00" + "00", "form: code 0"],
    ["bye: an unknown code", "05" + "1132" + "0000", "form: code 4402"],
    [
      "bye: a detail of 513 bytes",
      "05" + "03e8" + "00" + "8104",
      "size: 513 bytes where 512 are the most",
    ],
    ["bye: a detail that is not UTF-8", "05" + "03e8" + "00" + "01ff", "form: text is not UTF-8"],
    ["done: an unknown code", "2201" + "0001" + "00", "form: code 1"],

    ["ping: a token not in shortest form", "068000", "form: varint not in shortest form"],
    ["ping: bytes to spare", "060000", "form: 1 bytes too many"],

    ["heads: 3,001 rows", "1101" + h16 + "b917", "size: 3001 items where 3000 are the most"],
    ["heads: a log that ends at 0", "1101" + h16 + "01" + id + "0100" + h32, "form: seq 0"],
    ["heads: a log that begins at 0", "1101" + h16 + "01" + id + "0001" + h32, "form: seq 0"],
    [
      "heads: a log of less than nothing",
      "1101" + h16 + "01" + id + "0705" + h32,
      "form: a log from 7 to 5",
    ],

    ["entry: seq 0", "13010001" + sig, "form: seq 0"],
    ["entry: distance 0", "13010200" + sig, "form: distance 0 from seq 2"],
    ["entry: a distance before the first entry", "13010202" + sig, "form: distance 2 from seq 2"],
    [
      "entry: a distance above u32",
      "1301" + "8080808020" + "8080808010" + sig,
      "form: distance 4294967296 from seq 8589934592",
    ],
    ["entry: no signature", "13010201" + "5e".repeat(63), "form: entry without a signature"],
    ["entries: seq 0", "140100" + "01" + "000100" + sig, "form: seq 0"],
    [
      "entries: seqs above 2^53 − 1",
      "1401" + "ffffffffffffff0f" + "02" + "000100".repeat(2) + sig,
      "form: seq above 2^53 − 1",
    ],
    ["entries: unknown flags", "140102" + "01" + "080100" + sig, "form: item with flags 8"],
    ["entries: distance 0", "140102" + "01" + "000000" + sig, "form: distance 0 from seq 2"],
    [
      "entries: a first entry that opens nothing",
      "140101" + "01" + "000100" + sig,
      "form: distance 1 from seq 1",
    ],

    ["want: seq 0", "1501" + id + "000100", "form: seq 0"],
    ["want: upside down", "1501" + id + "050400", "form: entries 5 to 4 wanted"],
    ["want: form 2", "1501" + id + "010102", "form: 2 where 0 or 1 must stand"],
    ["stored: seq 0", "16010100", "form: seq 0"],
    ["stored: 3,001 rows", "16b917", "size: 3001 items where 3000 are the most"],
    ["versions: 3,001 rows", "1701b917", "size: 3001 items where 3000 are the most"],
    [
      "hashes: 4,097 of them",
      "1a01" + id + "01" + "8120",
      "size: 4097 items where 4096 are the most",
    ],
    ["hashes: seq 0", "1a01" + id + "00" + "00", "form: seq 0"],
    ["fork: seq 0", "1b01" + id + "00" + h32, "form: seq 0"],

    ["register: shorter than its head", "1801" + h32 + over(177), "form: shorter than its head"],
    [
      "register: a body of 65,537 bytes",
      "1801" + h32 + over(178 + 65_537),
      "size: a body of 65537 bytes where 65536 are the most",
    ],
    ["whisper: shorter than its head", "1901" + h32 + over(181), "form: shorter than its head"],
    [
      "whisper: a body of 16,385 bytes",
      "1901" + h32 + over(182 + 16_385),
      "size: a body of 16385 bytes where 16384 are the most",
    ],
    [
      "invite: a preview of 8,193 bytes",
      "200101" + h16 + "0000" + "8140",
      "size: 8193 bytes where 8192 are the most",
    ],
    [
      "invite: keys of 8,193 bytes",
      "200101" + h16 + "0000" + "00" + "8140",
      "size: 8193 bytes where 8192 are the most",
    ],
  ])("%s", (_, hex, why) => {
    expect(refusal(hex)).toBe(why);
  });

  it("above 262,144 bytes, before it is looked at", () => {
    expect(refusal(filled(limits.frameBytesMax + 1, 0x06))).toBe("size: a frame of 262145 bytes");
  });

  it("with the code that says what kind of wrong it was", () => {
    const code = (hex: string) => {
      const frame = decodeFrame(fromHex(hex));
      return isMalformed(frame) ? codeOfFault(frame.fault) : 0;
    };
    expect([code("08"), code("068000"), code("16b917")]).toEqual([4400, 4400, 4413]);
  });
});

describe("a frame at its limits is taken:", () => {
  const rows = Array.from({ length: limits.rowsMax }, () => ({
    replica,
    from: Number.MAX_SAFE_INTEGER,
    to: Number.MAX_SAFE_INTEGER,
    hash,
  }));
  const publicKey = filled(32, 7);
  const frames: Frame[] = [
    { type: "heads", space: 2 ** 53 - 1, since: filled(16), heads: rows },
    {
      type: "versions",
      space: 1,
      rows: rows.map(({ to }) => ({
        replica,
        name: registerName(filled(16, 3)),
        number: to,
        hash8: filled(8),
      })),
    },
    { type: "stored", logs: rows.map(({ to }) => ({ yourLog: to, seq: to })) },
    {
      type: "hashes",
      space: 1,
      replica,
      first: 1,
      hashes: Array.from({ length: 4_096 }, () => hash),
    },
    { type: "register", space: 1, publicKey, register: filled(178 + 65_536) },
    { type: "whisper", space: 1, publicKey, whisper: filled(182 + 16_384) },
    {
      type: "hello",
      space: 2 ** 53 - 1,
      tag: spaceTag(filled(16)),
      mode: "write",
      certificates: Array.from({ length: 14 }, () => filled(214)),
      proof: signature,
      replicas: Array.from({ length: 8 }, () => ({ publicKey, proof: signature })),
    },
    {
      type: "welcome",
      yourSpace: 1,
      mySpace: 1,
      certificate: 2 ** 32 - 1,
      present: Array.from({ length: 20 }, () => replica),
    },
    { type: "bye", code: 1000, retryAfterMs: 0, detail: "ü".repeat(256) },
  ];

  it.each(frames.map((frame) => [frame.type, frame] as const))("%s", (_, frame) => {
    expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
  });

  it("and the largest hello, with a greet, costs less than may be spent before a proof", () => {
    const greet = 1 + 4 + 16 + 8;
    const hello = frames.find(({ type }) => type === "hello");
    const bytes = hello === undefined ? 0 : encodeFrame(hello).length;
    expect(greet + bytes).toBeLessThanOrEqual(limits.unprovenBytesMax);
  });
});

describe("a log below a manifest", () => {
  it("may hold nothing but the hash of its newest entry", () => {
    const frame: Frame = {
      type: "heads",
      space: 1,
      since: filled(16),
      heads: [{ replica, from: 8, to: 7, hash }],
    };
    expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
  });
});

describe("a sender's bug throws:", () => {
  const base = { space: 1, replica, hash } as const;
  const bugs: [string, Frame][] = [
    [
      "a short signature",
      { type: "entry", log: 1, seq: 2, distance: 1, sealed: hash, signature: hash },
    ],
    ["a distance of 0", { type: "entry", log: 1, seq: 2, distance: 0, sealed: hash, signature }],
    [
      "a distance out of the log",
      { type: "entry", log: 1, seq: 2, distance: 2, sealed: hash, signature },
    ],
    [
      "a body too long",
      { type: "entry", log: 1, seq: 2, distance: 1, sealed: filled(65_537), signature },
    ],
    ["an empty run", { type: "entries", log: 1, first: 1, items: [], signature }],
    ["a short digest", { type: "digest", space: 1, logs: filled(16), registers: filled(15) }],
    ["a fork at 0", { type: "fork", ...base, seq: 0 }],
    ["a want upside down", { type: "want", space: 1, replica, first: 2, last: 1, form: "hashes" }],
    ["a want from 0", { type: "want", space: 1, replica, first: 0, last: 1, form: "hashes" }],
    ["stored 0", { type: "stored", logs: [{ yourLog: 1, seq: 0 }] }],
    [
      "a log of less than nothing",
      { type: "heads", space: 1, since: filled(16), heads: [{ replica, from: 3, to: 1, hash }] },
    ],
    [
      "21 present",
      {
        type: "welcome",
        yourSpace: 1,
        mySpace: 1,
        certificate: 0,
        present: Array.from({ length: 21 }, () => replica),
      },
    ],
    [
      "a hello without certificates",
      {
        type: "hello",
        space: 1,
        tag: spaceTag(filled(16)),
        mode: "read",
        certificates: [],
        proof: signature,
        replicas: [],
      },
    ],
    [
      "a register without a signature",
      { type: "register", space: 1, publicKey: hash, register: filled(177) },
    ],
    [
      "a register too long",
      { type: "register", space: 1, publicKey: hash, register: filled(178 + 65_537) },
    ],
    [
      "a preview too long",
      {
        type: "invite",
        space: 1,
        request: 1,
        codeHash: filled(16),
        expiresMs: 0,
        uses: 0,
        preview: filled(8_193),
        keys: hash,
      },
    ],
    [
      "versions upside down",
      {
        type: "greet",
        versionMin: 2,
        versionMax: 1,
        party: "relay",
        durable: true,
        nonce: filled(16),
        capabilities: 0,
      },
    ],
    ["a negative number", { type: "ping", token: -1 }],
  ];

  it.each(bugs)("%s", (_, frame) => {
    expect(() => encodeFrame(frame)).toThrow(RangeError);
  });
});

describe("the reason of an ending", () => {
  const sent = (detail: string) => {
    const frame = decodeFrame(encodeFrame({ type: "bye", code: 1000, retryAfterMs: 0, detail }));
    return isMalformed(frame) || frame.type !== "bye" ? "refused" : frame.detail;
  };

  it("is cut where it is too long, never within a character", () => {
    expect(sent("x".repeat(600))).toBe("x".repeat(512));
    expect(sent("x" + "ü".repeat(300))).toBe("x" + "ü".repeat(255));
    expect(sent("🧚".repeat(200))).toBe("🧚".repeat(128));
    expect(sent("xyz" + "🧚".repeat(200))).toBe("xyz" + "🧚".repeat(127));
  });
});
