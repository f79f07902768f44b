import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../bytes/bytes.ts";
import { isMalformed } from "../../bytes/malformed.ts";
import { orderKey } from "../../chat/order-key.ts";
import { Keyring } from "../../crypto/keyring.ts";
import { openObject } from "../../crypto/sealed-object.ts";
import { DamagedEntries } from "../../log/damage.ts";
import {
  catalogChange,
  clock,
  documents,
  filled,
  membership,
  noteUpdate,
  post,
  space,
  TestSpace,
} from "../ready-entries.contract.ts";
import { fairRoller, storyOf } from "../stories.contract.ts";
import type { ReadyEntry } from "../store.ts";
import { decodeMessages, decodeOperations, decodeSessions } from "./contents.ts";
import {
  blobsOf,
  canonicalDigest,
  type ChannelPart,
  decodeManifest,
  encodeManifest,
  type Manifest,
  type Part,
  type Stored,
  vectorOf,
} from "./manifest.ts";
import { Checkpointer, SealedHistory, suite, writers } from "./sealed-history.contract.ts";

const [ana, ben, cleo] = writers;
const digestOf = (manifest: Manifest) => toHex(canonicalDigest(suite, manifest));

async function contentOf(device: Checkpointer, { object }: Stored): Promise<Uint8Array> {
  const opened = await openObject(suite, object, async (id) => device.blobs.get(id));
  if (opened === "void" || "kind" in opened) throw new Error("an object that is not there");
  return opened;
}

function partOf<Kind extends Part["kind"]>(manifest: Manifest, kind: Kind) {
  const found = manifest.parts.find((part) => part.kind === kind);
  if (found === undefined) throw new Error(`no part of kind ${kind}`);
  return found as Extract<Part, { kind: Kind }>;
}

async function messagesOf(device: Checkpointer, { segments }: ChannelPart) {
  const messages = [];
  for (const segment of segments) {
    const read = decodeMessages(await contentOf(device, segment));
    if (isMalformed(read)) throw read;
    expect(read.length).toBe(segment.count);
    expect(orderKey(read[0] ?? { id: { replica: ana, seq: 0, index: 0 }, lamport: 0 })).toBe(
      segment.first,
    );
    messages.push(...read);
  }
  return messages;
}

function told(): TestSpace {
  const story = new TestSpace();
  story.write(ana, documents.membership, [clock(1_000), membership(0x10, "genesis")]);
  story.write(ben, documents.membership, [membership(0x13, "join"), clock(2_000)], [ana]);
  story.write(ana, documents.channel, [post("hello"), post("there")], [ben]);
  story.write(ben, documents.channel, [post("hi")], [ana]);
  story.write(cleo, documents.note, [noteUpdate("words")], [ben]);
  story.write(ben, documents.note, [noteUpdate("more", 2), { kind: 0x99, payload: filled(3, 1) }]);
  story.write(ana, documents.catalog, [catalogChange("title", 2)], [ben, cleo]);
  story.write(cleo, undefined, []);
  return story;
}

