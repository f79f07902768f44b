/**
 * A device that was away, in the page: the shipped replica over IndexedDB and the browser's own
 * ciphers, joined in memory to a relay that holds what it missed. The relay's work is in the time, too,
 * but for what it did when the entries came to it. `catch-up.ts` opens the page and asks.
 */
import { concatBytes } from "@skein/shared/bytes/bytes.ts";
import { openIdbKv } from "@skein/client/storage/idb-kv.ts";
import { lazyBulk } from "@skein/client/runtime/bulk.ts";
import { webSuite } from "@skein/client/runtime/web-suite.ts";
import { draftPost } from "@skein/shared/chat/post.ts";
import type { RawOperation } from "@skein/shared/crdt/crdt.ts";
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import { openRun, sealEntry } from "@skein/shared/crypto/seal.ts";
import type { Suite } from "@skein/shared/crypto/suite.ts";
import { KvDeviceStore } from "@skein/shared/device/device-store.ts";
import type { Kv } from "@skein/shared/device/kv.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import type { Env } from "@skein/shared/env.ts";
import { type DocumentId, documentId, prefixOf, type ReplicaId } from "@skein/shared/id/id.ts";
import { chainHashes, checkRun, verifyHead, zeroHash } from "@skein/shared/log/chain.ts";
import { type Entry, headerAadBytes } from "@skein/shared/log/entry.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { VerifiedRun } from "@skein/shared/log/store.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Connection } from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { MemoryBusHub } from "../../../server/src/bus/memory.ts";
import { Relay } from "../../../server/src/relay.ts";
import { MemoryRelayStore } from "../../../server/src/store/memory.ts";
import { Tab } from "../../support/party.ts";

/** In ms; measured one by one, each with nothing beside it. */
export interface Parts {
  readonly verify: number;
  readonly open: number;
  readonly store: number;
}

/** What catching up took. */
export interface CatchUp {
  readonly entries: number;
  /** From connecting until the last entry is in the read models, in ms. */
  readonly whole: number;
  readonly parts: Parts;
  /** Verified, opened and stored as runs come from a relay, with nothing of it applied. */
  readonly together: number;
  /** The browser's own ciphers and database called for the same bytes, and nothing else. */
  readonly bare: Parts;
}

const random = {
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  fraction: () => Math.random(),
};
const env: Env = {
  clock: { now: () => Math.floor(performance.now()) + 1_700_000_000_000 },
  random,
};
const broke = (error: unknown): never => {
  throw error;
};

interface World {
  readonly suite: Suite;
  readonly space: NewSpace;
  readonly store: MemoryRelayStore;
  readonly nonces: ReadonlyMap<ReplicaId, Uint8Array>;
  readonly entries: number;
}

async function catchUp(entries: number, authors: number): Promise<CatchUp> {
  const suite = await webSuite(crypto, lazyBulk);
  const space = await newSpace(suite, random);
  const store = new MemoryRelayStore();
  await store.putCertificate(space.tag, {
    n: 0,
    bytes: space.certificate,
    hash: new Uint8Array(32),
  });
  const { nonces, runs } = await conversation(suite, space, entries, authors);
  await store.append(space.tag, runs);
  const world = { suite, space, store, nonces, entries };
  const parts = await measureParts(world);
  const bare = await measureBare(world);
  const together = await measureTogether(world);
  return { entries, whole: await measureWhole(world), parts, together, bare };
}

/** People who answer each other: every message depends on the one before, whoever wrote it. */
async function conversation(suite: Suite, space: NewSpace, entries: number, authors: number) {
  const keyring = new Keyring(suite, space.tag, space.contentKey);
  const people = [];
  for (let author = 0; author < authors; author++) {
    const pair = await suite.newSigningPair();
    const replica = replicaIdOf(suite, pair.publicKey);
    const sealer = { keyring, space: space.tag, replica, ...pair };
    people.push({ sealer, nonce: random.bytes(16), seq: 0, head: zeroHash });
  }
  /** Runs of one entry each, as they come while people write. */
  const runs: VerifiedRun[] = [];
  let last: { replica: ReplicaId; seq: number } | undefined;
  for (let count = 1; count <= entries; count++) {
    const author = (count * 7 + Math.floor(count / 11)) % authors;
    const person = people[author];
    if (person === undefined) throw new Error("somebody writes");
    const { sealer, nonce, head: previous } = person;
    const { replica, publicKey } = sealer;
    const seq = ++person.seq;
    const text = `${author} says for the ${seq}th time that the plums are ripe.`;
    const { entry, hash, signature } = await sealEntry(sealer, {
      seq,
      previous,
      writer: seq === 1 ? { kind: "opens", nonce } : { kind: "continues", distance: seq - 1 },
      nonce,
      plain: {
        deps:
          last === undefined || last.replica === replica
            ? []
            : [{ replica: prefixOf(last.replica), seq: last.seq }],
        lamport: count,
        document: channelOf(count),
        operations: [post(text)],
      },
    });
    runs.push({
      replica,
      first: seq,
      entries: [entry],
      signature,
      publicKey,
      previous,
      hashes: [hash],
    });
    person.head = hash;
    last = { replica, seq };
  }
  return { runs, nonces: new Map(people.map(({ sealer, nonce }) => [sealer.replica, nonce])) };
}

