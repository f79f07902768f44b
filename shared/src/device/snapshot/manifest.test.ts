import { describe, expect, it } from "vitest";
import { isMalformed } from "../../bytes/malformed.ts";
import { orderKey } from "../../chat/order-key.ts";
import { branchIdOf } from "../../log/branch.ts";
import {
  clock,
  documents,
  filled,
  membership,
  otherSpace,
  post,
  space,
  TestSpace,
} from "../ready-entries.contract.ts";
import {
  canonicalDigest,
  type ChannelPart,
  decodeManifest,
  encodeManifest,
  type Manifest,
  type ManifestBranch,
  type ManifestLog,
  type Part,
} from "./manifest.ts";
import { Checkpointer, SealedHistory, suite, writers } from "./sealed-history.contract.ts";

const [ana, ben] = writers;

async function made(): Promise<Manifest> {
  const told = new TestSpace();
  told.write(ana, documents.membership, [clock(1_000), membership(0x10, "genesis")]);
  for (let number = 0; number < 9; number++) {
    told.write(number % 2 === 0 ? ana : ben, documents.channel, [post(`${number}`)], [ana, ben]);
  }
  const history = await SealedHistory.of(told.entries);
  return new Checkpointer(history).reach(history.vector);
}

const channelOf = (manifest: Manifest): ChannelPart => {
  const part = manifest.parts.find(({ kind }) => kind === "channel");
  if (part?.kind !== "channel") throw new Error("there is a channel");
  return part;
};

const withPart = (manifest: Manifest, before: Part, after: Part): Manifest => ({
  ...manifest,
  parts: manifest.parts.map((part) => (part === before ? after : part)),
});

