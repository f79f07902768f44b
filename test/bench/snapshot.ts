/**
 * What a snapshot saves a device that is new to a large space: bytes from the relay until somebody can use
 * it (the newest messages of every channel, the list of members, and a note of their choice), against the
 * bytes of the whole log; and what making, confirming and taking it in costs. With the ciphers that
 * ship, a whole relay and whole devices; only the disks are memory.
 */
import * as Y from "yjs";
import { webSuite } from "@skein/client/runtime/web-suite.ts";
import { draftPost } from "@skein/shared/chat/post.ts";
import type { RawOperation } from "@skein/shared/crdt/crdt.ts";
import { peerSeed, yjsClientId } from "@skein/shared/crdt/engine/peer.ts";
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import { type EntrySealer, sealEntry } from "@skein/shared/crypto/seal.ts";
import type { SigningPair, Suite } from "@skein/shared/crypto/suite.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { ReadModels } from "@skein/shared/device/read-models.ts";
import { snapshotEngines } from "@skein/shared/device/snapshot/engines.ts";
import { type SnapshotPolicy, snapshotPolicy } from "@skein/shared/device/snapshot/policy.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId, type DocumentId } from "@skein/shared/id/id.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import { knownDocument } from "@skein/shared/log/known-document.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { VerifiedRun } from "@skein/shared/log/store.ts";
import { encodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { noteContent } from "@skein/shared/note/note-schema.ts";
import { type NoteOperation, NoteSession } from "@skein/shared/note/note-session.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import type { Connection } from "@skein/shared/sync/connection.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { relaySuite } from "../../server/src/suite.ts";
import { Tab } from "../support/party.ts";
import type { Bench, Figure } from "./figure.ts";

const authors = 40;
const entriesEach = 5_000;
const notesEach = 5;
const channels = 5;
/** A tab is open for so many messages. */
const sessionMessages = 100;
const keysPerEntry = 3;
const origin = "http://localhost:8787";

/** Words of ordinary length, as chat has them. */
const lorem =
  "shall we meet at the garden tomorrow morning and bring the seedlings from the shed before it rains again";

const broke = (error: unknown): never => {
  throw error;
};
const random = {
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  fraction: () => Math.random(),
};
const env: Env = { clock: { now: () => Date.now() }, random };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const id = (kind: number, number: number): DocumentId =>
  documentId(Uint8Array.of(kind, 0, 0, 0, 0, 0, number >> 8, number & 255));
const channelOf = (number: number) => id(1, number % channels);
const noteOf = (author: number, number: number) => id(2, author * notesEach + number);

export const snapshotBench: Bench = {
  name: "snapshot",
  about:
    "what a new device fetches of a large space until it is usable, with and without a snapshot",
  async run(say) {
    const suite = await webSuite();
    const space = await newSpace(suite, random);
    const store = new MemoryRelayStore();
    const relay = new Relay({
      env,
      suite: relaySuite(),
      store,
      bus: new MemoryBusHub().connect(),
      explain: (error) => broke(error),
      mayWhisper: () => true,
      onEnded: () => {},
      onBug: broke,
    });
    const all = authors * entriesEach;
    say(`${authors} people write ${all} entries`);
    for (let author = 0; author < authors; author++) {
      for (const runs of batches(await writeLog(suite, space, author), 500)) {
        await store.append(space.tag, runs);
      }
    }

    say("two devices fetch all of them");
    const begunMs = performance.now();
    const first = await Device.begin(suite, space, relay);
    await first.until(() => first.applied === all);
    const wholeMs = performance.now() - begunMs;
    const wholeBytes = first.received;
    const second = await Device.begin(suite, space, relay);
    await second.until(() => second.applied === all);

    say("the one makes a snapshot");
    const madeMs = await first.leadAgain({ publishEntries: 2_000 }, () =>
      first.until(() => first.tab.desk?.notice.published !== undefined),
    );
    await second.until(() => second.tab.board.notices.size > 0);
    say("the other confirms it");
    const confirmedMs = await second.leadAgain({ witnesses: 2 }, () =>
      second.until(() => second.tab.desk?.notice.verdicts[0]?.agrees === true),
    );
    await first.until(() => first.tab.board.notices.size > 1);

    say("a device comes in by it");
    const cameMs = performance.now();
    const newcomer = await Device.begin(suite, space, relay, { worthEntries: 2_000 });
    const note = noteOf(17, 3);
    await newcomer.until(() => newcomer.tab.arrivals.length > 0);
    newcomer.tab.keeper?.want(note);
    while (!(await newcomer.has(note))) await turn();
    const usableMs = performance.now() - cameMs;
    const usableBytes = newcomer.received;
    await newcomer.until(() => newcomer.tab.keeper?.phase === "settled");
    const completeMs = performance.now() - cameMs;
    const completeBytes = newcomer.received;
    for (const device of [first, second, newcomer]) device.close();
    relay.close();

    const share = (bytes: number): number => (100 * bytes) / wholeBytes;
    return [
      figure("bytes until usable, of the whole log's", share(usableBytes), "%", null, "<= 5"),
      figure("  in bytes, beside the whole log", usableBytes, "bytes", wholeBytes),
      figure("bytes until nothing is missing", completeBytes, "bytes", wholeBytes),
      figure("time until usable, beside the whole log", usableMs, "ms", wholeMs),
      figure("time until nothing is missing", completeMs, "ms", wholeMs),
      figure("making the snapshot from the first entry", madeMs, "ms", wholeMs),
      figure("confirming it from the first entry", confirmedMs, "ms", wholeMs),
    ];
  },
};

const figure = (
  name: string,
  value: number,
  unit: string,
  reference: number | null,
  goal: string | null = null,
): Figure => ({ figure: name, value, unit, reference, goal });

async function timed(task: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await task();
  return performance.now() - begun;
}

// What was written

/** One person's log: messages in all channels and keystrokes in notes of their own, in turn. */
async function writeLog(suite: Suite, space: NewSpace, author: number): Promise<VerifiedRun[]> {
  const pair = await suite.newSigningPair();
  const replica = replicaIdOf(suite, pair.publicKey);
  const keyring = new Keyring(suite, space.tag, space.contentKey);
  const sealer: EntrySealer = { keyring, space: space.tag, replica, ...pair };
  const noteNonce = random.bytes(16);
  const notes = Array.from({ length: notesEach }, (_, number) => {
    const document = noteOf(author, number);
    const seed = peerSeed(suite, replica, document, noteNonce, 0);
    return new TypedNote(document, yjsClientId(seed));
  });
  const runs: VerifiedRun[] = [];
  let previous: Uint8Array = zeroHash;
  let chat = { nonce: noteNonce, openedAt: 1, messages: 0 };
  for (let seq = 1; seq <= entriesEach; seq++) {
    const isMessage = seq % 2 === 0;
    if (isMessage && chat.messages++ % sessionMessages === 0) {
      chat = { nonce: random.bytes(16), openedAt: seq, messages: 1 };
    }
    const { nonce, openedAt } = isMessage ? chat : { nonce: noteNonce, openedAt: 1 };
    const typed = notes[seq % notesEach];
    if (typed === undefined) throw new Error("no note");
    const plain = isMessage
      ? { document: channelOf(author + seq), operations: [message(author, seq)] }
      : { document: typed.document, operations: typed.type(seq - openedAt) };
    const { entry, hash, signature } = await sealEntry(sealer, {
      seq,
      previous,
      writer:
        openedAt === seq
          ? { kind: "opens", nonce }
          : { kind: "continues", distance: seq - openedAt },
      nonce,
      plain: { deps: [], lamport: seq * authors, ...plain },
    });
    runs.push({
      replica,
      publicKey: pair.publicKey,
      first: seq,
      entries: [entry],
      signature,
      previous,
      hashes: [hash],
    });
    previous = hash;
  }
  return runs;
}

function message(author: number, seq: number): RawOperation {
  const length = 20 + ((author * 7 + seq * 13) % 80);
  const draft = draftPost(`${seq} ${lorem.slice(0, length)}`, 1_700_000_000_000 + seq * 60_000);
  if (draft.kind === "refused") throw new Error(draft.reason);
  return draft.operation;
}

interface NotePeer {
  readonly client: number;
  readonly clock: number;
}

/** A note that one person types, a few keys at a time. */
class TypedNote {
  readonly document: DocumentId;
  readonly #session: NoteSession<NotePeer>;
  #made: readonly NoteOperation<NotePeer>[] = [];
  #typed = 0;

  constructor(document: DocumentId, client: number) {
    this.document = document;
    this.#session = new NoteSession({
      clock: { now: () => 0 },
      nextPeer: () => ({ client, clock: 0 }),
      emit: (effect) => {
        if (effect.kind === "persist") this.#made = effect.operations;
      },
    });
  }

  type(distance: number): RawOperation[] {
    const { doc } = this.#session;
    doc.transact(() => {
      const content = noteContent(doc);
      if (content.length === 0) {
        const paragraph = new Y.XmlElement("paragraph");
        paragraph.insert(0, [new Y.XmlText()]);
        content.insert(0, [paragraph]);
      }
      const paragraph = content.get(0) as Y.XmlElement;
      const text = paragraph.get(0) as Y.XmlText;
      for (let key = 0; key < keysPerEntry; key++) {
        text.insert(text.length, lorem.charAt(this.#typed++ % lorem.length));
      }
    });
    this.#session.flush();
    this.#session.persisted();
    return this.#made.map(({ update }) => ({
      kind: 0x40,
      payload: encodeNoteUpdate({ peer: { distance, counter: 0 }, update }),
    }));
  }
}