/** A conversation stays in its channel for a while. */
const channelOf = (count: number): DocumentId =>
  documentId(new Uint8Array(8).fill(1 + (Math.floor(count / 50) % 8)));

function post(text: string): RawOperation {
  const draft = draftPost(text, env.clock.now());
  if (draft.kind !== "ready") throw new Error(`a text that is ${draft.kind}`);
  return draft.operation;
}

/** The runs as the relay hands them out. */
async function* relayRuns({ store, space }: World): AsyncGenerator<VerifiedRun> {
  for (const { replica, publicKey, to } of await store.heads(space.tag)) {
    let previous: Uint8Array = zeroHash;
    for (let first = 1; first <= to;) {
      const run = await store.read(space.tag, replica, first, limits.runBytesMax);
      if (run === undefined) throw new Error(`no entry ${first}`);
      yield { ...run, publicKey, previous, hashes: [] };
      first += run.entries.length;
      const hashes = await store.hashes(space.tag, replica, first - 1, first - 1);
      previous = hashes[0] ?? previous;
    }
  }
}

async function measureParts(world: World): Promise<Parts> {
  const { suite, space, nonces } = world;
  const runs: VerifiedRun[] = [];
  for await (const run of relayRuns(world)) runs.push(copied(run));

  const verifyFrom = performance.now();
  const verified: VerifiedRun[] = [];
  for (const run of runs) {
    const hashes = chainHashes(suite, space.tag, run, run.previous);
    if (!(await verifyHead(suite, space.tag, run, hashes, run.publicKey))) {
      throw new Error("a bad head");
    }
    verified.push({ ...run, hashes });
  }
  const verify = performance.now() - verifyFrom;

  const keyring = new Keyring(suite, space.tag, space.contentKey);
  const openFrom = performance.now();
  for (const run of verified) {
    for (const plain of await openRun(keyring, run, () => nonces.get(run.replica))) {
      if (typeof plain === "string") throw new Error(`it is ${plain}`);
    }
  }
  const open = performance.now() - openFrom;

  const kv = await freshKv("parts");
  const device = new KvDeviceStore(kv, suite);
  const storeFrom = performance.now();
  // As many at a time as come while a commit is on its way: the window.
  for (let at = 0; at < verified.length; at += runsPerWindow) {
    await device.append(space.tag, verified.slice(at, at + runsPerWindow));
  }
  const store = performance.now() - storeFrom;
  kv.close();
  return { verify, open, store };
}

const runsPerWindow = 6;

async function measureTogether(world: World): Promise<number> {
  const { suite, space, nonces } = world;
  const runs: VerifiedRun[] = [];
  for await (const run of relayRuns(world)) runs.push(copied(run));
  const keyring = new Keyring(suite, space.tag, space.contentKey);
  const kv = await freshKv("together");
  const device = new KvDeviceStore(kv, suite);
  const checked = async (run: VerifiedRun): Promise<VerifiedRun> => {
    const placed = { space: space.tag, run, previous: run.previous };
    const { hashes, isSigned } = await checkRun(suite, placed, run.publicKey);
    if (!isSigned) throw new Error("a bad head");
    return { ...run, hashes };
  };
  const opened = async (run: VerifiedRun): Promise<void> => {
    for (const plain of await openRun(keyring, run, () => nonces.get(run.replica))) {
      if (typeof plain === "string") throw new Error(`it is ${plain}`);
    }
  };
  const from = performance.now();
  let underway: Promise<unknown> = Promise.resolve();
  for (let at = 0; at < runs.length; at += runsPerWindow) {
    const verified = await Promise.all(runs.slice(at, at + runsPerWindow).map(checked));
    // The next window is verified while this one is opened and stored.
    await underway;
    underway = Promise.all([device.append(space.tag, verified), ...verified.map(opened)]);
  }
  await underway;
  const together = performance.now() - from;
  kv.close();
  return together;
}

