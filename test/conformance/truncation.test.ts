/**
 * An owner's order to let go of entries, at a relay with its store: who may give it, when it is carried
 * out, and who hears of it.
 */
import { afterEach, describe, expect, it } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codes } from "@skein/shared/protocol/codes.ts";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { RelayLink } from "@skein/shared/device/link.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId } from "@skein/shared/id/id.ts";
import type { LogBase } from "@skein/shared/log/store.ts";
import {
  encodeTruncation,
  truncationLabel,
  truncationStatement,
} from "@skein/shared/log/truncation.ts";
import { newSpace, type NewSpace } from "@skein/shared/space/new-space.ts";
import { Effects } from "@skein/shared/sync/effects.ts";
import { MemoryBusHub } from "../../server/src/bus/memory.ts";
import { Relay } from "../../server/src/relay.ts";
import { MemoryRelayStore } from "../../server/src/store/memory.ts";
import { SqliteStore } from "../../server/src/store/sqlite.ts";
import { noBounds, type RelayStore } from "../../server/src/store/store.ts";
import { Tab } from "../support/party.ts";
import { toySuite } from "../support/toy-suite.ts";

const origin = "http://localhost:8787";
const general = documentId(new Uint8Array(8).fill(1));
const retentionMs = 30 * 86_400_000;
const say = (text: string) => () => [{ kind: 0x7f, payload: new TextEncoder().encode(text) }];

const env = {
  nowMs: 1_000_000,
  clock: { now: () => env.nowMs },
  random: {
    bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
    fraction: () => Math.random(),
  },
} satisfies Env & { nowMs: number };
const suite = toySuite(env.random);
const throwing = (error: unknown): never => {
  throw error;
};

const folders: string[] = [];
const stores: RelayStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function sqlite(): Promise<RelayStore> {
  const folder = mkdtempSync(join(tmpdir(), "skein-"));
  folders.push(folder);
  const store = await SqliteStore.open({ folder, bounds: noBounds, onDied: throwing });
  if (!(store instanceof SqliteStore)) throw store;
  return store;
}

const newRelay = (store: RelayStore, hub = new MemoryBusHub()): Relay =>
  new Relay({
    env,
    suite,
    store,
    bus: hub.connect(),
    explain: (error) => ({ code: codes.unavailable, retryAfterMs: 0, detail: String(error) }),
    retentionMs,
    onEnded: () => {},
    onBug: throwing,
  });

interface Device {
  readonly tab: Tab;
  readonly link: RelayLink;
}

