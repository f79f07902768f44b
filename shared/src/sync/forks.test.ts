import { describe, expect, it } from "vitest";
import type { ReplicaId } from "../id/id.ts";
import { branchIdOf, staysInLog } from "../log/branch.ts";
import { MemoryLogStore } from "../log/memory-store.ts";
import type { VerifiedRun } from "../log/store.ts";
import { decodeFrame, encodeFrame } from "../protocol/codec.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { Author, newEnv, ownAppend, settle, suite, tag, TestParty } from "./parties.contract.ts";

/** Two copies of one device, with what both have in common. */
async function copies(common: readonly number[] = [2]) {
  const pair = await suite.newSigningPair();
  const [one, two] = [new Author(pair), new Author(pair)];
  const runs: VerifiedRun[] = [];
  for (const count of common) runs.push(await one.write(count));
  [two.seq, two.hash] = [one.seq, one.hash];
  return { one, two, runs, replica: one.replica };
}

async function holdAll(party: TestParty, runs: readonly VerifiedRun[]): Promise<void> {
  for (const run of runs) await ownAppend(party, run);
}

/** What a party holds of each log, as text. */
const held = (party: TestParty) =>
  [...party.exchange.holdings.logs.values()]
    .map(({ replica, to, hash }) => `${replica}:${to}:${Buffer.from(hash).toString("hex")}`)
    .sort();

/** The log and the branch that two runs lead to, which begin with the entries that differ. */
function expected(replica: ReplicaId, one: VerifiedRun, two: VerifiedRun) {
  const [a, b] = [one.hashes[0], two.hashes[0]];
  if (a === undefined || b === undefined) throw new Error("a run is never empty");
  const [stays, goes] = staysInLog(a, b) ? [one, two] : [two, one];
  const [hash] = goes.hashes;
  if (hash === undefined) throw new Error("a run is never empty");
  return { stays, goes, branch: branchIdOf(suite, { signer: replica, hash }) };
}

/** As a version greets that knows of no branches. */
const oldGreeting = () =>
  encodeFrame({
    type: "greet",
    versionMin: 1,
    versionMax: 1,
    party: "device",
    durable: true,
    nonce: new Uint8Array(16).fill(1),
    capabilities: 0,
  });

/** All compare again and again, a while apart. */
const until = async (parties: readonly TestParty[]): Promise<void> => {
  for (let round = 0; round < 8; round++) {
    await settle();
    for (const party of parties) {
      for (const session of [...party.exchange.sessions]) {
        session.compare();
        session.connection.tick();
      }
    }
    for (const env of new Set(parties.map((party) => party.env as ReturnType<typeof newEnv>))) {
      env.advance(11_000);
    }
  }
  await settle();
};