function* batches<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

// Who reads it

const never = Number.MAX_SAFE_INTEGER;
/** Takes no part in snapshots; everything else is begun at once. */
const passive: SnapshotPolicy = {
  ...snapshotPolicy,
  worthEntries: never,
  publishEntries: never,
  witnesses: 0,
  spreadMs: 0,
  idleAfterMs: 0,
  againAfterMs: 1_000,
};

class Device {
  tab: Tab;
  /** Bytes of all frames from the relay. */
  received = 0;
  readonly #disk = new MemoryDisk(deviceStores);
  readonly #models = new ReadModels(this.#disk.open());
  readonly #suite: Suite;
  readonly #space: NewSpace;
  readonly #relay: Relay;
  readonly #pair: SigningPair;
  readonly #timer: ReturnType<typeof setInterval>;
  #ends: { link?: RelayLink; theirs?: Connection } = {};

  static async begin(
    suite: Suite,
    space: NewSpace,
    relay: Relay,
    policy: Partial<SnapshotPolicy> = {},
  ): Promise<Device> {
    const device = new Device(suite, space, relay, await suite.newSigningPair());
    await device.#lead(policy);
    return device;
  }

  private constructor(suite: Suite, space: NewSpace, relay: Relay, pair: SigningPair) {
    this.#suite = suite;
    this.#space = space;
    this.#relay = relay;
    this.#pair = pair;
    this.tab = this.#newTab({});
    this.#timer = setInterval(() => {
      this.#ends.link?.tick();
      this.#ends.theirs?.tick();
      this.tab.replica?.tick();
      this.tab.keeper?.tick();
    }, 20);
  }

  get applied(): number {
    let count = 0;
    for (const seq of this.tab.replica?.applied.vector.values() ?? []) count += seq;
    return count;
  }

  /** A note with all that belongs to it. */
  async has(document: DocumentId): Promise<boolean> {
    const { pending, snapshot } = await this.#models.document(this.#space.tag, document);
    return !pending && snapshot !== undefined;
  }

  /** The same device by another policy; how long `task` takes. */
  async leadAgain(policy: Partial<SnapshotPolicy>, task: () => Promise<unknown>): Promise<number> {
    this.#cut();
    this.tab.close();
    await this.#lead(policy);
    return timed(task);
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await turn();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#cut();
    this.tab.close();
  }

  #cut(): void {
    const { link, theirs } = this.#ends;
    this.#ends = {};
    link?.connection.wireClosed(1006, "cut");
    theirs?.wireClosed(1006, "cut");
  }

  #newTab(policy: Partial<SnapshotPolicy>): Tab {
    const catalog = knownDocument(this.#suite, this.#space.tag, "catalog");
    return new Tab({
      env,
      suite: this.#suite,
      kv: this.#disk.open(),
      space: this.#space,
      pair: this.#pair,
      lock: (body) => body(),
      snapshots: {
        policy: { ...passive, ...policy },
        engines: async () => snapshotEngines(this.#suite, catalog),
      },
      onBug: broke,
    });
  }

  async #lead(policy: Partial<SnapshotPolicy>): Promise<void> {
    this.tab = this.#newTab(policy);
    await this.tab.lead();
    const suite = this.#suite;
    const ends: { link?: RelayLink; theirs?: Connection } = {};
    const link = new RelayLink({
      env,
      suite,
      origin,
      durable: true,
      effects: new Effects(broke),
      wire: {
        send: (frame) => setImmediate(() => ends.theirs?.receive(frame)),
        close: () => {},
      },
      host: {
        onGreeted: () => {},
        onEnded: (_link, end) => {
          if (end.by !== "wire") broke(new Error(`${end.code} ${end.detail}`));
        },
        onSpaceState: () => {},
        onPresent: () => {},
      },
    });
    ends.link = link;
    ends.theirs = this.#relay.connect(
      {
        send: (frame) => {
          this.received += frame.length;
          setImmediate(() => link.connection.receive(frame));
        },
        close: () => {},
      },
      origin,
    );
    this.#ends = ends;
    const writeKey = (await suite.signingPairFromSeed(this.#space.seeds.write)).secret;
    link.add(this.tab.access(writeKey));
    while (link.session(this.#space.tag)?.isFollowing !== true) await turn();
  }
}