async function connect(relay: Relay, space: NewSpace): Promise<Device> {
  const pair = await suite.newSigningPair();
  const tab = new Tab({
    env,
    suite,
    kv: new MemoryDisk(deviceStores).open(),
    space,
    pair,
    lock: (body) => body(),
    onBug: throwing,
  });
  await tab.lead();
  const writeKey = (await suite.signingPairFromSeed(space.seeds.write)).secret;
  const ends: { up?: (frame: Uint8Array) => void; down?: (frame: Uint8Array) => void } = {};
  const link = new RelayLink({
    env,
    suite,
    origin,
    durable: true,
    effects: new Effects(throwing),
    host: { onGreeted: () => {}, onEnded: () => {}, onSpaceState: () => {}, onPresent: () => {} },
    wire: { send: (frame) => queueMicrotask(() => ends.up?.(frame)), close: () => {} },
  });
  const theirs = relay.connect(
    { send: (frame) => queueMicrotask(() => ends.down?.(frame)), close: () => {} },
    origin,
  );
  ends.up = (frame) => theirs.receive(frame);
  ends.down = (frame) => link.connection.receive(frame);
  link.add(tab.access(writeKey));
  await settle();
  return { tab, link };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function order(
  space: NewSpace,
  number: number,
  bases: readonly LogBase[],
  seed = space.seeds.admin,
): Promise<Uint8Array> {
  const statement = {
    suite: suite.id,
    space: space.tag,
    number,
    snapshot: new Uint8Array(32).fill(number),
    rows: bases.map(({ publicKey, seq, hash }) => ({ publicKey, seq, hash })),
  };
  const { secret } = await suite.signingPairFromSeed(seed);
  const signature = await suite.sign(secret, truncationLabel, truncationStatement(statement));
  return encodeTruncation({ ...statement, signature });
}

/** Where the log of `device` stands now. */
async function baseOf({ tab }: Device, space: NewSpace): Promise<LogBase> {
  const { head } = await tab.store.writerBase(space.tag, tab.replicaId);
  if (head === undefined) throw new Error("nothing was written");
  const { replica, publicKey, to: seq, hash } = head;
  return { replica, publicKey, seq, hash };
}

describe.each([
  ["memory", async () => new MemoryRelayStore()],
  ["SQLite", sqlite],
] as const)("an order to truncate, at a relay with a store in %s", (_, open) => {
  async function world() {
    const store = await open();
    stores.push(store);
    const space = await newSpace(suite, env.random);
    const hub = new MemoryBusHub();
    const relay = newRelay(store, hub);
    const author = await connect(relay, space);
    for (const text of ["one", "two", "three"]) await author.tab.writer.append(general, say(text));
    await settle();
    const base = await baseOf(author, space);
    await author.tab.writer.append(general, say("four"));
    await expect.poll(() => author.tab.sentTo).toBe(4);
    const fromOf = async (): Promise<readonly number[]> =>
      (await store.heads(space.tag)).map(({ from }) => from);
    return { store, space, hub, relay, author, base, fromOf };
  }

  it("is carried out when the retention is over, and not before", async () => {
    const { space, relay, author, base, fromOf } = await world();
    const bytes = await order(space, 1, [base]);
    const answer = await author.link.request(space.tag, { type: "truncate", order: bytes });
    expect(answer).toEqual({ kind: "done" });
    env.nowMs += retentionMs - 1;
    expect(await relay.carryOutOrders(10)).toBe(0);
    expect(await fromOf()).toEqual([1]);
    env.nowMs += 1;
    expect(await relay.carryOutOrders(10)).toBe(1);
    expect(await relay.carryOutOrders(10)).toBe(0);
    expect(await fromOf()).toEqual([4]);
    // The author goes on, and a newcomer is told where the log begins.
    await author.tab.writer.append(general, say("five"));
    await expect.poll(() => author.tab.sentTo).toBe(5);
    const newcomer = await connect(relay, space);
    await settle();
    expect(newcomer.link.session(space.tag)?.missing).toBe(5);
    expect(newcomer.tab.replica?.exchange.holdings.to(base.replica)).toBe(0);
    expect(author.link.session(space.tag)?.equal).toBe(true);
  });

  it("counts only if an owner has signed it, for this space", async () => {
    const { space, relay, author, base, fromOf } = await world();
    const other = await newSpace(suite, env.random);
    for (const bytes of [
      await order(space, 1, [base], space.seeds.write),
      await order(other, 1, [base]),
      (await order(space, 1, [base])).subarray(1),
      new Uint8Array(0),
    ]) {
      const answer = await author.link.request(space.tag, { type: "truncate", order: bytes });
      expect(answer.kind).toBe("refused");
    }
    env.nowMs += retentionMs;
    await relay.carryOutOrders(10);
    expect(await fromOf()).toEqual([1]);
    expect(author.link.connection.ended).toBe(false);
  });

  it("drops nothing where another entry stands", async () => {
    const { space, relay, author, base, fromOf } = await world();
    const bytes = await order(space, 1, [{ ...base, hash: new Uint8Array(32).fill(1) }]);
    await author.link.request(space.tag, { type: "truncate", order: bytes });
    env.nowMs += retentionMs;
    expect(await relay.carryOutOrders(10)).toBe(1);
    expect(await fromOf()).toEqual([1]);
  });

  it("makes way for a newer one, and never for an older", async () => {
    const { space, relay, author, base, fromOf } = await world();
    const later = await baseOf(author, space);
    const [older, newer] = [await order(space, 1, [base]), await order(space, 2, [later])];
    for (const bytes of [newer, older]) {
      await author.link.request(space.tag, { type: "truncate", order: bytes });
    }
    env.nowMs += retentionMs;
    await relay.carryOutOrders(10);
    expect(await fromOf()).toEqual([5]);
  });

  it("tells a relay that has lost its store where logs begin that nobody brings from 1", async () => {
    const { space, base } = await world();
    const empty = await open();
    stores.push(empty);
    const relay = newRelay(empty);
    const owner = await connect(relay, space);
    await owner.tab.writer.append(general, say("here"));
    await settle();
    const own = await baseOf(owner, space);
    const bytes = await order(space, 1, [base, own]);
    await owner.link.request(space.tag, { type: "truncate", order: bytes });
    await settle();
    const heads = new Map((await empty.heads(space.tag)).map((head) => [head.replica, head]));
    expect(heads.get(base.replica)).toMatchObject({ from: 4, to: 3 });
    // What is held stays for the time of its retention.
    expect(heads.get(own.replica)).toMatchObject({ from: 1, to: 1 });
  });

  it("is heard by rooms of other relays on the same store", async () => {
    const { store, space, hub, relay, author, base } = await world();
    const elsewhere = newRelay(store, hub);
    const away = await connect(elsewhere, space);
    expect(away.tab.replica?.exchange.holdings.to(base.replica)).toBe(4);
    const bytes = await order(space, 1, [base]);
    await author.link.request(space.tag, { type: "truncate", order: bytes });
    env.nowMs += retentionMs;
    await relay.carryOutOrders(10);
    await settle();
    const newcomer = await connect(elsewhere, space);
    await settle();
    expect(newcomer.tab.replica?.exchange.holdings.to(base.replica)).toBe(0);
    expect(newcomer.link.session(space.tag)?.missing).toBe(4);
  });
});
