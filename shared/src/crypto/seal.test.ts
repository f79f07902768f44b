import { beforeAll, describe, expect, it } from "vitest";
import { fromHex } from "../bytes/bytes.ts";
import { documentId, replicaPrefix, spaceTag } from "../id/id.ts";
import { chainHashes, verifyHead, zeroHash } from "../log/chain.ts";
import {
  type Entry,
  headerAad,
  headerAadBytes,
  headerBytes,
  type HeaderFields,
  headMessage,
  type Run,
  type WriterSession,
} from "../log/entry.ts";
import type { Plain } from "../log/plain.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import { concatBytes } from "../bytes/bytes.ts";
import { countedNonce } from "./counted-nonce.ts";
import { Keyring } from "./keyring.ts";
import { nobleSuite } from "./noble-suite.ts";
import {
  type EntryDraft,
  type EntryOpener,
  type EntryPlace,
  type EntrySealer,
  openEntry,
  openRun,
  type SealedEntry,
  sealEntry,
} from "./seal.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const space = spaceTag(fromHex("11".repeat(16)));
const nonce = fromHex("44".repeat(16));
const otherNonce = fromHex("45".repeat(16));
const opens: WriterSession = { kind: "opens", nonce };
const plain: Plain = {
  deps: [{ replica: replicaPrefix(fromHex("abababababababab")), seq: 9 }],
  lamport: 12,
  document: documentId(fromHex("0001020304050607")),
  operations: [{ kind: 0x30, payload: new TextEncoder().encode("hello") }],
};

let sealer: EntrySealer;
let keyring: Keyring;

beforeAll(async () => {
  const { publicKey, secret } = await suite.newSigningPair();
  keyring = new Keyring(suite, space, fromHex("55".repeat(32)));
  sealer = { keyring, space, replica: replicaIdOf(suite, publicKey), publicKey, secret };
});

const seal = (change: Partial<EntryDraft> = {}): Promise<SealedEntry> =>
  sealEntry(sealer, { seq: 1, previous: zeroHash, writer: opens, nonce, plain, ...change });

const open = (
  entry: Entry,
  {
    of = keyring,
    nonce: sessionNonce = nonce,
    ...change
  }: Partial<EntryPlace> & {
    of?: EntryOpener;
    nonce?: Uint8Array;
  } = {},
) =>
  openEntry(
    of,
    { replica: sealer.replica, seq: 1, previous: zeroHash, ...change },
    entry,
    sessionNonce,
  );

function sealedBody(entry: Entry): Uint8Array {
  if (entry.body.kind !== "sealed") throw new Error("hollow");
  return entry.body.sealed;
}

describe("a sealed entry", () => {
  it("opens to what it said", async () => {
    const { entry } = await seal();
    expect(await open(entry)).toEqual(plain);
  });

  it("continues its chain, and one signature holds for all of it", async () => {
    const first = await seal();
    const second = await seal({
      seq: 2,
      previous: first.hash,
      writer: { kind: "continues", distance: 1 },
    });
    const run: Run = {
      replica: sealer.replica,
      first: 1,
      entries: [first.entry, second.entry],
      signature: second.signature,
    };
    const hashes = chainHashes(suite, space, run, zeroHash);
    expect(hashes).toEqual([first.hash, second.hash]);
    expect(await verifyHead(suite, space, run, hashes, sealer.publicKey)).toBe(true);
    const opened = await open(second.entry, { seq: 2, previous: first.hash });
    expect(opened).toEqual(plain);
  });

  it("is padded, so that a longer text need not show", async () => {
    const long = (length: number) =>
      seal({ plain: { ...plain, operations: [{ kind: 1, payload: new Uint8Array(length) }] } });
    const [short, longer] = [await long(300), await long(303)];
    expect(sealedBody(short.entry).length).toBe(sealedBody(longer.entry).length);
  });

  it("of an unknown epoch waits, and opens when the key arrives", async () => {
    const other = new Keyring(suite, space, fromHex("66".repeat(32)));
    const { entry } = await sealEntry(
      { ...sealer, keyring: other },
      { seq: 1, previous: zeroHash, writer: opens, nonce, plain },
    );
    const waiting = new Keyring(suite, space, fromHex("55".repeat(32)));
    expect(await open(entry, { of: waiting })).toBe("unknown epoch");
    waiting.add(fromHex("66".repeat(32)));
    expect(await open(entry, { of: waiting })).toEqual(plain);
  });

  it("that was made hollow does nothing", async () => {
    const { entry } = await seal();
    const body = { kind: "hollow", hash: zeroHash, length: sealedBody(entry).length } as const;
    expect(await open({ ...entry, body })).toBe("void");
  });

  it("whose plain makes no sense does nothing, though its seal is right", async () => {
    const key = await keyring.logKey(keyring.current, sealer.replica, nonce);
    if (key === undefined) throw new Error("no key");
    const nonsense = new Uint8Array(40).fill(0xff);
    const fields: HeaderFields = {
      suite: 1,
      space,
      replica: sealer.replica,
      seq: 1,
      previous: zeroHash,
      epoch: keyring.current,
      writer: opens,
      bodyLength: nonsense.length + 16,
    };
    const sealed = await suite.seal(key, countedNonce(1), nonsense, headerAad(fields));
    const entry: Entry = {
      epoch: keyring.current,
      writer: opens,
      body: { kind: "sealed", sealed },
    };
    expect(await open(entry)).toBe("void");
  });
});

