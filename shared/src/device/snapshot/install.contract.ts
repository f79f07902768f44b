/** `install` and `fill` of `DeviceStore`, as tests over every `Kv` a device may run on. */
import { afterEach, describe, expect, test } from "vitest";
import { KvDeviceStore } from "../device-store.ts";
import type { KvUnderTest } from "../kv.contract.ts";
import { type Durability, type Kv, KvFailure } from "../kv.ts";
import { ReadModels } from "../read-models.ts";
import {
  advanced,
  clock,
  documents,
  filled,
  membership,
  nonceOf,
  noteUpdate,
  nothingApplied,
  otherSpace,
  post,
  space,
  TestSpace,
  utf8,
} from "../ready-entries.contract.ts";
import { dump, failing, testSuite } from "../store.contract.ts";
import type { ReadyEntry } from "../store.ts";
import { stores } from "../stores.ts";
import { encodeOperations } from "./contents.ts";
import { essentialsOf } from "./install.ts";
import {
  appliedStateOf,
  encodeManifest,
  type Manifest,
  partDigest,
  type Stored,
} from "./manifest.ts";
import { Checkpointer, openAll, SealedHistory, writers } from "./sealed-history.contract.ts";
import { SnapshotShelf } from "./shelf.ts";

const [ana, ben, cleo] = writers;

/** Twelve messages, which make several segments, a note, members, and something unknown. */
function told(): TestSpace {
  const story = new TestSpace();
  story.write(ana, documents.membership, [clock(1_000), membership(0x10, "genesis")]);
  story.write(ben, documents.membership, [membership(0x13, "join")], [ana]);
  for (let number = 0; number < 12; number++) {
    const [author, other] = number % 2 === 0 ? [ana, ben] : [ben, ana];
    story.write(author, documents.channel, [post(`message ${number}`)], [other]);
  }
  story.write(ben, documents.note, [noteUpdate("words", 7), { kind: 0x99, payload: filled(2, 9) }]);
  return story;
}

