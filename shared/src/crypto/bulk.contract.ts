/**
 * Long runs, checked and opened in bulk (`Suite.bulk`), come to exactly what the chain, the signature
 * and the seals say one by one; whether another thread does it or the suite has none.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { documentId, spaceTag } from "../id/id.ts";
import { chainHashes, checkRun, zeroHash } from "../log/chain.ts";
import { type Entry, lastSeq, type Run, runEntriesMax } from "../log/entry.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import { Keyring } from "./keyring.ts";
import { openEntry, openRun, sealEntry } from "./seal.ts";
import type { Suite } from "./suite.ts";

const space = spaceTag(new Uint8Array(16).fill(7));
const sessions = [1, 2].map((byte) => new Uint8Array(16).fill(byte)) as [Uint8Array, Uint8Array];
const first = 11;
const previous = new Uint8Array(32).fill(9);

interface SealedRun {
  readonly run: Run;
  readonly publicKey: Uint8Array;
  readonly keyring: Keyring;
}

/** Two writer sessions that take turns, both opened before this run. */
async function sealedRun(suite: Suite, length: number): Promise<SealedRun> {
  const pair = await suite.newSigningPair();
  const keyring = new Keyring(suite, space, new Uint8Array(32).fill(3));
  const replica = replicaIdOf(suite, pair.publicKey);
  const entries: Entry[] = [];
  let hash = previous;
  let signature: Uint8Array = new Uint8Array(64);
  for (let seq = first; seq < first + length; seq++) {
    const session = seq % 2;
    const sealed = await sealEntry(
      { keyring, space, replica, ...pair },
      {
        seq,
        previous: hash,
        writer: { kind: "continues", distance: seq - 1 - session },
        nonce: sessions[session as 0 | 1],
        plain: {
          deps: [],
          lamport: seq,
          document: documentId(new Uint8Array(8).fill(5)),
          operations: [{ kind: 0x30, payload: new Uint8Array(seq % 300).fill(seq) }],
        },
      },
    );
    entries.push(sealed.entry);
    hash = sealed.hash;
    signature = sealed.signature;
  }
  const run = { replica, first, entries, signature };
  return { run, publicKey: pair.publicKey, keyring };
}

const nonceAt = (seq: number): Uint8Array | undefined => sessions[seq - 1];

/** Another body of the same length at `index`. */
function withBody(run: Run, index: number, change: (sealed: Uint8Array) => Entry["body"]): Run {
  const entries = run.entries.map((entry, at): Entry =>
    at === index && entry.body.kind === "sealed"
      ? { ...entry, body: change(entry.body.sealed) }
      : entry,
  );
  return { ...run, entries };
}

const flipped = (bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, index) => (index === 3 ? byte ^ 1 : byte));

export function bulkContract(name: string, open: () => Promise<Suite>): void {
  describe(`${name}, in bulk:`, () => {
    let suite: Suite;
    let long: SealedRun;
    beforeAll(async () => {
      suite = await open();
      long = await sealedRun(suite, 200);
    });

    const check = (run: Run, publicKey: Uint8Array, before: Uint8Array = previous) =>
      checkRun(suite, { space, run, previous: before }, publicKey);

    const opened = async ({ run, keyring }: SealedRun) =>
      openRun(
        keyring,
        { ...run, previous, hashes: chainHashes(suite, space, run, previous) },
        nonceAt,
      );

    test.each([1, 31, 32, 33, runEntriesMax])("a run of %i entries is good", async (length) => {
      const { run, publicKey } = await sealedRun(suite, length);
      const { hashes, isSigned } = await check(run, publicKey);
      expect(isSigned).toBe(true);
      expect(hashes).toEqual(chainHashes(suite, space, run, previous));
    });

    test("a wrong body, signature, key or hash before makes it bad, and the hashes its own", async () => {
      const { run, publicKey } = long;
      const other = await suite.newSigningPair();
      const body = withBody(run, 77, (sealed) => ({ kind: "sealed", sealed: flipped(sealed) }));
      const signature = { ...run, signature: flipped(run.signature) };
      for (const [bad, key, before] of [
        [body, publicKey, previous],
        [signature, publicKey, previous],
        [run, other.publicKey, previous],
        [run, publicKey, zeroHash],
        [run, publicKey.subarray(1), previous],
      ] as const) {
        const { hashes, isSigned } = await check(bad, key, before);
        expect(isSigned).toBe(false);
        expect(hashes).toEqual(chainHashes(suite, space, bad, before));
      }
    });

    test("a hollow entry keeps the chain", async () => {
      const { run, publicKey } = long;
      const hollow = withBody(run, 5, (sealed) => ({
        kind: "hollow",
        hash: suite.hash("skein/body/1", sealed),
        length: sealed.length,
      }));
      expect((await check(hollow, publicKey)).isSigned).toBe(true);
      const plains = await opened({ ...long, run: hollow });
      expect(plains[5]).toBe("void");
      expect(plains.filter((plain) => plain === "void").length).toBe(1);
    });

    test("all open to what each opens to alone, in order", async () => {
      const { run, keyring } = long;
      const hashes = chainHashes(suite, space, run, previous);
      const plains = await opened(long);
      expect(plains.length).toBe(run.entries.length);
      for (const [index, entry] of run.entries.entries()) {
        const seq = first + index;
        const place = { replica: run.replica, seq, previous: hashes[index - 1] ?? previous };
        const alone = await openEntry(keyring, place, entry, nonceAt(1 + (seq % 2)));
        expect(typeof alone).toBe("object");
        expect(plains[index]).toEqual(alone);
      }
    });

    test("one whose tag does not fit is void, and the others are not", async () => {
      const run = withBody(long.run, 40, (sealed) => ({ kind: "sealed", sealed: flipped(sealed) }));
      const plains = await opened({ ...long, run });
      expect(plains[40]).toBe("void");
      // The one behind names another hash before it.
      expect(plains.slice(0, 40).every((plain) => typeof plain === "object")).toBe(true);
    });

    test("without the epoch's key, and without the session, nothing is opened", async () => {
      const { run } = long;
      const stranger = new Keyring(suite, space, new Uint8Array(32).fill(4));
      expect(new Set(await opened({ ...long, keyring: stranger }))).toEqual(
        new Set(["unknown epoch"]),
      );
      const hashes = chainHashes(suite, space, run, previous);
      const half = await openRun(long.keyring, { ...run, previous, hashes }, (seq) =>
        seq === 1 ? nonceAt(seq) : undefined,
      );
      const voids = half.flatMap((plain, index) => (plain === "void" ? [first + index] : []));
      expect(voids.length).toBe(run.entries.length / 2);
      expect(voids.every((seq) => seq % 2 === 1)).toBe(true);
    });

    test("many runs at once keep to themselves, and a head keeps no other hash in memory", async () => {
      const runs = await Promise.all([40, 50, 60].map((length) => sealedRun(suite, length)));
      const results = await Promise.all(runs.map(({ run, publicKey }) => check(run, publicKey)));
      for (const [index, { hashes, isSigned }] of results.entries()) {
        const { run } = runs[index] as SealedRun;
        expect(isSigned).toBe(true);
        expect(hashes).toEqual(chainHashes(suite, space, run, previous));
        expect(hashes[lastSeq(run) - first]?.buffer.byteLength).toBe(32);
      }
    });
  });
}