describe("a checkpoint", () => {
  it("is what the entries add up to", async () => {
    const { entries } = told();
    const history = await SealedHistory.of(entries);
    const device = new Checkpointer(history);
    const manifest = await device.reach(history.vector);

    expect(vectorOf(manifest)).toEqual(history.vector);
    for (const { replica, hash } of manifest.logs) expect(hash).toEqual(history.hashOf(replica));
    expect(new Map(manifest.logs.map(({ replica, timeMs }) => [replica, timeMs]))).toEqual(
      new Map([
        [ana, 1_000],
        [ben, 2_000],
        [cleo, undefined],
      ]),
    );
    expect(new Set(manifest.frontier.map(({ replica, seq }) => `${replica}:${seq}`))).toEqual(
      new Set([`${ana}:3`, `${cleo}:2`]),
    );
    const channel = partOf(manifest, "channel");
    const messages = await messagesOf(device, channel);
    expect(messages.map(({ text }) => text)).toEqual(["hello", "there", "hi"]);
    expect(channel.authors).toEqual(
      new Map([
        [ana, { count: 2, seqs: [2, 2] }],
        [ben, { count: 1, seqs: [2] }],
      ]),
    );
    expect(channel.newest).toBe(orderKey(messages.at(-1) as ReadyEntryStamp));
    const operations = decodeOperations(
      await contentOf(device, partOf(manifest, "operations")),
      writers,
    );
    expect(operations).toMatchObject([
      { kind: 0x10, timeMs: 1_000, deps: [], id: { replica: ana, seq: 1, index: 1 } },
      { kind: 0x13, timeMs: undefined, deps: [{ replica: ana, seq: 1 }] },
    ]);
    const parked = decodeOperations(await contentOf(device, partOf(manifest, "parked")), writers);
    expect(parked).toMatchObject([{ kind: 0x99, payload: filled(3, 1) }]);
    const sessions = decodeSessions(await contentOf(device, manifest.sessions));
    if (isMalformed(sessions)) throw sessions;
    expect([...sessions].map(([replica, nonces]) => [replica, [...nonces.keys()]])).toEqual(
      [...writers].sort().map((replica) => [replica, [1]]),
    );
    const engines = manifest.parts.filter((part) => part.kind === "engine");
    expect(new Map(engines.map(({ document, vector }) => [document, vector]))).toEqual(
      new Map([
        [
          documents.note,
          new Map([
            [cleo, 1],
            [ben, 3],
          ]),
        ],
        [documents.catalog, new Map([[ana, 3]])],
      ]),
    );
  });

  it("is the same whatever the order, the steps and the base", async () => {
    await fc.assert(
      fc.asyncProperty(storyOf(writers, { size: "max" }), fc.integer(), async (entries, seed) => {
        const roll = fairRoller(seed);
        const history = await SealedHistory.of(entries);
        const atOnce = await new Checkpointer(history).reach(history.vector);
        const device = new Checkpointer(history);
        for (let turn = 0; turn < 4; turn++) {
          // Wherever in the logs: steps end where causality lets them.
          const target = new Map(
            [...history.vector].map(([replica, seq]) => [replica, roll(seq + 1)] as const),
          );
          await device.step(target, 1 + roll(9));
        }
        const inSteps = await device.reach(history.vector, 1 + roll(20));
        expect(digestOf(inSteps)).toBe(digestOf(atOnce));
        expect(vectorOf(inSteps)).toEqual(history.vector);
        // All that it names is there, and what it says of itself is read again.
        for (const id of blobsOf(inSteps)) expect(device.blobs.has(id)).toBe(true);
        expect(decodeManifest(suite, space, encodeManifest(inSteps))).toEqual(inSteps);
      }),
      { numRuns: 60 },
    );
  });

  it("is another when one message differs, or one session, or one operation", async () => {
    const digests = new Set<string>();
    const variants: ((entry: ReadyEntry) => ReadyEntry)[] = [
      (entry) => entry,
      (entry) => withOperation(entry, 0x30, post("hallo")),
      (entry) => withOperation(entry, 0x30, post("hello", 7)),
      (entry) => withOperation(entry, 0x10, membership(0x10, "Genesis")),
      (entry) => withOperation(entry, 0x40, noteUpdate("Words")),
      (entry) => withOperation(entry, 0x99, { kind: 0x9a, payload: filled(3, 1) }),
      (entry) => withOperation(entry, 0x02, clock(1_001)),
    ];
    for (const variant of variants) {
      const history = await SealedHistory.of(told().entries.map(variant));
      const manifest = await new Checkpointer(history).reach(history.vector);
      // The hashes of the logs alone would tell them apart.
      const sameLogs = manifest.logs.map((log) => ({ ...log, hash: filled(32, 1) }));
      digests.add(digestOf({ ...manifest, logs: sameLogs }));
    }
    expect(digests.size).toBe(variants.length);
  });

  it("opens and seals what was touched, and carries over all else", async () => {
    const story = told();
    const history = await SealedHistory.of(story.entries);
    const device = new Checkpointer(history);
    const before = await device.reach(history.vector);
    await history.add(story.write(ben, documents.otherChannel, [post("elsewhere")]));
    device.reads = 0;
    const after = await device.reach(history.vector);
    // The sessions, which every step asks.
    expect(device.reads).toBe(1);
    expect(after.parts).toHaveLength(before.parts.length + 1);
    for (const part of before.parts) expect(after.parts).toContain(part);
    expect(after.sessions).toBe(before.sessions);
    expect(await device.reach(history.vector)).toBe(after);
  });

  it("ends a step after so many entries, at a cut that is causally closed", async () => {
    const { entries } = told();
    const history = await SealedHistory.of(entries);
    const device = new Checkpointer(history);
    for (let count = 1; count <= entries.length; count++) {
      const outcome = await device.step(history.vector, 1);
      expect(outcome.kind).toBe("advanced");
      const vector = vectorOf(device.manifest as Manifest);
      expect([...vector.values()].reduce((sum, seq) => sum + seq, 0)).toBe(count);
      for (const { replica, seq, deps } of entries) {
        if ((vector.get(replica) ?? 0) < seq) continue;
        for (const dep of deps) {
          expect(vector.get(dep.replica) ?? 0).toBeGreaterThanOrEqual(dep.seq);
        }
      }
    }
  });

  it("goes on from logs that hold nothing below its base", async () => {
    const story = told();
    const history = await SealedHistory.of(story.entries);
    const device = new Checkpointer(history);
    const base = await device.reach(history.vector);
    await history.store.begin(space, base.logs);
    await history.add(story.write(ben, documents.note, [noteUpdate("on and on", 3)], [ana]));
    await history.add(story.write(ana, documents.channel, [post("late")], [ben]));
    const after = await device.reach(history.vector);
    const whole = await SealedHistory.of(story.entries);
    expect(digestOf(after)).toBe(digestOf(await new Checkpointer(whole).reach(whole.vector)));
  });

  it("of nothing holds nothing", async () => {
    const history = await SealedHistory.of([]);
    const manifest = await new Checkpointer(history).reach(new Map());
    expect(manifest).toMatchObject({ logs: [], parts: [], frontier: [], lamport: 0 });
    expect(decodeManifest(suite, space, encodeManifest(manifest))).toEqual(manifest);
  });
});