describe("a run", () => {
  /** Entries 1 to 5 of two writer sessions: 1 opens, 2 continues it, 3 opens, 4 and 5 continue each. */
  const writers: [WriterSession, Uint8Array][] = [
    [opens, nonce],
    [{ kind: "continues", distance: 1 }, nonce],
    [{ kind: "opens", nonce: otherNonce }, otherNonce],
    [{ kind: "continues", distance: 1 }, otherNonce],
    [{ kind: "continues", distance: 4 }, nonce],
  ];
  let sealed: SealedEntry[];
  const runFrom = (index: number) => ({
    replica: sealer.replica,
    first: index + 1,
    entries: sealed.slice(index).map(({ entry }) => entry),
    previous: sealed[index - 1]?.hash ?? zeroHash,
    hashes: sealed.slice(index).map(({ hash }) => hash),
  });

  beforeAll(async () => {
    sealed = [];
    for (const [index, [writer, of]] of writers.entries()) {
      const previous = sealed[index - 1]?.hash ?? zeroHash;
      sealed.push(await seal({ seq: index + 1, previous, writer, nonce: of }));
    }
  });

  it("opens whole, whichever session its entries belong to", async () => {
    const opened = await openRun(keyring, runFrom(0), () => undefined);
    expect(opened).toEqual([plain, plain, plain, plain, plain]);
  });

  it("asks for the nonces of sessions that were opened before it", async () => {
    const asked: number[] = [];
    const opened = await openRun(keyring, runFrom(1), (seq) => {
      asked.push(seq);
      return nonce;
    });
    expect(opened).toEqual([plain, plain, plain, plain]);
    expect(asked).toEqual([1, 1]);
  });

  it("is void where an entry names one that opens no session", async () => {
    const run = runFrom(0);
    const entries = run.entries.map((entry, index): Entry =>
      index < 3 ? entry : { ...entry, writer: { kind: "continues", distance: index - 1 } },
    );
    const opened = await openRun(keyring, { ...run, entries }, () => nonce);
    expect(opened).toEqual([plain, plain, plain, "void", "void"]);
    expect(await openRun(keyring, runFrom(4), () => undefined)).toEqual(["void"]);
  });
});

describe("a tampered entry", () => {
  it("opens to nothing when any byte of its body is wrong", async () => {
    const { entry } = await seal();
    const body = sealedBody(entry);
    for (let at = 0; at < body.length; at++) {
      const sealed = body.map((byte, index) => (index === at ? byte ^ 0x80 : byte));
      const tampered: Entry = { ...entry, body: { kind: "sealed", sealed } };
      expect(await open(tampered), `byte ${at}`).toBe("void");
    }
    for (const length of [0, 15, 16, body.length - 1]) {
      const sealed = body.subarray(0, length);
      const tampered: Entry = { ...entry, body: { kind: "sealed", sealed } };
      expect(await open(tampered), `length ${length}`).toBe("void");
    }
  });

  it("opens to nothing in any other place", async () => {
    const { entry } = await seal();
    const logKey: EntryOpener["logKey"] = (...args) => keyring.logKey(...args);
    const elsewhere = spaceTag(fromHex("12".repeat(16)));
    const someone = replicaIdOf(suite, new Uint8Array(32));
    const continues: Entry = { ...entry, writer: { kind: "continues", distance: 1 } };
    const reopened: Entry = {
      ...entry,
      writer: { kind: "opens", nonce: fromHex("45".repeat(16)) },
    };
    expect(await open(entry, { of: { suite, logKey, space: elsewhere } })).toBe("void");
    expect(await open(entry, { of: { logKey, space, suite: { ...suite, id: 0 } } })).toBe("void");
    expect(await open(entry, { replica: someone })).toBe("void");
    expect(await open(entry, { seq: 2 })).toBe("void");
    expect(await open(entry, { previous: new Uint8Array(32).fill(1) })).toBe("void");
    expect(await open(entry, { nonce: fromHex("45".repeat(16)) })).toBe("void");
    expect(await open(continues)).toBe("void");
    expect(await open(reopened)).toBe("void");
  });

  it("opens to nothing when any byte of its header is wrong", async () => {
    const { entry } = await seal();
    const sealed = sealedBody(entry);
    const key = await keyring.logKey(keyring.current, sealer.replica, nonce);
    if (key === undefined) throw new Error("no key");
    const aad = headerAad({
      suite: 1,
      space,
      replica: sealer.replica,
      seq: 1,
      previous: zeroHash,
      epoch: entry.epoch,
      writer: entry.writer,
      bodyLength: sealed.length,
    });
    expect(aad.length).toBe(headerAadBytes);
    expect(await suite.open(key, countedNonce(1), sealed, aad)).toBeDefined();
    for (let at = 0; at < aad.length; at++) {
      const tampered = aad.map((byte, index) => (index === at ? byte ^ 1 : byte));
      expect(await suite.open(key, countedNonce(1), sealed, tampered), `${at}`).toBeUndefined();
    }
  });

  it("fails the signature when any byte of its header, body hash included, is wrong", async () => {
    const { entry, hash, signature } = await seal();
    const sealed = sealedBody(entry);
    const header = concatBytes(
      headerAad({
        suite: 1,
        space,
        replica: sealer.replica,
        seq: 1,
        previous: zeroHash,
        epoch: entry.epoch,
        writer: entry.writer,
        bodyLength: sealed.length,
      }),
      suite.hash("skein/body/1", sealed),
    );
    const holds = (bytes: Uint8Array) => {
      const message = headMessage(space, sealer.replica, 1, suite.hash("skein/entry/1", bytes));
      return suite.verify(sealer.publicKey, "skein/head/1", message, signature);
    };
    expect(header.length).toBe(headerBytes);
    expect(suite.hash("skein/entry/1", header)).toEqual(hash);
    expect(await holds(header)).toBe(true);
    for (let at = 0; at < header.length; at++) {
      const tampered = header.map((byte, index) => (index === at ? byte ^ 1 : byte));
      expect(await holds(tampered), `byte ${at}`).toBe(false);
    }
  });
});