describe("forks heal:", () => {
  it("two copies of a device and their relay end with both branches as logs", async () => {
    for (let round = 0; round < 4; round++) {
      const env = newEnv();
      const { one, two, runs, replica } = await copies([2, 3]);
      const relay = new TestParty("relay", env);
      const a = new TestParty("device", env, [replica]);
      const b = new TestParty("device", env, [replica]);
      for (const party of [a, b]) await holdAll(party, runs);
      const [ours, theirs] = [await one.write(3), await two.write(4)];
      await ownAppend(a, ours);
      await ownAppend(b, theirs);
      a.connect(relay);
      await settle();
      b.connect(relay);
      await until([a, b, relay]);
      const { stays, goes, branch } = expected(replica, ours, theirs);
      for (const party of [relay, a, b]) {
        const { holdings } = party.exchange;
        expect(holdings.head(replica)?.hash).toEqual(stays.hashes.at(-1));
        expect(holdings.head(branch)?.hash).toEqual(goes.hashes.at(-1));
        expect(holdings.head(branch)?.branch).toMatchObject({ signer: replica, seq: 6 });
      }
      expect([...a.endings, ...b.endings, ...relay.endings]).toEqual([]);
      for (const party of [a, b, relay]) {
        expect(party.session?.equal).toBe(true);
        const [run] = [await party.store.read(tag, branch, 6, 10_000)];
        expect(run?.entries).toHaveLength(goes.entries.length);
      }
    }
  });

  it("whoever holds one branch takes its log apart, and passes both on", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([4]);
    const [left, right] = [new TestParty("relay", env), new TestParty("relay", env)];
    const device = new TestParty("device", env);
    const [ours, theirs] = [await one.write(2), await two.write(2)];
    await holdAll(left, [...runs, ours]);
    await holdAll(right, [...runs, theirs]);
    device.connect(left);
    await settle();
    device.connect(right);
    await until([device, left, right]);
    const { branch } = expected(replica, ours, theirs);
    expect(held(left)).toEqual(held(device));
    expect(held(right)).toEqual(held(device));
    expect(device.exchange.holdings.to(branch)).toBe(6);
    const late = new TestParty("device", env);
    late.connect(right);
    await until([late, right]);
    expect(held(late)).toEqual(held(device));
  });

  it("a branch goes on growing, and so does the log", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([2]);
    const relay = new TestParty("relay", env);
    const device = new TestParty("device", env);
    const [ours, theirs] = [await one.write(1), await two.write(1)];
    const [more, moreTheirs] = [await one.write(70), await two.write(80)];
    await holdAll(relay, [...runs, ours, more]);
    device.connect(relay);
    await settle();
    const late = new TestParty("relay", env);
    await holdAll(late, [...runs, theirs, moreTheirs]);
    device.connect(late);
    await until([device, relay, late]);
    expect(held(relay)).toEqual(held(device));
    expect(held(late)).toEqual(held(device));
    const { stays, branch } = expected(replica, ours, theirs);
    expect(device.exchange.holdings.to(branch)).toBe(stays === ours ? 83 : 73);
    // Who writes on a branch still, writes on it for everybody.
    const [writer, copy] = stays === ours ? [two, late] : [one, relay];
    const run = await writer.write(2);
    const signed = copy.exchange.holdings.head(branch)?.branch;
    if (signed === undefined) throw new Error("no branch is held");
    await ownAppend(copy, { ...run, replica: branch, branch: signed });
    await until([device, relay, late]);
    expect(held(relay)).toEqual(held(device));
    expect(device.exchange.holdings.to(branch)).toBe(stays === ours ? 85 : 75);
  });

  it("three copies end with two branches, in whatever order they meet", async () => {
    for (let round = 0; round < 6; round++) {
      const env = newEnv();
      const { one, two, runs, replica } = await copies([3]);
      const three = new Author(one.pair);
      [three.seq, three.hash] = [one.seq, one.hash];
      const authors = [one, two, three];
      const relays: TestParty[] = [];
      for (const [index, author] of authors.entries()) {
        const relay = new TestParty("relay", env);
        // One of them left a little later.
        const common = index === round % 3 ? runs : [...runs, await author.write(1)];
        await holdAll(relay, [...common, await author.write(2 + index)]);
        relays.push(relay);
      }
      const device = new TestParty("device", env);
      for (const relay of relays) {
        device.connect(relay);
        await until([device, ...relays]);
      }
      await until([device, ...relays]);
      for (const relay of relays) expect(held(relay)).toEqual(held(device));
      expect(held(device)).toHaveLength(3);
      const { logs } = device.exchange.holdings;
      expect([...logs.values()].filter(({ branch }) => branch?.signer === replica)).toHaveLength(2);
      expect([device, ...relays].flatMap(({ endings }) => endings)).toEqual([]);
    }
  });

  it("far back, past what two have in common", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([50, 1, 1, 200]);
    const [relay, device] = [new TestParty("relay", env), new TestParty("device", env)];
    const [ours, theirs] = [await one.write(1), await two.write(1)];
    await holdAll(relay, [...runs, ours, await one.write(700), await one.write(300)]);
    await holdAll(device, [...runs, theirs, await two.write(900)]);
    device.connect(relay);
    await until([device, relay]);
    expect(held(relay)).toEqual(held(device));
    const { branch } = expected(replica, ours, theirs);
    expect(relay.exchange.holdings.head(branch)?.branch?.seq).toBe(253);
    expect([...device.endings, ...relay.endings]).toEqual([]);
  });

  it("nothing is taken apart on another's word alone", async () => {
    const env = newEnv();
    const { one, runs, replica } = await copies([3]);
    const [relay, liar] = [new TestParty("relay", env), new TestParty("device", env, [replica])];
    await holdAll(relay, [...runs, await one.write(2)]);
    await holdAll(liar, runs);
    const { theirs } = liar.connect(relay);
    await settle();
    const hash = new Uint8Array(32);
    for (const session of liar.exchange.sessions) {
      for (let seq = 1; seq < 5; seq++) {
        liar.session?.connection.send({
          type: "fork",
          space: session.mySpace,
          replica,
          seq,
          hash,
        });
      }
    }
    await until([relay, liar]);
    expect(relay.splits).toEqual([]);
    expect(theirs.ended).toBe(false);
    expect(relay.exchange.holdings.to(replica)).toBe(5);
    expect(held(liar)).toEqual(held(relay));
  });

  it("a branch that nobody has left is not taken for one", async () => {
    const env = newEnv();
    const { one, runs, replica } = await copies([3]);
    const run = await one.write(2);
    const [relay, liar] = [new TestParty("relay", env), new TestParty("device", env)];
    await holdAll(relay, [...runs, run]);
    const [hash] = run.hashes;
    if (hash === undefined) throw new Error("a run is never empty");
    const branch = { signer: replica, seq: 4, hash };
    const into = branchIdOf(suite, branch);
    const before = held(relay);
    const [whole] = runs;
    if (whole === undefined) throw new Error("no run is in common");
    await liar.store.append(tag, [whole, { ...run, replica: into, branch }]);
    for (const head of await liar.store.heads(tag)) liar.exchange.ownHeld(head);
    liar.connect(relay);
    await until([relay, liar]);
    expect(held(relay)).toEqual(before);
    expect(relay.endings).toEqual([]);
  });

  it("whoever cannot take logs apart is told of no branch, and gets on with the rest", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([2]);
    const relay = new TestParty("relay", env);
    const old = new TestParty("device", env, [replica], new MemoryLogStore(), { heals: false });
    const other = await Author.make();
    await holdAll(relay, [...runs, await one.write(2), await other.write(3)]);
    await holdAll(old, [...runs, await two.write(2)]);
    old.connect(relay);
    await until([relay, old]);
    expect(old.exchange.holdings.to(other.replica)).toBe(3);
    expect([...old.endings, ...relay.endings]).toEqual([]);
    expect(old.splits).toEqual([]);
  });

  it("says a branch only to those who understand it", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([2]);
    const relay = new TestParty("relay", env);
    const old = new TestParty("device", env);
    const [ours, theirs] = [await one.write(2), await two.write(2)];
    const { goes, stays, branch } = expected(replica, ours, theirs);
    await holdAll(relay, [...runs, goes]);
    const [hash] = goes.hashes;
    if (hash === undefined) throw new Error("a run is never empty");
    const split = await relay.store.split(tag, {
      replica,
      branch: { signer: replica, seq: 3, hash },
      into: branch,
    });
    if (split.kind !== "split") throw new Error("it was not taken apart");
    relay.exchange.tookApart(replica, split);
    await ownAppend(relay, stays);
    const kinds: string[] = [];
    relay.tap = (bytes) => {
      const frame = decodeFrame(bytes);
      if (!isMalformed(frame)) kinds.push(frame.type);
      return true;
    };
    old.tap = (bytes) => {
      const frame = decodeFrame(bytes);
      if (isMalformed(frame) || frame.type !== "greet") return true;
      return false;
    };
    const { theirs: atRelay } = old.connect(relay);
    atRelay.receive(oldGreeting());
    await until([relay, old]);
    expect(kinds).toContain("heads");
    expect(kinds).not.toContain("branch");
    expect(old.exchange.holdings.to(replica)).toBe(4);
    expect(old.exchange.holdings.to(branch)).toBe(0);
  });
});