type ReadyEntryStamp = Parameters<typeof orderKey>[0];

const withOperation = (
  entry: ReadyEntry,
  kind: number,
  operation: ReadyEntry["operations"][number],
): ReadyEntry => ({
  ...entry,
  operations: entry.operations.map((each) => (each.kind === kind ? operation : each)),
});

describe("a checkpoint is stuck", () => {
  const stuck = async (device: Checkpointer, history: Pick<SealedHistory, "vector">) => {
    let outcome = await device.step(history.vector);
    while (outcome.kind === "advanced" && outcome.manifest !== undefined) {
      const before = outcome.manifest;
      outcome = await device.step(history.vector);
      if (outcome.kind === "advanced" && outcome.manifest === before) break;
    }
    if (outcome.kind !== "stuck") throw new Error(`${outcome.kind}, not stuck`);
    return new Map(outcome.logs.map(({ replica, seq, because }) => [replica, { seq, because }]));
  };

  it("at an author who is no member, and at all who build on them", async () => {
    const history = await SealedHistory.of(told().entries);
    const device = new Checkpointer(history);
    device.admitted.delete(ben);
    expect(await stuck(device, history)).toEqual(
      new Map([
        [ana, { seq: 2, because: { kind: "past" } }],
        [ben, { seq: 1, because: { kind: "not admitted" } }],
        [cleo, { seq: 1, because: { kind: "past" } }],
      ]),
    );
    device.admitted.add(ben);
    expect((await device.step(history.vector)).kind).toBe("advanced");
  });

  it("at a key that was not given yet", async () => {
    const story = told();
    const history = await SealedHistory.of(story.entries);
    const rich = new Keyring(suite, space, filled(32, 0x77));
    const later = rich.add(filled(32, 0x78));
    rich.use(later);
    await history.add(story.write(cleo, documents.channel, [post("under another key")]), rich);
    const poor = new Keyring(suite, space, filled(32, 0x77));
    const device = new Checkpointer(history, { keyring: poor });
    expect(await stuck(device, history)).toEqual(
      new Map([[cleo, { seq: 3, because: { kind: "unknown epoch", epoch: later } }]]),
    );
  });

  it("at entries that the device does not hold, or cannot read", async () => {
    const history = await SealedHistory.of(told().entries);
    const short = new Checkpointer(history);
    const beyond = { vector: new Map([...history.vector, [ben, 9]]) };
    expect((await stuck(short, beyond)).get(ben)).toEqual({
      seq: 4,
      because: { kind: "not held" },
    });
    const device = new Checkpointer(history);
    const { log } = device.ports;
    const damaged = new Checkpointer(history, {
      log: {
        ...log,
        read: async (replica, first, bytesMax) => {
          if (replica !== cleo) return log.read(replica, first, bytesMax);
          throw new DamagedEntries(space, cleo, 1, 2, "flipped");
        },
      },
    });
    const logs = await stuck(damaged, history);
    expect(logs.get(cleo)).toEqual({ seq: 1, because: { kind: "damaged", last: 2 } });
  });

  it("at a log that goes another way than its base", async () => {
    const story = told();
    const history = await SealedHistory.of(story.entries);
    const device = new Checkpointer(history);
    const base = await device.reach(history.vector);
    device.manifest = {
      ...base,
      logs: base.logs.map((log) => (log.replica === ana ? { ...log, hash: filled(32, 9) } : log)),
    };
    await history.add(story.write(ana, documents.channel, [post("more")]));
    expect((await stuck(device, history)).get(ana)).toEqual({ seq: 4, because: { kind: "fork" } });
  });
});

describe("a checkpoint fails", () => {
  it("without the blobs of its base, and says which", async () => {
    const story = told();
    const history = await SealedHistory.of(story.entries);
    const device = new Checkpointer(history);
    const base = await device.reach(history.vector);
    const channel = partOf(base, "channel");
    const [segment] = channel.segments;
    const [id] = segment?.object.chunks ?? [];
    if (id === undefined) throw new Error("a segment has an object");
    await history.add(story.write(ana, documents.channel, [post("more")]));
    device.blobs.delete(id);
    expect(await device.step(history.vector)).toEqual({ kind: "lacking", ids: [id] });
  });

  it("when an object of its base holds something else", async () => {
    const story = told();
    const history = await SealedHistory.of(story.entries);
    const device = new Checkpointer(history);
    const base = await device.reach(history.vector);
    const { object } = partOf(base, "parked");
    device.manifest = { ...base, sessions: { ...base.sessions, object } };
    await history.add(story.write(ana, documents.channel, [post("more")]));
    expect((await device.step(history.vector)).kind).toBe("unusable");
  });

  it("when an engine cannot make a document: nothing is made of the rest", async () => {
    const history = await SealedHistory.of(told().entries);
    const device = new Checkpointer(history, { engines: { advance: async () => undefined } });
    expect(await device.step(history.vector)).toEqual({
      kind: "damaged",
      document: documents.note,
    });
    expect(device.manifest).toBeUndefined();
  });
});