async function measureBare(world: World): Promise<Parts> {
  const { subtle } = crypto;
  const bodies: Uint8Array<ArrayBuffer>[] = [];
  let runs = 0;
  for await (const { entries } of relayRuns(world)) {
    runs++;
    for (const { body } of entries) if (body.kind === "sealed") bodies.push(body.sealed.slice());
  }

  const pair = (await subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  const head = new Uint8Array(32);
  const signature = await subtle.sign("Ed25519", pair.privateKey, head);
  const verifyFrom = performance.now();
  for (let run = 0; run < runs; run++) {
    await subtle.verify("Ed25519", pair.publicKey, signature, head);
  }
  const verify = performance.now() - verifyFrom;

  const aes = { name: "AES-GCM", length: 256 };
  const key = await subtle.generateKey(aes, false, ["encrypt", "decrypt"]);
  const gcm = {
    name: "AES-GCM",
    iv: new Uint8Array(12),
    additionalData: new Uint8Array(headerAadBytes),
  };
  const seal = async (body: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await subtle.encrypt(gcm, key, body.subarray(sealTagBytes)));
  const sealed: Uint8Array<ArrayBuffer>[] = [];
  for (const body of bodies) sealed.push(await seal(body));
  const openFrom = performance.now();
  for (let at = 0; at < sealed.length; at += openedAtOnce) {
    const some = sealed.slice(at, at + openedAtOnce);
    await Promise.all(some.map((body) => subtle.decrypt(gcm, key, body)));
  }
  const open = performance.now() - openFrom;
  return { verify, open, store: await storeBare(sealed) };
}

const openedAtOnce = 128;
const sealTagBytes = 16;

/** As many records of a hundred bodies as it takes, in transactions of as much as a window brings. */
async function storeBare(bodies: readonly Uint8Array<ArrayBuffer>[]): Promise<number> {
  const opening = indexedDB.open(`bench-bare-${Date.now()}`);
  opening.addEventListener("upgradeneeded", () => opening.result.createObjectStore("segments"));
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    opening.addEventListener("success", () => resolve(opening.result));
    opening.addEventListener("error", () => reject(new Error("no database")));
  });
  const records: Uint8Array[] = [];
  for (let at = 0; at < bodies.length; at += segmentEntries) {
    records.push(concatBytes(...bodies.slice(at, at + segmentEntries)));
  }
  const perTransaction = Math.max(1, Math.round((runsPerWindow * limits.runEntriesMax) / 100));
  const from = performance.now();
  for (let at = 0; at < records.length; at += perTransaction) {
    const transaction = database.transaction("segments", "readwrite", { durability: "relaxed" });
    const store = transaction.objectStore("segments");
    for (const [index, record] of records.slice(at, at + perTransaction).entries()) {
      store.put(record, at + index);
    }
    await new Promise<void>((resolve, reject) => {
      transaction.addEventListener("complete", () => resolve());
      transaction.addEventListener("abort", () => reject(new Error("not stored")));
    });
  }
  const took = performance.now() - from;
  database.close();
  return took;
}

const segmentEntries = 100;

/** With bodies that are views of nothing else, as they come from a socket. */
const copied = (run: VerifiedRun): VerifiedRun => ({
  ...run,
  entries: run.entries.map((entry): Entry =>
    entry.body.kind === "sealed"
      ? { ...entry, body: { kind: "sealed", sealed: entry.body.sealed.slice() } }
      : entry,
  ),
});

async function measureWhole(world: World): Promise<number> {
  const { suite, space, store, entries } = world;
  const kv = await freshKv("whole");
  const tab = new Tab({
    env,
    suite,
    kv,
    space,
    pair: await suite.newSigningPair(),
    lock: (body) => body(),
    onBug: broke,
  });
  await tab.lead();
  const relay = new Relay({
    env,
    suite,
    store,
    bus: new MemoryBusHub().connect(),
    explain: () => ({ code: codes.unavailable, retryAfterMs: 0, detail: "" }),
    mayWhisper: () => true,
    onEnded: () => {},
    onBug: broke,
  });
  const ends: { theirs?: Connection } = {};
  const link: RelayLink = new RelayLink({
    env,
    suite,
    origin: location.origin,
    durable: true,
    effects: new Effects(broke),
    wire: { send: (frame) => later(() => ends.theirs?.receive(frame)), close: () => {} },
    host: {
      onGreeted: () => {},
      onEnded: (_link, end) => broke(new Error(`${end.code} ${end.detail}`)),
      onSpaceState: () => {},
      onPresent: () => {},
    },
  });
  ends.theirs = relay.connect(
    { send: (frame) => later(() => link.connection.receive(frame)), close: () => {} },
    location.origin,
  );
  const begun = performance.now();
  const writeKey = (await suite.signingPairFromSeed(space.seeds.write)).secret;
  link.add(tab.access(writeKey));
  const ticking = setInterval(() => {
    link.tick();
    tab.replica?.tick();
  }, 20);
  await new Promise<void>((done) => {
    tab.onChange = () => {
      if ((tab.replica?.applied.version ?? 0) > 0 && tab.applied.length >= entries) done();
    };
  });
  clearInterval(ticking);
  const whole = performance.now() - begun;
  tab.close();
  kv.close();
  return whole;
}

async function freshKv(name: string): Promise<Kv> {
  const database = `bench-${name}-${Date.now()}`;
  const opening = await openIdbKv({ name: database, onEnd: () => {}, onBlocked: () => {} });
  if (opening.kind !== "open") throw new Error(`database ${opening.kind}: ${opening.detail}`);
  return opening.kv;
}

/** In a task of its own, as a socket's message is, without the delay of a timer. */
const channel = new MessageChannel();
const tasks: (() => void)[] = [];
channel.port1.addEventListener("message", () => tasks.shift()?.());
channel.port1.start();
function later(task: () => void): void {
  tasks.push(task);
  channel.port2.postMessage(undefined);
}

Object.assign(globalThis, { catchUp });