export function installContract(name: string, open: () => Promise<KvUnderTest>): void {
  const opened: KvUnderTest[] = [];
  const freshKv = async () => {
    const subject = await open();
    opened.push(subject);
    return subject.kv;
  };
  const leading = async (kv: Kv) => {
    const store = new KvDeviceStore(kv, testSuite);
    return { kv, store, models: new ReadModels(kv), epoch: await store.takeLeadership() };
  };

  describe(`${name} that begins with a snapshot`, () => {
    let story: TestSpace;
    let history: SealedHistory;
    let manifest: Manifest;
    let objects: ReadonlyMap<Stored, Uint8Array>;

    const prepared = async () => {
      story = told();
      history = await SealedHistory.of(story.entries);
      const checkpointer = new Checkpointer(history);
      manifest = await checkpointer.reach(history.vector);
      objects = await openAll(checkpointer, manifest);
      return leading(await freshKv());
    };
    const given = (...more: readonly Stored[]) =>
      new Map([...essentialsOf(manifest), ...more].map((each) => [each, bytesOf(each)]));
    const bytesOf = (stored: Stored): Uint8Array => {
      const bytes = objects.get(stored);
      if (bytes === undefined) throw new Error("an object that was not opened");
      return bytes;
    };
    const unconfirmed = { digest: filled(32, 0x11), author: ana };
    const installation = (from = given()) => ({
      manifest,
      given: from,
      appliedAtMs: 50,
      root: [],
      unconfirmed,
    });
    const channelPart = () => {
      const part = manifest.parts.find(({ kind }) => kind === "channel");
      if (part?.kind !== "channel") throw new Error("there is a channel");
      return part;
    };
    const enginePart = () => {
      const part = manifest.parts.find(({ kind }) => kind === "engine");
      if (part?.kind !== "engine") throw new Error("there is a note");
      return part;
    };
    const newestSegment = () => {
      const segment = channelPart().segments.at(-1);
      if (segment === undefined) throw new Error("a channel has a segment");
      return segment;
    };

    afterEach(async () => {
      for (const subject of opened.splice(0)) await subject.dispose();
    });

    test("keeps what the next snapshot goes on from, and whose word it stands on", async () => {
      const { kv, store, epoch } = await prepared();
      const outcome = await store.install(space, epoch, nothingApplied, installation());
      expect(outcome).toBe("applied");
      const shelf = new SnapshotShelf(kv, space);
      expect(await shelf.checkpoint()).toEqual(encodeManifest(manifest));
      expect(await shelf.held()).toEqual({ manifest: encodeManifest(manifest), root: [] });
      expect(await shelf.unconfirmed()).toEqual(unconfirmed);
      await shelf.keep(encodeManifest(manifest));
      expect(await shelf.unconfirmed()).toEqual(unconfirmed);
      await shelf.confirm();
      expect(await shelf.unconfirmed()).toBeUndefined();
      expect(await shelf.checkpoint()).toEqual(encodeManifest(manifest));
    });

    test("has its state, its logs, its sessions and its counters at once", async () => {
      const { store, models, epoch } = await prepared();
      const outcome = await store.install(space, epoch, nothingApplied, installation());
      expect(outcome).toBe("applied");
      expect(await store.applied(space)).toEqual(appliedStateOf(manifest, 1));
      expect(await store.heads(space)).toEqual(
        manifest.logs.map(({ replica, publicKey, seq, hash }) => ({
          replica,
          publicKey,
          from: seq + 1,
          to: seq,
          hash,
        })),
      );
      expect(await store.sessionNonce(space, ben, 1)).toEqual(nonceOf(ben));
      expect(await store.sessionNonce(space, ben, 2)).toBeUndefined();
      expect(await models.channel(space, documents.channel)).toMatchObject({ count: 12 });
      expect(await models.clocks(space)).toEqual(new Map([[ana, 1_000]]));
      const operations = await models.operations(space, documents.membership);
      expect(operations.map(({ kind, appliedAtMs }) => [kind, appliedAtMs])).toEqual([
        [0x10, 50],
        [0x13, 50],
      ]);
      expect(await store.isPartial(space)).toBe(true);
      expect(await store.isPartial(otherSpace)).toBe(false);
    });

    test("says of what is still to come that it is, and takes it in any order", async () => {
      const { store, models, epoch } = await prepared();
      const segment = newestSegment();
      await store.install(space, epoch, nothingApplied, installation(given(segment)));
      const { channel, note } = documents;
      const page = await models.messagesBefore(space, channel, undefined, 50);
      expect(page.messages).toHaveLength(segment.count);
      const older = channelPart().segments.at(-2);
      expect(page).toMatchObject({ hasMore: true, pending: older?.first });
      const { pending, snapshot } = await models.document(space, note);
      expect([pending, snapshot]).toEqual([true, undefined]);

      const parts = await models.pending(space);
      expect(parts.map(({ row }) => row.kind).sort()).toEqual([
        "engine",
        "parked",
        ...channelPart()
          .segments.slice(1)
          .map(() => "segment"),
      ]);
      for (const part of [...parts].reverse()) {
        const stored = [...objects].find(
          ([{ digest }]) => digest.join() === part.row.digest.join(),
        );
        const bytes = stored?.[1] ?? new Uint8Array();
        expect(await store.fill(space, epoch, part, bytes, 60)).toBe("applied");
        expect(await store.fill(space, epoch, part, bytes, 61)).toBe("moved");
      }
      expect(await models.pending(space)).toEqual([]);
      expect(await store.isPartial(space)).toBe(false);
      const whole = await models.messagesBefore(space, channel, undefined, 50);
      expect(whole).toMatchObject({ hasMore: false, pending: undefined });
      expect(whole.messages.map(({ text }) => text)).toEqual(
        Array.from({ length: 12 }, (_, number) => `message ${number}`),
      );
      const { vector } = enginePart();
      const state = await models.document(space, note);
      const bytes = bytesOf(enginePart());
      expect(state).toEqual({
        snapshot: { bytes, upTo: 1, vector },
        updates: [],
        upTo: 1,
        pending: false,
      });
      const [parked] = await models.parked(space);
      expect(parked).toMatchObject({ kind: 0x99, payload: filled(2, 9), appliedAtMs: 60 });
    });

    test("takes no bytes that the manifest does not mean", async () => {
      const { kv, store, models, epoch } = await prepared();
      const segment = newestSegment();
      const [first] = channelPart().segments;
      if (first === undefined) throw new Error("a channel has a segment");
      const wrong = given(segment).set(segment, bytesOf(first));
      const before = await dump(kv);
      expect(await store.install(space, epoch, nothingApplied, installation(wrong))).toBe(
        "refused",
      );
      const noMembers = given();
      for (const [each] of noMembers) if (each !== manifest.sessions) noMembers.delete(each);
      await expect(
        store.install(space, epoch, nothingApplied, installation(noMembers)),
      ).rejects.toThrow(/essential/);
      expect(await dump(kv)).toEqual(before);

      await store.install(space, epoch, nothingApplied, installation());
      const installed = await dump(kv);
      const part = (await models.pending(space)).find(({ row }) => row.kind === "segment");
      if (part === undefined) throw new Error("a segment is pending");
      expect(await store.fill(space, epoch, part, bytesOf(segment), 1)).toBe("refused");
      expect(await store.fill(space, epoch, part, new Uint8Array(), 1)).toBe("refused");
      expect(await dump(kv)).toEqual(installed);
    });

    test("takes no object that breaks its form, however its hash fits", async () => {
      const { store, epoch } = await prepared();
      const members = manifest.parts.find(({ kind }) => kind === "operations");
      if (members?.kind !== "operations") throw new Error("there are members");
      const cut = bytesOf(members).slice(0, -1);
      const lie = { ...members, digest: partDigest(testSuite, cut) };
      const parts = manifest.parts.map((part) => (part === members ? lie : part));
      const lying = { ...manifest, parts };
      const bytes = new Map<Stored, Uint8Array>([
        [manifest.sessions, bytesOf(manifest.sessions)],
        [lie, cut],
      ]);
      const outcome = store.install(space, epoch, nothingApplied, {
        manifest: lying,
        given: bytes,
        appliedAtMs: 1,
        root: [],
        unconfirmed,
      });
      expect(await outcome).toBe("refused");
    });

    test("takes no messages in a place that is another's", async () => {
      const { store, epoch } = await prepared();
      const channel = channelPart();
      const [first, second] = channel.segments;
      if (first === undefined || second === undefined) throw new Error("there are segments");
      const late = { ...first, digest: second.digest, object: second.object };
      const early = { ...second, digest: first.digest, object: first.object };
      const lies = [
        [{ ...late, count: second.count }, second],
        [{ ...late, count: second.count, first: second.first }, second],
        [{ ...early, count: first.count }, first],
      ] as const;
      for (const [lie, content] of lies) {
        const segments = channel.segments.map((segment) =>
          segment === (content === second ? first : second) ? lie : segment,
        );
        const parts = manifest.parts.map((part) =>
          part === channel ? { ...channel, segments } : part,
        );
        const bytes = given().set(lie, bytesOf(content));
        const from = { ...installation(bytes), manifest: { ...manifest, parts } };
        expect(await store.install(space, epoch, nothingApplied, from)).toBe("refused");
      }
    });

    test("counts as unread what is on its way, and finds none of it", async () => {
      const { store, models, epoch } = await prepared();
      const segment = newestSegment();
      await store.install(space, epoch, nothingApplied, installation(given(segment)));
      const unread = async () =>
        models.unread(space, documents.channel, new Map([[ana, 9]]), new Set(), 50);
      expect(await unread()).toMatchObject({ count: 6 });
      const late = story.write(cleo, documents.channel, [post("from long ago")]);
      const state = await store.applied(space);
      await store.apply(space, epoch, state, [late], advanced(state, [late]));
      const { count, first } = await unread();
      expect(count).toBe(7);
      expect((first ?? "") >= segment.first).toBe(true);
      const page = await models.messagesBefore(space, documents.channel, undefined, 50);
      expect(page.messages.map(({ text }) => text)).not.toContain("from long ago");
    });

    test("belongs to the leader, and to the state it was made for", async () => {
      const { kv, store, epoch, models } = await prepared();
      const next = await store.takeLeadership();
      const before = await dump(kv);
      expect(await store.install(space, epoch, nothingApplied, installation())).toBe("fenced");
      const other = { ...nothingApplied, version: 7 };
      expect(await store.install(space, next, other, installation())).toBe("moved");
      expect(await dump(kv)).toEqual(before);
      expect(await store.install(space, next, nothingApplied, installation())).toBe("applied");
      expect(await store.install(space, next, nothingApplied, installation())).toBe("moved");
      const [part] = await models.pending(space);
      if (part === undefined) throw new Error("something is pending");
      expect(await store.fill(space, epoch, part, new Uint8Array(), 1)).toBe("fenced");
    });

    test("is strict, and leaves nothing where it fails", async () => {
      await prepared();
      const kv = await freshKv();
      const durabilities: Durability[] = [];
      const limit = { writes: Number.POSITIVE_INFINITY, kind: "quota" as const };
      const noting: Kv = {
        read: async (names, body) => kv.read(names, body),
        write: async (names, durability, body) => {
          durabilities.push(durability);
          return failing(kv, limit).write(names, durability, body);
        },
        close: () => kv.close(),
      };
      const { store, epoch } = await leading(noting);
      const before = await dump(kv);
      const install = async () => store.install(space, epoch, nothingApplied, installation());
      // As many writes as it may have: far more than the first, and the last of all.
      for (const writes of [0, 3, 8, 12, 16]) {
        limit.writes = writes;
        await expect(install()).rejects.toBeInstanceOf(KvFailure);
        expect(await dump(kv)).toEqual(before);
      }
      limit.writes = Number.POSITIVE_INFINITY;
      durabilities.length = 0;
      expect(await install()).toBe("applied");
      expect(durabilities).toEqual(["strict"]);
    });

    test("keeps of its logs what reaches beyond, and applies it on top", async () => {
      const { store, models, epoch } = await prepared();
      const more = [
        story.write(ana, documents.channel, [post("later")], [ben]),
        story.write(ana, documents.note, [noteUpdate("more", 8)], [ben]),
        story.write(cleo, documents.channel, [post("a newcomer")]),
      ];
      for (const entry of more) await history.add(entry);
      await store.append(space, history.runs);
      const own = await store.writerBase(space, ana);
      await models.putDraft(space, documents.channel, "half a sen");
      // Everything was applied here, and the note was open.
      const applied = advanced(nothingApplied, sealed(story.entries));
      await store.apply(space, epoch, nothingApplied, sealed(story.entries), applied);
      const { upTo } = await models.document(space, documents.note);

      expect(await store.install(space, epoch, applied, installation())).toBe("applied");
      const state = await store.applied(space);
      const begun = appliedStateOf(manifest, applied.version + 1);
      const { frontier, lamport } = applied;
      // What is written before all is applied again comes after all that was.
      expect(state).toEqual({ ...begun, frontier: [...begun.frontier, ...frontier], lamport });
      const heads = await store.heads(space);
      expect(heads.find(({ replica }) => replica === ana)).toEqual({ ...own.head, from: 8 });
      expect(heads.find(({ replica }) => replica === cleo)).toMatchObject({ from: 1, to: 1 });
      expect(await store.read(space, ana, 8, 1_000_000)).toMatchObject({ first: 8 });
      expect(await models.draft(space, documents.channel)).toBe("half a sen");

      await store.apply(space, epoch, state, sealed(more), advanced(state, sealed(more)));
      expect(await models.channel(space, documents.channel)).toMatchObject({ count: 14 });
      // Who had the note open is told to read it anew, and then to wait for its snapshot.
      expect(await models.updatesAfter(space, documents.note, upTo)).toBeUndefined();
      const note = await models.document(space, documents.note);
      expect(note).toMatchObject({ pending: true, upTo: upTo + 2 });
      expect(note.updates).toHaveLength(1);
      const lost = utf8("without what is to come");
      const replaced = await store.replaceTail(space, epoch, documents.note, lost, note.upTo);
      expect(replaced).toBe("moved");
    });

    test("numbers also what no manifest names above all that was there", async () => {
      const { store, models, epoch } = await prepared();
      const more = story.write(cleo, documents.catalog, [noteUpdate("beyond")]);
      await history.add(more);
      const applied = advanced(nothingApplied, sealed(story.entries));
      await store.apply(space, epoch, nothingApplied, sealed(story.entries), applied);
      await store.install(space, epoch, applied, installation());
      const state = await store.applied(space);
      await store.apply(space, epoch, state, sealed([more]), advanced(state, sealed([more])));
      expect(await models.updatesAfter(space, documents.catalog, 1)).toBeUndefined();
      const { snapshot, updates, upTo, pending } = await models.document(space, documents.catalog);
      expect([snapshot, updates.length, upTo, pending]).toEqual([undefined, 1, 3, false]);
    });

    test("wants no snapshot of a long tail whose beginning is to come", async () => {
      const { store, models, epoch } = await prepared();
      await store.install(space, epoch, nothingApplied, installation());
      const more = Array.from({ length: 500 }, () =>
        story.write(ben, documents.note, [noteUpdate("x", story.distance(ben))]),
      );
      const state = await store.applied(space);
      await store.apply(space, epoch, state, more, advanced(state, more));
      const length = async () =>
        (await models.tails(space)).find(({ document }) => document === documents.note);
      expect(await length()).toMatchObject({ updates: 500, wantsSnapshot: false });
      const part = (await models.pending(space)).find(({ row }) => row.kind === "engine");
      if (part === undefined) throw new Error("the note is pending");
      await store.fill(space, epoch, part, bytesOf(enginePart()), 1);
      expect(await length()).toMatchObject({ updates: 500, wantsSnapshot: true });
      expect(await models.document(space, documents.note)).toMatchObject({
        snapshot: { upTo: 1 },
        upTo: 501,
      });
    });

    test("changes nothing where its log is another", async () => {
      const { kv, store, epoch } = await prepared();
      const other = new TestSpace();
      for (let at = 0; at < 9; at++) other.write(ben, documents.channel, [post(`other ${at}`)]);
      const fork = await SealedHistory.of(other.entries);
      await store.append(space, fork.runs);
      const before = await dump(kv);
      expect(await store.install(space, epoch, nothingApplied, installation())).toBe("forked");
      expect(await dump(kv)).toEqual(before);
    });

    test("brings in what was parked and is known by now", async () => {
      const { kv, store, models, epoch } = await prepared();
      const parked = manifest.parts.find(({ kind }) => kind === "parked");
      if (parked?.kind !== "parked") throw new Error("something is parked");
      // As a version that did not know posts had made it.
      const operation = {
        id: { replica: cleo, seq: 1, index: 0 },
        lamport: 1,
        ...post("unknown once"),
        hash: filled(32, 1),
        deps: [],
        timeMs: undefined,
      };
      const bytes = encodeOperations([operation]);
      const older = { ...parked, digest: partDigest(testSuite, bytes) };
      const parts = manifest.parts.map((part) => (part === parked ? older : part));
      const from = { ...installation(), manifest: { ...manifest, parts } };
      expect(await store.install(space, epoch, nothingApplied, from)).toBe("applied");
      const part = (await models.pending(space)).find(({ row }) => row.kind === "parked");
      if (part === undefined) throw new Error("what was parked is pending");
      expect(await store.fill(space, epoch, part, bytes, 5)).toBe("applied");
      expect(await models.parked(space)).toEqual([]);
      const { messages } = await models.messagesFrom(space, part.document, "" as never, 9);
      expect(messages.map(({ text }) => text)).toEqual(["unknown once"]);
      const rows = await kv.read([stores.parked], (tx) =>
        tx.range(stores.parked, { from: [space], before: [`${space}\0`] }),
      );
      expect(rows).toEqual([]);
    });

    const sealed = (entries: readonly ReadyEntry[]) =>
      entries.map((entry) => history.sealed(entry));
  });
}