describe("a manifest", () => {
  it("is read as it was written, and keeps nothing of the bytes", async () => {
    const manifest = await made();
    const bytes = encodeManifest(manifest);
    const read = decodeManifest(suite, space, bytes);
    bytes.fill(0);
    expect(read).toEqual(manifest);
  });

  it("has one digest wherever its objects are, and another for any other content", async () => {
    const manifest = await made();
    const digest = canonicalDigest(suite, manifest);
    const { sessions } = manifest;
    const elsewhere = { ...sessions, object: { ...sessions.object, key: filled(32, 9), size: 5 } };
    expect(canonicalDigest(suite, { ...manifest, sessions: elsewhere })).toEqual(digest);
    const other = { ...sessions, digest: filled(32, 9) };
    expect(canonicalDigest(suite, { ...manifest, sessions: other })).not.toEqual(digest);
    expect(canonicalDigest(suite, { ...manifest, lamport: 99 })).not.toEqual(digest);
  });

  it("is malformed where it contradicts itself, says too much or belongs elsewhere", async () => {
    const manifest = await made();
    const channel = channelOf(manifest);
    const [log] = manifest.logs;
    const [segment] = channel.segments;
    const [author, counts] = [...channel.authors][0] ?? [];
    if (!log || !segment || !author || !counts) throw new Error("there is one of each");
    const late = { id: { replica: log.replica, seq: log.seq + 1, index: 0 }, lamport: 1 };
    const timely = { id: { replica: log.replica, seq: 1, index: 0 }, lamport: 999 };
    const authors = (seqs: readonly number[], count = counts.count) =>
      new Map([...channel.authors, [author, { count, seqs }]] as const);
    const lies: Manifest[] = [
      { ...manifest, logs: [...manifest.logs].reverse(), frontier: [] },
      { ...manifest, logs: [log, ...manifest.logs] },
      { ...manifest, logs: manifest.logs.map((each) => ({ ...each, seq: 0 })) },
      { ...manifest, frontier: [{ replica: log.replica, seq: log.seq + 1 }] },
      { ...manifest, frontier: [...manifest.frontier, ...manifest.frontier] },
      { ...manifest, lamport: 2 ** 50 },
      { ...manifest, lamport: 0 },
      { ...manifest, parts: [...manifest.parts].reverse() },
      { ...manifest, parts: [...manifest.parts, ...manifest.parts] },
      withPart(manifest, channel, { ...channel, segments: [] }),
      withPart(manifest, channel, { ...channel, segments: [...channel.segments].reverse() }),
      withPart(manifest, channel, { ...channel, segments: [{ ...segment, count: 0 }] }),
      withPart(manifest, channel, { ...channel, segments: channel.segments.slice(1) }),
      withPart(manifest, channel, { ...channel, newest: segment.first }),
      withPart(manifest, channel, { ...channel, newest: orderKey(late) }),
      withPart(manifest, channel, { ...channel, newest: orderKey(timely) }),
      withPart(manifest, channel, { ...channel, authors: authors([]) }),
      withPart(manifest, channel, { ...channel, authors: authors([...counts.seqs].reverse()) }),
      withPart(manifest, channel, { ...channel, authors: authors(counts.seqs, 4_000_000) }),
      withPart(manifest, channel, {
        ...channel,
        authors: authors([...counts.seqs.slice(0, -1), log.seq + 99]),
      }),
      withPart(manifest, channel, {
        kind: "engine",
        document: channel.document,
        vector: new Map([[log.replica, log.seq + 1]]),
        digest: filled(32, 1),
        object: manifest.sessions.object,
      }),
    ];
    const isRefused = lies.map((lie) =>
      isMalformed(decodeManifest(suite, space, encodeManifest(lie))),
    );
    expect(isRefused).toEqual(lies.map(() => true));
    const bytes = encodeManifest(manifest);
    expect(isMalformed(decodeManifest(suite, otherSpace, bytes))).toBe(true);
    expect(decodeManifest(suite, space, Uint8Array.of(3, ...bytes.subarray(1)))).toMatchObject({
      fault: "version",
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(isMalformed(decodeManifest(suite, space, bytes.subarray(0, length)))).toBe(true);
    }
  });

  it("of logs that have forked names the branches, and nothing that is none", async () => {
    const manifest = await made();
    const [log, other] = manifest.logs;
    if (log === undefined || other === undefined) throw new Error("there are two logs");
    const named = (branch: Omit<ManifestBranch, "signer">, seq = 7): ManifestLog => {
      const whole = { signer: log.replica, ...branch };
      return { ...log, replica: branchIdOf(suite, whole), seq, branch: whole };
    };
    const withBranch = (branch: ManifestLog, ...more: ManifestLog[]): Manifest => ({
      ...manifest,
      logs: [...manifest.logs, branch, ...more].sort((a, b) => (a.replica < b.replica ? -1 : 1)),
    });
    const hash = filled(32, 0x61);
    const good = withBranch(named({ seq: 3, hash, parent: log.replica }));
    expect(decodeManifest(suite, space, encodeManifest(good))).toEqual(good);
    const first = withBranch(named({ seq: 1, hash, parent: undefined }));
    expect(decodeManifest(suite, space, encodeManifest(first))).toEqual(first);
    expect(canonicalDigest(suite, good)).not.toEqual(canonicalDigest(suite, first));
    const inner = named({ seq: 3, hash, parent: log.replica });
    const lies = [
      withBranch(named({ seq: 8, hash, parent: log.replica })),
      withBranch(named({ seq: 3, hash, parent: other.replica })),
      // Its parent ends before, or begins behind.
      withBranch(named({ seq: log.seq + 2, hash, parent: log.replica }, log.seq + 3)),
      withBranch(inner, named({ seq: 2, hash: filled(32, 0x62), parent: inner.replica })),
    ];
    const many = Array.from({ length: 32 }, (_, at) =>
      named({ seq: 1, hash: filled(32, 0x80 + at), parent: undefined }),
    );
    const most = withBranch(named({ seq: 1, hash, parent: undefined }), ...many.slice(2));
    expect(isMalformed(decodeManifest(suite, space, encodeManifest(most)))).toBe(false);
    lies.push(withBranch(named({ seq: 1, hash, parent: undefined }), ...many.slice(1)));
    for (const lie of lies) {
      expect(isMalformed(decodeManifest(suite, space, encodeManifest(lie)))).toBe(true);
    }
    const bytes = encodeManifest(manifest);
    expect(isMalformed(decodeManifest(suite, space, Uint8Array.of(2, ...bytes.subarray(1))))).toBe(
      true,
    );
    const branched = encodeManifest(good);
    for (let length = 0; length < branched.length; length++) {
      expect(isMalformed(decodeManifest(suite, space, branched.subarray(0, length)))).toBe(true);
    }
  });
});
