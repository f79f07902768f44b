/**
 * What an entry costs on its way, with the ciphers that ship: bytes of a keystroke from the relay to a
 * reader, counted on the wire between a whole relay and whole devices, and the time it takes to check
 * and open a log that was missed. References are the floors of the design (a key's own bytes and what
 * signing and sealing them takes at least) and Node's ciphers called for nothing else.
 */
import { createDecipheriv, createPublicKey, hash, verify } from "node:crypto";
import * as Y from "yjs";
import { webSuite } from "@skein/client/runtime/web-suite.ts";
import { concatBytes, fromHex } from "@skein/shared/bytes/bytes.ts";
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import { type EntrySealer, openRun, sealEntry } from "@skein/shared/crypto/seal.ts";
import type { SigningPair, Suite } from "@skein/shared/crypto/suite.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import type { Lock } from "@skein/shared/device/writer.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId, type ReplicaId } from "@skein/shared/id/id.ts";
import { chainHashes, labels, verifyHead, zeroHash } from "@skein/shared/log/chain.ts";
import { type Entry, headerAad, headMessage, type Run } from "@skein/shared/log/entry.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { labelled } from "@skein/shared/log/suite.ts";
import { encodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { noteContent } from "@skein/shared/note/note-schema.ts";
import { NoteSession } from "@skein/shared/note/note-session.ts";
import { peerSeed, yjsClientId } from "@skein/shared/crdt/engine/peer.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Connection } from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { relaySuite } from "../../server/src/suite.ts";
import { Tab } from "../support/party.ts";
import { catchUpInChromium } from "./catch-up.ts";
import { type Bench, fastest, type Figure } from "./figure.ts";

const note = documentId(new Uint8Array(8).fill(1));
const updateKind = 0x40;
const origin = "http://localhost:8787";
const alone: Lock = (body) => body();

/** Type numbers of the frames that carry entries (docs/protocol.md section 8). */
const entryFrames: ReadonlySet<number | undefined> = new Set([0x13, 0x14]);

const broke = (error: unknown): never => {
  throw error;
};

const random = {
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  fraction: () => Math.random(),
};

export const syncBench: Bench = {
  name: "sync",
  about: "bytes of a keystroke on the wire; time to catch up with a log that was missed",
  async run(say) {
    const suite = await webSuite();
    const figures: Figure[] = [];
    for (const { keys, what, reference, goal } of [
      { keys: 1, what: "lone key, relay → client", reference: 105, goal: "<= 130" },
      { keys: 3, what: "key while typing, 3 an entry", reference: 36, goal: "<= 40" },
    ]) {
      say(`typing ${keys} a time`);
      const value = await bytesPerKey(suite, keys);
      figures.push({ figure: what, value, unit: "bytes", reference, goal });
    }
    figures.push(...(await catchUp(suite, say)));
    figures.push(...(await chromiumCatchUp(say)));
    return figures;
  },
};

// Bytes

/** Of all frames with entries that the relay sends a reader while somebody types, by the key. */
async function bytesPerKey(suite: Suite, keysPerEntry: number): Promise<number> {
  const entries = 200;
  const world = await TypingWorld.begin(suite);
  // What has been typed before: numbers have the length they have in the middle of a note.
  await world.type("x".repeat(20_000));
  for (let warm = 0; warm < 150; warm++) await world.type("y");
  world.bytes = 0;
  for (let entry = 0; entry < entries; entry++) await world.type("z".repeat(keysPerEntry));
  return world.bytes / (entries * keysPerEntry);
}

/** An author and a reader at a relay, with an open note. */
class TypingWorld {
  /** Of frames with entries, from the relay to the reader. */
  bytes = 0;
  readonly #suite: Suite;
  readonly #space: NewSpace;
  readonly #relay: Relay;
  readonly #env: Env = { clock: { now: () => this.#nowMs }, random };
  readonly #author: Tab;
  readonly #reader: Tab;
  readonly #session: NoteSession<{ readonly client: number; readonly clock: number }>;
  #nowMs = 1_700_000_000_000;
  #written: Promise<unknown> = Promise.resolve();

  static async begin(suite: Suite): Promise<TypingWorld> {
    const space = await newSpace(suite, random);
    const pairs = [await suite.newSigningPair(), await suite.newSigningPair()] as const;
    const world = new TypingWorld(suite, space, pairs);
    await world.#connect(world.#author, () => {});
    await world.#connect(world.#reader, (frame) => {
      if (entryFrames.has(frame[0])) world.bytes += frame.length;
    });
    return world;
  }

  private constructor(
    suite: Suite,
    space: NewSpace,
    [author, reader]: readonly [SigningPair, SigningPair],
  ) {
    this.#suite = suite;
    this.#space = space;
    this.#relay = new Relay({
      env: this.#env,
      suite: relaySuite(),
      store: new MemoryRelayStore(),
      bus: new MemoryBusHub().connect(),
      explain: () => ({ code: codes.unavailable, retryAfterMs: 0, detail: "" }),
      mayWhisper: () => true,
      onEnded: () => {},
      onBug: broke,
    });
    this.#author = this.#tab(author);
    this.#reader = this.#tab(reader);
    const { writer, replicaId } = this.#author;
    const seed = peerSeed(suite, replicaId, note, writer.nonce, 0);
    this.#session = new NoteSession({
      clock: this.#env.clock,
      nextPeer: () => ({ client: yjsClientId(seed), clock: 0 }),
      emit: (effect) => {
        if (effect.kind !== "persist") return;
        this.#written = writer.append(note, ({ seq, openedAt }) =>
          effect.operations.map(({ update }) => {
            const peer = { distance: seq - openedAt, counter: 0 };
            return { kind: updateKind, payload: encodeNoteUpdate({ peer, update }) };
          }),
        );
      },
    });
  }

  /** One entry, until the reader has applied it. */
  async type(text: string): Promise<void> {
    this.#nowMs += 400;
    const { doc } = this.#session;
    doc.transact(() => {
      const content = noteContent(doc);
      if (content.length === 0) {
        const paragraph = new Y.XmlElement("paragraph");
        paragraph.insert(0, [new Y.XmlText()]);
        content.insert(0, [paragraph]);
      }
      const paragraph = content.get(0) as Y.XmlElement;
      const typed = paragraph.get(0) as Y.XmlText;
      // Key by key, as an editor does it; the session hands them on together.
      for (const key of text) typed.insert(typed.length, key);
    });
    this.#session.flush();
    await this.#written;
    this.#session.persisted();
    const { head } = await this.#author.store.writerBase(this.#space.tag, this.#author.replicaId);
    while (
      (this.#reader.replica?.applied.vector.get(this.#author.replicaId) ?? 0) < (head?.to ?? 0)
    ) {
      await turn();
    }
  }

  #tab(pair: SigningPair): Tab {
    return new Tab({
      env: this.#env,
      suite: this.#suite,
      kv: new MemoryDisk(deviceStores).open(),
      space: this.#space,
      pair,
      lock: alone,
      onBug: broke,
    });
  }

  async #connect(tab: Tab, onDown: (frame: Uint8Array) => void): Promise<void> {
    await tab.lead();
    const ends: { theirs?: Connection } = {};
    const link = new RelayLink({
      env: this.#env,
      suite: this.#suite,
      origin,
      durable: true,
      effects: new Effects(broke),
      wire: {
        send: (frame) => setImmediate(() => ends.theirs?.receive(frame)),
        close: () => {},
      },
      host: {
        onGreeted: () => {},
        onEnded: (_link, end) => broke(new Error(`${end.code} ${end.detail}`)),
        onSpaceState: () => {},
        onPresent: () => {},
      },
    });
    ends.theirs = this.#relay.connect(
      {
        send: (frame) => {
          onDown(frame);
          setImmediate(() => link.connection.receive(frame));
        },
        close: () => {},
      },
      origin,
    );
    const writeKey = (await this.#suite.signingPairFromSeed(this.#space.seeds.write)).secret;
    link.add(tab.access(writeKey));
    while (link.session(this.#space.tag)?.isFollowing !== true) await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// Time

const missedEntries = 100_000;
const missedAuthors = 40;

/** What a person waits for, with the disk; its parts one by one, which overlap in the whole. */
async function chromiumCatchUp(say: (words: string) => void): Promise<Figure[]> {
  say(`catching up ${missedEntries} entries of ${missedAuthors} authors in Chromium, three times`);
  const took = await catchUpInChromium(missedEntries, missedAuthors, 3);
  const part = (name: "verify" | "open" | "store"): Figure => ({
    figure: `  of which ${name}, by itself`,
    value: took.parts[name],
    unit: "ms",
    reference: took.bare[name],
    goal: null,
  });
  const { verify, open, store } = took.bare;
  return [
    {
      figure: `catch-up of ${took.entries} entries in Chromium: verified, opened, stored`,
      value: took.together,
      unit: "ms",
      // Chromium's ciphers and database, one after the other, and nothing of ours.
      reference: verify + open + store,
      goal: "<= 1500",
    },
    part("verify"),
    part("open"),
    part("store"),
    {
      figure: `the same with a relay in the page, until all can be seen`,
      value: took.whole,
      unit: "ms",
      reference: took.together,
      goal: null,
    },
  ];
}

const logLength = 10_000;
/** As a store hands them out. */
const runLength = 1_000;

interface SealedLog {
  readonly suite: Suite;
  readonly keyring: Keyring;
  readonly sealer: EntrySealer;
  readonly nonce: Uint8Array;
  readonly runs: readonly Run[];
}

/** Checking and opening a log that was missed. The disk is not in it. */
async function catchUp(suite: Suite, say: (words: string) => void): Promise<Figure[]> {
  say(`sealing ${logLength} entries`);
  const log = await sealLog(suite);
  say("checking and opening them");
  const rawKey = await rawKeyOf(log);
  const [best = 0, reference = 0] = await fastest(5, [
    () => checkAndOpen(log),
    () => openRaw(log, rawKey),
  ]);
  return [
    {
      figure: `verify and open ${logLength} entries`,
      value: best,
      unit: "ms",
      reference,
      goal: "<= 150",
    },
    {
      figure: "the same, as throughput",
      value: (logLength / best) * 1_000,
      unit: "entries/s",
      reference: (logLength / reference) * 1_000,
      goal: null,
    },
  ];
}

async function sealLog(suite: Suite): Promise<SealedLog> {
  const space = await newSpace(suite, random);
  const pair = await suite.newSigningPair();
  const keyring = new Keyring(suite, space.tag, space.contentKey);
  const replica: ReplicaId = replicaIdOf(suite, pair.publicKey);
  const sealer = { keyring, space: space.tag, replica, ...pair };
  const nonce = random.bytes(16);
  const runs: Run[] = [];
  let previous: Uint8Array = zeroHash;
  let entries: Entry[] = [];
  for (let seq = 1; seq <= logLength; seq++) {
    const {
      entry,
      hash: entryHash,
      signature,
    } = await sealEntry(sealer, {
      seq,
      previous,
      writer: seq === 1 ? { kind: "opens", nonce } : { kind: "continues", distance: seq - 1 },
      nonce,
      plain: {
        deps: [],
        lamport: seq,
        document: note,
        // A short message, as most are.
        operations: [{ kind: 0x30, payload: random.bytes(60) }],
      },
    });
    previous = entryHash;
    entries.push(entry);
    if (entries.length < runLength) continue;
    runs.push({ replica, first: seq - runLength + 1, entries, signature });
    entries = [];
  }
  return { suite, keyring, sealer, nonce, runs };
}

/** As the intake and the replica do it: the chain, one signature a run, then all seals. */
async function checkAndOpen({ suite, keyring, sealer, nonce, runs }: SealedLog): Promise<void> {
  const { space, publicKey } = sealer;
  let previous: Uint8Array = zeroHash;
  for (const run of runs) {
    const hashes = chainHashes(suite, space, run, previous);
    if (!(await verifyHead(suite, space, run, hashes, publicKey))) throw new Error("a bad head");
    const opened = await openRun(keyring, { ...run, previous, hashes }, () => nonce);
    for (const plain of opened) if (typeof plain === "string") throw new Error(`it is ${plain}`);
    previous = hashes[hashes.length - 1] ?? previous;
  }
}

/** The content key as bytes, derived by hand (docs/protocol.md section 4). */
async function rawKeyOf({ suite, sealer, nonce }: SealedLog): Promise<Uint8Array> {
  const [contentKey] = sealer.keyring.keys;
  if (contentKey === undefined) throw new Error("a keyring has a key");
  const context = concatBytes(fromHex(sealer.replica), nonce);
  return suite.deriveBytes(contentKey, "skein/log/1", context);
}

/** The least that has to be done, by Node alone: two hashes and a seal an entry, a signature a run. */
function openRaw({ suite, sealer, runs }: SealedLog, key: Uint8Array): void {
  const { space, replica, publicKey } = sealer;
  const spki = concatBytes(fromHex("302a300506032b6570032100"), publicKey);
  const author = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  let previous: Uint8Array = zeroHash;
  for (const { first, entries, signature } of runs) {
    let seq = first;
    for (const { epoch, writer, body } of entries) {
      if (body.kind !== "sealed") throw new Error("all are sealed");
      const bodyLength = body.sealed.length;
      const fields = { suite: suite.id, space, replica, seq, previous, epoch, writer, bodyLength };
      const aad = headerAad(fields);
      const bodyHash = hash("sha256", labelled(labels.body, body.sealed), "buffer");
      previous = hash("sha256", labelled(labels.entry, aad, bodyHash), "buffer");
      const iv = Buffer.alloc(12);
      iv.writeUInt32BE(seq, 8);
      const decipher = createDecipheriv("aes-256-gcm", key, iv);
      decipher.setAAD(aad);
      decipher.setAuthTag(body.sealed.subarray(bodyLength - 16));
      decipher.update(body.sealed.subarray(0, bodyLength - 16));
      decipher.final();
      seq++;
    }
    const message = labelled(labels.head, headMessage(space, replica, seq - 1, previous));
    if (!verify(null, message, author, signature)) throw new Error("a bad head");
  }
}
